"""Server-sent events to a reader who may leave at any moment, also while nothing is sent: then what
makes them is closed at once. Knows what an answer's events are, and no door's words for them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing, suppress
from typing import Any, Protocol, TypeVar

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ..events import Event, Failed, Searching, Started
from ..serving import request_id

log = logging.getLogger(__name__)

T = TypeVar("T")

SEND_SECONDS = 30.0  # that a reader may take for one piece; others wait for its turn
KEEP_ALIVE_SECONDS = 15.0  # proxies close what is silent for longer, nginx after 60
CUT_OFF = Failed(
    "stream_interrupted",
    True,
    "The server was stopped. Ask again. · Máy chủ đã dừng. Hãy hỏi lại.",
    "",
)
DONE = b"data: [DONE]\n\n"
_COMMENT = b": keep-alive\n\n"
_LINE_ENDS = {"\x85": r"\u0085", "\u2028": r"\u2028", "\u2029": r"\u2029"}
_HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


class Translator(Protocol):
    """One answer in the words of one door."""

    def feed(self, event: Event) -> Iterable[object]:
        """What is sent for `event`, each a JSON value."""

    def end(self) -> Iterable[object]:
        """What is sent when no event follows, also if the answer was cut off."""


class EventStream(StreamingResponse):
    """Sends what `translator` makes of each of `events` as soon as it is there, and [DONE]. Closes
    `events` when they end or their reader has gone.

    With `refusal`, a failure that comes before anything can be shown is that answer instead.
    """

    media_type = "text/event-stream"
    closing = DONE

    def __init__(
        self,
        events: AsyncGenerator[Event],
        translator: Translator,
        headers: dict[str, str] | None = None,
        refusal: Callable[[Failed], Response] | None = None,
    ) -> None:
        super().__init__((), headers=_HEADERS | (headers or {}))
        self._events = events
        self._translator = translator
        self._refusal = refusal
        self._last_sent = 0.0
        self._not_read = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await until_gone(receive, self._answer(scope, receive, send))
        except _NotRead:
            log.info("a stream was ended that nobody read")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events) as events:
            begun = []
            if self._refusal:
                async for event in events:
                    if isinstance(event, Failed):
                        await self._refusal(event)(scope, receive, send)
                        return
                    begun.append(event)
                    if not isinstance(event, Started | Searching):
                        break
            await self._write(begun, send)

    async def _write(self, begun: Sequence[Event], send: Send) -> None:
        async def body(data: bytes, more: bool = True) -> None:
            if (data or not more) and not self._not_read:
                self._last_sent = time.monotonic()
                try:
                    async with asyncio.timeout(SEND_SECONDS):
                        await send({"type": "http.response.body", "body": data, "more_body": more})
                except TimeoutError:
                    self._not_read = True
                    raise _NotRead from None

        async def keep_alive() -> None:
            while True:
                await asyncio.sleep(self._last_sent + KEEP_ALIVE_SECONDS - time.monotonic())
                if time.monotonic() >= self._last_sent + KEEP_ALIVE_SECONDS:
                    await body(_COMMENT)

        self._last_sent = time.monotonic()
        self.headers.update(request_id.headers())
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        keeping = asyncio.create_task(keep_alive())
        try:
            for event in begun:
                await body(self._lines(self._translator.feed(event)))
            async for event in self._events:
                await body(self._lines(self._translator.feed(event)))
        finally:
            keeping.cancel()
            # Also when this process is being stopped: who still reads sees where it ends.
            await body(self._lines(self._translator.end()) + self.closing, more=False)

    def _lines(self, parts: Iterable[object]) -> bytes:
        return b"".join(map(line, parts))


class NamedStream(EventStream):
    """The same without [DONE]. Each event has an id, that of the question and a number from 1, by
    which a client can say later what it has."""

    closing = b""
    _number = 0

    def _lines(self, parts: Iterable[object]) -> bytes:
        return b"".join(map(self._named, parts))

    def _named(self, part: object) -> bytes:
        self._number += 1
        return b"id: %b-%d\n%b" % (request_id.current().encode(), self._number, line(part))


class _NotRead(Exception):
    """The reader takes nothing any more, and has not left."""


async def until_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` returns; None if whoever asked has gone, and it was cancelled."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait([working, leaving])
    with suppress(asyncio.CancelledError):
        return working.result()
    return None


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def line(value: object) -> bytes:
    """One event. What is no text of any language (half a surrogate pair) becomes a question mark;
    line ends of Unicode are escaped, because some readers end the event there."""
    said = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for end, escape in _LINE_ENDS.items():  # str.translate takes thirty times as long
        said = said.replace(end, escape)
    return b"data: %b\n\n" % said.encode("utf-8", "replace")
