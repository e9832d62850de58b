"""PowerPoint: a page for each slide, its title first, its other shapes as they stand from the top,
the speaker's notes last. Neither dates nor slide numbers nor footers, which every slide repeats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pptx
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.exc import PythonPptxError
from pptx.oxml import parse_xml

from rag.types import Content

from .archive import packed, parts, translated
from .faults import FAULTS, is_ours
from .layout import Piece, in_rows, joined, plain, table, titled
from .ooxml import R, settled
from .text import given, several

VERSION = "2"

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
_REPEATED = (PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.SLIDE_NUMBER)
_ONE_LINE = 91440 * 3  # 0.3 inch; what is less below another shape stands beside it
_NOTES = "---"
_NOWHERE = (0, 0)
_FAULTS: tuple[type[Exception], ...] = (*FAULTS, PythonPptxError)


def read(data: bytes, name: str) -> Content:
    """The slides; the title is that of the document's properties, else the first slide's."""
    with translated(name, PythonPptxError):
        presentation = pptx.Presentation(packed(parts(data, name)))
        reading = _Reading()
        slides = [reading.slide(slide) for slide in presentation.slides]
        title = given(presentation.core_properties.title) or reading.heading
    return several(title, [("", text) for text in slides], name, blank=True)


class _Reading:
    """One reading of the slides in their order; `heading` is the first title that it met."""

    def __init__(self) -> None:
        self.heading = ""
        self._read: set[Any] = set()  # parts, which a file made for it may show any number of times
        self._places: dict[Any, dict[str, tuple[int, int]]] = {}

    def slide(self, slide: Any) -> str:
        """All text of a slide."""
        if self._is_known(slide.part):
            return ""
        settled(slide.shapes._spTree)
        title = slide.shapes.title
        heading = _written(title._element) if title is not None else ""
        self.heading = self.heading or heading
        pieces = [Piece(heading), *self._pieces(slide.shapes, slide, title)]
        if slide.has_notes_slide and not self._is_known(slide.notes_slide.part):
            frame = slide.notes_slide.notes_text_frame
            notes = _written(frame._txBody) if frame is not None else ""
            pieces += [Piece(_NOTES), Piece(notes)] if notes else []
        return joined(pieces)

    def _is_known(self, part: Any) -> bool:
        known = part in self._read
        self._read.add(part)
        return known

    def _pieces(self, shapes: Iterable[Any], slide: Any, title: Any) -> Iterator[Piece]:
        """What stands in the shapes but the title, each row of shapes from left to right."""
        layout = self._layout(slide)
        placed = [
            shape for shape in shapes if title is None or shape._element is not title._element
        ]
        for shape in in_rows(placed, lambda shape: _place(shape, layout), _ONE_LINE):
            if shape.is_placeholder and shape.placeholder_format.type in _REPEATED:
                continue
            if hasattr(shape, "shapes"):
                yield from self._pieces(shape.shapes, slide, title)
            elif getattr(shape, "has_table", False):
                yield Piece(_table(shape.table))
            elif getattr(shape, "has_chart", False):
                yield Piece("" if self._is_known(shape.chart_part) else _chart(shape.chart))
            elif (drawn := shape._element.find(f".//{{{_DIAGRAM}}}relIds")) is not None:
                part = slide.part.related_part(drawn.get(f"{R}dm"))
                yield Piece("" if self._is_known(part) else _written(parse_xml(part.blob)))
            else:
                yield Piece(_written(shape._element))

    def _layout(self, slide: Any) -> dict[str, tuple[int, int]]:
        """Where the placeholders of a slide's layout stand, by their keys."""
        part = slide.slide_layout.part
        if part not in self._places:
            shapes = slide.slide_layout.shapes._spTree.iter_ph_elms()
            self._places[part] = {shape.ph_idx: _offset(shape) for shape in shapes}
        return self._places[part]


def _place(shape: Any, layout: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """How far a shape is from the top and the left; what does not say so stands as its layout
    does."""
    element = shape._element
    offset = _offset(element)
    if offset == _NOWHERE and shape.is_placeholder:
        return layout.get(element.ph_idx, _NOWHERE)
    return offset


def _offset(shape: Any) -> tuple[int, int]:
    """The same, if it says so itself."""
    offset = next(shape.iter(f"{_A}off"), None)
    if offset is None:
        return _NOWHERE
    return int(offset.get("y", 0)), int(offset.get("x", 0))


def _written(root: Any) -> str:
    """The paragraphs in an element, a line each."""
    lines: list[str] = []
    for paragraph in root.iter(f"{_A}p"):
        text = ""
        for node in paragraph.iter(f"{_A}t", f"{_A}br"):
            text += "\n" if node.tag == f"{_A}br" else plain(node.text or "")
        lines += [" ".join(line.split()) for line in text.split("\n")]
    return "\n".join(line for line in lines if line)


def _table(grid: Any) -> str:
    rows = [
        ["" if cell.is_spanned else _written(cell._tc).replace("\n", " ") for cell in row.cells]
        for row in grid.rows
    ]
    return titled(rows)


def _chart(chart: Any) -> str:
    """A chart's title, and its numbers as a table; nothing if they are not in the file."""
    try:
        title = _written(chart.chart_title._element) if chart.has_title else ""
        tables = [
            table([["", *(series.name for series in plot.series)], *_numbers(plot)], 1)
            for plot in chart.plots
            if len(plot.categories)
        ]
    except _FAULTS as exc:
        if is_ours(exc):
            raise
        return ""
    return "\n\n".join(text for text in (title, *tables) if text)


def _numbers(plot: Any) -> Iterator[list[str]]:
    values = [series.values for series in plot.series]
    for at, category in enumerate(plot.categories):
        column = [each[at] if at < len(each) else None for each in values]
        yield [str(category), *("" if value is None else f"{value:.15g}" for value in column)]
