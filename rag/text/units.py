"""Cuts a passage into the units that can be quoted and checked: sentences, a list's items, a
table's rows, code, definitions, short entries under a heading. Pure; knows no question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import zip_longest
from typing import Literal

from .blocks import FENCE, HASHES, MARKER, Block, blocks, cells, single
from .language import Span
from .paragraphs import paragraphs, titles
from .sentences import ENDED, opens, sentence_spans

Kind = Literal["sentence", "item", "row", "code", "definition", "entry", "line"]

BETWEEN = " · "  # between those of a row
BELOW = " › "  # between a heading and one below it
ITEM = 400  # characters; a longer item is its sentences
DEFINITION = 300
ENTRY = 200
SHORT = 25  # a line that says nothing alone
_TERM = 5  # words of what is defined
_NAME = 3  # words of a heading that begins small, or of the entry that ends a passage
_COLUMN = 40  # characters of a column's name

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_RULE = re.compile(r"[ \t|:+-]*--[ \t|:+-]*")
_VALUE = re.compile(r"[\d\W]+")
_DEFINED = re.compile(r"(?P<term>[^\s:–—.!?;][^:–—.!?;]{0,59}?)(?::| [–—-])\s+\S")


@dataclass(frozen=True, slots=True)
class Unit:
    """The part of a passage from `start` to `end`. `text` is how it is shown, on one line unless it
    is code.

    `heading` is the nearest one above it, below those that one stands under; "" if the passage has
    none. `lead` is the line that announces a list, a table or code ("Do this:"). Units of one
    paragraph, list or table have the same `block`. One that is not `whole` was cut off, or is a
    "line": words that are no sentence.
    """

    kind: Kind
    text: str
    start: int
    end: int
    heading: str = ""
    lead: str = ""
    block: int = 0
    whole: bool = True

    @property
    def context(self) -> str:
        """The unit with what it stands under in front, by which it is found."""
        above = "" if self.kind == "entry" else self.heading
        return "\n".join(part for part in (above, self.lead, self.text) if part)


def units(text: str) -> tuple[Unit, ...]:
    """The units of `text` in order, which do not overlap. All that is not blank is in one of them
    or is a heading; of a text that has nothing else, the headings are lines."""
    return _cut(text)[0]


def headings_of(text: str) -> tuple[Span, ...]:
    """Where `units` sees headings, in order."""
    return _cut(text)[1]


@lru_cache(maxsize=256)  # the same passages are quoted and checked
def _cut(text: str) -> tuple[tuple[Unit, ...], tuple[Span, ...]]:
    cut = _Cut(text)
    if cut.units:
        found = _entries(cut.units, [start for start, _ in cut.headings])
        return tuple(found), tuple(cut.headings)
    lines = [
        Unit("line", single(text[start:end]), start, end, block=number, whole=False)
        for number, (start, end) in enumerate(cut.headings)
    ]
    return tuple(lines), ()


class _Cut:
    """One pass over a text; `headings` are the spans of those that it met."""

    def __init__(self, text: str) -> None:
        self.units: list[Unit] = []
        self.headings: list[Span] = []
        self._text = text
        self._path: list[tuple[int, str]] = []  # the headings above, each with its level if known
        self._below = False  # whether something stood under the last one
        self._block = 0
        self._lead = ""
        found = list(blocks(text))
        for block, following in zip_longest(found, found[1:]):
            match block.kind:
                case "heading":
                    self._head(block.lines[0])
                case "code":
                    self._code(block.lines)
                case "table":
                    self._table(block.lines)
                case "list":
                    self._list(block.lines)
                case "prose":
                    self._prose(block.lines, following)
            self._block += block.kind != "heading"

    def _head(self, span: Span) -> None:
        written = self._text[slice(*span)]
        self.headings.append(span)
        hashes, numbers = HASHES.match(written), _NUMBERS.match(written)
        level = len(hashes[1]) if hashes else numbers[0].count(".") + 1 if numbers else 0
        if level:
            self._path = [(known, name) for known, name in self._path if 0 < known < level]
        elif self._below:
            self._path = []
        self._path.append((level, single(written.strip("# \t"))))
        self._below, self._lead = False, ""

    def _add(self, kind: Kind, text: str, span: Span, lead: str = "", whole: bool = True) -> None:
        start, end = span
        if kind != "code":
            start += _indent(self._text[start:end])
        heading = BELOW.join(name for _, name in self._path)
        self.units.append(Unit(kind, text, start, end, heading, lead, self._block, whole))
        self._below = True

    def _code(self, run: Sequence[Span]) -> None:
        start, end = run[0][0], run[-1][1]
        lead, last = self._lead, self.units[-1] if self.units and self._below else None
        if last and last.kind == "code" and not self._text[last.end : start].strip():
            start, lead = last.start, last.lead
            self.units.pop()
        self._add("code", _dedented(self._text[start:end]), (start, end), lead)
        self._lead = ""

    def _table(self, lines: Sequence[Span]) -> None:
        written = [self._text[slice(*line)] for line in lines]
        rows = list(map(cells, written))
        ruled = len(lines) > 1 and _RULE.fullmatch(written[1]) is not None
        head = rows[0] if ruled or _is_head(rows) else []
        first = 2 if ruled else int(bool(head))
        if head:
            span = lines[0][0], lines[first - 1][1]
            self._add("line", BETWEEN.join(head), span, self._lead, whole=False)
        for line, row in zip(lines[first:], rows[first:], strict=True):
            names = head if len(row) <= len(head) else [""] * len(row)
            shown = [f"{n}: {c}" if n else c for n, c in zip(names, row, strict=False) if c]
            text = BETWEEN.join(shown) or single(self._text[slice(*line)])
            self._add("row", text, line, self._lead, whole=bool(shown))
        self._lead = ""

    def _list(self, lines: Sequence[Span]) -> None:
        items: list[Span] = []
        for line in lines:
            if MARKER.match(self._text, *line) or not items:
                items.append(line)
            else:
                items[-1] = items[-1][0], line[1]
        for item in items:
            marker = MARKER.match(self._text, *item)
            body = single(self._text[marker.end() if marker else item[0] : item[1]])
            if len(body) > ITEM:
                self._sentences(item, self._lead)
            else:
                number = marker["number"] if marker else None
                self._add("item", f"{number} {body}" if number else body, item, self._lead)
        self._lead = ""

    def _prose(self, lines: Sequence[Span], following: Block | None) -> None:
        spans = list(paragraphs(self._text, lines))
        heads = titles([single(self._text[slice(*span)]) for span in spans])
        begun: int | None = None  # where a line began that says too little alone
        for span, is_head in zip(spans, heads, strict=True):
            if is_head:
                self._head(span)
                continue
            span, begun = (span[0] if begun is None else begun, span[1]), None
            shown = single(self._text[slice(*span)])
            if len(shown) < SHORT and not ENDED.search(shown) and span[1] != lines[-1][1]:
                begun = span[0]
                continue
            self._paragraph(span, shown)
            self._block += span[1] != lines[-1][1]
        if following and following.close and not is_head and not ENDED.search(shown):
            self._lead = self.units[-1].text  # a table's caption

    def _paragraph(self, span: Span, shown: str) -> None:
        defined, sentences = _DEFINED.match(shown), list(sentence_spans(self._text, span))
        if (
            defined
            and len(sentences) == 1
            and len(shown) <= DEFINITION
            and len(defined["term"].split()) <= _TERM
        ):
            self._add("definition", shown, span)
        else:
            self._sentences(span)
        self._lead = self.units[-1].text if shown.endswith(":") else ""

    def _sentences(self, span: Span, lead: str = "") -> None:
        for part in sentence_spans(self._text, span):
            shown = single(self._text[slice(*part)])
            ended = ENDED.search(shown) is not None or shown.endswith(":")
            begun = part[0] > 0 or opens(self._text, 0)
            kind: Kind = "sentence" if ended or not begun else "line"
            self._add(kind, shown, part, lead, whole=ended and begun)


def _entries(found: Sequence[Unit], starts: Sequence[int]) -> Iterator[Unit]:
    """The units; a short text that stands alone between its heading and the next is one of them.
    `starts` are those of the headings."""
    under = [sum(start < unit.start for start in starts) for unit in found]
    at = 0
    while at < len(found):
        end = at + 1
        while end < len(found) and under[end] == under[at]:
            end += 1
        group, name = found[at:end], found[at].heading.split(BELOW)[-1]
        if (
            under[at]
            and all(u.kind in ("sentence", "line") and u.block == group[0].block for u in group)
            and group[-1].whole
            and group[-1].end - group[0].start <= ENTRY
            and (end < len(found) or len(name.split()) <= _NAME)  # else it may be cut off
        ):
            text = f"{name}: {' '.join(unit.text for unit in group)}"
            yield replace(group[0], kind="entry", text=text, end=group[-1].end)
        else:
            yield from group
        at = end


def _is_head(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row says what the columns are: short names, and no value among them."""
    named = all(len(cell) <= _COLUMN and not _VALUE.fullmatch(cell) for cell in rows[0])
    return named and len(rows) > 1 and len(rows[0]) == len(rows[1])


def _dedented(code: str) -> str:
    """Without its fence, and without the indentation that all lines have. The first may have lost
    its own."""
    lines = code.split("\n")
    if FENCE.match(lines[0]):
        lines = lines[1 : -1 if len(lines) > 1 and FENCE.match(lines[-1]) else None]
    indents = [_indent(line) for line in lines if line.strip()]
    lost = (
        len(indents) > 1 and not indents[0] and lines[0].rstrip()[-1:] not in (":", "{", "(", "[")
    )
    cut = min(indents[1:] if lost else indents, default=0)
    return "\n".join(line[min(cut, _indent(line)) :] for line in lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
