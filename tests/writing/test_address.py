"""Where a server may be that is not at the address that is set."""

from __future__ import annotations

import pytest

from rag.writing.address import candidates, routes


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("http://host:11434", ["/v1", "/api/v1"]),
        ("http://host:11434/", ["/v1", "/api/v1"]),
        ("http://host/v1/chat/completions", ["/v1", "/api/v1"]),
        ("https://host/api", ["/api/v1", "/v1"]),
        ("https://host/v1", ["/api/v1"]),
        ("https://host/openai/v1/", ["/v1", "/api/v1"]),
    ],
)
def test_what_people_leave_out_or_add_is_tried(url: str, meant: list[str]) -> None:
    origin = url[: url.index("host") + len("host")]
    port = ":11434" if "11434" in url else ""
    assert list(candidates(url)) == [f"{origin}{port}{path}" for path in meant]


@pytest.mark.parametrize(
    ("host", "direct"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("[::1]", True),
        ("api.openai.com", False),
        ("192.168.1.5", False),
        ("localhost.example", False),
    ],
)
def test_this_machines_own_addresses_are_behind_no_proxy(host: str, direct: bool) -> None:
    assert bool(routes(host)) == direct
