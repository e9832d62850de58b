"""Asks the page over Gradio's HTTP API and reads what comes as it comes: gradio_client looks for
updates only every so often."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

CALL = "/gradio_api/call/chat"


@contextmanager
def asked(
    client: httpx.Client, question: str, nulls: bool = False, /, **headers: str
) -> Iterator[Iterator[Any]]:
    """The updates of the answer to `question`, each a list of chat messages. Leaving the block
    hangs up, whether the answer is over or not. With `nulls` every option is one."""
    api = client.get("/gradio_api/info").json()["named_endpoints"]["/chat"]
    options = [None if nulls else p["parameter_default"] for p in api["parameters"][1:]]
    called = client.post(CALL, json={"data": [question, *options]}, headers=headers)
    if called.status_code == 429:  # it is refused before Gradio keeps anything of it
        yield iter([called.text])
        return
    event = called.json()
    with client.stream("GET", f"{CALL}/{event['event_id']}", headers=headers) as stream:
        lines = stream.iter_lines()
        yield (json.loads(line[6:])[0] for line in lines if line.startswith("data: ["))


def said(update: Any) -> str:
    """All that an update shows, without its markup's meaning."""
    return json.dumps(update, ensure_ascii=False)
