"""Reads files of questions whose right document is known, and tells the other measured files apart.

Questions are about the library in the store, or bring their own documents in SQuAD's format. Knows
no search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from ..errors import QuestionsError
from ..text.language import of_passage
from ..types import Language

Kind = Literal["questions", "support", "dialogues"]
Half = Literal["dev", "held"]


@dataclass(frozen=True, slots=True)
class Question:
    """`document` is the name of the one that answers it; None means that none does. `answer` are
    words of the passage in it, where they are known.

    `kind` is what makes it difficult, as its file has it. What is tuned may look at the "dev" half
    of those that have one, and is judged by the other.
    """

    text: str
    language: Language
    document: str | None
    answer: str = ""
    kind: str = ""
    half: Half | None = None


@dataclass(frozen=True, slots=True)
class Questions:
    """`articles` are the documents that came with the questions, each article a mapping from a
    document's name to its text; without any the questions are about the library in the store."""

    asked: tuple[Question, ...]
    articles: tuple[Mapping[str, str], ...] = ()


def kind(path: Path) -> Kind:
    """What `path` is a file of, as far as its shape tells: what is neither of the others passes for
    questions, and loading those says what is wrong with it."""
    try:
        content = from_json(path.expanduser().read_bytes())
    except (OSError, ValueError):
        return "questions"
    match content:
        case {"passages": _, "pairs": _}:
            return "support"
        case [{"first": _, "second": _}, *_]:
            return "dialogues"
        case _:
            return "questions"


def load(path: Path) -> Questions:
    """The questions in `path`. Raises QuestionsError if it cannot be read or is neither format."""
    try:
        found: list[_Entry] | _Squad = TypeAdapter(list[_Entry] | _Squad).validate_json(
            path.expanduser().read_bytes()
        )
    except OSError as exc:
        raise QuestionsError(
            f"The questions in {path} cannot be read ({exc.strerror or exc})."
        ) from exc
    except ValidationError as exc:
        raise QuestionsError(
            f"{path} has no questions that can be read. It must be JSON: a list of objects with "
            "question, language (en or vi) and document (a name or null), or SQuAD's format."
        ) from exc
    questions = found.questions() if isinstance(found, _Squad) else _about_library(found)
    if not questions.asked:
        raise QuestionsError(f"There is no question in {path}.")
    return questions


class _Entry(BaseModel):
    question: str
    language: Language
    document: str | None
    answer: str = ""
    kind: str = ""
    half: Half | None = None


class _Span(BaseModel):
    text: str


class _Asked(BaseModel):
    question: str
    is_impossible: bool = False
    answers: list[_Span] = []


class _Paragraph(BaseModel):
    context: str
    qas: list[_Asked]


class _Article(BaseModel):
    paragraphs: list[_Paragraph]


class _Squad(BaseModel):
    """The format of SQuAD 1.1 and 2.0. It names no language: the file has that of most paragraphs,
    because one paragraph may well quote the other."""

    data: list[_Article]

    def questions(self) -> Questions:
        detected = [of_passage(p.context) for article in self.data for p in article.paragraphs]
        language: Language = "vi" if detected.count("vi") * 2 > len(detected) else "en"
        asked, articles = [], []
        for number, article in enumerate(self.data, start=1):
            # Numbered, so that a paragraph that occurs twice stays two documents.
            named = {f"{number}.{i}": p for i, p in enumerate(article.paragraphs, start=1)}
            articles.append({name: p.context for name, p in named.items()})
            asked += [
                Question(
                    q.question,
                    language,
                    None if q.is_impossible else name,
                    answer=q.answers[0].text if q.answers and not q.is_impossible else "",
                )
                for name, p in named.items()
                for q in p.qas
            ]
        return Questions(tuple(asked), tuple(articles))


def _about_library(entries: Sequence[_Entry]) -> Questions:
    return Questions(
        tuple(
            Question(e.question, e.language, e.document, e.answer, e.kind, e.half) for e in entries
        )
    )
