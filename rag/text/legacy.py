"""Vietnamese from before Unicode, which programs that know no such code show as Latin letters and
signs: which of the codes a text is in, and the text as it was meant. Pure."""

from __future__ import annotations

from collections.abc import Callable

from . import tcvn3, vni


def reading(text: str) -> Callable[[str], str] | None:
    """What turns `text`, not yet normalised, into Unicode; None if it is in no such code."""
    if tcvn3.is_tcvn3(text):
        return tcvn3.unicode_of
    return vni.unicode_of if vni.is_vni(text) else None


def converted(text: str) -> str:
    """`text` in Unicode; as it is if it is in no such code."""
    read = reading(text)
    return read(text) if read else text


def decoded(data: bytes) -> str | None:
    """Bytes in one of the codes, in Unicode; None if they are in none."""
    read = reading(data.decode("latin-1"))
    if read is tcvn3.unicode_of:
        return read(data.decode("latin-1"))
    return read(data.decode("cp1252", "replace")) if read else None  # with its quotation marks
