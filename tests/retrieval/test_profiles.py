"""What a reader measured lies in a file beside the store, and is what the search goes by."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from ingest.background import Reading
from rag.errors import StoreError
from rag.retrieval import profiles
from rag.retrieval.embedder import Embedder
from rag.retrieval.models import PACKAGED
from rag.retrieval.profiles import BUILT_IN, FILE, Profile, Profiles
from rag.retrieval.retriever import Retriever
from rag.settings import Settings
from rag.store.store import Store
from rag.types import Document

STRICT = Profile(0.6, by_meaning=True, refuse_below=0.9, weak_below=0.95, spread=True)
BREAD = "Rye bread is baked with sourdough, because rye flour has little gluten."
QUESTION = "Why do bakers want sourdough in their rye loaves?"


def test_without_a_file_the_built_in_profiles_hold(tmp_path: Path) -> None:
    assert profiles.load(tmp_path / "nowhere") == BUILT_IN
    assert BUILT_IN.of(PACKAGED, "en").refuse_below > 0
    assert BUILT_IN.of("another-model", "en").refuse_below == 0, "nobody measured what to refuse"


def test_what_is_saved_is_loaded_and_nothing_else_is_left(tmp_path: Path) -> None:
    store = tmp_path / "not" / "yet"
    measured = BUILT_IN.having("modèle/ngôn ngữ", {"vi": STRICT})

    assert profiles.save(store, measured) == store / FILE
    assert profiles.load(store) == measured
    assert [path.name for path in store.iterdir()] == [FILE]


def test_one_model_and_language_measured_leaves_the_others_as_they_are() -> None:
    measured = BUILT_IN.having(PACKAGED, {"vi": STRICT}).having("another-model", {"en": STRICT})

    assert measured.of(PACKAGED, "vi") == measured.of("another-model", "en") == STRICT
    assert measured.of(PACKAGED, "en") == BUILT_IN.of(PACKAGED, "en")
    assert measured.of("another-model", "vi") == BUILT_IN.of("another-model", "vi")
    again = measured.having(PACKAGED, {"en": STRICT})
    assert again.of(PACKAGED, "vi") == again.of(PACKAGED, "en") == STRICT


WHOLE = {"cosine": 0.3, "by_meaning": True, "refuse_below": 0.2, "weak_below": 0.3}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[]", "should be an object"),
        ('{"m": {"fr": {}}}', "'en', 'vi' or 'plain'"),
        ('{"m": {"en": {"cosine": 0.3}}}', "required"),
        (json.dumps({"m": {"en": WHOLE | {"cosine": 1.5}}}), "m → en → cosine: .*less than"),
        (json.dumps({"m": {"en": WHOLE | {"weak_below": float("nan")}}}), "finite|NaN"),
        (json.dumps({"m": {"en": WHOLE | {"refuse_bellow": 0.2}}}), "refuse_bellow"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong_in_both_languages(
    tmp_path: Path, content: str, reason: str
) -> None:
    (tmp_path / FILE).write_text(content)

    with pytest.raises(StoreError, match=reason) as error:
        profiles.load(tmp_path)

    for sentence in (error.value.en, error.value.vi):
        assert FILE in sentence and str(tmp_path) not in sentence
    assert str(tmp_path / FILE) in str(error.value)  # for the log
    assert "Delete the file" in error.value.en and "xóa tệp này" in error.value.vi


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "a" / FILE).mkdir(parents=True)
    (tmp_path / "b").write_text("a file where the store should be")

    with pytest.raises(StoreError, match="Is a directory"):
        profiles.load(tmp_path / "a")
    for place in ("a", "b"):
        with pytest.raises(StoreError, match="cannot be written") as error:
            profiles.save(tmp_path / place, BUILT_IN)
        assert error.value.vi.startswith("Không ghi được")
    assert [path.name for path in (tmp_path / "a").iterdir()] == [FILE]


def test_the_search_ranks_and_refuses_as_the_profiles_say(store: Store, embedder: Embedder) -> None:
    document = Document("/documents", "bread.txt", "Bread", "", 1, 1, 1)
    store.replace(document, [(1, BREAD)], embedder.embed([BREAD]))
    strict = Profiles().having(embedder.name, {"en": STRICT})

    lenient = Retriever(store, embedder).search(QUESTION, 5)
    refused = Retriever(store, embedder, strict).search(QUESTION, 5)

    assert (lenient.verdict, refused.verdict) == ("answer", "refuse")
    assert refused.threshold == STRICT.refuse_below
    assert lenient.sources[0].score < refused.sources[0].score == 1, "spread, the best has 1"


def opened(settings: Settings, embedder: Embedder) -> Reading:
    reading = Reading(settings, lambda *_: embedder)
    for _ in range(600):
        if not reading.busy:
            return reading
        time.sleep(0.05)
    raise AssertionError("it is still reading")


@pytest.fixture
def app_settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bread.txt").write_text(BREAD)
    return Settings(data_dir=tmp_path / "data", store_dir=tmp_path / "store")


def test_the_app_goes_by_the_file_beside_its_store(
    app_settings: Settings, embedder: Embedder
) -> None:
    for measured, verdict in (
        (BUILT_IN, "answer"),
        (BUILT_IN.having(embedder.name, {"en": STRICT}), "refuse"),
    ):
        profiles.save(app_settings.store_dir, measured)
        reading = opened(app_settings, embedder)
        try:
            assert reading.settled().search(QUESTION, 5).verdict == verdict
        finally:
            reading.close()


def test_the_app_says_that_the_file_is_broken_and_starts_once_it_is_gone(
    app_settings: Settings, embedder: Embedder
) -> None:
    app_settings.store_dir.mkdir()
    broken = app_settings.store_dir / FILE
    broken.write_text("{")
    reading = opened(app_settings, embedder)
    try:
        assert any(FILE in problem for problem in reading.problems())
        broken.unlink()
        reading.again()
        assert reading.settled().search(QUESTION, 5).verdict == "answer"
    finally:
        for _ in range(600):
            if not reading.busy:
                break
            time.sleep(0.05)
        reading.close()
