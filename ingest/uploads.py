"""The files that were added at the page, in a folder of the store: a restart that keeps the library
keeps them. Knows no format but by its suffix, and no library."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from rag.errors import DocumentError
from rag.store import private

from . import readers
from .listing import Folder
from .receipts import Receipt

MOST_BYTES = 100_000_000
"""Of one file."""

MOST_FILES = 1000
"""In the folder."""

STALE_SECONDS = 24 * 3600.0  # after which nobody sends the rest of a file
SPARE = 200_000_000  # bytes that are left free on the disk
_LONGEST = 200  # bytes of a name's part; file systems take 255
_DEEPEST = 8  # folders
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\\u202a-\u202e\u2066-\u2069]')


class Uploads:
    """A folder of files that come by their name and bytes, which the library calls `called`.

    `receipts` has what became of each when it was last read; that of the whole folder, under its
    name, stands for those that were not read (`became`).
    """

    def __init__(
        self,
        store: Path,
        called: str,
        most_files: int = MOST_FILES,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.path = store / "uploads"
        self.receipts: dict[str, Receipt] = {}
        self._called, self._most_files, self._most_bytes = called, most_files, most_bytes

    def place(self) -> tuple[Folder, str]:
        """The folder as `sync` reads it, made if need be, without what a dead process began."""
        private.folder(self.path)
        self.receipts.pop(self._called, None)  # of an earlier reading
        for part in self.path.glob(".*"):
            with suppress(FileNotFoundError):  # it may be another's, which has come meanwhile
                if time.time() - part.stat().st_mtime > STALE_SECONDS:
                    part.unlink()
        return Folder(self.path, self._called), ""

    def keep(self, receipt: Receipt) -> None:
        """Keeps a receipt; of what was read before and stayed the same, the one it had."""
        if receipt.outcome != "unchanged" or receipt.name not in self.receipts:
            self.receipts[receipt.name] = receipt

    def became(self, name: str) -> Receipt | None:
        """What became of a file; None if it has not been looked at."""
        whole = self.receipts.get(self._called)
        return self.receipts.get(name) or (replace(whole, name=name) if whole else None)

    async def save(self, name: str, body: AsyncIterator[bytes]) -> str:
        """Keeps `body` under `name`, in place of what had it, and gives the name that it has now.

        What does not come whole leaves nothing. Raises DocumentError where it may not be kept, and
        what `body` raises.
        """
        kept = checked(name)
        self._room_for(kept)
        for earlier in (kept, self._called):
            self.receipts.pop(earlier, None)
        part = self.path / f".{secrets.token_hex(8)}"  # hidden from sync
        with _keeping(kept):
            descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            size = 0
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                async for piece in body:
                    size += len(piece)
                    if size > self._most_bytes:
                        raise _too_large(kept, self._most_bytes // 1_000_000)
                    if shutil.disk_usage(self.path).free < SPARE:
                        raise _no_room(kept)
                    with _keeping(kept):
                        file.write(piece)
            with _keeping(kept):
                (self.path / kept).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                part.replace(self.path / kept)
        finally:
            part.unlink(missing_ok=True)
        if (receipt := self.receipts.get(kept)) and receipt.outcome == "unchanged":
            del self.receipts[kept]  # of the earlier file, which was looked at meanwhile
        return kept

    def _room_for(self, name: str) -> None:
        """Raises DocumentError if there are too many files, or the folder cannot be made."""
        with _keeping(name):
            private.folder(self.path)
            full = not (self.path / name).exists() and len(self.names()) >= self._most_files
        if full:
            raise DocumentError(
                f"{name} was not added: there are {self._most_files} files already. Remove some "
                "first.",
                f"Chưa thêm {name}: đã có {self._most_files} tệp. Hãy xóa bớt trước.",
            )

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
        if len(clean.encode()) > _LONGEST:
            clean = f"{_cut(stem, _LONGEST - len(suffix.encode()) - 1)}{dot}{_cut(suffix, 50)}"
        if clean:
            parts.append(clean)
    if not parts:
        raise DocumentError("A file needs a name.", "Tệp cần có tên.")
    return "/".join(parts[-_DEEPEST:])


def _cut(text: str, most: int) -> str:
    """The beginning of `text`, at most so many bytes of UTF-8."""
    return text.encode()[: max(most, 0)].decode(errors="ignore").rstrip()


def checked(name: str) -> str:
    """The name that a file would be kept under. Raises DocumentError if it has none that is safe,
    UnsupportedFormat if nothing reads such a file."""
    kept = safe(name)
    if Path(kept).suffix.lower() not in readers.READERS:
        raise readers.unsupported(kept)
    return kept


@contextmanager
def _keeping(name: str) -> Iterator[None]:
    """Says that a file could not be kept. Not around its pieces: they may break off by OSError."""
    try:
        yield
    except OSError as exc:
        why = exc.strerror or type(exc).__name__
        en, vi = f"{name} could not be kept ({why}).", f"Không lưu được {name} ({why})."
        raise DocumentError(en, vi) from exc


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
