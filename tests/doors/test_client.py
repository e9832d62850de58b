"""`/client.js` in Node and in Chromium: over a server that sends what a test wants, byte by byte,
and over the real app."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ingest.background import Reading
from rag.doors import widget
from rag.settings import PROJECT
from tests.doors.test_widget import serving
from tests.harness.browser import served
from tests.harness.lacking import command
from tests.harness.upstream import Script, Upstream, words

CLIENT = PROJECT / "rag" / "doors" / "client.js"
EN = "What does X-Accel-Buffering do?"
SAID = "Đèn biển 🌊\u2028 Kê Gà"  # a line for JavaScript, none for the stream

Events = list[dict[str, Any]]
Ask = Callable[..., Events]


def event(**fields: object) -> bytes:
    return b"id: m-1\ndata: %b\n\n" % json.dumps(fields, ensure_ascii=False).encode()


STATUS = event(type="status", event="searching")
TEXT, DONE = event(type="text", text=SAID), event(type="done", text=SAID, reason="stop")
WHOLE = b": keep-alive\n\n" + STATUS + TEXT + DONE
BUSY = event(type="error", code="busy", retryable=True, retry_after=None, sentence="Busy.")


@dataclass
class Door:
    """`POST /api/chat/stream`: each request is answered by the next of `answers`, bytes in `pieces`
    of so many or an error's status; None at their end means that nothing follows, for ever."""

    answers: list[bytes | tuple[int, dict[str, str]] | None] = field(default_factory=list)
    piece: int = 1000
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)

    async def chat(self, request: Request) -> Response:
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        answer = self.answers.pop(0)
        if isinstance(answer, tuple):
            status, headers = answer
            return JSONResponse({"error": {"message": "No.", "code": "c"}}, status, headers)
        return StreamingResponse(self._pieces(answer), media_type="text/event-stream")

    async def _pieces(self, answer: bytes | None) -> AsyncIterator[bytes]:
        whole = answer or STATUS + TEXT
        try:
            for at in range(0, len(whole), self.piece):
                yield whole[at : at + self.piece]
                await asyncio.sleep(0)
            if answer is None:
                await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.left.set()
            raise


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def site(door: Door) -> Iterator[str]:
    """The door, client.js, and an empty page, below a prefix."""
    routes = [
        Route("/docs/api/chat/stream", door.chat, methods=["POST"]),
        Route("/", lambda _: HTMLResponse("<title>A page</title>")),
    ]
    app = Starlette(routes=routes)
    app.mount("/docs", Starlette(routes=widget.routes()))
    yield from serving(app)


@pytest.fixture(params=["node", "chromium"])
def ask(request: pytest.FixtureRequest, site: str) -> Ask:
    """`ask(question, **options)` asks the door: all events, and what was thrown."""
    if request.param == "node":
        node = command("node", "nodejs")
        return lambda question, **options: in_node(node, f"{site}/docs/", question, **options)
    tab: Page = request.getfixturevalue("tab")
    return lambda question, **options: in_page(tab, site, "/docs", question, **options)


def in_node(node: str, url: str, question: str, **options: Any) -> Events:
    script = PROJECT / "tests" / "node" / "plain.mjs"
    arguments = [node, str(script), url, question, json.dumps(options)]
    ran = subprocess.run(arguments, capture_output=True, encoding="utf-8", timeout=60)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.split("\n") if line]


def in_page(tab: Page, site: str, url: str, question: str, **options: Any) -> Events:
    tab.goto(site)
    said: Events = tab.evaluate(
        """async ([module, url, question, { abort_at, ...options }]) => {
          const { ask } = await import(module);
          const stop = new AbortController(), events = [];
          try {
            for await (const event of ask(url, question, { ...options, signal: stop.signal })) {
              events.push(event);
              if (event.type === abort_at) stop.abort();
            }
          } catch (error) { events.push({ type: "thrown", name: error.name }); }
          return events;
        }""",
        [f"{site}/docs/client.js", url, question, options],
    )
    return said


def kinds(events: Events) -> list[str]:
    return [event["type"] for event in events]


def test_it_stays_small_and_is_a_module_with_types(site: str) -> None:
    sent = httpx.get(f"{site}/docs/client.js")
    assert len(sent.content) < 4096 and sent.content == CLIENT.read_bytes()
    assert sent.headers["content-type"] == "text/javascript; charset=utf-8"
    assert sent.headers["access-control-allow-origin"] == "*"
    for typed in (
        "@typedef",
        "@param {string | URL} url",
        "@returns {AsyncGenerator<Event, void>}",
    ):
        assert typed in sent.text


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_events_are_whole_however_their_bytes_are_cut(
    ask: Ask, door: Door, piece: int, ends: bytes
) -> None:
    door.answers, door.piece = [WHOLE.replace(b"\n", ends)], piece
    status, text, done = ask(EN, language="en", top_k=2)
    assert status == {"type": "status", "event": "searching"}
    assert text["text"] == done["text"] == SAID
    assert door.asked == [{"question": EN, "language": "en", "top_k": 2}]


def test_a_key_is_sent_and_half_an_event_is_none(ask: Ask, door: Door) -> None:
    door.answers = [STATUS + TEXT + DONE[:-8]]
    events = ask(EN, key="k1")
    assert kinds(events) == ["status", "text", "error"]
    assert (events[-1]["code"], events[-1]["text"]) == ("broke_off", SAID)
    assert events[-1]["retryable"] is True
    assert door.headers[0]["authorization"] == "Bearer k1"


@pytest.mark.parametrize("first", [STATUS, BUSY, (503, {})], ids=["broken", "busy", "refused"])
def test_what_fails_before_any_text_is_asked_again(ask: Ask, door: Door, first: Any) -> None:
    door.answers = [first, WHOLE]
    events = ask(EN)
    assert kinds(events)[-3:] == ["status", "text", "done"]
    assert [e["seconds"] for e in events if e.get("event") == "retrying"] == [1]
    assert len(door.asked) == 2


def test_what_fails_again_is_an_error(ask: Ask, door: Door) -> None:
    door.answers = [BUSY, STATUS]
    assert ask(EN)[-1]["code"] == "broke_off"
    door.answers = [BUSY]
    assert ask(EN, retries=0)[-1]["code"] == "busy"


@pytest.mark.parametrize(
    ("answer", "code", "retryable", "after"),
    [
        ((400, {}), "c", False, None),
        ((429, {"retry-after": "40"}), "c", True, 40),
        (STATUS + TEXT + BUSY, "busy", True, None),
    ],
    ids=["wrong", "later", "after text"],
)
def test_what_asking_again_would_not_mend_is_not_asked_again(
    ask: Ask, door: Door, answer: Any, code: str, retryable: bool, after: int | None
) -> None:
    door.answers = [answer]
    last = ask(EN)[-1]
    assert (last["type"], last["code"], last["retryable"]) == ("error", code, retryable)
    assert last["retry_after"] == after and last["sentence"]
    assert len(door.asked) == 1


def test_a_server_that_falls_silent_is_left(ask: Ask, door: Door) -> None:
    door.answers = [None]
    events = ask(EN, timeout=300)
    assert kinds(events) == ["status", "text", "error"]
    assert (events[-1]["code"], events[-1]["text"]) == ("broke_off", SAID)
    assert door.left.wait(5)


def test_an_abort_is_thrown_and_closes_the_connection(ask: Ask, door: Door) -> None:
    door.answers = [None]
    events = ask(EN, abort_at="text")
    assert events[-1] == {"type": "thrown", "name": "AbortError"}
    assert kinds(events) == ["status", "text", "thrown"]
    assert door.left.wait(5)


def test_a_server_that_is_not_there_is_an_error_too() -> None:
    node = command("node", "nodejs")
    [last] = in_node(node, "http://127.0.0.1:9", EN, retries=0)
    assert (last["type"], last["code"], last["retryable"]) == ("error", "unreachable", True)


@pytest.mark.parametrize("where", ["node", "chromium"])
def test_over_the_real_app_the_sources_come_before_the_text(
    request: pytest.FixtureRequest, reading: Reading, where: str
) -> None:
    with Upstream(Script(words("It tells nginx not to buffer [1]. 🌊"))) as upstream:
        url = served(reading, OPENAI_BASE_URL=upstream.base_url, cache_seconds=0)
        if where == "node":
            events = in_node(command("node", "nodejs"), url, EN)
        else:
            tab: Page = request.getfixturevalue("tab")
            tab.route("**/docs/client.js", lambda route: route.fulfill(path=CLIENT))
            events = in_page(tab, url.rstrip("/"), "", EN)
    order = list(dict.fromkeys(kinds(events)))
    assert order == ["status", "context_ready", "text", "citations", "done"]
    assert "".join(e["text"] for e in events if e["type"] == "text") == events[-1]["text"]
