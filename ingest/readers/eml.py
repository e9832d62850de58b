"""E-mail as its reader sees it: who wrote to whom and when, the text, and what was attached.

What is attached is named and not read; of a message in several forms the plain text is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.policy import Compat32

from rag.errors import DocumentError
from rag.types import Content

from .html import main_part, parsed
from .text import MARKS, MOST_MB, clean, decoded, one_page, too_large

VERSION = "1"

_SHOWN = ("Subject", "From", "To", "Cc", "Date")
_LONGEST = 5_000  # characters of a header; the time it takes the library grows with their square
_MOST_BOUNDARIES = 20_000  # between parts
_FAULTS = (
    *(MessageError, RecursionError, LookupError, ValueError),
    *(AssertionError, AttributeError, TypeError),  # what the library raises of damaged messages
)


class _Cut(Compat32):
    """Headers of a bounded length."""

    def header_source_parse(self, sourcelines: Sequence[str]) -> tuple[str, str]:
        field, value = super().header_source_parse(list(sourcelines))
        return field, value[:_LONGEST]


def read(data: bytes, name: str) -> Content:
    """The message as one page; its subject is the title."""
    if len(data) > MOST_MB * 1_000_000:
        raise too_large(name)
    if data.count(b"\n--") > _MOST_BOUNDARIES:
        raise _no_message(name)
    try:
        message = message_from_bytes(data, policy=_Cut())
        if not any(field in message for field in ("From", "To", "Subject", "Date", "Received")):
            raise _no_message(name)
        text, attached = _body(message, name)
        fields = [(field, _header(message, field)) for field in _SHOWN]
    except _FAULTS as exc:
        raise _no_message(name) from exc
    shown = "\n".join(f"{field}: {value}" for field, value in fields if value)
    files = f"Attachments: {', '.join(attached)}" if attached else ""
    return one_page(fields[0][1], "\n\n".join(filter(None, (shown, text, files))), name)


def _body(message: Message, name: str) -> tuple[str, list[str]]:
    """The text, blocks marked, and the names of what is attached."""
    plain, pages, attached = list[str](), list[str](), list[str]()
    for part in message.walk():
        if part.is_multipart():
            continue
        file = part.get_filename()
        kind = part.get_content_type()
        if file or part.get_content_disposition() == "attachment":
            attached.append(_decoded_header(file) if file else kind)
        elif kind == "text/plain":
            plain.append(MARKS.sub("", _text(part)))
        elif kind == "text/html":
            pages.append(main_part(parsed(_text(part), name))[1])
    texts = list(filter(clean, plain)) or pages
    return "\n\n".join(text.strip() for text in texts), attached


def _text(part: Message) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    try:
        return data.decode(part.get_content_charset() or "utf-8")
    except (LookupError, ValueError):
        return decoded(data)


def _header(message: Message, field: str) -> str:
    return _decoded_header(str(message.get(field, "")))


def _decoded_header(value: str) -> str:
    """A header with its encoded words decoded, as it is if they are damaged."""
    try:
        shown = str(make_header(decode_header(value)))
    except _FAULTS:
        shown = value
    return " ".join(MARKS.sub("", shown).split())


def _no_message(name: str) -> DocumentError:
    return DocumentError(
        f"{name} is damaged or not an e-mail; save the message again as .eml.",
        f"{name} bị hỏng hoặc không phải thư điện tử; hãy lưu lại thư ở dạng .eml.",
    )
