"""Excel: each sheet, a hidden one too, in pages of rows; cells as they are seen, formulas by the
value that was saved with them."""

from __future__ import annotations

import datetime
import re
import warnings
from typing import Any

from rag.types import Content, Remark

from . import number_format, sheets
from .archive import MOST_BYTES, packed, parts, too_large, translated
from .text import given, several

VERSION = "2"

MOST_SHEET_BYTES = 256 << 20
"""Of a workbook's XML as it is unpacked. Most of a large one are cells without a value, which are
dropped before anything is made of them."""

MOST_TAGS = 2_000_000
"""Of a workbook's strings and styles: openpyxl needs a second for a hundred thousand of them."""

_SHEET = re.compile(r"/?xl/worksheets/[^/]*\.xml", re.I)
# Folders of what is not looked at: pivot tables, links, comments; charts but for sheets of them.
_UNREAD = re.compile(r"xl/(?!_rels|worksheets|chartsheets|drawings|charts)\w+/")
_ALSO_UNREAD = re.compile(r"xl/(?!_rels|worksheets)\w+/")
# Cells that have a format and no value: a million rows of them take minutes to parse.
# First as Excel writes them, which is faster; one that does not say where it is holds its place.
# Looking ahead for that, and never back, passes a tag once however often it says so.
_EMPTY = [
    re.compile(rb'<c r="[A-Z]+\d+"[^<>]*/>'),
    re.compile(rb"<(?:\w+:)?c(?=\s)(?=[^<>]*\sr=)[^<>]*(?:/>|></(?:\w+:)?c>)"),
    re.compile(rb'<row r="\d+"[^<>]*(?:/>|></row>)'),
    re.compile(rb"<(?:\w+:)?row(?=\s)(?=[^<>]*\sr=)[^<>]*(?:/>|>\s*</(?:\w+:)?row>)"),
]
_IS_TEXT = re.compile(rb"\st\s*=\s*[\"']str[\"']")
_NO_VALUE = re.compile(  # a formula that nobody has computed, or that gives an empty text
    rb"<(?:\w+:)?f(?:\s[^<>]*)?(?:/>|>[^<>]*</(?:\w+:)?f>)"
    rb"(?:<(?:\w+:)?v\s*(?:/>|></(?:\w+:)?v>))?</(?:\w+:)?c>"
)


def read(data: bytes, name: str) -> Content:
    """The sheets in their order, cut into pages. Remarks say what was left out."""
    import openpyxl  # here: it loads numpy, and takes a tenth of a second
    from openpyxl.utils.exceptions import InvalidFileException

    content = parts(data, name, MOST_SHEET_BYTES, MOST_SHEET_BYTES)
    charts = any(part.startswith("xl/chartsheets/") for part in content)  # opened with their charts
    for part in content:
        if (_UNREAD if charts else _ALSO_UNREAD).match(part):
            content[part] = b""
    others = [part for part in content if not _SHEET.fullmatch(part)]
    if sum(content[part].count(b"<") for part in others) > MOST_TAGS:
        raise too_large(name)
    uncomputed = 0
    for part in content:
        if _SHEET.fullmatch(part):
            uncomputed += _uncomputed(content[part])
            for empty in _EMPTY:
                content[part] = empty.sub(b"", content[part])
    if sum(map(len, content.values())) > MOST_BYTES:
        raise too_large(name)
    pages: list[tuple[str, str]] = []
    remarks: list[Remark] = []
    budget = sheets.Budget()
    with translated(name, InvalidFileException), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what only writing the workbook would lose
        book = openpyxl.load_workbook(
            packed(content), read_only=True, data_only=True, keep_links=False
        )
        title = given(book.properties.title)
        for sheet in book.worksheets:
            rows, stop = _rows(sheet, budget)
            pages += sheets.pages(sheet.title, rows)
            if stop:
                remarks.append(sheets.cut(sheet.title, stop))
                break
    if uncomputed:
        remarks.append(sheets.uncomputed(uncomputed))
    return several(title, pages, name, remarks, blank=True)


def _uncomputed(xml: bytes) -> int:
    """How many formulas have no value. One that gives an empty text has none to be seen."""
    formulas = (formula.start() for formula in _NO_VALUE.finditer(xml))
    cells = (xml[xml.rfind(b"<", 0, at) : at] for at in formulas)
    return sum(not _IS_TEXT.search(cell) for cell in cells)


def _rows(sheet: Any, budget: sheets.Budget) -> tuple[list[sheets.Row], int]:
    """The rows of a sheet that have text, and from which on there are too many; 0 if none are."""
    rows: list[sheets.Row] = []
    sheet.reset_dimensions()  # what the file says of them may be wrong
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        texts = [_shown(cell) for cell in cells]
        if not (budget.take(texts) if texts else budget.step()):
            return rows, number
        if any(texts := [text.strip() for text in texts]):
            rows.append((number, texts))
    return rows, 0


def _shown(cell: Any) -> str:
    """The text of a cell as its format shows it, but dates as 2026-11-29."""
    value = cell.value
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case int() | float():
            return number_format.shown(value, cell.number_format)
        case datetime.timedelta():
            return number_format.duration(value, cell.number_format)
        case datetime.datetime():
            has_time = value.time() != datetime.time() and "h" in cell.number_format.lower()
            return value.isoformat(" ", "minutes") if has_time else value.date().isoformat()
        case datetime.time():
            return value.isoformat("seconds" if value.second else "minutes")
        case _:
            return str(value)
