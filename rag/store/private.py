"""Keeps the store to the user that Headwater runs as: folders 0700, files 0600. What protects is
the mode of the store's folder; the files have theirs for where that folder is not enough, as in a
copy of it. Knows the names of what lies in a store, and nothing of what is in them.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

LIBRARY = "library.db"  # in the folder of each model
BLANK = "blank-pictures"
# What lies beside these folders. A store may be a folder that holds other things too: they are
# left as they are.
_BESIDE = ("lock", "precisions.*", "profiles.json*", BLANK, "*.pt", "*.safetensors", "*.new")


def folder(path: Path) -> None:
    """Makes a private folder, and those above it as usual, or makes one that is there private.
    Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.stat().st_mode & stat.S_ISVTX:  # /tmp and its like belong to everybody
        _restrict(path.resolve(), 0o700)


def file(path: Path) -> None:
    """Makes an empty private file for something else to write into, or makes one that is there
    private. Raises OSError."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:  # not opened: closing it would take SQLite's locks away
        _restrict(path, 0o600)


def tree(path: Path) -> None:
    """Makes a folder and all that is in it private."""
    for place, _, files in os.walk(path):
        _restrict(Path(place), 0o700)
        for name in files:
            _restrict(Path(place, name), 0o600)


def store(path: Path) -> None:
    """Makes all private that Headwater, an earlier version of it too, has written into a store."""
    if os.name == "posix" and path.stat().st_mode & 0o077:
        log.warning("other users of this machine may look into the store directory %s", path)
    for file in _beside(path):
        if file.is_file():
            _restrict(file, 0o600)
    for library in path.glob(f"*/{LIBRARY}"):
        tree(library.parent)


def _beside(path: Path) -> Iterator[Path]:
    for pattern in _BESIDE:
        yield from path.glob(pattern)


def _restrict(path: Path, mode: int) -> None:
    """Gives `path` this mode unless it has no more than that. What somebody has linked to from
    here is not changed, and a file system without modes is no failure."""
    with suppress(OSError):
        now = path.lstat().st_mode
        if not stat.S_ISLNK(now) and stat.S_IMODE(now) & ~mode:
            path.chmod(mode)
