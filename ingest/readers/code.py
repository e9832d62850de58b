"""Source code, and what else is read by lines: settings, data, logs. The text as it is, in pages of
about 120 lines; what stands between blank lines is one block while it fits a chunk.

Nothing is run, and nothing is known of any language but that what belongs together is indented.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from rag.types import Content

from .tables import spanned
from .text import END, FITS, START, several, written

VERSION = "1"

SUFFIXES = tuple(
    """.py .js .mjs .ts .jsx .tsx .vue .java .kt .swift .dart .scala .c .h .cpp .hpp .cs .go .rs .rb
    .php .lua .pl .r .sh .ps1 .bat .sql .proto .css .scss .toml .ini .cfg .conf .properties .yaml
    .yml .xml .tex .log""".split()
)

_LINES = 120  # of a page
_NEAR = 30  # lines before and behind that, where a better place to cut is looked for
_LONG = 40_000  # characters of a page
_LINE_END = re.compile("\r\n|\r|\n")

Span = tuple[int, int]  # of lines: the first, and the one behind the last


def read(data: bytes, name: str) -> Content:
    """Its pages, called by their lines if there are several; its title is the file's name."""
    lines = [line.rstrip() for line in _LINE_END.split(written(data, name))]
    cuts = list(_cuts(lines))
    parts = (
        (spanned(start + 1, end) if len(cuts) > 1 else "", _marked(lines[start:end]))
        for start, end in cuts
    )
    return several(name, parts, name, indented=True)


def _cuts(lines: Sequence[str]) -> Iterator[Span]:
    """The pages."""
    start, count = 0, len(lines)
    while count and not lines[count - 1]:
        count -= 1
    while start < count:
        end = min(start + _LINES, count)
        if count - start > _LINES + _NEAR:
            end = _cut(lines, start)
        elif end < count:
            end = count
        length = 0
        for at in range(start, end):
            length += len(lines[at])
            if length > _LONG:
                end = max(at, start + 1)
                break
        yield start, end
        start = end


def _cut(lines: Sequence[str], start: int) -> int:
    """Where the page that begins at `start` ends: before what is not indented and stands behind a
    blank line, else behind any blank line, else after so many lines."""
    places = range(start + _LINES - _NEAR, start + _LINES + _NEAR)
    near = sorted(places, key=lambda at: abs(at - start - _LINES))
    behind = [at for at in near if lines[at] and not lines[at - 1]]
    outer = [at for at in behind if not _indent(lines[at])]
    return next(iter([*outer, *behind]), start + _LINES)


def _marked(lines: Sequence[str]) -> str:
    marked = list(lines)
    for start, end in _blocks(lines):
        marked[start] = START + marked[start]
        marked[end - 1] += END
    return "\n".join(marked)


def _blocks(lines: Sequence[str]) -> Iterator[Span]:
    """The lines between blank ones, together with what is indented more and stands behind another
    blank line, while that fits."""
    todo: list[Span] = [(0, len(lines))]
    while todo:
        start, end = todo.pop()
        behind = [at for at in range(start + 1, end) if lines[at] and not lines[at - 1]]
        if behind and sum(len(lines[at]) + 1 for at in range(start, end)) > FITS:
            least = min(_indent(lines[at]) for at in behind)
            cuts = [start, *(at for at in behind if _indent(lines[at]) == least), end]
            todo += reversed(list(pairwise(cuts)))
        elif filled := [at for at in range(start, end) if lines[at]]:
            yield filled[0], filled[-1] + 1


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
