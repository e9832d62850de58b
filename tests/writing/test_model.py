"""The model's stream over a real connection: its text, its end, its failures, and hanging up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from rag.errors import ModelError
from rag.events import Thinking
from rag.settings import Settings
from rag.types import Options, Usage
from rag.writing import kinds
from rag.writing.address import MOST_BYTES
from rag.writing.counting import MAX_ANSWER
from rag.writing.model import RETRIES, Model
from rag.writing.pieces import Declined, Ending
from rag.writing.prompt import Message
from rag.writing.wire import MAX_EVENT
from tests.harness.refusals import CODES, KINDS, PARAMETERS, Refused
from tests.harness.upstream import Call, Json, Script, Upstream, words
from tests.harness.wires import DONE, STOP, TEXT, delta, texts

pytestmark = pytest.mark.anyio

Configured = Callable[..., Settings]

ASKED: list[Message] = [{"role": "user", "content": "Why?"}]
RULES: list[Message] = [{"role": "system", "content": "The rules."}, *ASKED]
VIETNAMESE = "Tiếng Việt có dấu: “đường”, ngữ nghĩa, 🌊 — hết [1]."
AT_ONCE = {"retry-after-ms": "1"}


@asynccontextmanager
async def connected(
    configured: Configured, upstream: Upstream, **variables: object
) -> AsyncIterator[Model]:
    model = Model(configured(OPENAI_BASE_URL=upstream.base_url, **variables))
    try:
        yield model
    finally:
        await model.close()


async def read(
    model: Model,
    options: Options | None = None,
    into: list[str] | None = None,
    asked: Sequence[Message] = (),
) -> tuple[str, Ending]:
    """The text and the ending; `into` keeps the pieces when the stream fails on the way."""
    pieces = [] if into is None else into
    ending = None
    async with aclosing(model.stream(asked or ASKED, options or Options())) as stream:
        async for piece in stream:
            assert ending is None, "something came after the ending"
            if isinstance(piece, Ending):
                ending = piece
            elif isinstance(piece, str):
                pieces.append(piece)
    assert ending is not None
    return "".join(pieces), ending


async def hung_up(upstream: Upstream, index: int = 0) -> Call:
    return await asyncio.to_thread(upstream.wait_for_end, index)


@pytest.mark.parametrize(
    "script",
    [
        Script(words(VIETNAMESE)),
        Script(words(VIETNAMESE), role_chunk=False),
        Script(words(VIETNAMESE), empty_choices_first=True),
        Script(words(VIETNAMESE), split_bytes=1),
    ],
    ids=["plain", "no role chunk", "empty choices first", "byte by byte"],
)
async def test_the_text_arrives_piece_by_piece_and_unchanged(
    configured: Configured, upstream: Upstream, script: Script
) -> None:
    upstream.script = script
    pieces: list[str] = []
    async with connected(configured, upstream) as model:
        _, ending = await read(model, into=pieces)
    assert pieces == list(script.tokens)
    assert ending.reason == "stop"


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (("Nice \ud83d", "\ude00 done [1]."), "Nice 😀 done [1]."),
        (("Nice \ud83d", " done."), "Nice \ufffd done."),
        (("Nice \ude00",), "Nice \ufffd"),
        (("Nice \ud83d",), "Nice \ufffd"),
    ],
)
async def test_a_character_cut_in_two_is_whole_again_and_half_a_one_is_told(
    configured: Configured, upstream: Upstream, tokens: tuple[str, ...], text: str
) -> None:
    upstream.script = Script(tokens)
    async with connected(configured, upstream) as model:
        assert (await read(model))[0] == text


async def test_a_refusal_of_the_model_is_told_before_its_words(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(words("I will not say that."), refuses=True)
    async with (
        connected(configured, upstream) as model,
        aclosing(model.stream(ASKED, Options())) as stream,
    ):
        pieces = [piece async for piece in stream]
    assert pieces[0] == Declined() and pieces.count(Declined()) == 1
    assert "".join(map(str, pieces[1:-1])) == "I will not say that."


async def test_the_ending_tells_what_the_server_counted(
    configured: Configured, upstream: Upstream
) -> None:
    async with connected(configured, upstream) as model:
        _, ending = await read(model)
        assert ending.usage == Usage(input_tokens=2, output_tokens=4)
        upstream.script = Script(usage=False)
        _, ending = await read(model)
        assert ending.usage == Usage(input_tokens=1, output_tokens=4, estimated=True)


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
async def test_the_ending_tells_why_the_model_stopped(
    configured: Configured, upstream: Upstream, reason: str
) -> None:
    upstream.script = Script(finish_reason=reason)
    async with connected(configured, upstream) as model:
        assert (await read(model))[1].reason == reason


async def test_an_answer_without_a_word_is_a_failure_that_says_so(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(tokens=())
    async with connected(configured, upstream) as model:
        with pytest.raises(ModelError, match="without a word") as failed:
            await read(model)
    assert (failed.value.code, failed.value.retryable) == ("empty_answer", True)


async def test_a_server_that_refuses_to_count_is_asked_again_without_and_remembered(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(tokens=("Yes.",), refuse_stream_options=True)
    async with connected(configured, upstream) as model:
        assert (await read(model))[0] == "Yes."
        assert (await read(model))[0] == "Yes."
    assert ["stream_options" in call.body for call in upstream.calls] == [True, False, False]


@pytest.mark.parametrize("name", PARAMETERS)
async def test_what_a_model_does_not_take_is_left_out_and_remembered_for_it(
    configured: Configured, upstream: Upstream, name: str
) -> None:
    refused = PARAMETERS[name][0]
    newer = {"max_completion_tokens": 7} if name == "max_completion_tokens" else {}
    json_mode = {"response_format": {"type": "json_object"}}
    options = Options(
        temperature=0.5, max_tokens=7, parameters={"top_p": 0.5, "seed": 1, **json_mode, **newer}
    )

    def takes(body: Json) -> Script:
        refuses = name in body or body_has(body, name)
        return refused.script if refuses else Script(tokens=("Yes.",))

    upstream.script = takes
    async with connected(configured, upstream) as model:
        for _ in range(2):
            assert (await read(model, options, asked=RULES))[0] == "Yes."
        assert (await read(model, replace(options, model="other"), asked=RULES))[0] == "Yes."
    sent = [name in call.body or body_has(call.body, name) for call in upstream.calls]
    assert sent == [True, False, False, True, False]


def body_has(body: Json, role: str) -> bool:
    return any(message["role"] == role for message in body["messages"])


async def test_what_did_not_help_to_leave_out_is_not_remembered(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(
        status=400, raw=[PARAMETERS["temperature"][0].text], content_type="application/json"
    )
    async with connected(configured, upstream) as model:
        with pytest.raises(ModelError):
            await read(model, Options(temperature=0.5))
        with pytest.raises(ModelError):
            await read(model, Options(temperature=0.5))
    assert ["temperature" in call.body for call in upstream.calls] == [True, False] * 2


async def test_the_request_carries_the_messages_the_key_and_only_the_options_that_were_chosen(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.require_key = "sk-test"
    async with connected(
        configured, upstream, OPENAI_API_KEY=" sk-test ", OPENAI_MODEL="house-model"
    ) as model:
        await read(model)
        await read(model, Options(model="other", temperature=0.0, max_tokens=7))
    plain, chosen = (call.body for call in upstream.calls)
    assert plain["messages"] == ASKED
    assert plain["model"] == "house-model"
    assert not {"temperature", "max_tokens", "max_completion_tokens"} & plain.keys()
    assert (chosen["model"], chosen["temperature"], chosen["max_tokens"]) == ("other", 0.0, 7)


async def test_a_server_that_wants_no_key_is_asked_without_one(
    configured: Configured, upstream: Upstream
) -> None:
    async with connected(configured, upstream) as model:
        assert (await read(model))[0] == "Hello, world."


@pytest.mark.parametrize(
    ("status", "error_code", "code", "retryable"),
    [
        (400, None, "invalid_request", False),
        (400, "context_length_exceeded", "context_too_long", False),
        (401, "invalid_api_key", "auth_error", False),
        (403, None, "auth_error", False),
        (404, "model_not_found", "invalid_request", False),
        (409, None, "invalid_request", False),
        (413, None, "invalid_request", False),
        (422, None, "invalid_request", False),
        (429, "rate_limit_exceeded", "rate_limited", True),
        (500, None, "server_error", True),
        (503, None, "server_error", True),
    ],
)
async def test_every_refusal_has_a_code_and_a_sentence_in_both_languages(
    configured: Configured,
    upstream: Upstream,
    status: int,
    error_code: str | None,
    code: str,
    retryable: bool,
) -> None:
    upstream.script = Script(status=status, error_code=error_code, headers=AT_ONCE)
    async with connected(configured, upstream) as model:
        with pytest.raises(ModelError) as failed:
            await read(model)
    assert (failed.value.code, failed.value.retryable) == (code, retryable)
    assert failed.value.sentence("vi") != failed.value.sentence("en")
    assert "test server" not in failed.value.sentence("en")


@pytest.mark.parametrize("of", KINDS)
async def test_the_servers_own_words_come_with_the_sentence(
    configured: Configured, upstream: Upstream, of: str
) -> None:
    refused = KINDS[of][0]
    upstream.script = refused.script
    limits = {"HEADWATER_FIRST_WORD_TIMEOUT": 2.0}  # so long a model may be loaded here
    async with connected(configured, upstream, **limits) as model:
        with pytest.raises(ModelError) as failed:
            await read(model, asked=RULES)
    assert failed.value.code == CODES.get(of, of)
    said = "" if of == "loading" else kinds.words(refused.text)
    assert failed.value.detail == said


async def test_a_model_that_is_being_loaded_is_waited_for(
    configured: Configured, upstream: Upstream
) -> None:
    loading = KINDS["loading"][0].script
    upstream.next(*[loading] * (1 + RETRIES) * 2)
    async with connected(configured, upstream) as model:
        assert (await read(model))[0] == "Hello, world."
    assert len(upstream.calls) == (1 + RETRIES) * 2 + 1


@pytest.mark.parametrize("refused", KINDS["no_server"], ids=lambda refused: refused.name)
async def test_an_address_without_v1_is_told_with_the_one_that_works(
    configured: Configured, upstream: Upstream, refused: Refused
) -> None:
    at = upstream.base_url.removesuffix("/v1")
    upstream.prefix, upstream.script = "", refused.script
    upstream.others = {"GET /v1/models": {"object": "list", "data": []}}
    model = Model(configured(OPENAI_BASE_URL=at))
    with pytest.raises(ModelError, match=f"there is one at {upstream.base_url}: set") as failed:
        await read(model)
    assert (failed.value.code, failed.value.retryable) == ("no_server", False)
    upstream.others = {}
    upstream.prefix = "/elsewhere"
    with pytest.raises(ModelError, match="addresses end with /v1"):
        await read(model)
    await model.close()


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_a_list_of_models_without_an_end_is_none(
    configured: Configured, upstream: Upstream, status: int
) -> None:
    upstream.others = {"GET /v1/models": {"data": "x" * (MOST_BYTES + 1)}}
    upstream.others_status = status
    async with connected(configured, upstream) as model:
        await model.look_up("m")
        assert model.contexts.limit("m") is None
        assert (await read(model))[0] == "Hello, world."


async def test_a_proxy_is_not_asked_for_this_machines_own_addresses(
    configured: Configured, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Upstream() as proxy:
        address = proxy.base_url.removesuffix("/v1")
        monkeypatch.setenv("HTTP_PROXY", address)
        monkeypatch.setenv("ALL_PROXY", address)
        monkeypatch.setenv("NO_PROXY", "")
        async with connected(configured, upstream) as model:
            assert (await read(model))[0] == "Hello, world."
        assert not proxy.calls


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_passing_failure_is_tried_again(
    configured: Configured, upstream: Upstream, status: int
) -> None:
    upstream.next(*[Script(status=status, headers=AT_ONCE)] * RETRIES)
    async with connected(configured, upstream) as model:
        assert (await read(model))[0] == "Hello, world."
    assert len(upstream.calls) == 1 + RETRIES


async def test_retry_after_is_waited_for(configured: Configured, upstream: Upstream) -> None:
    upstream.next(Script(status=429, headers={"retry-after": "1"}))
    async with connected(configured, upstream) as model:
        await read(model)
    first, second = upstream.calls
    assert first.ended_at is not None
    assert second.started - first.ended_at >= 1.0


async def test_what_will_not_pass_is_not_tried_again(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(status=401)
    async with connected(configured, upstream) as model:
        with pytest.raises(ModelError):
            await read(model)
    assert len(upstream.calls) == 1


async def test_a_server_that_is_not_there_is_named(configured: Configured) -> None:
    with Upstream() as gone:
        pass
    async with connected(configured, gone) as model:
        with pytest.raises(ModelError, match=r"127\.0\.0\.1") as failed:
            await read(model)
    assert (failed.value.code, failed.value.retryable) == ("network_error", True)


async def test_a_server_that_never_begins_is_given_up(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(header_delay=60)
    async with connected(configured, upstream, HEADWATER_FIRST_WORD_TIMEOUT=0.5) as model:
        with pytest.raises(ModelError) as failed:
            await read(model)
    assert (failed.value.code, failed.value.retryable) == ("timeout", True)
    assert len(upstream.calls) == 1, "a slow model was started, and would be paid, again"


async def test_a_server_that_is_silent_before_the_first_word_is_given_up(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(silent_after=0)
    async with connected(configured, upstream, HEADWATER_FIRST_WORD_TIMEOUT=0.5) as model:
        with pytest.raises(ModelError) as failed:
            await read(model)
    assert failed.value.code == "timeout"
    assert (await hung_up(upstream)).ended == "client_left"


async def test_a_server_that_falls_silent_is_given_up_and_the_text_so_far_stays(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(silent_after=2)
    pieces: list[str] = []
    async with connected(configured, upstream, HEADWATER_IDLE_TIMEOUT=0.5) as model:
        with pytest.raises(ModelError) as failed:
            await read(model, into=pieces)
    assert (failed.value.code, failed.value.retryable) == ("stream_interrupted", True)
    assert pieces == ["Hello", ", "]
    assert (await hung_up(upstream)).ended == "client_left"
    assert len(upstream.calls) == 1  # an answer that has begun is not begun again


@pytest.mark.parametrize(
    "script",
    [
        Script(cut_after=2),
        Script(cut_after=2, cut_in_character=True),
        Script(error_event_after=2),
        Script(broken_json_after=2),
    ],
    ids=["cut", "cut inside a character", "error event", "broken json"],
)
async def test_a_stream_that_breaks_off_says_so_and_the_text_so_far_stays(
    configured: Configured, upstream: Upstream, script: Script
) -> None:
    upstream.script = script
    pieces: list[str] = []
    async with connected(configured, upstream) as model:
        with pytest.raises(ModelError) as failed:
            await read(model, into=pieces)
    assert (failed.value.code, failed.value.retryable) == ("stream_interrupted", True)
    assert pieces == ["Hello", ", "]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (Script(cut_after=0), "network_error"),
        (Script(error_event_after=0), "server_error"),
        (Script(broken_json_after=0), "server_error"),
    ],
    ids=["cut", "error event", "broken json"],
)
async def test_a_stream_that_breaks_before_the_first_word_is_a_failure_of_the_server(
    configured: Configured, upstream: Upstream, script: Script, code: str
) -> None:
    upstream.script = script
    async with connected(configured, upstream) as model:
        with pytest.raises(ModelError) as failed:
            await read(model)
    assert (failed.value.code, failed.value.retryable) == (code, True)


STREAMING = Script(tokens=["word "] * 2000, delay=0.01)
SILENT = Script(silent_after=1)


async def begun(model: Model) -> AsyncGenerator[str | Thinking | Declined | Ending]:
    stream = model.stream(ASKED, Options())
    assert isinstance(await anext(stream), str)
    return stream


@pytest.mark.parametrize("script", [STREAMING, SILENT], ids=["streaming", "silent"])
async def test_closing_the_generator_hangs_up_within_half_a_second(
    configured: Configured, upstream: Upstream, script: Script
) -> None:
    upstream.script = script
    async with connected(configured, upstream) as model:
        stream = await begun(model)
        closed = time.monotonic()
        await stream.aclose()
        call = await hung_up(upstream)
    assert call.ended == "client_left" and call.ended_at is not None
    assert call.ended_at - closed < 0.5


@pytest.mark.parametrize(
    "script",
    [STREAMING, SILENT, Script(silent_after=0), Script(header_delay=60)],
    ids=["streaming", "silent", "silent from the start", "no headers"],
)
async def test_cancelling_the_reader_hangs_up_within_half_a_second(
    configured: Configured, upstream: Upstream, script: Script
) -> None:
    upstream.script = script
    async with connected(configured, upstream) as model:
        reading = asyncio.create_task(read(model))
        await asyncio.to_thread(upstream.wait_until, lambda calls: len(calls) == 1)
        await asyncio.sleep(0.2)
        cancelled = time.monotonic()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        call = await hung_up(upstream)
    assert call.ended == "client_left" and call.ended_at is not None
    assert call.ended_at - cancelled < 0.5


async def test_many_answers_may_be_streamed_at_once(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = lambda body: Script(tokens=[body["model"]] * 50, delay=0.001)
    async with connected(configured, upstream) as model:
        names = [f"model-{n}" for n in range(20)]
        texts = await asyncio.gather(*(read(model, Options(model=name)) for name in names))
    assert [text for text, _ in texts] == [name * 50 for name in names]


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})])
async def test_the_longest_answer_is_not_taken_for_silence_where_timers_are_early(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(["and", " so", " on"] * 1000, delay=0.01)
    async with connected(configured, upstream, HEADWATER_MAX_ANSWER_SECONDS=0.1) as model:
        for _ in range(40):
            with pytest.raises(ModelError) as failed:
                await read(model)
            assert failed.value.code == "timeout" and "ended after" in failed.value.en


async def test_an_event_without_an_end_is_cut_with_a_sentence(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(["It begins", "x" * (MAX_EVENT + 1000), "never"])
    async with connected(configured, upstream) as model:
        came: list[str] = []
        with pytest.raises(ModelError, match="more than 1 MB") as failed:
            await read(model, into=came)
    assert failed.value.code == "server_error"
    assert came == ["It begins"]
    await hung_up(upstream)


async def test_many_short_events_are_as_long_as_they_like(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(["y" * 10_000] * 200, split_bytes=7000)
    async with connected(configured, upstream) as model:
        text, _ = await read(model)
    assert len(text) == 2_000_000


async def test_a_reader_who_takes_long_does_not_make_an_answer_longer_than_it_may_be(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(["and", " so", " on"] * 1000, delay=0.001)
    async with (
        connected(configured, upstream, HEADWATER_MAX_ANSWER_SECONDS=0.5) as model,
        aclosing(model.stream(ASKED, Options())) as stream,
    ):
        assert await anext(stream) == "and"
        await asyncio.sleep(0.6)
        with pytest.raises(ModelError, match="ended after"):
            await anext(stream)
    await hung_up(upstream)


async def test_comments_are_a_sign_of_life(configured: Configured, upstream: Upstream) -> None:
    alive: list[str | float] = [": waiting\n\n", 0.3] * 4
    upstream.script = Script(raw=[*alive, *texts(), *alive, STOP, DONE])
    async with connected(
        configured, upstream, HEADWATER_FIRST_WORD_TIMEOUT=0.8, HEADWATER_IDLE_TIMEOUT=0.8
    ) as model:
        assert (await read(model))[0] == TEXT


async def test_a_server_that_only_gives_signs_of_life_is_given_up(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(raw=[": waiting\n\n", 0.1] * 1000)
    async with connected(configured, upstream, HEADWATER_MAX_ANSWER_SECONDS=0.5) as model:
        with pytest.raises(ModelError, match="ended after"):
            await read(model)
    await hung_up(upstream)


async def test_an_answer_without_an_end_is_cut_at_a_limit(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(raw=[delta(content="y" * 100_000)] * (MAX_ANSWER // 100_000 + 20))
    async with connected(configured, upstream) as model:
        came: list[str] = []
        with pytest.raises(ModelError, match="most that one may have") as failed:
            await read(model, into=came)
    assert failed.value.code == "server_error"
    assert MAX_ANSWER <= sum(map(len, came)) <= MAX_ANSWER + 100_000
    await hung_up(upstream)


async def test_a_server_that_says_the_end_and_does_not_close_is_not_waited_for(
    configured: Configured, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.writing.model.COUNT_SECONDS", 0.2)
    for end in ([STOP], [DONE]):
        upstream.script = Script(raw=[*texts(), *end, 60.0])
        async with connected(configured, upstream) as model:
            text, ending = await asyncio.wait_for(read(model), 10)
        assert (text, ending.reason) == (TEXT, "stop")


async def test_a_model_that_is_wrongly_believed_to_think_has_its_answer_and_is_believed_no_more(
    configured: Configured, upstream: Upstream
) -> None:
    upstream.script = Script(raw=[*texts(), STOP, DONE])
    async with connected(configured, upstream, OPENAI_MODEL="not-r1") as model:
        pieces: list[str] = []
        text, ending = await read(model, into=pieces)
        assert (text, len(pieces)) == (TEXT, 1)  # at its end
        assert ending.usage and ending.usage.thinking_tokens == 0
        again: list[str] = []
        await read(model, into=again)
    assert len(again) == len(texts())
