"""What a search says about the answer to come, in words: whether the documents have one. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..types import Findings, Language
from .language import words

_SAID: dict[str, dict[Language, str]] = {
    "answer": {
        "en": "The passages fit the question well.",
        "vi": "Các đoạn tìm được khớp với câu hỏi.",
    },
    "weak": {
        "en": "These passages match only weakly and may not answer the question.",
        "vi": "Các đoạn này chỉ khớp yếu và có thể không trả lời câu hỏi.",
    },
}
_ABSENT: dict[Language, str] = {
    "en": "No document has {}.",
    "vi": "Không tài liệu nào có {}.",
}


_NUMBERS: dict[Language, str] = {
    "en": "None of them has {}.",
    "vi": "Không đoạn nào có {}.",
}


def numbers_lacked(findings: Findings) -> list[str]:
    """The numbers in the query, from two digits on, that no source has."""
    there = {word for source in findings.sources for word in words(source.text)}
    asked = dict.fromkeys(words(findings.query))
    return [word for word in asked if word.isdigit() and len(word) > 1 and word not in there]


def said(findings: Findings, language: Language) -> str:
    """One line for above an answer; "" where nothing is answered, or nobody ranked."""
    if findings.overview or findings.verdict == "refuse":
        return ""
    line = [_SAID[findings.verdict][language]]
    if findings.verdict == "weak":
        numbers = [n for n in numbers_lacked(findings) if n not in findings.absent]
        line += [_NUMBERS[language].format(_quoted(numbers))] if numbers else []
    return " ".join(filter(None, [*line, absent(findings, language)]))


def absent(findings: Findings, language: Language) -> str:
    """The sentence that names the words of the question that no document has; "" if there are
    none."""
    return _ABSENT[language].format(_quoted(findings.absent)) if findings.absent else ""


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"“{word}”" for word in names)  # letters and digits alone
