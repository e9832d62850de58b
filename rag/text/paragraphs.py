"""Finds the paragraphs and the headings in lines without blank ones between them, as a PDF's page
has them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from .headings import LONGEST
from .language import Span
from .sentences import ENDED

_WORDS = 10  # of a heading
_MOST = 2  # lines that are headings of one text; more are a table
_FULL = 0.85  # share of the width up to which a line was not broken for it

_PROSE = re.compile(r"[.!?…:](?:\s|$)")


def paragraphs(text: str, lines: Sequence[Span]) -> Iterator[Span]:
    """The lines at these spans of `text`, those together that were broken for their width."""
    width = max(end - start for start, end in lines)
    start, end = lines[0]
    for before, line in pairwise(lines):
        written = text[slice(*line)].lstrip()
        fits = before[1] - before[0] + 1 + len(written.split()[0]) <= _FULL * width
        if fits and not written[0].islower():
            yield start, end
            start = line[0]
        end = line[1]
    yield start, end


def titles(paragraphs: Sequence[str]) -> list[bool]:
    """Which of the paragraphs are headings of the next one: a short line or two that do not end,
    between sentences that do."""
    found = [False] * len(paragraphs)
    at = 0
    while at < len(paragraphs):
        end = at
        while end < len(paragraphs) and is_title(paragraphs[end]):
            end += 1
        ended = at == 0 or ENDED.search(paragraphs[at - 1])
        prose = end < len(paragraphs) and _PROSE.search(paragraphs[end])
        if 0 < end - at <= _MOST and ended and prose and not paragraphs[end][0].islower():
            found[at:end] = [True] * (end - at)
        at = max(end, at + 1)
    return found


def is_title(line: str) -> bool:
    """Whether a line that stands alone looks like a heading."""
    ends = line[-1].isalnum() or (line[-1] == ")" and "(" in line)
    short = len(line) <= LONGEST and len(line.split()) <= _WORDS
    return short and ends and line[0].isalnum() and not line[0].islower() and not line.isdigit()
