"""Streams an answer from an OpenAI-compatible server. The only module that imports openai.

Retries, backoff, Retry-After and timeouts are the SDK's own; here they are set, and its errors are
translated. Knows nothing of documents: it is given messages.
"""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import openai
from httpx2 import AsyncByteStream, Response
from pydantic import HttpUrl

from ..serving import request_id
from ..settings import Settings
from ..text.tokens import size
from ..types import Options, Usage
from . import pricing
from .failures import model_error
from .pieces import Declined, Ending
from .prompt import Message

OPENAI_URL = HttpUrl("https://api.openai.com/v1")
CONNECT_SECONDS = 10.0
RETRIES = 2
MAX_EVENT = 1_000_000  # bytes of one event of the stream, or of an answer that is none
_BLANK = (b"\n\n", b"\n\r\n", b"\r\r")  # what ends an event
_UNREADABLE = (json.JSONDecodeError, UnicodeDecodeError)  # the SDK lets both through as they are


class Model:
    """The configured server. One for the process; safe for many answers at once."""

    def __init__(self, settings: Settings) -> None:
        key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
        url = settings.openai_base_url or OPENAI_URL
        self.name = settings.openai_model
        self._url = str(url)
        self._host = url.host or ""
        self._first_word_seconds = settings.first_word_timeout
        self._idle_seconds = settings.idle_timeout
        self._max_seconds = settings.max_answer_seconds
        self._counts_tokens = True
        # Only connecting is limited here: the SDK would ask again after a read that took too long,
        # and a slow model would begin, and be paid, three times.
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=self._url,
            timeout=openai.Timeout(None, connect=CONNECT_SECONDS),
            max_retries=RETRIES,
            default_headers={"Accept-Encoding": "identity"},  # else a little could become much
            http_client=openai.DefaultAsyncHttpxClient(event_hooks={"response": [_bound]}),
        )

    async def close(self) -> None:
        await self._client.close()

    async def stream(
        self, messages: Sequence[Message], options: Options
    ) -> AsyncGenerator[str | Declined | Ending]:
        """The answer's text in pieces as they come, then one Ending.

        Raises ModelError. The connection is closed when the iteration ends, is cancelled, or the
        generator is closed.
        """
        name = options.model or self.name
        reason, usage, written, declined = "stop", None, 0, False
        # Some servers send the two halves of an emoji's surrogate pair in two pieces.
        decoder = codecs.getincrementaldecoder("utf-16-le")("replace")
        deadline = asyncio.get_running_loop().time() + self._max_seconds
        limit = _limit(self._first_word_seconds, deadline)
        try:
            async with limit:
                stream = await self._create(name, messages, options)
            async with stream:
                while True:
                    silence = self._idle_seconds if written else self._first_word_seconds
                    limit = _limit(silence, deadline)
                    async with limit:
                        chunk = await anext(stream, None)
                    if chunk is None:
                        break
                    usage = _usage(chunk) or usage
                    reason = _first_choice(chunk).get("finish_reason") or reason
                    text, is_refusal = _text(chunk)
                    if is_refusal and not declined:
                        declined = True
                        yield Declined()
                    if text := decoder.decode(text.encode("utf-16-le", "surrogatepass")):
                        written += size(text)
                        yield text
                        # A reader who takes long is no reason to go on for longer.
                        if asyncio.get_running_loop().time() >= deadline:
                            raise TimeoutError
        except (openai.OpenAIError, *_UNREADABLE, _Overlong, TimeoutError) as exc:
            # Not by the clock: uvloop's timers are up to half a millisecond early.
            over = asyncio.get_running_loop().time() >= deadline
            late = isinstance(exc, TimeoutError) and (over or limit.when() == deadline)
            kind = "too_long_answer" if late else _kind(exc, begun=written > 0)
            told = {"server": self._host, "model": name, "seconds": self._max_seconds}
            raise model_error(kind, **told) from exc
        if half := decoder.decode(b"", final=True):
            written += size(half)
            yield half
        if not written and reason == "stop":
            raise model_error("empty_answer")
        usage = usage or pricing.estimate(messages, written)
        yield Ending(reason, usage, pricing.price(usage, name, self._url))

    async def _create(
        self, name: str, messages: Sequence[Message], options: Options
    ) -> openai.AsyncStream[object]:
        """The chunks as plain JSON values: the SDK's typed ones cost three times the CPU, and what
        servers leave out or add is not in their types."""
        parameters = dict(options.parameters)
        if self._counts_tokens:
            parameters["stream_options"] = {"include_usage": True}
        if options.temperature is not None:
            parameters["temperature"] = options.temperature
        if options.max_tokens is not None:
            # OpenAI's newer models refuse the old name; other servers often know only the old one.
            is_openai = self._host == OPENAI_URL.host
            parameters["max_completion_tokens" if is_openai else "max_tokens"] = options.max_tokens
        try:
            return await self._client.post(
                "/chat/completions",
                cast_to=object,
                body={"model": name, "messages": messages, "stream": True, **parameters},
                options={"headers": {"X-Client-Request-Id": request_id.current()}},
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
        except openai.BadRequestError as exc:
            if not self._counts_tokens or "stream_options" not in str(exc):
                raise
            self._counts_tokens = False  # some servers do not know the option
            return await self._create(name, messages, options)


class _Overlong(Exception):
    """The server sent more than MAX_EVENT bytes without an end."""


class _Bounded(AsyncByteStream):
    """What a server sends, as long as its events, or the whole of what is no stream, are short."""

    def __init__(self, sent: AsyncByteStream) -> None:
        self._sent = sent

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, last = 0, b""
        async for piece in self._sent:
            seen = last + piece
            first = min((at for blank in _BLANK if (at := seen.find(blank)) >= 0), default=-1)
            if size + (len(piece) if first < 0 else first) > MAX_EVENT:
                raise _Overlong
            if first < 0:
                size += len(piece)
            else:
                size = len(seen) - max(seen.rfind(blank) for blank in _BLANK)
            last = seen[-2:]
            yield piece

    async def aclose(self) -> None:
        await self._sent.aclose()


async def _bound(response: Response) -> None:
    assert isinstance(response.stream, AsyncByteStream)
    response.stream = _Bounded(response.stream)


def _limit(seconds: float, deadline: float) -> asyncio.Timeout:
    """Raises TimeoutError after `seconds`, or at the answer's deadline if that is sooner."""
    return asyncio.timeout_at(min(asyncio.get_running_loop().time() + seconds, deadline))


def _usage(chunk: object) -> Usage | None:
    match chunk:
        case {"usage": {"prompt_tokens": int(asked), "completion_tokens": int(written)}}:
            return Usage(asked, written)
        case _:
            return None


def _first_choice(chunk: object) -> dict[str, Any]:
    match chunk:
        case {"choices": [dict(choice), *_]}:
            return choice
        case _:
            return {}


def _text(chunk: object) -> tuple[str, bool]:
    """The text of a chunk, and whether it is of a refusal."""
    match _first_choice(chunk):
        case {"delta": {"content": str(text)}} if text:
            return text, False
        case {"delta": {"refusal": str(text)}} if text:
            return text, True
        case _:
            return "", False


# How servers name these: OpenAI, Azure, vLLM, llama.cpp, and routers in front of them.
_TOO_LONG = {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
_FILTERED = {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"}
_TOO_MANY = {"rate_limit_exceeded", "rate_limit_error", "insufficient_quota"}
_NO_KEY = {"invalid_api_key", "authentication_error", "permission_error"}
_FAILED = {"server_error", "internal_error", "internal_server_error", "overloaded_error"}


def _kind(exc: Exception, *, begun: bool) -> str:
    """Which kind of failure (rag.writing.failures) the SDK's error is; after the first word all
    that has no name of its own is an interruption."""
    match exc:
        case _Overlong():
            return "overlong"
        case TimeoutError():
            return "stream_interrupted" if begun else "timeout"
        case openai.APIConnectionError():
            return "stream_interrupted" if begun else "network_error"
        case openai.APIError():
            return _named(exc) or ("stream_interrupted" if begun else "server_error")
        case _:
            return "stream_interrupted" if begun else "unreadable"


def _named(exc: openai.APIError) -> str | None:
    """The kind by what the server calls it: a code, a type, or a status, which some servers send
    as the code of an event in the stream."""
    names = {exc.code, exc.type}
    status = getattr(exc, "status_code", None)
    if status is None and str(exc.code).isdecimal():
        status = int(str(exc.code))
    if names & _TOO_LONG or "maximum context length" in exc.message:
        return "context_too_long"
    if names & _FILTERED:
        return "content_filtered"
    if names & _TOO_MANY or status == 429:
        return "rate_limited"
    if names & _NO_KEY or status in (401, 403):
        return "auth_error"
    if "model_not_found" in names or status == 404:
        return "unknown_model"
    if "invalid_request_error" in names or (status and 400 <= status < 500):
        return "invalid_request"
    return "server_error" if status or exc.code in _FAILED else None
