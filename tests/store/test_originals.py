"""A file is opened where it lies: inside its folder, and nothing that only looks like one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rag.errors import LinkedOutside
from rag.store.originals import opened


def read(folder: Path, name: str, follow_links: bool = False) -> str:
    with opened(folder, name, follow_links) as file:
        assert file.name == str(folder / name)
        return file.read().decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "sub" / "a.md").write_text("One.")
    (tmp_path / "database").mkdir()  # its name begins as the folder's does
    (tmp_path / "database" / "b.md").write_text("A secret.")
    return tmp_path / "data"


def test_a_file_is_read_through_links_that_stay_inside(folder: Path) -> None:
    (folder / "file.md").symlink_to(folder / "sub" / "a.md")
    (folder / "again").symlink_to("sub")
    for name in ("sub/a.md", "file.md", "again/a.md", "sub/../sub/a.md"):
        assert read(folder, name) == "One."


@pytest.mark.parametrize("name", ["link.md", "up/b.md", "../database/b.md", "chain/b.md"])
def test_what_lies_outside_is_refused_unless_it_is_allowed(folder: Path, name: str) -> None:
    (folder / "link.md").symlink_to(folder.parent / "database" / "b.md")
    (folder / "up").symlink_to("../database")
    (folder / "chain").symlink_to("up")
    with pytest.raises(LinkedOutside, match="HEADWATER_FOLLOW_LINKS") as raised:
        read(folder, name)
    assert str(folder.parent) not in raised.value.en + raised.value.vi
    assert read(folder, name, follow_links=True) == "A secret."


def test_what_is_no_file_is_an_error_at_once(folder: Path) -> None:
    (folder / "round").symlink_to("round")
    os.mkfifo(folder / "pipe")
    for name in ("round", "pipe", "sub", "missing", ""):
        with pytest.raises(OSError):
            read(folder, name)
