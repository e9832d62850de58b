"""Which kind of failure (rag.writing.failures) a model's server tells of, and its own words for it
as they may be shown. Pure: a status, names and a text.

Servers agree neither on statuses nor on codes: the words of many of them are in one table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..text.redaction import Redactor

WORDS = 300  # characters that are shown of what a server says
_PARTS = 3  # of a list of complaints
BODY = 20_000  # characters of a body that are looked at, here and elsewhere
HEAD = 4000  # of a web page, in which its title stands

_HTML = re.compile(r"\s*(?:<!--.*?-->\s*)?<(?:!doctype html|html|head|body)\b", re.I | re.S)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.I | re.S)
# Between a model and what is said of it: dots stand in names too.
_NEAR = r"(?:[^.\n]|\.(?!\s)){0,90}"


@dataclass(frozen=True, slots=True)
class _Row:
    """Told by one of the `names` (a code or a type), by the status `alone`, or by words that match
    `says`, where there are `only` these statuses (a status that is not known is any)."""

    kind: str
    names: frozenset[str] = frozenset()
    says: re.Pattern[str] | None = None
    alone: frozenset[int] = frozenset()
    only: range = range(600)


def _row(
    kind: str,
    names: str = "",
    says: str = "",
    alone: Collection[int] = (),
    only: range = range(600),
) -> _Row:
    pattern = re.compile(says, re.IGNORECASE) if says else None
    return _Row(kind, frozenset(names.split()), pattern, frozenset(alone), only)


# The first that fits. What will not pass by waiting stands before what will.
_TABLE = (
    # llama.cpp, Hugging Face, Ollama
    _row("loading", says=r"loading model|model[^.]{0,200}\bis (?:still |currently |being )*load",
         only=range(500, 600)),
    # OpenAI and vLLM: maximum context length; llama.cpp: available context size; LM Studio: tokens
    # to keep, context the overflows; Groq, GitHub: 413; Gemini: token count; Anthropic: prompt is
    # too long; TGI: must have less than; Cohere: too many tokens; Moonshot: model token limit.
    _row("context_too_long",
         "context_length_exceeded exceed_context_size_error string_above_max_length "
         "tokens_limit_reached model_max_prompt_tokens_exceeded",
         r"maximum (?:context|prompt|model|input) length|max(?:imum)? context length"
         r"|context (?:size|length|window|limit)[^.]{0,60}(?:exceed|only|of only|too)"
         r"|exceeds?[^.]{0,60} (?:context|maximum number of tokens|token limit)"
         r"|tokens to keep from the initial prompt|context the overflows"
         r"|reached context length|longer than the (?:model|maximum)"
         r"|reduce the length of the (?:messages|prompt|input)|request (?:body )?too large"
         r"|token count [^.]{0,40}exceeds|(?:prompt|input|request) (?:is|was) too long"
         r"|(?:inputs?|tokens)`?[^.]{0,40} must (?:have less than|be <=)"
         r"|too many (?:input )?tokens|exceeded model token limit|range of input length",
         only=range(400, 600)),
    # Gemini calls a limit of each minute a quota
    _row("rate_limited", says=r"PerMinute|retryDelay|retry in \d|per[ -]min|\b[TR]PM\b",
         only=range(429, 430)),
    _row("quota",
         "insufficient_quota billing_hard_limit_reached billing_not_active "
         "exceeded_current_quota_error",
         r"exceeded your (?:current|monthly)[^.]{0,40}(?:quota|credits)|quota[^.]{0,30}(?:used up|"
         r"exhausted)|out of (?:credits|quota)|spending (?:limit|cap)|usage limits?\b",
         only=range(400, 500)),
    _row("balance",
         "insufficient_balance",
         r"insufficient (?:account )?(?:balance|funds|credits?)|credit balance|more credits"
         r"|payment required|arrear|overdue", alone=(402,), only=range(400, 500)),
    _row("rate_limited", "rate_limit_exceeded rate_limit_error", alone=(429,)),
    _row("region",
         "unsupported_country_region_territory",
         r"country, region,? or territory|(?:location|region|country) is not supported"
         r"|not available in your (?:country|region|location)", only=range(400, 500)),
    _row("unverified", says=r"organi[sz]ation must be verified|verify (?:your )?organi[sz]ation",
         only=range(400, 500)),
    _row("other_endpoint",
         says=r"\bv1/responses\b|responses api|not a chat model|not supported in the v1/chat/"
         r"|does not support (?:chat|the chat completions)", only=range(400, 500)),
    _row("auth_error",
         "invalid_api_key authentication_error permission_error API_KEY_INVALID",
         r"API_KEY_INVALID|api[ _-]?key (?:is |was )?(?:not valid|invalid|expired|not found|"
         r"missing|required)"
         r"|(?:invalid|incorrect|missing|no) (?:api[ _-]?key|auth|bearer|token\b)",
         alone=(401,), only=range(400, 500)),
    _row("content_filtered",
         "content_filter content_policy_violation ResponsibleAIPolicyViolation "
         "DataInspectionFailed data_inspection_failed",
         r"content management policy|content exists risk|may contain inappropriate"
         r"|flagged (?:by|for|as)", only=range(400, 500)),
    _row("unknown_model",
         "model_not_found model_not_exist DeploymentNotFound",
         rf"\bmodel\b{_NEAR}(?:not found|not exist|unknown|unavailable|not available|not loaded"
         r"|is not supported|deprecated|decommissioned)"
         r"|no (?:such |available )?models?\b(?! access)|(?:unknown|invalid) model"
         r"|not a valid model|no endpoints found", only=range(400, 500)),
    _row("no_server",
         "unknown_url",
         r"unexpected endpoint|invalid url|404 page not found|no route|cannot post ",
         alone=(404, 405), only=range(200, 500)),
    _row("forbidden", alone=(403,)),
    _row("invalid_request", "invalid_request_error", alone=range(400, 500)),
    _row("server_error",
         "server_error internal_error internal_server_error overloaded_error",
         alone=[*range(1, 400), *range(500, 1000)]),
)  # fmt: skip


def kind(status: int | None, names: Collection[str | None], text: str) -> str | None:
    """The kind; None where nothing of it is known. `names` are a server's codes and types, `text`
    all that it says."""
    text = text[:BODY]
    if is_page(text) and status not in (404, 429):
        return "page"
    for row in _TABLE:
        here = status is None or status in row.only
        if row.names.intersection(names) or status in row.alone:
            return row.kind
        if here and row.says and row.says.search(text):
            return row.kind
    return None


def is_page(text: str) -> bool:
    """Whether it is for a browser."""
    return bool(_HTML.match(text[:BODY]))


_SECRETS = Redactor(("key", "email"))
# Keys that a server has shortened itself, names of accounts, and whatever is as long as a key.
_ACCOUNT = re.compile(
    r"(?<![\w-])(?:(?:sk|pk|gsk|xai|org|proj|key|user)[-_][\w*.\-]{4,}|[\w-]*\*{3,}[\w-]*"
    r"|(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{24,})"
)
_PATH = re.compile(
    r"(?<![\w/])(?:/(?:root|home|users|usr|opt|var|tmp|mnt|data|app|srv|models|workspace)/"
    r"|[a-z]:\\)[^\s'\"`,;)]+",
    re.IGNORECASE,
)


def words(text: str, key: str = "") -> str:
    """What a server says of its failure, on one line and shortened, for its reader: without the
    `key`, without what is like one, and without names of accounts and of files."""
    text = text[:BODY]
    if is_page(text):
        title = _TITLE.search(text[:HEAD])
        text = title[1] if title else ""
    else:
        with suppress(ValueError, RecursionError):  # it may be no JSON
            text = _message(json.loads(text))
    if len(key) >= 4:
        text = text.replace(key, "[key]")
    text = _SECRETS.text("".join(c if c.isprintable() else " " for c in text))
    text = " ".join(_PATH.sub("[file]", _ACCOUNT.sub("[…]", text)).split())
    return text if len(text) <= WORDS else f"{text[: WORDS - 1]}…"


def _message(value: Any) -> str:
    """The words in an error's JSON, wherever they are."""
    match value:
        case str():
            return value
        case list():
            return "; ".join(filter(None, map(_message, value[:_PARTS])))
        case {"msg": str(said), "loc": list(place)}:
            return f"{'.'.join(map(str, place))}: {said}"
        case dict():
            names = ("error", "message", "msg", "detail", "errors", "error_description")
            return next(filter(None, (_message(value.get(name)) for name in names)), "")
        case _:
            return ""
