"""Writes the originals of an exported library into the data folder, and nothing outside of it.
Knows no archive and no library."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath

from rag.errors import BackupError, LinkedOutside
from rag.store.originals import opened, resolved

from . import readers

_NAMED = 5  # files that an error names


def harmless(name: str) -> bool:
    """Whether a file of this name lies below the folder that it is put into, is not hidden nor in a
    hidden folder, and has a format that is read."""
    path = PurePath(name)
    return (
        path.as_posix() == name  # nothing empty and no "." in it, and no backslash on Windows
        and not path.anchor
        and not any(part.startswith(".") for part in path.parts)
        and min(name, default="") >= " "
        and (os.name != "nt" or ":" not in name)  # a stream of another file
        and path.suffix.lower() in readers.READERS
    )


def unlike(
    originals: Mapping[str, str], data: Path, follow_links: bool, overwrite: bool
) -> list[str]:
    """Those of `originals`, SHA-256 by name, that do not lie in the folder `data` yet. Raises
    BackupError for one that must not be written there, or only if `overwrite`."""
    wanted, others = [], []
    for name, expected in originals.items():
        if not harmless(name):
            raise _misplaced(name)
        try:
            with opened(data, name, follow_links) as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == expected
        except (OSError, LinkedOutside):
            if _target(data, name).exists():
                raise _misplaced(name) from None
        else:
            if same:
                continue
            others.append(name)
        wanted.append(name)
    if others and not overwrite:
        shown = ", ".join(others[:_NAMED]) + (" …" if len(others) > _NAMED else "")
        raise BackupError(
            f"The data folder has other files of the same name: {shown}. Nothing was changed; "
            "--overwrite replaces them.",
            f"Thư mục dữ liệu có tệp khác trùng tên: {shown}. Không có gì bị thay đổi; "
            "--overwrite sẽ thay chúng.",
        )
    return wanted


def _misplaced(name: str) -> BackupError:
    return BackupError(
        f"{name} is not written: it would not be a readable file inside the data folder. Nothing "
        "was changed.",
        f"Không ghi {name}: đó không phải tệp đọc được bên trong thư mục dữ liệu. Không có gì bị "
        "thay đổi.",
    )


def _target(data: Path, name: str) -> Path:
    """Where an original is to be. Raises BackupError if a link or a file is in its way."""
    place, last = data, data / name
    try:
        for part in PurePath(name).parts:
            place = place / part
            is_kind = stat.S_ISREG if place == last else stat.S_ISDIR
            if not is_kind(place.lstat().st_mode):
                raise _misplaced(name)
    except FileNotFoundError:
        pass  # nothing is in the way
    except OSError as exc:  # a name too long, a folder that may not be looked into
        raise _misplaced(name) from exc
    return last


def place(parts: Iterable[bytes], data: Path, name: str, made: list[Path]) -> None:
    """Writes one original aside, and puts it where it belongs once it is whole; into `made` what
    was not there before. Raises BackupError."""
    target = _target(data, name)
    aside = target.with_name(f".headwater-{secrets.token_hex(8)}")  # hidden: nobody reads it
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not resolved(target.parent).is_relative_to(resolved(data)):
            raise _misplaced(name)
        try:
            with aside.open("xb") as file:
                file.writelines(parts)
            if not target.exists():
                made.append(target)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise BackupError(
            f"The data folder cannot be written ({reason}). No document was taken in.",
            f"Không ghi được vào thư mục dữ liệu ({reason}). Chưa có tài liệu nào được nhận.",
            owner=str(target),
        ) from exc


@contextmanager
def undone() -> Iterator[list[Path]]:
    """A list of files that were made; they go again if an error comes before the end."""
    made: list[Path] = []
    try:
        yield made
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise
