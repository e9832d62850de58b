"""PDF, page by page: by PDFium, and by pypdf where that has the words better."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

from rag.errors import DocumentError, NoTextLayer, UnreadableTextLayer
from rag.pdfium import Pdf, PdfiumError
from rag.text import tcvn3
from rag.types import Content, Page, Remark

from .text import clean, title_of
from .words import are_words, broken, word_count

VERSION = "2"

MIN_CHARACTERS_A_PAGE = 20
"""A PDF with fewer on average is taken for a scan unless they are words."""

_FEWEST = 2  # different ones; a scan may have "page 7" on each page
_BROKEN = 0.15  # share of a page's words that are cut or glued above which pypdf is asked too
_HYPHENATED = re.compile(r"([^\W\d_]{1,40})[-\u2010]\n(?=([^\W\d_]{1,40}))")
_VIETNAMESE = re.compile("[ăđơưạ-ỹ]", re.I)
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_NO_TITLE = re.compile(
    r"(untitled|document|slide)?[\W\d_]*|microsoft \w+ - .*|.*\.(docx?|odt|pdf|pptx?|txt|xlsx?)",
    re.I,
)
# A damaged PDF makes pypdf raise more than its own errors (the docstring of pypdf.errors).
_PYTHON_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError)
_PDF_FAULTS = (PyPdfError, EOFError, RuntimeError, TypeError, ValueError, struct.error, zlib.error)
_FAULTS = (*_PDF_FAULTS, *_PYTHON_FAULTS)


def read(data: bytes, name: str) -> Content:
    """The text layer. Raises DocumentError if there is none, none of words, or no password."""
    title, pages = _read(data, name)
    texts = [_tidy(page.text) for page in pages]
    found = "\n".join(texts)
    unreadable = [n for n, page in enumerate(pages, start=1) if not page.is_words]
    if unreadable and len(unreadable) == sum(map(bool, texts)):
        raise _not_words(name, len(pages), sum(map(bool, texts)))
    if len(found) < MIN_CHARACTERS_A_PAGE * max(len(texts), 1) and word_count(found) < _FEWEST:
        raise _scanned(name, len(pages), sum(map(bool, texts)))
    if not isinstance(title, str) or _NO_TITLE.fullmatch(title.strip()):  # it may be any object
        title = ""
    return Content(
        title_of(title, name),
        tuple(Page(n, "" if n in unreadable else text) for n, text in enumerate(texts, start=1)),
        tuple(_remarks(unreadable, [n for n, page in enumerate(pages, start=1) if page.is_scan])),
    )


def _read(data: bytes, name: str) -> tuple[object, list[_Reading]]:
    """The title and the pages. What PDFium cannot open is left to pypdf, which says why."""
    try:
        with closing(Pdf(data)) as pdf:
            if pdf.pages:
                pypdf = _Pypdf(data)
                pages = [_best(pdf, number, pypdf) for number in range(1, pdf.pages + 1)]
                return tcvn3.converted(pdf.title()), pages
    except PdfiumError:
        pass
    return _by_pypdf(data, name)


def _best(pdf: Pdf, number: int, pypdf: _Pypdf) -> _Reading:
    """The page as PDFium reads it, or as pypdf does where that has more of its words."""
    try:
        page = pdf.page(number)
    except PdfiumError:
        return _reading(pypdf.text(number))
    if page.has_picture:
        return _Reading("", is_words=True, is_scan=True)
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
    """What one page was read as; `is_scan` if it has nothing but a picture."""

    text: str
    is_words: bool
    is_scan: bool = False


def _reading(text: str) -> _Reading:
    return _Reading(tcvn3.converted(text), are_words(text))


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


def _tidy(text: str) -> str:
    return _HYPHENATED.sub(_joined, clean(text.replace("\xad\n", "-\n")))


def _joined(match: re.Match[str]) -> str:
    """Join a word hyphenated at a line's end. Vietnamese never hyphenates: its dashes stay."""
    before, after = match.groups()
    hyphenated = before[-1].islower() and after[0].islower()
    return before if hyphenated and not _VIETNAMESE.search(before + after) else match[0]


def _remarks(unreadable: Sequence[int], scanned: Sequence[int]) -> Iterator[Remark]:
    """What was not read of a PDF that has text elsewhere."""
    if unreadable:
        which = _listed(unreadable)
        yield Remark(
            f"The text layer of page {which} is not words and was left out; run OCR on it.",
            f"Lớp văn bản của trang {which} không phải là chữ nên bị bỏ qua; hãy chạy OCR.",
        )
    if scanned:
        which = _listed(scanned)
        yield Remark(
            f"Page {which} is a picture without a text layer; if it is a scan, run OCR on it.",
            f"Trang {which} chỉ là hình, không có lớp văn bản; nếu là bản quét, hãy chạy OCR.",
        )


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return shown + (f" … ({len(numbers)})" if len(numbers) > 10 else "")


def _not_words(name: str, pages: int, with_text: int) -> UnreadableTextLayer:
    return UnreadableTextLayer(
        f"{name} has a text layer that is not words ({with_text} of {pages} pages): its fonts do "
        "not say which letters they draw; run OCR on it and add the result.",
        f"{name} có lớp văn bản không phải là chữ ({with_text} trên {pages} trang): phông của nó "
        "không cho biết vẽ chữ nào; hãy chạy OCR rồi thêm tệp kết quả.",
        pages=pages,
    )


def _scanned(name: str, pages: int, with_text: int) -> NoTextLayer:
    return NoTextLayer(
        f"{name} has no text layer, it looks scanned ({pages} pages, {with_text} with text); run "
        "OCR on it and add the result.",
        f"{name} không có lớp văn bản, có vẻ là bản quét ({pages} trang, {with_text} trang có "
        "chữ); hãy chạy OCR rồi thêm tệp kết quả.",
        pages=pages,
        pages_with_text=with_text,
    )
