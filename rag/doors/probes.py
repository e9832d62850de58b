"""The routes that an operator watches."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..serving.line import Line
from ..serving.recent import Recent
from ..settings import Settings


def probes(
    metrics: Callable[[], bytes],
    problems: Callable[[], list[str]],
    stats: Callable[[], dict[str, object]],
) -> list[Route]:
    """`/metrics` in Prometheus' format, `/api/stats` for who looks now, `/health` (the process
    answers) and `/ready` (questions can be answered; else 503 with the reasons)."""

    def show_metrics(_: Request) -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    def show_stats(_: Request) -> Response:
        return JSONResponse(stats(), headers={"cache-control": "no-store"})

    def health(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    def ready(_: Request) -> Response:
        reasons = problems()
        status = {"status": "not ready" if reasons else "ready", "reasons": reasons}
        return JSONResponse(status, 503 if reasons else 200)

    return [
        Route("/metrics", show_metrics),
        Route("/api/stats", show_stats),
        Route("/health", health),
        Route("/ready", ready),
    ]


def stats(settings: Settings, line: Line, recent: Recent) -> dict[str, object]:
    """How busy the process is: answers `active` and `waiting` with their limits, and `recent`."""
    return {
        "active": line.inside,
        "waiting": line.waiting,
        "limits": {
            "active": settings.max_streams,
            "waiting": settings.max_waiting,
            "questions": str(settings.rate_limit) if settings.rate_limit else None,
            "upstream_requests_per_minute": settings.upstream_rpm or None,
            "upstream_tokens_per_minute": settings.upstream_tpm or None,
        },
        **recent.as_json(),
    }
