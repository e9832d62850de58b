"""Who may import what, so that each thing stays in its one place (DESIGN.md)."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import rag
from rag.settings import PROJECT

MODULES = sorted(
    [p for folder in ("rag", "ingest") for p in (PROJECT / folder).rglob("*.py")]
    + list(PROJECT.glob("*.py"))
)
ONLY_IMPORTERS = {
    "gradio": "app.py",
    "openai": "rag/writing/model.py",
    "chromadb": "rag/store/vectors.py",
    "sqlite3": "rag/store/library.py",
    "sentence_transformers": "rag/retrieval/embedder.py",
    "prometheus_client": "rag/serving/metrics.py",
    "genai_prices": "rag/writing/pricing.py",
    "cachetools": "rag/writing/cache.py",
    "phonenumbers": "rag/text/redaction.py",
    "stdnum": "rag/text/redaction.py",
    "regex": "rag/text/redaction.py",
    "redis": "rag/serving/limit_storage.py",
    "matplotlib": "rag/measuring/plot.py",
    "pypdfium2": "rag/documents/highlight.py",
    "mcp": "rag/doors/mcp_api.py",
    "bcrypt": "rag/doors/access.py",
    "fastapi_offline": "rag/doors/routes.py",
}
FOUNDATION = {"rag.settings", "rag.types", "rag.events", "rag.errors"}
LONGEST = 350


def name(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a module imports, anywhere in it; `from a import b` gives a and a.b."""
    package = path.relative_to(PROJECT).parent.parts
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def test_the_modules_are_found() -> None:
    assert {"rag/answer.py", "ingest/sync.py"} <= set(map(name, MODULES))


@pytest.mark.parametrize(("library", "module"), ONLY_IMPORTERS.items())
def test_each_library_has_one_importer(library: str, module: str) -> None:
    importers = {
        name(path)
        for path in MODULES
        if any(imported.split(".")[0] == library for imported in imports(path))
    }
    assert importers == {module} if (PROJECT / module).exists() else not importers


def test_rag_never_imports_ingest() -> None:
    for path in PROJECT.glob("rag/**/*.py"):
        assert not [i for i in imports(path) if i.split(".")[0] in ("ingest", "app")], name(path)


def test_ingest_never_imports_the_app() -> None:
    for path in PROJECT.glob("ingest/**/*.py"):
        assert "app" not in [i.split(".")[0] for i in imports(path)], name(path)


@pytest.mark.parametrize("module", sorted(FOUNDATION))
def test_the_foundation_imports_nothing_of_ours_but_itself(module: str) -> None:
    ours = [i for i in imports(PROJECT / f"{module.replace('.', '/')}.py") if i.startswith("rag.")]
    assert {".".join(i.split(".")[:2]) for i in ours} <= FOUNDATION


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__init__.py"], ids=name)
def test_a_module_says_what_it_does(path: Path) -> None:
    assert ast.get_docstring(tree(path))


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent != PROJECT], ids=name)
def test_a_module_stays_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_the_version_stands_in_two_places_and_is_one() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == rag.__version__


def test_no_test_uses_a_mock() -> None:
    for path in (PROJECT / "tests").rglob("*.py"):
        assert "unittest.mock" not in list(imports(path)), name(path)
