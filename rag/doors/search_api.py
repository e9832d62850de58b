"""`GET /api/search`: the passages that fit a question, ranked, with their scores and the verdict.
No model is called."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from ..answer import Answerer
from ..question import MAX_QUESTION
from ..serving import request_id
from ..types import Options
from .access import user_of
from .errors import Route, documented
from .places import MOST, SAID, SAID_OF_SEVERAL, Name, places
from .sources import ASKED, Found, found


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
                examples=[ASKED],
                openapi_examples={"in Vietnamese": {"value": ASKED}},  # which /docs fills in
            ),
        ],
        k: Annotated[int | None, Query(description="sources", ge=1, le=20)] = None,
        collection: Annotated[str | None, Query(max_length=500, description=SAID)] = None,
        documents: Annotated[
            list[Name] | None, Query(max_length=MOST, description=SAID_OF_SEVERAL)
        ] = None,
    ) -> Found:
        options = Options(top_k=k, places=places(collection, documents))
        findings = await answerer.searcher.search(q, options, user_of(request.scope))
        response.headers.update(request_id.headers())
        return found(findings)

    return routes
