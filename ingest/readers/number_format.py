"""How a spreadsheet's formats show numbers: "00000" shows 123 as 00123. Knows nothing of cells.

Marks between thousands are left out: they are written differently in every language.
"""

from __future__ import annotations

import datetime
import operator
import re
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import NamedTuple

_SURE = 1e15  # digits of a float beyond are noise
_LONGEST = 255  # characters of a format, as many as Excel allows
_EXACT = Context(prec=_LONGEST + 20, rounding=ROUND_HALF_UP)
_SECTION = re.compile(r'(?:"[^"]*"|\\.|[^;])+')
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)(-?\d+(?:\.\d+)?)\]")
_HOLDS = {
    **{"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge},
    **{"=": operator.eq, "<>": operator.ne},
}
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[\$(?P<money>[^\]-]*)[^\]]*\]'
    r"|\[[^\]]*\]|[_*]."  # colours, conditions, room for a sign
    r"|(?P<sign>[ %$€£¥₫()+:-])|(?P<digit>[#0?])|(?P<mark>[,.])|(?P<general>General)"
    r"|(?P<unit>(?!E[+-])[^\W\d_])",  # without quotes, as some programs write one
    re.I | re.S,
)
# Of the kinds of a section's parts, in their order: G for General, t for a text.
_SHAPE = re.compile(r"t*(?P<number>G|(?P<whole>[#0?](?:[#0?,t]*[#0?])?)(?:\.(?P<part>[#0?]*))?)t*")
_UNIT = re.compile(r"\[(h+|m+|s+)\]", re.I)


class _Form(NamedTuple):
    """What one section of a format writes: the places of its digits, and what stands around and
    between them."""

    before: str
    whole: tuple[str, ...]  # () for the number as it is
    is_place: tuple[bool, ...]  # of each of these, whether a digit stands there
    least: int  # digits before the point
    places: int  # digits behind it
    most: int  # with those that are left out if they are 0
    after: str
    is_share: bool


def shown(value: float, form: str) -> str:
    """A number as its format shows it; as it is, if the format does more than is known here."""
    plain = str(value) if isinstance(value, int) else f"{value:.15g}"
    shape = _fitting(value, form)
    if shape is None or not abs(value) < _SURE:
        return plain
    if not shape.whole:
        return f"{'-' * (value < 0)}{shape.before}{plain.lstrip('-')}{shape.after}".strip()
    number = abs(Decimal(repr(value))) * (100 if shape.is_share else 1)
    digits = f"{number.quantize(Decimal(1).scaleb(-shape.most), context=_EXACT):f}"
    whole, _, part = digits.partition(".")
    while len(part) > shape.places and part.endswith("0"):
        part = part[:-1]
    minus = "-" if value < 0 and digits.strip("0.") else ""
    point = "." if part else ""
    placed = _placed(whole.zfill(shape.least), shape)
    return f"{minus}{shape.before}{placed}{point}{part}{shape.after}".strip()


def duration(value: datetime.timedelta, form: str) -> str:
    """A time that has passed, in the unit that its format begins with: "[h]:mm" shows 27:30."""
    unit = _UNIT.search(form)
    letter = unit[1][0].lower() if unit else "h"
    seconds = round(abs(value.total_seconds()))
    minus = "-" if value < datetime.timedelta() and seconds else ""
    if letter == "s":
        return f"{minus}{seconds}"
    minutes, seconds = divmod(seconds, 60)
    rest = f":{seconds:02}" if "s" in form.lower() else ""
    if letter == "m":
        return f"{minus}{minutes}{rest}"
    return f"{minus}{minutes // 60}:{minutes % 60:02}{rest}"


def _fitting(value: float, form: str) -> _Form | None:
    """The section of a format whose condition holds, else the first."""
    sections = _sections(form)
    for condition, shape in sections:
        if condition is None or _HOLDS[condition[1]](value, float(condition[2])):
            return shape
    return sections[0][1]


@lru_cache(1024)
def _sections(form: str) -> list[tuple[re.Match[str] | None, _Form | None]]:
    sections = _SECTION.findall(form) if len(form) <= _LONGEST else []
    return [(_CONDITION.search(section), _shape(section)) for section in sections or [""]]


def _shape(section: str) -> _Form | None:
    """What a section of a format writes; None if that is more than digits and words: 1E+3; 1/2;
    thousands."""
    texts: list[str] = []
    kinds, end, is_share = "", 0, False
    while end < len(section) and (token := _TOKEN.match(section, end)):
        end = token.end()
        is_share |= token[0] == "%"
        texts.append(next((text for text in token.groups() if text is not None), ""))
        kind = token.lastgroup
        kinds += "G" if kind == "general" else token[0] if kind in ("digit", "mark") else "t"
    shape = _SHAPE.fullmatch(kinds)
    if end < len(section) or not shape:
        return None
    start, behind = shape.span("number")
    whole = [at for at in range(*shape.span("whole")) if kinds[at] != ","]
    digits = "".join(kinds[at] for at in whole if kinds[at] != "t")
    part = shape["part"] or ""
    return _Form(
        "".join(texts[:start]),
        tuple(texts[at] for at in whole),
        tuple(kinds[at] != "t" for at in whole),
        len(digits) - digits.index("0") if "0" in digits else 0,  # from the first "0" on
        len(part.rstrip("#?")),
        len(part),
        "".join(texts[behind:]),
        is_share,
    )


def _placed(digits: str, form: _Form) -> str:
    """The digits before the point in their places, from the last to the first."""
    out: list[str] = []
    first = form.is_place.index(True)
    for at in range(len(form.whole) - 1, first, -1):
        if form.is_place[at]:
            digits, last = digits[:-1], digits[-1:]
            out.append(last)
        else:
            out.append(form.whole[at])
    return digits + "".join(reversed(out))
