"""Measures what is quoted where no model answers: whether the first quote has the answer's words.

Of questions whose answer is known, about the library in the store or about documents that came with
them. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from ..errors import QuestionsError
from ..text.language import words
from ..writing.choosing import chosen
from .questions import Half, Question, Questions
from .search import Progress, Search

DEPTH = 5  # sources a search gives: what an answer is written from

Part = tuple[str, Half | None]  # a language, or a kind of question; and the half


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether the first source has the answer's words, and the first quote, and those parts of that
    which were chosen for themselves; `length` are the quote's characters."""

    question: Question
    half: Half | None
    source: bool
    quote: bool
    best: bool
    length: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of one, and the mean length of the first quotes in characters."""

    questions: int
    source: float
    quote: float
    best: float
    length: float

    def as_json(self) -> dict[str, object]:
        shares = {"first_source": self.source, "first_quote": self.quote, "best_parts": self.best}
        rounded = {name: round(share, 4) for name, share in shares.items()}
        return {"questions": self.questions, **rounded, "characters": round(self.length)}


def measure(
    questions: Questions, asked: Generator[Search], progress: Progress
) -> Mapping[Part, Figures]:
    """The figures of each language, kind and half of the questions whose answer is known. Those of
    SQuAD's format are halved by their articles: the even ones are "dev", the odd ones "held".

    Raises QuestionsError if there are none, and what the searches raise.
    """
    halves = _halves(questions)
    outcomes: list[Outcome] = []
    with closing(asked):
        for search in asked:
            question = search.question
            if search.right is None or not words(question.answer):
                continue
            half = question.half or halves.get(search.right)
            outcomes.append(_outcome(search, half))
            progress(len(outcomes))
    if not outcomes:
        raise QuestionsError(
            "No question says the words of its answer, by which quotes are judged."
        )
    return dict(_parts(outcomes))


def _halves(questions: Questions) -> Mapping[str, Half]:
    return {
        name: "held" if number % 2 else "dev"
        for number, article in enumerate(questions.articles, start=1)
        for name in article
    }


def _outcome(search: Search, half: Half | None) -> Outcome:
    question = search.question
    findings = search.retriever.search(question.text, DEPTH)
    first = next(iter(chosen(findings, search.retriever.relevance)), None)
    return Outcome(
        question,
        half,
        source=_has(findings.sources[0].text if findings.sources else "", question.answer),
        quote=first is not None and _has(first.text, question.answer),
        best=first is not None
        and any(_has(first.cut[place].text, question.answer) for place in first.best),
        length=len(first.text) if first else 0,
    )


def _has(text: str, answer: str) -> bool:
    return f" {' '.join(words(answer))} " in f" {' '.join(words(text))} "


def _parts(outcomes: Sequence[Outcome]) -> Iterator[tuple[Part, Figures]]:
    halves: tuple[Half | None, ...] = (None, "dev", "held")
    named = [o.question.language for o in outcomes] + [o.question.kind for o in outcomes]
    for name in filter(None, dict.fromkeys(named)):
        of_name = [o for o in outcomes if name in (o.question.language, o.question.kind)]
        for half in halves:
            part = [o for o in of_name if half in (None, o.half)]
            if part:
                yield (name, half), _figures(part)


def _figures(outcomes: Sequence[Outcome]) -> Figures:
    count = len(outcomes)
    return Figures(
        count,
        sum(o.source for o in outcomes) / count,
        sum(o.quote for o in outcomes) / count,
        sum(o.best for o in outcomes) / count,
        sum(o.length for o in outcomes) / count,
    )
