"""The stream of events of one answer: sources first, one end, and nothing but events."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest import sync
from rag import followup
from rag.answer import Answerer
from rag.assembly import assemble
from rag.errors import StoreError
from rag.events import (
    CitationChecked,
    Event,
    Failed,
    Finished,
    Queued,
    Searching,
    SourcesFound,
    Started,
    TextDelta,
    Thinking,
    Waiting,
    WithoutDocuments,
    as_json,
    settled,
)
from rag.question import MAX_QUESTION
from rag.retrieval.embedder import Embedder
from rag.retrieval.retriever import Retriever
from rag.serving.metrics import Metrics
from rag.settings import Settings, load_settings
from rag.store.opening import Opening
from rag.store.store import Store
from rag.types import Findings, Options, Turn
from tests.harness.redis_server import RedisServer
from tests.harness.upstream import Script, Upstream, words
from tests.harness.wires import (
    COUNTED,
    DONE,
    STOP,
    TEXT,
    THOUGHT,
    UNOPENED,
    Item,
    delta,
    said,
    texts,
)

pytestmark = pytest.mark.anyio

Configured = Callable[..., Settings]

EN = "What does X-Accel-Buffering do?"
VI = "X-Accel-Buffering dùng để làm gì?"
OFF_TOPIC = "What is the capital of Australia?"
OFF_TOPIC_VI = "Cách nấu phở bò tại nhà như thế nào?"


def ready(retriever: Retriever) -> Opening[Retriever]:
    opening = Opening(lambda report: retriever)
    opening.wait()
    return opening


def quotes_from(opening: Opening[Retriever]) -> Answerer:
    """Answers without a model."""
    return assemble(load_settings(env_file=None), opening, Metrics())


@pytest.fixture
def quoting(retriever: Retriever) -> Answerer:
    return quotes_from(ready(retriever))


@asynccontextmanager
async def asking(
    configured: Configured, upstream: Upstream, retriever: Retriever, **variables: object
) -> AsyncIterator[Answerer]:
    """Answers by the model at `upstream`."""
    settings = configured(OPENAI_BASE_URL=upstream.base_url, **variables)
    async with aclosing(assemble(settings, ready(retriever), Metrics())) as answering:
        yield answering


async def events(
    answerer: Answerer,
    question: str,
    turns: Sequence[Turn] = (),
    options: Options | None = None,
) -> list[Event]:
    seen = [event async for event in answerer.answer(question, turns, options or Options())]
    check_order(seen)
    return seen


async def collected(stream: AsyncGenerator[Event]) -> list[Event]:
    return [event async for event in stream]


def check_order(seen: Sequence[Event]) -> None:
    """What holds for every stream, however it goes."""
    seen = settled(seen)
    ends = [n for n, event in enumerate(seen) if isinstance(event, Finished | Failed)]
    assert ends == [len(seen) - 1]
    kinds = [TextDelta if isinstance(e, CitationChecked) else type(e) for e in seen]
    order: list[type] = [
        *(Started, Waiting, Queued, Searching, SourcesFound, WithoutDocuments, Thinking),
        TextDelta,
        *(Finished, Failed),
    ]
    assert kinds.count(Started) == 1
    assert kinds == sorted(kinds, key=order.index)
    assert kinds.count(SourcesFound) + kinds.count(WithoutDocuments) <= 1
    friendly = isinstance(seen[-1], Finished) and seen[-1].reason == "small_talk"
    assert friendly or TextDelta not in kinds or {SourcesFound, WithoutDocuments} & set(kinds)
    for event in seen:
        if isinstance(event, CitationChecked):
            assert text(seen)[event.start :].startswith(f"[{event.number}]")
    for event in seen:
        assert json.loads(json.dumps(as_json(event)))["event"]


def text(seen: Sequence[Event]) -> str:
    return "".join(event.text for event in seen if isinstance(event, TextDelta))


def sources(seen: Sequence[Event]) -> Findings:
    (found,) = (event.findings for event in seen if isinstance(event, SourcesFound))
    return found


def end(seen: Sequence[Event]) -> Finished:
    assert isinstance(seen[-1], Finished)
    return seen[-1]


def failure(seen: Sequence[Event]) -> Failed:
    assert isinstance(seen[-1], Failed)
    return seen[-1]


@pytest.mark.parametrize(
    ("question", "document"), [(EN, "proxies-and-buffering.md"), (VI, "vi-proxy-va-bo-dem.md")]
)
async def test_without_a_model_the_documents_are_quoted(
    quoting: Answerer, question: str, document: str
) -> None:
    seen = await events(quoting, question)
    started, searching = seen[:2]
    assert isinstance(started, Started)
    assert started.language == ("vi" if question == VI else "en")
    assert searching == Searching(question)
    assert sources(seen).sources[0].document == document
    assert "X-Accel-Buffering" in text(seen) and "[1]" in text(seen)
    finished = end(seen)
    assert (finished.reason, finished.model, finished.usage) == ("stop", None, None)


async def test_a_models_words_arrive_after_the_sources_without_what_cites_nothing(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    tokens = words("Nó tắt bộ đệm [1].\n\n<b>Thế thôi</b> “🌊” [9]")
    upstream.script = Script(tokens)
    async with asking(configured, upstream, retriever, OPENAI_MODEL="house-model") as answerer:
        seen = await events(answerer, VI)
    assert text(seen) == "Nó tắt bộ đệm [1].\n\n<b>Thế thôi</b> “🌊”"
    assert [e.number for e in seen if isinstance(e, CitationChecked)] == [1]
    assert end(seen).dropped == 1
    finished = end(seen)
    assert (finished.reason, finished.model) == ("stop", "house-model")
    assert finished.usage is not None and finished.usage.output_tokens == len(tokens)
    assert finished.first_token_seconds is not None
    assert finished.search_seconds is not None
    assert 0 < finished.search_seconds < finished.first_token_seconds <= finished.total_seconds


async def test_the_model_is_sent_the_sources_the_question_and_the_turns(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    async with asking(configured, upstream, retriever) as answerer:
        turns = [Turn("What is nginx?", "A server. [1]")]
        options = Options(language="vi", top_k=2, model="other", instructions="In rhymes.")
        seen = await events(answerer, f"  {EN}\n", turns, options)
    (call,) = upstream.calls
    rules, question, answer, asked = (message["content"] for message in call.body["messages"])
    assert "Vietnamese" in rules and "In rhymes." in rules
    assert (question, answer) == ("What is nginx?", "A server. [1]")
    assert asked.count("<passage ") == len(sources(seen).sources) == 2
    assert asked.endswith(f"Question: {EN}")
    assert (call.body["model"], end(seen).model) == ("other", "other")


async def test_the_sources_are_there_before_the_model_has_said_a_word(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = Script(header_delay=60)
    async with asking(configured, upstream, retriever) as answerer:
        stream = answerer.answer(EN)
        assert isinstance(await anext(stream), Started)
        assert isinstance(await anext(stream), Searching)
        assert isinstance(await anext(stream), SourcesFound)
        await stream.aclose()
    assert upstream.calls == []


@pytest.mark.parametrize(
    ("question", "sentence"),
    [(OFF_TOPIC, "no relevant information"), (OFF_TOPIC_VI, "không tìm thấy thông tin liên quan")],
)
async def test_below_the_threshold_no_model_is_called(
    configured: Configured,
    upstream: Upstream,
    retriever: Retriever,
    question: str,
    sentence: str,
) -> None:
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, question)
    assert upstream.calls == []
    found = sources(seen)
    assert found.verdict == "refuse" and found.best_score < found.threshold
    assert sentence in text(seen) and "[" not in text(seen)
    assert (end(seen).reason, end(seen).model) == ("refused", None)


async def test_without_the_documents_the_model_answers_alone_and_that_is_said_first(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = Script(words("Canberra [1]."))
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, OFF_TOPIC, options=Options(documents=False))
    assert seen[1] == WithoutDocuments()
    assert text(seen) == "Canberra."
    (call,) = upstream.calls
    assert "<passages>" not in str(call.body) and "have no documents here" in str(call.body)
    assert (end(seen).reason, end(seen).search_seconds) == ("stop", None)


async def test_the_list_of_documents_is_given_by_us_and_every_one_can_be_opened(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, "Có những tài liệu nào?")
    listed = sources(seen)
    assert text(seen).startswith(f"Có {len(listed.sources)} tài liệu:")
    assert all(f"{source.document} [{source.number}]" in text(seen) for source in listed.sources)
    assert all(event.supported for event in seen if isinstance(event, CitationChecked))
    assert (end(seen).reason, end(seen).model) == ("listing", None)
    assert not upstream.calls


async def test_a_summary_is_quoted_from_the_whole_document_or_written_from_it(
    quoting: Answerer, configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    question = "Summarise the caching document"
    seen = await events(quoting, question)
    assert {source.document for source in sources(seen).sources} == {"caching.md"}
    assert "**Semantic cache**" in text(seen) and "not computing the same thing twice" in text(seen)
    assert all(event.supported for event in seen if isinstance(event, CitationChecked))
    assert (end(seen).reason, end(seen).model) == ("stop", None)
    upstream.script = Script(words("Caching saves time and money [1]."))
    async with asking(configured, upstream, retriever) as answerer:
        written = await events(answerer, question)
    (call,) = upstream.calls
    assert text(written) == "Caching saves time and money [1]." and "Semantic cache" in str(
        call.body
    )


async def test_without_documents_and_without_a_model_nobody_can_answer(quoting: Answerer) -> None:
    seen = await events(quoting, OFF_TOPIC, options=Options(documents=False))
    assert "No model is configured" in failure(seen).sentence


async def test_a_follow_up_is_searched_in_the_models_words_and_answered_in_the_users_own(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    def script(body: dict[str, Any]) -> Script:
        rewriting = "rewrite the last question" in body["messages"][0]["content"]
        said = "What is the default of proxy_read_timeout in nginx?" if rewriting else "60 s [1]."
        return Script(words(said))

    upstream.script = script
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, "What is its default?", [Turn("proxy_read_timeout?", "It…")])
    query = "What is the default of proxy_read_timeout in nginx?"
    assert [event.query for event in seen if isinstance(event, Searching)][-1] == query
    assert sources(seen).query == query
    sent = upstream.calls[-1].body["messages"][-1]["content"]
    assert sent.endswith("Question: What is its default?")
    usage, rewriting = end(seen).usage, end(seen).rewriting
    assert usage and usage.output_tokens == len(words("60 s [1]."))
    assert rewriting and rewriting.output_tokens == len(words(query))


async def test_a_follow_up_that_is_rewritten_too_slowly_is_searched_by_the_joined_words(
    configured: Configured,
    upstream: Upstream,
    retriever: Retriever,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rag.writing.writer.REWRITE_SECONDS", 0.2)
    upstream.next(Script(words("A query that is never"), silent_after=3), Script(["60 s [1]."]))
    question, before = "What is its default?", "What does proxy_read_timeout do?"
    own = 30  # seconds that the model may be silent in an answer
    async with asking(configured, upstream, retriever, HEADWATER_IDLE_TIMEOUT=own) as answerer:
        seen = await events(answerer, question, [Turn(before, "It…")])
        late = await asyncio.to_thread(upstream.wait_for_end)
    assert late.ended == "client_left" and late.ended_at is not None
    assert late.ended_at - late.started < own
    assert sources(seen).query == followup.joined(question, before) != question
    assert text(seen) == "60 s [1]."
    assert end(seen).rewriting is None


async def test_a_model_whose_rewritten_questions_are_of_no_use_is_asked_for_three(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    question, before = "What is its default?", "What does proxy_read_timeout do?"
    rewritings: list[str] = []

    def script(body: dict[str, Any]) -> Script:
        if "rewrite the last question" not in body["messages"][0]["content"]:
            return Script(["60 s [1]."])
        rewritings.append(question)
        return Script(words("I am a language model and [1] cannot say."))

    upstream.script = script
    async with asking(configured, upstream, retriever, HEADWATER_CACHE_SECONDS=0) as answerer:
        for _ in range(5):
            seen = await events(answerer, question, [Turn(before, "It…")])
            assert sources(seen).query == followup.joined(question, before)
    assert len(rewritings) == 3


async def test_what_the_joined_words_find_is_among_the_sources_of_a_rewritten_question(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    question, before = "What is its default?", "What does proxy_read_timeout do?"
    elsewhere = "What is the default of a proxy for a saved answer that lives long in a cache?"
    joined = retriever.search(followup.joined(question, before), 5).sources[0]
    upstream.next(Script(words(elsewhere)), Script(["60 s [1]."]))
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, question, [Turn(before, "It is proxy_read_timeout.")])
    assert [event.query for event in seen if isinstance(event, Searching)][1] == elsewhere
    assert joined.document in [source.document for source in sources(seen).sources[:2]]


async def test_a_rewriting_is_in_the_price_and_not_in_the_tokens_a_second(
    configured: Configured,
    upstream: Upstream,
    retriever: Retriever,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rag.writing.pricing.price", lambda usage, *_: 0.25 * usage.output_tokens)
    query = "What is the default of proxy_read_timeout in nginx?"
    upstream.next(Script(words(query)), Script(["60 ", "s ", "[1]."], delay=0.01))
    async with asking(configured, upstream, retriever) as answerer:
        turns = [Turn("What does proxy_read_timeout do?", "It…")]
        finished = end(await events(answerer, "What is its default?", turns))
    assert finished.rewriting and finished.rewriting.output_tokens == len(words(query))
    assert finished.price == 0.25 * (len(words(query)) + 3)
    assert finished.tokens_per_second and finished.first_token_seconds
    seconds = finished.total_seconds - finished.first_token_seconds
    assert finished.tokens_per_second * seconds == pytest.approx(3)


async def test_an_answer_that_costs_nothing_has_a_price_of_zero(
    configured: Configured,
    upstream: Upstream,
    retriever: Retriever,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rag.writing.pricing.price", lambda *_: 0.0)
    async with asking(configured, upstream, retriever) as answerer:
        finished = end(await events(answerer, EN))
    assert finished.price == 0.0 and as_json(finished)["price"] == 0.0


async def test_a_refusal_is_in_the_language_that_was_chosen(quoting: Answerer) -> None:
    seen = await events(quoting, OFF_TOPIC, options=Options(language="vi"))
    assert "không tìm thấy" in text(seen)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "tool_calls"),
        ("repetition", "other"),
    ],
)
async def test_the_end_tells_why_the_model_stopped(
    configured: Configured, upstream: Upstream, retriever: Retriever, reason: str, told: str
) -> None:
    upstream.script = Script(finish_reason=reason)
    async with asking(configured, upstream, retriever) as answerer:
        assert end(await events(answerer, EN)).reason == told


async def test_a_filtered_answer_without_a_word_is_a_failure(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = Script(tokens=(), finish_reason="content_filter")
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, EN)
    assert (text(seen), failure(seen).code) == ("", "content_filtered")


async def test_extra_instructions_have_a_limit(quoting: Answerer) -> None:
    options = Options(instructions="x" * (MAX_QUESTION + 1))
    started, failed = [event async for event in quoting.answer(EN, options=options)]
    assert isinstance(started, Started)
    assert isinstance(failed, Failed) and failed.code == "invalid_question"


@pytest.mark.parametrize("question", ["", " \n\t", "?!…", "🌊", "x" * (MAX_QUESTION + 1)])
async def test_a_question_that_cannot_be_asked_is_refused_before_the_search(
    quoting: Answerer, question: str
) -> None:
    seen = await events(quoting, question)
    assert [type(event) for event in seen] == [Started, Failed]
    assert (failure(seen).code, failure(seen).retryable) == ("invalid_question", False)


async def test_a_failure_is_told_in_the_language_of_the_question(quoting: Answerer) -> None:
    english = failure(await events(quoting, ""))
    vietnamese = failure(await events(quoting, "", options=Options(language="vi")))
    assert "empty" in english.sentence
    assert "trống" in vietnamese.sentence
    assert "ký tự" in failure(await events(quoting, "đ" * (MAX_QUESTION + 1))).sentence


@pytest.mark.parametrize(
    ("script", "code", "so_far"),
    [
        (Script(status=401), "auth_error", ""),
        (Script(cut_after=2), "stream_interrupted", "Hello, "),
        (Script(error_event_after=2), "stream_interrupted", "Hello, "),
    ],
    ids=["refused", "cut", "error event"],
)
async def test_a_model_that_fails_leaves_the_sources_and_the_text_so_far(
    configured: Configured,
    upstream: Upstream,
    retriever: Retriever,
    script: Script,
    code: str,
    so_far: str,
) -> None:
    upstream.script = script
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, EN)
    assert failure(seen).code == code
    assert text(seen) == so_far
    assert sources(seen).sources


async def test_a_question_asked_while_the_library_opens_waits_for_it(retriever: Retriever) -> None:
    go_on = threading.Event()

    def work(report: Callable[[Waiting], None]) -> Retriever:
        report(Waiting(1, 2, "a.md"))
        assert go_on.wait(30)
        return retriever

    answerer = quotes_from(Opening(work))
    seen: list[Event] = []
    async for event in answerer.answer(EN):
        seen.append(event)
        if event == Waiting(1, 2, "a.md"):
            go_on.set()
    check_order(seen)
    assert Waiting(1, 2, "a.md") in seen
    assert end(seen).reason == "stop"


async def test_a_library_that_cannot_be_opened_fails_the_answer_with_its_sentence() -> None:
    def work(report: object) -> Retriever:
        raise StoreError("There is no room.", "Hết chỗ.")

    answerer = quotes_from(Opening(work))
    seen = await events(answerer, "xin chào các bạn đã đến")
    assert (failure(seen).code, failure(seen).retryable) == ("store_error", False)
    assert failure(seen).sentence == "Hết chỗ."


async def test_an_empty_library_fails_the_answer_with_what_to_do(
    store: Store, embedder: Embedder
) -> None:
    answerer = quotes_from(ready(Retriever(store, embedder)))
    assert failure(await events(answerer, EN)).code == "library_empty"


class Broken(Retriever):
    """Fails as nobody foresaw."""

    def __init__(self) -> None:
        pass

    def search(self, question: str, top_k: int, *places: str) -> Findings:
        raise ZeroDivisionError("the user's question must not end up here")


async def test_what_nobody_foresaw_is_logged_and_told_in_general_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = await events(quotes_from(ready(Broken())), EN)
    assert failure(seen).code == "internal_error"
    assert "Zero" not in failure(seen).sentence
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError


async def test_neither_question_nor_answer_is_logged(
    configured: Configured,
    upstream: Upstream,
    retriever: Retriever,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    upstream.next(Script(["secret answer"]), Script(status=401))
    async with asking(configured, upstream, retriever, OPENAI_API_KEY="sk-secret") as answerer:
        await events(answerer, EN)
        failure(await events(answerer, EN, options=Options(fresh=True)))
    for secret in ("X-Accel", "secret answer", "sk-secret"):
        assert secret not in caplog.text


async def test_one_who_leaves_the_line_leaves_nothing_behind(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = Script(silent_after=1)
    async with asking(configured, upstream, retriever, HEADWATER_MAX_STREAMS=1) as answerer:
        async with aclosing(answerer.answer(EN)) as first:
            assert isinstance(await anext(first), Started)
            assert isinstance(await anext(first), Searching)
            tasks = asyncio.all_tasks()
            async with aclosing(answerer.answer(VI)) as second:
                assert isinstance(await anext(second), Started)
                assert await anext(second) == Queued(1)
            await asyncio.sleep(0)  # then a generator left to the collector has a task
            assert asyncio.all_tasks() == tasks
        left = answerer.answer(VI)
        assert isinstance(await anext(left), Started)
        assert isinstance(await anext(left), Searching)


@pytest.mark.parametrize("writes", [False, True], ids=["quoting", "a model"])
async def test_closing_leaves_no_connection_to_redis(
    configured: Configured,
    upstream: Upstream,
    retriever: Retriever,
    redis: RedisServer,
    writes: bool,
) -> None:
    variables = {"OPENAI_BASE_URL": upstream.base_url, "HEADWATER_UPSTREAM_RPM": 60}
    settings = configured(HEADWATER_RATE_STORAGE=redis.url, **(variables if writes else {}))
    async with aclosing(assemble(settings, ready(retriever), Metrics())) as answerer:
        asked = [answerer.answer(f"{EN} {n}", user="lan") for n in range(3)]
        for seen in await asyncio.gather(*map(collected, asked)):
            assert end(seen).reason == "stop"
        assert redis.connections() > 0
    assert redis.connections() == 0
    del answerer, asked
    gc.collect()  # warns of what is open, and warnings are errors


STREAMING = Script(tokens=["word "] * 2000, delay=0.01)


@pytest.mark.parametrize("script", [STREAMING, Script(silent_after=1)], ids=["streaming", "silent"])
async def test_an_abandoned_answer_hangs_up_on_the_model_within_half_a_second(
    configured: Configured, upstream: Upstream, retriever: Retriever, script: Script
) -> None:
    upstream.script = script
    async with asking(configured, upstream, retriever) as answerer:
        stream = answerer.answer(EN)
        async for event in stream:
            if isinstance(event, TextDelta):
                break
        left = time.monotonic()
        await stream.aclose()
        call = await asyncio.to_thread(upstream.wait_for_end)
    assert call.ended == "client_left" and call.ended_at is not None
    assert call.ended_at - left < 0.5


async def test_a_cancelled_answer_hangs_up_and_raises_the_cancellation(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = Script(silent_after=1)
    seen: list[Event] = []

    async def read(answerer: Answerer) -> None:
        async for event in answerer.answer(EN):
            seen.append(event)

    async with asking(configured, upstream, retriever) as answerer:
        reading = asyncio.create_task(read(answerer))
        await asyncio.to_thread(
            upstream.wait_until, lambda calls: bool(calls and calls[0].tokens_sent), 30.0
        )
        await asyncio.sleep(0.1)
        cancelled = time.monotonic()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        call = await asyncio.to_thread(upstream.wait_for_end)
    assert call.ended == "client_left" and call.ended_at is not None
    assert call.ended_at - cancelled < 0.5
    assert not any(isinstance(event, Finished | Failed) for event in seen)


async def test_answers_do_not_wait_for_one_another(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = Script(tokens=["a", "b"], first_delay=0.5)
    async with asking(configured, upstream, retriever) as answerer:
        await events(answerer, EN)
        both = await asyncio.gather(*(events(answerer, f"{EN} {n}") for n in range(8)))
    assert [text(seen) for seen in both] == ["ab"] * 8
    calls = upstream.calls[1:]
    assert max(c.started for c in calls) < min(c.ended_at or 0 for c in calls)


async def test_an_answer_is_kept_until_the_documents_change(
    configured: Configured, upstream: Upstream, store: Store, embedder: Embedder, tmp_path: Path
) -> None:
    document = tmp_path / "lantern.md"
    document.write_text("# Lanterns\n\nA lantern needs oil, and the oil lasts nine hours.")

    def read_in() -> None:
        folder, scope = sync.locate(tmp_path, tmp_path)
        list(sync.sync(folder, scope, store, embedder, lambda *_: None))

    async with asking(configured, upstream, Retriever(store, embedder)) as answerer:
        question = "How long does the oil of a lantern last?"
        read_in()
        first, again = [end(await events(answerer, question)) for _ in range(2)]
        read_in()  # nothing changed
        still = end(await events(answerer, question))
        document.write_text("# Lanterns\n\nA lantern needs oil, and the oil lasts ten hours.")
        read_in()
        changed = end(await events(answerer, question))
    assert [e.cached for e in (first, again, still, changed)] == [False, True, True, False]
    assert len(upstream.calls) == 2
    assert "ten hours" in str(upstream.calls[1].body)


@pytest.mark.parametrize(
    "options",
    [Options(temperature=0.5), Options(model="other"), Options(instructions="Briefly."),
     Options(language="vi"), Options(top_k=2), Options(fresh=True)],
)  # fmt: skip
async def test_another_way_of_asking_is_another_answer(
    configured: Configured, upstream: Upstream, retriever: Retriever, options: Options
) -> None:
    async with asking(configured, upstream, retriever) as answerer:
        await events(answerer, EN)
        assert not end(await events(answerer, EN, options=options)).cached
        assert not end(await events(answerer, EN, [Turn("Before?", "Yes.")], options)).cached
        assert end(await events(answerer, EN)).cached


async def test_a_server_that_does_not_count_is_estimated_and_a_listed_model_has_a_price(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = Script(words("An answer of some words."), usage=False)
    async with asking(configured, upstream, retriever) as answerer:
        finished = end(await events(answerer, EN))
    assert finished.usage and finished.usage.estimated and finished.usage.output_tokens == 6
    assert finished.price is None, "a server on this machine has no price list"


async def test_a_polite_question_is_searched_without_its_courtesies_and_sent_as_it_was_asked(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    asked = "Cho mình hỏi X-Accel-Buffering dùng để làm gì vậy ạ?"
    upstream.script = Script(words("Nó tắt bộ đệm [1]."))
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, asked)
    assert seen[1] == Searching("X-Accel-Buffering dùng để làm gì")
    assert any(isinstance(event, SourcesFound) and event.rewritten for event in seen)
    assert upstream.calls[-1].body["messages"][-1]["content"].endswith(f"Question: {asked}")


async def test_a_misspelt_question_says_what_was_searched_in_its_place(quoting: Answerer) -> None:
    seen = await events(quoting, "What is expnential backof?")
    searched = [event.query for event in seen if isinstance(event, Searching)]
    assert searched == ["What is expnential backof?", "What is exponential backoff?"]
    assert sources(seen).query == searched[-1]
    assert any(isinstance(event, SourcesFound) and event.rewritten for event in seen)
    assert "backoff" in text(seen)


# What a model thinks


def thought(seen: Sequence[Event]) -> str:
    return "".join(event.text for event in seen if isinstance(event, Thinking))


async def test_thinking_is_neither_cited_nor_counted_as_the_answers_speed(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    sent: list[Item] = [*texts(("<think>", THOUGHT)), 0.5, *texts(("</think>", TEXT)), STOP]
    upstream.script = Script(raw=[*sent, said({"choices": [], "usage": COUNTED}), DONE])
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, EN)
    assert (thought(seen), text(seen)) == (THOUGHT, TEXT)
    assert {e.number for e in seen if isinstance(e, CitationChecked)} == {1}
    finished = end(seen)
    assert finished.usage and finished.usage.thinking_tokens == 280 and finished.dropped == 0
    first = finished.first_token_seconds
    assert first is not None and first > 0.5
    assert finished.tokens_per_second == pytest.approx(20 / (finished.total_seconds - first))


async def test_thinking_that_nobody_counted_is_counted_by_its_share(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 100}
    sent = [delta(reasoning="x" * 300), delta(content="y" * 100), STOP]
    upstream.script = Script(raw=[*sent, said({"choices": [], "usage": usage}), DONE])
    async with asking(configured, upstream, retriever) as answerer:
        counted = end(await events(answerer, EN)).usage
    assert counted and (counted.output_tokens, counted.thinking_tokens) == (100, 75)


async def test_text_that_turns_out_to_be_thinking_is_taken_back_and_once_only(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = Script(raw=UNOPENED)
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, EN)
        left = settled(seen)
        again = await events(answerer, "What is X-Accel-Buffering for?")
        kept = await events(answerer, EN)
    assert THOUGHT in text(seen) and text(left) == text(again) == text(kept) == TEXT
    checked = [event for event in left if isinstance(event, CitationChecked)]
    assert [TEXT[event.start :][:3] for event in checked] == ["[1]"]
    assert thought(again).strip() == THOUGHT
    assert end(kept).cached and not thought(kept)


async def test_what_is_thought_is_redacted_too(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    mail = [delta(reasoning=part) for part in ("Write to an.ng", "uyen@example", ".com now")]
    upstream.script = Script(raw=[*mail, *texts(("Write to le@example", ".com.")), STOP, DONE])
    async with asking(configured, upstream, retriever, HEADWATER_REDACT="email") as answerer:
        seen = await events(answerer, EN)
    assert (thought(seen), text(seen)) == ("Write to [email] now", "Write to [email].")


async def test_no_thinking_gets_into_the_query_of_a_follow_up(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    query = "What is the default of proxy_read_timeout in nginx?"

    def script(body: dict[str, Any]) -> Script:
        rewriting = "rewrite the last question" in body["messages"][0]["content"]
        said = query if rewriting else TEXT
        return Script(raw=[*texts(("<think>Hm, caching?</think>\n", said)), STOP])

    upstream.script = script
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, "What is its default?", [Turn("proxy_read_timeout?", "It…")])
    assert sources(seen).query == query
