"""What an operator sees of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rag.events import CitationChecked, Event, Failed, Finished, Searching, SourcesFound, TextDelta
from rag.serving.metrics import Metrics
from rag.types import Findings, Usage

pytestmark = pytest.mark.anyio


def finished(**changes: Any) -> Finished:
    values: dict[str, Any] = {
        "reason": "stop",
        "model": "m",
        "usage": Usage(100, 20),
        "price": 0.25,
        "cached": False,
        "search_seconds": 0.015,
        "first_token_seconds": 0.3,
        "total_seconds": 1.0,
        "request_id": "f00d",
    }
    return Finished(**(values | changes))


async def stream(*events: Event) -> AsyncGenerator[Event]:
    for event in events:
        yield event


async def watch(metrics: Metrics, *events: Event) -> None:
    assert [event async for event in metrics.watched(stream(*events))] == [*events]


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return value_in(metrics.exposition().decode(), name, **labels)


def value_in(exposition: str, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(exposition)
    samples = [s for family in families for s in family.samples]
    return next((s.value for s in samples if s.name == name and s.labels == labels), 0.0)


async def test_an_answer_is_counted_with_its_times_tokens_and_cost() -> None:
    metrics = Metrics()
    nothing = SourcesFound(Findings("q", "en", "answer", 0.25, 0.7, ()))
    await watch(metrics, Searching("q"), nothing, TextDelta("a"), TextDelta("b"), finished())
    assert value(metrics, "headwater_answers_total", outcome="stop") == 1
    assert value(metrics, "headwater_search_seconds_count") == 1
    assert value(metrics, "headwater_first_token_seconds_count") == 1
    assert value(metrics, "headwater_inter_token_seconds_count") == 1
    assert value(metrics, "headwater_tokens_total", direction="input") == 100
    assert value(metrics, "headwater_tokens_total", direction="output") == 20
    assert value(metrics, "headwater_cost_dollars_total") == 0.25


async def test_what_a_rewriting_took_is_counted_even_if_the_answer_is_cached() -> None:
    metrics = Metrics()
    await watch(metrics, finished(rewriting=Usage(30, 4)))
    assert value(metrics, "headwater_tokens_total", direction="input") == 130
    assert value(metrics, "headwater_tokens_total", direction="output") == 24
    await watch(metrics, finished(rewriting=Usage(30, 4), cached=True, price=None))
    assert value(metrics, "headwater_tokens_total", direction="input") == 160
    assert value(metrics, "headwater_tokens_total", direction="output") == 28


async def test_citations_are_counted_by_what_their_check_found() -> None:
    metrics = Metrics()
    good, bad = CitationChecked(1, 2, True, "supported"), CitationChecked(2, 8, False, "number")
    unclear = CitationChecked(2, 8, True, "unclear")
    await watch(metrics, TextDelta("a [1] b [2]"), good, bad, good, unclear, finished(dropped=3))
    outcomes = ("supported", "unsupported", "unclear", "dropped")
    counted = [value(metrics, "headwater_citations_total", outcome=o) for o in outcomes]
    assert counted == [2, 1, 1, 3]


async def test_a_cached_answer_is_a_hit_and_costs_no_tokens() -> None:
    metrics = Metrics()
    await watch(metrics, finished(cached=True, price=None))
    assert value(metrics, "headwater_cache_hits_total") == 1
    assert value(metrics, "headwater_tokens_total", direction="input") == 0


async def test_failures_are_counted_by_their_code_and_a_lost_upstream_as_dropped() -> None:
    metrics = Metrics()
    await watch(metrics, Failed("auth_error", False, "No.", "f00d"))
    await watch(metrics, Failed("stream_interrupted", True, "Broken.", "f00d"))
    assert value(metrics, "headwater_answers_total", outcome="auth_error") == 1
    assert value(metrics, "headwater_dropped_connections_total", side="upstream") == 1


async def test_a_reader_that_leaves_is_counted_once_and_not_after_the_end() -> None:
    metrics = Metrics()
    left = metrics.watched(stream(TextDelta("a"), TextDelta("b"), finished()))
    await anext(left)
    await left.aclose()
    stayed = metrics.watched(stream(finished()))
    await anext(stayed)
    await stayed.aclose()
    assert value(metrics, "headwater_answers_total", outcome="stopped") == 1
    assert value(metrics, "headwater_answers_total", outcome="stop") == 1
    assert value(metrics, "headwater_dropped_connections_total", side="client") == 1


async def test_a_cancelled_reader_is_counted_as_stopped() -> None:
    async def silent() -> AsyncGenerator[Event]:
        yield Searching("q")
        await asyncio.sleep(3600)

    metrics = Metrics()

    async def read() -> None:
        async for _ in metrics.watched(silent()):
            pass

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert value(metrics, "headwater_answers_total", outcome="stopped") == 1


async def test_a_gauge_is_read_when_the_metrics_are() -> None:
    metrics, inside = Metrics(), [0]
    metrics.gauge("headwater_active_answers", "Being written now", lambda: inside[0])
    inside[0] = 3
    assert value(metrics, "headwater_active_answers") == 3


async def test_nothing_of_what_was_asked_or_answered_is_in_them() -> None:
    metrics = Metrics()
    await watch(metrics, Searching("secret question"), TextDelta("secret answer"), finished())
    assert "secret" not in metrics.exposition().decode()


async def test_the_times_are_those_between_the_events() -> None:
    async def slow() -> AsyncGenerator[Event]:
        yield Searching("q")
        await asyncio.sleep(0.05)
        yield SourcesFound(Findings("q", "en", "answer", 0.25, 0.7, ()))
        await asyncio.sleep(0.1)
        yield TextDelta("a")
        yield Failed("stream_interrupted", True, "Broken.", "f00d")

    metrics = Metrics()
    assert len([event async for event in metrics.watched(slow())]) == 4
    search = value(metrics, "headwater_search_seconds_sum")
    first = value(metrics, "headwater_first_token_seconds_sum")
    assert search >= 0.045 and first >= search + 0.09
