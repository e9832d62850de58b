"""`GET /api/search`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.background import Reading
from rag.retrieval.embedder import Embedder
from rag.settings import Settings
from tests.harness.browser import served

EN, VI = "What does X-Accel-Buffering do?", "X-Accel-Buffering dùng để làm gì?"


@pytest.fixture(scope="module")
def client(reading: Reading) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served(reading), timeout=60) as client:
        yield client


def search(client: httpx.Client, **query: Any) -> Any:
    return client.get("/api/search", params=query)


def test_passages_come_ranked_with_scores_and_the_verdict(client: httpx.Client) -> None:
    found = search(client, q=EN, k=3).json()
    assert found["query"] == EN and found["verdict"] == "answer"
    assert found["best_score"] >= found["threshold"]
    sources = found["sources"]
    assert [source["number"] for source in sources] == [1, 2, 3]
    assert sources[0]["document"] == "proxies-and-buffering.md"
    assert "X-Accel-Buffering" in sources[0]["text"]
    assert sources[0]["page_name"] == "nginx › The X-Accel-Buffering header"
    assert all(0 <= source["score"] <= 1 for source in sources)


def test_a_vietnamese_question_finds_a_vietnamese_passage(client: httpx.Client) -> None:
    assert search(client, q=VI).json()["sources"][0]["document"].startswith("vi-")


def test_the_address_of_a_passage_opens_its_page(client: httpx.Client) -> None:
    [source, *_] = search(client, q=EN).json()["sources"]
    page = client.get("/" + source["url"])
    assert page.status_code == 200 and "<mark" in page.text


def test_what_the_documents_do_not_answer_is_told_by_the_verdict(client: httpx.Client) -> None:
    found = search(client, q="Who won the chess championship of 1972 in Reykjavik?").json()
    assert found["verdict"] == "refuse" and found["best_score"] < found["threshold"]


@pytest.mark.parametrize(
    ("query", "status", "code", "param"),
    [
        ({}, 400, "invalid_request", "q"),
        ({"q": ""}, 400, "invalid_request", "q"),
        ({"q": "?!"}, 400, "invalid_question", None),
        ({"q": "x" * 4001}, 400, "invalid_request", "q"),
        ({"q": EN, "k": 0}, 400, "invalid_request", "k"),
        ({"q": EN, "k": "many"}, 400, "invalid_request", "k"),
        ({"q": EN, "collection": "nowhere"}, 404, "unknown_collection", None),
    ],
)
def test_a_bad_request_says_what_is_wrong(
    client: httpx.Client, query: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    refused = search(client, **query)
    assert refused.status_code == status
    error = refused.json()["error"]
    assert (error["code"], error["param"]) == (code, param) and error["message"]


def test_an_empty_library_says_so(tmp_path: Path, embedder: Embedder) -> None:
    data = tmp_path / "data"
    data.mkdir()
    reading = Reading(Settings(data_dir=data, store_dir=tmp_path / "store"), lambda *_: embedder)
    reading.settled()
    with httpx.Client(base_url=served(reading), timeout=60) as client:
        refused = search(client, q=EN)
    reading.close()
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "library_empty"


def test_what_is_redacted_is_hidden_and_opens_nothing(reading: Reading) -> None:
    with httpx.Client(base_url=served(reading, redact=("email",)), timeout=60) as client:
        sources = search(client, q="Write to lan@example.vn about X-Accel-Buffering").json()
    assert "lan@example.vn" not in str(sources["sources"])
    assert {source["url"] for source in sources["sources"]} == {None}


def test_several_documents_are_named_in_the_same_words_at_every_door(client: httpx.Client) -> None:
    """`collection` is one, `documents` are several, alone or beside it."""
    names = ["caching.md", "proxies-and-buffering.md"]
    listing, both = "Which documents are there?", sorted(names)

    def found(answer: httpx.Response) -> list[str]:
        assert answer.status_code == 200, answer.text
        return sorted(set(re.findall("|".join(map(re.escape, [*names, "retrieval"])), answer.text)))

    query = {"q": listing, "documents": names}
    assert found(client.get("/api/search", params=query)) == both
    query = {"q": listing, "documents": names[:1], "collection": names[1]}
    assert found(client.get("/api/search", params=query)) == both
    said = [{"role": "user", "content": listing}]
    for path in ("/v1/chat/completions", "/api/chat", "/api/chat/stream"):
        for places in (names, names[:1], names[0]):
            body = {"messages": said, "documents": places}
            expected = both if places is names else both[:1]
            assert found(client.post(path, json=body)) == expected, (path, places)
        body = {"messages": said, "documents": ["x" * 501]}
        assert client.post(path, json=body).status_code == 400


def test_a_collection_is_searched_alone(tmp_path: Path, embedder: Embedder) -> None:
    data = tmp_path / "data"
    for folder, hour in (("harbour", "six"), ("station", "nine")):
        (data / folder).mkdir(parents=True)
        (data / folder / "a.md").write_text(f"# {folder}\n\nThe {folder} opens at {hour} o'clock.")
    reading = Reading(Settings(data_dir=data, store_dir=tmp_path / "store"), lambda *_: embedder)
    reading.settled()
    with httpx.Client(base_url=served(reading), timeout=60) as client:
        found = search(client, q="When does it open?", collection="station").json()
        models = [model["id"] for model in client.get("/v1/models").json()["data"]]
        question = {"role": "user", "content": "When does the station open?"}
        body = {"model": "headwater/harbour", "messages": [question]}
        asked = client.post("/v1/chat/completions", json=body).json()
    reading.close()
    assert {source["document"] for source in found["sources"]} == {"station/a.md"}
    assert "headwater/harbour" in models and "headwater/station" in models
    assert {result["document"] for result in asked["search_results"]} == {"harbour/a.md"}
