"""The description of the doors for programs, and whether they are as it says for whatever comes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from ingest.background import Reading
from rag.doors.ai_sdk import UiChat
from rag.doors.openai_wire import ChatCompletion, CompletionBody, ModelList, OneModel
from rag.doors.plain_stream import PlainChat
from rag.doors.sources import Found
from tests.harness.browser import served

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
]


@pytest.fixture(scope="module")
def url(reading: Reading) -> str:
    return served(reading)


def test_every_route_has_examples_and_says_what_its_errors_are(url: str) -> None:
    described = httpx.get(f"{url}openapi.json").json()
    routes: dict[str, Any] = {
        f"{method} {path}": route
        for path, methods in described["paths"].items()
        for method, route in methods.items()
    }
    assert set(routes) == {
        "get /v1/models",
        "get /v1/models/{name}",
        "post /v1/chat/completions",
        "post /api/chat",
        "post /api/chat/stream",
        "get /api/search",
    }
    for name, route in routes.items():
        assert route["summary"] and "401" in route["responses"], name
        assert "422" not in route["responses"], name  # FastAPI's own, which is never sent
        kinds = route["responses"]["200"]["content"]
        if "application/json" in kinds:
            shape = kinds["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert described["components"]["schemas"][shape]["examples"], name
        else:
            assert kinds["text/event-stream"]["example"], name
    assert "examples" in described["components"]["schemas"]["ChatCompletion"]
    assert "examples" in described["components"]["schemas"]["UiChat"]
    assert "examples" in described["components"]["schemas"]["PlainChat"]
    [q, *_] = routes["get /api/search"]["parameters"]
    assert q["schema"]["examples"] and q["examples"]


def test_the_examples_have_the_shapes_that_they_are_examples_of() -> None:
    for model in (ChatCompletion, CompletionBody, ModelList, OneModel, PlainChat, UiChat, Found):
        extra: Any = model.model_config["json_schema_extra"]
        for example in extra["examples"]:
            checked = model.model_validate(example)
            if isinstance(checked, CompletionBody):
                message: Any = checked.choices[0]["message"]
                place = message["annotations"][0]["url_citation"]
                cited = message["content"][place["start_index"] : place["end_index"]]
                assert cited == "[1]" and place["supported"] is True


def test_the_description_is_shown_without_a_request_to_another_site(tab: Page, url: str) -> None:
    hosts: set[str | None] = set()
    tab.on("request", lambda request: hosts.add(httpx.URL(request.url).host))
    tab.goto(f"{url}docs")
    expect(tab.get_by_text("/v1/chat/completions")).to_be_visible()
    expect(tab.get_by_text("/api/search")).to_be_visible()
    assert hosts == {"127.0.0.1"}


@pytest.mark.timeout(1200)
@pytest.mark.slow
def test_generated_requests_get_what_is_described_and_never_a_server_error(
    url: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}openapi.json"]
    command += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"]
    # One worker: in Python 3.11 two threads that call ast.parse at once, as it does, can fail.
    command += [
        "--max-examples",
        "480",
        "--workers",
        "1",
        "--continue-on-failure",
        "--no-color",
    ]
    run = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"COLUMNS": "100"}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-1000:]
    [generated] = re.findall(r"(\d+) generated", run.stdout)
    print(f"\n{generated} requests")
    assert int(generated) >= 2000
