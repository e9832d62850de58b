"""Refuses new requests at the doors while the process is being stopped. Pure ASGI."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import Interrupted
from ..serving.stopping import Stopping
from .errors import problem
from .guard import is_door


class Ending:
    """Lets requests for a door through until `stopping` has begun; the page says it by itself."""

    def __init__(self, app: ASGIApp, stopping: Stopping) -> None:
        self._app = app
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_door(scope) and self._stopping.begun:
            said = self._stopping.problems()[0]
            await problem(503, said, Interrupted.code)(scope, receive, send)
            return
        await self._app(scope, receive, send)
