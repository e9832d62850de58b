"""What the doors for programs share: the shape of their errors, the status each failure has, and
what OpenAPI says of both. Knows no door."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ..errors import HeadwaterError
from ..events import Failed
from ..serving import request_id

# What an HTTP client may do about a failure, by its code; all that is not here is our own: 500.
_STATUS = {
    "invalid_question": 400,
    "invalid_request": 400,
    "context_too_long": 400,
    "content_filtered": 400,
    "unknown_collection": 404,
    "unknown_model": 404,
    "too_many_questions": 429,
    "rate_limited": 429,
    "quota_exceeded": 429,
    "auth_error": 502,  # the model server's key is ours, not the client's
    "no_server": 502,
    "server_error": 502,
    "network_error": 502,
    "stream_interrupted": 502,
    "empty_answer": 502,
    "invalid_json": 502,
    "busy": 503,
    "interrupted": 503,
    "model_loading": 503,
    "library_empty": 503,
    "store_error": 503,
    "timeout": 504,
}
# As OpenAI names these.
_CODE = {
    "context_too_long": "context_length_exceeded",
    "content_filtered": "content_filter",
    "too_many_questions": "rate_limit_exceeded",
    "rate_limited": "rate_limit_exceeded",
    "quota_exceeded": "insufficient_quota",
    "unknown_model": "model_not_found",
}
_TYPE = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
_REFUSED = {
    401: "invalid_api_key",
    408: "body_too_slow",
    413: "body_too_large",
    429: "too_many_passwords",
    503: "busy",
}
_SAID = {
    400: "The request is malformed, or the question cannot be answered as it is",
    401: "No valid key or login",
    404: "There is no such model or collection",
    413: "The body is too large",
    429: "Too many questions, here or at the model's server",
    502: "The model's server failed",
    503: "Nobody can be answered now",
    504: "The model's server was too slow",
}


class Error(BaseModel):
    """An error as OpenAI's API has it."""

    message: str
    type: str
    code: str | None
    param: str | None


class Problem(BaseModel):
    """The body of every answer that is an error."""

    error: Error


class Route(APIRoute):
    """A route whose errors have this shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as exc:
                return _malformed(exc)
            except HTTPException as exc:  # the body is no text
                return problem(exc.status_code, str(exc.detail), "invalid_request")
            except HeadwaterError as exc:
                return failure(exc.code, exc.en, exc.retryable, exc.retry_after)

        return handled


def _malformed(exc: RequestValidationError) -> JSONResponse:
    first = exc.errors()[0]
    if first["type"] == "json_invalid":
        return problem(400, "The body is not valid JSON.", "invalid_request")
    if first["loc"] == ("body",):
        said = "Send a JSON object, with Content-Type: application/json."
        return problem(400, said, "invalid_request")
    where = _short(".".join(str(part) for part in first["loc"] if part not in ("body", "query")))
    said = f"{where}: {first['msg']}" if where else str(first["msg"])
    return problem(400, said, "invalid_request", where or None)


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"


def problem(
    status: int,
    message: str,
    code: str,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer that says what is wrong."""
    return JSONResponse(_error(status, message, code, param), status, headers)


def _error(status: int, message: str, code: str, param: str | None) -> dict[str, Any]:
    kind = _TYPE.get(status, "server_error")
    error = Error(message=message, type=kind, code=_CODE.get(code, code), param=param)
    return {"error": error.model_dump()}


def refusal(said: str, status: int, for_programs: bool, retry_after: int | None = None) -> Response:
    """The answer to a request that does not come in: words for a browser, else as above;
    `retry_after` is in seconds."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    if status == 401:
        # A browser asks for a name and a password by itself; not for a page of another site.
        headers["www-authenticate"] = "Bearer" if for_programs else 'Basic realm="Headwater"'
    if for_programs:
        return problem(status, said, _REFUSED[status], headers=headers)
    return PlainTextResponse(said, status, headers)


def failure(code: str, sentence: str, retryable: bool, retry_after: int | None) -> JSONResponse:
    """The answer in place of one that failed before its first word; `retry_after` is in seconds."""
    at_once = retryable and retry_after is None
    # As OpenAI's SDKs read it.
    headers = {"x-should-retry": "true" if at_once else "false", **request_id.headers()}
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    return problem(_STATUS.get(code, 500), sentence, code, headers=headers)


def error_of(failed: Failed) -> dict[str, Any]:
    """The same body, for a failure after the first word."""
    return _error(_STATUS.get(failed.code, 500), failed.sentence, failed.code, None)


def documented(*statuses: int, stream: str | None = None) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of a route's answers: the errors with these statuses, and a stream of
    server-sent events like `stream`: one that [DONE] follows, or several as they are sent."""
    answers: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": _SAID[status]} for status in statuses
    }
    answers["4XX"] = {"model": Problem, "description": "What else is wrong with the request"}
    if stream:
        event = {"type": "object", "properties": {"data": {"type": "string"}}}
        example = stream if stream.endswith("\n\n") else f"data: {stream}\n\ndata: [DONE]\n\n"
        events = {"itemSchema": event, "example": example}
        answers[200] = {"content": {"text/event-stream": events}, "description": "The answer"}
    return answers
