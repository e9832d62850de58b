"""The memory of a process that serves for long."""

from __future__ import annotations

import ctypes
import gc


def settle() -> None:
    """Gives back what starting took, or what served until now, and is not needed any more.

    What is loaded now stays: a collection that looks through it, 730,000 objects, would stop every
    stream for half a second, each time.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's
        trim(0)
