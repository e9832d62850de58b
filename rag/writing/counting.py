"""How much of one answer has come, what of it was thinking, and how much may come. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from ..events import Thinking
from ..text.tokens import size
from ..types import Usage

MAX_ANSWER = 4_000_000  # bytes of text and thinking
_MARKS = 1000  # characters of marks that are looked at
_MARKED = re.compile(r"(?:\s|\[\d+\])*(?:\[\d*)?")


class TooMuch(Exception):
    """The server sent more than MAX_ANSWER."""


class Came:
    """How much of an answer has come, in bytes."""

    def __init__(self) -> None:
        self.text = self.thinking = 0
        self._only_marks, self._said = True, ""  # which is kept as long as there is nothing else

    @property
    def is_answer(self) -> bool:
        """Whether there is more text than marks of sources: small models write “[1] [2]” alone."""
        return self.text > 0 and not self._only_marks

    @property
    def size(self) -> int:
        return self.text + self.thinking

    def add(self, piece: str | Thinking) -> None:
        """Raises TooMuch."""
        match piece:
            case str():
                self.text += size(piece)
                self._said += piece if self._only_marks and len(self._said) < _MARKS else ""
                self._only_marks = _MARKED.fullmatch(self._said) is not None
            case Thinking(text, so_far):
                self.thinking += size(text)
                if so_far:
                    self.text, self.thinking = 0, self.size
                    self._only_marks, self._said = True, ""
        if self.size > MAX_ANSWER:
            raise TooMuch

    def was_all_text(self) -> None:
        """What was taken for thinking came as text, too: there was none."""
        self.thinking = 0

    def apart(self, usage: Usage, thinking: int | None) -> Usage:
        """`usage` with what of its output went into `thinking`: as the server says, else in
        proportion to what came."""
        if thinking is None:
            thinking = round(usage.output_tokens * self.thinking / max(self.size, 1))
        return replace(usage, thinking_tokens=min(thinking, usage.output_tokens))
