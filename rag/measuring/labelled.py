"""Reads files of sentences that language models wrote, each labelled by hand with whether the
passage that it cites supports it. Judges none; tests/measured/README.md says what the labels mean.

A sentence's passage is in its file, or is a paragraph of an article in SQuAD's format that is given
beside it and is not kept in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..errors import QuestionsError
from ..text.language import of_passage
from ..types import Language
from .support import Half

Label = Literal["supported", "unsupported", "no_claim"]
Row = Literal["en", "vi", "across"]  # of passages in the sentence's language, or in the other

_LANGUAGES: tuple[Language, ...] = ("en", "vi")
# What a sentence shares with a paragraph that its file must not hold, or with a question about it:
# {vi 12:96} are characters.
_COPIED = re.compile(r"\{(en|vi) (\d+):(\d+)\}")


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of an answer and the passage that it cites, by its name in `Answers.passages`.
    `language` is that of the sentence; `kind` is what makes it what its label says."""

    passage: str
    half: Half
    language: Language
    passage_language: Language
    model: str
    question: str
    sentence: str
    label: Label
    kind: str

    @property
    def row(self) -> Row:
        return self.language if self.language == self.passage_language else "across"


@dataclass(frozen=True, slots=True)
class Answers:
    """`passages` are those cited and the other paragraphs of their articles, by name; `left_out`
    counts the sentences whose article was not given."""

    claims: tuple[Claim, ...]
    passages: Mapping[str, str]
    left_out: int = 0


def load(paths: Sequence[Path]) -> Answers:
    """The labelled sentences in `paths`; those of these files that are in SQuAD's format are the
    articles that they are about. Raises QuestionsError if one cannot be read, is neither, or there
    is no sentence whose passage is known."""
    files = {path: _read(path) for path in paths}
    paragraphs: dict[_Key, _Context] = {}
    for squad in files.values():
        if isinstance(squad, _Squad):
            paragraphs |= squad.paragraphs()
    passages: dict[str, str] = {}
    claims: list[Claim] = []
    left_out = 0
    for path, labelled in files.items():
        if isinstance(labelled, _Squad):
            continue
        for entry in labelled.sentences:
            cited = labelled.passages.get(entry.passage)
            if cited is None:
                raise QuestionsError(
                    f"{path} has no passage {entry.passage!r}, which a sentence is about."
                )
            read = cited.read(entry.sentence, paragraphs)
            if read is None:
                left_out += 1
                continue
            passages[entry.passage], sentence = read
            claims.append(entry.claim(cited, sentence))
    if not claims:
        listed = ", ".join(map(str, paths))
        raise QuestionsError(f"There is no labelled sentence in {listed} whose passage is known.")
    cited_titles = {title for f in files.values() if isinstance(f, _File) for title in f.titles()}
    others = {
        f"{title}#{number}.{language}": paragraph.context
        for (title, number, language), paragraph in paragraphs.items()
        if title in cited_titles and paragraph.context not in set(passages.values())
    }
    return Answers(tuple(claims), passages | others, left_out)


_Key = tuple[str, int, Language]  # an article's title, a paragraph's number and its language


class _Own(BaseModel):
    """A passage that the file holds."""

    document: str
    page: int
    language: Language
    half: Half
    text: str

    def read(self, sentence: str, paragraphs: Mapping[_Key, _Context]) -> tuple[str, str] | None:
        """The passage, and a sentence about it as it was written."""
        return self.text, sentence


class _Paragraph(BaseModel):
    """One of an article that it does not hold; the first is number 0."""

    title: str
    paragraph: int
    language: Language
    half: Half

    def read(self, sentence: str, paragraphs: Mapping[_Key, _Context]) -> tuple[str, str] | None:
        """As of a passage that the file holds; None if what it needs was not given."""
        given: dict[str, _Context] = {
            language: paragraphs[self.title, self.paragraph, language]
            for language in _LANGUAGES
            if (self.title, self.paragraph, language) in paragraphs
        }
        if self.language not in given or {c[1] for c in _COPIED.finditer(sentence)} - set(given):
            return None
        whole = _COPIED.sub(lambda c: given[c[1]].all[int(c[2]) : int(c[3])], sentence)
        return given[self.language].context, whole


class _Sentence(BaseModel):
    passage: str
    language: Language
    model: str
    question: str
    sentence: str
    label: Label
    kind: str

    def claim(self, cited: _Own | _Paragraph, sentence: str) -> Claim:
        return Claim(
            passage=self.passage,
            half=cited.half,
            language=self.language,
            passage_language=cited.language,
            model=self.model,
            question=self.question,
            sentence=sentence,
            label=self.label,
            kind=self.kind,
        )


class _File(BaseModel):
    passages: Mapping[str, _Own | _Paragraph]
    sentences: Sequence[_Sentence]

    def titles(self) -> set[str]:
        return {p.title for p in self.passages.values() if isinstance(p, _Paragraph)}


class _Asked(BaseModel):
    question: str


class _Context(BaseModel):
    context: str
    qas: Sequence[_Asked] = ()

    @property
    def all(self) -> str:
        return "\n".join([self.context, *(asked.question for asked in self.qas)])


class _Article(BaseModel):
    title: str
    paragraphs: Sequence[_Context]


class _Squad(BaseModel):
    data: Sequence[_Article]

    def paragraphs(self) -> dict[_Key, _Context]:
        """By title, number and language, which is that of most: one may quote the other."""
        detected = [of_passage(p.context) for article in self.data for p in article.paragraphs]
        language: Language = "vi" if detected.count("vi") * 2 > len(detected) else "en"
        return {
            (article.title, number, language): paragraph
            for article in self.data
            for number, paragraph in enumerate(article.paragraphs)
        }


def _read(path: Path) -> _File | _Squad:
    try:
        found: _File | _Squad = TypeAdapter(_File | _Squad).validate_json(
            path.expanduser().read_bytes()
        )
    except OSError as exc:
        raise QuestionsError(
            f"The sentences in {path} cannot be read ({exc.strerror or exc})."
        ) from exc
    except ValidationError as exc:
        raise QuestionsError(
            f"{path} has no sentences that can be read. It must be JSON: an object with passages "
            "and sentences, as in tests/measured/prose.json, or the articles that those are about, "
            "in SQuAD's format."
        ) from exc
    return found
