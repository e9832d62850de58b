"""Files that are added at the page: their names, what is kept of them, and who sees them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ingest import isolation, sessions, sync, uploads, viewing
from ingest.adding import Adding
from ingest.background import Reading
from ingest.sessions import Sessions, link_of, shelf_of
from ingest.uploads import Uploads, safe
from rag.assembly import assemble
from rag.documents.originals import Originals
from rag.documents.routes import documents
from rag.documents.uploads import uploads as upload_routes
from rag.doors.access import user_of
from rag.errors import DocumentError, UnknownCollection
from rag.retrieval.embedder import Embedder
from rag.retrieval.retriever import Retriever
from rag.serving.metrics import Metrics
from rag.settings import Settings
from rag.text import verdict
from rag.types import OWN, UPLOADS, Options, Vectors

FERRY = "The ferry to Kestrel Island leaves at 07:40 from pier 12."
QUESTION = "When does the ferry to Kestrel Island leave?"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("report.md", "report.md"),
        ("báo cáo/Quý 1.md", "báo cáo/Quý 1.md"),
        ("ba\u0301o ca\u0301o.md", "báo cáo.md"),
        ("../../etc/passwd.txt", "etc/passwd.txt"),
        ("/etc/passwd.txt", "etc/passwd.txt"),
        ("C:\\Users\\me\\a.txt", "C/Users/me/a.txt"),
        (".hidden.md", "hidden.md"),
        ("a\nb\x00c.md", "a b c.md"),
        ("\u202egnp.md", "gnp.md"),
        ("x" * 300 + ".md", "x" * 197 + ".md"),
        ("ế" * 300 + ".md", "ế" * 65 + ".md"),
        ("/".join("abcdefghijk") + ".md", "d/e/f/g/h/i/j/k.md"),
    ],
)
def test_a_name_leads_nowhere_but_into_the_folder(name: str, kept: str) -> None:
    assert safe(name) == kept


@pytest.mark.parametrize("name", ["", "..", "/", "...", "\x00"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(DocumentError, match="needs a name"):
        safe(name)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def torn(fault: type[OSError] = ConnectionResetError) -> AsyncIterator[bytes]:
    yield b"half of"
    raise fault("gone")


def saved(kept: Uploads, name: str, body: AsyncIterator[bytes]) -> str:
    return asyncio.run(kept.save(name, body))


def test_a_file_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    kept = Uploads(tmp_path, UPLOADS, most_files=2, most_bytes=10)
    saved(kept, "a.md", pieces(b"one ", b"two"))
    for fault in (ConnectionResetError, TimeoutError):  # whoever sends it is told
        with pytest.raises(fault):
            saved(kept, "a.md", torn(fault))
    assert (kept.path / "a.md").read_bytes() == b"one two"
    with pytest.raises(DocumentError, match="larger than"):
        saved(kept, "big.md", pieces(b"123456", b"789012"))
    with pytest.raises(DocumentError, match="cannot be read; convert it"):
        saved(kept, "a.exe", pieces(b"MZ"))
    saved(kept, "f/b.md", pieces(b"b"))
    with pytest.raises(DocumentError, match="2 files already"):
        saved(kept, "c.md", pieces(b"c"))
    saved(kept, "a.md", pieces(b"again"))  # takes nobody's place
    assert [path.name for path in sorted(kept.path.rglob("*"))] == ["a.md", "f", "b.md"]
    kept.remove("f/b.md")
    assert kept.names() == ["a.md"] and not (kept.path / "f").exists()


def test_what_a_dead_process_had_begun_is_gone_after_a_day(tmp_path: Path) -> None:
    kept = Uploads(tmp_path, UPLOADS)
    kept.place()
    old, new = kept.path / ".old", kept.path / ".new"
    for part in (old, new):
        part.write_bytes(b"half of")
    day_ago = time.time() - uploads.STALE_SECONDS - 1
    os.utime(old, (day_ago, day_ago))
    kept.place()
    assert (old.exists(), new.exists()) == (False, True)


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "SPARE", 1 << 62)
    with pytest.raises(DocumentError, match="disk is nearly full"):
        saved(Uploads(tmp_path, UPLOADS), "a.md", pieces(b"one"))
    assert list((tmp_path / "uploads").iterdir()) == []


class Served:
    """The routes of one process, and the search behind its doors."""

    def __init__(self, settings: Settings, embedder: Embedder) -> None:
        self.reading = Reading(settings, lambda *_: embedder)
        self.sessions = Sessions(settings.store_dir, self.reading)
        self.searcher = assemble(
            settings, self.reading.opening, Metrics(), own=self.sessions.together
        ).searcher
        uploads = self.reading.uploads.path
        originals = Originals(settings.data_dir, sync.digest, viewing, uploads=uploads)
        to_all = settings.where_uploads_go == "library"
        shelf = Adding(self.reading) if to_all else self.sessions
        shown = documents(shelf_of(self.reading, self.sessions), originals)
        self.client = TestClient(Starlette(routes=[*upload_routes(shelf, user_of), *shown]))

    def add(self, name: str, content: str | bytes, visitor: str = "") -> dict[str, Any]:
        answer = self.client.post(
            "/documents",
            params={"name": name},
            content=content,
            headers={"x-headwater-visitor": visitor},
        )
        *progress, receipt = [json.loads(line) for line in answer.text.splitlines()]
        assert all(list(line) == ["progress"] for line in progress)
        return dict(receipt["receipt"])

    def remove(self, document: int, visitor: str = "") -> str:
        headers = {"x-headwater-visitor": visitor}
        answer = self.client.delete(f"/documents/{document}", headers=headers)
        return str(answer.json()["receipt"]["outcome"])

    def found(self, question: str, **options: Any) -> list[str]:
        """The documents that answer; none where it is refused."""
        findings = asyncio.run(self.searcher.search(question, Options(**options)))
        return [] if findings.verdict == "refuse" else [s.document for s in findings.sources]

    def close(self) -> None:
        self.reading.settled()
        self.sessions.close()
        self.reading.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "bread.md").write_text("# Bread\n\nThe dough rests for two hours before it is baked.")
    return folder


@pytest.fixture
def library(tmp_path: Path, data: Path, embedder: Embedder) -> Iterator[Served]:
    settings = Settings(data_dir=data, store_dir=tmp_path / "store", rate_limit=None)
    served = Served(settings, embedder)
    served.reading.settled()
    yield served
    served.close()


@pytest.fixture
def public(tmp_path: Path, data: Path, embedder: Embedder) -> Iterator[Served]:
    settings = Settings(
        data_dir=data, store_dir=tmp_path / "store", uploads="session", rate_limit=None
    )
    served = Served(settings, embedder)
    served.reading.settled()
    yield served
    served.close()


def test_what_is_added_is_found_replaced_and_gone_when_it_is_removed(library: Served) -> None:
    receipt = library.add("harbour.txt", FERRY)
    assert (receipt["name"], receipt["outcome"], receipt["chunks"]) == ("harbour.txt", "added", 1)
    assert library.found(QUESTION)[0] == "harbour.txt"
    assert library.add("harbour.txt", FERRY.replace("07:40", "09:15"))["outcome"] == "replaced"
    library.reading.settled()
    findings = asyncio.run(library.searcher.search(QUESTION))
    assert "09:15" in findings.sources[0].text
    page = library.client.get(findings.sources[0].address or "")
    assert "09:15" in page.text and "<mark" in page.text
    [document] = [d for d in library.reading.documents() if d.name == "harbour.txt"]
    assert library.remove(document.id) == "removed"
    library.reading.settled()
    assert [d.name for d in library.reading.documents()] == ["bread.md"]
    assert "harbour.txt" not in library.found(QUESTION)


def test_deleted_files_leave_nothing_and_may_come_again(library: Served) -> None:
    """open-webui#7181: vectors stayed behind and the same file was refused."""
    for _ in range(3):
        assert library.add("harbour.txt", FERRY)["outcome"] == "added"
        library.reading.settled()
        [document] = [d for d in library.reading.documents() if d.name == "harbour.txt"]
        assert library.remove(document.id) == "removed"
        library.reading.settled()
    store = library.reading.settled().store
    assert store.library.count() == store.vectors.count() == 1


def test_an_empty_file_is_said_to_be_empty(library: Served) -> None:
    """kotaemon#672: an empty upload was taken in silence."""
    receipt = library.add("nothing.txt", "")
    assert "empty" in receipt["reason"] and receipt["chunks"] == 0
    assert receipt["outcome"] not in ("added", "replaced", "unchanged")


def test_what_lies_in_the_data_folder_cannot_be_removed_at_the_page(
    library: Served, data: Path
) -> None:
    [bread] = library.reading.documents()
    assert library.remove(bread.id) == "failed"
    assert library.remove(999) == library.remove(10**30) == "failed"
    assert (data / "bread.md").exists() and library.reading.documents() == [bread]


def test_added_documents_are_there_after_a_restart(
    library: Served, tmp_path: Path, data: Path, embedder: Embedder
) -> None:
    """open-webui#4446: everything was gone when a Space restarted."""
    library.add("reports/harbour.txt", FERRY)
    library.close()
    again = Served(Settings(data_dir=data, store_dir=tmp_path / "store"), embedder)
    again.reading.settled()
    assert again.found(QUESTION)[0] == "reports/harbour.txt"
    again.close()


class Unhurried:
    """The embedder, which takes its time for ledgers and does not look at them."""

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.dimension = embedder.name, embedder.dimension
        self.record, self.begin, self.has_word = embedder.record, embedder.begin, embedder.has_word
        self._embed = embedder.embed

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        ledgers = [i for i, text in enumerate(texts) if "Ledger" in text]
        others = [text for text in texts if "Ledger" not in text]
        vectors = np.full((len(texts), self.dimension), self.dimension**-0.5, dtype=np.float32)
        if ledgers:
            time.sleep(0.7)
        if others:
            vectors[[i for i in range(len(texts)) if i not in ledgers]] = self._embed(others)
        return vectors


def test_a_question_is_answered_while_the_rest_is_still_read_and_it_says_so(
    tmp_path: Path, data: Path, embedder: Embedder
) -> None:
    for number in range(12):
        lines = "\n\n".join(
            f"Ledger {number}, entry {i}: {i * number} crates." for i in range(2000)
        )
        (data / f"ledger{number:02}.txt").write_text(lines)
    served = Served(Settings(data_dir=data, store_dir=tmp_path / "store"), Unhurried(embedder))
    try:
        findings = asyncio.run(served.searcher.search("How long does the dough rest?"))
        assert findings.sources[0].document == "bread.md"
        assert served.reading.busy and findings.unread
        assert "Still to be read" in verdict.said(findings, "en")
        assert served.add("harbour.txt", FERRY)["outcome"] == "added"
        assert served.reading.busy  # it did not wait for the others
        assert served.found(QUESTION)[0] == "harbour.txt"
    finally:
        served.close()


def test_another_visitor_sees_nothing_of_a_sessions_file(public: Served) -> None:
    mine, other = public.sessions.enter(""), public.sessions.enter("")
    assert public.add("harbour.txt", FERRY, mine)["outcome"] == "added"
    assert public.found(QUESTION, visitor=mine)[0] == "harbour.txt"
    assert "bread.md" in public.found("How long does the dough rest?", visitor=mine)
    assert public.found(QUESTION, visitor=mine, places=(OWN,)) == ["harbour.txt"]
    both = (OWN, "bread.md")
    assert public.found(QUESTION, visitor=mine, places=both)[0] == "harbour.txt"
    assert "bread.md" in public.found("How long does the dough rest?", visitor=mine, places=both)
    for stranger in (other, "", "x", mine[::-1]):
        assert "harbour.txt" not in public.found(QUESTION, visitor=stranger)
    assert [d.name for d in public.reading.documents()] == ["bread.md"]
    [document] = public.sessions.documents(mine)
    [source, *_] = asyncio.run(public.searcher.search(QUESTION, Options(visitor=mine))).sources
    shown = public.client.get(source.address or "")
    assert FERRY in shown.text
    for below in (
        "",
        f"own/{link_of(other)}/",
        f"own/{mine}/",
        f"own/{link_of(mine)[::-1]}/",
        "own/x/",
    ):
        page = public.client.get(f"{below}documents/{document.id}/pages/1")
        assert FERRY not in page.text
    assert public.remove(document.id, other) == "failed"
    assert public.sessions.documents(mine) == [document]
    assert public.remove(document.id, mine) == "removed"
    assert "harbour.txt" not in public.found(QUESTION, visitor=mine)


def test_a_sessions_files_are_gone_after_a_day(public: Served, tmp_path: Path) -> None:
    mine = public.sessions.enter("")
    public.add("harbour.txt", FERRY, mine)
    [folder] = (tmp_path / "store" / "visitors").iterdir()
    assert mine not in str(folder)
    day_ago = time.time() - sessions.KEPT_SECONDS - 1
    os.utime(folder / "uploads", (day_ago, day_ago))
    public.sessions.sweep()
    assert list((tmp_path / "store" / "visitors").iterdir()) == []
    assert public.sessions.documents(mine) == []
    assert public.add("harbour.txt", FERRY, mine)["outcome"] == "added"  # and may come again


def test_a_session_without_a_key_is_told_to_reload(public: Served) -> None:
    assert public.add("harbour.txt", FERRY)["reason"].startswith("Reload the page")
    assert public.add("harbour.txt", FERRY, "../../x")["outcome"] == "failed"


def test_files_that_are_added_at_once_have_a_receipt_each(public: Served) -> None:
    mine = public.sessions.enter("")

    async def add(name: str) -> dict[str, Any]:
        lines = [
            line async for line in public.sessions.add(mine, "me", name, pieces(name.encode() * 9))
        ]
        receipt: Any = lines[-1]["receipt"]
        return dict(receipt)

    async def all_at_once() -> list[dict[str, Any]]:
        return await asyncio.gather(*(add(f"note {n}.txt") for n in range(6)))

    receipts = asyncio.run(all_at_once())
    assert {receipt["outcome"] for receipt in receipts} == {"added"}
    assert len(public.sessions.documents(mine)) == 6


@pytest.mark.parametrize("where", ["library", "public"])
def test_the_same_file_again_is_unchanged_and_says_what_it_has(
    request: pytest.FixtureRequest, where: str
) -> None:
    served: Served = request.getfixturevalue(where)
    mine = served.sessions.enter("")
    served.add("harbour.txt", FERRY, mine)
    receipt = served.add("harbour.txt", FERRY, mine)
    assert (receipt["outcome"], receipt["pages"], receipt["chunks"]) == ("unchanged", 1, 1)


@pytest.mark.parametrize("where", ["library", "public"])
def test_an_added_file_that_no_process_could_be_started_for_has_a_receipt_that_says_so(
    request: pytest.FixtureRequest, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: Served = request.getfixturevalue(where)
    mine = served.sessions.enter("")
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nowhere/python")
        isolation.rest()
        for name in ("harbour.txt", "again.txt"):
            receipt = served.add(name, FERRY, mine)
            assert (receipt["name"], receipt["outcome"]) == (name, "failed")
            assert "cannot be started" in receipt["reason"]
    assert served.add("third.txt", "One.", mine)["outcome"] == "added"
    served.reading.settled()
    assert served.found(QUESTION, visitor=mine)[0] == "harbour.txt"


def test_for_an_added_file_nothing_else_is_read(library: Served, data: Path) -> None:
    (data / "later.md").write_text("It is read when somebody asks for it.")
    library.add("harbour.txt", FERRY)
    library.reading.settled()
    assert {d.name for d in library.reading.documents()} == {"bread.md", "harbour.txt"}
    library.reading.again()
    library.reading.settled()
    assert len(library.reading.documents()) == 3


def test_the_folder_is_its_own_also_inside_one_that_was_read(
    library: Served, tmp_path: Path, embedder: Embedder
) -> None:
    store = library.reading.settled().store
    list(sync.sync(*sync.locate(tmp_path, tmp_path / "data"), store, embedder, lambda *_: None))
    assert library.add("harbour.txt", FERRY)["name"] == "harbour.txt"
    library.reading.settled()
    [added] = [d for d in library.reading.documents() if d.folder == UPLOADS]
    assert library.remove(added.id) == "removed"


def test_readings_of_visitors_hold_no_question_back(public: Served, embedder: Embedder) -> None:
    retriever = public.reading.settled()
    reads = threading.Semaphore(0)

    class Holding(Unhurried):
        def embed(self, texts: Sequence[str], progress: Any = None) -> Vectors:
            reads.acquire(timeout=30)
            return self._embed(texts)

    held = Retriever(retriever.store, Holding(embedder))
    public.reading.opening.renew(held)
    visitors = [public.sessions.enter("") for _ in range(8)]

    async def all_at_once() -> None:
        async def add(visitor: str) -> None:
            async for _ in public.sessions.add(visitor, visitor, "a.txt", pieces(b"One.")):
                pass

        adding = [asyncio.create_task(add(visitor)) for visitor in visitors]
        await asyncio.sleep(1)
        asked = public.searcher.search("How long does the dough rest?", Options(visitor="x"))
        findings = await asyncio.wait_for(asked, 20)
        assert findings.sources[0].document == "bread.md"
        assert not any(task.done() for task in adding)
        for _ in visitors:
            reads.release()
        await asyncio.gather(*adding)

    asyncio.run(all_at_once())
    assert all(len(public.sessions.documents(visitor)) == 1 for visitor in visitors)


def test_with_another_model_a_visitors_files_are_read_again(
    public: Served, embedder: Embedder
) -> None:
    mine = public.sessions.enter("")
    public.add("harbour.txt", FERRY, mine)
    renamed = Unhurried(embedder)
    renamed.name = "another"
    public.reading.opening.renew(Retriever(public.reading.settled().store, renamed))
    for _ in range(200):
        if public.sessions.documents(mine):
            break
        time.sleep(0.05)
    assert [d.name for d in public.sessions.documents(mine)] == ["harbour.txt"]


def test_one_user_cannot_take_all_the_places(
    public: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_OF_ONE_USER", 2)
    outcomes = [
        public.add(name, FERRY, public.sessions.enter(""))["outcome"]
        for name in ("a.exe", "a.exe", "a.exe", "a.txt", "b.txt", "c.txt")
    ]
    assert outcomes == ["failed", "failed", "failed", "added", "added", "failed"]


def test_sweeps_at_once_remove_what_is_old_and_nothing_else(public: Served, tmp_path: Path) -> None:
    old, new = public.sessions.enter(""), public.sessions.enter("")
    for visitor in (old, new):
        public.add("harbour.txt", FERRY, visitor)
    uploads_of_old = tmp_path / "store" / "visitors" / link_of(old) / "uploads"
    day_ago = time.time() - sessions.KEPT_SECONDS - 1
    os.utime(uploads_of_old, (day_ago, day_ago))
    with ThreadPoolExecutor(8) as threads:
        for swept in [threads.submit(public.sessions.sweep) for _ in range(24)]:
            swept.result()
    assert not uploads_of_old.exists()
    assert public.found(QUESTION, visitor=new)[0] == "harbour.txt"


def test_what_nobody_asks_is_closed_and_opened_again(
    public: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = public.sessions.enter("")
    public.add("harbour.txt", FERRY, mine)
    monkeypatch.setattr(sessions, "IDLE_SECONDS", -1.0)
    public.sessions.sweep()
    assert not public.sessions._open
    assert public.found(QUESTION, visitor=mine)[0] == "harbour.txt"


def test_who_has_no_documents_of_their_own_is_told_so(public: Served) -> None:
    with pytest.raises(UnknownCollection, match="no documents of your own"):
        public.found(QUESTION, visitor=public.sessions.enter(""), places=(OWN,))
