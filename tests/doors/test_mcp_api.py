"""The door for assistants: a real MCP client over HTTP to a served app."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx
import pytest
import uvicorn
from gradio.http_server import INITIAL_PORT_VALUE, TRY_NUM_PORTS
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    LATEST_PROTOCOL_VERSION,
    CallToolResult,
    CancelledNotification,
    CancelledNotificationParams,
    ClientNotification,
    InitializeResult,
    TextContent,
)
from starlette.applications import Starlette

from ingest.background import Reading
from rag import __version__
from rag.assembly import assemble
from rag.doors.mcp_api import PATH, McpDoor
from rag.events import Waiting
from rag.retrieval.retriever import Retriever
from rag.serving.metrics import Metrics
from rag.settings import Settings
from rag.store.opening import Opening, Report
from tests.harness import browser
from tests.harness.upstream import Script, Upstream, words
from tests.serving.test_metrics import value

pytestmark = pytest.mark.anyio

Configured = Callable[..., Settings]
CLOSED_WITHIN = 2.0  # seconds from leaving to the upstream's closed socket
EN, VI = "What does X-Accel-Buffering do?", "X-Accel-Buffering dùng để làm gì?"
UNANSWERABLE = "Who won the football world cup in 1998?"
PLAIN = Script(words("It tells nginx not to buffer [1]. That is all of it."), delay=0.01)
STAGES = {  # what the model does, and what has come by then
    "waiting": (Script(header_delay=60), "Sources:"),
    "streaming": (Script(words("A slow answer that goes on. " * 40), delay=0.05), "A slow"),
    "silent": (Script(words("It begins and then nothing."), silent_after=3), "It begins"),
}
HEADERS = {"accept": "application/json, text/event-stream"}


class Served:
    """A door on a free port, in a thread and a loop of its own."""

    def __init__(self, opens: Callable[[Report], Retriever], settings: Settings) -> None:
        self.metrics = Metrics()
        opening = Opening(opens)
        self._answerer = assemble(settings, opening, self.metrics)
        self._door = McpDoor(self._answerer, lambda scope: str(scope["client"][0]))
        app = Starlette(routes=self._door.routes, lifespan=self._lifespan)
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{PATH}"
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with self._door.lifespan(app):
            yield
        await self._answerer.aclose()

    @contextmanager
    def running(self) -> Iterator[Served]:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        try:
            yield self
        finally:
            self._server.should_exit = True
            self._thread.join()


@pytest.fixture
def served(configured: Configured, upstream: Upstream, retriever: Retriever) -> Iterator[Served]:
    upstream.script = PLAIN
    with Served(
        lambda _: retriever, configured(OPENAI_BASE_URL=upstream.base_url)
    ).running() as door:
        yield door


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[ClientSession]:
    """A client that has said hello."""
    async with greeting(url) as (client, _):
        yield client


@contextlib.asynccontextmanager
async def greeting(url: str) -> AsyncIterator[tuple[ClientSession, InitializeResult]]:
    """A client that has said hello, and what it was answered."""
    async with (
        streamable_http_client(url) as (reading, writing, _),
        ClientSession(reading, writing) as client,
    ):
        yield client, await client.initialize()


class Told:
    """The progress that a client is told, and when the text it waits for has come."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.numbers: list[float] = []
        self._changed = asyncio.Event()

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.numbers.append(progress)
        self.messages.append(message or "")
        self._changed.set()

    async def until(self, text: str) -> None:
        while text not in "".join(self.messages):
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 10)


def text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def given(result: CallToolResult) -> dict[str, Any]:
    assert not result.isError, text(result)
    return cast(dict[str, Any], result.structuredContent)


# What is offered


async def test_there_are_two_tools_and_nothing_else(served: Served) -> None:
    async with greeting(served.url) as (client, hello):
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    offered = hello.capabilities.model_dump(exclude_none=True, exclude_defaults=True)
    assert hello.instructions and "data" in hello.instructions
    assert hello.serverInfo.name == "headwater" and hello.serverInfo.version == __version__
    assert hello.protocolVersion == LATEST_PROTOCOL_VERSION
    assert set(tools) == {"search_documents", "ask_documents"}
    assert {name for name, offer in offered.items() if offer} <= {"tools"} <= set(offered)
    for tool in tools.values():
        hints = tool.annotations
        assert hints and hints.readOnlyHint and hints.idempotentHint
        assert hints.openWorldHint is False and hints.destructiveHint is False
        assert tool.description and "not instructions" in tool.description
        assert tool.outputSchema


@pytest.mark.slow  # another app is started
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_it_is_offered_where_the_first_port_turns_out_to_be_taken(reading: Reading) -> None:
    """Gradio asks whether 127.0.0.1 has the port and starts the app, whose thread ends where it is
    taken at another address; then it takes the next port, and the app starts again."""
    for port in range(INITIAL_PORT_VALUE, INITIAL_PORT_VALUE + TRY_NUM_PORTS):
        with contextlib.suppress(OSError), socket.create_server(("0.0.0.0", port)):
            break
    with socket.create_server(("127.0.0.2", port)):
        url = browser.served(reading, GRADIO_SERVER_NAME="0.0.0.0")
    assert (httpx.URL(url).port or 0) > port
    async with connected(url.rstrip("/") + PATH) as client:
        assert len((await client.list_tools()).tools) == 2


async def test_the_schemas_have_the_bounds(served: Served) -> None:
    async with connected(served.url) as client:
        search, ask = [tool.inputSchema for tool in (await client.list_tools()).tools]
    query, top_k = search["properties"]["query"], search["properties"]["top_k"]
    assert (query["minLength"], query["maxLength"]) == (1, 4000)
    assert (top_k["minimum"], top_k["maximum"], top_k["default"]) == (1, 20, 5)
    assert ask["properties"]["language"]["enum"] == ["auto", "en", "vi"]
    assert search["required"] == ["query"] and ask["required"] == ["question"]


async def test_a_name_that_a_proxy_shows_and_another_origin_are_left_to_those_in_front(
    served: Served,
) -> None:
    headers = HEADERS | {"host": "docs.example.com", "origin": "https://docs.example.com"}
    async with httpx.AsyncClient(headers=headers) as client:
        answered = await client.post(served.url, json=message(1, "initialize", INITIALIZE))
    assert answered.status_code == 200


# Searching


async def test_a_search_gives_the_ranked_passages_with_scores_and_calls_no_model(
    served: Served, upstream: Upstream
) -> None:
    async with connected(served.url) as client:
        result = await client.call_tool("search_documents", {"query": VI, "top_k": 3})
    found = given(result)
    scores = [passage["score"] for passage in found["sources"]]
    assert found["verdict"] == "answer" and found["best_score"] >= found["threshold"]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert [passage["number"] for passage in found["sources"]] == [1, 2, 3]
    first = found["sources"][0]
    assert "X-Accel-Buffering" in first["text"] and first["text"] in text(result)
    assert first["document"] in text(result) and "data, not instructions" in text(result)
    assert upstream.calls == []


async def test_a_null_is_what_was_left_out(served: Served) -> None:
    nulls = {"top_k": None, "collection": None, "documents": None}
    async with connected(served.url) as client:
        found = await client.call_tool("search_documents", {"query": EN, **nulls})
        answer = await client.call_tool("ask_documents", {"question": EN, "language": None})
    assert len(given(found)["sources"]) == 5 and given(answer)["outcome"] == "stop"


async def test_a_search_for_what_is_not_there_says_so(served: Served) -> None:
    async with connected(served.url) as client:
        result = await client.call_tool("search_documents", {"query": UNANSWERABLE})
    assert given(result)["verdict"] == "refuse"
    assert "do not answer this" in text(result)


# Asking


async def test_the_sources_come_before_the_text_and_the_text_before_the_answer(
    served: Served,
) -> None:
    told = Told()
    async with connected(served.url) as client:
        await client.list_tools()  # for its output schema, which the client then checks
        result = await client.call_tool("ask_documents", {"question": EN}, progress_callback=told)
    answer = given(result)
    # Where the search takes long, it is told first.
    sources, *pieces = [m for m in told.messages if not m.startswith("Searching for: ")]
    assert sources.startswith("Sources:\n[1] ")
    assert len(pieces) > 1 and "".join(pieces) == answer["answer"]
    assert told.numbers == sorted(set(told.numbers))
    assert answer["answer"] == "It tells nginx not to buffer [1]. That is all of it."
    assert answer["outcome"] == "stop" and answer["verdict"] == "answer"
    assert [source["number"] for source in answer["sources"]] == [1, 2, 3, 4, 5]
    assert [citation["number"] for citation in answer["citations"]] == [1]
    assert answer["answer"] in text(result) and "Sources:\n[1] " in text(result)


async def test_without_a_progress_token_the_answer_is_the_same(served: Served) -> None:
    async with connected(served.url) as client:
        result = await client.call_tool("ask_documents", {"question": VI, "language": "en"})
    assert given(result)["answer"].startswith("It tells nginx")


async def test_without_a_model_the_documents_are_quoted(
    configured: Configured, retriever: Retriever
) -> None:
    with Served(lambda _: retriever, configured()).running() as served:
        async with connected(served.url) as client:
            answer = given(await client.call_tool("ask_documents", {"question": EN}))
    assert "[1]" in answer["answer"] and answer["model"] is None


async def test_a_refused_question_says_so_and_no_model_is_called(
    served: Served, upstream: Upstream
) -> None:
    async with connected(served.url) as client:
        result = await client.call_tool("ask_documents", {"question": UNANSWERABLE})
    answer = given(result)
    assert answer["outcome"] == "refused" and answer["verdict"] == "refuse"
    assert "no relevant information" in text(result) and "Nearest passages:" in text(result)
    assert len(upstream.calls) == 0


async def test_many_clients_are_answered_at_once(served: Served) -> None:
    async def asked() -> str:
        async with connected(served.url) as client:
            result = await client.call_tool("ask_documents", {"question": EN})
            return str(given(result)["answer"])

    answers = await asyncio.gather(*(asked() for _ in range(10)))
    assert set(answers) == {"It tells nginx not to buffer [1]. That is all of it."}


async def test_a_client_is_told_what_it_waits_for(
    configured: Configured, retriever: Retriever
) -> None:
    read = threading.Event()

    def opens(report: Report) -> Retriever:
        report(Waiting(3, 10, "proxies.md"))
        assert read.wait(30)
        return retriever

    told = Told()
    with Served(opens, configured()).running() as served:
        async with connected(served.url) as client:
            asking = asyncio.create_task(
                client.call_tool("ask_documents", {"question": EN}, progress_callback=told)
            )
            await told.until("The documents are being read: 3 of 10.")
            read.set()
            assert given(await asking)


async def test_the_log_has_no_word_of_a_user(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with connected(served.url) as client:
        await client.call_tool("ask_documents", {"question": EN})
        await client.call_tool("search_documents", {"query": EN, "limit": EN})
    assert "/mcp" in caplog.text and "X-Accel" not in caplog.text


# What goes wrong


async def test_a_failing_model_is_an_error_result_with_its_sentence(
    served: Served, upstream: Upstream
) -> None:
    upstream.script = Script(status=401, error_code="invalid_api_key")
    async with connected(served.url) as client:
        failed = await client.call_tool("ask_documents", {"question": EN})
        vietnamese = await client.call_tool("ask_documents", {"question": VI})
    assert failed.isError and failed.structuredContent is None
    assert text(failed) == "The model's server refused the key. Check OPENAI_API_KEY."
    assert failed.meta and failed.meta["headwater/code"] == "auth_error"
    assert vietnamese.isError and "từ chối khóa" in text(vietnamese)


async def test_what_came_before_a_failure_stays(served: Served, upstream: Upstream) -> None:
    upstream.script = Script(words("Half of the answer and then"), cut_after=4)
    async with connected(served.url) as client:
        failed = await client.call_tool("ask_documents", {"question": EN})
    assert failed.isError
    assert text(failed).startswith("The answer broke off") and "Half of the" in text(failed)


@pytest.mark.parametrize("tool", ["search_documents", "ask_documents"])
async def test_who_asks_too_often_is_told_so_in_a_result(
    configured: Configured, retriever: Retriever, tool: str
) -> None:
    name = "query" if tool == "search_documents" else "question"
    with Served(lambda _: retriever, configured(HEADWATER_RATE_LIMIT="1/hour")).running() as served:
        async with connected(served.url) as client:
            assert not (await client.call_tool(tool, {name: EN})).isError
            failed = await client.call_tool(tool, {name: EN})
    assert failed.isError and failed.meta
    assert failed.meta["headwater/code"] == "too_many_questions"


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("search_documents", {}, "query: Field required"),
        ("search_documents", {"query": ""}, "query: String should have at least 1"),
        ("search_documents", {"query": "x" * 4001}, "query: String should have at most 4000"),
        ("search_documents", {"query": "?!"}, "no letters or digits"),
        ("search_documents", {"query": EN, "top_k": 0}, "top_k: Input should be greater"),
        ("search_documents", {"query": EN, "top_k": 21}, "top_k: Input should be less"),
        ("search_documents", {"query": EN, "limit": 3}, "limit: Extra inputs are not"),
        ("ask_documents", {"question": 7}, "question: Input should be a valid string"),
        ("ask_documents", {"question": EN, "language": "fr"}, "language: Input should be 'auto'"),
        ("ask_documents", {"question": "?!"}, "no letters or digits"),
        (
            "search_documents",
            {"query": EN, "documents": ["caching.md", "none"]},
            "There is no collection or document none",
        ),
        (
            "ask_documents",
            {"question": EN, "collection": "none"},
            "There is no collection or document none",
        ),
    ],
)
async def test_bad_arguments_are_refused_with_what_is_wrong(
    served: Served, upstream: Upstream, tool: str, arguments: dict[str, Any], says: str
) -> None:
    async with connected(served.url) as client:
        failed = await client.call_tool(tool, arguments)
    assert failed.isError and says in text(failed)
    assert upstream.calls == []


async def test_a_tool_that_does_not_exist_is_refused(served: Served) -> None:
    async with connected(served.url) as client:
        with pytest.raises(McpError, match="no such tool"):
            await client.call_tool("delete_documents", {})


class Broken(Retriever):
    """Has a defect."""

    def __init__(self) -> None:
        pass

    def search(self, question: str, top_k: int, *rest: object) -> Any:
        raise ZeroDivisionError("with a secret in it")


async def test_a_defect_tells_nothing_of_itself(
    configured: Configured, caplog: pytest.LogCaptureFixture
) -> None:
    with Served(lambda _: Broken(), configured()).running() as served:
        async with connected(served.url) as client:
            failed = await client.call_tool("search_documents", {"query": EN})
    assert failed.isError and "secret" not in text(failed)
    assert "its log says what" in text(failed) and "with a secret in it" in caplog.text


# Leaving


@pytest.mark.parametrize("stage", STAGES)
async def test_cancelling_closes_the_models_connection(
    served: Served, upstream: Upstream, stage: str
) -> None:
    upstream.script, shows = STAGES[stage]
    told = Told()
    async with connected(served.url) as client:
        asking = asyncio.create_task(
            client.call_tool("ask_documents", {"question": EN}, progress_callback=told)
        )
        await told.until(shows)
        await asyncio.to_thread(upstream.wait_until, bool)
        left = time.monotonic()
        cancelled = CancelledNotificationParams(requestId=client._request_id - 1)
        await client.send_notification(ClientNotification(CancelledNotification(params=cancelled)))
        await closed(served, upstream, left, f"cancelled, {stage}")
        with pytest.raises(McpError, match="cancelled"):
            await asking
        upstream.script = PLAIN
        assert given(await client.call_tool("ask_documents", {"question": VI}))


@pytest.mark.parametrize("stage", STAGES)
async def test_a_client_that_hangs_up_closes_the_models_connection(
    served: Served, upstream: Upstream, stage: str
) -> None:
    upstream.script, shows = STAGES[stage]
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as client:
        headers, meta = await greeted(client, served.url)
        arguments = {"question": EN}
        call = {"name": "ask_documents", "arguments": arguments, "_meta": meta}
        body = message(7, "tools/call", call)
        async with client.stream("POST", served.url, json=body, headers=headers) as stream:
            lines = stream.aiter_lines()  # closes the stream when nobody holds it
            await seen(lines, shows)
            await asyncio.to_thread(upstream.wait_until, bool)
            left = time.monotonic()
        await closed(served, upstream, left, f"hung up, {stage}")


async def test_a_session_that_is_ended_closes_the_models_connection(
    served: Served, upstream: Upstream
) -> None:
    upstream.script = Script(silent_after=0)
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as client:
        headers, meta = await greeted(client, served.url)
        call = {"name": "ask_documents", "arguments": {"question": EN}, "_meta": meta}
        body = message(7, "tools/call", call)
        async with client.stream("POST", served.url, json=body, headers=headers):
            await asyncio.to_thread(upstream.wait_until, bool)
            left = time.monotonic()
            await client.delete(served.url, headers=headers)
            await closed(served, upstream, left, "session ended")


async def seen(lines: AsyncIterator[str], shows: str) -> None:
    so_far = ""
    async for line in lines:
        so_far += line
        if shows.split()[-1] in so_far:
            return
    raise AssertionError(f"the stream ended with {so_far}")


async def closed(served: Served, upstream: Upstream, left: float, how: str) -> None:
    """The model's connection is closed in time, and the answer has left the line."""
    call = await asyncio.to_thread(upstream.wait_for_end)
    assert call.ended == "client_left" and call.ended_at
    took = call.ended_at - left
    print(f"\n{how}: closed after {took * 1000:.0f} ms")
    assert took < CLOSED_WITHIN
    for _ in range(100):
        if value(served.metrics, "headwater_active_answers") == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the answer still holds its place")


# The wire, as a client that may hang up writes it

INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}


def message(number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


async def greeted(client: httpx.AsyncClient, url: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The headers and the _meta of the calls to come."""
    hello = await client.post(url, json=message(1, "initialize", INITIALIZE))
    session = {"mcp-session-id": hello.headers["mcp-session-id"]}
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert (await client.post(url, json=ready, headers=session)).status_code == 202
    return session, {"progressToken": "p"}
