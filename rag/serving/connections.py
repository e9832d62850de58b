"""Closes a connection whose request does not come; uvicorn itself would wait for its header for
ever. A body's time is rag.doors.body's, the pause before a next request uvicorn's."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger(__name__)

HEADER_SECONDS = 15.0  # in which a request's header must have come, from the first byte on
SAY_SECONDS = 60.0  # between two lines in the log: who attacks must not fill it


class Closed:
    """Counts what was closed, and says it now and then."""

    def __init__(self) -> None:
        self._count, self._not_before = 0, 0.0

    def add(self, client: str) -> None:
        self._count += 1
        if (now := time.monotonic()) >= self._not_before:
            said = "closed %d connections that had sent no whole header in %g s, the last from %s"
            log.info(said, self._count, HEADER_SECONDS, client)
            self._count, self._not_before = 0, now + SAY_SECONDS


closed = Closed()  # of all pages of this process, as its log is one


class Impatient(HttpToolsProtocol):
    """uvicorn's protocol, with a time for the header: from the connection on, and after an answer
    from the first byte that follows. Answers and their readers have no time here. It speaks no
    WebSocket: nothing here does, and its handshake would pass by the gate and be held for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        before: Any = self.cycle
        if self._deadline is None and (before is None or before.response_complete):
            self._wait()
        super().data_received(data)
        if self.cycle is not before:  # a cycle is a request with its whole header
            self._wait_no_longer()

    def _should_upgrade_to_ws(self) -> bool:
        return False  # it is answered as any other request

    def _unsupported_upgrade_warning(self) -> None:
        pass  # who attacks must not fill the log

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_longer()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            closed.add(self.client[0] if self.client else "a socket")
            self.transport.close()
