"""`POST /api/chat`: an answer as the AI SDK's UI message stream, which `useChat` reads as it is.

Only translates the events; each part is what the SDK's own schema allows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Literal, assert_never

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, model_validator

from ..answer import Answerer
from ..events import (
    CitationChecked,
    Event,
    Failed,
    Finished,
    Queued,
    Searching,
    SourcesFound,
    Started,
    TextDelta,
    Thinking,
    Waiting,
    WithoutDocuments,
    quote_as_json,
    usage_as_json,
)
from ..types import Findings, Language, Notice, Options, Source
from .access import user_of
from .conversation import conversation
from .errors import Route, documented
from .places import Collection, Documents, places
from .sources import found_source, media_type
from .sse import CUT_OFF, EventStream

Part = dict[str, object]

_HEADERS = {"x-vercel-ai-ui-message-stream": "v1"}
_FINISH = {"length": "length", "content_filter": "content-filter"}
_FINISH |= {"tool_calls": "other", "other": "other"}


class UiPart(BaseModel):
    """A part of a message; those that are not text are the client's own record of the answer."""

    type: str
    text: str | None = None


class UiMessage(BaseModel):
    """A message as `useChat` keeps it; older clients send `content` in place of `parts`."""

    role: str = Field(max_length=100, description="system, user or assistant")
    parts: list[UiPart] | None = Field(None, max_length=2000)
    content: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> UiMessage:
        if self.parts is None and self.content is None:
            raise ValueError("a message has parts")
        return self

    @property
    def text(self) -> str | None:
        """What it says; None where that is something else."""
        if not self.parts:
            return self.content or ""
        texts = [part.text or "" for part in self.parts if part.type == "text"]
        return "\n".join(texts) if texts or self.role == "assistant" else None


class UiChat(BaseModel):
    """What `useChat` sends; the last message of the user is the question."""

    messages: list[UiMessage] = Field(min_length=1, max_length=1000)
    trigger: str | None = Field(
        "submit-message", description="regenerate-message has it written anew"
    )
    language: Language | None = Field(None, description="of the answer; else the question's")
    collection: Collection = None
    documents: Documents = None
    top_k: int | None = Field(None, ge=1, le=20, description="sources")

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "messages": [
                        {
                            "role": "user",
                            "parts": [{"type": "text", "text": "What does X-Accel-Buffering do?"}],
                        }
                    ]
                }
            ]
        }
    }


def router(answerer: Answerer) -> APIRouter:
    """The route."""
    routes = APIRouter(route_class=Route)

    @routes.post(
        "/api/chat",
        summary="An answer for useChat (AI SDK UI message stream)",
        response_class=StreamingResponse,
        responses=documented(
            400, 401, 413, stream='{"type":"text-delta","id":"text","delta":"It tells nginx"}'
        ),
    )
    async def chat(chat: UiChat, request: Request) -> EventStream:
        """Sources come as `source-document` parts before the first text; `data-status`,
        `data-citation` (its `start` counts as JavaScript does) and the metadata of `finish` tell
        the rest; what the model thinks comes as `reasoning`. After `data-was-thinking` the text
        begins anew: what came until then was no answer. `[DONE]` always closes it."""
        said = conversation([(message.role, message.text) for message in chat.messages])
        options = Options(
            language=chat.language,
            top_k=chat.top_k,
            places=places(chat.collection, chat.documents),
            instructions=said.instructions,
            fresh=chat.trigger == "regenerate-message",
        )
        user = user_of(request.scope)
        answer = answerer.answer(said.question, said.turns, options, user)
        return EventStream(answer, UiStream(said.notes), headers=_HEADERS)

    return routes


class UiStream:
    """The parts of one message."""

    def __init__(self, notes: Sequence[Notice] = ()) -> None:
        """`notes` come with the end, in the language of the answer."""
        self._notes = notes
        self._language: Language = "en"
        self._over = False
        self._open: list[Literal["reasoning", "text"]] = []  # parts that go on
        self._wide: list[int] = []  # where characters stand that JavaScript counts as two
        self._length = 0

    def feed(self, event: Event) -> Iterator[Part]:
        match event:
            case Started(language, request):
                self._language = language
                told = {"language": language}
                yield {"type": "start", "messageId": f"msg-{request}", "messageMetadata": told}
            case Searching(query):
                yield _status(state="searching", query=query)
            case Waiting(done, total):
                yield _status(state="waiting", done=done, total=total)
            case Queued(place):
                yield _status(state="queued", place=place)
            case SourcesFound(findings, rewritten):
                yield _found(findings, rewritten)
                for source in findings.sources:
                    yield _source(source)
            case WithoutDocuments():
                yield _status(state="without_documents")
            case TextDelta(text):
                yield from self._close("reasoning")
                yield from self._begin("text")
                self._wide += [self._length + i for i, c in enumerate(text) if ord(c) > 0xFFFF]
                self._length += len(text)
                yield {"type": "text-delta", "id": "text", "delta": text}
            case Thinking(text, so_far):
                if so_far:
                    yield from self._close("text")
                    self._wide, self._length = [], 0
                    yield {"type": "data-was-thinking", "data": {"part": "text"}}
                if text:
                    yield from self._begin("reasoning")
                    yield {"type": "reasoning-delta", "id": "reasoning", "delta": text}
            case CitationChecked(number, start, supported, reason, quote, added):
                start += bisect_left(self._wide, start)
                checked = {"number": number, "start": start, "supported": supported}
                more = {"outcome": event.outcome, "reason": reason, "quote": quote_as_json(quote)}
                kind = "data-added-citation" if added else "data-citation"
                yield {"type": kind, "data": {**checked, **more}}
            case Finished():
                yield from self._close("reasoning", "text")
                yield {
                    "type": "finish",
                    "finishReason": _FINISH.get(event.reason, "stop"),
                    "messageMetadata": {
                        **_metadata(event),
                        "notes": [getattr(note, self._language) for note in self._notes],
                    },
                }
                self._over = True
            case Failed():
                yield from self._close("reasoning", "text")
                yield _status(
                    state="failed",
                    code=event.code,
                    retryable=event.retryable,
                    requestId=event.request_id,
                    **({"detail": event.detail} if event.detail else {}),
                )
                yield {"type": "error", "errorText": event.sentence}
                self._over = True
            case _:
                assert_never(event)

    def end(self) -> Iterator[Part]:
        if not self._over:
            yield from self._close("reasoning", "text")
            yield {"type": "abort"}  # of which useChat itself says nothing
            yield {"type": "error", "errorText": CUT_OFF.sentence}

    def _begin(self, part: Literal["reasoning", "text"]) -> Iterator[Part]:
        if part not in self._open:
            self._open.append(part)
            yield {"type": f"{part}-start", "id": part}

    def _close(self, *parts: Literal["reasoning", "text"]) -> Iterator[Part]:
        for part in parts:
            if part in self._open:
                self._open.remove(part)
                yield {"type": f"{part}-end", "id": part}


def _status(**data: object) -> Part:
    """One part of the message, replaced by the next."""
    return {"type": "data-status", "id": "status", "data": data}


def _found(findings: Findings, rewritten: bool) -> Part:
    return _status(
        state="found",
        verdict=findings.verdict,
        query=findings.query,
        rewritten=rewritten,
        bestScore=round(findings.best_score, 4),
        threshold=findings.threshold,
    )


def _source(source: Source) -> Part:
    more = found_source(source).model_dump(exclude={"document", "title"}, exclude_none=True)
    return {
        "type": "source-document",
        "sourceId": str(source.number),
        "mediaType": media_type(source),
        "title": source.title,
        "filename": source.document,
        "providerMetadata": {"headwater": more},
    }


def _metadata(event: Finished) -> Part:
    return {
        "reason": event.reason,
        "model": event.model,
        "usage": usage_as_json(event.usage),
        "cost": event.price,
        "cached": event.cached,
        "timings": {
            "search": event.search_seconds and round(event.search_seconds, 4),
            "firstToken": event.first_token_seconds and round(event.first_token_seconds, 4),
            "total": round(event.total_seconds, 4),
        },
        "requestId": event.request_id,
        "droppedCitations": event.dropped,
        "fit": asdict(event.fit) if event.fit else None,
        "cutAt": event.cut_at,
    }
