"""What Gradio may keep of those who ask at the page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Scope

from rag.errors import TooManyQuestions
from rag.page import bounds
from rag.page.bounds import MAX_WORDS, Bounds

STATE = "/gradio_api/run/predict"


async def _length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


class Page:
    def __init__(self, full: bool = False) -> None:
        self.forgotten: list[str] = []
        self._full = full
        bounded = Middleware(Bounds, admits=self._admits, forget=self.forgotten.append)
        routes = [Route("/{path:path}", _length, methods=["POST"])]
        self._client = TestClient(Starlette(routes=routes, middleware=[bounded]))

    async def _admits(self, _: Scope) -> None:
        if self._full:
            raise TooManyQuestions("Later.", "Lát nữa.", 7)

    def post(self, path: str, data: list[Any], session: str = "s") -> tuple[int, str, str | None]:
        content = json.dumps({"data": data, "session_hash": session})
        answered = self._client.post(path, content=content)
        return answered.status_code, answered.text, answered.headers.get("retry-after")


def test_words_that_are_far_too_long_are_not_kept() -> None:
    page = Page()
    assert page.post(STATE, ["a" * MAX_WORDS])[0] == 200
    status, said, _ = page.post(STATE, ["a" * (MAX_WORDS + 5000)])
    assert status == 413 and "4,000 characters" in said
    assert page.post(STATE, [None, [{"role": "user", "content": "a" * 50_000}]])[0] == 200


def test_what_is_not_as_the_page_sends_it_is_left_to_gradio() -> None:
    client = Page()._client
    for content in (b"{" + b" " * 30_000, b"[1]" + b" " * 30_000, b'{"data": 1}' + b" " * 30_000):
        assert client.post(STATE, content=content).text == str(len(content))


def test_who_has_used_up_their_rate_leaves_nothing_with_a_single_call() -> None:
    page = Page(full=True)
    for path in ("/gradio_api/call/chat", "/gradio_api/call/v2/chat", "/app/gradio_api/call/chat/"):
        assert page.post(path, ["q"]) == (429, "Later. · Lát nữa.", "7")
    assert page.post("/gradio_api/queue/join", ["q"])[0] == 200  # the page says it itself


def test_the_conversations_of_those_silent_longest_make_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "MAX_KEPT", 250_000)
    page = Page()
    turns = [{"role": "user", "content": "a" * 100_000}]
    page.post(STATE, [turns], "first")
    page.post(STATE, [turns], "second")
    page.post(STATE, [turns], "first")
    assert page.forgotten == []
    page.post(STATE, [turns], "third")
    assert page.forgotten == ["second"]
    page.post(STATE, [[*turns, *turns]], "fourth")
    assert page.forgotten == ["second", "first", "third"]
