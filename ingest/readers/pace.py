"""Where a reader says that it goes on: one that works long on each page, as OCR does. Its time, if
somebody counts it, begins anew then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Heard = Callable[[int, int], None]
"""What is told which page is begun, from 1, and of how many."""

_heard: ContextVar[Heard | None] = ContextVar("heard", default=None)


def goes_on(page: int, of: int) -> None:
    """Says so, before a page."""
    if heard := _heard.get():
        heard(page, of)


@contextmanager
def told(heard: Heard | None) -> Iterator[None]:
    """Has `heard` called whenever a reader goes on, on this thread."""
    before = _heard.set(heard)
    try:
        yield
    finally:
        _heard.reset(before)
