"""Works with a file for who looks at a page of it: in a process apart, one file at a time for all
of them together. Whatever it does there, they get its text from the library."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from cachetools import TTLCache

from rag.errors import DocumentError, NoProcess
from rag.types import Content

from .answers import T, Values
from .isolation import Isolated, reading
from .limits import USUAL, too_large

log = logging.getLogger(__name__)

LIMITS = replace(USUAL, seconds=20)  # somebody waits for it, and others behind
WAIT = 10.0  # seconds for those before
MOST_WAITING = 8
SPOILT_SECONDS = 600.0  # in which nothing is tried again with a file that ended the process
_Known = tuple[int, int, int, int]

_one = threading.Lock()
_waiting = threading.BoundedSemaphore(MOST_WAITING)
_spoilt: TTLCache[_Known, DocumentError] = TTLCache(1000, SPOILT_SECONDS)


def read(path: Path, file: BinaryIO) -> Content:
    """The document in `file`, the one at `path` opened. Raises DocumentError."""
    with _turn(file) as isolated:
        return isolated.begin(path, _all(path, file))()


def run(work: Callable[..., T], file: BinaryIO, values: Values[T], *more: object) -> T:
    """What `work`, a function of a module, makes of a file and of `more`; nothing but `values` is
    made of it, the first of which it is. Raises DocumentError."""
    with _turn(file) as isolated:
        path = Path(file.name)
        return isolated.run(work, _all(path, file), path.name, values, *more)


@contextmanager
def _turn(file: BinaryIO) -> Iterator[Isolated]:
    if not _waiting.acquire(blocking=False):
        raise _busy(file)
    try:
        if not _one.acquire(timeout=WAIT):
            raise _busy(file)
        try:
            with reading(LIMITS) as isolated, _translated(file, isolated):
                yield isolated
        finally:
            _one.release()
    finally:
        _waiting.release()


@contextmanager
def _translated(file: BinaryIO, isolated: Isolated) -> Iterator[None]:
    """Only DocumentError comes out, and what ended the process is not tried again for a while."""
    at = os.fstat(file.fileno())
    known = at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns
    if before := _spoilt.get(known):
        raise before
    try:
        yield
    except NoProcess:
        raise
    except DocumentError as exc:
        if not isolated.kept:
            log.warning("a file that is looked at has ended what reads it: %s", exc)
            _spoilt[known] = exc
        raise
    except Exception as exc:
        name = Path(file.name).name
        log.exception("a file cannot be shown")
        raise DocumentError(
            f"{name} cannot be shown: Headwater has a fault here, which its log describes.",
            f"Không hiển thị được {name} do lỗi của Headwater, được ghi trong nhật ký.",
        ) from exc


def _all(path: Path, file: BinaryIO) -> bytes:
    data = file.read(LIMITS.size + 1)
    if len(data) > LIMITS.size:
        raise too_large(path.name, LIMITS.size)
    return data


def _busy(file: BinaryIO) -> DocumentError:
    name = Path(file.name).name
    return DocumentError(
        f"{name} cannot be shown now: many others are being looked at. Try again in a moment.",
        f"Chưa hiển thị được {name} vì đang có nhiều tệp được xem. Hãy thử lại sau giây lát.",
    )
