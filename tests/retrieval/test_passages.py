"""Passages out of ranked chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest import chunking
from rag.retrieval.passages import LONGEST, gathered, joined
from rag.types import Chunk

WORDS = "tide ferry noon harbour rope lantern gull island storm captain anchor deck".split()


def chunk(id_: int, text: str = "", page: int = 1, document: int = 1) -> Chunk:
    return Chunk(id_, document, "a.md", "A", page, text or f"{WORDS[id_ % 12]} {id_} {id_ * 7}")


def ids(ranked: list[Chunk], count: int) -> list[list[int]]:
    return [[c.id for c in passage] for passage in gathered(ranked, count)]


def test_neighbours_become_one_passage_in_the_order_of_the_page() -> None:
    assert ids([chunk(5), chunk(9), chunk(4)], 5) == [[4, 5], [9]]


def test_a_chunk_between_two_passages_joins_them() -> None:
    assert ids([chunk(4), chunk(6), chunk(5)], 5) == [[4, 5, 6]]


def test_no_passage_is_longer_than_it_may_be() -> None:
    assert max(map(len, ids([chunk(n) for n in range(1, 9)], 9))) == LONGEST


def test_neighbours_on_other_pages_or_in_other_documents_stay_apart() -> None:
    assert ids([chunk(4), chunk(5, page=2), chunk(6, page=2, document=2)], 5) == [[4], [5], [6]]


def test_what_says_the_same_is_left_out() -> None:
    text = "The ferry to the island leaves at nine in the morning from the second pier."
    copy = text.replace("pier.", "pier!")
    assert ids([chunk(1, text), chunk(7, copy), chunk(9)], 5) == [[1], [9]]


def test_editions_that_differ_in_a_number_a_date_or_a_name_are_all_shown() -> None:
    text = (
        "The supplier Moreau delivers 120 pumps to the harbour on 3 May and the buyer pays within "
        "a month of the delivery unless both agree on another term in writing before it is due."
    )
    editions = [text, text.replace("120", "150"), text.replace("May", "June")]
    ranked = [chunk(2 * n + 1, edition) for n, edition in enumerate(editions)]
    assert ids(ranked, 5) == [[1], [3], [5]]


def test_only_as_many_as_asked_for_and_a_later_neighbour_of_one_is_not_lost() -> None:
    assert ids([chunk(1), chunk(5), chunk(2), chunk(9), chunk(6)], 2) == [[1, 2], [5]]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=900).map(" ".join))
def test_chunks_of_a_page_joined_again_are_its_text(text: str) -> None:
    pieces = [chunk(n, piece) for n, piece in enumerate(chunking.split(text), start=1)]
    assert joined(pieces).split() == text.split()
