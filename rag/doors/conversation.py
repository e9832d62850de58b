"""The messages that a door was sent as one question and the turns before it. Pure.

What clients send beside text (tools, their results, pictures) is left out, and what is too long is
shortened: each with a note, because a client that is refused is a user that is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..question import MAX_QUESTION, last_question
from ..types import Notice, Turn

_CUT = "\n[…]"
LEFT_OUT = Notice(
    "Tools, their results and pictures are not used here: the answer is from the documents.",
    "Ở đây không dùng công cụ, kết quả của công cụ và hình ảnh: câu trả lời lấy từ tài liệu.",
)


class Conversation(NamedTuple):
    """A question, the turns before it, what the system messages wish, and what is to be said of
    how they were taken."""

    question: str
    turns: list[Turn]
    instructions: str
    notes: list[Notice]


def conversation(said: Sequence[tuple[str, str | None]]) -> Conversation:
    """What messages, each a role and a text (None if it has something else only), mean. The last
    user's message is the question, also where others follow it; where no user speaks, the last
    system message is. What a user says in several messages is one turn; what was said just before
    the question, a last one without an answer. Other roles than system, user and assistant are left
    out; what is too long is cut (system messages) or searched by its last question."""
    left_out = any(text is None or role not in _ROLES for role, text in said)
    heard = [(_ROLES[role], text) for role, text in said if role in _ROLES and text is not None]
    wishes = [text for role, text in heard if role == "system"]
    last = max((i for i, (role, _) in enumerate(heard) if role == "user"), default=None)
    turns: list[Turn] = []
    if last is None:
        question = wishes.pop() if wishes else ""
    else:
        question, turns = _turns(heard[: last + 1])
    notes = [LEFT_OUT] if left_out else []
    if len(question) > MAX_QUESTION:
        text, question = question, last_question(question)
        turns.append(Turn(text, ""))
        notes.append(_searched(len(text), question))
    instructions = _paragraphs(wishes)
    if (length := len(instructions)) > MAX_QUESTION:
        instructions = _beginning(instructions)
        notes.append(_shortened(length, len(instructions) - len(_CUT)))
    return Conversation(question, turns, instructions, notes)


_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def _turns(heard: Sequence[tuple[str, str]]) -> tuple[str, list[Turn]]:
    """The last message, a user's, and the turns before it."""
    turns: list[Turn] = []
    asked: list[str] = []  # since the last answer
    for role, text in heard:
        if role == "user":
            asked.append(text)
        elif role == "assistant" and asked:
            turns.append(Turn(_paragraphs(asked), text))
            asked = []
        elif role == "assistant" and turns:
            turns[-1] = Turn(turns[-1].question, _paragraphs([turns[-1].answer, text]))
    question = asked.pop()
    turns = [turn for turn in turns if turn.answer.strip()]  # the others were stopped, or failed
    if before := _paragraphs(asked):
        turns.append(Turn(before, ""))
    return question, turns


def _paragraphs(texts: Sequence[str]) -> str:
    return "\n\n".join(text for text in texts if text.strip())


def _beginning(text: str) -> str:
    """So much of `text` as may be sent on, up to a line's or a word's end."""
    most = MAX_QUESTION - len(_CUT)
    end = max(text.rfind("\n", most // 2, most), text.rfind(" ", most * 9 // 10, most))
    return text[: end if end > 0 else most].rstrip() + _CUT


def _searched(length: int, question: str) -> Notice:
    shown = question if len(question) <= 120 else f"{question[:119]}…"
    return Notice(
        f"The message has {length:,} characters; searched was for its last question: “{shown}”. "
        "Of the rest only the beginning is read.",
        f"Tin nhắn dài {length:,} ký tự; đã tìm theo câu hỏi cuối của nó: “{shown}”. "
        "Phần còn lại chỉ được đọc đoạn đầu.",
    )


def _shortened(length: int, kept: int) -> Notice:
    return Notice(
        f"The system messages have {length:,} characters; the first {kept:,} were used.",
        f"Các thông điệp hệ thống dài {length:,} ký tự; chỉ dùng {kept:,} ký tự đầu.",
    )
