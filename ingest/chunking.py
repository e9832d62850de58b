"""Cuts a page's text into overlapping passages. Knows nothing of files, languages or models."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

CHUNK_SIZE = 1000
"""Characters in the longest chunk."""

CHUNK_OVERLAP = 200
"""Characters that a chunk may share with the one before it."""

VERSION = f"recursive-1:{CHUNK_SIZE}:{CHUNK_OVERLAP}"
"""Part of the store's fingerprint: raise the 1 when `split` cuts differently."""

# Coarsest first: paragraphs, lines, sentences, words. What a mark like "." closes with belongs
# to its sentence; NFKC has turned most "…" into "...", and "。" takes no space after it.
_BOUNDARIES = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.?!…])\s|(?<=[.?!…][\"'”’»)\]])\s|(?<=。)"),
    re.compile(r"\s"),
)

Span = tuple[int, int]


def split(text: str, size: int = CHUNK_SIZE, overlap: int = CHUNK_OVERLAP) -> list[str]:
    """Return chunks of at most `size` characters, in order, each a literal substring of `text`.

    Text is cut at paragraphs; what is longer than `size` at lines, then sentences, then words,
    and a word longer than `size` anywhere. Neighbouring pieces are merged while they fit. A chunk
    starts with as many whole pieces of the one before as fit in `overlap` characters, so a short
    heading at a chunk's end is repeated above its text. Raises ValueError on impossible sizes.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"need 0 <= overlap < size, not overlap={overlap}, size={size}")
    pieces = _pieces(text, (0, len(text)), 0, size, overlap or size)
    return [text[start:end] for start, end in _merged(pieces, size, overlap)]


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


def _merged(pieces: Iterator[Span], size: int, overlap: int) -> Iterator[Span]:
    window: deque[Span] = deque()
    for start, end in pieces:
        if window and end - window[0][0] > size:
            last = window[-1][1]
            yield window[0][0], last
            while window and (last - window[0][0] > overlap or end - window[0][0] > size):
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
