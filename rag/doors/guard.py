"""What every HTTP answer and request goes through (the security headers), and no foreign origins.

Pure ASGI, so that nothing buffers a stream. Knows nothing of what it serves.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import logging
import os
import re
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import problem

log = logging.getLogger(__name__)

# Remote images, media and CSS would load from an answer that a document steered, and carry data
# away. Gradio's page itself needs inline styles, and builds functions from text. Of inline scripts
# only those run that are in the page as it is served: no link and no attribute can hold one.
_CONTENT = {
    "default-src": "'self' data: blob:",
    "script-src": "'self' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "connect-src": "'self' data: blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
_WITH_SCRIPTS = {"/", "/docs", "/docs/oauth2-redirect"}  # Gradio's page and FastAPI's
_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
_DOOR = re.compile(r"/(?:v1|api|mcp)(?:/|$)")
_STATS = re.compile(r"/api/stats(?:/|$)")  # an operator's, as the metrics are
_POLICY = "content-security-policy"
# What another site's page learns from, also without reading it: how long it takes, whether it is.
_TELLING = re.compile(r"/(?:documents|own|metrics|api/stats)(?:/|$)")
_SAFE_METHODS = {"GET", "HEAD"}
_UPLOAD = "/gradio_api/upload"  # Gradio's, and it would keep the files
_NOT_SHOWN_ELSEWHERE = ("cross-origin-resource-policy", "same-origin")
_ELSEWHERE = "This server takes no requests from that site."
_NO_NAME = (
    "This server is not known by that name. Set HEADWATER_PUBLIC_HOST to it. · "
    "Máy chủ này không nhận tên đó. Hãy đặt HEADWATER_PUBLIC_HOST thành tên ấy."
)
_NEAR = (".localhost", ".local", ".internal", ".home.arpa")  # given out by no public registry


def path_of(scope: Scope) -> str:
    """The path of a request below the prefix of this server."""
    return str(scope["path"].removeprefix(scope.get("root_path", "")))


def is_local(host: str) -> bool:
    """Whether a name or an address is that of this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_near(host: str) -> bool:
    """Whether a host is an address, or a name that no stranger can make point here."""
    try:
        return bool(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return "." not in host or host.endswith(_NEAR)


def is_door(scope: Scope) -> bool:
    """Whether a request is for a door that programs use."""
    path = path_of(scope)
    return _DOOR.match(path) is not None and not _STATS.match(path)


def _allow_scripts(headers: MutableHeaders, page: bytes) -> None:
    """Lets the inline scripts of this page run, named by their hashes."""
    digests = (hashlib.sha256(script).digest() for script in _SCRIPT.findall(page))
    named = "".join(f" 'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    headers[_POLICY] = headers[_POLICY].replace("script-src", f"script-src{named}", 1)


class Guard:
    """Adds the headers to each answer, and refuses what another site's page asks to change.

    `public_host` is the name under which a proxy or a Space shows the page. With `local_only` every
    other host than this machine's own names is refused: a site whose name is made to point at
    127.0.0.1 could otherwise ask the library as if it were its own page. With `names`, for a server
    elsewhere, every host is refused that is none of these, no address and no local name.

    Pages of `allowed_origins` may use the doors for programs, and nothing else; those of
    `frame_origins` may show the page in a frame, on a Space those of every site. `root_path` is the
    prefix under which a proxy shows all this; it may have taken it off the path, or not.
    """

    def __init__(
        self,
        app: ASGIApp,
        public_host: str = "",
        local_only: bool = False,
        allowed_origins: Sequence[str] = (),
        root_path: str = "",
        frame_origins: Sequence[str] = (),
        names: Collection[str] | None = None,
    ) -> None:
        self._app = app
        self._public_host = public_host
        self._public_name = urlsplit(f"//{public_host}").hostname
        self._local_only = local_only
        self._names = None if names is None else {urlsplit(f"//{name}").hostname for name in names}
        self._has_warned = False
        self._allowed_origins = allowed_origins
        self._root_path = root_path
        # A Space is shown in a frame on huggingface.co, and any site may embed it.
        frames = "*" if os.environ.get("SPACE_ID") else " ".join(["'self'", *frame_origins])
        policy = {**_CONTENT, "frame-ancestors": frames}
        self._headers = {
            _POLICY: "; ".join(f"{k} {v}" for k, v in policy.items()),
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        if root := self._root_path:
            scope["root_path"] = root  # which ASGI has in the path, and proxies take off
            if not f"{scope['path']}/".startswith(f"{root}/"):
                scope["path"] = root + scope["path"]

        page = bytearray()
        held: list[Message] = []  # the start of a page whose scripts have not come yet
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                # Another site's page may not show it; what is meant for them says so itself.
                headers.setdefault(*_NOT_SHOWN_ELSEWHERE)
                if path_of(scope) in _WITH_SCRIPTS and "html" in headers.get("content-type", ""):
                    held.append(message)
                    return
            elif held:
                page.extend(message.get("body", b""))
                if message.get("more_body"):
                    return
                start = held.pop()
                _allow_scripts(MutableHeaders(scope=start), bytes(page))
                await send(start)
                message = {**message, "body": bytes(page)}
            started = True
            await send(message)

        status = 403
        try:
            refusal = self._refusal(scope, Headers(scope=scope))
        except ValueError:  # http://[
            status, refusal = 400, "The host or the origin of this request is none."
        answer: ASGIApp = self._app
        if refusal:
            answer = PlainTextResponse(refusal, status)
            if is_door(scope):
                answer = problem(status, refusal, "refused")
        try:
            await answer(scope, receive, send_with_headers)
        except Exception:
            if not started:  # Starlette would answer outside of us
                held.clear()
                failure = PlainTextResponse("Internal Server Error", 500)
                await failure(scope, receive, send_with_headers)
            raise

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        name = urlsplit(f"//{host}").hostname or ""
        if not self._knows(name):
            self._warn(name)
            return _NO_NAME
        if path_of(scope).endswith(_UPLOAD):
            return "Nothing is uploaded here."
        if headers.get("sec-fetch-site") == "cross-site":
            is_visit = headers.get("sec-fetch-dest") == "document"  # a link, as a widget has them
            if _TELLING.match(path_of(scope)) and not is_visit:
                return _ELSEWHERE
            # Pictures on another site's page could ask, too, and use up their visitor's limit.
            if is_door(scope) and origin is None:
                return None if is_visit else _ELSEWHERE
        # Else without an origin it is no browser, or a plain visit.
        if origin is None or urlsplit(origin).netloc in {host, self._public_host} - {""}:
            return None
        if is_door(scope):
            allowed = origin.lower() in self._allowed_origins
        else:
            allowed = scope["method"] in _SAFE_METHODS
        return None if allowed else _ELSEWHERE

    def _knows(self, name: str) -> bool:
        if name == self._public_name:
            return True
        if self._local_only:
            return is_local(name)
        return self._names is None or name in self._names or is_near(name)

    def _warn(self, name: str) -> None:
        """Says once why somebody is refused: whoever set the server up may not know."""
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "A request for the host %.100r was refused; further ones are not logged. "
                "If it is this server's name, set HEADWATER_PUBLIC_HOST to it.",
                name,
            )
