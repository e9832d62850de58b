"""Opens the store on a thread of its own, while those who ask meanwhile see how far it is."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Generic, TypeVar

from ..errors import HeadwaterError
from ..events import Waiting

log = logging.getLogger(__name__)

T = TypeVar("T")
Report = Callable[[Waiting], None]

POLL_SECONDS = 0.1


class Opening(Generic[T]):
    """Runs `work(report)` at once; its result or its error is kept for everybody who asks.

    Work that failed may be started again; those who hold the opening then wait for that.
    """

    def __init__(self, work: Callable[[Report], T]) -> None:
        self._work = work
        self.meanwhile: Waiting | None = None  # how far what may be asked already is
        self._error: BaseException | None = None
        self._start()

    @property
    def done(self) -> bool:
        """Whether the work has ended, well or not."""
        return self._done.is_set()

    @property
    def failed(self) -> bool:
        """Whether the work has ended with an error."""
        return self.done and self._error is not None

    def restart(self) -> None:
        """Runs the work again; only for one that failed, and by one thread at a time."""
        assert self.failed
        self._start()

    def renew(self, result: T) -> None:
        """Gives `result` from now on to those who ask; only for work that went well."""
        assert self.done and not self.failed
        self._result = result

    def wait(self) -> T:
        """The result, as soon as it is there. Raises what the work raised."""
        self._done.wait()
        if (error := self._error) is not None:
            raise error.with_traceback(None)  # else it grows with each who asks
        return self._result

    async def waiting(self) -> AsyncGenerator[Waiting]:
        """How far the work is, each time that changes, until it has ended."""
        told = None
        while not self._done.is_set():
            if self.progress != told:
                told = self.progress
                yield told
            await asyncio.sleep(POLL_SECONDS)

    def _start(self) -> None:
        self.progress = Waiting(0, 0, "")
        self._done = threading.Event()
        threading.Thread(target=self._run, name="opening", daemon=True).start()

    def _run(self) -> None:
        try:
            self._result = self._work(self._report)
            self._error = None
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
