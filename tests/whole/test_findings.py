"""What an attack on the running product found, each in a test that knows nothing of the code: the
real process, asked over its socket, with logins, a key and a public name.

Copied to the code before (with tests/harness/whole_app.py and tests/benchmarks/first_token.py) the
tests fail there. What a finding is in all its spellings stands in the tests of its module.
"""

from __future__ import annotations

import resource
import shutil
import socket
import stat
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import gradio
import httpx
import pytest

from tests.harness.upstream import Script, Upstream, words
from tests.harness.whole_app import App, running
from tests.harness.wire import asked, said

pytestmark = [pytest.mark.slow, pytest.mark.serial, pytest.mark.timeout(300)]

USER, PASSWORD, KEY, HOST = "lan", "mat-khau-4711", "sesame-open-please-0815", "docs.example"
WITH_KEY = {"Authorization": f"Bearer {KEY}"}
SENTENCE = "The vermilion heron sleeps beneath the ninth bridge of Quillon."
OUTSIDE = "The ledger of Quillon lies under the seventh stair."
EVIL = '<svg><a href="javascript:alert(1)">open</a></svg> [[1]](http://evil.example) [1]. The end.'
SECONDS = 15.0  # in which a header or a body must have come
LONG = "a" * 6_000_000
MOST = 30.0  # MB that 40 calls of 6 MB may move the memory by


@dataclass(frozen=True)
class Attacked:
    app: App
    begun: float  # when half a header and half a body were sent
    half: dict[str, socket.socket]

    @property
    def page(self) -> httpx.Client:
        """Of somebody who is logged in."""
        return httpx.Client(base_url=self.app.url, auth=(USER, PASSWORD), timeout=60)

    @property
    def program(self) -> httpx.Client:
        return httpx.Client(base_url=self.app.url, headers=WITH_KEY, timeout=60)


def connected(url: str) -> socket.socket:
    at = urlsplit(url)
    return socket.create_connection((at.hostname or "", at.port or 0), timeout=20)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, own_library: Path) -> Iterator[Attacked]:
    """It starts over a store that others may look into and a data folder with a link out of it."""
    folder = tmp_path_factory.mktemp("attacked")
    data, store = folder / "data", folder / "store"
    data.mkdir()
    (folder / "outside.md").write_text(f"# Ledger\n\n{OUTSIDE}\n")
    (data / "a-link.md").symlink_to(folder / "outside.md")
    (data / "heron.md").write_text(f"# Herons\n\n{SENTENCE}\n")
    shutil.copytree(own_library, store)
    for path in (store, *store.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    settings = {
        "HEADWATER_DATA_DIR": str(data),
        "HEADWATER_AUTH": f"{USER}:{PASSWORD}",
        "HEADWATER_API_KEYS": KEY,
        "HEADWATER_PUBLIC_HOST": HOST,
        "GRADIO_SERVER_NAME": "0.0.0.0",
    }
    with (
        Upstream(Script(words(EVIL))) as upstream,
        running(own_library, store, upstream, WITH_KEY, **settings) as app,
        ExitStack() as half,
    ):
        header = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "
        body = b"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        body += f"Authorization: Bearer {KEY}\r\nContent-Length: 100\r\n\r\n{{".encode()
        sockets = {name: half.enter_context(connected(app.url)) for name in ("header", "body")}
        begun = time.monotonic()
        sockets["header"].sendall(header)
        sockets["body"].sendall(body)
        given = Attacked(app, begun, sockets)
        with given.program as program:
            until = time.monotonic() + 60
            while SENTENCE not in program.get("/api/search", params={"q": "heron sleep"}).text:
                assert time.monotonic() < until, "the document was not read"
                time.sleep(0.2)
        yield given


def test_a_link_out_of_the_data_folder_is_not_read(attacked: Attacked) -> None:
    with attacked.program as program:
        found = program.get("/api/search", params={"q": "Where does the ledger of Quillon lie?"})
    assert found.status_code == 200 and SENTENCE in found.text
    assert OUTSIDE not in found.text


def test_a_store_that_others_could_look_into_is_private(attacked: Attacked) -> None:
    store = attacked.app.store
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (store, *store.rglob("*"))}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_a_key_opens_the_doors_and_nothing_else(attacked: Attacked) -> None:
    with attacked.program as program:
        assert program.get("/v1/models").status_code == 200
        closed = ["/", "/config", "/metrics", "/docs", "/documents/1/file", "/gradio_api/info"]
        assert {path: program.get(path).status_code for path in closed} == dict.fromkeys(
            closed, 401
        )


@pytest.mark.parametrize(
    ("host", "status"), [(HOST, 200), ("127.0.0.1", 200), ("localhost", 200), ("evil.example", 403)]
)
def test_no_name_is_answered_that_is_not_its_own(
    attacked: Attacked, host: str, status: int
) -> None:
    with attacked.program as program:
        assert program.get("/v1/models", headers={"Host": host}).status_code == status


def test_another_sites_page_learns_nothing_of_documents_and_metrics(attacked: Attacked) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
    with attacked.page as page:
        assert page.get("/metrics").status_code == 200
        for path in ("/metrics", "/documents/1/file"):
            assert page.get(path, headers=elsewhere).status_code == 403, path
        assert page.get("/").headers["cross-origin-resource-policy"] == "same-origin"


def test_nobody_learns_where_on_its_machine_it_lies(attacked: Attacked) -> None:
    with attacked.page as page:
        shown = page.get("/config").text + page.get("/").text
    assert "gradio_config" in shown and str(Path(gradio.__file__).parent) not in shown


def test_what_a_model_writes_is_text_and_a_link_elsewhere_is_no_citation(
    attacked: Attacked,
) -> None:
    with attacked.page as page, asked(page, "Where does the vermilion heron sleep?") as updates:
        shown = [said(update) for update in updates][-1]
    assert "The end." in shown
    assert "<svg" not in shown and '<a href=\\"javascript' not in shown
    assert "](http://evil.example)" not in shown


def test_assistants_cannot_open_sessions_without_end(attacked: Attacked) -> None:
    client = {"protocolVersion": "2025-06-18", "capabilities": {}}
    client["clientInfo"] = {"name": "flood", "version": "1"}
    call = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    accept = {"Accept": "application/json, text/event-stream"}
    with attacked.program as program:
        answers = [program.post("/mcp", json=call, headers=accept) for _ in range(70)]
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429} and statuses[429] >= 5, statuses
    assert int(answers[-1].headers["retry-after"]) > 0


def test_calls_that_are_far_too_long_are_refused_and_leave_nothing(attacked: Attacked) -> None:
    calls: dict[str, dict[str, object]] = {
        "call/chat": {"data": [LONG]},
        "queue/join": {"data": [LONG], "fn_index": 2, "session_hash": "flood"},
        "run/predict": {"data": [LONG], "fn_index": 1, "session_hash": "flood"},
    }
    with attacked.page as page:
        before, statuses = attacked.app.megabytes, Counter[tuple[str, int]]()
        for number in range(40):
            for path, body in calls.items():
                if path != "call/chat":
                    body["session_hash"] = f"flood-{number}"
                if path == "call/chat" or number < 5:
                    status = page.post(f"/gradio_api/{path}", json=body).status_code
                    statuses[path, status] += 1
        after = attacked.app.megabytes
    print(f"{before:.0f} MB before, {after:.0f} after")
    assert after - before < MOST
    assert statuses == {(path, 413): 40 if path == "call/chat" else 5 for path in calls}


@pytest.mark.parametrize("part", ["header", "body"])
def test_a_request_that_does_not_come_is_closed(attacked: Attacked, part: str) -> None:
    half = attacked.half[part]
    half.settimeout(max(0.5, attacked.begun + SECONDS + 5 - time.monotonic()))
    received = b""
    while piece := half.recv(65536):  # a TimeoutError: it is still open
        received += piece
    assert received.startswith(b"HTTP/1.1 408") if part == "body" else received == b""


def test_a_process_without_descriptors_says_so(attacked: Attacked) -> None:
    """The last one: it stays unready for a minute."""
    with attacked.program as probe, ExitStack() as attack:
        assert probe.get("/ready").status_code == 200
        _, most = resource.prlimit(attacked.app.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(attacked.app.process.pid, resource.RLIMIT_NOFILE, (256, most))
        for _ in range(300):
            attack.enter_context(connected(attacked.app.url))
        until, ready = time.monotonic() + 10, probe.get("/ready")
        while ready.status_code == 200 and time.monotonic() < until:
            time.sleep(0.2)
            ready = probe.get("/ready")
        assert ready.status_code == 503 and "descriptor" in ready.text, ready.text
