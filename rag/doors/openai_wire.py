"""What OpenAI's chat completions API takes and gives, as far as it is served here: for checking
requests and for /docs."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, JsonValue

MOST_PASSED_ON = 20_000  # bytes, of one parameter
HEADWATER = "headwater"  # the model of the settings, or the documents' own words
_LINK = "https://docs.example/documents/3/pages/1?chunk=7#passage"
_CITED: dict[str, JsonValue] = {
    "start_index": 47,
    "end_index": 50,
    "url": _LINK,
    "title": "Proxies and buffering",
    "supported": True,
    "outcome": "confirmed",
    "added": False,
    "quote": "X-Accel-Buffering: no tells nginx to pass the response on at once.",
}
_ANSWER: dict[str, JsonValue] = {
    "id": "chatcmpl-5c40bb2f7b26",
    "object": "chat.completion",
    "created": 1795305600,
    "model": HEADWATER,
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "It tells nginx to pass the response on at once [1].",
                "refusal": None,
                "annotations": [{"type": "url_citation", "url_citation": _CITED}],
            },
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": {
        "prompt_tokens": 912,
        "completion_tokens": 14,
        "total_tokens": 926,
        "completion_tokens_details": {"reasoning_tokens": 0},
    },
    "citations": [_LINK],
    "search_results": [
        {
            "number": 1,
            "title": "Proxies and buffering",
            "url": _LINK,
            "document": "proxies-and-buffering.md",
            "page": 1,
            "score": 0.8731,
            "snippet": "X-Accel-Buffering: no tells nginx to pass this response on unbuffered.",
        }
    ],
    "headwater": {"reason": "stop", "cached": False, "total_seconds": 1.2},
}


def _text(value: object) -> object:
    """A content that is a list of text parts, as one text."""
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        if any(part.get("type") not in ("text", "refusal") for part in value):
            raise ValueError("only text can be read here")
        texts = [part.get("text") or part.get("refusal") or "" for part in value]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("the text of a part is no text")
        return "\n".join(texts)
    return "" if value is None else value


def _passed_on(value: object) -> object:
    """What goes to the model's server as it is. Raises ValueError if that is no JSON, or much."""
    if len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode()) > MOST_PASSED_ON:
        raise ValueError(f"at most {MOST_PASSED_ON:,} bytes are passed on")
    return value


class ChatMessage(BaseModel):
    """A message; the content may also be a list of text parts."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_text)] = ""


class StreamOptions(BaseModel):
    """What a stream tells beside the text."""

    include_usage: bool | None = False


class ChatCompletion(BaseModel):
    """A question: the last message, the user's. What is not known here is not used."""

    model: str = Field(HEADWATER, max_length=200, description="a name of GET /v1/models")
    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    max_tokens: int | None = Field(None, ge=1, le=1_000_000)
    max_completion_tokens: int | None = Field(None, ge=1, le=1_000_000)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Annotated[str | list[str] | None, AfterValidator(_passed_on)] = None
    response_format: Annotated[dict[str, JsonValue] | None, AfterValidator(_passed_on)] = None
    user: str | None = Field(None, max_length=500)
    collection: str | None = Field(
        None,
        max_length=500,
        description="search only this collection (a folder) or document, by its name",
    )
    n: Literal[1] | None = 1
    tools: list[JsonValue] | None = Field(None, max_length=0, description="not offered here")

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "model": HEADWATER,
                    "messages": [{"role": "user", "content": "What does X-Accel-Buffering do?"}],
                    "stream": True,
                }
            ]
        }
    }


class SearchResult(BaseModel):
    """A source: the passage as `snippet`, and the address of its page with the passage marked."""

    number: int
    title: str
    url: str
    document: str
    page: int
    score: float
    snippet: str


class CompletionBody(BaseModel):
    """An answer that is not streamed."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[dict[str, JsonValue]]
    usage: dict[str, JsonValue]
    citations: list[str]
    search_results: list[SearchResult]
    headwater: dict[str, JsonValue] = Field(description="times, cost, how it ended")

    model_config = {"json_schema_extra": {"examples": [_ANSWER]}}


class ModelList(BaseModel):
    """The names that may be asked for."""

    object: Literal["list"]
    data: list[dict[str, JsonValue]]

    model_config = {
        "json_schema_extra": {
            "examples": [{"object": "list", "data": [{"id": HEADWATER, "object": "model"}]}]
        }
    }
