"""A connection on which no request comes is closed, and every other one is left alone: at the real
page, over real sockets. A process without descriptors says so."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from ingest.background import Reading
from rag.doors import body
from rag.serving import connections, descriptors
from rag.settings import PROJECT
from tests.harness.browser import served
from tests.harness.upstream import Script, Upstream, words

SECONDS = 1.0  # that a request may take in these tests
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
ASKED = b'{"messages": [{"role": "user", "content": "hi"}]}'


@pytest.fixture(scope="module")
def url(reading: Reading) -> str:
    return served(reading)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", SECONDS)
    monkeypatch.setattr(connections, "closed", connections.Closed())
    monkeypatch.setattr(body, "BODY_SECONDS", SECONDS)


@pytest.fixture
def connect(url: str) -> Iterator[Callable[[], socket.socket]]:
    address = urlsplit(url)
    assert address.hostname and address.port
    with ExitStack() as open_ones:

        def connected() -> socket.socket:
            return open_ones.enter_context(
                socket.create_connection((address.hostname or "", address.port or 0), timeout=20)
            )

        yield connected


def ends(connection: socket.socket) -> tuple[bytes, float]:
    """What still comes until the other side closes, and how long that takes."""
    since, received = time.monotonic(), b""
    while piece := connection.recv(65536):
        received += piece
    return received, time.monotonic() - since


def posting(length: int) -> bytes:
    header = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
    return f"{header}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET /health HTTP/1.1\r\nHost: loc"])
def test_a_request_whose_header_does_not_come_is_closed_and_the_log_says_so(
    connect: Callable[[], socket.socket], caplog: pytest.LogCaptureFixture, begun: bytes
) -> None:
    with caplog.at_level(logging.INFO, "rag"):
        connection = connect()
        connection.sendall(begun)
        assert ends(connection)[0] == b""
    assert "no whole header in 1 s, the last from 127.0.0.1" in caplog.text


def test_bytes_that_trickle_in_win_no_time(connect: Callable[[], socket.socket]) -> None:
    connection, since = connect(), time.monotonic()
    connection.sendall(HEALTH[:-2])
    with pytest.raises(OSError):
        while time.monotonic() < since + 20:
            connection.sendall(b"X-More: 1\r\n")
            time.sleep(0.1)
    assert SECONDS <= time.monotonic() - since < 10


def test_many_such_connections_are_one_line_of_the_log(
    connect: Callable[[], socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rag"):
        for connection in [connect() for _ in range(20)]:
            ends(connection)
    assert caplog.text.count("no whole header") == 1


def test_half_a_header_after_an_answer_is_closed_too(
    connect: Callable[[], socket.socket],
) -> None:
    connection = connect()
    connection.sendall(HEALTH)
    assert b"alive" in connection.recv(65536)
    connection.sendall(HEALTH[:20])
    received, seconds = ends(connection)
    assert received == b"" and seconds < 10


def test_a_connection_that_is_kept_for_the_next_request_is_left_alone(
    connect: Callable[[], socket.socket],
) -> None:
    connection = connect()
    for _ in range(3):
        connection.sendall(HEALTH)
        assert b"alive" in connection.recv(65536)
        time.sleep(1.5 * SECONDS)


@pytest.mark.parametrize(
    ("method", "body", "status"), [("GET", b"", 200), ("POST", b"{}", 405), ("POST", b"", 405)]
)
def test_a_websockets_handshake_is_a_request_like_any_other_and_holds_no_connection(
    connect: Callable[[], socket.socket], method: str, body: bytes, status: int
) -> None:
    connection = connect()
    header = f"{method} /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    header += "Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n"
    connection.sendall(
        f"{header}Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode() + body
    )
    received, seconds = ends(connection)
    assert received.startswith(b"HTTP/1.1 %d" % status) and seconds < 10
    assert b"content-security-policy" in received  # it has come through the gate


def test_a_body_that_trickles_in_is_closed_as_a_whole_and_the_log_says_so(
    connect: Callable[[], socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    connection, since = connect(), time.monotonic()
    connection.settimeout(0.1)
    received = b""
    with caplog.at_level(logging.INFO, "rag"):
        connection.sendall(posting(1000))
        while b"body_too_slow" not in received and time.monotonic() < since + 20:
            connection.sendall(b" ")
            try:
                received += connection.recv(65536)
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408 ") and b"connection: close" in received.lower()
    assert SECONDS <= time.monotonic() - since < 10
    connection.settimeout(20)
    assert ends(connection)[1] < 5
    assert "from 127.0.0.1: no whole body in 1 s" in caplog.text


def test_a_large_body_that_comes_in_time_is_taken(
    connect: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 10.0)  # the machine may be busy
    connection = connect()
    whole = ASKED + b" " * 3_500_000
    connection.sendall(posting(len(whole)))
    for start in range(0, len(whole), 500_000):
        connection.sendall(whole[start : start + 500_000])
        time.sleep(0.05)
    assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_stream_that_goes_on_is_left_alone(reading: Reading) -> None:
    with Upstream(Script(words("It tells nginx [1]. " * 3), delay=0.1)) as upstream:
        url = served(reading, OPENAI_BASE_URL=upstream.base_url, cache_seconds=0)
        asked = {
            "stream": True,
            "messages": [{"role": "user", "content": "What does X-Accel-Buffering do?"}],
        }
        since, said = time.monotonic(), ""
        with httpx.stream("POST", f"{url}v1/chat/completions", json=asked, timeout=60) as answer:
            for piece in answer.iter_text():
                said += piece
    assert said.rstrip().endswith("data: [DONE]") and time.monotonic() - since > 2 * SECONDS


CHILD = """if True:
    import resource, sys
    from rag.serving import connections, descriptors
    descriptors.LOOK_SECONDS, descriptors.TELL_SECONDS = 0.1, 2.0
    connections.HEADER_SECONDS = 60.0
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    import app
    sys.exit(app.main())
"""


@pytest.mark.serial  # it has a minute to see that
@pytest.mark.slow  # everything is loaded in another process
def test_a_process_without_descriptors_says_so_and_what_to_do(
    tmp_path: Path, known_model: Callable[[Path], None]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pump.md").write_text("# Pumps\n\nThe harbour master checks the pump.\n")
    known_model(tmp_path / "store")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"HEADWATER_DATA_DIR": "data", "HEADWATER_STORE_DIR": "store"}
    settings = {name: str(tmp_path / folder) for name, folder in settings.items()}
    log = tmp_path / "log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-c", CHILD],
            cwd=PROJECT,
            env={**os.environ, **settings, "GRADIO_SERVER_PORT": str(port)},
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        ) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as probe,
        ExitStack() as held,
    ):
        held.callback(process.kill)

        def ready() -> httpx.Response | None:
            try:
                return probe.get("/ready")
            except httpx.HTTPError:
                return None

        def until(status: int) -> httpx.Response:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None:
                if (answer := ready()) and answer.status_code == status:
                    return answer
                time.sleep(0.1)
            raise AssertionError(log.read_text())

        until(200)
        with ExitStack() as attack:
            for _ in range(300):
                attack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            assert until(503).json()["reasons"] == [descriptors.SENTENCE]
            time.sleep(1)
            said = log.read_text()
            assert said.count(descriptors.SENTENCE) == 1 and "ulimit -n" in said
            assert "Traceback" not in said
        assert until(503).json()["reasons"] == [descriptors.SENTENCE]  # also to who comes later
        until(200)
