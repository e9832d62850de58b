"""Makes requirements.lock anew from requirements-dev.txt: all that CI installs (Linux on x86-64,
Python 3.11, torch's build for the CPU), with versions and the hashes of the files.

    python .ci/lock.py            after a pin has changed; what else is locked stays as it is
    python .ci/lock.py --upgrade  also the newest of all that no pin names
    python .ci/lock.py --check    changes nothing; fails if making it anew would

It needs uv, the package index, and pip so configured that it finds torch's build for the CPU, which
needs no 3 GB of CUDA packages.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]
LOCK = PROJECT / "requirements.lock"
HEAD = "# For CI: Linux on x86-64, Python 3.11. Made by .ci/lock.py from requirements-dev.txt.\n"
TARGET = ["--python-version=3.11.7", "--python-platform=x86_64-manylinux_2_28"]


def compiled(locked: str, *options: str) -> str:
    """The lock that uv makes; what `locked` has stays, where the pins allow it."""
    [torch] = re.findall(
        r"^torch==\S+", (PROJECT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.txt"
        made.write_text(locked, encoding="utf-8")
        # uv does not read where pip is told to look.
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", torch]
        subprocess.run([*pip, f"--dest={folder}"], check=True)
        uv = [sys.executable, "-m", "uv", "pip", "compile", "requirements-dev.txt", "--quiet"]
        uv += [*TARGET, f"--find-links={folder}", "--generate-hashes", "--system-certs", *options]
        uv += ["--no-header", "--no-annotate", f"--output-file={made}"]
        subprocess.run(uv, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
        return HEAD + made.read_text(encoding="utf-8")


def main() -> int:
    arguments = argparse.ArgumentParser(description="Makes requirements.lock anew.")
    arguments.add_argument("--upgrade", action="store_true", help="the newest of all not pinned")
    arguments.add_argument("--check", action="store_true", help="fail if it would change")
    asked = arguments.parse_args()
    locked = LOCK.read_text(encoding="utf-8") if LOCK.exists() else ""
    now = compiled(locked, *(["--upgrade"] if asked.upgrade else []))
    if not asked.check:
        LOCK.write_text(now, encoding="utf-8")
    elif now != locked:
        print("requirements.lock is out of date: run python .ci/lock.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
