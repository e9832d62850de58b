"""What may be asked. Pure: knows no documents and no model."""

from __future__ import annotations

import re

from .errors import QuestionError
from .text.sentences import sentence_spans

MAX_QUESTION = 4000  # characters
_LOOKED_AT = 20_000  # characters at either end of a text, among which its question is looked for
_WORDS = 3  # that a question has at least: “OK?” asks nothing of a document
_ASKS = re.compile(r"[?？][\"'”’»)\]*_`]*$")


def checked(question: str, instructions: str = "") -> str:
    """The question without surrounding space. Raises QuestionError if it cannot be answered, or the
    `instructions` that come with it are too long."""
    if len(instructions) > MAX_QUESTION:
        raise QuestionError(
            f"The extra instructions are too long; at most {MAX_QUESTION:,} characters.",
            f"Yêu cầu thêm quá dài; tối đa {MAX_QUESTION:,} ký tự.",
        )
    query = sendable(question).strip()
    if not query:
        raise QuestionError(
            "The question is empty. Type a question about the documents.",
            "Câu hỏi đang trống. Hãy gõ một câu hỏi về tài liệu.",
        )
    if len(query) > MAX_QUESTION:
        raise QuestionError(
            f"The question has {len(query):,} characters; at most {MAX_QUESTION:,} are allowed. "
            "Shorten it.",
            f"Câu hỏi dài {len(query):,} ký tự; tối đa {MAX_QUESTION:,} ký tự. Hãy rút ngắn lại.",
        )
    if not any(c.isalnum() for c in query):
        raise QuestionError(
            "The question has no letters or digits, so there is nothing to search for.",
            "Câu hỏi không có chữ hay số nào nên không có gì để tìm.",
        )
    return query


def sendable(text: str) -> str:
    """`text` without halves of surrogate pairs, which JSON can hold and nothing else can."""
    return text.encode("utf-8", "replace").decode()


def last_question(text: str) -> str:
    """What a text that is too long to be searched asks: its last question, else its last paragraph,
    or the end of that."""
    for part in (text[-_LOOKED_AT:], text[:_LOOKED_AT]):
        for line in reversed(part.splitlines()):
            sentences = [line[a:b] for a, b in sentence_spans(line, (0, len(line)))]
            for sentence in reversed(sentences):
                if _ASKS.search(sentence) and len(sentence.split()) >= _WORDS:
                    return sentence
    paragraphs = [each for each in re.split(r"\n\s*\n", text[-_LOOKED_AT:]) if each.strip()]
    return paragraphs[-1][-MAX_QUESTION:].strip() if paragraphs else ""
