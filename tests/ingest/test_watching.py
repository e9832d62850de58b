"""Folders that are watched: a burst of changes is read once, at once, and the end leaves nothing
open."""

from __future__ import annotations

import json
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from watchfiles import watch as watch_files

from ingest.background import Reading
from ingest.watching import bursts, following
from rag.errors import DocumentError
from rag.retrieval.embedder import Embedder
from rag.settings import Settings
from tests.whole.test_commands import Place

WAIT = 30.0  # seconds that a machine with other work may need
NOTHING = 2.0  # after which what has not come does not come


class Watch:
    """Folders that are watched on a thread of their own."""

    def __init__(self, folder: Path, poll: bool) -> None:
        self.items: queue.Queue[None] = queue.Queue()
        self._stop = threading.Event()
        self._arguments: dict[str, Any] = {"poll": poll, "stop": self._stop}
        self._thread = threading.Thread(target=self._run, args=(folder,))
        self._thread.start()
        self.items.get(timeout=WAIT)  # it stands

    def _run(self, folder: Path) -> None:
        for item in bursts([folder], **self._arguments):
            self.items.put(item)

    def quiet(self) -> bool:
        try:
            self.items.get(timeout=NOTHING)
        except queue.Empty:
            return True
        return False

    def close(self) -> None:
        self._stop.set()
        self._thread.join(WAIT)
        assert not self._thread.is_alive()


@pytest.fixture(params=[False, True], ids=["told", "polling"])
def watch(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watch]:
    monkeypatch.setattr("ingest.watching.POLLING", 100)
    (tmp_path / "data" / "deep").mkdir(parents=True)
    watch = Watch(tmp_path / "data", request.param)
    yield watch
    watch.close()


@pytest.mark.slow
def test_a_burst_of_changes_is_one(watch: Watch, tmp_path: Path) -> None:
    for n in range(20):
        (tmp_path / "data" / "deep" / f"{n}.md").write_text("one")
    watch.items.get(timeout=WAIT)
    assert watch.quiet()
    (tmp_path / "data" / "deep" / "0.md").unlink()
    watch.items.get(timeout=WAIT)


@pytest.mark.slow
def test_what_is_hidden_does_not_count(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "data" / ".git").mkdir()
    (tmp_path / "data" / ".git" / "index").write_text("one")
    (tmp_path / "data" / "deep" / ".a.md.swp").write_text("one")
    assert watch.quiet()


@pytest.mark.parametrize(
    "end", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_the_command_reads_what_changes_and_ends_with_the_store_given_back(
    tmp_path: Path, known_model: Callable[[Path], None], end: signal.Signals
) -> None:
    place = Place(tmp_path)
    known_model(place.store)
    with place.start("ingest", "--watch", "--json") as process:
        assert process.stdout and process.stderr

        def receipt() -> tuple[str, str]:
            assert process.stdout
            line = json.loads(process.stdout.readline())
            return line["name"], line["outcome"]

        first = {receipt() for _ in range(4)}
        assert ("broken.pdf", "failed") in first and ("bread.txt", "added") in first
        (place.data / "new.md").write_text("The lighthouse was painted in May.")
        assert receipt() == ("new.md", "added")  # and not the broken one once more
        (place.data / "new.md").write_text("The lighthouse was painted in June.")
        assert receipt() == ("new.md", "replaced")
        (place.data / "new.md").unlink()
        assert receipt() == ("new.md", "removed")
        process.send_signal(end)
        rest, said = process.communicate(timeout=WAIT)
    assert (process.returncode, rest) == (0, "")
    assert "The watching has ended" in said and "Traceback" not in said
    with FileLock(place.store / "lock", timeout=0):
        assert not (place.store / "opening-vectors").exists()


def test_a_running_page_reads_what_changes_also_while_it_reads(
    tmp_path: Path, embedder: Embedder
) -> None:
    (tmp_path / "data").mkdir()
    settings = Settings(data_dir=tmp_path / "data", store_dir=tmp_path / "store")
    reading = Reading(settings, lambda *_: embedder)
    with following(reading, settings.data_dir):
        reading.opening.wait()
        for n in range(3):
            (settings.data_dir / f"{n}.md").write_text("The lighthouse was painted in May.")
            end = time.monotonic() + WAIT
            while len(reading.documents()) <= n and time.monotonic() < end:
                time.sleep(0.05)
            assert len(reading.documents()) == n + 1
    while reading.busy:
        time.sleep(0.05)
    reading.close()


@pytest.mark.parametrize("poll", [False, True])
def test_a_folder_that_cannot_be_watched_is_said_with_what_helps_then(
    tmp_path: Path, poll: bool
) -> None:
    with pytest.raises(DocumentError) as caught:
        next(bursts([tmp_path / "gone"], poll=poll))
    for sentence in (caught.value.en, caught.value.vi):
        assert ("--poll" in sentence) != poll
        assert str(tmp_path) not in sentence


def test_a_running_page_looks_through_a_folder_of_which_the_system_tells_nothing(
    tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*folders: Path, force_polling: bool, **more: Any) -> Any:
        if not force_polling:
            raise OSError("OS file watch limit reached.")
        return watch_files(*folders, force_polling=force_polling, **more)

    monkeypatch.setattr("ingest.watching.watch", refusing)
    monkeypatch.setattr("ingest.watching.POLLING", 100)
    (tmp_path / "data").mkdir()
    settings = Settings(data_dir=tmp_path / "data", store_dir=tmp_path / "store")
    reading = Reading(settings, lambda *_: embedder)
    with following(reading, settings.data_dir):
        reading.opening.wait()
        (settings.data_dir / "a.md").write_text("The lighthouse was painted in May.")
        end = time.monotonic() + WAIT
        while not reading.documents() and time.monotonic() < end:
            time.sleep(0.05)
        assert [document.name for document in reading.documents()] == ["a.md"]
    while reading.busy:
        time.sleep(0.05)
    reading.close()


@pytest.mark.slow
def test_a_file_is_not_watched(tmp_path: Path) -> None:
    place = Place(tmp_path)
    code, out, said = place.finish("ingest", "--watch", str(place.data / "bread.txt"))
    assert (code, out) == (2, "") and "folders" in said
