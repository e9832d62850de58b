"""What came of questions by kind and half, and the cases that went worst. Measures nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .questions import Half
from .search import Outcome, Report, report

WORST = 10

Part = tuple[str, Half | None]  # a kind of question ("all" of them, "" without one), and the half


def parts(whole: Report) -> dict[Part, Report]:
    """The figures of each kind and half, in the order of the file; none if no question has a
    kind."""
    asked = [(o.question.kind, o.question.half, o) for o in whole.outcomes if o.question]
    kinds = list(dict.fromkeys(kind for kind, _, _ in asked))
    if not any(kinds):
        return {}
    halves: tuple[Half | None, ...] = (None, "dev", "held")
    found: dict[Part, Report] = {}
    for kind in ("all", *kinds):
        for half in halves:
            outcomes = [
                o
                for k, h, o in asked
                if h == half and (k == kind or (kind == "all" and half is not None))
            ]
            if outcomes:
                found[kind, half] = _report(outcomes)
    return found


def worst(whole: Report, count: int = WORST) -> list[Outcome]:
    """The cases that went wrong, worst first, without those of the half that is kept apart: nobody
    is to mend by them."""
    shown = [o for o in whole.outcomes if o.question is None or o.question.half != "held"]
    wrong = [o for o in shown if _badness(o)[0]]
    return sorted(wrong, key=_badness, reverse=True)[:count]


def place(outcome: Outcome) -> float:
    """Of the right passage if its words are known, else of the right document; infinite if it was
    not found."""
    known = outcome.question is not None and outcome.question.answer
    return (outcome.passage if known else outcome.rank) or math.inf


def parts_as_json(found: Mapping[Part, Report]) -> list[dict[str, object]]:
    """One object a kind and half, with the keys of Report.as_json and `passage@5`."""
    return [
        {
            "kind": kind,
            "half": half,
            **part.as_json(),
            "passage@5": None if part.passage_at_5 is None else round(part.passage_at_5, 4),
        }
        for (kind, half), part in found.items()
    ]


def worst_as_json(cases: Sequence[Outcome]) -> list[dict[str, object]]:
    """One object a case; `rank` is null where nothing is right or it was not found."""
    return [
        {
            "question": case.question.text if case.question else "",
            "document": case.question.document if case.question and case.answerable else None,
            "rank": int(place(case)) if case.answerable and place(case) < math.inf else None,
            "verdict": case.verdict,
            "best_score": round(case.evidence, 4),
            "first": case.first.document if case.first else None,
        }
        for case in cases
    ]


def _badness(outcome: Outcome) -> tuple[int, float]:
    """0 where nothing went wrong, up to 4; then how far the evidence is on the wrong side."""
    if not outcome.answerable:
        return {"answer": 3, "weak": 1, "refuse": 0}[outcome.verdict], outcome.evidence
    steps = (place(outcome) > 1) + (place(outcome) > 5) + 2 * outcome.refused
    return steps, -outcome.evidence


def _report(outcomes: Sequence[Outcome]) -> Report:
    return report([o.question for o in outcomes if o.question], outcomes)
