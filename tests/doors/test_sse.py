"""A stream of events to a reader who may leave, below HTTP: as an ASGI server drives it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from starlette.responses import JSONResponse

import rag.doors.sse
from rag.doors.ai_sdk import UiStream
from rag.doors.openai_api import Completion
from rag.doors.sse import EventStream, line, until_gone
from rag.events import Event, Failed, Searching, TextDelta
from rag.types import Options

pytestmark = pytest.mark.anyio

FAILED = Failed("busy", True, "Too many.", "id")


class Server:
    """What an ASGI server gives an app: a reader who leaves when told to, and what it was sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.left = asyncio.Event()

    async def receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def take(self, stream: EventStream) -> None:
        await stream({"type": "http"}, self.receive, self.send)

    @property
    def lines(self) -> list[str]:
        whole = b"".join(m["body"] for m in self.sent if m["type"] == "http.response.body")
        return [part for part in whole.decode().split("\n\n") if part]


class Source:
    """Events, and whether they were closed; after them it waits for ever, if it is `silent`."""

    def __init__(self, *events: Event, silent: bool = False) -> None:
        self.events = events
        self.silent = silent
        self.closed = False
        self.reached = asyncio.Event()

    async def stream(self) -> AsyncGenerator[Event]:
        try:
            for event in self.events:
                yield event
            self.reached.set()
            if self.silent:
                await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # closing takes its time, and is waited for
            self.closed = True


class Words:
    """A door that says what comes."""

    def feed(self, event: Event) -> Iterator[object]:
        match event:
            case TextDelta(text):
                yield text
            case Failed(sentence=sentence):
                yield {"error": sentence}

    def end(self) -> Iterator[object]:
        yield "the end"


def refusal(failed: Failed) -> JSONResponse:
    return JSONResponse({"sentence": failed.sentence}, 503)


async def test_each_event_is_sent_as_it_comes_and_done_closes_the_stream() -> None:
    source, server = Source(TextDelta("một"), TextDelta("hai")), Server()
    await server.take(EventStream(source.stream(), Words()))
    assert server.lines == ['data: "một"', 'data: "hai"', 'data: "the end"', "data: [DONE]"]
    assert server.sent[-1]["more_body"] is False and source.closed
    headers = {name.decode(): value.decode() for name, value in server.sent[0]["headers"]}
    assert headers["x-accel-buffering"] == "no"
    assert "content-length" not in headers


async def test_a_reader_who_leaves_ends_a_silent_stream() -> None:
    source, server = Source(TextDelta("one"), silent=True), Server()
    taking = asyncio.create_task(server.take(EventStream(source.stream(), Words())))
    await source.reached.wait()
    server.left.set()
    await asyncio.wait_for(taking, 1)
    assert source.closed


async def test_a_reader_who_has_left_before_the_first_event_ends_it_too() -> None:
    source, server = Source(silent=True), Server()
    taking = asyncio.create_task(
        server.take(EventStream(source.stream(), Words(), refusal=refusal))
    )
    await source.reached.wait()
    server.left.set()
    await asyncio.wait_for(taking, 1)
    assert source.closed and not server.sent


async def test_a_connection_that_breaks_while_sending_ends_it_too() -> None:
    source, server = Source(TextDelta("one"), TextDelta("two"), silent=True), Server()

    async def send(message: Any) -> None:
        if message.get("body"):
            raise OSError("gone")

    with pytest.raises(OSError):
        await EventStream(source.stream(), Words())({"type": "http"}, server.receive, send)
    assert source.closed


async def test_who_reads_nothing_does_not_hold_the_answer_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rag.doors.sse, "SEND_SECONDS", 0.05)
    source, server = Source(TextDelta("one"), TextDelta("two"), silent=True), Server()

    async def send(message: Any) -> None:
        if message.get("body"):
            await asyncio.Event().wait()

    stream = EventStream(source.stream(), Words())
    await asyncio.wait_for(stream({"type": "http"}, server.receive, send), 1)
    assert source.closed


async def test_a_failure_before_anything_can_be_shown_is_an_answer_of_its_own() -> None:
    source, server = Source(Searching("q"), FAILED), Server()
    await server.take(EventStream(source.stream(), Words(), refusal=refusal))
    assert server.sent[0]["status"] == 503
    assert json.loads(server.sent[1]["body"]) == {"sentence": "Too many."}
    assert source.closed


async def test_a_failure_after_the_first_word_is_in_the_stream() -> None:
    source, server = Source(Searching("q"), TextDelta("one"), FAILED), Server()
    await server.take(EventStream(source.stream(), Words(), refusal=refusal))
    assert server.sent[0]["status"] == 200
    assert server.lines[-3:] == ['data: {"error":"Too many."}', 'data: "the end"', "data: [DONE]"]


async def test_a_server_that_is_stopped_says_where_the_stream_ends() -> None:
    source, server = Source(TextDelta("one"), silent=True), Server()
    taking = asyncio.create_task(server.take(EventStream(source.stream(), UiStream())))
    await source.reached.wait()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    parts = [json.loads(said.removeprefix("data: ")) for said in server.lines[:-1]]
    assert [part["type"] for part in parts[-3:]] == ["text-end", "abort", "error"]
    assert server.lines[-1] == "data: [DONE]" and source.closed


async def test_a_completion_that_was_cut_off_does_not_look_complete() -> None:
    source, server = Source(TextDelta("one"), silent=True), Server()
    completion = Completion("headwater", Options(), lambda source: source.document)
    taking = asyncio.create_task(server.take(EventStream(source.stream(), completion)))
    await source.reached.wait()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    *chunks, last = [json.loads(said.removeprefix("data: ")) for said in server.lines[:-1]]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * len(chunks)
    assert chunks[-1]["choices"][0]["delta"] == {"content": "one"}
    assert last["error"]["code"] == "stream_interrupted"
    assert server.lines[-1] == "data: [DONE]" and source.closed


async def test_comments_come_while_nothing_else_does_and_stop_with_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rag.doors.sse, "KEEP_ALIVE_SECONDS", 0.02)
    source, server = Source(TextDelta("one"), silent=True), Server()
    taking = asyncio.create_task(server.take(EventStream(source.stream(), Words())))
    while server.lines.count(": keep-alive") < 3:
        await asyncio.sleep(0.01)
    server.left.set()
    await taking
    sent = len(server.sent)
    await asyncio.sleep(0.1)
    assert len(server.sent) == sent


async def test_work_that_is_done_first_gives_its_result() -> None:
    server = Server()

    async def work(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    assert await until_gone(server.receive, work(0)) == "done"
    server.left.set()
    assert await until_gone(server.receive, work(60)) is None


async def test_an_error_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        await until_gone(Server().receive, work())


def test_half_a_surrogate_pair_breaks_no_stream() -> None:
    assert line({"text": "a\ud83d"}) == b'data: {"text":"a?"}\n\n'
    assert line("xuống\ndòng") == 'data: "xuống\\ndòng"\n\n'.encode()


def test_no_reader_takes_a_line_end_of_unicode_for_the_end_of_an_event() -> None:
    said = "one\u2028two\u2029three\x85four\x0bfive\x1csix"
    sent = line({"text": said}).decode()
    assert sent.splitlines() == [sent.strip(), ""]
    assert json.loads(sent.removeprefix("data: ")) == {"text": said}
