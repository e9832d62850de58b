"""Chooses what in the sources answers a question: units with the neighbours that they need. Knows
the sources of one search and how well a text fits; writes nothing."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from ..text.asked import SURE, answers, asked, wants_code
from ..text.editions import changes
from ..text.language import column, detect, folded, is_syllable, keywords, stems, words
from ..text.units import SHORT, Unit, units
from ..types import Findings, Source
from .pieces import Relevance

CONSIDERED = 12  # units whose meaning is compared, which takes most of an answer's time
LONGEST = 300  # characters of a unit that are compared
LEANT = 150  # and of the one before, if it cannot be understood without
MOST = 2  # parts that answer; one more if it has a word of the question that they lack
# What counts beside the fit of a unit's words and meaning; tuned on XQuAD's even articles.
SOURCE = 0.3  # the score of its source, beside the best one's
KIND = 0.1  # that it has what is asked for: a name, a time, a number
DEFINES = 0.25  # that it says what something is, where that is asked
COVERED = 0.3  # the share of the question's words that it has
CODE = 0.2  # that it is code, where the question is for some
FIRM = 6  # times as much counts a word that has no other
LINE = 0.1  # taken from words that are no sentence, or only say what will be said
NEARLY = 0.75  # of the best score, for a further part
SAME = 0.6  # share of the words that two parts have in common, to say the same
TOGETHER = 400  # characters of a part up to which neighbours are added
TERSE = 80  # characters of a sentence that is explained by the next one

_LEANS = re.compile(
    r"(?:It|Its|This|That|These|Those|They|Their|Them|He|She|His|Her|Such|Both|Neither|Otherwise"
    r"|Therefore|Then|Thus|So|Hence|But|However|Instead|Also|Each of (?:them|these)|The same"
    r"|Nó|Chúng|Họ|Ông|Bà|Cô|Đây|Đó|Thế|(?:Điều|Việc|Cách|Giá trị|Con số) (?:này|đó|ấy)"
    r"|(?:Do|Vì|Nhờ|Như) (?:đó|vậy|thế)|(?:Khi|Lúc|Trong lúc|Trong trường hợp) (?:đó|này|ấy)"
    r"|Sau đó|Ngược lại|Tuy nhiên|Nhưng|Nếu không|Cả hai|Hai (?:cách|dạng|kiểu))\b"
)
_ABOUT_ITSELF = re.compile(
    r"This (?:chapter|section|page|document|article|guide|paper) |(?:Chương|Phần|Bài|Mục) này "
)
_NAMED = re.compile(r"\([^()]+\)|“[^”]+”|\"[^\"]+\"|`[^`]+`")


@dataclass(frozen=True, slots=True)
class Quote:
    """What is quoted of the source `number`: those of its units at these `places`, in order. `best`
    are the places of those that answer, the best first; these need the others."""

    number: int
    cut: tuple[Unit, ...]
    places: tuple[int, ...]
    best: tuple[int, ...]

    @property
    def units(self) -> tuple[Unit, ...]:
        return tuple(self.cut[place] for place in self.places)

    @property
    def text(self) -> str:
        """Its words."""
        return "\n".join(unit.text for unit in self.units)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A unit of a source, at `place` among its units."""

    source: Source
    place: int
    score: float = 0.0

    @property
    def unit(self) -> Unit:
        return units(self.source.text)[self.place]

    @property
    def context(self) -> str:
        """The unit's text with what it stands under, and what it leans on, in front."""
        before = units(self.source.text)[self.place - 1] if self.place else None
        unit, context = self.unit, self.unit.context[:LONGEST]
        leans = _LEANS.match(unit.text) and before and before.block == unit.block
        if before and (leans or (unit.kind == "code" and not unit.lead)):
            return f"{before.text[-LEANT:]}\n{context}"
        return context

    @property
    def own(self) -> str:
        """The same; of code without the sentence before it, which has its words for itself."""
        return self.unit.context if self.unit.kind == "code" else self.context


def chosen(findings: Findings, relevance: Relevance) -> list[Quote]:
    """The quotes that answer, each of another source, the one with the best part first."""
    question, terms = findings.query, _Terms(findings.query)
    considered = _considered(findings, terms)
    ranked = sorted(_scored(question, considered, terms, relevance), key=lambda c: -c.score)
    quotes: dict[int, Quote] = {}
    have: frozenset[str] = frozenset()
    for part, candidate in ((_with_neighbours(c), c) for c in ranked):
        parts = sum(len(quote.best) for quote in quotes.values())
        if parts and (candidate.score < NEARLY * ranked[0].score or parts > MOST):
            break
        new = terms.of(part.text) - have
        if parts and (_is_said(part, quotes.values()) or (parts == MOST and not new)):
            continue
        if parts and not _answers_too(question, ranked[0], candidate):
            continue
        known = quotes.get(part.number)
        quotes[part.number] = _joined(known, part) if known else part
        have |= new
    return list(quotes.values())


def _considered(findings: Findings, terms: _Terms) -> list[_Candidate]:
    """The units that share most with the question, of equals those of the better source; and those
    of a good source in another language, which can share few words."""
    found = list(_candidates(findings))
    terms.weigh([candidate.context for candidate in found])
    best = max((s.score for s in findings.sources), default=0.0) or 1.0
    share = [terms.share(candidate.context) for candidate in found]
    typical = sorted(share)[len(share) * 3 // 4] if share else 0.0
    score = [
        max(own, typical * (c.source.language not in (None, findings.language)))
        + c.source.score / best / 2
        for own, c in zip(share, found, strict=True)
    ]
    order = sorted(range(len(found)), key=lambda i: -score[i])[:CONSIDERED]
    return [found[i] for i in sorted(order)]


def _candidates(findings: Findings) -> Iterator[_Candidate]:
    for source in findings.sources:
        cut = units(source.text)
        useful = [
            (u.whole or (u.kind == "line" and len(u.text) >= SHORT))
            and not _ABOUT_ITSELF.match(u.text)
            for u in cut
        ]
        for place in range(len(cut)):
            if useful[place] or not any(useful):
                yield _Candidate(source, place)


def _scored(
    question: str, considered: Sequence[_Candidate], terms: _Terms, relevance: Relevance
) -> list[_Candidate]:
    if not considered:
        return []
    fit = relevance(question, [candidate.context for candidate in considered])
    best = max(candidate.source.score for candidate in considered) or 1.0
    return [
        replace(
            candidate,
            score=float(fits)
            + SOURCE * candidate.source.score / best
            + COVERED * terms.share(candidate.own)
            + _apt(candidate.unit, question),
        )
        for candidate, fits in zip(considered, fit, strict=True)
    ]


def _apt(unit: Unit, question: str) -> float:
    """How much its kind, and what it has, speak for or against a unit."""
    kind = asked(question)
    apt = (DEFINES if kind == "what" else KIND) * (answers(kind, question, unit.text) - 0.5)
    if unit.kind == "code" and wants_code(question):
        apt += CODE
    if unit.kind == "line" or unit.text.endswith("?"):
        apt -= LINE
    return apt


def _with_neighbours(candidate: _Candidate) -> Quote:
    cut, first, last = units(candidate.source.text), candidate.place, candidate.place
    while first and cut[first - 1].block == cut[first].block and _LEANS.match(cut[first].text):
        first -= 1
    if first and cut[first].lead and cut[first].lead == cut[first - 1].text:
        first -= 1
    size = sum(len(unit.text) for unit in cut[first : last + 1])
    while last + 1 < len(cut) and _explains(cut[candidate.place : last + 2]):
        size += len(cut[last + 1].text)
        if size > TOGETHER:
            break
        last += 1
    places = tuple(range(first, last + 1))
    return Quote(candidate.source.number, cut, places, (candidate.place,))


def _joined(one: Quote, other: Quote) -> Quote:
    places = tuple(sorted({*one.places, *other.places}))
    return replace(one, places=places, best=one.best + other.best)


def _explains(run: Sequence[Unit]) -> bool:
    """Whether units need the last one of `run`: the first announces it, or the one before it is
    short and it goes on."""
    first, unit, following = run[0], run[-2], run[-1]
    if first.text.endswith(":"):
        return following.lead == first.text
    goes_on = unit.block == following.block and unit.kind == following.kind == "sentence"
    short = len(unit.text) < TERSE and following.whole
    return goes_on and short and not _ABOUT_ITSELF.match(following.text)


def _answers_too(question: str, best: _Candidate, other: _Candidate) -> bool:
    """Whether a further part has the numbers of the question that the best one has, and what is
    asked for, if that one has it."""
    numbers = {word for word in words(question) if any(map(str.isdigit, word))}
    kind, lacking = asked(question), numbers - set(words(other.context))
    told, tells = (answers(kind, question, each.unit.text) for each in (best, other))
    lacks = kind in SURE and tells < told
    return not lacks and not lacking & set(words(best.context))


def _is_said(part: Quote, quotes: Collection[Quote]) -> bool:
    """Whether quotes say it already; another edition of a text does not say the same."""
    for quote in quotes:
        if quote.number == part.number and set(part.best) <= set(quote.places):
            return True
        if _alike(part.text, quote.text):
            return quote.number == part.number or not changes(quote.text, part.text)
    return False


def _alike(a: str, b: str) -> bool:
    one, other = set(words(a)), set(words(b))
    return len(one & other) >= SAME * max(1, min(len(one), len(other)))


class _Terms:
    """The words of a question, without their inflections, and how many of them a text has."""

    def __init__(self, question: str) -> None:
        self._vietnamese = detect(question) == "vi"
        self._folded = column(question) == "folded"
        self._wanted = frozenset(self._cut(" ".join(keywords(question))))
        self._named = frozenset(self._cut(" ".join(_NAMED.findall(question))))
        self._weights = dict.fromkeys(self._wanted, 1.0)

    def weigh(self, texts: Sequence[str]) -> None:
        """What fewer of `texts` have counts more."""
        common = Counter(term for text in texts for term in self.of(text))
        self._weights = {
            term: math.log(1 + len(texts) / (1 + common[term])) * (FIRM if self._firm(term) else 1)
            for term in self._wanted
        }

    def _firm(self, term: str) -> bool:
        """Whether a word has hardly another for it: a number, a foreign term, what is quoted."""
        foreign = self._vietnamese and not is_syllable(term)
        return foreign or term in self._named or any(map(str.isdigit, term))

    def of(self, text: str) -> frozenset[str]:
        return self._wanted.intersection(self._cut(text))

    def share(self, text: str) -> float:
        """Of the question's weight. The sums do not depend on the order of a set."""
        whole = math.fsum(self._weights.values()) or 1.0
        return math.fsum(self._weights[term] for term in self.of(text)) / whole

    def _cut(self, text: str) -> list[str]:
        cut = words(text)
        return stems(folded(cut) if self._folded else cut)
