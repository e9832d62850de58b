"""Makes passages out of ranked chunks: neighbours on a page become one passage, and a chunk that
says what a better one says is left out. Pure; knows no index and no scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from ..text.editions import copies
from ..types import Chunk

LONGEST = 3  # chunks of one passage
CELLS = " | "  # between the cells of a table's row
_HEAD_LINES = 3  # of a table's head: it may have a caption
_SURELY = 20  # characters in common by which two chunks overlap, and not by chance


def gathered(ranked: Iterable[Chunk], count: int) -> list[list[Chunk]]:
    """The `count` best passages out of chunks that come best first: each the chunks of one page
    that stand there one after another, in that order. A passage has the rank of its best chunk."""
    passages: list[list[Chunk]] = []
    for chunk in ranked:
        beside = [passage for passage in passages if _beside(chunk, passage)]
        if beside and sum(map(len, beside)) < LONGEST:
            beside[0].extend([chunk, *(c for passage in beside[1:] for c in passage)])
            beside[0].sort(key=lambda c: c.id)
            passages = [p for p in passages if p not in beside[1:]]
        elif any(copies(chunk.text, other.text) for passage in passages for other in passage):
            continue
        elif len(passages) == count:
            break
        else:
            passages.append([chunk])
    return passages


def joined(chunks: Sequence[Chunk]) -> str:
    """The text of chunks that stand one after another, what two neighbours share taken once, and a
    table's head that is repeated above the second one's rows left out there."""
    pieces = [chunk.text for chunk in chunks[:1]]
    for before, chunk in pairwise(chunks):
        text, gap = chunk.text, "\n\n"
        shared = _overlap(before.text, text)
        if not shared and (rows := below_head(text, before.text)) != text:
            text, gap = rows, "\n"
            shared = _overlap(before.text, text)
        pieces.append(text[shared:] if shared else gap + text)
    return "".join(pieces)


def below_head(chunk: str, text: str) -> str:
    """The rows of a chunk that has a table's head above them, which is in `text` too; the chunk if
    there is none."""
    end = 0
    for _ in range(_HEAD_LINES):
        start, end = end, chunk.find("\n", end) + 1
        if not end:
            break
        if CELLS in chunk[start:end] and f"\n{chunk[:end]}" in f"\n{text}\n":
            return chunk[end:]
    return chunk


def meant(title: str, text: str) -> str:
    """What a chunk's vector is made of: its text under its document's title, without which a page
    of a long report could be anybody's."""
    return text if text.startswith(title) else f"{title}\n{text}"


def _beside(chunk: Chunk, passage: Sequence[Chunk]) -> bool:
    first, last = passage[0], passage[-1]
    same_page = (chunk.document_id, chunk.page) == (first.document_id, first.page)
    return same_page and chunk.id in (first.id - 1, last.id + 1)


@lru_cache(maxsize=1024)
def _overlap(before: str, after: str) -> int:
    """How many characters at the end of `before` are the start of `after`; whole words, or many."""
    for length in range(min(len(before), len(after)), 0, -1):
        starts_a_word = length == len(before) or before[-length - 1].isspace()
        if (starts_a_word or length >= _SURELY) and before.endswith(after[:length]):
            return length
    return 0
