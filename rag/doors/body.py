"""How much a request may carry, and how long it may take to. Pure ASGI."""

from __future__ import annotations

import asyncio
import logging

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import refusal
from .guard import is_door

log = logging.getLogger(__name__)

MAX_BODY = 4_000_000  # bytes; useChat sends all earlier sources back
MAX_PAGE_BODY = 8_000_000  # bytes; what a browser keeps of conversations, 5 MB, comes back whole
BODY_SECONDS = 15.0  # in which all of a body must have come


class Limited:
    """Refuses a body that is too long, before anything of it is used."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        for_programs = is_door(scope)
        most = MAX_BODY if for_programs else MAX_PAGE_BODY
        announced = Headers(scope=scope).get("content-length", "0")
        body, too_long = bytearray(), announced.isdecimal() and int(announced) > most
        more = not too_long
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while more and not too_long:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    too_long, more = len(body) > most, message.get("more_body", False)
        except TimeoutError:
            said = "The body did not come in time."
            client = scope["client"][0] if scope.get("client") else "a socket"
            log.info("closed a connection from %s: no whole body in %g s", client, BODY_SECONDS)
            answer = refusal(said, 408, for_programs)
            answer.headers["Connection"] = "close"  # what is still to come is nobody's
            await answer(scope, receive, send)
            return
        if too_long:
            said = f"The body is too large; at most {most:,} bytes are taken."
            await refusal(said, 413, for_programs)(scope, receive, send)
            return
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def again() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, again, send)
