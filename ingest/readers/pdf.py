"""PDF, page by page: by PDFium, by pypdf where that has the words better, and by OCR where a page
has none."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

from rag.errors import DocumentError, NoTextLayer, UnreadableTextLayer
from rag.pdfium import Pdf, PdfiumError
from rag.text import legacy, tcvn3
from rag.types import Content, Page, Remark

from . import ocr
from .text import given, printed, title_of
from .words import are_words, broken, word_count

VERSION = "3"

Kind = Literal["words", "senseless", "scan", "ocr", "left"]

MIN_CHARACTERS_A_PAGE = 20
"""What has fewer on average, a PDF or a page of it, is taken for a scan unless they are words."""

_FEWEST = 2  # different ones; a scan may have "page 7" on each page
_BROKEN = 0.15  # share of a page's words that are cut or glued above which pypdf is asked too
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
# A damaged PDF makes pypdf raise more than its own errors (the docstring of pypdf.errors).
_PYTHON_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError)
_PDF_FAULTS = (PyPdfError, EOFError, RuntimeError, TypeError, ValueError, struct.error, zlib.error)
_FAULTS = (*_PDF_FAULTS, *_PYTHON_FAULTS)


def read(data: bytes, name: str) -> Content:
    """The text layer, or what OCR reads. Raises DocumentError if there is no text, none of words,
    or a password."""
    title, pages = _read(data, name)
    texts = [printed(page.text) for page in pages]
    unreadable = _numbers(pages, "senseless")
    if unreadable and len(unreadable) == sum(map(bool, texts)):
        raise _not_words(name, pages)
    if _is_scan("\n".join(texts), len(texts)):
        raise _scanned(name, pages)
    old = next((page.old for page in pages if page.old), None)
    return Content(
        title_of(legacy.beside(given(title), old), name),
        tuple(
            _page(n, page, text) for n, (page, text) in enumerate(zip(pages, texts, strict=True), 1)
        ),
        tuple(_remarks(pages)),
    )


def _page(number: int, page: _Reading, text: str) -> Page:
    name = ocr.PAGE.format(number) if page.kind == "ocr" else ""
    return Page(number, "" if page.kind == "senseless" else text, name=name)


def _is_scan(text: str, pages: int) -> bool:
    return len(text) < MIN_CHARACTERS_A_PAGE * max(pages, 1) and word_count(text) < _FEWEST


def _read(data: bytes, name: str) -> tuple[object, list[_Reading]]:
    """The title and the pages. What PDFium cannot open is left to pypdf, which says why."""
    try:
        with closing(Pdf(data)) as pdf:
            if pdf.pages:
                pypdf = _Pypdf(data)
                pages = [_best(pdf, number, pypdf) for number in range(1, pdf.pages + 1)]
                return pdf.title(), _with_ocr(pdf, pages)
    except PdfiumError:
        pass
    return _by_pypdf(data, name)


def _best(pdf: Pdf, number: int, pypdf: _Pypdf) -> _Reading:
    """The page as PDFium reads it, or as pypdf does where that has more of its words."""
    try:
        page = pdf.page(number)
    except PdfiumError:
        return _reading(pypdf.text(number))
    if page.has_picture and _is_scan(page.text.strip(), 1):
        return _Reading(page.text, "scan")
    ours = _reading(page.text)
    # PDFium takes the "ư" of TCVN3 for a hyphen, and has Arabic letters in the order of the page.
    prefer_other = tcvn3.is_tcvn3(page.text) or _RIGHT_TO_LEFT.search(page.text) or not page.text
    share = broken(page.text)
    if ours.is_words and share <= _BROKEN and not prefer_other:
        return ours
    other = _reading(pypdf.text(number))
    if not other.text.strip():
        return ours
    if prefer_other:
        return other
    if other.is_words != ours.is_words:
        return other if other.is_words else ours
    return other if broken(other.text) < share else ours


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one page was read as: its text layer, which may be senseless; of a scan, which has
    hardly any, that until OCR has read it; `left` is a scan that OCR was not asked about, after
    many. `old` turned its text into Unicode."""

    text: str
    kind: Kind
    old: legacy.Reading | None = None

    @property
    def is_words(self) -> bool:
        return self.kind != "senseless"


def _reading(text: str) -> _Reading:
    old = legacy.reading(text)
    read = old(text) if old else text
    return _Reading(read, "words" if are_words(text) else "senseless", old)


def _numbers(pages: Sequence[_Reading], kind: Kind) -> list[int]:
    return [number for number, page in enumerate(pages, start=1) if page.kind == kind]


def _with_ocr(pdf: Pdf, pages: list[_Reading]) -> list[_Reading]:
    """The pages, those without words as OCR reads them if it can."""
    lacking = sorted([*_numbers(pages, "scan"), *_numbers(pages, "senseless")])
    tesseract = ocr.tesseract() if lacking else None
    if tesseract is None:
        return pages
    pages = list(pages)
    for number in ocr.turns(lacking):
        with suppress(PdfiumError):
            text = tesseract.read(pdf.picture(number))
            if text and are_words(text):
                pages[number - 1] = _Reading(text, "ocr")
    for number in lacking[ocr.MOST_PAGES :]:
        pages[number - 1] = _Reading("", "left")
    return pages


class _Pypdf:
    """What pypdf reads of a PDF, opened once a page is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._reader: PdfReader | None = None

    def text(self, number: int) -> str:
        """Of page `number`, from 1; nothing if pypdf cannot read it."""
        try:
            self._reader = self._reader or PdfReader(BytesIO(self._data))
            return self._reader.pages[number - 1].extract_text()
        except _FAULTS:
            return ""


def _by_pypdf(data: bytes, name: str) -> tuple[object, list[_Reading]]:
    try:
        reader = PdfReader(BytesIO(data))
        pages = [_reading(page.extract_text()) for page in reader.pages]
        title = reader.metadata.title if reader.metadata else None
    except FileNotDecryptedError as exc:
        en = f"{name} is encrypted and a password is needed; add a copy saved without one."
        vi = f"{name} được mã hóa và cần mật khẩu; hãy thêm một bản đã lưu không có mật khẩu."
        raise DocumentError(en, vi) from exc
    except DependencyError as exc:
        en = f"{name} needs a package that is missing ({exc}); install requirements.txt again."
        vi = f"Thiếu gói phần mềm để đọc {name} ({exc}); hãy cài lại requirements.txt."
        raise DocumentError(en, vi) from exc
    except _FAULTS as exc:
        en = f"{name} is damaged or not a PDF; open it in a viewer and print it to a new PDF."
        vi = f"{name} bị hỏng hoặc không phải PDF; hãy mở bằng trình xem và in ra một PDF mới."
        raise DocumentError(en, vi) from exc
    return title, pages


def _remarks(pages: Sequence[_Reading]) -> Iterator[Remark]:
    """What was not read, or may be read wrongly, of a PDF that has text elsewhere."""
    if scanned := _numbers(pages, "ocr"):
        yield ocr.remark(scanned)
    if unreadable := _numbers(pages, "senseless"):
        which, why = ocr.ranges(unreadable), ocr.lacking()
        yield Remark(
            f"The text layer of page {which} is not words and was left out; {why.en}",
            f"Lớp văn bản của trang {which} không phải là chữ nên bị bỏ qua; {why.vi}",
        )
    if scanned := [n for n in _numbers(pages, "scan") if not pages[n - 1].text.strip()]:
        which, why = ocr.ranges(scanned), ocr.lacking()
        yield Remark(
            f"Page {which} is a picture without a text layer; {why.en}",
            f"Trang {which} chỉ là hình, không có lớp văn bản; {why.vi}",
        )
    if left := _numbers(pages, "left"):
        yield ocr.too_many(left)


def _not_words(name: str, pages: Sequence[_Reading]) -> UnreadableTextLayer:
    why = ocr.lacking()
    return UnreadableTextLayer(
        f"{name} has a text layer that is not words: its fonts do not say which letters they draw; "
        f"{why.en}",
        f"{name} có lớp văn bản không phải là chữ: phông của nó không cho biết vẽ chữ nào; "
        f"{why.vi}",
        pages=len(pages),
    )


def _scanned(name: str, pages: Sequence[_Reading]) -> NoTextLayer:
    why, with_text = ocr.lacking(), sum(bool(page.text.strip()) for page in pages)
    return NoTextLayer(
        f"{name} has no text layer, it looks scanned; {why.en} Pages: {len(pages)}, with text: "
        f"{with_text}.",
        f"{name} không có lớp văn bản, có vẻ là bản quét; {why.vi} Số trang: {len(pages)}, có chữ: "
        f"{with_text}.",
        pages=len(pages),
        pages_with_text=with_text,
    )
