"""64 answers at once against the SDK alone, and 2000 short ones for what they leave behind.

`python -m tests.benchmarks.load` has a model server of its own send 64 answers of 500 tokens at 50
tokens/s to the bare SDK, to the core in this process and to `app.py` over HTTP, in turn, a few
rounds. It ends with 1 if a text was not whole, or in the median round the slowest answer took more
than 1.10 times as long as the SDK's slowest. Then it measures how late the doors for programs make
a token (tests/benchmarks/latency.py; `late` does only that). `python -m tests.benchmarks.load soak`
is about memory, sockets, threads and tasks; there 30 % of the tabs are closed midway. All read
/proc, so Linux only.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import openai

from ingest.background import Reading
from rag.answer import Answerer
from rag.assembly import assemble
from rag.events import TextDelta
from rag.serving.metrics import Metrics
from rag.serving.pacing import paced
from rag.settings import Settings
from tests.benchmarks import latency
from tests.benchmarks.first_token import free_port, process
from tests.harness.upstream import Script, Upstream

AT_ONCE, TOKENS, DELAY, ROUNDS = 64, 500, 0.02, 3
ARRIVING = 3.0  # seconds in which the questions come; then all 64 are being answered
ALLOWED = 1.10  # times the SDK's time
TURNS = 5  # questions of a tab before it is closed
SOAK, SOAK_AT_ONCE, SOAK_TOKENS, SOAK_DELAY = 2000, 16, 30, 0.01
FIRST, GROWTH = 200, 1.05  # answers after which the memory is compared, and how much is allowed
IDLE_SECONDS = 11.0  # anyio keeps an unused thread for 10, the SDK a connection for 5


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as its reader got it; `seconds` from the question to the end of the stream."""

    seconds: float
    events: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Load:
    """One way of reading, 64 at once. `cpu` is the seconds of the process that read the model."""

    slowest: float
    median: float
    events: int
    whole: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Held:
    """What an idle process holds; `tasks` are asyncio's, or the answers that the page counts."""

    megabytes: float
    sockets: int
    threads: int
    tasks: int


class Way(Protocol):
    """A way to read answers."""

    async def ask(self, number: int, leave_after: int | None = None) -> Answer:
        """Asks question `number`, and goes away after so many events."""

    async def leave(self) -> None:
        """Everybody goes away."""


def question(number: int) -> str:
    return f"What does X-Accel-Buffering do? (reader {number})"


def tokens(number: int, count: int) -> list[str]:
    """The answer to a question: each token names its reader and its place."""
    return [f"{' ' if place else ''}{number}.{place}" for place in range(count)]


def serve_model(port: int, count: int, delay: float, *, stamped: bool) -> None:
    """Answers every question with `tokens` of its number."""

    def script(body: dict[str, Any]) -> Script:
        [number] = re.findall(r"\(reader (\d+)\)$", body["messages"][-1]["content"])
        return Script(tokens(int(number), count), delay=delay, stamped=stamped)

    with Upstream(script, port=port):
        threading.Event().wait()


@dataclass(frozen=True, slots=True)
class Sdk:
    """The bare SDK."""

    client: openai.AsyncOpenAI
    count: int

    async def ask(self, number: int, leave_after: int | None = None) -> Answer:
        start, texts, events = time.perf_counter(), [], 0
        stream = await self.client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": question(number)}], stream=True
        )
        async with stream:
            async for chunk in stream:
                events += 1
                if chunk.choices and chunk.choices[0].delta.content:
                    texts.append(chunk.choices[0].delta.content)
        whole = texts == tokens(number, self.count)
        return Answer(time.perf_counter() - start, events, whole)

    async def leave(self) -> None:
        """Nobody stays after an answer."""


@dataclass(frozen=True, slots=True)
class Core:
    """Headwater without a page, in this process."""

    answerer: Answerer
    count: int

    async def ask(self, number: int, leave_after: int | None = None) -> Answer:
        start, text, seen = time.perf_counter(), "", 0
        async with aclosing(paced(self.answerer.answer(question(number)), set())) as events:
            async for event in events:
                seen += 1
                if isinstance(event, TextDelta):
                    text += event.text
                if seen == leave_after:
                    break
        whole = text == "".join(tokens(number, self.count))
        return Answer(time.perf_counter() - start, seen, whole)

    async def leave(self) -> None:
        """Nobody stays after an answer."""


@dataclass(slots=True)
class Tab:
    """A browser's tab: what it sends, its session and the stream that tells it is open."""

    session: str
    alive: httpx.Response
    asked: int = 0


class Page:
    """app.py over HTTP as tabs ask it: the updates of an answer are differences, the last one has
    the whole. Only that one is parsed. A tab is closed when it leaves an answer, and after a
    conversation of TURNS questions."""

    def __init__(self, address: str, count: int) -> None:
        # A tab has two connections; the client's own limit is 100.
        limits = httpx.Limits(max_connections=None)
        api = f"{address}/gradio_api"
        self._client = httpx.AsyncClient(base_url=api, timeout=120, limits=limits)
        config = httpx.get(f"{address}/config").json()
        chat = next(d for d in config["dependencies"] if d["api_name"] == "chat")
        defaults = {c["id"]: c["props"].get("value") for c in config["components"]}
        self._function = chat["id"]
        self._options = [defaults[i] for i in chat["inputs"][1:]]
        self._count = count
        self._tabs: list[Tab] = []

    async def ask(self, number: int, leave_after: int | None = None) -> Answer:
        tab = self._tabs.pop() if self._tabs else await self._open(f"tab-{number}")
        start = time.perf_counter()
        asked = {"fn_index": self._function, "data": [question(number), *self._options]}
        await self._client.post("/queue/join", json={**asked, "session_hash": tab.session})
        seen, last, rest = 0, b"", b""
        query = {"session_hash": tab.session}
        async with self._client.stream("GET", "/queue/data", params=query) as stream:
            async for data in stream.aiter_raw():
                *updates, rest = (rest + data).split(b"\n\n")
                seen += len(updates)
                last = next((u for u in reversed(updates) if b"process_completed" in u), last)
                if leave_after is not None and seen >= leave_after:
                    tab.asked = TURNS
                    break
        taken = time.perf_counter() - start
        shown = json.loads(last.removeprefix(b"data: "))["output"]["data"][0] if last else []
        text = next((m["content"] for m in shown if not m["metadata"]), "")
        tab.asked += 1
        if tab.asked < TURNS:
            self._tabs.append(tab)
        else:
            await tab.alive.aclose()
        return Answer(taken, seen, text == "".join(tokens(number, self._count)))

    async def leave(self) -> None:
        while self._tabs:
            await self._tabs.pop().alive.aclose()

    async def _open(self, session: str) -> Tab:
        alive = self._client.build_request("GET", f"/heartbeat/{session}")
        return Tab(session, await self._client.send(alive, stream=True))


@contextmanager
def model_server(count: int, delay: float, *, stamped: bool = False) -> Iterator[str]:
    """The model server's address; it is a process of its own."""
    port = free_port()
    command = ["-m", "tests.benchmarks.load", "model", str(port), str(count), str(delay)]
    command += ["stamped"] if stamped else []
    with process(port, command, {}, path="/v1/models"):
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def app(url: str, store: str, **settings: str) -> Iterator[tuple[str, int]]:
    """The address and the process id of an app.py that uses the model at `url`."""
    port = free_port()
    settings |= {"OPENAI_BASE_URL": url, "HEADWATER_STORE_DIR": store}
    settings = {"HEADWATER_RATE_LIMIT": "off", **settings}
    with process(port, ["app.py"], settings, "/ready") as running:
        yield f"http://127.0.0.1:{port}", running.pid


@contextmanager
def answering(url: str, store: str) -> Iterator[Answerer]:
    """The core, put together as app.py does it."""
    settings = Settings.model_validate(
        {"OPENAI_BASE_URL": url, "store_dir": store, "rate_limit": "off", "cache_seconds": 0}
    )
    reading = Reading(settings)
    reading.settled()
    yield assemble(settings, reading.opening, Metrics())
    reading.close()


def load() -> bool:
    """Prints what 64 answers at once take each way; whether they are whole and quick enough."""
    with ExitStack() as stack:
        stores = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(2)]
        url = stack.enter_context(model_server(TOKENS, DELAY))
        answerer = stack.enter_context(answering(url, stores[0]))
        address, pid = stack.enter_context(app(url, stores[1], HEADWATER_CACHE_SECONDS="0"))
        ways: dict[str, tuple[Way, int]] = {
            "SDK": (Sdk(openai.AsyncOpenAI(api_key="none", base_url=url), TOKENS), os.getpid()),
            "core": (Core(answerer, TOKENS), os.getpid()),
            "page": (Page(address, TOKENS), pid),
        }
        measured = asyncio.run(_rounds(ways))
    ideal = (TOKENS - 1) * DELAY
    print(f"{AT_ONCE} answers begun within {ARRIVING:g} s, each at best {ideal:.2f} s")
    print("       slowest  median     × SDK's    CPU  events  whole")
    for result in measured:
        raw = result["SDK"]
        for name, way in result.items():
            ratios = f"{way.slowest / raw.slowest:.2f}, {way.median / raw.median:.2f}"
            print(
                f"{name:5} {way.slowest:6.2f} s {way.median:6.2f} s  {ratios}  {way.cpu:4.1f} s"
                f"  {way.events:6}  {way.whole}/{AT_ONCE}"
            )
    passed = all(way.whole == AT_ONCE for result in measured for way in result.values())
    for name in ("core", "page"):
        ratio = statistics.median(r[name].slowest / r["SDK"].slowest for r in measured)
        print(f"{name}: the slowest took {ratio:.2f} × the SDK's, allowed {ALLOWED:.2f}")
        passed = passed and ratio <= ALLOWED
    return passed


async def _rounds(ways: Mapping[str, tuple[Way, int]]) -> list[dict[str, Load]]:
    numbers = itertools.count()
    for way, pid in ways.values():  # opens the library, the connections and the tabs
        await _at_once(way, pid, numbers)
    return [
        {name: await _at_once(way, pid, numbers) for name, (way, pid) in ways.items()}
        for _ in range(ROUNDS)
    ]


async def _at_once(way: Way, pid: int, numbers: Iterator[int]) -> Load:
    before = _cpu_seconds(pid)

    async def arrive(place: int) -> Answer:
        await asyncio.sleep(ARRIVING * place / AT_ONCE)
        return await way.ask(next(numbers))

    answers = await asyncio.gather(*map(arrive, range(AT_ONCE)))
    cpu = _cpu_seconds(pid) - before
    seconds = [answer.seconds for answer in answers]
    return Load(
        slowest=max(seconds),
        median=statistics.median(seconds),
        events=sum(answer.events for answer in answers),
        whole=sum(answer.whole for answer in answers),
        cpu=cpu,
    )


def late() -> bool:
    """Prints how late the doors for programs make each token; whether that is little enough."""
    with ExitStack() as stack:
        store = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(model_server(TOKENS, DELAY, stamped=True))
        address, _ = stack.enter_context(app(url, store, HEADWATER_CACHE_SECONDS="0"))
        return asyncio.run(latency.measure(url, address, TOKENS))


def soak() -> bool:
    """Prints what the core and the page hold after many answers; whether it stays as it was."""
    with ExitStack() as stack:
        stores = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(2)]
        url = stack.enter_context(model_server(SOAK_TOKENS, SOAK_DELAY))
        address, pid = stack.enter_context(app(url, stores[0]))

        def answers_of_the_page() -> int:
            exposed = httpx.get(f"{address}/metrics").text
            counts = re.findall(r"^headwater_(?:active|waiting)_answers (\S+)", exposed, re.M)
            return round(sum(map(float, counts)))

        page = Page(address, SOAK_TOKENS)
        page_passed = asyncio.run(_soaked("page", page, pid, answers_of_the_page))
        core = Core(stack.enter_context(answering(url, stores[1])), SOAK_TOKENS)
        counting = _soaked("core", core, os.getpid(), lambda: len(asyncio.all_tasks()))
        return asyncio.run(counting) and page_passed


async def _soaked(name: str, way: Way, pid: int, tasks: Callable[[], int]) -> bool:
    numbers, broken = itertools.count(), 0

    async def reader(upto: int) -> None:
        nonlocal broken
        while (number := next(numbers)) < upto:
            leave_after = 3 + number % 10 if number % 10 < 3 else None  # 30 %
            answer = await way.ask(number, leave_after)
            broken += leave_after is None and not answer.whole

    async def held() -> Held:
        await asyncio.sleep(IDLE_SECONDS)
        await way.ask(next(numbers))  # the SDK closes what has expired when it is used again
        await way.leave()
        await asyncio.sleep(1)
        return _held(pid, tasks())

    await way.ask(next(numbers))
    at = {0: await held()}
    for upto in (FIRST, SOAK // 2, SOAK):
        await asyncio.gather(*(reader(upto) for _ in range(SOAK_AT_ONCE)))
        at[upto] = await held()
    for answers, state in at.items():
        print(
            f"{name} after {answers:4}: {state.megabytes:6.1f} MB, {state.sockets} sockets, "
            f"{state.threads} threads, {state.tasks} tasks"
        )
    growth = at[SOAK].megabytes / at[FIRST].megabytes
    print(f"{name}: {growth:.3f} × the memory, allowed {GROWTH:.2f}; {broken} answers broken")
    back = at[SOAK].sockets <= at[0].sockets and at[SOAK].tasks <= at[0].tasks
    pools = at[FIRST].threads + SOAK_AT_ONCE  # they fill up as it happens
    return growth <= GROWTH and back and at[SOAK].threads <= pools and not broken


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _held(pid: int, tasks: int) -> Held:
    process = Path(f"/proc/{pid}")
    [memory] = re.findall(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
    files = [str(file.resolve()) for file in (process / "fd").iterdir()]
    return Held(
        megabytes=int(memory) / 1024,
        sockets=sum("socket:" in file for file in files),
        threads=len(list((process / "task").iterdir())),
        tasks=tasks,
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["model", port, count, delay, *stamped]:
            serve_model(int(port), int(count), float(delay), stamped=bool(stamped))
        case ["soak"]:
            sys.exit(0 if soak() else 1)
        case ["late"]:
            sys.exit(0 if late() else 1)
        case _:
            both = [load(), late()]
            sys.exit(0 if all(both) else 1)
