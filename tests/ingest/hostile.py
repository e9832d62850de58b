"""A reader that does to its process what the file says, for tests of what bounds it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import BinaryIO

from ingest.readers import pace
from rag.errors import DocumentError
from rag.types import Content, Page

VERSION = "1"


def read(data: bytes, name: str) -> Content:
    """`data` is a word and what it takes."""
    word, _, what = data.decode().partition(" ")
    match word:
        case "sleep":
            time.sleep(float(what))
        case "until":  # somebody makes this file; each look at it goes on
            while not Path(what).exists():
                time.sleep(0.1)
                pace.goes_on(1, 1)
        case "steps":  # of half a second
            for page in range(1, int(what) + 1):
                pace.goes_on(page, int(what))
                time.sleep(0.5)
        case "spin":  # inside of a library that nobody else gets a turn beside
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            sum(range(int(what)))
        case "fill":  # with one thing after another
            kept = [bytearray(os.urandom(1000) * 1000) for _ in range(int(what))]
            return Content(name, (Page(1, str(len(kept))),))
        case "demand":  # it at once
            return Content(name, (Page(1, str(len(bytearray(int(what) * 1_000_000)))),))
        case "damage":  # a library that takes a lack of memory for a damaged file
            try:
                bytearray(int(what) * 1_000_000)
            except MemoryError as exc:
                raise DocumentError(f"{name} is damaged.") from exc
        case "once":  # only as long as nobody has made that file
            path, then = what.split(" ", 1)
            if Path(path).exists():
                return read(then.encode(), name)
        case "crash":
            ctypes.string_at(0)
        case "exit":
            os._exit(int(what))
        case "abort":
            os.abort()
        case "print":
            print(what)
            os.write(1, what.encode())
        case "fault":
            raise KeyError(what)
        case "pages":
            return Content(name, tuple(Page(n, "text") for n in range(1, int(what) + 1)))
        case "characters":
            return Content(name, (Page(1, "x" * int(what)),))
        case "lie":
            answer = bytes.fromhex(what)
            _say(len(answer).to_bytes(8, "big") + answer)
        case "claim":
            _say(int(what).to_bytes(8, "big"))
        case "who":
            return Content(name, (Page(1, f"{os.getpid()} {sorted(sys.modules)}"),))
    return Content(name, (Page(1, data.decode()),))


def view(file: BinaryIO, what: str) -> str:
    """Does the same to the process of who looks at the file, and is its text."""
    return read(what.encode(), file.name).pages[0].text


def _say(message: bytes) -> None:
    """To whoever waits for an answer."""
    for fd in range(3, 20):
        try:
            os.write(fd, message)
        except OSError:
            continue
        time.sleep(60)
