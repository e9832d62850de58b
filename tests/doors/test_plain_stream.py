"""`POST /api/chat/stream`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from ingest.background import Reading
from rag.doors.sse import CUT_OFF
from rag.event_lines import EventLines
from rag.events import Event, Failed, Searching, SourcesFound, Started, TextDelta
from rag.types import Findings
from tests.harness.browser import served
from tests.harness.upstream import Script, Upstream, words

EN, VI = "What does X-Accel-Buffering do?", "X-Accel-Buffering dùng để làm gì?"
TEXT = "🌊 X-Accel-Buffering: no tells nginx to pass the response on [1]. It is a header [2]."

Sent = list[dict[str, Any]]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(Script(words(TEXT))) as server:
        yield server


@pytest.fixture(scope="module")
def client(reading: Reading, upstream: Upstream) -> Iterator[httpx.Client]:
    url = served(reading, OPENAI_BASE_URL=upstream.base_url, models=("large",), cache_seconds=0)
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


@contextmanager
def streamed(client: httpx.Client, **body: Any) -> Iterator[Iterator[str]]:
    with client.stream("POST", "/api/chat/stream", json=body) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield response.iter_lines()


def ask(client: httpx.Client, **body: Any) -> Sent:
    with streamed(client, **body) as lines:
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def kinds(sent: Sent) -> list[str]:
    return list(dict.fromkeys(event["type"] for event in sent))


def test_the_sources_come_before_the_text_and_done_is_the_last(client: httpx.Client) -> None:
    sent = ask(client, question=EN)
    assert kinds(sent) == ["status", "context_ready", "text", "citations", "done"]
    steps = [event["event"] for event in sent if event["type"] == "status"]
    assert steps == ["started", "searching", "found"]
    [context] = [event for event in sent if event["type"] == "context_ready"]
    assert [source["number"] for source in context["sources"]] == [1, 2, 3, 4, 5]
    assert context["sources"][0]["title"] and context["verdict"] == "answer"
    text = "".join(event["text"] for event in sent if event["type"] == "text")
    done = sent[-1]
    assert text == done["text"] == TEXT
    assert done["reason"] == "stop" and done["usage"]["output"] == len(words(TEXT))
    assert done["total_seconds"] >= done["first_token_seconds"] > 0


def test_a_citation_tells_its_place_and_that_of_the_words_that_say_so(
    client: httpx.Client,
) -> None:
    sent = ask(client, question=EN)
    citations = [event for event in sent if event["type"] == "citations"]
    assert [TEXT[c["start"] : c["end"]] for c in citations] == ["[1]", "[2]"]
    first = citations[0]
    assert first["outcome"] == "confirmed"
    quote = first["quote"]
    page = client.get("/" + first["url"])
    marked = re.sub(r"<[^>]+>", "", " ".join(re.findall(r"<mark[^>]*>(.*?)</mark>", page.text)))
    assert quote["text"].split()[0] in marked
    assert sent[-1]["citations"] == [
        {k: v for k, v in c.items() if k not in ("type", "event")} for c in citations
    ]


def test_each_event_has_an_id_of_its_own_and_nothing_follows_the_last(
    client: httpx.Client,
) -> None:
    with streamed(client, question=EN) as stream:
        lines = list(stream)
    ids = [line[4:] for line in lines if line.startswith("id: ")]
    names, numbers = zip(*(each.split("-") for each in ids), strict=True)
    assert len(set(names)) == 1 and re.fullmatch("[0-9a-f]{12}", names[0])
    assert list(map(int, numbers)) == list(range(1, len(ids) + 1))
    data = [line for line in lines if line.startswith("data: ")]
    assert len(data) == len(ids) and '"type":"done"' in data[-1]


def test_messages_are_a_conversation_and_the_parameters_reach_the_model(
    client: httpx.Client, upstream: Upstream
) -> None:
    said = [
        {"role": "system", "content": "Speak like a pirate."},
        {"role": "user", "content": "Why does nginx buffer a response?"},
        {"role": "assistant", "content": "To free the server [1]."},
    ]
    given = {"temperature": 0.3, "top_p": 0.9, "seed": 7, "stop": ["END"], "max_tokens": 77}
    sent = ask(client, messages=said, question=EN, model="large", language="vi", **given)
    assert sent[0]["language"] == "vi" and sent[-1]["model"] == "large"
    body = upstream.calls[-1].body
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "user"]
    assert "pirate" in body["messages"][0]["content"]
    assert {name: body[name] for name in given} == given
    again = ask(client, messages=[*said, {"role": "user", "content": EN}], top_k=2)
    assert len(next(e for e in again if e["type"] == "context_ready")["sources"]) == 2


def test_one_document_is_searched_alone(client: httpx.Client) -> None:
    sent = ask(client, question="Which documents are there?", collection="caching.md")
    [context] = [event for event in sent if event["type"] == "context_ready"]
    assert [source["document"] for source in context["sources"]] == ["caching.md"]


def test_what_is_not_used_of_a_request_is_said(client: httpx.Client) -> None:
    picture = [{"type": "image_url"}, {"type": "text", "text": VI}]
    sent = ask(client, messages=[{"role": "user", "content": picture}], max_tokens=-1)
    notes = [event["sentence"] for event in sent if event["event"] == "note"]
    assert len(notes) == 1 and notes[0].startswith("Ở đây không dùng công cụ")
    assert sent[-1]["type"] == "done"


@pytest.mark.parametrize(
    ("body", "script", "code", "text"),
    [
        ({"question": " "}, None, "invalid_question", ""),
        ({}, None, "invalid_question", ""),
        ({"question": EN, "collection": "nowhere"}, None, "unknown_collection", ""),
        ({"question": EN, "model": "huge"}, None, "invalid_question", ""),
        ({"question": EN}, Script(words(TEXT), cut_after=4), "stream_interrupted", TEXT[:6]),
    ],
    ids=["empty", "nothing", "collection", "model", "midway"],
)
def test_a_failure_is_the_last_event_and_the_text_so_far_stays(
    client: httpx.Client,
    upstream: Upstream,
    body: Any,
    script: Script | None,
    code: str,
    text: str,
) -> None:
    upstream.next(*[script] if script else [])
    last = ask(client, **body)[-1]
    assert (last["type"], last["code"]) == ("error", code)
    assert last["sentence"] and last["text"].startswith(text) and bool(last["text"]) == bool(text)
    assert last["retryable"] is (code == "stream_interrupted") and "retry_after" in last


def test_a_limit_tells_when_to_come_back(reading: Reading) -> None:
    with httpx.Client(base_url=served(reading, rate_limit="1/minute"), timeout=60) as client:
        first, second = (ask(client, question=EN)[-1] for _ in range(2))
    assert first["type"] == "done"
    assert (second["type"], second["code"]) == ("error", "too_many_questions")
    assert 1 <= second["retry_after"] <= 60


def test_a_request_that_is_malformed_is_refused_before_the_stream(client: httpx.Client) -> None:
    for body in ({"question": EN, "top_k": 99}, {"messages": "no"}, {"question": 7}):
        refused = client.post("/api/chat/stream", json=body)
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "invalid_request"


def test_a_reader_that_leaves_closes_the_models_connection(
    client: httpx.Client, upstream: Upstream
) -> None:
    upstream.next(Script(words("Slowly. " * 200), delay=0.05))
    calls = len(upstream.calls)
    with streamed(client, question=f"{EN} Slowly?"):
        upstream.wait_until(lambda c: len(c) > calls and c[calls].tokens_sent >= 3)
        left = time.monotonic()
    ended = upstream.wait_for_end(calls)
    assert ended.ended == "client_left" and ended.ended_at and ended.ended_at - left < 2.0


def test_the_same_events_are_the_lines_of_the_terminal(client: httpx.Client) -> None:
    findings = Findings("q", "en", "refuse", 0.4, 0.1, ())
    events: list[Event] = [Started("en", "r"), Searching("q"), SourcesFound(findings)]
    events += [TextDelta("Half"), TextDelta(" of it"), Failed("timeout", True, "Late.", "r", 9)]
    lines = EventLines()
    told = [line for event in events for line in lines.feed(event)]
    assert kinds(told) == ["status", "context_ready", "text", "error"]
    assert (told[-1]["text"], told[-1]["retry_after"]) == ("Half of it", 9)
    assert lines.over


def test_a_stream_that_is_cut_off_by_us_ends_with_an_error() -> None:
    from rag.doors.plain_stream import PlainStream

    stream = PlainStream()
    for event in (Started("en", "r"), TextDelta("Half")):
        list(stream.feed(event))
    [last] = stream.end()
    assert (last["type"], last["code"], last["text"]) == ("error", CUT_OFF.code, "Half")
    assert list(stream.end()) == []
