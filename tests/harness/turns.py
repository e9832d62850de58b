"""Who may run now, among the processes of one run of the tests: many together, or one alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_SH, LOCK_UN, flock
from pathlib import Path


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Waits until the block may run, and holds others up if it runs alone. All that take turns name
    the same folder."""
    with (folder / "turnstile").open("w") as turnstile, (folder / "room").open("w") as room:
        # Who waits for the room to empty stands in the turnstile: nobody else enters meanwhile.
        flock(turnstile, LOCK_EX)
        flock(room, LOCK_EX if alone else LOCK_SH)
        flock(turnstile, LOCK_UN)
        yield
