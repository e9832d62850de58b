"""Puts the doors for programs side by side, with their description at /docs, and the gate before
them and the page. Each is a file of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from fastapi import Depends, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import __version__
from ..answer import Answerer
from ..serving.stopping import Stopping
from ..settings import Settings
from . import ai_sdk, openai_api, plain_stream, search_api, widget
from .access import Access, hashed
from .body import Limited
from .ending import Ending
from .errors import problem
from .guard import Guard, is_door, is_local, path_of

_ABOUT = """\
Answers from the documents, sources first. Where keys are set (`HEADWATER_API_KEYS`), send one as \
`Authorization: Bearer …`. Errors have OpenAI's shape.
"""


class Shared:
    """Lets pages of other sites read what the doors answer, and nothing else."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._shared = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_credentials=True,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],  # OpenAI's client and MCP's send some of their own
            expose_headers=["Mcp-Session-Id", "X-Request-Id", "X-Should-Retry", "Retry-After"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._shared if scope["type"] == "http" and is_door(scope) else self._app
        await app(scope, receive, send)


def doors(answerer: Answerer, settings: Settings) -> list[BaseRoute]:
    """Their routes."""
    described = FastAPIOffline(
        title="Headwater",
        version=__version__,
        description=_ABOUT,
        redoc_url=None,
        static_url="/docs/static",
        favicon_url="docs/static/favicon.png",
    )
    models = [settings.openai_model, *settings.models] if settings.has_model else []
    key = Depends(HTTPBearer(auto_error=False))  # only described by it; the gate asks for it
    for router in (
        openai_api.router(answerer, models),
        ai_sdk.router(answerer),
        plain_stream.router(answerer),
        search_api.router(answerer),
    ):
        described.include_router(router, dependencies=[key])
    return [*described.routes, *widget.routes()]


def gate(settings: Settings, stopping: Stopping) -> list[Middleware]:
    """What every request goes through, the first one first."""
    logins = {name: hashed(word.get_secret_value()) for name, word in settings.auth.items()}
    # A Space that has a domain of its own as well has them all in it, with commas between.
    public = re.split(", *", settings.public_host or os.environ.get("SPACE_HOST", ""))
    # A site that borrows a name cannot log in.
    any_name = settings.auth and public == [""]
    return [
        Middleware(
            Guard,
            public_host=public[0],
            names=None if any_name else [*public, settings.server_name],
            local_only=is_local(settings.server_name),
            allowed_origins=settings.allowed_origins,
            root_path=settings.root_path,
            frame_origins=settings.frame_origins,
        ),
        Middleware(Shared, origins=settings.allowed_origins),
        Middleware(
            Access, logins=logins, keys=[key.get_secret_value() for key in settings.api_keys]
        ),
        Middleware(Ending, stopping=stopping),
        Middleware(Limited),
    ]


async def _unrouted(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    if not is_door(request.scope):
        return await http_exception_handler(request, exc)
    said = f"{request.method} {path_of(request.scope)}: {exc.detail}. /docs lists what there is."
    return problem(exc.status_code, said, "unknown_route", headers=exc.headers)


async def _malformed(_: Request, __: Exception) -> Response:
    return problem(422, "The request is malformed.", "invalid_request")


# The answers where a request has no route or another method (at a door in its words, elsewhere
# FastAPI's), and to what Gradio cannot read: FastAPI's own would repeat it, and fail over a NaN.
exception_handlers = {HTTPException: _unrouted, RequestValidationError: _malformed}
