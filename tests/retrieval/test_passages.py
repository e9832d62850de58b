"""Passages out of ranked chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest import chunking
from rag.retrieval.passages import LONGEST, below_head, gathered, joined, meant
from rag.types import Block, Chunk

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


@given(st.integers(2, 120), st.sampled_from(["", "Prices\n"]))
def test_a_tables_head_stands_once_in_its_parts_joined_again(rows: int, caption: str) -> None:
    head = f"{caption}Code | Price"
    table = head + "".join(f"\nKX-{n} | {n * 7} USD for one" for n in range(100, 100 + rows))
    text = f"What pumps cost.\n\n{table}\n\nAll without tax."
    start = text.index(table)
    block = Block(start, start + len(table), start + len(head))
    chunks = chunking.split(text, 400, 80, [block])
    pieces = [chunk(n, piece) for n, piece in enumerate(chunks, start=1)]
    assert joined(pieces) == text


def test_a_head_is_left_out_only_where_it_stands_already() -> None:
    rows = "KX-1 | 7\nKX-2 | 9"
    assert below_head(f"Code | Price\n{rows}", "Code | Price\nKX-0 | 5") == rows
    for text in ("", "Code | Prices\nKX-0 | 5", "no table at all"):
        assert below_head(f"Code | Price\n{rows}", text) == f"Code | Price\n{rows}"
    assert below_head("A line\nand more", "A line\nelse") == "A line\nand more"


def test_a_title_stands_above_a_chunk_that_does_not_start_with_it() -> None:
    assert meant("Prices", "KX-1 costs 7.") == "Prices\nKX-1 costs 7."
    assert meant("Prices", "Prices\n\nKX-1 costs 7.") == "Prices\n\nKX-1 costs 7."
