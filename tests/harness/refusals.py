"""How servers refuse what a request has, in their own words. Written by hand after what they were
seen to say. Knows no server: tests/harness/upstream.py sends them (`Script.raw`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .upstream import Script


@dataclass(frozen=True)
class Refused:
    """One refusal, by whose it is."""

    name: str
    status: int
    body: Any  # JSON, or the text as it is
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=lambda: {"retry-after-ms": "1"})

    @property
    def text(self) -> str:
        return self.body if isinstance(self.body, str) else json.dumps(self.body)

    @property
    def script(self) -> Script:
        return Script(
            status=self.status,
            raw=[self.text],
            content_type=self.content_type,
            headers=self.headers,
        )


def openai(message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    kind = "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def pydantic(name: str, said: str = "Extra inputs are not permitted") -> dict[str, Any]:
    return {"detail": [{"type": "extra_forbidden", "loc": ["body", name], "msg": said}]}


def vllm(message: str) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": "BadRequestError", "code": 400}


def gemini(code: int, message: str, status: str = "INVALID_ARGUMENT") -> list[Any]:
    return [{"error": {"code": code, "message": message, "status": status}}]


# By what of the request they do not take.
PARAMETERS: dict[str, list[Refused]] = {
    "stream_options": [
        Refused("old Azure", 400, openai("Unrecognized request argument supplied: stream_options")),
        Refused("FastAPI", 422, pydantic("stream_options")),
        Refused("Mistral", 422, {"object": "error", "message": pydantic("stream_options")}),
        Refused("old vLLM", 400, vllm("[{'type': 'extra_forbidden', 'loc': ('body', "
                "'stream_options'), 'msg': 'Extra inputs are not permitted'}]")),
    ],
    "max_tokens": [
        Refused("OpenAI", 400, openai("Unsupported parameter: 'max_tokens' is not supported with "
                "this model. Use 'max_completion_tokens' instead.", "max_tokens",
                "unsupported_parameter")),
    ],
    "max_completion_tokens": [
        Refused("FastAPI", 422, pydantic("max_completion_tokens")),
        Refused("Mistral", 422, {"object": "error",
                "message": pydantic("max_completion_tokens"), "type": "invalid_request_error"}),
    ],
    "temperature": [
        Refused("OpenAI", 400, openai("Unsupported value: 'temperature' does not support 0.5 with "
                "this model. Only the default (1) value is supported.", "temperature",
                "unsupported_value")),
        Refused("Moonshot", 400, openai("invalid temperature: only 1 is allowed for this model")),
        Refused("Anthropic", 400, openai("`temperature` and `top_p` cannot both be specified for "
                "this model. Please use only one.")),
    ],
    "top_p": [
        Refused("OpenAI", 400, openai("Unsupported parameter: 'top_p' is not supported with this "
                "model.", "top_p", "unsupported_parameter")),
    ],
    "seed": [
        Refused("Mistral", 422, pydantic("seed")),
        Refused("Cohere", 400, {"message": "invalid request: unknown field: seed"}),
    ],
    "response_format": [
        Refused("Groq", 400, openai("This model does not support response format `json_object`.")),
        Refused("LM Studio", 400, {"error": "'response_format.type' must be 'json_schema' or "
                "'text'"}),
        Refused("a small one", 422, pydantic("response_format")),
    ],
    "system": [
        Refused("vLLM with Gemma", 400, vllm("System role not supported")),
        Refused("OpenAI's o1-mini", 400, openai("Unsupported value: 'messages[0].role' does not "
                "support 'system' with this model.", "messages[0].role", "unsupported_value")),
        Refused("Gemini with Gemma", 400, gemini(400, "Developer instruction is not enabled for "
                "models/gemma-3-27b-it")),
        Refused("llama.cpp", 500, {"error": {"code": 500, "message": "Jinja Exception: System role "
                "not supported", "type": "server_error"}}),
        Refused("a template", 400, vllm("Conversation roles must alternate "
                "user/assistant/user/assistant/...")),
    ],
}  # fmt: skip
