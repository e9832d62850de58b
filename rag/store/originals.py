"""Opens the files that documents are read from, and nothing that a link in their folder leads to
outside of it. Knows no format."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path

from ..errors import LinkedOutside

_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe would wait
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | _NO_LINK


def opened(folder: Path, name: str, follow_links: bool) -> BufferedReader:
    """The file `name` of a folder, to be closed by the caller. The folder itself may be a link, and
    links to what lies inside it are followed; to the outside only if `follow_links`.

    Raises OSError, and LinkedOutside, which is one of DocumentError. Where the system can, the file
    is opened folder by folder without following a link: one that is put there after the look at it
    leads nowhere.
    """
    path = folder / name
    if follow_links:
        return path.open("rb")
    root, real = resolved(folder), resolved(path)
    if not real.is_relative_to(root):
        raise linked_outside(name)
    parts = real.relative_to(root).parts
    return open(path, "rb", opener=lambda *_: _descriptor(root, parts))


def resolved(path: Path) -> Path:
    """`path` without links. Raises OSError."""
    try:
        return path.resolve(strict=True)
    except RuntimeError as exc:  # Python 3.11 on links in a circle
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from exc


def linked_outside(name: str) -> LinkedOutside:
    """Says that a file or a folder is a link to the outside."""
    return LinkedOutside(
        f"{name} is a link that leads out of the folder, and is not read. "
        "HEADWATER_FOLLOW_LINKS=true allows it.",
        f"{name} là một liên kết dẫn ra ngoài thư mục nên không được đọc. "
        "HEADWATER_FOLLOW_LINKS=true cho phép đọc.",
    )


def _descriptor(root: Path, parts: Sequence[str]) -> int:
    """Of the file at root/parts, of which no part is a link."""
    if os.open not in os.supports_dir_fd:
        return os.open(root.joinpath(*parts), os.O_RDONLY | getattr(os, "O_BINARY", 0))
    at = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            below = os.open(part, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        file = os.open(parts[-1] if parts else ".", os.O_RDONLY | _NO_LINK, dir_fd=at)
    finally:
        os.close(at)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "not a regular file")
    return file
