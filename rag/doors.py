"""Puts the doors for programs side by side, with their description at /docs, and the gate before
them and the page. Each is a file of its own."""

from __future__ import annotations

import os

from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from . import openai_api, search_api, ui_stream, widget
from .access import Access, Limited, hashed
from .answer import Answerer
from .http import Guard
from .settings import Settings

_ABOUT = """\
Answers from the documents, sources first. Where keys are set (`HEADWATER_API_KEYS`), send one as \
`Authorization: Bearer …`. Errors have OpenAI's shape.
"""


def doors(answerer: Answerer, settings: Settings) -> list[BaseRoute]:
    """Their routes."""
    described = FastAPIOffline(
        title="Headwater",
        version="0.1.0",
        description=_ABOUT,
        redoc_url=None,
        static_url="/docs/static",
        favicon_url="docs/static/favicon.png",
    )
    offered = settings.models if settings.has_model else ()
    described.include_router(openai_api.router(answerer, settings.openai_model, offered))
    described.include_router(ui_stream.router(answerer))
    described.include_router(search_api.router(answerer))
    return [*described.routes, *widget.routes()]


def gate(settings: Settings) -> list[Middleware]:
    """What every request goes through, the first one first."""
    logins = {name: hashed(word.get_secret_value()) for name, word in settings.auth.items()}
    return [
        Middleware(
            Guard,
            public_host=settings.public_host or os.environ.get("SPACE_HOST", ""),
            local_only=settings.server_name in ("127.0.0.1", "localhost", "::1"),
            allowed_origins=settings.allowed_origins,
            root_path=settings.root_path,
        ),
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_credentials=True,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        ),
        Middleware(
            Access, logins=logins, keys=[key.get_secret_value() for key in settings.api_keys]
        ),
        Middleware(Limited),
    ]
