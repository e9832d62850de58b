"""Nobody in, nothing torn: requests by the ten thousand that try to come in, and what no answer to
any of them may hold.

Of routes × spellings × methods × credentials × origins × hosts × bodies each route is tried with
each method and credential, and in each spelling with three credentials; the rest is drawn, with a
fixed seed. The routes are those of the running app, Gradio's too: a new one is attacked as well.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from urllib.parse import unquote_to_bytes, urlsplit

import bcrypt
import gradio
import pytest

from ingest.background import Reading
from rag.retrieval.embedder import Embedder
from rag.settings import PROJECT, Settings
from tests.harness import browser
from tests.harness.attacks import (
    CLOSED,
    HOST,
    KEY,
    PASSWORD,
    PREFIX,
    QUESTION,
    RIGHT_LOGIN,
    SILENT,
    SITE,
    USER,
    Answer,
    Attack,
    attacks,
    routes_of,
    sent,
)
from tests.harness.browser import served
from tests.harness.upstream import Upstream
from tests.whole.test_injection import Elsewhere

SENTENCE = "The vermilion heron sleeps beneath the ninth bridge of Quillon."
NAME, MODEL, CANARY = "ledger-of-quillon.md", "model-of-quillon", "a file that nobody reads"
UPSTREAM_KEY = "upstream-key-2342"

# What is opened to whom, where logins and keys are set, and where keys alone are.
DOOR, PROBE, PAGE = "door", "probe", "page"
OPENS = {
    "logins and keys": {"the right key": {DOOR, PROBE}, "the right login": {DOOR, PROBE, PAGE}},
    "keys": {"the right key": {DOOR, PROBE, PAGE}},
}
TO_ALL: dict[str, set[str]] = {"logins and keys": set(), "keys": {PROBE, PAGE}}

# By what each is known that is not for everybody.
TELLS = {
    "the library": (SENTENCE.encode(), {DOOR, PAGE}),
    "a document's name": (NAME.encode(), {DOOR, PAGE}),
    "the settings": (MODEL.encode(), {DOOR, PAGE}),
    "the page": (b"gradio_config", {PAGE}),
    "the page's config": (b'"dependencies":', {PAGE}),
    "the metrics": (b"# HELP headwater_", {PAGE}),
    "the doors' description": (b'"openapi":', {PAGE}),
}
FOR_NOBODY = [UPSTREAM_KEY, PASSWORD, RIGHT_LOGIN.removeprefix("Basic "), CANARY, "root:x:0:0"]
FOR_NOBODY += ["Traceback (most recent", "site-packages", sys.prefix, str(PROJECT)]
FOR_NOBODY += [str(Path(gradio.__file__).parent)]
HEADERS = ["content-security-policy", "referrer-policy", "cross-origin-resource-policy"]
UNREADABLE = b"Invalid HTTP request received."  # uvicorn's, to what is no HTTP
# What Gradio and mcp answer to calls that they cannot read, of those that are let in.
FAILURES = [b"Internal Server Error", b'{"error":null}']
FAILURES += [
    b'{"jsonrpc":"2.0","id":"server-error",'
    b'"error":{"code":-32603,"message":"Error handling POST request"}}'
]
FOREIGN = {"foreign", "alike", "null"}
REFUSED = {CLOSED, 400, 401, 403}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quillon")
    (folder / "data").mkdir()
    (folder / "data" / NAME).write_text(f"# Herons\n\n{SENTENCE}\n")
    (folder / "canary.txt").write_text(CANARY)
    return folder


@pytest.fixture(scope="module")
def secret(folder: Path, embedder: Embedder) -> Iterator[Reading]:
    settings = Settings(data_dir=folder / "data", store_dir=folder / "store")
    reading = Reading(settings, lambda *_: embedder)
    reading.settled()
    yield reading
    reading.close()


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (folder / "data").iterdir()}


def values(folder: Path, elsewhere: str) -> dict[str, list[str]]:
    """What the parameters of routes are tried with; all others are 1."""
    files = [f"{folder}/canary.txt", "/etc/passwd", f"{folder}/data/{NAME}"]
    return {
        "api_name": ["chat", "lambda", "_chat"],
        "path": ["index.html", "../" * 9 + "etc/passwd", "..%2f" * 9 + "etc/passwd", *files],
        "path_or_url": files,
        "url_path": [f"{elsewhere}/x", "http://169.254.169.254/latest", "file:///etc/passwd"],
    }


def kind_of(attack: Attack) -> str:
    route = attack.route
    if route == "/api/stats":  # as /metrics, for whoever may see the page
        return PAGE
    if route.startswith(("/v1/", "/api/", "/mcp")) or attack.spelling == "a query before":
        return DOOR
    return PROBE if route in ("/health", "/ready") else PAGE


def faults(attack: Attack, answer: Answer, mode: str, hidden: Sequence[str]) -> Iterator[str]:
    """What is in an answer that may never be; `hidden` is more that nobody may see."""
    status, kind = answer.status, kind_of(attack)
    opened = OPENS[mode].get(attack.credential, TO_ALL[mode])
    whole = str(answer.headers).encode() + answer.body
    for what in (*FOR_NOBODY, *hidden):
        if what.encode() in whole:
            yield f"{what} in the answer"
    is_sent_on = attack.credential == "the key in the query" and status == 307  # with its query
    if KEY.encode() in whole and not is_sent_on:
        yield "the key in the answer"
    for what, (mark, kinds) in TELLS.items():
        if mark in whole and not kinds & opened:
            yield f"{what} for who is not let in"
    # At the startup Gradio asks itself; a preflight is asked without credentials.
    is_preflight = attack.method == "OPTIONS" and attack.origin == "allowed" and status == 200
    is_harmless = "startup-events" in attack.route or (is_preflight and answer.body == b"OK")
    if kind not in opened and 200 <= status < 400 and not is_harmless:
        yield f"{kind} opened"
    if not opened and status not in REFUSED and not is_harmless:
        yield f"not refused but {status}"
    if status == SILENT:
        yield "no answer"
    is_documented = status == 503 and b"application/json" in whole
    if status >= 500 and not is_documented and not (opened and answer.body in FAILURES):
        yield f"failed with {status}"
    if attack.host == "a foreign name" and status not in REFUSED:
        yield "a foreign host was answered"
    changes, is_foreign = attack.method not in ("GET", "HEAD"), attack.origin in FOREIGN
    if changes and is_foreign and status not in {CLOSED, 400, 403}:
        yield "a foreign origin was not refused"
    if changes and attack.origin == "allowed" and kind != DOOR and status < 400 and not is_harmless:
        yield "an allowed origin changed something at the page"
    reads = is_foreign and attack.route != "/client.js"  # a module, which others' pages import
    if reads and any(name.startswith("access-control-allow") for name in answer.headers):
        yield "a foreign origin may read"
    if status > 0 and answer.body != UNREADABLE:
        lacking = [name for name in HEADERS if name not in answer.headers]
        if lacking or answer.headers.get("x-content-type-options") != "nosniff":
            yield f"without {lacking}"


async def tried(
    url: str, attacks: Sequence[tuple[Attack, bytes]]
) -> list[tuple[Attack, bytes, Answer]]:
    """The attacks with their requests and what was answered; 24 at a time."""
    port, answers = urlsplit(url).port or 0, []
    coming = iter(attacks)

    async def one_after_another() -> None:
        for attack, request in coming:
            answers.append((attack, request, await sent(port, request)))

    async with asyncio.TaskGroup() as group:
        for _ in range(24):
            group.create_task(one_after_another())
    return answers


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("mode", "root_path", "others", "most"),
    [
        ("logins and keys", "", 2500, None),
        ("logins and keys", PREFIX, 0, 4000),  # drawn from all that the first one tries
        ("keys", PREFIX, 0, 4000),
    ],
    ids=["logins and keys", "under a prefix", "keys alone, under a prefix"],
)
def test_nobody_comes_in_and_nothing_is_torn(
    secret: Reading,
    upstream: Upstream,
    folder: Path,
    mode: str,
    root_path: str,
    others: int,
    most: int | None,
) -> None:
    word = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    url = served(
        secret,
        auth={USER: word} if mode == "logins and keys" else {},
        api_keys=(KEY,),
        root_path=root_path,
        public_host=HOST,
        allowed_origins=(SITE,),
        trusted_proxies=("127.0.0.1",),
        OPENAI_MODEL=MODEL,
        OPENAI_API_KEY=UPSTREAM_KEY,
        OPENAI_BASE_URL=upstream.base_url,
    )
    routes = routes_of(browser.pages[-1].app.routes)
    assert {"/config", "/mcp", "/v1/models", "/gradio_api/queue/join"} < set(routes)
    random, before = Random(20261129), content(folder)
    with Elsewhere() as elsewhere:
        tries = [
            (attack, attack.request(values(folder, elsewhere.url), random))
            for n, attack in enumerate(attacks(routes, random, others))
            # What is let in is always tried: it must get what nobody else may.
            if most is None or n < most or (attack.spelling == "plain" and attack.method == "GET")
        ]
        answers = asyncio.run(tried(url, tries))
        assert elsewhere.visits == 0
    statuses = Counter(answer.status for _, _, answer in answers)
    print(f"\n{mode}, {root_path or 'no prefix'}: {len(routes)} routes, {len(answers)} tries,")
    print(f"answers by status: {dict(sorted(statuses.items()))}")
    found = [
        (fault, f"{attack}\n    {request[:300]!r}\n    {answer.status} {answer.body[:200]!r}")
        for attack, request, answer in answers
        # Who names a place may be told that it is closed.
        for hidden in [[] if bytes(folder) in unquote_to_bytes(request) else [str(folder)]]
        for fault in faults(attack, answer, mode, hidden)
    ]
    one_of_each = "".join(f"\n{fault}: {shown}" for fault, shown in dict(found).items())
    assert not found, f"{Counter(fault for fault, _ in found)}, such as{one_of_each}"
    # Who is let in does get all that: else nobody could see it missing.
    got = b"".join(answer.body for attack, _, answer in answers if attack.credential in OPENS[mode])
    assert [what for what, (mark, _) in TELLS.items() if mark not in got] == []
    assert content(folder) == before and [document.name for document in secret.documents()] == [
        NAME
    ]
    asked = f"GET /api/search?q={QUESTION.replace(' ', '+')} HTTP/1.1\r\nHost: {HOST}\r\n"
    asked += f"Authorization: Bearer {KEY}\r\nConnection: close\r\n\r\n"
    answer = asyncio.run(sent(urlsplit(url).port or 0, asked.encode()))
    assert answer.status == 200 and SENTENCE.encode() in answer.body
