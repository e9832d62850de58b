"""The tests see none of the settings that whoever runs them has in the environment, and search with
the small embedding model unless they say otherwise: the other takes twice as long.

Done here, before anything is imported that reads the environment when it is imported.
"""

import os

_FOREIGN = ("OPENAI_", "HEADWATER_", "HF_", "GRADIO_", "SPACE_")
MODEL = {"HEADWATER_EMBEDDING_MODEL": "all-MiniLM-L6-v2"}
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def foreign() -> list[str]:
    """The variables in the environment that a test must not see."""
    names = list(os.environ)
    return [n for n in names if n.upper().startswith(_FOREIGN) or n.upper() in _PROXIES]


for _name in foreign():
    del os.environ[_name]
os.environ.update(MODEL)
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
if "PYTEST_XDIST_WORKER" in os.environ:  # each of several has one processor, not all of them
    os.environ["OMP_NUM_THREADS"] = "1"
