"""Answers that were written already, and those being written now, by what was asked.

Knows neither questions nor models: a key, and what writes the pieces of its answer.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace

from cachetools import TTLCache

from ..events import Queued, Thinking
from .pieces import Ending, Piece

CHARACTERS = 4_000_000  # of answers that are kept, about 2000 long ones


class AnswerCache:
    """Keeps whole answers for `seconds` (0: none), and lets all who ask the same thing at one time
    read one answer."""

    def __init__(self, seconds: float, characters: int = CHARACTERS) -> None:
        self._kept: TTLCache[str, tuple[Piece, ...]] = TTLCache(
            characters, seconds, getsizeof=_characters
        )
        self._flights: dict[str, _Flight] = {}

    async def stream(
        self, key: str, write: Callable[[], AsyncGenerator[Piece]], *, fresh: bool = False
    ) -> AsyncGenerator[Piece]:
        """The pieces of the answer under `key`: kept ones, those of an answer being written, or
        those of `write()`. `fresh` has it written anew.

        Raises what `write()` raises. Closing this ends the writing if nobody else reads it.
        """
        if not fresh and (kept := self._kept.get(key)):
            for piece in kept:
                yield piece
            return
        flight = None if fresh else self._flights.get(key)
        joined = flight is not None
        if flight is None:
            flight = self._flights[key] = _Flight(write())
        flight.readers += 1
        try:
            at = 0
            while pieces := await flight.after(at):
                at += len(pieces)
                for piece in _joined(pieces):  # texts that are there together come as one
                    yield _as_cached(piece) if joined else piece
        finally:
            flight.readers -= 1
            # Before anything is awaited: nobody may join what is being ended.
            if (flight.over or not flight.readers) and self._flights.get(key) is flight:
                del self._flights[key]
                if answer := flight.answer():
                    self._keep(key, answer)
            if not flight.readers:
                await flight.end()

    def _keep(self, key: str, answer: tuple[Piece, ...]) -> None:
        if self._kept.ttl and _characters(answer) <= self._kept.maxsize:
            self._kept[key] = answer


class _Flight:
    """One answer being written by a task of its own, and read by as many as came for it."""

    def __init__(self, source: AsyncGenerator[Piece]) -> None:
        self.readers = 0
        self._pieces: list[Piece] = []
        self._more = asyncio.Event()
        self._task = asyncio.create_task(self._write(source))
        self._task.add_done_callback(lambda _: self._more.set())

    @property
    def over(self) -> bool:
        return self._task.done()

    def answer(self) -> tuple[Piece, ...] | None:
        """The pieces to replay, if the answer was finished and nothing cut it short; none of what
        was thought."""
        last = self._pieces[-1] if self._pieces else None
        if not isinstance(last, Ending) or last.reason != "stop":
            return None
        begins = [at for at, p in enumerate(self._pieces) if isinstance(p, Thinking) and p.so_far]
        pieces = self._pieces[begins[-1] if begins else 0 :]
        written = [piece for piece in pieces if not isinstance(piece, Queued | Thinking)]
        return tuple(map(_as_cached, _joined(written)))

    async def after(self, at: int) -> Sequence[Piece]:
        """The pieces behind the first `at`, as soon as there are any; none at the end. Raises what
        the writing raised."""
        while at == len(self._pieces):
            if self._task.done():
                self._task.result()
                return ()
            await self._more.wait()
        return self._pieces[at:]

    async def end(self) -> None:
        """Ends the writing, if it is not over."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _write(self, source: AsyncGenerator[Piece]) -> None:
        async with aclosing(source):
            async for piece in source:
                self._pieces.append(piece)
                self._more.set()
                self._more = asyncio.Event()


def _joined(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """A process that is late handles what has come meanwhile at once, and catches up."""
    if len(pieces) == 1:
        yield from pieces
        return
    for kind, run in itertools.groupby(pieces, type):
        if kind is str:
            yield "".join(map(str, run))
        elif kind is Thinking:
            thoughts = [piece for piece in run if isinstance(piece, Thinking)]
            so_far = any(thought.so_far for thought in thoughts)
            yield Thinking("".join(thought.text for thought in thoughts), so_far)
        else:
            yield from run


def _as_cached(piece: Piece) -> Piece:
    return replace(piece, cached=True, price=None) if isinstance(piece, Ending) else piece


def _characters(pieces: tuple[Piece, ...]) -> int:
    return sum(len(piece) for piece in pieces if isinstance(piece, str))
