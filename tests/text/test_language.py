"""Words, languages and marks of English and Vietnamese text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.settings import PROJECT
from rag.text.language import (
    column,
    detect,
    fold,
    folded,
    has_diacritics,
    keywords,
    marks,
    of_passage,
    stem,
    stems,
    subject,
    terms,
    words,
)

ENTRIES = json.loads(Path(PROJECT, "tests/measured/questions.json").read_text(encoding="utf-8"))
QUESTIONS = [q for q in ENTRIES if "kind" not in q]  # the others were made to be difficult
MIXED = json.loads(Path(PROJECT, "tests/measured/mixed.json").read_text(encoding="utf-8"))


def test_folding_takes_off_every_vietnamese_mark_and_the_bar_of_the_d() -> None:
    assert fold("Đường Nguyễn Huệ, quận Bình Thạnh") == "duong nguyen hue, quan binh thanh"


def test_a_composed_and_a_decomposed_word_are_the_same_word() -> None:
    assert words("ti\u1ebfng Vi\u1ec7t") == words("tie\u0302\u0301ng Vie\u0323\u0302t")


def test_words_are_lower_case_and_cut_at_everything_but_letters_and_digits() -> None:
    assert words("X-Accel-Buffering: no; proxy_read_timeout=60s, “ﬁle”") == [
        *("x", "accel", "buffering", "no", "proxy", "read", "timeout", "60s", "file")
    ]


@given(st.text())
def test_any_text_has_words_without_white_space_or_underscores(text: str) -> None:
    assert all(word and not set(word) & set(" \t\n_") for word in words(text))


def test_two_neighbours_are_a_term_too() -> None:
    assert terms(["bộ", "đệm", "nginx"]) == ["bộ", "đệm", "nginx", "bộ_đệm", "đệm_nginx"]
    assert terms([]) == []


def test_only_letters_with_marks_count_as_diacritics() -> None:
    assert has_diacritics("đ")
    assert has_diacritics("Việt")
    assert not has_diacritics("Tieng VIET, 100 %!")


def test_the_language_of_every_example_question_is_recognised() -> None:
    wrong = [q["question"] for q in QUESTIONS if detect(q["question"]) != q["language"]]
    assert wrong == []


@pytest.mark.parametrize(("half", "at_most"), [("tuning", 0), ("held_out", 0)])
def test_the_language_of_sentences_that_mix_both_is_recognised(half: str, at_most: int) -> None:
    sentences = [s for s in MIXED if s["half"] == half]
    wrong = [s["text"] for s in sentences if detect(s["text"]) != s["language"]]
    print(f"{half}: {len(wrong)} wrong of {len(sentences)}: {wrong}")
    assert len(wrong) <= at_most


def test_capitals_do_not_change_the_language() -> None:
    texts = [q["question"] for q in QUESTIONS]
    assert [detect(text.upper()) for text in texts] == [q["language"] for q in QUESTIONS]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "en"),
        ("???", "en"),
        ("nginx", "en"),
        ("cafe latte", "en"),
        ("lam the nao de tat bo dem", "vi"),
        ("What does “bộ đệm” mean?", "en"),  # what is quoted is not asked
        ("Where is Đà Nẵng office located?", "en"),  # nor is a name
        ("API key để ở đâu?", "vi"),
        ("Cho mình hỏi về rate limiting", "vi"),
        ("phó chủ tcịh", "vi"),  # misspelt
        ("AI office", "en"),
        ("“bộ đệm”", "vi"),
    ],
)
def test_short_and_mixed_questions_have_a_language(text: str, language: str) -> None:
    assert detect(text) == language


def test_the_words_questions_are_made_of_are_no_keywords() -> None:
    assert keywords("What does the X-Accel-Buffering header do?") == [
        *("x", "accel", "buffering", "header")
    ]
    assert keywords("Bộ đệm của nginx là gì?") == ["bộ", "đệm", "nginx"]
    assert keywords("bo dem cua nginx la gi") == ["bo", "dem", "nginx"]


def test_an_english_question_keeps_words_that_are_stop_words_of_folded_vietnamese() -> None:
    assert "sau" in keywords("where is the sau file")
    assert "sau" not in keywords("sau khi tat bo dem")


def test_an_english_question_about_a_vietnamese_name_loses_english_stop_words_only() -> None:
    assert keywords("Where is the Sao Mai office in Đà Nẵng?") == [
        *("sao", "mai", "office", "đà", "nẵng")
    ]


def test_a_name_in_an_english_question_is_found_and_marked_with_or_without_its_marks() -> None:
    question, text = "Where is the Đà Nẵng office?", "The Da Nang office is in Đà Nẵng."
    assert column(question) == "folded"
    assert column("Văn phòng Đà Nẵng ở đâu?") == "exact"
    assert [text[a:b] for a, b in marks(text, question)] == ["Da", "Nang", "office", "Đà", "Nẵng"]


def test_a_passage_has_the_language_of_most_of_its_words() -> None:
    quoting = "The notice in the hall says: Giờ mở cửa là gì? It is old, and nobody reads it now."
    assert of_passage(quoting) == "en"
    assert of_passage("Bộ đệm là gì? Đó là chỗ chứa tạm. See also: buffers.") == "vi"
    assert of_passage("") == "en"


def test_a_query_of_stop_words_alone_keeps_them() -> None:
    assert keywords("what is it") == ["what", "is", "it"]


def test_a_stop_word_in_capitals_is_a_subject() -> None:
    assert subject("AI là gì?") == ["ai"]
    assert subject("What does IT do?") == ["it"]
    assert subject("What is it?") == subject("WHAT IS IT?") == subject("ai") == []


def test_english_words_lose_their_inflections() -> None:
    assert stems(["cancels", "cancelled", "cancelling", "cities", "city"]) == [
        *("cancel", "cancel", "cancel", "citi", "citi")
    ]


def test_vietnamese_codes_and_numbers_have_no_inflections() -> None:
    kept = "nghieng thuong quyen bieu dien thay nghe các tiền e23s 60s 1990s café x".split()
    assert stems(kept) == kept


@given(st.text())
def test_a_stem_is_one_word_of_the_same_letters(text: str) -> None:
    for word in words(text):
        assert stem(word) and words(stem(word)) == [stem(word)]


def test_marks_are_the_places_of_the_keywords() -> None:
    text = "Nginx buffers; the NGINX buffer is on."
    found = marks(text, "How does nginx buffer?")
    assert [text[start:end] for start, end in found] == ["Nginx", "NGINX", "buffer"]


def test_an_unaccented_question_marks_accented_words_and_an_accented_one_only_its_own() -> None:
    text = "Bộ đệm và bò"
    assert [text[a:b] for a, b in marks(text, "bo dem")] == ["Bộ", "đệm", "bò"]
    assert [text[a:b] for a, b in marks(text, "bộ đệm")] == ["Bộ", "đệm"]


@given(st.text())
def test_folding_words_together_is_folding_each(text: str) -> None:
    assert folded(words(text)) == [fold(word) for word in words(text)]
