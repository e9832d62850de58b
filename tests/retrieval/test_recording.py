"""A recording of the embedding model gives the model's own vectors, or is not taken."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense
from torch.nn import Sequential

from rag.retrieval.embedder import BATCH, SentenceEmbedder
from rag.retrieval.recording import Forward, Preprocess, packed, quickest, recorded
from tests.harness.lacking import lacking


class Whimsical(Dense):
    """Does to long texts what a recording of short ones does not show."""

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        if features["attention_mask"].shape[1] > 100:
            features["sentence_embedding"] = features["sentence_embedding"].flip(1)
        return features


def test_a_model_is_recorded_only_if_the_recording_is_the_same(embedder: SentenceEmbedder) -> None:
    model = embedder._model
    whimsical = SentenceTransformer(modules=[*model, Whimsical(384, 384)], device="cpu")
    texts = ["When is high tide at the harbour?", "tide " * 150]
    with torch.inference_mode():
        wanted = model(embedder._features(texts))["sentence_embedding"].float()
        taken = quickest(model, embedder._features)(embedder._features(texts)).float()
        refused = quickest(whimsical, embedder._features)(embedder._features(texts)).float()
    assert torch.cosine_similarity(taken, wanted).min() > 0.999
    assert torch.cosine_similarity(refused, wanted.flip(1)).min() > 0.999


def test_weights_in_the_order_of_the_cpu_give_the_same_vectors(embedder: SentenceEmbedder) -> None:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        lacking("a torch with oneDNN")
    model, ordered = embedder._model, packed(embedder._model)

    def linear(model: torch.nn.Module) -> bool:
        return any(type(part) is torch.nn.Linear for part in model.modules())

    assert (linear(model), linear(ordered)) == (True, False)
    for texts in (["Why"], ["Khi nào triều lên?", "tide " * 200], ["When is high tide?"] * BATCH):
        features = embedder._features(texts)
        with torch.inference_mode():
            wanted, given = (m(features)["sentence_embedding"].float() for m in (model, ordered))
        assert torch.cosine_similarity(wanted, given).min() > 0.9999


@pytest.mark.parametrize("works", [True, False])
def test_a_model_is_recorded_with_its_weights_in_that_order_or_as_it_is(
    embedder: SentenceEmbedder, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    models = []

    def perhaps(model: Sequential) -> Sequential:
        if not works:
            raise NotImplementedError
        return packed(model)

    def watched(model: Sequential, preprocess: Preprocess) -> Forward:
        models.append(model)
        return recorded(model, preprocess)

    monkeypatch.setattr("rag.retrieval.recording.packed", perhaps)
    monkeypatch.setattr("rag.retrieval.recording.recorded", watched)
    quickest(embedder._model, embedder._features)
    assert [model is not embedder._model for model in models] == [works]


def test_without_one_dnn_a_model_stays_as_it_is(
    embedder: SentenceEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert packed(embedder._model) is embedder._model
