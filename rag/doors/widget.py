"""The routes of the chat that other sites put on their pages with one script tag, and of a page
that shows it. Knows its files, and nothing of what the chat asks."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..text.inert import LINKS

_COMMENT = re.compile(r"^ *//.*\n", re.MULTILINE)
_HERE = Path(__file__).parent
_HEADERS = {
    "cache-control": "public, max-age=300",
    # A page that isolates itself (COEP) takes only scripts that say so.
    "cross-origin-resource-policy": "cross-origin",
}


def routes() -> list[Route]:
    """`/widget.js`, and `/widget`, which explains the script tag and has the chat on it."""
    return [
        _file("/widget.js", script(), "text/javascript"),
        _file("/widget", (_HERE / "widget.html").read_bytes(), "text/html"),
    ]


def script() -> bytes:
    """The chat as one function: its looks, links, Markdown, and itself."""
    files = [LINKS, *(_HERE / f"widget{rest}" for rest in ("_markdown.js", ".js", ".css"))]
    links, markdown, chat, style = (file.read_text(encoding="utf-8") for file in files)
    whole = f"(() => {{\nconst STYLE = `{style}`;\n{links}\n{markdown}\n{chat}}})();\n"
    return _COMMENT.sub("", whole).encode()  # they are for who reads the files


def _file(path: str, body: bytes, media_type: str) -> Route:
    headers = {**_HEADERS, "etag": f'"{sha256(body).hexdigest()[:16]}"'}

    def show(request: Request) -> Response:
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=media_type, headers=headers)

    return Route(path, show)
