"""Paragraphs, lists and tables as marked lines of text (ingest.readers.text), for the formats that
tell them apart. Knows no format."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from .text import END, HEAD, MARKS, START, TITLE

# A number with its unit or sign, a date, an address: what a column holds, not what it is called.
_VALUE = re.compile(
    r"[^\w\s]{0,2}\s?\d[\d\s.,:/%+-]*(?:[^\W\d]{1,3}|[€$£¥₫%)])?|\d{4}-\d\d-\d\d.*|\S+@\S+|https?:.*",
    re.I,
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_DEEPEST = 9  # level of a heading
_LONGEST_NAME = 80  # characters of what a column is called
T = TypeVar("T")


class Piece(NamedTuple):
    """A paragraph or a table as text; `is_item` if it is one of a list, with a `level` from 1 if it
    is a heading."""

    text: str
    is_item: bool = False
    level: int = 0


def plain(text: str) -> str:
    """Text of a document, without the characters that mark blocks."""
    return MARKS.sub("", text)


def joined(pieces: Iterable[Piece]) -> str:
    """With an empty line between them, but not between the items of a list."""
    out: list[str] = []
    in_list = False
    for piece in pieces:
        if piece.text.strip():
            mark = TITLE * min(piece.level, _DEEPEST)
            out += ["\n" if in_list and piece.is_item else "\n\n", mark + piece.text]
            in_list = piece.is_item
    return "".join(out[1:])


def table(rows: Iterable[Sequence[str]], heads: int = 0) -> str:
    """The rows as lines "cell | cell", marked as a block whose first `heads` rows say what the
    columns are; without the rows and columns that are empty."""
    lines = [[" ".join(plain(cell).split()) for cell in row] for row in rows]
    heads -= sum(not any(line) for line in lines[:heads])
    out: list[str] = []
    for number, cells in enumerate(compact(line for line in lines if any(line)), start=1):
        while not cells[-1]:
            cells.pop()
        out.append(" | ".join(cells).lstrip() + (HEAD if number == heads else ""))
    text = "\n".join(out)
    return f"{START}{text}{END}" if text else ""


def titled(rows: Sequence[Sequence[str]], told: int = 0) -> str:
    """A table whose first `told` rows are its head, as the file says; where it says nothing, or
    that all of them are, a first row that looks like one."""
    guessed = int(len(rows) > 1 and names_columns(rows[0]))
    return table(rows, told if 0 < told < len(rows) else guessed)


def compact(rows: Iterable[Sequence[str]]) -> list[list[str]]:
    """The rows without the columns that are empty in all of them, each as long as it is."""
    rows = list(rows)
    used = sorted({at for row in rows for at, cell in enumerate(row) if cell})
    return [[row[at] for at in used[: bisect_left(used, len(row))]] for row in rows]


def in_rows(shapes: Iterable[T], place: Callable[[T], tuple[float, float]], near: float) -> list[T]:
    """Shapes from the top, those beside one another from left to right: the tops of a row are less
    than `near` below its first. `place` is how far a shape is from the top and the left."""
    rows: list[list[tuple[float, float, T]]] = []
    for top, left, shape in sorted(((*place(s), s) for s in shapes), key=lambda each: each[:2]):
        if not rows or top - rows[-1][0][0] >= near:
            rows.append([])
        rows[-1].append((top, left, shape))
    return [each[2] for row in rows for each in sorted(row, key=lambda each: each[1])]


def names_columns(row: Sequence[str]) -> bool:
    """Whether a table's first row looks as if it said what the columns are: short texts, all of
    them different, and no values; years are names beside others, or behind an empty corner."""
    cells = [" ".join(cell.split()).lower() for cell in row]
    names = cells[1:] if cells and not cells[0] else cells
    years = [name for name in names if _YEAR.fullmatch(name)]
    return (
        len(cells) > 1
        and all(names)
        and len(set(names)) == len(names)
        and max(map(len, names)) <= _LONGEST_NAME
        and sum(_VALUE.fullmatch(name) is not None for name in names) == len(years)
        and (len(years) < len(names) or len(names) < len(cells))
    )
