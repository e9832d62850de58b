"""`POST /api/chat/stream`: an answer for a page without any library, as server-sent events. They
are the lines of `ask --json` (rag.event_lines); client.js reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from ..answer import Answerer
from ..event_lines import EventLines, Line, status
from ..events import Event, Started
from ..types import Language, Notice, Options
from .access import user_of
from .conversation import LEFT_OUT, conversation
from .errors import Route, documented
from .openai_wire import HEADWATER, ChatMessage, passed_on, token_limit
from .places import Collection, Documents, places
from .sse import CUT_OFF, NamedStream

_PASSED_ON = ("top_p", "presence_penalty", "frequency_penalty", "seed", "stop")
_EXAMPLE = """\
id: 5c40bb2f7b26-1
data: {"type":"status","event":"started","language":"en","request_id":"5c40bb2f7b26"}

id: 5c40bb2f7b26-2
data: {"type":"status","event":"searching","query":"What does X-Accel-Buffering do?"}

id: 5c40bb2f7b26-3
data: {"type":"status","event":"found","sources":1,"verdict":"answer"}

id: 5c40bb2f7b26-4
data: {"type":"context_ready","event":"sources_found","verdict":"answer","sources":[{"number":1,\
"document":"proxies-and-buffering.md","title":"Proxies and buffering","page":1,"score":0.8731,\
"text":"X-Accel-Buffering: no tells nginx not to buffer.","url":"documents/9/pages/1?chunk=214"}]}

id: 5c40bb2f7b26-5
data: {"type":"text","event":"text_delta","text":"It tells nginx not to buffer [1].",\
"refusal":false}

id: 5c40bb2f7b26-6
data: {"type":"citations","event":"citation_checked","number":1,"start":29,"end":32,\
"outcome":"confirmed","url":"documents/9/pages/1?chunk=214&from=0&to=48#passage"}

: keep-alive

id: 5c40bb2f7b26-7
data: {"type":"done","event":"finished","reason":"stop","text":"It tells nginx not to buffer [1].",\
"total_seconds":1.2}

"""


class PlainChat(BaseModel):
    """A question, or messages of which the last of the user is the question."""

    question: str | None = None
    messages: list[ChatMessage] | None = Field(
        None, max_length=1000, description="the conversation; a question too comes after it"
    )
    collection: Collection = None
    documents: Documents = None
    language: Language | None = Field(None, description="of the answer; else the question's")
    session: str | None = Field(
        None, max_length=100, description="a visitor's key: its own documents are searched too"
    )
    top_k: int | None = Field(None, ge=1, le=20, description="sources")
    fresh: bool | None = Field(None, description="true has an answer that is kept written anew")
    model: str | None = Field(None, max_length=200, description="a name of GET /v1/models")
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: Annotated[int | None, BeforeValidator(token_limit)] = None
    top_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Annotated[str | list[str] | None, AfterValidator(passed_on)] = None

    model_config = {
        "json_schema_extra": {"examples": [{"question": "What does X-Accel-Buffering do?"}]}
    }


def router(answerer: Answerer) -> APIRouter:
    """The route."""
    routes = APIRouter(route_class=Route)

    @routes.post(
        "/api/chat/stream",
        summary="An answer as plain server-sent events",
        response_class=StreamingResponse,
        responses=documented(400, 401, 413, stream=_EXAMPLE),
    )
    async def stream(chat: PlainChat, request: Request) -> NamedStream:
        """Each event is a JSON object with a `type`: `status` (how far it is; `event` says what:
        started, waiting, queued, searching, found, thinking, note), `context_ready` (the numbered
        sources, before any text), `text` (what is new of it), `citations` (one that was checked;
        `start` and `end` count Unicode's characters), and as the last one always `done` (the whole
        text, usage, times, cost, `reason`) or `error` (`code`, `retryable`, `retry_after`, the text
        until then).
        Others may be added. A comment comes every 15 seconds."""
        messages = chat.messages or []
        said = [(message.role, message.text) for message in messages]
        if chat.question is not None or not messages:
            said.append(("user", chat.question or ""))
        taken = conversation(said)
        options = Options(
            language=chat.language,
            top_k=chat.top_k,
            places=places(chat.collection, chat.documents),
            visitor=chat.session or "",
            model=None if chat.model == HEADWATER else chat.model or None,
            instructions=taken.instructions,
            fresh=bool(chat.fresh),
            temperature=chat.temperature,
            max_tokens=chat.max_tokens,
            parameters={
                field: value for field in _PASSED_ON if (value := getattr(chat, field)) is not None
            },
        )
        answer = answerer.answer(taken.question, taken.turns, options, user_of(request.scope))
        lacks = any(message.lacks for message in messages)
        notes = dict.fromkeys([LEFT_OUT, *taken.notes] if lacks else taken.notes)
        return NamedStream(answer, PlainStream(list(notes)))

    return routes


class PlainStream:
    """The events of one answer, with `notes` after its first one."""

    def __init__(self, notes: Sequence[Notice] = ()) -> None:
        self._notes = notes
        self._lines = EventLines()

    def feed(self, event: Event) -> Iterator[Line]:
        yield from self._lines.feed(event)
        if isinstance(event, Started):
            for note in self._notes:
                yield status("note", sentence=getattr(note, event.language))

    def end(self) -> Iterator[Line]:
        if not self._lines.over:
            yield from self._lines.feed(CUT_OFF)
