"""CSV and TSV: tables of about fifty rows, each page under the names of its columns.

The separator is the one by which the rows come out equally long. Rows have the numbers that a
spreadsheet shows.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice
from statistics import mode

from rag.types import Content, Remark

from .tables import SAMPLE, Row, pages
from .text import LINE_END, several, written

VERSION = "2"

_SEPARATORS = "\t;,|"  # a comma last but one: it is in numbers too
_MOST_LINES = 300  # of a row, above which a quotation mark in it was never closed
_LONGEST_CELL = 10_000_000  # characters; the library takes four bytes for each
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_SEPARATOR = re.compile(r"sep=(.)(?:\r\n|\r|\n)")  # a first line that Excel reads and hides
_END = "\x00end"  # a row behind the last, which no quotation mark may swallow


class _NoRows(Exception):
    """Quotation marks do not make rows of a text; why, in a remark."""

    def __init__(self, remark: Remark) -> None:
        super().__init__(remark.en)
        self.remark = remark


def read(data: bytes, name: str) -> Content:
    """A page for each fifty rows, called by their numbers."""
    csv.field_size_limit(_LONGEST_CELL)  # of the process; the library's own is 131,072
    text = written(data, name)
    separator = ""
    if first := _SEPARATOR.match(text):
        separator, text = first[1], text[first.end() :]
    separator = separator or _separator(text)
    remarks: list[Remark] = []
    try:
        parts = list(pages(_rows(text, separator)))
    except _NoRows as exc:
        parts = list(pages(_split(text, separator)))
        remarks.append(exc.remark)
    return several("", parts, name, remarks)


def _rows(text: str, separator: str) -> Iterator[Row]:
    """All rows, cells in quotation marks with the separators and line ends in them. Raises
    _NoRows."""
    number = before = 0

    def lines() -> Iterator[str]:
        for at, written_line in enumerate(_lines(text)):
            if at - before > _MOST_LINES:
                raise _NoRows(_unclosed(before + 1))
            yield written_line
        yield _END

    reader = csv.reader(lines(), delimiter=separator)
    while True:
        try:
            cells = next(reader)
        except csv.Error as exc:
            raise _NoRows(_too_long(before + 1)) from exc
        if cells == [_END]:
            return
        if cells and cells[-1].endswith(_END):
            raise _NoRows(_unclosed(before + 1))
        number, before = number + 1, reader.line_num
        yield number, cells


def _unclosed(number: int) -> Remark:
    return Remark(
        f"The quotation mark in line {number} is not closed; quotation marks were read as text.",
        f"Dấu nháy ở dòng {number} không được đóng; các dấu nháy được đọc như chữ thường.",
    )


def _too_long(number: int) -> Remark:
    most = _LONGEST_CELL // 1_000_000
    return Remark(
        f"A cell in line {number} has more than {most} million characters; quotation marks were "
        "read as text.",
        f"Một ô ở dòng {number} có hơn {most} triệu ký tự; các dấu nháy được đọc như chữ thường.",
    )


def _split(text: str, separator: str) -> Iterator[Row]:
    """All rows, a line each, quotation marks as they stand."""
    for number, written_line in enumerate(_lines(text), start=1):
        yield number, LINE_END.sub("", written_line).split(separator)


def _lines(text: str) -> Iterator[str]:
    return (found[0] for found in _LINE.finditer(text) if found[0])


def _separator(text: str) -> str:
    """The one by which most of the first rows have as many cells as the others, the first too."""
    return max(_SEPARATORS, key=lambda separator: _regular(text, separator))


def _regular(text: str, separator: str) -> float:
    widths: list[int] = []
    try:
        for _, cells in islice(_rows(text, separator), SAMPLE):
            widths += [len(cells)] if cells else []
    except _NoRows:
        pass
    usual = mode(widths) if widths else 1
    if usual < 2:
        return 0.0
    return widths.count(usual) / len(widths) + 0.5 * (widths[0] == usual)
