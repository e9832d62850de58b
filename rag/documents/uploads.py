"""The routes by which files are added at the page and removed again. Knows no folder and no format:
who keeps and reads them is passed in.

An upload is answered by a stream of lines, each a JSON object: how far its reading is, then its
receipt. They are not among the doors for programs: another site's page may not use them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Scope

from ..errors import HeadwaterError

Json = dict[str, object]

PIECE_SECONDS = 30.0  # in which the next piece of a file must have come
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class Shelf(Protocol):
    """Where a visitor's files are kept and read; `visitor` is "" where all share one library."""

    def add(
        self, visitor: str, user: str, name: str, body: AsyncIterator[bytes]
    ) -> AsyncGenerator[Json]:
        """Keeps a file of `user`, a name or an address, and reads it; yields how far that is, and
        its receipt last. Raises HeadwaterError if it may not be kept or read."""

    async def remove(self, visitor: str, document: int) -> Json:
        """The receipt of a document that was added and is gone now. Raises HeadwaterError if there
        is none."""


def uploads(shelf: Shelf, user_of: Callable[[Scope], str]) -> list[Route]:
    """`POST /documents?name=…` with a file as the body, and `DELETE /documents/{id}`; whose they
    are says the header `X-Headwater-Visitor`."""

    async def add(request: Request) -> Response:
        name = request.query_params.get("name", "")
        lines = shelf.add(_visitor(request), user_of(request.scope), name, _body(request))
        try:
            first = await anext(lines)
        except HeadwaterError as exc:
            return _failed(exc, name)
        except (ClientDisconnect, TimeoutError):
            return Response(status_code=408, headers={"connection": "close"})
        content = _lines(first, lines)
        return StreamingResponse(content, media_type="application/x-ndjson", headers=_HEADERS)

    async def remove(request: Request) -> Response:
        try:  # no number is greater than what SQLite takes
            document = min(request.path_params["id"], 2**63 - 1)
            receipt = await shelf.remove(_visitor(request), document)
        except HeadwaterError as exc:
            return _failed(exc, "", 404)
        return JSONResponse(receipt, headers=_HEADERS)

    return [
        Route("/documents", add, methods=["POST"]),
        Route("/documents/{id:int}", remove, methods=["DELETE"]),
    ]


def _visitor(request: Request) -> str:
    return request.headers.get("x-headwater-visitor", "")


async def _body(request: Request) -> AsyncIterator[bytes]:
    pieces = request.stream()
    while True:
        try:
            async with asyncio.timeout(PIECE_SECONDS):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        yield piece


async def _lines(first: Json, rest: AsyncGenerator[Json]) -> AsyncGenerator[str]:
    async with aclosing(rest):
        yield _line(first)
        try:
            async for line in rest:
                yield _line(line)
        except HeadwaterError as exc:
            yield _line({"receipt": _receipt(exc, "")})
        except (ClientDisconnect, TimeoutError):
            pass  # nobody reads it


def _line(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _failed(exc: HeadwaterError, name: str, status: int = 422) -> Response:
    return JSONResponse({"receipt": _receipt(exc, name)}, status, _HEADERS)


def _receipt(exc: HeadwaterError, name: str) -> Json:
    return {"name": name, "outcome": "failed", "reason": exc.en, "reason_vi": exc.vi}
