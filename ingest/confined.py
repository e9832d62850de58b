"""The process that files are read in: `python -m ingest.confined`, started by `ingest.isolation`.

It is given the bytes of one file after another on its standard input, of which its parent has the
only other end: it ends when the parent does, however that ended. Each message, in both directions,
is its length and then that many bytes; an empty one says that it is there, or goes on.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import struct
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import cast

from rag.errors import DocumentError

from . import readers
from .limits import Limits, too_many_characters, too_much, too_much_memory
from .readers import pace

SIZE = struct.Struct(">Q")
PAGE = struct.Struct(">cQQ")  # which it is at, after a P, and of how many
OUT_OF_MEMORY = 3  # its exit status
_LOOK = 0.02  # seconds between two looks at its memory
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True, slots=True)
class Task:
    """What to do with a file of that name: read it with the module, or call a function of it with
    the file and `more`."""

    module: str
    function: str
    file: str
    more: tuple[object, ...] = ()


def _serve(limits: Limits) -> None:
    """Reads what it is given until its parent ends. What it prints goes to stderr."""
    to = os.dup(1)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent ends it
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends it even inside of a library
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # the rest, a file's receipt says
    _bound(limits.memory)
    files: queue.SimpleQueue[tuple[Task, bytes]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=[files], daemon=True).start()
    at_work = threading.Event()
    threading.Thread(target=_watch, args=[limits.memory, at_work], daemon=True).start()

    def go_on(page: int, of: int) -> None:
        signal.alarm(limits.seconds)
        write(to, SIZE.pack(PAGE.size), PAGE.pack(b"P", page, of))

    write(to, SIZE.pack(0))
    while True:
        task, data = files.get()
        at_work.set()
        signal.alarm(limits.seconds)
        with pace.told(go_on):
            kind, value = _worked(task, data, limits)
        del task, data
        answer = pickle.dumps((kind, value, _memory()))
        signal.alarm(0)
        at_work.clear()
        write(to, SIZE.pack(len(answer)), answer)
        del value, answer


def _worked(task: Task, data: bytes, limits: Limits) -> tuple[str, object]:
    name = task.file
    try:
        module = import_module(task.module)
        if task.function:
            file = BytesIO(data)
            file.name = name  # what is said of it has one
            return "content", getattr(module, task.function)(file, *task.more)
        path = Path(name)
        readers.READERS[path.suffix.lower()] = cast(readers.Reader, module)
        content = readers.read(path, BytesIO(data))
    except DocumentError as exc:
        if isinstance(exc.__cause__, MemoryError):
            return "error", too_much_memory(name, limits.memory)
        return "error", exc
    except MemoryError:
        return "error", too_much_memory(name, limits.memory)
    except Exception:
        return "fault", traceback.format_exc()
    if len(content.pages) > limits.pages:
        return "error", too_much(name, limits.pages, "pages", "trang")
    if sum(len(page.text) for page in content.pages) > limits.characters:
        return "error", too_many_characters(name, limits.characters)
    return "content", content


def _receive(files: queue.SimpleQueue[tuple[Task, bytes]]) -> None:
    """Takes the files in, beside the reading: the end of the parent is heard at once."""
    try:
        while True:
            task = Task(*pickle.loads(_part()))
            files.put((task, _part()))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except EOFError:
        os._exit(0)


def _part() -> bytes:
    """The next message. Raises EOFError once the parent has ended."""
    (size,) = SIZE.unpack(_exactly(SIZE.size))
    return _exactly(size)


def _exactly(size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        part = os.read(0, min(size - len(got), 1 << 20))
        if not part:
            raise EOFError
        got += part
    return bytes(got)


def _bound(memory: int) -> None:
    """No single demand for memory gets past this: `_watch`, which sees what is really used, looks
    only now and then."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = 2 * memory if hard == resource.RLIM_INFINITY else min(2 * memory, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _watch(memory: int, at_work: threading.Event) -> None:
    while at_work.wait() and _memory() <= memory:
        time.sleep(_LOOK)
    os._exit(OUT_OF_MEMORY)


def _memory() -> int:
    """Bytes that this process holds; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE
    except OSError:
        return 0


def write(to: int, *parts: bytes) -> None:
    """Writes all of it to a descriptor. Raises OSError."""
    for part in parts:
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(to, rest) :]


if __name__ == "__main__":
    with suppress(OSError):  # nobody hears it any more
        _serve(Limits(*map(int, sys.argv[1:])))
    os._exit(0)
