"""Requests that try to come in, each as the bytes on the wire: no client library puts them right.

Knows how they are spelled, and nothing of what may be answered: that is in test_attacks.py.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random
from typing import Any
from urllib.parse import quote

HOST = "docs.example"
SITE, ELSEWHERE = "https://site.example", "https://evil.example"
KEY, PASSWORD, USER = "sesame-open-please-0815", "mat-khau-cua-lan-4711", "lan"
QUESTION = "Where does the vermilion heron sleep?"
PREFIX = "/headwater"

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW"]


def _basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"


RIGHT_LOGIN = _basic(f"{USER}:{PASSWORD}")
CREDENTIALS: dict[str, str | None] = {  # the header Authorization
    "none": None,
    "a wrong password": _basic(f"{USER}:{PASSWORD}x"),
    "the password as a key": f"Bearer {PASSWORD}",
    "malformed": "Basic %%%",
    "half a login": f"Basic {base64.b64encode(USER.encode()).decode()}",
    "a wrong key": f"Bearer {KEY}x",
    "no key": "Bearer ",
    "the key as a login": _basic(f"{USER}:{KEY}"),
    "the key in the query": None,
    "the right key": f"Bearer {KEY}",
    "the right login": RIGHT_LOGIN,
}
ORIGINS = {
    "none": None,
    "own": f"http://{HOST}",
    "foreign": ELSEWHERE,
    "alike": f"https://{HOST}.evil.example",
    "null": "null",
    "allowed": SITE,
}
HOSTS = {  # the lines of the header
    "right": [HOST],
    "an address": ["127.0.0.1"],
    "a foreign name": ["evil.example"],
    "none": [],
    "two": [HOST, "evil.example"],
    "with a port": [f"{HOST}:7860"],
    "with a user": [f"{USER}@{HOST}"],
}
FORGED = ["", "X-Original-URL: /health", "X-Rewrite-URL: /health", "X-HTTP-Method-Override: GET"]
FORGED += ["X-Forwarded-Host: 127.0.0.1", "X-Forwarded-Prefix: /v1", "Sec-Fetch-Site: cross-site"]
FORGED += ["Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAA"]

_ASKED = {
    "messages": [
        {"role": "user", "content": QUESTION, "parts": [{"type": "text", "text": QUESTION}]}
    ],
    "data": [QUESTION, "Auto", 5, "", "", 0, "", ""],
    "fn_index": 0,
    "session_hash": "stranger",
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/list",
}
_PLAIN = json.dumps(_ASKED)
BODIES: dict[str, bytes] = {
    "none": b"",
    "a question": _PLAIN.encode(),
    "no JSON": b'{"messages": [\xff\xfe',
    "wrong types": b'{"messages": {"role": 7}, "data": "x", "fn_index": [], "session_hash": {}}',
    "a list": b"[[], null, 1]",
    "deep": b'{"messages": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "huge": _PLAIN.replace('"fn_index": 0', '"top_k": 1e400').encode(),
    "digits": b'{"messages": [], "fn_index": ' + b"9" * 6000 + b', "data": []}',
    "NaN": _PLAIN.replace('"fn_index": 0', '"fn_index": NaN, "temperature": -Infinity').encode(),
    "half a pair": _PLAIN.replace("heron", "\\ud800heron").encode(),
    "null byte": _PLAIN.replace("heron", "\\u0000heron").encode(),
    "long": _PLAIN.replace("vermilion", "vermilion " * 9000).encode(),
    "a form": b"username=lan&password=x&messages=1",
    "parts": b'--b\r\nContent-Disposition: form-data; name="files"; filename="../x"\r\n\r\nx'
    b"\r\n--b--",
}
_KINDS = {"a form": "application/x-www-form-urlencoded", "parts": "multipart/form-data; boundary=b"}

Spelling = Callable[[str], str]
SPELLINGS: dict[str, Spelling] = {
    "plain": lambda p: p,
    "upper case": lambda p: p.upper(),
    "two slashes first": lambda p: f"/{p}",
    "two slashes": lambda p: p[0] + p[1:].replace("/", "//"),
    "a dot": lambda p: f"/.{p}",
    "two dots": lambda p: f"/x/..{p}",
    "two dots behind a door": lambda p: f"/v1/..{p}",
    "two dots behind a probe": lambda p: f"/health/..{p}",
    "two dots, encoded": lambda p: f"/v1/%2e%2e{p}",
    "a dot, encoded": lambda p: f"/%2e{p}",
    "slashes, encoded": lambda p: p[0] + p[1:].replace("/", "%2f"),
    "all slashes, encoded": lambda p: p.replace("/", "%2F"),
    "backslashes": lambda p: f"/v1%5c..{p.replace('/', '%5c')}",
    "a slash behind": lambda p: f"{p}/",
    "a parameter": lambda p: f"{p};v=/v1/models",
    "letters, encoded": lambda p: re.sub("[a-z]", lambda m: f"%{ord(m[0]):02x}", p),
    "encoded twice": lambda p: re.sub("[a-z]", lambda m: f"%25{ord(m[0]):02x}", p),
    "wide letters": lambda p: re.sub("[a-z]", lambda m: quote(chr(ord(m[0]) + 0xFEE0)), p, count=1),
    "the prefix": lambda p: PREFIX + p,
    "the prefix twice": lambda p: PREFIX + PREFIX + p,
    "the prefix and two slashes": lambda p: f"{PREFIX}/{p}",
    "the prefix and a door": lambda p: f"{PREFIX}/v1/..{PREFIX}{p}",
    "absolute": lambda p: f"http://{HOST}{p}",
    "absolute, elsewhere": lambda p: f"http://evil.example{p}",
    "absolute, a door": lambda p: f"http://v1/api{p}",
    "a null byte": lambda p: f"{p}%00",
    "a raw null byte": lambda p: f"{p}\0",
    "a line break": lambda p: f"{p}%0d%0aX-Let-In:%201",
    "a fragment": lambda p: f"{p}#/v1/models",
    "a query before": lambda p: f"/v1/models?{p}",
    "very long": lambda p: f"{p}/{'a' * 30_000}",
    "long letters": lambda p: p + quote("ế" * 3000),
}


@dataclass(frozen=True, slots=True)
class Attack:
    """One request; all but the first are names of what it is made of."""

    route: str
    spelling: str
    method: str
    credential: str
    origin: str
    host: str
    body: str
    more: str
    address: str  # where it says that it comes from, so that each guesses for the first time

    def request(self, values: Mapping[str, Sequence[str]], random: Random) -> bytes:
        """Its bytes. The parameters of its route have one of the `values` for their names."""

        def value(match: re.Match[str]) -> str:
            return random.choice(values.get(match[1].partition(":")[0], ["1"]))

        path = re.sub(r"\{([^}]*)\}", value, self.route)
        target = SPELLINGS[self.spelling](path)
        target += f"{'&' if '?' in target else '?'}q={quote(QUESTION)}&session_hash=stranger"
        if self.credential == "the key in the query":
            target += f"&key={KEY}&api_key={KEY}&token={KEY}&access_token={KEY}"
        headers = [f"Host: {host}" for host in HOSTS[self.host]]
        if given := CREDENTIALS[self.credential]:
            headers.append(f"Authorization: {given}")
        if origin := ORIGINS[self.origin]:
            headers.append(f"Origin: {origin}")
        if self.method == "OPTIONS":
            headers.append("Access-Control-Request-Method: POST")
        content = b"" if self.method in ("GET", "HEAD", "OPTIONS", "TRACE") else BODIES[self.body]
        headers.append(f"Content-Type: {_KINDS.get(self.body, 'application/json')}")
        headers.append(f"Content-Length: {len(content)}")
        headers.append("Accept: application/json, text/event-stream")
        headers.append(f"X-Forwarded-For: {self.address}")
        headers += [self.more] if self.more else []
        headers.append(f"Connection: {'Upgrade' if 'Upgrade' in self.more else 'close'}")
        lines = [f"{self.method} {target} HTTP/1.1", *headers, "", ""]
        return "\r\n".join(lines).encode() + content


CLOSED, SILENT = 0, -1  # in place of a status: without a word, or nothing came


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: of a stream its beginning."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


def routes_of(routes: Iterable[Any], under: str = "") -> list[str]:
    """The paths of an app's routes, also of those that its routers include and it mounts."""
    paths: list[str] = []
    for route in routes:
        path = under + (getattr(route, "path", "") or "")
        inside = getattr(getattr(route, "original_router", route), "routes", None)
        if inside:
            paths += routes_of(inside, path)
        elif path:  # what is mounted is a file
            paths.append(path if hasattr(route, "methods") else f"{path}/{{path:path}}")
    return list(dict.fromkeys(paths))


def attacks(routes: Sequence[str], random: Random, others: int) -> list[Attack]:
    """Each route with each method and each credential, and in each spelling with three of the
    credentials; what else they have is drawn. And `others`, of which all is drawn."""

    def attack(route: str, **chosen: str) -> Attack:
        drawn = {
            "spelling": random.choice(list(SPELLINGS)),
            "method": random.choice(METHODS),
            "credential": random.choice(list(CREDENTIALS)),
            "origin": random.choice(["none", "none", *ORIGINS]),
            "host": random.choice(["right", "right", *HOSTS]),
            "body": random.choice(list(BODIES)),
            "more": random.choice(["", *FORGED]),
            "address": str(IPv4Address(random.randrange(2**24) + (10 << 24))),
        }
        return Attack(route, **drawn | chosen)

    tries = [
        attack(route, spelling="plain", method=method, credential=credential, host="right")
        for route in routes
        for method in METHODS
        for credential in CREDENTIALS
    ]
    tries += [
        attack(route, spelling=spelling, credential=credential, method=method)
        for route in routes
        for spelling in SPELLINGS
        for credential in random.sample(list(CREDENTIALS), 3)
        for method in random.sample(["GET", "POST"], 1)
    ]
    tries += [attack(random.choice(routes)) for _ in range(others)]
    random.shuffle(tries)
    return tries


async def sent(port: int, request: bytes, quiet: float = 0.5, patience: float = 20) -> Answer:
    """What is answered to these bytes within `patience` seconds; a stream is left when it has been
    silent for `quiet` seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    body = b""
    try:
        writer.write(request)
        async with asyncio.timeout(patience):
            head = await reader.readuntil(b"\r\n\r\n")
        with_status, *lines = head.decode("latin-1").rstrip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        try:
            while data := await asyncio.wait_for(reader.read(2**16), quiet):
                body += data
        except TimeoutError:
            pass
        except ConnectionError:  # it was refused before all of it was read
            pass
        return Answer(int(with_status.split()[1]), headers, body)
    except (asyncio.IncompleteReadError, ConnectionError):
        return Answer(CLOSED, {}, b"")
    except TimeoutError:
        return Answer(SILENT, {}, b"")
    finally:
        writer.transport.abort()
