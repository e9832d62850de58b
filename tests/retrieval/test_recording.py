"""A recording of the embedding model gives the model's own vectors, or is not taken."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rag.retrieval import models
from rag.retrieval.embedder import BATCH, SentenceEmbedder
from rag.retrieval.models import PACKAGED, PRECISIONS
from rag.retrieval.recording import Recording, operations, pack, record, table
from rag.settings import PROJECT
from tests.harness.lacking import lacking

if TYPE_CHECKING:  # it takes seconds to load, in each of the workers
    from sentence_transformers import SentenceTransformer

LONG = "tide " * 150


@pytest.fixture(scope="module")
def model(whole_run: Path, embedder: SentenceEmbedder) -> SentenceTransformer:
    """Of the precision that was measured when the run began."""
    return models.load(PACKAGED, whole_run)


@pytest.fixture(scope="module")
def file(model: SentenceTransformer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recording") / "recording.pt"
    assert record(model, lambda texts: model.preprocess(list(texts)), file)
    assert set(file.parent.iterdir()) == {file, table(file)}
    return file


def of_model(model: SentenceTransformer, texts: Sequence[str]) -> Tensor:
    with torch.inference_mode():
        vectors: Tensor = model(model.preprocess(list(texts)))["sentence_embedding"].float()
    return vectors


@pytest.mark.parametrize(
    "texts",
    [["Why"], ["Khi nào triều lên?", LONG], ["When is high tide?"] * BATCH, ["", "  "]],
    ids=["one word", "short and long", "many", "empty"],
)
def test_a_recording_gives_the_models_own_vectors(
    model: SentenceTransformer, file: Path, texts: list[str]
) -> None:
    with torch.inference_mode():
        given = Recording(file).vectors(texts).float()
    assert torch.cosine_similarity(given, of_model(model, texts)).min() > 0.9999


def test_its_linear_layers_have_their_weights_in_the_order_of_the_cpu(file: Path) -> None:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        lacking("a torch with oneDNN")
    recorded = operations(file)
    layers = [node.kind() for node in recorded.graph.nodes() if "linear" in node.kind()]
    assert pack(recorded) == len(layers) > 30
    left = [node.kind() for node in recorded.graph.nodes() if "linear" in node.kind()]
    assert set(left) == {"mkldnn::_linear_pointwise"}


def test_without_one_dnn_they_stay_as_they_are(
    model: SentenceTransformer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert pack(operations(file)) == 0
    with torch.inference_mode():
        given = Recording(file).vectors([LONG]).float()
    assert torch.cosine_similarity(given, of_model(model, [LONG])).min() > 0.9999


def test_a_model_in_half_precision_is_recorded_too(
    model: SentenceTransformer, tmp_path: Path
) -> None:
    half = copy.deepcopy(model).bfloat16()
    assert record(half, lambda texts: half.preprocess(list(texts)), tmp_path / "half.pt")
    with torch.inference_mode():
        given = Recording(tmp_path / "half.pt").vectors([LONG, "Why"])
    assert given.dtype == torch.bfloat16
    assert torch.cosine_similarity(given.float(), of_model(model, [LONG, "Why"])).min() > 0.99


def test_a_model_that_a_recording_does_not_show_is_not_recorded(
    model: SentenceTransformer, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

    class Whimsical(Dense):
        """Does to long texts what a recording of short ones does not show."""

        def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
            if features["attention_mask"].shape[1] > 100:
                features["sentence_embedding"] = features["sentence_embedding"].flip(1)
            return features

    whimsical = SentenceTransformer(modules=[*model, Whimsical(384, 384)], device="cpu")
    file = tmp_path / "recording.pt"
    assert not record(whimsical, lambda texts: whimsical.preprocess(list(texts)), file)
    assert not list(tmp_path.iterdir())


def test_an_embedder_records_once_and_the_next_one_starts_with_it(
    tmp_path: Path, whole_run: Path
) -> None:
    texts = ["When is high tide at the harbour?", "Khi nào triều lên?", LONG]
    shutil.copy(whole_run / PRECISIONS, tmp_path)
    first = SentenceEmbedder(store=tmp_path)
    wanted = first.embed(texts)
    first.record()
    first.record()  # does nothing
    assert first._model is None, "it is in memory once"
    kept = models.recording(PACKAGED, tmp_path)
    assert kept and kept.is_file()

    second = SentenceEmbedder(store=tmp_path)
    assert second._model is None
    for embedder in (first, second):
        assert (embedder.embed(texts) * wanted).sum(axis=1).min() > 0.9999
        assert np.allclose(np.linalg.norm(embedder.embed(texts), axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("damage", ["no recording", "no table", "half a table"])
def test_a_damaged_recording_is_made_anew(
    tmp_path: Path, known_model: Callable[[Path], None], damage: str
) -> None:
    known_model(tmp_path)
    kept = models.recording(PACKAGED, tmp_path)
    assert kept
    if damage == "no recording":
        kept.write_bytes(b"PK\x03\x04 not a recording")
    elif damage == "no table":
        table(kept).unlink()
    else:
        os.truncate(table(kept), table(kept).stat().st_size // 2)
    embedder = SentenceEmbedder(store=tmp_path)
    assert embedder._model is not None
    embedder.record()
    assert SentenceEmbedder(store=tmp_path)._model is None


def test_a_model_of_the_users_own_is_not_kept(tmp_path: Path) -> None:
    assert models.recording(str(tmp_path), tmp_path) is None


LIGHT = """
import sys
from pathlib import Path
from rag.retrieval.embedder import SentenceEmbedder
SentenceEmbedder(store=Path(sys.argv[1])).embed(["Why?"])
print(sorted({"sentence_transformers", "transformers", "sklearn"} & set(sys.modules)))
"""


def test_a_start_with_a_recording_loads_only_torch(
    tmp_path: Path, known_model: Callable[[Path], None]
) -> None:
    known_model(tmp_path)
    command = [sys.executable, "-c", LIGHT, str(tmp_path)]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
