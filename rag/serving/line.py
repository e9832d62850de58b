"""A line before the answers: so many are written at once, so many wait. Knows no question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from ..errors import Busy

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
