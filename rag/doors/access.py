"""Who may come in: a name with its password, a program with its key.

Pure ASGI. Knows not what is behind it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, IPv6Network, ip_address

import bcrypt
from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..serving.visitors import duration, to_wait
from ..settings import BCRYPT
from .errors import refusal
from .guard import is_door, path_of

ATTEMPTS = parse("20/minute")  # wrong passwords from one address
REMEMBERED = 1000  # logins; checking a password takes a fifth of a second
_LOG_IN = "Please log in. · Vui lòng đăng nhập."
_DOORS_ONLY = (
    "A key opens /v1, /api and /mcp only; for this, log in. · "
    "Khóa chỉ mở /v1, /api và /mcp; trang này cần đăng nhập."
)
_USER = "headwater.user"
_STARTED = "/gradio_api/startup-events"  # Gradio asks itself, without a password; tells nothing
_PROBES = {"/health", "/ready"}  # who asks them is a program, and they tell nothing of a document


class Access:
    """Lets in who has one of `logins` (name to bcrypt hash) or `keys`.

    A login opens everything; a key the doors for programs and what an orchestrator asks. With
    logins everything is closed to others, with keys alone only the doors; with neither, nothing is.
    """

    def __init__(self, app: ASGIApp, logins: Mapping[str, bytes], keys: Sequence[str]) -> None:
        self._app = app
        self._logins = logins
        self._keys = [_digest(key) for key in keys]
        self._known: dict[bytes, str] = {}  # the digests of credentials that were right
        self._attempts = MovingWindowRateLimiter(MemoryStorage())
        self._logging_in: dict[tuple[bytes, str], asyncio.Task[str | None]] = {}
        self._checking = asyncio.Lock()  # searches share the threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or path_of(scope) == _STARTED:
            await self._app(scope, receive, send)
            return
        for_programs = is_door(scope)
        headers = Headers(scope=scope)
        given = headers.get("authorization", "")
        user = self._known.get(_digest(given))
        key = self._key(given)
        if key and (for_programs or path_of(scope) in _PROBES):
            # A page of another site gives all its visitors the same.
            user = f"{key} {_address(scope)}" if "origin" in headers else key
        if user is None and self._logins and given[:6].lower() == "basic ":
            try:
                user = await self._login(given, _address(scope))
            except _TooMany as exc:
                en, vi = duration(exc.seconds)
                said = f"Too many passwords were tried. Try again in {en}."
                if not for_programs:
                    said += f" · Đã thử quá nhiều mật khẩu. Vui lòng thử lại sau {vi}."
                await refusal(said, 429, for_programs, exc.seconds)(scope, receive, send)
                return
        if user is not None:
            scope[_USER] = user
        elif self._logins or (self._keys and for_programs):
            said = _LOG_IN if key is None else _DOORS_ONLY
            if for_programs:
                said = "A valid key is needed."
            await refusal(said, 401, for_programs)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _key(self, given: str) -> str | None:
        """A name for the key that these credentials are; None if they are none of ours."""
        scheme, _, key = given.partition(" ")
        digest = _digest(key.strip())
        matches = [hmac.compare_digest(digest, key) for key in self._keys]  # always all of them
        return f"key {digest.hex()[:12]}" if scheme.lower() == "bearer" and any(matches) else None

    async def _login(self, given: str, address: str) -> str | None:
        """Whose name and password these are; None if nobody's. A browser asks for a page's files
        all at once: they are looked at once. Raises _TooMany."""
        login = (_digest(given), address)
        if (checked := self._logging_in.get(login)) is None:
            checked = asyncio.create_task(self._checked(given, address))
            self._logging_in[login] = checked
            checked.add_done_callback(lambda _: self._logging_in.pop(login))
        return await asyncio.shield(checked)

    async def _checked(self, given: str, address: str) -> str | None:
        name, password = _decoded(given[6:].strip())
        async with self._checking:
            if not await self._attempts.test(ATTEMPTS, address):
                raise _TooMany(await to_wait(self._attempts, ATTEMPTS, address))
            if not await asyncio.to_thread(self._is_right, name, password.encode()[:72]):
                await self._attempts.hit(ATTEMPTS, address)
                return None
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[_digest(given)] = name
        return name

    def _is_right(self, name: str, password: bytes) -> bool:
        # How long it takes must not tell which names there are: each takes as long as the slowest.
        slowest = max(self._logins.values(), key=_cost)
        expected = self._logins.get(name, slowest)
        right = bcrypt.checkpw(password, expected)
        if _cost(expected) < _cost(slowest):
            bcrypt.checkpw(password, slowest)
        return right and name in self._logins


class _TooMany(Exception):
    """Too many wrong passwords came from this address, perhaps not from who asks now."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds  # until one more is looked at


def user_of(scope: Scope) -> str:
    """Whose rate limit a question counts for: the name or the key that came in, else the
    address."""
    return str(scope.get(_USER) or _address(scope))


def hashed(password: str) -> bytes:
    """The bcrypt hash of a password; one that is a hash already, as htpasswd -B makes it, as it
    is."""
    if BCRYPT.fullmatch(password):
        return password.encode()
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt())


def _address(scope: Scope) -> str:
    """Where a request comes from; of IPv6 the network, of which a visitor has every address."""
    client = scope.get("client")
    if not client:
        return "unknown"
    try:
        address = ip_address(client[0])
    except ValueError:
        return str(client[0])
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((int(address), 64), strict=False))
    return str(address)


def _cost(hash_: bytes) -> bytes:
    return hash_[4:6]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _decoded(credentials: str) -> tuple[str, str]:
    try:
        name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return name, password
