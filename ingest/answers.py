"""What the process that reads files says, taken in with mistrust: a file may have taken it over,
which may then say anything."""

from __future__ import annotations

import os
import pickle
import select
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TypeVar

from rag.errors import (
    DocumentError,
    EmptyDocument,
    NoTextLayer,
    UnreadableTextLayer,
    UnsupportedFormat,
)

from .confined import PAGE, SIZE

T = TypeVar("T")
# All that is made of an answer; the first is what the answer itself is.
Values = tuple[type[T], *tuple[type, ...]]
_ERRORS = (DocumentError, EmptyDocument, NoTextLayer, UnreadableTextLayer, UnsupportedFormat)


@dataclass(frozen=True, slots=True)
class Fault:
    """That of the reader, which is no sentence about the file."""

    trace: str


def speaks(process: subprocess.Popen[bytes], until: float) -> bool:
    """Waits for the process to say something, or to end; False if it has not done so by then."""
    assert process.stdout
    poll = select.poll()
    poll.register(process.stdout.fileno(), select.POLLIN)
    return bool(poll.poll(max(0.0, until - time.monotonic()) * 1000))


def received(process: subprocess.Popen[bytes], until: float, most: int) -> bytes | None:
    """What the process says next; None if it has ended. Raises TimeoutError if it is silent, and
    OverflowError if that has more than `most` bytes."""
    assert process.stdout
    source = process.stdout.fileno()

    def exactly(size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            if not speaks(process, until):
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
    if size > most:
        raise OverflowError
    body = exactly(size)
    return body if len(body) == size else None


def page_of(message: bytes) -> tuple[int, int] | None:
    """Which page it is at, and of how many, if that is what the message says."""
    if len(message) != PAGE.size or message[:1] != b"P":
        return None
    _, page, of = PAGE.unpack(message)
    return page, of


def opened(message: bytes, values: Values[T]) -> tuple[T | DocumentError | Fault, int]:
    """The answer in a message, and the bytes of memory that the process holds by its own account.
    Raises what pickle does, and TypeError for what nobody expects."""
    kind, value, memory = _Unpickler(BytesIO(message), (*values, *_ERRORS)).load()
    match kind:
        case "content" if isinstance(value, values[0]):
            answer: T | DocumentError | Fault = value
        case "error" if isinstance(value, DocumentError):
            answer = value
        case "fault" if isinstance(value, str):
            answer = Fault(value)
        case _:
            raise TypeError(f"{type(value).__name__} is no answer")
    if not isinstance(memory, int):
        raise TypeError("no count of bytes")
    return answer, memory


class _Unpickler(pickle.Unpickler):
    """Makes nothing but these values. What their modules have besides, or what a class holds, which
    has a name with dots, cannot be named."""

    def __init__(self, file: BytesIO, values: Sequence[type]) -> None:
        super().__init__(file)
        self._values = {(each.__module__, each.__qualname__): each for each in values}

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in self._values:
            raise pickle.UnpicklingError(f"{module}.{name} is no value of ours")
        return self._values[module, name]
