"""What is said where the documents hold no answer. Pure."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from ..text import markdown, verdict
from ..types import Language
from .pieces import Brief, Declined, Ending, Piece

_REFUSAL: dict[Language, str] = {
    "en": "I found no relevant information in the documents.",
    "vi": "Tôi không tìm thấy thông tin liên quan trong tài liệu.",
}
_SCORES: dict[Language, str] = {
    "en": "The nearest passages score {:.2f}; {:.2f} is needed.",
    "vi": "Đoạn gần nhất đạt {:.2f} điểm; cần {:.2f}.",
}
_MISSING: dict[Language, str] = {
    "en": "No passage has {}.",
    "vi": "Không đoạn nào có {}.",
}


async def refusal(brief: Brief) -> AsyncGenerator[Piece]:
    """That nothing was found, and what no passage has, or by how much the nearest missed."""
    yield Declined()
    if findings := brief.findings:
        if findings.missing:
            names = ", ".join(map(markdown.escape, findings.missing))
            why = _MISSING[brief.language].format(names)
        else:
            why = _SCORES[brief.language].format(findings.best_score, findings.threshold)
            if absent := verdict.absent(findings, brief.language):
                why = f"{absent} {why}"
        if unread := verdict.unread(findings, brief.language):
            why = f"{why} {unread}"
        yield f"{_REFUSAL[brief.language]} {why}"
    yield Ending("refused")
