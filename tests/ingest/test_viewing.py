"""Who looks at a file does so in a process apart, one at a time, and nothing that ended it is tried
again."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from ingest import isolation, viewing
from rag.errors import DocumentError, NoProcess
from tests.ingest import hostile

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "alarm"), reason="this system cannot limit a process"
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BinaryIO]:
    monkeypatch.setattr(viewing, "LIMITS", replace(viewing.LIMITS, seconds=1))
    (tmp_path / "a.pdf").write_text("one")
    with (tmp_path / "a.pdf").open("rb") as file:
        yield file
    viewing._spoilt.clear()


def view(file: BinaryIO, what: str) -> str:
    file.seek(0)
    return viewing.run(hostile.view, file, (str,), what)


def test_it_is_done_in_another_process(file: BinaryIO) -> None:
    pid, modules = view(file, "who").split(" ", 1)
    assert int(pid) != os.getpid() and "torch" not in modules
    assert view(file, "who").split(" ", 1)[0] == pid


def test_what_ended_the_process_is_not_tried_again_until_the_file_is_another(
    file: BinaryIO, tmp_path: Path
) -> None:
    with pytest.raises(DocumentError, match=r"a\.pdf made what reads it end"):
        view(file, "crash")
    with pytest.raises(DocumentError, match="made what reads it end"):
        view(file, "pages 1")
    (tmp_path / "b.pdf").write_text("two")
    with (tmp_path / "b.pdf").open("rb") as other:
        assert view(other, "pages 1") == "text"
    os.utime(file.name, (0, 0))
    assert view(file, "pages 1") == "text"


def test_a_fault_is_a_sentence_and_is_in_the_log(
    file: BinaryIO, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DocumentError, match=r"a\.pdf cannot be shown") as caught:
        view(file, "fault a detail")
    assert "a detail" in caplog.text and "a detail" not in caught.value.en + caught.value.vi
    assert view(file, "pages 1") == "text"


def test_where_no_process_can_be_started_nothing_is_done_here(
    file: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolation.rest()
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(NoProcess):
            view(file, "pages 1")
    assert view(file, "pages 1") == "text"


def test_one_at_a_time_and_who_has_waited_long_enough_is_told(
    file: BinaryIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewing, "WAIT", 0.2)
    release, begun = tmp_path / "release", threading.Event()
    shown: list[str] = []

    def look() -> None:
        with (tmp_path / "a.pdf").open("rb") as mine:
            begun.set()
            shown.append(view(mine, f"until {release}"))

    thread = threading.Thread(target=look)
    thread.start()
    begun.wait(30)
    while not viewing._one.locked():
        pass
    with pytest.raises(DocumentError, match=r"a\.pdf cannot be shown now") as caught:
        view(file, "pages 1")
    assert "đang có nhiều tệp" in caught.value.vi
    release.touch()
    thread.join()
    assert shown == [f"until {release}"]
    assert view(file, "pages 1") == "text"


def test_no_more_than_a_few_wait(file: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewing, "_waiting", threading.BoundedSemaphore(1))
    with viewing._waiting, pytest.raises(DocumentError, match="cannot be shown now"):
        view(file, "pages 1")
    assert view(file, "pages 1") == "text"
