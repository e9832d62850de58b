"""Word: what a reader of the document sees, in its order, with its notes behind the paragraph they
belong to. Neither what is deleted in tracked changes nor hidden text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import docx
from docx.document import Document
from docx.exceptions import PythonDocxError
from docx.opc.exceptions import OpcError
from docx.oxml.parser import parse_xml

from rag.types import Content

from .archive import packed, parts, translated
from .layout import Piece, joined, plain, titled
from .numbering import Numbering
from .ooxml import R, W, child, is_on, settled, value
from .text import given, one_page

VERSION = "2"

_TEXT = (f"{W}t", "{http://schemas.openxmlformats.org/officeDocument/2006/math}t")
_SIGNS = {
    **{f"{W}tab": " ", f"{W}ptab": " ", f"{W}noBreakHyphen": "-"},
    **{f"{W}br": "\n", f"{W}cr": "\n"},
}
_DROPPED = {f"{W}{tag}" for tag in ("del", "moveFrom", "pPr", "rPr", "sdtPr", "tblPr", "rt")}
_NOTES = {f"{W}footnoteReference": "footnotes", f"{W}endnoteReference": "endnotes"}
_WIDEST = 64  # columns that one cell may span
_HEADING = re.compile(r"heading (\d)|title", re.I)
_PAGE_NUMBER = re.compile(r"\b(PAGE|NUMPAGES|SECTIONPAGES)\b")


def read(data: bytes, name: str) -> Content:
    """The document as one page; its title is that of its properties, else its first heading."""
    with translated(name, PythonDocxError, OpcError):
        document = docx.Document(packed(parts(data, name)))
        reading = _Reading(document)
        text = reading.text()
        title = given(document.core_properties.title) or reading.heading
    return one_page(title, text, name)


class _Reading:
    """One reading of a document, from its start to its end; `heading` is the first that it met."""

    def __init__(self, document: Document) -> None:
        self.heading = ""
        self._part = document.part
        if (body := child(document.element, "body")) is None:
            raise ValueError("a document without a body")
        self._body = settled(body)
        self._styles = {
            style.get(f"{W}styleId"): style
            for style in document.styles.element.iterfind(f"{W}style")
        }
        self._numbering = Numbering(self._related("numbering"))
        self._notes = {
            (kind, note.get(f"{W}id")): note
            for kind in _NOTES.values()
            for note in self._related(kind)
        }

    def text(self) -> str:
        """Headers first and footers last, each once and without lines that count pages."""
        heads, feet = self._around("headerReference"), self._around("footerReference")
        return joined([*heads, *self._pieces(self._body), *feet])

    def _related(self, kind: str) -> Any:
        """The root of the part that the document calls its `kind`; without children if there is
        none."""
        for link in self._part.rels.values():
            if not link.is_external and str(link.reltype).endswith(f"/{kind}"):
                return settled(parse_xml(link.target_part.blob))
        return ()

    def _around(self, kind: str) -> list[Piece]:
        references = [reference.get(f"{R}id") for reference in self._body.iter(f"{W}{kind}")]
        parts = self._part.related_parts
        linked = dict.fromkeys(parts[link] for link in references if link in parts)
        found: dict[str, Piece] = {}
        for part in linked:
            root = settled(parse_xml(part.blob))
            for paragraph in [*root.iter(f"{W}p")]:
                if paragraph is not root and _PAGE_NUMBER.search(_fields(paragraph)):
                    paragraph.getparent().remove(paragraph)
            found |= {piece.text: piece for piece in self._pieces(root)}
        return [*found.values()]

    def _pieces(self, parent: Any) -> Iterator[Piece]:
        """The paragraphs and tables in an element, in order, however deep wrappers hold them."""
        for node in parent:
            if node.tag == f"{W}p":
                yield from self._paragraph(node)
            elif node.tag == f"{W}tbl":
                yield from self._table(node)
            elif isinstance(node.tag, str) and node.tag not in _DROPPED and not _is_hint(node):
                yield from self._pieces(node)

    def _paragraph(self, paragraph: Any) -> Iterator[Piece]:
        """The paragraph behind its number, then what it anchors: text boxes and notes."""
        if not len(paragraph):
            return
        text, anchored = self._inline(paragraph)
        style = self._style(paragraph)
        label = self._label(paragraph, style)
        if text:
            heading = _HEADING.fullmatch(value(style, "name"))
            line = f"{label} {text}" if label else text
            self.heading = self.heading or (line if heading else "")
            level = max(int(heading[1] or 1), 1) if heading else 0
            yield Piece(line, is_item=bool(label) and not heading, level=level)
        for box in anchored:
            yield from self._pieces(box)

    def _inline(self, paragraph: Any) -> tuple[str, list[Any]]:
        """The text of a paragraph, and the roots of what it anchors."""
        out: list[str] = []
        anchored: list[Any] = []
        stack = [paragraph]
        while stack:
            node = stack.pop()
            if node.tag in _TEXT:
                out.append(plain(node.text or ""))
            elif node.tag in _SIGNS:
                out.append(_SIGNS[node.tag])
            elif node.tag in _NOTES:
                note = self._notes.pop((_NOTES[node.tag], node.get(f"{W}id")), None)
                anchored += [] if note is None else [note]
            elif node.tag == f"{W}txbxContent":
                anchored.append(node)
            elif node.tag not in _DROPPED and not _is_hidden(node) and not _is_hint(node):
                stack.extend(reversed(node))
        lines = "".join(out).split("\n")
        return "\n".join(" ".join(line.split()) for line in lines).strip(), anchored

    def _style(self, paragraph: Any) -> Any:
        name = value(child(paragraph, "pPr"), "pStyle")
        return self._styles.get(name)

    def _label(self, paragraph: Any, style: Any) -> str:
        """The number or the bullet before a paragraph, which its style may ask for."""
        own = child(child(paragraph, "pPr"), "numPr")
        number, depth = value(own, "numId"), value(own, "ilvl")
        styles = list[str]()
        while not number and style is not None and style.get(f"{W}styleId") not in styles:
            styles.append(style.get(f"{W}styleId"))
            asked = child(child(style, "pPr"), "numPr")
            number, depth = value(asked, "numId"), depth or value(asked, "ilvl")
            if number and not depth:
                depth = str(self._numbering.depth_of(number, styles[-1]))
            style = self._styles.get(value(style, "basedOn"))
        return self._numbering.label(number, int(depth or 0)) if number else ""

    def _table(self, root: Any) -> Iterator[Piece]:
        """A table as rows; one that holds others, or a single column, as what is in it."""
        rows = [row for row in _inside(root, "tr") if child(child(row, "trPr"), "del") is None]
        cells = [list(_inside(row, "tc")) for row in rows]
        inner = next(root.iterdescendants(f"{W}tbl"), None)
        if max(map(len, cells), default=0) < 2 or inner is not None:
            for cell in (cell for row in cells for cell in row):
                yield from self._pieces(cell)
            return
        lines = [
            [*_skipped(row), *(text for cell in inside for text in self._cell(cell))]
            for row, inside in zip(rows, cells, strict=True)
        ]
        told = 0
        while told < len(rows) and is_on(child(child(rows[told], "trPr"), "tblHeader")):
            told += 1
        yield Piece(titled(lines, told))

    def _cell(self, cell: Any) -> list[str]:
        """The text of a cell, and nothing for each further column that it spans. One that goes on
        from the row above has its text there."""
        merged = child(child(cell, "tcPr"), "vMerge")
        span = value(child(cell, "tcPr"), "gridSpan")
        is_above = merged is not None and merged.get(f"{W}val") != "restart"
        text = "" if is_above else " ".join(piece.text for piece in self._pieces(cell))
        return [text, *[""] * (min(int(span or 1), _WIDEST) - 1)]


def _inside(parent: Any, tag: str) -> Iterator[Any]:
    """The rows of a table or the cells of a row, those in content controls too."""
    for node in parent:
        if node.tag == f"{W}{tag}":
            yield node
        elif node.tag in {f"{W}{wrapper}" for wrapper in ("sdt", "sdtContent", "customXml")}:
            yield from _inside(node, tag)


def _skipped(row: Any) -> list[str]:
    """Nothing for each column that a row leaves free before its first cell."""
    return [""] * min(int(value(child(row, "trPr"), "gridBefore") or 0), _WIDEST)


def _is_hidden(node: Any) -> bool:
    return node.tag == f"{W}r" and is_on(child(child(node, "rPr"), "vanish"))


def _is_hint(node: Any) -> bool:
    """Whether a content control holds nothing but what to type into it."""
    hint = child(child(node, "sdtPr"), "showingPlcHdr") if node.tag == f"{W}sdt" else None
    return is_on(hint)


def _fields(paragraph: Any) -> str:
    """What a paragraph's fields compute."""
    simple = [field.get(f"{W}instr", "") for field in paragraph.iter(f"{W}fldSimple")]
    return " ".join([*simple, *(code.text or "" for code in paragraph.iter(f"{W}instrText"))])
