"""The numbers and bullets that Word puts before paragraphs: they stand in no text of the file, and
"Điều 12" may be one. Knows nothing of paragraphs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .ooxml import W, value

_DEEPEST = 9  # levels of one list
_LONGEST = 80  # characters of what is written around a number
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l")),
    *((40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)


@dataclass(frozen=True, slots=True)
class _Level:
    """One level of a list: how its number is written, as in "%1.%2", from which it starts, and
    behind how many of the levels above it starts again."""

    form: str
    text: str
    start: int
    style: str
    restarts: int


class Numbering:
    """Counts the paragraphs of each list of a document, in the order they are asked for."""

    def __init__(self, root: Any) -> None:
        """Of the root of numbering.xml."""
        self._levels: dict[str, list[_Level]] = {}
        self._lists: dict[str, str] = {}
        self._restarts: dict[str, Mapping[int, int]] = {}
        self._counts: dict[str, list[int | None]] = {}
        for abstract in (child for child in root if child.tag == f"{W}abstractNum"):
            levels = [*abstract.iterfind(f"{W}lvl")][:_DEEPEST]
            self._levels[abstract.get(f"{W}abstractNumId")] = [
                *map(_level, levels, range(_DEEPEST))
            ]
        for number in (child for child in root if child.tag == f"{W}num"):
            key = number.get(f"{W}numId")
            self._lists[key] = value(number, "abstractNumId")
            self._restarts[key] = {
                _whole(override.get(f"{W}ilvl"), 0): _whole(value(override, "startOverride"), 1)
                for override in number.iterfind(f"{W}lvlOverride")
                if override.find(f"{W}startOverride") is not None
            }

    def depth_of(self, number: str, style: str) -> int:
        """The level of a list that paragraphs of this style have."""
        levels = self._levels.get(self._lists.get(number, ""), [])
        return next((at for at, level in enumerate(levels) if level.style == style), 0)

    def label(self, number: str, depth: int) -> str:
        """What stands before the next paragraph at this level, from 0, of the list `number`: "-"
        for a bullet, "" if nothing does."""
        key = self._lists.get(number, "")
        levels = self._levels.get(key, [])
        if not 0 <= depth < len(levels):
            return ""
        counts = self._counts.setdefault(key, [None] * len(levels))
        restarts = self._restarts.pop(number, None) or {}  # once, where the list begins
        for at, start in restarts.items():
            if 0 <= at < len(counts):
                counts[at] = start - 1
        level, count = levels[depth], counts[depth]
        counts[depth] = level.start if count is None else count + 1
        for at in range(depth + 1, len(levels)):
            if depth < levels[at].restarts:
                counts[at] = None
        if level.form == "bullet":
            return "-"

        def number_of(place: re.Match[str]) -> str:
            at = int(place[1]) - 1
            if at >= len(levels):
                return ""
            shown = counts[at]
            return written(levels[at].start if shown is None else shown, levels[at].form)

        return re.sub("%([1-9])", number_of, level.text).strip()


def _level(level: Any, depth: int) -> _Level:
    return _Level(
        value(level, "numFmt") or "decimal",
        value(level, "lvlText")[:_LONGEST],
        _whole(value(level, "start"), 1),
        value(level, "pStyle"),
        min(_whole(value(level, "lvlRestart"), depth), depth),
    )


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and re.fullmatch(r"\d{1,6}", text) else otherwise


def written(number: int, form: str) -> str:
    """A number as Word calls the form: decimal, upperRoman."""
    if form == "none":
        return ""
    if form in ("lowerLetter", "upperLetter") and number > 0:
        letter = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 % 10 + 1)
        return letter.upper() if form == "upperLetter" else letter
    if form in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        roman = ""
        for value, sign in _ROMAN:
            roman += sign * (number // value)
            number %= value
        return roman.upper() if form == "upperRoman" else roman
    return f"{number:02}" if form == "decimalZero" else str(number)
