"""PDF, page by page, with pypdf."""

from __future__ import annotations

import re
import struct
import zlib
from io import BytesIO

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

from rag.errors import DocumentError
from rag.types import Content, Page

from .text import clean, title_of

MIN_CHARACTERS_A_PAGE = 20
"""A PDF with fewer on average is taken for a scan: pypdf finds no text in an image, silently."""

_HYPHENATED = re.compile(r"([^\W\d_]{1,40})[-\u2010]\n(?=([^\W\d_]{1,40}))")
_VIETNAMESE = re.compile("[ăđơưạ-ỹ]", re.I)
_NO_TITLE = re.compile(
    r"(untitled|document|slide)?[\W\d_]*|microsoft \w+ - .*|.*\.(docx?|odt|pdf|pptx?|txt|xlsx?)",
    re.I,
)
# A damaged PDF makes pypdf raise more than its own errors (the docstring of pypdf.errors).
_PYTHON_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError)
_PDF_FAULTS = (PyPdfError, EOFError, RuntimeError, TypeError, ValueError, struct.error, zlib.error)


def read_pdf(data: bytes, name: str) -> Content:
    """The text layer. Raises DocumentError if there is none, or no password."""
    try:
        reader = PdfReader(BytesIO(data))
        texts = [page.extract_text() for page in reader.pages]
        title = reader.metadata.title if reader.metadata else None
    except FileNotDecryptedError as exc:
        en = f"{name} is encrypted and a password is needed; add a copy saved without one."
        vi = f"{name} được mã hóa và cần mật khẩu; hãy thêm một bản đã lưu không có mật khẩu."
        raise DocumentError(en, vi) from exc
    except DependencyError as exc:
        en = f"{name} needs a package that is missing ({exc}); install requirements.txt again."
        vi = f"Thiếu gói phần mềm để đọc {name} ({exc}); hãy cài lại requirements.txt."
        raise DocumentError(en, vi) from exc
    except (*_PDF_FAULTS, *_PYTHON_FAULTS) as exc:
        en = f"{name} is damaged or not a PDF; open it in a viewer and print it to a new PDF."
        vi = f"{name} bị hỏng hoặc không phải PDF; hãy mở bằng trình xem và in ra một PDF mới."
        raise DocumentError(en, vi) from exc
    texts = [_HYPHENATED.sub(_joined, clean(text.replace("\xad\n", "-\n"))) for text in texts]
    if sum(map(len, texts)) < MIN_CHARACTERS_A_PAGE * max(len(texts), 1):
        en = f"{name} has no text layer, it looks scanned; run OCR on it and add the result."
        vi = f"{name} không có lớp văn bản, có vẻ là bản quét; hãy chạy OCR rồi thêm tệp kết quả."
        raise DocumentError(en, vi)
    pages = tuple(Page(number, text) for number, text in enumerate(texts, start=1))
    if not isinstance(title, str) or _NO_TITLE.fullmatch(title.strip()):  # it may be any object
        title = ""
    return Content(title_of(title, name), pages)


def _joined(match: re.Match[str]) -> str:
    """Join a word hyphenated at a line's end. Vietnamese never hyphenates: its dashes stay."""
    before, after = match.groups()
    hyphenated = before[-1].islower() and after[0].islower()
    return before if hyphenated and not _VIETNAMESE.search(before + after) else match[0]
