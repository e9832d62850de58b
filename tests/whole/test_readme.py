"""What the README tells programs to do, done as it stands."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from ingest.background import Reading
from rag.settings import PROJECT, Settings
from tests.harness.browser import served
from tests.harness.lacking import command

README = (PROJECT / "README.md").read_text(encoding="utf-8")
DOORS = README[README.index("## For programs") :]


@pytest.fixture(scope="module")
def url(reading: Reading) -> str:
    return served(reading)


def run(language: str, command: list[str], url: str) -> str:
    """What the only snippet in this language prints, with the address of the page that is served
    here."""
    [snippet] = re.findall(rf"```{language}\n(.*?)```", DOORS[: DOORS.index("```html")], re.DOTALL)
    assert "http://127.0.0.1:7860" in snippet
    snippet = snippet.replace("http://127.0.0.1:7860", url.rstrip("/"))
    done = subprocess.run(
        [*command, snippet], capture_output=True, text=True, timeout=60, cwd=PROJECT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_curl_snippet_streams_an_answer(url: str) -> None:
    said = run("sh", ["bash", "-c"], url)
    assert "search_results" in said[:50_000] and said.rstrip().endswith("data: [DONE]")


def test_the_python_snippet_prints_an_answer_and_its_sources(url: str) -> None:
    said = run("python", [sys.executable, "-c"], url)
    assert re.search(r"\[1\]", said)
    assert len(re.findall(r"^\[\d\] .+, page \d+: http://127", said, re.MULTILINE)) == 5


def test_the_javascript_snippet_prints_passages(url: str) -> None:
    node = command("node", "nodejs")
    said = run("js", [node, "--input-type=module", "-e"], url)
    assert len(re.findall(r"^\[\d\] .+, page \d+ \(0\.\d+\)$", said, re.MULTILINE)) == 3


def test_every_setting_is_in_the_readme_and_in_the_example() -> None:
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    table = README[README.index("## Settings") : README.index("## For many users")]
    for name, field in Settings.model_fields.items():
        variable = str(field.validation_alias or f"HEADWATER_{name.upper()}")
        assert f"`{variable}`" in table, variable
        assert f"{variable}=" in example, variable
