"""Cuts text into the sentences that can stand alone. Pure."""

from __future__ import annotations

import re

# Shorter ones say nothing alone, longer ones are not sentences.
SENTENCE_LENGTHS = range(25, 500)

_BETWEEN = re.compile(r"(?<=[.!?…])\s+(?=[^\W_a-z]|[\"“'(\[`-])|\n\s*\n|\n(?=[-•*] )")
_WHOLE = re.compile(r"[.!?…][\"”’)\]]*$")


def split_sentences(text: str) -> list[str]:
    """The sentences of `text` that can stand alone, in order, their white space made single."""
    parts = (" ".join(part.split()).lstrip("-•* ") for part in _BETWEEN.split(text))
    return [part for part in parts if len(part) in SENTENCE_LENGTHS and _WHOLE.search(part)]
