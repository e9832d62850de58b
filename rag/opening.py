"""Opens the store on a thread of its own, while those who ask meanwhile see how far it is."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Generic, TypeVar

from .errors import HeadwaterError
from .events import Waiting

log = logging.getLogger(__name__)

T = TypeVar("T")
Report = Callable[[Waiting], None]

POLL_SECONDS = 0.1


class Opening(Generic[T]):
    """Runs `work(report)` once, at once; its result or its error is kept for everybody who asks."""

    def __init__(self, work: Callable[[Report], T]) -> None:
        self.progress = Waiting(0, 0, "")
        self._work = work
        self._done = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="opening", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether the work has ended, well or not."""
        return self._done.is_set()

    def wait(self) -> T:
        """The result, as soon as it is there. Raises what the work raised."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result

    async def waiting(self) -> AsyncGenerator[Waiting]:
        """How far the work is, each time that changes, until it has ended."""
        told = None
        while not self._done.is_set():
            if self.progress != told:
                told = self.progress
                yield told
            await asyncio.sleep(POLL_SECONDS)

    def _run(self) -> None:
        try:
            self._result = self._work(self._report)
        except HeadwaterError as exc:
            log.error("%s", exc)
            self._error = exc
        except BaseException as exc:
            log.exception("the store could not be opened")
            self._error = exc
        finally:
            self._done.set()

    def _report(self, progress: Waiting) -> None:
        self.progress = progress
