"""What is a greeting and what is a question."""

from __future__ import annotations

import pytest

from rag.text.language import detect
from rag.writing.small_talk import reply


@pytest.mark.parametrize(
    "said",
    [
        *("Hello", "hi!", "Hey there 👋", "Xin chào", "chào bạn", "xin chao", "Thanks!", "HELLO"),
        *("Thank you.", "Cảm ơn bạn nhiều!", "cam on", "Bye", "tạm biệt", "Good morning"),
    ],
)
def test_a_greeting_is_answered_by_a_friendly_line(said: str) -> None:
    line = reply(said, detect(said))
    assert line and "[" not in line


def test_the_line_is_in_the_language_of_the_answer() -> None:
    assert "Xin chào" in str(reply("hello", "vi"))
    assert "Hello" in str(reply("xin chào", "en"))


@pytest.mark.parametrize(
    "asked",
    [
        *("Hello world program?", "thanks to whom was it built?", "What does hi mean?", ""),
        *("chào giá", "cảm ơn là gì?", "bye-law 4", "thank you page", "X-Accel-Buffering"),
    ],
)
def test_a_question_is_not_small_talk(asked: str) -> None:
    assert reply(asked, "en") is None
