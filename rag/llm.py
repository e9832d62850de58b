"""Streams an answer from an OpenAI-compatible server. The only module that imports openai.

Retries, backoff, Retry-After and timeouts are the SDK's own; here they are set, and its errors are
translated. Knows nothing of documents: it is given messages.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import cast

import openai
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from pydantic import HttpUrl

from .errors import ModelError
from .prompt import Message
from .settings import Settings
from .types import Options, Usage

OPENAI_URL = HttpUrl("https://api.openai.com/v1")
CONNECT_SECONDS = 10.0
RETRIES = 2


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the model stopped (`stop`, `length`, `content_filter`, or what the server says), and what
    it counted, if it did."""

    reason: str
    usage: Usage | None


class Model:
    """The configured server. One for the process; safe for many answers at once."""

    def __init__(self, settings: Settings) -> None:
        key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
        url = settings.openai_base_url or OPENAI_URL
        self.name = settings.openai_model
        self._host = url.host or ""
        self._first_word_seconds = settings.first_word_timeout
        self._idle_seconds = settings.idle_timeout
        self._counts_tokens = True
        # Only connecting is limited here: the SDK would ask again after a read that took too long,
        # and a slow model would begin, and be paid, three times.
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=str(url),
            timeout=openai.Timeout(None, connect=CONNECT_SECONDS),
            max_retries=RETRIES,
        )

    async def close(self) -> None:
        await self._client.close()

    async def stream(
        self, messages: Sequence[Message], options: Options
    ) -> AsyncGenerator[str | Ending]:
        """The answer's text in pieces as they come, then one Ending.

        Raises ModelError. The connection is closed when the iteration ends, is cancelled, or the
        generator is closed.
        """
        name = options.model or self.name
        reason, usage, begun = "stop", None, False
        try:
            async with asyncio.timeout(self._first_word_seconds):
                stream = await self._create(name, messages, options)
            async with stream:
                while chunk := await self._next(stream, begun):
                    usage = _usage(chunk) or usage
                    for choice in (chunk.choices or [])[:1]:
                        reason = choice.finish_reason or reason
                        text = choice.delta and (choice.delta.content or choice.delta.refusal)
                        if text:
                            begun = True
                            yield text
        except (openai.OpenAIError, json.JSONDecodeError, TimeoutError) as exc:
            raise (_interrupted() if begun else _model_error(exc, name, self._host)) from exc
        if not begun and reason == "stop":
            raise _empty()
        yield Ending(reason, usage)

    async def _create(
        self, name: str, messages: Sequence[Message], options: Options
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        parameters: dict[str, object] = {}
        if self._counts_tokens:
            parameters["stream_options"] = {"include_usage": True}
        if options.temperature is not None:
            parameters["temperature"] = options.temperature
        if options.max_tokens is not None:
            # OpenAI's newer models refuse the old name; other servers often know only the old one.
            is_openai = self._host == OPENAI_URL.host
            parameters["max_completion_tokens" if is_openai else "max_tokens"] = options.max_tokens
        try:
            return await self._client.chat.completions.create(
                model=name,
                messages=cast(list[ChatCompletionMessageParam], messages),
                stream=True,
                extra_body=parameters,
            )
        except openai.BadRequestError as exc:
            if not self._counts_tokens or "stream_options" not in str(exc):
                raise
            self._counts_tokens = False  # some servers do not know the option
            return await self._create(name, messages, options)

    async def _next(
        self, stream: openai.AsyncStream[ChatCompletionChunk], begun: bool
    ) -> ChatCompletionChunk | None:
        """The next chunk, None at the end. Raises TimeoutError if the server is silent too long."""
        async with asyncio.timeout(self._idle_seconds if begun else self._first_word_seconds):
            return await anext(aiter(stream), None)


def _usage(chunk: ChatCompletionChunk) -> Usage | None:
    counted = chunk.usage
    return Usage(counted.prompt_tokens, counted.completion_tokens) if counted else None


def _empty() -> ModelError:
    return ModelError(
        "empty_answer",
        "The model ended without a word. Ask again, or choose another model.",
        "Mô hình kết thúc mà không viết gì. Hãy hỏi lại hoặc chọn mô hình khác.",
        retryable=True,
    )


def _interrupted() -> ModelError:
    return ModelError(
        "stream_interrupted",
        "The answer broke off: the model's server stopped sending. Ask again for a whole one.",
        "Câu trả lời bị ngắt giữa chừng: máy chủ mô hình ngừng gửi. Hãy hỏi lại để có câu trả lời "
        "đầy đủ.",
        retryable=True,
    )


def _model_error(exc: Exception, name: str, server: str) -> ModelError:
    """The SDK's error as one of ours. Most special kinds first: the SDK's classes nest."""
    match exc:
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return ModelError(
                "auth_error",
                "The model's server refused the key. Check OPENAI_API_KEY.",
                "Máy chủ mô hình từ chối khóa. Hãy kiểm tra OPENAI_API_KEY.",
                retryable=False,
            )
        case openai.RateLimitError():
            return ModelError(
                "rate_limited",
                "The model's server says: too many requests, or the quota is used up. "
                "Wait a little and ask again.",
                "Máy chủ mô hình báo quá nhiều yêu cầu hoặc đã hết hạn mức. "
                "Hãy đợi một chút rồi hỏi lại.",
                retryable=True,
            )
        case openai.NotFoundError():
            return ModelError(
                "invalid_request",
                f"The model's server at {server} does not know the model “{name}”. "
                "Check OPENAI_MODEL and OPENAI_BASE_URL.",
                f"Máy chủ mô hình tại {server} không biết mô hình “{name}”. "
                "Hãy kiểm tra OPENAI_MODEL và OPENAI_BASE_URL.",
                retryable=False,
            )
        case openai.BadRequestError(code="context_length_exceeded"):
            return ModelError(
                "context_too_long",
                "The question and its passages are too long for this model. Ask for fewer sources "
                "or start a new conversation.",
                "Câu hỏi cùng các đoạn trích quá dài với mô hình này. Hãy giảm số nguồn hoặc bắt "
                "đầu cuộc trò chuyện mới.",
                retryable=False,
            )
        case openai.APIStatusError(status_code=status) if status < 500:
            return ModelError(
                "invalid_request",
                f"The model's server refused the request ({status}). Check the model and the "
                "options.",
                f"Máy chủ mô hình từ chối yêu cầu ({status}). Hãy kiểm tra mô hình và các "
                "tùy chọn.",
                retryable=False,
            )
        case openai.APIStatusError(status_code=status):
            return ModelError(
                "server_error",
                f"The model's server failed ({status}). Ask again in a moment.",
                f"Máy chủ mô hình gặp lỗi ({status}). Hãy hỏi lại sau giây lát.",
                retryable=True,
            )
        case TimeoutError():
            return ModelError(
                "timeout",
                "The model's server did not begin to answer in time. Ask again, or raise "
                "HEADWATER_FIRST_WORD_TIMEOUT for a slow model.",
                "Máy chủ mô hình không bắt đầu trả lời kịp. Hãy hỏi lại, hoặc tăng "
                "HEADWATER_FIRST_WORD_TIMEOUT nếu mô hình chậm.",
                retryable=True,
            )
        case openai.APIConnectionError():
            return ModelError(
                "network_error",
                f"The model's server at {server} cannot be reached. Check the network and "
                "OPENAI_BASE_URL.",
                f"Không kết nối được máy chủ mô hình tại {server}. Hãy kiểm tra mạng và "
                "OPENAI_BASE_URL.",
                retryable=True,
            )
        case _:
            return ModelError(
                "server_error",
                "The model's server sent something that cannot be read. Ask again.",
                "Máy chủ mô hình gửi dữ liệu không đọc được. Hãy hỏi lại.",
                retryable=True,
            )
