"""Bounds what Gradio keeps of those who ask at the page: questions, sessions, unread answers. Pure
ASGI, behind what has taken the whole body."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from pydantic_core import from_json
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import TooManyQuestions
from ..question import MAX_QUESTION

SMALL = 20_000  # bytes; what is shorter is not looked at
MAX_WORDS = 100_000  # characters; below that the answer itself says what is too long
MAX_KEPT = 32_000_000  # bytes of all sessions' conversations together
_CALL = re.compile(r".*/gradio_api/call/(?:v2/)?chat/?")
_STATE = re.compile(r".*/gradio_api/(?:run|api)/\w+/?")


class Bounds:
    """Refuses words that are far too long, and single calls beyond their user's rate, before
    anything of them is kept. Where the conversations of sessions grow beyond `MAX_KEPT`, `forget`
    is given those that said nothing for longest; a tab sends its own again with each question.

    `admits` raises TooManyQuestions where who asks has used up their rate; it counts nothing.
    """

    def __init__(
        self,
        app: ASGIApp,
        admits: Callable[[Scope], Awaitable[None]],
        forget: Callable[[str], None],
    ) -> None:
        self._app = app
        self._admits = admits
        self._forget = forget
        self._sizes: OrderedDict[str, int] = OrderedDict()  # by session, the last one heard last
        self._kept = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if _CALL.fullmatch(scope["path"]):
            try:
                await self._admits(scope)
            except TooManyQuestions as exc:
                headers = {"retry-after": str(exc.retry_after)}
                answer = PlainTextResponse(f"{exc.en} · {exc.vi}", 429, headers)
                await answer(scope, receive, send)
                return
        if _STATE.fullmatch(scope["path"]):
            first = await receive()
            body = first.get("body", b"")
            if len(body) > SMALL and not self._keep(body):
                said = f"A question has at most {MAX_QUESTION:,} characters."
                await PlainTextResponse(said, 413)(scope, receive, send)
                return
            waiting = [first]

            async def again() -> Message:
                return waiting.pop() if waiting else await receive()

            await self._app(scope, again, send)
            return
        await self._app(scope, receive, send)

    def _keep(self, body: bytes) -> bool:
        """Whether what this body asks may be kept; makes room for it."""
        try:
            asked = from_json(body)
            data = asked["data"]
            session = str(asked.get("session_hash"))
            too_long = any(isinstance(words, str) and len(words) > MAX_WORDS for words in data)
        except (ValueError, TypeError, KeyError, AttributeError):
            return True  # Gradio says what is wrong with it
        if too_long:
            return False
        self._kept += len(body) - self._sizes.pop(session, 0)
        self._sizes[session] = len(body)
        while self._kept > MAX_KEPT and len(self._sizes) > 1:
            longest, size = self._sizes.popitem(last=False)
            self._kept -= size
            self._forget(longest)
        return True
