"""What the reading of one file may take, and what is said where it takes more. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rag.errors import DocumentError, NoProcess

MOST_CHARACTERS = 20_000_000
"""Of the text of one document, which takes hours to embed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the reading of one file may take: bytes of the file, seconds (for a reader that says
    that it goes on, until it says so again), bytes of memory of the process, and the characters and
    pages that come out."""

    size: int = 200_000_000
    seconds: int = 300
    memory: int = 1_000_000_000
    characters: int = MOST_CHARACTERS
    pages: int = 20_000


USUAL = Limits()


def no_process(why: str) -> NoProcess:
    """Says so, and what to do."""
    return NoProcess(
        "Files are read in a process of their own, which cannot be started here "
        f"({why}), so that nothing was read. Look into Headwater's log, then read again.",
        "Tệp được đọc trong một tiến trình riêng, và tiến trình đó không khởi động được ở đây "
        f"({why}), nên chưa đọc gì. Hãy xem nhật ký của Headwater rồi đọc lại.",
    )


def too_large(name: str, size: int) -> DocumentError:
    """Says that a file has more than `size` bytes."""
    return DocumentError(
        f"{name} is larger than {_mb(size)} MB; split it into smaller files.",
        f"{name} lớn hơn {_mb(size)} MB; hãy chia thành các tệp nhỏ hơn.",
    )


def too_long(name: str, seconds: int) -> DocumentError:
    """Says that a file was not read within `seconds`."""
    return DocumentError(
        f"{name} took longer than {seconds} seconds to read; split it into smaller files, or save "
        "it anew in the program that made it.",
        f"Đọc {name} mất hơn {seconds} giây; hãy chia thành các tệp nhỏ hơn, hoặc lưu lại bằng "
        "chương trình đã tạo ra nó.",
    )


def too_much_memory(name: str, memory: int) -> DocumentError:
    """Says that a file was not read with `memory` bytes."""
    return DocumentError(
        f"{name} needs more than {_mb(memory)} MB of memory to be read; split it into smaller "
        "files, or save it anew in the program that made it.",
        f"Đọc {name} cần hơn {_mb(memory)} MB bộ nhớ; hãy chia thành các tệp nhỏ hơn, hoặc lưu lại "
        "bằng chương trình đã tạo ra nó.",
    )


def too_much(name: str, limit: int, of: str, vi: str) -> DocumentError:
    """Says that more than `limit` of something, in English and Vietnamese, came out of a file."""
    return DocumentError(
        f"{name} has more than {limit:,} {of}; split it into smaller files.",
        f"{name} có hơn {limit:,} {vi}; hãy chia thành các tệp nhỏ hơn.",
    )


def too_many_characters(name: str, limit: int = MOST_CHARACTERS) -> DocumentError:
    return too_much(name, limit, "characters of text", "ký tự")


def died(name: str, how: str) -> DocumentError:
    """Says that the process that read a file ended."""
    return DocumentError(
        f"{name} made what reads it end ({how}); it is probably damaged: open it in its program "
        "and save it anew.",
        f"{name} làm chương trình đọc nó dừng đột ngột ({how}); tệp có thể bị hỏng: hãy mở bằng "
        "chương trình của nó rồi lưu lại.",
    )


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f}"
