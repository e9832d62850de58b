"""What a search says about the answer to come, in words: whether the documents have one. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..types import Findings, Language
from .language import words

_SAID: dict[str, dict[Language, str]] = {
    "answer": {
        "en": "The passages fit the question.",
        "vi": "Các đoạn tìm được khớp với câu hỏi.",
    },
    "weak": {
        "en": "These passages match only weakly and may not answer the question.",
        "vi": "Các đoạn này chỉ khớp yếu và có thể không trả lời câu hỏi.",
    },
}
_ABSENT: dict[Language, str] = {
    "en": "None of the documents searched has {}.",
    "vi": "Không tài liệu nào được tìm có {}.",
}
_UNREAD: dict[Language, str] = {
    "en": "Still to be read, and not searched: {}. Ask again when they are in.",
    "vi": "Chưa đọc xong nên chưa tìm trong: {} tài liệu. Hãy hỏi lại khi đã đọc xong.",
}
_NUMBERS: dict[Language, str] = {
    "en": "None of them has {}.",
    "vi": "Không đoạn nào có {}.",
}


def numbers_lacked(question: str, texts: Iterable[str]) -> list[str]:
    """The numbers in `question`, from two digits on, that none of `texts` has."""
    asked = [word for word in dict.fromkeys(words(question)) if word.isdigit() and len(word) > 1]
    there = {word for text in texts for word in words(text)} if asked else set()
    return [number for number in asked if number not in there]


def said(findings: Findings, language: Language) -> str:
    """One line for above an answer; "" where nothing is answered, or nobody ranked."""
    if findings.overview or findings.verdict == "refuse":
        return ""
    line = [_SAID[findings.verdict][language]]
    if findings.verdict == "weak":
        lacked = numbers_lacked(findings.query, (source.text for source in findings.sources))
        numbers = [number for number in lacked if number not in findings.absent]
        line += [_NUMBERS[language].format(listed(numbers))] if numbers else []
    return " ".join(filter(None, [*line, absent(findings, language), unread(findings, language)]))


def absent(findings: Findings, language: Language) -> str:
    """The sentence that names the words of the question that no document has; "" if there are
    none."""
    return _ABSENT[language].format(listed(findings.absent)) if findings.absent else ""


def unread(findings: Findings, language: Language) -> str:
    """That more documents are to come, of which nothing was searched; "" if there are none."""
    return _UNREAD[language].format(findings.unread) if findings.unread else ""


def listed(names: Iterable[str]) -> str:
    """Words of a question, each in quotation marks."""
    return ", ".join(f"“{word}”" for word in names)  # letters and digits alone
