"""Whether the text layer of a PDF is words, and how well they are kept. Pure; knows no language: in
all that are written in Latin letters, vowels are more than a third of them."""

from __future__ import annotations

import re
import unicodedata

_GLYPH_NAME = re.compile(r"/(?:g|c|cid|gid|glyph|uni|a|f|i|h|index)[0-9a-f]{1,5}(?![^\s/])", re.I)
_CID = re.compile(r"\(cid:\d+\)")
_RUN = re.compile(r"(\W)\1+")  # the dots between a heading and its page
_BROKEN_CAMEL = re.compile(r"[a-z][A-Z][a-z]")
_LONG = 24  # letters of a word above which it is probably several
_ENOUGH = 80  # Latin letters in a text by which its vowels can be counted
_FEWEST_VOWELS = 0.2  # share; English has .38, Vietnamese .45, a font's own numbering about .15
_FEW_VOWELS = 0.29  # share below which it is asked how many words have none
_MOST_MUTE = 0.2  # share of the words of three letters or more that have no vowel
_MOSTLY = 0.8  # share of Latin letters: acronyms in a text of another script are not judged
_VOWELS = "aeiouy"
_MARKS = re.compile("[\u0300-\u036f]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
# \x1c to \x1f are white space for Python.
_CONTROL = re.compile("[\0-\x08\x0e-\x1b\x7f-\x9f]")
_CONTROLS = 0.05  # share of control characters above which they stand for letters and spaces
_SENSELESS = re.compile("[\0-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd-\uffff\U000f0000-\U0010ffff]")
_FEW = 40  # signs below which a text of signs alone may be meant
_LATIN_WORD = re.compile("[a-z]+")


def are_words(text: str) -> bool:
    """Whether `text` can be read: not names or numbers of glyphs, nor letters that were shifted.
    Nothing at all can be."""
    signs = _RUN.sub(r"\1", "".join(text.split()))
    if not signs:
        return True
    if len(_CONTROL.findall(signs)) > _CONTROLS * len(signs):
        return False
    named = sum(map(len, [*_GLYPH_NAME.findall(text), *_CID.findall(text)]))
    if named + len(_SENSELESS.findall(signs)) > len(signs) / 4:
        return False
    letters = sum(map(len, _LETTERS.findall(signs)))
    digits = sum(map(len, _DIGITS.findall(signs)))
    if len(signs) > _FEW and letters + digits < len(signs) / 3:
        return False
    if digits > (letters + digits) / 5:
        return True
    plain = _plain(text)
    latin = _LATIN_WORD.findall(plain)
    count = sum(map(len, latin))
    if count < max(_ENOUGH, letters * _MOSTLY):
        return True
    vowels = sum(map(plain.count, _VOWELS)) / count
    if vowels >= _FEW_VOWELS:
        return True
    long = [word for word in latin if len(word) > 2]
    mute = sum(not set(_VOWELS) & set(word) for word in long) / max(len(long), 1)
    return vowels >= _FEWEST_VOWELS and mute <= _MOST_MUTE


def broken(text: str) -> float:
    """About what share of the words of `text` are cut or run together, 0..1; to compare two
    readings of the same page."""
    words = text.split()
    single = sum(len(word) == 1 and _is_cut_off(word) for word in words)
    glued = sum(_glued(word) for word in words)
    return min(1.0, (single + glued) / max(len(words), 1))


def word_count(text: str) -> int:
    """How many different words of two letters or more there are."""
    return len({word for word in re.findall(r"[^\W\d_]{2,}", text.lower())})


def _glued(word: str) -> int:
    """How many words a word probably hides."""
    if not word.isalpha() and not word.strip(".,;:!?()\"'").isalpha():
        return len(word) // _LONG if re.search(r"[^\W\d_]{24}", word) else 0
    return max(len(word) // _LONG, len(_BROKEN_CAMEL.findall(word)))


def _is_cut_off(letter: str) -> bool:
    """Whether a letter alone is hardly a word: not so in the scripts of East Asia."""
    return letter.isalpha() and letter not in "aAI" and letter < "\u2e80"


def _plain(text: str) -> str:
    """In lower case, Latin letters without their marks."""
    return _MARKS.sub("", unicodedata.normalize("NFD", text.lower()))
