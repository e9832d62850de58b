"""Where a model's server is: at the address that is set or at another one, and by which way.

Knows HTTP and nothing of answers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from httpx2 import AsyncClient, HTTPError, InvalidURL

from .context import listed
from .wire import WireError

LOOK_SECONDS = 3.0  # that all of it may take
MOST_BYTES = 4_000_000  # of a list of models


def routes(host: str) -> Mapping[str, None]:
    """Where no proxy is asked: this machine's own addresses are behind none."""
    return {"http://": None, "https://": None} if _is_loopback(host) else {}


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        address = ip_address(host.strip("[]"))
        return address.is_loopback or address.is_unspecified
    return host == "localhost" or host.endswith(".localhost")


async def found(http: AsyncClient, url: str, key: str) -> str:
    """The address like `url` at which a chat server is; "" if none of those that people mean has
    one."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            for candidate in candidates(url):
                status, value = await look(http, f"{candidate}/models", key)
                listed = isinstance(value, dict) and isinstance(value.get("data"), list)
                closed = status in (401, 403) and isinstance(value, dict)
                if (status == 200 and listed) or closed:
                    return candidate
    return ""


async def context(http: AsyncClient, url: str, key: str, model: str) -> tuple[bool, int | None]:
    """Whether the server answers, and the most tokens that `model` takes, where it says that."""
    url = url.rstrip("/")
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            status, value = await look(http, f"{url}/models", key)
            limit = listed(value, model)
            if limit is None and status in (200, 404):  # llama.cpp before it told it there
                _, value = await look(http, f"{url.removesuffix('/v1')}/props", key)
                limit = listed(value, model)
            return status not in (0, 503), limit
    return False, None


def candidates(url: str) -> Iterator[str]:
    """What may be meant by an address at which no chat server is."""
    address = urlsplit(url.rstrip("/"))
    origin = f"{address.scheme}://{address.netloc}"
    path = address.path
    for end in ("/completions", "/chat", "/models", "/responses"):
        path = path.removesuffix(end)
    tried = {address.path}
    for meant in (path, f"{path}/v1", "/v1", "/api/v1"):
        if meant not in tried and not meant.endswith("/v1/v1"):
            tried.add(meant)
            yield origin + meant


async def look(http: AsyncClient, url: str, key: str) -> tuple[int, Any]:
    """The status and the JSON that are at `url`; 0 and None if nothing is."""
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    data, status = bytearray(), 0
    try:
        async with http.stream("GET", url, headers=headers, timeout=LOOK_SECONDS) as response:
            status = response.status_code
            async for piece in response.aiter_bytes():
                data += piece
                if len(data) > MOST_BYTES:
                    return status, None
            return status, json.loads(data)
    except (ValueError, RecursionError, WireError):
        return status, None
    except (HTTPError, InvalidURL):
        return 0, None
