"""Work on a thread of its own, and those who wait for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from rag.errors import StoreError
from rag.events import Waiting
from rag.store.opening import Opening, Report

pytestmark = pytest.mark.anyio


class Work:
    """Goes on when it is told to."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.runs = 0
        self.go_on = threading.Event()
        self._error = error

    def __call__(self, report: Report) -> str:
        self.runs += 1
        report(Waiting(1, 3, "a.md"))
        assert self.go_on.wait(30)
        if self._error:
            raise self._error
        return "result"


async def test_the_work_begins_at_once_and_everybody_gets_its_result() -> None:
    work = Work()
    opening = Opening(work)
    assert not opening.done
    waiting = [asyncio.create_task(asyncio.to_thread(opening.wait)) for _ in range(3)]
    work.go_on.set()
    assert await asyncio.gather(*waiting) == ["result"] * 3
    assert (opening.done, opening.wait(), work.runs) == (True, "result", 1)


async def test_those_who_wait_see_how_far_it_is_and_each_state_once() -> None:
    work = Work()
    opening = Opening(work)
    seen = []
    async for state in opening.waiting():
        seen.append(state)
        if state == Waiting(1, 3, "a.md"):
            await asyncio.sleep(0.3)
            work.go_on.set()
    assert seen[-1] == Waiting(1, 3, "a.md")
    assert len(seen) == len(set(seen)) <= 2
    assert opening.wait() == "result"


async def test_nobody_waits_for_what_is_done() -> None:
    opening = Opening(lambda report: 1)
    opening.wait()
    assert [state async for state in opening.waiting()] == []


@pytest.mark.parametrize("error", [StoreError("No room.", "Hết chỗ."), ZeroDivisionError()])
async def test_an_error_is_logged_and_given_to_everybody_who_asks(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(error)
    opening = Opening(work)
    work.go_on.set()
    for _ in range(2):
        with pytest.raises(type(error)):
            await asyncio.to_thread(opening.wait)
    assert opening.done
    assert [state async for state in opening.waiting()] == []
    assert len(caplog.records) == 1
    assert bool(caplog.records[0].exc_info) is not isinstance(error, StoreError)


async def test_work_that_failed_can_be_started_again_for_those_who_hold_the_opening() -> None:
    work = Work(StoreError("No room.", "Hết chỗ."))
    opening = Opening(work)
    work.go_on.set()
    for _ in range(3):
        with pytest.raises(StoreError) as raised:
            opening.wait()
        assert len(raised.traceback) == 2, "one more for each who asks"
    assert opening.failed
    work.go_on.clear()
    work._error = None
    opening.restart()
    assert not opening.done
    work.go_on.set()
    assert await asyncio.to_thread(opening.wait) == "result"
    assert (opening.failed, work.runs) == (False, 2)


async def test_a_result_is_renewed_for_all_who_ask_from_then_on() -> None:
    opening = Opening(lambda report: "earlier")
    assert opening.wait() == "earlier"
    opening.renew("new")
    assert (opening.wait(), opening.done, opening.failed) == ("new", True, False)
