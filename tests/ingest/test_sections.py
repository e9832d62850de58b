"""A passage of a text with headings is cited by those that it stands under."""

from __future__ import annotations

from collections.abc import Callable

import docx
import pytest

from ingest import chunking
from ingest.readers import READERS
from ingest.sections import Sections
from rag.types import Content, Heading, Page

from .office import opendocument, saved
from .test_data_formats import PACKAGE, epub

WORDS = "Mỗi tháng trả một lần, chậm nhất vào ngày mười. " * 25
OUTLINE = [
    *((1, "Hợp đồng"), (2, "1 Phạm vi"), (2, "2 Thanh toán"), (3, "2.1 Kỳ hạn")),
    *((3, "2.2 Trả chậm"), (2, "3 Chung")),
]
NAMES = [
    *("", "1 Phạm vi", "2 Thanh toán", "2 Thanh toán › 2.1 Kỳ hạn"),
    *("2 Thanh toán › 2.2 Trả chậm", "3 Chung"),
]


def word() -> bytes:
    document = docx.Document()
    for level, line in OUTLINE:
        document.add_paragraph(line, style="Title" if level == 1 else f"Heading {level}")
        document.add_paragraph(WORDS)
    return saved(document)


def markdown() -> bytes:
    return "\n\n".join(f"{'#' * level} {line}\n\n{WORDS}" for level, line in OUTLINE).encode()


def html() -> bytes:
    inside = "".join(
        f"<section><h{level}>\n <a></a> <b>{line}</b>\n</h{level}><p>{WORDS}</p></section>"
        for level, line in OUTLINE
    )
    return f"<body><h3></h3><h3> <br></h3>{inside}</body>".encode()


def odt() -> bytes:
    inside = "".join(
        f'<text:h text:outline-level="{level}">{line}</text:h><text:p>{WORDS}</text:p>'
        for level, line in OUTLINE
    )
    return opendocument("text", inside)


def names(content: Content) -> list[str]:
    """Of the passages, each once."""
    found = [
        Sections(page, content.title).name(passage.start, passage.end)
        for page in content.pages
        for passage in chunking.passages(page.text, blocks=page.blocks)
    ]
    return [*dict.fromkeys(found)]


@pytest.mark.parametrize(
    ("suffix", "made"), [(".docx", word), (".md", markdown), (".html", html), (".odt", odt)]
)
def test_a_passage_is_called_by_the_headings_it_stands_under_but_the_title(
    suffix: str, made: Callable[[], bytes]
) -> None:
    content = READERS[suffix].read(made(), f"a{suffix}")
    [page] = content.pages
    assert content.title == "Hợp đồng"
    lines = [page.text[h.start :].partition("\n")[0] for h in page.headings]
    assert [*zip([h.level for h in page.headings], lines, strict=True)] == OUTLINE
    assert names(content) == NAMES


def page(*parts: tuple[int, str]) -> Page:
    """With these headings, each with its level; those of level 0 are text."""
    text, headings = "", list[Heading]()
    for level, line in parts:
        headings += [Heading(len(text), level)] if level else []
        text += f"{line}\n\n"
    return Page(1, text.strip(), headings=tuple(headings))


def test_a_passage_of_several_sections_is_called_by_the_one_that_has_most_of_it() -> None:
    whole = page((1, "A"), (0, "x" * 30), (1, "B"), (0, "y" * 90), (1, "C"), (0, "z" * 50))
    named = Sections(whole, "Title")
    assert named.name(0, len(whole.text)) == "B"
    assert named.name(0, 60) == "A"
    assert named.name(len(whole.text) - 60, len(whole.text)) == "C"
    assert named.name(5, 5) == "A"


def test_what_stands_above_the_first_heading_has_no_name_and_levels_may_be_skipped() -> None:
    whole = page((0, "before"), (2, "A"), (0, "x"), (4, "B"), (0, "y"), (1, "C"), (3, "D"))
    named = Sections(whole, "")
    places = [named.name(at, at + 1) for at in (0, *(h.start for h in whole.headings))]
    assert places == ["", "A", "A › B", "C", "C › D"]


def test_a_page_with_a_name_keeps_it_and_what_is_long_is_cut() -> None:
    chapter = Page(4, "A\n\nx", name="4 · The Sea", headings=(Heading(0, 1),))
    assert Sections(chapter, "").name(0, 4) == "4 · The Sea"
    deep = page(*((level, f"{level} {'x' * 300}") for level in range(1, 8)))
    assert len(Sections(deep, "").name(len(deep.text) - 1, len(deep.text))) < 350


def test_the_headings_of_a_book_do_not_change_what_its_chapters_are_called() -> None:
    content = READERS[".epub"].read(epub(PACKAGE % ("", "")), "a.epub")
    assert "2 · Two" in names(content)
