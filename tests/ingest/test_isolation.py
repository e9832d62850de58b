"""The process that reads: whatever a file does to it costs that file, and nobody else anything."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import isolation, readers
from ingest.isolation import Isolated
from ingest.limits import Limits
from ingest.receipts import Receipt
from ingest.sync import locate, sync
from rag.errors import DocumentError, NoProcess
from rag.retrieval.embedder import Embedder
from rag.settings import PROJECT
from rag.store.store import Store
from rag.types import Content
from tests.harness.lacking import lacking
from tests.ingest import hostile

WAIT = 60.0  # seconds that a machine with other work may need
TIGHT = Limits(size=1_000_000, seconds=1, memory=200_000_000, characters=90_000, pages=10)

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "alarm"), reason="this system cannot limit a process"
)


@pytest.fixture(autouse=True)
def hostile_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(readers.READERS, ".hostile", hostile)


@pytest.fixture
def isolated() -> Iterator[Isolated]:
    isolated = Isolated(TIGHT)
    yield isolated
    isolated.close()


def read(isolated: Isolated, what: str) -> Content:
    return isolated.begin(Path("a.hostile"), what.encode())()


def process_of(isolated: Isolated) -> tuple[int, str]:
    """The process that reads, and what it has imported."""
    pid, modules = read(isolated, "who").pages[0].text.split(" ", 1)
    return int(pid), modules


@pytest.mark.parametrize(
    ("what", "en", "vi"),
    [
        ("sleep 60", "took longer than 1 seconds", "mất hơn 1 giây"),
        ("spin 100000000000", "took longer than 1 seconds", "mất hơn 1 giây"),
        ("fill 1000", "needs more than 200 MB of memory", "cần hơn 200 MB bộ nhớ"),
        ("demand 100000", "needs more than 200 MB of memory", "cần hơn 200 MB bộ nhớ"),
        ("damage 100000", "needs more than 200 MB of memory", "cần hơn 200 MB bộ nhớ"),
        ("crash", "made what reads it end (SIGSEGV)", "dừng đột ngột (SIGSEGV)"),
        ("abort", "made what reads it end (SIGABRT)", "dừng đột ngột (SIGABRT)"),
        ("exit 0", "made what reads it end (status 0)", "dừng đột ngột (status 0)"),
        ("pages 11", "has more than 10 pages", "có hơn 10 trang"),
        ("characters 90001", "has more than 90,000 characters", "có hơn 90,000 ký tự"),
    ],
)
def test_what_a_file_does_is_a_sentence_and_the_next_one_is_read(
    isolated: Isolated, what: str, en: str, vi: str
) -> None:
    if what.startswith("fill") and not Path("/proc/self/statm").exists():
        lacking("this system does not say what memory a process holds")
    with pytest.raises(DocumentError) as caught:
        read(isolated, what)
    assert caught.value.en.startswith(f"a.hostile {en}") and "; " in caught.value.en
    assert vi in caught.value.vi and "hãy" in caught.value.vi
    assert read(isolated, "pages 10").pages[-1].number == 10


@pytest.mark.slow
def test_a_page_that_grows_when_it_is_unpacked_costs_its_file_alone(isolated: Isolated) -> None:
    line = b"BT /F 12 Tf 50 700 Td (all the same) Tj ET\n"
    page = zlib.compress(line * 5_000_000)
    bomb = b"%%PDF-1.7\n" + b"".join(
        b"%d 0 obj %s endobj\n" % numbered
        for numbered in enumerate(
            [
                b"<</Type/Catalog/Pages 2 0 R>>",
                b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
                b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
                b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>",
                b"<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(page), page),
            ],
            start=1,
        )
    )
    assert len(bomb) < TIGHT.size
    with pytest.raises(DocumentError, match=r"200 MB of memory|1 seconds"):
        isolated.begin(Path("a.pdf"), bomb + b"trailer<</Root 1 0 R>>")()
    assert read(isolated, "pages 1")


def test_one_process_reads_many_files_and_has_loaded_nothing_heavy(isolated: Isolated) -> None:
    pid, modules = process_of(isolated)
    assert pid != os.getpid()
    for heavy in ("torch", "gradio", "chromadb", "numpy", "sqlite3", "app"):
        assert f"'{heavy}'" not in modules
    assert process_of(isolated)[0] == pid


def test_a_reader_that_says_that_it_goes_on_has_its_time_for_each_page(isolated: Isolated) -> None:
    pages: list[tuple[int, int]] = []
    begun = isolated.begin(Path("a.hostile"), b"steps 5", lambda *page: pages.append(page))
    assert begun().pages[0].text == "steps 5"
    assert pages == [(number, 5) for number in range(1, 6)]


def test_what_a_reader_prints_is_not_taken_for_its_answer(isolated: Isolated) -> None:
    assert read(isolated, "print 123").pages[0].text == "print 123"


def test_a_fault_is_no_sentence_about_the_file_and_names_its_place(isolated: Isolated) -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'a detail'"):
        read(isolated, "fault a detail")


def titled(name: bytes) -> bytes:
    """A content, but for its title, which is what `rag.types` has under this name."""
    title = b"\x8c\x09rag.types\x8c" + bytes([len(name)]) + name + b"\x93"
    return b"\x80\x04(\x8c\x07contentcrag.types\nContent\n(" + title + b")tRK\x00t."


@pytest.mark.parametrize(
    "answer",
    [
        b"cos\nsystem\n(S'touch TAKEN'\ntR.",
        titled(b"urlencode"),  # what a module of ours has imported
        titled(b"urlencode.__globals__"),  # what stands behind that, by dots
        titled(b"Content.__init__"),
        titled(b"Document"),  # a value of ours that nobody waits for
        pickle.dumps(("content", "no content", 0)),
        pickle.dumps(("content", Content("a", ()), "0")),
        pickle.dumps(("error", "no error", 0)),
        pickle.dumps(("another", Content("a", ()), 0)),
        b"\x80\x04.",
        b"",
    ],
)
def test_a_reader_that_was_taken_over_is_not_believed(
    isolated: Isolated, tmp_path: Path, answer: bytes
) -> None:
    answer = answer.replace(b"TAKEN", str(tmp_path / "taken-over").encode())
    with pytest.raises((pickle.UnpicklingError, TypeError, EOFError, DocumentError)):
        read(isolated, f"lie {answer.hex()}")
    assert not (tmp_path / "taken-over").exists()
    assert read(isolated, "pages 1")


def test_one_that_would_fill_this_process_is_ended(isolated: Isolated) -> None:
    with pytest.raises(DocumentError, match="200 MB of memory"):
        read(isolated, f"claim {1 << 40}")
    assert read(isolated, "pages 1")


def test_a_process_that_was_killed_in_between_is_started_anew(isolated: Isolated) -> None:
    pid, _ = process_of(isolated)
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    assert process_of(isolated)[0] != pid


def test_where_no_process_can_be_started_nothing_is_read_and_one_receipt_says_so(
    tmp_path: Path,
    store: Store,
    embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("known.md", "gone.md", "changed.md"):
        (data / name).write_text("One.")

    def receipts() -> list[Receipt]:
        return list(sync(*locate(data, data), store, embedder, lambda *_: None, TIGHT))

    receipts()
    (data / "gone.md").unlink()
    (data / "changed.md").write_text("Another one.")
    for name in ("new.hostile", "new.md"):
        (data / name).write_text(f"print {os.getpid()}")
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nowhere/python")
        isolation.rest()
        found = receipts()
    outcomes = {(receipt.name, receipt.outcome) for receipt in found}
    place = ("HEADWATER_DATA_DIR", "failed")
    assert outcomes == {("known.md", "unchanged"), ("gone.md", "removed"), place}
    [barred] = [receipt for receipt in found if receipt.is_failure]
    assert "a process of their own, which cannot be started here (No such file" in barred.reason
    assert "không khởi động được" in barred.reason_vi and "/nowhere" not in barred.reason
    assert caplog.text.count("cannot be started") == 1 and "/nowhere/python" in caplog.text
    assert {document.name for document in store.library.documents()} == {"known.md", "changed.md"}
    added = {receipt.name: receipt.outcome for receipt in receipts()}
    assert added == {
        "known.md": "unchanged",
        "changed.md": "replaced",
        "new.hostile": "added",
        "new.md": "added",
    }


def test_a_process_that_says_something_else_at_the_start_is_none(
    isolated: Isolated, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho Python was not found, and that is all.\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    for _ in range(2):
        with pytest.raises(NoProcess):
            read(isolated, "pages 1")


def test_the_next_file_is_read_while_nobody_waits(isolated: Isolated) -> None:
    read(isolated, "pages 1")
    waiting = isolated.begin(Path("a.hostile"), b"sleep 0.5")
    time.sleep(0.8)
    start = time.monotonic()
    waiting()
    assert time.monotonic() - start < 0.5


@pytest.mark.slow
def test_threads_have_a_process_each_and_one_is_kept_for_the_next(tmp_path: Path) -> None:
    isolation.rest()
    pids: list[int] = []
    both = threading.Barrier(2, timeout=60)

    def one() -> None:
        with isolation.reading() as isolated:
            both.wait()
            pids.append(process_of(isolated)[0])
            both.wait()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(pids)) == 2
    with isolation.reading() as isolated:
        assert process_of(isolated)[0] in pids
    with isolation.reading() as isolated:
        assert process_of(isolated)[0] in pids
        isolated.begin(Path("a.hostile"), b"sleep 60")
    assert not isolated.kept, "what is in the middle of a file is ended"


@pytest.mark.parametrize("what", ["pages 1", "sleep 60", "crash"])
@pytest.mark.slow
def test_it_ends_with_its_parent_also_when_that_is_killed(what: str, tmp_path: Path) -> None:
    program = f"""
import os, time
from pathlib import Path
from ingest import readers
from ingest.isolation import Isolated
from tests.ingest import hostile
readers.READERS[".hostile"] = hostile
isolated = Isolated()
print(isolated.begin(Path("a.hostile"), b"who")().pages[0].text.split()[0], flush=True)
isolated.begin(Path("a.hostile"), b"{what}")
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    for _ in range(200):
        if not alive(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("it outlived its parent")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_hostile_file_is_one_receipt_and_the_others_are_in(
    tmp_path: Path, store: Store, embedder: Embedder
) -> None:
    files = {
        "a.md": "One.",
        "b.hostile": "crash",
        "c.hostile": "fill 1000",
        "d.hostile": "pages 2",
        "e.hostile": "sleep 60",
        "f.hostile": "x" * 1_000_001,
        "g.md": "Two.",
    }
    data = tmp_path / "data"
    data.mkdir()
    for name, text in files.items():
        (data / name).write_text(text)
    place = locate(data, data)
    receipts = list(sync(*place, store, embedder, lambda *_: None, TIGHT))
    outcomes = [(receipt.name[0], receipt.outcome) for receipt in receipts]
    failed = [(name, "failed") for name in "bcef"]
    assert outcomes == sorted([("a", "added"), ("d", "added"), ("g", "added"), *failed])
    reasons = {r.name: (r.reason, r.reason_vi) for r in receipts if r.outcome == "failed"}
    assert len(set(reasons.values())) == 4
    assert "larger than 1 MB" in reasons["f.hostile"][0]
    assert all(reason and reason_vi for reason, reason_vi in reasons.values())


def test_a_small_file_can_be_asked_while_the_next_one_is_still_being_read(
    tmp_path: Path, store: Store, embedder: Embedder
) -> None:
    data, release = tmp_path / "data", tmp_path / "release"
    data.mkdir()
    (data / "a.md").write_text("The lighthouse was painted in May.")
    (data / "b.hostile").write_text(f"until {release}")
    (data / "c.md").write_text("The ferry leaves at nine.")
    shown: list[str] = []
    receipts = sync(
        *locate(data, data), store, embedder, lambda *seen: shown.append(seen[2]), Limits(seconds=9)
    )
    asked = threading.Timer(20, release.touch)  # or a failure would take for ever
    asked.start()
    assert next(receipts).name == "a.md"
    assert not release.exists()
    assert [document.name for document in store.library.documents()] == ["a.md"]
    assert store.vectors.count() == store.library.count() == 1
    release.touch()
    assert [(r.name, r.outcome) for r in receipts] == [("b.hostile", "added"), ("c.md", "added")]
    asked.cancel()
    assert shown.count("b.hostile") > 1, "it is named again once the other is stored"


def test_whether_a_file_has_been_read_is_known_without_waiting_for_it(
    isolated: Isolated, tmp_path: Path
) -> None:
    read(isolated, "pages 1")
    begun = isolated.begin(Path("a.hostile"), f"until {tmp_path}/release".encode())
    assert not begun.ready(0.3) and not begun.ready(0.0)
    (tmp_path / "release").touch()
    assert begun.ready(WAIT) and begun.ready(0.0)
    assert begun().pages[0].text.startswith("until")
    assert isolated.begin(Path("a.hostile"), b"crash").ready(WAIT)


def test_every_reader_is_a_module_that_the_process_can_be_told_of() -> None:
    for reader in readers.READERS.values():
        assert sys.modules[reader.__name__] is reader  # type: ignore[attr-defined]
