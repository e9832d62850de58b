"""The check of citations by a model that was trained for it, in place of our own: a cross-encoder
that reads a passage and a claim together. Knows no index but for the words of a quote."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..retrieval import models
from ..retrieval.retriever import Retriever
from ..types import Reason, Source
from .claims import claimed, claims_nothing
from .support import NOTHING, Support, quoted

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

# How likely a claim is entailed, from where on it is confirmed and up to where it is not.
CONFIRMED, UNCONFIRMED = 0.5, 0.2
_ENTAILS = re.compile(r"entail\w*|(?:fully[ _-]?)?supported|consistent|faithful", re.IGNORECASE)


class Entailment:
    """The model `name`. It gives one number (the claim's log-odds), or one a label, of which one
    says that the passage entails the claim: entailment, supported, consistent, faithful; where
    none is named so, the last of two. Raises EmbedderError if it cannot be loaded, SettingsError if
    it tells no such thing."""

    def __init__(self, name: str) -> None:
        self._model: CrossEncoder = models.cross_encoder(name)
        self._lock = threading.Lock()  # a tokenizer is for one thread at a time
        config: Any = self._model.config
        self._label = _label(self._model.num_labels, config.id2label)

    def supports(
        self, retriever: Retriever, sentence: str, sources: Sequence[Source]
    ) -> list[Support]:
        """Whether each of `sources` supports `sentence`, which cites them. What they entail only
        together they all do."""
        if claims_nothing(sentence):
            return [NOTHING] * len(sources)
        texts = [source.text for source in sources]
        claim, weights = claimed(sentence), retriever.prepare(sentence).weights
        likely = self._likely(texts, claim)
        if len(texts) > 1 and max(likely) < CONFIRMED:
            (together,) = self._likely(["\n\n".join(texts)], claim)
            likely = [max(each, together) for each in likely]
        return [
            _support(each, sentence, text, weights)
            for each, text in zip(likely, texts, strict=True)
        ]

    def _likely(self, passages: Sequence[str], claim: str) -> list[float]:
        """How likely each of `passages` entails `claim`, in 0..1."""
        import torch

        pairs, one = [(passage, claim) for passage in passages], self._model.num_labels == 1
        with self._lock:
            scores = self._model.predict(
                pairs,
                activation_fn=torch.nn.Sigmoid() if one else torch.nn.Identity(),
                apply_softmax=not one,
                show_progress_bar=False,
            )
        return [float(each) for each in (scores.reshape(-1) if one else scores[:, self._label])]


def _label(count: int, names: Mapping[int, str]) -> int:
    found = [number for number, name in names.items() if _ENTAILS.fullmatch(name)]
    if len(found) == 1 or count < 3:
        return found[0] if len(found) == 1 else count - 1
    labels = ", ".join(names.values())
    raise SettingsError(
        f"HEADWATER_CHECK_MODEL names a model that does not say what is entailed: {labels}. Choose "
        "one with a label entailment or supported.",
        f"HEADWATER_CHECK_MODEL nêu một mô hình không cho biết điều gì được suy ra: {labels}. Hãy "
        "chọn mô hình có nhãn entailment hoặc supported.",
    )


def _support(likely: float, sentence: str, passage: str, weights: Mapping[str, float]) -> Support:
    if likely <= UNCONFIRMED:
        return Support(False, "meaning", likely, likely)
    quote = quoted(sentence, passage, weights)
    reason: Reason = "supported" if likely >= CONFIRMED else "unclear"
    return Support(True, reason, likely, likely, quote)
