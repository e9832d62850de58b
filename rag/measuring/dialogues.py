"""Measures the search for a dialogue's second question, whose right document is known.

Asks a library that has been read in, without a language model. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from .. import followup
from ..errors import QuestionsError
from ..retrieval.retriever import Retriever
from ..types import Findings, Language, Turn
from .search import Progress

DEPTH = 5  # sources a search gives: what an answer is written from


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Two questions in a row. `document` is the name of the one that answers the second; `part`
    says whether the rules were made with this dialogue in view ("tune") or not ("held_out")."""

    language: Language
    first: str
    second: str
    document: str
    part: str
    changes_subject: bool = False


@dataclass(frozen=True, slots=True)
class DialogueReport:
    """Shares of one; None where there was nothing to measure.

    `r_at_1` and `r_at_5` say how often the right document is the first source, or among the first
    five; `raw_r_at_1` and `raw_r_at_5` the same of a search for the second question alone.
    `rewritten` counts the dialogues in which something else was searched.
    """

    dialogues: int
    rewritten: int
    r_at_1: float | None
    r_at_5: float | None
    raw_r_at_1: float | None
    raw_r_at_5: float | None
    by_language: Mapping[Language, DialogueReport] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        shares = {
            "r@1": self.r_at_1,
            "r@5": self.r_at_5,
            "raw_r@1": self.raw_r_at_1,
            "raw_r@5": self.raw_r_at_5,
        }
        rounded = {k: None if v is None else round(v, 4) for k, v in shares.items()}
        return {"dialogues": self.dialogues, "rewritten": self.rewritten, **rounded}


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Where the right document stands among the sources, from 1; None is not found."""

    language: Language
    rewritten: bool
    rank: int | None
    raw_rank: int | None


def load(path: Path) -> list[Dialogue]:
    """The dialogues in `path`. Raises QuestionsError if it cannot be read or has none."""
    try:
        dialogues = TypeAdapter(list[Dialogue]).validate_json(path.expanduser().read_bytes())
    except OSError as exc:
        raise QuestionsError(
            f"The dialogues in {path} cannot be read ({exc.strerror or exc})."
        ) from exc
    except ValidationError as exc:
        raise QuestionsError(
            f"{path} has no dialogues that can be read. It must be JSON: a list of objects with "
            "language (en or vi), first, second, document and part."
        ) from exc
    if not dialogues:
        raise QuestionsError(f"There is no dialogue in {path}.")
    return dialogues


def measure(
    dialogues: Sequence[Dialogue], retriever: Retriever, progress: Progress
) -> DialogueReport:
    """Asks the library of `retriever`; `progress` is told how many dialogues are done.

    Raises LibraryEmpty and StoreError.
    """
    outcomes = []
    for dialogue in dialogues:
        outcomes.append(_outcome(dialogue, retriever))
        progress(len(outcomes))
    languages: tuple[Language, ...] = ("en", "vi")
    parts = {
        language: _figures([o for o in outcomes if o.language == language], {})
        for language in languages
        if any(o.language == language for o in outcomes)
    }
    return _figures(outcomes, parts)


def _outcome(dialogue: Dialogue, retriever: Retriever) -> _Outcome:
    # What was answered plays no part without a model.
    turns = [Turn(dialogue.first, answer="")]
    raw = found = retriever.search(dialogue.second, DEPTH)
    rewritten = followup.needed(dialogue.second, turns, raw)
    if rewritten:
        query = followup.joined(dialogue.second, followup.previous(turns))
        found = retriever.search(query, DEPTH)
    return _Outcome(
        dialogue.language,
        rewritten,
        rank=_rank(dialogue.document, found),
        raw_rank=_rank(dialogue.document, raw),
    )


def _rank(document: str, findings: Findings) -> int | None:
    return next((s.number for s in findings.sources if s.document == document), None)


def _figures(
    outcomes: Sequence[_Outcome], parts: Mapping[Language, DialogueReport]
) -> DialogueReport:
    ranks = [o.rank for o in outcomes]
    raw_ranks = [o.raw_rank for o in outcomes]
    return DialogueReport(
        dialogues=len(outcomes),
        rewritten=sum(o.rewritten for o in outcomes),
        r_at_1=_within(1, ranks),
        r_at_5=_within(DEPTH, ranks),
        raw_r_at_1=_within(1, raw_ranks),
        raw_r_at_5=_within(DEPTH, raw_ranks),
        by_language=parts,
    )


def _within(depth: int, ranks: Sequence[int | None]) -> float | None:
    """The share of `ranks` that are at most `depth`."""
    if not ranks:
        return None
    return sum(rank is not None and rank <= depth for rank in ranks) / len(ranks)
