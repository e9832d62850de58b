"""The headers of every answer, and who may change something."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import bcrypt
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from rag.doors.guard import Guard, is_local
from rag.doors.probes import probes
from rag.doors.routes import gate
from rag.serving.stopping import Stopping
from rag.settings import Settings


async def _hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def _client(**options: Any) -> TestClient:
    routes = [Route("/", _hello, methods=["GET", "POST"])]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(Guard, **options)]))


@pytest.fixture
def client() -> TestClient:
    return _client()


def test_every_answer_allows_only_content_from_here(client: TestClient) -> None:
    headers = client.get("/").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'self';" in headers["content-security-policy"] + ";"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/documents/1/file"])
def test_a_failure_of_what_is_behind_it_has_the_headers_too(path: str) -> None:
    async def pieces() -> AsyncIterator[str]:
        yield "<p>"
        raise OSError("behind")

    async def failing(request: Request) -> StreamingResponse:
        if path != "/":
            raise OSError("behind")
        return StreamingResponse(pieces(), media_type="text/html")

    app = Starlette(routes=[Route(path, failing)], middleware=[Middleware(Guard)])
    failed = TestClient(app, raise_server_exceptions=False).get(path)
    assert (failed.status_code, failed.text) == (500, "Internal Server Error")
    assert "default-src 'self'" in failed.headers["content-security-policy"]
    with pytest.raises(OSError, match="behind"):  # which is logged
        TestClient(app).get(path)


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "null", "http://testserver:81"])
def test_another_origin_may_read_but_not_change(client: TestClient, origin: str) -> None:
    assert client.get("/", headers={"Origin": origin}).status_code == 200
    assert client.post("/", headers={"Origin": origin}).status_code == 403
    assert client.options("/", headers={"Origin": origin}).status_code == 403


def test_the_same_origin_and_programs_may_change(client: TestClient) -> None:
    assert client.post("/", headers={"Origin": "http://testserver"}).status_code == 200
    assert client.post("/").status_code == 200


def test_a_space_may_be_embedded_anywhere_and_is_its_own_origin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPACE_ID", "me/headwater")
    client = _client(public_host="me-headwater.hf.space")
    own = client.post("/", headers={"Origin": "https://me-headwater.hf.space"})
    assert own.status_code == 200
    assert own.headers["content-security-policy"].endswith("frame-ancestors *")


def test_a_page_is_framed_by_the_sites_that_the_settings_name() -> None:
    policy = (
        _client(frame_origins=["https://a.example"]).get("/").headers["content-security-policy"]
    )
    assert policy.endswith("frame-ancestors 'self' https://a.example")


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "[::1]:7860", "chat.example.org"])
def test_a_page_on_this_machine_alone_answers_to_its_names_and_its_proxys(host: str) -> None:
    client = _client(public_host="chat.example.org", local_only=True)
    assert client.get("/", headers={"Host": host}).status_code == 200


def test_a_public_host_may_have_a_port() -> None:
    client = _client(public_host="chat.example.org:8443", local_only=True)
    assert client.get("/", headers={"Host": "chat.example.org:8443"}).status_code == 200
    origin = {"Host": "127.0.0.1:7860", "Origin": "https://chat.example.org:8443"}
    assert client.post("/", headers=origin).status_code == 200


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *[(host, True) for host in ("127.0.0.1", "localhost", "::1", "127.0.0.2")],
        *[(host, False) for host in ("0.0.0.0", "::", "192.168.1.7", "docs.example")],
    ],
)
def test_a_server_of_this_machine_alone_answers_to_the_name_it_listens_at(
    host: str, local: bool
) -> None:
    assert is_local(host) == local
    shown = f"[{host}]" if ":" in host else host
    asked = _client(local_only=True).get("/", headers={"Host": f"{shown}:7860"})
    assert asked.status_code == (200 if local else 403)


@pytest.mark.parametrize("path", ["/gradio_api/upload", "/headwater/gradio_api/upload"])
def test_nothing_is_uploaded_under_a_prefix_either(path: str) -> None:
    client = _client(root_path="/headwater")
    assert client.post(path, files={"files": b"x"}).status_code == 403


def test_a_foreign_name_that_points_at_this_machine_is_refused() -> None:
    client = _client(local_only=True)
    rebound = {"Host": "evil.example:7860", "Origin": "http://evil.example:7860"}
    assert client.get("/", headers=rebound).status_code == 403
    assert client.post("/", headers=rebound).status_code == 403


def _gated(**settings: Any) -> TestClient:
    routes = [*probes(lambda: b"", list, dict), Route("/v1/models", _hello)]
    chosen = Settings.model_validate({"GRADIO_SERVER_NAME": "0.0.0.0", **settings})
    return TestClient(Starlette(routes=routes, middleware=gate(chosen, Stopping())))


def _statuses(client: TestClient, hosts: Sequence[str], path: str = "/health") -> dict[str, int]:
    return {host: client.get(path, headers={"Host": host}).status_code for host in hosts}


NEAR = ["127.0.0.1:7860", "192.168.1.7", "[fd00::7]:7860", "localhost", "headwater:7860", ""]
NEAR += ["printer.local", "app.localhost:7860", "headwater.default.svc.cluster.local"]
FAR = ["evil.example", "evil.example:7860", "127.0.0.1.nip.io", "docs.example.evil.example"]
_WORD = bcrypt.hashpw(b"s3cret", bcrypt.gensalt(4)).decode()


@pytest.mark.parametrize("settings", [{}, {"api_keys": ("a-key",)}], ids=["nothing set", "a key"])
def test_without_a_login_a_name_that_a_stranger_can_point_here_is_refused(
    settings: dict[str, object],
) -> None:
    client = _gated(**settings)
    assert set(_statuses(client, NEAR).values()) == {200}
    assert set(_statuses(client, FAR).values()) == {403}
    refused = client.get("/v1/models", headers={"Host": FAR[0]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "refused")
    assert "HEADWATER_PUBLIC_HOST" in refused.text and "Máy chủ" in refused.text


def test_the_name_that_a_server_listens_at_is_its_own() -> None:
    assert (
        _gated(GRADIO_SERVER_NAME="docs.example")
        .get("/health", headers={"Host": "docs.example:7860"})
        .is_success
    )


def test_with_a_public_host_only_that_name_is_answered_beside_addresses_and_local_ones() -> None:
    known = {"auth": {"lan": _WORD}, "public_host": "docs.example:8443"}
    for settings in ({"public_host": "docs.example"}, known):
        statuses = _statuses(_gated(**settings), [*NEAR, "docs.example", "Docs.Example:8443", *FAR])
        assert {host for host, status in statuses.items() if status == 403} == set(FAR)


def test_with_logins_and_no_public_host_every_name_is_answered() -> None:
    statuses = _statuses(_gated(auth={"lan": _WORD}), [*NEAR, *FAR])
    assert set(statuses.values()) == {401}


def test_a_space_answers_to_its_host_and_its_own_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "me/headwater")
    monkeypatch.setenv("SPACE_HOST", "me-headwater.hf.space,docs.example")
    client = _gated()
    for name in ("me-headwater.hf.space", "docs.example"):
        headers = {"Host": name, "Origin": f"https://{name}"}
        assert client.get("/health", headers=headers).status_code == 200
        assert client.post("/health", headers=headers).status_code == 405
    assert set(_statuses(client, [*NEAR, "10.20.3.4:7860"]).values()) == {200}
    assert set(_statuses(client, FAR).values()) == {403}


def test_the_first_refusal_for_a_name_is_in_the_log_with_the_setting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = _gated()
    _statuses(client, NEAR)
    assert not caplog.records
    _statuses(client, [f"{'long' * 15}.{'x' * 60}.example", *FAR])
    [record] = caplog.records
    assert "HEADWATER_PUBLIC_HOST" in record.getMessage() and len(record.getMessage()) < 300


def _watched(problems: list[str]) -> TestClient:
    return TestClient(Starlette(routes=probes(lambda: b"answers 1\n", lambda: problems, dict)))


def test_an_operator_sees_the_metrics_and_that_the_process_is_alive() -> None:
    client = _watched(["The library is being opened."])
    metrics = client.get("/metrics")
    assert metrics.text == "answers 1\n"
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert client.get("/health").json() == {"status": "alive"}


def test_ready_says_why_not() -> None:
    not_yet = _watched(["The library is being opened."]).get("/ready")
    assert not_yet.status_code == 503
    assert not_yet.json() == {"status": "not ready", "reasons": ["The library is being opened."]}
    ready = _watched([]).get("/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")


def test_only_the_inline_scripts_of_the_page_as_it_is_served_may_run() -> None:
    page = "<p>x</p><script>begin()</script><script src=a.js></script><script async>\nb()</script>"

    async def pieces(_: Request) -> StreamingResponse:
        async def halves() -> AsyncIterator[str]:
            yield page[:30]
            yield page[30:]

        return StreamingResponse(halves(), media_type="text/html")

    routes = [Route("/", pieces), Route("/documents/1/file", pieces)]
    client = TestClient(Starlette(routes=routes, middleware=[Middleware(Guard)]))
    answered = client.get("/")
    assert answered.text == page
    policy = answered.headers["content-security-policy"]
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "'unsafe-inline'" not in scripts
    assert scripts.count("'sha256-") == 2
    for script in (b"begin()", b"\nb()"):
        assert base64.b64encode(hashlib.sha256(script).digest()).decode() in scripts
    assert "sha256" not in client.get("/documents/1/file").headers["content-security-policy"]
