"""Puts the parts of answering together as the settings say. The only place that knows them all."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from limits import RateLimitItemPerMinute

from .answer import DEFAULTS, Answerer
from .citations.support import Checker, supports
from .events import Event
from .question import sendable
from .retrieval.retriever import Retriever
from .search import Own, Searcher
from .serving.budget import Budget
from .serving.limit_storage import storage
from .serving.line import Line
from .serving.metrics import Metrics
from .serving.stopping import Stopping
from .serving.visitors import Visitors
from .settings import Settings
from .store.opening import Opening
from .text.redaction import Redactor
from .types import Options, Turn
from .writing.cache import AnswerCache
from .writing.extractive import Quotes
from .writing.pieces import Author

PATIENCE = 30.0  # seconds that a reader waits in line, and again for the model's budget


def assemble(
    settings: Settings,
    opening: Opening[Retriever],
    metrics: Metrics,
    patience: float = PATIENCE,
    stopping: Stopping | None = None,
    own: Own = lambda _, library: library,
) -> Answerer:
    """What answers questions in this process. Raises SettingsError if the limits' storage cannot
    be used, EmbedderError if the model that is to check citations cannot."""
    limits = storage(settings.rate_storage.get_secret_value())
    line = Line(settings.max_streams, settings.max_waiting, patience)
    metrics.gauge("headwater_active_answers", "Being written now", lambda: line.inside)
    metrics.gauge("headwater_waiting_answers", "Waiting in line", lambda: line.waiting)
    redactor = Redactor(settings.redact)
    author: Author = Quotes()
    if settings.has_model:
        from .writing.model import Model  # openai: half a second that a laptop without one saves
        from .writing.writer import Writer

        rpm, tpm = settings.upstream_rpm, settings.upstream_tpm
        budget = Budget(
            limits,
            RateLimitItemPerMinute(rpm) if rpm else None,
            RateLimitItemPerMinute(tpm) if tpm else None,
            patience,
        )
        cache = AnswerCache(settings.cache_seconds)
        author = Writer(
            Model(settings), cache, budget, lambda t: redactor.text(sendable(t)), settings.models
        )
    visitors = Visitors(settings.rate_limit, limits)
    checker: Checker = supports
    if settings.check_model:
        from .citations.entailment import Entailment  # torch: what no other start waits for

        checker = Entailment(settings.check_model).supports
    searcher = Searcher(opening, settings.top_k, redactor, visitors, checker, own)
    return Watched(searcher, author, line, redactor, metrics, stopping or Stopping())


@dataclass(frozen=True)
class Watched(Answerer):
    """Answers that `metrics` see as they pass, and that `stopping` ends."""

    metrics: Metrics
    stopping: Stopping

    def answer(
        self,
        question: str,
        turns: Sequence[Turn] = (),
        options: Options = DEFAULTS,
        user: str | None = None,
    ) -> AsyncGenerator[Event]:
        """As Answerer's."""
        events = super().answer(question, turns, options, user)
        return self.metrics.watched(self.stopping.through(events))
