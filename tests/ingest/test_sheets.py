"""A workbook as its readers see it: pages of rows with their head, cells as they are shown."""

from __future__ import annotations

import datetime
import re
from typing import Any

import openpyxl
import pytest
from openpyxl.chart import BarChart

from ingest.limits import MOST_CHARACTERS
from ingest.readers import READERS, sheets, xlsx
from rag.errors import DocumentError
from rag.types import Content
from tests.ingest.test_data_formats import passages

from .office import changed, opendocument, part, saved, workbook

FIRST = "xl/worksheets/sheet1.xml"


def read(data: bytes) -> Content:
    return READERS[".xlsx"].read(data, "chi phí.xlsx")


def ods(*tables: str) -> Content:
    return READERS[".ods"].read(opendocument("spreadsheet", "".join(tables)), "chi phí.ods")


def ods_table(name: str, rows: list[list[str]], more: str = "") -> str:
    lines = "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in row)
        + "</table:table-row>"
        for row in rows
    )
    return f'<table:table table:name="{name}"{more}>{lines}</table:table>'


COSTS = [["Mục", "Giá"], *([f"Khoản {n}", str(n * 7)] for n in range(2, 122))]


@pytest.mark.parametrize("format", ["xlsx", "ods"])
def test_a_sheet_is_cut_into_pages_with_its_rows_and_its_head_on_each(format: str) -> None:
    content = read(workbook(*COSTS)) if format == "xlsx" else ods(ods_table("Chi phí", COSTS))
    names = ["Chi phí · 2–51", "Chi phí · 52–101", "Chi phí · 102–121"]
    assert [page.name for page in content.pages] == names
    assert [page.number for page in content.pages] == [1, 2, 3]
    for page, (first, last) in zip(content.pages, [(2, 51), (52, 101), (102, 121)], strict=True):
        [block] = page.blocks
        assert page.text[: block.head] == "Mục | Giá"
        rows = [f"Khoản {n} | {n * 7}" for n in range(first, last + 1)]
        assert page.text[block.head :].split() == " ".join(rows).split()


def test_a_caption_above_the_names_of_the_columns_stands_above_the_table_once() -> None:
    data = [["A", n, n] for n in range(60)]
    rows: list[list[object]] = [["Bảng chi phí năm 2026"], [], ["", "2025", "2026"], *data]
    first, second = read(workbook(*rows)).pages
    assert first.text.startswith("Bảng chi phí năm 2026\n\n| 2025 | 2026\nA | 0 | 0\n")
    assert second.text.startswith("| 2025 | 2026\nA | 50 | 50\n")
    assert (first.name, second.name) == ("Chi phí · 1–53", "Chi phí · 54–63")


def test_what_stands_above_a_table_may_have_several_cells() -> None:
    rows = [["Bảng giá", "", "2026"], ["Lập bởi", "An"], ["Mục", "Giá", "Thuế", "Tổng"]]
    [page] = read(workbook(*rows, *[["A", n, n, n] for n in range(9)])).pages
    assert page.text.startswith(
        "Bảng giá |  | 2026\nLập bởi | An\n\nMục | Giá | Thuế | Tổng\nA | 0"
    )
    assert page.text[page.blocks[-1].start : page.blocks[-1].head] == "Mục | Giá | Thuế | Tổng"


def test_a_row_of_a_wide_sheet_stands_under_the_names_of_its_columns() -> None:
    names = [f"cột có tên dài số {n}" for n in range(30)]
    content = read(workbook(names, *[[f"ô {n} {row}" for n in range(30)] for row in range(60)]))
    [row] = [c for c in passages(content) if "ô 7 31\n" in c]
    assert "cột có tên dài số 7: ô 7 31\n" in row and "ô 29 31" in row and "ô 7 30" not in row
    assert "cột có tên dài số 29" in read(workbook(names)).pages[0].text


@pytest.mark.parametrize(
    "first",
    [
        *(["Phở", 50], [1, 2], ["x" * 90, "y"], ["A", "A"], ["A", None], ["A", "a"], [2025, 2026]),
        *(["An", "an@b.example"], ["An", "05/12/2026"], ["Gạo", "5 kg"], ["Nợ", "(1,200)"]),
    ],
)
def test_a_first_row_of_data_is_no_head(first: list[object]) -> None:
    [page] = read(workbook(first, ["Bún", 45])).pages
    assert page.name == "Chi phí · 1–2"
    assert page.blocks[0].head == page.blocks[0].start


def test_rows_and_columns_without_text_are_dropped_and_numbers_stay_those_of_the_sheet() -> None:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = "A"
    sheet["C5"], sheet["F5"], sheet["C9"], sheet["F9"], sheet["D9"] = "Tên", "Tuổi", "An", 30, " "
    [page] = read(saved(book)).pages
    assert (page.name, page.text) == ("A · 9", "Tên | Tuổi\nAn | 30")


def test_a_merged_cell_stands_once() -> None:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for row in (["Tên", "Ghi chú"], ["Cả nhóm", None], ["An", "tốt"]):
        sheet.append(row)
    sheet.merge_cells("A2:B2")
    assert read(saved(book)).pages[0].text == "Tên | Ghi chú\nCả nhóm\nAn | tốt"


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (datetime.date(2026, 11, 29), "dd/mm/yyyy", "2026-11-29"),
        (datetime.datetime(2026, 11, 29, 14, 30), "dd/mm/yyyy hh:mm", "2026-11-29 14:30"),
        (datetime.datetime(2026, 11, 29, 14, 30), "d mmm yyyy", "2026-11-29"),
        (datetime.time(9, 5), "h:mm", "09:05"),
        (0.25, "0%", "25%"),
        (0.255, "0.0%", "25.5%"),
        (3.0, "General", "3"),
        (0.1 + 0.2, "General", "0.3"),
        (1234567, "#,##0", "1234567"),
        (1234.5, '#,##0.00\\ "đ"', "1234.50 đ"),
        (-3, "$#,##0.00", "-$3.00"),
        (1500, "_-* #,##0\\ [$₫-42A]_-;-* #,##0", "1500 ₫"),
        (12.5, "0", "13"),
        (2.5, "0.##", "2.5"),
        (7, '0 "ngày"', "7 ngày"),
        (0.5, "# ?/?", "0.5"),
        (5, "0.00E+00", "5"),
        (1234567, "#,##0,", "1234567"),
        (1e20, "0.00", "1e+20"),
        (123, "00000", "00123"),
        (912345678, "0#########", "0912345678"),
        (912345678, "0000 000 000", "0912 345 678"),
        (912345678, '0000"."000"."000', "0912.345.678"),
        (912345678, r"\(0000\)\ 000\-000", "(0912) 345-678"),
        (5551234, "[<=9999999]###-####;(###) ###-####", "555-1234"),
        (8095551234, "[<=9999999]###-####;(###) ###-####", "(809) 555-1234"),
        (-7, "000", "-007"),
        (5.5, "000.0", "005.5"),
        (12, 'General" kg"', "12 kg"),
        (1250, '#,##0.0" kg"', "1250.0 kg"),
        (5, r"0\ \k\g", "5 kg"),
        (5, "0 kg", "5 kg"),
        (-0.5, '"≈ "General', "-≈ 0.5"),
        (5, '0"%"', "5%"),
        (3, '0" m_b"', "3 m_b"),
        (1e14, "0." + "0" * 30, "100000000000000." + "0" * 30),
        (datetime.timedelta(hours=27, minutes=30), "[h]:mm", "27:30"),
        (datetime.timedelta(hours=27, minutes=30, seconds=5), "[hh]:mm:ss", "27:30:05"),
        (datetime.timedelta(minutes=90, seconds=5), "[mm]:ss", "90:05"),
        (datetime.timedelta(minutes=45), "[h]:mm", "0:45"),
        (datetime.timedelta(hours=2), "[ss]", "7200"),
        (True, "General", "TRUE"),
        ("Phở\nbò", "@", "Phở bò"),
        ("#N/A", "General", "#N/A"),
    ],
)
def test_a_cell_is_what_people_see(value: object, form: str, shown: str) -> None:
    book = openpyxl.Workbook()
    cell: Any = book.active["A2"]
    cell.value, cell.number_format = value, form
    assert read(saved(book)).pages[0].text == shown


def test_a_formula_is_its_saved_value_and_without_one_there_is_a_remark() -> None:
    data = workbook(["Tổng", "=SUM(A1:A9)"], ["Thuế", "=B1*0.1"], ["Còn", 5])
    xml = part(data, FIRST)
    computed = xml.replace("</f><v></v>", "</f><v>42</v>", 1).replace(
        "</f><v/>", "</f><v>42</v>", 1
    )
    assert computed != xml
    content = read(changed(data, {FIRST: computed}))
    assert content.pages[0].text == "Tổng | 42\nThuế\nCòn | 5"
    [remark] = content.remarks
    assert remark.en.startswith("1 of its formulas") and remark.vi.startswith("1 công thức")


def test_a_formula_whose_value_is_an_empty_text_is_computed() -> None:
    data = workbook(["Tổng", "=IF(B9=0,1,2)"], ["Còn", 5])
    cell = '<c r="B1" t="str"><f>IF(B9="","",B9)</f><v></v></c>'
    xml = re.sub('<c r="B1"[^>]*>.*?</c>', cell, part(data, FIRST), count=1)
    assert cell in xml
    assert read(changed(data, {FIRST: xml})).remarks == ()


def test_every_sheet_is_read_hidden_ones_too_and_none_for_a_chart() -> None:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = "Chính"
    sheet.append(["a"])
    hidden: Any = book.create_sheet("Ẩn")
    hidden.sheet_state = "hidden"
    hidden.append(["b"])
    book.create_sheet("Trống")
    book.create_chartsheet("Hình").add_chart(BarChart())
    book.properties.title = "Ngân sách"
    content = read(saved(book))
    assert content.title == "Ngân sách"
    assert [(p.name, p.text) for p in content.pages] == [("Chính · 1", "a"), ("Ẩn · 1", "b")]


def formatted(rows: int, columns: str = "ABCDEFGHIJ") -> str:
    """The XML of a sheet whose cells have a format and no value, but for two."""
    cells = [
        f'<row r="{n}" s="1" customFormat="1">'
        + "".join(f'<c r="{column}{n}" s="0"/>' for column in columns)
        + "</row>"
        for n in range(2, rows)
    ]
    first = '<row r="1"><c r="A1" t="inlineStr"><is><t>Đầu</t></is></c></row>'
    last = f'<row r="{rows}"><c r="B{rows}"><v>5</v></c></row>'
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    inside = "".join([first, *cells, last])
    return f'<worksheet xmlns="{main}"><sheetData>{inside}</sheetData></worksheet>'


def test_rows_with_formats_and_no_values_are_passed_over() -> None:
    """Parsed cell by cell, a full sheet of them takes minutes."""
    data = changed(workbook(["x"]), {FIRST: formatted(200_000)})
    [page] = read(data).pages
    assert (page.name, page.text) == ("Chi phí · 1–200000", "Đầu\n| 5")


@pytest.mark.parametrize("tag", ["c", "row"])
def test_a_tag_made_to_be_slow_is_passed_once(tag: str) -> None:
    """Patterns that start again at each attribute take hours. No time is asserted here."""
    xml = formatted(3).replace("</sheetData>", f"<{tag}{' r=x' * 300_000}>5</{tag}></sheetData>")
    with pytest.raises(DocumentError, match="damaged"):
        read(changed(workbook(["x"]), {FIRST: xml}))


def test_a_cell_that_does_not_say_where_it_stands_keeps_its_place() -> None:
    inside = "<row><c/><c><v>1</v></c></row><row/><row><c><v>2</v></c><c><v>3</v></c></row>"
    xml = re.sub("<sheetData>.*</sheetData>", f"<sheetData>{inside}</sheetData>", formatted(2))
    [page] = read(changed(workbook(["x"]), {FIRST: xml})).pages
    assert (page.name, page.text) == ("Chi phí · 1–3", "| 1\n2 | 3")


@pytest.mark.parametrize("bound", ["MOST_CELLS", "MOST_CHARACTERS", "MOST_ROWS"])
def test_what_is_too_much_is_left_out_and_named(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, bound, {"MOST_CELLS": 20, "MOST_CHARACTERS": 99}.get(bound, 10))
    content = read(workbook(*COSTS))
    [remark] = content.remarks
    assert re.search("“Chi phí” was left out from row 1[012] on", remark.en)
    assert "Khoản 10" in content.pages[-1].text and "Khoản 13" not in content.pages[-1].text


def test_strings_and_styles_that_take_minutes_are_refused_and_pivot_tables_are_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = workbook(["x"])
    cache = changed(data, {"xl/pivotCache/pivotCacheRecords1.xml": f"<r>{'<x/>' * 3000}</r>"})
    styles = re.sub("<cellXfs.*?>", f"<cellXfs>{'<xf/>' * 3000}", part(data, "xl/styles.xml"))
    monkeypatch.setattr(xlsx, "MOST_TAGS", 2000)
    assert read(cache).pages[0].text == "x"
    with pytest.raises(DocumentError, match="split it"):
        read(changed(data, {"xl/styles.xml": styles}))


@pytest.mark.parametrize("most", [100_000, sheets.MOST_CHARACTERS])
def test_one_text_for_any_number_of_cells_does_not_grow(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "MOST_CHARACTERS", most)
    data = workbook(["x"])
    cells = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, 2999))
    xml = re.sub("<sheetData>.*</sheetData>", f"<sheetData>{cells}</sheetData>", formatted(2))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    long = f'<sst xmlns="{main}"><si><t>{"chữ " * 2500}</t></si></sst>'
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    types = part(data, "[Content_Types].xml").replace("</Types>", override)
    parts = {FIRST: xml, "xl/sharedStrings.xml": long, "[Content_Types].xml": types}
    content = read(changed(data, parts))
    assert 0.9 * most < sum(len(page.text) for page in content.pages) <= most
    assert most < MOST_CHARACTERS / 1.9
    assert content.remarks


def test_in_opendocument_repeated_rows_and_cells_are_counted_and_dates_are_plain() -> None:
    cell = '<table:table-cell office:value-type="{}"{}><text:p>{}</text:p></table:table-cell>'
    date = cell.format("date", ' office:date-value="2026-11-29"', "29/11/26")
    share = cell.format("percentage", ' office:value="0.25"', "25%")
    noted = (
        "<table:table-cell><office:annotation><text:p>Ghi chú</text:p></office:annotation>"
        "<text:p>An</text:p></table:table-cell>"
    )
    inside = (
        '<table:table table:name="S">'
        '<table:table-row table:number-rows-repeated="3"><table:table-cell '
        'table:number-columns-repeated="16384"/></table:table-row>'
        f'<table:table-row>{noted}<table:table-cell table:number-columns-repeated="2"/>{date}'
        f"{share}</table:table-row>"
        '<table:table-row table:number-rows-repeated="2"><table:table-cell><text:p>B</text:p>'
        "</table:table-cell></table:table-row>"
        '<table:table-row table:number-rows-repeated="1048570"><table:table-cell/>'
        "</table:table-row></table:table>"
    )
    [page] = ods(inside).pages
    assert (page.name, page.text) == ("S · 4–6", "An | 2026-11-29 | 25%\nB\nB")


def test_in_opendocument_a_formula_without_a_value_gives_a_remark() -> None:
    empty = '<table:table-cell table:formula="of:=1+1"/>'
    rows = f"<table:table-row>{empty}</table:table-row>"
    content = ods(ods_table("A", [["x"]]), f'<table:table table:name="B">{rows}</table:table>')
    assert [remark.en[:20] for remark in content.remarks] == ["1 of its formulas ha"]
