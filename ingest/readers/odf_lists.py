"""The numbers that OpenDocument's lists and headings are shown with: they stand in no text of the
file, and "Điều 12" may be one. Knows nothing of paragraphs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .numbering import written

ODF = "{urn:oasis:names:tc:opendocument:xmlns:"
TEXT, STYLE = f"{ODF}text:1.0}}", f"{ODF}style:1.0}}"
_LIBREOFFICE = "{urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0}"
_ID = "{http://www.w3.org/XML/1998/namespace}id"
_FORMS = {
    **{"": "none", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"},
    **{"01, 02, 03, ...": "decimalZero"},
}
_LONGEST = 80  # characters of what is written around a number
_DEEPEST = 10  # levels of one list
_HEADINGS = "Outline"  # the list style that those of a document have
Counts = dict[int, int]  # of one list, by level from 1


class _Level(NamedTuple):
    """How one level of a list writes its numbers: in which form, with how many of the levels above,
    and what stands around that; or in a pattern like "Điều %1%." """

    form: str
    start: int
    shown: int
    before: str
    after: str
    pattern: str


class Lists:
    """Counts the items of each list of a document and its headings, in the order of the text."""

    def __init__(self, *roots: Any) -> None:
        """Of what holds the document's list styles."""
        self._levels: dict[str, Mapping[int, _Level]] = {}
        self._counts: dict[str, Counts] = {}  # of the last list of each style, and by its id
        for root in roots:
            for style in root.iter(f"{TEXT}list-style", f"{TEXT}outline-style"):
                is_outline = style.tag == f"{TEXT}outline-style"
                name = _HEADINGS if is_outline else style.get(f"{STYLE}name", "")
                tag = "outline-level-style" if is_outline else "list-level-style-number"
                self._levels[name] = dict(map(_level, style.iterchildren(f"{TEXT}{tag}")))

    def begun(self, root: Any, style: str) -> Counts:
        """The counts of a list that begins here, or goes on: those of an earlier one then."""
        counts: Counts = {}
        if earlier := root.get(f"{TEXT}continue-list"):
            counts = self._counts.get(f"#{earlier}", counts)
        elif root.get(f"{TEXT}continue-numbering") == "true":
            counts = self._counts.get(style, counts)
        self._counts[style] = counts
        if own := root.get(_ID):
            self._counts[f"#{own}"] = counts
        return counts

    def label(self, item: Any, style: str, depth: int, counts: Counts) -> str:
        """What stands before the next item at this level, from 1: "-" for a bullet, "" if nothing
        does."""
        levels = self._levels.get(style, {})
        if depth not in levels:
            return "-"
        given = item.find(f"{TEXT}number")
        label = _next(levels, depth, counts, item.get(f"{TEXT}start-value"))
        return label if given is None else "".join(given.itertext()).strip()

    def of_heading(self, heading: Any) -> str:
        """What stands before a heading that is in no list."""
        depth = int(heading.get(f"{TEXT}outline-level") or 1)
        is_numbered = depth in self._levels.get(_HEADINGS, {})
        if not is_numbered or heading.get(f"{TEXT}is-list-header") == "true":
            return ""
        return self.label(heading, _HEADINGS, depth, self._counts.setdefault(_HEADINGS, {}))


def _next(levels: Mapping[int, _Level], depth: int, counts: Counts, start: str | None) -> str:
    """Counts one more, and how that is written."""
    level = levels[depth]
    counts[depth] = int(start) if start else counts.get(depth, level.start - 1) + 1
    for deeper in range(depth + 1, _DEEPEST + 1):
        counts.pop(deeper, None)

    def number(at: int) -> str:
        if at not in levels or at > depth:
            return ""
        return written(counts.get(at, levels[at].start), levels[at].form)

    if level.pattern:
        return re.sub(r"%(\d{1,2})%", lambda place: number(int(place[1])), level.pattern).strip()
    shown = map(number, range(max(depth - level.shown, 0) + 1, depth + 1))
    return f"{level.before}{'.'.join(filter(None, shown))}{level.after}".strip()


def _level(level: Any) -> tuple[int, _Level]:
    form = level.get(f"{STYLE}num-format") or ""
    return int(level.get(f"{TEXT}level") or 1), _Level(
        _FORMS.get(form, "decimal"),
        int(level.get(f"{TEXT}start-value") or 1),
        int(level.get(f"{TEXT}display-levels") or 1),
        level.get(f"{STYLE}num-prefix", "")[:_LONGEST],
        level.get(f"{STYLE}num-suffix", "")[:_LONGEST],
        level.get(f"{_LIBREOFFICE}num-list-format", "")[:_LONGEST],
    )
