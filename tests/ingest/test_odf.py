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


def items(*inside: str, more: str = ' text:style-name="N"') -> str:
    """A list of these items, each its text or, with more behind it, a list too."""
    lines = "".join(
        "<text:list-item>"
        + (f"<text:p>{each.partition('<')[0]}</text:p>" if each[0] != "<" else "")
        + f"{''.join(each.partition('<')[1:])}</text:list-item>"
        for each in inside
    )
    return f"<text:list{more}>{lines}</text:list>"


def list_style(*levels: str, kind: str = "list") -> str:
    """The style of a list, or of the headings (outline), with the attributes of its levels."""
    tag = "list-level-style-number" if kind == "list" else "outline-level-style"
    inside = "".join(
        f'<text:{tag} text:level="{at}" {each}/>' for at, each in enumerate(levels, start=1)
    )
    named = f'<text:{kind}-style style:name="N">{inside}</text:{kind}-style>'
    return f"<office:styles>{named}</office:styles>"


def num(form: str, after: str = ".", more: str = "") -> str:
    return f'style:num-format="{form}" style:num-suffix="{after}" {more}'


@pytest.mark.parametrize(
    ("levels", "wanted"),
    [
        ([num("1")], ["1. a", "2. b", "3. c"]),
        ([num("I", ")")], ["I) a", "II) b", "III) c"]),
        ([num("a", ")", 'style:num-prefix="("')], ["(a) a", "(b) b", "(c) c"]),
        ([num("A", "", 'text:start-value="25"')], ["Y a", "Z b", "AA c"]),
        ([num("01, 02, 03, ...")], ["01. a", "02. b", "03. c"]),
        ([num("1", more='loext:num-list-format="Điều %1%:"')], ["Điều 1: a", "Điều 2: b"]),
        ([num("", "")], ["a", "", "b"]),
    ],
)
def test_the_numbers_of_a_list_are_as_they_are_shown(levels: list[str], wanted: list[str]) -> None:
    """They stand in no text of the file."""
    lines = text(items("a", "b", "c"), list_style(*levels)).split("\n")
    assert lines[: len(wanted)] == wanted


def test_a_list_shows_the_numbers_of_the_levels_above_and_counts_on_below_them() -> None:
    levels = list_style(num("1"), num("a", ")", 'text:display-levels="2"'), num("i", "", ""))
    inside = items(
        "một" + items("x", "y", more=""),
        "hai" + items("z" + items("sâu", more=""), more=""),
    )
    goes_on = ' text:continue-numbering="true" text:style-name="N"'
    inside += "<text:p>Ở giữa.</text:p>" + items(items("w", more=""), "ba", more=goes_on)
    inside += items("mới")
    assert text(inside, levels).replace("\n\n", "\n").split("\n") == [
        *("1. một", "1.a) x", "1.b) y", "2. hai", "2.a) z", "i sâu", "Ở giữa."),
        *("2.b) w", "3. ba", "1. mới"),
    ]


def test_a_list_goes_on_with_the_one_that_it_names_and_an_item_may_say_its_number() -> None:
    first = items("a", "b", more=' text:style-name="N" xml:id="one"')
    third = items("c", more=' text:style-name="N" text:continue-list="one"')
    said = '<text:list text:style-name="N"><text:list-item text:start-value="7"><text:p>d</text:p>'
    said += "</text:list-item></text:list>"
    given = '<text:list text:style-name="N"><text:list-item><text:number>9bis.</text:number>'
    given += "<text:p>e</text:p></text:list-item></text:list>"
    inside = first + items("khác") + third + said + given
    assert text(inside, list_style(num("1"))).split("\n") == [
        *("1. a", "2. b", "1. khác", "3. c", "7. d", "9bis. e")
    ]


def test_headings_have_the_numbers_that_their_outline_gives_them() -> None:
    levels = list_style(
        num("I", "", 'style:num-prefix="Chương "'),
        num("1", ".", 'style:num-prefix="Điều "'),
        num("1", "", 'text:display-levels="2"'),
        num("", ""),
        kind="outline",
    )
    lines = [
        *(("Chung", 1, ""), ("Phạm vi", 2, ""), ("Chi tiết", 3, ""), ("Không số", 4, "")),
        *(("Mở đầu", 1, ' text:is-list-header="true"'), ("Nghỉ phép", 2, ""), ("Riêng", 1, "")),
    ]
    inside = "".join(
        f'<text:h text:outline-level="{depth}"{more}>{line}</text:h>' for line, depth, more in lines
    )
    content = read(inside, levels)
    assert content.title == "Chương I Chung"
    assert content.pages[0].text.split("\n\n") == [
        *("Chương I Chung", "Điều 1. Phạm vi", "1.1 Chi tiết", "Không số", "Mở đầu"),
        *("Điều 2. Nghỉ phép", "Chương II Riêng"),
    ]


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
