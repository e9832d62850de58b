"""requirements.lock has what the requirements pin, each file by its hash. Whether it is complete,
CI sees: it installs from it and nothing else."""

from __future__ import annotations

import re

import pytest

from rag.settings import PROJECT

LOCK = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
ENTRY = re.compile(r"^(?P<name>\S+)==(?P<version>\S+) \\\n(?P<hashes>(?: .*\n)+)", re.MULTILINE)
HASHES = re.compile(r"(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+")


def normal(name: str) -> str:
    """The name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, str]:
    text = (PROJECT / file).read_text(encoding="utf-8")
    return {normal(n): v for n, v in re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE)}


def locked() -> dict[str, str]:
    """Each package's version; torch's build for the CPU, 2.13.0+cpu, is version 2.13.0."""
    return {m["name"]: m["version"].partition("+")[0] for m in ENTRY.finditer(LOCK)}


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_each_pin_is_locked_with_its_version(file: str) -> None:
    assert pins(file)
    assert pins(file).items() <= locked().items(), "run python .ci/lock.py"


def test_each_locked_package_has_a_hash_and_only_hashes() -> None:
    entries = list(ENTRY.finditer(LOCK))
    assert len(entries) == len(locked())  # none twice
    for entry in entries:
        assert HASHES.fullmatch(entry["hashes"]), entry["name"]


def test_the_lock_names_no_index_and_has_no_options() -> None:
    rest = ENTRY.sub("", LOCK)
    assert all(line.startswith("#") for line in rest.splitlines())
    assert "://" not in LOCK


def test_torch_is_locked_without_cuda() -> None:
    assert re.search(r"^torch==[\d.]+\+cpu ", LOCK, re.MULTILINE)
    assert not [name for name in locked() if name.startswith(("nvidia", "cuda", "triton"))]


def test_ci_installs_what_is_locked_and_checks_the_lock() -> None:
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8").replace("\\\n", " ")
    [install] = re.findall(r"^pip install .*$", script, re.MULTILINE)
    assert "--require-hashes" in install and install.endswith(" -r requirements.lock")
    assert "\npython .ci/lock.py --check\n" in script
