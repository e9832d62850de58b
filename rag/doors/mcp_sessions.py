"""How many MCP sessions there are: each visitor has a share, and the one idle longest makes room.

Pure ASGI, in front of what serves them. Knows of the protocol only the header that names a session.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..serving.visitors import duration, to_wait
from .errors import problem

SESSIONS = 1000  # at once: each client holds one
EACH = 100  # of one visitor; many may come from one address
OPENINGS = parse("60/minute")  # of one visitor
IDLE_SECONDS = 300.0  # without a request; then it is given up
_HEADER = "mcp-session-id"


@dataclass(slots=True)
class _Session:
    user: str
    used: float  # when a request last began or ended
    requests: int = 0  # that are being answered, of which a client holds one open to listen
    calls: int = 0  # those among them that ask for something


class Sessions:
    """Counts the sessions that `app` serves; `user` says whose a request is.

    `app` opens one for a request that names none, gives it up after IDLE_SECONDS, answers 404 for
    one that it does not have, and ends one at DELETE.
    """

    def __init__(self, app: ASGIApp, user: Callable[[Scope], str | None]) -> None:
        self._app = app
        self._user = user
        self._sessions: dict[str, _Session] = {}
        self._openings = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = Headers(scope=scope).get(_HEADER)
        if name is None:
            await self._open(scope, receive, send)
        elif session := self._sessions.get(name):
            await self._go_on(name, session, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        user = self._user(scope) or ""
        if not await self._openings.hit(OPENINGS, user):
            seconds = await to_wait(self._openings, OPENINGS, user)
            said = (
                "You have opened many sessions in a short time. Go on with one of them, or open "
                f"another in {duration(seconds)[0]}."
            )
            headers = {"retry-after": str(seconds)}
            refused = problem(429, said, "rate_limited", headers=headers)
            await refused(scope, receive, send)
            return
        self._forget_given_up()
        while (surplus := self._surplus(user)) is not None:
            await self._end(surplus)

        async def noticing(message: Message) -> None:
            name = Headers(raw=message.get("headers", [])).get(_HEADER)
            if name and message["status"] < 400:
                self._sessions[name] = _Session(user, time.monotonic())
            await send(message)

        await self._app(scope, receive, noticing)

    async def _go_on(
        self, name: str, session: _Session, scope: Scope, receive: Receive, send: Send
    ) -> None:
        ends, is_call = scope["method"] == "DELETE", scope["method"] == "POST"

        async def noticing(message: Message) -> None:
            status = message.get("status")  # of its start
            if status == 404 or (ends and status == 200):
                self._sessions.pop(name, None)
            await send(message)

        session.used = time.monotonic()
        session.requests += 1
        session.calls += is_call
        try:
            await self._app(scope, receive, noticing)
        finally:
            session.used = time.monotonic()
            session.requests -= 1
            session.calls -= is_call

    def _forget_given_up(self) -> None:
        longest = time.monotonic() - IDLE_SECONDS
        for name, session in list(self._sessions.items()):
            if not session.requests and session.used < longest:
                del self._sessions[name]

    def _surplus(self, user: str) -> str | None:
        """The session that makes room for another one of `user`: where all places are taken, one of
        whoever has most. None if there is room."""
        counts = Counter(session.user for session in self._sessions.values())
        if counts[user] < EACH:
            if len(self._sessions) < SESSIONS:
                return None
            [(user, _)] = counts.most_common(1)
        own = [(s.calls > 0, s.used, name) for name, s in self._sessions.items() if s.user == user]
        return min(own)[-1]

    async def _end(self, name: str) -> None:
        del self._sessions[name]  # first: others come while it ends

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def unread(_: Message) -> None:
            pass

        headers = [(_HEADER.encode(), name.encode())]
        request = {"type": "http", "method": "DELETE", "path": "/", "query_string": b""}
        await self._app({**request, "headers": headers}, nothing, unread)
