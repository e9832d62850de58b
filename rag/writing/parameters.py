"""The request for an answer, and how it changes where a server or a model does not take all of it:
a parameter is left out or has another name, the rules stand in the user's message. Pure.

Servers name what they refuse in their own ways; each of these is looked for in the words of the
refusal, among what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..types import Options
from .prompt import Message

Body = dict[str, Any]  # of a request
MOST_CHANGES = 8  # of one request

_OF_THE_REQUEST = {"model", "messages", "stream"}  # without these there is none
_OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_WORDS = {"stop", "user"}  # stand in any sentence: as a name only in quotes
# By the words of templates, too, which want users and assistants in turn.
_NO_SYSTEM = re.compile(
    r"(?:system|developer)['\"`]? (?:role|message|prompt|instruction)"
    r"|roles?['\"`]?\b[^.]{0,60}\b(?:system|developer)\b|\bsystem\b[^.]{0,40}\brole"
    r"|roles must alternate|only ['\"`]?user['\"`]? and ['\"`]?assistant"
    r"|(?:should be|expected|one of) ['\"`]user['\"`] or ['\"`]assistant",
    re.IGNORECASE,
)
_JSON = re.compile("response[_ ]?format|json_(?:object|schema)|structured output", re.IGNORECASE)
_BAD_SCHEMA = re.compile(r"invalid[ _](?:json[ _])?schema", re.IGNORECASE)
# Of a value that is wrong, as against a parameter that is not known here.
_VALUE = re.compile(
    r"must be|should be|too (?:large|small|high|low|long)|at (?:most|least)|out of range|range|"
    r"between|(?:greater|less) than|maximum|minimum|exceed|[<>]=? ?\d",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"unsupported|not[ _]supported|n[o']t support|unrecogni[sz]ed|unknown|unexpected|extra|"
    r"not[ _](?:permitted|allowed|available|enabled|implemented)|\bonly\b|deprecated|removed|"
    r"incompatible|cannot|(?:this|the) model",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Change:
    """What was sent as `name` is sent as `to`, or not at all. `lasting`: this model will not take
    it next time either."""

    name: str
    to: str | None = None
    lasting: bool = True


RULES_TO_USER = Change("system", "user")
TO_JSON_OBJECT = Change("json_schema", "json_object")


def request(model: str, messages: Sequence[Message], options: Options, *, newer_name: bool) -> Body:
    """What is asked for at first. With `newer_name` the most tokens are called as OpenAI's newer
    models want it; other servers often know only the old name. A client's own stays."""
    body: Body = {"model": model, "messages": list(messages), "stream": True}
    body |= options.parameters
    body["stream_options"] = {"include_usage": True}
    if options.temperature is not None:
        body["temperature"] = options.temperature
    if options.max_tokens is not None and "max_completion_tokens" not in body:
        body["max_completion_tokens" if newer_name else "max_tokens"] = options.max_tokens
    return body


def changed(body: Body, changes: Iterable[Change]) -> Body:
    """The request with all `changes`, in their order."""
    for change in changes:
        body = _changed(body, change)
    return body


def change(refusal: str, body: Body, before: Sequence[Change] = ()) -> Change | None:
    """What to change in the request `body`, as the changes `before` have made it, after a `refusal`
    in the server's words; None if they name nothing of it that could be left out."""
    if _NO_SYSTEM.search(refusal) and body["messages"][0]["role"] == "system":
        return RULES_TO_USER
    unknown = bool(_UNKNOWN.search(refusal))
    if "response_format" in body and _JSON.search(refusal):
        if _BAD_SCHEMA.search(refusal):
            return None
        if _kind(body) == "json_schema":
            return TO_JSON_OBJECT
        return Change("response_format")
    wrong_value = bool(_VALUE.search(refusal)) and not unknown
    for name in _named(refusal, body.keys() - _OF_THE_REQUEST):
        if name in _OTHER_NAME:
            if wrong_value or any(made.to == name for made in before):
                return Change(name, lasting=not wrong_value)
            return Change(name, _OTHER_NAME[name])
        return None if wrong_value else Change(name)
    return None


def _named(refusal: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that a refusal names: as its `param` or `loc` first, then in its words, the
    earliest first."""
    found: list[tuple[bool, int, str]] = []
    for name in names:
        as_field = rf"\"(?:param|parameter|field|loc)\"\s*:\s*(?:\[[^\]]*)?\"(?:body\.)?{name}\""
        quoted = rf"[\"'`]{name}[\"'`]" if name in _WORDS else rf"(?<![A-Za-z_]){name}(?![A-Za-z_])"
        if match := re.search(as_field, refusal):
            found.append((False, match.start(), name))
        elif match := re.search(quoted, refusal):
            found.append((True, match.start(), name))
    return [name for _, _, name in sorted(found)]


def _changed(body: Body, change: Change) -> Body:
    if change == RULES_TO_USER:
        return body | {"messages": _folded(body["messages"])}
    if change == TO_JSON_OBJECT:
        is_schema = _kind(body) == "json_schema"
        return body | {"response_format": {"type": "json_object"}} if is_schema else body
    if change.name not in body:
        return body
    left = {name: value for name, value in body.items() if name != change.name}
    return {change.to: body[change.name], **left} if change.to else left


def _folded(messages: Sequence[Message]) -> list[Message]:
    """The rules before the first words of the user."""
    match messages:
        case [{"role": "system", "content": rules}, {"role": "user", "content": first}, *rest]:
            return [{"role": "user", "content": f"{rules}\n\n{first}"}, *rest]
        case _:
            return list(messages)


def _kind(body: Body) -> object:
    wished = body.get("response_format")
    return wished.get("type") if isinstance(wished, dict) else None
