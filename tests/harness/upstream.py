"""A chat-completions server on loopback that follows a script and logs when its client leaves.

It speaks HTTP/1.1 on raw sockets, so that a test can cut a connection inside a character and
read the moment of a disconnect. It knows the wire, and nothing of the program that calls it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import re
import socket
import threading
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.client import responses as reason_phrases
from typing import Any, Literal, Self

log = logging.getLogger(__name__)

Json = dict[str, Any]
Ended = Literal["open", "finished", "client_left", "cut"]


@dataclass(frozen=True, slots=True)
class Script:
    """What the server does with one request. Delays are in seconds.

    The faults named `…_after` happen after that many tokens, 0 meaning before the first. A request
    that does not stream knows only two of them: silence, and a cut instead of the answer.
    """

    tokens: Sequence[str] = ("Hello", ", ", "world", ".")
    first_delay: float = 0.0  # before the first token; headers and role chunk are out by then
    delay: float = 0.0  # between tokens
    header_delay: float = 0.0  # before the status line
    status: int = 200  # any other answers with a JSON error, or with `raw`
    error_code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    role_chunk: bool = True
    empty_choices_first: bool = False
    usage: bool = True  # False ignores a request's include_usage
    refuse_stream_options: bool = False
    finish_reason: str = "stop"
    refuses: bool = False  # the tokens are those of a refusal
    stamped: bool = False  # each token ends with @ and time.monotonic_ns() as it is sent
    silent_after: int | None = None  # the socket stays open and nothing comes
    cut_after: int | None = None  # the connection closes inside the chunked body
    cut_in_character: bool = False  # and its last byte begins a character it does not finish
    error_event_after: int | None = None  # an `error` event ends the stream, without [DONE]
    broken_json_after: int | None = None  # an event that is not JSON; the stream then goes on
    split_bytes: int | None = None  # the most bytes of an event that travel in one chunk
    raw: Sequence[str | float] | None = None  # in place of all that: as it is, and seconds to wait
    content_type: str = "text/event-stream"  # of `raw`


@dataclass(frozen=True, slots=True)
class Call:
    """One request for a completion, as far as it has come. Times are `time.monotonic()`.

    `finished` and `cut` are logged just before the last bytes leave, so a client that has read
    them finds the entry. `cut` also stands for a call that was open when the server stopped.
    """

    body: Json
    headers: dict[str, str]  # names in lower case
    started: float
    first_token_at: float | None = None
    tokens_sent: int = 0
    ended: Ended = "open"
    ended_at: float | None = None  # for `client_left`, when its end of the socket closed


class Upstream:
    """The server, in a thread of its own between `__enter__` and `__exit__`.

    `script` and `require_key` may be set while it runs. A callable script is given the body of
    each request, and runs in the server's thread.
    """

    def __init__(
        self,
        script: Script | Callable[[Json], Script] | None = None,
        *,
        require_key: str | None = None,
        models: Sequence[str] = ("test-model",),
        port: int = 0,
    ) -> None:
        self.script = script or Script()
        self.require_key = require_key
        self._models = models
        self.prefix = "/v1"  # of what it answers
        self.others: Mapping[str, Json] = {}  # what else it answers, by method and path
        self.others_status = 200
        self._port = port
        self._queue: deque[Script] = deque()
        self._calls: list[Call] = []
        self._changed = threading.Condition()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread

    def __enter__(self) -> Self:
        # Bound here, so that a port in use raises in the caller's thread.
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(listener)), name="upstream", daemon=True
        )
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def calls(self) -> list[Call]:
        """The requests for completions so far, refused ones included, oldest first."""
        with self._changed:
            return list(self._calls)

    @property
    def active(self) -> int:
        return sum(call.ended == "open" for call in self.calls)

    def next(self, *scripts: Script) -> None:
        """Queue scripts for the coming requests, one each, before `script` is used again."""
        self._queue.extend(scripts)

    def wait_until(self, predicate: Callable[[list[Call]], bool], timeout: float = 5.0) -> None:
        """Block until the calls satisfy `predicate`; raises `TimeoutError`.

        In an async test, run it in a worker thread.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(list(self._calls)), timeout):
                raise TimeoutError(f"not within {timeout} s; the calls are {self._calls}")

    def wait_for_end(self, index: int = 0, timeout: float = 5.0) -> Call:
        """Block until the call at `index` has ended; raises `TimeoutError`."""
        self.wait_until(lambda c: len(c) > index and c[index].ended != "open", timeout)
        return self.calls[index]

    def _begin(self, request: _Request) -> int:
        with self._changed:
            self._calls.append(Call(request.body, request.headers, started=time.monotonic()))
            self._changed.notify_all()
            return len(self._calls) - 1

    def _update(self, index: int, **changes: Any) -> None:
        with self._changed:
            self._calls[index] = replace(self._calls[index], **changes)
            self._changed.notify_all()

    def _count_tokens(self, index: int, sent: int) -> None:
        first = self._calls[index].first_token_at or time.monotonic()
        self._update(index, tokens_sent=sent, first_token_at=first)

    def _end(self, index: int, ended: Ended) -> None:
        """Log how the call ended; only the first end counts."""
        if self._calls[index].ended == "open":
            self._update(index, ended=ended, ended_at=time.monotonic())

    async def _run(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve, sock=listener)
        self._started.set()
        await self._stop.wait()
        server.close()  # `asyncio.run` then cancels the connections still open

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        # asyncio sets this only on sockets it made itself; without it a token can wait 40 ms.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(writer)
        watching = asyncio.create_task(connection.watch(reader))
        try:
            while request := await connection.read_request():
                await self._answer(connection, request)
                if request.headers.get("connection") == "close":
                    break
        except (_ClientLeft, _Cut):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        except Exception:
            log.exception("a request or a script made the server fail; it closes the connection")
        finally:
            watching.cancel()
            writer.close()

    async def _answer(self, connection: _Connection, request: _Request) -> None:
        key = self.require_key
        authorized = key is None or request.headers.get("authorization") == f"Bearer {key}"
        if request.line == f"POST {self.prefix}/chat/completions":
            await self._complete(connection, request, authorized)
        elif not authorized:
            await connection.send_json(401, _error(401, "invalid_api_key"))
        elif answer := self.others.get(request.line):
            await connection.send_json(self.others_status, answer)
        elif request.line == f"GET {self.prefix}/models":
            about = {"object": "model", "created": 0, "owned_by": "tests"}
            models = [{"id": name, **about} for name in self._models]
            await connection.send_json(200, {"object": "list", "data": models})
        else:
            await connection.send_json(404, _error(404, "unknown_url"))

    async def _complete(self, connection: _Connection, request: _Request, authorized: bool) -> None:
        index = self._begin(request)
        try:
            script = self._choose(request.body, authorized)
            await connection.pause(script.header_delay)
            headers = {"x-request-id": f"req_{index}", **script.headers}
            if script.status != 200 and script.raw is None:
                self._end(index, "finished")
                error = _error(script.status, script.error_code)
                await connection.send_json(script.status, error, headers)
            elif script.raw is not None:
                headers = {"content-type": script.content_type, **headers}
                await connection.start_events(headers, script.status)
                await self._send_raw(connection, script, index)
            elif request.body.get("stream"):
                await connection.start_events(headers)
                await self._stream(connection, script, request.body, index)
            else:
                completion = await self._reply(connection, script, request.body, index)
                self._end(index, "finished")
                await connection.send_json(200, completion, headers)
        except _ClientLeft:
            self._end(index, "client_left")
            raise
        finally:
            self._end(index, "cut")

    def _choose(self, body: Json, authorized: bool) -> Script:
        if not authorized:
            return Script(status=401, error_code="invalid_api_key")
        if self._queue:
            script = self._queue.popleft()
        else:
            script = self.script(body) if callable(self.script) else self.script
        if script.refuse_stream_options and "stream_options" in body:
            return replace(script, status=400, error_code="unknown_parameter")
        return script

    async def _stream(
        self, connection: _Connection, script: Script, body: Json, index: int
    ) -> None:
        options = body.get("stream_options") or {}
        wants_usage = script.usage and options.get("include_usage", False)
        envelope = _envelope("chat.completion.chunk", body, index)
        if wants_usage:
            envelope["usage"] = None

        def event(delta: Json, finish_reason: str | None = None) -> bytes:
            return _event({**envelope, "choices": [_choice(finish_reason, delta=delta)]})

        async def send(data: bytes) -> None:
            size = script.split_bytes or len(data)
            for start in range(0, len(data), size):
                await connection.send_chunk(data[start : start + size])

        if script.empty_choices_first:
            await send(_event({**envelope, "choices": []}))
        if script.role_chunk:
            await send(event({"role": "assistant", "content": ""}))
        for sent, token in enumerate([*script.tokens, None]):
            if sent == script.silent_after:
                await connection.pause(None)
            if sent == script.cut_after:
                if script.cut_in_character:
                    whole = event({"content": "ế"})
                    await send(whole[: whole.index("ế".encode()) + 1])
                raise _Cut
            if sent == script.error_event_after:
                self._end(index, "finished")
                await send(_event(_error(500, script.error_code)))
                await connection.end_chunks()
                return
            if sent == script.broken_json_after:
                await send(b"data: {broken\n\n")
            if token is None:
                break
            await connection.pause(script.delay if sent else script.first_delay)
            self._count_tokens(index, sent + 1)
            stamp = f"@{time.monotonic_ns()}" if script.stamped else ""
            await send(event({"refusal" if script.refuses else "content": token + stamp}))
        await send(event({}, script.finish_reason))
        if wants_usage:
            await send(_event({**envelope, "choices": [], "usage": _usage(body, script)}))
        self._end(index, "finished")
        await send(b"data: [DONE]\n\n")
        await connection.end_chunks()

    async def _send_raw(self, connection: _Connection, script: Script, index: int) -> None:
        for sent, item in enumerate(script.raw or ()):
            if isinstance(item, float):
                await connection.pause(item)
                continue
            self._count_tokens(index, sent + 1)
            data = item.encode()
            size = script.split_bytes or len(data)
            for start in range(0, len(data), size):
                await connection.send_chunk(data[start : start + size])
        self._end(index, "finished")
        await connection.end_chunks()

    async def _reply(self, connection: _Connection, script: Script, body: Json, index: int) -> Json:
        if script.cut_after is not None:
            raise _Cut
        if script.silent_after is not None:
            await connection.pause(None)
        await connection.pause(script.first_delay + script.delay * (len(script.tokens) - 1))
        self._count_tokens(index, len(script.tokens))
        message: Json = {"role": "assistant", "content": None, "refusal": None}
        message["refusal" if script.refuses else "content"] = "".join(script.tokens)
        choice = _choice(script.finish_reason, message=message)
        envelope = _envelope("chat.completion", body, index)
        return {**envelope, "choices": [choice], "usage": _usage(body, script)}


class _ClientLeft(Exception):
    """The client closed or reset its end."""


class _Cut(Exception):
    """The script closes the connection here."""


@dataclass(frozen=True, slots=True)
class _Request:
    line: str  # method and path
    headers: dict[str, str]
    body: Json


class _Connection:
    """One client's socket. Its methods raise `_ClientLeft` once the client is gone."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._incoming = asyncio.StreamReader()
        self._gone = asyncio.Event()

    async def watch(self, reader: asyncio.StreamReader) -> None:
        """Read all the time, also while an answer is written: else nobody sees the client leave."""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                self._incoming.feed_data(data)
        self._incoming.feed_eof()
        self._gone.set()

    async def read_request(self) -> _Request | None:
        """The next request, or None when the client has closed. Bodies have a Content-Length."""
        try:
            head = await self._incoming.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").strip().split("\r\n")
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            body = await self._incoming.readexactly(int(headers.get("content-length", "0")))
        except asyncio.IncompleteReadError:
            return None
        return _Request(first.removesuffix(" HTTP/1.1"), headers, json.loads(body or b"{}"))

    async def pause(self, seconds: float | None) -> None:
        """Wait, for ever if None."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._gone.wait()
                raise _ClientLeft

    async def send_json(
        self, status: int, payload: Json, headers: Mapping[str, str] | None = None
    ) -> None:
        body = json.dumps(payload, ensure_ascii=False).encode()
        entity = {"content-type": "application/json", "content-length": str(len(body))}
        await self._send(_head(status, {**entity, **(headers or {})}) + body)

    async def start_events(self, headers: Mapping[str, str], status: int = 200) -> None:
        entity = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
        await self._send(_head(status, {**entity, **headers}))

    async def send_chunk(self, data: bytes) -> None:
        await self._send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end_chunks(self) -> None:
        await self._send(b"0\r\n\r\n")

    async def _send(self, data: bytes) -> None:
        await self.pause(0)
        self._writer.write(data)
        try:
            await self._writer.drain()
        except ConnectionError as exc:
            raise _ClientLeft from exc


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {reason_phrases.get(status, '')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _event(payload: Json) -> bytes:
    # Half a surrogate pair is sent as servers do that cut a text there: \ud83d.
    said = json.dumps(payload, ensure_ascii=False)
    return b"data: %b\n\n" % said.encode("utf-8", "backslashreplace")


def _envelope(kind: str, body: Json, index: int) -> Json:
    created = int(time.time())
    model = body.get("model", "")
    return {"id": f"chatcmpl-{index}", "object": kind, "created": created, "model": model}


def _choice(finish_reason: str | None, **content: Json) -> Json:
    return {"index": 0, **content, "logprobs": None, "finish_reason": finish_reason}


def _error(status: int, code: str | None) -> Json:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    message = f"The test server refuses this with {status} ({code})."
    if code == "unknown_parameter":  # the one that it does not know, as such servers name it
        message = "Unrecognized request argument supplied: stream_options"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _usage(body: Json, script: Script) -> Json:
    """Token counts as `words` would have them; the server has no tokenizer."""
    prompt = sum(len(words(_text(message))) for message in body.get("messages", []))
    sent = len(script.tokens)
    return {"prompt_tokens": prompt, "completion_tokens": sent, "total_tokens": prompt + sent}


def _text(message: Json) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def words(text: str) -> list[str]:
    """Split a text into deltas of a token's size; joined, they are the text again."""
    return re.findall(r"\s*\w{1,6}|\s*[^\w\s]|\s+", text)


_VIETNAMESE_LETTER = re.compile("[àáâãèéêìíòóôõùúýăđĩũơưạ-ỹ]", re.IGNORECASE)
_ENGLISH_ANSWER = (
    "The first source describes this directly [1]. The second adds a condition: it holds only "
    "while the figures it gives are current [2].\n\nTaken together, the answer is yes, within "
    "the limits both sources state [1][2]."
)
_VIETNAMESE_ANSWER = (
    "Nguồn thứ nhất mô tả trực tiếp điều này [1]. Nguồn thứ hai bổ sung một điều kiện: điều đó "
    "chỉ đúng khi các số liệu được nêu còn hiệu lực [2].\n\nTóm lại, câu trả lời là có, trong "
    "giới hạn mà cả hai nguồn đã nêu [1][2]."
)


def main() -> None:
    """Run the server by hand, for a demonstration without a model."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--delay", type=float, default=0.02, help="seconds between tokens")
    parser.add_argument("--echo", action="store_true", help="answer with the last user message")
    arguments = parser.parse_args()

    def script(body: Json) -> Script:
        asked = [_text(m) for m in body.get("messages", []) if m.get("role") == "user"]
        question = asked[-1] if asked else ""
        vietnamese = _VIETNAMESE_LETTER.search(unicodedata.normalize("NFC", question))
        answer = _VIETNAMESE_ANSWER if vietnamese else _ENGLISH_ANSWER
        text = question if arguments.echo else answer
        return Script(words(text), first_delay=0.3, delay=arguments.delay)

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with Upstream(script, port=arguments.port) as upstream, contextlib.suppress(KeyboardInterrupt):
        log.info("%s, until Ctrl-C", upstream.base_url)
        threading.Event().wait()


if __name__ == "__main__":
    main()
