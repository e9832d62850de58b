"""Streams an answer from an OpenAI-compatible server. The only module that imports openai.

Requests, retries, backoff and Retry-After are the SDK's own; here they are set, and its errors are
translated. What comes is read by rag.writing.wire. Knows no documents: it is given messages.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import openai
from httpx2 import AsyncByteStream, HTTPError, RequestError, Response, TransportError
from pydantic import HttpUrl

from ..errors import ModelError
from ..events import Thinking
from ..serving import request_id
from ..settings import Settings
from ..types import Options
from . import address, kinds, parameters, pricing
from .context import Contexts
from .counting import MAX_ANSWER, Came, TooMuch
from .failures import model_error
from .parameters import MOST_CHANGES, RULES_TO_USER, Change
from .pieces import Declined, Ending
from .prompt import Message
from .thinking import Separator, opens_in_the_prompt
from .wire import MAX_EVENT, Overlong, Reported, Unreadable, Wire, WireError

log = logging.getLogger(__name__)

OPENAI_URL = HttpUrl("https://api.openai.com/v1")
CONNECT_SECONDS = 10.0
RETRIES = 2
COUNT_SECONDS = 5.0  # that a server may be silent between its last word and what it has counted
DRAIN_SECONDS = 0.1
LOADING_SECONDS = 1.0  # until a model that is being loaded is asked again
_NOT_THERE = ("no_server", "page", "unreadable")  # no chat server spoke


class Model:
    """The configured server. One for the process; safe for many answers at once."""

    def __init__(self, settings: Settings) -> None:
        key = settings.openai_api_key
        self._key = key.get_secret_value() if key else ""
        url = settings.openai_base_url or OPENAI_URL
        self.name = settings.openai_model
        self._url = str(url)
        self._host = url.host or ""
        self._first_word_seconds = settings.first_word_timeout
        self._idle_seconds = settings.idle_timeout
        self._max_seconds = settings.max_answer_seconds
        self.contexts = Contexts(settings.model_context)
        self._looked_up: set[str] = set()  # models whose context the server was asked for
        self._loading: set[str] = set()  # models that are
        self._learnt: dict[str, tuple[Change, ...]] = {}  # what each model does not take
        self._unopened: dict[str, bool] = {}  # which models think without an opening tag
        hooks: Any = {"response": [_bound]}
        self._http = openai.DefaultAsyncHttpxClient(
            event_hooks=hooks, mounts=address.routes(self._host)
        )
        # Only connecting is limited here: the SDK would ask again after a read that took too long,
        # and a slow model would begin, and be paid, three times.
        self._client = openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self._url,
            timeout=openai.Timeout(None, connect=CONNECT_SECONDS),
            max_retries=RETRIES,
            default_headers={"Accept-Encoding": "identity"},  # else a little could become much
            http_client=self._http,
        )

    async def close(self) -> None:
        await self._client.close()

    async def look_up(self, name: str) -> None:
        """Asks the server how many tokens a model takes, once; OpenAI's does not tell."""
        known = self.contexts.limit(name) or self._host == OPENAI_URL.host
        if known or name in self._looked_up:
            return
        self._looked_up.add(name)
        answered, limit = await address.context(self._http, self._url, self._key, name)
        self.contexts.learn(name, limit)
        if not answered:
            self._looked_up.discard(name)

    async def stream(
        self, messages: Sequence[Message], options: Options
    ) -> AsyncGenerator[str | Thinking | Declined | Ending]:
        """The answer's text in pieces as they come, then one Ending.

        Raises ModelError. The connection is closed when the iteration ends, is cancelled, or the
        generator is closed.
        """
        name = options.model or self.name
        apart = Separator(unopened=self._unopened.get(name, opens_in_the_prompt(name)))
        wire, came, declined = Wire(), Came(), False
        deadline = asyncio.get_running_loop().time() + self._max_seconds
        limit = _limit(self._first_word_seconds, deadline)
        try:
            async with limit:
                stream = await self._create(name, messages, options)
            async with stream:
                received = stream.response.aiter_bytes()
                data: bytes | None = b""
                while data is not None and not wire.over:
                    silence = self._idle_seconds if came.size else self._first_word_seconds
                    limit = _limit(COUNT_SECONDS if wire.ended else silence, deadline)
                    try:
                        async with limit:
                            data = await anext(received, None)
                    except (TimeoutError, RequestError):
                        if not wire.ended:
                            raise
                        data = None  # only what it has counted is missing
                    for sent in wire.end() if data is None else wire.feed(data):
                        if sent.kind == "refusal" and not declined:
                            declined = True
                            yield Declined()
                        for piece in apart.feed(sent):
                            yield piece
                            came.add(piece)
                            # A reader who takes long is no reason to go on for longer.
                            if asyncio.get_running_loop().time() >= deadline:
                                raise TimeoutError
                await _drained(received)
        except (openai.OpenAIError, HTTPError, WireError, TooMuch, TimeoutError) as exc:
            # Not by the clock: uvloop's timers are up to half a millisecond early.
            over = asyncio.get_running_loop().time() >= deadline
            late = isinstance(exc, TimeoutError) and (over or limit.when() == deadline)
            kind = "too_long_answer" if late else _kind(exc, begun=came.size > 0)
            if kind == "timeout" and name in self._loading:
                kind = "loading"
            for piece in apart.end(whole=False):
                yield piece
            elsewhere = ""
            if kind in _NOT_THERE and not came.size and (elsewhere := await self._elsewhere()):
                kind = "no_server_but"
            error = self._error(kind, name, said=_said(exc), elsewhere=elsewhere)
            if kind == "context_too_long" and not came.size:
                error.room, error.most = self.contexts.refused(name, messages, _said(exc))
            raise error from exc
        rest = list(apart.end(whole=wire.reason in ("stop", None) and wire.ended))
        if apart.learnt is not None:
            self._unopened[name] = apart.learnt
            if not apart.learnt:
                came.was_all_text()
        for piece in rest:
            with suppress(TooMuch):  # it is over, and these are a few characters
                came.add(piece)
            yield piece
        if missing := _missing(wire, came, as_json=options.as_json):
            raise self._error(missing, name, reason=wire.reason or "")
        usage = wire.usage or pricing.estimate(messages, came.size)
        usage = came.apart(usage, wire.thinking_tokens)
        price = pricing.price(usage, name, self._url)
        count = wire.usage and wire.usage.input_tokens
        cut = self.contexts.counted(name, messages, count) if count else None
        yield Ending(wire.reason or "stop", usage, price, cut_at=cut)

    def _error(self, kind: str, name: str, *, said: str = "", **named: str) -> ModelError:
        told = {"server": self._host, "url": self._url, "model": name, "reason": "", **named}
        detail = kinds.words(said, self._key)
        megabytes = MAX_ANSWER // 1_000_000
        return model_error(kind, detail, seconds=self._max_seconds, megabytes=megabytes, **told)

    async def _elsewhere(self) -> str:
        """The address at which the server is, where it is not at the one that is set."""
        return await address.found(self._http, self._url, self._key)

    async def _create(
        self, name: str, messages: Sequence[Message], options: Options
    ) -> openai.AsyncStream[object]:
        """The response, not read yet, to the request as this model takes it. What it does not take
        is remembered once it has taken the rest. One that is being loaded is waited for."""
        newer = self._host == OPENAI_URL.host
        asked = parameters.request(name, messages, options, newer_name=newer)
        changes = list(self._learnt.get(name, ()))
        while True:
            body = parameters.changed(asked, changes)
            try:
                stream = await self._post(body)
            except openai.APIStatusError as exc:
                if _named(exc) == "loading":
                    self._loading.add(name)
                    await asyncio.sleep(LOADING_SECONDS)
                    continue
                change = _change(exc, body, changes)
                if change is None or change in changes or len(changes) >= MOST_CHANGES:
                    raise
                log.info("%s at %s does not take %s", name, self._host, change.name)
                changes.append(change)
            else:
                self._learnt[name] = tuple(change for change in changes if change.lasting)
                self._loading.discard(name)
                return stream

    async def _post(self, body: parameters.Body) -> openai.AsyncStream[object]:
        """The SDK would read a stream that ends early as a whole one, skip what is no event, and
        cost three times the CPU with its types."""
        return await self._client.post(
            "/chat/completions",
            cast_to=object,
            body=body,
            options={"headers": {"X-Client-Request-Id": request_id.current()}},
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )


class _Bounded(AsyncByteStream):
    """The body of what is no answer, as long as it is short."""

    def __init__(self, sent: AsyncByteStream) -> None:
        self._sent = sent

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._sent:
            size += len(piece)
            if size > MAX_EVENT:
                raise Overlong
            yield piece

    async def aclose(self) -> None:
        await self._sent.aclose()


async def _bound(response: Response) -> None:
    """Of an answer each event is bounded (rag.writing.wire), of what is none the whole."""
    assert isinstance(response.stream, AsyncByteStream)
    if not response.is_success:
        response.stream = _Bounded(response.stream)


async def _drained(received: AsyncIterator[bytes]) -> None:
    """Reads what follows the end, for a moment: a connection read to its end is used again."""
    with suppress(TimeoutError, HTTPError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in received:
                pass


def _limit(seconds: float, deadline: float) -> asyncio.Timeout:
    """Raises TimeoutError after `seconds`, or at the answer's deadline if that is sooner."""
    return asyncio.timeout_at(min(asyncio.get_running_loop().time() + seconds, deadline))


def _kind(exc: Exception, *, begun: bool) -> str:
    """Which kind of failure (rag.writing.failures) an error is; after the first word all that has
    no name of its own is an interruption."""
    match exc:
        case Overlong():
            return "overlong"
        case TooMuch():
            return "too_much"
        case TimeoutError():
            return "stream_interrupted" if begun else "timeout"
        case openai.APIConnectionError() | TransportError():
            return "stream_interrupted" if begun else "network_error"
        case openai.APIError() | Reported():
            return _named(exc) or ("stream_interrupted" if begun else "server_error")
        case Unreadable(text=text) if kinds.is_page(text):
            return "page"
        case _:
            return "stream_interrupted" if begun else "unreadable"


def _change(
    exc: openai.APIStatusError, body: parameters.Body, before: Sequence[Change]
) -> Change | None:
    """What of the request a refusal wants changed. Templates refuse a role as a fault, too."""
    if _named(exc) == "context_too_long" or exc.status_code not in (400, 422, 500, 501):
        return None
    change = parameters.change(_said(exc), body, before)
    return change if exc.status_code < 500 or change == RULES_TO_USER else None


def _missing(wire: Wire, came: Came, *, as_json: bool) -> str | None:
    """Which kind of failure it is that nothing more came; None if the answer is there: in JSON, [1]
    may be one."""
    if wire.reason == "error":
        return "server_error"
    if not wire.ended:
        return "stream_interrupted"
    if came.is_answer or (as_json and came.text):
        return None
    match wire.reason:
        case "length":
            return "empty_length"
        case "content_filter":
            return "empty_filtered"
        case "stop" | "tool_calls" | None:
            if wire.called_tools or wire.reason == "tool_calls":
                return "only_tools"
            return "only_thinking" if came.thinking else "empty_answer"
        case _:
            return "empty_other"


def _named(exc: openai.APIError | Reported) -> str | None:
    """The kind by what the server says, of which the status is the code of an event in a stream."""
    status = getattr(exc, "status_code", None)
    if status is None and str(exc.code).isdecimal():
        status = int(str(exc.code))
    kind = kinds.kind(status, {exc.code, exc.type}, _said(exc))
    return None if kind == "server_error" and not (status or exc.code) else kind  # a type alone


def _said(exc: Exception) -> str:
    """What the server itself says of a failure."""
    match exc:
        case openai.APIStatusError():
            return exc.response.text[: kinds.BODY]
        case Reported() | Unreadable():
            return exc.text[: kinds.BODY]
        case _:
            return ""
