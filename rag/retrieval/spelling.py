"""What a question may have meant that has misspelt words: the same with words of the library that
are one slip of the finger away. Knows no index and no ranking."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..text.language import detect, fold, is_syllable, keywords
from ..types import Column

SHORTEST = 4  # letters of a word that is corrected: a shorter one is near to too many

_WORD = re.compile(r"[^\W_]+")
_PLAIN = "abcdefghijklmnopqrstuvwxyz"
_MARKED = _PLAIN + ("áàảãạăắằẳẵặâấầẩẫậđéèẻẽẹêếềểễệíìỉĩịóòỏõọôốồổỗộơớờởỡợúùủũụưứừửữựýỳỷỹỵ")


def corrected(
    question: str,
    column: Column,
    chunks_with: Callable[[Sequence[str]], Mapping[str, float]],
    is_word: Callable[[str], bool],
) -> str | None:
    """`question` with words of the library for its misspelt ones; None if it has none.

    `chunks_with` gives of words, in the form of `column`, those that are in the library and how
    many chunks have each. A misspelt word is in none, has four letters or more and no digit, and is
    not one that `is_word` or a Vietnamese one; of the library's words that are one letter more,
    less or other, or two letters exchanged, that in most chunks stands for it.
    """
    text = unicodedata.normalize("NFKC", question)
    form, letters = (fold, _PLAIN) if column == "folded" else (str.lower, _MARKED)
    unsure = {form(word) for word in _unsure(text) if not is_word(word.lower())}
    meant = {}
    for word in unsure - chunks_with(list(unsure)).keys():
        near = chunks_with(sorted(_slips(word, letters)))
        if near:
            meant[word] = max(near, key=lambda other: (near[other], other))

    def put_right(match: re.Match[str]) -> str:
        word = meant.get(form(match[0]))
        if word is None:
            return match[0]
        return word.upper() if match[0].isupper() else word.title() if match[0].istitle() else word

    return _WORD.sub(put_right, text) if meant else None


def _unsure(text: str) -> Iterator[str]:
    """The words of a question that may be misspelt."""
    subject, vietnamese, capitals = set(keywords(text)), detect(text) == "vi", text.isupper()
    for word in _WORD.findall(text):
        short, name = len(word) < SHORTEST, word.isupper() and not capitals
        if short or name or not word.isalpha() or word.lower() not in subject:
            continue
        if not (vietnamese and is_syllable(word)):
            yield word


def _slips(word: str, letters: str) -> set[str]:
    """What is one edit away, but for an ending: a letter less, more or other, or two neighbours
    exchanged."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    less = {a + b[1:] for a, b in cuts if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    other = {a + letter + b[1:] for a, b in cuts if b for letter in letters}
    more = {a + letter + b for a, b in cuts for letter in letters}
    endings = {word, word + "s", word + "d", word.removesuffix("s"), word.removesuffix("d")}
    return (less | swapped | other | more) - endings
