"""A passage of a table, of records, a book, a letter or code is marked on the page it stands on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from rag.store.store import Store
from tests.documents.test_routes import Parsed, Shelve, chunks_of, client, data, shelve
from tests.ingest.test_data_formats import FUNCTION, PACKAGE, attached, epub

__all__ = ["client", "data", "shelve"]  # fixtures

ROWS = [(f"KX-{n}", f"the price of {n} is {n * 7} USD, tháng {n % 12 + 1}") for n in range(120)]
OBJECTS = [{"code": code, "about": {"text": text}} for code, text in ROWS]
FILES: dict[str, tuple[str | bytes, str]] = {
    "prices.csv": ("code,text\n" + "".join(f'{a},"{b}"\n' for a, b in ROWS), "52–101"),
    "prices.tsv": ("code\ttext\n" + "".join(f"{a}\t{b}\n" for a, b in ROWS), "52–101"),
    "flat.json": (json.dumps([{"code": a, "text": b} for a, b in ROWS]), "51–100"),
    "nested.json": (json.dumps(OBJECTS), "51–100"),
    "lines.jsonl": ("\n".join(map(json.dumps, OBJECTS)), "51–100"),
    "settings.yaml": ("".join(f"{a}:\n  text: {b}\n\n" for a, b in ROWS), "121–240"),
    "module.py": ("".join(FUNCTION % (n, n) for n in range(60)), "118–234"),
    "book.epub": (epub(PACKAGE % ("", "")), "2 · Two"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_passage_is_marked_on_its_page_which_is_called_by_its_name(
    name: str, client: TestClient, shelve: Shelve, store: Store, data: Path
) -> None:
    content, second = FILES[name]
    shelve(name, content)
    chunks = chunks_of(store.library, name)
    assert second in {chunk.page_name for chunk in chunks if chunk.page == 2}
    for chunk in chunks:
        address = f"/documents/1/pages/{chunk.page}?chunk={chunk.id}"
        page = Parsed(client.get(address).text)
        shown = chunk.text.split()
        marked = "".join(page.marks).split()
        assert marked and shown[-len(marked) :] == marked
        assert len(shown) - len(marked) <= 3  # a table's head that is repeated
        assert page.ids == ["passage"]
        assert chunk.page_name in page.text
        assert "role" not in str(page.elements)  # no notice


def test_a_letter_is_marked(client: TestClient, shelve: Shelve, store: Store) -> None:
    shelve("a.eml", attached())
    (chunk,) = chunks_of(store.library, "a.eml")
    page = Parsed(client.get(f"/documents/1/pages/1?chunk={chunk.id}").text)
    assert "".join(page.marks).split() == chunk.text.split()
    assert client.get("/documents/1/file").headers["content-type"] == "application/octet-stream"
