"""Answers that are to be JSON: the schema that they were asked for, and whether they follow it.
Pure but for the stream that it passes on. The only module that imports jsonschema.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from ..errors import ModelError, QuestionError
from ..events import Thinking
from ..types import Options
from .failures import model_error
from .pieces import Declined, Ending, Piece
from .prompt import ANY_OBJECT

REASON = 200  # characters of what is wrong
_HELD = 16  # characters that may be the closing fence
_CLOSING = re.compile(r"\s*```\s*\Z")


def schema(options: Options) -> Any:
    """The JSON schema that an answer is to follow; any object where JSON is wished without one,
    None where it is not."""
    if not options.as_json:
        return None
    match options.parameters.get("response_format"):
        case {"json_schema": {"schema": dict(wished)}} | {"schema": dict(wished)}:
            return wished
        case _:
            return ANY_OBJECT


def check(options: Options) -> None:
    """Raises QuestionError if the schema is none."""
    wished = schema(options)
    if wished is None:
        return
    try:
        Draft202012Validator.check_schema(wished)
    except (SchemaError, RecursionError) as exc:
        said = exc.message[:REASON] if isinstance(exc, SchemaError) else "too deep"
        raise QuestionError(
            f"The JSON schema of response_format is not valid: {said}.",
            f"Lược đồ JSON trong response_format không hợp lệ: {said}.",
        ) from None


async def checked(pieces: AsyncGenerator[Piece], options: Options) -> AsyncGenerator[Piece]:
    """The pieces of an answer that is to be JSON, without a code fence around it. Raises ModelError
    behind a whole one that is none or does not follow its schema."""
    wished, fence, written, declined = schema(options), _Fence(), "", False
    async with aclosing(pieces):
        async for piece in pieces:
            match piece:
                case str():
                    piece = piece if declined else fence.feed(piece)
                    written += piece
                    if piece:
                        yield piece
                case Ending():
                    if not declined and (rest := fence.end()):
                        written += rest
                        yield rest
                    if piece.reason == "stop" and not declined:
                        wrong = await asyncio.to_thread(problem, written, wished)
                        if wrong:
                            raise _failure(wrong)
                    yield piece
                case Declined():
                    declined = True
                    yield piece
                case Thinking(so_far=True):  # and no answer
                    if rest := fence.end():
                        yield rest
                    fence, written = _Fence(), ""
                    yield piece
                case _:
                    yield piece


def problem(text: str, wished: Any) -> str:
    """What is wrong with JSON that is to follow a schema; "" if nothing, or nobody can tell."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        return f"{exc}"[:REASON]
    try:
        plain = _without_patterns(wished)
        # Nothing is fetched for a reference that leads elsewhere.
        Draft202012Validator(plain, registry=Registry()).validate(value)
    except ValidationError as exc:
        return f"{exc.json_path}: {exc.message}"[:REASON]
    except (Unresolvable, RecursionError, _CannotTell):
        return ""
    return ""


class _CannotTell(Exception):
    """What is allowed depends on patterns."""


def _without_patterns(wished: Any) -> Any:
    """A client's regular expression could keep a processor busy for ever."""
    match wished:
        case dict():
            if "patternProperties" in wished:
                raise _CannotTell
            return {
                name: _without_patterns(value)
                for name, value in wished.items()
                if not (name == "pattern" and isinstance(value, str))
            }
        case list():
            return list(map(_without_patterns, wished))
        case _:
            return wished


def _failure(wrong: str) -> ModelError:
    return model_error("invalid_json", reason=" ".join(wrong.split()))


class _Fence:
    """Takes the code fence away that many models put around JSON."""

    def __init__(self) -> None:
        self._held = ""
        self._begun = self._fenced = False

    def feed(self, text: str) -> str:
        self._held += text
        if not self._begun:
            start = self._held.lstrip()
            if not start or (len(start) < 3 and "```".startswith(start)):
                return ""
            self._fenced = start.startswith("```")
            if self._fenced and "\n" not in start:
                return ""
            self._begun = True
            self._held = start.partition("\n")[2] if self._fenced else self._held
        keep = _HELD if self._fenced else 0
        given = self._held[: max(len(self._held) - keep, 0)]
        self._held = self._held[len(given) :]
        return given

    def end(self) -> str:
        return _CLOSING.sub("", self._held) if self._fenced else self._held
