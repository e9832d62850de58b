"""OpenDocument texts and slides: order, lists, tables, notes, and what is not shown."""

from __future__ import annotations

import pytest

from ingest.readers import READERS
from rag.types import Content

from .office import opendocument


def read(inside: str, styles: str = "", title: str = "") -> Content:
    data = opendocument("text", inside, styles, title)
    return READERS[".odt"].read(data, "tệp.odt")


def text(inside: str, styles: str = "") -> str:
    [page] = read(inside, styles).pages
    return page.text


def cell(inside: str, more: str = "") -> str:
    return f"<table:table-cell{more}><text:p>{inside}</text:p></table:table-cell>"


def test_paragraphs_lists_and_tables_keep_their_order() -> None:
    lists = (
        '<office:styles><text:list-style style:name="N"><text:list-level-style-number '
        'text:level="1" style:num-format="1" style:num-prefix="Điều " style:num-suffix="."/>'
        '<text:list-level-style-bullet text:level="2"/></text:list-style></office:styles>'
    )
    inside = (
        "<text:h>Quy định</text:h><text:p>Nghỉ 12 ngày.</text:p>"
        '<text:list text:style-name="N"><text:list-item><text:p>Phạm vi</text:p><text:list>'
        "<text:list-item><text:p>nhân viên</text:p></text:list-item></text:list></text:list-item>"
        "<text:list-item><text:p>Nghỉ phép</text:p></text:list-item></text:list>"
        "<table:table><table:table-header-rows><table:table-row>"
        f"{cell('Món')}{cell('Giá')}</table:table-row></table:table-header-rows><table:table-row>"
        f"{cell('Phở')}{cell('50')}</table:table-row><table:table-row>"
        + cell("Tổng", ' table:number-columns-spanned="2"')
        + "<table:covered-table-cell/></table:table-row></table:table><text:p>Sau bảng.</text:p>"
        '<text:list text:continue-numbering="true" text:style-name="N"><text:list-item>'
        "<text:p>Lương</text:p></text:list-item></text:list>"
    )
    content = read(inside, lists)
    assert content.title == "Quy định"
    [page] = content.pages
    assert page.text == (
        "Quy định\n\nNghỉ 12 ngày.\n\nĐiều 1. Phạm vi\n- nhân viên\nĐiều 2. Nghỉ phép\n\n"
        "Món | Giá\nPhở | 50\nTổng\n\nSau bảng.\n\nĐiều 3. Lương"
    )
    [block] = page.blocks
    assert page.text[block.start : block.head] == "Món | Giá"
    assert read(inside, lists, "Sổ tay").title == "Sổ tay"


@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        ("a<text:s text:c='3'/>b<text:tab/>c<text:line-break/>d", "a b c\nd"),
        ("a\n  b <text:span>c</text:span> d", "a b c d"),
        ("<text:a>Liên kết</text:a>.", "Liên kết."),
        ("a<office:annotation><text:p>BỎ</text:p></office:annotation>b", "ab"),
        ("a<text:hidden-text>BỎ</text:hidden-text>b<svg:desc>BỎ</svg:desc>c", "abc"),
        (
            "a<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Chú "
            "thích</text:p></text:note-body></text:note> b",
            "a b\n\nChú thích",
        ),
        (
            "a<draw:frame><draw:text-box><text:p>Khung</text:p></draw:text-box></draw:frame>b",
            "ab\n\nKhung",
        ),
    ],
)
def test_a_paragraph_is_what_is_shown_of_it(inside: str, wanted: str) -> None:
    assert text(f"<text:p>{inside}</text:p>") == wanted


def test_tracked_deletions_are_not_text_and_insertions_are() -> None:
    inside = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>BỎ</text:p>"
        "</text:deletion></text:changed-region></text:tracked-changes>"
        "<text:p>a<text:change-start/>thêm<text:change-end/><text:change/>b</text:p>"
    )
    assert text(inside) == "athêmb"


def test_headers_come_first_and_footers_last_without_the_number_of_the_page() -> None:
    styles = (
        "<office:master-styles><style:master-page><style:header><text:p>CÔNG TY A</text:p>"
        "</style:header><style:footer><text:p>Nội bộ</text:p><text:p>Trang <text:span>"
        "<text:page-number>1</text:page-number></text:span></text:p></style:footer>"
        "</style:master-page></office:master-styles>"
    )
    assert text("<text:p>Nội dung.</text:p>", styles) == "CÔNG TY A\n\nNội dung.\n\nNội bộ"


def shape(inside: str, x: str, y: str, kind: str = "") -> str:
    return (
        f'<draw:frame svg:x="{x}" svg:y="{y}" presentation:class="{kind}"><draw:text-box>'
        f"<text:p>{inside}</text:p></draw:text-box></draw:frame>"
    )


def test_each_slide_is_a_page_with_its_title_first_and_its_notes_last() -> None:
    inside = (
        "<draw:page>"
        + shape("dưới", "1cm", "10cm")
        + shape("phải", "12cm", "4.1cm")
        + shape("Mở đầu", "1cm", "12cm", "title")
        + f"<draw:g>{shape('trái', '1cm', '42mm')}</draw:g>"
        + shape("3", "1cm", "14cm", "page-number")
        + "<presentation:notes>"
        + shape("Nhớ hỏi", "1cm", "1cm", "notes")
        + "</presentation:notes></draw:page><draw:page/><draw:page>"
        + shape("Cảm ơn", "1cm", "1cm")
        + "</draw:page>"
    )
    content = READERS[".odp"].read(opendocument("presentation", inside), "bài.odp")
    assert content.title == "Mở đầu"
    assert [page.text for page in content.pages] == [
        *("Mở đầu\n\ntrái\n\nphải\n\ndưới\n\n---\n\nNhớ hỏi", "", "Cảm ơn")
    ]


def test_boxes_that_stand_a_little_askew_are_one_row_wherever_it_is_on_the_slide() -> None:
    """Each pair is 0.05 cm askew: stripes of a fixed height would cut one pair or another."""
    tops = [1.0, 2.22, 3.72, 5.0, 6.73]
    inside = "".join(
        shape(f"phải {n}", "12cm", f"{top}cm") + shape(f"trái {n}", "1cm", f"{top + 0.05:.2f}cm")
        for n, top in enumerate(tops)
    )
    data = opendocument("presentation", f"<draw:page>{inside}</draw:page>")
    [page] = READERS[".odp"].read(data, "bài.odp").pages
    assert page.text.split("\n\n") == [
        f"{side} {n}" for n in range(len(tops)) for side in ("trái", "phải")
    ]
