"""Follows Markdown as it is written: whether a character is text, and what sentence it is part of.

Pure; knows neither what is looked for in the text nor what is cited.
"""

from __future__ import annotations

import re


class Place:
    """Where in Markdown the next character stands: in text, in code, or in a link or an address."""

    _BLOCK = re.compile(r"[ \t>]{0,40}(?:(?:[-*+•]|\d{1,3}[.)]|#{1,6})[ \t]|\|)")
    _BLOCK_BEGUN = re.compile(r"[ \t>]{0,40}(?:[-*+•]|\d{1,3}[.)]?|#{1,6})?")

    def __init__(self) -> None:
        self.brackets = 0  # the open ones of this line
        self.fence = ""
        self._code = ""  # the backticks that opened a code span
        self._run = ""  # of backticks or tildes, as far as it is written
        self._begins = False  # whether it begins its line
        self._fences = self._closes = False  # whether the code or the fence does, if the line ends
        self._line: str | None = ""  # while it may be what begins a block
        self._blank = True
        self._target = 0  # the open parentheses of a link's target
        self._address = False
        self._last = ""

    def is_text(self) -> bool:
        """Whether a marker may begin here. The character before is then no part of a longer run."""
        self._end_run()
        return not (
            self.fence or self._code or self._target or self._address or self._last.endswith("\\")
        )

    def skip(self) -> None:
        """A marker stood here."""
        self._line, self._blank, self._last = None, False, ""

    def step(self, character: str) -> bool:
        """Goes past `character`; whether a block (paragraph, list item, …) began with it."""
        last = self._last
        escaped = last.endswith("\\") and not (self._code or self.fence)
        self._last = "" if escaped else (last + character)[-3:]
        if character in "`~" and not escaped:
            if self._run[-1:] != character:
                self._end_run()
                self._begins = self._line is not None
            self._run += character
            self._line, self._blank = None, False
            return False
        self._end_run()
        if character == "\n":
            return self._end_line()
        self._closes = self._closes and character.isspace()
        self._blank = self._blank and character.isspace()
        if not (self.fence or self._code or escaped):
            self._link(character, last)
        return self._begin(character)

    def _end_run(self) -> None:
        run, self._run = self._run, ""
        if not run:
            return
        if self.fence:
            self._closes = self._begins and run[0] == self.fence[0] and len(run) >= len(self.fence)
        elif self._code:
            self._code = "" if run == self._code else self._code
        elif run[0] == "`" or (self._begins and len(run) >= 3):
            self._code, self._fences = run, self._begins and len(run) >= 3

    def _end_line(self) -> bool:
        begins = False
        if self.fence:
            self.fence = "" if self._closes else self.fence
        elif self._blank or (self._code and self._fences):
            self.fence = "" if self._blank else self._code
            self._code, begins = "", True
        self.brackets = self._target = 0
        self._address = self._closes = False
        self._line, self._blank = "", True
        return begins

    def _link(self, character: str, last: str) -> None:
        if self._target:
            self._target += (character == "(") - (character == ")")
        elif self._address:
            self._address = not (character.isspace() or character in '<>")')
        elif character == "(":
            self._target = int(last.endswith("]"))
        elif character in "[]":
            self.brackets = max(0, self.brackets + (1 if character == "[" else -1))
        else:
            self._address = (last + character).lower().endswith(("://", "www."))

    def _begin(self, character: str) -> bool:
        if self._line is None:
            return False
        self._line += character
        if self._BLOCK_BEGUN.fullmatch(self._line):
            return False
        block = self._BLOCK.fullmatch(self._line)
        self._line = "" if block else None
        if not block or self.fence:
            return False
        self._code = ""
        return True
