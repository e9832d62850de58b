"""A library of the packaged model is taken over by the multilingual one's, once, without its files.

The models are the packaged one under both names: what is taken over are texts, and vectors of the
one that embeds them anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from ingest.background import Reading
from ingest.carrying import carried
from ingest.sync import locate, sync
from rag.retrieval.embedder import Embedder
from rag.retrieval.models import MULTILINGUAL, PACKAGED
from rag.settings import Settings
from rag.store.store import Store
from rag.types import Vectors


class Turned:
    """An embedder of the other model's name, whose vectors are others."""

    name = MULTILINGUAL

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.dimension, self.has_word = embedder.dimension, embedder.has_word
        self.fails_at = ""

    def record(self) -> None:
        """Nothing to record."""

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        if self.fails_at and self.fails_at in "".join(texts):
            raise MemoryError
        return -self._embedder.embed(texts, progress)

    def begin(self, question: str) -> Future[Vectors]:
        done: Future[Vectors] = Future()
        done.set_result(-self._embedder.begin(question).result())
        return done


@pytest.fixture
def settings(tmp_path: Path, embedder: Embedder) -> Settings:
    """Of a store that has a document of the data folder, and one whose folder has gone since."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tides.md").write_text("High tide is at noon.")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "eggs.md").write_text("The recipe needs two eggs.")
    settings = Settings(data_dir=tmp_path / "data", store_dir=tmp_path / "store")
    with Store(settings.store_dir, PACKAGED, embedder.dimension, None) as index:
        for name in ("data", "elsewhere"):
            folder, scope = locate(tmp_path / name, settings.data_dir)
            list(sync(folder, scope, index, embedder, lambda *_: None))
    (tmp_path / "elsewhere" / "eggs.md").unlink()
    return settings


@pytest.fixture
def turned(embedder: Embedder) -> Turned:
    return Turned(embedder)


@pytest.fixture
def index(settings: Settings, turned: Turned) -> Iterator[Store]:
    with Store(settings.store_dir, turned.name, turned.dimension, None) as index:
        yield index


def names(index: Store) -> set[str]:
    return {document.name for document in index.library.documents()}


def test_a_changed_model_loses_no_document_though_its_file_is_gone(
    settings: Settings, turned: Turned, embedder: Embedder
) -> None:
    reading = Reading(settings, lambda name, _: turned if name == MULTILINGUAL else embedder)
    reading.settled()
    while reading.busy:
        time.sleep(0.01)
    retriever = reading.settled()
    assert {document.name for document in reading.documents()} == {"tides.md", "eggs.md"}
    assert reading.failed == [] and reading.error is None and reading.problems() == []
    assert retriever.search("How many eggs?", 1).sources[0].document == "eggs.md"
    reading.close()


def test_texts_are_embedded_anew_and_progress_is_told(
    settings: Settings, index: Store, turned: Turned, embedder: Embedder
) -> None:
    told: list[tuple[int, int, str]] = []
    receipts = list(carried(settings.store_dir, index, turned, lambda *now: told.append(now)))
    assert {(r.name, r.outcome) for r in receipts} == {("tides.md", "added"), ("eggs.md", "added")}
    assert (0, 2, "tides.md") in told and (1, 2, "eggs.md") in told
    [vector] = index.library.vectors([index.library.chunk_ids()[0]]).values()
    titled = "tides\nHigh tide is at noon."  # as a reading does it
    assert np.allclose(vector, -embedder.embed([titled])[0], atol=0.02)


def test_what_was_cut_short_goes_on_and_what_is_forgotten_later_stays_so(
    settings: Settings, index: Store, turned: Turned
) -> None:
    turned.fails_at = "eggs"
    with pytest.raises(MemoryError):
        list(carried(settings.store_dir, index, turned, lambda *_: None))
    assert names(index) == {"tides.md"}
    turned.fails_at = ""
    [receipt] = carried(settings.store_dir, index, turned, lambda *_: None)
    assert receipt.name == "eggs.md" and names(index) == {"tides.md", "eggs.md"}
    index.remove("", "tides.md")
    assert not list(carried(settings.store_dir, index, turned, lambda *_: None))
    assert names(index) == {"eggs.md"}


def test_another_model_takes_nothing_over(settings: Settings, embedder: Embedder) -> None:
    with Store(settings.store_dir, "of-somebody", embedder.dimension, None) as index:
        assert not list(carried(settings.store_dir, index, embedder, lambda *_: None))
        assert names(index) == set()
