"""How long a body may be, and how many long ones at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from rag.doors import body
from rag.doors.body import MAX_BODY, MAX_CALL, MAX_PAGE_BODY, Limited

pytestmark = pytest.mark.anyio
CALLS = ["/gradio_api/call/chat", "/gradio_api/call/v2/chat", "/gradio_api/queue/join"]


async def _length(request: Request) -> PlainTextResponse:
    await asyncio.sleep(0.05)
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    routes = [Route("/{path:path}", _length, methods=["POST"])]
    app = Starlette(routes=routes, middleware=[Middleware(Limited)])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://testserver"
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "most"),
    [
        *((path, MAX_CALL) for path in CALLS),
        ("/gradio_api/run/predict", MAX_PAGE_BODY),
        ("/v1/chat/completions", MAX_BODY),
    ],
)
async def test_a_body_has_a_longest_length_whether_it_tells_it_or_not(
    client: httpx.AsyncClient, path: str, most: int
) -> None:
    async def pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, size, 60_000):
            yield b"x" * min(60_000, size - start)

    assert (await client.post(path, content=b"x" * most)).text == str(most)
    assert (await client.post(path, content=pieces(most))).text == str(most)
    assert (await client.post(path, content=b"x" * (most + 1))).status_code == 413
    assert (await client.post(path, content=pieces(most + 1))).status_code == 413


async def test_long_bodies_take_turns_and_short_ones_never_wait(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "MAX_HELD", 3_000_000)
    long = [client.post("/gradio_api/run/predict", content=b"x" * 1_000_000) for _ in range(6)]
    short = [client.post("/gradio_api/run/predict", content=b"x" * 1000) for _ in range(20)]
    answered = await asyncio.gather(*long, *short)
    statuses = [answer.status_code for answer in answered]
    assert statuses[:6].count(200) == 3 and statuses[:6].count(503) == 3
    assert statuses[6:] == [200] * 20
    # What they took is given back.
    again = await client.post("/gradio_api/run/predict", content=b"x" * 2_900_000)
    assert again.status_code == 200
