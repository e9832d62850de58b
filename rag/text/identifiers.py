"""Identifiers: what a question names by a code (E-1043, KX-287, 7714-B) or by its place in a law or
a contract (Điều 12 khoản 3, Section 4.2), and the texts that have it. Pure.

A passage about another part, error or article may have all other words of the question, so the
scores of its words say nothing there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise

from .language import fold, stems, terms, words

MOST = 8  # of one question
_LONGEST = 64  # characters
_PIECES = 6  # of a code that may be written together or apart

_TOKEN = re.compile(r"(?<![\w.])[^\W_]+(?:[-–_/.][^\W_]+)*(?![\w])")
_PIECE = re.compile(r"\d+|[^\W\d_]+")
# A number and what is counted: 5kg, 20th, 1990s, 18-year-old, 2.5GB, 5xx, 3D; and what stands for a
# measure, a quarter, a version: km2, Q3, v1.2.
_COUNTED = re.compile(
    r"\d[\d.,]*(?:[a-z][a-z/-]*\d?|[A-Z]|[kKMGT]i?[Bb](?:ps)?|[kKMG]?(?:Hz|HZ|W|Wh|V|A|M|G)|KG|KM|CM|MM|"
    r"USD|EUR|GBP|VND|AM|PM)"
    r"|\d[\d.,]*-[^\W\d_]{3,}(?:-[^\W\d_]+)*"
    r"|(?:[mM]id|[pP]re|[pP]ost|[eE]arly|[lL]ate)-\d+s?"
    r"|[kcdmnµ]?m[23]|ha2|[QqHh][1-4]|[vV]\d[\d.]*|[fF][yY]-?\d{2,4}"
)
_DATE = re.compile(r"\d{1,2}[-/.]?[^\W\d_]{3,}[-/.]?\d{2,4}|[^\W\d_]{3,}[-/.](?:1\d|20)\d\d")
_LABELLED = re.compile(
    r"\b(điều|dieu|chương|chuong|phụ lục|phu luc|article|section|clause|chapter|annex|appendix)"
    r" (\d+(?:\.\d+)*[a-zđ]?)\b(?![.,]\d)",
    re.IGNORECASE,
)
_WITHIN = re.compile(r"\b(khoản|khoan|paragraph) (\d+)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Identifier:
    """One that a question names: as it is written there, and the terms, as `rag.text.language` cuts
    them, of which a text that has it has one. `part` is one inside another (khoản 3 of Điều 12)."""

    written: str
    terms: tuple[str, ...]
    pattern: re.Pattern[str]
    part: bool = False

    def stands_in(self, text: str) -> bool:
        return self.pattern.search(_plain(text)) is not None


@lru_cache(maxsize=256)
def identifiers(question: str) -> tuple[Identifier, ...]:
    """Those that `question` names, in order, each once."""
    found: dict[str, Identifier] = {}
    for each in (*_codes(question), *_places(question)):
        found.setdefault(each.pattern.pattern, each)
    return tuple(found.values())[:MOST]


def held(asked: tuple[Identifier, ...], text: str) -> float:
    """The share of the identifiers `asked` that `text` has; a part counts half, and only in a text
    that has another."""
    whole = [each for each in asked if not each.part]
    parts = [each for each in asked if each.part]
    has = sum(each.stands_in(text) for each in whole)
    if not has:
        return 0.0
    return (has + sum(p.stands_in(text) for p in parts) / 2) / (len(whole) + len(parts) / 2)


def _codes(question: str) -> Iterator[Identifier]:
    for match in _TOKEN.finditer(unicodedata.normalize("NFKC", question)):
        written = match[0]
        if len(written) <= _LONGEST and _is_code(written):
            pieces = _PIECE.findall(fold(written))
            body = "[-–_/. ]?".join(map(re.escape, pieces))
            pattern = re.compile(rf"(?<![^\W_]){body}(?![^\W_])")
            yield Identifier(written, _spellings(pieces), pattern)


def _is_code(written: str) -> bool:
    digits = any(map(str.isdigit, written))
    letters = any(map(str.isalpha, written))
    if not (digits and letters) or _DATE.fullmatch(written):
        return False
    return not _COUNTED.fullmatch(written)


def _places(question: str) -> Iterator[Identifier]:
    line = " ".join(unicodedata.normalize("NFKC", question).split())
    labelled = list(_LABELLED.finditer(line))
    for match in labelled:
        yield _place(match[0], re.escape(fold(match[0])))
    if labelled:
        for match in _WITHIN.finditer(line):
            body = rf"(?:{re.escape(fold(match[0]))}|^\W*{match[2]}[.)])"
            yield _place(match[0], body, part=True)


def _place(written: str, body: str, part: bool = False) -> Identifier:
    pattern = re.compile(rf"(?:(?<![^\W_])|^){body}(?![^\W_])", re.MULTILINE)
    cut = words(written)
    pairs = tuple(terms(stems(cut))[len(cut) :])
    return Identifier(written, () if part else pairs, pattern, part)


def _spellings(pieces: list[str]) -> tuple[str, ...]:
    """The terms of all ways to write the pieces together or apart."""
    if len(pieces) > _PIECES:
        return ()
    found: dict[str, None] = {}
    gaps = range(1, len(pieces))
    for count in range(len(pieces)):
        for cuts in combinations(gaps, count):
            bounds = [0, *cuts, len(pieces)]
            cut = ["".join(pieces[a:b]) for a, b in pairwise(bounds)]
            found.update(dict.fromkeys(terms(stems(cut))[len(cut) :] or cut))
    return tuple(found)


def _plain(text: str) -> str:
    return fold(unicodedata.normalize("NFKC", text))
