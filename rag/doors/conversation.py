"""The messages that a door was sent as one question and the turns before it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..types import Turn


def conversation(
    said: Sequence[tuple[Literal["system", "user", "assistant"], str]],
) -> tuple[str, list[Turn], str]:
    """The question, which is the last user's message, the turns before it, and what the system
    messages wish. What a user says in several messages is one turn; what was said just before the
    question, a last one without an answer."""
    turns: list[Turn] = []
    asked: list[str] = []  # since the last answer
    for role, text in said:
        if role == "user":
            asked.append(text)
        elif role == "assistant" and asked:
            turns.append(Turn(_paragraphs(asked), text))
            asked = []
        elif role == "assistant" and turns:
            turns[-1] = Turn(turns[-1].question, _paragraphs([turns[-1].answer, text]))
    question = asked.pop() if asked else ""
    turns = [turn for turn in turns if turn.answer.strip()]  # the others were stopped, or failed
    if before := _paragraphs(asked):
        turns.append(Turn(before, ""))
    return question, turns, _paragraphs([text for role, text in said if role == "system"])


def _paragraphs(texts: Sequence[str]) -> str:
    return "\n\n".join(text for text in texts if text.strip())
