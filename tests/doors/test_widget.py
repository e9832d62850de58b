"""The chat on other pages, in a real browser: over a small server that says exactly what a test
wants, and over the real app."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, Locator, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from ingest.background import Reading
from rag.doors import widget
from rag.doors.widget import script
from tests.harness.browser import served
from tests.harness.markup import VECTORS
from tests.harness.upstream import Script, Upstream, words

EN, VI = "What does X-Accel-Buffering do?", "X-Accel-Buffering dùng để làm gì?"
HOSTILE = "<script>window.hurt = 1</script><img src=x onerror='window.hurt = 2'>"
LONG = "a_file_name_without_a_single_space_" * 6 + ".md"

Part = dict[str, Any]


def status(event: str, **more: object) -> Part:
    return {"type": "status", "event": event, **more}


def source(number: int, title: str, text: str = "The passage.", **more: object) -> Part:
    about = {"number": number, "page": 2, "score": 0.8, "text": text, **more}
    return {"title": title, "document": f"guide/{number}.md", **about}


def found(*sources: Part) -> list[Part]:
    count = status("found", sources=len(sources), verdict="answer")
    return [count, {"type": "context_ready", "verdict": "answer", "sources": [*sources]}]


def text(said: str) -> list[Part]:
    """The text in small pieces, as a model writes it."""
    return [{"type": "text", "text": word} for word in words(said)]


def cited(number: int, said: str, marker: str, outcome: str = "confirmed") -> Part:
    checked = {"number": number, "start": said.index(marker), "supported": outcome != "unconfirmed"}
    return {"type": "citations", **checked, "outcome": outcome, "reason": "tested", "added": False}


def failed(code: str, sentence: str, *, retryable: bool) -> Part:
    return {"type": "error", "code": code, "sentence": sentence, "retryable": retryable}


SEARCHING = status("searching", query="q")
SOURCES = [source(1, "One", url="documents/3/pages/2?chunk=7#passage"), source(2, "Two")]
FOUND = found(*SOURCES)
BEGIN = [SEARCHING, *FOUND]
END = [{"type": "done", "reason": "stop"}]


@dataclass
class Door:
    """`POST /api/chat/stream`, which says `parts`; None among them waits for `go`.
    Or it `refuses`."""

    parts: list[Part | None] = field(default_factory=list)
    refuses: tuple[int, Part] | None = None
    pace: float = 0.002  # seconds between two parts
    asked: list[tuple[Part, dict[str, str]]] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)

    async def chat(self, request: Request) -> Response:
        self.asked.append((await request.json(), dict(request.headers)))
        if self.refuses:
            code, error = self.refuses
            return JSONResponse({"error": error}, code)
        return StreamingResponse(self._lines(), media_type="text/event-stream")

    async def _lines(self) -> AsyncIterator[str]:
        try:
            yield ': keep-alive\n\nid: m-1\ndata: {"type":"status","event":"started"}\n\n'
            for part in self.parts:
                while part is None and not self.go.is_set():
                    await asyncio.sleep(0.01)
                if part is not None:
                    yield f"data: {json.dumps(part, ensure_ascii=False)}\n\n"
                    await asyncio.sleep(self.pace)
        except asyncio.CancelledError:
            self.left.set()
            raise


def page(tag: str, language: str = "en", more: str = "") -> str:
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>A page</title>{more}<body><p>Of the page</p><button>Its button</button>{tag}"
    )


def serving(app: ASGIApp) -> Iterator[str]:
    """The address of `app`, served by a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door([*BEGIN, *text("Ready."), *END])
    yield door
    door.go.set()


@pytest.fixture
def site(door: Door) -> Iterator[str]:
    """A site with the chat's server under a path prefix. `/page` takes the tag's attributes from
    its query."""

    def show(request: Request) -> Response:
        given = dict(request.query_params)
        language, more = given.pop("lang", "en"), given.pop("more", "")
        attributes = " ".join(f'data-{name}="{value}"' for name, value in given.items())
        tag = f'<script src="/docs/widget.js" {attributes} async></script>'
        return HTMLResponse(page(tag, language, more))

    routes = [Route("/page", show), Route("/docs/api/chat/stream", door.chat, methods=["POST"])]
    app = Starlette(routes=routes)
    app.mount("/docs", Starlette(routes=widget.routes()))
    yield from serving(app)


def open_chat(tab: Page, url: str) -> None:
    tab.goto(url)
    tab.locator("headwater-chat .bubble").click()
    expect(tab.locator("headwater-chat textarea")).to_be_focused()


def ask(tab: Page, question: str) -> None:
    tab.locator("headwater-chat textarea").fill(question)
    tab.keyboard.press("Enter")


def turn(tab: Page) -> Locator:
    return tab.locator("headwater-chat .turn").last


def finished(tab: Page) -> None:
    expect(tab.locator("headwater-chat .send")).to_have_text("↑")


# What stands in the tree


def test_the_script_stays_small() -> None:
    assert len(script()) < 22_500


def test_the_script_is_served_for_every_page_and_not_sent_twice(site: str) -> None:
    first = httpx.get(f"{site}/docs/widget.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert first.headers["cache-control"] == "public, max-age=300"
    assert first.headers["cross-origin-resource-policy"] == "cross-origin"
    again = httpx.get(f"{site}/docs/widget.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    shown = httpx.get(f"{site}/docs/widget")
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert '<script src="widget.js" async>' in shown.text


# An answer


def test_the_status_and_then_the_sources_come_before_the_first_word(
    tab: Page, site: str, door: Door
) -> None:
    door.parts = [SEARCHING, None, *FOUND, *text("Now it is said."), *END]
    open_chat(tab, f"{site}/page")
    tab.evaluate(
        """() => {
          window.order = [];
          const log = document.querySelector("headwater-chat").shadowRoot.querySelector(".log");
          new MutationObserver(() => {
            const [sources, text] = [".source", ".text p"].map((css) => log.querySelector(css));
            window.order.push([!!sources, !!text?.textContent]);
          }).observe(log, { childList: true, subtree: true, characterData: true });
        }"""
    )
    ask(tab, EN)
    expect(tab.locator("headwater-chat [role=status]")).to_have_text("Searching the documents…")
    door.go.set()
    expect(turn(tab).locator(".text")).to_have_text("Now it is said.")
    finished(tab)
    order = tab.evaluate("window.order")
    assert [True, False] in order and [False, True] not in order
    expect(turn(tab).locator(".source summary")).to_have_text(["1Onepage 2", "2Twopage 2"])
    expect(tab.locator("headwater-chat [role=status]")).to_be_empty()


def test_thinking_is_a_line_that_goes_and_no_part_of_the_text(
    tab: Page, site: str, door: Door
) -> None:
    thinking = status("thinking", text="Passage [1] says", so_far=False)
    was_thinking = status("thinking", text="", so_far=True)
    door.parts = [*BEGIN, *text("No answer."), was_thinking, thinking, None]
    door.parts += [*text("So."), *END]
    open_chat(tab, f"{site}/page")
    ask(tab, "Why?")
    line = tab.locator("headwater-chat .status")
    expect(line).to_have_text(re.compile(r"Thinking… \d s"))
    expect(turn(tab).locator(".text")).to_have_text("")
    door.go.set()
    expect(turn(tab).locator(".text")).to_have_text("So.")
    expect(line).to_have_text("")
    expect(turn(tab)).not_to_contain_text("Passage [1] says")
    finished(tab)


def test_an_answer_looks_the_same_however_it_comes(tab: Page, site: str, door: Door) -> None:
    said = "Đây là **đoạn** [1].\n\n1. Một [2]\n2. Hai\n\n```\nx = 1\n```\nHết [1]."
    outcomes = ((1, "confirmed"), (2, "unconfirmed"))
    checked = [cited(number, said, f"[{number}]", outcome) for number, outcome in outcomes]
    door.parts = [*BEGIN, *checked, *text(said), *END]
    open_chat(tab, f"{site}/page")
    shown = []
    for door.pace in (0.0, 0.06):  # all in one frame, and a frame for each part
        ask(tab, EN)
        finished(tab)
        shown.append(turn(tab).inner_html())
    assert shown[0] == shown[1]
    expect(turn(tab).locator(".source")).to_have_count(len(SOURCES))
    expect(turn(tab).locator(".cite")).to_have_text(["[1]", "[2] ⚠"])
    expect(turn(tab).locator(".sources > summary")).to_have_text("Sources (2)")


def test_a_citation_opens_its_source_and_an_unsupported_one_says_so(
    tab: Page, site: str, door: Door
) -> None:
    said = "🌊 So it is [1], and so [2]; [3] is no citation."
    checked = [cited(1, said, "[1]"), cited(2, said, "[2]", "unconfirmed")]
    door.parts = [*BEGIN, *checked[:1], *text(said), *checked[1:], *END]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    expect(turn(tab).locator(".cite")).to_have_text(["[1]", "[2] ⚠"])
    expect(turn(tab).locator(".text")).to_have_text(said.replace("[2]", "[2] ⚠"))
    expect(turn(tab).locator(".cite").last).to_have_attribute("title", re.compile("Not confirmed"))
    finished(tab)
    turn(tab).locator(".cite").first.click()
    shown = turn(tab).locator(".source.shown")
    expect(shown.locator("summary")).to_be_focused()
    expect(shown).to_contain_text("The passage.")
    opens = shown.get_by_role("link", name="Open page 2")
    expect(opens).to_have_attribute("href", f"{site}/docs/documents/3/pages/2?chunk=7#passage")
    assert tab.url == f"{site}/page"
    turn(tab).locator(".cite").last.click()
    expect(turn(tab).locator(".source.shown")).to_contain_text("Two")
    expect(turn(tab).locator(".source.shown a")).to_have_count(0)


def test_a_citation_of_which_the_check_cannot_tell_has_a_mark_of_its_own(
    tab: Page, site: str, door: Door
) -> None:
    said = "So it is [1], and so [2]."
    checked = [cited(1, said, "[1]"), cited(2, said, "[2]", "unclear")]
    door.parts = [*BEGIN, *text(said), *checked, *END]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    finished(tab)
    expect(turn(tab).locator(".cite")).to_have_text(["[1]", "[2] ?"])
    told = re.compile("Could not be checked")
    expect(turn(tab).locator(".cite").last).to_have_attribute("title", told)
    expect(turn(tab).locator(".cite").first).not_to_have_attribute("title", told)
    expect(turn(tab).locator(".quiet")).to_have_text(re.compile(r"^\? Could not be checked"))


def test_a_citation_can_be_pressed_while_the_answer_grows(tab: Page, site: str, door: Door) -> None:
    said = "It begins [1] and goes on" + " and on" * 200
    beginning = [*BEGIN, *text(said[:13]), cited(1, said, "[1]")]
    door.parts = [*beginning, None, *text(said[13:]), *END]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    citation = turn(tab).locator(".cite")
    expect(citation).to_be_visible()
    place = citation.bounding_box()
    assert place
    tab.mouse.move(place["x"] + 5, place["y"] + 5)
    tab.mouse.down()
    door.go.set()
    tab.wait_for_timeout(300)
    tab.mouse.up()
    expect(turn(tab).locator(".source.shown")).to_contain_text("One")


@pytest.mark.parametrize("by", ["keyboard", "mouse"])
def test_a_citation_can_be_used_while_its_paragraph_ends(
    tab: Page, site: str, door: Door, by: str
) -> None:
    said = "So it is [1]."
    door.parts = [*BEGIN, *text(said), cited(1, said, "[1]"), None, *text("\n\nAnd so."), *END]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    citation = turn(tab).locator(".cite")
    expect(citation).to_be_visible()
    citation.focus()
    place = citation.bounding_box()
    assert place
    tab.mouse.move(place["x"] + 5, place["y"] + 5)
    if by == "mouse":
        tab.mouse.down()
    door.go.set()
    finished(tab)
    expect(turn(tab).locator(".text > p")).to_have_count(2)
    expect(citation).to_be_focused()
    if by == "mouse":
        tab.mouse.up()
        expect(turn(tab).locator(".source.shown")).to_contain_text("One")
    else:
        tab.keyboard.press("Escape")
        expect(tab.get_by_role("dialog")).to_have_count(0)


def test_what_a_document_says_stays_text(tab: Page, site: str, door: Door) -> None:
    door.parts = [
        *found(source(1, HOSTILE, HOSTILE, url="javascript:window.hurt = 3")),
        *text(f"{HOSTILE} [here](javascript:hurt) ![x](https://headwater.invalid/a.png)"),
        *END,
    ]
    open_chat(tab, f"{site}/page")
    ask(tab, HOSTILE)
    finished(tab)
    turn(tab).locator(".source summary").click()
    expect(turn(tab).locator(".source > p")).to_have_text(HOSTILE)
    expect(turn(tab).locator(".question")).to_have_text(HOSTILE)
    expect(turn(tab).locator(".text")).to_contain_text(f"{HOSTILE} [here](javascript:hurt)")
    expect(turn(tab).locator("img, script")).to_have_count(0)
    expect(turn(tab).locator(".source a")).to_have_count(0)
    assert tab.evaluate("window.hurt") is None


@pytest.mark.slow  # dozens of links in a browser; which are ones, tests/text knows
def test_no_link_in_it_runs_leads_astray_or_reads_like_a_citation(
    tab: Page, site: str, door: Door
) -> None:
    tab.add_init_script("window.ran = []; window.run = () => window.ran.push(1)")
    answered = "\n\n".join([*VECTORS, "See [the guide](https://guide.example/a)."])
    door.parts = [*BEGIN, *text(answered), *END]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    finished(tab)
    for link in turn(tab).locator(".text a").all():
        assert re.match("https?://", link.get_attribute("href") or "")
        assert re.search(r"[^\W\d_]", link.inner_text()), link.inner_text()
        expect(link).to_have_class("away")
    expect(turn(tab).locator(".text a", has_text="the guide")).to_have_count(1)
    expect(turn(tab).locator(".text").locator("img, svg, script, style, iframe")).to_have_count(0)
    assert tab.evaluate("window.ran") == []


MARKDOWN = {
    "**bold** *it* _too_\nline": "<p><strong>bold</strong> <em>it</em> <em>too</em>\nline</p>",
    "**a *b* c** a_b_c 2 * 3 * 4": "<p><strong>a <em>b</em> c</strong> a_b_c 2 * 3 * 4</p>",
    r"proxy\_buffering \*off\* \[1\] &#12304;": "<p>proxy_buffering *off* [1] 【</p>",
    "`a_b*c` ``d`e``": "<p><code>a_b*c</code> <code>d`e</code></p>",
    "Text\n```js\na\n\nb\n```\nc": "<p>Text</p><pre><code>a\n\nb</code></pre><p>c</p>",
    "```\nstill coming": "<pre><code>still coming</code></pre>",
    "# Head\n- a\n  - b\n\n    c\n- d": "<h3>Head</h3><ul><li><p>a</p><ul><li><p>b</p><p>c</p></li>"
    "</ul></li><li><p>d</p></li></ul>",
    "3. a\n4. b\n\nc": '<ol start="3"><li><p>a</p></li><li><p>b</p></li></ol><p>c</p>',
    "[a](https://b.example/c_(d))": '<p><a href="https://b.example/c_(d)" target="_blank" '
    'rel="noopener">a</a></p>',
    "a < b & c\n\n\n\nd": "<p>a &lt; b &amp; c</p><p>d</p>",
    "a\n\n- - -\n\n- b": "<p>a</p><p>- - -</p><ul><li><p>b</p></li></ul>",
}


@pytest.mark.parametrize(("said", "html"), MARKDOWN.items())
def test_markdown(tab: Page, site: str, door: Door, said: str, html: str) -> None:
    door.parts = [*BEGIN, *text(said), *END]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    finished(tab)
    shown = turn(tab).locator(".text").inner_html()
    assert re.sub(r' (class|tabindex|aria-live)="[^"]*"', "", shown) == html


@pytest.mark.parametrize(
    ("said", "shown"),
    [("**a _b [c `d ", "[c"), ("- ", "- -"), ("* ", "* *"), ("1. ", "1. 1.")],
    ids=["open", "bullets", "stars", "numbers"],
)
def test_a_long_text_of_marks_does_not_hold_the_page_up(
    tab: Page, site: str, door: Door, said: str, shown: str
) -> None:
    door.parts = [*BEGIN, {"type": "text", "text": said * (18_000 // len(said))}, *END]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    finished(tab)
    expect(turn(tab).locator(".text")).to_contain_text(shown)


def test_the_view_follows_the_last_line_until_its_reader_scrolls_up(
    tab: Page, site: str, door: Door
) -> None:
    lines = text("A line that is said.\n\n" * 40)
    door.parts = [*BEGIN, *lines, None, *lines, *END]
    open_chat(tab, f"{site}/page")
    view = tab.locator("headwater-chat .view")
    at_end = "v => v.scrollHeight - v.clientHeight - v.scrollTop < 8"
    ask(tab, EN)
    expect(turn(tab).locator("p")).to_have_count(43)
    assert view.evaluate(at_end)
    view.hover()
    tab.mouse.wheel(0, -200)
    tab.wait_for_timeout(200)
    top = view.evaluate("v => v.scrollTop")
    door.go.set()
    finished(tab)
    assert view.evaluate("v => v.scrollTop") == top
    assert tab.evaluate("scrollY") == 0


# What is sent


def test_the_last_turns_the_key_the_language_and_the_collection_are_sent(
    tab: Page, site: str, door: Door
) -> None:
    open_chat(tab, f"{site}/page?key=k1&language=vi&collection=guide|a.md")
    for number in range(8):
        ask(tab, f"Question {number}")
        finished(tab)
    body, headers = door.asked[-1]
    messages = body["messages"]
    assert len(messages) <= 12
    assert [m["role"] for m in messages] == ["user", "assistant"] * 5 + ["user"]
    assert messages[-1]["content"] == "Question 7"
    assert messages[-2]["content"] == "Ready."
    assert (body["language"], body["documents"]) == ("vi", ["guide", "a.md"])
    assert headers["authorization"] == "Bearer k1"
    assert "cookie" not in headers


def test_without_attributes_nothing_is_chosen_and_the_page_gives_the_words(
    tab: Page, site: str, door: Door
) -> None:
    open_chat(tab, f"{site}/page?lang=vi-VN")
    expect(tab.get_by_role("dialog", name="Hỏi tài liệu")).to_be_visible()
    ask(tab, VI)
    finished(tab)
    body, headers = door.asked[0]
    assert set(body) == {"messages"}
    assert "authorization" not in headers
    assert tab.context.cookies() == []


# Stopping, and what goes wrong


def test_stop_closes_the_connection_and_what_came_stays(tab: Page, site: str, door: Door) -> None:
    door.parts = [*BEGIN, *text("It begins."), None]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    expect(turn(tab)).to_contain_text("It begins.")
    tab.locator("headwater-chat textarea").fill("Another?")
    tab.keyboard.press("Enter")
    expect(tab.locator("headwater-chat .turn")).to_have_count(1)
    tab.get_by_role("button", name="Stop").click()
    expect(turn(tab)).to_contain_text("Stopped.")
    expect(turn(tab)).to_contain_text("It begins.")
    assert door.left.wait(5)
    expect(tab.locator("headwater-chat textarea")).to_have_value("Another?")


def test_an_error_stands_under_the_text_and_retry_asks_again(
    tab: Page, site: str, door: Door
) -> None:
    late = failed("timeout", "It was late.", retryable=True)
    door.parts = [*BEGIN, *text("Half"), late]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    expect(turn(tab).locator(".failed")).to_have_text("It was late.")
    expect(turn(tab).locator(".text")).to_have_text("Half")
    door.parts = [*BEGIN, *text("Whole."), *END]
    tab.get_by_role("button", name="Retry").click()
    expect(turn(tab).locator(".text")).to_have_text("Whole.")
    expect(tab.locator("headwater-chat .turn")).to_have_count(1)
    expect(turn(tab).locator(".failed, .retry")).to_have_count(0)
    assert [body["messages"][-1]["content"] for body, _ in door.asked] == [EN] * 2
    assert len(door.asked[1][0]["messages"]) == 1


def test_an_error_that_asking_again_does_not_mend_offers_no_retry(
    tab: Page, site: str, door: Door
) -> None:
    door.parts = [SEARCHING, failed("auth_error", "Refused.", retryable=False)]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    expect(turn(tab).locator(".failed")).to_have_text("Refused.")
    expect(turn(tab).locator(".retry")).to_have_count(0)


@pytest.mark.parametrize(
    ("code", "message", "says", "again"),
    [
        (401, "A valid key is needed.", "This chat has no valid key.", 0),
        (413, "The body is too large.", "The body is too large.", 0),
        (429, "Slow down.", "Slow down.", 1),
        (503, "There is nothing to search yet.", "There is nothing to search yet.", 1),
    ],
)
def test_a_refusal_before_the_stream_is_one_sentence(
    tab: Page, site: str, door: Door, code: int, message: str, says: str, again: int
) -> None:
    named = "invalid_api_key" if code == 401 else "c"
    door.refuses = (code, {"message": message, "type": "t", "code": named, "param": None})
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    expect(turn(tab).locator(".failed")).to_have_text(says)
    expect(turn(tab).locator(".retry")).to_have_count(again)
    door.refuses = None
    ask(tab, "Another?")
    expect(turn(tab).locator(".text")).to_have_text("Ready.")
    expect(tab.locator("headwater-chat .retry")).to_have_count(0)


def test_a_stream_that_breaks_off_and_a_network_that_is_gone_are_told(
    tab: Page, site: str, door: Door
) -> None:
    door.parts = [*BEGIN, *text("Half")]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    expect(turn(tab).locator(".failed")).to_have_text("The answer broke off.")
    tab.context.set_offline(True)
    tab.get_by_role("button", name="Retry").click()
    expect(turn(tab).locator(".failed")).to_contain_text("The server cannot be reached")
    expect(turn(tab).locator(".retry")).to_be_visible()


# The conversation


def test_the_conversation_survives_a_reload_and_clear_clears_it(
    tab: Page, site: str, door: Door
) -> None:
    said = "So it is [1]."
    door.parts = [*BEGIN, *text(said), cited(1, said, "[1]"), *END]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    finished(tab)
    open_chat(tab, f"{site}/page")
    expect(turn(tab).locator(".question")).to_have_text(EN)
    expect(turn(tab).locator(".text")).to_have_text(said)
    expect(turn(tab).locator(".source.cited")).to_have_count(1)
    ask(tab, "And then?")
    finished(tab)
    assert len(door.asked[1][0]["messages"]) == 3
    tab.get_by_role("button", name="Clear").click()
    expect(tab.locator("headwater-chat .turn")).to_have_count(0)
    open_chat(tab, f"{site}/page")
    expect(tab.locator("headwater-chat .turn")).to_have_count(0)
    assert len(door.asked) == 2


def test_two_tabs_have_one_conversation(tab: Page, site: str, door: Door) -> None:
    other = tab.context.new_page()
    for each in (tab, other):
        open_chat(each, f"{site}/page")
    for each, question in ((tab, "In the one"), (other, "In the other")):
        ask(each, question)
        finished(each)
    for each in (tab, other):
        questions = each.locator("headwater-chat .question")
        expect(questions).to_have_text(["In the one", "In the other"])
    tab.get_by_role("button", name="Clear").click()
    expect(other.locator("headwater-chat .turn")).to_have_count(0)
    ask(other, "Anew")
    finished(other)
    assert len(door.asked[-1][0]["messages"]) == 1
    expect(tab.locator("headwater-chat .question")).to_have_text(["Anew"])


@pytest.mark.parametrize("clears", [False, True], ids=["asks", "clears"])
def test_what_another_tab_does_meanwhile_is_kept(
    tab: Page, site: str, door: Door, clears: bool
) -> None:
    other = tab.context.new_page()
    for each in (tab, other):
        open_chat(each, f"{site}/page")
    ask(tab, "First")
    finished(tab)
    expect(other.locator("headwater-chat .question")).to_have_text(["First"])
    door.parts = [*BEGIN, *text("It begins."), None, *text(" It ends."), *END]
    ask(tab, "Slow")
    expect(turn(tab)).to_contain_text("It begins.")
    expect(other.locator("headwater-chat .question")).to_have_text(["First"])
    door.parts = [*BEGIN, *text("Quick."), *END]
    if clears:
        other.get_by_role("button", name="Clear").click()
        expected = ["Slow"]
        expect(tab.locator("headwater-chat .question")).to_have_text(expected)
    else:
        ask(other, "Quick")
        finished(other)
        expected = ["First", "Quick", "Slow"]
        # What one tab keeps reaches the other by way of other processes of Chromium, in its time.
        tab.wait_for_function("Object.values(localStorage).some((kept) => kept.includes('Quick'))")
    door.go.set()
    finished(tab)
    for each in (tab, other):
        expect(each.locator("headwater-chat .question")).to_have_text(expected)
        expect(turn(each).locator(".text")).to_have_text("It begins. It ends.")
        expect(each.locator("headwater-chat .quiet")).to_have_count(0)
    open_chat(tab, f"{site}/page")
    expect(tab.locator("headwater-chat .question")).to_have_text(expected)


def test_clear_ends_the_answer_that_is_being_written(tab: Page, site: str, door: Door) -> None:
    door.parts = [*BEGIN, *text("It begins."), None]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    expect(turn(tab)).to_contain_text("It begins.")
    tab.get_by_role("button", name="Clear").click()
    expect(tab.locator("headwater-chat .turn")).to_have_count(0)
    assert door.left.wait(5)
    door.parts = [*BEGIN, *text("Another one."), *END]
    ask(tab, EN)
    expect(turn(tab).locator(".text")).to_have_text("Another one.")
    finished(tab)
    expect(tab.locator("headwater-chat .turn")).to_have_count(1)


def test_an_answer_that_its_reader_left_keeps_what_came(tab: Page, site: str, door: Door) -> None:
    door.parts = [*BEGIN, *text("It begins."), None]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    expect(turn(tab)).to_contain_text("It begins.")
    open_chat(tab, f"{site}/page")
    expect(turn(tab).locator(".text")).to_have_text("It begins.")
    expect(turn(tab).locator(".quiet, .failed")).to_have_count(1)


def test_each_collection_has_its_own_conversation(tab: Page, site: str) -> None:
    open_chat(tab, f"{site}/page?collection=a")
    ask(tab, EN)
    finished(tab)
    open_chat(tab, f"{site}/page?collection=b")
    expect(tab.locator("headwater-chat .turn")).to_have_count(0)


@pytest.mark.parametrize("kept", ["not JSON", "{}", "[null]", '[{"question": "q"}]'])
def test_a_kept_conversation_that_cannot_be_read_is_left(tab: Page, site: str, kept: str) -> None:
    tab.goto(f"{site}/page")
    tab.evaluate(f"kept => localStorage.setItem('headwater:{site}/docs/:', kept)", kept)
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    finished(tab)
    expect(turn(tab).locator(".text")).to_have_text("Ready.")


def test_it_works_where_storage_is_forbidden(tab: Page, site: str) -> None:
    tab.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })"
    )
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    finished(tab)
    expect(turn(tab).locator(".text")).to_have_text("Ready.")


# How it is used and looks


def test_it_is_used_with_the_keyboard_alone(tab: Page, site: str, door: Door) -> None:
    said = "So it is [1]."
    door.parts = [*BEGIN, *text(said), cited(1, said, "[1]"), *END]
    tab.goto(f"{site}/page")
    tab.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    tab.get_by_role("button", name="Its button").focus()
    tab.keyboard.press("Tab")
    bubble = tab.get_by_role("button", name="Ask the documents")
    expect(bubble).to_be_focused()
    tab.keyboard.press("Enter")
    expect(bubble).to_have_attribute("aria-expanded", "true")
    box = tab.get_by_role("textbox", name="Ask about the documents…")
    expect(box).to_be_focused()
    tab.evaluate("window.heard = undefined")
    tab.keyboard.type("First")
    tab.keyboard.press("Shift+Enter")
    tab.keyboard.type("second")
    expect(box).to_have_value("First\nsecond")
    tab.keyboard.press("Enter")
    finished(tab)
    assert tab.evaluate("window.heard") is None
    expect(turn(tab).locator(".question")).to_have_text("First\nsecond")
    expect(box).to_be_focused()
    tab.keyboard.press("Shift+Tab")
    expect(turn(tab).get_by_role("link", name="Source 1")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(turn(tab).locator(".source.shown summary")).to_be_focused()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("dialog")).to_have_count(0)
    expect(bubble).to_be_focused()
    expect(bubble).to_have_attribute("aria-expanded", "false")


def test_enter_that_ends_a_word_of_an_input_method_does_not_send(tab: Page, site: str) -> None:
    open_chat(tab, f"{site}/page")
    box = tab.locator("headwater-chat textarea")
    box.fill("Tiếng Vi")
    press = "(b, more) => b.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', ...more }))"
    box.evaluate(press, {"isComposing": True})
    box.evaluate(press, {"keyCode": 229})
    box.evaluate(press.replace("Enter", "Escape"), {"isComposing": True, "bubbles": True})
    expect(tab.locator("headwater-chat .turn")).to_have_count(0)
    expect(box).to_be_focused()


def test_a_screen_reader_gets_each_block_once_and_not_every_token(
    tab: Page, site: str, door: Door
) -> None:
    door.parts = [*BEGIN, *text("The first one.\n\nThe second"), None, *text(" one."), *END]
    open_chat(tab, f"{site}/page")
    log = tab.get_by_role("log", name="Ask the documents")
    expect(log).to_have_attribute("aria-live", "polite")
    log.evaluate(
        """(log) => {
          const silent = (node) => node.closest("[aria-live=off]");
          window.read = [];
          new MutationObserver((changes) => {
            for (const change of changes) {
              const added = [...change.addedNodes].filter((node) => node.localName === "p");
              const spoken = added.filter((node) => !silent(node));
              window.read.push(...spoken.map((node) => node.textContent));
              const changed = change.type === "characterData";
              if (changed && !silent(change.target.parentNode)) window.read.push("changed");
            }
          }).observe(log, { childList: true, subtree: true, characterData: true });
        }"""
    )
    ask(tab, EN)
    expect(turn(tab)).to_contain_text("The second")
    tab.wait_for_timeout(100)
    assert tab.evaluate("window.read") == ["The first one."]
    door.go.set()
    finished(tab)
    assert tab.evaluate("window.read") == ["The first one.", "The second one."]


def test_how_an_answer_ended_is_read_out_once(tab: Page, site: str, door: Door) -> None:
    said = "So it is [1]."
    door.parts = [*BEGIN, *text(said), cited(1, said, "[1]", "unconfirmed"), *END]
    open_chat(tab, f"{site}/page")
    tab.get_by_role("log").evaluate(
        """(log) => {
          window.read = [];
          new MutationObserver((changes) => {
            for (const { addedNodes } of changes)
              window.read.push(...[...addedNodes].map((node) => node.textContent));
          }).observe(log, { childList: true, subtree: true });
        }"""
    )
    ask(tab, EN)
    finished(tab)
    tab.wait_for_timeout(200)  # what was still to be drawn
    read = tab.evaluate("window.read")
    assert len([words for words in read if words.startswith("⚠ Not confirmed")]) == 1


def test_the_page_keeps_its_own_landmarks(tab: Page, site: str) -> None:
    open_chat(tab, f"{site}/page")
    expect(tab.get_by_role("dialog", name="Ask the documents")).to_be_visible()
    for role in ("banner", "contentinfo"):
        expect(tab.locator("headwater-chat").get_by_role(role)).to_have_count(0)


HARSH = """<style>* { letter-spacing: 9px; opacity: .9 } html { font-size: 40px }
p, div, button, a, textarea, dialog, headwater-chat {
  display: none !important; color: red !important }
</style>"""


def test_neither_the_page_nor_the_chat_changes_the_look_of_the_other(tab: Page, site: str) -> None:
    def look(locator: Locator) -> Any:
        return locator.evaluate(
            "e => { const s = getComputedStyle(e), b = e.getBoundingClientRect();"
            "return [s.color, s.fontSize, s.letterSpacing, b.width, b.height] }"
        )

    open_chat(tab, f"{site}/page")
    chat, host = tab.locator("headwater-chat dialog"), tab.locator("body > p")
    before, beside = look(chat), look(host)
    open_chat(tab, str(httpx.URL(f"{site}/page", params={"more": HARSH})))
    assert look(chat) == before
    tab.goto("about:blank")
    tab.set_content(page(""))
    assert look(host) == beside


STRICT = "default-src 'none'; script-src {0}; connect-src {0}; require-trusted-types-for 'script'"


def test_it_works_under_a_strict_policy_of_its_page(tab: Page, site: str) -> None:
    policy = f'<meta http-equiv="Content-Security-Policy" content="{STRICT.format(site)}">'
    complaints: list[str] = []
    tab.on("console", lambda said: complaints.append(said.text))
    open_chat(tab, str(httpx.URL(f"{site}/page", params={"more": policy})))
    ask(tab, EN)
    finished(tab)
    expect(turn(tab).locator(".text")).to_have_text("Ready.")
    assert tab.locator("headwater-chat dialog").evaluate("d => d.offsetWidth") == 400
    assert not [said for said in complaints if "favicon" not in said]


def test_on_a_phone_it_fills_the_screen_and_nothing_sticks_out(
    browser: Browser, site: str, door: Door
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    tab = context.new_page()
    said = f"{LONG * 3}\n\n- {LONG}\n\n`{LONG}` [a]({'https://b.example/' + LONG})"
    door.parts = [*found(source(1, LONG * 2, LONG * 3)), *text(said), *END]
    open_chat(tab, f"{site}/page?title={LONG}")
    ask(tab, LONG)
    finished(tab)
    turn(tab).locator(".source summary").click()
    wide = """root => [...root.querySelectorAll("*")]
      .filter((e) => !e.closest("pre") && e.getBoundingClientRect().right > innerWidth)
      .map((e) => e.outerHTML.slice(0, 80))"""
    assert tab.locator("headwater-chat .root").evaluate(wide) == []
    place = tab.get_by_role("dialog").bounding_box()
    assert place == {"x": 0, "y": 0, "width": 390, "height": 844}
    for _ in range(12):  # the page behind is out of reach
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.localName") in ("headwater-chat", "body")
    tab.keyboard.press("Escape")
    expect(tab.locator("headwater-chat .bubble")).to_be_focused()
    context.close()


@pytest.mark.parametrize(
    ("theme", "device", "dark"),
    [
        ("light", "dark", False),
        ("dark", "light", True),
        ("auto", "dark", True),
        ("", "light", False),
    ],
)
def test_the_theme_is_the_tags_or_the_devices(
    tab: Page, site: str, theme: str, device: Any, dark: bool
) -> None:
    tab.emulate_media(color_scheme=device)
    open_chat(tab, f"{site}/page?theme={theme}")
    dialog = tab.locator("headwater-chat dialog")
    background = "rgb(15, 23, 42)" if dark else "rgb(255, 255, 255)"
    expect(dialog).to_have_css("background-color", background)


def test_motion_stops_where_it_is_not_wanted(tab: Page, site: str, door: Door) -> None:
    door.parts = [SEARCHING, None]
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    line = tab.locator("headwater-chat [role=status]")
    expect(line).to_have_css("animation-name", "breathe")
    tab.emulate_media(reduced_motion="reduce")
    expect(line).to_have_css("animation-name", "none")


def test_two_tags_make_one_chat(tab: Page, site: str) -> None:
    tag = "<script src='/docs/widget.js'></script>"
    tab.goto(str(httpx.URL(f"{site}/page", params={"more": tag})))
    expect(tab.locator("headwater-chat")).to_have_count(1)
    expect(tab.locator("html > headwater-chat .bubble")).to_be_visible()


def test_it_stays_where_a_page_changes_its_body(tab: Page, site: str) -> None:
    open_chat(tab, f"{site}/page")
    ask(tab, EN)
    finished(tab)
    tab.evaluate("document.body.replaceWith(document.createElement('body'))")
    expect(turn(tab).locator(".text")).to_have_text("Ready.")
    tab.evaluate("document.body.style.cssText = 'transform: scale(1); height: 5000px'")
    place = tab.locator("headwater-chat .bubble").bounding_box()
    assert place and place["y"] < 800


# The real app


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@dataclass(frozen=True)
class Sites:
    allowed: str
    foreign: str


@pytest.fixture(scope="module")
def app(reading: Reading, upstream: Upstream, sites: Sites) -> str:
    origins = (sites.allowed,)
    model = {"OPENAI_BASE_URL": upstream.base_url, "cache_seconds": 0}
    return served(reading, **model, allowed_origins=origins).rstrip("/")


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    """Pages of two other sites; `?from=` is the address of the chat's server."""

    def show(request: Request) -> Response:
        return HTMLResponse(
            page(f'<script src="{request.query_params["from"]}/widget.js"></script>')
        )

    def other() -> Iterator[str]:
        yield from serving(Starlette(routes=[Route("/", show)]))

    first, second = other(), other()
    yield Sites(next(first), next(second))
    for site in (first, second):
        next(site, None)


def test_over_the_real_app_sources_come_and_stop_reaches_the_model(
    tab: Page, app: str, upstream: Upstream
) -> None:
    slow = words("It tells nginx not to buffer [1]. " * 100)
    upstream.script = Script(slow, delay=0.02)
    begun = len(upstream.calls)
    open_chat(tab, f"{app}/widget")
    ask(tab, EN)
    expect(turn(tab).locator(".source").first).to_be_attached()
    expect(turn(tab).locator(".cite").first).to_be_visible()
    tab.get_by_role("button", name="Dừng").click()
    expect(turn(tab)).to_contain_text("Đã dừng.")
    assert upstream.wait_for_end(begun).ended == "client_left"
    turn(tab).locator(".cite").first.click()
    with tab.context.expect_page() as opened:
        turn(tab).locator(".source.shown").get_by_role("link").click()
    expect(opened.value.locator("mark").first).to_be_visible()


def test_over_the_real_app_a_failure_is_told_and_retried(
    tab: Page, app: str, upstream: Upstream
) -> None:
    upstream.script = Script(words("Again, and it works [1]."))
    upstream.next(Script(status=401, error_code="invalid_api_key"), Script(cut_after=3))
    open_chat(tab, f"{app}/widget")
    ask(tab, EN)
    expect(turn(tab).locator(".failed")).to_contain_text("OPENAI_API_KEY")
    expect(turn(tab).locator(".retry")).to_have_count(0)
    ask(tab, f"{EN} Why?")
    expect(turn(tab).locator(".failed")).to_contain_text("broke off")
    turn(tab).locator(".retry").click()
    expect(turn(tab).locator(".text")).to_contain_text("Again, and it works [1]")
    finished(tab)


def test_a_page_of_an_allowed_site_gets_answers_and_nothing_else_is_asked(
    tab: Page, app: str, sites: Sites, upstream: Upstream
) -> None:
    upstream.script = Script(words("It tells nginx not to buffer [1]."))
    requests: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    open_chat(tab, f"{sites.allowed}/?from={app}")
    ask(tab, EN)
    expect(turn(tab).locator(".text")).to_contain_text("not to buffer [1]")
    finished(tab)
    expect(turn(tab).locator(".source a").first).to_have_attribute(
        "href", re.compile(f"^{app}/documents/")
    )
    asked = {url.removeprefix(app) for url in requests if not url.startswith(sites.allowed)}
    assert asked == {"/widget.js", "/api/chat/stream"}
    assert tab.context.cookies() == []


def test_a_page_of_a_site_that_is_not_allowed_gets_one_sentence(
    tab: Page, app: str, sites: Sites
) -> None:
    broken: list[str] = []
    tab.on("pageerror", lambda error: broken.append(str(error)))
    open_chat(tab, f"{sites.foreign}/?from={app}")
    ask(tab, EN)
    expect(turn(tab).locator(".failed")).to_have_text(
        "The server cannot be reached, or does not allow this page."
    )
    expect(turn(tab).locator(".source")).to_have_count(0)
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("button", name="Ask the documents")).to_be_focused()
    assert broken == []
