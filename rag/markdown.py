"""Plain words as Markdown that shows them as they are, and back. Pure."""

from __future__ import annotations

import re

# Also what would become a link by itself: https://…, www.…, name@host.
_MARKDOWN = re.compile(
    r"([\\`*\[\]<>|~$&@]|^[#+=-]|(?<=\d)[.)](?=\s)|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.)",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def escape(text: str) -> str:
    """`text` so that Markdown shows it as it is: quoted words never become markup, links or [n]."""
    return _MARKDOWN.sub(r"\\\1", text)


def unescape(text: str) -> str:
    """What `escape` was given, for a door that shows plain text."""
    return _ESCAPED.sub(r"\1", text)
