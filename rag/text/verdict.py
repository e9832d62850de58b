"""What a search says about the answer to come, in words: whether the documents have one. Pure."""

from __future__ import annotations

from ..types import Findings, Language

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


def said(findings: Findings, language: Language) -> str:
    """One line for above an answer; "" where nothing is answered, or nobody ranked."""
    if findings.overview or findings.verdict == "refuse":
        return ""
    line = _SAID[findings.verdict][language]
    if findings.verdict == "weak" and (lacking := absent(findings, language)):
        return f"{line} {lacking}"
    return line


def absent(findings: Findings, language: Language) -> str:
    """The sentence that names the words of the question that no document has; "" if there are
    none."""
    names = ", ".join(f"“{word}”" for word in findings.absent)  # letters and digits alone
    return _ABSENT[language].format(names) if names else ""
