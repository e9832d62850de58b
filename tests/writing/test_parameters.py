"""What a server does not take of a request is left out, has its other name, or stands elsewhere."""

from __future__ import annotations

import pytest

from rag.types import Options
from rag.writing.parameters import Body, Change, change, changed, request
from rag.writing.prompt import Message
from tests.harness.refusals import PARAMETERS, Refused, openai, vllm

RULES: list[Message] = [
    {"role": "system", "content": "The rules."},
    {"role": "user", "content": "Before?"},
    {"role": "assistant", "content": "That."},
    {"role": "user", "content": "Why?"},
]
ALL = Options(
    temperature=0.5,
    max_tokens=9,
    parameters={"top_p": 0.5, "seed": 1, "response_format": {"type": "json_object"}, "stop": "x"},
)


def asked(options: Options = ALL) -> Body:
    return request("m", RULES, options, newer_name=False)


REFUSALS = [
    pytest.param(name, refused, id=f"{name} by {refused.name}")
    for name, refusals in PARAMETERS.items()
    for refused in refusals
]


@pytest.mark.parametrize(("name", "refused"), REFUSALS)
def test_what_is_named_is_changed_and_nothing_else(name: str, refused: Refused) -> None:
    newer = name == "max_completion_tokens"
    body = request("m", RULES, ALL, newer_name=newer)
    made = change(refused.text, body)
    assert made and made.name == name and made.lasting
    after = changed(body, [made])
    others = body.keys() - {name, "messages"}
    assert {n: after[n] for n in others} == {n: body[n] for n in others}
    if name == "system":
        assert [m["role"] for m in after["messages"]] == ["user", "assistant", "user"]
        assert after["messages"][0]["content"] == "The rules.\n\nBefore?"
    else:
        assert name not in after and after["messages"] == RULES
    if name.startswith("max"):
        assert after["max_tokens" if newer else "max_completion_tokens"] == 9


def test_a_name_that_is_refused_after_the_other_is_left_out() -> None:
    body = asked()
    first = change(str(openai("Unknown parameter: 'max_tokens'.")), body)
    assert first
    body = changed(body, [first])
    second = change(str(vllm("max_completion_tokens: unexpected")), body, [first])
    assert second == Change("max_completion_tokens")
    assert not {"max_tokens", "max_completion_tokens"} & changed(body, [second]).keys()


def test_a_value_that_is_wrong_is_the_clients_and_not_the_models() -> None:
    assert change(str(openai("Invalid 'temperature': must be at most 2.")), asked()) is None
    too_large = openai("max_tokens is too large: 9. Allowed: at most 8 completion tokens")
    assert change(str(too_large), asked()) == Change("max_tokens", lasting=False)
    bad = openai("Invalid schema for response_format 'x': object has no type.")
    assert change(str(bad), asked()) is None


def test_a_schema_is_first_asked_for_as_any_json() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
    body = asked(Options(parameters={"response_format": schema}))
    refusal = "This model does not support response format `json_schema`."
    made = change(refusal, body)
    assert made
    body = changed(body, [made])
    assert body["response_format"] == {"type": "json_object"}
    assert change(refusal, body, [made]) == Change("response_format")


def test_what_was_not_sent_is_not_the_reason() -> None:
    body = asked(Options())
    assert change(str(openai("'temperature' is not supported with this model.")), body) is None
    assert change(str(openai("The user is unknown, stop.")), asked()) is None
    assert change("Something else is wrong.", asked()) is None


def test_a_clients_own_name_for_the_most_tokens_stays() -> None:
    body = asked(Options(max_tokens=9, parameters={"max_completion_tokens": 9}))
    assert body["max_completion_tokens"] == 9 and "max_tokens" not in body
