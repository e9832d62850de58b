"""Every kind of failure, before the first word and in the middle, at the page and in the terminal:
what came stays, a sentence of its kind stands under it, and the next question is answered."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from gradio_client import Client
from playwright.sync_api import Browser, Page, expect

from ingest.background import Reading
from rag.commands.app import _answer
from rag.commands.terminal import Terminal
from rag.events import Failed, Finished
from rag.retrieval.retriever import Retriever
from rag.settings import Settings
from rag.types import Options
from tests.harness.browser import answer, ask, finished, served, visit
from tests.harness.upstream import Script, Upstream, words

ASKED = "What does X-Accel-Buffering do?"
HALF = words("Half of the answer and then")
AT_ONCE = {"retry-after-ms": "1"}
SHORT = {"first_word_timeout": 1.0, "idle_timeout": 2.0, "max_answer_seconds": 4.0}
GONE = Script(cut_after=0)


def refused(status: int, code: str | None = None) -> Script:
    return Script(status=status, error_code=code, headers=AT_ONCE)


def event(code: str) -> Script:
    return Script(HALF, error_event_after=len(HALF), error_code=code)


@dataclass(frozen=True)
class Case:
    """What the model's server does, the code that it is told by, and words of its sentence."""

    name: str
    script: Script
    code: str
    says: str


SLOWLY = Script(HALF * 50, delay=0.2)
BEFORE = [
    Case("timeout", Script(header_delay=60), "timeout", "did not begin to answer"),
    Case("silent", Script(silent_after=0), "timeout", "did not begin to answer"),
    Case("rate limited", refused(429), "rate_limited", "too many requests"),
    Case("server error", refused(500), "server_error", "server failed"),
    Case("auth error", refused(401, "invalid_api_key"), "auth_error", "OPENAI_API_KEY"),
    Case("invalid request", refused(400), "invalid_request", "refused the request"),
    Case("unknown model", refused(404, "model_not_found"), "invalid_request", "OPENAI_MODEL"),
    Case("context", refused(400, "context_length_exceeded"), "context_too_long", "too long"),
    Case("network", GONE, "network_error", "cannot be reached"),
    Case("filtered", refused(400, "content_filter"), "content_filtered", "filter refused"),
    Case("broken json", Script(broken_json_after=0), "server_error", "cannot be read"),
]
MIDWAY = [
    Case("timeout", SLOWLY, "timeout", "ended after 4 seconds"),
    Case("silent", Script(HALF, silent_after=4), "stream_interrupted", "broke off"),
    Case("rate limited", event("rate_limit_exceeded"), "rate_limited", "too many requests"),
    Case("server error", event("server_error"), "server_error", "server failed"),
    Case("unnamed error", event(""), "stream_interrupted", "broke off"),
    Case("auth error", event("invalid_api_key"), "auth_error", "OPENAI_API_KEY"),
    Case("invalid request", event("invalid_request_error"), "invalid_request", "refused the req"),
    Case("unknown model", event("model_not_found"), "invalid_request", "OPENAI_MODEL"),
    Case("context", event("context_length_exceeded"), "context_too_long", "too long"),
    Case("network", Script(HALF, cut_after=4), "stream_interrupted", "broke off"),
    Case("cut character", Script(HALF, cut_after=4, cut_in_character=True), "stream_interrupted",
         "broke off"),
    Case("filtered", event("content_filter"), "content_filtered", "filter refused"),
    Case("broken json", Script(HALF, broken_json_after=4), "stream_interrupted", "broke off"),
]  # fmt: skip
CASES = [
    *(pytest.param(case, id=f"{case.name} before") for case in BEFORE),
    *(
        pytest.param(
            case,
            id=f"{case.name} midway",
            marks=[pytest.mark.slow] if case.script is SLOWLY else [],
        )
        for case in MIDWAY
    ),
]
# What a browser may show in its own way.
SEEN = [case for case in CASES if case.id in ("server error before", "network midway",
        "cut character midway", "timeout midway")]  # fmt: skip


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(Script(words("The next question is answered [1]."))) as server:
        yield server


@pytest.fixture(scope="module")
def settings(upstream: Upstream) -> Settings:
    return Settings.model_validate({"OPENAI_BASE_URL": upstream.base_url, **SHORT})


def fails(upstream: Upstream, script: Script) -> None:
    """Makes the coming call fail, and those by which it is tried again: by the SDK, or in less."""
    retried = script.status in (429, 500)
    in_less = script.status == 400 and script.error_code == "context_length_exceeded"
    upstream.next(*[script] * (3 if retried else 2 if in_less else 1))


# The page


@pytest.fixture(scope="module")
def page(reading: Reading, upstream: Upstream) -> str:
    return served(reading, OPENAI_BASE_URL=upstream.base_url, cache_seconds=0, **SHORT)


@pytest.fixture(scope="module")
def client(page: str) -> Client:
    return Client(page, verbose=False)


@pytest.fixture(scope="module")
def open_tab(browser: Browser, page: str) -> Iterator[Page]:
    """One tab for all of them: each failure finds the page that the one before it has left."""
    tab = browser.new_page()
    visit(tab, page)
    yield tab
    tab.close()


@pytest.mark.parametrize("case", CASES)
def test_at_the_page(client: Client, upstream: Upstream, case: Case) -> None:
    fails(upstream, case.script)
    sources, *text, note = client.predict(ASKED, api_name="/chat")
    assert sources["content"].count('<details class="headwater-source') == 5
    assert ["Half of" in message["content"] for message in text] == [True] * (case in MIDWAY)
    assert "headwater-failed" in note["content"]
    assert case.says in html.unescape(note["content"])
    shown = client.predict(ASKED, api_name="/chat")
    assert "The next question is answered" in shown[1]["content"]


@pytest.mark.parametrize("case", SEEN)
def test_in_the_browser(open_tab: Page, upstream: Upstream, case: Case) -> None:
    fails(upstream, case.script)
    ask(open_tab, ASKED)
    failed = answer(open_tab)
    expect(failed.locator(".headwater-failed")).to_contain_text(case.says)
    expect(failed.locator(".headwater-source")).to_have_count(5)
    if case in MIDWAY:
        expect(failed).to_contain_text("Half of")
    expect(failed.get_by_text("Writing…")).to_have_count(0)
    finished(open_tab)
    ask(open_tab, ASKED)
    expect(answer(open_tab)).to_contain_text("The next question is answered")
    finished(open_tab)
    open_tab.get_by_text("New chat").click()
    expect(open_tab.locator(".bot-row")).to_have_count(0)


# The terminal


@pytest.mark.parametrize("case", CASES)
def test_in_the_terminal(
    settings: Settings,
    upstream: Upstream,
    retriever: Retriever,
    capsys: pytest.CaptureFixture[str],
    case: Case,
) -> None:
    fails(upstream, case.script)
    failed, out, err = _asked(settings, retriever, capsys)
    assert failed == case.code
    assert case.says in err
    assert ("Half of" in out) == (case in MIDWAY)
    assert "[1]" in out, "the sources are gone"
    ended, out, _ = _asked(settings, retriever, capsys)
    assert ended == "stop" and "The next question is answered" in out


def _asked(
    settings: Settings, retriever: Retriever, capsys: pytest.CaptureFixture[str]
) -> tuple[str, str, str]:
    """How `python -m rag ask` ended, and what it wrote, once the store is open."""
    with Terminal(quotes=False) as screen:
        coroutine = _answer(settings, retriever, ASKED, Options(), screen.show)
        with ThreadPoolExecutor() as thread:  # the browser's driver has the main thread's loop
            last = thread.submit(asyncio.run, coroutine).result()
    out, err = capsys.readouterr()
    assert isinstance(last, Finished | Failed)
    ended = last.reason if isinstance(last, Finished) else last.code
    return ended, out, " ".join(err.split())


def test_a_failure_in_vietnamese_is_told_in_vietnamese(open_tab: Page, upstream: Upstream) -> None:
    fails(upstream, refused(401))
    ask(open_tab, "X-Accel-Buffering dùng để làm gì?")
    expect(answer(open_tab).locator(".headwater-failed")).to_contain_text("từ chối khóa")
    finished(open_tab)
