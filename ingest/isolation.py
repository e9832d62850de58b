"""Reads files in a process of its own, bounded in time, in memory and in what comes out: whatever a
file does to its reader costs that file alone. Where there can be no such process, nothing is read.
Knows no store and no embedding model; the process is `ingest.confined`."""

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
from dataclasses import astuple, dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Generic, Protocol, TypeVar

from rag.errors import DocumentError, NoProcess
from rag.types import Block, Content, Heading, Page, Remark

from . import readers
from .answers import Fault, T, Values, opened, page_of, received, speaks
from .confined import OUT_OF_MEMORY, SIZE, Task, write
from .limits import USUAL, Limits, died, no_process, too_long, too_much_memory
from .readers import pace
from .readers.pace import Heard

log = logging.getLogger(__name__)

START = 30.0  # seconds that the process may take to start; it takes a third of one
SPARE = 10.0  # seconds after its own alarm until the parent ends it
REST = 60.0  # seconds that a process without work is kept for the next
GROWN = 300_000_000  # bytes of memory above which it is not kept, but started anew
_CONTENT: Values[Content] = (Content, Page, Block, Heading, Remark)


class Isolated:
    """Works with one file at a time in a process that is started when it is first needed, and anew
    when a file has ended it. For one thread at a time; `reading` gives one."""

    def __init__(self, limits: Limits = USUAL) -> None:
        self.limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._barred: NoProcess | None = None
        self._busy = False
        self.expiry: threading.Timer | None = None

    def begin(self, path: Path, data: bytes, heard: Heard | None = None) -> Begun[Content]:
        """Begins to read `data`, the bytes of the file at `path`. What it returns waits for what
        was read; it is to be called before the next file is begun. Then `heard` is called with each
        page that takes long, and of how many. Raises NoProcess."""
        reader = readers.READERS.get(path.suffix.lower())
        if not isinstance(reader, ModuleType):  # those are all; only a module has a name to tell
            return Then(Over(None), partial(_read_here, path, data, heard))
        return self._begun(Task(reader.__name__, "", path.name), data, _CONTENT, heard)

    def run(
        self, work: Callable[..., T], data: bytes, name: str, values: Values[T], *more: object
    ) -> T:
        """What `work`, a function of a module, makes of a file with this name and these bytes, and
        of `more`. Nothing but `values` is made of it, the first of which it is. Raises
        DocumentError, of which NoProcess is one."""
        task = Task(work.__module__, work.__name__, name, more)
        return self._begun(task, data, values)()

    def _begun(
        self, task: Task, data: bytes, values: Values[T], heard: Heard | None = None
    ) -> Begun[T]:
        process = self._running()
        self._busy = True
        assert process.stdin
        try:
            for part in (pickle.dumps(astuple(task)), data):
                write(process.stdin.fileno(), SIZE.pack(len(part)), part)
        except OSError:
            pass  # it has ended: whoever waits for the answer learns why
        return _There(self, process, task.file, values, heard)

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

    def over(self, memory: int) -> None:
        """The process has answered, and holds so many bytes."""
        self._busy = False
        if memory > GROWN:
            self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process and self._process.poll() is not None:
            self.close()
        if self._barred:
            raise self._barred
        if self._process is None:
            try:
                self._process = _started(self.limits)
                if received(self._process, time.monotonic() + START, self.limits.memory) is None:
                    raise OSError("it does not answer")
            except (OSError, OverflowError) as exc:
                self.close()
                log.error("the process that reads cannot be started, so nothing is read: %s", exc)
                why = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
                self._barred = no_process(why)
                raise self._barred from exc
        return self._process


T_co = TypeVar("T_co", covariant=True)


class Begun(Protocol[T_co]):
    """What was begun with a file."""

    def ready(self, seconds: float) -> bool:
        """Whether it is over, at once or within so many seconds."""

    def __call__(self) -> T_co:
        """Waits for what came out. Raises DocumentError."""


@dataclass(frozen=True, slots=True)
class Over(Generic[T]):
    """What need not be waited for."""

    value: T

    def ready(self, seconds: float) -> bool:
        return True

    def __call__(self) -> T:
        return self.value


@dataclass(frozen=True, slots=True)
class Then(Generic[T]):
    """What is made of something that was begun, once that is over."""

    begun: Begun[object]
    made: Callable[[], T]

    def ready(self, seconds: float) -> bool:
        return self.begun.ready(seconds)

    def __call__(self) -> T:
        return self.made()


class _There(Generic[T]):
    """In the process of `isolated`."""

    def __init__(
        self,
        isolated: Isolated,
        process: subprocess.Popen[bytes],
        name: str,
        values: Values[T],
        heard: Heard | None,
    ) -> None:
        self._isolated, self._process, self._name, self._values = isolated, process, name, values
        self._tell = heard
        self._until = time.monotonic() + isolated.limits.seconds + SPARE
        self._heard = b""  # its answer; empty as long as there is none
        self._ending: DocumentError | None = None

    def ready(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not (self._heard or self._ending):
            if not speaks(self._process, until):
                return False
            self._hear()
        return True

    def __call__(self) -> T:
        # Whoever waits may come late: what is there then is read in any case.
        self._until = max(self._until, time.monotonic() + SPARE)
        try:
            while not (self._heard or self._ending):
                self._hear()
            if self._ending:
                raise self._ending
            value, memory = opened(self._heard, self._values)
        except BaseException:
            self._isolated.close()
            raise
        self._isolated.over(memory)
        if isinstance(value, Fault):
            raise RuntimeError(f"in the process that reads: {value.trace}")
        if isinstance(value, DocumentError):
            raise value
        return value

    def _hear(self) -> None:
        """Takes in what it says next: that it goes on, its answer or its end."""
        limits = self._isolated.limits
        try:
            message = received(self._process, self._until, limits.memory)
        except TimeoutError:
            self._ending = too_long(self._name, limits.seconds)
            return
        except OverflowError:
            self._ending = too_much_memory(self._name, limits.memory)
            return
        self._until = time.monotonic() + limits.seconds + SPARE
        if message and (page := page_of(message)):
            if self._tell:
                self._tell(*page)
            return
        self._heard = message or b""
        if message is None:
            self._ending = self._ended()

    def _ended(self) -> DocumentError:
        """Why the process has ended."""
        name, limits = self._name, self._isolated.limits
        try:
            status = self._process.wait(SPARE)
        except subprocess.TimeoutExpired:
            return died(name, "closed its pipe")
        if status == -signal.SIGALRM:
            return too_long(name, limits.seconds)
        if status in (OUT_OF_MEMORY, -signal.SIGKILL):  # the kernel, where the machine has none
            return too_much_memory(name, limits.memory)
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
            if isolated.kept and not any(each.limits == limits for each in _resting):
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
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )


def _read_here(path: Path, data: bytes, heard: Heard | None) -> Content:
    with pace.told(heard):
        return readers.read(path, BytesIO(data))
