"""Measures the support check on sentences of which it is known whether their passage supports them.

Knows no threshold; rag.citations.support has them, tuned on the half of the passages marked
"tuning".
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from ..citations.scales import scales
from ..citations.support import Support, judge
from ..errors import QuestionsError
from ..retrieval.embedder import Embedder
from ..retrieval.retriever import Retriever
from ..store.store import Store
from ..text.units import units
from ..types import Language
from .search import Progress, require

Half = Literal["tuning", "held_out"]


class Passage(BaseModel):
    document: str
    page: int
    language: Language
    half: Half
    text: str


class Pair(BaseModel):
    """A sentence, the key of the passage it cites, and whether that supports it."""

    passage: str
    supported: bool
    kind: str
    sentence: str


class Labelled(BaseModel):
    passages: Mapping[str, Passage]
    pairs: Sequence[Pair]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the check said of one pair, and in how many seconds."""

    half: Half
    language: Language
    kind: str
    should_be: bool
    support: Support
    seconds: float


@dataclass(frozen=True, slots=True)
class SupportFigures:
    """Of “unsupported”: `precision` of the sentences it is said of, `recall` of those it should be
    said of. Shares of one; None where there was nothing to measure."""

    pairs: int
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class SupportReport:
    judged: tuple[Judged, ...]

    def parts(self) -> dict[tuple[Half, Language], SupportFigures]:
        """The figures of each half and language that has pairs."""
        halves: tuple[Half, ...] = ("tuning", "held_out")
        languages: tuple[Language, ...] = ("en", "vi")
        return {
            (half, language): _figures(part)
            for half in halves
            for language in languages
            if (part := [j for j in self.judged if (j.half, j.language) == (half, language)])
        }

    def as_json(self) -> dict[str, object]:
        """The object that `python -m rag eval --json` prints."""
        return {
            "pairs": len(self.judged),
            "unsupported": [
                {
                    "half": half,
                    "language": language,
                    "pairs": figures.pairs,
                    "precision": _rounded(figures.precision),
                    "recall": _rounded(figures.recall),
                }
                for (half, language), figures in self.parts().items()
            ],
        }


def load(path: Path) -> Labelled:
    """The pairs in `path`. Raises QuestionsError if it cannot be read or does not hold any."""
    try:
        labelled = Labelled.model_validate_json(path.expanduser().read_bytes())
    except OSError as exc:
        raise QuestionsError(
            f"The pairs in {path} cannot be read ({exc.strerror or exc})."
        ) from exc
    except ValidationError as exc:
        raise QuestionsError(
            f"{path} has no pairs that can be read. It must be JSON: an object with passages (each "
            "document, page, language, half and text) and pairs (passage, supported, kind, "
            "sentence)."
        ) from exc
    unknown = [p.passage for p in labelled.pairs if p.passage not in labelled.passages]
    if unknown:
        raise QuestionsError(f"{path} has no passage {unknown[0]!r}, which a pair is about.")
    if not labelled.pairs:
        raise QuestionsError(f"There is no pair in {path}.")
    return labelled


def measure(
    labelled: Labelled, store: Store, embedder: Embedder, progress: Progress
) -> SupportReport:
    """Judges each pair with the words' weights of the library in `store`; `progress` is told how
    many are done. Raises StoreError, and QuestionsError if the library has none of the documents.
    """
    require({passage.document for passage in labelled.passages.values()}, store)
    retriever = Retriever(store, embedder)
    fitted = scales(embedder.name)
    judged: list[Judged] = []
    for pair in labelled.pairs:
        passage = labelled.passages[pair.passage]
        query, likeness = retriever.compare(pair.sentence)
        likeness([unit.text for unit in units(passage.text)])  # embedded before the clock runs
        start = time.perf_counter()
        support = judge(
            pair.sentence, passage.text, query.weights, query.language, likeness, fitted
        )
        seconds = time.perf_counter() - start
        judged.append(
            Judged(passage.half, passage.language, pair.kind, pair.supported, support, seconds)
        )
        progress(len(judged))
    return SupportReport(tuple(judged))


def _figures(judged: Sequence[Judged]) -> SupportFigures:
    alarms = [j for j in judged if not j.support.supported]
    wanted = sum(not j.should_be for j in judged)
    right = sum(not j.should_be for j in alarms)
    return SupportFigures(
        pairs=len(judged),
        precision=right / len(alarms) if alarms else None,
        recall=right / wanted if wanted else None,
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
