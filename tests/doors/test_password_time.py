"""How long a password takes to be refused tells nothing."""

from __future__ import annotations

import time
from statistics import median

import bcrypt
import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from rag.doors.access import Access

pytestmark = pytest.mark.serial


def test_no_name_is_told_by_the_time_that_its_password_takes() -> None:
    quick, slow = (bcrypt.hashpw(b"s3cret", bcrypt.gensalt(cost)) for cost in (4, 11))
    access = Access(PlainTextResponse("in"), {"lan": quick, "minh": slow}, ())
    client = TestClient(access)

    def seconds(name: str) -> float:
        start = time.perf_counter()
        assert client.get("/", auth=(name, "wrong")).status_code == 401
        return time.perf_counter() - start

    nobody = median(seconds("nobody") for _ in range(5))
    for name in ("lan", "minh"):
        assert 0.5 < median(seconds(name) for _ in range(5)) / nobody < 2, name
