"""What a visitor of a public server adds is that visitor's alone, whichever door others come in
by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client

from ingest.background import Reading
from ingest.sessions import Sessions, link_of
from rag.doors.mcp_api import PATH
from rag.retrieval.embedder import Embedder
from rag.settings import Settings
from rag.store.library import Library
from rag.types import OWN
from tests.doors.test_mcp_api import connected
from tests.harness.browser import served

FERRY = "# Crossing\n\nThe ferry to Kestrel Island leaves at 07:40 from pier 12."
QUESTION = "When does the ferry to Kestrel Island leave?"
SECRETS = ("07:40", "pier 12", "harbour.txt", "Crossing")
COMMON = "How long does the dough rest?"


@dataclass
class Site:
    url: str
    mine: str  # the key of the visitor who has added the file
    document: int

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Site]:
    data, store = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("store")
    (data / "bread.md").write_text("# Bread\n\nThe dough rests for two hours before it is baked.")
    settings = Settings(data_dir=data, store_dir=store, uploads="session")
    reading = Reading(settings, lambda *_: embedder)
    reading.settled()
    url = served(reading, data_dir=data, store_dir=store, uploads="session")
    mine = Sessions(store, reading).enter("")
    headers = {"x-headwater-visitor": mine}
    added = httpx.post(
        f"{url}documents",
        params={"name": "harbour.txt"},
        content=FERRY,
        headers=headers,
        timeout=60,
    )
    assert json.loads(added.text.splitlines()[-1])["receipt"]["outcome"] == "added"
    sessions = Sessions(store, reading)
    [document] = documents_of(sessions._path / link_of(mine))
    yield Site(url, mine, document)
    reading.close()


def documents_of(folder: Path) -> list[int]:
    """The ids of a visitor's documents, whose store another has open."""
    [path] = folder.glob("*/library.db")
    with closing(Library(path)) as library:
        return [document.id for document in library.documents()]


def at_the_page(site: Site, question: str, visitor: str, collection: str = "") -> str:
    page = Client(site.url, verbose=False)
    return str(page.predict(question, visitor=visitor, collection=collection, api_name="/chat"))


def v1(site: Site, question: str, **more: Any) -> str:
    body = {"model": "headwater", "messages": [{"role": "user", "content": question}], **more}
    with site.client as client:
        return client.post("/v1/chat/completions", json=body, headers=own(site)).text


def ai_sdk(site: Site, question: str, **more: Any) -> str:
    message = {"id": "1", "role": "user", "parts": [{"type": "text", "text": question}]}
    body = {"id": "1", "messages": [message], "trigger": "submit-message", **more}
    with site.client as client:
        return client.post("/api/chat", json=body, headers=own(site)).text


def search(site: Site, question: str, **more: Any) -> str:
    with site.client as client:
        return client.get("/api/search", params={"q": question, **more}, headers=own(site)).text


def own(site: Site) -> dict[str, str]:
    """A caller who even knows the key, which is for the page alone."""
    return {"x-headwater-visitor": site.mine}


Door = Callable[..., str]
DOORS: dict[str, Door] = {"/v1": v1, "/api/chat": ai_sdk, "/api/search": search}


def test_the_visitor_is_answered_from_the_file_at_the_page_and_nobody_else(site: Site) -> None:
    shown = at_the_page(site, QUESTION, site.mine)
    assert "07:40" in shown and "harbour.txt" in shown
    for stranger in ("", "x" * 22, site.mine[::-1], link_of(site.mine)):
        for collection in ("", OWN, "harbour.txt", link_of(site.mine)):
            shown = at_the_page(site, QUESTION, stranger, collection)
            assert not [secret for secret in SECRETS if secret in shown.replace(collection, "", 1)]


@pytest.mark.parametrize("door", DOORS)
def test_a_door_for_programs_sees_nothing_of_a_sessions_file(site: Site, door: str) -> None:
    ask = DOORS[door]
    at_the_page(site, QUESTION, site.mine)  # what is kept of an answer is not given to another
    assert "two hours" in ask(site, COMMON)
    for more in ({}, {"visitor": site.mine}, {"collection": OWN}, {"collection": "harbour.txt"}):
        answer = ask(site, QUESTION, **more).replace(str(more.get("collection")), "")
        assert not [secret for secret in SECRETS if secret in answer]
    streamed = ask(site, QUESTION, stream=True) if door == "/v1" else ""
    named = v1(site, QUESTION, model=f"headwater/{OWN}") if door == "/v1" else ""
    with site.client as client:
        models = client.get("/v1/models", headers=own(site)).text
    assert not [secret for secret in SECRETS if secret in streamed + named + models]
    assert link_of(site.mine) not in streamed + named + models


@pytest.mark.anyio
async def test_an_assistant_over_mcp_sees_nothing_of_a_sessions_file(site: Site) -> None:
    async with connected(site.url.rstrip("/") + PATH) as client:
        common = await client.call_tool("search_documents", {"query": COMMON})
        assert "two hours" in str(common)
        for more in ({}, {"collection": OWN}, {"collection": link_of(site.mine)}):
            for tool, name in (("search_documents", "query"), ("ask_documents", "question")):
                result = str(await client.call_tool(tool, {name: QUESTION, **more}))
                assert not [secret for secret in SECRETS if secret in result]
        refused = await client.call_tool("ask_documents", {"question": "x", "visitor": site.mine})
        assert refused.isError and not [s for s in SECRETS if s in str(refused)]


def test_its_pages_and_its_file_are_behind_the_visitors_link_alone(site: Site) -> None:
    of = f"documents/{site.document}"
    with site.client as client:
        assert "07:40" in client.get(f"/own/{link_of(site.mine)}/{of}/pages/1").text
        for below in ("", f"own/{site.mine}/", f"own/{link_of(site.mine)[::-1]}/", "own/x/"):
            for what in ("pages/1", "pages/1.png", "file"):
                answer = client.get(f"/{below}{of}/{what}", headers=own(site))
                assert not [s for s in SECRETS if s in answer.text]
        for number in range(site.document + 3):
            assert "07:40" not in client.get(f"/documents/{number}/file").text
