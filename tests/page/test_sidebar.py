"""The sidebar's list of documents."""

from __future__ import annotations

from bs4 import BeautifulSoup

from rag.errors import StoreError
from rag.events import Waiting
from rag.page.sidebar import content
from rag.types import Document, Notice

TIDES = Document("", "biển/thuỷ triều.md", "Thuỷ triều", "d", 3, 3, 7)
HOSTILE = '<img src=x onerror="alert(1)">\n\u202egnp.exe'


def shown(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def test_a_document_is_listed_with_its_pages_and_chunks() -> None:
    [listed] = shown(content([TIDES], None, [], None)).select(".headwater-document")
    assert [part.text for part in listed.find_all(["b", "span"])] == [
        "Thuỷ triều",
        "biển/thuỷ triều.md",
        "3 trang · pages, 7 đoạn · chunks",
    ]


def test_progress_stands_above_what_is_read_already() -> None:
    page = shown(content([TIDES], Waiting(2, 5, "bến cảng.pdf"), [], None))
    bar = page.select_one("progress")
    assert bar and (bar["value"], bar["max"]) == ("2", "5")
    assert "2/5 bến cảng.pdf" in page.text
    assert page.text.index("bến cảng.pdf") < page.text.index("Thuỷ triều")


def test_before_the_files_are_counted_the_bar_is_empty() -> None:
    page = shown(content([], Waiting(0, 0, ""), [], None))
    bar = page.select_one("progress")
    assert bar and (bar["value"], bar["max"]) == ("0", "1")
    assert "0/…" in page.text and "No documents yet" not in page.text


def test_a_file_that_could_not_be_read_is_named_with_its_reason() -> None:
    page = shown(content([TIDES], None, [("scan.pdf", "It has no text.")], None))
    [failed] = page.select(".headwater-failed")
    assert failed.get_text("|") == "scan.pdf|It has no text."


def test_an_empty_library_says_what_to_do() -> None:
    page = shown(content([], None, [], None))
    assert "No documents yet" in page.text and "Chưa có tài liệu" in page.text


def test_what_kept_all_from_being_read_stands_first_and_is_not_called_empty() -> None:
    error = StoreError("The disk is <full>.", "Đĩa đã đầy.")
    page = shown(content([], None, [], error))
    assert page.text.startswith("⚠️ Đĩa đã đầy. · The disk is <full>.")
    assert "No documents yet" not in page.text


def test_names_and_reasons_are_text_on_one_line() -> None:
    hostile = Document("", HOSTILE, HOSTILE, "d", 1, 1, 1)
    html = content([hostile], Waiting(1, 2, HOSTILE), [(HOSTILE, HOSTILE)], None)
    page = shown(html)
    assert not page.find_all("img") and "\u202e" not in html
    assert {tag.name for tag in page.find_all(True)} == {"b", "br", "div", "progress", "span"}


def test_a_notice_stands_last_in_both_languages() -> None:
    page = shown(content([TIDES], None, [], None, Notice("It is <small>.", "Nó nhỏ.")))
    assert page.text.endswith("Nó nhỏ. · It is <small>.")


def test_what_holds_until_all_is_read_stands_under_the_progress() -> None:
    meanwhile = Notice("The <old> one answers.", "Thư viện cũ trả lời.")
    page = shown(content([TIDES], Waiting(1, 3, "a.md"), [], None, meanwhile=meanwhile))
    line = "Thư viện cũ trả lời. · The <old> one answers."
    assert page.text.index("1/3") < page.text.index(line) < page.text.index("thuỷ triều.md")
    error = StoreError("The disk is full.", "Đĩa đã đầy.")
    page = shown(content([TIDES], None, [], error, meanwhile=meanwhile))
    assert page.text.index("disk is full") < page.text.index(line)
