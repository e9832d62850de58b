"""The routes of the chat that other sites put on their pages with one script tag, of a page that
shows it, and of the module that asks for both and for who writes a page of their own. Knows their
files, and nothing of what they ask."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..text.inert import LINKS

_COMMENT = re.compile(r"^ *//.*\n|^/\*\*\n(?: \*.*\n)+", re.MULTILINE)
_HERE = Path(__file__).parent
_HEADERS = {
    "cache-control": "public, max-age=300",
    # A page that isolates itself (COEP) takes only scripts that say so.
    "cross-origin-resource-policy": "cross-origin",
}

_MODULE = {"access-control-allow-origin": "*"}  # modules are read under CORS; it is no secret


def routes() -> list[Route]:
    """`/client.js`; `/widget.js`, and `/widget`, which explains the script tag and has the chat on
    it."""
    return [
        _file("/client.js", (_HERE / "client.js").read_bytes(), "text/javascript", _MODULE),
        _file("/widget.js", script(), "text/javascript"),
        _file("/widget", (_HERE / "widget.html").read_bytes(), "text/html"),
    ]


def script() -> bytes:
    """The chat as one function: its looks, links, Markdown, what asks, and itself."""
    names = ("widget_markdown.js", "client.js", "widget.js", "widget.css")
    files = [LINKS, *(_HERE / name for name in names)]
    links, markdown, client, chat, style = (file.read_text(encoding="utf-8") for file in files)
    parts = [f"const STYLE = `{style}`;", links, markdown, client.replace("export ", ""), chat]
    whole = "(() => {\n" + "\n".join(parts) + "})();\n"
    return _COMMENT.sub("", whole).encode()  # they are for who reads the files


def _file(path: str, body: bytes, media_type: str, more: Mapping[str, str] = {}) -> Route:
    headers = {**_HEADERS, **more, "etag": f'"{sha256(body).hexdigest()[:16]}"'}

    def show(request: Request) -> Response:
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=media_type, headers=headers)

    return Route(path, show)
