"""The properties every split has, and examples in Vietnamese and English."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunking import CHUNK_OVERLAP, CHUNK_SIZE, VERSION, split

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
