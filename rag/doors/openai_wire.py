"""What OpenAI's chat completions API takes and gives, as far as it is served here: for checking
requests and for /docs."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, JsonValue

from .places import Collection, Documents

MOST_PASSED_ON = 20_000  # bytes, of one parameter
MOST_TOKENS = 1_000_000  # that a client may wish; more is no limit, and so is less than 1
HEADWATER = "headwater"  # the model of the settings, or the documents' own words
_TEXTS = ("text", "input_text", "output_text", "refusal")  # kinds of parts
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


def _parts(value: JsonValue) -> list[str | None]:
    """The texts of a content, None for a part that is something else. Raises ValueError for what is
    no content."""
    if isinstance(value, str) or value is None:
        return [value or ""]
    if not isinstance(value, list | dict):
        raise ValueError("a content is a text or a list of parts")
    parts = value if isinstance(value, list) else [value]
    return [part if isinstance(part, str) else _said(part) for part in parts]


def _readable(value: JsonValue) -> JsonValue:
    _parts(value)
    return value


def _said(part: object) -> str | None:
    """The text of a part; None for a picture, a sound, a tool's call or its result."""
    if not isinstance(part, dict):
        raise ValueError("a part is neither a text nor an object")
    if part.get("type", "text") not in _TEXTS:
        return None
    text = part.get("text") or part.get("refusal") or ""
    if not isinstance(text, str):
        raise ValueError("the text of a part is no text")
    return text


def token_limit(value: object) -> object:
    """A number of tokens; None for those with which clients say that there is no limit."""
    is_number = isinstance(value, int | float)
    return None if is_number and not 1 <= value <= MOST_TOKENS else value  # type: ignore[operator]


def passed_on(value: object) -> object:
    """What goes to the model's server as it is. Raises ValueError if that is no JSON, or much."""
    if len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode()) > MOST_PASSED_ON:
        raise ValueError(f"at most {MOST_PASSED_ON:,} bytes are passed on")
    return value


class ChatMessage(BaseModel):
    """A message; the content may also be a list of parts. Those of tools are left out, and parts
    that are not text."""

    role: str = Field(max_length=100, description="system, developer, user or assistant")
    content: Annotated[JsonValue, AfterValidator(_readable)] = ""

    @property
    def text(self) -> str | None:
        """What it says; None where that is something else, as a picture."""
        parts = _parts(self.content)
        said = [part for part in parts if part is not None]
        return "\n".join(said) if said or not parts else None

    @property
    def lacks(self) -> bool:
        """Whether `text` is not all of it."""
        return None in _parts(self.content)


class StreamOptions(BaseModel):
    """What a stream tells beside the text."""

    include_usage: bool | None = False


class ChatCompletion(BaseModel):
    """A question: the last message of the user. What is not known here is not used."""

    model: Annotated[str, BeforeValidator(lambda name: name or HEADWATER)] = Field(
        HEADWATER, max_length=200, description="a name of GET /v1/models"
    )
    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    max_tokens: Annotated[int | None, BeforeValidator(token_limit)] = None
    max_completion_tokens: Annotated[int | None, BeforeValidator(token_limit)] = None
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Annotated[str | list[str] | None, AfterValidator(passed_on)] = None
    response_format: Annotated[dict[str, JsonValue] | None, AfterValidator(passed_on)] = None
    user: Annotated[str | None, AfterValidator(lambda name: name and name[:500])] = None
    collection: Collection = None
    documents: Documents = None
    n: Literal[1] | None = 1
    tools: JsonValue = Field(None, description="not used: the answer is from the documents")

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


class OneModel(BaseModel):
    """A name that may be asked for."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str

    model_config = {
        "json_schema_extra": {
            "examples": [{"id": HEADWATER, "object": "model", "created": 0, "owned_by": HEADWATER}]
        }
    }


class ModelList(BaseModel):
    """The names that may be asked for."""

    object: Literal["list"]
    data: list[dict[str, JsonValue]]

    model_config = {
        "json_schema_extra": {
            "examples": [{"object": "list", "data": [{"id": HEADWATER, "object": "model"}]}]
        }
    }
