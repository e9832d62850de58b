"""Measures search across languages and in small libraries, with the same questions and paragraphs
in English and in Vietnamese, as XQuAD has them. Prints nothing.

Each text is embedded once, and searched for in whatever library holds it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Literal

from ..errors import QuestionsError
from ..retrieval.embedder import Embedder
from ..retrieval.profiles import Profiles
from ..text.language import fold
from ..types import Language
from .questions import Question, Questions
from .search import DEPTH, Outcome, Progress, Report, outcome, report
from .temporary import Prepared, TemporaryLibrary, temporary

SIZES = (1, 2, 3, 10)  # paragraphs of the small libraries; the largest has all of a language

Typed = Literal["en", "vi", "plain"]  # "plain" is Vietnamese typed without diacritics
_LANGUAGE: Mapping[Typed, Language] = {"en": "en", "vi": "vi", "plain": "vi"}
# Whose paragraphs are searched, and by which questions: the names of the rows.
_DIRECTIONS: Mapping[Language, Mapping[Typed, str]] = {
    "en": {"en": "en", "vi": "vi→en"},
    "vi": {"vi": "vi", "plain": "plain", "en": "en→vi"},
}
_ROWS = ("en", "vi", "plain", "vi→en", "en→vi")

Rows = Mapping[str, Report]


@dataclass(frozen=True, slots=True)
class Directions:
    """The figures by what was asked of what; `questions` counts the answerable ones.

    `directions`: questions in one language about the paragraphs of one; the unanswerable have their
    article taken away. `both`: about the paragraphs of both, where "own" is the right one in the
    question's language and "other" that in the other. "only other" lacks the article in the
    question's language; its unanswerable lack it in both. `sizes`: libraries of so many paragraphs;
    the unanswerable are questions about an article that the library lacks.
    """

    directions: Rows
    both: Rows
    sizes: Rows

    def as_json(self) -> dict[str, object]:
        """The object that `python -m rag eval --translated --json` prints."""
        named = {"directions": self.directions, "both": self.both, "sizes": self.sizes}
        return {
            name: {row: part.as_json() for row, part in rows.items()}
            for name, rows in named.items()
        }


def measure(
    first: Questions, second: Questions, embedder: Embedder, profiles: Profiles, progress: Progress
) -> Directions:
    """`first` and `second` are the same questions in both languages, in either order; `progress` is
    told how many searches are done. Raises QuestionsError if they are not the same."""
    en, vi = _paired(first, second)
    typed: dict[Typed, Sequence[Question]] = {
        "en": en.asked,
        "vi": vi.asked,
        "plain": [replace(q, text=fold(q.text)) for q in vi.asked],
    }
    texts = {
        _name(language, name): text
        for language, questions in (("en", en), ("vi", vi))
        for article in questions.articles
        for name, text in article.items()
    }
    paragraphs = dict(
        zip(texts, zip(texts.values(), embedder.embed([*texts.values()]), strict=True), strict=True)
    )
    prepared = Prepared(embedder, [q.text for q in chain.from_iterable(typed.values())])
    with temporary(paragraphs, prepared, profiles) as library:
        bench = _Bench(library, [list(article) for article in en.articles], typed, progress)
        directions, both = bench.directions(), bench.both()
        sizes = bench.sizes()
    # The libraries of all paragraphs were measured with the directions.
    sizes |= {_row(len(texts) // 2, kind): directions[kind] for kind in typed}
    return Directions(directions, both, sizes)


class _Bench:
    """Asks `library`, which holds now these paragraphs, now those. `articles` are the names of each
    one's paragraphs, `typed` the questions, which stand in the same order in each."""

    def __init__(
        self,
        library: TemporaryLibrary,
        articles: Sequence[Sequence[str]],
        typed: Mapping[Typed, Sequence[Question]],
        progress: Progress,
    ) -> None:
        self._library, self._articles, self._typed = library, articles, typed
        self._progress, self._done = progress, 0
        self._article = {name: i for i, names in enumerate(articles) for name in names}
        self._all = list(self._article)

    def directions(self) -> dict[str, Report]:
        """One language's paragraphs, asked in one."""
        rows: dict[str, list[Outcome]] = defaultdict(list)
        for language, named in _DIRECTIONS.items():
            self._hold(language, self._all)
            for kind, row in named.items():
                rows[row] += self._ask(kind, self._all, [language])[0]
            for names in self._articles:
                self._hold(language, self._without(names))
                for kind, row in named.items():
                    rows[row] += self._ask(kind, names, [None])[0]
        return {row: _report(rows[row]) for row in _ROWS}

    def both(self) -> dict[str, Report]:
        """Both languages' paragraphs: with the right one in both, in the other, in neither."""
        rows: dict[str, list[Outcome]] = defaultdict(list)
        self._hold(None, self._all)
        for kind, own in _LANGUAGE.items():
            found = self._ask(kind, self._all, [own, _other(own)])
            rows[f"{kind}, own"], rows[f"{kind}, other"] = found
        for names in self._articles:
            for own in _DIRECTIONS:
                self._library.hold(
                    [
                        *(_name(own, name) for name in self._without(names)),
                        *(_name(_other(own), name) for name in self._all),
                    ]
                )
                for kind in (k for k, language in _LANGUAGE.items() if language == own):
                    rows[f"{kind}, only other"] += self._ask(kind, names, [_other(own)])[0]
            self._hold(None, self._without(names))
            for kind in _LANGUAGE:
                rows[f"{kind}, only other"] += self._ask(kind, names, [None])[0]
        return {
            f"{kind}, {which}": _report(rows[f"{kind}, {which}"])
            for kind in _LANGUAGE
            for which in ("own", "other", "only other")
        }

    def sizes(self) -> dict[str, Report]:
        """Small libraries of one language. Neighbours in the order are of different articles."""
        in_turn = [n for names in zip_longest(*self._articles) for n in names if n is not None]
        rows: dict[str, list[Outcome]] = defaultdict(list)
        sizes = [size for size in SIZES if size < len(in_turn)]
        for size in sizes:
            groups = [in_turn[i : i + size] for i in range(0, len(in_turn), size)]
            for language in _DIRECTIONS:
                # Every second one: half of the questions tell as much, and all take minutes.
                for group, following in [*zip(groups, [*groups[1:], groups[0]], strict=True)][::2]:
                    articles = {self._article[name] for name in group}
                    foreign = [name for name in following if self._article[name] not in articles]
                    self._hold(language, group)
                    for kind in (k for k, own in _LANGUAGE.items() if own == language):
                        rows[_row(size, kind)] += self._ask(kind, group, [language])[0]
                        rows[_row(size, kind)] += self._ask(kind, foreign, [None])[0]
        return {_row(s, kind): _report(rows[_row(s, kind)]) for s in sizes for kind in _LANGUAGE}

    def _hold(self, language: Language | None, names: Sequence[str]) -> None:
        """Makes the library these paragraphs in `language`; None is both."""
        languages: Sequence[Language] = ("en", "vi") if language is None else (language,)
        self._library.hold([_name(each, name) for each in languages for name in names])

    def _ask(
        self, kind: Typed, names: Sequence[str], rights: Sequence[Language | None]
    ) -> list[list[Outcome]]:
        """Asks the questions about these paragraphs: for each of `rights` the outcomes if the right
        paragraph is the one in that language; None if there is none."""
        found: list[list[Outcome]] = [[] for _ in rights]
        about = set(names)
        for question in self._typed[kind]:
            if question.document is None or question.document not in about:
                continue
            findings = self._library.retriever.search(question.text, DEPTH)
            for outcomes, language in zip(found, rights, strict=True):
                right = None if language is None else _name(language, question.document)
                outcomes.append(outcome(question, right, findings))
            self._done += 1
            self._progress(self._done)
        return found

    def _without(self, names: Sequence[str]) -> list[str]:
        return [name for name in self._all if name not in set(names)]


def _paired(first: Questions, second: Questions) -> tuple[Questions, Questions]:
    """The English questions and the Vietnamese ones."""
    by_language = {questions.asked[0].language: questions for questions in (first, second)}
    en, vi = by_language.get("en"), by_language.get("vi")
    if en is None or vi is None or not en.articles or not vi.articles:
        raise QuestionsError(
            "Two files in SQuAD's format are needed, one in English and one in Vietnamese."
        )
    same = [[*article] for article in en.articles] == [[*article] for article in vi.articles]
    if not same or [q.document for q in en.asked] != [q.document for q in vi.asked]:
        raise QuestionsError(
            "The two files are not translations of each other: they must have the same articles, "
            "paragraphs and questions in the same order."
        )
    return en, vi


def _other(language: Language) -> Language:
    return "vi" if language == "en" else "en"


def _name(language: str, paragraph: str) -> str:
    return f"{language} {paragraph}"


def _row(size: int, kind: Typed) -> str:
    return f"{size} {kind}"


def _report(outcomes: Sequence[Outcome]) -> Report:
    return report([o.question for o in outcomes if o.question and o.answerable], outcomes)
