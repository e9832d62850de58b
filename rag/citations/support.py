"""Judges whether a passage supports a sentence that cites it.

A sentence is unsupported when it has a number, a name or an absolute that the passage lacks, says
with “not” what the passage says without, or has too little in common with it, in words and in
meaning. Where that is neither much nor little nobody can tell. Knows no index but through its
retriever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..retrieval.retriever import Retriever
from ..text.language import detect, has_diacritics, of_passage
from ..text.units import Unit
from ..types import Language, Outcome, Quote, Reason, Source, outcome
from . import evidence, wording
from .claims import claimed, claims_nothing
from .evidence import Likeness
from .scales import Cuts, Scales, scales
from .wording import Passage


@dataclass(frozen=True, slots=True)
class Support:
    """What was found of a sentence, and why. `supported` is False only where it is not confirmed:
    what claims nothing, and what nobody can tell, passes (`outcome`). `share` is the part of the
    sentence's idf mass that the passage has, in 0..1; `cosine` the likeness in meaning of what in
    the passage is nearest; `quote` the unit of the passage that says it, if one does."""

    supported: bool
    reason: Reason
    share: float
    cosine: float
    quote: Quote | None = None

    @property
    def outcome(self) -> Outcome:
        return outcome(self.reason)


class Checker(Protocol):
    """What judges citations."""

    def __call__(
        self, retriever: Retriever, sentence: str, sources: Sequence[Source]
    ) -> Sequence[Support]:
        """What each of `sources` says of `sentence`, which cites them, in their order."""


NOTHING = Support(True, "unchecked", 0.0, 0.0)
# A unit with this share of the idf mass, or so like it in meaning, is shown as what says so.
QUOTED, ALIKE = 0.4, 0.6
_ORDER: Sequence[Outcome] = ("unconfirmed", "unclear", "unchecked", "confirmed")


def supports(retriever: Retriever, sentence: str, sources: Sequence[Source]) -> list[Support]:
    """Whether each of `sources` supports `sentence`, which cites them. What they say of it only
    together they all do."""
    if claims_nothing(sentence):
        return [NOTHING] * len(sources)
    query, likeness = retriever.compare(sentence)
    fitted = scales(retriever.model)

    def judged(passage: str) -> Support:
        return judge(sentence, passage, query.weights, query.language, likeness, fitted)

    each = [judged(source.text) for source in sources]
    best = max((support.outcome for support in each), key=_ORDER.index, default="confirmed")
    if len(each) < 2 or best == "confirmed":
        return each
    together = judged("\n\n".join(source.text for source in sources))
    if _ORDER.index(together.outcome) <= _ORDER.index(best):
        return each
    own = [quoted(sentence, source.text, query.weights) for source in sources]
    return [Support(True, together.reason, together.share, together.cosine, quote) for quote in own]


def judge(
    sentence: str,
    passage: str,
    idf: Mapping[str, float],
    language: Language,
    likeness: Likeness,
    fitted: Scales,
) -> Support:
    """Whether `passage` supports `sentence`, which is in `language`.

    `idf` weighs the words of `sentence` as `rag.text.language.words` cuts them, a missing one as
    much as the rarest; `likeness` compares it with texts, `fitted` weighs what that gives.
    """
    if claims_nothing(sentence):
        return NOTHING
    claim = claimed(sentence)
    source = wording.passage(passage, _is_plain(sentence))
    share = evidence.held(evidence.shares(claim, idf), source.whole.stems)
    if source.has(sentence) or source.has(claim):
        return Support(True, "supported", share, 1.0, quoted(sentence, passage, idf))
    if of_passage(passage) != language:
        return _across(claim, passage, source, likeness, fitted, share)
    if fault := evidence.fault(claim, source, idf, language):
        return Support(False, fault, share, 0.0)
    if not evidence.shares(claim, idf):  # numbers alone, of what nobody says
        return Support(True, "unclear", share, 0.0)
    scale = fitted.within[language]
    found = evidence.compared(claim, source, idf, likeness if scale.meaning else None)
    reason = _reason(scale.doubt(found), scale.cuts, "words")
    quote = quoted(claim, passage, idf)
    return Support(reason != "words", reason, share, found.meaning, quote)


def _across(
    claim: str,
    passage: str,
    source: Passage,
    likeness: Likeness,
    fitted: Scales,
    share: float,
) -> Support:
    if fault := evidence.fault_across(claim, source):
        return Support(False, fault, share, 0.0)
    if fitted.across is None or not source.parts:
        return Support(True, "unclear", share, 0.0)
    found = evidence.compared_across(source, likeness)
    reason = _reason(fitted.across.doubt(found), fitted.across.cuts, "meaning")
    unit = source.parts[found.nearest].unit
    quote = _quote(unit, passage) if found.meaning >= ALIKE else None
    return Support(reason != "meaning", reason, share, found.meaning, quote)


def _reason(doubt: float, cuts: Cuts, lacking: Reason) -> Reason:
    if doubt >= cuts.unconfirmed:
        return lacking
    return "unclear" if doubt >= cuts.unclear else "supported"


def quoted(sentence: str, passage: str, idf: Mapping[str, float]) -> Quote | None:
    """The unit of `passage` that has most of the words of `sentence`, if that is enough."""
    weights = evidence.shares(sentence, idf)
    parts = wording.passage(passage, _is_plain(sentence)).parts
    having = [(evidence.held(weights, part.own), part.unit) for part in parts]
    most, best = max(having, key=lambda each: each[0], default=(0.0, None))
    return _quote(best, passage) if best and most >= QUOTED else None


def _is_plain(sentence: str) -> bool:
    """Whether it is Vietnamese typed without diacritics, and so compared."""
    return detect(sentence) == "vi" and not has_diacritics(sentence)


def _quote(unit: Unit, passage: str) -> Quote:
    return Quote(unit.start, unit.end, passage[unit.start : unit.end])
