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


def page(status: int, title: str) -> Refused:
    body = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n</body></html>"
    return Refused(title, status, body, "text/html")


QUOTA = "You exceeded your current quota, please check your plan and billing details."
# By the kind of failure (rag.writing.failures) that they are.
KINDS: dict[str, list[Refused]] = {
    "loading": [
        Refused("llama.cpp", 503, {"error": {"code": 503, "message": "Loading model",
                "type": "unavailable_error"}}),
        Refused("Hugging Face", 503, {"error": "Model google/gemma-2-2b-it is currently loading",
                "estimated_time": 20.0}),
    ],
    "context_too_long": [
        Refused("OpenAI", 400, openai("This model's maximum context length is 8192 tokens. "
                "However, your messages resulted in 9030 tokens. Please reduce the length of the "
                "messages.", "messages", "context_length_exceeded")),
        Refused("OpenAI by the minute", 429, openai("Request too large for gpt-4o in organization "
                "org-abc123def on tokens per min (TPM): Limit 30000, Requested 40000.", None,
                "rate_limit_exceeded")),
        Refused("vLLM", 400, vllm("This model's maximum context length is 4096 tokens. However, "
                "you requested 4596 tokens (4096 in the messages, 500 in the completion). Please "
                "reduce the length of the messages or completion.")),
        Refused("newer vLLM", 400, vllm("The decoder prompt (length 9030) is longer than the "
                "maximum model length of 8192. Make sure that `max_model_len` is no smaller than "
                "the number of text tokens.")),
        Refused("newest vLLM", 400, {"error": {"message": "You passed 9030 input tokens and "
                "requested 0 output tokens. However, the model's context length is only 8192 "
                "tokens, resulting in a maximum input length of 8192 tokens.",
                "type": "BadRequestError", "param": "input_tokens", "code": 400}}),
        Refused("vLLM's most", 400, vllm("'max_tokens' or 'max_completion_tokens' is too large: "
                "8000. This model's maximum context length is 8192 tokens and your request has "
                "500 input tokens (8000 > 8192 - 500).")),
        Refused("llama.cpp", 400, {"error": {"code": 400, "message": "request (9030 tokens) "
                "exceeds the available context size (8192 tokens), try increasing it",
                "type": "exceed_context_size_error", "n_prompt_tokens": 9030, "n_ctx": 8192}}),
        Refused("older llama.cpp", 500, {"error": {"code": 500, "message": "the request exceeds "
                "the available context size. try increasing the context size or enable context "
                "shift", "type": "server_error"}}),
        Refused("LM Studio", 400, {"error": "Trying to keep the first 9030 tokens when context the "
                "overflows. However, the model is loaded with context length of only 4096 tokens, "
                "which is not enough. Try to load the model with a larger context length"}),
        Refused("older LM Studio", 400, {"error": "The number of tokens to keep from the initial "
                "prompt is greater than the context length. Try to load the model with a larger "
                "context length, or provide a shorter input"}),
        Refused("Groq", 400, openai("Please reduce the length of the messages or completion.",
                "messages", "context_length_exceeded")),
        Refused("Groq's 413", 413, {"error": {"message": "Request too large for model "
                "`llama-3.1-8b-instant` in organization `org_01abcdef` service tier `on_demand` on "
                "tokens per minute (TPM): Limit 6000, Requested 9030, please reduce your message "
                "size and try again.", "type": "tokens", "code": "rate_limit_exceeded"}}),
        Refused("Gemini", 400, gemini(400, "The input token count (1200000) exceeds the maximum "
                "number of tokens allowed (1048576).")),
        Refused("Anthropic", 400, openai("prompt is too long: 210000 tokens > 200000 maximum")),
        Refused("Anthropic's sum", 400, openai("input length and `max_tokens` exceed context "
                "limit: 199000 + 8192 > 200000, decrease input length or `max_tokens`")),
        Refused("TGI", 422, {"error": "Input validation error: `inputs` must have less than 4096 "
                "tokens. Given: 9030", "error_type": "validation"}),
        Refused("TGI's sum", 422, {"error": "Input validation error: `inputs` tokens + "
                "`max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 500 "
                "`max_new_tokens`", "error_type": "validation"}),
        Refused("Ollama", 400, {"error": {"message": "the input length exceeds the context length",
                "type": "invalid_request_error"}}),
        Refused("Mistral", 400, {"object": "error", "message": "Prompt contains 40000 tokens and 0 "
                "draft tokens, too large for model with 32768 maximum context length",
                "type": "invalid_request_prompt", "code": "3051"}),
        Refused("xAI", 400, {"code": "Client specified an invalid argument", "error": "This "
                "model's maximum prompt length is 131072 but the request contains 537812 tokens."}),
        Refused("GitHub", 413, openai("Request body too large for gpt-4o model. Max size: 8000 "
                "tokens.", None, "tokens_limit_reached")),
        Refused("SGLang", 400, vllm("The input (9030 tokens) is longer than the model's context "
                "length (8192 tokens).")),
        Refused("Cohere", 400, {"message": "too many tokens: total number of tokens in the prompt "
                "cannot exceed 4081 - received 9030"}),
        Refused("Moonshot", 400, openai("Invalid request: Your request exceeded model token limit: "
                "8192")),
        Refused("DashScope", 400, openai("Range of input length should be [1, 30720]")),
    ],
    "rate_limited": [
        Refused("OpenAI", 429, openai("Rate limit reached for gpt-4o-mini in organization "
                "org-abc123def on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try "
                "again in 20s.", None, "rate_limit_exceeded")),
        Refused("Gemini", 429, gemini(429, f"{QUOTA} Quota exceeded for metric: "
                "GenerateRequestsPerMinutePerProjectPerModel-FreeTier. Please retry in 22.1s.",
                "RESOURCE_EXHAUSTED")),
        Refused("anybody", 429, "slow down", "text/plain"),
    ],
    "quota": [
        Refused("OpenAI", 429, openai(QUOTA, None, "insufficient_quota")),
        Refused("Moonshot", 429, {"error": {"message": "Your account is suspended, please check "
                "your plan", "type": "exceeded_current_quota_error"}}),
        Refused("Hugging Face", 402, {"error": "You have exceeded your monthly included credits "
                "for Inference Providers."}),
    ],
    "balance": [
        Refused("DeepSeek", 402, openai("Insufficient Balance", None, "invalid_request_error")),
        Refused("OpenRouter", 402, {"error": {"message": "This request requires more credits, or "
                "fewer max_tokens. You requested up to 65536 tokens, but can only afford 1000.",
                "code": 402}}),
        Refused("Anthropic", 400, openai("Your credit balance is too low to access the Anthropic "
                "API. Please go to Plans & Billing to upgrade or purchase credits.")),
    ],
    "auth_error": [
        Refused("OpenAI", 401, openai("Incorrect API key provided: sk-abcd***************wxyz. You "
                "can find your API key at https://platform.openai.com/account/api-keys.", None,
                "invalid_api_key")),
        Refused("Gemini", 400, gemini(400, "API key not valid. Please pass a valid API key.")),
        Refused("Gemini without", 400, gemini(400, "Missing or invalid Authorization header.")),
        Refused("OpenRouter", 401, {"error": {"message": "No auth credentials found",
                "code": 401}}),
        Refused("llama.cpp", 401, {"error": {"code": 401, "message": "Invalid API Key",
                "type": "authentication_error"}}),
    ],
    "region": [
        Refused("OpenAI", 403, openai("Country, region, or territory not supported", None,
                "unsupported_country_region_territory")),
        Refused("Gemini", 400, gemini(400, "User location is not supported for the API use.",
                "FAILED_PRECONDITION")),
    ],
    "unverified": [
        Refused("OpenAI", 400, openai("Your organization must be verified to stream this model. "
                "Please go to: https://platform.openai.com/settings/organization/general and click "
                "on Verify Organization.", "stream", "unsupported_value")),
    ],
    "other_endpoint": [
        Refused("OpenAI", 404, openai("This model is only supported in v1/responses and not in "
                "v1/chat/completions.", "model")),
        Refused("OpenAI's old ones", 404, openai("This is not a chat model and thus not supported "
                "in the v1/chat/completions endpoint. Did you mean to use v1/completions?",
                "model")),
    ],
    "unknown_model": [
        Refused("OpenAI", 404, openai("The model `gpt-4.9` does not exist or you do not have "
                "access to it.", None, "model_not_found")),
        Refused("Ollama", 404, {"error": {"message": 'model "qwen2.5:7b" not found, try pulling it '
                "first", "type": "api_error"}}),
        Refused("vLLM", 404, {"object": "error", "message": "The model `x` does not exist.",
                "type": "NotFoundError", "code": 404}),
        Refused("DeepSeek", 400, openai("Model Not Exist", None, "invalid_request_error")),
        Refused("OpenRouter", 400, {"error": {"message": "x/y is not a valid model ID",
                "code": 400}}),
        Refused("LM Studio", 404, openai("No models loaded. Please load a model in the developer "
                "page or use the 'lms load' command.", "model", "model_not_found")),
        Refused("Azure", 404, {"error": {"code": "DeploymentNotFound", "message": "The API "
                "deployment for this resource does not exist."}}),
    ],
    "no_server": [
        Refused("Ollama", 404, "404 page not found", "text/plain"),
        Refused("vLLM", 404, {"detail": "Not Found"}),
        Refused("llama.cpp", 404, {"error": {"code": 404, "message": "File Not Found",
                "type": "not_found_error"}}),
        Refused("LM Studio", 200, {"error": "Unexpected endpoint or method. (POST "
                "/chat/completions)"}),
        Refused("OpenAI", 404, openai("Invalid URL (POST /chat/completions)")),
        Refused("a site", 405, {"detail": "Method Not Allowed"}),
        page(404, "404 Not Found"),
    ],
    "page": [
        page(502, "502 Bad Gateway"),
        page(403, "Just a moment..."),
        page(200, "Sign in"),
    ],
    "forbidden": [Refused("anybody", 403, {"error": {"message": "Forbidden"}})],
    "invalid_request": [Refused("anybody", 400, openai("Something is wrong."))],
    "server_error": [
        Refused("anybody", 500, {"error": {"message": "CUDA out of memory"}}),
        Refused("OpenAI", 503, {"error": {"message": "The engine is currently overloaded, please "
                "try again later", "type": "server_error"}}),
    ],
}  # fmt: skip
CODES = {
    "loading": "model_loading",
    "quota": "quota_exceeded",
    "balance": "quota_exceeded",
    "region": "auth_error",
    "unverified": "auth_error",
    "forbidden": "auth_error",
    "other_endpoint": "invalid_request",
    "unknown_model": "invalid_request",
    "page": "server_error",
}
