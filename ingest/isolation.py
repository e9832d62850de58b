"""Reads files in a process of its own, bounded in time, in memory and in what comes out: whatever a
file does to its reader costs that file alone. Knows no store and no embedding model; the process is
`ingest.confined`."""

from __future__ import annotations

import atexit
import logging
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple
from functools import partial
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

from rag.errors import DocumentError
from rag.types import Content

from . import readers
from .confined import OUT_OF_MEMORY, SIZE, write
from .limits import USUAL, Limits, died, too_long, too_much_memory
from .readers import pace
from .readers.pace import Heard

log = logging.getLogger(__name__)

START = 30.0  # seconds that the process may take to start; it takes a third of one
SPARE = 10.0  # seconds after its own alarm until the parent ends it
REST = 60.0  # seconds that a process without work is kept for the next
GROWN = 300_000_000  # bytes of memory above which it is not kept, but started anew
# Nothing else is made of what the process answers.
_VALUES = ("rag.types", "rag.errors")


class Isolated:
    """Reads one file at a time in a process that is started when it is first needed, and anew when
    a file has ended it. Where it cannot be started, files are read here, which the log says. For
    one thread at a time; `reading` gives one."""

    def __init__(self, limits: Limits = USUAL) -> None:
        self.limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._cannot_start = False
        self._busy = False
        self.expiry: threading.Timer | None = None

    def begin(self, path: Path, data: bytes, heard: Heard | None = None) -> Callable[[], Content]:
        """Begins to read `data`, the bytes of the file at `path`. What it returns waits for what
        was read, or raises DocumentError; it is to be called before the next file is begun. Then
        `heard` is called with each page that takes long, and of how many."""
        reader = readers.READERS.get(path.suffix.lower())
        here = partial(_read_here, path, data, heard)
        # Only a module can be named to the process: other objects, and suffixes that nobody reads.
        if not isinstance(reader, ModuleType) or not (process := self._running()):
            return here
        self._busy = True
        assert process.stdin
        try:
            for part in (pickle.dumps((reader.__name__, path.name)), data):
                write(process.stdin.fileno(), SIZE.pack(len(part)), part)
        except OSError:
            pass  # it has ended: whoever waits for the answer learns why
        return partial(self._content, process, path.name, time.monotonic(), heard)

    @property
    def kept(self) -> bool:
        """Whether the process is there and waits for a file."""
        return bool(self._process and not self._busy and self._process.poll() is None)

    def close(self) -> None:
        """Ends the process, whatever it does."""
        process, self._process, self._busy = self._process, None, False
        if process:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe
                pipe.close()

    def _running(self) -> subprocess.Popen[bytes] | None:
        if self._process and self._process.poll() is not None:
            self.close()
        if self._process is None and not self._cannot_start:
            try:
                self._process = _started(self.limits)
                if _received(self._process, time.monotonic() + START) is None:
                    raise OSError("it does not answer")
            except OSError as exc:
                self.close()
                self._cannot_start = True
                log.warning("documents are read without limits, in this process: %s", exc)
        return self._process

    def _content(
        self,
        process: subprocess.Popen[bytes],
        name: str,
        begun: float,
        heard: Heard | None,
    ) -> Content:
        # Whoever waits may come late: what is there then is read in any case.
        deadline = max(begun + self.limits.seconds, time.monotonic()) + SPARE
        try:
            kind = "page"
            while kind == "page":
                if (answer := _received(process, deadline)) is None:
                    raise self._ended(process, name)
                kind, value, memory = _Values(BytesIO(answer)).load()
                if kind == "page" and heard:
                    heard(*_page_of(value))
                deadline = time.monotonic() + self.limits.seconds + SPARE
            self._busy = False
        except TimeoutError as exc:
            raise too_long(name, self.limits.seconds) from exc
        finally:
            if self._busy:
                self.close()
        if memory > GROWN:
            self.close()
        if kind == "content":
            return _content_of(value)
        if kind == "error":
            raise value
        raise RuntimeError(f"in the process that reads: {value}")

    def _ended(self, process: subprocess.Popen[bytes], name: str) -> DocumentError:
        """Why the process has ended."""
        try:
            status = process.wait(SPARE)
        except subprocess.TimeoutExpired:
            return died(name, "closed its pipe")
        if status == -signal.SIGALRM:
            return too_long(name, self.limits.seconds)
        if status in (OUT_OF_MEMORY, -signal.SIGKILL):  # the kernel, where the machine has none
            return too_much_memory(name, self.limits.memory)
        log.warning("the process that reads ended with status %s at a file", status)
        with suppress(ValueError):
            return died(name, signal.Signals(-status).name)
        return died(name, f"status {status}")


_resting: list[Isolated] = []
_resting_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_resting.clear)  # it belongs to the parent


@contextmanager
def reading(limits: Limits = USUAL) -> Iterator[Isolated]:
    """A reader for one thread: the one that another has left within the last minute, or a new one.
    What it does at the end is cut short."""
    with _resting_lock:
        isolated = next((each for each in _resting if each.limits == limits), None)
        if isolated:
            _resting.remove(isolated)
            if isolated.expiry:
                isolated.expiry.cancel()
    isolated = isolated or Isolated(limits)
    try:
        yield isolated
    finally:
        with _resting_lock:
            if isolated.kept and not _resting:
                isolated.expiry = threading.Timer(REST, _expire, [isolated])
                isolated.expiry.daemon = True
                isolated.expiry.start()
                _resting.append(isolated)
            else:
                isolated.close()


def _expire(isolated: Isolated) -> None:
    with _resting_lock:
        if isolated in _resting:
            _resting.remove(isolated)
            isolated.close()


@atexit.register
def rest() -> None:
    """Ends the process that is kept for the next file, if there is one."""
    with _resting_lock:
        while _resting:
            _resting.pop().close()


def _started(limits: Limits) -> subprocess.Popen[bytes]:
    """The process; its first message says that it is there. Raises OSError."""
    if not hasattr(select, "poll") or not hasattr(signal, "alarm") or not sys.executable:
        raise OSError("this system cannot limit a process")
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "ingest.confined", *map(str, astuple(limits))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )


def _received(process: subprocess.Popen[bytes], deadline: float) -> bytes | None:
    """What the process says next; None if it has ended. Raises TimeoutError if it is silent."""
    assert process.stdout
    source, poll = process.stdout.fileno(), select.poll()
    poll.register(source, select.POLLIN)

    def exactly(size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            part = os.read(source, min(size - len(got), 1 << 20))
            if not part:
                break
            got += part
        return bytes(got)

    head = exactly(SIZE.size)
    if len(head) < SIZE.size:
        return None
    (size,) = SIZE.unpack(head)
    body = exactly(size)
    return body if len(body) == size else None


class _Values(pickle.Unpickler):
    """Makes values of ours and no other: a reader that a file has taken over may say anything."""

    def find_class(self, module: str, name: str) -> Any:
        if module not in _VALUES:
            raise pickle.UnpicklingError(f"{module}.{name} is no value of ours")
        return super().find_class(module, name)


def _read_here(path: Path, data: bytes, heard: Heard | None) -> Content:
    with pace.told(heard):
        return readers.read(path, BytesIO(data))


def _page_of(value: object) -> tuple[int, int]:
    match value:
        case (int() as page, int() as of):
            return page, of
    raise TypeError(f"{type(value).__name__} is no page of how many")


def _content_of(value: object) -> Content:
    if not isinstance(value, Content):
        raise TypeError(f"{type(value).__name__} is no content")
    return value
