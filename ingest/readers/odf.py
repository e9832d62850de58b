"""OpenDocument's paragraphs, lists and tables, which its texts, sheets and slides are made of.
Knows nothing of files or pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .layout import Piece, plain, titled
from .odf_lists import ODF, TEXT, Counts, Lists

OFFICE, TABLE, DRAW, PRESENTATION, SVG = (
    f"{ODF}{space}:1.0}}"
    for space in ("office", "table", "drawing", "presentation", "svg-compatible")
)
_PARAGRAPHS = (f"{TEXT}p", f"{TEXT}h")
_DROPPED = {
    *(f"{OFFICE}annotation", f"{OFFICE}forms", f"{OFFICE}event-listeners", f"{SVG}title"),
    *(f"{SVG}desc", f"{TEXT}tracked-changes", f"{TEXT}hidden-text", f"{TEXT}ruby-text"),
    *(f"{TEXT}note-citation", f"{PRESENTATION}notes", f"{TEXT}sequence-decls", f"{TEXT}number"),
}
_ANCHORED = (f"{DRAW}text-box", f"{TEXT}note-body", f"{TABLE}table")
_WIDEST = 64  # columns that one cell of a text's table may stand for


class Reading:
    """One reading of a document, from its start to its end; `heading` is the first that it met."""

    def __init__(self, lists: Lists) -> None:
        self.heading = ""
        self._lists = lists

    def pieces(self, parent: Any) -> Iterator[Piece]:
        """The paragraphs, lists and tables in an element, in order."""
        for child in parent:
            if child.tag in _PARAGRAPHS:
                yield from self._paragraph(child)
            elif child.tag == f"{TEXT}list":
                yield from self._list(child)
            elif child.tag == f"{TABLE}table":
                yield from self._table(child)
            elif isinstance(child.tag, str) and child.tag not in _DROPPED:
                yield from self.pieces(child)

    def _paragraph(self, paragraph: Any, label: str | None = None) -> Iterator[Piece]:
        """A paragraph behind its number, then the text boxes and notes that it anchors. Of an item
        of a list the `label` is known."""
        text, anchored = inline(paragraph)
        is_heading = paragraph.tag == f"{TEXT}h"
        if label is None:
            label = self._lists.of_heading(paragraph) if is_heading else ""
        if text:
            line = f"{label} {text}" if label else text
            level = int(paragraph.get(f"{TEXT}outline-level") or 1) if is_heading else 0
            if paragraph.get(f"{TEXT}style-name") == "Title":
                level = 1
            self.heading = self.heading or (line if level else "")
            yield Piece(line, is_item=bool(label) and not is_heading, level=level)
        for box in anchored:
            yield from self._table(box) if box.tag == f"{TABLE}table" else self.pieces(box)

    def _list(
        self, root: Any, above: str = "", depth: int = 1, counts: Counts | None = None
    ) -> Iterator[Piece]:
        """A list; one inside an item of another counts with it if it has its style, `above`."""
        style = root.get(f"{TEXT}style-name") or above
        if counts is None or style != above:
            counts = self._lists.begun(root, style)
        for item in root.iterchildren(f"{TEXT}list-item", f"{TEXT}list-header"):
            is_open = item.tag == f"{TEXT}list-item"  # its number stands before its first paragraph
            for child in item:
                if child.tag == f"{TEXT}list":
                    yield from self._list(child, style, depth + 1, counts)
                elif child.tag in _PARAGRAPHS:
                    label = self._lists.label(item, style, depth, counts) if is_open else ""
                    yield from self._paragraph(child, label)
                if child.tag in (f"{TEXT}list", *_PARAGRAPHS):
                    is_open = False

    def _table(self, root: Any) -> Iterator[Piece]:
        """A table as rows; one that holds others, or a single column, as what is in it."""
        rows = [*rows_of(root)]
        told = sum(row.getparent().tag == f"{TABLE}table-header-rows" for row in rows)
        cells = [[*row.iterchildren(f"{TABLE}table-cell")] for row in rows]
        inner = next(root.iterdescendants(f"{TABLE}table"), None)
        if max(map(len, cells), default=0) < 2 or inner is not None:
            for cell in (cell for row in cells for cell in row):
                yield from self.pieces(cell)
            return
        lines = [[text for cell in row for text in self._cell(cell)] for row in rows]
        yield Piece(titled(lines, told))

    def _cell(self, cell: Any) -> list[str]:
        """The text of a cell, and nothing for what it covers and where it is repeated."""
        if cell.tag not in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            return []
        times = min(repeated(cell, "columns"), _WIDEST)
        if cell.tag == f"{TABLE}covered-table-cell":
            return [""] * times
        return [" ".join(piece.text for piece in self.pieces(cell)), *[""] * (times - 1)]


def rows_of(root: Any) -> Iterator[Any]:
    """The rows of a table, those in groups too."""
    for child in root:
        if child.tag == f"{TABLE}table-row":
            yield child
        elif child.tag in {
            f"{TABLE}table-{group}" for group in ("header-rows", "rows", "row-group")
        }:
            yield from rows_of(child)


def repeated(node: Any, what: str) -> int:
    """How often a row or a cell stands there."""
    return max(int(node.get(f"{TABLE}number-{what}-repeated") or 1), 1)


def inline(paragraph: Any) -> tuple[str, list[Any]]:
    """The text of a paragraph, and what it anchors: text boxes, notes, tables."""
    out: list[str] = []
    anchored: list[Any] = []
    stack: list[Any] = [paragraph]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            out.append(" ".join(plain(node).replace("\n", " ").split(" ")))
            continue
        if node is not paragraph and node.tail:
            stack.append(node.tail)
        if node.tag in (f"{TEXT}s", f"{TEXT}tab"):
            out.append(" ")
        elif node.tag == f"{TEXT}line-break":
            out.append("\n")
        elif node.tag in _ANCHORED:
            anchored.append(node)
        elif isinstance(node.tag, str) and node.tag not in _DROPPED:
            stack.extend(reversed(node))
            if node.text:
                stack.append(node.text)
    lines = "".join(out).split("\n")
    return "\n".join(" ".join(line.split()) for line in lines).strip(), anchored
