"""Joining deltas for a browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import pairwise

import pytest

from rag.events import Event, Finished, Searching, TextDelta, Thinking
from rag.serving.pacing import AHEAD, FRAME_SECONDS, paced

END = Finished("stop", None, None, None, False, 0.0, None, 0.0, "f00d")

pytestmark = pytest.mark.anyio


async def _stream(texts: list[str], pause: float = 0.0) -> AsyncGenerator[Event]:
    yield Searching("q")
    for text in texts:
        await asyncio.sleep(pause)
        yield TextDelta(text)
    yield END


async def test_nothing_is_lost_or_reordered_and_other_events_stay_as_they_are() -> None:
    texts = [f"{i} " for i in range(500)]
    events = [event async for event in paced(_stream(texts), set())]
    assert events[-1] == END
    joined = [event.text for event in events if isinstance(event, TextDelta)]
    assert "".join(joined) == "".join(texts)


async def test_a_refusal_is_not_joined_with_what_came_before_it() -> None:
    async def stream() -> AsyncGenerator[Event]:
        for event in (TextDelta("a"), TextDelta("b"), TextDelta("c", True), TextDelta("d", True)):
            yield event

    events = [event async for event in paced(stream(), set())]
    assert events == [TextDelta("ab"), TextDelta("cd", True)]


async def test_thinking_is_joined_and_not_with_the_text() -> None:
    given: list[Event] = [
        Thinking("a"),
        Thinking("b"),
        TextDelta("c"),
        TextDelta("d"),
        Thinking("e", True),
    ]

    async def stream() -> AsyncGenerator[Event]:
        for event in given:
            yield event

    events = [event async for event in paced(stream(), set())]
    assert events == [Thinking("ab"), TextDelta("cd"), Thinking("e", True)]


@pytest.mark.serial
async def test_a_state_is_told_only_if_it_lasts_a_frame() -> None:
    quick = [event async for event in paced(_stream(["x"], 0.0), set())]
    slow = [event async for event in paced(_stream(["x"], 3 * FRAME_SECONDS), set())]
    assert quick == [TextDelta("x"), END]
    assert slow == [Searching("q"), TextDelta("x"), END]


@pytest.mark.serial
async def test_the_first_text_comes_at_once_and_then_one_a_frame() -> None:
    start = time.monotonic()
    times = [
        time.monotonic() - start
        async for event in paced(_stream(["x"] * 60, 0.005), set())
        if isinstance(event, TextDelta)
    ]
    assert times[0] < FRAME_SECONDS
    gaps = [b - a for a, b in pairwise(times)]
    assert min(gaps) > 0.9 * FRAME_SECONDS


async def _frames(seconds: float) -> int:
    """How many a stream has that brings text all the time for so long."""

    async def text() -> AsyncGenerator[Event]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            yield TextDelta("x")
            await asyncio.sleep(FRAME_SECONDS / 20)

    return len([event async for event in paced(text(), set())])


@pytest.mark.serial
async def test_fewer_frames_come_from_a_process_that_is_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def block() -> None:
        while True:
            time.sleep(0.4 * FRAME_SECONDS)
            await asyncio.sleep(0)

    seconds = 30 * FRAME_SECONDS
    in_time = await _frames(seconds)
    blocking = asyncio.create_task(block())
    late = await _frames(seconds)
    # What the blocking alone takes away, without any consideration for it.
    monkeypatch.setattr("rag.serving.pacing.STRETCH", 0.0)
    inconsiderate = await _frames(seconds)
    blocking.cancel()
    print(f"frames: {in_time} in time, {late} late, {inconsiderate} late and inconsiderate")
    assert late < 0.7 * in_time
    assert late < 0.85 * inconsiderate


async def _silent(closed: asyncio.Event) -> AsyncGenerator[Event]:
    try:
        yield Searching("q")
        await asyncio.sleep(3600)
    finally:
        closed.set()


async def test_cancelling_the_listed_task_ends_a_silent_stream_and_closes_it() -> None:
    closed, tasks = asyncio.Event(), set[asyncio.Task[None]]()
    async with aclosing(paced(_silent(closed), tasks)) as events:
        assert await anext(events) == Searching("q")
        (task,) = tasks
        task.cancel()
        assert [event async for event in events] == []
    assert closed.is_set() and not tasks


async def test_an_abandoned_stream_closes_what_it_draws_from() -> None:
    closed, tasks = asyncio.Event(), set[asyncio.Task[None]]()
    events = paced(_silent(closed), tasks)
    await anext(events)
    await events.aclose()
    assert closed.is_set() and not tasks


async def test_a_cancelled_reader_closes_what_it_draws_from() -> None:
    closed = asyncio.Event()

    async def read() -> None:
        async with aclosing(paced(_silent(closed), set())) as events:
            async for _ in events:
                pass

    reader = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert closed.is_set()


async def test_what_is_not_read_is_not_drawn_either() -> None:
    drawn = 0

    async def endless() -> AsyncGenerator[Event]:
        nonlocal drawn
        while True:
            drawn += 1
            yield TextDelta("x")

    read = 0
    async with aclosing(paced(endless(), set())) as events:
        for _ in range(3):
            event = await anext(events)
            assert isinstance(event, TextDelta)
            read += len(event.text)
            await asyncio.sleep(0.01)
            assert read < drawn <= read + AHEAD + 2
    assert read > AHEAD
