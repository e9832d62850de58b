"""Reading a folder: what is new, changed, gone, broken, elsewhere or none of our business."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.sync import Receipt, forget, locate, sync
from rag.embedder import Embedder
from rag.errors import DocumentError
from rag.index import Index

LONG = "The station is checked every week, and what is found is written down. " * 40


class Desk:
    """A data folder, a store, and what a reader does with them."""

    def __init__(self, folder: Path, index: Index, embedder: Embedder) -> None:
        self.folder = folder
        self.index = index
        self._embedder = embedder
        self.progress: list[tuple[int, int, str]] = []

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def receipts(self, path: Path | None = None) -> list[Receipt]:
        folder, scope = locate(path or self.folder, self.folder)
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
def desk(tmp_path: Path, store: Index, embedder: Embedder) -> Desk:
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
    assert (document.folder, document.name, document.title) == (
        *(str(desk.folder), "a.md", "Title"),
    )


def test_what_stayed_the_same_is_not_touched(desk: Desk) -> None:
    desk.write("a.md", "One.")
    desk.read()
    before = desk.index.library.chunk_ids()
    assert desk.receipts() == [Receipt("a.md", "unchanged", 1, 1, 1)]
    assert desk.index.library.chunk_ids() == before


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


def test_a_folder_that_was_emptied_empties_the_library(desk: Desk) -> None:
    path = desk.write("a.md", "One.")
    desk.read()
    path.unlink()
    assert desk.read() == {"a.md": "removed"}
    assert desk.texts == {}


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
        (str(desk.folder), "a.md"),
        (str(elsewhere), "sub/a.md"),
    ]
    assert desk.read() == {"a.md": "unchanged"}  # and does not take the other's away
    (elsewhere / "sub" / "a.md").unlink()
    assert desk.read(elsewhere) == {"sub/a.md": "removed"}
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
    assert list(forget(desk.folder / "sub", desk.index)) == [Receipt("sub/a.md", "removed")]
    assert desk.texts == {"b.md": "Two."}
    with pytest.raises(DocumentError, match="Nothing was changed"):
        list(forget(desk.folder / "sub", desk.index))
