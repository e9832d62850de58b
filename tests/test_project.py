"""What pyproject.toml, the changelog and CI say agrees with the files they speak of."""

from __future__ import annotations

import re
import tomllib

from rag.settings import PROJECT

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
CHANGELOG = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def pinned(name: str) -> list[str]:
    """The packages of a requirements file, in order; each has its exact version, some only a few
    platforms."""
    lines = (PROJECT / name).read_text(encoding="utf-8").splitlines()
    requirements = [line.split("#")[0].strip() for line in lines]
    requirements = [
        line.partition(" ; ")[0] for line in requirements if line and not line.startswith("-")
    ]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in requirements)
    return [line.split("==")[0] for line in requirements]


def test_the_development_group_names_what_is_pinned_for_it() -> None:
    assert PYPROJECT["dependency-groups"]["dev"] == pinned("requirements-dev.txt")


def test_the_dependencies_are_those_of_the_requirements_and_no_others() -> None:
    project = PYPROJECT["project"]
    assert "dependencies" not in project and project["dynamic"] == ["dependencies"]
    dynamic = PYPROJECT["tool"]["setuptools"]["dynamic"]
    assert dynamic == {"dependencies": {"file": ["requirements.txt"]}}
    assert pinned("requirements.txt")


def test_a_space_shows_the_projects_license() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    [license] = re.findall(r"^license: (\S+)$", readme, re.MULTILINE)
    assert license == PYPROJECT["project"]["license"].lower()


def test_the_newest_release_in_the_changelog_is_this_version() -> None:
    headings = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", h) for h in headings[1:])
    assert headings[1].startswith(f"[{PYPROJECT['project']['version']}] - ")
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)) <= KINDS


def test_ci_runs_what_a_contributor_runs() -> None:
    workflow = (PROJECT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert "- run: .ci/run\n" in workflow
    assert "permissions:\n  contents: read\n" in workflow and "write" not in workflow
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    hooks = (PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    for tool in ("ruff check", "ruff format", "mypy"):
        assert re.search(rf"^{tool}\b", script, re.MULTILINE), tool
        assert re.search(rf"^ +entry: {tool}\b", hooks, re.MULTILINE), tool
