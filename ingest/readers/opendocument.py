"""OpenDocument: a text as one page, a spreadsheet in pages of rows, slides one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lxml import etree

from rag.types import Content, Remark

from . import odf, sheets
from .archive import damaged, encrypted, parts, translated
from .layout import Piece, in_rows, joined
from .odf import DRAW, OFFICE, PRESENTATION, SVG, TABLE, Reading
from .odf_lists import STYLE, TEXT, Lists
from .text import given, one_page, several

VERSION = "2"

_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_REPEATED = ("date-time", "footer", "page-number", "header")  # on every slide
_LENGTH = re.compile(r"(-?[\d.]+)(cm|mm|in|pt)")
_IN_CM = {"cm": 1.0, "mm": 0.1, "in": 2.54, "pt": 2.54 / 72}
_ONE_LINE = 0.75  # cm; what is less below another shape stands beside it
_PAGE_NUMBERS = (f"{TEXT}page-number", f"{TEXT}page-count")


def read(data: bytes, name: str) -> Content:
    """What it is, its content says, not its suffix; its title is that of its properties."""
    found = parts(data, name)
    if b"encryption-data" in found.get("META-INF/manifest.xml", b""):
        raise encrypted(name)
    with translated(name):
        content, styles = _tree(found, "content.xml"), _tree(found, "styles.xml")
        title = next((node.text for node in _tree(found, "meta.xml").iter(_TITLE)), "")
        [body] = content.iterchildren(f"{OFFICE}body")
        reading = Reading(Lists(styles, content))
        for child in body:
            match str(child.tag).rpartition("}")[2]:
                case "text":
                    text = _text(child, styles, reading)
                    return one_page(given(title) or reading.heading, text, name)
                case "spreadsheet":
                    return _spreadsheet(child, given(title), name)
                case "presentation":
                    return _slides(child, given(title), name)
    raise damaged(name)


def _tree(found: Mapping[str, bytes], part: str) -> Any:
    """The root of a part; an empty one if there is none, but there must be a content."""
    if part not in found:
        if part == "content.xml":
            raise ValueError("a document without a content")
        return etree.Element("none")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.fromstring(found[part], parser)


def _text(body: Any, styles: Any, reading: Reading) -> str:
    """Headers first and footers last, each once and without lines that count pages."""
    heads, feet = dict[str, Piece](), dict[str, Piece]()
    for page in styles.iter(f"{STYLE}master-page"):
        for side, kept in (("header", heads), ("footer", feet)):
            for part in page.iterchildren(f"{STYLE}{side}", f"{STYLE}{side}-first"):
                for number in [*part.iter(*_PAGE_NUMBERS)]:
                    line = next(number.iterancestors(f"{TEXT}p"), None)
                    if line is not None and line.getparent() is not None:
                        line.getparent().remove(line)
                kept |= {piece.text: piece for piece in Reading(Lists()).pieces(part)}
    return joined([*heads.values(), *reading.pieces(body), *feet.values()])


def _spreadsheet(body: Any, title: str, name: str) -> Content:
    pages: list[tuple[str, str]] = []
    remarks: list[Remark] = []
    budget = sheets.Budget()
    uncomputed = 0
    for sheet in body.iterchildren(f"{TABLE}table"):
        called = sheet.get(f"{TABLE}name") or ""
        rows: list[sheets.Row] = []
        number = 1
        for row in odf.rows_of(sheet):
            times, cells = odf.repeated(row, "rows"), _cells(row)
            uncomputed += sum(map(_is_uncomputed, row))
            if cells:
                fits = budget.take(cells, times)
                rows += [(number + at, cells) for at in range(fits)]
                if fits < times:
                    remarks.append(sheets.cut(called, number + fits))
                    break
            number += times
        pages += sheets.pages(called, rows)
        if remarks:
            break
    if uncomputed:
        remarks.append(sheets.uncomputed(uncomputed))
    return several(title, pages, name, remarks, blank=True)


def _cells(row: Any) -> list[str]:
    """The texts of a row, up to its last that has any."""
    cells: list[str] = []
    empty = 0
    for cell in row.iterchildren(f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
        times = odf.repeated(cell, "columns")
        text = "" if cell.tag == f"{TABLE}covered-table-cell" else _shown(cell)
        if text:
            cells += [""] * min(empty, sheets.WIDEST - len(cells))
            cells += [text] * min(times, sheets.WIDEST - len(cells))
            empty = 0
        else:
            empty += times
    return cells


def _shown(cell: Any) -> str:
    """The text of a cell as it is seen; dates as 2026-11-29."""
    date = cell.get(f"{OFFICE}date-value")
    if date and re.fullmatch(r"\d{4}-\d\d-\d\d(T[\d:.]*)?", date):
        day, _, time = date.partition("T")
        return day if not time.strip("0:.") else f"{day} {time[:5]}"
    return " ".join(odf.inline(line)[0] for line in cell.iterchildren(f"{TEXT}p")).strip()


def _is_uncomputed(cell: Any) -> bool:
    return bool(cell.get(f"{TABLE}formula")) and cell.get(f"{OFFICE}value-type") is None


def _slides(body: Any, title: str, name: str) -> Content:
    pages: list[str] = []
    for page in body.iterchildren(f"{DRAW}page"):
        heading, text = _slide(page)
        title = title or heading
        pages.append(text)
    return several(title, [("", text) for text in pages], name, blank=True)


def _slide(page: Any) -> tuple[str, str]:
    """The title of a slide, and all its text: the title, the shapes from the top, the notes."""
    reading = Reading(Lists())
    shapes = [*_shapes(page)]
    titles = [shape for shape in shapes if _kind(shape) == "title"]
    heading = " ".join(piece.text for shape in titles for piece in reading.pieces(shape))
    pieces = [Piece(heading)]
    for shape in shapes:
        if shape not in titles and _kind(shape) not in _REPEATED:
            # A shape's lines belong together as the items of a list do.
            lines = [*reading.pieces(shape)]
            pieces.append(Piece("\n".join(piece.text for piece in lines)))
    for notes in page.iterchildren(f"{PRESENTATION}notes"):
        frames = [frame for frame in notes if _kind(frame) == "notes"]
        written = [piece for frame in frames for piece in reading.pieces(frame)]
        pieces += [Piece("---"), *written] if written else []
    return heading, joined(pieces)


def _shapes(parent: Any) -> Iterator[Any]:
    """The shapes on a slide, each row of them from left to right, those of groups together."""
    shapes = [shape for shape in parent if str(shape.tag).startswith(DRAW)]
    for shape in in_rows(shapes, _place, _ONE_LINE):
        if shape.tag == f"{DRAW}g":
            yield from _shapes(shape)
        else:
            yield shape


def _kind(shape: Any) -> str:
    return str(shape.get(f"{PRESENTATION}class") or "")


def _place(shape: Any) -> tuple[float, float]:
    """How far a shape is from the top and the left, in cm; a group as its first shape is."""
    first = next(shape.iter(f"{DRAW}frame", f"{DRAW}custom-shape"), shape)

    def length(side: str) -> float:
        found = _LENGTH.fullmatch(shape.get(f"{SVG}{side}") or first.get(f"{SVG}{side}") or "")
        return float(found[1]) * _IN_CM[found[2]] if found else 0.0

    return length("y"), length("x")
