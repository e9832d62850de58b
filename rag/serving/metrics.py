"""What an operator sees of the answers: Prometheus metrics and one log line an answer, both read
off the events as they pass. No user text."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ..events import CitationChecked, Event, Failed, Finished, SourcesFound, TextDelta
from ..types import Outcome
from .recent import Recent

log = logging.getLogger(__name__)

_TOKEN_GAPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_FIRST_TOKENS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)
_SEARCHES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)
_CITATIONS: Mapping[Outcome, str] = {
    "confirmed": "supported",
    "unconfirmed": "unsupported",
    "unclear": "unclear",
    "unchecked": "unchecked",
}
# The model's server was there and went away; the other failures are answers of its own.
_DROPPED_UPSTREAM = {"network_error", "stream_interrupted"}


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.recent = Recent()
        self._registry = registry = CollectorRegistry()
        self._first_token = Histogram(
            "headwater_first_token_seconds",
            "From the question to the first text",
            registry=registry,
            buckets=_FIRST_TOKENS,
        )
        self._token_gap = Histogram(
            "headwater_inter_token_seconds",
            "Between two pieces of text",
            registry=registry,
            buckets=_TOKEN_GAPS,
        )
        self._search = Histogram(
            "headwater_search_seconds", "Of one search", registry=registry, buckets=_SEARCHES
        )
        self._answers = Counter(
            "headwater_answers",
            "Answers by how they ended: a finish reason, a failure's code, or stopped",
            ["outcome"],
            registry=registry,
        )
        self._dropped = Counter(
            "headwater_dropped_connections",
            "Answers whose reader (client) or model's server (upstream) went away",
            ["side"],
            registry=registry,
        )
        self._cache_hits = Counter(
            "headwater_cache_hits", "Answers that needed no call of their own", registry=registry
        )
        self._tokens = Counter(
            "headwater_tokens", "Tokens, counted or estimated", ["direction"], registry=registry
        )
        self._citations = Counter(
            "headwater_citations",
            "Citations by what their check found; dropped ones had no source, added ones no marker",
            ["outcome"],
            registry=registry,
        )
        self._cost = Counter(
            "headwater_cost_dollars", "Cost of answers with a known price", registry=registry
        )

    def gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """A value that is read whenever the metrics are."""
        Gauge(name, description, registry=self._registry).set_function(read)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    async def watched(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """The same events. Closing this closes `events`."""
        asked_at = before = time.perf_counter()
        has_text = False
        outcome = "stopped"
        self.recent.ask()
        try:
            async with aclosing(events):
                async for event in events:
                    now = time.perf_counter()
                    match event:
                        case SourcesFound():
                            self._search.observe(now - before)
                        case TextDelta() if has_text:
                            self._token_gap.observe(now - before)
                        case TextDelta():
                            has_text = True
                            self._first_token.observe(now - asked_at)
                            self.recent.answer(now - asked_at)
                        case CitationChecked(added=added):
                            found = "added" if added else _CITATIONS[event.outcome]
                            self._citations.labels(found).inc()
                        case Finished():
                            outcome = event.reason
                            self._finished(event)
                        case Failed():
                            outcome = event.code
                            if outcome in _DROPPED_UPSTREAM:
                                self._dropped.labels("upstream").inc()
                    before = now
                    yield event
        except (GeneratorExit, asyncio.CancelledError):
            if outcome == "stopped":
                self._dropped.labels("client").inc()
            raise
        finally:
            self._answers.labels(outcome).inc()
            log.info("answer: %s", outcome)

    def _finished(self, event: Finished) -> None:
        self._citations.labels("dropped").inc(event.dropped)
        self._cost.inc(event.price or 0)
        if event.cached:
            self._cache_hits.inc()
        for usage in (None if event.cached else event.usage, event.rewriting):
            if usage:
                self._tokens.labels("input").inc(usage.input_tokens)
                self._tokens.labels("output").inc(usage.output_tokens)
