"""How much a request may carry, and how long it may take to. Pure ASGI."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import refusal
from .guard import is_door, path_of

log = logging.getLogger(__name__)

MAX_BODY = 4_000_000  # bytes; useChat sends all earlier sources back
MAX_PAGE_BODY = 8_000_000  # bytes; what a browser keeps of conversations, 5 MB, comes back whole
MAX_CALL = 100_000  # bytes; a question at the page with its options, which Gradio keeps in a queue
MAX_HELD = 64_000_000  # bytes of all bodies longer than that, at once
BODY_SECONDS = 15.0  # in which all of a body must have come
_FILES = "/documents"  # rag.documents.uploads keeps them piece by piece, with bounds of its own
_CALL = re.compile(r"/gradio_api/(?:call/.+|queue/join/?)")


class Limited:
    """Refuses a body that is too long before anything of it is used, and one that is long while
    others take up too much."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_file = scope["type"] == "http" and path_of(scope) == _FILES
        if is_file or scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        held = 0

        def hold(size: int) -> bool:
            nonlocal held
            if size <= MAX_CALL:
                return True
            self._held += size - held
            held = size
            return self._held <= MAX_HELD

        try:
            body = await _body(scope, receive, hold)
            if isinstance(body, Response):
                await body(scope, receive, send)
                return
            whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

            async def again() -> Message:
                return whole.pop() if whole else await receive()

            await self._app(scope, again, send)
        except _Gone:
            pass
        finally:
            self._held -= held


class _Gone(Exception):
    """Whoever asked has gone, before all of the body came."""


async def _body(scope: Scope, receive: Receive, hold: Callable[[int], bool]) -> bytes | Response:
    """The whole body, or what refuses it; `hold` says whether so many bytes may be kept of it."""
    for_programs = is_door(scope)
    most = MAX_BODY if for_programs else MAX_PAGE_BODY
    if _CALL.fullmatch(path_of(scope)):
        most = MAX_CALL
    too_long = f"The body is too large; at most {most:,} bytes are taken."
    announced = Headers(scope=scope).get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
        return refusal(too_long, 413, for_programs)
    body, more = bytearray(), True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Gone
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > most:
                    return refusal(too_long, 413, for_programs)
                if not hold(len(body)):
                    said = "Too many long requests are being read. Send it again in a moment."
                    return refusal(said, 503, for_programs)
    except TimeoutError:
        said = "The body did not come in time."
        client = scope["client"][0] if scope.get("client") else "a socket"
        log.info("closed a connection from %s: no whole body in %g s", client, BODY_SECONDS)
        answer = refusal(said, 408, for_programs)
        answer.headers["Connection"] = "close"  # what is still to come is nobody's
        return answer
    return bytes(body)
