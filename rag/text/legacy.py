"""Vietnamese from before Unicode, which programs that know no such code show as Latin letters and
signs: which of the codes a text is in, and the text as it was meant. Pure."""

from __future__ import annotations

from collections.abc import Callable

from . import tcvn3, vni

Reading = Callable[[str], str]

_BETWEEN = " · "  # the parts of a title; without its spaces it is a letter of TCVN3


def reading(text: str) -> Reading | None:
    """What turns `text`, not yet normalised, into Unicode; None if it is in no such code."""
    if tcvn3.is_tcvn3(text):
        return tcvn3.unicode_of
    return vni.unicode_of if vni.is_vni(text) else None


def converted(text: str) -> str:
    """`text` in Unicode; as it is if it is in no such code."""
    read = reading(text)
    return read(text) if read else text


def beside(words: str, read: Reading | None) -> str:
    """A title, too short for its code to be told, of a text that `read` turns into Unicode: turned
    too, but for those of its parts that are more like Vietnamese as they are."""
    read = reading(words) or read
    return _BETWEEN.join(_turned(part, read) for part in words.split(_BETWEEN)) if read else words


def _turned(words: str, read: Reading) -> str:
    turned = words if max(words, default="") > "\xff" else read(words)
    return turned if _syllables(turned) > _syllables(words) else words


def _syllables(words: str) -> int:
    return sum(
        tcvn3.SYLLABLE.fullmatch(word.strip(".,:;?!()")) is not None for word in words.split()
    )


def decoded(data: bytes) -> str | None:
    """Bytes in one of the codes, in Unicode; None if they are in none."""
    read = reading(data.decode("latin-1"))
    if read is tcvn3.unicode_of:
        return read(data.decode("latin-1"))
    return read(data.decode("cp1252", "replace")) if read else None  # with its quotation marks
