"""Answers without a language model: quotes of the sources what fits the question best.

Knows the sources of one search and how well a text fits; knows no index.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence

from .. import followup
from ..errors import QuestionError
from ..text import verdict
from ..text.asked import Asked, asked, lacks
from ..text.language import words
from ..types import Language, Options, Turn
from .choosing import Quote, chosen
from .outline import outlined
from .pieces import NOTHING, Brief, Ending, Piece
from .quoting import shown

_MARKER = re.compile(r"\[\d+\]")
_NO_MORE: dict[Language, str] = {
    "en": "Searched together with the question before it, this finds no more than is quoted above.",
    "vi": "Tìm cùng với câu hỏi trước, tôi không thấy gì thêm ngoài phần đã trích ở trên.",
}
_UNNAMED: dict[Language, str] = {
    "en": "These passages fit the question, but do not mention {}, and may not answer it.",
    "vi": "Các đoạn này khớp với câu hỏi nhưng không nhắc tới {}, nên có thể không trả lời.",
}
_UNANSWERED: dict[Language, str] = {
    "en": "These passages fit the question, but I see no {} in them, which it asks for.",
    "vi": "Các đoạn này khớp với câu hỏi nhưng tôi không thấy {} được hỏi trong đó.",
}
_ASKED_FOR: dict[Asked, dict[Language, str]] = {
    "who": {"en": "name", "vi": "tên"},
    "when": {"en": "time", "vi": "thời điểm"},
    "where": {"en": "name of a place", "vi": "tên nơi"},
    "long": {"en": "length of time", "vi": "khoảng thời gian"},
    "number": {"en": "number", "vi": "con số"},
}


class Quotes:
    """Writes the answers without a language model: in the documents' own words."""

    name = None

    def check(self, options: Options) -> None:
        """Raises QuestionError for what only a model can do."""
        if options.as_json:
            raise QuestionError(
                "No model is configured, and only a model can answer in JSON.",
                "Chưa cấu hình mô hình, mà chỉ mô hình mới trả lời được bằng JSON.",
            )

    async def write(self, brief: Brief) -> AsyncGenerator[Piece]:
        """The quotes one by one. Raises QuestionError if there are to be no documents."""
        if brief.findings is None:
            raise QuestionError(
                "No model is configured, so only the documents can answer.",
                "Chưa cấu hình mô hình nên chỉ có thể trả lời từ tài liệu.",
            )
        findings, relevance = brief.findings, brief.relevance
        if findings.overview:
            for piece in outlined(findings, findings.overview, brief.language):
                yield piece
            yield Ending("listing" if findings.overview.kind == "listing" else "stop")
            return
        found = await asyncio.to_thread(chosen, findings, relevance)
        if findings.verdict == "weak":
            yield verdict.said(findings, brief.language) + "\n\n"
        elif lacking := _lacking(findings.query, found, brief.language):
            yield lacking + "\n\n"
        quotes = list(written(found, findings.query))
        if _leans(brief) and all(_is_in(brief.turns[-1].answer, each) for each in quotes):
            quotes = [_NO_MORE[brief.language]]
        for each in quotes:
            yield each

    async def rewritten(
        self, question: str, turns: Sequence[Turn], language: Language, options: Options
    ) -> tuple[str, Ending]:
        """The follow-up joined with the words of the question that it leans on."""
        return followup.joined(question, followup.previous(turns)), NOTHING

    async def aclose(self) -> None:
        """Nothing is open."""


def _lacking(question: str, quotes: Sequence[Quote], language: Language) -> str:
    """What is said before quotes that fit, and have not what is asked for: a name, a number, a
    time, or the number that the question is about; "" of others. Of XQuAD's answerable questions
    (dev half, every third) 1 of 172 with the right quote lacks one."""
    said = "\n".join(each.text for each in quotes)
    kind = asked(question)
    if numbers := verdict.numbers_lacked(question, [said]):
        return _UNNAMED[language].format(verdict.listed(numbers))
    if kind in _ASKED_FOR and lacks(kind, question, said):
        return _UNANSWERED[language].format(_ASKED_FOR[kind][language])
    return ""


def _leans(brief: Brief) -> bool:
    """Whether the question was searched with words of the one before."""
    asked = brief.findings.query if brief.findings else ""
    return bool(brief.turns) and len(words(asked)) > len(words(brief.question))


def _is_in(answer: str, quoted: str) -> bool:
    """Whether an earlier answer has the words of a quote, under whatever number."""
    said, says = (" ".join(words(_MARKER.sub("", text))) for text in (answer, quoted))
    return says in said


def written(quotes: Sequence[Quote], question: str) -> Iterator[str]:
    """The answer as Markdown: what is quoted of one source at a time, the best first."""
    for position, each in enumerate(quotes):
        yield ("\n\n" if position else "") + shown(each, question)
