"""The page in a real browser, over real documents and a loopback model server."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from app import serve
from ingest.reading import Reading
from rag.settings import PROJECT, Settings
from tests.first_token import free_port, process
from tests.upstream import Script, Upstream, words

CLOSED_WITHIN = 0.5  # seconds from Stop or a closed tab to the upstream's closed socket
SLOW = Script(tokens=words("A slow answer that goes on and on [1]. " * 40), delay=0.05)
SILENT = Script(tokens=words("It begins and then nothing comes."), silent_after=3)
VI, EN = "X-Accel-Buffering dùng để làm gì?", "What does X-Accel-Buffering do?"

expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(autouse=True)
def _plain_script(upstream: Upstream) -> None:
    upstream.script = Script(tokens=words("It tells nginx not to buffer [1]."), delay=0.005)


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    store = tmp_path_factory.mktemp("store")
    reading = Reading(Settings(data_dir=PROJECT / "data", store_dir=store))
    reading.opening.wait()
    yield reading
    reading.close()


# These two servers run on daemon threads of this process until it ends.


@pytest.fixture(scope="module")
def with_model(reading: Reading, upstream: Upstream) -> str:
    return _served(Settings.model_validate({"OPENAI_BASE_URL": upstream.base_url}), reading)


@pytest.fixture(scope="module")
def without_model(reading: Reading) -> str:
    return _served(Settings(), reading)


def _served(settings: Settings, reading: Reading) -> str:
    url = serve(settings, reading, block=False).local_url
    assert isinstance(url, str)
    return url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: CI must install Debian's package")
        pytest.skip("no Chromium was found: install Debian's package chromium for these tests")
    flags = ["no-sandbox", "disable-background-networking", "disable-component-update"]
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=chromium, args=[f"--{flag}" for flag in [*flags, "disable-sync"]]
        )


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


def _open(tab: Page, url: str) -> None:
    tab.goto(url)
    expect(_box(tab)).to_be_editable()


def _box(tab: Page) -> Locator:
    return tab.locator("textarea").first


def _ask(tab: Page, question: str) -> None:
    _box(tab).fill(question)
    tab.keyboard.press("Enter")


def _answer(tab: Page) -> Locator:
    return tab.locator(".bot-row").last


def _finished(tab: Page) -> None:
    expect(_box(tab)).to_be_editable()
    expect(tab.get_by_test_id("stop-button")).to_have_count(0)


# What a newcomer sees


@pytest.mark.parametrize(
    ("question", "document", "quoted"),
    [
        (VI, "vi-proxy-va-bo-dem.md", "X-Accel-Buffering: no"),
        (EN, "proxies-and-buffering.md", "X-Accel-Buffering"),
    ],
)
def test_without_a_model_the_documents_are_quoted_under_their_sources(
    tab: Page, without_model: str, question: str, document: str, quoted: str
) -> None:
    _open(tab, without_model)
    _ask(tab, question)
    expect(_answer(tab).locator(".headwater-source").first).to_contain_text(document)
    marked = _answer(tab).locator("mark").filter(has_text="X-Accel-Buffering")
    expect(marked.first).to_be_attached()
    expect(_answer(tab)).to_contain_text("[1]")
    expect(_answer(tab)).to_contain_text(quoted)
    expect(_answer(tab).locator(".headwater-quiet")).to_contain_text("OPENAI_API_KEY")
    _finished(tab)


def test_the_sources_are_on_the_wire_before_the_first_word(with_model: str) -> None:
    updates = list(Client(with_model, verbose=False).submit(EN, api_name="/chat"))
    titles = [[(m["metadata"] or {}).get("title", "") for m in update] for update in updates]
    texts = [
        next((m["content"] for m in update if not (m["metadata"] or {})), "") for update in updates
    ]
    sources = next(i for i, t in enumerate(titles) if any("Sources (5)" in title for title in t))
    first_text = next(i for i, text in enumerate(texts) if text)
    assert sources < first_text
    assert texts[-1] == "It tells nginx not to buffer [1]."


def test_an_example_is_answered_with_one_click(tab: Page, without_model: str) -> None:
    _open(tab, without_model)
    tab.locator("button.example").first.click()
    expect(_answer(tab).locator(".headwater-source")).to_have_count(5)
    _finished(tab)


def test_what_the_documents_do_not_answer_is_refused_without_a_model_call(
    tab: Page, with_model: str, upstream: Upstream
) -> None:
    before = len(upstream.calls)
    _open(tab, with_model)
    _ask(tab, "Who won the World Cup in 2018?")
    expect(_answer(tab)).to_contain_text("no relevant information")
    _finished(tab)
    assert len(upstream.calls) == before


def test_the_sidebar_lists_the_documents_with_their_pages_and_chunks(
    tab: Page, without_model: str, reading: Reading
) -> None:
    _open(tab, without_model)
    documents = reading.documents()
    expect(tab.locator(".headwater-document")).to_have_count(len(documents))
    pdf = next(d for d in documents if d.name == "vi-quyen-rieng-tu.pdf")
    row = tab.locator(".headwater-document").filter(has_text=pdf.name)
    expect(row).to_contain_text(f"{pdf.pages} trang · pages, {pdf.chunks} đoạn · chunks")


def test_the_options_reach_the_search_and_the_model(
    tab: Page, with_model: str, upstream: Upstream
) -> None:
    _open(tab, with_model)
    tab.get_by_text("Tùy chọn · Options").click()
    tab.get_by_label("Tiếng Việt").check()
    tab.get_by_label("Mô hình · Model").fill("another-model")
    tab.get_by_label("Temperature").click()
    tab.get_by_role("option", name="0.3").click()
    _ask(tab, EN)
    expect(_answer(tab)).to_contain_text("Nguồn (5)")
    _finished(tab)
    body = upstream.calls[-1].body
    assert (body["model"], body["temperature"]) == ("another-model", 0.3)
    assert "max_tokens" not in body
    assert "Vietnamese" in body["messages"][0]["content"]


# Stop, and a closed tab


@pytest.mark.parametrize("silent", [False, True], ids=["streaming", "silent"])
@pytest.mark.parametrize("way", ["stop", "close"])
def test_stop_and_a_closed_tab_close_the_upstream(
    browser: Browser, with_model: str, upstream: Upstream, way: str, silent: bool
) -> None:
    upstream.script = SILENT if silent else SLOW
    context = browser.new_context()
    tab = context.new_page()
    _open(tab, with_model)
    index = len(upstream.calls)
    _ask(tab, EN)
    expect(_answer(tab)).to_contain_text("It begins" if silent else "slow answer that goes")
    left = time.monotonic()
    if way == "stop":
        tab.get_by_test_id("stop-button").click()
        call = upstream.wait_for_end(index)
        upstream.script = Script(tokens=words("The next answer."))
        _finished(tab)
        _ask(tab, EN)
        expect(_answer(tab)).to_contain_text("The next answer.")
    else:
        tab.close(run_before_unload=False)
        call = upstream.wait_for_end(index)
    context.close()
    assert call.ended == "client_left" and call.ended_at is not None
    seconds = call.ended_at - left
    print(f"{way}, {'silent' if silent else 'streaming'}: closed after {1000 * seconds:.0f} ms")
    assert seconds < CLOSED_WITHIN


# What goes wrong


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("   ", "empty"),
        ("a" * 20_000, "at most 4,000"),
        ("?!…", "no letters"),
    ],
    ids=["blank", "too long", "no letters"],
)
def test_a_question_that_cannot_be_answered_says_why_and_the_next_one_works(
    tab: Page, with_model: str, question: str, sentence: str
) -> None:
    _open(tab, with_model)
    _ask(tab, question)
    expect(_answer(tab).locator(".headwater-failed")).to_contain_text(sentence)
    _finished(tab)
    _ask(tab, EN)
    expect(_answer(tab)).to_contain_text("not to buffer")
    _finished(tab)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (Script(status=401, error_code="invalid_api_key"), "OPENAI_API_KEY"),
        (Script(status=404, error_code="model_not_found"), "OPENAI_MODEL"),
        (Script(tokens=words("Half of it and then"), cut_after=4), "broke off"),
    ],
    ids=["wrong key", "unknown model", "cut"],
)
def test_a_model_that_fails_says_why_and_the_next_question_works(
    tab: Page, with_model: str, upstream: Upstream, script: Script, sentence: str
) -> None:
    upstream.next(script)
    _open(tab, with_model)
    _ask(tab, EN)
    expect(_answer(tab).locator(".headwater-failed")).to_contain_text(sentence)
    expect(_answer(tab).locator(".headwater-source")).to_have_count(5)
    if script.cut_after:
        expect(_answer(tab)).to_contain_text("Half of it")
    _finished(tab)
    _ask(tab, EN)
    expect(_answer(tab)).to_contain_text("not to buffer")


def test_an_empty_library_says_what_to_do(tab: Page, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    reading = Reading(Settings(data_dir=tmp_path / "data", store_dir=tmp_path / "store"))
    _open(tab, _served(Settings(), reading))
    _ask(tab, "Is anybody there?")
    failed = _answer(tab).locator(".headwater-failed")
    expect(failed).to_contain_text("The library is empty", timeout=60_000)
    _finished(tab)
    (tmp_path / "data" / "new.md").write_text("# Lanterns\n\nA lantern needs oil.")
    tab.locator(".toggle-button").click()
    tab.get_by_text("Read the folder again").click()
    expect(tab.locator(".headwater-document")).to_contain_text("Lanterns")
    _ask(tab, "What does a lantern need?")
    expect(_answer(tab)).to_contain_text("A lantern needs oil. [1]")
    reading.close()


# What stays


def test_the_next_turn_carries_the_words_of_the_last_and_not_its_sources(
    tab: Page, with_model: str, upstream: Upstream
) -> None:
    _open(tab, with_model)
    _ask(tab, EN)
    expect(_answer(tab)).to_contain_text("not to buffer")
    _finished(tab)
    _ask(tab, "Why does nginx buffer a response at all?")
    expect(tab.locator(".bot-row")).to_have_count(2)
    _finished(tab)
    sent = upstream.calls[-1].body["messages"]
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "user"]
    assert sent[1]["content"] == EN
    assert sent[2]["content"] == "It tells nginx not to buffer [1]."


def test_an_early_question_waits_for_the_reading_and_is_kept_over_a_restart(
    tab: Page, upstream: Upstream, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "OPENAI_BASE_URL": upstream.base_url,
        "HEADWATER_STORE_DIR": str(tmp_path / "store"),
    }
    with process(port, ["app.py"], environment):
        _open(tab, url)
        _ask(tab, EN)
        expect(_answer(tab)).to_contain_text(re.compile("Opening the library|Reading the"))
        expect(_answer(tab)).to_contain_text("not to buffer", timeout=90_000)
        _finished(tab)
        expect(tab.get_by_role("gridcell", name=EN)).to_be_visible()
        tab.goto("about:blank")
    with process(port, ["app.py"], environment):
        _open(tab, url)
        tab.get_by_role("gridcell", name=EN).click()
        expect(_answer(tab)).to_contain_text("Sources (5)")
        expect(_answer(tab)).to_contain_text("not to buffer")


# What must not get out, or in


def test_an_answer_loads_nothing_from_elsewhere_and_runs_nothing(
    tab: Page, with_model: str, upstream: Upstream
) -> None:
    upstream.script = Script(
        tokens=words(
            "Seen. ![pixel](http://203.0.113.7/leak.png) <img src='http://203.0.113.7/b.png'> "
            "<script>document.title = 'stolen'</script>"
            "<img src=x onerror=\"document.title='stolen'\">"
            '<b style="background:url(http://203.0.113.7/c.png)">end of it</b>'
        )
    )
    answered: list[str] = []
    tab.on("response", lambda response: answered.append(response.url))
    _open(tab, with_model)
    _ask(tab, EN)
    expect(_answer(tab)).to_contain_text("end of it")
    _finished(tab)
    assert all(url.startswith((with_model, "data:", "blob:")) for url in answered)
    assert tab.title() != "stolen"
    policy = httpx.get(with_model).headers["content-security-policy"]
    assert "default-src 'self'" in policy


def test_another_sites_page_may_not_post(with_model: str) -> None:
    join = f"{with_model}gradio_api/queue/join"
    foreign = httpx.post(join, headers={"Origin": "http://elsewhere.example"}, json={})
    assert foreign.status_code == 403
    own = httpx.post(join, headers={"Origin": with_model.rstrip("/")}, json={})
    assert own.status_code != 403


@pytest.mark.parametrize("width", [390, 1280])
def test_a_long_answer_and_a_long_word_stay_inside_the_page(
    browser: Browser, with_model: str, upstream: Upstream, width: int
) -> None:
    upstream.script = Script(tokens=words("Một câu dài. " * 300 + "x" * 400 + " the end"))
    context = browser.new_context(viewport={"width": width, "height": 800})
    tab = context.new_page()
    _open(tab, with_model)
    _ask(tab, EN)
    expect(_answer(tab)).to_contain_text("the end")
    wide = tab.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    expect(_box(tab)).to_be_in_viewport()
    context.close()
    assert wide <= 0
