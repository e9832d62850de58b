"""What is under way when the process is stopped ends, wherever it waits, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from rag.errors import Interrupted
from rag.events import Event, Failed, Started, TextDelta
from rag.serving import request_id
from rag.serving.stopping import Stopping

pytestmark = pytest.mark.anyio


VIETNAMESE = Started("vi", "f00d")


class Answer:
    """Two words, and then nothing for ever."""

    def __init__(self) -> None:
        self.closed = False

    async def events(self) -> AsyncGenerator[Event]:
        request_id.begin()
        try:
            yield VIETNAMESE
            yield TextDelta("one")
            yield TextDelta("two")
            await asyncio.Event().wait()
        finally:
            self.closed = True


async def test_a_silent_answer_ends_with_a_sentence_and_is_closed() -> None:
    stopping, answer, closed = Stopping(), Answer(), asyncio.Event()

    async def close() -> None:
        closed.set()

    seen: list[Event] = []
    ending = None
    async for event in stopping.through(answer.events()):
        seen.append(event)
        if event == TextDelta("two"):
            ending = asyncio.create_task(asyncio.to_thread(stopping.end, close))
    assert seen[:3] == [VIETNAMESE, TextDelta("one"), TextDelta("two")]
    assert seen[3:] == [Failed("interrupted", True, Interrupted().vi, request_id.current())]
    assert answer.closed
    assert ending
    await ending
    assert closed.is_set()


async def test_one_whose_reader_is_slow_ends_when_it_reads_on() -> None:
    stopping, answer = Stopping(), Answer()
    events = stopping.through(answer.events())
    assert await anext(events) == VIETNAMESE
    assert await anext(events) == TextDelta("one")
    stopping.begun = True
    assert [type(event) for event in [event async for event in events]] == [Failed]
    assert answer.closed


async def test_nothing_begins_any_more() -> None:
    stopping, answer = Stopping(), Answer()
    assert stopping.problems() == []
    stopping.begun = True
    _, failed = [event async for event in stopping.through(answer.events())]
    assert isinstance(failed, Failed) and failed.code == "interrupted"
    assert stopping.problems() == [Interrupted().en]


async def test_who_cancels_is_not_told_that_the_server_stops() -> None:
    stopping, answer = Stopping(), Answer()

    async def read() -> None:
        async for _ in stopping.through(answer.events()):
            pass

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert answer.closed
