"""Keeping to the requests and tokens a minute, in real time and with a real Redis."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import NamedTuple, cast

import pytest
from limits import parse as limit
from limits.aio.storage import MemoryStorage, MovingWindowSupport, Storage

from rag.errors import Busy
from rag.serving.budget import WHOLE, Budget
from tests.harness.redis_server import RedisServer, counting
from tests.serving.test_line import comes_back_in

pytestmark = pytest.mark.anyio


class Noted(NamedTuple):
    """A charge was made between these two times."""

    before: float
    after: float
    key: str
    cost: int


def noting(storage: Storage) -> list[Noted]:
    """What is charged in `storage` from now on."""
    counts, charged = cast(MovingWindowSupport, storage), list[Noted]()
    acquire = counts.acquire_entry

    async def noted(key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        before = time.monotonic()
        if granted := await acquire(key, limit, expiry, amount):
            charged.append(Noted(before, time.monotonic(), key, amount))
        return granted

    counts.acquire_entry = noted  # type: ignore[method-assign]
    return charged


def most_in_a_window(charged: list[Noted], kind: str, seconds: float) -> int:
    """The largest sum of what was certainly charged within so many seconds."""
    of_kind = [charge for charge in charged if f"/{kind}/" in charge.key]
    return max(
        sum(
            c.cost for c in of_kind if start.before <= c.before and c.after < start.before + seconds
        )
        for start in of_kind
    )


async def send(budget: Budget, tokens: int = 1) -> list[int]:
    """Takes one turn; the places that were told."""
    async with aclosing(budget.turn(tokens)) as places:
        return [place async for place in places]


async def test_without_limits_nothing_is_told_and_nothing_charged() -> None:
    counts = MemoryStorage()
    charged, budget = noting(counts), Budget(counts, None, None, 0)
    assert await asyncio.gather(*(send(budget, 10**9) for _ in range(100))) == [[]] * 100
    await budget.spent(10**9)
    assert not charged


async def test_no_window_ever_has_more_than_the_limit_and_little_is_left_unused(
    counts: Storage,
) -> None:
    charged = noting(counts)
    budget = Budget(counts, limit("20/second"), limit("1000/second"))
    start = time.monotonic()
    await asyncio.gather(*(send(budget, 10 + 10 * (number % 7)) for number in range(75)))
    took = time.monotonic() - start
    assert most_in_a_window(charged, "requests", 1) <= 20
    assert most_in_a_window(charged, "tokens", 1) <= WHOLE
    tokens = sum(10 + 10 * (number % 7) for number in range(75))
    assert took < 2 * tokens / 1000


async def test_many_small_requests_use_nearly_the_whole_limit(counts: Storage) -> None:
    charged = noting(counts)
    budget = Budget(counts, limit("50/second"), None)
    start = time.monotonic()
    await asyncio.gather(*(send(budget) for _ in range(200)))
    assert time.monotonic() - start < 2 * 200 / 50
    assert most_in_a_window(charged, "requests", 1) <= 50


async def test_first_come_is_first_served_and_places_count_down() -> None:
    budget = Budget(MemoryStorage(), limit("1/second"), None)
    order: list[int] = []

    async def visit(number: int) -> list[int]:
        places = await send(budget)
        order.append(number)
        return places

    told = await asyncio.gather(*(visit(number) for number in range(4)))
    assert order == [0, 1, 2, 3]
    assert told == [[], [1], [2, 1], [3, 2, 1]]


async def test_a_request_above_the_whole_limit_passes_when_the_window_is_empty(
    counts: Storage,
) -> None:
    charged = noting(counts)
    budget = Budget(counts, None, limit("1000 per 1 second"))
    assert await send(budget, 5000) == []
    assert await send(budget, 1) == [1]
    assert await send(budget, 5000) == [1]
    assert [charge.cost for charge in charged] == [WHOLE, 1, WHOLE]
    assert charged[2].after - charged[0].before >= 2


async def test_tokens_are_rounded_up_to_thousandths_of_their_limit() -> None:
    counts = MemoryStorage()
    charged, budget = noting(counts), Budget(counts, None, limit("100000/minute"))
    for tokens in (1, 100, 101, 99_901):
        await send(budget, tokens)
        await counts.reset()
    assert [charge.cost for charge in charged] == [1, 1, 2, WHOLE]


async def test_nothing_is_charged_while_the_other_limit_has_no_room(counts: Storage) -> None:
    charged = noting(counts)
    budget = Budget(counts, limit("2/hour"), limit("1000/hour"), 0.1)
    await send(budget, 600)
    for _ in range(3):
        with pytest.raises(Busy):
            await send(budget, 600)
    assert len(charged) == 2
    await send(budget, 400)
    with pytest.raises(Busy):
        await send(budget, 0)
    assert len(charged) == 4


async def test_who_would_wait_too_long_is_refused_at_once_and_told_when_to_come() -> None:
    budget = Budget(MemoryStorage(), limit("1 per 40 seconds"), None, 20)
    start = time.monotonic()
    await send(budget)
    refused = await asyncio.gather(*(send(budget) for _ in range(3)), return_exceptions=True)
    assert time.monotonic() - start < 10
    for error in refused:
        assert isinstance(error, Busy) and 30 <= comes_back_in(error) <= 40
        assert "not lost" in error.en and "không bị mất" in error.vi


async def test_who_comes_back_when_told_is_served(counts: Storage) -> None:
    budget = Budget(counts, limit("100/second"), limit("1000 per 4 seconds"), 0.1)
    await send(budget, 600)
    await asyncio.sleep(1.1)
    await send(budget, 300)
    with pytest.raises(Busy) as refused:
        await send(budget, 500)
    assert comes_back_in(refused.value) < 4
    await asyncio.sleep(comes_back_in(refused.value))
    assert await send(budget, 500) == []


async def test_waiting_in_line_counts_as_waiting() -> None:
    budget = Budget(MemoryStorage(), limit("1 per 2 seconds"), None, 3)
    answers = await asyncio.gather(*(send(budget) for _ in range(4)), return_exceptions=True)
    assert answers[:2] == [[], [1]]
    assert all(isinstance(answer, Busy) for answer in answers[2:])


async def test_a_reader_that_stops_at_the_till_holds_others_up_for_their_time_only() -> None:
    budget = Budget(MemoryStorage(), limit("1 per 2 seconds"), None, 3)
    await send(budget)
    async with aclosing(budget.turn(1)) as places:
        assert await anext(places) == 1
        with pytest.raises(Busy):
            await send(budget)
    assert await send(budget) == []


async def test_one_cancelled_at_the_till_or_in_line_is_not_charged() -> None:
    counts = MemoryStorage()
    charged, budget = noting(counts), Budget(counts, limit("1 per 2 seconds"), None)
    await send(budget)
    tasks = [asyncio.create_task(send(budget)) for _ in range(4)]
    await asyncio.sleep(0.1)
    tasks[0].cancel()
    tasks[2].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == 2 * [asyncio.CancelledError, list]
    assert len(charged) == 3


async def test_tokens_spent_beyond_what_was_expected_make_the_next_one_wait(
    counts: Storage,
) -> None:
    budget = Budget(counts, None, limit("1000 per 2 seconds"))
    start = time.monotonic()
    await send(budget, 100)
    await budget.spent(800)
    await budget.spent(-50)
    assert await send(budget, 100) == []
    assert await send(budget, 100) == [1]
    assert time.monotonic() - start >= 2


async def test_tokens_spent_when_the_window_is_full_are_owed() -> None:
    counts = MemoryStorage()
    charged, budget = noting(counts), Budget(counts, None, limit("1000/second"))
    await send(budget, 900)
    await budget.spent(400)
    await send(budget, 100)
    await send(budget, 100)
    assert [charge.cost for charge in charged] == [900, 100, 400, 100]
    assert charged[2].after - charged[0].before >= 1


async def test_two_processes_with_one_redis_share_the_budget(redis: RedisServer) -> None:
    async with counting(redis.url) as one, counting(redis.url) as two:
        notes = [noting(one), noting(two)]
        budgets = [Budget(c, limit("10/second"), limit("1000/second")) for c in (one, two)]
        start = time.monotonic()
        turns = [send(budget, 50 + number) for number in range(20) for budget in budgets]
        await asyncio.gather(*turns)
        took = time.monotonic() - start
    charged = sorted(notes[0] + notes[1])
    assert most_in_a_window(charged, "requests", 1) <= 10
    assert most_in_a_window(charged, "tokens", 1) <= WHOLE
    assert 3 <= took < 2 * 3 + 4
    assert all(len(note) >= 40 for note in notes)


@pytest.mark.slow  # it waits
async def test_when_redis_is_lost_those_who_wait_pass_with_one_warning(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with counting(redis.url) as counts:
        budget = Budget(counts, limit("1 per 6 seconds"), limit("1000/hour"), 300)
        start = time.monotonic()
        await send(budget, 10)
        waiting = [asyncio.create_task(send(budget, 10)) for _ in range(5)]
        await asyncio.sleep(0.3)
        redis.kill()
        await asyncio.gather(*waiting)
        await budget.spent(5000)
        assert time.monotonic() - start < 5 * 6
    assert [record.levelname for record in caplog.records] == ["WARNING"]
