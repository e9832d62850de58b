"""Rows of cells as lines of text, cut into pages: a table under its head; of a wide one each row as
a record, its cells under the names of their columns. Pure; knows no format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from statistics import median

from .layout import names_columns
from .text import END, HEAD, START

ROWS = 50  # of a page
SAMPLE = 100  # rows by which the head is found
WIDE = 240  # characters of a head above which it is not repeated above a chunk's rows
CELLS = " | "  # between two of a row
_ABOVE = 10  # rows among which the head is looked for: a title may stand above it
_LONG = 30_000  # characters of a page

Row = tuple[int, Sequence[str]]  # its number, from 1, and its cells


@dataclass(frozen=True, slots=True)
class _Head:
    """The names of the columns, what stands above them, and the number of the row they are."""

    names: Sequence[str]
    above: Sequence[str]
    number: int


def pages(rows: Iterator[Row]) -> Iterator[tuple[str, str]]:
    """What each page is called, by its rows, and its text: each under the names of the columns,
    the first also under what stands above them."""
    sample = list(islice(rows, SAMPLE))
    head = _head(sample)
    first = 1 if head.above else head.number + 1
    above = [*head.above, ""] if head.above else []
    last, length = head.number, 0
    page: list[Sequence[str]] = []

    def cut() -> tuple[str, str]:
        text = "\n".join([*above, marked(head.names, page)])
        return spanned(min(first, last), last), text

    for number, cells in chain(sample, rows):
        if number <= head.number or not any(cell.strip() for cell in cells):
            continue
        if len(page) == ROWS or length > _LONG:
            yield cut()
            page, length, above = [], 0, []
        if not (page or above):
            first = number
        page.append(cells)
        length += sum(map(len, cells))
        last = number
    if page or head.number:
        yield cut()


def _head(sample: Sequence[Row]) -> _Head:
    """The first row that has as many cells as others have, if they are names."""
    filled = [sum(bool(cell.strip()) for cell in cells) for _, cells in sample]
    usual = median(count for count in filled or [0] if count or not any(filled))
    for at, (number, cells) in enumerate(sample[:_ABOVE]):
        is_cornered = filled[at] > 0 and not cells[0].strip()
        if filled[at] + is_cornered >= max(2, 0.8 * usual):
            if not names_columns([*cells[:1], *filter(str.strip, cells[1:])]):
                break
            above = [line(cells) for _, cells in sample[:at]]
            return _Head(cells, list(filter(None, above)), number)
    return _Head([], [], 0)


def spanned(first: int, last: int) -> str:
    """What a page with these rows, lines or items is called."""
    return f"{first}–{last}" if first < last else str(first)


def marked(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table as one block, or the records as one block each; `head` is empty if the table has
    none."""
    names = line(head)
    if len(names) > WIDE and rows:
        return "\n\n".join(filter(None, (record(head, row) for row in rows)))
    lines = [names + HEAD if len(head) > 1 else names] if names else []
    lines += filter(None, map(line, rows))
    return START + "\n".join(lines) + END


def record(head: Sequence[str], row: Sequence[str]) -> str:
    """A row as lines "column: cell", in one block; "" if all its cells are empty."""
    names = [*map(single, head), *[""] * (len(row) - len(head))]
    cells = zip(names, map(single, row), strict=False)
    lines = [f"{name}: {cell}" if name else cell for name, cell in cells if cell]
    return START + "\n".join(lines) + END if lines else ""


def line(row: Sequence[str]) -> str:
    """A row's cells up to its last that is not empty."""
    return CELLS.join(map(single, row)).rstrip(" |").lstrip()


def single(cell: str) -> str:
    """A cell on one line."""
    return " ".join(cell.split())
