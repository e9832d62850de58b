"""Every way in which servers answer, end to end: what the page shows, what is kept, and what the
doors say of it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from gradio_client import Client

from ingest.background import Reading
from rag.text.inert import inert
from tests.harness.browser import served
from tests.harness.upstream import Script, Upstream
from tests.harness.wires import WIRES, Wired

NAMED = [pytest.param(wired, id=wired.name) for wired in WIRES]
# The finish reason that OpenAI's clients know, and the AI SDK's.
FINISH = {"length": ("length", "length"), "content_filter": ("content_filter", "content-filter")}
FINISH |= {"tool_calls": ("stop", "other"), "other": ("stop", "other"), "stop": ("stop", "stop")}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def page(reading: Reading, upstream: Upstream) -> str:
    return served(reading, OPENAI_BASE_URL=upstream.base_url, cache_seconds=3600)


@pytest.fixture(scope="module")
def client(page: str) -> Client:
    return Client(page, verbose=False)


@pytest.fixture
def api(page: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{page}v1", api_key="none", max_retries=0) as client:
        yield client


def asked(wired: Wired) -> str:
    """A question of its own, so that no other wire's answer is kept for it."""
    return f"What does X-Accel-Buffering do? ({NAMED.index(_param(wired)) + 1})"


def _param(wired: Wired) -> Any:
    return next(param for param in NAMED if param.values[0] is wired)


@pytest.fixture(params=NAMED)
def wired(request: pytest.FixtureRequest, upstream: Upstream) -> Wired:
    wired: Wired = request.param
    upstream.script = Script(raw=wired.sent, content_type=wired.content_type)
    return wired


def test_the_page_shows_the_text_and_the_end_and_keeps_what_is_whole(
    client: Client, upstream: Upstream, wired: Wired
) -> None:
    before = len(upstream.calls)
    for again in (False, True):
        calls = 2 if again and not wired.kept else 1
        client.reset_session()  # the question before is none of this one's turns
        *messages, note = client.predict(asked(wired), api_name="/chat")
        shown = [message["content"] for message in messages if not message["metadata"]]
        folded = [m for m in messages if m["metadata"].get("title", "").startswith("Thought for")]
        if wired.thinking and not (again and wired.kept):
            assert [m["content"].strip() for m in folded] == [inert(wired.thinking)]
            assert folded[0]["metadata"]["status"] == "done"  # Gradio folds it
        else:
            assert folded == []
        assert [as_sent(text) for text in shown] == ([wired.text] if wired.text else [])
        assert ("headwater-failed" in note["content"]) == wired.fails
        assert wired.says in html.unescape(note["content"])
        assert len(upstream.calls) - before == calls


def as_sent(shown: str) -> str:
    """The text without the links of its citations."""
    return re.sub(r"\[\\\[(\d)\\\][^\]]*\]\(#source-[^)]*\)", r"[\1]", shown)


def test_openais_api_says_how_it_ended(api: openai.OpenAI, wired: Wired) -> None:
    question: Any = [{"role": "user", "content": f"{asked(wired)} And for /v1?"}]
    if wired.fails:
        with pytest.raises(openai.APIStatusError, match=wired.says or None) as failed:
            api.chat.completions.create(model="headwater", messages=question)
        assert failed.value.status_code >= 400
    else:
        answer = api.chat.completions.create(model="headwater", messages=question)
        message = answer.choices[0].message
        assert message.content == wired.text
        thought: Any = message.to_dict().get("reasoning_content", "")
        assert thought.strip() == wired.thinking
        assert answer.choices[0].finish_reason == FINISH[wired.end][0]
        told: Any = answer.to_dict()["headwater"]
        assert told["reason"] == wired.end
        if wired.tokens:
            assert answer.usage and answer.usage.completion_tokens == wired.tokens[0]
            details = answer.usage.completion_tokens_details
            assert details and details.reasoning_tokens == wired.tokens[1]
    question[0]["content"] += " In pieces?"  # of what is kept no thinking comes again
    thinking, text, ends = "", "", list[str]()
    try:
        for chunk in api.chat.completions.create(model="headwater", messages=question, stream=True):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                told = choice.delta.to_dict()
                thinking += str(told.get("reasoning_content", ""))
                ends += [choice.finish_reason] if choice.finish_reason else []
    except openai.APIError as exc:
        assert wired.says in exc.message
        ends.append("failed")
    assert (thinking.strip(), text) == (wired.thinking, wired.text)
    assert ends == ["failed" if wired.fails else FINISH[wired.end][0]]


def test_the_ai_sdk_is_told_how_it_ended(page: str, wired: Wired) -> None:
    parts = [{"type": "text", "text": f"{asked(wired)} And for the SDK?"}]
    body = {"messages": [{"role": "user", "parts": parts}]}
    lines = httpx.post(f"{page}api/chat", json=body, timeout=30).text.splitlines()
    assert lines[-2:] == ["data: [DONE]", ""]
    sent = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    kinds = [part["type"] for part in sent]
    assert deltas(sent, "reasoning").strip() == wired.thinking
    assert ("reasoning-end" in kinds) == bool(wired.thinking)
    assert deltas(sent, "text") == wired.text
    last = sent[-1]
    if wired.fails:
        assert last["type"] == "error" and wired.says in last["errorText"]
    else:
        assert (last["type"], last["finishReason"]) == ("finish", FINISH[wired.end][1])
        assert last["messageMetadata"]["reason"] == wired.end


def deltas(parts: list[Any], kind: str) -> str:
    return "".join(part["delta"] for part in parts if part["type"] == f"{kind}-delta")
