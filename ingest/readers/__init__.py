"""Turns a file into clean text, page by page: one table of formats, one module for each.

Knows nothing of chunks or the store. Text is NFKC without control or invisible characters; lines
end in "\\n" with no space before it, and at most two blank lines follow one another.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol

from rag.errors import DocumentError, UnsupportedFormat
from rag.types import PICTURES, Content

from . import (
    code,
    delimited,
    docx,
    eml,
    epub,
    html,
    image,
    markdown,
    ocr,
    opendocument,
    pdf,
    pptx,
    records,
    rtf,
    text,
    xlsx,
)


class Reader(Protocol):
    """A module that reads one format. Its VERSION is raised when it gets another text or title out
    of the same file: the files of that format are then read again."""

    VERSION: str

    def read(self, data: bytes, name: str) -> Content:
        """The document in `data`, a file called `name`. Raises DocumentError."""


# A format is a line here: from its suffix to what reads it.
READERS: dict[str, Reader] = {
    ".md": markdown,
    ".markdown": markdown,
    ".txt": text,
    ".html": html,
    ".htm": html,
    ".pdf": pdf,
    ".docx": docx,
    ".pptx": pptx,
    ".xlsx": xlsx,
    ".odt": opendocument,
    ".ods": opendocument,
    ".odp": opendocument,
    ".rtf": rtf,
    ".csv": delimited,
    ".tsv": delimited,
    ".json": records,
    ".jsonl": records,
    ".epub": epub,
    ".eml": eml,
    ".rst": text,
    **dict.fromkeys(code.SUFFIXES, code),
    **dict.fromkeys(PICTURES, image),
}


USUAL = "PDF, DOCX, PPTX, XLSX, ODT, EPUB, HTML, MD, TXT, CSV"  # of them all, for a sentence


def version(path: Path, lacks_text: bool) -> str:
    """Of what reads this file; `lacks_text` if pages of it have none, which OCR may then read."""
    reader = READERS.get(path.suffix.lower())
    has_ocr = lacks_text and reader is pdf and ocr.tesseract() is not None
    return reader.VERSION + (" ocr" if has_ocr else "") if reader else ""


def unsupported(name: str) -> UnsupportedFormat:
    """Says that there is no reader for a file of this name."""
    return UnsupportedFormat(
        f"{name}: this format cannot be read; convert it to one of {USUAL}.",
        f"{name}: chưa đọc được định dạng này; hãy chuyển sang {USUAL}.",
    )


def read(path: Path, file: BinaryIO | None = None) -> Content:
    """Read one document, from `file` if it is open already; raises DocumentError, for an unknown
    suffix UnsupportedFormat."""
    reader, name = READERS.get(path.suffix.lower()), path.name
    if reader is None:
        raise unsupported(name)
    try:
        data = file.read() if file else path.read_bytes()
    except OSError as exc:
        en = f"{name} could not be opened ({exc.strerror}); check that it exists and is readable."
        vi = f"Không mở được {name} ({exc.strerror}); hãy kiểm tra tệp còn đó và có quyền đọc."
        raise DocumentError(en, vi) from exc
    if not data.strip():
        reader = text  # it says that the file is empty
    return reader.read(data, name)
