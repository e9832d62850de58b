"""Documents are added and removed in the browser, as a user does it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ingest.background import Reading
from rag.retrieval.embedder import Embedder
from rag.settings import Settings
from tests.harness.browser import served

FERRY = "The ferry to Kestrel Island leaves at 07:40 from pier 12."
LONG_NAME = "Quy định nghỉ phép của công ty trách nhiệm hữu hạn một thành viên Sông Hồng.md"
LEAVE = "# Nghỉ phép\n\nMỗi nhân viên được nghỉ 14 ngày phép mỗi năm."
DROP = """([name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name));
    const drop = (kind) => document.body.dispatchEvent(
        new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
    drop("dragover");
    window.sawTheHint = document.body.classList.contains("headwater-dropping");
    drop("drop");
}"""


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, embedder: Embedder
) -> Iterator[str]:
    data = tmp_path_factory.mktemp("data")
    (data / "bread.md").write_text("# Bread\n\nThe dough rests for two hours before it is baked.")
    store = tmp_path_factory.mktemp("store")
    settings = Settings(data_dir=data, store_dir=store, uploads=request.param)
    reading = Reading(settings, lambda *_: embedder)
    reading.settled()
    yield served(reading, data_dir=data, store_dir=store, uploads=request.param)
    reading.close()


@pytest.fixture
def wide(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": request.param, "height": 800}, locale="en-GB")
    yield context.new_page()
    context.close()


# Where they go to, and on how wide a screen.
each = pytest.mark.parametrize(
    ("site", "wide"),
    [
        ("library", 1280),
        ("session", 390),
        pytest.param("library", 390, marks=pytest.mark.slow),
        pytest.param("session", 1280, marks=pytest.mark.slow),
    ],
    indirect=True,
    scope="module",
)


def ask(page: Page, question: str) -> None:
    box = page.locator("textarea[placeholder*='Ask about']")
    box.fill(question)
    box.press("Enter")


def toast(page: Page, words: str) -> None:
    expect(page.locator(".headwater-toast")).to_contain_text(words, timeout=60_000)


@each
def test_files_are_dropped_asked_replaced_and_removed(
    wide: Page, site: str, tmp_path: Path
) -> None:
    """Every complaint in one go: progress, a receipt each, an answer, and gone when removed."""
    wide.goto(site)
    opens = wide.locator("#headwater-open")
    expect(opens).to_have_text(re.compile(r"Documents \(\d\) · add your own"))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (tmp_path / LONG_NAME).write_text(LEAVE)
    opens.click()
    chosen = [tmp_path / "broken.pdf", tmp_path / LONG_NAME]
    wide.locator("#headwater-adding .headwater-files input").set_input_files(chosen)
    toast(wide, "1 added, 1 failed: broken.pdf is damaged")
    wide.evaluate(DROP, ["harbour.txt", FERRY])
    assert wide.evaluate("window.sawTheHint")
    toast(wide, "1 added")
    row = wide.locator(".headwater-document", has_text="harbour.txt")
    expect(row).to_be_visible()
    wide.evaluate(DROP, ["harbour.txt", FERRY.replace("07:40", "09:15")])
    toast(wide, "1 replaced")
    wide.locator(".sidebar.right .toggle-button").click()
    ask(wide, "When does the ferry to Kestrel Island leave?")
    answer = wide.locator(".bot-row").last
    expect(answer).to_contain_text("leaves at 09:15 from pier 12", timeout=30_000)
    address = answer.locator(".headwater-source a").first.get_attribute("href")
    shown = wide.context.new_page()
    shown.goto(f"{site}{address}")
    expect(shown.locator("mark").first).to_contain_text("09:15")
    shown.close()
    opens.click()
    wide.locator("#headwater-filter").fill("nghỉ phép")
    expect(wide.locator(".headwater-document:visible")).to_have_count(1)
    wide.locator("#headwater-filter").fill("")
    for name in ("harbour.txt", LONG_NAME):
        gone = wide.locator(".headwater-document", has_text=name)
        wide.once("dialog", lambda dialog: dialog.accept())
        gone.get_by_role("button").click()
        expect(gone).to_have_count(0)
    assert wide.evaluate("document.documentElement.scrollWidth <= innerWidth")


@each
def test_a_text_is_pasted_and_a_refusal_to_remove_it_keeps_it(wide: Page, site: str) -> None:
    wide.goto(site)
    wide.locator("#headwater-open").click()
    wide.get_by_text("Paste a text").click()
    wide.locator("#headwater-text").fill("Pier notes\n\nPier 12 is closed on Mondays.")
    wide.locator("#headwater-paste").click()
    toast(wide, "1 added")
    row = wide.locator(".headwater-document", has_text="Pier notes 2")
    expect(row).to_be_visible()
    wide.once("dialog", lambda dialog: dialog.dismiss())
    row.get_by_role("button").click()
    expect(row).to_be_visible()
    wide.once("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button").click()
    expect(row).to_have_count(0)


@each
def test_files_may_be_dropped_while_an_answer_streams(wide: Page, site: str) -> None:
    wide.goto(site)
    expect(wide.locator("#headwater-open")).to_be_visible()
    ask(wide, "How long does the dough rest?")
    wide.evaluate(DROP, [f"harbour {wide.viewport_size}.txt", FERRY])
    toast(wide, "1 added")
    expect(wide.locator(".bot-row").last).to_contain_text("two hours", timeout=30_000)
