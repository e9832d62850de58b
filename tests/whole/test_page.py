"""The page in a real browser, over real documents and a loopback model server."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from playwright.sync_api import Browser, Page, expect

from ingest.background import Reading
from rag.retrieval.embedder import Embedder
from rag.settings import PROJECT, Settings
from tests.benchmarks.first_token import free_port, process
from tests.harness.browser import answer, ask, box, finished, pages, served, visit
from tests.harness.upstream import Script, Upstream, words
from tests.harness.wire import asked, said
from tests.harness.wires import DONE, STOP, delta, texts

SLOW = Script(tokens=words("It begins: a slow answer that goes on [1]. " * 40), delay=0.05)
VI, EN = "X-Accel-Buffering dùng để làm gì?", "What does X-Accel-Buffering do?"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(autouse=True)
def _plain_script(upstream: Upstream) -> None:
    upstream.script = Script(tokens=words("It tells nginx not to buffer [1]."), delay=0.005)


@pytest.fixture(scope="module")
def with_model(reading: Reading, upstream: Upstream) -> str:
    return served(reading, OPENAI_BASE_URL=upstream.base_url, cache_seconds=0)


@pytest.fixture(scope="module")
def without_model(reading: Reading) -> str:
    return served(reading)


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
    visit(tab, without_model)
    ask(tab, question)
    expect(answer(tab).locator(".headwater-source").first).to_contain_text(document)
    marked = answer(tab).locator("mark").filter(has_text="X-Accel-Buffering")
    expect(marked.first).to_be_attached()
    expect(answer(tab)).to_contain_text("[1]")
    expect(answer(tab)).to_contain_text(quoted)
    expect(answer(tab).locator(".headwater-quiet").last).to_contain_text("OPENAI_API_KEY")
    finished(tab)


def test_the_sources_are_on_the_wire_before_the_first_word(with_model: str) -> None:
    updates = list(Client(with_model, verbose=False).submit(EN, api_name="/chat"))
    titles = [[(m["metadata"] or {}).get("title", "") for m in update] for update in updates]
    texts = [
        next((m["content"] for m in update if not (m["metadata"] or {})), "") for update in updates
    ]
    sources = next(i for i, t in enumerate(titles) if any("Sources (5)" in title for title in t))
    first_text = next(i for i, text in enumerate(texts) if text)
    assert sources < first_text
    assert texts[-1].startswith("It tells nginx not to buffer [\\[1\\]")
    assert "](#source-1" in texts[-1]


def test_options_that_a_program_leaves_null_are_those_of_the_settings(with_model: str) -> None:
    client = httpx.Client(base_url=with_model, timeout=60)
    with client, asked(client, EN, True) as updates:
        *_, last = updates
    assert "It tells nginx not to buffer" in said(last)


def test_an_example_is_answered_with_one_click(tab: Page, without_model: str) -> None:
    visit(tab, without_model)
    tab.locator("button.example").first.click()
    expect(answer(tab).locator(".headwater-source")).to_have_count(5)
    finished(tab)


def test_the_text_box_says_what_it_is_for_also_after_a_question(
    tab: Page, without_model: str
) -> None:
    visit(tab, without_model)
    hint = "Hỏi về tài liệu… · Ask about the documents…"
    expect(tab.get_by_placeholder(hint)).to_be_editable()
    expect(tab.get_by_text("Textbox", exact=True)).to_be_hidden()  # the box of the visitor's key
    ask(tab, "What does X-Accel-Buffering do?")
    finished(tab)
    expect(tab.get_by_placeholder(hint)).to_be_editable()
    tab.get_by_role("button", name="Retry").click()
    finished(tab)
    expect(tab.get_by_placeholder(hint)).to_be_editable()


def test_what_the_documents_do_not_answer_is_refused_without_a_model_call(
    tab: Page, with_model: str, upstream: Upstream
) -> None:
    before = len(upstream.calls)
    visit(tab, with_model)
    ask(tab, "Who won the World Cup in 2018?")
    expect(answer(tab)).to_contain_text("no relevant information")
    finished(tab)
    assert len(upstream.calls) == before


@pytest.mark.parametrize(
    ("question", "offer", "warning"),
    [
        (
            "Who won the World Cup in 2018?",
            "Ask the model, without the documents",
            "Not from your documents",
        ),
        (
            "Cách nấu phở bò tại nhà như thế nào?",
            "Hỏi mô hình, không dùng tài liệu",
            "Không phải từ tài liệu của bạn",
        ),
    ],
    ids=["English", "Vietnamese"],
)
def test_the_offer_under_a_refusal_asks_the_model_alone_and_warns_above_its_answer(
    tab: Page, with_model: str, upstream: Upstream, question: str, offer: str, warning: str
) -> None:
    upstream.script = Script(tokens=words("What the model knows [1]."))
    visit(tab, with_model)
    ask(tab, question)
    expect(tab.get_by_role("button", name=offer)).to_be_visible()
    finished(tab)
    before = len(upstream.calls)
    tab.get_by_role("button", name=offer).click()
    expect(tab.locator(".bot-row")).to_have_count(2)
    expect(answer(tab)).to_contain_text("What the model knows.")
    expect(answer(tab).locator(".headwater-failed")).to_contain_text(warning)
    expect(answer(tab).locator(".headwater-source")).to_have_count(0)
    finished(tab)
    (call,) = upstream.calls[before:]
    assert call.body["messages"][-1]["content"] == question
    assert warning in answer(tab).inner_text().split("What the model knows")[0]


def test_the_sidebar_lists_the_documents_with_their_pages_and_chunks(
    tab: Page, without_model: str, reading: Reading
) -> None:
    visit(tab, without_model)
    documents = reading.documents()
    expect(tab.locator(".headwater-document")).to_have_count(len(documents))
    pdf = next(d for d in documents if d.name == "vi-quyen-rieng-tu.pdf")
    row = tab.locator(".headwater-document").filter(has_text=pdf.name)
    expect(row).to_contain_text(f"{pdf.pages} trang · pages, {pdf.chunks} đoạn · chunks")


def test_the_options_reach_the_search_and_the_model(
    tab: Page, with_model: str, upstream: Upstream
) -> None:
    visit(tab, with_model)
    tab.get_by_text("Tùy chọn · Options").click()
    tab.get_by_label("Tiếng Việt").check()
    tab.get_by_label("Mô hình · Model").fill("another-model")
    tab.get_by_label("Temperature").click()
    tab.get_by_role("option", name="0.3").click()
    ask(tab, EN)
    expect(answer(tab)).to_contain_text("Nguồn (5)")
    finished(tab)
    body = upstream.calls[-1].body
    assert (body["model"], body["temperature"]) == ("another-model", 0.3)
    assert "max_tokens" not in body
    assert "Vietnamese" in body["messages"][0]["content"]


def test_a_source_that_is_added_to_a_cell_of_a_table_leaves_the_table_whole(
    tab: Page, with_model: str, upstream: Upstream
) -> None:
    row = "| `X-Accel-Buffering` | nginx uses it itself and does not pass it to the client |\n"
    table = f"| Header | At the client |\n|---|---|\n{row}| `Cache-Control` | passed on |\n"
    upstream.script = Script(tokens=words(f"Both headers:\n\n{table}\nThat is all."))
    visit(tab, with_model)
    ask(tab, EN)
    finished(tab)
    cells = answer(tab).locator("tbody tr").first.locator("td")
    expect(cells).to_have_count(2)
    expect(cells.last.locator("a")).to_contain_text("⁺")
    expect(cells.last).to_contain_text("pass it to the client [")
    expect(answer(tab).locator("tbody tr")).to_have_count(2)
    expect(answer(tab).get_by_text("That is all.")).to_be_visible()


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[str]:
    """A page over two folders, which answer one question in two ways."""
    root = tmp_path_factory.mktemp("towns")
    for town, when in (("north", "nine"), ("south", "noon")):
        (root / "data" / town).mkdir(parents=True)
        text = f"The ferry at the old harbour leaves at {when} every day."
        (root / "data" / town / "ferry.md").write_text(text)
    settings = Settings(data_dir=root / "data", store_dir=root / "store")
    reading = Reading(settings, lambda *_: embedder)
    reading.opening.wait()
    yield served(reading)
    while reading.busy:
        time.sleep(0.05)
    reading.close()


FERRY = "When does the ferry at the old harbour leave?"


def test_a_folder_is_chosen_among_those_there_are(tab: Page, towns: str) -> None:
    visit(tab, towns)
    tab.get_by_text("Tùy chọn · Options").click()
    tab.get_by_label("Tìm trong · Search in").click()
    tab.get_by_role("option", name="south").click()
    ask(tab, FERRY)
    expect(answer(tab)).to_contain_text("noon")
    expect(answer(tab)).to_contain_text("Sources (1)")
    expect(answer(tab)).not_to_contain_text("nine")
    finished(tab)


def test_several_folders_are_chosen_and_one_is_taken_off_again(tab: Page, towns: str) -> None:
    visit(tab, towns)
    tab.get_by_text("Tùy chọn · Options").click()
    chosen = tab.get_by_label("Tìm trong · Search in")
    for town in ("south", "north"):
        chosen.click()
        tab.get_by_role("option", name=town).click()
    ask(tab, FERRY)
    expect(answer(tab)).to_contain_text("Sources (2)")
    finished(tab)
    chosen.press("Backspace")
    ask(tab, FERRY)
    expect(answer(tab)).to_contain_text("Sources (1)")
    expect(answer(tab)).to_contain_text("noon")
    finished(tab)


@pytest.mark.parametrize(
    ("place", "expected", "other"),
    [
        ("", "nine", "There is no"),
        (["north"], "nine", "noon"),
        (["north", "south"], "Sources (2)", "There is no"),
        ("north/ferry.md", "nine", "noon"),
        ("west", "There is no collection or document west. Choose one of: north, south.", "nine"),
    ],
)
def test_a_client_names_a_folder_or_a_document(
    towns: str, place: str | list[str], expected: str, other: str
) -> None:
    shown = str(Client(towns, verbose=False).predict(FERRY, collection=place, api_name="/chat"))
    assert expected in shown and other not in shown


def test_models_that_are_offered_can_be_chosen_and_no_others(
    tab: Page, reading: Reading, upstream: Upstream
) -> None:
    url = served(reading, OPENAI_BASE_URL=upstream.base_url, models=("large",))
    upstream.script = Script(words("It is a header [1]."))
    calls = len(upstream.calls)
    visit(tab, url)
    tab.get_by_text("Tùy chọn · Options").click()
    chosen = tab.get_by_label("Mô hình · Model")
    chosen.click()
    tab.get_by_role("option", name="large").click()
    ask(tab, EN)
    expect(answer(tab)).to_contain_text("It is a header")
    finished(tab)
    assert upstream.calls[-1].body["model"] == "large"
    chosen.fill("huge")
    chosen.press("Enter")
    ask(tab, EN)
    expect(answer(tab)).to_contain_text("“huge” is not offered here. Choose one of")
    assert len(upstream.calls) == calls + 1


# Stop, a closed tab, a reload, a client that hangs up, and Retry


def test_a_stopped_answer_stays_in_the_conversation(
    tab: Page, with_model: str, upstream: Upstream
) -> None:
    upstream.script = SLOW
    visit(tab, with_model)
    ask(tab, EN)
    expect(answer(tab)).to_contain_text("slow answer that goes")
    tab.get_by_test_id("stop-button").click()
    expect(answer(tab)).to_contain_text("Stopped · about")
    finished(tab)
    upstream.script = Script(tokens=words("The next answer."))
    ask(tab, "Why does nginx buffer a response at all?")
    expect(answer(tab)).to_contain_text("The next answer.")
    before = upstream.calls[-1].body["messages"][2]["content"]
    assert before.startswith("It begins: a slow") and "Stopped" not in before


def test_retry_asks_again_after_a_failure_and_for_another_answer(
    tab: Page, reading: Reading, upstream: Upstream
) -> None:
    visit(tab, served(reading, OPENAI_BASE_URL=upstream.base_url))
    upstream.next(Script(tokens=words("Half of it and then"), cut_after=4))
    ask(tab, EN)
    expect(answer(tab).locator(".headwater-failed")).to_contain_text("broke off")
    finished(tab)
    upstream.next(Script(tokens=words("The whole answer.")))
    clicked = time.monotonic()
    tab.get_by_label("Retry").click()
    expect(answer(tab)).to_contain_text("The whole answer.")
    print(f"retry: answered after {1000 * (time.monotonic() - clicked):.0f} ms")
    expect(tab.locator(".headwater-failed")).to_have_count(0)
    finished(tab)
    upstream.next(Script(tokens=words("Another answer.")))
    tab.get_by_label("Retry").click()
    expect(answer(tab)).to_contain_text("Another answer.")
    finished(tab)


def test_an_answer_given_before_is_shown_again_and_says_so(
    tab: Page, reading: Reading, upstream: Upstream
) -> None:
    visit(tab, served(reading, OPENAI_BASE_URL=upstream.base_url))
    for _ in range(2):
        tab.get_by_text("New chat").click()
        ask(tab, EN)
        expect(answer(tab)).to_contain_text("not to buffer")
        finished(tab)
    expect(answer(tab).locator(".headwater-quiet").last).to_contain_text("cached")


# What goes wrong


def test_a_question_that_cannot_be_answered_says_why_and_the_next_one_works(
    tab: Page, with_model: str
) -> None:
    visit(tab, with_model)
    cannot = {"   ": "empty", "a" * 20_000: "at most 4,000", "?!…": "no letters"}
    for question, sentence in cannot.items():
        ask(tab, question)
        expect(answer(tab).locator(".headwater-failed")).to_contain_text(sentence)
        finished(tab)
        ask(tab, EN)
        expect(answer(tab)).to_contain_text("not to buffer")
        finished(tab)


def test_an_empty_library_says_what_to_do(tab: Page, tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / "data").mkdir()
    reading = Reading(
        Settings(data_dir=tmp_path / "data", store_dir=tmp_path / "store"), lambda *_: embedder
    )
    visit(tab, served(reading))
    ask(tab, "Is anybody there?")
    failed = answer(tab).locator(".headwater-failed")
    expect(failed).to_contain_text("The library is empty", timeout=60_000)
    finished(tab)
    (tmp_path / "data" / "new.md").write_text("# Lanterns\n\nA lantern needs oil.")
    tab.locator(".toggle-button").click()
    tab.get_by_text("Read the folder again").click()
    expect(tab.locator(".headwater-document")).to_contain_text("Lanterns")
    ask(tab, "What does a lantern need?")
    expect(answer(tab)).to_contain_text("A lantern needs oil. [1]")
    reading.close()


# What stays


def test_the_next_turn_carries_the_words_of_the_last_and_not_its_sources(
    tab: Page, with_model: str, upstream: Upstream
) -> None:
    visit(tab, with_model)
    ask(tab, EN)
    expect(answer(tab)).to_contain_text("not to buffer")
    finished(tab)
    ask(tab, "Why does nginx buffer a response at all?")
    expect(tab.locator(".bot-row")).to_have_count(2)
    finished(tab)
    sent = upstream.calls[-1].body["messages"]
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "user"]
    assert sent[1]["content"] == EN
    assert sent[2]["content"] == "It tells nginx not to buffer [1]."


@pytest.mark.slow  # everything is loaded in another process
def test_an_early_question_waits_for_the_reading_and_is_kept_over_a_restart(
    tab: Page,
    reading: Reading,
    upstream: Upstream,
    tmp_path: Path,
    known_model: Callable[[Path], None],
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "OPENAI_BASE_URL": upstream.base_url,
        "HEADWATER_STORE_DIR": str(tmp_path / "store"),
        "HEADWATER_DATA_DIR": str(tmp_path / "data"),
    }
    known_model(tmp_path / "store")
    (tmp_path / "data").mkdir()
    for document in sorted((PROJECT / "data").glob("*-*.md"))[:4]:
        shutil.copy(document, tmp_path / "data")
    with process(port, ["app.py"], environment):
        visit(tab, url)
        ask(tab, EN)
        expect(answer(tab)).to_contain_text(re.compile("Opening the library|Reading the"))
        expect(answer(tab)).to_contain_text("not to buffer", timeout=90_000)
        finished(tab)
        expect(tab.get_by_role("gridcell", name=EN)).to_be_visible()
        tab.goto("about:blank")
    served(reading, OPENAI_BASE_URL=upstream.base_url, GRADIO_SERVER_PORT=port)
    visit(tab, url)
    tab.get_by_role("gridcell", name=EN).click()
    expect(answer(tab)).to_contain_text("Sources (5)")
    expect(answer(tab)).to_contain_text("not to buffer")


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
    visit(tab, with_model)
    ask(tab, EN)
    expect(answer(tab)).to_contain_text("end of it")
    finished(tab)
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


# What is seen


def _view(tab: Page) -> tuple[int, int]:
    """How far the chat is scrolled down, and how far it could be."""
    top, end = tab.evaluate(
        "(c => [c.scrollTop, c.scrollHeight - c.clientHeight])"
        "(document.querySelector('#headwater-chat .bubble-wrap'))"
    )
    return round(top), round(end)


@pytest.mark.slow  # it scrolls for seconds
def test_the_view_follows_the_last_line_until_the_reader_scrolls_up(
    tab: Page, with_model: str, upstream: Upstream
) -> None:
    visit(tab, with_model)
    for _ in range(2):
        ask(tab, EN)
        expect(answer(tab)).to_contain_text("not to buffer")
        finished(tab)
        tab.wait_for_timeout(500)  # the panel of sources unfolds
        top, end = _view(tab)
        assert end - top <= 2
    upstream.script = SLOW
    ask(tab, EN)
    expect(answer(tab)).to_contain_text("slow answer")
    tab.wait_for_timeout(500)
    top, end = _view(tab)
    assert end - top < 100, "the streaming text is out of sight"
    tab.mouse.move(640, 300)
    tab.mouse.wheel(0, -150)
    tab.wait_for_timeout(300)
    read, _ = _view(tab)
    tab.wait_for_timeout(1500)
    still, end = _view(tab)
    assert still == read < end
    tab.mouse.wheel(0, 5000)
    tab.wait_for_timeout(1500)
    top, end = _view(tab)
    assert end - top < 100
    tab.get_by_test_id("stop-button").click()
    finished(tab)


@pytest.mark.parametrize("width", [390, 1280])
def test_a_long_answer_and_a_long_word_stay_inside_the_page(
    browser: Browser, with_model: str, upstream: Upstream, width: int
) -> None:
    upstream.script = Script(tokens=words("Một câu dài. " * 300 + "x" * 400 + " the end"))
    context = browser.new_context(viewport={"width": width, "height": 800})
    tab = context.new_page()
    visit(tab, with_model)
    ask(tab, EN)
    expect(answer(tab)).to_contain_text("the end")
    wide = tab.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    expect(box(tab)).to_be_in_viewport()
    context.close()
    assert wide <= 0


@pytest.mark.slow  # sixteen callers come and go
def test_an_open_tab_keeps_its_turns_while_those_that_left_are_forgotten(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.CLOSED", 5)
    url = served(reading)
    sessions = pages[-1].state_holder.session_data
    with httpx.Client(base_url=url, timeout=60) as client:
        tab = Client(url, verbose=False)
        tab.predict(EN, api_name="/chat")
        before = set(sessions)
        for n in range(16):  # the last one stays to the end
            with asked(client, f"{EN} {n}") as updates:
                if n % 2:
                    list(updates)
        assert tab.session_hash in sessions
        assert len(set(sessions) - before) <= 5 + 1
        assert all(not state.config_values for state in sessions.values())
        turns = [v for v in sessions[tab.session_hash].state_data.values() if isinstance(v, list)]
        assert EN in said(turns)
        tab.close()


def test_thinking_is_a_folded_line_that_opens_while_it_comes(
    tab: Page, with_model: str, upstream: Upstream
) -> None:
    going: list[str | float] = []
    for n in range(40):
        going += [delta(reasoning_content=f"step {n}, "), 0.1]
    upstream.script = Script(raw=[*going, *texts(), STOP, DONE])
    visit(tab, with_model)
    ask(tab, EN)
    line = answer(tab).get_by_text(re.compile(r"^Thinking… \d s$"))
    expect(line).to_be_visible()
    expect(answer(tab).get_by_text("step 0,")).to_be_hidden()
    line.click()
    expect(answer(tab).get_by_text("step 0,")).to_be_visible()
    expect(answer(tab).get_by_text("step 39,")).to_be_visible()
    expect(answer(tab).get_by_text(re.compile(r"^Thought for \d s$"))).to_be_visible()
    expect(answer(tab)).to_contain_text("unbuffered")
    finished(tab)
    upstream.script = Script(tokens=words("Yes [1]."))
    ask(tab, "And what does proxy_buffering do?")
    expect(answer(tab)).to_contain_text("Yes")
    finished(tab)
    assert "step 0" not in str(upstream.calls[-1].body["messages"])
