"""Finds the headings in the plain text of a document. Pure."""

from __future__ import annotations

import re

from .language import Span

LONGEST = 90  # characters

# A line between blank ones, or a numbered one as a PDF has it; none ends like a sentence or code.
_HEADING = re.compile(
    r"""(?:(?:\A|\n[ \t]*\n)(?P<alone>[^\W_a-z\n][^\n]*[^\s.!?:;,…>(){}=\[\]])[ \t]*(?=\n[ \t]*\n)
    |^(?P<numbered>(?:\d+(?:\.\d+)*[.)]|\d+(?:\.\d+)+)[ ][^\W\d_a-z][^\n]*[^\s.!?:;,…>(){}=\[\]])
    [ \t]*(?=\n))""",
    re.MULTILINE | re.VERBOSE,
)


def headings(text: str) -> list[Span]:
    """The (start, end) offsets of the headings in `text`, in order."""
    spans = (m.span("alone" if m["alone"] else "numbered") for m in _HEADING.finditer(text))
    return [(start, end) for start, end in spans if end - start <= LONGEST]
