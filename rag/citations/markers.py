"""What citation markers look like: the forms that models write, whole or only begun. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

# 2-90 is no range of sources.
MAX_RANGE = 20


@dataclass(frozen=True, slots=True)
class _Form:
    """Patterns of what is written so, and of what may become it."""

    whole: str
    begun: str


def _chars(allowed: str) -> _Form:
    return _Form(f"[{allowed}]", f"[{allowed}]")


def _word(word: str) -> _Form:
    begun = ""
    for character in reversed(word):
        begun = f"{re.escape(character)}(?:{begun})?"
    return _Form(re.escape(word), begun)


def _any(*forms: _Form) -> _Form:
    return _Form(
        f"(?:{'|'.join(form.whole for form in forms)})",
        f"(?:{'|'.join(form.begun for form in forms)})",
    )


def _row(*forms: _Form) -> _Form:
    begun = ""
    for form in reversed(forms):
        begun = f"(?:{form.begun}|{form.whole}{begun})" if begun else form.begun
    return _Form("".join(form.whole for form in forms), begun)


def _upto(most: int, form: _Form) -> _Form:
    return _Form(f"(?:{form.whole}){{0,{most}}}", f"(?:{form.whole}){{0,{most}}}(?:{form.begun})?")


_GAP = _upto(1, _chars(" "))
_NUMBER = _Form(r"\d{1,3}", r"\d{1,3}")
_LABELS = """sources source passages passage citations citation cite references reference refs ref
documents document docs doc nguồn nguon đoạn""".split()
_LABEL = _row(
    _any(*map(_word, [*_LABELS, "tài liệu", "trích dẫn"])), _GAP, _upto(1, _chars("#:.")), _GAP
)
_AND = _any(
    _row(_GAP, _chars(",;&‐‑–—−-"), _GAP),
    *(_row(_chars(" "), _word(w + " ")) for w in ("and", "và")),
)
_PAGE = _row(
    _upto(1, _chars(",;:")),
    _GAP,
    _any(*map(_word, ("pages", "page", "pp.", "p.", "trang", "tr."))),
    _GAP,
    _Form(r"\d{1,4}(?:[-–]\d{1,4})?", r"\d{1,4}(?:[-–]\d{0,4})?"),
)
_NOTE = _Form(r"(?:†[^】\]\n`]{0,80})?", r"(?:†[^】\]\n`]{0,80})?")
_MARK = _upto(1, _chars("#^"))
_MORE = _upto(11, _row(_AND, _upto(1, _LABEL), _MARK, _NUMBER))
_LIST = _row(
    _MARK, _NUMBER, _MORE, _upto(1, _chars(r"\^")), _upto(1, _PAGE), _NOTE, _GAP
)  # fmt: skip
_SQUARE = _row(_chars(r"\["), _GAP, _upto(1, _LABEL), _LIST, _chars(r"\]"))
_FORM = _any(
    _SQUARE,
    _row(_chars(r"\["), _SQUARE, _chars(r"\]")),
    _row(_chars("【［"), _GAP, _upto(1, _LABEL), _upto(1, _row(_NUMBER, _chars(":"))), _LIST,
         _chars("】］")),
    _row(
        _chars("(（"),
        _upto(1, _any(*map(_word, ("see ", "from ", "xem ", "theo ")))),
        _any(
            _row(_LABEL, _LIST),
            _row(_upto(1, _LABEL), _SQUARE, _upto(7, _row(_upto(1, _AND), _SQUARE))),
        ),
        _chars(")）"),
    ),
)  # fmt: skip
_MARKER, _BEGUN = (re.compile(form, re.IGNORECASE) for form in (_FORM.whole, _FORM.begun))
_UNCOUNTED = re.compile(rf"{_PAGE.whole}|†[^】\]]*", re.IGNORECASE)
_RANGE = re.compile(r"(\d+)(?: ?[-‐‑–—−] ?[#^]?(\d+))?")


def is_marker(text: str) -> bool:
    return _MARKER.fullmatch(text) is not None


def may_become_marker(text: str) -> bool:
    """Whether `text` is the beginning of a marker, or a whole one."""
    return _BEGUN.fullmatch(text) is not None


def cited_numbers(marker: str) -> tuple[int, ...]:
    """The numbers that `marker` cites, each once; none if it is an interval or an index."""
    if re.match(r"\D*\d+:\d", marker):  # 【4:0†source】 counts messages, not our sources
        return (0,)
    numbers: list[int] = []
    for first, last in _RANGE.findall(_UNCOUNTED.sub("", marker)):
        span = range(int(first), int(last or first) + 1)
        if not 0 < len(span) <= MAX_RANGE:
            return ()
        numbers += span
    return () if 0 in numbers and len(numbers) > 1 else tuple(dict.fromkeys(numbers))
