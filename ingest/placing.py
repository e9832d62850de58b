"""Writes the originals of an exported library into the folder that they belong to, and nothing
outside of it. Knows no archive and no library."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from rag.errors import BackupError, LinkedOutside
from rag.store.originals import opened, resolved

from . import readers

log = logging.getLogger(__name__)

_NAMED = 5  # files that an error names

Made = list[tuple[Path, Path | None]]
"""Files that were written, each with where the one lies aside that it took the place of."""


@dataclass(frozen=True, slots=True)
class Home:
    """A folder that originals belong to, and what a sentence calls it."""

    path: Path
    en: str
    vi: str
    follow_links: bool = False


def data_folder(path: Path, follow_links: bool) -> Home:
    return Home(path, "the data folder", "thư mục dữ liệu", follow_links)


def uploads_folder(path: Path) -> Home:
    return Home(path, "the folder of what was added at the page", "thư mục tệp đã thêm ở trang")


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


def unlike(originals: Mapping[str, str], home: Home, overwrite: bool) -> list[str]:
    """Those of `originals`, SHA-256 by name, that do not lie in the folder yet. Raises BackupError
    for one that must not be written there, or only if `overwrite`."""
    wanted, others = [], []
    for name, expected in originals.items():
        if not harmless(name):
            raise _misplaced(name, home)
        try:
            with opened(home.path, name, home.follow_links) as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == expected
        except (OSError, LinkedOutside):
            if _target(home, name).exists():
                raise _misplaced(name, home) from None
        else:
            if same:
                continue
            others.append(name)
        wanted.append(name)
    if others and not overwrite:
        shown = ", ".join(others[:_NAMED]) + (" …" if len(others) > _NAMED else "")
        raise BackupError(
            f"{_start(home.en)} has other files of the same name: {shown}. Nothing was changed; "
            "--overwrite replaces them.",
            f"{_start(home.vi)} có tệp khác trùng tên: {shown}. Không có gì bị thay đổi; "
            "--overwrite sẽ thay chúng.",
        )
    return wanted


def _misplaced(name: str, home: Home) -> BackupError:
    return BackupError(
        f"{name} is not written: it would not be a readable file inside {home.en}. Nothing was "
        "changed.",
        f"Không ghi {name}: đó không phải tệp đọc được bên trong {home.vi}. Không có gì bị thay "
        "đổi.",
    )


def _start(text: str) -> str:
    return text[0].upper() + text[1:]


def _target(home: Home, name: str) -> Path:
    """Where an original is to be. Raises BackupError if a link or a file is in its way."""
    place, last = home.path, home.path / name
    try:
        for part in PurePath(name).parts:
            place = place / part
            is_kind = stat.S_ISREG if place == last else stat.S_ISDIR
            if not is_kind(place.lstat().st_mode):
                raise _misplaced(name, home)
    except FileNotFoundError:
        pass  # nothing is in the way
    except OSError as exc:  # a name too long, a folder that may not be looked into
        raise _misplaced(name, home) from exc
    return last


def place(parts: Iterable[bytes], home: Home, name: str, made: Made) -> None:
    """Writes one original aside, and puts it where it belongs once it is whole; `made` gets it.
    Raises BackupError."""
    target = _target(home, name)
    aside = _beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not resolved(target.parent).is_relative_to(resolved(home.path)):
            raise _misplaced(name, home)
        try:
            with aside.open("xb") as file:
                file.writelines(parts)
            made.append((target, _kept(target) if target.exists() else None))
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise BackupError(
            f"{_start(home.en)} cannot be written ({reason}). Nothing was changed.",
            f"Không ghi được vào {home.vi} ({reason}). Không có gì bị thay đổi.",
            owner=str(target),
        ) from exc


def _kept(target: Path) -> Path:
    """Another name for the file that is there; without a moment in which it has none, if the disk
    can do that."""
    kept = _beside(target)
    try:
        kept.hardlink_to(target)
    except OSError:
        target.replace(kept)
    return kept


def _beside(target: Path) -> Path:
    """Hidden: nobody reads it."""
    return target.with_name(f".headwater-{secrets.token_hex(8)}")


@contextmanager
def undone() -> Iterator[Made]:
    """A list of files that were made; if an error comes before the end they go again, and what was
    there is there again."""
    made: Made = []
    try:
        yield made
    except BaseException:
        for path, before in reversed(made):
            with _going_on(path):
                if before:
                    before.replace(path)
                    before.unlink(missing_ok=True)  # where both were one file, that did nothing
                else:
                    path.unlink(missing_ok=True)
        raise
    for path, before in made:
        if before:
            with _going_on(path):
                before.unlink()


@contextmanager
def _going_on(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError:
        log.exception("%s could not be put in order", path)
