"""How much later the first word comes than from a bare ChatInterface that only relays the model.

`python -m tests.benchmarks.first_token` starts a loopback model server, `app.py` and the relay,
each a process of its own, asks both in turn and prints the medians. Both are measured in one run by
one client.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx

from rag.settings import PROJECT

ROUNDS, WARM_UP = 20, 5
QUESTION = "What does X-Accel-Buffering do?"
NO_HEADERS: Mapping[str, str] = {}


def main() -> None:
    with ExitStack() as stack, tempfile.TemporaryDirectory() as store:
        model = free_port()
        environment = {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{model}/v1",
            "HEADWATER_STORE_DIR": store,
            "HEADWATER_RATE_LIMIT": "off",
            "HEADWATER_CACHE_SECONDS": "0",
        }
        server = ["-m", "tests.harness.upstream", "--port", str(model), "--delay", "0.02"]
        stack.enter_context(process(model, server, {}, path="/v1/models"))
        clients: dict[str, httpx.Client] = {}
        relayed = [environment["OPENAI_BASE_URL"], str(relay_port := free_port())]
        for name, port, path, command in [
            ("app", free_port(), "/ready", ["app.py"]),
            ("relay", relay_port, "/", ["-m", "tests.benchmarks.first_token", "relay", *relayed]),
        ]:
            stack.enter_context(process(port, command, environment, path))
            clients[name] = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}"))
        seconds: dict[str, list[float]] = {name: [] for name in clients}
        for round_number in range(WARM_UP + ROUNDS):
            for name, client in clients.items():
                taken = _first_word(client)
                if round_number >= WARM_UP:
                    seconds[name].append(1000 * taken)
    for name, taken_ms in seconds.items():
        low, *_, high = statistics.quantiles(taken_ms, n=10)
        median = statistics.median(taken_ms)
        print(f"{name:6} first word after {median:.1f} ms (10-90 %: {low:.1f} to {high:.1f})")
    added = statistics.median(seconds["app"]) - statistics.median(seconds["relay"])
    print(f"added  {added:.1f} ms, median of {ROUNDS}")


def _first_word(client: httpx.Client) -> float:
    """Seconds from the question to the first update on the wire that has a word of the answer.

    Reads the stream itself: gradio_client looks for updates only every so often.
    """
    api = client.get("/gradio_api/info").json()["named_endpoints"]["/chat"]
    options = [p["parameter_default"] for p in api["parameters"][1:]]
    start, taken = time.perf_counter(), None
    event = client.post("/gradio_api/call/chat", json={"data": [QUESTION, *options]}).json()
    with client.stream("GET", f"/gradio_api/call/chat/{event['event_id']}") as stream:
        for line in stream.iter_lines():
            if taken is None and line.startswith("data: ") and _has_word(json.loads(line[6:])):
                taken = time.perf_counter() - start
    assert taken is not None, "no answer came"
    return taken


def _has_word(data: list[Any] | None) -> bool:
    shown = data[0] if data else None
    if isinstance(shown, list):
        return any(message["content"] and not message["metadata"] for message in shown)
    return bool(shown)


def relay(model: str, port: int) -> None:
    """The least that a chat page can do: pass the words of the model at this address on."""
    import gradio as gr
    import openai

    client = openai.AsyncOpenAI(api_key="none", base_url=model)

    async def chat(question: str, history: list[Any]) -> AsyncIterator[str]:
        text = ""
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": question}], stream=True
        )
        async with stream:
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    text += chunk.choices[0].delta.content
                    yield text

    gr.ChatInterface(chat, api_name="chat").launch(server_port=port, ssr_mode=False)


@contextmanager
def process(
    port: int,
    command: list[str],
    environment: Mapping[str, str],
    path: str = "/",
    headers: Mapping[str, str] = NO_HEADERS,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server as a user starts it, from the moment when `path`, asked with these headers, is
    answered with success."""
    server = subprocess.Popen(
        [sys.executable, *command],
        cwd=PROJECT,
        env=os.environ | environment | {"GRADIO_SERVER_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            with suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers).is_success:
                    break
            time.sleep(0.1)
        yield server
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["relay", model, port]:  # not by the environment, which the tests do not see
            relay(model, int(port))
        case _:
            main()
