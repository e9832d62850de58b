"""Who may ask now: a line before the answers and a limit on the questions of each user. It does not
know what is asked, nor who is allowed to ask at all."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncGenerator

from limits import RateLimitItem
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter

from ..errors import Busy, TooManyQuestions
from .limit_storage import RedisCounts

UNITS = ((3600, "hour", "giờ"), (60, "minute", "phút"), (1, "second", "giây"))
INSIDE = 0


class Line:
    """At most `size` inside at once; others wait in line, first come first served, at most
    `waiting` of them and `seconds` each."""

    def __init__(self, size: int, waiting: int, seconds: float) -> None:
        self._size, self._longest, self._seconds = size, waiting, seconds
        self._inside = 0
        self._queue: list[Ticket] = []

    @property
    def inside(self) -> int:
        return self._inside

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def ticket(self) -> Ticket:
        return Ticket(self)

    def _join(self, ticket: Ticket) -> None:
        if self._inside < self._size:
            self._inside += 1
            ticket._place = INSIDE
        elif self.waiting < self._longest:
            self._queue.append(ticket)
            ticket._place = self.waiting
        else:
            raise self._busy()

    def _leave(self, ticket: Ticket) -> None:
        if ticket._place is None:
            return
        if ticket._place == INSIDE:
            self._inside -= 1
        else:
            self._queue.remove(ticket)
        ticket._place = None
        # The slot is handed over here, not taken after waking up, so that nobody can overtake.
        while self._queue and self._inside < self._size:
            self._inside += 1
            self._queue.pop(0)._move(INSIDE)
        for place, behind in enumerate(self._queue, 1):
            behind._move(place)

    def _busy(self) -> Busy:
        answers = "1 question is" if self.inside == 1 else f"{self.inside} questions are"
        others = "1 is" if self.waiting == 1 else f"{self.waiting} are"
        return Busy(
            f"{answers} being answered now and {others} waiting in line. "
            "Your text is not lost; please try again in a moment.",
            f"Hiện có {self.inside} câu hỏi đang được trả lời và {self.waiting} câu hỏi đang chờ. "
            "Nội dung của bạn không bị mất, vui lòng thử lại sau giây lát.",
        )


class Ticket:
    """One who is in a `Line` from `turn` until the `with` block ends."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._place: int | None = None
        self._late = False
        self._moved = asyncio.Event()

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, *_: object) -> None:
        self._line._leave(self)

    async def turn(self) -> AsyncGenerator[int]:
        """The place in line, 1 is next, at once and each time it changes, until it is inside.

        Yields nothing if there is room. Raises Busy if the line is full or the wait is over.
        """
        self._line._join(self)
        if self._place == INSIDE:
            return
        timer = asyncio.get_running_loop().call_later(self._line._seconds, self._give_up)
        told = INSIDE
        try:
            while self._place != INSIDE:
                if self._late:
                    self._line._leave(self)
                    raise self._line._busy()
                self._moved.clear()
                if self._place is None or self._place == told:
                    await self._moved.wait()
                else:
                    told = self._place
                    yield told
        finally:
            timer.cancel()

    def _move(self, place: int) -> None:
        if place != self._place:
            self._place = place
            self._moved.set()

    def _give_up(self) -> None:
        self._late = True
        self._moved.set()


class Visitors:
    """How often one user may ask; each has a moving window of their own."""

    def __init__(self, limit: RateLimitItem | None, storage: Storage) -> None:
        self._limit, self._storage = limit, storage
        self._windows = MovingWindowRateLimiter(storage)

    async def aclose(self) -> None:
        """Closes the storage's connections."""
        if isinstance(self._storage, RedisCounts):
            await self._storage.close()

    async def admit(self, user: str) -> None:
        """Counts a question of `user`. Raises TooManyQuestions saying when to come back."""
        if self._limit is None:
            return
        key = ("user", hashlib.sha256(user.encode()).hexdigest()[:32])
        if await self._windows.hit(self._limit, *key):
            return
        window = await self._windows.get_window_stats(self._limit, *key)
        seconds = window.reset_time - time.time()
        en, vi = duration(seconds)
        raise TooManyQuestions(
            f"You have asked many questions in a short time. Please ask again in {en}.",
            f"Bạn đã đặt nhiều câu hỏi trong thời gian ngắn. Vui lòng hỏi lại sau {vi}.",
            retry_after=max(1, math.ceil(seconds)),
        )


def duration(seconds: float) -> tuple[str, str]:
    """A time not shorter than `seconds`, in English and Vietnamese; from two minutes on in minutes,
    from two hours on in hours."""
    size, en, vi = next((unit for unit in UNITS if seconds > 2 * unit[0]), UNITS[-1])
    count = max(1, math.ceil(seconds / size))
    return f"{count} {en}{'s' if count > 1 else ''}", f"{count} {vi}"
