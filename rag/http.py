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
# away. Gradio's page itself needs inline scripts and styles.
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


class Guard:
    """Adds the headers to each answer, and refuses what another site's page asks to change."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # A Space is shown in a frame on huggingface.co and is reached under its own host name.
        self._space_host = os.environ.get("SPACE_HOST", "")
        frames = "'self' https://huggingface.co" if self._space_host else "'self'"
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

        if scope["method"] not in _SAFE_METHODS and self._is_foreign(Headers(scope=scope)):
            refusal = PlainTextResponse("This server takes no requests from other sites.", 403)
            await refusal(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _is_foreign(self, headers: Headers) -> bool:
        """Whether a browser says that another site's page makes the request."""
        origin = headers.get("origin")
        if origin is None:  # not a browser, or the same site
            return False
        return urlsplit(origin).netloc not in {headers.get("host", ""), self._space_host} - {""}
