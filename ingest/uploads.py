"""The files that were added at the page, in a folder of the store: a restart that keeps the library
keeps them. Knows no format but by its suffix, and no library."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from rag.errors import DocumentError
from rag.store import private

from . import readers
from .sync import Folder

MOST_BYTES = 100_000_000
"""Of one file."""

MOST_FILES = 1000
"""In the folder."""

STALE_SECONDS = 24 * 3600.0  # after which nobody sends the rest of a file
SPARE = 200_000_000  # bytes that are left free on the disk
_LONGEST = 120  # characters of a name's part; with four bytes each below what file systems take
_DEEPEST = 8  # folders
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\\u202a-\u202e\u2066-\u2069]')


class Uploads:
    """A folder of files that come by their name and bytes."""

    def __init__(
        self, store: Path, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES
    ) -> None:
        self.path = store / "uploads"
        self._most_files, self._most_bytes = most_files, most_bytes

    def place(self) -> tuple[Folder, str]:
        """The folder as `sync` reads it, made if need be, without what a dead process began."""
        private.folder(self.path)
        for part in self.path.glob(".*"):
            if time.time() - part.stat().st_mtime > STALE_SECONDS:
                part.unlink(missing_ok=True)
        return Folder(self.path, str(self.path)), ""

    async def save(self, name: str, body: AsyncIterator[bytes]) -> str:
        """Keeps `body` under `name`, in place of what had it, and gives the name that it has now.

        What does not come whole leaves nothing. Raises DocumentError where it may not be kept.
        """
        kept = safe(name)
        if Path(kept).suffix.lower() not in readers.READERS:
            raise readers.unsupported(kept)
        path = self.path / kept
        part = self.path / f".{secrets.token_hex(8)}"  # hidden from sync
        private.folder(self.path)
        if not path.exists() and sum(1 for _ in self.names()) >= self._most_files:
            raise DocumentError(
                f"{kept} was not added: there are {self._most_files} files already. Remove some "
                "first.",
                f"Chưa thêm {kept}: đã có {self._most_files} tệp. Hãy xóa bớt trước.",
            )
        try:
            with open(part, "xb", opener=_private) as file:
                size = 0
                async for piece in body:
                    size += len(piece)
                    if size > self._most_bytes:
                        raise _too_large(kept, self._most_bytes // 1_000_000)
                    if shutil.disk_usage(self.path).free < SPARE:
                        raise _no_room(kept)
                    file.write(piece)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.replace(path)
        except OSError as exc:
            en = f"{kept} could not be kept ({exc.strerror})."
            vi = f"Không lưu được {kept} ({exc.strerror})."
            raise DocumentError(en, vi, owner=str(path)) from exc
        finally:
            part.unlink(missing_ok=True)
        return kept

    def remove(self, name: str) -> None:
        """Removes a file, and the folders that are empty without it; does nothing if it is gone."""
        path = self.path / name
        with suppress(OSError):
            path.unlink(missing_ok=True)
            while (path := path.parent) != self.path:
                path.rmdir()  # fails where something else is in it

    def names(self) -> list[str]:
        """Of the files that are there."""
        found = (path for path in self.path.rglob("*") if path.is_file())
        names = [path.relative_to(self.path).as_posix() for path in found]
        return sorted(name for name in names if not name.startswith("."))


def safe(name: str) -> str:
    """`name`, which may have folders in it, as a path below any folder: NFC, without what file
    systems or readers trip over. Raises DocumentError if nothing is left."""
    parts = []
    for part in unicodedata.normalize("NFC", name).replace("\\", "/").split("/"):
        clean = " ".join(_FORBIDDEN.sub(" ", part).split()).lstrip(".").rstrip(". ")
        stem, dot, suffix = clean.rpartition(".")
        if len(clean) > _LONGEST:
            clean = f"{stem[: _LONGEST - len(suffix) - 1].rstrip()}{dot}{suffix[:_LONGEST]}"
        if clean:
            parts.append(clean)
    if not parts:
        raise DocumentError("A file needs a name.", "Tệp cần có tên.")
    return "/".join(parts[-_DEEPEST:])


def _too_large(name: str, most: int) -> DocumentError:
    return DocumentError(
        f"{name} is larger than {most} MB and was not added. Split it, or put it into the data "
        "folder.",
        f"{name} lớn hơn {most} MB nên chưa được thêm. Hãy tách nhỏ, hoặc đặt vào thư mục data.",
    )


def _no_room(name: str) -> DocumentError:
    return DocumentError(
        f"{name} was not added: the server's disk is nearly full.",
        f"Chưa thêm {name}: ổ đĩa của máy chủ sắp đầy.",
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
