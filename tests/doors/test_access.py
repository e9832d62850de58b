"""Who may come in, at the real page over HTTP."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bcrypt
import gradio as gr
import httpx
import pytest
from gradio.routes import App
from starlette.testclient import TestClient

from ingest.background import Reading
from rag.doors.access import hashed, user_of
from rag.settings import PROJECT
from tests.harness.browser import served
from tests.harness.upstream import Script, Upstream, words
from tests.harness.wire import CALL, asked, said

KEY, OTHER_KEY = "sesame-open-please", "another-key-of-ours"
LOGIN = ("lan", "mật khẩu")
QUESTION = {"messages": [{"role": "user", "content": "What does X-Accel-Buffering do?"}]}
CHAT = {"messages": [{"role": "user", "parts": [{"type": "text", "text": "Why buffer?"}]}]}
PAGE = ["/", "/config", "/gradio_api/info", "/health", "/ready", "/metrics", "/documents/1/pages/1"]
PAGE += ["/api/stats", "/docs", "/openapi.json", "/widget.js", "/widget", "/theme.css"]
SITE, ELSEWHERE = "https://site.example", "https://elsewhere.example"

# A tenth as dear as a hash of ours, and still dear enough for guesses to meet.
S3CRET = bcrypt.hashpw(b"s3cret", bcrypt.gensalt(8)).decode().replace("$2b$", "$2y$")

At = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(Script(words("It tells nginx not to buffer [1]."))) as server:
        yield server


@pytest.fixture(scope="module")
def at(reading: Reading, upstream: Upstream) -> Iterator[At]:
    clients: dict[str, httpx.Client] = {}

    def client(**settings: object) -> httpx.Client:
        known = repr(sorted(settings.items()))
        if known not in clients:
            url = served(reading, **{"OPENAI_BASE_URL": upstream.base_url, **settings})
            clients[known] = httpx.Client(base_url=url, timeout=60)
        return clients[known]

    yield client
    for each in clients.values():
        each.close()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def ask(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post("/v1/chat/completions", json=QUESTION, headers=headers)


def doors(client: httpx.Client, **more: Any) -> dict[str, int]:
    """The status of each door for programs."""
    return {
        "/v1/models": client.get("/v1/models", **more).status_code,
        "/v1/chat/completions": client.post(
            "/v1/chat/completions", json=QUESTION, **more
        ).status_code,
        "/api/chat": client.post("/api/chat", json=CHAT, **more).status_code,
        "/api/search": client.get("/api/search?q=buffering", **more).status_code,
        "/mcp": client.post("/mcp", json={}, **more).status_code,
    }


def test_without_logins_and_keys_everything_is_open(at: At) -> None:
    client = at()
    assert {path: client.get(path).status_code for path in ("/", "/docs", "/health")} == {
        "/": 200,
        "/docs": 200,
        "/health": 200,
    }
    statuses = doors(client, headers=bearer("whatever an OpenAI client sends"))
    assert 401 not in statuses.values() and statuses["/v1/chat/completions"] == 200


def test_with_logins_every_route_of_the_page_and_of_ours_is_closed(at: At) -> None:
    client = at(auth=dict([LOGIN]))
    assert {path: client.get(path).status_code for path in PAGE} == dict.fromkeys(PAGE, 401)
    assert set(doors(client).values()) == {401}
    assert "Basic" in client.get("/").headers["www-authenticate"]


def test_a_name_with_its_password_opens_them(at: At) -> None:
    client = at(auth=dict([LOGIN]))
    assert client.get("/", auth=LOGIN).status_code == 200
    assert 401 not in doors(client, auth=LOGIN).values()
    assert client.get("/", auth=("lan", "wrong")).status_code == 401
    assert client.get("/", auth=("minh", LOGIN[1])).status_code == 401
    assert client.get("/", headers={"Authorization": "Basic %%%"}).status_code == 401


def test_who_is_logged_in_can_ask_through_the_page(at: At) -> None:
    client = at(auth=dict([LOGIN]))
    with (
        httpx.Client(base_url=client.base_url, auth=LOGIN, timeout=60) as page,
        asked(page, "What does X-Accel-Buffering do?") as updates,
    ):
        assert "not to buffer" in said(list(updates)[-1])


def test_a_password_may_be_given_as_its_hash(at: At) -> None:
    known = bcrypt.hashpw(b"s3cret", bcrypt.gensalt(4)).decode()
    client = at(auth={"minh": known.replace("$2b$", "$2y$")})  # as htpasswd -B writes it
    assert client.get("/health", auth=("minh", "s3cret")).status_code == 200
    assert client.get("/health", auth=("minh", known)).status_code == 401


def test_a_plain_password_is_kept_as_a_hash_only() -> None:
    assert b"s3cret" not in hashed("s3cret")
    assert bcrypt.checkpw(b"s3cret", hashed("s3cret"))


def test_guessing_passwords_is_slowed_down_and_does_not_lock_out_who_is_in(at: At) -> None:
    client = at(auth={"minh": S3CRET}, top_k=4)
    assert client.get("/health", auth=("minh", "s3cret")).status_code == 200
    statuses = [client.get("/health", auth=("minh", f"guess {n}")).status_code for n in range(25)]
    assert set(statuses[:19]) == {401} and statuses[-1] == 429
    assert client.get("/health", auth=("minh", "s3cret")).status_code == 200


@pytest.mark.slow  # it waits
def test_who_waits_because_of_others_wrong_passwords_is_told_how_long(at: At) -> None:
    client = at(auth={"minh": S3CRET, **dict([LOGIN])}, top_k=9)
    for number in range(20):
        client.get("/health", auth=("minh", f"guess {number}"))
    page, door = client.get("/", auth=LOGIN), client.get("/v1/models", auth=LOGIN)
    for answer in (page, door):
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    seconds = page.headers["retry-after"]
    assert f"again in {seconds} second" in page.text and f"sau {seconds} giây" in page.text
    assert door.json()["error"]["code"] == "too_many_passwords"


def test_guessing_many_passwords_at_once_is_slowed_down_too(at: At) -> None:
    client = at(auth={"minh": S3CRET}, top_k=6)

    def guess(number: int) -> int:
        return client.get("/health", auth=("minh", f"guess {number}")).status_code

    with ThreadPoolExecutor(30) as pool:
        statuses = list(pool.map(guess, range(30)))
    assert sorted(set(statuses)) == [401, 429] and statuses.count(401) <= 20


def test_a_right_password_that_comes_many_times_at_once_is_no_guess(at: At) -> None:
    client = at(auth={"minh": S3CRET}, top_k=7)

    def look(_: int) -> int:
        return client.get("/health", auth=("minh", "s3cret")).status_code

    with ThreadPoolExecutor(30) as pool:
        assert set(pool.map(look, range(30))) == {200}
    guesses = [client.get("/health", auth=("minh", f"guess {n}")).status_code for n in range(19)]
    assert set(guesses) == {401}


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_visitor_is_counted_by_the_address_or_the_network_of_ipv6(
    address: str, counted: str
) -> None:
    assert user_of({"type": "http", "client": (address, 1234)}) == counted


def test_with_keys_the_doors_for_programs_need_one_and_the_page_does_not(at: At) -> None:
    client = at(api_keys=(KEY, OTHER_KEY))
    assert client.get("/").status_code == 200
    assert set(doors(client).values()) == {401}
    assert set(doors(client, headers=bearer("no key of ours")).values()) == {401}
    assert set(doors(client, headers=bearer(KEY + "x")).values()) == {401}
    for key in (KEY, OTHER_KEY):
        assert 401 not in doors(client, headers=bearer(key)).values()


def test_a_key_opens_the_doors_and_the_probes_and_nothing_else_that_logins_close(at: At) -> None:
    client = at(auth=dict([LOGIN]), api_keys=(KEY,))
    assert 401 not in doors(client, headers=bearer(KEY)).values()
    closed = {path: client.get(path, headers=bearer(KEY)) for path in PAGE}
    assert closed.pop("/health").status_code == closed.pop("/ready").status_code == 200
    assert {path: answer.status_code for path, answer in closed.items()} == dict.fromkeys(
        closed, 401
    )
    assert "/v1, /api and /mcp only" in closed["/config"].text
    assert "chỉ mở /v1, /api và /mcp" in closed["/config"].text
    assert client.post("/gradio_api/queue/join", headers=bearer(KEY)).status_code == 401
    for path in ("/v1", "/api", "/mcp/", "/v1/../config", "/api/../metrics", "/v1/%2e%2e/config"):
        answer = client.get(path, headers=bearer(KEY))
        assert "gradio" not in answer.text and answer.status_code != 200, path


def test_what_a_key_asks_at_the_page_counts_for_its_address(at: At) -> None:
    client = at(rate_limit="1/minute", api_keys=(KEY,), top_k=8)
    with (
        httpx.Client(base_url=client.base_url, headers=bearer(KEY), timeout=60) as page,
        asked(page, "What does X-Accel-Buffering do?") as updates,
    ):
        assert "not to buffer" in said(list(updates)[-1])
    assert ask(client, **bearer(KEY)).status_code == 200


def test_a_path_in_another_spelling_is_not_open(at: At) -> None:
    client = at(api_keys=(KEY,), root_path="/headwater")
    for path in ("/v1/models", "/headwater/v1/models", "/v1/models/", "/%761/models"):
        assert client.get(path).status_code == 401, path
    for path in ("//v1/models", "/headwater/headwater/v1/models", "/headwater//v1/models"):
        assert client.get(path).status_code in (401, 404), path


def test_the_refusal_of_a_door_has_the_shape_of_its_errors(at: At) -> None:
    refused = at(api_keys=(KEY, OTHER_KEY)).get("/v1/models")
    assert refused.json()["error"]["code"] == "invalid_api_key"
    assert refused.headers["www-authenticate"] == "Bearer"


def test_no_key_and_no_password_is_logged_or_shown(
    at: At, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = at(auth=dict([LOGIN]), api_keys=(KEY,))
    shown = "".join(
        answer.text + str(answer.headers)
        for answer in [
            client.get("/"),
            client.get("/config", headers=bearer(KEY)),
            client.get("/ready", headers=bearer(KEY)),
            client.get("/metrics", auth=LOGIN),
            ask(client, **bearer(KEY)),
            ask(client, **bearer("wrong" + KEY)),
        ]
    )
    ours = [r for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))]
    for word in (KEY, LOGIN[1]):
        assert word not in shown
        assert not [r for r in ours if word in r.getMessage()]


def test_only_allowed_sites_may_read_a_door(at: At) -> None:
    client = at(allowed_origins=(SITE,))
    allowed = ask(client, Origin=SITE)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == SITE
    assert allowed.headers["access-control-allow-credentials"] == "true"
    for origin in (ELSEWHERE, "null", "https://site.example.evil.example", "http://site.example"):
        refused = ask(client, Origin=origin)
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers
        assert client.get("/api/search?q=buffer", headers={"Origin": origin}).status_code == 403


def test_a_preflight_is_answered_for_allowed_sites_only(at: At) -> None:
    client = at(allowed_origins=(SITE,))
    wish = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
    }
    allowed = client.options("/api/chat", headers={"Origin": SITE, **wish})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == SITE
    refused = client.options("/api/chat", headers={"Origin": ELSEWHERE, **wish})
    assert "access-control-allow-origin" not in refused.headers


def test_a_public_server_lets_no_other_site_read_the_page(at: At) -> None:
    """Gradio itself answers every origin, with credentials, on any host but localhost."""
    client = at(GRADIO_SERVER_NAME="0.0.0.0", allowed_origins=(SITE,), public_host="docs.example")
    for origin in (SITE, ELSEWHERE):
        for path in ("/config", "/documents/1/pages/1", "/metrics"):
            answer = client.get(path, headers={"Host": "docs.example", "Origin": origin})
            assert answer.status_code == 200
            assert not [name for name in answer.headers if name.startswith("access-control-")]
    posted = client.post(
        "/gradio_api/queue/join", json={}, headers={"Host": "docs.example", "Origin": SITE}
    )
    assert posted.status_code == 403


def test_a_preflight_needs_no_key(at: At) -> None:
    client = at(allowed_origins=(SITE,), api_keys=(KEY,))
    wish = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    assert client.options("/api/chat", headers=wish).status_code == 200
    assert ask(client, Origin=SITE).status_code == 401
    assert ask(client, Origin=SITE).headers["access-control-allow-origin"] == SITE


@pytest.mark.parametrize("headers", [{"Host": "["}, {"Origin": "http://["}])
def test_a_host_or_origin_that_is_none_is_a_bad_request(at: At, headers: dict[str, str]) -> None:
    assert at().get("/", headers=headers).status_code == 400
    refused = at().get("/v1/models", headers=headers)
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "refused"


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in chunks"])
def test_a_body_that_is_too_large_is_refused(at: At, announced: bool) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(50):
            yield b"x" * 100_000

    body: Any = b"x" * 5_000_000 if announced else chunks()
    refused = at().post("/v1/chat/completions", content=body)
    assert refused.status_code == 413
    assert refused.json()["error"]["code"] == "body_too_large"


def test_the_rate_limit_is_shared_by_all_doors(at: At) -> None:
    client = at(rate_limit="3/minute")
    assert ask(client).status_code == 200
    assert client.get("/api/search?q=Why+buffer").status_code == 200
    assert "text-delta" in client.post("/api/chat", json=CHAT).text
    refused = ask(client)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.headers["x-should-retry"] == "false"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    searched = client.get("/api/search?q=Why+buffer")
    assert (searched.status_code, "retry-after" in searched.headers) == (429, True)
    assert '"type":"error"' in client.post("/api/chat", json=CHAT).text
    called = client.post(CALL, json={"data": ["What does X-Accel-Buffering do?"]})
    assert called.status_code == 429
    assert "again in" in called.text and "retry-after" in called.headers


def test_each_key_and_each_login_has_a_limit_of_its_own(at: At) -> None:
    client = at(rate_limit="1/minute", api_keys=(KEY, OTHER_KEY), auth=dict([LOGIN]))
    assert ask(client, **bearer(KEY)).status_code == 200
    assert ask(client, **bearer(KEY)).status_code == 429
    assert ask(client, **bearer(OTHER_KEY)).status_code == 200
    assert client.post("/v1/chat/completions", json=QUESTION, auth=LOGIN).status_code == 200


def test_each_visitor_of_a_page_that_gives_a_key_has_its_own_limit(at: At) -> None:
    client = at(
        rate_limit="1/minute",
        api_keys=(KEY,),
        allowed_origins=(SITE,),
        trusted_proxies=("127.0.0.1",),
    )
    for address in ("192.0.2.1", "192.0.2.2"):
        headers = bearer(KEY) | {"Origin": SITE, "X-Forwarded-For": address}
        assert ask(client, **headers).status_code == 200
        assert ask(client, **headers).status_code == 429


def test_what_another_sites_page_shows_as_a_picture_asks_nothing(at: At) -> None:
    picture = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    refused = at().get("/api/search?q=Why", headers=picture | {"Sec-Fetch-Dest": "image"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "refused")
    visit = {**picture, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert at().get("/api/search?q=Why", headers=visit).status_code == 200
    assert at().get("/", headers=picture).status_code == 200


def test_no_other_sites_page_asks_for_documents_or_metrics_but_a_link_opens_them(at: At) -> None:
    source = at().get("/api/search?q=Why+buffer").json()["sources"][0]["url"]
    page = "/" + source.partition("#")[0].lstrip("/")
    telling = [page, "/documents/1/file", "/documents/0/pages/1.png"]
    telling += ["/metrics", "/api/stats"]
    for dest in ("image", "script", "iframe", "object", "empty"):
        across = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": dest}
        for more in ({}, {"Origin": ELSEWHERE}):
            statuses = {p: at().get(p, headers=across | more).status_code for p in telling}
            assert statuses == dict.fromkeys(telling, 403), dest
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    for headers in (link, {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "image"}, {}):
        assert at().get(page, headers=headers).status_code == 200
        assert at().get("/metrics", headers=headers).status_code == 200


def test_under_a_prefix_too_no_other_sites_page_asks_for_them(at: At) -> None:
    across = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
    for path in ("/metrics", "/api/stats", "/documents/1/file"):
        for prefix in ("", "/headwater"):
            answer = at(root_path="/headwater").get(prefix + path, headers=across)
            assert answer.status_code == 403, prefix + path


def test_only_the_widget_may_be_taken_into_another_sites_page(at: At) -> None:
    name, of = "cross-origin-resource-policy", at().get
    closed = ("/", "/config", "/theme.css", "/metrics", "/api/stats", "/documents/1/file")
    for path in (*closed, "/v1/models"):
        assert of(path).headers[name] == "same-origin", path
    for path in ("/client.js", "/widget.js", "/widget"):
        assert of(path).headers[name] == "cross-origin"


def test_what_gradio_cannot_read_is_no_failure_and_not_repeated(at: At) -> None:
    refused = at().post("/gradio_api/queue/join", content=b'{"data": NaN, "x": "private"}')
    assert refused.status_code == 422 and "private" not in refused.text
    assert refused.headers["x-content-type-options"] == "nosniff"


def test_the_page_does_not_tell_where_on_its_machine_anything_lies(at: At) -> None:
    for path in ("/", "/config", "/gradio_api/info", "/openapi.json", "/docs"):
        shown = at().get(path).text
        for place in (sys.prefix, str(Path(gr.__file__).parent), str(PROJECT)):
            assert place not in shown, path


def test_gradios_own_monitoring_is_closed(at: At) -> None:
    for path in ("/monitoring", "/monitoring/summary"):
        assert at().get(path).status_code == 403, path


def test_nothing_is_uploaded_where_gradio_would_take_it(at: At) -> None:
    gradio = TestClient(App.create_app(gr.Blocks()))
    assert gradio.get("/gradio_api/upload").status_code == 405  # POST only
    assert at().post("/gradio_api/upload", files={"files": b"x"}).status_code == 403


def test_every_answer_has_the_security_headers(at: At) -> None:
    client = at()
    for path in ("/", "/v1/models", "/api/search?q=buffering", "/docs"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
