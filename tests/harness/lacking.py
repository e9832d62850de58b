"""What a test needs of the machine, and does not find there."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Skips the test and says how to have it run; in CI, which installs everything, it fails."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must install what is missing here: {what}")
    pytest.skip(what)


def command(name: str, package: str) -> str:
    """The path of a command of a Debian package."""
    return shutil.which(name) or lacking(f"no {name}: install Debian's package {package}")
