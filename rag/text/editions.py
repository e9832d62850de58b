"""Texts that say nearly the same: whether their facts are the same, and in what they differ."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache

from .language import words

COPY = 0.9  # share of the words of two texts that both have, for one to be a copy
EDITION = 0.6  # and for both to be editions of one text
_ALIKE = 0.7  # share of the words that stand in the same order in two editions
_LONGEST = 6  # words of one fact

_TOKEN = re.compile(r"[^\s|]+")
_AROUND = "“”\"'‘’*_`#.,;:!?…()[]"
# Facts that have neither a digit nor a capital. Two editions may well differ in a “not”.
_FACTS = frozenset(
    """
    no not never none nobody nothing without cannot
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety
    hundred thousand million billion half double twice once quarter first second third last
    january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday
    không chưa chẳng đừng cấm một hai ba bốn tư năm sáu bảy tám chín mười mươi trăm nghìn ngàn triệu
    tỷ tỉ nửa rưỡi nhất nhì giêng chạp
    """.split()
)

Change = tuple[str, str]  # what one text has, and what the other has in its place


def copies(one: str, other: str) -> bool:
    """Whether two texts say the same: most of their words, and every number, date, name and “not”,
    in the same order."""
    return one == other or (_shared(one, other) >= COPY and _facts(one) == _facts(other))


@lru_cache(maxsize=256)  # the sources are drawn again with each citation
def changes(before: str, after: str) -> tuple[Change, ...]:
    """The facts that `after` has in place of those of `before`, in order, each once, if both are
    editions of one text; else none."""
    if _shared(before, after) < EDITION:
        return ()
    one, other = _tokens(before), _tokens(after)
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return ()
    found: dict[Change, None] = {}
    for kind, a, b, c, d in matcher.get_opcodes():
        was, now = one[a:b], other[c:d]
        short = kind == "replace" and max(len(was), len(now)) <= _LONGEST
        if short and any(map(_is_fact, was + now)):
            found[" ".join(was), " ".join(now)] = None
    return tuple(found)


def _shared(one: str, other: str) -> float:
    a, b = _vocabulary(one), _vocabulary(other)
    return len(a & b) / (len(a | b) or 1)


@lru_cache(maxsize=1024)  # the same chunks are found again and again
def _vocabulary(text: str) -> frozenset[str]:
    return frozenset(words(text))


@lru_cache(maxsize=1024)
def _facts(text: str) -> tuple[str, ...]:
    return tuple(filter(_is_fact, _tokens(text)))


def _tokens(text: str) -> list[str]:
    stripped = (token.strip(_AROUND) for token in _TOKEN.findall(text))
    return [token for token in stripped if token]


def _is_fact(token: str) -> bool:
    return (
        token[0].isupper()
        or any(map(str.isdigit, token))
        or token.lower() in _FACTS
        or token.endswith(("n't", "n’t"))
    )
