"""Questions that are cancelled at every stage leave nothing behind, and those that share an answer
do not lose it."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import pytest

from rag.answer import Answerer
from rag.assembly import assemble
from rag.events import Event, Queued, SourcesFound, TextDelta
from rag.retrieval.retriever import Retriever
from rag.serving.metrics import Metrics
from rag.serving.pacing import paced
from rag.settings import Settings
from rag.store.opening import Opening
from rag.types import Findings
from tests.harness.upstream import Call, Script, Upstream, words
from tests.serving.test_metrics import value

pytestmark = pytest.mark.anyio

Configured = Callable[..., Settings]
ASKED = "What does X-Accel-Buffering do?"
SLOW = Script(words("Slowly, and it goes on. " * 100), delay=0.02)
STAGES = ["at once", "searching", "waiting", "streaming", "silent", "in line"]
CANCELLED, AT_ONCE, WARM_UP = 500, 10, 30


@asynccontextmanager
async def asking(
    configured: Configured, upstream: Upstream, retriever: Retriever, metrics: Metrics
) -> AsyncIterator[Answerer]:
    settings = configured(OPENAI_BASE_URL=upstream.base_url, HEADWATER_MAX_STREAMS=AT_ONCE // 2)
    opening = Opening(lambda _: retriever)
    opening.wait()
    async with aclosing(assemble(settings, opening, metrics)) as answerer:
        yield answerer


def open_things() -> dict[str, int]:
    """What this process has open now."""
    gc.collect()
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(str(entry.readlink()))
    return {
        "sockets": sum(link.startswith("socket:") for link in links),
        "tasks": len(asyncio.all_tasks()),
        # Those of the loop's own pool come one by one, as many as there are processors and four.
        "threads": sum(not t.name.startswith("asyncio_") for t in threading.enumerate()),
    }


async def cancelled(answerer: Answerer, question: str, stage: str, *, by_close: bool) -> None:
    """Asks, and leaves at that stage: by closing the stream as a closed tab does, or by cancelling
    its tasks as Stop does."""
    tasks: set[asyncio.Task[None]] = set()
    events = paced(answerer.answer(question), tasks)

    async def until() -> None:
        async for event in events:
            if reached(event, stage):
                return

    reading = asyncio.create_task(until())
    if stage in ("at once", "searching"):
        await asyncio.sleep(0 if stage == "at once" else 0.005 * random.random())
    else:
        await reading
        await asyncio.sleep(0.02 if stage == "silent" else 0)
    for task in () if by_close else list(tasks):
        task.cancel()
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    await events.aclose()


def reached(event: Event, stage: str) -> bool:
    match stage:
        case "waiting":
            return isinstance(event, SourcesFound)
        case "in line":
            return isinstance(event, Queued | SourcesFound)
        case _:
            return isinstance(event, TextDelta)


@pytest.mark.slow  # 500 of them
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts sockets as Linux has them")
async def test_after_500_cancelled_questions_no_task_socket_or_thread_is_left(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = lambda body: SLOW if random.random() < 0.5 else Script(silent_after=1)
    metrics = Metrics()

    async with asking(configured, upstream, retriever, metrics) as answerer:

        async def leave(numbers: range) -> None:
            for n in numbers:
                stage = STAGES[n % len(STAGES)]
                await cancelled(answerer, f"{ASKED} {n}", stage, by_close=bool(n % 2))

        await asyncio.gather(*(leave(range(n, WARM_UP, AT_ONCE)) for n in range(AT_ONCE)))
        await asyncio.to_thread(upstream.wait_until, all_over, 10.0)
        before = open_things()
        numbers = range(WARM_UP, WARM_UP + CANCELLED)
        await asyncio.gather(*(leave(numbers[n::AT_ONCE]) for n in range(AT_ONCE)))
        await asyncio.to_thread(upstream.wait_until, all_over, 10.0)
        after = open_things()
        upstream.script = Script(words("The next one is answered."))
        last = [event async for event in answerer.answer("Why does nginx buffer a response?")]
    print(f"\nbefore {before}, after {CANCELLED} cancelled questions {after}")
    for name, number in before.items():
        assert after[name] <= number, name
    assert "".join(e.text for e in last if isinstance(e, TextDelta)) == "The next one is answered."
    assert value(metrics, "headwater_active_answers") == 0
    assert value(metrics, "headwater_waiting_answers") == 0
    assert value(metrics, "headwater_answers_total", outcome="stopped") >= CANCELLED * 0.8


def all_over(calls: list[Call]) -> bool:
    return all(call.ended != "open" for call in calls)


class Slow(Retriever):
    """Searches for a while."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self.begun, self.go_on = threading.Event(), threading.Event()

    @property
    def edition(self) -> str:
        return self._retriever.edition

    def search(self, question: str, top_k: int, *places: str) -> Findings:
        self.begun.set()
        assert self.go_on.wait(30)
        return self._retriever.search(question, top_k, *places)


async def test_a_question_cancelled_while_searching_never_reaches_the_model(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    slow = Slow(retriever)
    async with asking(configured, upstream, slow, Metrics()) as answerer:
        tasks: set[asyncio.Task[None]] = set()
        async with aclosing(paced(answerer.answer(ASKED), tasks)) as events:
            reading = asyncio.create_task(anext(events))
            await asyncio.to_thread(slow.begun.wait, 30)
            for task in tasks:
                task.cancel()
            with suppress(StopAsyncIteration):
                await reading
        slow.go_on.set()
        await asyncio.sleep(0.2)
    assert upstream.calls == []


async def test_two_identical_questions_make_one_call_and_the_second_survives_the_first(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = Script(words("One answer for both."), delay=0.1)

    async def read(answerer: Answerer) -> str:
        return "".join([e.text async for e in answerer.answer(ASKED) if isinstance(e, TextDelta)])

    async with asking(configured, upstream, retriever, Metrics()) as answerer:
        first = answerer.answer(ASKED)
        async for event in first:
            if isinstance(event, TextDelta):
                break
        second = asyncio.create_task(read(answerer))
        await asyncio.sleep(0.15)
        await first.aclose()
        assert await second == "One answer for both."
    (call,) = upstream.calls
    assert call.ended == "finished"
