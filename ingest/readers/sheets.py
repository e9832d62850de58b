"""What is read of the sheets of a workbook, and what is said of what is not. Knows no format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag.types import Remark

from . import tables
from .layout import compact, plain
from .tables import Row as Row

MOST_ROWS = 3 << 20
"""Rows of one document that are looked at, empty ones too: three full sheets."""

MOST_CELLS = 500_000
"""Cells of one document that are read, those between others included."""

MOST_CHARACTERS = 10_000_000
"""Of the text in all cells: a file may have one text once, for any number of cells. What stands
between them, and the names of columns that are many, takes as much again."""

WIDEST = 1 << 14
"""Columns of a sheet that are read, as many as one has."""


class Budget:
    """What may still be read of a document."""

    def __init__(self) -> None:
        self._rows, self._cells, self._characters = MOST_ROWS, MOST_CELLS, MOST_CHARACTERS

    def step(self) -> bool:
        """Whether one more row may be looked at."""
        self._rows -= 1
        return self._rows >= 0

    def take(self, cells: Sequence[str], times: int = 1) -> int:
        """How often a row may be read, at most `times`."""
        characters = sum(map(len, cells))
        fits = min(times if self.step() else 0, self._cells // max(len(cells), 1))
        fits = min(fits, self._characters // max(characters, 1))
        self._cells -= len(cells) * fits
        self._characters -= characters * fits
        return fits


def pages(sheet: str, rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """What each page of a sheet is called and its text, whose table is marked. `rows` are those
    with text."""
    texts = compact([[plain(cell) for cell in cells] for _, cells in rows])
    numbered = zip((number for number, _ in rows), texts, strict=True)
    for place, text in tables.pages(numbered):
        yield f"{sheet} · {place}", text


def cut(sheet: str, row: int) -> Remark:
    """That a sheet, and those behind it, had too much to be read to their ends."""
    return Remark(
        f"It has too many cells: sheet “{sheet}” was left out from row {row} on, and so were those "
        "behind it; split it into smaller files.",
        f"Tệp có quá nhiều ô: trang tính “{sheet}” từ dòng {row} và các trang sau đó bị bỏ qua; "
        "hãy chia thành các tệp nhỏ hơn.",
    )


def uncomputed(count: int) -> Remark:
    """That formulas have no value in the file."""
    return Remark(
        f"{count} of its formulas have no value saved with them and were left out; open it in a "
        "spreadsheet program and save it again.",
        f"{count} công thức không có giá trị lưu kèm nên bị bỏ qua; hãy mở bằng chương trình bảng "
        "tính rồi lưu lại.",
    )
