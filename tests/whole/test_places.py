"""Nobody who asks learns where things lie on the server; its log and its commands say so."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from filelock import FileLock

from ingest.background import Reading
from rag.errors import EmbedderError, HeadwaterError
from rag.retrieval import profiles
from rag.retrieval.embedder import Embedder, SentenceEmbedder
from rag.settings import PROJECT, Settings
from rag.store.library import Library
from rag.store.vectors import VectorIndex
from tests.harness.browser import served
from tests.ingest.test_background import ended

Spoil = Callable[[Settings], object]


def locked(settings: Settings) -> object:
    lock = FileLock(settings.store_dir / "lock")
    lock.acquire()
    return lock


def a_file_in_its_place(settings: Settings) -> None:
    settings.store_dir.rmdir()
    settings.store_dir.write_text("no folder")


def spoiled_profiles(settings: Settings) -> None:
    (settings.store_dir / profiles.FILE).write_text("[")


def no_data(settings: Settings) -> None:
    (settings.data_dir / "a.md").unlink()
    settings.data_dir.rmdir()


SPOILED: list[Spoil] = [locked, a_file_in_its_place, spoiled_profiles, no_data]


@pytest.mark.parametrize("spoil", SPOILED)
def test_what_cannot_be_used_is_named_without_its_place(
    tmp_path: Path, embedder: Embedder, caplog: pytest.LogCaptureFixture, spoil: Spoil
) -> None:
    settings = Settings(data_dir=tmp_path / "data", store_dir=tmp_path / "store")
    settings.data_dir.mkdir()
    settings.store_dir.mkdir()
    (settings.data_dir / "a.md").write_text("One.")
    held = spoil(settings)
    reading = Reading(settings, lambda *_: embedder)
    url = served(reading, data_dir=settings.data_dir, store_dir=settings.store_dir)
    ended(reading)
    asked = {"messages": [{"role": "user", "content": "When is high tide?"}], "model": "headwater"}
    parts = [{"type": "text", "text": "When is high tide?"}]
    answers = [
        httpx.get(url + "ready"),
        httpx.get(url),
        httpx.get(url + "config"),
        httpx.get(url + "gradio_api/info"),
        httpx.get(url + "documents/1/file"),
        httpx.get(url + "documents/1/pages/1"),
        httpx.get(url + "api/search", params={"q": "When is high tide?"}),
        httpx.post(url + "v1/chat/completions", json=asked),
        httpx.post(url + "api/chat", json={"messages": [{"role": "user", "parts": parts}]}),
    ]
    told = [answer.text for answer in answers] + [shelf(reading)]
    assert reading.error
    assert "HEADWATER_" in told[-1] or "profiles.json" in told[-1]
    for text in told:
        assert str(tmp_path) not in text
        assert str(PROJECT) not in text
        assert "site-packages" not in text
    assert str(tmp_path) in caplog.text, "the owner's log says where it lies"
    del held


def shelf(reading: Reading) -> str:
    """What the sidebar has of a failure."""
    assert reading.error
    return f"{reading.error.en} {reading.error.vi} {[r.reason for r in reading.failed]}"


def test_the_receipts_of_the_data_folder_do_not_say_where_it_lies(
    tmp_path: Path, embedder: Embedder
) -> None:
    settings = Settings(data_dir=tmp_path / "data", store_dir=tmp_path / "store")
    settings.data_dir.mkdir()
    (settings.data_dir / "a.md").write_text("One.")
    (settings.data_dir / "b.pdf").write_text("no PDF")
    (settings.data_dir / "c.md").symlink_to(tmp_path)
    (settings.data_dir / "round.md").symlink_to("round.md")
    reading = Reading(settings, lambda *_: embedder)
    ended(reading)
    assert {r.name for r in reading.failed} == {"b.pdf", "c.md", "round.md"}
    assert str(tmp_path) not in str(reading.failed)
    for path in settings.data_dir.iterdir():
        path.unlink()
    reading.again()
    ended(reading)
    assert [r.name for r in reading.failed] == ["HEADWATER_DATA_DIR"]
    assert str(tmp_path) not in str(reading.failed)
    reading.close()


def test_errors_say_their_place_to_the_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    old = tmp_path / "old.db"
    with sqlite3.connect(old) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    (tmp_path / "vectors").write_text("no folder")
    raising: list[Callable[[], object]] = [
        lambda: Library(tmp_path / "folder"),
        lambda: Library(old),
        lambda: VectorIndex("v", tmp_path / "vectors").open(),
        lambda: SentenceEmbedder(str(tmp_path / "folder")),
        lambda: profiles.save(old, profiles.BUILT_IN),
    ]
    for call in raising:
        with pytest.raises(HeadwaterError) as raised:
            call()
        error = raised.value
        assert str(tmp_path) not in json.dumps([error.en, error.vi])
        assert str(tmp_path) in str(error)
        assert not isinstance(error, EmbedderError) or "“folder”" in error.en
