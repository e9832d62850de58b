"""Turns a file into clean text, page by page: one table of formats, one module for each.

Knows nothing of chunks or the store. Text is NFKC without control or invisible characters; lines
end in "\\n" with no space before it, and at most two blank lines follow one another.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rag.errors import DocumentError, UnsupportedFormat
from rag.types import Content

from .html import read_html
from .markdown import read_markdown
from .pdf import read_pdf
from .text import read_text

Reader = Callable[[bytes, str], Content]

VERSION = "1"
"""Raise it when a reader gets another text or title out of the same file: all are read again."""
# A format is a line here: from its suffix to what reads it.
READERS: dict[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_text,
    ".html": read_html,
    ".htm": read_html,
    ".pdf": read_pdf,
}


def read(path: Path) -> Content:
    """Read one document; raises DocumentError, for an unknown suffix UnsupportedFormat."""
    reader, name = READERS.get(path.suffix.lower()), path.name
    if reader is None:
        en = f"{name}: this format cannot be read; convert it to one of {', '.join(READERS)}."
        vi = f"{name}: chưa đọc được định dạng này; hãy chuyển sang {', '.join(READERS)}."
        raise UnsupportedFormat(en, vi)
    try:
        data = path.read_bytes()
    except OSError as exc:
        en = f"{name} could not be opened ({exc.strerror}); check that it exists and is readable."
        vi = f"Không mở được {name} ({exc.strerror}); hãy kiểm tra tệp còn đó và có quyền đọc."
        raise DocumentError(en, vi) from exc
    if not data.strip():
        reader = read_text  # it says that the file is empty
    return reader(data, name)
