"""A Word document as its readers see it: order, lists and their numbers, tables, notes, changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import docx
import pytest
from docx.oxml import parse_xml

from ingest.readers import READERS
from rag.types import Content

from .office import body, changed, part, saved, word

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def read(data: bytes, name: str = "tệp.docx") -> Content:
    return READERS[".docx"].read(data, name)


def text(data: bytes) -> str:
    [page] = read(data).pages
    return page.text


def with_xml(inside: str) -> bytes:
    """A document whose body is this XML."""
    return body(word("HERE"), "<w:p><w:r><w:t>HERE</w:t></w:r></w:p>", inside)


def test_paragraphs_and_tables_keep_their_order_and_a_table_its_head() -> None:
    document = docx.Document()
    document.add_heading("Quy định nghỉ phép", 1)
    document.add_paragraph("Mỗi nhân viên được nghỉ 12 ngày.")
    rows = [("Món", "Giá"), ("Phở", "50 000 đ"), ("Tổng", "")]
    grid = document.add_table(3, 2)
    for cell, wanted in zip(grid._cells, (cell for row in rows for cell in row), strict=True):
        cell.text = wanted
    grid.cell(2, 0).merge(grid.cell(2, 1))
    document.add_paragraph("Sau bảng.")
    content = read(saved(document))
    assert content.title == "Quy định nghỉ phép"
    [page] = content.pages
    assert page.text == (
        "Quy định nghỉ phép\n\nMỗi nhân viên được nghỉ 12 ngày.\n\n"
        "Món | Giá\nPhở | 50 000 đ\nTổng\n\nSau bảng."
    )
    [block] = page.blocks
    assert page.text[block.start : block.head] == "Món | Giá"
    assert page.text[block.start : block.end].endswith("\nTổng")


def test_a_table_without_names_of_columns_has_no_head() -> None:
    document = docx.Document()
    grid = document.add_table(2, 2)
    for cell, wanted in zip(grid._cells, ("Phở", "50", "Bún", "45"), strict=True):
        cell.text = wanted
    [block] = read(saved(document)).pages[0].blocks
    assert block.head == block.start


def test_the_title_is_that_of_the_properties_if_somebody_gave_it() -> None:
    document = docx.Document()
    document.add_paragraph("Nội quy", style="Title")
    assert read(saved(document)).title == "Nội quy"
    document.core_properties.title = "Word Document"
    assert read(saved(document)).title == "Nội quy"
    document.core_properties.title = "Sổ tay nhân viên"
    assert read(saved(document)).title == "Sổ tay nhân viên"
    assert read(word("Only this."), "so_tay.docx").title == "so tay"


def test_lists_are_lines_with_bullets_or_numbers() -> None:
    document = docx.Document()
    for style in ("List Bullet", "List Number"):
        for wanted in ("một", "hai"):
            document.add_paragraph(wanted, style=style)
    assert text(saved(document)) == "- một\n- hai\n1. một\n2. hai"


def numbered(
    levels: Sequence[tuple[str, str, str]], *paragraphs: tuple[str, int, int], more: str = ""
) -> list[str]:
    """The lines of a document with a list of these levels, each its form, what is shown of it and
    more; its paragraphs have a depth and the number of their list. 89 is the same list, with `more`
    of its own."""
    inside = "".join(
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>{extra}'
        f'<w:lvlText w:val="{shown}"/></w:lvl>'
        for at, (form, shown, extra) in enumerate(levels)
    )
    document = docx.Document()
    numbering: Any = document.part.numbering_part.element
    numbering.insert(
        0, parse_xml(f'<w:abstractNum {W} w:abstractNumId="77">{inside}</w:abstractNum>')
    )
    for number, own in ((88, ""), (89, more)):
        xml = f'<w:num {W} w:numId="{number}"><w:abstractNumId w:val="77"/>{own}</w:num>'
        numbering.append(parse_xml(xml))
    for wanted, depth, number in paragraphs:
        paragraph: Any = document.add_paragraph(wanted)
        asked = f'<w:ilvl w:val="{depth}"/><w:numId w:val="{number}"/>'
        paragraph._p.get_or_add_pPr().append(parse_xml(f"<w:numPr {W}>{asked}</w:numPr>"))
    return text(saved(document)).split("\n")


def test_the_numbers_that_word_writes_are_read() -> None:
    """They stand in no text of the file: "Điều 2" is nowhere in it."""
    lines = numbered(
        [("decimal", "Điều %1.", ""), ("decimal", "%1.%2", ""), ("lowerLetter", "%3)", "")],
        *(("Phạm vi", 0, 88), ("Nghỉ phép", 0, 88), ("Số ngày", 1, 88), ("mười hai", 2, 88)),
        *(("mười bốn", 2, 88), ("Cách xin", 1, 88), ("Lương", 0, 88), ("Mười", 1, 88)),
        ("Phụ lục", 0, 89),
        more='<w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride>',
    )
    assert lines == [
        *("Điều 1. Phạm vi", "Điều 2. Nghỉ phép", "2.1 Số ngày", "a) mười hai", "b) mười bốn"),
        *("2.2 Cách xin", "Điều 3. Lương", "3.1 Mười", "Điều 7. Phụ lục"),
    ]


def test_a_level_starts_again_where_the_list_says_so() -> None:
    """The articles of a law go on through its chapters."""
    never, behind_the_first = '<w:lvlRestart w:val="0"/>', '<w:lvlRestart w:val="1"/>'
    lines = numbered(
        [
            *(("upperRoman", "Chương %1", ""), ("decimal", "Điều %2.", never)),
            *(("decimal", "%3)", ""), ("lowerLetter", "%4)", behind_the_first)),
        ],
        *(("Chung", 0, 88), ("Phạm vi", 1, 88), ("một", 2, 88), ("điểm", 3, 88)),
        *(("Đối tượng", 1, 88), ("lại", 2, 88), ("tiếp", 3, 88)),
        *(("Riêng", 0, 88), ("Lương", 1, 88), ("mới", 3, 88)),
    )
    assert lines == [
        *("Chương I Chung", "Điều 1. Phạm vi", "1) một", "a) điểm", "Điều 2. Đối tượng"),
        *("1) lại", "b) tiếp", "Chương II Riêng", "Điều 3. Lương", "a) mới"),
    ]


def test_a_row_that_begins_further_right_keeps_its_columns() -> None:
    def row(*cells: str, before: int = 0) -> str:
        skips = f'<w:trPr><w:gridBefore w:val="{before}"/></w:trPr>' if before else ""
        inside = "".join(f"<w:tc><w:p><w:r><w:t>{cell}</w:t></w:r></w:p></w:tc>" for cell in cells)
        return f"<w:tr>{skips}{inside}</w:tr>"

    rows = row("Quý", "Thu", "Chi") + row("I", "5", "3") + row("lãi", "2", before=1)
    assert text(with_xml(f"<w:tbl>{rows}</w:tbl>")) == "Quý | Thu | Chi\nI | 5 | 3\n| lãi | 2"


@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        ("<w:p><w:ins><w:r><w:t>Thêm</w:t></w:r></w:ins></w:p>", "Thêm"),
        ("<w:p><w:moveTo><w:r><w:t>Dời</w:t></w:r></w:moveTo></w:p>", "Dời"),
        ("<w:p><w:hyperlink><w:r><w:t>Liên kết</w:t></w:r></w:hyperlink></w:p>", "Liên kết"),
        ("<w:sdt><w:sdtContent><w:p><w:r><w:t>Ô</w:t></w:r></w:p></w:sdtContent></w:sdt>", "Ô"),
        ("<w:p><w:sdt><w:sdtContent><w:r><w:t>Ô</w:t></w:r></w:sdtContent></w:sdt></w:p>", "Ô"),
        (
            "<w:p><w:fldSimple w:instr='REF a'><w:r><w:t>số 5</w:t></w:r></w:fldSimple></w:p>",
            "số 5",
        ),
        ("<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>", "a b\nc"),
        ("<w:p><w:r><w:t>Mục 1</w:t><w:ptab/><w:t>12</w:t></w:r></w:p>", "Mục 1 12"),
        ("<w:p><w:r><w:t>T</w:t><w:noBreakHyphen/><w:t>1</w:t></w:r></w:p>", "T-1"),
    ],
)
def test_what_is_shown_is_text(inside: str, wanted: str) -> None:
    assert text(with_xml(inside)) == wanted


@pytest.mark.parametrize(
    "inside",
    [
        "<w:p><w:del><w:r><w:delText>Bỏ</w:delText></w:r></w:del></w:p>",
        "<w:p><w:moveFrom><w:r><w:t>Bỏ</w:t></w:r></w:moveFrom></w:p>",
        "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>Bỏ</w:t></w:r></w:p>",
        "<w:p><w:r><w:instrText> PAGE Bỏ </w:instrText></w:r></w:p>",
        "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent><w:p><w:r><w:t>Bỏ</w:t></w:r>"
        "</w:p></w:sdtContent></w:sdt>",
        "<w:tbl><w:tr><w:trPr><w:del/></w:trPr><w:tc><w:p><w:r><w:t>Bỏ</w:t></w:r></w:p></w:tc>"
        "<w:tc><w:p><w:r><w:t>Bỏ</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
    ],
)
def test_what_is_deleted_or_hidden_is_not(inside: str) -> None:
    assert text(with_xml(f"<w:p><w:r><w:t>Giữ</w:t></w:r></w:p>{inside}")) == "Giữ"


def test_a_table_in_a_table_is_laid_out_as_what_is_in_it() -> None:
    document = docx.Document()
    outer = document.add_table(1, 2)
    outer.cell(0, 0).text = "Bên trái"
    inner = outer.cell(0, 1).add_table(2, 2)
    for cell, wanted in zip(inner._cells, ("Tên", "Tuổi", "An", "30"), strict=True):
        cell.text = wanted
    [page] = read(saved(document)).pages
    assert page.text == "Bên trái\n\nTên | Tuổi\nAn | 30"
    assert len(page.blocks) == 1


def test_a_text_box_and_a_note_stand_behind_their_paragraph() -> None:
    box = (
        '<w:r><mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/'
        'markup-compatibility/2006"><mc:Choice Requires="wps"><w:txbxContent><w:p><w:r>'
        "<w:t>Trong khung</w:t></w:r></w:p></w:txbxContent></mc:Choice><mc:Fallback>"
        "<w:txbxContent><w:p><w:r><w:t>Trong khung</w:t></w:r></w:p></w:txbxContent>"
        "</mc:Fallback></mc:AlternateContent></w:r>"
    )
    data = with_xml(
        f"<w:p><w:r><w:t>Nghỉ 12 ngày</w:t></w:r><w:r><w:footnoteReference w:id='2'/></w:r>{box}"
        "<w:r><w:t>.</w:t></w:r></w:p><w:p><w:r><w:t>Sau đó</w:t></w:r></w:p>"
    )
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    types = part(data, "[Content_Types].xml")
    links = part(data, "word/_rels/document.xml.rels")
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    data = changed(
        data,
        {
            "[Content_Types].xml": types.replace(
                "</Types>", f'<Override PartName="/word/notes.xml" ContentType="{kind}"/></Types>'
            ),
            "word/_rels/document.xml.rels": links.replace(
                "</Relationships>",
                f'<Relationship Id="rId99" Type="{office}/footnotes" Target="notes.xml"/>'
                "</Relationships>",
            ),
            "word/notes.xml": f"<w:footnotes {W}><w:footnote w:id='2'><w:p><w:r><w:t>Điều 113 Bộ "
            "luật Lao động</w:t></w:r></w:p></w:footnote></w:footnotes>",
        },
    )
    assert text(data) == "Nghỉ 12 ngày.\n\nĐiều 113 Bộ luật Lao động\n\nTrong khung\n\nSau đó"


def test_headers_come_first_and_footers_last_without_the_number_of_the_page() -> None:
    document = docx.Document()
    document.add_paragraph("Nội dung.")
    section: Any = document.sections[0]
    section.header.paragraphs[0].text = "CÔNG TY A"
    section.footer.paragraphs[0].text = "Lưu hành nội bộ"
    counted = section.footer.add_paragraph("Trang ")
    counted._p.append(parse_xml(f'<w:fldSimple {W} w:instr=" PAGE "/>'))
    document.add_section()
    document.add_paragraph("Phần hai.")
    wanted = "CÔNG TY A\n\nNội dung.\n\nPhần hai.\n\nLưu hành nội bộ"
    assert text(saved(document)) == wanted
