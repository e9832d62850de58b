"""Vietnamese in TCVN 5712:1993 (VN3, "ABC"; fonts called .VnTime), which programs that know no such
code show as Latin letters and signs: "b¶o hµnh" for "bảo hành". Pure."""

from __future__ import annotations

import re

# The code's upper half, from 0xA1, as Latin-1 shows it and as what it means; a space: no letter.
_LETTERS = (
    "ĂÂÊÔƠƯĐăâêôơưđ      àảãáạ ằẳẵắ       ặầẩẫấậè ẻẽéẹềểễếệìỉ   ĩíịò ỏõóọồổỗốộờởỡớợù ủũúụừửữứựỳỷỹýỵ"
)
_TABLE = {0xA1 + at: letter for at, letter in enumerate(_LETTERS) if letter != " "}
_WORD = re.compile(r"[A-Za-z\xa1-\xff]+")
_SIGN = re.compile(r"[\xa1-\xaa\xac-\xba\xbc-\xbf\xd7\xf7]")  # no letters, nor quotation marks
_VOWELS = "aàảãáạăằẳẵắặâầẩẫấậeèẻẽéẹêềểễếệiìỉĩíịoòỏõóọôồổỗốộơờởỡớợuùủũúụưừửữứựyỳỷỹýỵ"
SYLLABLE = re.compile(
    rf"(?:ngh|ng|gh|gi|kh|nh|ph|qu|th|tr|ch|[bcdđghklmnpqrstvx])?[{_VOWELS}]{{1,3}}"
    r"(?:ng|nh|ch|[cmnpt])?",
    re.IGNORECASE,
)
ENOUGH = 200_000  # characters by which the code is told
_FEWEST = 4  # different words by which the code is told
_SHARE = 0.2  # of all words that have characters of the code's upper half; Vietnamese has .7
_SURE = 0.9  # share of the words with such characters that are syllables once converted
_SIGNS = 0.2  # share of them that have signs among their letters: no language has


def is_tcvn3(text: str) -> bool:
    """Whether `text`, not yet normalised, was written in TCVN3 and decoded as Latin-1."""
    text = text[:ENOUGH]
    found = [word for word in _WORD.findall(text) if not word.isascii() and len(word) > 1]
    words = set(found)
    if len(words) < _FEWEST or len(found) < _SHARE * len(text.split()):
        return False
    syllables = sum(SYLLABLE.fullmatch(unicode_of(word)) is not None for word in words)
    signs = sum(_SIGN.search(word) is not None for word in words)
    return syllables >= _SURE * len(words) and signs >= _SIGNS * len(words)


def unicode_of(text: str) -> str:
    """`text` with each character of the code as the letter it means; as long as it was."""
    return text.translate(_TABLE)
