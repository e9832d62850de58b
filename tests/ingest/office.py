"""Small office documents for tests, made by the libraries that other people make theirs with."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

import docx
import openpyxl
import pptx

SPACES = {
    **{name: name for name in ("office", "text", "table", "style", "presentation")},
    **{"draw": "drawing", "svg": "svg-compatible", "meta": "meta"},
}
HEAD = "".join(
    f' xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{long}:1.0"'
    for short, long in SPACES.items()
)
HEAD += ' xmlns:loext="urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0"'


def saved(document: Any) -> bytes:
    """The bytes of a document of python-docx, python-pptx or openpyxl."""
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in parts.items():
            file.writestr(name, data)
    return buffer.getvalue()


def changed(data: bytes, parts: Mapping[str, str | bytes]) -> bytes:
    """A document with some of its parts replaced or added."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return zipped({name: file.read(name) for name in file.namelist()} | dict(parts))


def part(data: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return file.read(name).decode()


def body(data: bytes, old: str, new: str) -> bytes:
    """A Word document with a piece of its XML replaced."""
    xml = part(data, "word/document.xml")
    assert old in xml
    return changed(data, {"word/document.xml": xml.replace(old, new, 1)})


def word(*paragraphs: str) -> bytes:
    document = docx.Document()
    for text in paragraphs:
        document.add_paragraph(text)
    return saved(document)


def slides(*titles_and_texts: tuple[str, str]) -> bytes:
    presentation = pptx.Presentation()
    for title, text in titles_and_texts:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = text
    return saved(presentation)


def workbook(*rows: Sequence[object], sheet: str = "Chi phí") -> bytes:
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    return saved(book)


def opendocument(kind: str, inside: str, styles: str = "", title: str = "") -> bytes:
    """OpenDocument by hand: `kind` is text, spreadsheet or presentation."""
    xml = f"<office:body><office:{kind}>{inside}</office:{kind}></office:body>"
    dc = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    named = f"<office:meta><dc:title {dc}>{escape(title)}</dc:title></office:meta>"
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"<office:document-content{HEAD}>{xml}</office:document-content>",
            "styles.xml": f"<office:document-styles{HEAD}>{styles}</office:document-styles>",
            "meta.xml": f"<office:document-meta{HEAD}>{named}</office:document-meta>",
            "META-INF/manifest.xml": "<manifest/>",
        }
    )
