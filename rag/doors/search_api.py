"""`GET /api/search`: the passages that fit a question, ranked, with their scores and the verdict.
No model is called."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, JsonValue

from ..answer import Answerer
from ..question import MAX_QUESTION
from ..serving import request_id
from ..types import Findings, Options, Source, Verdict
from .access import user_of
from .errors import Route, documented

_ASKED = "X-Accel-Buffering dùng để làm gì?"
_EXAMPLE: dict[str, JsonValue] = {
    "query": _ASKED,
    "verdict": "answer",
    "threshold": 0.37,
    "best_score": 0.6712,
    "sources": [
        {
            "number": 1,
            "document": "vi-proxy-va-bo-dem.md",
            "title": "Proxy và bộ đệm",
            "page": 1,
            "score": 0.8731,
            "text": "X-Accel-Buffering: no báo cho nginx không đệm phản hồi này.",
            "url": "documents/9/pages/1?chunk=214#passage",
        }
    ],
}


class FoundSource(BaseModel):
    """A passage; `url` is its page with the passage marked, relative to the server's root."""

    number: int
    document: str
    title: str
    page: int
    score: float
    text: str
    url: str | None


class Found(BaseModel):
    """What one search found; `best_score` is compared with `threshold`, on another scale than the
    sources' own scores."""

    query: str
    verdict: Verdict
    threshold: float
    best_score: float
    sources: list[FoundSource]

    model_config = {"json_schema_extra": {"examples": [_EXAMPLE]}}


def router(answerer: Answerer) -> APIRouter:
    """The route."""
    routes = APIRouter(route_class=Route)

    @routes.get(
        "/api/search",
        summary="The passages that fit a question",
        responses=documented(400, 401, 404, 429, 503),
    )
    async def search(
        request: Request,
        response: Response,
        q: Annotated[
            str,
            Query(
                description="the question",
                min_length=1,
                max_length=MAX_QUESTION,
                examples=[_ASKED],
                openapi_examples={"in Vietnamese": {"value": _ASKED}},  # which /docs fills in
            ),
        ],
        k: Annotated[int | None, Query(description="sources", ge=1, le=20)] = None,
        collection: Annotated[
            str | None,
            Query(max_length=500, description="search only this folder of the documents"),
        ] = None,
    ) -> Found:
        options = Options(top_k=k, collection=collection)
        findings = await answerer.searcher.search(q, options, user_of(request.scope))
        response.headers.update(request_id.headers())
        return found(findings)

    return routes


def found(findings: Findings) -> Found:
    """`findings` as the doors for programs show them, scores to four places."""
    return Found(
        query=findings.query,
        verdict=findings.verdict,
        threshold=findings.threshold,
        best_score=round(findings.best_score, 4),
        sources=[found_source(source) for source in findings.sources],
    )


def found_source(source: Source) -> FoundSource:
    """`source` as the doors for programs show it."""
    return FoundSource(
        number=source.number,
        document=source.document,
        title=source.title,
        page=source.page,
        score=round(source.score, 4),
        text=source.text,
        url=source.address,
    )
