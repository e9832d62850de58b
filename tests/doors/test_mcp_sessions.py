"""How many sessions the door for assistants holds, and whose make room: over HTTP, from several
addresses of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from limits import parse

from rag.doors import mcp_sessions
from rag.retrieval.retriever import Retriever
from rag.settings import Settings
from tests.doors.test_mcp_api import EN, HEADERS, INITIALIZE, Served, message
from tests.harness.upstream import Script, Upstream

pytestmark = pytest.mark.anyio
Patch = pytest.MonkeyPatch


class Visitor:
    """One address, and the sessions it opens."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self.client, self.url = client, url

    async def hello(self) -> httpx.Response:
        return await self.client.post(self.url, json=message(1, "initialize", INITIALIZE))

    async def opens(self) -> str:
        answer = await self.hello()
        assert answer.status_code == 200, answer.text
        return str(answer.headers["mcp-session-id"])

    async def opens_many(self, count: int) -> list[str]:
        return [await self.opens() for _ in range(count)]

    async def pings(self, session: str) -> int:
        named = {"mcp-session-id": session}
        answer = await self.client.post(self.url, json=message(2, "ping", {}), headers=named)
        return answer.status_code

    async def ends(self, session: str) -> int:
        named = {"mcp-session-id": session}
        return (await self.client.delete(self.url, headers=named)).status_code

    @asynccontextmanager
    async def streams(self, method: str, session: str, **more: Any) -> AsyncIterator[None]:
        named = {"mcp-session-id": session}
        async with self.client.stream(method, self.url, headers=named, **more) as answer:
            assert answer.status_code == 200
            yield


At = Callable[[str], Visitor]


@pytest.fixture
async def at(
    configured: Callable[..., Settings], upstream: Upstream, retriever: Retriever
) -> AsyncIterator[At]:
    settings = configured(OPENAI_BASE_URL=upstream.base_url)
    async with AsyncExitStack() as stack:
        served = stack.enter_context(Served(lambda _: retriever, settings).running())
        clients: dict[str, httpx.AsyncClient] = {}

        def visitor(address: str) -> Visitor:
            if address not in clients:
                transport = httpx.AsyncHTTPTransport(local_address=address)
                clients[address] = httpx.AsyncClient(
                    transport=transport, headers=HEADERS, timeout=30
                )
            return Visitor(clients[address], served.url)

        yield visitor
        for client in clients.values():
            await client.aclose()


async def test_whoever_opens_too_many_loses_the_one_idle_longest_and_nobody_else_does(
    at: At, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(mcp_sessions, "EACH", 3)
    lan, minh = at("127.0.0.1"), at("127.0.0.2")
    others = await minh.opens()
    first, second, third = await lan.opens_many(3)
    assert await lan.pings(first) == 200
    fourth = await lan.opens()
    assert await lan.pings(second) == 404
    assert [await lan.pings(s) for s in (first, third, fourth)] == [200, 200, 200]
    assert await minh.pings(others) == 200


async def test_who_takes_all_places_keeps_nobody_out(at: At, monkeypatch: Patch) -> None:
    monkeypatch.setattr(mcp_sessions, "SESSIONS", 4)
    lan, minh, thu = at("127.0.0.1"), at("127.0.0.2"), at("127.0.0.3")
    others = await minh.opens()
    taken = await lan.opens_many(3)
    new = [await thu.opens(), await minh.opens()]
    assert [await lan.pings(session) for session in taken] == [404, 404, 200]
    assert [await minh.pings(session) for session in [others, *new]] == [200, 200, 200]


async def test_one_that_only_listens_is_idle_and_one_that_asks_is_not(
    at: At, upstream: Upstream, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(mcp_sessions, "EACH", 2)
    upstream.script = Script(silent_after=0)
    lan = at("127.0.0.1")
    asking, listening = await lan.opens_many(2)
    call = message(7, "tools/call", {"name": "ask_documents", "arguments": {"question": EN}})
    async with lan.streams("POST", asking, json=call), lan.streams("GET", listening):
        await asyncio.to_thread(upstream.wait_until, bool)
        third = await lan.opens()
        assert [await lan.pings(s) for s in (asking, listening, third)] == [200, 404, 200]
        assert upstream.calls[0].ended == "open"
    await asyncio.to_thread(upstream.wait_for_end)


async def test_what_was_ended_takes_no_place(at: At, monkeypatch: Patch) -> None:
    monkeypatch.setattr(mcp_sessions, "EACH", 2)
    lan = at("127.0.0.1")
    first, second = await lan.opens_many(2)
    assert await lan.ends(second) == 200
    third = await lan.opens()
    assert [await lan.pings(session) for session in (first, third)] == [200, 200]


async def test_opening_is_limited_for_each_visitor_and_says_when_to_come_back(
    at: At, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(mcp_sessions, "OPENINGS", parse("2/minute"))
    lan, minh = at("127.0.0.1"), at("127.0.0.2")
    first, _ = await lan.opens_many(2)
    refused = await lan.hello()
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert f"in {refused.headers['retry-after']} second" in refused.json()["error"]["message"]
    assert await lan.pings(first) == 200
    assert await minh.opens()


async def test_what_opens_nothing_takes_no_place(at: At, monkeypatch: Patch) -> None:
    monkeypatch.setattr(mcp_sessions, "EACH", 1)
    lan = at("127.0.0.1")
    for _ in range(3):
        refused = await lan.client.post(lan.url, json=message(1, "ping", {}))
        assert refused.status_code == 400
    session = await lan.opens()
    assert await lan.pings(session) == 200
