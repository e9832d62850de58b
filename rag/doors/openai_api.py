"""`POST /v1/chat/completions` and `GET /v1/models`: answers as OpenAI's API gives them, so that any
of its clients works. The sources ride beside the text, as search-backed APIs send them.

Only translates the events and the request's words for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any, assert_never
from urllib.parse import urljoin

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

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
    as_json,
)
from ..serving import request_id
from ..types import Language, Notice, Options, Source, Usage
from .access import user_of
from .conversation import LEFT_OUT, conversation
from .errors import Route, documented, error_of, failure, problem
from .openai_wire import HEADWATER, ChatCompletion, CompletionBody, ModelList, OneModel
from .places import places
from .sources import found_source
from .sse import CUT_OFF, EventStream, until_gone

_PASSED_ON = (
    "max_completion_tokens",  # keeps its name
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "stop",
    "response_format",
    "user",
)
_END_OF_THINKING = "\n</think>\n\n"
_FINISH = {"length": "length", "content_filter": "content_filter"}


def router(answerer: Answerer, models: Sequence[str]) -> APIRouter:
    """The routes; `models` may be chosen, none where the documents are quoted."""
    routes = APIRouter(route_class=Route)
    names = list(dict.fromkeys([HEADWATER, *models]))

    @routes.get(
        "/v1/models",
        summary="The models and, behind a slash, the collections",
        response_model=ModelList,
        responses=documented(401),
    )
    def listed() -> dict[str, Any]:
        """`headwater` is the model of the server's settings. `model/collection` searches only that
        collection, as the field `collection` does."""
        inside = [
            f"{name}/{collection}" for collection in answerer.searcher.collections for name in names
        ]
        return {"object": "list", "data": [_model(name) for name in [*names, *inside]]}

    @routes.get(
        "/v1/models/{name:path}",
        summary="One of them",
        response_model=OneModel,
        responses=documented(401, 404),
    )
    def one(name: Annotated[str, Path(examples=[HEADWATER])]) -> Any:
        """That a name may be asked for; for programs that look before they ask."""
        known, collection = _chosen(name, names)
        if known is None or collection not in {None, *answerer.searcher.collections}:
            return _not_offered(name, names)
        return _model(name)

    @routes.post(
        "/v1/chat/completions",
        summary="An answer with its sources, OpenAI-compatible",
        response_model=CompletionBody,
        responses=documented(
            *(400, 401, 404, 413, 429, 502, 503, 504),
            stream='{"choices":[{"index":0,"delta":{"content":"It tells nginx"}}]}',
        ),
    )
    async def completions(asked: ChatCompletion, request: Request) -> Response:
        """`citations` (addresses) and `search_results` (with the passages) come beside the message,
        and beside the first and the last chunk of a stream. `annotations` say where the text cites
        them; those of a stream's first chunk, before there is a text, name all of them. What the
        model thinks is `reasoning_content`, no part of the content."""
        name, collection = _chosen(asked.model, names)
        if name is None:
            return _not_offered(asked.model, names)
        said = conversation([(m.role, m.text) for m in asked.messages])
        lacks = asked.tools or any(message.lacks for message in asked.messages)
        notes = [LEFT_OUT, *said.notes] if lacks else said.notes
        options = Options(
            model=None if name == HEADWATER else name,
            places=places(asked.collection or collection, asked.documents),
            instructions=said.instructions,
            temperature=asked.temperature,
            max_tokens=asked.max_completion_tokens or asked.max_tokens,
            parameters={
                field: value for field in _PASSED_ON if (value := getattr(asked, field)) is not None
            },
        )
        user = user_of(request.scope)
        events = answerer.answer(said.question, said.turns, options, user)
        base = str(request.base_url)
        answer = Completion(asked.model, options, lambda source: _link(base, source), notes)
        if asked.stream:
            wished = asked.stream_options
            answer.tells_usage = bool(wished and wished.include_usage)
            return EventStream(events, answer, refusal=_refused)

        async def whole() -> Response:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Failed):
                        return _refused(event)
                    for _ in answer.feed(event):
                        pass
            return JSONResponse(answer.whole(), headers=request_id.headers())

        return await until_gone(request.receive, whole()) or Response(status_code=499)

    return routes


class Completion:
    """One answer, as the chunks of a stream or whole."""

    tells_usage = False

    def __init__(
        self,
        model: str,
        options: Options,
        link: Callable[[Source], str],
        notes: Sequence[Notice] = (),
    ) -> None:
        """`notes` are said beside the answer, in its language."""
        self._model = model
        self._notes = dict.fromkeys(notes)
        self._language: Language = "en"
        self._as_json = options.as_json
        self._link = link
        self._created = int(time.time())
        self._id = ""
        self._said: dict[str, str] = {}  # as content or as refusal
        self._sources: Sequence[Source] = ()
        self._links: dict[int, str] = {}
        self._thought = ""
        self._before = 0  # characters of a stream's content that were no answer
        self._citations: list[CitationChecked] = []
        self._finished: Finished | None = None
        self._over = False

    def feed(self, event: Event) -> Iterator[dict[str, Any]]:
        match event:
            case Started(language):
                self._language = language
            case Searching() | Waiting() | Queued() | WithoutDocuments():
                pass
            case SourcesFound(findings):
                self._sources = findings.sources
                self._links = {source.number: self._link(source) for source in findings.sources}
                yield from self._begin()
            case TextDelta(text, refusal):
                yield from self._begin()
                key = "refusal" if refusal and self._as_json else "content"  # it is no JSON
                self._said[key] = self._said.get(key, "") + text
                yield self._chunk({key: text})
            case Thinking(text, so_far):
                yield from self._begin()
                if so_far:
                    yield from self._begin_anew()
                if text:
                    self._thought += text
                    yield self._chunk({"reasoning_content": text})
            case CitationChecked():
                self._citations.append(event)
            case Finished(reason=reason):
                yield from self._begin()
                self._finished, self._over = event, True
                cited = _indexed(self._annotations(self._before), len(self._sources))
                last = self._chunk({"annotations": cited}, _FINISH.get(reason, "stop"))
                yield last | self._found() | {"headwater": self._measured(event)}
                if self.tells_usage:
                    yield self._chunk(None) | {"usage": _usage(event)}
            case Failed():
                self._over = True
                yield error_of(event)
            case _:
                assert_never(event)

    def end(self) -> Iterator[dict[str, Any]]:
        if not self._over:
            yield error_of(CUT_OFF)

    def whole(self) -> dict[str, Any]:
        """The answer that is not streamed, once it is finished."""
        assert self._finished is not None
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        message |= (self._said or {"content": ""}) | {"annotations": self._annotations()}
        if self._thought:
            message["reasoning_content"] = self._thought
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": _FINISH.get(self._finished.reason, "stop"),
            "logprobs": None,
        }
        return {
            "id": self._id,
            "object": "chat.completion",
            "created": self._created,
            "model": self._model,
            "choices": [choice],
            "usage": _usage(self._finished),
            **self._found(),
            "headwater": self._measured(self._finished),
        }

    def _begin_anew(self) -> Iterator[dict[str, Any]]:
        """What came so far was thinking. It cannot be taken back from a stream: there it ends as
        the model has ended it, which clients of such models know."""
        said = self._said.pop("content", "")
        self._thought += said
        self._citations.clear()
        self._before += len(said) + len(_END_OF_THINKING)
        yield self._chunk({"content": _END_OF_THINKING})

    def _begin(self) -> Iterator[dict[str, Any]]:
        if not self._id:
            self._id = f"chatcmpl-{request_id.current()}"
            annotations = _indexed([self._annotation(s, 0, 0) for s in self._sources], 0)
            delta = {"role": "assistant", "content": "", "annotations": annotations}
            yield self._chunk(delta) | self._found()

    def _chunk(
        self, delta: dict[str, Any] | None, finish_reason: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": [] if delta is None else [choice],
        }

    def _found(self) -> dict[str, Any]:
        return {
            "citations": list(self._links.values()),
            "search_results": [
                found_source(source).model_dump(exclude={"text"})
                | {"url": self._links[source.number], "snippet": source.text}
                for source in self._sources
            ],
        }

    def _measured(self, event: Finished) -> dict[str, object]:
        """What the event tells and OpenAI's fields have no place for, and the notes."""
        told = as_json(event)
        told |= {"notes": [getattr(note, self._language) for note in self._notes]}
        return {key: value for key, value in told.items() if key not in ("event", "usage")}

    def _annotations(self, before: int = 0) -> list[dict[str, Any]]:
        by_number = {source.number: source for source in self._sources}
        return [
            self._annotation(
                by_number[c.number],
                before + c.start,
                before + c.start + (0 if c.added else len(f"[{c.number}]")),
                supported=c.supported,
                outcome=c.outcome,
                quote=c.quote.text if c.quote else None,
                added=c.added,
            )
            for c in self._citations
        ]

    def _annotation(self, source: Source, start: int, end: int, **more: object) -> dict[str, Any]:
        place = {"start_index": start, "end_index": end}
        cited = {**place, "url": self._links[source.number], "title": source.title, **more}
        return {"type": "url_citation", "url_citation": cited}


def _indexed(items: Sequence[dict[str, Any]], first: int) -> list[dict[str, Any]]:
    """The items of a list that comes in several chunks: clients put them together by their index,
    which goes on from chunk to chunk."""
    return [{"index": index, **item} for index, item in enumerate(items, first)]


def _chosen(model: str, names: Sequence[str]) -> tuple[str | None, str | None]:
    """The model and the collection that a name means; None for a model that is not offered."""
    if model in names:
        return model, None
    for name in sorted(names, key=len, reverse=True):  # a model may have a slash, a document too
        if model.startswith(f"{name}/") and (collection := model.removeprefix(f"{name}/")):
            return name, collection
    return None, None


def _not_offered(model: str, names: Sequence[str]) -> Response:
    said = f"The model `{model}` is not offered here; choose one of: {', '.join(names)}."
    return problem(404, said, "unknown_model", "model")


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": HEADWATER}


def _link(base: str, source: Source) -> str:
    """The page of a source; its name where that cannot be opened."""
    at = source.address
    return urljoin(base, at) if at else source.document


def _refused(failed: Failed) -> Response:
    return failure(failed.code, failed.sentence, failed.retryable, failed.retry_after)


def _usage(event: Finished) -> dict[str, Any]:
    used = event.usage or Usage(0, 0)
    if event.rewriting:
        used += event.rewriting
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "completion_tokens_details": {"reasoning_tokens": used.thinking_tokens},
    }
