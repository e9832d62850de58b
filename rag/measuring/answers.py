"""Measures the check of citations on sentences that language models wrote, labelled by hand. Prints
nothing, and knows no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..citations.support import Support, supports
from ..retrieval.embedder import Embedder
from ..retrieval.profiles import Profiles
from .cases import WORST
from .labelled import Answers, Claim, Label, Row
from .search import Progress
from .support import Half
from .temporary import Prepared, temporary


@dataclass(frozen=True, slots=True)
class Judged:
    """What the check says of a claim."""

    claim: Claim
    support: Support

    @property
    def marked(self) -> bool:
        return not self.support.supported

    @property
    def wrong(self) -> bool:
        """Marked though it should not be, or confirmed though it should not be."""
        return self.marked != (self.claim.label == "unsupported") and self.told

    @property
    def told(self) -> bool:
        """Whether the check found it confirmed or not."""
        return self.support.outcome in ("confirmed", "unconfirmed")


@dataclass(frozen=True, slots=True)
class Figures:
    """`precision`: of the sentences that are marked, those that are unsupported; `recall`: of the
    unsupported, those that are marked; `false_alarms`: of the supported, those that are marked;
    `no_claim`: of what claims nothing, what is marked. Shares of one; None where there was nothing
    to measure. `untold` counts those of which the check cannot tell."""

    sentences: int
    unsupported: int
    precision: float | None
    recall: float | None
    false_alarms: float | None
    no_claim: float | None
    untold: int


@dataclass(frozen=True, slots=True)
class AnswersReport:
    """`passages` are the texts by name; `left_out` counts the sentences whose was not given."""

    judged: tuple[Judged, ...]
    passages: Mapping[str, str]
    left_out: int

    def parts(self) -> dict[tuple[Half, Row], Figures]:
        """The figures of each half and row that has sentences."""
        halves: tuple[Half, ...] = ("tuning", "held_out")
        rows: tuple[Row, ...] = ("en", "vi", "across")
        return {
            (half, row): _figures(part)
            for half in halves
            for row in rows
            if (part := [j for j in self.judged if (j.claim.half, j.claim.row) == (half, row)])
        }

    def worst(self, count: int = WORST) -> list[Judged]:
        """What the check got wrong, those first that share most with their passage; without the
        half that is kept apart: nobody is to mend by it."""
        wrong = [j for j in self.judged if j.wrong and j.claim.half == "tuning"]
        return sorted(wrong, key=lambda j: -j.support.share)[:count]

    def as_json(self) -> dict[str, object]:
        """The object that `python -m rag eval --answers --json` prints."""
        return {
            "sentences": len(self.judged),
            "left_out": self.left_out,
            "parts": [
                {
                    "half": half,
                    "language": row,
                    "sentences": part.sentences,
                    "unsupported": part.unsupported,
                    "precision": _rounded(part.precision),
                    "recall": _rounded(part.recall),
                    "false_alarms": _rounded(part.false_alarms),
                    "no_claim_marked": _rounded(part.no_claim),
                    "cannot_tell": part.untold,
                }
                for (half, row), part in self.parts().items()
            ],
            "worst": [
                {
                    "sentence": judged.claim.sentence,
                    "passage": judged.claim.passage,
                    "text": self.passages[judged.claim.passage],
                    "label": judged.claim.label,
                    "kind": judged.claim.kind,
                    "reason": judged.support.reason,
                }
                for judged in self.worst()
            ],
        }


def measure(
    answers: Answers, embedder: Embedder, profiles: Profiles, progress: Progress
) -> AnswersReport:
    """Judges each sentence as an answer's is judged, in a library of the passages; `progress` is
    told how many are done."""
    texts = [*answers.passages.values()]
    vectors = zip(texts, embedder.embed(texts), strict=True)
    passages = dict(zip(answers.passages, vectors, strict=True))
    prepared = Prepared(embedder, [claim.sentence for claim in answers.claims])
    judged: list[Judged] = []
    with temporary(passages, prepared, profiles) as library:
        library.hold(passages)
        for claim in answers.claims:
            [support] = supports(library.retriever, claim.sentence, [library.source(claim.passage)])
            judged.append(Judged(claim, support))
            progress(len(judged))
    return AnswersReport(tuple(judged), answers.passages, answers.left_out)


def _figures(judged: Sequence[Judged]) -> Figures:
    by_label = {label: [j for j in judged if j.claim.label == label] for label in _LABELS}
    marked = [j for j in judged if j.marked]
    right = sum(j.claim.label == "unsupported" for j in marked)
    return Figures(
        sentences=len(judged),
        unsupported=len(by_label["unsupported"]),
        precision=right / len(marked) if marked else None,
        recall=_marked(by_label["unsupported"]),
        false_alarms=_marked(by_label["supported"]),
        no_claim=_marked(by_label["no_claim"]),
        untold=sum(j.support.outcome == "unclear" for j in judged),
    )


_LABELS: tuple[Label, ...] = ("supported", "unsupported", "no_claim")


def _marked(judged: Sequence[Judged]) -> float | None:
    return sum(j.marked for j in judged) / len(judged) if judged else None


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
