"""Copies and editions of a text."""

from __future__ import annotations

import pytest

from rag.text.editions import changes, copies

TEXT = (
    "The supplier Alice Moreau delivers 120 pumps to the harbour on 3 May, and the buyer pays "
    "within thirty days of the delivery unless both agree on another term in writing before it."
)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("120", "150"),
        ("3 May", "4 May"),
        ("3 May", "3 June"),
        ("Moreau", "Martin"),
        ("thirty", "sixty"),
        ("the buyer pays", "the buyer never pays"),
    ],
)
def test_what_differs_in_a_number_a_date_a_name_or_a_not_is_no_copy(was: str, now: str) -> None:
    assert not copies(TEXT, TEXT.replace(was, now))


def test_numbers_that_changed_places_are_no_copy() -> None:
    one = "Meals are paid up to 40 EUR and nights are paid up to 110 EUR."
    assert not copies(one, one.replace("40", "#").replace("110", "40").replace("#", "110"))


def test_what_differs_in_marks_or_in_a_word_is_a_copy() -> None:
    assert copies(TEXT, TEXT.replace("it.", "it!"))
    assert copies(TEXT, TEXT.replace("another term", "another period"))


def test_the_facts_that_changed_are_named_with_both_values() -> None:
    assert changes(TEXT, TEXT.replace("120", "150").replace("3 May", "4 June")) == (
        ("120", "150"),
        ("3 May", "4 June"),
    )


def test_other_texts_and_copies_have_no_changes() -> None:
    assert changes(TEXT, TEXT) == ()
    assert changes(TEXT, "The tide turns at 12 in the harbour of 1 May.") == ()
    assert changes("", TEXT) == changes("", "") == ()
