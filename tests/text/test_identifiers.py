"""What is an identifier in a question, and which texts have it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.identifiers import held, identifiers


def written(question: str) -> list[str]:
    return [each.written for each in identifiers(question)]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What is E23?", ["E23"]),
        ("E-1043 là lỗi gì?", ["E-1043"]),
        ("price of 7714-B and kx-287", ["7714-B", "kx-287"]),
        ("What does ERR_CONN_17 mean, or 0x80070057?", ["ERR_CONN_17", "0x80070057"]),
        ("Điều 12 khoản 3 nói gì?", ["Điều 12", "khoản 3"]),
        ("dieu 12 khoan 3 noi gi", ["dieu 12", "khoan 3"]),
        ("What does Section 4.2 say?", ["Section 4.2"]),
    ],
)
def test_codes_and_places_in_a_contract_are_identifiers(question: str, found: list[str]) -> None:
    assert written(question) == found


@pytest.mark.parametrize(
    "question",
    [
        "How many km2 has it, and how many m3?",
        "What happened in 1990s, in 2023 or in the mid-1990s?",
        "How does an 18-year-old open a 24-hour account on the 2nd floor?",
        "Why 5xx errors, a 50MB file at 100km/h, 1,5kg in Q3 of FY2025, or v1.2?",
        "Khoản 3 triệu đồng trả lúc 10am ngày 30/4/1975?",
        "What is the date 2025-11-30, 30-Apr-2023 or May-2024?",
    ],
)
def test_units_years_dates_and_versions_are_none(question: str) -> None:
    assert written(question) == []


@pytest.mark.parametrize(
    ("question", "text", "has"),
    [
        ("What is E-1043?", "E1043: the fan does not turn.", True),
        ("What is e1043?", "## E-1043\n\nThe fan does not turn.", True),
        ("What is E-1043?", "E-10431 and E-1042 and FE-1043", False),
        ("What is 7714-B?", "| 7714-B | seal |", True),
        ("What is 7714-B?", "| 7714-A | seal |", False),
        ("Điều 12 nói gì?", "ĐIỀU 12. Thời hạn", True),
        ("Điều 12 nói gì?", "Điều 120. Điều 1, 2", False),
    ],
)
def test_a_text_has_an_identifier_however_it_is_joined(question: str, text: str, has: bool) -> None:
    assert (held(identifiers(question), text) > 0) is has


def test_a_part_counts_only_beside_the_whole() -> None:
    asked = identifiers("Điều 12 khoản 3 nói gì?")
    both = held(asked, "Điều 12. Thời hạn\n1. Một\n3. Ba")
    whole = held(asked, "Điều 12. Thời hạn\n1. Một")
    assert both > whole > held(asked, "Điều 13\n3. Ba") == 0


@given(st.text())
def test_no_question_breaks_the_search_for_identifiers(question: str) -> None:
    held(identifiers(question), question)
