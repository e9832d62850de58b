"""Reading a folder: what is new, changed, gone, broken, elsewhere or none of our business."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from ingest import chunking, isolation, readers, storing
from ingest import sync as sync_module
from ingest.readers import markdown, ocr
from ingest.sync import Receipt, forget, locate, sync
from rag.errors import DocumentError, StoreError
from rag.retrieval.embedder import Embedder
from rag.store import originals
from rag.store.store import Store
from rag.types import Content, Vectors
from tests.harness import scans
from tests.ingest.test_readers import LINES, PICTURE, UNREADABLE, pdf

LONG = "The station is checked every week, and what is found is written down. " * 40


class Desk:
    """A data folder, a store, and what a reader does with them."""

    def __init__(self, folder: Path, index: Store, embedder: Embedder) -> None:
        self.folder = folder
        self.index = index
        self._embedder = embedder
        self.follow_links = False
        self.progress: list[tuple[int, int, str]] = []

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def receipts(self, path: Path | None = None) -> list[Receipt]:
        folder, scope = locate(path or self.folder, self.folder, self.follow_links)
        self.progress.clear()
        report = lambda *told: self.progress.append(told)  # noqa: E731
        return list(sync(folder, scope, self.index, self._embedder, report))

    def read(self, path: Path | None = None) -> dict[str, str]:
        """The outcome for each file."""
        receipts = self.receipts(path)
        outcomes = {receipt.name: receipt.outcome for receipt in receipts}
        assert len(outcomes) == len(receipts)
        return dict(outcomes)

    @property
    def texts(self) -> dict[str, str]:
        """What the library holds of each document."""
        chunks = self.index.library.chunks(self.index.library.chunk_ids()).values()
        held = {d.name: "" for d in self.index.library.documents()}
        for chunk in chunks:
            held[chunk.document] += chunk.text
        assert self.index.vectors.count() == len(chunks)
        return held


@pytest.fixture
def desk(tmp_path: Path, store: Store, embedder: Embedder) -> Desk:
    (tmp_path / "data").mkdir()
    return Desk(tmp_path / "data", store, embedder)


def test_new_files_are_added_with_their_pages_and_chunks(desk: Desk) -> None:
    desk.write("a.md", "# Title\n\nOne.")
    desk.write("deep/er/b.txt", LONG)
    first, second = desk.receipts()
    assert first == Receipt("a.md", "added", pages=1, pages_with_text=1, chunks=1)
    assert (second.name, second.outcome) == ("deep/er/b.txt", "added")
    assert second.chunks > 2
    document, _ = desk.index.library.documents()
    assert (document.folder, document.name, document.title) == (*("", "a.md", "Title"),)


@pytest.mark.usefixtures("without_tesseract")
def test_what_could_not_be_read_of_a_document_is_in_its_receipt(desk: Desk) -> None:
    desk.write("a.pdf", pdf([LINES, UNREADABLE]))
    (receipt,) = desk.receipts()
    assert (receipt.outcome, receipt.pages, receipt.pages_with_text) == ("added", 2, 1)
    assert "page 2 is not words" in receipt.reason


def test_scans_that_nothing_could_read_are_read_once_tesseract_is_there(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_in("", monkeypatch)
    desk.write("scan.pdf", pdf([PICTURE]))
    desk.write("photo.png", scans.file("PNG", Image.linear_gradient("L")))
    photo, scan = desk.receipts()
    assert (photo.outcome, scan.outcome) == ("unsupported", "needs_ocr")
    assert ocr.INSTALL in photo.reason and ocr.INSTALL in scan.reason
    install(tmp_path, monkeypatch)
    photo, scan = desk.receipts()
    assert (photo.outcome, scan.outcome) == ("added", "added")
    assert "page 1 was read by OCR" in photo.reason and "page 1 was read by OCR" in scan.reason
    assert desk.read() == {"photo.png": "unchanged", "scan.pdf": "unchanged"}
    look_in("", monkeypatch)  # what was read stays, though it could not be read now
    assert desk.read() == {"photo.png": "unchanged", "scan.pdf": "unchanged"}


def test_a_photo_without_text_is_looked_at_once(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch)
    calls = tmp_path / "calls"
    photo = scans.file("PNG", Image.linear_gradient("L"))
    desk.write("a.png", photo)

    def looks(status: int = 0) -> int:
        """How often OCR, which ends with this status, looks at two readings, each of a process of
        its own."""
        languages = '[ "$1" = --list-langs ] && { echo vie; exit; }'
        script = f"#!/bin/sh\n{languages}\nprintf . >> {calls}; exit {status}\n"
        (tmp_path / "tesseract").write_text(script)
        calls.write_text("")
        reason = "OCR failed on it" if status else "OCR found no text"
        for _ in range(2):
            isolation.rest()
            for receipt in desk.receipts():
                assert receipt.outcome == "unsupported" and reason in receipt.reason
        return len(calls.read_text())

    assert looks(status=1) == 2  # it may go well the next time
    assert looks() == 1
    desk.write("again.png", photo)
    assert looks() == 0
    desk.write("a.png", scans.file("PNG", Image.radial_gradient("L")))
    assert looks() == 1
    kept = (desk.index.place / "blank-pictures").read_text().split()
    assert [len(digest) for digest in kept] == [64, 64]


def test_only_what_has_pages_without_text_is_read_again_when_tesseract_comes(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_in("", monkeypatch)
    desk.write("mixed.pdf", pdf([LINES, PICTURE]))
    desk.write("blank.pdf", pdf([LINES, []]))
    desk.write("text.pdf", pdf([LINES]))
    assert set(desk.read().values()) == {"added"}
    assert set(desk.read().values()) == {"unchanged"}
    install(tmp_path, monkeypatch)
    again = {"mixed.pdf": "replaced", "blank.pdf": "replaced", "text.pdf": "unchanged"}
    assert desk.read() == again
    assert "The tide turns twice a day." in desk.texts["mixed.pdf"]
    assert set(desk.read().values()) == {"unchanged"}
    look_in("", monkeypatch)
    desk.read()
    assert "The tide turns twice a day." in desk.texts["mixed.pdf"]


def look_in(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this the place of programs, also for the process that reads."""
    monkeypatch.setenv("PATH", path)
    isolation.rest()


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a program that reads the same on everything in Tesseract's place."""
    program = folder / "tesseract"
    script = '#!/bin/sh\n[ "$1" = --list-langs ] && echo vie || echo The tide turns twice a day.\n'
    program.write_text(script)
    program.chmod(0o700)
    look_in(str(folder), monkeypatch)


def test_a_chunk_is_embedded_under_its_title_and_stored_without(
    desk: Desk, embedder: Embedder
) -> None:
    desk.write("a.md", f"# Pumps\n\n{LONG}")
    desk.read()
    library = desk.index.library
    last = library.chunk_ids()[-1]
    text = library.chunks([last])[last].text
    assert "Pumps" not in text
    with_title, without = embedder.embed([f"Pumps\n{text}", text])
    stored = library.vectors([last])[last]
    assert float(stored @ with_title) > 0.9999 > float(stored @ without)


def test_what_stayed_the_same_is_not_touched(desk: Desk) -> None:
    desk.write("a.md", "One.")
    desk.read()
    before = desk.index.library.chunk_ids()
    assert desk.receipts() == [Receipt("a.md", "unchanged", 1, 1, 1)]
    assert desk.index.library.chunk_ids() == before


@pytest.mark.usefixtures("without_tesseract")
@pytest.mark.parametrize(
    ("name", "content", "outcome", "counts", "en", "vi"),
    [
        (
            "scan.pdf",
            pdf([[], ["page 2"], []]),
            "needs_ocr",
            (3, 1),
            "Pages: 3, with text: 1",
            "Số trang: 3",
        ),
        ("fonts.pdf", pdf([UNREADABLE] * 2), "unreadable_text_layer", (2, 0), "OCR", "OCR"),
        ("empty.md", b"\n", "empty", (0, 0), "is empty", "trống"),
        ("sound.mp3", b"ID3", "unsupported", (0, 0), "convert it", "hãy chuyển"),
        ("broken.pdf", b"%PDF-1.7", "failed", (0, 0), "damaged", "bị hỏng"),
    ],
)
def test_each_kind_of_file_that_gives_nothing_has_an_outcome_and_says_so_in_both_languages(
    desk: Desk,
    name: str,
    content: bytes,
    outcome: str,
    counts: tuple[int, int],
    en: str,
    vi: str,
) -> None:
    desk.write(name, content)
    (receipt,) = desk.receipts()
    assert (receipt.outcome, receipt.pages, receipt.pages_with_text) == (outcome, *counts)
    assert en in receipt.reason and vi in receipt.reason_vi
    assert receipt.is_failure == (outcome != "unsupported")


def test_what_is_kept_of_a_file_that_broke_is_said_in_both_languages(desk: Desk) -> None:
    path = desk.write("a.pdf", pdf([LINES]))
    desk.read()
    path.write_bytes(pdf([[]]))
    (receipt,) = desk.receipts()
    assert receipt.outcome == "needs_ocr"
    assert receipt.reason.endswith("What was read of it earlier is kept.")
    assert receipt.reason_vi.endswith("Nội dung đã đọc trước đây của tệp vẫn được giữ.")
    assert desk.texts["a.pdf"]


def test_a_receipt_says_how_long_the_file_took(desk: Desk) -> None:
    desk.write("a.md", LONG)
    desk.write("b.md", "Two.")
    long, short = desk.receipts()
    assert long.seconds > short.seconds > 0


def test_a_file_that_changes_while_it_is_read_is_stored_with_the_digest_of_what_was_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed, changes = sync_module._hashed, iter(["Third."])

    def beside(file: Any) -> Any:
        found = hashed(file)
        if text := next(changes, ""):  # somebody writes after the digest was taken
            desk.write("a.md", text)
        return found

    desk.write("a.md", "First.")
    desk.read()
    desk.write("a.md", "Second.")
    monkeypatch.setattr(sync_module, "_hashed", beside)
    assert desk.read() == {"a.md": "replaced"}
    assert desk.texts == {"a.md": "Third."}
    assert desk.read() == {"a.md": "unchanged"}


def test_a_new_file_is_read_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[object] = []
    digest = sync_module._hashed

    def counting(file: Any) -> Any:
        hashed.append(file)
        return digest(file)

    monkeypatch.setattr(sync_module, "_hashed", counting)
    desk.write("a.md", "One.")
    assert desk.read() == {"a.md": "added"} and not hashed
    assert desk.read() == {"a.md": "unchanged"} and len(hashed) == 1


def test_a_receipt_comes_when_the_vector_index_has_the_document(desk: Desk) -> None:
    desk.write("a.md", "One.")
    desk.write("b.md", LONG)
    folder, scope = locate(desk.folder, desk.folder)
    for _ in sync(folder, scope, desk.index, desk._embedder, lambda *_: None):
        assert desk.index.vectors.count() == desk.index.library.count()


def test_a_new_file_does_not_wait_for_the_look_at_all_that_stayed_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        desk.write(f"{number}.md", f"Text {number}.")
    desk.read()
    looked: list[object] = []
    digest = sync_module._hashed

    def slowly(file: Any) -> Any:
        time.sleep(0.1)
        looked.append(file)
        return digest(file)

    monkeypatch.setattr(sync_module, "_hashed", slowly)
    monkeypatch.setattr(storing, "LONGEST", 0.25)
    desk.write("+new.md", "The ferry leaves at nine.")
    folder, scope = locate(desk.folder, desk.folder)
    receipts = sync(folder, scope, desk.index, desk._embedder, lambda *_: None)
    assert next(receipts).name == "+new.md" and len(looked) < 8
    assert [receipt.outcome for receipt in receipts] == ["unchanged"] * 8


def test_odd_names_and_a_folder_that_looks_like_a_document_are_no_trouble(desk: Desk) -> None:
    names = ["two\nlines.md", "x.pdf/a.md", "/".join(["deep" * 20] * 6) + "/" + "long" * 60 + ".md"]
    for name in names:
        desk.write(name, f"Text of {name[:9]}.")
    assert desk.read() == dict.fromkeys(names, "added")
    assert desk.read() == dict.fromkeys(names, "unchanged")
    broken = desk.write("two\nbroken.pdf", b"%PDF-1.7")
    assert desk.read(broken) == {"two\nbroken.pdf": "failed"}


def test_small_files_are_embedded_together_and_one_that_cannot_be_fails_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "SOON", 60.0)  # a machine with other work is slow
    monkeypatch.setattr(storing, "LONGEST", 60.0)
    calls: list[int] = []
    embed = desk._embedder.embed

    def counting(texts: Sequence[str], progress: Any = None) -> Vectors:
        calls.append(len(texts))
        if any("poison" in text for text in texts):
            raise RuntimeError("a private detail")
        return embed(texts, progress)

    monkeypatch.setattr(desk._embedder, "embed", counting)
    for number in range(10):
        desk.write(f"{number}.md", f"Text {number}.")
    assert set(desk.read().values()) == {"added"}
    assert calls == [10]
    for number in range(10):
        desk.write(f"{number}.md", "poison" if number == 4 else f"Other text {number}.")
    outcomes = desk.read()
    assert outcomes.pop("4.md") == "failed"
    assert set(outcomes.values()) == {"replaced"}
    assert desk.texts["4.md"] == "Text 4." and desk.texts["5.md"] == "Other text 5."


def test_a_document_that_changed_is_replaced_in_one_piece(desk: Desk) -> None:
    path = desk.write("a.md", LONG)
    desk.write("b.md", "Two.")
    desk.read()
    path.write_text("Quite another text.")
    assert desk.read() == {"a.md": "replaced", "b.md": "unchanged"}
    assert desk.texts == {"a.md": "Quite another text.", "b.md": "Two."}


def test_a_file_that_is_gone_is_removed(desk: Desk) -> None:
    path = desk.write("a.md", "One.")
    desk.write("b.md", "Two.")
    desk.read()
    path.unlink()
    assert desk.read() == {"a.md": "removed", "b.md": "unchanged"}
    assert desk.texts == {"b.md": "Two."}


def test_a_renamed_file_is_removed_and_added(desk: Desk) -> None:
    desk.write("a.md", "One.").rename(desk.folder / "a.md")
    desk.read()
    (desk.folder / "a.md").rename(desk.folder / "b.md")
    assert desk.read() == {"a.md": "removed", "b.md": "added"}


def test_an_empty_folder_is_taken_for_an_unmounted_disk_and_empties_nothing(desk: Desk) -> None:
    path = desk.write("sub/a.md", "One.")
    desk.read()
    path.unlink()
    (receipt,) = desk.receipts()
    assert (receipt.name, receipt.outcome) == ("HEADWATER_DATA_DIR", "failed")
    assert "mounted?" in receipt.reason
    assert "--forget" in receipt.reason
    assert str(desk.folder) not in receipt.reason
    assert desk.texts == {"sub/a.md": "One."}
    list(forget(desk.folder, desk.folder, desk.index))
    assert desk.read() == {}


def test_a_file_that_broke_keeps_what_was_read_of_it_earlier(desk: Desk) -> None:
    desk.write("a.md", "One.")
    desk.write("b.md", "Two.")
    desk.read()
    desk.write("a.md", b"\x00\x01\x02" * 300)
    broken, unchanged = desk.receipts()
    assert (broken.name, broken.outcome) == ("a.md", "failed")
    assert broken.reason.endswith("What was read of it earlier is kept.")
    assert unchanged.outcome == "unchanged"
    assert desk.texts == {"a.md": "One.", "b.md": "Two."}
    desk.write("a.md", "Mended.")
    assert desk.read()["a.md"] == "replaced"


def test_a_broken_file_does_not_keep_the_others_from_being_read(desk: Desk) -> None:
    desk.write("a.pdf", b"%PDF-1.4 and nothing else")
    desk.write("b.md", "Two.")
    first, second = desk.receipts()
    assert (first.outcome, second.outcome) == ("failed", "added")
    assert first.reason and "kept" not in first.reason
    assert desk.texts == {"b.md": "Two."}


def test_a_format_nobody_reads_is_told_and_left_alone(desk: Desk) -> None:
    desk.write("song.mp3", b"ID3")
    (receipt,) = desk.receipts()
    assert (receipt.outcome, receipt.reason != "") == ("unsupported", True)
    assert desk.texts == {}


def test_a_subfolder_is_read_and_nothing_else_is_touched(desk: Desk) -> None:
    desk.write("a.md", "One.")
    inside = desk.write("sub/b.md", "Two.")
    desk.write("subway.md", "Three.")
    gone = desk.write("sub/gone.md", "Four.")
    desk.read()
    for name in ("a.md", "subway.md"):
        (desk.folder / name).unlink()
    gone.unlink()
    inside.write_text("Two, changed.")
    desk.write("new.md", "Not yet.")
    assert desk.read(desk.folder / "sub") == {"sub/b.md": "replaced", "sub/gone.md": "removed"}
    assert desk.texts == {"a.md": "One.", "sub/b.md": "Two, changed.", "subway.md": "Three."}


def test_one_file_is_read_and_nothing_else_is_touched(desk: Desk) -> None:
    desk.write("a.md", "One.")
    desk.write("b.md", "Two.")
    desk.read()
    (desk.folder / "b.md").unlink()
    path = desk.write("a.md", "One, changed.")
    assert desk.read(path) == {"a.md": "replaced"}
    assert desk.texts == {"a.md": "One, changed.", "b.md": "Two."}


def test_a_path_that_is_not_there_changes_nothing(desk: Desk) -> None:
    desk.write("a.md", "One.")
    desk.read()
    with pytest.raises(DocumentError, match="Nothing was changed"):
        desk.read(desk.folder / "absent")
    moved = desk.folder.rename(desk.folder.with_name("unplugged"))
    with pytest.raises(DocumentError, match="Nothing was changed"):
        desk.read()
    assert desk.texts == {"a.md": "One."}
    moved.rename(desk.folder)


def test_a_folder_elsewhere_has_names_of_its_own(desk: Desk, tmp_path: Path) -> None:
    desk.write("a.md", "Here.")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "sub").mkdir(parents=True)
    (elsewhere / "sub" / "a.md").write_text("There.")
    desk.read()
    assert desk.read(elsewhere) == {"sub/a.md": "added"}
    assert [(d.folder, d.name) for d in desk.index.library.documents()] == [
        ("", "a.md"),
        (str(elsewhere), "sub/a.md"),
    ]
    assert desk.read() == {"a.md": "unchanged"}  # and does not take the other's away
    (elsewhere / "sub" / "a.md").rename(elsewhere / "a.txt.bak")
    assert desk.read(elsewhere) == {
        "a.txt.bak": "unsupported",
        "sub/a.md": "removed",
    }
    assert desk.texts == {"a.md": "Here."}


def test_a_file_elsewhere_is_read_without_its_neighbours(desk: Desk, tmp_path: Path) -> None:
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(name)
    assert desk.read(tmp_path / "a.md") == {"a.md": "added"}
    assert desk.read(tmp_path / "a.md") == {"a.md": "unchanged"}


def test_one_folder_under_two_names_is_one_folder(desk: Desk, tmp_path: Path) -> None:
    desk.write("a.md", "One.")
    desk.read()
    (tmp_path / "link").symlink_to(desk.folder)
    assert desk.read(tmp_path / "link") == {"a.md": "unchanged"}
    assert desk.read(desk.folder / "sub" / "..") == {"a.md": "unchanged"}


def test_a_link_out_of_the_folder_is_reported_and_not_read(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "secret.md").write_text("A secret.")
    (outside / "deep" / "b.md").write_text("Another.")
    desk.write("sub/a.md", "One.")
    (desk.folder / "file.md").symlink_to(outside / "secret.md")
    (desk.folder / "folder").symlink_to(outside)
    (desk.folder / "sub" / "up").symlink_to(tmp_path)
    (desk.folder / "chain.md").symlink_to(desk.folder / "file.md")
    (desk.folder / ".hidden").symlink_to(outside)
    (desk.folder / "gone.md").symlink_to(outside / "gone.md")
    outcomes = {"folder": "failed", "sub/up": "failed", "chain.md": "failed", "file.md": "failed"}
    assert desk.read() == outcomes | {"sub/a.md": "added"}
    assert desk.texts == {"sub/a.md": "One."}
    for receipt in desk.receipts():
        if receipt.outcome == "failed":
            assert receipt.reason == (
                f"{receipt.name} is a link that leads out of the folder, and is not read. "
                "HEADWATER_FOLLOW_LINKS=true allows it."
            )


def test_links_inside_the_folder_are_read_and_a_circle_of_them_ends(desk: Desk) -> None:
    desk.write("sub/a.md", "One.")
    (desk.folder / "b.md").symlink_to("sub/a.md")
    (desk.folder / "again").symlink_to("sub")
    (desk.folder / "sub" / "up").symlink_to("..")
    (desk.folder / "round.md").symlink_to("round.md")
    outcomes = {"b.md": "added", "sub/a.md": "added"}
    # What may not be looked at counts as a file and fails: root is told that it is a circle.
    assert desk.read() == outcomes | {"round.md": "failed"}


def test_links_out_of_the_folder_are_followed_where_a_setting_allows_it(
    desk: Desk, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "b.md").write_text("Another.")
    (outside / "deep" / "round").symlink_to(outside)
    (outside / "back").symlink_to(desk.folder)
    desk.write("a.md", "One.")
    (desk.folder / "folder").symlink_to(outside)
    (desk.folder / "file.md").symlink_to(outside / "deep" / "b.md")
    names = ["a.md", "file.md", "folder/deep/b.md"]
    desk.follow_links = True
    assert desk.read() == dict.fromkeys(names, "added")
    outside.rename(tmp_path / "unplugged")
    desk.read()
    assert list(desk.texts) == names, "an unplugged disk must not empty the library"
    (tmp_path / "unplugged").rename(outside)
    desk.follow_links = False
    assert desk.read() == {
        "a.md": "unchanged",
        "file.md": "failed",
        "folder": "failed",
        "folder/deep/b.md": "removed",
    }
    assert desk.texts == {"a.md": "One."}, "what must not be read is not answered from"


@pytest.mark.parametrize("swapped", ["sub/a.md", "sub"])
def test_a_link_put_there_after_the_look_leads_nowhere(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    (tmp_path / "outside").mkdir()
    for name in ("a.md", "sub"):
        (tmp_path / "outside" / name).write_text("A secret.")
    desk.write("sub/a.md", "One.")
    resolved = originals.resolved

    def slow(path: Path) -> Path:
        found = resolved(path)
        if path.name == "a.md":
            (desk.folder / swapped).rename(tmp_path / "aside")
            (desk.folder / swapped).symlink_to(tmp_path / "outside" / Path(swapped).name)
        return found

    if swapped == "sub":
        (tmp_path / "outside" / "sub").unlink()
        (tmp_path / "outside" / "sub").mkdir()
        (tmp_path / "outside" / "sub" / "a.md").write_text("A secret.")
    monkeypatch.setattr(originals, "resolved", slow)
    assert desk.read() == {"sub/a.md": "failed"}
    assert desk.texts == {}


def test_hidden_files_and_folders_are_left_out(desk: Desk) -> None:
    desk.write(".secret.md", "No.")
    desk.write(".git/readme.md", "No.")
    desk.write("sub/.cache/a.md", "No.")
    desk.write("sub/a.md", "Yes.")
    assert desk.read() == {"sub/a.md": "added"}


def test_the_same_text_in_two_files_is_two_documents(desk: Desk) -> None:
    desk.write("a.md", "One.")
    desk.write("b.md", "One.")
    desk.read()
    assert desk.texts == {"a.md": "One.", "b.md": "One."}


def test_names_and_texts_in_vietnamese_are_kept(desk: Desk) -> None:
    desk.write("Quy định/nghỉ phép.md", "Mỗi nhân viên được nghỉ 12 ngày.")
    assert desk.read() == {"Quy định/nghỉ phép.md": "added"}
    assert desk.texts == {"Quy định/nghỉ phép.md": "Mỗi nhân viên được nghỉ 12 ngày."}


def test_progress_counts_files_up_to_their_number(desk: Desk) -> None:
    desk.write("a.md", LONG)
    desk.write("b.md", "Two.")
    desk.read()
    assert desk.progress[0] == (0, 2, "a.md")
    assert desk.progress[-1] == (2, 2, "")
    assert [done for done, _, _ in desk.progress] == sorted(d for d, _, _ in desk.progress)


def test_a_folder_is_forgotten_without_being_there(desk: Desk) -> None:
    desk.write("sub/a.md", "One.")
    desk.write("b.md", "Two.")
    desk.read()
    removed = list(forget(desk.folder / "sub", desk.folder, desk.index))
    assert removed == [Receipt("sub/a.md", "removed")]
    assert desk.texts == {"b.md": "Two."}
    with pytest.raises(DocumentError, match="Nothing was changed"):
        list(forget(desk.folder / "sub", desk.folder, desk.index))


def test_a_data_folder_that_moved_is_the_same_folder(desk: Desk) -> None:
    desk.write("a.md", "One.")
    desk.write("b.md", "Two.")
    desk.read()
    desk.folder = desk.folder.rename(desk.folder.with_name("moved"))
    (desk.folder / "b.md").unlink()
    assert desk.read() == {"a.md": "unchanged", "b.md": "removed"}


def test_a_part_of_a_known_folder_elsewhere_is_no_folder_of_its_own(
    desk: Desk, tmp_path: Path
) -> None:
    inside = tmp_path / "elsewhere" / "sub" / "deep"
    inside.mkdir(parents=True)
    (inside / "a.md").write_text("There.")
    (tmp_path / "elsewhere" / "b.md").write_text("Beside.")
    desk.read(tmp_path / "elsewhere")
    assert desk.read(inside) == {"sub/deep/a.md": "unchanged"}
    assert desk.read(inside / "a.md") == {"sub/deep/a.md": "unchanged"}
    assert len(desk.texts) == 2


def test_the_data_folder_is_left_out_of_a_folder_around_it(desk: Desk, tmp_path: Path) -> None:
    around = tmp_path / "around"
    around.mkdir()
    desk.folder = desk.folder.rename(around / "data")
    desk.write("a.md", "One.")
    (around / "b.md").write_text("Two.")
    desk.read()
    assert desk.read(around) == {"b.md": "added"}
    assert desk.read() == {"a.md": "unchanged"}


def test_what_was_read_from_a_subfolder_that_cannot_be_listed_is_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write("sub/a.md", "One.")
    desk.write("subway.md", "Two.")
    desk.write("c.md", "Three.")
    desk.read()
    (desk.folder / "subway.md").unlink()
    scandir = os.scandir

    def refusing(path: Any) -> Iterator[os.DirEntry[str]]:  # root may list everything
        if Path(path) == desk.folder / "sub":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", refusing)
    assert desk.read() == {"sub": "failed", "c.md": "unchanged", "subway.md": "removed"}
    assert desk.texts == {"sub/a.md": "One.", "c.md": "Three."}


def test_a_name_that_is_not_utf_8_fails_alone(desk: Desk) -> None:
    Path(os.fsdecode(os.fsencode(desk.folder) + b"/caf\xe9.md")).write_text("One.")
    desk.write("b.md", "Two.")
    assert desk.read() == {"caf\\udce9.md": "failed", "b.md": "added"}
    reason = desk.receipts()[1].reason
    assert reason == "The name caf\\udce9.md is not UTF-8; rename it."
    assert all(name.isascii() for _, _, name in desk.progress)


def test_a_fault_in_a_reader_is_logged_and_costs_one_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty(data: bytes, name: str) -> Content:
        raise KeyError("a private detail")

    monkeypatch.setitem(readers.READERS, ".txt", SimpleNamespace(read=faulty, VERSION="1"))
    desk.write("a.txt", "One.")
    desk.write("b.md", "Two.")
    first, second = desk.receipts()
    assert (first.outcome, second.outcome) == ("failed", "added")
    assert "a.txt could not be read" in first.reason
    assert "private" not in first.reason
    assert "a private detail" in caplog.text


def test_a_store_that_fails_is_no_fault_of_the_file(desk: Desk) -> None:
    desk.write("a.md", "One.")
    desk.index.vectors.close()
    shutil.rmtree(desk.folder.parent / "store")
    desk.index.library.close()
    with pytest.raises(StoreError):
        desk.read()


def test_progress_says_which_page_of_a_long_scan_is_read(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch)
    pages = [Image.linear_gradient("L")] * 3
    desk.write("a.tif", scans.file("TIFF", *pages))
    desk.write("b.pdf", scans.file("PDF", *pages))
    desk.write("c.png", scans.file("PNG", pages[0]))
    assert desk.read() == {"a.tif": "added", "b.pdf": "added", "c.png": "added"}
    names = [name for _, _, name in desk.progress]
    for name in ("a.tif", "b.pdf"):
        assert [n for n in names if n.startswith(f"{name} ")] == [
            f"{name} · OCR {page}/3" for page in (1, 2, 3)
        ]
    assert all(done == 1 for done, _, name in desk.progress if name.startswith("b.pdf"))
    assert "c.png" in names and not any(name.startswith("c.png ") for name in names)


@pytest.mark.slow  # a long file
def test_progress_moves_inside_a_long_file(desk: Desk) -> None:
    desk.write("a.md", LONG * 30)
    (receipt,) = desk.receipts()
    told = [name for _, _, name in desk.progress]
    assert receipt.chunks > 64
    assert f"a.md · 64/{receipt.chunks}" in told
    assert f"a.md · {receipt.chunks}/{receipt.chunks}" in told


@pytest.mark.parametrize(
    ("module", "name"), [(markdown, "VERSION"), (chunking, "VERSION"), (sync_module, "EMBEDDED")]
)
def test_what_is_read_cut_or_embedded_in_another_way_is_read_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    desk.write("a.md", "One.")
    desk.read()
    monkeypatch.setattr(module, name, "next")
    assert desk.read() == {"a.md": "replaced"}
