"""What the wording of a claim and of a passage is compared by: stems, numbers, names, negations,
absolutes. Pure; knows no weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ..text.language import fold, keywords, words
from ..text.sentences import split_sentences
from ..text.units import Unit, units
from .quantities import quantities, without_dates

# Words after “not” that it may deny.
SCOPE = 4


@dataclass(frozen=True, slots=True)
class Wording:
    """What is compared of a text."""

    stems: frozenset[str]
    denied: frozenset[str]  # those a “not” stands before
    numbers: tuple[frozenset[str], ...]  # each number's readings, without those of `durations`
    durations: tuple[tuple[float, frozenset[str]], ...]  # seconds, and the readings of the number
    names: frozenset[str]
    absolutes: frozenset[str]
    hedged: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A unit of a passage, its `own` stems, and these with those of what it stands under."""

    unit: Unit
    own: frozenset[str]
    stems: frozenset[str]


RUN = 120  # words from the beginning of a line that are compared


@dataclass(frozen=True, slots=True)
class Passage:
    """`quotes` are the words of its sentences, `runs` those from the beginning of each line on, in
    a row; `sentences` are cut at colons and semicolons too."""

    whole: Wording
    sentences: tuple[Wording, ...]
    parts: tuple[Part, ...]
    quotes: frozenset[tuple[str, ...]]
    runs: tuple[str, ...]

    def has(self, sentence: str) -> bool:
        """Whether `sentence` stands in it word for word: as a sentence, or from the beginning of a
        line, as a table's rows do. From within one it may be what that denies."""
        said = words(sentence)
        run = f"{' '.join(said)} "
        return tuple(said) in self.quotes or any(line.startswith(run) for line in self.runs)


_LINE = re.compile(r"^(?=.*\w)", re.MULTILINE)
_BOUND = re.compile(r"(?<=[.!?…;:])\s+|\n\s*\n|\n(?=[-•*] )")


@lru_cache(maxsize=64)
def passage(text: str, plain: bool = False) -> Passage:
    """What is compared of a passage; `plain`: without diacritics, as the claim is written."""
    shaped = fold if plain else str
    compared = shaped(text)
    return Passage(
        read(compared),
        tuple(map(read, _BOUND.split(compared))),
        tuple(
            Part(
                unit,
                frozenset(map(stem, words(shaped(unit.text)))),
                frozenset(map(stem, words(shaped(unit.context)))),
            )
            for unit in units(text)
        ),
        frozenset(tuple(words(sentence)) for sentence in split_sentences(compared)),
        tuple(
            f"{' '.join(words(compared[line.start() :])[:RUN])} "
            for line in _LINE.finditer(compared)
        ),
    )


def read(text: str, claims: bool = False, spelt: bool = True) -> Wording:
    """What is compared of `text`; `claims`: of one that is to be supported, not of one that is to
    support it, where other words may mean the same. Without `spelt` only numbers in digits."""
    durations, numbers = quantities(text, spelt)
    return Wording(
        stems=frozenset(map(stem, words(text))),
        denied=frozenset(_denied(text)),
        numbers=tuple(numbers),
        durations=tuple(durations),
        names=frozenset(
            stem(word)
            for name in _names(without_dates(text))
            for word in words(name)
            if len(word) > 1  # the s of Heroku's
        ),
        absolutes=frozenset(
            said
            for said, like in _ABSOLUTES.items()
            if re.search(said, text, re.I) or (not claims and re.search(like, text, re.I))
        ),
        hedged=_HEDGE.search(text) is not None,
    )


# English endings; what is left is cut to five letters: cancel, cancelled, cancellation.
_ENDING = re.compile(r"(?:ing|ies|ied|ed|es|ly|s|e|y)$")


def stem(word: str) -> str:
    """Coarser than the search's: a claim may be in other forms than its passage."""
    if len(word) < 4 or not word.isascii():
        return word
    return _ENDING.sub("", word)[:5]


_NOT = re.compile(
    r"\b(?:not(?! only)|never|cannot|nobody|none|nothing|neither|nor|without|(?<!: )no(?= [a-z])"
    r"|(?<!hay )không(?! chỉ| gian)|chưa|chẳng|đừng)\b|n['’]t\b",
    re.IGNORECASE,
)
# What turns a sentence round without a “not”.
_HEDGE = re.compile(
    r"\b(?:unless|instead|rather|whereas|except|thay vì|trừ khi|nếu không|chứ không)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,.;:()]\s|\b(?:but|and|nhưng)\b")
# The words that claim it, and those of a passage that may have been meant.
_ABSOLUTES = {
    r"(?<!not )\b(?:always|never|nobody|guarantee\w*|completely|entirely|for ever"
    r"|luôn|hoàn toàn|tuyệt đối|mãi mãi)\b": r"\b(?:must|not?|cannot|without|phải|không|chưa)\b",
    r"(?<!not )\b(?:all|every\w*|whole|mọi|tất cả|toàn bộ)\b": (
        r"\b(?:each|any|both|complete|full|no|mỗi|bất kỳ|cả|các|những)\b"
    ),
}


def _denied(text: str) -> Iterator[str]:
    """The stems that stand behind a “not”, and nowhere else."""
    denied, at, said = [], 0, []
    for match in _NOT.finditer(text):
        clause = _CLAUSE.split(text[match.end() :], maxsplit=1)[0]
        scope = list(re.finditer(r"[^\W_]+", clause))[:SCOPE]
        said.append(text[at : match.start()])
        at = max(at, match.end() + (scope[-1].end() if scope else 0))
        denied += [word[0] for word in scope]
    said.append(text[at:])
    said_stems = set(map(stem, words(" ".join(said))))
    yield from (s for s in map(stem, keywords(" ".join(denied))) if s not in said_stems)


_ABBREVIATION = re.compile(r"[a-z](?:\.[a-z])+", re.IGNORECASE)
_INNER = re.compile(r"[a-z][A-Z]|[A-Z]{2}|_|\(\)|[^\W\d_]\d|[^\W\d_]\.[^\W\d_]|[^\W\d_]-[A-Z]")


def _names(text: str) -> Iterator[str]:
    first = True
    for written in text.split():
        token = written.strip("“”\"'‘’*.,;:!?…()[]")
        if not token or _ABBREVIATION.fullmatch(token):
            first = first or written[-1] in ".!?:…|"
            continue
        opens = first or written[0] in "“\"'(*`"
        if written[0] == "`" or _INNER.search(token) or (token[0].isupper() and not opens):
            yield token
        first = written[-1] in ".!?:…|"
