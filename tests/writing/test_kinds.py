"""What a server says of its failure is understood in each one's words, and has no secrets."""

from __future__ import annotations

import json

import pytest

from rag.writing.failures import model_error
from rag.writing.kinds import BODY, WORDS, kind, words
from tests.harness.refusals import CODES, KINDS, PARAMETERS, Refused

REFUSALS = [
    pytest.param(of, refused, id=f"{of} by {refused.name}")
    for of, refusals in KINDS.items()
    for refused in refusals
]


@pytest.mark.parametrize(("of", "refused"), REFUSALS)
def test_each_servers_words_are_of_one_kind(of: str, refused: Refused) -> None:
    value = refused.body[0] if isinstance(refused.body, list) else refused.body
    error = value.get("error", value) if isinstance(value, dict) else {}
    error = error if isinstance(error, dict) else {}
    status = None if refused.status == 200 else refused.status
    assert kind(status, {str(error.get("code")), error.get("type")}, refused.text) == of
    shown = words(refused.text)
    assert shown and len(shown) <= WORDS and "{" not in shown


def test_a_refused_parameter_is_of_no_kind_of_its_own() -> None:
    for refusals in PARAMETERS.values():
        for refused in refusals:
            assert kind(refused.status, (), refused.text) in ("invalid_request", "server_error")


def test_what_says_nothing_known_is_told_by_its_status_alone() -> None:
    assert kind(418, (), "teapot") == "invalid_request"
    assert kind(599, (), "") == "server_error"
    assert kind(None, (), "died") is None


@pytest.mark.parametrize(
    "secret",
    [
        "sk-abcd***************wxyz",
        "sk-proj-abcdefgh12345678abcdefgh12345678",
        "org-abc123def",
        "org_01abcdef",
        "owner@example.com",
        "/root/.cache/real-model/qwen.gguf",
        r"C:\Users\lan\model.gguf",
        "0123456789abcdef0123456789abcdef",
        "MY-OWN-KEY",
    ],
)
def test_keys_accounts_and_files_are_not_shown(secret: str) -> None:
    said = json.dumps({"error": {"message": f"Refused: {secret}, try /v1/chat/completions."}})
    shown = words(said, key="MY-OWN-KEY")
    assert secret not in shown
    assert shown.startswith("Refused: [") and shown.endswith(", try /v1/chat/completions.")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('{"error": "gone"}', "gone"),
        ('[{"error": {"message": "gone"}}]', "gone"),
        ('{"detail": [{"loc": ["body", "seed"], "msg": "no"}]}', "body.seed: no"),
        ("plain\n words", "plain words"),
        ("<html><title>Sign in</title><body>x</body></html>", "Sign in"),
        ("<html><body>x</body></html>", ""),
        ('{"a": 1}', ""),
        ("[" * 100_000, "[" * (WORDS - 1) + "…"),
        ("", ""),
    ],
)
def test_the_words_are_found_wherever_they_stand(said: str, shown: str) -> None:
    assert words(said) == shown


@pytest.mark.parametrize("of", KINDS)
def test_each_kind_has_a_sentence_in_both_languages(of: str) -> None:
    told = {"server": "s", "url": "u", "elsewhere": "e", "model": "m", "reason": "r"}
    error = model_error(of, "detail", seconds=1, megabytes=4, **told)
    assert error.code == CODES.get(of, of) and error.detail == "detail"
    assert error.sentence("vi") != error.sentence("en")


def test_only_the_beginning_of_a_long_refusal_is_looked_at() -> None:
    said = " " * BODY + "Insufficient balance"
    assert kind(400, (), said) == "invalid_request"
    assert words(said) == ""
