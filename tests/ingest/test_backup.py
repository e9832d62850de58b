"""A library in one file: what is exported comes back as it was, what nobody exported is refused in
a sentence, and nothing is changed then."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from typer.testing import CliRunner, Result

from ingest.__main__ import app
from ingest.adding import Adding
from ingest.archive import MANIFEST, Archive, written
from ingest.archive import record as archived
from ingest.background import Reading
from ingest.backup import export, restore
from ingest.listing import READY, locate
from ingest.placing import Home, Made, harmless, place
from ingest.receipts import Receipt
from ingest.sync import sync
from rag.commands.shared import Parts
from rag.errors import BackupError, StoreLocked
from rag.retrieval.embedder import Embedder
from rag.retrieval.models import PACKAGED
from rag.retrieval.retriever import Retriever
from rag.settings import PROJECT, Settings
from rag.store.library import Library
from rag.store.store import Store
from rag.types import Chunk, Document

TIDES = "# Tides\n\nHigh tide in the harbour is at noon."
LAMP = "The lamp is lit at dusk."
FERRY = "# Phà\n\nChuyến phà cuối cùng rời bến lúc chín giờ."
Change = Callable[[dict[str, Any], dict[str, bytes]], None]


def quiet(*_: object) -> None:
    """No progress."""


def settings_in(root: Path) -> Settings:
    (root / "data").mkdir(parents=True, exist_ok=True)
    places = {"data_dir": root / "data", "store_dir": root / "store"}
    return Settings(**places, embedding_model=PACKAGED)  # type: ignore[arg-type]


def store_of(settings: Settings, embedder: Embedder) -> Store:
    return Store(settings.store_dir, embedder.name, embedder.dimension, None)


def read(settings: Settings, embedder: Embedder, place: Path | None = None) -> dict[str, str]:
    """The outcome of each file of a reading."""
    with store_of(settings, embedder) as store:
        folder, scope = locate(place or settings.data_dir, settings.data_dir)
        return {r.name: r.outcome for r in sync(folder, scope, store, embedder, quiet)}


def held(settings: Settings, embedder: Embedder) -> dict[tuple[str, str], list[Any]]:
    """All that a library holds but its ids."""
    with store_of(settings, embedder) as store:
        library = store.library
        assert store.vectors.count() == library.count()
        found: dict[tuple[str, str], list[Any]] = {}
        for document in library.documents():
            chunks = library.opening(document.folder, document.name)
            vectors = library.vectors([chunk.id for chunk in chunks])
            texts = [(c.page, c.page_name, c.text, vectors[c.id].tobytes()) for c in chunks]
            found[document.folder, document.name] = [document, *texts]
        return found


@pytest.fixture
def here(tmp_path: Path, embedder: Embedder) -> Settings:
    """A library of two documents of the data folder and one from elsewhere."""
    settings = settings_in(tmp_path / "here")
    (settings.data_dir / "sea").mkdir()
    (settings.data_dir / "sea" / "tides.md").write_text(TIDES)
    (settings.data_dir / "phà cuối.txt").write_text(FERRY)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "eggs.md").write_text("The recipe needs two eggs.")
    read(settings, embedder)
    read(settings, embedder, tmp_path / "elsewhere")
    return settings


@pytest.fixture
def there(tmp_path: Path) -> Settings:
    return settings_in(tmp_path / "there")


@pytest.fixture
def file(here: Settings, tmp_path: Path) -> Path:
    export(here, tmp_path / "library.zip", quiet)
    return tmp_path / "library.zip"


def forged(file: Path, change: Change) -> Path:
    """The same file after `change(manifest, members)`, with sums that fit."""
    with zipfile.ZipFile(file) as kept:
        members = {name: kept.read(name) for name in kept.namelist()}
    manifest = json.loads(members.pop(MANIFEST))
    change(manifest, members)
    manifest["members"] = {n: hashlib.sha256(data).hexdigest() for n, data in members.items()}
    with zipfile.ZipFile(file, "w") as target:
        for name, data in members.items():
            target.writestr(name, data)
        target.writestr(MANIFEST, json.dumps(manifest))
    return file


def record(**values: Any) -> Change:
    """Changes what a file says of its first document."""

    def change(_: dict[str, Any], members: dict[str, bytes]) -> None:
        members["documents/0.json"] = json.dumps(
            json.loads(members["documents/0.json"]) | values
        ).encode()

    return change


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def test_an_exported_library_comes_back_as_it_was_and_its_files_need_no_second_reading(
    here: Settings, there: Settings, file: Path, embedder: Embedder
) -> None:
    receipts = restore(there, file, quiet)
    assert {(r.name, r.outcome) for r in receipts} == {
        ("sea/tides.md", "added"),
        ("phà cuối.txt", "added"),
        ("eggs.md", "added"),
    }
    assert held(there, embedder) == held(here, embedder)
    assert (there.data_dir / "sea" / "tides.md").read_text() == TIDES
    assert set(read(there, embedder).values()) == {"unchanged"}
    with store_of(there, embedder) as store:
        assert Retriever(store, embedder).search("How many eggs?", 1).sources[0].document == (
            "eggs.md"
        )


def test_pages_keep_the_names_that_their_readers_know_them_by(
    here: Settings, there: Settings, tmp_path: Path, embedder: Embedder
) -> None:
    with store_of(here, embedder) as store:
        [document] = [d for d in store.library.documents() if d.name == "sea/tides.md"]
        texts = [(1, "January"), (2, "February")]
        vectors = embedder.embed([text for _, text in texts])
        store.replace(document, texts, vectors, ["Costs · 1–50", ""])
    export(here, tmp_path / "named.zip", quiet)
    restore(there, tmp_path / "named.zip", quiet)
    with store_of(there, embedder) as store:
        opening = store.library.opening("", "sea/tides.md")
    assert [chunk.page_name for chunk in opening] == ["Costs · 1–50", ""]


def test_an_export_of_an_earlier_version_has_names_of_pages(
    there: Settings, file: Path, embedder: Embedder
) -> None:
    def earlier(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
        manifest["format"] = 1
        for name in [name for name in members if name.startswith("documents/")]:
            kept = json.loads(members[name])
            del kept["names"]
            members[name] = json.dumps(kept | {"page_names": {"1": "Costs · 1–50"}}).encode()

    restore(there, forged(file, earlier), quiet)
    with store_of(there, embedder) as store:
        chunks = store.library.chunks(store.library.chunk_ids())
    assert {chunk.page_name for chunk in chunks.values()} == {"Costs · 1–50"}


def test_an_export_is_its_owners_alone_and_replaces_an_earlier_one(
    here: Settings, file: Path
) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    exported = export(here, file, quiet)
    assert (exported.documents, exported.originals, exported.missing) == (3, 2, ())
    assert {p.name for p in file.parent.iterdir()} == {"here", "elsewhere", "library.zip"}


def test_an_export_takes_the_place_of_nothing_else(here: Settings, tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    report.write_text("years of work")
    with pytest.raises(BackupError, match=r"report\.pdf is there already"):
        export(here, report, quiet)
    assert report.read_text() == "years of work"


def test_what_was_changed_or_is_gone_since_it_was_read_goes_without_its_file_and_is_named(
    here: Settings, there: Settings, tmp_path: Path
) -> None:
    (here.data_dir / "sea" / "tides.md").write_text("something else")
    (here.data_dir / "phà cuối.txt").unlink()
    exported = export(here, tmp_path / "library.zip", quiet)
    assert exported.missing == ("phà cuối.txt", "sea/tides.md") and exported.originals == 0
    assert len(restore(there, tmp_path / "library.zip", quiet)) == 3
    assert files(there.data_dir) == set()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_an_original_that_cannot_be_read_is_named_with_the_reason_and_costs_no_other(
    here: Settings, there: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "library.zip"
    (here.data_dir / "phà cuối.txt").unlink()
    os.mkfifo(here.data_dir / "phà cuối.txt")
    exported = export(here, file, quiet)
    assert exported.unreadable == {"phà cuối.txt": "not a regular file"}
    assert (exported.originals, exported.missing) == (1, ())
    result = command(here, "--export", str(file))
    assert result.exit_code == 0 and "cannot be read now: phà cuối.txt (not a" in result.stderr
    assert len(restore(there, file, quiet)) == 3
    assert files(there.data_dir) == {"sea/tides.md"}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here fails to be read")
def test_one_that_fails_in_the_middle_is_no_fault_of_the_file_that_is_written(
    here: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = here.data_dir / "phà cuối.txt"
    path.unlink()
    path.symlink_to("/proc/self/mem")  # its first page cannot be read
    here = here.model_copy(update={"follow_links": True})
    assert export(here, tmp_path / "a.zip", quiet).unreadable == {path.name: "Input/output error"}
    known = {d.name: d.digest for d in documents_of(here)}
    monkeypatch.setattr("ingest.backup.digest", lambda path, *_: known[str(path)])
    with pytest.raises(BackupError, match=r"phà cuối\.txt could not be read \(Input") as caught:
        export(here, tmp_path / "b.zip", quiet)
    assert "Không đọc được" in caught.value.vi and not (tmp_path / "b.zip").exists()


def documents_of(settings: Settings) -> list[Document]:
    [path] = settings.store_dir.glob("*/library.db")
    with closing(Library(path)) as library:
        return library.documents()


def added_at_the_page(settings: Settings, embedder: Embedder) -> Reading:
    """A page to which two files are added; it is read."""
    reading = Reading(settings, lambda *_: embedder)
    reading.opening.wait()

    async def body(text: str) -> AsyncIterator[bytes]:
        yield text.encode()

    async def add() -> None:
        for name, text in (("sea/tides.md", "Low tide is at six."), ("lamp.txt", LAMP)):
            async for _ in Adding(reading).add("", "", name, body(text)):
                pass

    asyncio.run(add())
    return reading


def test_what_was_added_at_the_page_goes_and_comes_back_with_its_files(
    here: Settings, there: Settings, tmp_path: Path, embedder: Embedder
) -> None:
    settled(added_at_the_page(here, embedder))
    file = tmp_path / "library.zip"
    exported = export(here, file, quiet)
    assert (exported.documents, exported.originals, exported.missing) == (5, 4, ())
    restore(there, file, quiet)
    uploads = there.store_dir / "uploads"
    assert files(uploads) == {"sea/tides.md", "lamp.txt"}
    assert (uploads / "sea/tides.md").read_text() == "Low tide is at six."
    assert (there.data_dir / "sea/tides.md").read_text() == TIDES
    assert {path.stat().st_mode & 0o077 for path in (uploads, *uploads.rglob("*"))} == {0}
    assert held(there, embedder) == held(here, embedder)
    names = settled(Reading(there, lambda *_: Refusing(embedder)))
    assert sorted(names) == sorted([d.name for d in documents_of(here)])
    (uploads / "lamp.txt").write_text("another")
    with pytest.raises(BackupError, match=r"added at the page has other files .* lamp\.txt"):
        restore(there, file, quiet)
    restore(there, file, quiet, overwrite=True)
    assert (uploads / "lamp.txt").read_text() == LAMP


def test_a_file_of_the_first_form_is_still_taken_in(
    there: Settings, file: Path, embedder: Embedder
) -> None:
    restore(there, forged(file, lambda manifest, _: manifest.update(format=1)), quiet)
    assert len(held(there, embedder)) == 3


def test_a_file_of_many_originals_is_looked_through_once(tmp_path: Path) -> None:
    count = 3000
    vectors = np.eye(1, 4, dtype=np.float32)
    with written(tmp_path / "many.zip") as target:
        for number in range(count):
            document = Document("", f"{number}.md", "", "0" * 64, 1, 1, 1)
            target.add(archived(document, [Chunk(1, 1, "", "", 1, "text")], [*vectors]))
            target.add_original(("", document.name), [b"text"])
        target.end("model", 4, [])
    asked = Counting()
    with Archive(tmp_path / "many.zip") as kept:
        members = kept.manifest.members
        object.__setattr__(kept.manifest, "members", asked)
        asked.update(members)
        kept.check()
        assert len(kept.originals) == kept.documents == count
    assert asked.looks == 0


class Counting(dict[str, str]):
    """Counts how often all of it is asked for."""

    looks = 0

    def items(self) -> Any:
        self.looks += 1
        return super().items()


def test_an_empty_library_is_not_exported(there: Settings, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="empty") as refused:
        export(there, tmp_path / "library.zip", quiet)
    assert "trống" in refused.value.vi and not (tmp_path / "library.zip").exists()


def test_a_library_that_is_there_keeps_its_others_and_gets_what_it_has_not(
    there: Settings, file: Path, embedder: Embedder
) -> None:
    (there.data_dir / "own.md").write_text("The lighthouse was painted in May.")
    (there.data_dir / "phà cuối.txt").write_text("An earlier version.")
    read(there, embedder)
    (there.data_dir / "phà cuối.txt").write_text(FERRY)
    outcomes = {r.name: r.outcome for r in restore(there, file, quiet)}
    assert outcomes == {"eggs.md": "added", "phà cuối.txt": "replaced", "sea/tides.md": "added"}
    again = {r.outcome for r in restore(there, file, quiet)}
    assert again == {"unchanged"} and len(held(there, embedder)) == 4


def test_another_file_of_the_same_name_is_replaced_only_where_that_is_wanted(
    there: Settings, file: Path, embedder: Embedder
) -> None:
    (there.data_dir / "phà cuối.txt").write_text("my own notes")
    with pytest.raises(BackupError, match=r"other files .*: phà cuối\.txt.* --overwrite"):
        restore(there, file, quiet)
    assert held(there, embedder) == {} and files(there.data_dir) == {"phà cuối.txt"}
    restore(there, file, quiet, overwrite=True)
    assert (there.data_dir / "phà cuối.txt").read_text() == FERRY


def test_neither_is_done_while_another_process_holds_the_store(
    here: Settings, there: Settings, file: Path
) -> None:
    there.store_dir.mkdir()
    with FileLock(here.store_dir / "lock"), pytest.raises(StoreLocked):
        export(here, file, quiet)
    with FileLock(there.store_dir / "lock"), pytest.raises(StoreLocked):
        restore(there, file, quiet)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"model": "other-model"}, "with the embedding model other-model"),
        ({"chunking": "recursive-1:500:0 titled-1"}, "cut in another way"),
        ({"format": 9, "headwater": "9.0"}, "Headwater 9.0 in another form"),
    ],
)
def test_what_does_not_fit_this_library_is_refused_in_both_languages(
    there: Settings, file: Path, values: dict[str, Any], sentence: str
) -> None:
    forged(file, lambda manifest, _: manifest.update(values))
    with pytest.raises(BackupError, match=sentence) as refused:
        restore(there, file, quiet)
    assert refused.value.vi != refused.value.en
    assert files(there.data_dir) == set() and not list(there.store_dir.glob("*/library.db"))


@pytest.mark.parametrize(
    "name",
    [
        "../out.md",
        "/tmp/out.md",
        "sea/../../out.md",
        "sea//out.md",
        "./out.md",
        ".hidden.md",
        ".git/out.md",
        "sea/",
        "",
        "out",
        "out.exe",
        "a\x00.md",
        "a\nb.md",
        "a" * 300 + ".md",
    ],
)
def test_a_name_that_leads_elsewhere_is_not_written(there: Settings, file: Path, name: str) -> None:
    def elsewhere(_: dict[str, Any], members: dict[str, bytes]) -> None:
        record(folder="", name=name)({}, members)
        members["originals/" + name] = b"planted"

    assert not harmless(name) or len(name) > 255
    before = files(file.parent)
    with pytest.raises(BackupError):
        restore(there, forged(file, elsewhere), quiet)
    assert {f for f in files(file.parent) - before if not f.startswith("there/store")} == set()


@pytest.mark.parametrize("name", ["a.md", "Báo cáo 2024/Điều 5: phí.pdf", "a b/c.d/e.HTML"])
def test_names_as_people_give_them_are_written(name: str) -> None:
    assert harmless(name)


@pytest.mark.parametrize("inside", [False, True])
def test_a_link_that_lies_in_the_way_is_not_followed(
    there: Settings, file: Path, tmp_path: Path, inside: bool
) -> None:
    target = there.data_dir / "real" if inside else tmp_path / "outside"
    target.mkdir()
    (there.data_dir / "sea").symlink_to(target)
    with pytest.raises(BackupError, match=r"sea/tides\.md is not written"):
        restore(there, file, quiet)
    assert files(target) == set()
    (there.data_dir / "sea").unlink()
    (there.data_dir / "phà cuối.txt").symlink_to(tmp_path / "not-there")
    with pytest.raises(BackupError, match="is not written"):
        restore(there, file, quiet, overwrite=True)
    assert not (tmp_path / "not-there").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_in_the_way_keeps_nobody_waiting(there: Settings, file: Path) -> None:
    os.mkfifo(there.data_dir / "phà cuối.txt")
    with pytest.raises(BackupError, match="is not written"):
        restore(there, file, quiet, overwrite=True)


def more(_: dict[str, Any], members: dict[str, bytes]) -> None:
    members["originals/more.md"] = b"of no document"


@pytest.mark.parametrize(
    "change",
    [
        more,
        record(vectors=""),
        record(vectors="AAAA"),
        record(digest="short"),
        record(passages=[[0, "page 0"]]),
        record(extra=1),
        record(names=["one too many"] * 9),
        record(name=None),
        lambda manifest, _: manifest.update(dimension=7),
        lambda manifest, _: manifest.pop("model"),
    ],
)
def test_what_nobody_exported_so_is_refused(there: Settings, file: Path, change: Change) -> None:
    with pytest.raises(BackupError, match=r"library\.zip is no exported library, or is damaged"):
        restore(there, forged(file, change), quiet)
    assert files(there.data_dir) == set() and not list(there.store_dir.glob("*/library.db"))


def test_vectors_that_are_no_directions_are_refused(there: Settings, file: Path) -> None:
    def blunt(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
        import base64

        for fill in (np.nan, 3.0):
            wrong = np.full(manifest["dimension"], fill, "<f4").tobytes()
            record(vectors=base64.b64encode(wrong).decode())({}, members)

    with pytest.raises(BackupError, match="damaged"):
        restore(there, forged(file, blunt), quiet)


def test_any_flipped_byte_and_any_cut_is_noticed_or_does_no_harm(
    here: Settings, there: Settings, file: Path, embedder: Embedder
) -> None:
    whole = file.read_bytes()
    wanted = held(here, embedder)
    for at in range(0, len(whole), len(whole) // 60):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]):
            file.write_bytes(data)
            try:
                restore(there, file, quiet)
            except BackupError:
                assert files(there.data_dir) == set()
                continue
            assert held(there, embedder) == wanted  # what no sum covers, as a time
            return
    assert held(there, embedder) == {}


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"PK\x05\x06" + bytes(18)])
def test_a_foreign_file_is_refused(there: Settings, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "foreign.zip").write_bytes(content)
    with pytest.raises(BackupError, match=r"foreign\.zip is no exported library") as refused:
        restore(there, tmp_path / "foreign.zip", quiet)
    assert "không phải thư viện" in refused.value.vi
    with pytest.raises(BackupError, match="could not be opened"):
        restore(there, tmp_path / "gone.zip", quiet)


def test_a_document_larger_than_memory_is_refused_before_it_is_unpacked(
    there: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.archive.LARGEST", 2000)
    with pytest.raises(BackupError, match="damaged"):
        restore(there, forged(file, record(title="a" * 3000)), quiet)


def test_what_the_disk_has_no_room_for_is_refused(
    there: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.archive.Archive.size", 1 << 60)
    with pytest.raises(BackupError, match="not enough room"):
        restore(there, file, quiet)


def test_a_folder_that_cannot_be_written_leaves_everything_as_it_was(
    there: Settings, file: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.placing.secrets.token_hex", lambda _: "x" * 300)  # no such name
    with pytest.raises(BackupError, match=r"data folder cannot be written \(File name too long"):
        restore(there, file, quiet)
    assert held(there, embedder) == {} and files(there.data_dir) == set()


def test_an_error_after_some_files_were_written_leaves_everything_as_it_was(
    there: Settings, file: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.backup.place", fails_at_the_second)
    with pytest.raises(MemoryError):
        restore(there, file, quiet)
    assert held(there, embedder) == {} and files(there.data_dir) == set()


def fails_at_the_second(parts: Any, home: Home, name: str, made: Made) -> None:
    if made:
        raise MemoryError
    place(parts, home, name, made)


@pytest.mark.parametrize("has_links", [True, False])
def test_what_was_overwritten_before_an_error_is_there_again(
    there: Settings, file: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def refusing(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(Path, "hardlink_to", refusing)
    own = {"phà cuối.txt": "my own notes", "sea/tides.md": "and others"}
    (there.data_dir / "sea").mkdir()
    for name, text in own.items():
        (there.data_dir / name).write_text(text)
    with monkeypatch.context() as failing:
        failing.setattr("ingest.backup.place", fails_at_the_second)
        with pytest.raises(MemoryError):
            restore(there, file, quiet, overwrite=True)
    assert {n: (there.data_dir / n).read_text() for n in files(there.data_dir)} == own
    restore(there, file, quiet, overwrite=True)
    assert files(there.data_dir) == own.keys()
    assert (there.data_dir / "phà cuối.txt").read_text() == FERRY


SLOWLY = """
import sys, time
from pathlib import Path
from ingest import backup
from tests.ingest.test_backup import quiet, settings_in

real = backup.place
def place(*values):
    real(*values)
    print("placed", flush=True)
    time.sleep(60)
backup.place = place
backup.restore(settings_in(Path(sys.argv[1])), Path(sys.argv[2]), quiet)
"""


def test_killed_in_the_middle_it_leaves_the_library_as_it_was(
    there: Settings, file: Path, embedder: Embedder
) -> None:
    (there.data_dir / "own.md").write_text("The lighthouse was painted in May.")
    read(there, embedder)
    before = held(there, embedder)
    command = [sys.executable, "-c", SLOWLY, str(there.data_dir.parent), str(file)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"placed\n"
        process.send_signal(signal.SIGKILL)
    assert held(there, embedder) == before
    assert {r.name: r.outcome for r in restore(there, file, quiet)}["eggs.md"] == "added"
    assert set(read(there, embedder).values()) == {"unchanged"}


def command(settings: Settings, *arguments: str) -> Result:
    """`python -m ingest` where no embedding model can be loaded."""

    def load(*_: object) -> Embedder:
        raise AssertionError("an embedding model was loaded")

    return CliRunner().invoke(app, arguments, obj=Parts(lambda: settings, load))


def test_the_command_exports_and_imports_without_an_embedding_model(
    here: Settings, there: Settings, tmp_path: Path
) -> None:
    (here.data_dir / "phà cuối.txt").unlink()
    file = str(tmp_path / "new.zip")
    exported = command(here, "--export", file)
    assert exported.exit_code == 0
    assert exported.stdout == f"3 documents with 3 passages and 1 files are in {file}.\n"
    assert "Without their files" in exported.stderr and "phà cuối.txt" in exported.stderr
    missing = json.loads(command(here, "--export", file, "--json").stdout)["missing"]
    assert missing == ["phà cuối.txt"]
    lines = command(there, "--import", file, "--json").stdout.splitlines()
    assert {json.loads(line)["outcome"] for line in lines} == {"added"} and len(lines) == 3
    assert "3 unchanged." in command(there, "--import", file).stdout


def test_the_command_says_why_it_does_neither(there: Settings, tmp_path: Path) -> None:
    refused = command(there, "--import", str(tmp_path / "gone.zip"))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("headwater: gone.zip could not be opened")
    assert command(there, "--import", "a.zip", "--export", "b.zip").exit_code == 2
    assert command(there, "--import", "a.zip", "data").exit_code == 2


def settled(reading: Reading) -> list[str]:
    reading.opening.wait()
    while reading.busy:
        time.sleep(0.01)
    names = [document.name for document in reading.documents()]
    assert reading.error is None and reading.failed == reading.unsupported == []
    reading.close()
    return names


class Refusing:
    """An embedding model that is asked for no passage."""

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.dimension = embedder.name, embedder.dimension
        self.begin, self.has_word = embedder.begin, embedder.has_word

    def embed(self, *_: object) -> Any:
        raise AssertionError("a text was embedded")

    def record(self) -> None:
        """Nothing to record."""


def test_a_library_that_lies_ready_in_the_data_folder_fills_an_empty_store_at_the_start(
    there: Settings, file: Path, embedder: Embedder
) -> None:
    file.rename(there.data_dir / READY)
    names = settled(Reading(there, lambda *_: Refusing(embedder)))
    assert sorted(names) == ["eggs.md", "phà cuối.txt", "sea/tides.md"]
    (there.data_dir / "sea" / "tides.md").unlink()
    assert sorted(settled(Reading(there, lambda *_: embedder))) == ["eggs.md", "phà cuối.txt"]


def test_one_that_cannot_be_taken_in_keeps_the_folder_from_being_read_no_more_than_it_must(
    there: Settings, file: Path, embedder: Embedder, caplog: pytest.LogCaptureFixture
) -> None:
    forged(file, lambda manifest, _: manifest.update(model="other-model"))
    file.rename(there.data_dir / READY)
    (there.data_dir / "own.md").write_text("The lighthouse was painted in May.")
    assert settled(Reading(there, lambda *_: embedder)) == ["own.md"]
    assert f"{READY} is not used" in caplog.text


def test_a_receipt_says_what_came_in(there: Settings, file: Path) -> None:
    [eggs] = [r for r in restore(there, file, quiet) if r.name == "eggs.md"]
    assert eggs == Receipt("eggs.md", "added", pages=1, pages_with_text=1, chunks=1)
