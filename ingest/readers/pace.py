"""Where a reader says that it goes on: one that works long on each page, as OCR does. Its time, if
somebody counts it, begins anew then."""

from __future__ import annotations

from collections.abc import Callable


class _Pace:
    heard: Callable[[], None] | None = None


def goes_on() -> None:
    """Says so, after a page."""
    if _Pace.heard:
        _Pace.heard()


def listen(heard: Callable[[], None]) -> None:
    """Has `heard` called whenever a reader goes on, in this process."""
    _Pace.heard = staticmethod(heard)
