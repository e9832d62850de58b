"""Makes a prompt that fits: the oldest turns go first, then the last sources, never the rules and
the question. Pure; knows no model but how many tokens it would count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..types import Findings, Fit, Language, Options, Source, Turn
from . import prompt
from .prompt import Message

_MOST_TOKENS = "max_completion_tokens"


@dataclass(frozen=True, slots=True)
class Draft:
    """All that may be sent for one answer."""

    question: str
    findings: Findings | None
    turns: Sequence[Turn]
    language: Language
    instructions: str
    schema: Any = None  # of an answer that is to be JSON

    @property
    def whole(self) -> list[Message]:
        return self.messages(len(self._sources), len(self.turns))

    def messages(self, sources: int, turns: int) -> list[Message]:
        """The first so many sources and the last so many turns of it."""
        findings = self.findings and replace(self.findings, sources=self._sources[:sources])
        last = self.turns[len(self.turns) - turns :]
        return prompt.messages(
            self.question, findings, last, self.language, self.instructions, self.schema
        )

    def fitted(
        self, room: int | None, estimate: Callable[[Sequence[Message]], int]
    ) -> tuple[list[Message], Fit | None]:
        """What of it has at most `room` tokens, and what that is if it is not all. One source
        always stays."""
        messages = self.whole
        all_sources, all_turns = len(self._sources), min(len(self.turns), prompt.MAX_TURNS)
        sources, turns = all_sources, all_turns
        while room is not None and estimate(messages) > room and (turns or sources > 1):
            if turns:
                turns -= 1
            else:
                sources -= 1
            messages = self.messages(sources, turns)
        if (sources, turns) == (all_sources, all_turns):
            return messages, None
        return messages, Fit(sources, all_sources, turns, all_turns)

    @property
    def _sources(self) -> tuple[Source, ...]:
        return self.findings.sources if self.findings else ()


def shorter(options: Options, most: int) -> Options:
    """The same with an answer of at most so many tokens."""
    parameters = dict(options.parameters)
    if _MOST_TOKENS in parameters:
        parameters[_MOST_TOKENS] = most
    return replace(options, max_tokens=most, parameters=parameters)
