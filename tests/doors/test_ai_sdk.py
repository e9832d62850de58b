"""`/api/chat` as programs made with the AI SDK use it: its own packages under Node, unchanged."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from ingest.background import Reading
from rag.settings import PROJECT
from tests.harness.browser import served
from tests.harness.upstream import Json, Script, Upstream, words

HERE = PROJECT / "tests" / "node"
ASKED = "What does X-Accel-Buffering do?"
NEXT = "How long is a stream kept open?"
TEXT = "It switches the proxy's buffer off [1], one response at a time [2]."
ANSWER = Script(words(TEXT), first_delay=0.3, delay=0.01)
ENDLESS = Script(words(TEXT * 200), delay=0.02)
SILENT = Script(silent_after=0)
NO_KEY = Script(status=401, error_code="invalid_api_key")
BREAKS = Script(words(TEXT), cut_after=6)
REFUSES_MIDWAY = Script(words(TEXT), error_event_after=6, error_code="rate_limit_exceeded")
FILTERED = Script(words(TEXT), finish_reason="content_filter")

Talk = Callable[..., "Heard"]


class Heard:
    """What the client has printed, oldest first."""

    def __init__(self, lines: list[Json]) -> None:
        self.lines = lines

    def of(self, kind: str, asked: int | None = None) -> list[Json]:
        """The lines of a kind; of one question only, if `asked` says which, counted from 1."""
        return [
            line
            for line in self.lines
            if line["kind"] == kind and asked in (None, line.get("asked"))
        ]

    def last(self, asked: int) -> Json:
        """The hook's last state in one question."""
        return self.of("state", asked)[-1]

    @property
    def messages(self) -> list[Json]:
        [end] = self.of("end")
        messages: list[Json] = end["messages"]
        return messages

    @property
    def chunks(self) -> list[Json]:
        return [line["chunk"] for line in self.of("chunk")]


def parts(message: Json | None, kind: str) -> list[Json]:
    return [part for part in (message or {"parts": []})["parts"] if part["type"] == kind]


def text(message: Json | None) -> str:
    return "".join(part["text"] for part in parts(message, "text"))


def status(message: Json | None) -> Any:
    [part] = parts(message, "data-status")
    return part["data"]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(ANSWER) as server:
        yield server


@pytest.fixture(scope="module")
def address(reading: Reading, upstream: Upstream) -> str:
    """Of the server's door for the SDK; its model is `upstream`."""
    return served(reading, OPENAI_BASE_URL=upstream.base_url, cache_seconds=0) + "api/chat"


@pytest.fixture
def talk(node: str, address: str) -> Talk:
    """Runs the client: `talk(mode, question…)`."""

    def run(mode: str, *questions: str, url: str = address) -> Heard:
        command = [node, str(HERE / "client.mjs"), url, mode, *questions]
        ran = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
        assert ran.returncode == 0, ran.stderr
        return Heard([json.loads(line) for line in ran.stdout.splitlines()])

    return run


@pytest.mark.parametrize(
    ("question", "script", "kinds"),
    [
        pytest.param(ASKED, ANSWER, {"source-document", "text-delta", "finish"}, id="answered"),
        pytest.param("X-Accel-Buffering dùng để làm gì?", ANSWER, {"finish"}, id="in Vietnamese"),
        pytest.param("Who won the 1998 World Cup?", None, {"finish"}, id="not in the documents"),
        pytest.param("Thank you!", None, {"text-delta", "finish"}, id="small talk"),
        pytest.param(ASKED, Script(words("As it says [9].")), {"finish"}, id="a false number"),
        pytest.param(ASKED, FILTERED, {"text-delta", "finish"}, id="filtered"),
        pytest.param(ASKED, NO_KEY, {"source-document", "error"}, id="fails before"),
        pytest.param(ASKED, BREAKS, {"text-delta", "error"}, id="fails midway"),
    ],
)
def test_every_chunk_is_valid_for_the_sdks_own_schema(
    talk: Talk, upstream: Upstream, question: str, script: Script | None, kinds: set[str]
) -> None:
    upstream.next(*[script] if script else [])
    heard = talk("chunks", question)
    [response] = heard.of("response")
    assert response["status"] == 200
    assert response["headers"]["content-type"].startswith("text/event-stream")
    assert response["headers"]["x-vercel-ai-ui-message-stream"] == "v1"
    assert [line for line in heard.of("chunk") if line["refused"]] == []
    sent = [chunk["type"] for chunk in heard.chunks]
    assert sent[0] == "start"
    assert sent[-1] in ("finish", "error")
    assert sent.count("text-start") == sent.count("text-end") == min(1, sent.count("text-delta"))
    assert kinds <= set(sent)


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": ASKED}],
        [{"role": "user", "content": ASKED}, {"role": "assistant", "parts": []}],
        [
            {"role": "user", "parts": [{"type": "text", "text": ASKED}]},
            {"role": "system", "parts": []},
        ],
        [
            {"role": "user", "parts": [{"type": "text", "text": ASKED}]},
            {"role": "assistant", "parts": [{"type": "tool-read", "text": None}]},
            {"role": "tool", "content": "A file."},
        ],
        [
            {"role": "user", "parts": [{"type": "file"}]},
            {"role": "user", "parts": [{"type": "text", "text": ASKED}]},
        ],
    ],
    ids=["of an older client", "assistant last", "system last", "a tool's", "a file's"],
)
def test_messages_of_other_kinds_do_not_keep_a_client_from_an_answer(
    address: str, messages: list[Json]
) -> None:
    body = {"messages": messages, "trigger": None, "collection": None}
    sent = httpx.post(address, json=body, timeout=60)
    chunks = [json.loads(line[6:]) for line in sent.text.splitlines() if line[6:7] == "{"]
    assert chunks[-1]["type"] == "finish"
    assert "".join(chunk.get("delta", "") for chunk in chunks) == TEXT
    left_out = any(message["role"] == "tool" or "file" in str(message) for message in messages)
    assert bool(chunks[-1]["messageMetadata"]["notes"]) == left_out


def test_without_a_model_the_documents_are_quoted_in_valid_chunks(
    talk: Talk, reading: Reading
) -> None:
    heard = talk("chunks", ASKED, url=served(reading) + "api/chat")
    assert [line for line in heard.of("chunk") if line["refused"]] == []
    [message] = heard.messages
    assert len(parts(message, "source-document")) == 5
    assert "X-Accel-Buffering" in text(message)


def test_the_sources_are_there_before_the_first_text(talk: Talk) -> None:
    states = [line["message"] for line in talk("chat", ASKED).of("state", 1)]
    waiting = [state for state in states if state["role"] == "assistant" and not text(state)]
    assert len(parts(waiting[-1], "source-document")) == 5
    assert status(waiting[-1])["state"] == "found"
    kinds = [part["type"] for part in states[-1]["parts"]]
    assert kinds.index("source-document") < kinds.index("text")
    for number, source in enumerate(parts(states[-1], "source-document"), start=1):
        assert source["sourceId"] == str(number)
        assert source["title"] and source["filename"] and source["mediaType"]
        assert source["providerMetadata"]["headwater"]["number"] == number
        assert source["providerMetadata"]["headwater"]["text"]


def test_the_text_grows_and_in_the_end_it_is_ready_with_its_metadata(talk: Talk) -> None:
    heard = talk("chat", ASKED)
    seen = [line["status"] for line in heard.of("state", 1)]
    assert list(dict.fromkeys(seen)) == ["submitted", "streaming", "ready"]
    growing = [text(line["message"]) for line in heard.of("state", 1)[1:]]
    assert growing == sorted(growing, key=len)
    assert len(set(growing)) > 5
    last = heard.last(1)
    assert (last["status"], last["error"]) == ("ready", None)
    assert text(last["message"]) == TEXT
    assert parts(last["message"], "text")[0]["state"] == "done"
    metadata = last["message"]["metadata"]
    assert metadata["usage"]["output"] == len(words(TEXT))
    assert metadata["timings"]["firstToken"] >= 0.3
    assert metadata["timings"]["total"] >= metadata["timings"]["firstToken"]
    assert "cost" in metadata and metadata["model"]
    [finish] = heard.of("finish")
    assert finish["finishReason"] == "stop"
    assert not (finish["isAbort"] or finish["isError"] or finish["isDisconnect"])


def test_an_answer_that_was_too_long_says_so(talk: Talk, upstream: Upstream) -> None:
    upstream.next(Script(words(TEXT), finish_reason="length"))
    heard = talk("chat", ASKED)
    assert heard.last(1)["status"] == "ready"
    assert heard.of("finish")[0]["finishReason"] == "length"


def test_a_citation_stands_where_javascript_counts_it(talk: Talk, upstream: Upstream) -> None:
    upstream.next(
        Script(words("Đúng vậy 🌊🌊: nó tắt bộ đệm [1]. Chỉ một lần 𝑛 [2]."), split_bytes=3)
    )
    message = talk("chat", ASKED).messages[-1]
    utf_16 = text(message).encode("utf-16-le")
    checked = [part["data"] for part in parts(message, "data-citation")]
    assert [citation["number"] for citation in checked] == [1, 2]
    for citation in checked:
        from_there = utf_16[2 * citation["start"] :].decode("utf-16-le")
        assert from_there.startswith(f"[{citation['number']}]")
        assert citation["supported"] in (True, False)


@pytest.mark.parametrize(
    ("script", "says", "so_far"),
    [
        pytest.param(NO_KEY, "OPENAI_API_KEY", "", id="before the first text"),
        pytest.param(BREAKS, "broke off", "It swi", id="midway, the connection breaks"),
        pytest.param(REFUSES_MIDWAY, "too many requests", "It swi", id="midway, it says why"),
    ],
)
def test_an_error_of_the_model_is_one_sentence_and_the_next_question_works(
    talk: Talk, upstream: Upstream, script: Script, says: str, so_far: str
) -> None:
    upstream.next(script)
    heard = talk("chat", ASKED, NEXT)
    failed = heard.last(1)
    assert failed["status"] == "error"
    assert says in failed["error"] and "{" not in failed["error"]
    assert len(parts(failed["message"], "source-document")) == 5
    assert text(failed["message"]).startswith(so_far) and bool(so_far) == bool(
        text(failed["message"])
    )
    assert [part["state"] for part in parts(failed["message"], "text")] in ([], ["done"])
    assert status(failed["message"])["state"] == "failed"
    assert {"code", "retryable", "requestId"} <= status(failed["message"]).keys()
    assert heard.of("finish", 1)[0]["isError"]
    answered = heard.last(2)
    assert (answered["status"], answered["error"]) == ("ready", None)
    assert text(answered["message"]) == TEXT
    assert [message["role"] for message in heard.messages] == ["user", "assistant"] * 2


def test_what_failed_is_asked_again_and_the_new_answer_takes_its_place(
    talk: Talk, upstream: Upstream
) -> None:
    upstream.next(BREAKS)
    heard = talk("retry", ASKED)
    assert heard.last(1)["status"] == "error"
    assert heard.last(2)["status"] == "ready"
    assert [message["role"] for message in heard.messages] == ["user", "assistant"]
    assert text(heard.messages[-1]) == TEXT
    first, again = (call.body["messages"] for call in upstream.calls[-2:])
    assert first == again


@pytest.mark.parametrize(("mode", "script"), [("stop-writing", ENDLESS), ("stop-waiting", SILENT)])
def test_stop_closes_the_models_connection_at_once_and_keeps_what_came(
    talk: Talk, upstream: Upstream, mode: str, script: Script
) -> None:
    so_far = len(upstream.calls)
    upstream.next(script)
    heard = talk(mode, ASKED, NEXT)
    call = upstream.wait_for_end(so_far)
    [stop] = heard.of("stop")
    assert call.ended == "client_left"
    assert call.ended_at is not None
    assert call.ended_at - stop["at"] < 2.0
    stopped = heard.last(1)
    assert (stopped["status"], stopped["error"]) == ("ready", None)
    assert heard.of("finish", 1)[0]["isAbort"]
    assert len(parts(stopped["message"], "source-document")) == 5
    assert bool(text(stopped["message"])) == (mode == "stop-writing")
    assert heard.last(2)["status"] == "ready"
    assert text(heard.messages[-1]) == TEXT


def test_a_second_question_carries_what_was_said(talk: Talk, upstream: Upstream) -> None:
    said = "Nó tắt bộ đệm của proxy [1]."
    upstream.next(Script(words(said)))
    heard = talk("chat", ASKED, NEXT)
    sent = upstream.calls[-1].body["messages"]
    assert [message["role"] for message in sent][-3:] == ["user", "assistant", "user"]
    asked, answered, now = (message["content"] for message in sent[-3:])
    assert ASKED in asked
    assert answered == said
    assert NEXT in now
    assert text(heard.messages[-1]) == TEXT
    assert len({message["id"] for message in heard.messages}) == 4


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"{}", id="no messages"),
        pytest.param(b'{"messages": []}', id="an empty chat"),
        pytest.param(b'{"messages": "Hello?"}', id="text for messages"),
        pytest.param(b'{"messages": [{"role": "user"}]}', id="no parts"),
        pytest.param(b'{"messages": [{"role": "user", "parts": [{}]}]}', id="a part of no type"),
    ],
)
def test_a_malformed_body_is_refused_in_json(address: str, upstream: Upstream, body: bytes) -> None:
    so_far = len(upstream.calls)
    headers = {"content-type": "application/json"}
    refused = httpx.post(address, content=body, headers=headers, timeout=10)
    assert 400 <= refused.status_code < 500
    assert refused.headers["content-type"].startswith("application/json")
    assert refused.json()["error"]["message"]
    assert len(upstream.calls) == so_far


def test_a_refused_request_is_an_error_in_the_chat_and_the_next_one_is_answered(
    talk: Talk, upstream: Upstream
) -> None:
    so_far = len(upstream.calls)
    heard = talk("chat", json.dumps({"text": ASKED, "body": {"top_k": 99}}), NEXT)
    refused = heard.last(1)
    assert refused["status"] == "error"
    assert "top_k" in json.loads(refused["error"])["error"]["message"]
    assert heard.last(2)["status"] == "ready"
    assert text(heard.messages[-1]) == TEXT
    assert len(upstream.calls) == so_far + 1


def test_an_empty_message_is_answered_with_a_sentence(talk: Talk) -> None:
    heard = talk("chat", json.dumps({"parts": []}), ASKED)
    assert heard.last(1)["status"] == "error"
    assert "question is empty" in heard.last(1)["error"]
    assert heard.last(2)["status"] == "ready"
    assert text(heard.messages[-1]) == TEXT
