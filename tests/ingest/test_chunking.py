"""The properties every split has, and examples in Vietnamese and English."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunking import CHUNK_OVERLAP, CHUNK_SIZE, VERSION, split
from rag.types import Block

PARAGRAPH = (
    "Nhân viên chính thức được nghỉ phép 12 ngày mỗi năm. Người làm đủ năm năm được cộng thêm "
    "một ngày. Ngày phép còn dư có chuyển sang năm sau được không? Được, nhưng không quá 5 ngày! "
    "Đơn nghỉ phép phải gửi trước ba ngày làm việc…"
)

WORDS = st.text(alphabet="aăâbcdđeêếộ.?!。…\"'-1", min_size=1, max_size=12)
GAPS = st.sampled_from([" ", "  ", "\t", "\n", "\n\n", "\n \n\n", ". ", "? ", "。", "\u3000"])
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.tuples(WORDS, GAPS), max_size=80).map(lambda pairs: "".join(map("".join, pairs))),
)
SIZES = st.integers(1, 60).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1)))


def places(text: str, chunks: list[str]) -> list[tuple[int, int]]:
    """Where each chunk is in the text, looked for from just after the start of the last one."""
    found: list[tuple[int, int]] = []
    for chunk in chunks:
        start = text.index(chunk, found[-1][0] + 1 if found else 0)
        found.append((start, start + len(chunk)))
    return found


@given(TEXTS, SIZES)
def test_chunks_are_short_stripped_substrings(text: str, sizes: tuple[int, int]) -> None:
    for chunk in split(text, *sizes):
        assert 0 < len(chunk) <= sizes[0]
        assert chunk == chunk.strip()
        assert chunk in text


@given(TEXTS, SIZES)
def test_without_overlap_the_chunks_are_the_text(text: str, sizes: tuple[int, int]) -> None:
    assert "".join("".join(split(text, sizes[0], 0)).split()) == "".join(text.split())


@given(st.lists(st.tuples(st.text("aế.!-", max_size=12), GAPS), max_size=60), st.data())
def test_no_letter_is_lost_and_an_overlap_is_within_its_limit(
    words: list[tuple[str, str]], data: st.DataObject
) -> None:
    # Numbered words occur once, so that a chunk's place in the text is known.
    text = "".join(f"{number}{word}{gap}" for number, (word, gap) in enumerate(words, start=100))
    size = data.draw(st.integers(17, 80))
    overlap = data.draw(st.integers(0, 15))
    end = 0
    for start, stop in places(text, split(text, size, overlap)):
        assert not text[end:start].strip()
        assert end - start <= overlap
        assert stop > end
        end = stop
    assert not text[end:].strip()


@given(st.lists(WORDS, max_size=60), st.integers(12, 40))
def test_a_word_that_fits_is_never_cut(words: list[str], size: int) -> None:
    text = " ".join(word.replace("。", "") or "x" for word in words)
    for chunk in split(text, size, size // 3):
        assert set(chunk.split()) <= set(text.split())


@pytest.mark.parametrize("text", ["", " ", "\n\n \t\n", "\u3000"])
def test_nothing_gives_no_chunks(text: str) -> None:
    assert split(text) == []


def test_a_short_text_is_one_chunk() -> None:
    assert split("  Hà Nội là thủ đô.\n\nHuế là cố đô.\n") == ["Hà Nội là thủ đô.\n\nHuế là cố đô."]


def test_paragraphs_are_kept_whole_when_they_fit() -> None:
    first, second, third = "Một đoạn văn ngắn.", "Đoạn văn thứ hai.", "Đoạn thứ ba."
    text = f"{first}\n\n{second}\n \n{third}"
    assert split(text, 40, 0) == [f"{first}\n\n{second}", third]
    assert split(text, 40, 20) == [f"{first}\n\n{second}", f"{second}\n \n{third}"]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    assert split(PARAGRAPH, 90, 0) == [
        "Nhân viên chính thức được nghỉ phép 12 ngày mỗi năm.",
        "Người làm đủ năm năm được cộng thêm một ngày.",
        "Ngày phép còn dư có chuyển sang năm sau được không? Được, nhưng không quá 5 ngày!",
        "Đơn nghỉ phép phải gửi trước ba ngày làm việc…",
    ]


def test_a_chunk_starts_with_the_last_sentences_of_the_one_before() -> None:
    assert split(PARAGRAPH, 140, 50)[:2] == [
        "Nhân viên chính thức được nghỉ phép 12 ngày mỗi năm. "
        "Người làm đủ năm năm được cộng thêm một ngày.",
        "Người làm đủ năm năm được cộng thêm một ngày. "
        "Ngày phép còn dư có chuyển sang năm sau được không? Được, nhưng không quá 5 ngày!",
    ]


def test_lines_are_cut_before_sentences() -> None:
    assert split("Dòng một. Câu hai.\nDòng hai. Câu ba.", 20, 0) == [
        "Dòng một. Câu hai.",
        "Dòng hai. Câu ba.",
    ]


def test_a_closing_quote_stays_with_its_sentence() -> None:
    assert split("Anh nói: “Đi thôi!” Rồi họ đi xa.", 20, 0) == [
        "Anh nói: “Đi thôi!”",
        "Rồi họ đi xa.",
    ]


def test_a_long_sentence_is_cut_between_words() -> None:
    assert split("một hai ba bốn năm sáu", 12, 4) == ["một hai ba", "ba bốn năm", "năm sáu"]


def test_a_word_longer_than_a_chunk_is_cut_and_still_overlaps() -> None:
    assert split("abcdefghijkl", 6, 2) == ["abcdef", "efghij", "ijkl"]


def test_a_heading_at_the_end_of_a_chunk_is_repeated_above_its_text() -> None:
    chunks = split("Phần một nói về lương.\n\nNghỉ phép\n\nMỗi năm có 12 ngày.", 40, 12)
    assert chunks == ["Phần một nói về lương.\n\nNghỉ phép", "Nghỉ phép\n\nMỗi năm có 12 ngày."]


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (10, 10), (10, -1), (-5, 0)])
def test_impossible_sizes_are_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap < size"):
        split("text", size, overlap)


TABLE = "Code | Price\n" + "\n".join(f"KX-{n} | {n * 7} USD" for n in range(100, 160))
CODE = "def read(x):\n    y = x\n\n    # then\n\n    return y"


def blocks_of(text: str, block: str, head: int = 0) -> list[Block]:
    start = text.index(block)
    return [Block(start, start + len(block), start + head)]


def test_a_tables_head_stands_above_each_part_of_it() -> None:
    text = f"Prices of pumps.\n\n{TABLE}\n\nAll without tax."
    head = TABLE.partition("\n")[0]
    chunks = split(text, 200, 40, blocks_of(text, TABLE, len(head)))
    assert len(chunks) > 4
    assert all(len(chunk) <= 200 for chunk in chunks)
    assert all(chunk.count(head) == 1 for chunk in chunks[1:])
    rows = {row for chunk in chunks for row in chunk.split("\n")}
    assert set(text.replace("\n\n", "\n").split("\n")) == rows - {""}
    # As whole lines: no row is cut to make room for the head.
    assert all(chunk.split("\n")[1].startswith("KX-") for chunk in chunks[1:])


def test_a_long_head_is_not_repeated_and_a_table_without_one_has_none() -> None:
    head = TABLE.partition("\n")[0]
    for chunks in (
        split(TABLE, 40, 0, blocks_of(TABLE, TABLE, len(head))),
        split(TABLE, 200, 0, blocks_of(TABLE, TABLE)),
    ):
        assert sum(head in chunk for chunk in chunks) == 1


@pytest.mark.parametrize("before", [10, 30, 50, 70, 90])
def test_code_is_not_cut_while_it_fits(before: int) -> None:
    text = f"{'word ' * (before // 5)}\n\n{CODE}\n\nAnd so on, " + "word " * 9
    assert any(CODE in chunk for chunk in split(text, 80, 20, blocks_of(text, CODE)))
    assert all(len(chunk) <= 30 for chunk in split(text, 30, 9, blocks_of(text, CODE)))


@given(TEXTS, SIZES, st.data())
def test_with_blocks_nothing_is_lost(
    text: str, sizes: tuple[int, int], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=3, max_size=3)))
    block = Block(cuts[0], cuts[2], cuts[1])
    chunks = split(text, *sizes, [block] if block.start < block.end else [])
    assert all(0 < len(chunk) <= sizes[0] for chunk in chunks)
    assert set("".join("".join(chunks).split())) == set("".join(text.split()))


def test_the_version_says_the_sizes() -> None:
    assert str(CHUNK_SIZE) in VERSION and str(CHUNK_OVERLAP) in VERSION


@pytest.mark.parametrize(
    "unit", [PARAGRAPH + "\n\n", "từ ngữ ", "x", ". ", "\n ", "a\n\n", "。", "dòng\n"]
)
def test_time_is_linear_in_the_text(unit: str) -> None:
    text = unit * (300_000 // len(unit)) + "end"
    started = time.perf_counter()
    assert split(text)[-1].endswith("end")
    # About 0.1 s at worst; a quadratic algorithm would take minutes.
    assert time.perf_counter() - started < 5
