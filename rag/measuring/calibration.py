"""Finds the weights and thresholds that fit an embedding model and a corpus, from questions whose
right document is known. Knows neither files nor what the questions come from.

Every search is made once; what it found is then ranked by each weighing in turn. Half of the
questions calibrate, by document; the other half measures, before and after.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..retrieval.candidates import Candidates
from ..retrieval.profiles import Profile, Profiles
from ..text.language import detect
from ..types import Chunk, Form, Language
from .questions import Question, Questions
from .search import DEPTH, Progress, Report, Search, outcome, report

# A threshold from fewer would be that of a single question.
LEAST = 20
WEIGHTS = tuple(step / 10 for step in range(11))
# The built-in profiles lose as many (see rag.retrieval.profiles).
REFUSED, WEAK = 0.03, 0.10


@dataclass(frozen=True, slots=True)
class Calibration:
    """`used` are the profiles until now, by the form of the questions, `found` the calibrated ones;
    `left_out` the forms that have fewer than `least` answerable questions, and how many they have.
    `before` and `after` are measured on the half of the questions that did not calibrate."""

    before: Report
    after: Report
    used: Mapping[Form, Profile]
    found: Mapping[Form, Profile]
    left_out: Mapping[Form, int]
    least: int = LEAST

    def as_json(self) -> dict[str, object]:
        """The object that `python -m rag eval --calibrate --json` prints."""
        return {
            "before": self.before.as_json(),
            "after": self.after.as_json(),
            "profiles": {form: asdict(profile) for form, profile in self.found.items()},
            "left_out": dict(self.left_out),
        }


@dataclass(frozen=True, slots=True)
class _Searched:
    question: Question
    right: str | None
    found: Candidates

    @property
    def form(self) -> Form:
        """That by which the search picks its profile."""
        return self.found.query.form


def calibrate(
    questions: Questions,
    asked: Generator[Search],
    model: str,
    profiles: Profiles,
    progress: Progress,
) -> Calibration:
    """Makes the searches `asked` with `questions`; `progress` is told how many are done. `profiles`
    are those in use for `model`. Raises what the searches raise."""
    halves = _halves(questions)
    searched = _searched(asked, progress)
    answerable = Counter(s.form for s in searched if s.right is not None)
    forms = sorted({s.form for s in searched})
    used = {form: profiles.of(model, form) for form in forms}
    found = {
        form: _fitted(
            [s for s in searched if s.form == form and halves[s.question] == 0], used[form]
        )
        for form in forms
        if answerable[form] >= LEAST
    }
    measured = [q for q in questions.asked if halves[q] == 1]
    measuring = [s for s in searched if halves[s.question] == 1]
    return Calibration(
        before=_measured(measured, measuring, used),
        after=_measured(measured, measuring, used | found),
        used=used,
        found=found,
        left_out={form: answerable[form] for form in forms if form not in found},
    )


def _halves(questions: Questions) -> dict[Question, int]:
    """0 for the questions that calibrate, 1 for those that measure: as their file has it, else the
    questions about a document stay together, for often they are the same one in other words."""
    places: dict[tuple[Language, bool], dict[str, int]] = defaultdict(dict)
    halves = {}
    for question in questions.asked:
        if question.half is not None:
            halves[question] = int(question.half == "held")
            continue
        known = places[detect(question.text), question.document is None]
        place = known.setdefault(question.document or question.text, len(known))
        halves[question] = place % 2
    return halves


def _searched(asked: Generator[Search], progress: Progress) -> list[_Searched]:
    searched: list[_Searched] = []
    kept: dict[Chunk, Chunk] = {}  # each passage once, however many searches found it
    with closing(asked):
        for search in asked:
            found = search.retriever.candidates(search.question.text)
            found = replace(found, chunks=tuple(kept.setdefault(c, c) for c in found.chunks))
            searched.append(_Searched(search.question, search.right, found))
            progress(len(searched))
    return searched


def _measured(
    questions: Sequence[Question],
    searched: Sequence[_Searched],
    profiles: Mapping[Form, Profile],
) -> Report:
    outcomes = [
        outcome(s.question, s.right, s.found.ranked(profiles[s.form], DEPTH)) for s in searched
    ]
    return report(questions, outcomes)


def _fitted(searched: Sequence[_Searched], now: Profile) -> Profile:
    """The profile that ranks best, then refuses most; in both `now`, the one in use, stays unless
    the other is clearly better."""
    answerable = [s for s in searched if s.right is not None]
    unanswerable = [s for s in searched if s.right is None]

    def first(profile: Profile) -> int:
        return sum(_rank(s, profile) == 1 for s in answerable)

    def quality(profile: Profile) -> tuple[int, float, bool, float]:
        ranks = [_rank(s, profile) for s in answerable]
        ndcg = sum(1 / math.log2(1 + rank) for rank in ranks if rank <= DEPTH)
        near = -abs(profile.cosine - now.cosine)
        # Rounded, for equal sums whose terms stand in another order.
        return ranks.count(1), round(ndcg, 9), profile.spread == now.spread, near

    def refused(profile: Profile) -> int:
        return sum(_evidence(s, profile) < profile.refuse_below for s in unanswerable)

    weighings = (replace(now, cosine=w, spread=spread) for spread in (False, True) for w in WEIGHTS)
    best = max(weighings, key=quality)
    if not _earned(first(best), first(now), len(answerable)):
        best = now
    kept = _with_thresholds(best, answerable)
    other = _with_thresholds(replace(best, by_meaning=not best.by_meaning), answerable)
    return other if _earned(refused(other), refused(kept), len(unanswerable)) else kept


def _earned(better: int, now: int, of: int) -> bool:
    """Whether `better` right answers `of` so many are more than `now` by over two standard errors
    of a share. By Laplace's rule of succession, so that a share of one has an error too.

    The plain maximum chose weights for XQuAD's English questions that lost 0.7 % of R@1 on the half
    that measures.
    """
    share = (better + 1) / (of + 2)
    return better - now > 2 * math.sqrt(share * (1 - share) * of)


def _with_thresholds(profile: Profile, answerable: Sequence[_Searched]) -> Profile:
    evidence = np.array([_evidence(s, profile) for s in answerable])
    refuse, weak = np.quantile(evidence, [REFUSED, WEAK], method="lower")
    return replace(profile, refuse_below=_below(refuse), weak_below=_below(weak))


def _below(evidence: float) -> float:
    """A threshold that keeps this evidence, short enough to be read."""
    return min(max(math.floor(evidence * 1000) / 1000, 0.0), 1.0)


def _rank(searched: _Searched, profile: Profile) -> float:
    """The place of the right document among the documents found, from 1."""
    order = _order(searched.found, profile)
    documents = list(dict.fromkeys(searched.found.chunks[i].document for i in order))
    return documents.index(searched.right) + 1 if searched.right in documents else math.inf


def _evidence(searched: _Searched, profile: Profile) -> float:
    return searched.found.evidence(profile, _order(searched.found, profile)[:DEPTH])


def _order(found: Candidates, profile: Profile) -> NDArray[np.intp]:
    return np.argsort(-found.scores(profile), kind="stable")
