"""Rows of cells as lines of text: a table under its head; of a wide one each row as a record, its
cells under the names of their columns. Pure; knows no format."""

from __future__ import annotations

from collections.abc import Sequence

from .text import END, HEAD, START

ROWS = 50  # of a page
WIDE = 240  # characters of a head above which it is not repeated above a chunk's rows
CELLS = " | "  # between two of a row


def spanned(first: int, last: int) -> str:
    """What a page with these rows, lines or items is called."""
    return f"{first}–{last}" if first < last else str(first)


def marked(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table as one block, or the records as one block each; `head` is empty if the table has
    none."""
    names = line(head)
    if len(names) > WIDE:
        return "\n\n".join(filter(None, (record(head, row) for row in rows)))
    lines = [names + HEAD if CELLS in names else names] if names else []
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
    return CELLS.join(map(single, row)).rstrip(" |")


def single(cell: str) -> str:
    """A cell on one line."""
    return " ".join(cell.split())
