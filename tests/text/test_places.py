from __future__ import annotations

import pytest

from rag.text.places import place


@pytest.mark.parametrize(
    ("document", "page", "name", "en", "vi"),
    [
        ("report.pdf", 3, "", "page 3", "trang 3"),
        ("report.pdf", 3, "3 · OCR", "page 3 · OCR", "trang 3 · OCR"),
        ("receipt.jpg", 1, "1 · OCR", "page 1 · OCR", "trang 1 · OCR"),
        ("notes.md", 1, "", "page 1", "trang 1"),
        ("terms.docx", 1, "3 Pay › 3.2 Late", "section 3 Pay › 3.2 Late", "mục 3 Pay › 3.2 Late"),
        ("terms.docx", 1, "", "page 1", "trang 1"),
        ("notes.md", 1, "Tides", "section Tides", "mục Tides"),
        ("talk.PPTX", 3, "", "slide 3", "trang chiếu 3"),
        ("costs.xlsx", 2, "Hà Nội · 2–51", "sheet Hà Nội · 2–51", "trang tính Hà Nội · 2–51"),
        ("costs.csv", 2, "52–101", "rows 52–101", "dòng 52–101"),
        ("people.json", 2, "51–100", "items 51–100", "mục 51–100"),
        ("app.py", 2, "121–240", "lines 121–240", "dòng 121–240"),
        ("tale.epub", 4, "4 · The Sea", "chapter 4 · The Sea", "chương 4 · The Sea"),
    ],
)
def test_a_page_is_called_what_its_readers_call_it(
    document: str, page: int, name: str, en: str, vi: str
) -> None:
    assert place(document, page, name, "en") == en
    assert place(document, page, name, "vi") == vi
