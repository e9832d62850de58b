"""Tells what a damaged file makes a library raise from a fault of ours, which no other file mends.
Knows no format."""

from __future__ import annotations

import struct
import zipfile
import zlib

# Raised of data, wherever that happens (SyntaxError: XML's).
_OF_DATA: tuple[type[Exception], ...] = (
    *(EOFError, MemoryError, OSError, OverflowError, RecursionError, SyntaxError, ValueError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)
# A library that meets what it does not expect raises these too; a line of ours is to expect it.
_OF_CODE: tuple[type[Exception], ...] = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError),
)
FAULTS = (*_OF_DATA, *_OF_CODE)
"""What a damaged file may make a library raise besides its own errors; also some that are ours."""

_OURS = {__name__.partition(".")[0], "rag"}


def is_ours(fault: Exception) -> bool:
    """Whether a fault that was caught is one of our own code: raised in a line of it, and not for
    the data."""
    if isinstance(fault, _OF_DATA) or not isinstance(fault, _OF_CODE):
        return False
    at = fault.__traceback__
    while at and at.tb_next:
        at = at.tb_next
    return at is not None and at.tb_frame.f_globals.get("__name__", "").partition(".")[0] in _OURS
