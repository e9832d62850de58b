"""`/v1` with OpenAI's own client."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jiter
import openai
import pytest

from ingest.background import Reading
from rag.doors.conversation import conversation
from rag.settings import PROJECT
from rag.types import Turn
from tests.harness.browser import served
from tests.harness.upstream import Script, Upstream, words

NODE = PROJECT / "tests" / "node"
KEY = "sesame-open-please"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
EN = "What does X-Accel-Buffering do?"
TEXT = "X-Accel-Buffering: no tells nginx to pass the response on [1]. It is a header [2][9]."
SHOWN = "X-Accel-Buffering: no tells nginx to pass the response on [1]. It is a header [2]."
UNANSWERABLE = "Who won the chess championship of 1972 in Reykjavik?"
LOG = "2026-11-30 12:00 a line of a log, which asks nothing.\n" * 90  # 4,860 characters
SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "schema": {"type": "object"}},
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(Script(words(TEXT))) as server:
        yield server


@pytest.fixture(scope="module")
def url(reading: Reading, upstream: Upstream) -> str:
    return served(
        reading,
        OPENAI_BASE_URL=upstream.base_url,
        OPENAI_MODEL="small",
        models=("large", "lab/large"),
        api_keys=(KEY,),
        cache_seconds=0,
    )


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}v1", api_key=KEY, max_retries=0) as client:
        yield client


def user(question: str) -> list[Any]:
    return [{"role": "user", "content": question}]


def text_of(chunks: list[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def test_an_answer_has_its_sources_beside_the_text(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="headwater", messages=user(EN))
    assert answer.choices[0].message.content == SHOWN
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage and answer.usage.completion_tokens == len(words(TEXT))
    told = answer.to_dict()
    found: Any = told["search_results"]
    assert [result["number"] for result in found] == [1, 2, 3, 4, 5]
    assert all(result["snippet"] and result["title"] for result in found)
    assert told["citations"] == [result["url"] for result in found]
    notes = answer.choices[0].message.annotations or []
    places = [SHOWN[n.url_citation.start_index : n.url_citation.end_index] for n in notes]
    assert places == ["[1]", "[2]"]
    assert [n.url_citation.url for n in notes] == [found[0]["url"], found[1]["url"]]


def test_an_address_of_a_source_opens_its_page(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="headwater", messages=user(EN))
    address: Any = answer.to_dict()["citations"]
    opened = httpx.get(address[0])
    assert opened.status_code == 200 and "<mark" in opened.text


def test_a_stream_has_the_sources_in_its_first_chunk_and_in_its_last(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="small", messages=user(EN), stream=True))
    first, last = chunks[0].to_dict(), chunks[-1].to_dict()
    assert first["search_results"] and first["search_results"] == last["search_results"]
    assert first["citations"] == last["citations"]
    assert not chunks[0].choices[0].delta.content
    delta: Any = chunks[0].choices[0].delta.to_dict()
    assert len(delta["annotations"]) == 5
    assert text_of(chunks) == SHOWN
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert "message" not in chunks[-1].choices[0].to_dict()  # clients take it for all of it
    last_delta: Any = chunks[-1].choices[0].delta.to_dict()
    cited = [note["url_citation"] for note in last_delta["annotations"]]
    assert [SHOWN[c["start_index"] : c["end_index"]] for c in cited] == ["[1]", "[2]"]
    assert [note["index"] for note in last_delta["annotations"]] == [5, 6]
    assert {chunk.model for chunk in chunks} == {"small"} and len({c.id for c in chunks}) == 1


def test_the_sdks_own_accumulation_of_a_stream_works(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="headwater", messages=user(EN)) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == SHOWN
    message: Any = final.choices[0].message.to_dict()
    notes = message["annotations"]
    assert [note["index"] for note in notes] == list(range(7))
    assert [note["url_citation"]["title"] for note in notes[5:]] == [
        note["url_citation"]["title"] for note in notes[:2]
    ]
    places = [(c["start_index"], c["end_index"]) for c in (n["url_citation"] for n in notes)]
    assert places[:5] == [(0, 0)] * 5
    assert [SHOWN[start:end] for start, end in places[5:]] == ["[1]", "[2]"]


@pytest.mark.parametrize("formatted", [False, True], ids=["text", "JSON"])
def test_the_javascript_client_keeps_the_whole_answer(
    node: str, url: str, upstream: Upstream, formatted: bool
) -> None:
    said, more = (json.dumps({"a": [1]}), [json.dumps(SCHEMA)]) if formatted else (SHOWN, [])
    upstream.next(Script(words(said if formatted else TEXT)))
    command = [node, str(NODE / "openai.mjs"), f"{url}v1", KEY, EN, *more]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    [choice] = told["final"]["choices"]
    assert told["text"] == choice["message"]["content"] == said
    assert choice["finish_reason"] == "stop"
    notes = [note["url_citation"] for note in choice["message"]["annotations"]]
    places = [SHOWN[note["start_index"] : note["end_index"]] for note in notes]
    assert places == ([] if formatted else ["[1]", "[2]"])


def test_usage_comes_in_a_last_chunk_if_it_is_wished(client: openai.OpenAI) -> None:
    wish: Any = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(
            model="small", messages=user(EN), stream=True, stream_options=wish
        )
    )
    assert not chunks[-1].choices
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens == len(words(TEXT))
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_the_models_own_parameters_are_passed_on(client: openai.OpenAI, upstream: Upstream) -> None:
    given: dict[str, Any] = {
        "temperature": 0.3,
        "top_p": 0.9,
        "max_completion_tokens": 77,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "seed": 7,
        "stop": ["END"],
        "user": "lan",
        "response_format": {"type": "text"},
    }
    client.chat.completions.create(model="large", messages=user(EN), **given)
    sent = upstream.calls[-1].body
    assert sent["model"] == "large"
    assert "max_tokens" not in sent  # the client's own name for it stays
    assert {name: sent[name] for name in given} == given


def test_a_system_message_is_added_to_ours(client: openai.OpenAI, upstream: Upstream) -> None:
    rules: list[Any] = [
        {"role": "system", "content": "Speak like a pirate."},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
    ]
    client.chat.completions.create(model="headwater", messages=rules + user(EN))
    system = upstream.calls[-1].body["messages"][0]
    assert system["role"] == "system"
    assert system["content"].startswith("You answer questions from passages")
    assert "Speak like a pirate.\n\nBe brief." in system["content"]


def test_earlier_turns_are_the_conversation(client: openai.OpenAI, upstream: Upstream) -> None:
    said: list[Any] = [
        *user("Why does nginx buffer a response?"),
        {"role": "assistant", "content": "To free the server [1]."},
        *user("How does X-Accel-Buffering change that?"),
    ]
    client.chat.completions.create(model="headwater", messages=said)
    sent = upstream.calls[-1].body["messages"]
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "user"]
    assert sent[2]["content"] == "To free the server [1]."


@pytest.mark.parametrize(
    ("said", "question", "turns"),
    [
        ("uQ", "Q", []),
        ("uA aB uQ", "Q", [("A", "B")]),
        ("uA uB uQ", "Q", [("A\n\nB", "")]),
        ("uA uB aC uQ", "Q", [("A\n\nB", "C")]),
        ("uA a uQ", "Q", []),  # stopped, or failed
        ("uA a aB aC uQ", "Q", [("A", "B\n\nC")]),
        ("uA aB u uC u uQ", "Q", [("A", "B"), ("C", "")]),
        ("aHello uQ", "Q", []),
        ("uA u", "", [("A", "")]),
        ("uQ aSo", "Q", []),  # a beginning that is to be continued
        ("uA aB uQ a aSo", "Q", [("A", "B")]),
        ("uQ sBrief", "Q", []),
        ("sQ", "Q", []),
        ("aHello", "", []),
        ("uA a tX aB uQ", "Q", [("A", "B")]),  # a tool's result
        ("uQ a tX", "Q", []),
    ],
)
def test_messages_are_turns(said: str, question: str, turns: list[tuple[str, str]]) -> None:
    roles = {"u": "user", "a": "assistant", "s": "system", "t": "tool"}
    messages: Any = [(roles[word[0]], word[1:]) for word in said.split()]
    taken = conversation(messages)
    assert (taken.question, taken.turns) == (question, [Turn(*turn) for turn in turns])
    assert bool(taken.notes) == ("t" in {word[0] for word in said.split()})


@pytest.mark.parametrize(
    ("text", "question"),
    [
        (f"{LOG}\n\n{EN} {LOG}", EN),
        (f"Question: {EN}\n{LOG}", f"Question: {EN}"),
        (f"{LOG}\n\nTiêu đề này dùng để làm gì?\nOK?", "Tiêu đề này dùng để làm gì?"),
        (f"{LOG}\n\nHãy giải thích X-Accel-Buffering.", "Hãy giải thích X-Accel-Buffering."),
        ("x" * 4001, "x" * 4000),
    ],
    ids=["in the middle", "at the beginning", "two", "none", "one word"],
)
def test_a_long_text_is_searched_by_its_last_question(text: str, question: str) -> None:
    taken = conversation([("user", text)])
    assert (taken.question, taken.turns) == (question, [Turn(text, "")])
    assert len(taken.notes) == 1 and taken.notes[0].en.count(f"{len(text):,} characters")


def test_what_no_assistant_answered_is_said_too(client: openai.OpenAI, upstream: Upstream) -> None:
    client.chat.completions.create(
        model="headwater", messages=[*user("My server is called Orca."), *user(EN)]
    )
    sent = upstream.calls[-1].body["messages"]
    assert [m["role"] for m in sent] == ["system", "user"]
    assert sent[-1]["content"].startswith("My server is called Orca.\n\n<passages>")


def test_the_parts_of_a_text_do_not_run_into_one_another(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    parts = [{"type": "text", "text": "What does"}, {"type": "text", "text": EN[10:]}]
    messages: list[Any] = [{"role": "user", "content": parts}]
    client.chat.completions.create(model="headwater", messages=messages)
    asked = upstream.calls[-1].body["messages"][-1]["content"]
    assert asked.endswith(f"Question: What does\n{EN[10:]}")


def test_a_question_that_the_documents_do_not_answer_calls_no_model(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    before = len(upstream.calls)
    answer = client.chat.completions.create(model="headwater", messages=user(UNANSWERABLE))
    assert "no relevant information" in (answer.choices[0].message.content or "")
    told: Any = answer.to_dict()["headwater"]
    assert told["reason"] == "refused" and len(upstream.calls) == before


CALL = {"id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}}
TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
ASKED_OF_CLIENTS: dict[str, dict[str, Any]] = {
    "tools": {"tools": TOOLS, "tool_choice": "auto", "parallel_tool_calls": True},
    "functions": {"functions": [{"name": "read"}], "function_call": "auto"},
    "no limit": {"max_tokens": -1},
    "limits of nothing": {"max_tokens": 0, "max_completion_tokens": 2**31 - 1},
    "nulls": dict.fromkeys(
        "model max_tokens temperature top_p stop seed user tools tool_choice stream collection n "
        "stream_options response_format presence_penalty frequency_penalty".split()
    ),
    "a long name": {"user": "u" * 2000},
    "system last": {"messages": [*user(EN), {"role": "system", "content": "Be brief"}]},
    "assistant last": {"messages": [*user(EN), {"role": "assistant", "content": "It is"}]},
    "system alone": {"messages": [{"role": "system", "content": EN}]},
    "a tool's turns": {
        "messages": [
            *user(EN),
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "A file."},
        ]
    },
    "a function's": {"messages": [*user(EN), {"role": "function", "name": "f", "content": "x"}]},
    "results in parts": {
        "messages": [
            *user(EN),
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c"}]},
        ]
    },
    "a picture before": {
        "messages": [
            {"role": "user", "content": [PICTURE]},
            {"role": "assistant", "content": "A cat."},
            *user(EN),
        ]
    },
    "a picture beside": {
        "messages": [{"role": "user", "content": [PICTURE, {"type": "input_text", "text": EN}]}]
    },
    "long rules": {
        "messages": [{"role": "system", "content": "You are a coding agent. " * 2000}, *user(EN)]
    },
    "a long text": {"messages": user(f"{LOG}\n{EN}")},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", ASKED_OF_CLIENTS)
def test_what_clients_send_beside_a_question_does_not_keep_them_from_an_answer(
    client: openai.OpenAI, upstream: Upstream, case: str, stream: bool
) -> None:
    body: Any = {"messages": user(EN), **ASKED_OF_CLIENTS[case]}
    if stream:
        chunks: Any = client.post(
            "/chat/completions",
            body=body | {"stream": True},
            cast_to=object,
            stream=True,
            stream_cls=openai.Stream[Any],
        )
        told = list(chunks)[-1]
    else:
        told = client.post("/chat/completions", body=body, cast_to=object)
    assert told["citations"] and told["headwater"]["reason"] == "stop"
    notes = " ".join(told["headwater"]["notes"])
    noted = {"long rules": "the first 3,9", "a long text": EN, "system alone": ""}
    wanted = noted.get(case, "Tools" if re.search("tool|picture|results|function's", case) else "")
    assert wanted in notes and bool(notes) == bool(wanted)
    sent = upstream.calls[-1].body
    assert sent["messages"][-1]["content"].endswith(EN)
    assert "max_tokens" not in sent and "tools" not in sent


def test_a_note_is_in_the_language_of_the_answer(client: openai.OpenAI) -> None:
    asked = user("X-Accel-Buffering dùng để làm gì?")
    body = {"messages": asked, "tools": TOOLS}
    answer: Any = client.post("/chat/completions", body=body, cast_to=object)
    [note] = answer["headwater"]["notes"]
    assert note.startswith("Ở đây không dùng công cụ")


def test_one_model_can_be_looked_up(client: openai.OpenAI) -> None:
    for name in ("headwater", "lab/large"):
        assert client.models.retrieve(name).id == name
    for name in ("huge", "headwater/nowhere"):
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.retrieve(name)
        assert caught.value.code == "model_not_found"


def test_models_are_those_that_are_offered(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[:4] == ["headwater", "small", "large", "lab/large"]


def test_a_model_that_is_not_offered_is_refused(client: openai.OpenAI, upstream: Upstream) -> None:
    before = len(upstream.calls)
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="huge", messages=user(EN))
    assert caught.value.code == "model_not_found" and "large" in caught.value.message
    assert len(upstream.calls) == before


def test_a_name_with_a_slash_is_a_model_before_it_is_a_collection(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    client.chat.completions.create(model="lab/large", messages=user(EN))
    assert upstream.calls[-1].body["model"] == "lab/large"
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="lab/large/contracts", messages=user(EN))
    assert caught.value.code == "unknown_collection"


def test_a_collection_is_a_field_too_and_a_document_is_named_as_one(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    """Of the project's own documents, which lie in no folder."""
    listing = user("Which documents are there?")
    for model, body in (("lab/large/caching.md", {}), ("headwater", {"collection": "caching.md"})):
        answer: Any = client.chat.completions.create(model=model, messages=listing, extra_body=body)
        assert [r["title"] for r in answer.to_dict()["search_results"]] == ["Caching"]
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(
            model="headwater", messages=user(EN), extra_body={"collection": "nowhere"}
        )
    assert caught.value.code == "unknown_collection"


def test_a_wrong_key_is_an_authentication_error(url: str) -> None:
    with (
        openai.OpenAI(base_url=f"{url}v1", api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        stranger.chat.completions.create(model="headwater", messages=user(EN))
    assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": user(EN), "temperature": 9}, "temperature"),
        ({"messages": user(EN), "n": 2}, "n"),
        ({"messages": user(EN), "stop": ["x" * 30_000]}, "stop"),
        ({"messages": user(EN), "response_format": {"a": "x" * 30_000}}, "response_format"),
        ({"messages": [{"content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [7]}]}, "messages.0.content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": {"a": 1}}]}]},
            "messages.0.content",
        ),
    ],
)
def test_a_request_that_cannot_be_served_says_what_is_wrong_with_it(
    client: openai.OpenAI, body: Any, param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.param == param and caught.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (user("  "), "invalid_question"),
        (user("?!"), "invalid_question"),
        ([{"role": "assistant", "content": "So"}], "invalid_question"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "invalid_question"),
    ],
    ids=["empty", "without letters", "nobody's", "a picture"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_question_that_cannot_be_answered_is_a_bad_request(
    client: openai.OpenAI, messages: list[Any], code: str, stream: bool
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="headwater", messages=messages, stream=stream)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("script", "error", "code"),
    [
        (Script(status=429), openai.RateLimitError, "rate_limit_exceeded"),
        (Script(status=401, error_code="invalid_api_key"), openai.InternalServerError, None),
        (
            Script(status=400, error_code="context_length_exceeded"),
            openai.BadRequestError,
            "context_length_exceeded",
        ),
        (Script(cut_after=0), openai.InternalServerError, "network_error"),
    ],
    ids=["quota", "our key", "too long", "cut"],
)
def test_a_failure_of_the_model_has_its_status(
    client: openai.OpenAI, upstream: Upstream, script: Script, error: Any, code: str | None
) -> None:
    upstream.next(*[script] * 3)
    try:
        with pytest.raises(error) as caught:
            client.chat.completions.create(model="headwater", messages=user(EN))
    finally:
        upstream._queue.clear()
    assert caught.value.code == code or code in (None, "network_error")
    assert "OPENAI_API_KEY" in caught.value.message or code is not None
    again = "true" if code in ("rate_limit_exceeded", "network_error") else "false"
    assert caught.value.response.headers["x-should-retry"] == again


def test_half_a_surrogate_pair_is_a_character_like_any_other(url: str, upstream: Upstream) -> None:
    bad = "\ud800"
    said = [{"role": "system", "content": bad}, *user(f"Why{bad}?")]
    said += [{"role": "assistant", "content": bad}, *user(f"{EN} {bad}")]
    wrong: list[Any] = [{"model": f"headwater/{bad}"}, {"stop": bad}, {"response_format": {bad: 1}}]
    for more in ({}, *wrong):
        body = json.dumps({"messages": said, **more})
        answer = httpx.post(f"{url}v1/chat/completions", content=body, headers=HEADERS, timeout=60)
        assert answer.status_code == (400 if more else 200), answer.text


def test_a_failure_midway_is_an_error_in_the_stream(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    upstream.next(Script(words("It tells nginx not to buffer."), cut_after=4))
    chunks: list[Any] = []
    with pytest.raises(openai.APIError, match="broke off"):
        for chunk in client.chat.completions.create(
            model="headwater", messages=user(EN), stream=True
        ):
            chunks.append(chunk)
    assert chunks[0].to_dict()["search_results"] and text_of(chunks).startswith("It tells")


def test_json_passes_unharmed_and_can_be_parsed_at_every_step(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    wanted = {"values": [7], "more": [2, 3], "note": "see [1] — đúng", "deep": {"a": [[9]]}}
    upstream.next(Script(words(json.dumps(wanted, ensure_ascii=False)), delay=0.02))
    text, seen = "", 0
    for chunk in client.chat.completions.create(
        model="headwater", messages=user(EN), stream=True, response_format=SCHEMA
    ):
        if chunk.choices and chunk.choices[0].delta.content:
            text += chunk.choices[0].delta.content
            partial = jiter.from_json(text.encode(), partial_mode="trailing-strings")
            assert set(partial) <= set(wanted)
            seen += 1
    assert json.loads(text) == wanted and seen > 5
    assert upstream.calls[-1].body["response_format"] == SCHEMA


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_no_json_and_says_so(client: openai.OpenAI, stream: bool) -> None:
    asked: dict[str, Any] = {"messages": user(UNANSWERABLE), "response_format": SCHEMA}
    if stream:
        chunks = list(client.chat.completions.create(model="small", stream=True, **asked))
        assert text_of(chunks) == ""
        refusal = "".join(c.choices[0].delta.refusal or "" for c in chunks if c.choices)
    else:
        message = client.chat.completions.create(model="small", **asked).choices[0].message
        assert not message.content
        refusal = message.refusal or ""
    assert "no relevant information" in refusal


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_of_the_model_is_one_where_json_was_wished(
    client: openai.OpenAI, upstream: Upstream, stream: bool
) -> None:
    said = "I will not say that."
    asked: dict[str, Any] = {"messages": user(EN), "model": "small"}
    upstream.next(*[Script(words(said), refuses=True)] * 2)
    for more, key in (({"response_format": SCHEMA}, "refusal"), ({}, "content")):
        if stream:
            chunks = list(client.chat.completions.create(stream=True, **asked, **more))
            deltas = [c.choices[0].delta.to_dict() for c in chunks if c.choices]
            told = {k: "".join(str(d.get(k) or "") for d in deltas) for k in ("content", "refusal")}
        else:
            message = client.chat.completions.create(**asked, **more).choices[0].message
            told = {"content": message.content or "", "refusal": message.refusal or ""}
        assert told == {"content": "", "refusal": ""} | {key: said}


@pytest.mark.parametrize("stream", [False, True])
def test_an_emoji_that_the_server_cuts_in_two_is_whole(
    client: openai.OpenAI, upstream: Upstream, stream: bool
) -> None:
    upstream.next(Script(("Nice \ud83d", "\ude00 it is [1].")))
    asked: dict[str, Any] = {"messages": user(EN), "model": "small"}
    if stream:
        said = text_of(list(client.chat.completions.create(stream=True, **asked)))
    else:
        said = client.chat.completions.create(**asked).choices[0].message.content or ""
    assert said == "Nice 😀 it is [1]."


def test_every_answer_and_failure_tells_the_id_that_the_log_has(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    raw = client.chat.completions.with_raw_response
    for stream in (False, True):
        answer: Any = raw.create(model="small", messages=user(EN), stream=stream)
        assert list(answer.parse())  # the question is with the model's server by now
        sent = upstream.calls[-1].headers["x-client-request-id"]
        assert answer.headers["x-request-id"] == sent
    upstream.next(Script(status=400))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="small", messages=user(EN))
    assert caught.value.request_id == upstream.calls[-1].headers["x-client-request-id"]


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"'])
def test_a_body_that_is_no_object_is_told_what_to_send(url: str, body: bytes) -> None:
    refused = httpx.post(f"{url}v1/chat/completions", content=body, headers=HEADERS)
    assert refused.status_code == 400
    assert "Content-Type: application/json" in refused.json()["error"]["message"]


def test_without_a_model_the_documents_are_quoted_and_json_is_refused(reading: Reading) -> None:
    url = served(reading)
    with openai.OpenAI(base_url=f"{url}v1", api_key="none", max_retries=0) as client:
        assert {model.id.split("/")[0] for model in client.models.list()} == {"headwater"}
        answer = client.chat.completions.create(model="headwater", messages=user(EN))
        assert "[1]" in (answer.choices[0].message.content or "")
        with pytest.raises(openai.BadRequestError, match="No model is configured"):
            client.chat.completions.create(
                model="headwater", messages=user(EN), response_format={"type": "json_object"}
            )


def test_what_is_not_there_is_told_as_openai_tells_it(client: openai.OpenAI, url: str) -> None:
    with pytest.raises(openai.NotFoundError, match=r"POST /v1/embeddings: Not Found\."):
        client.embeddings.create(model="small", input="tide")
    with pytest.raises(openai.APIStatusError, match=r"Method Not Allowed\.") as wrong:
        client.get("/chat/completions", cast_to=object)
    assert wrong.value.status_code == 405 and wrong.value.code == "unknown_route"
    assert wrong.value.response.headers["allow"] == "POST"
    page = httpx.get(f"{url}nothing/here")
    assert page.status_code == 404 and page.json() == {"detail": "Not Found"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("silent", [False, True], ids=["writing", "silent"])
def test_a_client_that_leaves_closes_the_models_connection(
    url: str, upstream: Upstream, stream: bool, silent: bool
) -> None:
    script = Script(words("Slowly. " * 200), delay=0.05, silent_after=3 if silent else None)
    upstream.next(script)
    calls = len(upstream.calls)
    body = {"model": "headwater", "messages": user(f"{EN} {stream} {silent}"), "stream": stream}
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as client:
        if stream:
            with client.stream("POST", "/v1/chat/completions", json=body) as answer:
                upstream.wait_until(lambda c: len(c) > calls and c[calls].tokens_sent >= 3)
                assert answer.status_code == 200
                left = time.monotonic()
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post("/v1/chat/completions", json=body, timeout=1.0)
            left = time.monotonic()
    call = upstream.wait_for_end(calls)
    assert call.ended == "client_left" and call.ended_at
    print(f"\nstream={stream} silent={silent}: {1000 * (call.ended_at - left):.0f} ms")
    assert call.ended_at - left < 2.0
