"""How many tokens a model takes and how many a prompt has, as far as its server has told: in its
lists, in what it counted, in its refusals. Pure; knows no connection.

A token's bytes depend on the model and on the language: they are learnt from what was counted, for
texts with many letters beyond ASCII apart from the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..text import tokens
from .prompt import Message

_BYTES = {False: 4.0, True: 3.0}  # of a token, until one is counted; True: beyond ASCII
_BEYOND = 1.1  # bytes a character from which a text is
_BELIEVED = (1.0, 7.0)  # bytes of a token that are learnt from a server
_LEAST = 2000  # bytes of a prompt from which they are learnt
# What no tokenizer reached on prose (Qwen has 4.6 English and 4.5 Vietnamese bytes a token, the
# largest vocabularies 5.6): with more the prompt was not counted whole. Servers that do not count
# what they had computed before count less still.
_MOST_BYTES = 6.1
_MANY_BYTES = 5.0  # are suspicious at a usual limit, or with what was counted before
_USUAL = tuple(1024 * 2**n for n in range(1, 8))
_CUT_FROM = 1000  # tokens
_ROOM = 64  # tokens for an answer at least
_LESS = 0.5  # of a prompt, where it is not known by how much it was too long
_ANSWER = 500  # tokens that are left for one
_MARGIN = 0.97

_N = r"(\d[\d,]*)"
_LIMITS = (
    rf"\"n_ctx\"\s*:\s*{_N}",
    rf"max(?:imum)? (?:context|prompt|model|input) ?length (?:is|of|:)? ?:? ?(?:only )?{_N}",
    rf"context length (?:is |of )?(?:only )?\(?{_N}",
    rf"context size \({_N}",
    rf"context limit: [\d,]+ \+ [\d,]+ > {_N}",
    rf"Limit {_N}, Requested",
    rf"tokens allowed \({_N}\)",
    rf"> {_N} maximum",
    rf"must have less than {_N}",
    rf"must be <= {_N}",
    rf"too large for model with {_N} maximum",
    rf"Max size: {_N} tokens",
    rf"cannot exceed {_N}",
    rf"token limit:? {_N}",
    rf"input length should be \[\d+, {_N}\]",
)
_COUNTS = (
    rf"\"n_prompt_tokens\"\s*:\s*{_N}",
    rf"{_N} in the messages",
    rf"messages resulted in {_N}",
    rf"request has {_N} input",
    rf"passed {_N} input tokens",
    rf"prompt \(length {_N}\)",
    rf"(?:request|input) \({_N} tokens\)",
    rf"first {_N} tokens when",
    rf"Limit [\d,]+, Requested {_N}",
    rf"token count \({_N}\)",
    rf"too long: {_N} tokens",
    rf"context limit: {_N} \+",
    rf"Given: {_N}",
    rf"contains {_N} tokens",
    rf"received {_N}",
)
_PLACES = (
    "max_model_len",
    "context_length",
    "context_window",
    "max_context_length",
    "loaded_context_length",
    "max_input_tokens",
)


def refusal(text: str) -> tuple[int | None, int | None]:
    """The most tokens and those of the prompt, as a refusal says them."""
    return _first(_LIMITS, text), _first(_COUNTS, text)


def _first(patterns: Sequence[str], text: str) -> int | None:
    for pattern in patterns:
        if match := re.search(pattern, text, re.IGNORECASE):
            return int(match[1].replace(",", "")[:12])
    return None


def listed(value: Any, model: str) -> int | None:
    """The most tokens of `model` by the JSON of /v1/models or of llama.cpp's /props; None if it is
    not there."""
    match value:
        case {"default_generation_settings": {"n_ctx": int(limit)}} if limit > 0:
            return limit
        case {"data": [*entries]}:
            own = [entry for entry in entries if isinstance(entry, dict)]
            named = [entry for entry in own if entry.get("id") == model]
            entry = (named or (own if len(own) == 1 else [{}]))[0]
            inner = [entry.get(name) for name in ("meta", "top_provider")]
            places = [entry, *(part for part in inner if isinstance(part, dict))]
            found = [part.get(name) for part in places for name in (*_PLACES, "n_ctx")]
            return min((n for n in found if isinstance(n, int) and n > 0), default=None)
        case _:
            return None


class Contexts:
    """What is known of the models of one server, by their names."""

    def __init__(self, limit: int | None = None) -> None:
        """`limit` is that of all of them, as the owner knows it."""
        self._set = limit
        self._limits: dict[str, int] = {}
        self._bytes: dict[tuple[str, bool], float] = {}

    def limit(self, model: str) -> int | None:
        return self._set or self._limits.get(model)

    def learn(self, model: str, limit: int | None) -> None:
        if limit:
            self._limits[model] = limit

    def estimate(self, model: str, messages: Sequence[Message]) -> int:
        """About how many tokens the messages have."""
        size, beyond = _measured(messages)
        return -int(-size // self._bytes.get((model, beyond), _BYTES[beyond]))

    def room(self, model: str, answer: int | None) -> int | None:
        """The tokens that a prompt may have beside an answer of so many; None if there is no limit
        that is known."""
        limit = self.limit(model)
        return limit and int(limit * _MARGIN) - min(answer or _ANSWER, limit // 4)

    def counted(self, model: str, messages: Sequence[Message], count: int) -> int | None:
        """Learns from what the server counted; the limit at which it has probably cut the prompt
        before."""
        size, beyond = _measured(messages)
        each = size / max(count, 1)
        before = self._bytes.get((model, beyond))
        most = max(1.3 * before, _MANY_BYTES) if before else _MOST_BYTES
        at_a_limit = any(0.98 * usual <= count <= usual for usual in _USUAL)
        if count >= _CUT_FROM and each > (_MANY_BYTES if at_a_limit else most):
            return min((usual for usual in _USUAL if usual >= count), default=count)
        if size >= _LEAST and _BELIEVED[0] <= each <= _BELIEVED[1]:
            self._bytes[model, beyond] = (before + each) / 2 if before else each
        return None

    def refused(self, model: str, messages: Sequence[Message], text: str) -> tuple[int, int | None]:
        """Learns from the words of a refusal. The tokens that the prompt may have, and those of the
        answer if it was only this that was too long."""
        limit, count = refusal(text)
        self.learn(model, limit)
        size, beyond = _measured(messages)
        if limit and count and count + _ROOM < limit:
            return count, limit - count - _ROOM // 2
        if count and size >= _LEAST and _BELIEVED[0] <= size / count <= _BELIEVED[1]:
            self._bytes[model, beyond] = size / count
        told = self.room(model, None)
        guess = self.estimate(model, messages)
        return (told if told and told < guess else int(guess * _LESS)), None


def _measured(messages: Sequence[Message]) -> tuple[int, bool]:
    """Bytes, and whether many letters are beyond ASCII."""
    texts = [message["content"] for message in messages]
    size = sum(map(tokens.size, texts))
    return size, size > _BEYOND * sum(map(len, texts))
