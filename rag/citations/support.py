"""Judges whether a passage supports a sentence that cites it, from their words alone.

A sentence is unsupported when it has a number, a name or an absolute that the passage lacks, says
with “not” what the passage says without, or has too little in common with it. Pure; knows no index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ..retrieval.retriever import Retriever
from ..text.language import fold, has_diacritics, keywords, of_passage, words
from ..text.sentences import split_sentences
from ..text.units import Unit, units
from ..types import Language, Quote, Reason, Source
from .quantities import quantities, without_dates


@dataclass(frozen=True, slots=True)
class Support:
    """Whether a sentence is supported, and why (not). "unchecked" passes: it has no words that
    could be missing, or is in another language than the passage and has no wrong number. `share`
    is the part of the sentence's idf mass that the passage has, in 0..1; `quote` the unit of the
    passage that says it, if one has enough of its words."""

    supported: bool
    reason: Reason
    share: float
    cosine: float
    quote: Quote | None = None


# Tuned on the tuning half of tests/measured/support.json. all-MiniLM-L6-v2 does not know
# Vietnamese: there the words decide alone.
COSINE_WEIGHT: Mapping[Language, float] = {"en": 0.3, "vi": 0.0}
LEAST: Mapping[Language, float] = {"en": 0.38, "vi": 0.5}
# A sentence of the passage with this share of the idf mass says the same, or the opposite.
SAME_SUBJECT = 0.5
# A unit with this share of it is shown as what says so.
QUOTED = 0.4
# Words after “not” that it may deny.
SCOPE = 4


def supports(retriever: Retriever, sentence: str, sources: Sequence[Source]) -> list[Support]:
    """Whether each of `sources` supports `sentence`, which cites them. Those that support it only
    together all do."""
    query, cosines = retriever.compare(sentence, sources)

    def judged(passage: str, cosine: float) -> Support:
        return judge(sentence, passage, query.weights, cosine, query.language)

    each = [judged(s.text, cosine) for s, cosine in zip(sources, cosines, strict=True)]
    if len(each) > 1 and not any(support.supported for support in each):
        together = judged("\n\n".join(source.text for source in sources), max(cosines))
        each = [together] * len(each) if together.supported else each
    return [
        replace(support, quote=quoted(sentence, source.text, query.weights))
        if support.supported
        else support
        for support, source in zip(each, sources, strict=True)
    ]


def quoted(sentence: str, passage: str, idf: Mapping[str, float]) -> Quote | None:
    """The unit of `passage` that has most of the words of `sentence`, if that is enough."""
    shaped = fold if not has_diacritics(sentence) else str
    rarest = max(idf.values(), default=1.0)
    weights = {_stem(shaped(w)): idf.get(w, idf.get(fold(w), rarest)) for w in keywords(sentence)}
    best: Unit | None = None
    most = QUOTED * (sum(weights.values()) or 1.0)
    for unit in units(passage):
        there = set(map(_stem, words(shaped(unit.text))))
        has = sum(weight for stem, weight in weights.items() if stem in there)
        if has >= most and (best is None or has > most):
            best, most = unit, has
    return Quote(best.start, best.end, passage[best.start : best.end]) if best else None


def judge(
    sentence: str, passage: str, idf: Mapping[str, float], cosine: float, language: Language
) -> Support:
    """Whether `passage` supports `sentence`, which is in `language`.

    `idf` weighs the words of `sentence` as `rag.text.language.words` cuts them, a missing one as
    much as the rarest; `cosine` is that of the two texts' vectors.
    """
    if language == "vi" and not has_diacritics(sentence):
        passage = fold(passage)
    claim, source = _read(sentence, claims=True), _passage(passage)
    rarest = max(idf.values(), default=1.0)
    weights = {_stem(w): idf.get(w, idf.get(fold(w), rarest)) for w in keywords(sentence)}
    share = _share(weights, source.whole)
    if tuple(words(sentence)) in source.quotes:
        return Support(True, "supported", share, cosine)
    fault: Reason | None = None if _has_numbers(claim, source.whole) else "number"
    if fault is None:
        if of_passage(passage) != language or not any(len(word) > 1 for word in weights):
            return Support(True, "unchecked", share, cosine)
        fault = _fault(claim, source, weights)
    if fault is None and language == "vi":
        unheard = {w for w in keywords(sentence) if _FOREIGN.fullmatch(w) and idf.get(w) == rarest}
        fault = None if {_stem(w) for w in unheard} <= source.whole.stems else "name"
    likeness = share + COSINE_WEIGHT[language] * (cosine - share)
    if fault is None and likeness < LEAST[language]:
        fault = "words"
    return Support(fault is None, fault or "supported", share, cosine)


@dataclass(frozen=True, slots=True)
class _Text:
    """What is compared of a text."""

    stems: frozenset[str]
    denied: frozenset[str]  # those a “not” stands before
    numbers: tuple[frozenset[str], ...]  # each number's readings, without those of `durations`
    durations: tuple[tuple[float, frozenset[str]], ...]  # seconds, and the readings of the number
    names: frozenset[str]
    absolutes: frozenset[str]
    hedged: bool


@dataclass(frozen=True, slots=True)
class _Passage:
    whole: _Text
    sentences: tuple[_Text, ...]
    quotes: frozenset[tuple[str, ...]]


def _fault(claim: _Text, source: _Passage, weights: Mapping[str, float]) -> Reason | None:
    if not claim.names <= source.whole.stems:
        return "name"
    nearest = max(source.sentences, key=lambda sentence: _share(weights, sentence))
    if _share(weights, nearest) >= SAME_SUBJECT and _contradict(claim, nearest, source):
        return "negation"
    if not claim.absolutes <= nearest.absolutes:
        return "absolute"
    return None


def _has_numbers(claim: _Text, source: _Text) -> bool:
    bare = frozenset().union(*source.numbers)
    lasting = frozenset(seconds for seconds, _ in source.durations)
    timed = frozenset().union(*(readings for _, readings in source.durations))
    return all(readings & (bare | timed) for readings in claim.numbers) and all(
        seconds in lasting or readings & (bare - timed) for seconds, readings in claim.durations
    )


def _contradict(claim: _Text, nearest: _Text, source: _Passage) -> bool:
    """Whether one denies a word that both have, and the other denies nothing alike."""
    alike = any(claim.denied & sentence.denied for sentence in source.sentences)
    if alike or claim.hedged or nearest.hedged:
        return False
    return bool((claim.denied ^ nearest.denied) & claim.stems & nearest.stems)


def _share(weights: Mapping[str, float], text: _Text) -> float:
    found = sum(weight for stem, weight in weights.items() if stem in text.stems)
    return found / (sum(weights.values()) or 1.0)


_BOUND = re.compile(r"(?<=[.!?…;:])\s+|\n\s*\n|\n(?=[-•*] )")


@lru_cache(maxsize=64)
def _passage(text: str) -> _Passage:
    quotes = frozenset(tuple(words(sentence)) for sentence in split_sentences(text))
    return _Passage(_read(text), tuple(map(_read, _BOUND.split(text))), quotes)


def _read(text: str, claims: bool = False) -> _Text:
    durations, numbers = quantities(text)
    return _Text(
        stems=frozenset(map(_stem, words(text))),
        denied=frozenset(_denied(text)),
        numbers=tuple(numbers),
        durations=tuple(durations),
        names=frozenset(
            _stem(word) for name in _names(without_dates(text)) for word in words(name)
        ),
        absolutes=frozenset(
            said
            for said, like in _ABSOLUTES.items()
            if re.search(said, text, re.I) or (not claims and re.search(like, text, re.I))
        ),
        hedged=_HEDGE.search(text) is not None,
    )


# In a Vietnamese sentence: no syllable has these letters or this length.
_FOREIGN = re.compile(r"[a-z]*[fjwz][a-z]*|[a-z]{8,}")
# English endings; what is left is cut to five letters: cancel, cancelled, cancellation.
_ENDING = re.compile(r"(?:ing|ies|ied|ed|es|ly|s|e|y)$")


def _stem(word: str) -> str:
    if len(word) < 4 or not word.isascii():
        return word
    return _ENDING.sub("", word)[:5]


_NOT = re.compile(
    r"\b(?:not(?! only)|never|cannot|nobody|none|nothing|neither|nor|without|(?<!: )no(?= [a-z])"
    r"|(?<!hay )không(?! chỉ| gian)|chưa|chẳng|đừng)\b|n['’]t\b",
    re.IGNORECASE,
)
# What turns a sentence round without a “not”.
_HEDGE = re.compile(
    r"\b(?:unless|instead|rather|whereas|except|thay vì|trừ khi|nếu không)\b", re.IGNORECASE
)
_CLAUSE = re.compile(r"[,.;:()]\s|\b(?:but|and|nhưng)\b")
# The words that claim it, and those of a passage that may have been meant.
_ABSOLUTES = {
    r"\b(?:always|never|nobody|guarantee\w*|completely|entirely|for ever"
    r"|luôn|hoàn toàn|tuyệt đối|mãi mãi)\b": r"\b(?:must|not?|cannot|without|phải|không|chưa)\b",
    r"\b(?:all|every\w*|whole|mọi|tất cả|toàn bộ)\b": (
        r"\b(?:each|any|both|complete|full|no|mỗi|bất kỳ|cả|các|những)\b"
    ),
}


def _denied(text: str) -> Iterator[str]:
    """The stems that stand behind a “not”, and nowhere else."""
    denied, at, said = [], 0, []
    for match in _NOT.finditer(text):
        clause = _CLAUSE.split(text[match.end() :], maxsplit=1)[0]
        scope = list(re.finditer(r"[^\W_]+", clause))[:SCOPE]
        said.append(text[at : match.start()])
        at = max(at, match.end() + (scope[-1].end() if scope else 0))
        denied += [word[0] for word in scope]
    said.append(text[at:])
    said_stems = set(map(_stem, words(" ".join(said))))
    yield from (s for s in map(_stem, keywords(" ".join(denied))) if s not in said_stems)


_ABBREVIATION = re.compile(r"[a-z](?:\.[a-z])+", re.IGNORECASE)
_INNER = re.compile(r"[a-z][A-Z]|[A-Z]{2}|_|\(\)|[^\W\d_]\d|[^\W\d_]\.[^\W\d_]|[^\W\d_]-[A-Z]")


def _names(text: str) -> Iterator[str]:
    first = True
    for written in text.split():
        token = written.strip("“”\"'‘’*.,;:!?…()[]")
        if not token or _ABBREVIATION.fullmatch(token):
            continue
        opens = first or written[0] in "“\"'(*`"
        if written[0] == "`" or _INNER.search(token) or (token[0].isupper() and not opens):
            yield token
        first = written[-1] in ".!?:…"
