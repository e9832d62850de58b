"""Reads what a chat-completions server sends, byte by byte as it comes: the answer's pieces, what
was counted, and how it ended. Pure: knows no connection and no clock.

Servers send events with blank lines between them or without, comments as a sign of life, a whole
JSON answer though a stream was asked for, and the text under `delta`, `message` or `text`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ..types import Usage
from . import chunk
from .chunk import Sent

MAX_EVENT = 1_000_000  # bytes of one event of the stream, or of an answer that is none
FOREIGN = 1000  # characters that are kept of what is no event
LINE = 100  # bytes that one of its lines counts in addition: there may be millions of empty ones
_LINE_END = re.compile(rb"\r\n|\n|\r")
_PLACES = ("delta", "message", "text")
_DONE = "[DONE]"


class WireError(Exception):
    """What came cannot be an answer."""


class Unreadable(WireError):
    """It is no stream of events and no JSON. `text` is how it begins."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.text = text


class Overlong(WireError):
    """More than MAX_EVENT bytes came without an end."""


class Reported(WireError):
    """The server says in its answer that it failed: in a `text` and by a `code` or `type`."""

    def __init__(self, error: object) -> None:
        self.message = str(chunk.inner(error, "message") or error)
        super().__init__(self.message)
        self.text = json.dumps(error)
        self.code = _word(chunk.inner(error, "code"))
        self.type = _word(chunk.inner(error, "type"))


class Wire:
    """One answer as it comes. `reason` is why it ended, None while that was not said; a word that
    is not among those known is kept as it was. `thinking_tokens` are those of `usage` that the
    server says went into thinking. Nothing follows once it is `over`."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.usage: Usage | None = None
        self.thinking_tokens: int | None = None
        self.called_tools = False
        self.over = False
        self._line = bytearray()  # the last one, which may go on
        self._after_cr = False
        self._kind = ""  # of the event whose lines come
        self._pending: list[str] = []  # lines of an event that is not whole yet
        self._body: list[str] = []  # lines of JSON that is no event
        self._held = 0  # what both count
        self._came = self._understood = self._is_whole = False
        self._foreign = ""  # how begins what is no event
        self._place = ""  # where this server puts its text

    @property
    def ended(self) -> bool:
        """Whether the server has said that this is all."""
        return self.over or self.reason is not None

    def feed(self, data: bytes) -> Iterator[Sent]:
        """What `data` adds. Raises WireError."""
        half, self._after_cr = self._after_cr, data.endswith(b"\r")
        data = data.removeprefix(b"\n") if half else data
        self._line += data
        if _LINE_END.search(data):
            *lines, rest = _LINE_END.split(bytes(self._line))
            self._line = bytearray(rest)
            for line in lines:
                yield from self._read(line)
                if self.over:
                    return
        if len(self._line) + self._held > MAX_EVENT:
            raise Overlong

    def end(self) -> Iterator[Sent]:
        """What is left when the connection was closed. Raises WireError."""
        yield from self._read(bytes(self._line))
        if self._body and not self.over:
            value, is_json = _tried("\n".join(self._body))
            self._understood = self._understood or not is_json  # it was cut
            if is_json:
                yield from self._take(value)
                self._is_whole = _is_whole(value)
        self.over = self.over or self._is_whole
        if self._came and not self._understood:
            raise Unreadable(self._foreign)

    def _read(self, line: bytes) -> Iterator[Sent]:
        self._came = self._came or bool(line.strip())
        if len(line) + self._held > MAX_EVENT:
            raise Overlong
        text = line.decode("utf-8", "replace").removeprefix("\ufeff")
        name, colon, value = text.partition(":")
        if self._body:
            self._keep(self._body, text)
        elif not text:
            if self._pending:
                lines, self._pending, self._held = self._pending, [], 0
                value, is_json = _tried("\n".join(lines))
                if not is_json:
                    raise Unreadable
                yield from self._take(value)
            self._kind = ""
        elif colon and name == "data":
            yield from self._data(value.removeprefix(" "))
        elif colon and name == "event":
            self._kind = value.strip()
        elif text.startswith(_DONE):
            self._understood = self.over = True
        elif text.lstrip()[:1] in ("{", "["):
            yield from self._bare(text)
        elif colon and name in ("", "id", "retry"):
            self._understood = True
        elif len(self._foreign) < FOREIGN:
            self._foreign += text[:FOREIGN] + "\n"

    def _data(self, data: str) -> Iterator[Sent]:
        """An event, or a line of one. Some servers send no blank line between two."""
        if data.startswith(_DONE):
            self._understood = self.over = True
            return
        value, is_json = _tried(data)
        if self._pending and isinstance(value, dict):
            raise Unreadable  # the one before was never whole
        if self._pending or not is_json:
            self._keep(self._pending, data)
        else:
            yield from self._take(value)

    def _bare(self, text: str) -> Iterator[Sent]:
        """JSON that is the data of no event: the whole answer, its first line, or an error."""
        value, is_json = _tried(text)
        if not is_json:
            self._keep(self._body, text)
            return
        yield from self._take(value)
        self._is_whole = _is_whole(value)

    def _keep(self, lines: list[str], line: str) -> None:
        lines.append(line)
        self._held += len(line) + LINE
        if self._held > MAX_EVENT:
            raise Overlong

    def _take(self, value: object) -> Iterator[Sent]:
        """One event's JSON. Raises Reported."""
        match value:
            case [dict(first), *_]:  # Gemini puts its errors into a list
                event: dict[str, Any] = first
            case dict():
                event = value
            case _:
                return
        if error := chunk.error(event, self._kind):
            raise Reported(error)
        if "choices" in event or "usage" in event:
            self._understood = True
        if counted := chunk.usage(event):
            self.usage, self.thinking_tokens = counted
        match event.get("choices"):
            case [dict(choice), *_]:
                yield from self._choice(choice)
            case _:
                pass

    def _choice(self, choice: dict[str, Any]) -> Iterator[Sent]:
        if error := choice.get("error"):
            raise Reported(error)
        for place in _PLACES:
            if not (said := choice.get(place)):
                continue
            message = said if isinstance(said, dict) else {"content": said}
            self.called_tools = self.called_tools or chunk.calls_tools(message)
            if self._place in ("", place):  # some repeat all of it as a `message` at the end
                for sent in chunk.pieces(message):
                    self._place = place
                    yield sent
        self.reason = chunk.reason(choice.get("finish_reason")) or self.reason


def _is_whole(value: object) -> bool:
    """Whether this is an answer that is not streamed: with it comes its end."""
    match value:
        case {"choices": [{"message": dict()} | {"text": str()}, *_]}:
            return True
        case _:
            return False


def _tried(text: str) -> tuple[Any, bool]:
    """The value of JSON, and whether it is that."""
    try:
        return json.loads(text), True
    except (ValueError, RecursionError):  # brackets may be nested deeper than Python goes
        return None, False


def _word(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) else None
