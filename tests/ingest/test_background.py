"""The library beside a running page: what goes wrong is a sentence, and it can be tried again."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from ingest import readers
from ingest.background import Reading
from ingest.readers import text
from rag.errors import StoreLocked
from rag.retrieval.embedder import Embedder
from rag.settings import Settings
from rag.types import Content


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.md").write_text("One.")
    return Settings(data_dir=tmp_path / "data", store_dir=tmp_path / "store")


Read = Callable[[Settings], Reading]


@pytest.fixture
def read(embedder: Embedder) -> Read:
    return lambda settings: Reading(settings, lambda *_: embedder)


def ended(reading: Reading) -> None:
    for _ in range(600):
        if not reading.busy:
            return
        time.sleep(0.05)
    raise AssertionError("it is still reading")


def test_a_store_that_was_locked_is_opened_when_asked_again(settings: Settings, read: Read) -> None:
    settings.store_dir.mkdir()
    with FileLock(settings.store_dir / "lock"):
        reading = read(settings)
        held = reading.opening
        with pytest.raises(StoreLocked):
            held.wait()
        assert isinstance(reading.error, StoreLocked)
    reading.again()
    held.wait()
    assert reading.error is None
    assert [d.name for d in reading.documents()] == ["a.md"]
    reading.close()


def test_what_was_not_foreseen_while_opening_is_a_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> Embedder:
        raise KeyError("a private detail")

    reading = Reading(settings, faulty)
    ended(reading)
    assert reading.error
    assert "fault in Headwater" in reading.error.en
    assert isinstance(reading.error.__cause__, KeyError)


def test_what_was_not_foreseen_while_reading_is_a_sentence_until_it_goes_well(
    settings: Settings, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = read(settings)
    reading.settled()
    with monkeypatch.context() as broken:
        broken.setattr("ingest.background.sync", lambda *_: 1 / 0)
        reading.again()
        ended(reading)
    assert reading.error
    assert "fault in Headwater" in reading.error.en
    assert isinstance(reading.error.__cause__, ZeroDivisionError)
    reading.again()
    ended(reading)
    assert reading.error is None
    reading.close()


def test_failed_and_unsupported_files_are_kept_apart_and_hidden_ones_ignored(
    settings: Settings,
    read: Read,
) -> None:
    for name in ("broken.pdf", "song.mp3", ".DS_Store"):
        (settings.data_dir / name).write_bytes(b"%PDF-1.7")
    reading = read(settings)
    reading.settled()
    assert [r.name for r in reading.failed] == ["broken.pdf"]
    assert [r.name for r in reading.unsupported] == ["song.mp3"]
    reading.close()


def test_asked_by_many_at_once_it_reads_once(
    settings: Settings, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = read(settings)
    reading.settled()
    go_on, runs = threading.Event(), []

    def slow(data: bytes, name: str) -> Content:
        runs.append(name)
        go_on.wait(30)
        return text.read(data, name)

    monkeypatch.setitem(readers.READERS, ".md", SimpleNamespace(read=slow, VERSION="1"))
    (settings.data_dir / "a.md").write_text("Two.")
    asking = [threading.Thread(target=reading.again) for _ in range(20)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    go_on.set()
    ended(reading)
    assert runs == ["a.md"]
    reading.close()


def test_an_index_that_breaks_while_it_runs_costs_no_file_and_is_mended_by_a_reading(
    settings: Settings, read: Read
) -> None:
    reading = read(settings)
    retriever = reading.settled()
    (place,) = settings.store_dir.glob("*/vectors")
    shutil.rmtree(place)
    place.write_text("no folder")
    for name in ("b.md", "c.md"):
        (settings.data_dir / name).write_text(f"The tide of {name} turns at noon.")
    (settings.data_dir / "broken.pdf").write_bytes(b"%PDF-1.7")
    reading.again()
    ended(reading)
    assert (reading.error, [r.name for r in reading.failed]) == (None, ["broken.pdf"])
    assert [d.name for d in reading.documents()] == ["a.md", "b.md", "c.md"]
    assert "vector index" in reading.problems()[0]
    assert {"b.md", "c.md"} <= {s.document for s in retriever.search("tide at noon", 5).sources}
    place.unlink()
    reading.again()
    ended(reading)
    assert reading.problems() == []
    reading.close()
