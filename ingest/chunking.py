"""Cuts a page's text into overlapping passages. Knows nothing of files, languages or models."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rag.types import Block

CHUNK_SIZE = 1000
"""Characters in the longest chunk."""

CHUNK_OVERLAP = 200
"""Characters that a chunk may share with the one before it."""

VERSION = f"recursive-2:{CHUNK_SIZE}:{CHUNK_OVERLAP}"
"""Part of the store's fingerprint: raise the 2 when `split` cuts differently."""

_LONGEST_HEAD = 0.25  # share of a chunk above which a table's head is not repeated

# Coarsest first: paragraphs, lines, sentences, words. What a mark like "." closes with belongs
# to its sentence; NFKC has turned most "…" into "...", and "。" takes no space after it.
_BOUNDARIES = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.?!…])\s|(?<=[.?!…][\"'”’»)\]])\s|(?<=。)"),
    re.compile(r"\s"),
)

Span = tuple[int, int]


class Passage(NamedTuple):
    """The part of a page from `start` to `end`, and its text with the table's head above it."""

    start: int
    end: int
    text: str


def split(
    text: str, size: int = CHUNK_SIZE, overlap: int = CHUNK_OVERLAP, blocks: Sequence[Block] = ()
) -> list[str]:
    """Return chunks of at most `size` characters, in order, each a literal substring of `text`; but
    one that starts inside a table has the table's head above it.

    Text is cut at paragraphs; what is longer than `size` at lines, then sentences, then words,
    and a word longer than `size` anywhere. Neighbouring pieces are merged while they fit. A chunk
    starts with as many whole pieces of the one before as fit in `overlap` characters, so a short
    heading at a chunk's end is repeated above its text. A block is not cut while it fits. Raises
    ValueError on impossible sizes.
    """
    return [passage.text for passage in passages(text, size, overlap, blocks)]


def passages(
    text: str, size: int = CHUNK_SIZE, overlap: int = CHUNK_OVERLAP, blocks: Sequence[Block] = ()
) -> list[Passage]:
    """The same with the places of what is cut out."""
    if not 0 <= overlap < size:
        raise ValueError(f"need 0 <= overlap < size, not overlap={overlap}, size={size}")
    heads = _Heads(text, size, blocks)
    cut = _merged(_around(text, blocks, heads, size, overlap), heads, overlap)
    return [Passage(start, end, heads.above(start) + text[start:end]) for start, end in cut]


class _Heads:
    """What stands above a chunk that starts inside a table, and how much room it leaves."""

    def __init__(self, text: str, size: int, blocks: Sequence[Block]) -> None:
        self._text, self._size = text, size
        self._tables = [b for b in blocks if 0 < b.head - b.start <= size * _LONGEST_HEAD]
        self._starts = [table.start for table in self._tables]

    def above(self, start: int) -> str:
        at = bisect_right(self._starts, start) - 1
        if at < 0 or not self._tables[at].head < start < self._tables[at].end:
            return ""
        table = self._tables[at]
        return self._text[table.start : table.head] + "\n"

    def room(self, start: int) -> int:
        return self._size - len(self.above(start))


def _around(
    text: str, blocks: Sequence[Block], heads: _Heads, size: int, overlap: int
) -> Iterator[Span]:
    """The pieces of the text: each block that fits whole, and those of what is between them."""
    at = 0
    for block in blocks:
        yield from _pieces(text, (at, block.start), 0, size, overlap or size)
        if block.end - block.start <= size:
            yield from _pieces(text, (block.start, block.end), 0, size, size)
        else:
            room = heads.room(block.end - 1)
            yield from _pieces(text, (block.start, block.end), 0, room, min(overlap or room, room))
        at = block.end
    yield from _pieces(text, (at, len(text)), 0, size, overlap or size)


def _pieces(text: str, span: Span, level: int, size: int, step: int) -> Iterator[Span]:
    """Yield the coarsest pieces of at most `size` characters, without the white space around them.

    A word that has to be cut is cut every `step` characters, for the overlap to have whole pieces.
    """
    start, end = _stripped(text, span)
    if end - start <= size:
        if start < end:
            yield start, end
    elif level == len(_BOUNDARIES):
        yield from ((at, min(at + step, end)) for at in range(start, end, step))
    else:
        for boundary in _BOUNDARIES[level].finditer(text, start, end):
            yield from _pieces(text, (start, boundary.start()), level + 1, size, step)
            start = boundary.end()
        yield from _pieces(text, (start, end), level + 1, size, step)


def _merged(pieces: Iterator[Span], heads: _Heads, overlap: int) -> Iterator[Span]:
    window: deque[Span] = deque()
    for start, end in pieces:
        if window and end - window[0][0] > heads.room(window[0][0]):
            last = window[-1][1]
            yield window[0][0], last
            while window and (
                last - window[0][0] > overlap or end - window[0][0] > heads.room(window[0][0])
            ):
                window.popleft()
        window.append((start, end))
    if window:
        yield window[0][0], window[-1][1]


def _stripped(text: str, span: Span) -> Span:
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
