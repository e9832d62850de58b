"""A conversation that is too long for the model, end to end: what is left out, what is said of it,
and that it is asked for once more only."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from rag.assembly import assemble
from rag.events import Event, Failed, Finished, TextDelta, as_json
from rag.retrieval.retriever import Retriever
from rag.serving.metrics import Metrics
from rag.settings import Settings
from rag.store.opening import Opening
from rag.text.summary import met
from rag.types import Fit, Options, Turn
from tests.harness.refusals import openai, vllm
from tests.harness.upstream import Json, Script, Upstream

pytestmark = pytest.mark.anyio

Configured = Callable[..., Settings]
ASKED = "What does X-Accel-Buffering do?"
TURNS = [Turn("What is nginx?", "A proxy. " * 100), Turn("And buffering?", "It waits. " * 100)]
# How servers say that `count` tokens are more than `limit`, with fewer and fewer numbers.
WORDINGS: dict[str, Callable[[int, int], Any]] = {
    "both": lambda count, limit: openai(
        f"This model's maximum context length is {limit} tokens. However, your messages resulted "
        f"in {count} tokens."
    ),
    "limit": lambda _, limit: openai(f"Your request exceeded model token limit: {limit}"),
    "none": lambda *_: vllm("Please reduce the length of the messages or completion."),
}


def count(body: Json) -> int:
    return sum(len(message["content"].encode()) for message in body["messages"]) // 4


def taking(limit: int, wording: Callable[[int, int], Any]) -> Callable[[Json], Script]:
    """A server whose model takes so many tokens."""

    def script(body: Json) -> Script:
        if count(body) <= limit:
            return Script(tokens=("It tells nginx.",))
        return refusal(wording(count(body), limit))

    return script


def refusal(value: Any) -> Script:
    return Script(status=400, raw=[json.dumps(value)], content_type="application/json")


async def answered(
    settings: Settings,
    retriever: Retriever,
    turns: Sequence[Turn] = TURNS,
    options: Options | None = None,
    times: int = 1,
) -> list[Event]:
    opening = Opening(lambda report: retriever)
    opening.wait()
    async with aclosing(assemble(settings, opening, Metrics())) as answering:
        for _ in range(times):
            stream = answering.answer(ASKED, turns, options or Options())
            seen = [event async for event in stream]
    return seen


@pytest.mark.parametrize("wording", WORDINGS)
async def test_a_prompt_that_is_refused_as_too_long_is_asked_once_more_in_less(
    configured: Configured, upstream: Upstream, retriever: Retriever, wording: str
) -> None:
    upstream.script = taking(1500, WORDINGS[wording])
    settings = configured(OPENAI_BASE_URL=upstream.base_url, HEADWATER_TOP_K=8)
    seen = await answered(settings, retriever)
    end = seen[-1]
    assert isinstance(end, Finished), end
    assert end.fit and end.fit.turns == 0 and end.fit.of_turns == 2
    assert 0 < end.fit.sources < end.fit.of_sources == 8
    assert f"{end.fit.sources} of 8 sources and 0 of 2 earlier turns fitted" in met(end, "en")
    assert f"{end.fit.sources} trên 8 nguồn và 0 trên 2 lượt trước vừa" in met(end, "vi")
    sent = {"sources": end.fit.sources, "of_sources": 8, "turns": 0, "of_turns": 2}
    assert as_json(end)["fit"] == sent
    refused, taken = [call.body for call in upstream.calls]
    assert refused["messages"][0] == taken["messages"][0], "the rules"
    assert taken["messages"][-1]["content"].endswith(f"Question: {ASKED}")
    assert "".join(e.text for e in seen if isinstance(e, TextDelta)) == "It tells nginx."


async def test_what_was_learnt_is_kept_to_at_once(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = taking(1500, WORDINGS["both"])
    settings = configured(OPENAI_BASE_URL=upstream.base_url, HEADWATER_CACHE_SECONDS=0)
    await answered(settings, retriever, times=2)
    assert [count(call.body) <= 1500 for call in upstream.calls] == [False, True, True]


async def test_it_is_not_asked_a_third_time(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = taking(10, WORDINGS["none"])
    end = (await answered(configured(OPENAI_BASE_URL=upstream.base_url), retriever))[-1]
    assert isinstance(end, Failed) and end.code == "context_too_long"
    assert end.detail == "Please reduce the length of the messages or completion."
    assert len(upstream.calls) == 2


@pytest.mark.parametrize(
    "others",
    [
        {"GET /v1/models": {"data": [{"id": "gpt-4o-mini", "max_model_len": 1500}]}},
        {"GET /props": {"default_generation_settings": {"n_ctx": 1500}}},
    ],
    ids=["vLLM", "llama.cpp"],
)
async def test_a_limit_that_the_server_lists_is_never_met(
    configured: Configured, upstream: Upstream, retriever: Retriever, others: dict[str, Any]
) -> None:
    upstream.script, upstream.others = taking(1500, WORDINGS["both"]), others
    end = (await answered(configured(OPENAI_BASE_URL=upstream.base_url), retriever))[-1]
    assert isinstance(end, Finished) and end.fit
    assert len(upstream.calls) == 1


async def test_the_owners_own_limit_is_kept_to(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    settings = configured(OPENAI_BASE_URL=upstream.base_url, HEADWATER_MODEL_CONTEXT=1500)
    end = (await answered(settings, retriever, turns=()))[-1]
    assert isinstance(end, Finished)
    assert end.fit == Fit(end.fit.sources if end.fit else 0, 5, 0, 0)
    assert count(upstream.calls[0].body) < 1500


async def test_an_answer_that_alone_is_too_long_is_asked_for_shorter(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    def script(body: Json) -> Script:
        if count(body) + body["max_tokens"] <= 8192:
            return Script()
        said = f"'max_tokens' or 'max_completion_tokens' is too large: {body['max_tokens']}. This "
        said += "model's maximum context length is 8192 tokens and your request has "
        said += f"{count(body)} input tokens."
        return refusal(vllm(said))

    upstream.script = script
    settings = configured(OPENAI_BASE_URL=upstream.base_url)
    end = (await answered(settings, retriever, options=Options(max_tokens=8000)))[-1]
    assert isinstance(end, Finished) and end.fit is None
    first, second = [call.body for call in upstream.calls]
    assert first["messages"] == second["messages"]
    assert second["max_tokens"] < 8192 - count(second)


async def test_a_prompt_that_the_server_has_cut_is_told(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    usage = {"prompt_tokens": 2048, "completion_tokens": 2, "total_tokens": 2050}
    chunk = '{"choices": [{"delta": {"content": "So."}, "finish_reason": "stop"}]}'
    upstream.script = Script(
        raw=[f"data: {chunk}\n\n", f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n"]
    )
    settings = configured(OPENAI_BASE_URL=upstream.base_url, HEADWATER_TOP_K=20)
    end = (await answered(settings, retriever))[-1]
    assert isinstance(end, Finished) and end.cut_at == 2048
    for language in ("en", "vi"):
        assert "HEADWATER_MODEL_CONTEXT=2048" in met(end, language)
    assert as_json(end)["cut_at"] == 2048
