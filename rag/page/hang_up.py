"""Notices that the reader of an answer's stream at the page has gone. Pure ASGI."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CALL = re.compile(r"/call/(?:v2/)?chat/(\w+)/?$")


class HangUp:
    """Tells when whoever reads an answer's stream has gone, at once: Gradio itself notices when the
    next piece comes, which a silent model never sends.

    `gone` is given the session: a browser's, or the id of a single call's event. `over` is given
    the latter when its stream has ended, by its reader or by itself.
    """

    def __init__(
        self, app: ASGIApp, gone: Callable[[str], None], over: Callable[[str], None]
    ) -> None:
        self._app = app
        self._gone = gone
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and (session := _session(scope)):
                self._gone(session)
            return message

        try:
            await self._app(scope, watched, send)
        finally:
            if scope["type"] == "http" and (call := _CALL.search(scope["path"])):
                self._over(str(call[1]))


def _session(scope: Scope) -> str | None:
    if scope["type"] != "http":
        return None
    if call := _CALL.search(scope["path"]):
        return str(call[1])
    if scope["path"].endswith("/queue/data"):
        asked = parse_qs(str(scope["query_string"], "latin-1"))
        return asked.get("session_hash", [""])[0]
    return None
