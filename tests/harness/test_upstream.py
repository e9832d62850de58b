"""The test server speaks the wire the real SDK expects, fails as told, and sees its client go."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import httpx2
import openai
import pytest
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk, ChatCompletionStreamOptionsParam

from tests.harness.upstream import Call, Script, Upstream, words

pytestmark = pytest.mark.anyio

VIETNAMESE = "Tiếng Việt có dấu: “đường”, ngữ nghĩa, 🌊 — hết."
WITH_USAGE: ChatCompletionStreamOptionsParam = {"include_usage": True}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=upstream.base_url, api_key="test-key", max_retries=0, timeout=5.0
    ) as sdk:
        yield sdk


async def ask(
    client: AsyncOpenAI, question: str = "Why?", **options: Any
) -> AsyncStream[ChatCompletionChunk]:
    stream = await client.chat.completions.create(
        model="test-model",
        messages=[{"role": "user", "content": question}],
        stream=True,
        **options,
    )
    return cast(AsyncStream[ChatCompletionChunk], stream)


async def read(stream: AsyncStream[ChatCompletionChunk], into: list[str] | None = None) -> str:
    """The text of a stream; `into` keeps the deltas when the stream fails on the way."""
    deltas = [] if into is None else into
    async with stream:
        async for chunk in stream:
            deltas += [choice.delta.content or "" for choice in chunk.choices]
    return "".join(deltas)


async def ended(upstream: Upstream, index: int = 0) -> Call:
    return await asyncio.to_thread(upstream.wait_for_end, index)


@pytest.mark.parametrize("role_chunk", [True, False])
@pytest.mark.parametrize("empty_choices_first", [True, False])
async def test_the_text_arrives_complete(
    upstream: Upstream, client: AsyncOpenAI, role_chunk: bool, empty_choices_first: bool
) -> None:
    upstream.script = Script(
        words(VIETNAMESE), role_chunk=role_chunk, empty_choices_first=empty_choices_first
    )
    stream = await ask(client)
    async with stream:
        chunks = [chunk async for chunk in stream]
    content = [choice.delta.content for chunk in chunks for choice in chunk.choices]
    assert "".join(text or "" for text in content) == VIETNAMESE
    assert (chunks[0].choices == []) is empty_choices_first
    roles = [choice.delta.role for chunk in chunks for choice in chunk.choices]
    assert ("assistant" in roles) is role_chunk
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {chunk.model for chunk in chunks} == {"test-model"}
    call = upstream.calls[0]
    assert (call.ended, call.tokens_sent) == ("finished", len(words(VIETNAMESE)))
    assert call.headers["authorization"] == "Bearer test-key"
    assert call.body["messages"] == [{"role": "user", "content": "Why?"}]
    assert upstream.active == 0


async def test_an_answer_that_does_not_stream_carries_text_and_usage(
    upstream: Upstream, client: AsyncOpenAI
) -> None:
    upstream.script = Script(finish_reason="length")
    completion = await client.chat.completions.create(
        model="test-model", messages=[{"role": "user", "content": "Why?"}]
    )
    assert completion.choices[0].message.content == "Hello, world."
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage is not None and completion.usage.completion_tokens == 4
    assert completion._request_id == "req_0"


async def test_the_models_are_listed(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["test-model"]


async def test_a_usage_chunk_comes_last_if_asked_for(
    upstream: Upstream, client: AsyncOpenAI
) -> None:
    stream = await ask(client, stream_options=WITH_USAGE)
    async with stream:
        chunks = [chunk async for chunk in stream]
    assert [chunk.usage is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None and chunks[-1].usage.total_tokens == 6


@pytest.mark.parametrize(
    ("script", "options"),
    [(Script(), {}), (Script(usage=False), {"stream_options": WITH_USAGE})],
    ids=["not asked for", "ignored"],
)
async def test_no_usage_chunk_comes_otherwise(
    upstream: Upstream, client: AsyncOpenAI, script: Script, options: dict[str, Any]
) -> None:
    upstream.script = script
    stream = await ask(client, **options)
    async with stream:
        assert [chunk.usage async for chunk in stream if chunk.usage] == []


async def test_tokens_arrive_at_the_pace_of_the_script(
    upstream: Upstream, client: AsyncOpenAI
) -> None:
    upstream.script = Script(header_delay=0.1, first_delay=0.2, delay=0.05)
    started = time.monotonic()
    stream = await ask(client)
    opened = time.monotonic()
    async with stream:
        arrivals = [
            time.monotonic()
            async for chunk in stream
            if chunk.choices[0].delta.content  # neither the role nor the finish
        ]
    assert len(arrivals) == 4
    assert started + 0.1 <= opened < arrivals[0] - 0.1
    assert all(at - started >= 0.3 + 0.05 * i for i, at in enumerate(arrivals))
    call = upstream.calls[0]
    assert call.first_token_at is not None and call.ended_at is not None
    assert call.first_token_at <= arrivals[0] < call.ended_at


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "context_length_exceeded", openai.BadRequestError),
        (401, "invalid_api_key", openai.AuthenticationError),
        (403, None, openai.PermissionDeniedError),
        (404, "model_not_found", openai.NotFoundError),
        (429, "rate_limit_exceeded", openai.RateLimitError),
        (503, None, openai.InternalServerError),
        (529, None, openai.InternalServerError),
    ],
)
async def test_an_error_status_becomes_the_typed_exception(
    upstream: Upstream,
    client: AsyncOpenAI,
    status: int,
    code: str | None,
    expected: type[openai.APIStatusError],
) -> None:
    upstream.script = Script(
        status=status, error_code=code, headers={"Retry-After": "7", "x-request-id": "abc"}
    )
    with pytest.raises(expected) as caught:
        await ask(client)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.request_id == "abc"
    assert caught.value.response.headers["retry-after"] == "7"
    assert upstream.calls[0].ended == "finished"


async def test_queued_scripts_go_first_so_a_retry_succeeds(upstream: Upstream) -> None:
    upstream.next(Script(status=500, headers={"retry-after-ms": "1"}), Script(["second"]))
    async with AsyncOpenAI(base_url=upstream.base_url, api_key="test-key", max_retries=1) as client:
        assert await read(await ask(client)) == "second"
        assert await read(await ask(client)) == "Hello, world."
    assert len(upstream.calls) == 3


async def test_a_callable_script_sees_the_request(upstream: Upstream, client: AsyncOpenAI) -> None:
    upstream.script = lambda body: Script([body["messages"][-1]["content"]])
    streams = [await ask(client, f"question {i}") for i in range(8)]
    texts = await asyncio.gather(*map(read, streams))
    assert texts == [f"question {i}" for i in range(8)]


async def test_a_wrong_key_is_refused(upstream: Upstream, client: AsyncOpenAI) -> None:
    upstream.require_key = "another-key"
    with pytest.raises(openai.AuthenticationError):
        await ask(client)
    with pytest.raises(openai.AuthenticationError):
        await client.models.list()
    upstream.require_key = "test-key"
    assert await read(await ask(client)) == "Hello, world."


async def test_stream_options_are_refused_if_the_script_says_so(
    upstream: Upstream, client: AsyncOpenAI
) -> None:
    upstream.script = Script(refuse_stream_options=True)
    with pytest.raises(openai.BadRequestError):
        await ask(client, stream_options=WITH_USAGE)
    assert await read(await ask(client)) == "Hello, world."


@pytest.mark.parametrize("stream", [True, False])
async def test_one_connection_carries_several_requests(upstream: Upstream, stream: bool) -> None:
    body = {"model": "m", "messages": [], "stream": stream}
    connections = set()
    async with httpx2.AsyncClient() as http:
        for _ in range(3):
            response = await http.post(f"{upstream.base_url}/chat/completions", json=body)
            connections.add(response.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(connections) == 1
    assert [call.ended for call in upstream.calls] == ["finished"] * 3


@pytest.mark.parametrize(
    "script",
    [
        Script(["word "] * 1000, delay=0.01),
        Script(["word "] * 1000, delay=60.0),
        Script(silent_after=1),
    ],
    ids=["between tokens", "in a long pause", "in silence"],
)
async def test_a_client_that_leaves_a_stream_is_logged_at_once(
    upstream: Upstream, client: AsyncOpenAI, script: Script
) -> None:
    upstream.script = script
    async with await ask(client) as stream:
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        assert upstream.active == 1
        left = time.monotonic()
    call = await ended(upstream)
    assert call.ended == "client_left"
    assert call.ended_at is not None and 0.0 <= call.ended_at - left < 0.1
    assert 1 <= call.tokens_sent < 20
    assert upstream.active == 0


@pytest.mark.parametrize(
    ("script", "stream"),
    [
        (Script(header_delay=60.0), True),
        (Script(silent_after=0), True),
        (Script(silent_after=0), False),
    ],
    ids=["before the headers", "before the first token", "not streaming"],
)
async def test_a_client_that_times_out_is_logged_at_once(
    upstream: Upstream, client: AsyncOpenAI, script: Script, stream: bool
) -> None:
    upstream.script = script
    impatient = client.with_options(timeout=0.2)
    with pytest.raises(openai.APITimeoutError):
        if stream:
            await read(await ask(impatient))
        else:
            await impatient.chat.completions.create(model="m", messages=[])
    left = time.monotonic()
    call = await ended(upstream)
    assert call.ended == "client_left"
    assert call.ended_at is not None and abs(call.ended_at - left) < 0.1
    assert call.ended_at - call.started >= 0.15


async def test_a_cancelled_task_is_a_client_that_left(
    upstream: Upstream, client: AsyncOpenAI
) -> None:
    upstream.script = Script(silent_after=2)
    deltas: list[str] = []
    reading = asyncio.create_task(read(await ask(client), deltas))
    await asyncio.to_thread(upstream.wait_until, lambda calls: calls[0].tokens_sent == 2)
    reading.cancel()
    left = time.monotonic()
    call = await ended(upstream)
    assert call.ended == "client_left"
    assert call.ended_at is not None and call.ended_at - left < 0.1


@pytest.mark.parametrize("in_character", [True, False])
async def test_a_cut_stream_raises_after_its_text(
    upstream: Upstream, client: AsyncOpenAI, in_character: bool
) -> None:
    upstream.script = Script(cut_after=2, cut_in_character=in_character)
    deltas: list[str] = []
    with pytest.raises(openai.APIConnectionError):
        await read(await ask(client), deltas)
    assert "".join(deltas) == "Hello, "
    call = upstream.calls[0]
    assert (call.ended, call.tokens_sent) == ("cut", 2)


async def test_a_cut_answer_that_does_not_stream_raises(
    upstream: Upstream, client: AsyncOpenAI
) -> None:
    upstream.script = Script(cut_after=0)
    with pytest.raises(openai.APIConnectionError):
        await client.chat.completions.create(model="m", messages=[])
    assert upstream.calls[0].ended == "cut"


async def test_an_error_event_raises_in_the_middle(upstream: Upstream, client: AsyncOpenAI) -> None:
    upstream.script = Script(error_event_after=2, error_code="overloaded")
    deltas: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        await read(await ask(client), deltas)
    assert caught.value.code == "overloaded"
    assert "".join(deltas) == "Hello, "


async def test_a_broken_event_is_not_json(upstream: Upstream, client: AsyncOpenAI) -> None:
    upstream.script = Script(broken_json_after=1)
    deltas: list[str] = []
    with pytest.raises(json.JSONDecodeError):
        await read(await ask(client), deltas)
    assert "".join(deltas) == "Hello"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
async def test_text_split_inside_characters_arrives_whole(
    upstream: Upstream, client: AsyncOpenAI, size: int
) -> None:
    upstream.script = Script([VIETNAMESE], split_bytes=size)
    assert await read(await ask(client)) == VIETNAMESE


async def test_split_bytes_reach_the_client_as_separate_pieces(upstream: Upstream) -> None:
    upstream.script = Script(["ế"], split_bytes=3)
    body = {"model": "m", "messages": [], "stream": True}
    async with (
        httpx2.AsyncClient() as http,
        http.stream("POST", f"{upstream.base_url}/chat/completions", json=body) as response,
    ):
        pieces = [piece async for piece in response.aiter_raw()]
    assert max(map(len, pieces)) == 3
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n")


async def test_a_server_that_stops_ends_its_open_calls(client: AsyncOpenAI) -> None:
    with Upstream(Script(silent_after=1)) as server:
        stream = await ask(client.with_options(base_url=server.base_url))
    with pytest.raises(openai.APIConnectionError):
        await read(stream)
    assert server.calls[0].ended == "cut"


async def test_a_wait_that_is_not_met_times_out(upstream: Upstream) -> None:
    with pytest.raises(TimeoutError):
        upstream.wait_for_end(0, timeout=0.05)


@pytest.mark.parametrize("text", [VIETNAMESE, "", "  a \n", "see [1][2].\n\n- x", "e\u0302\u0301"])
def test_words_joined_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text
    assert all(len(word.strip()) <= 6 for word in words(text))
