"""What the last answers were like, for an operator who looks now: /metrics counts since the start.
Knows no question and no user."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

ANSWERS = 500  # whose first words are kept
MINUTE = 60.0
_MOST_ASKED = 100_000  # in a minute; more are not told apart


class Recent:
    """The questions of the last minute, and how long the first words of the last answers took."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: deque[float] = deque(maxlen=_MOST_ASKED)
        self._first_words: deque[float] = deque(maxlen=ANSWERS)

    def ask(self) -> None:
        """Counts a question."""
        self._asked.append(self._clock())

    def answer(self, seconds: float) -> None:
        """Keeps how long the first word of an answer took."""
        self._first_words.append(seconds)

    @property
    def asked(self) -> int:
        """The questions of the last minute."""
        since = self._clock() - MINUTE
        while self._asked and self._asked[0] <= since:
            self._asked.popleft()
        return len(self._asked)

    def as_json(self) -> dict[str, object]:
        """As plain JSON values; seconds, None before the first answer."""
        seconds = sorted(self._first_words)
        return {
            "asked_this_minute": self.asked,
            "first_word": {
                "answers": len(seconds),
                "p50": _percentile(seconds, 0.5),
                "p95": _percentile(seconds, 0.95),
            },
        }


def _percentile(ascending: list[float], share: float) -> float | None:
    """The least value that so large a share does not exceed."""
    if not ascending:
        return None
    return round(ascending[math.ceil(share * len(ascending)) - 1], 4)
