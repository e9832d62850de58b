"""What became of each file of a reading, in both languages. Knows no file format and no storage."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rag.errors import (
    DocumentError,
    EmptyDocument,
    LinkedOutside,
    NoTextLayer,
    UnreadableTextLayer,
    UnsupportedFormat,
)
from rag.types import Document, Remark

from .listing import DATA, Folder, shown

log = logging.getLogger(__name__)

Outcome = Literal[
    "added",
    "replaced",
    "unchanged",
    "removed",
    "unsupported",
    "needs_ocr",
    "unreadable_text_layer",
    "empty",
    "failed",
]
FAILURES = frozenset[Outcome]({"needs_ocr", "unreadable_text_layer", "empty", "failed"})
_OUTCOMES: dict[type[DocumentError], Outcome] = {
    UnsupportedFormat: "unsupported",
    NoTextLayer: "needs_ocr",
    UnreadableTextLayer: "unreadable_text_layer",
    EmptyDocument: "empty",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one file, at the end. `reason` says why where it was not read, or what of it
    was not, and what to do, in English; `reason_vi` in Vietnamese. `seconds` are those that reading
    it took, and embedding it with its share of those that were embedded together."""

    name: str
    outcome: Outcome
    pages: int = 0
    pages_with_text: int = 0
    chunks: int = 0
    reason: str = ""
    reason_vi: str = ""
    seconds: float = field(default=0.0, compare=False)

    @property
    def reasons(self) -> str:
        """In both languages."""
        return " · ".join(filter(None, (self.reason_vi, self.reason)))

    @property
    def is_failure(self) -> bool:
        """Whether it is a document that should be in the library and could not be read."""
        return self.outcome in FAILURES


def failure(name: str, cause: Exception, known: bool) -> Receipt:
    """Of a file that could not be read, `known` if the library has it. The rest is in the log."""
    match cause:
        case LinkedOutside():
            kept = (
                " What was read of it earlier was removed.",
                " Nội dung đã đọc trước đây của tệp đã bị xóa.",
            )
        case UnsupportedFormat():
            kept = "", ""
        case _:
            kept = (
                " What was read of it earlier is kept.",
                " Nội dung đã đọc trước đây của tệp vẫn được giữ.",
            )
    if not known:
        kept = "", ""
    pages = with_text = 0
    outcome: Outcome = "failed"
    match cause:
        case DocumentError():
            outcome = _OUTCOMES.get(type(cause), "failed")
            pages, with_text = cause.pages, cause.pages_with_text
            en, vi = cause.en, cause.vi
        case OSError():
            why = cause.strerror or type(cause).__name__  # never its path
            en = f"{name} could not be read ({why}); check that it may be opened."
            vi = f"Không đọc được {name} ({why}); hãy kiểm tra quyền mở tệp."
        case _:
            log.error("a file could not be read", exc_info=cause)
            en = f"{name} could not be read: Headwater has a fault here, which its log describes."
            vi = f"Không đọc được {name} do lỗi của Headwater, được ghi trong nhật ký."
    return Receipt(name, outcome, pages, with_text, 0, en + kept[0], vi + kept[1])


def unreadable(place: str, error: OSError) -> Receipt:
    """Of a folder that could not be listed."""
    why = error.strerror or type(error).__name__
    return Receipt(
        shown(place),
        "failed",
        reason=f"The folder {shown(place)} could not be read ({why}). What was read from it is "
        "kept; check that it may be opened.",
        reason_vi=f"Không đọc được thư mục {shown(place)} ({why}). Nội dung đã đọc từ đó vẫn được "
        "giữ; hãy kiểm tra quyền mở thư mục.",
    )


def place_of(folder: Folder) -> str:
    """What a receipt that is of the whole folder calls it."""
    return shown(folder.name or DATA)


def emptied(folder: Folder) -> Receipt:
    """Of a folder in which there is no file any more."""
    place, path = place_of(folder), shown(folder.name) or "PATH"
    return Receipt(
        place,
        "failed",
        reason=f"The folder {place} is empty, and what was read from it is kept. Is its disk "
        f"mounted? To remove it from the library: python -m ingest --forget {path}",
        reason_vi=f"Thư mục {place} trống, và nội dung đã đọc từ đó vẫn được giữ. Ổ đĩa đã được "
        f"gắn chưa? Để xóa khỏi thư viện: python -m ingest --forget {path}",
    )


def read(
    document: Document, outcome: Outcome, remarks: Sequence[Remark], seconds: float
) -> Receipt:
    """Of a document that is in the library now, and what is to be said about it."""
    return Receipt(
        document.name,
        outcome,
        document.pages,
        document.pages_with_text,
        document.chunks,
        " ".join(remark.en for remark in remarks),
        " ".join(remark.vi for remark in remarks),
        round(seconds, 3),
    )
