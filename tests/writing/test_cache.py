"""Answers that are kept, and answers that several read while they are written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from rag.errors import ModelError
from rag.events import Queued, Thinking
from rag.types import Usage
from rag.writing.cache import AnswerCache
from rag.writing.failures import model_error
from rag.writing.pieces import Ending, Piece

pytestmark = pytest.mark.anyio

USAGE = Usage(10, 2)


class Pen:
    """Writes one answer, as often as it is asked to; after `hold` pieces it waits for `go`."""

    def __init__(self, *pieces: Piece | ModelError, hold: int | None = None) -> None:
        self.pieces = pieces or ("one ", "two", Ending("stop", USAGE, 0.5))
        self.hold = hold
        self.go = asyncio.Event()
        self.begun = self.closed = 0

    async def write(self) -> AsyncGenerator[Piece]:
        self.begun += 1
        try:
            for written, piece in enumerate(self.pieces):
                if written == self.hold:
                    await self.go.wait()
                if isinstance(piece, ModelError):
                    raise piece
                yield piece
        finally:
            self.closed += 1


async def read(cache: AnswerCache, pen: Pen, key: str = "k", *, fresh: bool = False) -> list[Piece]:
    async with aclosing(cache.stream(key, pen.write, fresh=fresh)) as pieces:
        return [piece async for piece in pieces]


async def test_an_answer_is_written_once_and_replayed_at_no_cost() -> None:
    cache, pen = AnswerCache(60), Pen(Queued(1), "one ", "two", Ending("stop", USAGE, 0.5))
    assert await read(cache, pen) == [Queued(1), "one two", Ending("stop", USAGE, 0.5)]
    assert await read(cache, pen) == ["one two", Ending("stop", USAGE, None, cached=True)]
    assert await read(cache, pen, "another") == [Queued(1), "one two", Ending("stop", USAGE, 0.5)]
    assert pen.begun == pen.closed == 2


@pytest.mark.parametrize("reason", ["length", "content_filter", "tool_calls"])
async def test_an_answer_that_was_cut_short_is_not_kept(reason: str) -> None:
    cache, pen = AnswerCache(60), Pen("half", Ending(reason))
    await read(cache, pen)
    await read(cache, pen)
    assert pen.begun == 2


async def test_a_failure_reaches_all_who_read_and_is_not_kept() -> None:
    cache, pen = AnswerCache(60), Pen("half", model_error("stream_interrupted"), hold=1)
    readers = [asyncio.create_task(read(cache, pen)) for _ in range(3)]
    await asyncio.sleep(0)
    pen.go.set()
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert [type(result) for result in results] == [ModelError] * 3
    assert pen.begun == 1
    pen.pieces = ("whole", Ending("stop"))
    assert await read(cache, pen) == ["whole", Ending("stop")]


async def test_a_stopped_answer_is_closed_and_not_kept() -> None:
    cache, pen = AnswerCache(60), Pen(hold=1)
    stream = cache.stream("k", pen.write)
    assert await anext(stream) == "one "
    await stream.aclose()
    assert (pen.begun, pen.closed) == (1, 1)
    pen.go.set()
    await read(cache, pen)
    assert pen.begun == 2


async def test_two_who_ask_at_once_read_one_answer_and_the_second_pays_nothing() -> None:
    cache, pen = AnswerCache(0), Pen(hold=0)
    first = asyncio.create_task(read(cache, pen))
    second = asyncio.create_task(read(cache, pen))
    await asyncio.sleep(0)
    pen.go.set()
    assert await first == ["one two", Ending("stop", USAGE, 0.5)]
    assert await second == ["one two", Ending("stop", USAGE, None, cached=True)]
    assert pen.begun == 1


async def test_a_late_reader_gets_the_answer_from_its_beginning() -> None:
    cache, pen = AnswerCache(0), Pen(hold=1)
    leader = cache.stream("k", pen.write)
    assert await anext(leader) == "one "
    late = asyncio.create_task(read(cache, pen))
    await asyncio.sleep(0.01)
    pen.go.set()
    assert (await late)[:2] == ["one ", "two"]
    assert [piece async for piece in leader] == ["two", Ending("stop", USAGE, 0.5)]


async def test_if_the_one_who_called_leaves_the_other_still_gets_the_answer() -> None:
    cache, pen = AnswerCache(60), Pen(hold=1)
    leader = cache.stream("k", pen.write)
    await anext(leader)
    other = asyncio.create_task(read(cache, pen))
    await asyncio.sleep(0.01)
    await leader.aclose()
    assert pen.closed == 0
    pen.go.set()
    assert (await other)[:2] == ["one ", "two"]
    assert pen.begun == pen.closed == 1
    assert (await read(cache, pen))[-1] == Ending("stop", USAGE, None, cached=True)


async def test_the_last_who_leaves_ends_the_writing() -> None:
    cache, pen = AnswerCache(60), Pen(hold=1)
    streams = [cache.stream("k", pen.write) for _ in range(3)]
    for stream in streams:
        await anext(stream)
    for stream in streams:
        assert pen.closed == 0
        await stream.aclose()
    assert pen.closed == 1


async def test_a_fresh_answer_is_written_anew_and_replaces_the_kept_one() -> None:
    cache, pen = AnswerCache(60), Pen("old", Ending("stop"))
    await read(cache, pen)
    pen.pieces = ("new", Ending("stop"))
    assert (await read(cache, pen, fresh=True))[0] == "new"
    assert (await read(cache, pen))[0] == "new"
    assert pen.begun == 2


async def test_kept_answers_are_forgotten_after_their_time() -> None:
    cache, pen = AnswerCache(0.05), Pen()
    await read(cache, pen)
    await asyncio.sleep(0.1)
    await read(cache, pen)
    assert pen.begun == 2


async def test_what_is_kept_has_a_bound_and_the_oldest_goes_first() -> None:
    cache = AnswerCache(60, characters=100)
    pens = [Pen("x" * 40, Ending("stop")) for _ in range(3)]
    for n, pen in enumerate(pens):
        await read(cache, pen, str(n))
    for n, pen in enumerate(pens):
        await read(cache, pen, str(n))
    assert [pen.begun for pen in pens][:1] == [2]
    huge = Pen("x" * 101, Ending("stop"))
    await read(cache, huge, "huge")
    await read(cache, huge, "huge")
    assert huge.begun == 2


async def test_an_answer_that_is_being_ended_is_not_joined_even_if_it_is_cancelled_twice() -> None:
    cache, pen = AnswerCache(60), Pen(hold=1)
    reading = asyncio.create_task(read(cache, pen))
    await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.sleep(0)
    reading.cancel()
    pen.hold = None
    assert (await read(cache, pen))[0] == "one two"
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert pen.begun == pen.closed == 2


async def test_what_was_thought_is_not_kept_nor_what_turned_out_to_be() -> None:
    thoughts = [Thinking("Hm"), Thinking(", so")]
    pen = Pen("Hm.", Thinking(so_far=True), *thoughts, "So.", Ending("stop"))
    cache = AnswerCache(60)
    came = ["Hm.", Thinking("Hm, so", so_far=True), "So.", Ending("stop")]
    assert await read(cache, pen) == came
    assert await read(cache, pen) == ["So.", Ending("stop", cached=True)]
    assert pen.begun == 1
