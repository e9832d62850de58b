"""The routes of the chat that other sites put on their pages with one script tag, and of a page
that shows it. Knows the two files, and nothing of what the chat asks."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_HERE = Path(__file__).parent
_HEADERS = {
    "cache-control": "public, max-age=300",
    # A page that isolates itself (COEP) takes only scripts that say so.
    "cross-origin-resource-policy": "cross-origin",
}


def routes() -> list[Route]:
    """`/widget.js`, and `/widget`, which explains the script tag and has the chat on it."""
    return [
        _file("/widget.js", _HERE / "widget.js", "text/javascript"),
        _file("/widget", _HERE / "widget.html", "text/html"),
    ]


def _file(path: str, file: Path, media_type: str) -> Route:
    body = file.read_bytes()
    headers = {**_HEADERS, "etag": f'"{sha256(body).hexdigest()[:16]}"'}

    def show(request: Request) -> Response:
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=media_type, headers=headers)

    return Route(path, show)
