"""What an operator sets and sees, at the real page over HTTP."""

from __future__ import annotations

import gc
import logging
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ingest.background import Reading
from rag.serving.request_id import FORMAT, Stamp
from tests.harness.browser import served
from tests.harness.upstream import Script, Upstream, words
from tests.harness.wire import asked, said
from tests.serving.test_metrics import value_in

EN, VI = "What does X-Accel-Buffering do?", "X-Accel-Buffering dùng để làm gì?"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(Script(words("It tells nginx not to buffer [1]."))) as server:
        yield server


class Visitor:
    """One client of a page."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=60)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def ask(self, question: str = EN, **headers: str) -> str:
        """All that the last update shows."""
        with asked(self.client, question, **headers) as updates:
            return said(list(updates)[-1])


@pytest.fixture
def visit(reading: Reading, upstream: Upstream) -> Iterator[Any]:
    visitors: list[Visitor] = []

    def at(**settings: object) -> Visitor:
        with_model = {"OPENAI_BASE_URL": upstream.base_url, "cache_seconds": 0}
        visitors.append(Visitor(served(reading, **(with_model | settings))))
        return visitors[-1]

    yield at
    for visitor in visitors:
        visitor.client.close()


def test_who_asks_too_often_is_told_when_to_come_back(visit: Any, upstream: Upstream) -> None:
    visitor = visit(rate_limit="2/minute")
    before = len(upstream.calls)
    assert "not to buffer" in visitor.ask() and "not to buffer" in visitor.ask()
    assert re.search(r"again in \d+ seconds", visitor.ask())
    assert re.search(r"hỏi lại sau \d+ giây", visitor.ask(VI))
    assert len(upstream.calls) - before == 2


def test_a_forged_address_is_not_believed_and_a_trusted_proxys_word_is(visit: Any) -> None:
    forged = visit(rate_limit="1/minute")
    assert "not to buffer" in forged.ask(**{"X-Forwarded-For": "192.0.2.1"})
    assert "again in" in forged.ask(**{"X-Forwarded-For": "192.0.2.2"})
    proxied = visit(rate_limit="1/minute", trusted_proxies=("127.0.0.1",))
    assert "not to buffer" in proxied.ask(**{"X-Forwarded-For": "192.0.2.1"})
    assert "not to buffer" in proxied.ask(**{"X-Forwarded-For": "192.0.2.2"})
    assert "again in" in proxied.ask(**{"X-Forwarded-For": "192.0.2.9, 192.0.2.1"})


@pytest.mark.slow  # it waits in line
def test_beyond_the_streams_the_place_in_line_is_told_and_beyond_the_line_a_refusal(
    visit: Any, upstream: Upstream
) -> None:
    slow = Script(words("Slowly. " * 40), delay=0.05)
    visitor = visit(max_streams=1, max_waiting=1)
    upstream.next(slow)
    seen: dict[str, list[str]] = {"first": [], "second": [], "third": []}

    def read(name: str) -> None:
        client = httpx.Client(base_url=visitor.client.base_url, timeout=60)
        with client, asked(client, EN) as updates:
            seen[name] += map(said, updates)

    threads = []
    for name in seen:
        threads.append(threading.Thread(target=read, args=[name]))
        threads[-1].start()
        time.sleep(0.5)
    for thread in threads:
        thread.join()
    assert "Slowly." in seen["first"][-1]
    assert "Waiting for a turn, 1 in line" in seen["second"][0]
    assert "not to buffer" in seen["second"][-1]
    assert "1 question is being answered now and 1 is waiting" in seen["third"][-1]
    assert "not to buffer" in visitor.ask()


def test_the_models_budget_makes_a_question_wait_and_then_refuses_it(visit: Any) -> None:
    visitor = visit(upstream_rpm=1)
    assert "not to buffer" in visitor.ask()
    refused = visitor.ask()
    assert "used up" in refused and "Sources (5)" in refused


def test_what_is_redacted_is_neither_sent_nor_shown(visit: Any, upstream: Upstream) -> None:
    visitor = visit(redact=("email", "card", "phone"))
    card = "4111 1111 1111 1111"
    upstream.next(Script([*f"Write to an@example.vn or pay with {card}."]))
    question = f"What does X-Accel-Buffering do? X-Accel-Buffering {card}, lan@example.vn"
    shown = visitor.ask(question)
    assert "Write to [email] or pay with [card]." in shown
    sent = str(upstream.calls[-1].body)
    assert card not in sent and "lan@example.vn" not in sent
    assert "X-Accel-Buffering [card], [email]" in sent


def test_no_page_of_a_document_is_served_where_something_is_redacted(
    visit: Any, reading: Reading
) -> None:
    assert reading.library is not None
    chunks = reading.library.chunks(reading.library.chunk_ids()).values()
    chunk = next(chunk for chunk in chunks if chunk.document.endswith(".pdf"))
    document = f"/documents/{chunk.document_id}"
    paths = [f"pages/{chunk.page}?chunk={chunk.id}", f"pages/{chunk.page}.png", "file"]
    for redact, status in [((), 200), (("email",), 404)]:
        visitor = visit(redact=redact)
        assert [visitor.get(f"{document}/{path}").status_code for path in paths] == [status] * 3
        assert ("documents/" in visitor.ask()) == (not redact)


def test_what_is_loaded_at_the_start_is_not_looked_through_again(visit: Any) -> None:
    gc.unfreeze()
    before = len(gc.get_objects())
    visit()
    deadline = time.monotonic() + 20
    while gc.get_freeze_count() < before / 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gc.get_freeze_count() >= before / 2
    assert len(gc.get_objects()) < before / 10


def test_the_metrics_the_health_and_the_readiness_are_served(visit: Any) -> None:
    visitor = visit()
    visitor.ask()
    exposition = visitor.get("/metrics").text
    assert value_in(exposition, "headwater_answers_total", outcome="stop") == 1
    assert value_in(exposition, "headwater_active_answers") == 0
    assert value_in(exposition, "headwater_tokens_total", direction="output") > 0
    assert visitor.get("/health").json() == {"status": "alive"}
    assert visitor.get("/ready").json() == {"status": "ready", "reasons": []}


def test_an_operator_sees_how_busy_it_is_now(visit: Any) -> None:
    visitor = visit(rate_limit="30/minute", max_streams=7, upstream_rpm=60)
    visitor.ask()
    visitor.ask()
    answer = visitor.get("/api/stats")
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    first_word = told.pop("first_word")
    assert told == {
        "active": 0,
        "waiting": 0,
        "limits": {
            "active": 7,
            "waiting": told["limits"]["waiting"],
            "questions": "30 per 1 minute",
            "upstream_requests_per_minute": 60,
            "upstream_tokens_per_minute": None,
        },
        "asked_this_minute": 2,
    }
    assert first_word["answers"] == 2 and 0 < first_word["p50"] <= first_word["p95"]


def test_a_page_that_is_still_reading_is_alive_and_not_ready(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Opening:
        done = failed = False

    visitor = Visitor(served(reading))
    monkeypatch.setattr(reading, "opening", Opening())
    assert visitor.get("/health").status_code == 200
    not_ready = visitor.get("/ready")
    assert not_ready.status_code == 503
    assert "being opened" in not_ready.json()["reasons"][0]
    visitor.client.close()


def test_the_request_id_is_in_the_log_under_the_answer_and_at_the_models_server(
    visit: Any, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    caplog.handler.addFilter(Stamp())
    caplog.handler.setFormatter(logging.Formatter(FORMAT))
    visitor = visit()
    found = re.search(r"id ([0-9a-f]{12})", visitor.ask())
    assert found
    assert upstream.calls[-1].headers["x-client-request-id"] == found[1]
    lines = [line for line in caplog.text.splitlines() if "answer: stop" in line]
    assert [found[1] in line for line in lines] == [True]
    assert not [line for line in caplog.text.splitlines() if "X-Accel" in line]
