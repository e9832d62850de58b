"""Answers in JSON: what the model is told, and that the answer is what was asked for."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from rag.assembly import assemble
from rag.errors import ModelError, QuestionError
from rag.events import Failed, Finished, TextDelta, Thinking
from rag.retrieval.retriever import Retriever
from rag.serving.metrics import Metrics
from rag.settings import Settings
from rag.store.opening import Opening
from rag.types import Options
from rag.writing.json_mode import check, checked, problem
from rag.writing.pieces import Declined, Ending, Piece
from tests.harness.refusals import PARAMETERS, openai
from tests.harness.upstream import Json, Script, Upstream

pytestmark = pytest.mark.anyio

Configured = Callable[..., Settings]
SCHEMA = {
    "type": "object",
    "properties": {"port": {"type": "integer"}, "names": {"type": "array"}},
    "required": ["port"],
    "additionalProperties": False,
}


def wished(schema: Any = None) -> Options:
    if schema is None:
        return Options(parameters={"response_format": {"type": "json_object"}})
    told = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    return Options(parameters={"response_format": told})


@pytest.mark.parametrize(
    ("text", "schema", "wrong"),
    [
        ('{"port": 1}', SCHEMA, ""),
        ('{"port": "1"}', SCHEMA, "$.port: '1' is not of type 'integer'"),
        ('{"names": []}', SCHEMA, "$: 'port' is a required property"),
        ('{"port": 1, "x": 2}', SCHEMA, "$: Additional properties"),
        ("The port is 1.", SCHEMA, "Expecting value"),
        ('{"port": 1', SCHEMA, "Expecting ',' delimiter"),
        ("[" * 100_000, SCHEMA, "maximum recursion"),
        ("[]", {"type": "object"}, "$: [] is not of type 'object'"),
        ('{"a": "b"}', {"properties": {"a": {"pattern": "^(x+)+$"}}}, ""),
        ('{"a": "b"}', {"patternProperties": {"^(x+)+$": {}}, "additionalProperties": False}, ""),
        ('{"a": "b"}', {"$ref": "http://127.0.0.1:9/schema"}, ""),
        ('{"a": "b"}', {"$ref": "#"}, ""),
    ],
)
def test_an_answer_is_what_was_asked_for_or_it_is_said_what_is_wrong(
    text: str, schema: Any, wrong: str
) -> None:
    said = problem(text, schema)
    assert said.startswith(wrong) and bool(said) == bool(wrong)


def test_a_schema_that_is_none_is_refused_before_anybody_is_asked() -> None:
    check(wished(SCHEMA))
    check(wished())
    check(Options())
    with pytest.raises(QuestionError, match="not valid"):
        check(wished({"type": "objekt"}))


async def given(pieces: Sequence[Piece]) -> AsyncGenerator[Piece]:
    for piece in pieces:
        yield piece


async def read(pieces: Sequence[Piece], options: Options) -> list[Piece]:
    return [piece async for piece in checked(given(pieces), options)]


FENCED = ["```json\n", '{"port":', " 1}", "\n``", "`\n"]


@pytest.mark.parametrize(
    "texts",
    [
        FENCED,
        ["".join(FENCED)],
        list("".join(FENCED)),
        ["``", '`\n{"port": 1}```'],
        ['{"port": 1}'],
    ],
)
async def test_a_code_fence_around_it_is_taken_away(texts: list[str]) -> None:
    *read_texts, ending = await read([*texts, Ending("stop")], wished(SCHEMA))
    assert json.loads("".join(map(str, read_texts))) == {"port": 1}
    assert ending == Ending("stop")


async def test_what_is_no_json_comes_through_and_fails_behind_it() -> None:
    seen: list[Piece] = []
    with pytest.raises(ModelError, match="not the JSON that was asked for") as failed:
        async for piece in checked(given(["No ", "```x", Ending("stop")]), wished()):
            seen.append(piece)
    assert "".join(map(str, seen)) == "No ```x"
    assert (failed.value.code, failed.value.retryable) == ("invalid_json", True)


async def test_a_cut_answer_and_a_refusal_of_the_model_have_ends_of_their_own() -> None:
    cut: list[Piece] = ['{"po', Ending("length")]
    assert await read(cut, wished()) == cut
    refusal: list[Piece] = [Declined(), "```I will not.", Ending("stop")]
    assert await read(refusal, wished()) == refusal


async def test_what_turns_out_to_be_thinking_is_no_part_of_it() -> None:
    pieces: list[Piece] = ["```Hm. ", Thinking(so_far=True), *FENCED, Ending("stop")]
    seen = await read(pieces, wished(SCHEMA))
    at = seen.index(Thinking(so_far=True))
    assert json.loads("".join(map(str, seen[at + 1 : -1]))) == {"port": 1}


async def answered(
    settings: Settings, retriever: Retriever, options: Options, times: int = 1
) -> tuple[str, Finished | Failed]:
    opening = Opening(lambda report: retriever)
    opening.wait()
    async with aclosing(assemble(settings, opening, Metrics())) as answering:
        for _ in range(times):
            stream = answering.answer("What does X-Accel-Buffering do?", (), options)
            seen = [event async for event in stream]
    text = "".join(event.text for event in seen if isinstance(event, TextDelta))
    end = seen[-1]
    assert isinstance(end, Finished | Failed)
    return text, end


@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["any object", "a schema"])
async def test_the_prompt_speaks_of_json_and_not_of_citations(
    configured: Configured, upstream: Upstream, retriever: Retriever, schema: Any
) -> None:
    def script(body: Json) -> Script:
        said = json.dumps(body["messages"]).lower()
        if "json" not in said:
            message = "'messages' must contain the word 'json' in some form, to use "
            refusal = openai(f"{message}'response_format' of type 'json_object'.")
            return Script(status=400, raw=[json.dumps(refusal)], content_type="application/json")
        return Script(tokens=('{"port": ', "1}"))

    upstream.script = script
    settings = configured(OPENAI_BASE_URL=upstream.base_url)
    text, end = await answered(settings, retriever, wished(schema))
    assert isinstance(end, Finished) and json.loads(text) == {"port": 1}
    [call] = upstream.calls
    rules = call.body["messages"][0]["content"]
    assert "JSON object" in rules and "cite" not in rules
    assert ('"port":{"type":"integer"}' in rules) == (schema is not None)


async def test_it_holds_where_a_server_has_no_such_mode(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    refused = PARAMETERS["response_format"][2].script
    upstream.script = lambda body: (
        refused if "response_format" in body else Script(tokens=("```\n", '{"port": 1}', "\n```"))
    )
    settings = configured(OPENAI_BASE_URL=upstream.base_url)
    text, end = await answered(settings, retriever, wished(SCHEMA))
    assert isinstance(end, Finished) and text == '{"port": 1}'
    assert len(upstream.calls) == 3  # the schema, any object, the words alone


async def test_a_wrong_answer_is_told_and_not_kept(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = Script(tokens=('{"port": ', '"none"}'))
    settings = configured(OPENAI_BASE_URL=upstream.base_url, HEADWATER_CACHE_SECONDS=60)
    text, end = await answered(settings, retriever, wished(SCHEMA), times=2)
    assert isinstance(end, Failed) and end.code == "invalid_json"
    assert "$.port: 'none' is not of type 'integer'" in end.sentence
    assert text == '{"port": "none"}' and len(upstream.calls) == 2
