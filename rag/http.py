"""What every HTTP answer and request goes through: the security headers, and no foreign origins.

Pure ASGI, so that nothing buffers a stream. Knows no route.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Remote images, media and CSS would load from an answer that a document steered, and carry data
# away. Gradio's page itself needs inline scripts and styles,
# and builds functions from text.
_CONTENT = {
    "default-src": "'self' data: blob:",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "connect-src": "'self' data: blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
_SAFE_METHODS = {"GET", "HEAD"}
_LOCAL = {"localhost", "127.0.0.1", "::1"}


class Guard:
    """Adds the headers to each answer, and refuses what another site's page asks to change.

    `public_host` is the name under which a proxy or a Space shows the page. With `local_only` every
    other host than this machine's own names is refused: a site whose name is made to point at
    127.0.0.1 could otherwise ask the library as if it were its own page.
    """

    def __init__(self, app: ASGIApp, public_host: str = "", local_only: bool = False) -> None:
        self._app = app
        self._public_host = public_host
        self._local_only = local_only
        # A Space is shown in a frame on huggingface.co.
        frames = "'self' https://huggingface.co" if os.environ.get("SPACE_ID") else "'self'"
        policy = {**_CONTENT, "frame-ancestors": frames}
        self._headers = {
            "content-security-policy": "; ".join(f"{k} {v}" for k, v in policy.items()),
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        answer = PlainTextResponse(refusal, 403) if refusal else self._app
        await answer(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        known = {*_LOCAL, self._public_host} - {""}
        if self._local_only and urlsplit(f"//{host}").hostname not in known:
            return "This server is not known by that name. Set HEADWATER_PUBLIC_HOST to it."
        # Without an origin it is no browser, or a plain visit.
        if method in _SAFE_METHODS or origin is None:
            return None
        if urlsplit(origin).netloc in {host, self._public_host} - {""}:
            return None
        return "This server takes no requests from other sites."
