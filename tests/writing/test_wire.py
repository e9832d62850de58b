"""What is read off the wire, byte by byte as it comes: each server's own way of saying it."""

from __future__ import annotations

import time

import pytest

from rag.writing.chunk import WORD, Sent, reason
from rag.writing.wire import MAX_EVENT, Overlong, Reported, Unreadable, Wire, WireError
from tests.harness.wires import DONE, STOP, TEXT, WIRES, Wired, delta, said, texts

NAMED = [pytest.param(wired, id=wired.name) for wired in WIRES]


def read(data: bytes, size: int) -> tuple[Wire, list[Sent], WireError | None]:
    wire, sent = Wire(), list[Sent]()
    try:
        for start in range(0, len(data), size):
            sent += wire.feed(data[start : start + size])
            if wire.over:
                return wire, sent, None
        sent += wire.end()
    except WireError as exc:
        return wire, sent, exc
    return wire, sent, None


def of(kind: str, sent: list[Sent]) -> str:
    return "".join(piece.text for piece in sent if piece.kind == kind)


def bytes_of(wired: Wired) -> bytes:
    return "".join(item for item in wired.sent if isinstance(item, str)).encode()


@pytest.mark.parametrize("wired", NAMED)
def test_it_is_read_the_same_however_the_bytes_are_cut(wired: Wired) -> None:
    data = bytes_of(wired)
    whole, sent, failed = read(data, len(data) or 1)
    for size in (1, 7, 100):
        if size == 1 and len(data) > 50_000:
            continue
        wire, pieces, error = read(data, size)
        assert (pieces, type(error)) == (sent, type(failed))
        assert (wire.reason, wire.ended, wire.usage) == (whole.reason, whole.ended, whole.usage)


@pytest.mark.parametrize(
    ("word", "known"),
    [
        *[("stop", "stop"), ("STOP", "stop"), ("end_turn", "stop"), ("eos_token", "stop")],
        *[("length", "length"), ("MAX_TOKENS", "length"), ("model_length", "length")],
        *[("content_filter: SAFETY", "content_filter"), ("SAFETY", "content_filter")],
        *[("function_call", "tool_calls"), ("insufficient_system_resource", "error")],
        *[(None, None), ("", None), ("null", None), (False, None), ("repetition", "repetition")],
        *[("x" * 1000, "x" * WORD), ("a\x1b[2Jb", "a[2Jb"), ({"a": 1}, "{'a': 1}")],
    ],
)
def test_each_reason_is_known_or_kept_as_it_is(word: object, known: str | None) -> None:
    assert reason(word) == known


@pytest.mark.parametrize(
    ("usage", "output", "thinking"),
    [
        ({"completion_tokens": 300}, 300, None),
        ({"completion_tokens": 300, "completion_tokens_details": None}, 300, None),
        ({"completion_tokens": 300, "completion_tokens_details": {"reasoning_tokens": 280}}, 300,
         280),
        ({"completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 280}}, 300,
         280),  # xAI
        ({"completion_tokens": 300, "reasoning_tokens": 100, "total_tokens": 410}, 400, 100),
        ({"completion_tokens": 300, "reasoning_tokens": -5}, 300, None),
    ],
)  # fmt: skip
def test_the_tokens_of_thinking_are_among_those_written(
    usage: dict[str, object], output: int, thinking: int | None
) -> None:
    wire, _, _ = read(said({"choices": [], "usage": {"prompt_tokens": 10, **usage}}).encode(), 99)
    assert wire.usage and (wire.usage.output_tokens, wire.thinking_tokens) == (output, thinking)


@pytest.mark.parametrize(
    "data",
    [
        b"data: " + b"x" * MAX_EVENT,
        b"x" * (MAX_EVENT + 1),
        b"data: {\n" * MAX_EVENT,
        b"{\n" + b"\n" * MAX_EVENT,
        b"data: {\n" + b"data:\n" * MAX_EVENT,
    ],
    ids=["data", "no field", "many lines", "empty lines of a body", "empty lines of an event"],
)
def test_what_does_not_end_is_cut(data: bytes) -> None:
    wire = Wire()
    begun = time.process_time()
    with pytest.raises((Overlong, Unreadable)):
        for start in range(0, len(data), 65536):
            for _ in wire.feed(data[start : start + 65536]):
                pass
        list(wire.end())
    assert time.process_time() - begun < 20, "its time is not in proportion"


def test_a_stream_of_short_events_has_no_limit_here() -> None:
    wire = Wire()
    comment, event = b": waiting\n\n" * 1000, delta(content="word ").encode()
    for _ in range(300):
        list(wire.feed(comment))
        assert list(wire.feed(event)) == [Sent("text", "word ")]
    assert not wire.ended


def test_what_follows_the_end_is_not_read() -> None:
    wire, sent, failed = read("".join([*texts(), STOP, DONE, *texts()]).encode(), 10_000)
    assert (of("text", sent), failed) == (TEXT, None)
    assert wire.over


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "gone", "code": 502, "type": "t"}},
        {"error": "gone"},
        [{"error": {"message": "gone", "status": "INTERNAL"}}],
        {"object": "error", "message": "gone", "code": 502},
        {"type": "error", "error": {"message": "gone", "type": "overloaded_error"}},
    ],
)
def test_what_went_wrong_is_reported_in_the_servers_words(error: object) -> None:
    for data in (said(error), said(error, "\n"), f"{error}".replace("'", '"')):
        _, _, failed = read(data.encode(), 10_000)
        assert isinstance(failed, Reported) and failed.message == "gone"
