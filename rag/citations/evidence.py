"""What a passage has of a claim, as numbers, and what of the claim is at odds with it. Knows no
index, no model and no threshold: how like two texts are in meaning it asks whoever knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..text.language import fold, keywords
from ..types import Language, Reason
from .quantities import MEASURING
from .wording import Passage, Wording, read, stem

# How like a claim each of some texts is in meaning: 0 for nothing in common, 1 for the same.
Likeness = Callable[[Sequence[str]], Sequence[float]]

# A sentence of the passage with this share of the idf mass says the same, or the opposite.
SAME_SUBJECT = 0.5
# So many units, those with most of its words, are compared with a claim by their meaning.
COMPARED = 2


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of a claim in the passage's language: the share of its idf mass that the passage has and that
    one unit has; how like it in meaning the nearest of the units with most of its words is."""

    passage: float
    unit: float
    meaning: float


@dataclass(frozen=True, slots=True)
class Across:
    """Of a claim in another language: how like it in meaning the nearest unit is, and how far the
    next is behind it; where that unit stands in the passage's parts."""

    meaning: float
    ahead: float
    nearest: int


def shares(sentence: str, idf: Mapping[str, float]) -> dict[str, float]:
    """By stem the weight of the words of `sentence` that carry its subject, as parts of their sum;
    one that `idf` lacks weighs as much as the rarest. Numbers are compared by what they mean."""
    rarest = max(idf.values(), default=1.0)
    said = [w for w in keywords(sentence) if not w.isdigit() and w not in MEASURING]
    weights = {stem(w): idf.get(w, idf.get(fold(w), rarest)) for w in said}
    total = sum(weights.values()) or 1.0
    return {each: weight / total for each, weight in weights.items()}


def held(weights: Mapping[str, float], stems: frozenset[str]) -> float:
    """The share of `weights` that `stems` has; all of nothing."""
    if not weights:
        return 1.0
    return sum(weight for each, weight in weights.items() if each in stems)


def fault(
    sentence: str, source: Passage, idf: Mapping[str, float], language: Language
) -> Reason | None:
    """What of `sentence`, which is in the passage's `language`, is at odds with `source`."""
    claim, weights = read(sentence, claims=True), shares(sentence, idf)
    nearest = max(source.sentences, key=lambda wording: held(weights, wording.stems))
    same = held(weights, nearest.stems) >= SAME_SUBJECT
    names = claim.names | (_unheard(sentence, idf) if language == "vi" else frozenset())
    if not has_numbers(claim, source.whole):
        return "number"
    if not names <= source.whole.stems:
        return "name"
    if same and _contradict(claim, nearest, source):
        return "negation"
    return None if claim.absolutes <= nearest.absolutes else "absolute"


def fault_across(sentence: str, source: Passage) -> Reason | None:
    """The same of one in another language; number words differ too much to tell."""
    claim = read(sentence, claims=True, spelt=False)
    return None if has_numbers(claim, source.whole) else "number"


def compared(
    sentence: str, source: Passage, idf: Mapping[str, float], likeness: Likeness | None
) -> Evidence:
    """What `source` has of `sentence`, which is in the same language. Without a `likeness` there is
    none in meaning."""
    weights = shares(sentence, idf)
    parts = sorted(source.parts, key=lambda part: -held(weights, part.stems))[:COMPARED]
    meanings = likeness([part.unit.text for part in parts]) if likeness and parts else []
    return Evidence(
        passage=held(weights, source.whole.stems),
        unit=max((held(weights, part.stems) for part in parts), default=0.0),
        meaning=max(meanings, default=0.0),
    )


def compared_across(source: Passage, likeness: Likeness) -> Across:
    """What `source` has of the sentence that `likeness` compares with; it has parts."""
    meanings = list(likeness([part.unit.text for part in source.parts]))
    first, *others = sorted(meanings, reverse=True)
    return Across(first, first - others[0] if others else 0.0, meanings.index(first))


def has_numbers(claim: Wording, source: Wording) -> bool:
    """Whether `source` has all numbers of `claim`, each with its unit."""
    bare = frozenset().union(*source.numbers)
    lasting = frozenset(seconds for seconds, _ in source.durations)
    timed = frozenset().union(*(readings for _, readings in source.durations))
    return all(readings & (bare | timed) for readings in claim.numbers) and all(
        seconds in lasting or readings & (bare - timed) for seconds, readings in claim.durations
    )


def _contradict(claim: Wording, nearest: Wording, source: Passage) -> bool:
    """Whether one denies a word that both have, and the other denies nothing alike."""
    alike = any(claim.denied & sentence.denied for sentence in source.sentences)
    if alike or claim.hedged or nearest.hedged:
        return False
    return bool((claim.denied ^ nearest.denied) & claim.stems & nearest.stems)


# In a Vietnamese sentence: no syllable has these letters or this length.
_FOREIGN = re.compile(r"[a-z]*[fjwz][a-z]*|[a-z]{8,}")


def _unheard(sentence: str, idf: Mapping[str, float]) -> frozenset[str]:
    """The foreign words of a Vietnamese sentence that are as rare as any."""
    rarest = max(idf.values(), default=1.0)
    rare = (w for w in keywords(sentence) if _FOREIGN.fullmatch(w) and idf.get(w) == rarest)
    return frozenset(map(stem, rare))
