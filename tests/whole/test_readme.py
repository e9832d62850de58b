"""What the READMEs tell people and programs to do, done as it stands."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ingest.background import Reading
from rag.event_lines import TYPES
from rag.settings import PROJECT, Settings
from tests.doors.test_mcp_api import HEADERS, greeted, message
from tests.harness.browser import served
from tests.harness.lacking import command

README = (PROJECT / "README.md").read_text(encoding="utf-8")
DOORS = (PROJECT / "rag" / "doors" / "README.md").read_text(encoding="utf-8")
SERVING = (PROJECT / "rag" / "serving" / "README.md").read_text(encoding="utf-8")
PAGES = [
    *PROJECT.glob("*.md"),
    *PROJECT.glob(".github/*.md"),
    *PROJECT.glob("rag/*/README.md"),
]


@pytest.fixture(scope="module")
def url(reading: Reading) -> str:
    return served(reading)


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next of its kind."""
    [text] = re.findall(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE
    )
    return str(text)


def snippet(language: str, heading: str, url: str) -> str:
    """The only snippet in this language under a heading of the doors' page, with the address of
    the page that is served here."""
    [snippet] = re.findall(rf"```{language}\n(.*?)```", section(DOORS, heading), re.DOTALL)
    assert "http://127.0.0.1:7860" in snippet
    return str(snippet).replace("http://127.0.0.1:7860", url.rstrip("/"))


def run(language: str, heading: str, command: list[str], url: str) -> str:
    """What that snippet prints."""
    done = subprocess.run(
        [*command, snippet(language, heading, url)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=PROJECT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_two_bash_blocks_are_the_commands_that_scripts_paste() -> None:
    assert re.findall(r"```(?:bash|sh|shell|console)\n(.*?)```", README, re.DOTALL)[:2] == [
        "pip install -r requirements.txt && python app.py\n",
        "pip install -r requirements-dev.txt && pytest\n",
    ]
    assert len(re.findall("^```bash$", README, re.MULTILINE)) == 2


def test_the_readme_is_read_at_one_sitting() -> None:
    assert len(README.splitlines()) < 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_a_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings]
            assert anchor in anchors, link


def test_the_curl_snippet_streams_an_answer(url: str) -> None:
    said = run("sh", "OpenAI's API", ["bash", "-c"], url)
    assert "search_results" in said[:50_000] and said.rstrip().endswith("data: [DONE]")


def test_the_curl_snippet_of_the_plain_stream_ends_with_done(url: str) -> None:
    said = run("sh", "A plain stream", ["bash", "-c"], url)
    events = [json.loads(line[6:]) for line in said.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in events][-1] == "done"
    [context] = [event for event in events if event["type"] == "context_ready"]
    assert {source["document"] for source in context["sources"]} == {"proxies-and-buffering.md"}


def test_the_javascript_snippet_of_the_plain_stream_prints_sources_and_text(url: str) -> None:
    """With the module as the server sends it: only browsers import by http."""
    node = command("node", "nodejs")
    code = snippet("js", "A plain stream", url)
    text = f'await (await fetch("{url}client.js")).text()'
    module = f'"data:text/javascript," + encodeURIComponent({text})'
    code = code.replace(f'import("{url}client.js")', f"import({module})")
    done = subprocess.run(
        [node, "--input-type=module", "-e", code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stderr == ""
    assert re.match(r"\[1\] .+\n\[2\] ", done.stdout) and "X-Accel-Buffering" in done.stdout


def test_the_table_of_the_plain_stream_names_each_type() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", section(DOORS, "A plain stream"), re.MULTILINE))
    assert told == {"type", "status", *TYPES.values()}


def test_the_python_snippet_prints_an_answer_and_its_sources(url: str) -> None:
    said = run("python", "OpenAI's API", [sys.executable, "-c"], url)
    assert re.search(r"\[1\]", said)
    assert len(re.findall(r"^\[\d\] .+, page \d+: http://127", said, re.MULTILINE)) == 5


def test_the_javascript_snippet_prints_passages(url: str) -> None:
    node = command("node", "nodejs")
    said = run("js", "Search alone", [node, "--input-type=module", "-e"], url)
    assert len(re.findall(r"^\[\d\] .+, page \d+ \(0\.\d+\)$", said, re.MULTILINE)) == 3


def test_the_snippet_for_gradios_client_prints_the_answer(url: str) -> None:
    said = run("python", "gradio_client", [sys.executable, "-c"], url)
    plain = said.replace("**", "")
    assert plain.startswith("X-Accel-Buffering is a response header") and "<summary>" not in said


def test_the_address_for_an_mcp_client_offers_both_tools(url: str) -> None:
    servers = json.loads(snippet("json", "MCP", url))["mcpServers"]

    async def offered() -> str:
        async with httpx.AsyncClient(headers=HEADERS, timeout=30) as client:
            session, _ = await greeted(client, servers["headwater"]["url"])
            asked = message(2, "tools/list", {})
            answer = await client.post(servers["headwater"]["url"], json=asked, headers=session)
            return answer.text

    tools = asyncio.run(offered())
    assert "search_documents" in tools and "ask_documents" in tools


def test_every_setting_is_in_the_table_and_in_the_example() -> None:
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    table = section(SERVING, "Settings")
    for name, field in Settings.model_fields.items():
        variable = str(field.validation_alias or f"HEADWATER_{name.upper()}")
        assert f"`{variable}`" in table, variable
        assert f"{variable}=" in example, variable
