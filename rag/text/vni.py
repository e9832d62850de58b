"""Vietnamese in VNI-Windows (fonts called VNI-Times), which writes a letter's marks as a second
character that programs show as a Latin letter: "baûo haønh" for "bảo hành". Pure."""

from __future__ import annotations

import re
import unicodedata

from .tcvn3 import ENOUGH, SYLLABLE

# What the second characters add to the vowel before them: a tone, and a circumflex or a breve.
_BREVE, _CIRCUMFLEX = "\u0306", "\u0302"
_ACUTE, _GRAVE, _HOOK, _TILDE, _DOT = "\u0301", "\u0300", "\u0309", "\u0303", "\u0323"
_MARKS = {
    **dict(zip("ùøûõï", (_ACUTE, _GRAVE, _HOOK, _TILDE, _DOT), strict=True)),
    **dict(zip("êéèúüë", ("", _ACUTE, _GRAVE, _HOOK, _TILDE, _DOT), strict=True)),
    **dict(zip("âáàåãä", ("", _ACUTE, _GRAVE, _HOOK, _TILDE, _DOT), strict=True)),
}
_SECOND = {
    mark: (_BREVE if mark in "êéèúüë" else _CIRCUMFLEX if mark in "âáàåãä" else "") + tone
    for mark, tone in _MARKS.items()
}
# The letters that are one character.
_ALONE = dict(zip("íìæóòîôöñ", "íìỉĩịỵơưđ", strict=True))
_TABLE = {
    **{ord(mark): added for mark, added in _SECOND.items()},
    **{ord(mark.upper()): added for mark, added in _SECOND.items()},
    **{ord(letter): meant for letter, meant in _ALONE.items()},
    **{ord(letter.upper()): meant.upper() for letter, meant in _ALONE.items()},
}
_LETTER_BY_LETTER = {code: meant[:1] for code, meant in _TABLE.items()}
_WORD = re.compile(r"[^\W\d_]+")
_PAIR = re.compile(rf"[aeouyôö][{''.join(_SECOND)}]", re.IGNORECASE)
_FEWEST = 4  # different words by which the code is told
_SHARE = 0.2  # of all words that have letters beyond ASCII; Vietnamese has .7
_SURE = 0.9  # share of the words with such letters that are syllables once converted
_PAIRS = 0.6  # share of them that have a vowel with a second character; of VNI's words about .8


def is_vni(text: str) -> bool:
    """Whether `text`, not yet normalised, was written in VNI and decoded as Latin-1."""
    text = text[:ENOUGH]
    found = [word for word in _WORD.findall(text) if not word.isascii() and len(word) > 1]
    words = set(found)
    if len(words) < _FEWEST or len(found) < _SHARE * len(text.split()):
        return False
    pairs = sum(_PAIR.search(word) is not None for word in words)
    if pairs < _PAIRS * len(words):
        return False
    return sum(map(_is_syllable, words)) >= _SURE * len(words)


def unicode_of(text: str) -> str:
    """`text` with each letter as it means; composed."""
    return unicodedata.normalize("NFC", text.translate(_TABLE))


def letter_by_letter(text: str) -> str:
    """The same, as long as `text`: a second character becomes one mark of those it adds."""
    return text.translate(_LETTER_BY_LETTER)


def _is_syllable(word: str) -> bool:
    latin = max(word) <= "\xff"
    return latin and SYLLABLE.fullmatch(unicode_of(word)) is not None
