"""Cuts text into its sentences, and picks those that can stand alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .language import Span

# Shorter ones say nothing alone, longer ones are not sentences.
SENTENCE_LENGTHS = range(25, 500)
LONGEST = 500  # characters of a span

ENDED = re.compile(r"[.!?…。][\"”’»)\]*_`]*\s*(?:\[\d+\])*$")

_BETWEEN = re.compile(r"(?<=[.!?…])\s+(?=[^\W_a-z]|[\"“'(\[`-])|\n\s*\n|\n(?=[-•*] )")
_WHOLE = re.compile(r"[.!?…][\"”’)\]]*$")
_GAP = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"”’»)\]]))\s+(?=\S)|(?<=。)(?=\S)")
# No sentence ends behind an initial or what is mostly written short.
_SHORTENED = re.compile(
    r"(?:\b[^\W\d_]|\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|No|Fig|Gen|Sen|Rev|Lt|Col|Capt|Mt|Ft|cf|ca"
    r"|approx|TP|Tp|TS|ThS|PGS|GS|BS|KS))\.$"
)
_SHORT = 8  # characters in which one of these stands
# A word that begins small and yet a sentence: proxy_buffering, no-cache, iPhone.
_NAME = re.compile(r"[^\W_]+(?:[_.-][^\W_]|\(|[A-Z])")
_WORD = re.compile(r"\w+")


def split_sentences(text: str) -> list[str]:
    """The sentences of `text` that can stand alone, in order, their white space made single."""
    parts = (" ".join(part.split()).lstrip("-•* ") for part in _BETWEEN.split(text))
    return [part for part in parts if len(part) in SENTENCE_LENGTHS and _WHOLE.search(part)]


def sentence_spans(text: str, paragraph: Span) -> Iterator[Span]:
    """All sentences of a paragraph of `text`, without the white space between them; what is too
    long for one is cut at spaces."""
    start, end = paragraph
    for gap in _GAP.finditer(text, *paragraph):
        shortened = _SHORTENED.search(text, max(start, gap.start() - _SHORT), gap.start())
        if gap.start() > start and not shortened and opens(text, gap.end()):
            yield from _pieces(text, start, gap.start())
            start = gap.end()
    yield from _pieces(text, start, end)


def opens(text: str, at: int) -> bool:
    """Whether a sentence may begin here: not with a small letter, unless it is that of a name or of
    a word that another paragraph begins with."""
    if not text[at].islower():
        return True
    word = _WORD.match(text, at)
    first = word is not None and re.search(rf"\n\n{re.escape(word[0])}\b", text) is not None
    return first or _NAME.match(text, at) is not None


def _pieces(text: str, start: int, end: int) -> Iterator[Span]:
    while end - start > LONGEST:
        cut = max(text.rfind(mark, start + LONGEST // 2, start + LONGEST) for mark in "\n;, ")
        cut = cut + 1 if cut > start else start + LONGEST
        yield start, start + len(text[start:cut].rstrip())
        start = cut + len(text[cut:end]) - len(text[cut:end].lstrip())
    if start < end:
        yield start, end
