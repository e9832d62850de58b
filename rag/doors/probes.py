"""The routes that an operator watches."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def probes(metrics: Callable[[], bytes], problems: Callable[[], list[str]]) -> list[Route]:
    """`/metrics` in Prometheus' format, `/health` (the process answers) and `/ready` (questions can
    be answered; else 503 with the reasons)."""

    def show_metrics(_: Request) -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    def health(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    def ready(_: Request) -> Response:
        reasons = problems()
        status = {"status": "not ready" if reasons else "ready", "reasons": reasons}
        return JSONResponse(status, 503 if reasons else 200)

    return [
        Route("/metrics", show_metrics),
        Route("/health", health),
        Route("/ready", ready),
    ]
