"""What may be asked. Pure: knows no documents and no model."""

from __future__ import annotations

from .errors import QuestionError

MAX_QUESTION = 4000  # characters


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
