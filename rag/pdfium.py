"""PDFium, which is safe in one thread at a time only: its one lock, and what is asked of it. The
only importer of pypdfium2.

Knows no passage, no document of the library and no words.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, BinaryIO

import pypdfium2
import pypdfium2.raw as raw
from pypdfium2 import PdfiumError as PdfiumError

if TYPE_CHECKING:
    from PIL.Image import Image

Box = tuple[float, float, float, float]  # left, top, right, bottom
Span = tuple[int, int]

_FINE = 100  # units a point that PDFium rounds places to
_FIXED_PITCH = 1  # of a font's flags (PDF 32000-1, table 123)
_MONOSPACED = re.compile(rb"mono|courier|consolas|menlo|code", re.I)
_MOST_COLUMNS = 80  # of white space in a line of code
_SPACED_OUT = re.compile(r"\S(?: \S){5,}")  # a line of single letters
_WORD_GAP = 1.8  # gaps between two letters of such a line that are one between two words
_HYPHEN = "\ufffe"  # what PDFium makes of a hyphen at a line's end and of the break behind it
# A raised figure ends a line for PDFium, and what closes the bracket around it starts the next.
_RAISED = re.compile(r"(?<=\w)\n(?=[)\].,;:] )")

_FEW = 20  # characters of a page that may be stamped on a scan
_MANY = 20  # strokes that may be letters
_SHARP = 300 / 72  # pixels a point that OCR wants
_MOST_PIXELS = 16_000_000
_LONGEST_SIDE = 20_000  # pixels

# PDFium is not thread-safe, not even with several documents.
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class PageText:
    """The text of a page as PDFium lays it out; of one with hardly any, whether it has a picture,
    or as many strokes as letters that were drawn."""

    text: str
    has_picture: bool


class Pdf:
    """A PDF that is open in PDFium; between two of its calls other threads may be inside. Raises
    PdfiumError if it cannot be opened. To be closed."""

    def __init__(self, data: bytes) -> None:
        with _lock:
            self._document = pypdfium2.PdfDocument(data)
            self.pages = len(self._document)

    def close(self) -> None:
        with _lock:
            self._document.close()

    def title(self) -> str:
        """As the PDF's information has it."""
        with _lock:
            return str(self._document.get_metadata_value("Title"))

    def picture(self, number: int) -> Image:
        """Page `number`, from 1, drawn in grey, so that its letters can be read. Raises PdfiumError
        if it is damaged."""
        with _lock:
            page = self._document[number - 1]
            try:
                width, height = (max(side, 1) for side in page.get_size())
                most = (_MOST_PIXELS / (width * height)) ** 0.5, _LONGEST_SIDE / max(width, height)
                bitmap = page.render(scale=min(_SHARP, *most), grayscale=True)
                try:
                    picture: Image = bitmap.to_pil().copy()
                    return picture
                finally:
                    bitmap.close()
            finally:
                page.close()

    def page(self, number: int) -> PageText:
        """The text of page `number`, from 1. Raises PdfiumError if it is damaged."""
        with _lock:
            page = self._document[number - 1]
            try:
                return _read(page)
            finally:
                page.close()


@contextmanager
def opened(pdf: Path | BinaryIO, number: int) -> Iterator[pypdfium2.PdfPage]:
    """Page `number` of a PDF, from 1; until it is closed no other thread is inside PDFium. Raises
    PdfiumError, also from within, and IndexError if there is no such page."""
    with _lock:
        document = pypdfium2.PdfDocument(pdf)
        try:
            if not 1 <= number <= len(document):
                raise IndexError(number)
            yield document[number - 1]
        finally:
            document.close()


def characters(text: pypdfium2.PdfTextPage) -> str:
    """The characters of a page, each at the index by which PDFium knows its place."""
    count = text.count_chars()
    return "".join(chr(raw.FPDFText_GetUnicode(text.raw, at)) for at in range(count))


def drawn(page: pypdfium2.PdfPage, box: tuple[float, float, float, float]) -> Box:
    """A place in the page's own coordinates (left, bottom, right, top) on the page as it is drawn,
    turned and cropped; in points."""
    left, bottom, right, top = box
    width, height = (round(side * _FINE) for side in page.get_size())
    x, y = ctypes.c_int(), ctypes.c_int()
    corners: list[tuple[float, float]] = []
    for corner in ((left, top), (right, bottom)):
        raw.FPDF_PageToDevice(page.raw, 0, 0, width, height, 0, *corner, x, y)
        corners.append((x.value / _FINE, y.value / _FINE))
    (x1, y1), (x2, y2) = corners
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _read(page: pypdfium2.PdfPage) -> PageText:
    layer = page.get_textpage()
    text = layer.get_text_range()
    has_picture = len(text.strip()) < _FEW and _has_picture(page)
    if not text.strip():
        return PageText("", has_picture)
    if layer.count_chars() != len(text):  # some have no letter, or one of two units
        text = characters(layer).replace("\x02", _HYPHEN)
    code = [line for line in _lines(text) if _is_fixed(layer, line)]
    if code:
        text = _set_out(layer, text, code)
    elif _SPACED_OUT.search(text):
        text = "".join(_unspaced(layer, text))
    text = text.replace("\r\n", "\n").replace(_HYPHEN, "-\n")
    return PageText(text if code else _RAISED.sub("", text), has_picture)


def _has_picture(page: pypdfium2.PdfPage) -> bool:
    pictures = page.get_objects([raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)
    strokes = page.get_objects([raw.FPDF_PAGEOBJ_PATH])
    return any(True for _ in pictures) or len([*islice(strokes, _MANY)]) == _MANY


def _lines(text: str) -> Iterator[Span]:
    return (line.span() for line in re.finditer(r"[^\s\ufffe][^\r\n\ufffe]*", text))


def _is_fixed(layer: pypdfium2.PdfTextPage, line: Span) -> bool:
    """Whether a line starts and ends in a font that has one width for all its characters."""
    name, flags = ctypes.create_string_buffer(64), ctypes.c_int()
    for at in (line[0], line[1] - 1):
        raw.FPDFText_GetFontInfo(layer.raw, at, name, len(name), flags)
        if not (flags.value & _FIXED_PITCH or _MONOSPACED.search(name.value)):
            return False
    return True


def _set_out(layer: pypdfium2.PdfTextPage, text: str, code: Sequence[Span]) -> str:
    """The text with the spaces that lines of code have on the page, where PDFium gives one for
    many and none at a line's start."""
    pieces: list[str] = []
    end = 0
    for block in _blocks(text, code):
        first = [layer.get_charbox(start, loose=True) for start, _ in block]
        left = min(box[0] for box in first)
        for (start, stop), box in zip(block, first, strict=True):
            width = max(box[2] - box[0], 1)
            pieces += [text[end:start].rstrip(" "), " " * _columns(box[0] - left, width)]
            pieces += _words_of(layer, text, (start, stop), width)
            end = stop
    return "".join([*pieces, text[end:]])


def _blocks(text: str, code: Sequence[Span]) -> list[list[Span]]:
    """Lines that follow one another."""
    blocks: list[list[Span]] = []
    for line in code:
        if blocks and text[blocks[-1][-1][1] : line[0]].isspace():
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return blocks


def _words_of(layer: pypdfium2.PdfTextPage, text: str, line: Span, width: float) -> Iterator[str]:
    end = line[0]
    for gap in re.finditer(" +", text[line[0] : line[1]]):
        start, stop = gap.start() + line[0], gap.end() + line[0]
        yield text[end:start]
        if start > line[0] and stop < line[1]:
            before = layer.get_charbox(start - 1, loose=True)
            after = layer.get_charbox(stop, loose=True)
            yield " " * max(_columns(after[0] - before[2], width), 1)
        end = stop
    yield text[end : line[1]]


def _columns(distance: float, width: float) -> int:
    return max(0, min(round(distance / width), _MOST_COLUMNS))


def _unspaced(layer: pypdfium2.PdfTextPage, text: str) -> Iterator[str]:
    """The text with letters that were set apart put together again: "N i n e  m e n"."""
    end = 0
    for stretch in _SPACED_OUT.finditer(text):
        letters = range(*stretch.span(), 2)
        boxes = [layer.get_charbox(at, loose=True) for at in letters]
        gaps = [after[0] - before[2] for before, after in pairwise(boxes)]
        yield text[end : stretch.start()]
        yield _together([text[at] for at in letters], gaps)
        end = stretch.end()
    yield text[end:]


def _together(letters: Sequence[str], gaps: Sequence[float]) -> str:
    """Letters as words: cut where the gap behind one is much wider than most. As they are where
    most are not letters, or none is wider: a row of a table, a list of names of variables."""
    usual = median(gaps)
    wide = [gap > max(_WORD_GAP * usual, usual + 1) for gap in gaps]
    if not any(wide) or sum(map(str.isalpha, letters)) < len(letters) * 2 / 3:
        return " ".join(letters)
    return "".join(letter + " " * cut for letter, cut in zip(letters, [*wide, False], strict=True))
