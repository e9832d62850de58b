"""A process looks for garbage seldom while it starts, and as usual afterwards."""

from __future__ import annotations

import subprocess
import sys

from rag.settings import PROJECT

PROGRAM = """
import gc
from rag.serving import memory
usual = gc.get_threshold()
memory.start()
assert gc.get_threshold()[0] > 50 * usual[0] and gc.isenabled()
memory.settle()
assert gc.get_threshold() == usual and gc.get_freeze_count() > 1000
"""


def test_garbage_is_looked_for_seldom_at_the_start_and_as_usual_then() -> None:
    command = [sys.executable, "-c", PROGRAM]
    subprocess.run(command, cwd=PROJECT, check=True)
