"""E-mail as its reader sees it: who wrote to whom and when, the text, and what was attached.

What is attached is named and not read; where a text stands in several forms, the plain one is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.policy import Compat32
from itertools import chain

from rag.errors import DocumentError
from rag.types import Content

from .html import main_part, parsed
from .text import MARKS, clean, decoded, one_page

VERSION = "2"

_SHOWN = ("Subject", "From", "To", "Cc", "Date")
_PLAIN = "text/plain"
_LONGEST = 5_000  # characters of a header; the time it takes the library grows with their square
_MOST_BYTES = 100_000_000  # of a message, with what is attached
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
    if len(data) > _MOST_BYTES:
        raise _too_large(name)
    if data.count(b"\n--") > _MOST_BOUNDARIES:
        raise _no_message(name)
    try:
        message = message_from_bytes(data, policy=_Cut())
        if not any(field in message for field in ("From", "To", "Subject", "Date", "Received")):
            raise _no_message(name)
        texts, attached = _body(message, name)
        fields = [(field, _header(message, field)) for field in _SHOWN]
    except _FAULTS as exc:
        raise _no_message(name) from exc
    shown = "\n".join(f"{field}: {value}" for field, value in fields if value)
    files = f"Attachments: {', '.join(attached)}" if attached else ""
    return one_page(fields[0][1], "\n\n".join(filter(None, (shown, *texts, files))), name)


def _body(part: Message, name: str) -> tuple[list[str], list[str]]:
    """The texts of a part, blocks marked, and the names of what is attached: a message in this one
    too, and what is neither text nor HTML."""
    kind = part.get_content_type()
    if file := part.get_filename():
        return [], [_decoded_header(file)]
    if kind.startswith("message/"):
        return [], [_subject(part) or kind]
    if part.get_content_disposition() == "attachment":
        return [], [kind]
    if inside := _inside(part):
        bodies = [_body(child, name) for child in inside]
        texts = [texts for texts, _ in bodies if texts]
        if kind == "multipart/alternative":  # one text in several forms, the richest last
            forms = zip(inside, bodies, strict=True)
            plain = [body[0] for child, body in forms if child.get_content_type() == _PLAIN]
            texts = [texts for texts in plain if texts][:1] or texts[-1:]
        return list(chain.from_iterable(texts)), [file for _, files in bodies for file in files]
    if kind == "text/html":
        text = main_part(parsed(_text(part), name))[1]
    elif kind == _PLAIN or kind.startswith("multipart/"):  # whose parts are not marked off
        text = MARKS.sub("", _text(part))
    else:
        return [], [kind]
    return [text.strip()] if clean(text) else [], []


def _inside(part: Message) -> list[Message]:
    inside = part.get_payload()
    return [child for child in inside if isinstance(child, Message)] if part.is_multipart() else []


def _subject(part: Message) -> str:
    """Of the message that a part is."""
    return next((_header(message, "Subject") for message in _inside(part)), "")


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


def _too_large(name: str) -> DocumentError:
    most = _MOST_BYTES // 1_000_000
    return DocumentError(
        f"{name} is larger than {most} MB; save the message without what is attached.",
        f"{name} lớn hơn {most} MB; hãy lưu thư không kèm các tệp đính kèm.",
    )


def _no_message(name: str) -> DocumentError:
    return DocumentError(
        f"{name} is damaged or not an e-mail; save the message again as .eml.",
        f"{name} bị hỏng hoặc không phải thư điện tử; hãy lưu lại thư ở dạng .eml.",
    )
