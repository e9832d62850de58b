"""What was measured for each embedding model: how what a passage has of a claim is weighed. Knows
no text.

The weights are those of logistic regressions (scikit-learn, C = 0.5 and 0.3) fitted on the tuning
halves of tests/measured/prose.json and, counted twice, support.json, on the claims without a fault
(rag.citations.evidence.fault) that are no copy; those across languages also on the sentences of
XQuAD's articles of that half beside the translation of their own paragraph and of the next. There
two claims of three were unsupported, so that 0.65 says nothing either way. The cut-offs were chosen
with each document predicted by the others: where of the claims that are supported one in twenty
would be marked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..retrieval.models import MULTILINGUAL, PACKAGED
from ..types import Language
from .evidence import Across, Evidence


@dataclass(frozen=True, slots=True)
class Cuts:
    """From `unclear` on nobody can tell whether a claim is supported, from `unconfirmed` on it is
    not. Both are probabilities of the fit."""

    unclear: float
    unconfirmed: float


@dataclass(frozen=True, slots=True)
class Scale:
    """Of claims in their passage's language. The weights are taken off `start`, in log-odds."""

    start: float
    passage: float
    unit: float
    meaning: float
    cuts: Cuts

    def doubt(self, evidence: Evidence) -> float:
        """How likely a claim with this evidence is not supported, in 0..1."""
        return _probability(
            self.start
            - self.passage * evidence.passage
            - self.unit * evidence.unit
            - self.meaning * evidence.meaning
        )


@dataclass(frozen=True, slots=True)
class AcrossScale:
    """Of claims in another language."""

    start: float
    meaning: float
    ahead: float
    cuts: Cuts

    def doubt(self, evidence: Across) -> float:
        """As that of Scale."""
        return _probability(
            self.start - self.meaning * evidence.meaning - self.ahead * evidence.ahead
        )


@dataclass(frozen=True, slots=True)
class Scales:
    """Those of one embedding model; without `across` it knows one language alone."""

    within: Mapping[Language, Scale]
    across: AcrossScale | None = None


_EN, _VI = Cuts(0.65, 0.77), Cuts(0.6, 0.7)
_BY_WORDS = Scales(
    {
        "en": Scale(3.26, 2.51, 1.91, 0.0, Cuts(0.65, 0.85)),
        "vi": Scale(3.26, 2.51, 1.91, 0.0, Cuts(0.55, 0.65)),
    }
)
_SCALES: Mapping[str, Scales] = {
    MULTILINGUAL: Scales(
        {"en": Scale(5.38, 1.73, 1.14, 4.69, _EN), "vi": Scale(5.38, 1.73, 1.14, 4.69, _VI)},
        AcrossScale(2.61, 3.5, 5.41, Cuts(0.3, 0.8)),
    ),
    PACKAGED: Scales(
        {
            "en": Scale(4.88, 1.91, 1.46, 3.27, Cuts(0.65, 0.85)),
            "vi": _BY_WORDS.within["vi"],  # a language that it does not know
        }
    ),
}


def scales(model: str) -> Scales:
    """Those of `model`; of one that nobody measured the words decide alone."""
    return _SCALES.get(model, _BY_WORDS)


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
