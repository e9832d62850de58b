"""Behind nginx as rag/serving/README.md configures it, at the root of a site and under a path."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

import rag.doors.sse
from ingest.background import Reading
from rag.settings import PROJECT
from tests.benchmarks.first_token import free_port
from tests.doors.test_mcp_api import HEADERS, greeted, message
from tests.harness.browser import answer, ask, finished, served, visit
from tests.harness.lacking import command
from tests.harness.upstream import Script, Upstream, words

CLOSED_WITHIN = 2.0  # seconds; who is not noticed stays for a minute
EN = "What does X-Accel-Buffering do?"
SLOW = Script(words("Slowly, and it goes on. " * 100), delay=0.02)
V1 = {"model": "headwater", "messages": [{"role": "user", "content": EN}], "stream": True}
CHAT = {"messages": [{"role": "user", "parts": [{"type": "text", "text": EN}]}]}
DOORS: list[tuple[str, dict[str, Any]]] = [("v1/chat/completions", V1), ("api/chat", CHAT)]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(Script(words("X-Accel-Buffering: no is a header [1]."))) as server:
        yield server


@pytest.fixture(scope="module")
def nginx() -> str:
    return command("nginx", "nginx-light")


def readme_block() -> str:
    page = (PROJECT / "rag" / "serving" / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    return str(block)


@contextmanager
def proxied(nginx: str, folder: Path, block: str) -> Iterator[str]:
    """The address of a site with this block, as the README has it but for the ports."""
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(
        f"{'user root;' if os.geteuid() == 0 else ''} daemon off; pid {folder}/pid;\n"
        f"error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};\n"
        f"fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};\n"
        f"server {{ listen 127.0.0.1:{port};\n{block}\n}} }}\n"
    )
    server = subprocess.Popen([nginx, "-p", str(folder), "-c", str(conf)])
    try:
        for _ in range(100):
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/")
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def site(
    nginx: str, reading: Reading, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A page at the root of a site."""
    url = served(reading, OPENAI_BASE_URL=upstream.base_url, cache_seconds=0)
    block = readme_block().replace("http://127.0.0.1:7860", url.rstrip("/"))
    with proxied(nginx, tmp_path_factory.mktemp("nginx"), block) as address:
        yield f"{address}/"


@pytest.fixture(scope="module")
def prefixed(
    nginx: str, reading: Reading, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A page under a path, which nginx takes off."""
    url = served(
        reading, OPENAI_BASE_URL=upstream.base_url, cache_seconds=0, root_path="/headwater"
    )
    block = readme_block().replace("location / {", "location /headwater/ {")
    block = block.replace("http://127.0.0.1:7860;", url.rstrip("/") + "/;")
    with proxied(nginx, tmp_path_factory.mktemp("nginx"), block) as address:
        yield f"{address}/headwater/"


@contextmanager
def streaming(url: str, body: dict[str, Any]) -> Iterator[tuple[httpx.Response, Iterator[str]]]:
    with httpx.Client(timeout=30) as client, client.stream("POST", url, json=body) as stream:
        yield stream, stream.iter_lines()


def has_text(line: str) -> bool:
    if not line.startswith("data: {"):
        return False
    part = json.loads(line[6:])
    if part.get("type") == "text-delta":
        return True
    return bool(part.get("choices") and part["choices"][0]["delta"].get("content"))


@pytest.mark.parametrize(("path", "body"), DOORS, ids=["v1", "chat"])
def test_a_token_arrives_before_the_next_one_is_written(
    site: str, upstream: Upstream, path: str, body: dict[str, Any]
) -> None:
    calls = len(upstream.calls)
    upstream.next(Script(("One ", "two"), silent_after=1))
    with streaming(site + path, body) as (stream, lines):
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "no-transform" in stream.headers["cache-control"]
        assert next(line for line in lines if has_text(line))  # and the second never comes
        assert upstream.calls[calls].ended == "open"


@pytest.mark.parametrize(("path", "body"), DOORS, ids=["v1", "chat"])
@pytest.mark.parametrize("silent", [False, True], ids=["writing", "silent"])
def test_a_client_that_leaves_closes_the_models_connection_through_nginx(
    site: str, upstream: Upstream, path: str, body: dict[str, Any], silent: bool
) -> None:
    calls = len(upstream.calls)
    upstream.next(Script(SLOW.tokens, delay=0.02, silent_after=2 if silent else None))
    with streaming(site + path, body) as (_, lines):
        next(line for line in lines if has_text(line))
        left = time.monotonic()
    call = upstream.wait_for_end(calls)
    assert call.ended == "client_left" and call.ended_at
    print(f"\n{path} silent={silent}: {1000 * (call.ended_at - left):.0f} ms")
    assert call.ended_at - left < CLOSED_WITHIN


@pytest.mark.anyio
async def test_an_assistant_that_hangs_up_closes_the_models_connection_through_nginx(
    site: str, upstream: Upstream
) -> None:
    calls = len(upstream.calls)
    upstream.next(Script(silent_after=0))
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as client:
        headers, meta = await greeted(client, f"{site}mcp")
        call = {"name": "ask_documents", "arguments": {"question": EN}, "_meta": meta}
        body = message(7, "tools/call", call)
        async with client.stream("POST", f"{site}mcp", json=body, headers=headers):
            await asyncio.to_thread(upstream.wait_until, lambda c: len(c) > calls)
            left = time.monotonic()
    ended = await asyncio.to_thread(upstream.wait_for_end, calls)
    assert ended.ended == "client_left" and ended.ended_at
    print(f"\nmcp: {1000 * (ended.ended_at - left):.0f} ms")
    assert ended.ended_at - left < CLOSED_WITHIN


def test_a_closed_tab_closes_the_models_connection_through_nginx(
    tab: Page, site: str, upstream: Upstream
) -> None:
    calls = len(upstream.calls)
    upstream.next(SLOW)
    visit(tab, site)
    ask(tab, EN)
    expect(answer(tab)).to_contain_text("Slowly")
    left = time.monotonic()
    tab.close()
    call = upstream.wait_for_end(calls)
    assert call.ended == "client_left" and call.ended_at
    print(f"\ntab: {1000 * (call.ended_at - left):.0f} ms")
    assert call.ended_at - left < CLOSED_WITHIN


def test_a_silent_stream_is_kept_alive_by_comments(
    site: str, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rag.doors.sse, "KEEP_ALIVE_SECONDS", 0.2)
    upstream.next(Script(("One", " two"), delay=1.5))
    with streaming(site + "api/chat", CHAT) as (_, lines):
        seen = list(lines)
    first, last = (i for i, line in enumerate(seen) if has_text(line))
    assert seen[first:last].count(": keep-alive") >= 3
    assert ": keep-alive" not in seen[last:]
    assert seen[-2] == "data: [DONE]"


def test_what_operators_watch_is_not_shown_to_the_world(site: str, prefixed: str) -> None:
    for address in (site, prefixed):
        assert httpx.get(f"{address}metrics").status_code == 403
        assert httpx.get(f"{address}health").status_code == 200


def test_the_page_works_under_a_path(tab: Page, prefixed: str) -> None:
    failed: list[str] = []
    tab.on("response", lambda r: failed.append(r.url) if r.status >= 400 else None)
    visit(tab, prefixed)
    ask(tab, EN)
    finished(tab)
    expect(answer(tab)).to_contain_text("is a header")
    source = answer(tab).locator("details.headwater-source").first
    source.locator("summary").click()
    address = source.locator("a").first.get_attribute("href")
    with tab.context.expect_page() as opened:
        source.locator("a").first.click()
    expect(opened.value.locator("mark").first).to_be_visible()
    assert address and opened.value.url.startswith(prefixed + "documents/")
    assert not [url for url in failed if url.startswith(prefixed)]


def test_the_doors_work_under_a_path(prefixed: str) -> None:
    client = httpx.Client(base_url=prefixed, timeout=30)
    with client:
        found = client.get("api/search", params={"q": EN}).json()
        assert client.get(found["sources"][0]["url"]).status_code == 200
        whole = client.post("v1/chat/completions", json=V1 | {"stream": False}).json()
        assert whole["citations"][0].startswith(f"{prefixed}documents/")
        assert client.get(whole["citations"][0]).status_code == 200
        docs = client.get("docs").text
        for address in re.findall(r'(?:href|src)="([^"]+)"', docs):
            assert client.get(str(httpx.URL(f"{prefixed}docs").join(address))).status_code == 200
