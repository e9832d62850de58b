"""What lies in a store can be read by its user alone, whoever wrote it and when."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.retrieval import models, profiles
from rag.retrieval.embedder import SentenceEmbedder
from rag.retrieval.recording import table
from rag.store import private
from rag.store.store import Store
from rag.types import Document, Vectors

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")

MANY = 1100  # vectors from which on Chroma writes HNSW files


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def unit(rows: int) -> Vectors:
    drawn = np.random.default_rng(0).normal(size=(rows, 8)).astype(np.float32)
    vectors: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return vectors


def put(index: Store, name: str) -> None:
    passages = [(1, f"passage {number} of {name}") for number in range(MANY)]
    index.replace(Document("", name, name, "1", 1, 1, MANY), passages, unit(MANY))


def open_to_others(folder: Path) -> set[str]:
    """What group or others may do anything with."""
    paths = [folder, *folder.rglob("*")]
    return {str(path) for path in paths if stat.S_IMODE(path.lstat().st_mode) & 0o077}


def test_a_new_store_is_its_user_s_alone_at_every_moment(tmp_path: Path) -> None:
    place = tmp_path / "store"
    with Store(place, "model", 8, None) as index:
        assert not open_to_others(place)
        for name in ("a.md", "b.md", "a.md"):
            put(index, name)
            assert list(place.rglob("*.bin")), "Chroma has written no HNSW files"
            assert {path.name for path in place.rglob("*-wal")} == {"library.db-wal"}
            assert not open_to_others(place)
        index.rebuild()
        assert not open_to_others(place)
    assert not open_to_others(place)


def test_a_store_that_others_could_read_is_closed_to_them_when_it_is_opened(tmp_path: Path) -> None:
    place = tmp_path / "store"
    for model in ("model", "another"):
        with Store(place, model, 8, None) as index:
            put(index, "a.md")
    for name in (
        "precisions.json",
        "profiles.json",
        "model-0123.pt",
        "model-0123.safetensors",
        "profiles.json.99",
    ):
        (place / name).write_text("{}")
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    with Store(place, "model", 8, None) as index:
        assert not open_to_others(place)
        assert index.problems() == []


def test_what_else_lies_in_the_folder_or_is_linked_from_it_keeps_its_mode(tmp_path: Path) -> None:
    place, outside = tmp_path / "store", tmp_path / "outside.txt"
    (place / "letters").mkdir(parents=True)
    others = [outside, place / "run.sh", place / "letters" / "a.txt"]
    for path in others:
        path.write_text("not Headwater's")
        path.chmod(0o755)
    (place / "linked.pt").symlink_to(outside)
    Store(place, "model", 8, None).close()
    assert [stat.S_IMODE(path.stat().st_mode) for path in others] == [0o755] * 3
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_a_folder_that_belongs_to_everybody_stays_as_it_is_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    place.chmod(0o1777)
    with caplog.at_level(logging.WARNING):
        Store(place, "model", 8, None).close()
    assert stat.S_IMODE(place.stat().st_mode) == 0o1777
    assert open_to_others(place) == {str(place)}
    assert [r for r in caplog.records if "may look into" in r.message]


def test_a_store_that_is_a_link_is_private_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o755)
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    Store(tmp_path / "store", "model", 8, None).close()
    assert not open_to_others(tmp_path / "disk")


def test_a_file_system_without_modes_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    place = tmp_path / "store"
    place.mkdir(mode=0o755)
    monkeypatch.setattr(os, "chmod", refused)
    monkeypatch.setattr(Path, "chmod", refused)
    with Store(place, "model", 8, None) as index:
        put(index, "a.md")
        assert index.problems() == []


def test_what_is_kept_beside_the_library_is_private_too(
    tmp_path: Path, embedder: SentenceEmbedder
) -> None:
    place = tmp_path / "store"
    private.folder(place)
    made = SentenceEmbedder(store=place)
    made.record()
    profiles.save(place, profiles.BUILT_IN)
    names = {path.name for path in place.iterdir()}
    recording = models.recording(made.name, place)
    assert recording
    assert names == {models.PRECISIONS, recording.name, table(recording).name, profiles.FILE}
    assert not open_to_others(place)


def test_a_half_written_file_of_an_earlier_version_is_made_private(tmp_path: Path) -> None:
    file = tmp_path / "precisions.new"
    file.write_text("half")
    file.chmod(0o644)
    private.file(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
