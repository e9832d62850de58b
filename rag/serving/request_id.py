"""The id of the question that is being answered: in every log line of it, under its answer, and in
the request to the model's server."""

from __future__ import annotations

import logging
import secrets
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("request_id", default="-")

FORMAT = "%(levelname)s %(name)s [%(request_id)s] %(message)s"


def begin() -> str:
    """A new id, twelve hexadecimal digits, for all that this task and those it starts do next."""
    new = secrets.token_hex(6)
    _current.set(new)
    return new


def current() -> str:
    """The id, "-" outside of any answer."""
    return _current.get()


def headers() -> dict[str, str]:
    """What tells the id to an HTTP client; nothing outside of any answer."""
    return {} if current() == "-" else {"x-request-id": current()}


class Stamp(logging.Filter):
    """Gives each record that a handler writes the id, for FORMAT."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current()
        return True


def log_to_stderr(level: int) -> None:
    """Sets the process's log up, one line a record with its id."""
    handler = logging.StreamHandler()
    handler.addFilter(Stamp())
    logging.basicConfig(level=level, format=FORMAT, handlers=[handler])
