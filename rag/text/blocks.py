"""Cuts a text into its blocks: headings, code, tables, lists and prose. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from .code import is_code
from .headings import headings
from .language import Span
from .paragraphs import is_title
from .sentences import ENDED

Kind = Literal["heading", "code", "table", "list", "prose"]

_WORDS = 3  # of a heading that begins small: nginx, proxy_buffering

HASHES = re.compile(r"(#{1,6})[ \t]+\S")
FENCE = re.compile(r"[ \t]*(```|~~~)")
MARKER = re.compile(r"[ \t]*(?:[-•*+–▪◦]|(?P<number>\d{1,3}[.)])|\(?[a-zđ]\))[ \t]+(?=\S)")

_LINE = re.compile(r"[^\n]*[^\s][^\n]*")
_NUMBERED = re.compile(r"[ \t]*\d{1,3}[.)][ \t]")
_ENDS_WITHIN = re.compile(r"[^\W\d_][.!?…] ")
_PIPE = re.compile(r"(?<!\|)\|(?!\|)")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one kind, as their spans in the text without the white space at their ends; `close`
    if no blank line stands before the first."""

    kind: Kind
    lines: tuple[Span, ...]
    close: bool = False


def blocks(text: str) -> Iterator[Block]:
    """Those of `text`, in order; all that is not blank is in one."""
    for kind, lines in _parted(text):
        if kind != "text":
            yield Block(kind, tuple(lines))
            continue
        for number, (of_run, run) in enumerate(_runs(text, lines)):
            yield Block(of_run, tuple(run), close=number > 0)


def single(text: str) -> str:
    """`text` on one line."""
    return " ".join(text.split())


def cells(line: str) -> list[str]:
    """Those of a table's row; one of a line that is none."""
    stripped = line.strip()
    if " | " not in stripped and not (stripped[0] == "|" and stripped[-1] == "|"):
        return [stripped]
    return [single(cell) for cell in _PIPE.split(stripped.strip("|"))]


def _parted(text: str) -> Iterator[tuple[Literal["heading", "code", "text"], list[Span]]]:
    """The headings, the code and what else stands between blank lines or headings, as lines."""
    known = {start for start, _ in headings(text + "\n\n")}
    lines = [_stripped(text, m.span()) for m in _LINE.finditer(text)]
    run: list[Span] = []
    fence = ""
    for (_, before), line, (after, _) in zip(
        [(0, 0), *lines], lines, [*lines[1:], (len(text), 0)], strict=False
    ):
        mark = FENCE.match(text, *line)
        if fence:
            run.append(line)
            if mark and mark[1] == fence:
                yield "code", run
                fence, run = "", []
            continue
        alone = line[0] == 0 or text.count("\n", before, line[0]) > 1
        heads = _is_heading(text, line, known, alone, after)
        if run and (mark or alone or heads):
            yield _kind(text, run), run
            run = []
        if heads:
            yield "heading", [line]
            continue
        fence = mark[1] if mark else ""
        run.append(line)
    if run:
        yield "code" if fence else _kind(text, run), run


def _kind(text: str, lines: Sequence[Span]) -> Literal["code", "text"]:
    return "code" if is_code([text[slice(*line)] for line in lines]) else "text"


def _is_heading(text: str, line: Span, known: set[int], alone: bool, after: int) -> bool:
    """Whether a line is one: `known` are where the headings that rag.text.headings finds begin,
    `alone` is whether it stands behind a blank line, `after` where the next begins."""
    written = text[slice(*line)]
    following = text[after : after + 200].partition("\n")[0].lstrip()
    if HASHES.match(written):  # or a comment in code
        return text.count("\n", line[1], after) > 1 or not is_code([following or "."])
    if is_code([written]):
        return False
    if line[0] in known and not _ENDS_WITHIN.search(written):  # a list's item may look like one
        above = text[: line[0]].rpartition("\n")[0].rpartition("\n")[2]
        listed = any(map(_NUMBERED.match, (above, following))) or following[:1].islower()
        return not (_NUMBERED.match(written) and listed)
    alone = alone and (after == len(text) or text.count("\n", line[1], after) > 1)
    small = written[0].isalpha() and written[-1].isalnum() and len(written.split()) <= _WORDS
    return alone and (small or (written[-1] == ")" and is_title(written)))


def _runs(text: str, lines: Sequence[Span]) -> Iterator[tuple[Kind, list[Span]]]:
    """Neighbouring lines of one kind; a list's include those that go on with an item."""
    rows = [len(cells(text[slice(*line)])) > 1 for line in lines]
    beside = [a and b for a, b in pairwise([*rows, False])]
    kind: Kind = "prose"
    run: list[Span] = []
    for at, line in enumerate(lines):
        written = text[slice(*line)]
        if rows[at] and (beside[at] or (at and beside[at - 1]) or written.strip()[0] == "|"):
            now: Kind = "table"
        elif MARKER.match(written) or (run and kind == "list" and _goes_on(text, run[-1], line)):
            now = "list"
        else:
            now = "prose"
        if run and now != kind:
            yield kind, run
            run = []
        kind = now
        run.append(line)
    yield kind, run


def _goes_on(text: str, before: Span, line: Span) -> bool:
    """Whether a line without a marker belongs to the item before it."""
    first = text[line[0]]
    return first.isspace() or first.islower() or not ENDED.search(text[slice(*before)])


def _stripped(text: str, span: Span) -> Span:
    start, end = span
    return start, start + len(text[start:end].rstrip())
