"""What was found for a question: ranks it, and judges whether it is enough to answer from. Pure;
knows no index."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..text.identifiers import held
from ..text.language import compares, topics
from ..text.verdict import numbers_lacked
from ..types import Chunk, Findings, Language, Source, Verdict
from .bm25 import Query, Scores
from .passages import gathered, joined
from .profiles import Profile

# The best of many passages has much in common with a question by chance, the best of a few little:
# so the evidence in a library of up to `MANY` chunks counts more, the most (1 / FEW) in one of a
# single chunk. Of XQuAD's dev half's even articles; BM25's own background leaves so much.
FEW, MANY = 0.7, 100
# The share of a question's words that stand nowhere from which an answer is called weak, in a
# single chunk and in MANY; for a comparison half of it. Vietnamese has few syllables, so one that
# is missing says more. In libraries of 1 to 120 paragraphs of XQuAD's dev half 2 to 6 % of the
# answerable questions lack as much (of the odd articles, after the even ones were looked at, 1 to
# 6), of the unanswerable ones 43 to 98 %.
ABSENT: Mapping[Language, tuple[float, float]] = {"en": (0.75, 1 / 3), "vi": (0.5, 0.1)}
PLACES = 5  # of so many sources one is kept for another language


@dataclass(frozen=True, eq=False)
class Candidates:
    """The chunks that were found for a query, in the order of the documents, and what each scores
    by its cosine, by all terms and by the keywords alone, the share of the keywords and that of the
    identifiers that it has: five arrays of shape (len(chunks),)."""

    query: Query
    chunks: tuple[Chunk, ...]
    cosine: Scores
    keyword: Scores
    subject: Scores
    covered: Scores
    identified: Scores

    def scores(self, profile: Profile) -> Scores:
        """What ranks the chunks, those with an identifier of the question before all others; shape
        (len(chunks),)."""
        scores = self._weighed(profile)
        return (self.identified + scores) / 2 if self.identified.any() else scores

    def evidence(self, profile: Profile, best: NDArray[np.intp]) -> float:
        """The most that any of the chunks `best`, or any in another language, says for there being
        an answer; in 0..1. A question without a subject has none."""
        if not self.query.about:
            return 0.0
        scores = combined(profile, self.cosine, self.keyword)
        if profile.by_score:
            said = scores + profile.covered * self.covered
        else:
            likeness = profile.likeness(self.cosine) if profile.by_meaning else self.keyword
            said = (self.subject + likeness) / 2
        most = float(said[best][~self._foreign[best]].max(initial=0.0))
        if profile.across and self._foreign.any():
            most = max(most, profile.evidence_across(float(scores[self._foreign].max())))
        return min(most / _expected(self.query.chunks), 1.0)

    @cached_property
    def _foreign(self) -> NDArray[np.bool_]:
        """Which chunks are in another language than the question; shape (len(chunks),)."""
        return np.array([c.language != self.query.language for c in self.chunks], dtype=bool)

    def _weighed(self, profile: Profile) -> Scores:
        scores = combined(profile, self.cosine, self.keyword)
        if not profile.across or not self._foreign.any():
            return scores
        said = scores + profile.covered * self.covered
        own = float(said[~self._foreign].max(initial=0.0)) / _expected(self.query.chunks)
        enough = own >= profile.refuse_below
        return scores + self._foreign * (profile.across.more if enough else profile.across.alone)

    def ranked(self, profile: Profile, top_k: int) -> Findings:
        """The `top_k` best passages and the verdict, as `profile` weighs them."""
        scores = self.scores(profile)
        ranked = np.argsort(-scores, kind="stable")
        evidence = self.evidence(profile, ranked[:top_k])
        verdict = _verdict(profile, evidence) if self.chunks else "refuse"
        missing: tuple[str, ...] = ()
        if self.identified.any():
            verdict, evidence = "answer", max(evidence, profile.weak_below)
        elif asked := self.query.identifiers:
            verdict, evidence = "refuse", 0.0
            missing = tuple(each.written for each in asked if not each.part)
        known = self.identified.any() or self._foreign.all()
        absent = () if known else self.query.absent
        passages = gathered((self.chunks[i] for i in ranked), top_k)
        if profile.across and len(passages) >= PLACES:
            passages = self._in_both_languages(passages, ranked)
        scored = {chunk.id: score for chunk, score in zip(self.chunks, scores, strict=True)}
        return Findings(
            query=self.query.text,
            language=self.query.language,
            verdict=verdict,
            threshold=profile.refuse_below,
            best_score=evidence,
            sources=tuple(
                _source(number, passage, max(scored[c.id] for c in passage))
                for number, passage in enumerate(passages, start=1)
            ),
            missing=missing,
            absent=absent,
        )

    def _in_both_languages(
        self, passages: list[list[Chunk]], ranked: NDArray[np.intp]
    ) -> list[list[Chunk]]:
        """`passages` with the best one in another language in the fifth place, if the first five
        are all in one: it may be the only one that answers."""
        languages = {chunk.language for passage in passages[:PLACES] for chunk in passage}
        if len(languages) > 1:
            return passages
        best = gathered((c for i in ranked if (c := self.chunks[i]).language not in languages), 1)
        others = [passage for passage in passages if passage not in best]
        return (others[: PLACES - 1] + best + others[PLACES - 1 :])[: len(passages)]


def judged(findings: Findings, chunks: int) -> Findings:
    """The findings in so many chunks, weak where they lack a number of the question, or so much of
    it stands nowhere that what they answer is a part of it at best."""
    if findings.verdict != "answer":
        return findings
    if numbers_lacked(findings.query, (source.text for source in findings.sources)):
        return replace(findings, verdict="weak")
    foreign = findings.sources and findings.sources[0].language != findings.language
    if not findings.absent or foreign:
        return findings
    share = len(findings.absent) / len(topics(findings.query))
    grown = min(math.log(max(chunks, 1)) / math.log(MANY), 1.0)
    of_one, of_many = ABSENT[findings.language]
    most = of_one + (of_many - of_one) * grown
    most = most / 2 if compares(findings.query) else most
    return replace(findings, verdict="weak") if share >= most - 0.01 else findings


def identified(query: Query, texts: Sequence[str]) -> Scores:
    """The share of the query's identifiers that each of `texts` has; shape (len(texts),)."""
    if not query.identifiers:
        return np.zeros(len(texts))
    return np.array([held(query.identifiers, text) for text in texts])


def _expected(chunks: int) -> float:
    """The evidence in so many chunks beside that in many; in FEW..1."""
    return min(FEW + (1 - FEW) * math.log(max(chunks, 1)) / math.log(MANY), 1.0)


def combined(profile: Profile, cosine: Scores, keyword: Scores) -> Scores:
    """How well texts fit a question: their likeness and their keyword score, as `profile` weighs
    them."""
    likeness = profile.likeness(cosine)
    if profile.spread:
        likeness, keyword = _spread(likeness), _spread(keyword)
    return profile.cosine * likeness + (1 - profile.cosine) * keyword


def _verdict(profile: Profile, evidence: float) -> Verdict:
    if evidence < profile.refuse_below:
        return "refuse"
    return "weak" if evidence < profile.weak_below else "answer"


def _source(number: int, passage: Sequence[Chunk], score: float) -> Source:
    first = passage[0]
    return Source(
        number=number,
        document=first.document,
        title=first.title,
        page=first.page,
        score=min(max(float(score), 0.0), 1.0),
        text=joined(passage),
        document_id=first.document_id,
        chunks=tuple(chunk.id for chunk in passage),
        language=first.language,
        page_name=first.page_name,
    )


def _spread(scores: Scores) -> Scores:
    low, high = scores.min(initial=0.0), scores.max(initial=0.0)
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)
