"""Excel: each sheet, a hidden one too, in pages of rows; cells as they are seen, formulas by the
value that was saved with them."""

from __future__ import annotations

import datetime
import re
import warnings
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from rag.types import Content, Remark

from . import sheets
from .archive import MOST_BYTES, packed, parts, too_large, translated
from .text import given, several

VERSION = "1"

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
_EMPTY = [
    re.compile(rb'<c r="[A-Z]+\d+"[^<>]*/>'),
    re.compile(rb"<(?:\w+:)?c\s(?:[^<>]*\s)?r=[^<>]*(?:/>|></(?:\w+:)?c>)"),
    re.compile(rb'<row r="\d+"[^<>]*(?:/>|></row>)'),
    re.compile(rb"<(?:\w+:)?row\s(?:[^<>]*\s)?r=[^<>]*(?:/>|>\s*</(?:\w+:)?row>)"),
]
_NO_VALUE = re.compile(  # a formula that nobody has computed
    rb"<(?:\w+:)?f(?:\s[^<>]*)?(?:/>|>[^<>]*</(?:\w+:)?f>)"
    rb"(?:<(?:\w+:)?v\s*(?:/>|></(?:\w+:)?v>))?</(?:\w+:)?c>"
)
_PASSED_OVER = re.compile(r"\[[^$\]][^\]]*\]|[_*].")  # colours, conditions, room for a sign
_SHAPE = re.compile(r"(?P<before>[^#0]*)(?P<whole>[#0][#0,]*)(?:\.(?P<part>[#0?]*))?(?P<after>.*)")
_LITERAL = re.compile(r'"([^"]*)"|\[\$([^\]-]*)[^\]]*\]|\\(.)|([ %$€£¥₫])')
_SURE = 1e15  # digits of a float beyond are noise


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
            uncomputed += len(_NO_VALUE.findall(content[part]))
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
    read = several(title, pages, name, blank=True)
    return Content(read.title, read.pages, tuple(remarks))


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
    """The text of a cell as its format shows it, but dates as 2026-11-29 and numbers without
    marks between thousands, which are written differently in every language."""
    value = cell.value
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case int() | float():
            return _number(value, cell.number_format)
        case datetime.datetime():
            has_time = value.time() != datetime.time() and "h" in cell.number_format.lower()
            return value.isoformat(" ", "minutes") if has_time else value.date().isoformat()
        case datetime.time():
            return value.isoformat("seconds" if value.second else "minutes")
        case _:
            return str(value)


def _number(value: float, form: str) -> str:
    plain = str(value) if isinstance(value, int) else f"{value:.15g}"
    shape = _SHAPE.fullmatch(_PASSED_OVER.sub("", form.partition(";")[0]))
    if not shape or not abs(value) < _SURE or form == "General":
        return plain
    before, after = (_literals(shape[side]) for side in ("before", "after"))
    if shape["whole"].endswith(",") or before is None or after is None:  # in thousands; 1E+3; 1/2
        return plain
    number = Decimal(repr(value)) * (100 if "%" in before + after else 1)
    places = len((shape["part"] or "").rstrip("#?"))
    most = len(shape["part"] or "")
    digits = f"{abs(number).quantize(Decimal(1).scaleb(-most), ROUND_HALF_UP):f}"
    while most > places and digits.endswith("0"):
        digits, most = digits[:-1], most - 1
    digits = digits.rstrip(".")
    minus = "-" if value < 0 and digits.strip("0.") else ""
    return f"{minus}{before}{digits}{after}".strip()


def _literals(form: str) -> str | None:
    """What a part of a number's format writes as it stands; None if it is more than that."""
    if _LITERAL.sub("", form):
        return None
    return "".join("".join(found) for found in _LITERAL.findall(form))
