"""A Gradio Space installs and imports the project: its two install lines, in a fresh environment,
with nothing but requirements.txt there (seen in a Space's build log)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rag.settings import PROJECT

FIRST = ["datasets", "huggingface-hub>=0.30", "hf-transfer>=0.1.4", "protobuf<4", "click<8.1"]
REQUIREMENTS = (PROJECT / "requirements.txt").read_text(encoding="utf-8")


def sdk_version() -> str:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    [version] = re.findall(r"^sdk_version: (\S+)$", readme, re.MULTILINE)
    return str(version)


def test_a_space_is_told_the_version_of_gradio_that_is_pinned() -> None:
    assert re.findall(r"^gradio==(\S+)", REQUIREMENTS, re.MULTILINE) == [sdk_version()]


def test_a_space_finds_all_requirements_in_the_one_file_that_it_mounts() -> None:
    assert not re.search(r"^\s*-", REQUIREMENTS, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_spaces_install_lines_resolve_and_the_app_can_be_imported(tmp_path: Path) -> None:
    environment, mounted = tmp_path / "environment", tmp_path / "mounted"
    mounted.mkdir()
    shutil.copy(PROJECT / "requirements.txt", mounted)
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)

    def install(*wanted: str) -> None:
        # Compiling what is never imported here takes a minute.
        pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--no-compile"]
        command = [*pip, *wanted]
        done = subprocess.run(command, cwd=mounted, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    install(*FIRST)
    gradio = f"gradio[oauth,mcp]=={sdk_version()}"
    install("-r", "requirements.txt", gradio, "uvicorn>=0.14.0", "websockets>=10.4", "spaces")
    python = environment / "bin" / "python"
    done = subprocess.run(
        [python, "-c", "import app; print(app.gr.__version__)"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == sdk_version(), done.stderr
    shutil.rmtree(environment)  # 2.5 GB, which pytest would keep for three runs
