"""From a citation in the answer to the marked place in the original, in a real browser."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from ingest.background import Reading
from rag.documents.highlight import Box
from rag.retrieval.embedder import Embedder
from rag.settings import PROJECT, Settings
from tests.documents.test_highlight import alike, text_in
from tests.documents.test_routes import chunks_of
from tests.harness.browser import answer, ask, finished, served, visit
from tests.harness.upstream import Script, Upstream, words
from tests.ingest.test_readers import PDFS, needs_samples

DATA = PROJECT / "data"
ALIKE = 0.9  # of 1, from which on the text in the boxes is the passage
PRESSED = 120  # milliseconds that a finger or a mouse button stays down
# Each has a PDF's page for its second source.
VI = "Nhật ký nên ghi những thông tin gì để không lộ nội dung người dùng hỏi?"
EN = "How are keyword results and vector results combined into one list?"
QUESTIONS = {VI: "vi-quyen-rieng-tu.pdf", EN: "retrieval-and-citations.pdf"}
NGINX = "What does X-Accel-Buffering do?"
SAYS = "It is said in the first passage [1]. It is said again in the second one [2]. "
ENDS = "said again in the second one"  # its last citation may be followed by a doubt
PROMPT = Script(tokens=words(SAYS), delay=0.005)
# A line that fills without a word that could begin the next one, so that nothing moves.
SLOW = Script(tokens=[*words(f"{SAYS}\n\n"), *["."] * 100], delay=0.05)
MEASURED = [
    pytest.param(DATA / "retrieval-and-citations.pdf", marks=pytest.mark.slow),
    pytest.param(DATA / "vi-quyen-rieng-tu.pdf", marks=pytest.mark.slow),
    pytest.param(PDFS / "sample_multicolumn.pdf", marks=[needs_samples, pytest.mark.slow]),
]

# Of each box its left, top, width and height in shares of the picture's.
_BOXES = """() => {
  const picture = document.querySelector(".page img").getBoundingClientRect();
  return [...document.querySelectorAll(".page span")].map((span) => {
    const box = span.getBoundingClientRect();
    return [
      (box.left - picture.left) / picture.width, (box.top - picture.top) / picture.height,
      box.width / picture.width, box.height / picture.height,
    ];
  });
}"""
# Whether a point of the element is what one sees there, and not a header over it.
_UNCOVERED = """(element) => {
  const { left, top, width, height } = element.getBoundingClientRect();
  return document.elementFromPoint(left + width / 2, top + height / 2) === element;
}"""
_CENTRE = """(element) => {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [left + width / 2, top + height / 2];
}"""
_TOO_WIDE = """() => [...document.querySelectorAll("html, #headwater-chat .bubble-wrap")].map(
  (element) => element.scrollWidth - element.clientWidth
)"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(autouse=True)
def _plain_script(upstream: Upstream) -> None:
    upstream.script = PROMPT


@pytest.fixture(scope="module")
def chat(reading: Reading, upstream: Upstream) -> str:
    return served(reading, OPENAI_BASE_URL=upstream.base_url, cache_seconds=0)


@pytest.fixture(scope="module")
def copies(
    tmp_path_factory: pytest.TempPathFactory, embedder: Embedder
) -> Iterator[tuple[str, Reading]]:
    """A page over copies of the measured PDFs, and what was read of them."""
    place = tmp_path_factory.mktemp("copies")
    (place / "data").mkdir()
    for name in ("retrieval-and-citations.pdf", "vi-quyen-rieng-tu.pdf"):
        shutil.copy(DATA / name, place / "data")
    if PDFS.is_dir():
        shutil.copy(PDFS / "sample_multicolumn.pdf", place / "data")
    settings = {"data_dir": place / "data", "store_dir": place / "store"}
    reading = Reading(Settings.model_validate(settings), lambda *_: embedder)
    reading.settled()
    yield served(reading, **settings), reading
    reading.close()


def citation(turn: Locator, number: int) -> Locator:
    return turn.locator(f'a[href$="#source-{number}"]').first


def press(turn: Locator, number: int) -> None:
    """A click on a citation that takes as long as a person's. Playwright's own would wait for the
    link to stay the same element, which it does not while the answer streams."""
    link = citation(turn, number)
    link.evaluate("link => link.scrollIntoView({ block: 'nearest' })")
    x, y = link.evaluate(_CENTRE)
    turn.page.mouse.click(x, y, delay=PRESSED)


def source(turn: Locator, number: int) -> Locator:
    title = turn.page.locator("summary b", has_text=f"[{number}]")
    return turn.locator("details.headwater-source").filter(has=title)


def opened_by(tab: Page, link: Locator) -> Page:
    """The tab that a click on the link opens, once everything in it has loaded."""
    with tab.context.expect_page() as opened:
        link.click()
    opened.value.wait_for_load_state()
    return opened.value


def see(page: Page) -> None:
    """Waits until the page's picture has come and its passage is before the reader's eyes."""
    picture = page.locator(".page img")
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 0
    passage = page.locator("#passage")
    expect(passage).to_be_in_viewport()
    assert passage.evaluate(_UNCOVERED)


def marked(page: Page, path: Path) -> str:
    """The text that the original has under the boxes of a document's page."""
    number = re.search(r"/pages/(\d+)", page.url)
    assert number
    return text_in(path, int(number[1]), [Box(*box) for box in page.evaluate(_BOXES)])


def similarity(a: str, b: str) -> float:
    return alike(plain(a), plain(b))


def plain(text: str) -> str:
    """The text with a word that a hyphen parts at a line's end whole again; PDFium writes such a
    hyphen as a control character."""
    text = re.sub(r"[-\u00ad\u2010\ufffe\x02]\s*\n", "", text + "\n")
    return unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize(
    "stage", [pytest.param("while it streams", marks=pytest.mark.slow), "when it has ended"]
)
@pytest.mark.parametrize("question", QUESTIONS, ids=QUESTIONS.values())
def test_a_click_on_a_citation_opens_its_passage_and_a_click_on_that_the_marked_page(
    tab: Page, chat: str, upstream: Upstream, question: str, stage: str
) -> None:
    name = QUESTIONS[question]
    visit(tab, chat)
    if stage == "while it streams":
        upstream.script = SLOW
        ask(tab, question)
        expect(answer(tab)).to_contain_text("...")
    else:
        ask(tab, question)
        expect(answer(tab)).to_contain_text(ENDS)
        finished(tab)
    if stage == "while it streams":
        press(answer(tab), 2)
    else:
        citation(answer(tab), 2).click(delay=PRESSED)
    cited = source(answer(tab), 2)
    expect(cited).to_have_attribute("open", "")
    passage = cited.locator("p a").first
    expect(passage).to_be_in_viewport()
    expect(cited.locator("summary")).to_contain_text(name)
    if stage == "while it streams":
        assert upstream.calls[-1].ended == "open"
        finished(tab)
        expect(answer(tab).locator(".headwater-uncited")).to_be_visible()
        expect(cited).to_have_attribute("open", "")
        expect(passage).to_be_in_viewport()
    text = passage.inner_text()
    page = opened_by(tab, passage)
    assert re.match(f"{chat}documents/[0-9]+/pages/[0-9]+[?]chunk=", page.url)
    expect(page.locator("header")).to_contain_text(name)
    see(page)
    assert similarity(marked(page, DATA / name), text) >= ALIKE
    assert tab.url.rstrip("/") == chat.rstrip("/"), "the chat itself went elsewhere"


def test_a_citation_opens_the_source_of_its_own_turn(tab: Page, chat: str) -> None:
    visit(tab, chat)
    documents = {EN: "retrieval-and-citations.pdf", NGINX: "proxies-and-buffering.md"}
    for question in documents:
        ask(tab, question)
        expect(answer(tab)).to_contain_text(ENDS)
        finished(tab)
    turns = tab.locator(".bot-row")
    expect(turns).to_have_count(2)
    for number, name in enumerate(documents.values()):
        turn = turns.nth(number)
        citation(turn, 1).click(delay=PRESSED)
        shown = tab.locator(".headwater-shown")
        expect(shown).to_have_count(1)
        expect(shown.locator("summary")).to_contain_text(name)
        expect(source(turn, 1)).to_have_attribute("open", "")
        expect(source(turn, 1).locator("p a").first).to_be_in_viewport()
        expect(tab.locator(".headwater-source[open]")).to_have_count(number + 1)


@pytest.mark.parametrize("path", MEASURED, ids=lambda path: path.name)
def test_the_passages_of_the_pdfs_are_marked_where_they_stand(
    tab: Page, copies: tuple[str, Reading], path: Path
) -> None:
    url, reading = copies
    library = reading.library
    assert library
    chunks = chunks_of(library, path.name)
    scores = []
    for chunk in chunks:
        page = f"documents/{chunk.document_id}/pages/{chunk.page}"
        tab.goto(f"{url}{page}?chunk={chunk.id}#passage")
        see(tab)
        scores.append(similarity(marked(tab, path), chunk.text))
    right = sum(score >= ALIKE for score in scores)
    print(f"{path.name}: {right} of {len(chunks)} passages, the least alike {min(scores):.3f}")
    assert right >= 0.95 * len(chunks)


def test_next_and_previous_page_and_the_original_file(
    tab: Page, copies: tuple[str, Reading]
) -> None:
    url, reading = copies
    assert reading.library
    name = "vi-quyen-rieng-tu.pdf"
    first = chunks_of(reading.library, name)[0]
    pages = f"{url}documents/{first.document_id}/pages"
    tab.goto(f"{pages}/1?chunk={first.id}#passage")
    expect(tab.get_by_role("link", name="Previous page")).to_have_count(0)
    for number in range(2, 11):
        tab.get_by_role("link", name="Next page").click()
        expect(tab).to_have_url(f"{pages}/{number}")
        expect(tab.locator("header")).to_contain_text(f"page {number} of 10")
    expect(tab.get_by_role("link", name="Next page")).to_have_count(0)
    expect(tab.locator(".page img")).to_have_js_property("complete", True)
    expect(tab.locator(".page span")).to_have_count(0)
    tab.get_by_role("link", name="Previous page").click()
    expect(tab).to_have_url(f"{pages}/9")
    with tab.expect_response(f"{url}documents/{first.document_id}/file") as response:
        tab.get_by_role("link", name="Original file").click()
    assert response.value.headers["content-type"] == "application/pdf"
    assert tab.request.get(response.value.url).body() == (DATA / name).read_bytes()


@pytest.mark.parametrize("question", [VI, NGINX], ids=["a PDF", "a text"])
def test_on_a_phone_nothing_is_wider_than_the_screen(
    browser: Browser, chat: str, question: str
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    tab = context.new_page()
    visit(tab, chat)
    ask(tab, question)
    expect(answer(tab)).to_contain_text(ENDS)
    finished(tab)
    citation(answer(tab), 2).tap()
    passage = source(answer(tab), 2).locator("p a").first
    expect(passage).to_be_in_viewport()
    chat_too_wide = tab.evaluate(_TOO_WIDE)
    page = opened_by(tab, passage)
    expect(page.locator("#passage")).to_be_in_viewport()
    page_too_wide = page.evaluate(_TOO_WIDE)
    context.close()
    assert max(*chat_too_wide, *page_too_wide) <= 0


@pytest.mark.slow  # four answers in a browser
def test_the_panel_survives_retry_an_edit_and_a_restored_conversation(tab: Page, chat: str) -> None:
    def checked() -> None:
        expect(answer(tab)).to_contain_text(ENDS)
        finished(tab)
        expect(tab.locator(".bot-row")).to_have_count(1)
        expect(answer(tab).locator(".headwater-source")).to_have_count(5)
        citation(answer(tab), 2).click(delay=PRESSED)
        expect(source(answer(tab), 2)).to_have_attribute("open", "")
        expect(answer(tab).locator(".headwater-shown summary")).to_contain_text("[2]")

    visit(tab, chat)
    ask(tab, NGINX)
    checked()
    tab.get_by_label("Retry").click()
    checked()
    tab.get_by_label("Edit").click()
    edited = tab.locator(".user-row textarea")
    edited.fill(EN)
    tab.get_by_label("Submit").click()
    expect(answer(tab)).to_contain_text("retrieval-and-citations.pdf")
    checked()
    tab.get_by_text("New chat").click()
    expect(tab.locator(".bot-row")).to_have_count(0)
    tab.get_by_role("gridcell").first.click()
    checked()
