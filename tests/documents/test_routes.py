"""A source opens its page: the right one, marked, and nothing that is not in the library."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from io import BufferedReader
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from ingest import readers, sync, viewing
from rag import pdfium
from rag.documents import picture
from rag.documents.originals import Originals
from rag.documents.page import View, show
from rag.documents.routes import documents
from rag.doors.guard import Guard
from rag.errors import StoreError
from rag.retrieval.embedder import Embedder
from rag.settings import PROJECT
from rag.store.library import Library
from rag.store.store import Store
from rag.types import Chunk
from tests.harness import scans
from tests.ingest import hostile
from tests.ingest.test_readers import LINES, pdf

Shelve = Callable[..., None]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def client(data: Path, store: Store) -> TestClient:
    return served(lambda: store.library, data)


@pytest.fixture
def shelve(data: Path, store: Store, embedder: Embedder) -> Shelve:
    """Puts a file into the data folder and reads it."""

    def put(name: str, content: bytes | str) -> None:
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        folder, scope = sync.locate(data, data)
        receipts = list(sync.sync(folder, scope, store, embedder, lambda *_: None))
        assert not [receipt for receipt in receipts if receipt.outcome == "failed"]

    return put


def served(shelf: Callable[[], Library | None], data: Path) -> TestClient:
    originals = Originals(data, sync.digest, viewing)
    return TestClient(
        Starlette(routes=documents(lambda _: shelf(), originals), middleware=[Middleware(Guard)])
    )


def id_of(library: Library, name: str) -> int:
    chunks = library.chunks(library.chunk_ids()).values()
    return next(chunk.document_id for chunk in chunks if chunk.document == name)


def chunks_of(library: Library, name: str) -> list[Chunk]:
    chunks = library.chunks(library.chunk_ids()).values()
    return [chunk for chunk in chunks if chunk.document == name]


class Parsed(HTMLParser):
    """What a browser makes of a page: its elements, its text, and the text of each mark."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.marks: list[str] = []
        self._marking = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "mark":
            self._marking = True
            self.marks.append("")

    def handle_endtag(self, tag: str) -> None:
        self._marking = self._marking and tag != "mark"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._marking:
            self.marks[-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.elements if "id" in attributes]

    @property
    def links(self) -> list[str]:
        return [str(attributes["href"]) for attributes in self.all("a")]


LONG = "\n\n".join(
    f"Điều {n}\n\nNhân viên <chính thức> được nghỉ {n} ngày & hưởng lương. Nói “xin phép” trước. "
    f"The employee of section {n} may take {n} days of leave, and is paid for them. " * 3
    for n in range(1, 9)
)


def test_a_passage_of_a_text_is_marked_in_its_whole_document(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    shelve("nội quy.md", LONG)
    document_id = id_of(store.library, "nội quy.md")
    chunks = chunks_of(store.library, "nội quy.md")
    assert len(chunks) > 3
    for chunk in chunks:
        page = Parsed(client.get(f"/documents/{document_id}/pages/1?chunk={chunk.id}").text)
        assert "".join(page.marks).split() == chunk.text.split()
        assert page.ids == ["passage"]
        assert " ".join(LONG.split()) in " ".join(page.text.split())


def test_the_rows_of_a_table_that_was_cut_are_marked_without_its_repeated_head(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    rows = [f"| KX-{n} | {n * 7} USD without tax |" for n in range(100, 190)]
    shelve("prices.md", "\n".join(["# Prices", "", "| Code | Price |", "|---|---|", *rows]))
    first, *others = chunks_of(store.library, "prices.md")
    assert len(others) > 2
    for chunk in others:
        assert chunk.text.startswith("Code | Price\nKX-")
        page = Parsed(client.get(f"/documents/1/pages/1?chunk={chunk.id}").text)
        assert "Code | Price\n" + "".join(page.marks) == chunk.text
        assert page.text.count("Code | Price") == 1
    both = client.get(f"/documents/1/pages/1?chunk={first.id}&chunk={others[0].id}").text
    assert "".join(Parsed(both).marks).count("Code | Price") == 1


def test_without_a_passage_the_page_is_shown_unmarked(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    shelve("a.txt", "A title\n\nOne paragraph.\n\nAnother one.")
    answer = client.get("/documents/1/pages/1")
    page = Parsed(answer.text)
    assert (page.marks, page.ids) == ([], [])
    assert len(page.all("p")) == 4  # its place and its paragraphs
    assert page.links == ["../file"]
    assert "A title" in page.text
    assert "trang 1/1 · page 1 of 1" in page.text
    assert answer.headers["cache-control"] == "private, no-store"


def test_of_the_same_words_twice_the_passage_itself_is_marked(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    again = "The same words again. " * 40
    shelve("a.txt", f"{again.strip()}\n\nBetween them. {'Filler. ' * 110}\n\n{again.strip()}")
    chunks = [c for c in chunks_of(store.library, "a.txt") if c.text == again.strip()]
    assert len(chunks) == 2
    before = []
    for chunk in chunks:
        page = client.get(f"/documents/1/pages/1?chunk={chunk.id}").text
        before.append(page.index('id="passage"'))
    assert before[1] - before[0] > 900


def test_a_passage_of_a_pdf_is_marked_on_its_drawn_page(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    shelve("báo cáo.pdf", pdf([LINES, ["The second page of it, with its own words."]]))
    first, second = chunks_of(store.library, "báo cáo.pdf")
    page = Parsed(client.get(f"/documents/1/pages/1?chunk={first.id}").text)
    assert len(page.all("span")) == len(LINES)
    assert page.ids == ["passage"]
    assert page.all("span")[0]["id"] == "passage"
    assert page.all("img")[0]["src"] == "1.png"
    assert page.links == ["2", "../file"]
    assert page.marks == [first.text]
    assert "open" not in page.all("details")[0]
    picture = client.get("/documents/1/pages/1.png")
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).size == (1224, 1584)
    page = Parsed(client.get(f"/documents/1/pages/2?chunk={second.id}").text)
    assert page.links == ["1", "../file"]


def looks(page: Parsed, tag: str) -> list[str | None]:
    return [attributes.get("class") for attributes in page.all(tag)]


def test_the_sentence_that_supports_a_claim_is_marked_in_its_passage(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    shelve("tide.txt", "The ferry waits. The tide turns at noon on Mondays. Nobody sleeps.")
    (chunk,) = chunks_of(store.library, "tide.txt")
    start = chunk.text.index("The tide")
    asked = f"/documents/1/pages/1?chunk={chunk.id}&from={start}&to={chunk.text.index(' Nobody')}"
    page = Parsed(client.get(asked).text)
    assert page.marks == [
        "The ferry waits. ",
        "The tide turns at noon on Mondays.",
        " Nobody sleeps.",
    ]
    assert looks(page, "mark") == ["around", None, "around"]
    assert page.all("mark")[1]["id"] == "passage" and page.ids == ["passage"]


def test_on_a_drawn_page_the_passage_is_outlined_and_its_sentence_marked(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    shelve("tide.pdf", pdf([LINES]))
    (chunk,) = chunks_of(store.library, "tide.pdf")
    start = chunk.text.index("and a second")
    asked = f"/documents/1/pages/1?chunk={chunk.id}&from={start}&to={len(chunk.text)}"
    page = Parsed(client.get(asked).text)
    assert looks(page, "span") == ["around", "around", ""]
    assert page.all("span")[2]["id"] == "passage" and page.ids == ["passage"]
    assert page.all("span")[2]["style"] == page.all("span")[1]["style"]


@pytest.mark.parametrize("places", ["from=0", "from=5&to=5", "from=0&to=9999", "from=-1&to=4"])
def test_a_place_outside_of_the_passage_is_not_there(
    client: TestClient, shelve: Shelve, store: Store, places: str
) -> None:
    shelve("tide.txt", "The tide turns at noon.")
    (chunk,) = chunks_of(store.library, "tide.txt")
    assert client.get(f"/documents/1/pages/1?chunk={chunk.id}&{places}").status_code == 404


def test_every_page_of_the_projects_own_documents_opens(shelf: Store) -> None:
    client = served(lambda: shelf.library, PROJECT / "data")
    for document in shelf.library.documents():
        document_id = id_of(shelf.library, document.name)
        for chunk in chunks_of(shelf.library, document.name)[::6]:
            answer = client.get(f"/documents/{document_id}/pages/{chunk.page}?chunk={chunk.id}")
            page = Parsed(answer.text)
            assert answer.status_code == 200
            assert page.ids == ["passage"]
            assert not re.search('class="notice"', answer.text)
            assert bool(page.all("img")) is document.name.endswith(".pdf")


def test_a_passage_that_the_picture_does_not_hold_is_marked_in_the_text(
    client: TestClient, store: Store, data: Path, embedder: Embedder, shelve: Shelve
) -> None:
    shelve("a.pdf", pdf([LINES]))
    document = store.library.documents()[0]
    text = "This text was recognised by another program."
    store.replace(document, [(1, text)], embedder.embed([text], lambda _: None))
    (chunk,) = chunks_of(store.library, "a.pdf")
    document_id = id_of(store.library, "a.pdf")
    page = Parsed(client.get(f"/documents/{document_id}/pages/1?chunk={chunk.id}").text)
    assert page.all("span") == []
    assert page.marks == [text]
    assert page.ids == ["passage"]
    assert "open" in page.all("details")[0]
    assert "could not be found on the picture" in page.text


@pytest.mark.parametrize("name", ["a.txt", "a.pdf"])
@pytest.mark.parametrize("change", ["changed", "removed", "a folder"])
def test_of_a_changed_file_the_stored_text_is_shown_and_nothing_else(
    client: TestClient, store: Store, data: Path, shelve: Shelve, name: str, change: str
) -> None:
    text = LONG.replace("“", '"').replace("”", '"')
    shelve(name, text if name == "a.txt" else pdf([LINES]))
    path = data / name
    path.unlink()
    if change == "changed":
        path.write_text("A secret that was put there later.")
    elif change == "a folder":
        path.mkdir()
    for chunk in chunks_of(store.library, name):
        answer = client.get(f"/documents/1/pages/1?chunk={chunk.id}")
        page = Parsed(answer.text)
        assert answer.status_code == 200
        assert "has changed since it was read" in page.text
        assert "".join(page.marks).split() == chunk.text.split()
        assert page.links == []
        assert "secret" not in answer.text
    if name == "a.txt":
        assert " ".join(text.split()) in " ".join(page.text.split())
    assert client.get("/documents/1/file").status_code == 404
    assert client.get("/documents/1/pages/1.png").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/documents/2/pages/1",
        "/documents/0/pages/1",
        "/documents/-1/pages/1",
        "/documents/1/pages/0",
        "/documents/1/pages/3",
        "/documents/1/pages/1?chunk=99",
        "/documents/1/pages/2?chunk=1",
        "/documents/1/pages/1?chunk=",
        "/documents/1/pages/1?chunk=1%20or%201=1",
        "/documents/1/pages/1?chunk=%C2%B2",
        "/documents/1/pages/3.png",
        "/documents/2/pages/1.png",
        f"/documents/{'9' * 30}/pages/1",
        f"/documents/{'9' * 18}/pages/{'9' * 18}",
        f"/documents/1/pages/{'9' * 5000}",
        "/documents/1e0/pages/1",
        "/documents/١/pages/1",
        "/documents/a.pdf/pages/1",
        "/documents/a.pdf/file",
        "/documents/..%2fsecret.txt/file",
        "/documents/%2e%2e/file",
        "/documents/..%5csecret.txt/file",
        "/documents/1%00/file",
        "/documents/%2fetc%2fpasswd/file",
        "/documents//etc/passwd",
        "/documents/1/../../secret.txt",
        "/documents/1/file/a.pdf",
    ],
)
def test_what_is_not_in_the_library_is_not_there(
    client: TestClient, shelve: Shelve, data: Path, path: str
) -> None:
    shelve("a.pdf", pdf([LINES, LINES]))
    (data.parent / "secret.txt").write_text("secret")
    answer = client.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace("secret.txt", "")


def test_a_text_has_no_picture(client: TestClient, shelve: Shelve) -> None:
    shelve("a.txt", "Only text.")
    assert client.get("/documents/1/pages/1.png").status_code == 404


def test_a_document_that_was_forgotten_or_read_again_keeps_no_page(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    shelve("a.txt", "The first version.")
    (before,) = chunks_of(store.library, "a.txt")
    shelve("a.txt", "The second version.")
    answer = client.get(f"/documents/1/pages/1?chunk={before.id}")
    assert answer.status_code == 404
    assert "was read again or removed" in answer.text
    store.remove("", "a.txt")
    assert client.get("/documents/1/pages/1").status_code == 404


ATTACKS = [
    "<script>alert(1)</script>",
    '" onload="alert(1)" x="',
    "' onmouseover='alert(1)",
    "</title></style></mark></p><img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>click</a>",
    "[click](javascript:alert(1))",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<!-- --><iframe src=//evil.example></iframe>",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_markup_in_a_document_is_shown_as_text(
    client: TestClient, shelve: Shelve, store: Store, attack: str
) -> None:
    name = f"{attack.replace('/', '')}.txt"
    shelve(name, f"{attack}\n\nText with {attack} in it.")
    (chunk,) = chunks_of(store.library, name)
    answer = client.get(f"/documents/1/pages/1?chunk={chunk.id}")
    page = Parsed(answer.text)
    assert f"Text with {attack} in it." in page.text
    assert page.text.count(attack) >= 3  # the title, and twice in the text
    assert not {name for name, _ in page.elements} & {"script", "img", "iframe"}
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert page.links == ["../file"]
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in str(page.all("meta")[1]["content"])


def test_markup_in_a_pdfs_title_and_text_is_shown_as_text(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    text = "<script>alert 1</script> and enough words to be read as a page."
    shelve("a.pdf", pdf([[text]], b'/Title (" onload="alert <script>)'))
    page = Parsed(client.get("/documents/1/pages/1").text)
    assert text in page.text
    assert '" onload="alert <script>' in page.text
    assert page.all("script") == []


def test_a_picture_is_shown_beside_its_text_with_the_passage_marked(
    client: TestClient, shelve: Shelve, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans.readable()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter to the right
    upright = scans.page("The lighthouse keeper counted forty boats.")
    shelve("keeper.jpg", scans.file("JPEG", upright.rotate(90, expand=True), exif=exif))
    monkeypatch.setenv("PATH", "")  # a page that is looked at is not read once more
    document_id = id_of(store.library, "keeper.jpg")
    (chunk,) = chunks_of(store.library, "keeper.jpg")
    assert (chunk.page, chunk.page_name) == (1, "1 · OCR")
    address = f"/documents/{document_id}/pages/1"
    page = Parsed(client.get(f"{address}?chunk={chunk.id}").text)
    assert page.marks == ["The lighthouse keeper counted forty boats."]
    assert "page 1 · OCR" in page.text and "trang 1 · OCR" in page.text
    assert "could not be found on the picture" in page.text
    assert [set(details) for details in page.all("details")] == [{"open"}]
    assert (page.all("img")[0]["src"], page.ids) == ("1.png", ["passage"])
    assert Image.open(io.BytesIO(client.get(f"{address}.png").content)).size == upright.size
    original = client.get(f"/documents/{document_id}/file")
    assert original.headers["content-type"] == "image/jpeg"
    assert original.headers["content-disposition"].startswith("inline")
    assert client.get(f"/documents/{document_id}/pages/2.png").status_code == 404


def test_a_scanned_page_is_drawn_beside_its_text_with_the_passage_marked(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    scans.readable()
    shelve("rule.pdf", scans.file("PDF", scans.page("Nhân viên được nghỉ mười hai ngày.")))
    (chunk,) = chunks_of(store.library, "rule.pdf")
    address = f"/documents/{id_of(store.library, 'rule.pdf')}/pages/1"
    page = Parsed(client.get(f"{address}?chunk={chunk.id}").text)
    assert page.marks == ["Nhân viên được nghỉ mười hai ngày."]
    assert "page 1 · OCR" in page.text and "could not be found on the picture" in page.text
    assert client.get(f"{address}.png").headers["content-type"] == "image/png"


def test_a_pdf_and_plain_text_are_shown_and_everything_else_is_saved(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    files = {
        "a.pdf": (pdf([LINES]), "application/pdf", "inline"),
        "b.txt": ("Chữ thường".encode(), "text/plain; charset=utf-8", "inline"),
        "c.md": (b"# <script>alert(1)</script>", "text/plain; charset=utf-8", "inline"),
        "d.html": (b"<p>Text<script>alert(1)</script>", "application/octet-stream", "attachment"),
        "e.HTM": (b"<p>Text", "application/octet-stream", "attachment"),
        "f.txt": ("Tệp cũ".encode("utf-16"), "application/octet-stream", "attachment"),
    }
    for name, (content, media_type, disposition) in files.items():
        shelve(name, content)
        answer = client.get(f"/documents/{id_of(store.library, name)}/file")
        assert answer.content == content
        assert answer.headers["content-type"] == media_type
        assert answer.headers["content-disposition"].split(";")[0] == disposition
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    "name", ["Nội quy “mới” 2024.txt", 'a";filename="b.exe.txt', "thư mục/tệp\nmới.txt"]
)
def test_a_file_is_saved_under_its_own_name(
    client: TestClient, shelve: Shelve, store: Store, name: str
) -> None:
    shelve(name, "Nội dung.")
    header = client.get(f"/documents/{id_of(store.library, name)}/file").headers
    base = quote(name.rsplit("/", 1)[-1])
    assert header["content-disposition"] == f"inline; filename*=utf-8''{base}"


def test_a_document_from_outside_the_data_folder_opens_too(
    client: TestClient, store: Store, embedder: Embedder, tmp_path: Path, data: Path
) -> None:
    outside = tmp_path / "nơi khác"
    outside.mkdir()
    (outside / "a.txt").write_text("Text from elsewhere.")
    folder, scope = sync.locate(outside, data)
    list(sync.sync(folder, scope, store, embedder, lambda *_: None))
    page = client.get("/documents/1/pages/1")
    assert "Text from elsewhere." in page.text
    assert str(outside) not in page.text
    assert client.get("/documents/1/file").text == "Text from elsewhere."


def test_a_document_whose_file_became_a_link_to_the_outside_is_not_shown(
    client: TestClient, shelve: Shelve, store: Store, tmp_path: Path, data: Path
) -> None:
    for name, content in (("a.md", "Kept."), ("deep/b.pdf", pdf([LINES]))):
        shelve(name, content)
        place = data / Path(name).parts[0]
        place.rename(tmp_path / place.name)  # the same bytes, so that only the link differs
        place.symlink_to(tmp_path / place.name)
        number = id_of(store.library, name)
        assert client.get(f"/documents/{number}/file").status_code == 404
        assert client.get(f"/documents/{number}/pages/1.png").status_code == 404
        assert "The original file is gone" in client.get(f"/documents/{number}/pages/1").text
        allowed = Originals(data, sync.digest, viewing, follow_links=True)
        routes = documents(lambda _: store.library, allowed)
        assert TestClient(Starlette(routes=routes)).get(f"/documents/{number}/file").is_success
        place.unlink()
        (tmp_path / place.name).rename(place)
        assert client.get(f"/documents/{number}/file").is_success


def test_a_link_inside_the_data_folder_is_shown_and_the_folder_may_be_one(
    store: Store, shelve: Shelve, data: Path, tmp_path: Path
) -> None:
    (data / "linked.md").symlink_to(data / "a.md")
    shelve("a.md", "The ferry leaves at nine.")
    (tmp_path / "data link").symlink_to(data)
    client = served(lambda: store.library, tmp_path / "data link")
    for name in ("a.md", "linked.md"):
        answer = client.get(f"/documents/{id_of(store.library, name)}/file")
        assert answer.text == "The ferry leaves at nine."


def test_what_is_sent_is_the_file_that_was_looked_at(
    store: Store, shelve: Shelve, data: Path, tmp_path: Path
) -> None:
    shelve("a.bin.md", "The ferry leaves at nine.")
    (tmp_path / "secret").write_text("What nobody may see.    ")

    def digest(path: Path, file: BufferedReader, lacks_text: bool) -> str:
        found = sync.digest(path, file, lacks_text)
        (data / "a.bin.md").unlink()  # in the moment after the look
        (data / "a.bin.md").symlink_to(tmp_path / "secret")
        return found

    originals = Originals(data, digest, viewing)
    client = TestClient(Starlette(routes=documents(lambda _: store.library, originals)))
    answer = client.get("/documents/1/file", headers={"range": "bytes=4-8"})
    assert (answer.status_code, answer.text) == (206, "ferry")


@pytest.mark.parametrize("deed", ["crash", "sleep 60", "exit 0", "fault x"])
def test_a_hostile_file_that_is_opened_is_shown_by_its_text_and_costs_nobody_else_anything(
    client: TestClient,
    shelve: Shelve,
    store: Store,
    tmp_path: Path,
    deed: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(readers.READERS, ".hostile", hostile)
    monkeypatch.setattr(viewing, "LIMITS", replace(viewing.LIMITS, seconds=1))
    shelve("a.hostile", text := f"once {tmp_path / 'released'} {deed}")
    shelve("b.md", "The ferry leaves at nine.")
    (tmp_path / "released").touch()
    for _ in range(2):
        page = client.get(f"/documents/{id_of(store.library, 'a.hostile')}/pages/1")
        assert page.status_code == 200 and Parsed(page.text).text.count(text) == 1
        other = client.get(f"/documents/{id_of(store.library, 'b.md')}/pages/1")
        assert "The ferry leaves at nine." in other.text


@pytest.mark.timeout(120)
def test_a_page_is_drawn_apart_from_this_process(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    shelve("a.pdf", pdf([LINES]))
    shelve("b.png", scans.file("PNG", Image.linear_gradient("L")))
    with pdfium._lock, picture._one:  # what works here would wait for ever
        for name in ("a.pdf", "b.png") if "b.png" in names(store.library) else ("a.pdf",):
            page = f"/documents/{id_of(store.library, name)}/pages/1"
            assert client.get(f"{page}.png").content.startswith(b"\x89PNG")
            assert "<img" in client.get(page).text


def names(library: Library) -> set[str]:
    return {document.name for document in library.documents()}


def test_while_the_library_is_opened_readers_are_asked_to_try_again(data: Path) -> None:
    answer = served(lambda: None, data).get("/documents/1/pages/1")
    assert answer.status_code == 503
    assert "Try again" in answer.text


def test_a_store_that_fails_says_so(data: Path, tmp_path: Path) -> None:
    library = Library(tmp_path / "library.db")
    library.close()
    with pytest.raises(StoreError):
        library.documents()
    answer = served(lambda: library, data).get("/documents/1/file")
    assert answer.status_code == 503
    assert "cannot be used" in answer.text


def test_a_damaged_page_is_shown_as_its_text(
    client: TestClient, store: Store, data: Path, embedder: Embedder, shelve: Shelve
) -> None:
    shelve("a.pdf", pdf([LINES]))
    (data / "a.pdf").write_bytes(b"%PDF-1.4 nothing that PDFium can open")
    document = store.library.documents()[0]
    with (data / "a.pdf").open("rb") as file:
        digest = sync.digest(data / "a.pdf", file, False)
    text = "What was read of it."
    changed = type(document)("", "a.pdf", "A", digest, 1, 1, 1)
    store.replace(changed, [(1, text)], embedder.embed([text], lambda _: None))
    pages = f"/documents/{id_of(store.library, 'a.pdf')}/pages"
    page = Parsed(client.get(f"{pages}/1").text)
    assert "This page cannot be drawn" in page.text
    assert text in page.text
    assert page.links == ["../file"]
    assert client.get(f"{pages}/1.png").status_code == 404


def test_a_page_needs_no_server_to_be_written() -> None:
    view = View("T", "t.pdf", 2, 3, "one\n\ntwo\nthree\n\nfour", (5, 14), None, None, False)
    page = Parsed(show(view))
    assert page.marks == ["two\nthree"]
    assert page.links == ["1", "3"]


def test_ragflow_7232_a_citation_of_a_document_that_was_replaced_never_shows_another_passage(
    client: TestClient, shelve: Shelve, store: Store
) -> None:
    shelve("a.md", "The ferry leaves at nine.")
    (chunk,) = store.library.chunk_ids()
    before = f"/documents/{id_of(store.library, 'a.md')}/pages/1?chunk={chunk}"
    assert "leaves at nine" in client.get(before).text
    shelve("a.md", "The tide turns at noon.")
    shelve("b.md", "The gull sleeps at night.")
    page = client.get(before)
    assert page.status_code == 404 and "noon" not in page.text and "gull" not in page.text
