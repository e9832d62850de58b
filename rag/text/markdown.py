"""Plain words as Markdown that shows them as they are, and back; names as one line. Pure."""

from __future__ import annotations

import re

# Also what would become a link by itself (https://…, www.…, name@host) or be taken for a citation:
# (source 2), 【2】.
_MARKDOWN = re.compile(
    r"([\\`*\[\]<>|~$&@]|^[#+=-]|(?<=\d)[.)](?=\s)|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\."
    r"|\((?=[^()\n]*\d))",
    re.IGNORECASE,
)
_WIDE = {
    ord(character): f"&#{ord(character)};" for character in "【［（"
}  # a backslash escapes ASCII only
_ESCAPED = re.compile(rf"\\([!-/:-@\[-`{{-~])|&#({'|'.join(map(str, _WIDE))});")
_NUMBERED = re.compile(r"\s*\d+[.)]")
_FENCE = re.compile(r"`{3,}")
_BOLD = re.compile(r"(\\.)|\*\*")  # whatever else is a star has a backslash
_TURNING = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")


def escape(text: str) -> str:
    """`text` so that Markdown shows it as it is: quoted words never become markup, links or [n]."""
    if _NUMBERED.fullmatch(text):  # what is put behind it would be a list's item
        return f"{text[:-1]}\\{text[-1]}"
    return _MARKDOWN.sub(r"\\\1", text).translate(_WIDE)


def unescape(text: str) -> str:
    """What `escape` was given, for a door that shows plain text."""
    return _ESCAPED.sub(lambda match: match[1] or chr(int(match[2])), text)


class Plain:
    """What was written with `escape`, for a door that shows plain text: without its backslashes and
    its bold, line by line as it comes; a block of code stays as it is, without its fences."""

    def __init__(self) -> None:
        self._line = ""
        self._fence = ""

    def feed(self, delta: str) -> str:
        """The lines that end in `delta`."""
        *lines, self._line = (self._line + delta).split("\n")
        return "".join(map(self._shown, lines))

    def end(self) -> str:
        """What was held; the text is over."""
        shown, self._line = self._shown(self._line).removesuffix("\n"), ""
        return shown

    def _shown(self, line: str) -> str:
        fence = _FENCE.fullmatch(line)
        if fence and self._fence in ("", line):
            self._fence = "" if self._fence else line
            return ""
        return (
            f"{line if self._fence else unescape(_BOLD.sub(lambda found: found[1] or '', line))}\n"
        )


def line(text: str) -> str:
    """A name or a title on one line, without the characters that turn the direction of text: HTML's
    <bdi> does not hold what opens or closes an isolate in it."""
    return " ".join(_TURNING.sub("", text).split())
