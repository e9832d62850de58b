"""The line before the answers, and how often each user may ask."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import re
import weakref
from collections.abc import Callable
from contextlib import aclosing

import pytest
from limits import parse
from limits.aio.storage import MemoryStorage, Storage

from rag.errors import Busy, TooManyQuestions
from rag.serving.line import Line, Ticket
from rag.serving.visitors import Visitors, duration

pytestmark = pytest.mark.anyio


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


class Guest:
    """Takes a turn in a line, notes the places told, stays inside until let go."""

    def __init__(self, line: Line, order: list[Guest] | None = None) -> None:
        self.line, self.order = line, order
        self.places: list[int] = []
        self.inside, self.go = False, asyncio.Event()
        self.task = asyncio.create_task(self.visit())

    async def visit(self) -> None:
        with self.line.ticket() as ticket:
            async with aclosing(ticket.turn()) as places:
                async for place in places:
                    self.places.append(place)
            self.inside = True
            if self.order is not None:
                self.order.append(self)
            await self.go.wait()

    async def leave(self) -> None:
        self.go.set()
        await self.task


def test_a_line_is_built_before_a_loop_runs() -> None:
    line = Line(1, 1, 1.0)
    assert (line.inside, line.waiting) == (0, 0)


async def test_nothing_is_told_while_there_is_room() -> None:
    line = Line(2, 5, 10.0)
    guests = [Guest(line), Guest(line)]
    await until(lambda: line.inside == 2)
    assert [guest.places for guest in guests] == [[], []]
    for guest in guests:
        await guest.leave()
    assert (line.inside, line.waiting) == (0, 0)


async def test_first_come_is_first_served_and_every_place_is_told() -> None:
    line, order = Line(1, 10, 30.0), list[Guest]()
    guests = [Guest(line, order) for _ in range(5)]
    for guest in guests:
        await until(lambda guest=guest: guest.inside)  # type: ignore[misc]
        await asyncio.sleep(0.01)
        assert line.inside == 1
        await guest.leave()
    assert order == guests
    assert [guest.places for guest in guests] == [[], [1], [2, 1], [3, 2, 1], [4, 3, 2, 1]]


async def test_a_newcomer_does_not_overtake_at_the_moment_a_slot_is_free() -> None:
    line, order = Line(1, 10, 30.0), list[Guest]()
    first, second = Guest(line, order), Guest(line, order)
    await until(lambda: line.waiting == 1)
    with line.ticket() as ticket:
        first.task.cancel()
        await asyncio.wait([first.task])
        async with aclosing(ticket.turn()) as places:
            assert await anext(places) == 1
            assert line.inside == 1
            second.go.set()
            assert [place async for place in places] == []
            assert order == [first, second]


async def test_a_full_line_refuses_at_once_and_says_how_many_there_are() -> None:
    line = Line(1, 2, 30.0)
    guests = [Guest(line) for _ in range(3)]
    await until(lambda: line.waiting == 2)
    with line.ticket() as ticket, pytest.raises(Busy) as refused:
        await anext(ticket.turn())
    assert "1 question is being answered now and 2 are waiting" in refused.value.en
    assert "not lost" in refused.value.en and "không bị mất" in refused.value.vi
    assert (line.inside, line.waiting) == (1, 2)
    for guest in guests:
        await guest.leave()


async def test_who_has_waited_long_enough_is_refused_and_those_behind_move_up() -> None:
    line = Line(1, 10, 2.0)
    inside, early = Guest(line), Guest(line)
    await asyncio.sleep(1)
    late = Guest(line)
    with pytest.raises(Busy):
        await early.task
    await until(lambda: late.places == [2, 1])
    assert line.waiting == 1
    await inside.leave()
    await until(lambda: late.inside)
    await late.leave()
    assert (line.inside, line.waiting) == (0, 0)


async def test_a_cancelled_waiter_leaves_and_those_behind_move_up() -> None:
    line = Line(1, 10, 30.0)
    inside, gone, behind = Guest(line), Guest(line), Guest(line)
    await until(lambda: behind.places == [2])
    gone.task.cancel()
    await until(lambda: behind.places == [2, 1])
    assert gone.task.cancelled() and line.waiting == 1
    await inside.leave()
    await until(lambda: behind.inside)
    await behind.leave()


async def test_the_slot_of_one_cancelled_as_it_was_given_goes_to_the_next() -> None:
    line = Line(1, 10, 30.0)
    with line.ticket() as ticket:
        assert [place async for place in ticket.turn()] == []
        head, behind = Guest(line), Guest(line)
        await until(lambda: line.waiting == 2)
    assert (line.inside, line.waiting) == (1, 1)
    head.task.cancel()
    await until(lambda: behind.inside)
    assert not head.inside
    await behind.leave()
    assert (line.inside, line.waiting) == (0, 0)


async def test_who_stops_reading_the_places_leaves_with_the_block() -> None:
    line = Line(1, 10, 30.0)
    inside = Guest(line)
    await until(lambda: line.inside == 1)
    with line.ticket() as ticket:
        async with aclosing(ticket.turn()) as places:
            assert await anext(places) == 1
    assert (line.inside, line.waiting) == (1, 0)
    await inside.leave()


async def test_500_of_whom_many_give_up_leave_nothing_behind() -> None:
    line, dice = Line(4, 500, 30.0), random.Random(1)
    tickets: weakref.WeakSet[Ticket] = weakref.WeakSet()
    most, served, tasks = 0, list[int](), asyncio.all_tasks()

    async def visit(number: int) -> None:
        nonlocal most
        with line.ticket() as ticket:
            tickets.add(ticket)
            async with aclosing(ticket.turn()) as places:
                told = [place async for place in places]
            assert told == sorted(set(told), reverse=True)
            served.append(number)
            most = max(most, line.inside)
            await asyncio.sleep(dice.random() / 200)

    visits = [asyncio.create_task(visit(number)) for number in range(500)]
    await until(lambda: line.inside == 4)
    for visit_task in dice.sample(visits[4:], 300):
        await asyncio.sleep(0)
        visit_task.cancel()
    await asyncio.wait(visits)
    cancelled = sum(task.cancelled() for task in visits)
    assert len(served) >= 500 - cancelled >= 200
    assert most == 4
    # Slots that come free together are given in order; their tasks may wake in another.
    ranks = {number: rank for rank, number in enumerate(sorted(served))}
    assert all(abs(ranks[number] - place) < 4 for place, number in enumerate(served))
    assert (line.inside, line.waiting) == (0, 0)
    del visits, visit_task
    gc.collect()
    assert not tickets and asyncio.all_tasks() == tasks


def comes_back_in(error: TooManyQuestions | Busy) -> int:
    """The seconds that both sentences say."""
    en, vi = re.search(r"in (\d+) second", error.en), re.search(r"sau (\d+) giây", error.vi)
    assert en and vi and en[1] == vi[1]
    assert isinstance(error, Busy) or error.retry_after == int(en[1])
    return int(en[1])


async def test_each_user_has_a_limit_of_their_own(counts: Storage) -> None:
    visitors = Visitors(parse("3/minute"), counts)
    for _ in range(3):
        await visitors.admit("lan")
    with pytest.raises(TooManyQuestions) as refused:
        await visitors.admit("lan")
    assert 50 <= comes_back_in(refused.value) <= 60
    await visitors.admit("192.0.2.7")


async def test_who_comes_back_when_told_is_admitted(counts: Storage) -> None:
    visitors = Visitors(parse("2 per 2 seconds"), counts)
    for _ in range(2):
        with pytest.raises(TooManyQuestions) as refused:
            while True:
                await visitors.admit("lan")
        await asyncio.sleep(comes_back_in(refused.value))
        await visitors.admit("lan")


async def test_without_a_limit_everybody_is_admitted() -> None:
    visitors = Visitors(None, MemoryStorage())
    for _ in range(100):
        await visitors.admit("lan")


async def test_names_are_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    counts = MemoryStorage()
    with caplog.at_level(logging.DEBUG):
        await Visitors(parse("1/minute"), counts).admit("lan@example.vn")
    assert counts.events and "lan" not in f"{list(counts.events)} {caplog.text}"


@pytest.mark.parametrize(
    ("seconds", "en", "vi"),
    [
        (-1.0, "1 second", "1 giây"),
        (11.2, "12 seconds", "12 giây"),
        (120.0, "120 seconds", "120 giây"),
        (120.5, "3 minutes", "3 phút"),
        (7201.0, "3 hours", "3 giờ"),
    ],
)
def test_a_time_is_said_rounded_up(seconds: float, en: str, vi: str) -> None:
    assert duration(seconds) == (en, vi)
