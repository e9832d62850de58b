"""Finds the citation markers in a stream of Markdown and names the sentence each one closes, and
the sentences that have none.

What models write in place of [1] is turned into it, and a number that no source has is removed.
Code, links and addresses stay as they are. Character by character, so that it cannot matter how
the text was cut. Pure; knows no sources but their numbers.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ..text.language import words
from .markdown_position import Place
from .markers import cited_numbers, is_marker, may_become_marker

# A longer one is judged by its end: nobody writes so, and each marker in it would cost as much.
MAX_SENTENCE = 600
# Fewer words before a marker are no claim: “According to [1], …”.
FEW_WORDS = 4
# Characters that are held for a marker, and behind one for the end of a link around it.
MAX_HELD = 120
MAX_LINK = 200


@dataclass(frozen=True, slots=True)
class Cited:
    """What one marker cites, and the sentence or the part of one that it closes, without markers.

    It comes right behind its marker or, where that stands first, when the sentence has ended; ""
    where there is none. `start` is where the marker's first [n] begins, in characters of the text
    that was yielded.
    """

    numbers: tuple[int, ...]
    start: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Uncited:
    """A sentence that cites nothing. It comes when that has ended, or the text; `end` is where it
    does, in characters of the text that was yielded."""

    sentence: str
    end: int


Found = Cited | Uncited

# From a marker inside [brackets] to where they turn out to be a link's text.
_IN_LINK = r"(?:[^\[\]\n]|\[[^\[\]\n]*\])*"
_LINK, _LINK_BEGUN = (re.compile(_IN_LINK + end) for end in (r"\]\(", r"(?:\[[^\[\]\n]*|\])?"))
_OPENING, _CLOSING = "[【［(（", "】］)）"
# What joins two markers. It goes with one of them that is removed.
_JOINT = re.compile(r" ?(?:[,;&]|(?<= )(?:and|và)(?= )) ?")
_JOINT_BEGUN = re.compile(r" ?(?:[,;&] ?|(?<= )(?:a|an|and ?|v|và ?))?")
# Before these no space stays when a marker between them is removed.
_AFTER_NO_SPACE = " \n\t.,;:!?…)]}”"


class Citations:
    """The markers of one turn, whose sources have these `numbers`; feed it the deltas in order.

    Yields the text, with every marker as [n], a Cited after each and an Uncited after each sentence
    without one. `dropped` counts the numbers that were removed because no source has them.
    """

    def __init__(self, numbers: Collection[int]) -> None:
        self._numbers = frozenset(numbers)
        self.dropped = 0
        self._length = 0  # of the text that was yielded
        self._ended = 0  # where that ends, without the spaces behind it
        self._line_ended = 0  # the same of the line before
        self._place = Place()
        self._sentence = _Sentence()
        self._held = ""  # what may become a marker
        self._marker = 0  # the length of the marker in it, once only a link could undo it
        self._space = ""  # goes with a marker that is removed
        self._joint: str | None = None  # what came behind a marker, while it may join another
        self._removed = False
        self._last = "\n"

    def feed(self, delta: str) -> Iterator[str | Found]:
        yield from self._joined(self._pieces(delta))

    def end(self) -> Iterator[str | Found]:
        """What was held; the text is over."""
        yield from self._joined(self._rest())

    def _joined(self, pieces: Iterable[str | Found]) -> Iterator[str | Found]:
        text: list[str] = []
        for piece in pieces:
            if isinstance(piece, str):
                self._length += len(piece)
                text.append(piece)
                continue
            if joined := "".join(text):
                yield joined
            text = []
            yield piece
        if joined := "".join(text):
            yield joined

    def _rest(self) -> Iterator[str | Found]:
        while held := self._held:
            end = self._marker or (len(held) if is_marker(held) else 0)
            yield from self._decide(end)
            yield from self._pieces(held[end or 1 :])
        yield from self._apart()
        if not self._removed:
            yield self._space
        self._space = ""
        yield from self._sentence.end(self._ended)

    def _pieces(self, text: str) -> Iterator[str | Found]:
        coming = deque(text)
        while coming:
            character = coming.popleft()
            held = self._held + character
            if not self._held and self._joint is not None:
                joint = self._joint + character
                if _JOINT_BEGUN.fullmatch(joint):
                    self._joint = joint
                    continue
                if character not in _OPENING or not _JOINT.fullmatch(self._joint):
                    yield from self._apart()
            if not self._held:
                if character in _OPENING and self._place.is_text():
                    self._held = character
                else:
                    yield from self._plain(character)
            elif self._marker:
                short = len(held) <= self._marker + MAX_LINK
                if short and _LINK_BEGUN.fullmatch(held, self._marker):
                    self._held = held
                elif short and _LINK.fullmatch(held, self._marker):
                    yield from self._verbatim(held)
                else:
                    self._place.brackets = 0
                    coming.extendleft(reversed(held[self._marker :]))
                    yield from self._decide(self._marker)
            elif len(held) <= MAX_HELD and may_become_marker(held):
                self._held = held
                if character in _CLOSING and is_marker(held):
                    yield from self._decide(len(held))
            elif not is_marker(self._held):
                coming.extendleft(reversed(held[1:]))
                yield from self._decide(0)
            elif character == "(":
                yield from self._verbatim(held)
            elif self._place.brackets:
                self._marker = len(self._held)
                coming.appendleft(character)
            else:
                coming.appendleft(character)
                yield from self._decide(len(self._held))

    def _decide(self, end: int) -> Iterator[str | Found]:
        """Lets go of what is held: up to `end` it is a marker, with 0 its first character is none.
        The rest is the caller's."""
        marker = self._held[:end] or self._held[0]
        numbers = cited_numbers(marker) if end else ()
        if not numbers:
            yield from self._apart()
            yield from self._verbatim(marker)
            return
        self._held, self._marker = "", 0
        known = tuple(number for number in numbers if number in self._numbers)
        self.dropped += len(numbers) - len(known)
        if known and not self._removed:
            yield from self._apart()
        self._joint = ""
        self._place.skip()
        if not known:
            self._removed = True
            return
        text = "".join(f"[{number}]" for number in known)
        yield self._space + text
        self._space, self._removed, self._last = "", False, "]"
        yield from self._sentence.cite(known, self._length - len(text))

    def _apart(self) -> Iterator[str | Found]:
        """What came behind a marker joins it to no other that stays."""
        joint, self._joint = self._joint or "", None
        for character in joint:
            yield from self._plain(character)

    def _verbatim(self, text: str) -> Iterator[str | Found]:
        self._held, self._marker = "", 0
        for character in text:
            yield from self._plain(character)

    def _plain(self, character: str) -> Iterator[str | Found]:
        if self._removed and character == " " and (self._space or self._last in "\n ("):
            return
        if self._removed and character in _AFTER_NO_SPACE:
            self._space = ""
        self._removed = False
        if self._space:
            yield self._space
        if self._place.step(character):
            yield from self._sentence.end_block(self._line_ended)
        elif not self._place.fence:
            yield from self._sentence.add(character, self._ended)
        self._space = " " if character == " " else ""
        if not self._space:
            yield character
        if character == "\n":
            self._line_ended = self._ended
        elif not (character.isspace() or character == "|"):  # what is put there stays in its cell
            self._ended = self._length
        self._last = character


class _Sentence:
    """The sentence that is being written, without its markers, and what it cites."""

    _ENDED = re.compile(r"[.!?…][\"”’)\]*_`]*\s+$")
    _LOOSE = re.compile(r"\s+([.,;:!?…])")

    def __init__(self) -> None:
        self._text = ""
        self._claim = 0  # where the last claim begins
        self._since = 0  # where the last marker stood
        self._waiting: list[tuple[tuple[int, ...], int]] = []
        self._cites = False

    def add(self, character: str, ended: int) -> Iterator[Found]:
        if self._text[-1:].isspace() and not character.isspace():
            opens = not character.islower() and (character.isalnum() or character in "\"“'([`-*")
            if opens and self._ENDED.search(self._text, max(0, len(self._text) - 12)):
                yield from self.end(ended)
        self._text += character
        if len(self._text) > 2 * MAX_SENTENCE:
            cut = len(self._text) - MAX_SENTENCE
            self._text = self._text[cut:]
            self._claim, self._since = max(0, self._claim - cut), max(0, self._since - cut)

    def cite(self, numbers: tuple[int, ...], start: int) -> Iterator[Cited]:
        if len(words(self._text[self._since :])) >= FEW_WORDS and not self._waiting:
            self._claim = self._since
        self._since = len(self._text)
        self._waiting.append((numbers, start))
        self._cites = True
        if len(words(self._text[self._claim :])) >= FEW_WORDS:
            yield from self._told()

    def end_block(self, ended: int) -> Iterator[Found]:
        """A block begins: the line that does so, as far as it is written, is not the sentence's."""
        self._text = self._text.rpartition("\n")[0]
        yield from self.end(ended)

    def end(self, ended: int) -> Iterator[Found]:
        yield from self._told()
        if not self._cites and len(words(self._text)) >= FEW_WORDS:
            yield Uncited(self._whole(), ended)
        self._text, self._claim, self._since, self._cites = "", 0, 0, False

    def _whole(self) -> str:
        claim = " ".join(self._text[self._claim :].split())
        return self._LOOSE.sub(r"\1", claim).lstrip(",;:.-–) ").rstrip("| ")

    def _told(self) -> Iterator[Cited]:
        for numbers, start in self._waiting:
            yield Cited(numbers, start, self._whole())
        self._waiting = []
