"""The doors for programs, on the page's own port: each a file of its own that translates the same
events. This one only puts them side by side, with their description at /docs."""

from __future__ import annotations

from fastapi_offline import FastAPIOffline
from starlette.routing import BaseRoute

from . import openai_api, search_api, ui_stream, widget
from .answer import Answerer
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
