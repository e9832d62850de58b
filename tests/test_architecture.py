"""Who may import what, so that each thing stays in its one place."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import rag
from rag.settings import PROJECT

# What everybody may speak of. Among themselves: types know nobody.
VALUES = {"rag", "rag.types", "rag.errors", "rag.events"}
# A package or a module, and whom of ours it may import besides itself. A row for a module in a
# package stands for that module alone.
MAY_IMPORT = {
    "rag": set(),
    "rag.types": set(),
    "rag.errors": {"rag.types"},
    "rag.events": {"rag.types", "rag.errors"},
    "rag.event_lines": VALUES,
    "rag.settings": VALUES,
    "rag.text": VALUES,
    "rag.serving": VALUES,
    "rag.store": VALUES | {"rag.text"},
    "rag.retrieval": VALUES | {"rag.settings", "rag.text", "rag.store"},
    "rag.question": VALUES | {"rag.text"},
    "rag.followup": VALUES | {"rag.text"},
    "rag.writing": VALUES | {"rag.settings", "rag.text", "rag.serving", "rag.followup"},
    "rag.citations": VALUES | {"rag.text", "rag.retrieval"},
    # Ours for third-party libraries that both who reads and who draws must ask within bounds.
    "rag.pdfium": set(),
    "rag.pictures": set(),
    "rag.documents": VALUES
    | {"rag.pdfium", "rag.pictures", "rag.text", "rag.store", "rag.retrieval"},
}
ASKING = VALUES | {
    "rag.text",
    "rag.serving",
    "rag.store.opening",
    "rag.retrieval",
    "rag.citations",
    "rag.writing",
    "rag.question",
    "rag.followup",
}
MAY_IMPORT |= {
    "rag.search": ASKING,
    "rag.answer": ASKING | {"rag.search"},
    "rag.assembly": ASKING | {"rag.search", "rag.answer", "rag.settings"},
    "rag.measuring": VALUES
    | {
        "rag.settings",
        "rag.text",
        "rag.store",
        "rag.retrieval",
        "rag.citations",
        "rag.followup",
        "rag.writing.choosing",  # what is quoted, which it measures
    },
    "rag.doors": VALUES
    | {
        "rag.event_lines",
        "rag.settings",
        "rag.text",
        "rag.serving",
        "rag.question",
        "rag.answer",
    },
    "rag.page": VALUES | {"rag.settings", "rag.text", "rag.question", "rag.documents"},
    "rag.commands": VALUES
    | {
        "rag.event_lines",
        "rag.settings",
        "rag.text",
        "rag.serving",
        "rag.store",
        "rag.retrieval",
        "rag.question",
        "rag.assembly",
        "rag.answer",
        "rag.measuring",
    },
    "rag.__main__": {"rag.commands"},
    "ingest": VALUES
    | {
        "rag.pdfium",
        "rag.pictures",
        "rag.settings",
        "rag.text.legacy",
        "rag.text.tcvn3",
        "rag.serving.memory",
        "rag.store",
        "rag.retrieval",
    },
    "ingest.__main__": VALUES
    | {"rag.settings", "rag.store", "rag.retrieval", "rag.commands.shared", "ingest"},
}
EVERYTHING = {"app"}  # puts all of it together

# Each library that is an engine of its own, and the one place that knows it.
ONLY_IMPORTERS = {
    "openai": "rag/writing/model.py",
    "chromadb": "rag/store/vectors.py",
    "sqlite3": "rag/store/library.py",
    "sentence_transformers": "rag/retrieval/models.py",
    "prometheus_client": "rag/serving/metrics.py",
    "jsonschema": "rag/writing/json_mode.py",
    "genai_prices": "rag/writing/pricing.py",
    "Stemmer": "rag/text/language.py",
    "phonenumbers": "rag/text/redaction.py",
    "stdnum": "rag/text/redaction.py",
    "regex": "rag/text/redaction.py",
    "redis": "rag/serving/limit_storage.py",
    "matplotlib": "rag/measuring/plot.py",
    "pypdf": "ingest/readers/pdf.py",
    "docx": "ingest/readers/docx.py",
    "pptx": "ingest/readers/pptx.py",
    "openpyxl": "ingest/readers/xlsx.py",
    "lxml": "ingest/readers/opendocument.py",
    "pypdfium2": "rag/pdfium.py",
    "PIL": "rag/pictures.py",
    "watchfiles": "ingest/watching.py",
    "mcp": "rag/doors/mcp_api.py",
    "bcrypt": "rag/doors/access.py",
    "fastapi_offline": "rag/doors/routes.py",
}
KNOW_GRADIO = {"app.py", "rag/page"}
LONGEST = 350


def modules() -> list[Path]:
    """All of ours: app.py, and whatever lies in rag and ingest, however deep."""
    inside = [path for folder in ("rag", "ingest") for path in (PROJECT / folder).rglob("*.py")]
    return sorted([PROJECT / "app.py", *inside])


def place(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def dotted(path: Path) -> str:
    return place(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def file_of(module: str) -> Path | None:
    """Where a module of ours lies; None if there is none of that name."""
    beside = PROJECT / module.replace(".", "/")
    for file in (beside / "__init__.py", beside.with_name(f"{beside.name}.py")):
        if file.is_file():
            return file
    return None


# Read while the tests are collected: in Python 3.11 two threads that parse spoil it for each other,
# and pages that other tests serve have threads.
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in modules()}


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, anywhere in it. `from a import b` is a.b where that is a
    module of ours, else a."""
    package = path.relative_to(PROJECT).parent.parts
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield inner if file_of(inner) else source


def row(module: str) -> str:
    """The row of the table that a module falls under: its own, else its package's."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if (name := ".".join(parts[:length])) in MAY_IMPORT and (length > 1 or name != "rag"):
            return name
    return module if module == "rag" else ""


def allowed(module: str, imported: str) -> bool:
    """Whether the table lets one module import another: the other's package, or it alone."""
    mine = row(module)
    if imported == mine or (imported.startswith(f"{mine}.") and row(imported) == mine):
        return True
    return any(
        imported == other or (other != "rag" and imported.startswith(f"{other}."))
        for other in MAY_IMPORT[mine]
    )


def test_every_file_is_looked_at_and_every_name_in_the_table_is_one() -> None:
    tracked = {place(path) for path in modules()}
    assert {"app.py", "ingest/readers/pdf.py", "rag/answer.py", "rag/writing/model.py"} <= tracked
    for name in {*MAY_IMPORT, *(n for names in MAY_IMPORT.values() for n in names), *EVERYTHING}:
        assert file_of(name), f"the table names {name}, which does not exist"
    for file in [*ONLY_IMPORTERS.values(), *KNOW_GRADIO]:
        assert (PROJECT / file).exists(), file


@pytest.mark.parametrize("path", modules(), ids=place)
def test_a_module_imports_only_what_its_row_allows(path: Path) -> None:
    module = dotted(path)
    if module in EVERYTHING:
        return
    assert row(module), f"{module} has no row in the table"
    ours = {name for name in imports(path) if name.split(".")[0] in ("rag", "ingest", "app")}
    assert not {name for name in ours if not allowed(module, name)}


def test_the_table_would_notice() -> None:
    assert not allowed("rag.doors.sse", "rag.page.panel")
    assert not allowed("rag.writing.model", "rag.retrieval.retriever")
    assert not allowed("rag.answer", "rag.store.library")
    assert not allowed("rag.text.language", "ingest.chunking")
    assert not allowed("rag.documents.page", "app")
    assert allowed("rag.answer", "rag.store.opening")


def test_the_packages_import_one_another_in_no_circle() -> None:
    """Of their rows; among the modules of one package Python itself complains."""
    waiting = {name: set(names) - {"rag", name} for name, names in MAY_IMPORT.items()}
    waiting = {n: {row(m) or m for m in names} - {n} for n, names in waiting.items()}
    while waiting:
        free = {name for name, names in waiting.items() if not names & waiting.keys()}
        assert free, f"a circle among {sorted(waiting)}"
        waiting = {name: names for name, names in waiting.items() if name not in free}


def imports_when_run(path: Path) -> Iterator[str]:
    """The libraries that a file imports other than for its types."""
    aside = {
        id(node)
        for block in ast.walk(TREES[path])
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
    }
    for node in ast.walk(TREES[path]):
        if id(node) in aside:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(("library", "module"), ONLY_IMPORTERS.items())
def test_each_library_has_one_importer(library: str, module: str) -> None:
    importers = {place(path) for path in modules() if library in imports_when_run(path)}
    assert importers == {module}


def test_gradio_is_known_to_the_page_alone() -> None:
    importers = {
        place(path)
        for path in modules()
        if any(imported.split(".")[0] == "gradio" for imported in imports(path))
    }
    assert importers, "nobody"
    assert {p for p in importers if p != "app.py" and not p.startswith("rag/page/")} == set()


@pytest.mark.parametrize("path", modules(), ids=place)
def test_a_module_says_what_it_does(path: Path) -> None:
    assert ast.get_docstring(TREES[path]) or not path.read_text(encoding="utf-8")


def scripts_and_styles() -> list[Path]:
    return sorted(p for kind in ("js", "css", "html") for p in (PROJECT / "rag").rglob(f"*.{kind}"))


@pytest.mark.parametrize("path", [*modules(), *scripts_and_styles()], ids=place)
def test_a_module_stays_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_the_whole_idea_fits_on_one_screen() -> None:
    assert len((PROJECT / "rag/answer.py").read_text(encoding="utf-8").splitlines()) <= 120


def test_the_version_stands_in_two_places_and_is_one() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == rag.__version__


def test_no_test_uses_a_mock() -> None:
    for path in (PROJECT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) unittest", text, re.MULTILINE), place(path)
