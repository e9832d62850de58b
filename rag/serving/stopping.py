"""The end of a process that serves: what is being answered gets its true end, and nothing begins.

Knows no door and no server.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from types import FrameType

from ..errors import Interrupted
from ..events import Event, Failed, Started
from ..types import Language
from . import request_id

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ENDING_SECONDS = 3.0
FLUSH_SECONDS = 0.3  # from where an answer ends to its reader's socket; Gradio has a queue between
CLOSING_SECONDS = 1.0

log = logging.getLogger(__name__)


class Stopping:
    """Whether the process is being stopped, and the answers that are under way until then."""

    def __init__(self) -> None:
        self.begun = False
        self._under_way = 0
        self._waits: set[asyncio.Timeout] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def problems(self) -> list[str]:
        """Why no question can be answered any more, if so."""
        return [Interrupted().en] if self.begun else []

    async def through(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """The same events; once the process is being stopped, one that says so, and no more."""
        self._loop = asyncio.get_running_loop()
        self._under_way += 1
        language: Language = "en"
        try:
            async with aclosing(events):
                async for event in events:  # the first, which waits for nothing
                    if isinstance(event, Started):
                        language = event.language
                    yield event
                    break
                while not self.begun:
                    try:
                        yield await self._next(events)
                    except StopAsyncIteration:
                        return
                    except TimeoutError:
                        break
                said = Interrupted()
                yield Failed(said.code, True, said.sentence(language), request_id.current())
        finally:
            self._under_way -= 1

    def end(self, close: Callable[[], Coroutine[None, None, None]]) -> None:
        """Ends all answers, from another thread than theirs, and then runs `close` in theirs.
        Returns when their readers have taken the ends, at the latest after `ENDING_SECONDS`."""
        self.begun = True
        if self._loop is None:  # nobody has asked
            return
        log.info("stopping: %d answers are ended", self._under_way)
        self._loop.call_soon_threadsafe(self._end_waits)
        until = time.monotonic() + ENDING_SECONDS
        while self._under_way and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(FLUSH_SECONDS)
        closing = asyncio.run_coroutine_threadsafe(close(), self._loop)
        with suppress(TimeoutError):
            closing.result(CLOSING_SECONDS)

    async def _next(self, events: AsyncGenerator[Event]) -> Event:
        # The scope is left before the event is handed on: it ends this wait and nobody else's.
        async with asyncio.timeout(None) as wait:
            self._waits.add(wait)
            try:
                return await anext(events)
            finally:
                self._waits.discard(wait)

    def _end_waits(self) -> None:
        for wait in self._waits:
            wait.reschedule(0)


def told() -> None:
    """Waits, in the main thread, for SIGTERM or Ctrl-C. A second one ends the process at once."""
    heard = threading.Event()

    def hear(_: int, __: FrameType | None) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        heard.set()

    for number in SIGNALS:
        signal.signal(number, hear)
    heard.wait()
