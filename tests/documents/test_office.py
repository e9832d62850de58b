"""A passage of an office document is marked on its page, slide or stretch of rows."""

from __future__ import annotations

import docx
import pytest
from starlette.testclient import TestClient

from rag.store.store import Store
from tests.ingest.office import opendocument, saved, slides, word, workbook

from .test_routes import Parsed, Shelve, chunks_of, client, data, shelve

__all__ = ["client", "data", "shelve"]

WORDS = [
    f"Điều {n}. Nhân viên của phòng {n} được nghỉ {n} ngày. Ai nghỉ thì báo trước. " * 6
    for n in range(1, 9)
]
ROWS: list[list[object]] = [
    ["Mã", "Tên hàng", "Giá"],
    *([f"KX-{n}", f"Máy bơm số {n}", n * 7] for n in range(2, 150)),
]
PARAGRAPHS = "".join(f"<text:p>{text}</text:p>" for text in WORDS)
PAGES = "".join(
    f"<draw:page><draw:frame><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"
    "</draw:page>"
    for text in WORDS
)
CELLS = "".join(
    "<table:table-row>"
    + "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in row)
    + "</table:table-row>"
    for row in ROWS
)
FILES = {
    "nội quy.docx": word(*WORDS),
    "bài giảng.pptx": slides(*((f"Phần {n}", text) for n, text in enumerate(WORDS))),
    "bảng giá.xlsx": workbook(*ROWS, sheet="Giá"),
    "nội quy.odt": opendocument("text", PARAGRAPHS),
    "bài giảng.odp": opendocument("presentation", PAGES),
    "bảng giá.ods": opendocument(
        "spreadsheet", f'<table:table table:name="Giá">{CELLS}</table:table>'
    ),
    "nội quy.rtf": b"{\\rtf1\\ansi "
    + b"\\par ".join(
        "".join(c if ord(c) < 128 else f"\\u{ord(c)}?" for c in text).encode() for text in WORDS
    )
    + b"}",
}


def test_a_passage_of_word_is_called_by_its_headings_and_the_page_as_a_whole_is_not(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    document = docx.Document()
    document.add_heading("Nội quy", 1)
    for number, text in enumerate(WORDS[:4]):
        document.add_heading(f"Chương {number}", 2)
        document.add_paragraph(text * 2)
    shelve("nội quy.docx", saved(document))
    chunks = chunks_of(store.library, "nội quy.docx")
    assert [*dict.fromkeys(c.page_name for c in chunks)] == [f"Chương {n}" for n in range(4)]
    last = client.get(f"/documents/1/pages/1?chunk={chunks[-1].id}").text
    assert "mục Chương 3 · section Chương 3" in last
    assert "section" not in Parsed(client.get("/documents/1/pages/1").text).text


@pytest.mark.parametrize(
    ("name", "pages"), [*zip(FILES, (1, 8, 3, 1, 8, 3, 1), strict=True)], ids=range(len(FILES))
)
def test_each_passage_is_marked_on_its_page(
    name: str, pages: int, client: TestClient, shelve: Shelve, store: Store
) -> None:
    shelve(name, FILES[name])
    chunks = chunks_of(store.library, name)
    assert len(chunks) > 3
    assert len({chunk.page for chunk in chunks}) == pages
    for chunk in chunks:
        answer = client.get(f"/documents/1/pages/{chunk.page}?chunk={chunk.id}")
        page = Parsed(answer.text)
        marked = "".join(page.marks).split()
        assert marked and marked == chunk.text.split()[-len(marked) :]
        assert page.ids == ["passage"]
        assert 'class="notice"' not in answer.text


def test_the_page_of_a_sheet_is_called_by_its_rows(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    shelve("giá.xlsx", FILES["bảng giá.xlsx"])
    assert "sheet Giá · 52–101" in client.get("/documents/1/pages/2").text
