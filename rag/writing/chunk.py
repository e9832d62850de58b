"""What one event of a chat-completions server says, as plain JSON: a piece of the answer, why it
ended, what was counted, what went wrong. Pure.

Servers differ: the text is a string or a list of parts, thinking has three names, and each has its
own words for an end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from ..types import Usage

MOST_TOKENS = 1_000_000_000  # that a server is believed to have counted
WORD = 60  # characters that are kept of a server's own word for why it ended
_THINKING = ("reasoning_content", "reasoning", "thinking", "reasoning_details")

# Why an answer ended, as servers and the routers in front of them say it.
_REASONS = {
    "stop": "stop stop_sequence eos eos_token end_turn end complete completed finish",
    "length": "length max_tokens max_length max_output_tokens max_new_tokens model_length "
    "model_context_window_exceeded",
    "content_filter": "content_filter safety recitation blocklist prohibited_content spii "
    "sensitive refusal",
    "tool_calls": "tool_calls tool_call tool_use function_call malformed_function_call",
    "error": "error failed failure abort aborted cancelled canceled network_error "
    "insufficient_system_resource",
}
_REASON_OF = {word: reason for reason, words in _REASONS.items() for word in words.split()}


@dataclass(frozen=True, slots=True)
class Sent:
    """A piece of what the model wrote."""

    kind: Literal["text", "thinking", "refusal"]
    text: str


def pieces(message: Mapping[str, Any]) -> Iterator[Sent]:
    """What a delta or a message holds, thinking first."""
    for name in _THINKING:  # some send the same under two names
        said = message.get(name)
        if said and (thought := "".join(sent.text for sent in _parts(said))):
            yield Sent("thinking", thought)
            break
    yield from _parts(message.get("content"))
    if isinstance(refusal := message.get("refusal"), str) and refusal:
        yield Sent("refusal", refusal)


def calls_tools(message: Mapping[str, Any]) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))


def reason(said: object) -> str | None:
    """Why an answer ended, in OpenAI's words where they have one; None if that is not said.
    “content_filter: SAFETY” is a filter's, too."""
    word = said.strip() if isinstance(said, str) else str(said or "")
    lower = word.lower()
    if lower in ("", "null", "none"):
        return None
    known = _REASON_OF.get(lower) or _REASON_OF.get(lower.partition(":")[0].strip())
    return known or "".join(filter(str.isprintable, word[:WORD])) or "?"


def usage(event: Mapping[str, Any]) -> tuple[Usage, int | None] | None:
    """The tokens that were counted, and how many of those written went into thinking, where that is
    told."""
    counted = event.get("usage") or inner(event.get("x_groq"), "usage")
    asked, written = inner(counted, "prompt_tokens"), inner(counted, "completion_tokens")
    if not _believed(asked) or not _believed(written):
        return None
    details = inner(counted, "completion_tokens_details")
    thinking = inner(details, "reasoning_tokens") or inner(counted, "reasoning_tokens")
    if not _believed(thinking) or not thinking:
        return Usage(asked, written), None
    # xAI does not count what was thought among what was written.
    if thinking > written or inner(counted, "total_tokens") == asked + written + thinking:
        written += thinking
    return Usage(asked, written), thinking


def error(event: Mapping[str, Any], kind: str) -> object:
    """What an event of this `kind` says went wrong; None if nothing."""
    if event.get("error"):
        return event["error"]
    if event.get("object") == "error" or event.get("type") == "error" or kind == "error":
        return event
    return None


def inner(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _parts(content: object) -> Iterator[Sent]:
    """A content: a text, a part, or a list of these."""
    for part in content if isinstance(content, list) else [content]:
        match part:
            case str():
                if part:
                    yield Sent("text", part)
            case {"type": "thinking" | "reasoning" as kind}:
                said = inner(part, kind) or inner(part, "text")
                items = said if isinstance(said, list) else [said]
                texts = [item if isinstance(item, str) else inner(item, "text") for item in items]
                if thought := "".join(text for text in texts if isinstance(text, str)):
                    yield Sent("thinking", thought)
            case {"refusal": str(text)} if text:
                yield Sent("refusal", text)
            case {"text": str(text)} | {"content": str(text)} if text:
                yield Sent("text", text)
            case _:
                pass


def _believed(count: object) -> TypeGuard[int]:
    return isinstance(count, int) and 0 <= count <= MOST_TOKENS
