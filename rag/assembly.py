"""Puts the parts of answering together as the settings say. The only place that knows them all."""

from __future__ import annotations

from limits import RateLimitItemPerMinute

from .answer import Answerer
from .retrieval.retriever import Retriever
from .serving.budget import Budget
from .serving.limit_storage import storage
from .serving.line import Line, Visitors
from .serving.metrics import Metrics
from .settings import Settings
from .store.opening import Opening
from .text.redaction import Redactor
from .writing.cache import AnswerCache
from .writing.model import Model
from .writing.writer import Writer

PATIENCE = 30.0  # seconds that a reader waits in line, and again for the model's budget


def assemble(
    settings: Settings,
    opening: Opening[Retriever],
    metrics: Metrics,
    patience: float = PATIENCE,
) -> Answerer:
    """What answers questions in this process. Raises SettingsError if the limits' storage cannot
    be used."""
    limits = storage(settings.rate_storage.get_secret_value())
    line = Line(settings.max_streams, settings.max_waiting, patience)
    metrics.gauge("headwater_active_answers", "Being written now", lambda: line.inside)
    metrics.gauge("headwater_waiting_answers", "Waiting in line", lambda: line.waiting)
    writer = None
    if settings.has_model:
        rpm, tpm = settings.upstream_rpm, settings.upstream_tpm
        budget = Budget(
            limits,
            RateLimitItemPerMinute(rpm) if rpm else None,
            RateLimitItemPerMinute(tpm) if tpm else None,
            patience,
        )
        cache = AnswerCache(settings.cache_seconds)
        writer = Writer(Model(settings), cache, budget, settings.models)
    return Answerer(
        opening,
        writer,
        settings.top_k,
        line,
        Visitors(settings.rate_limit, limits),
        Redactor(settings.redact),
        metrics,
    )
