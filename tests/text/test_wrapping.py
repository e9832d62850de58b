"""What is said around a question, and what is the question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.wrapping import Asked, unwrapped

LIBRARY = {"help_desk", "thank_you", "you_letters", "hội_nghị", "hoi_nghi", "desk", "twice"}


def known(*words: str) -> bool:
    return "_".join(words) in LIBRARY


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("My boss wants to know how long a refund takes", "how long a refund takes"),
        ("yo bro what is gzip lol", "what is gzip"),
        ("What I want to know is how gzip works", "how gzip works"),
        ("I have an exam tomorrow. What is gzip? Wish me luck!", "What is gzip?"),
        ("For my report, how does gzip work, in simple words?", "how does gzip work"),
        ("If possible, how does gzip work and I have no idea", "how does gzip work"),
        ("who knows how gzip works", "how gzip works"),
        ("Sếp em muốn biết gzip dùng để làm gì, gấp lắm rồi", "gzip dùng để làm gì"),
        ("Mai em thi rồi mà chưa hiểu gzip là gì, cứu em với", "gzip là gì"),
        ("sep em muon biet gzip dung de lam gi, gap lam roi", "gzip dung de lam gi"),
        ("Ai rành chỉ giúp em gzip là gì đi", "gzip là gì"),
        ("Cô giáo hỏi gzip là gì mà em chịu", "gzip là gì"),
    ],
)
def test_what_is_said_around_a_question_is_not_asked_for(question: str, asked: str) -> None:
    assert unwrapped(question, known) == Asked(asked, aside=False)


@pytest.mark.parametrize(
    "question",
    [
        *("Who may ask?", "What does 'please' do?", "What does “thanks” mean?", "gzip", "", "???"),
        *("How do I tell my boss that gzip is slow?", "Can I tell my teacher about a bully?"),
        *("What do pharmacies do?", "help desk opening hours", "Does my landlord have to explain"),
        *("Anh và Pháp ký hiệp ước gì?", "Vợ chồng tôi ly hôn thì ai nuôi con?", "lãi suất vay"),
        *("Cho vay nặng lãi bị phạt bao nhiêu?", "hoi nghi Yalta hop nam nao", "ai la tac gia"),
        *("The late fee, how much is it?", "hỏi", "ai hỏi", "cho em hỏi", "I forgot"),
    ],
)
def test_what_only_looks_like_it_is_asked_for(question: str) -> None:
    assert unwrapped(question, known) is None


def test_a_word_that_the_library_has_beside_the_next_one_is_asked_for() -> None:
    assert unwrapped("My boss asked about help desk hours", known) == Asked(
        "help desk hours", aside=False
    )
    assert unwrapped("cho em hỏi hội nghị Yalta họp năm nào", known) == Asked(
        "hội nghị Yalta họp năm nào", aside=False
    )


def test_a_sentence_that_tells_of_something_else_is_set_aside() -> None:
    asked = unwrapped("Our office has thirty printers. Who repairs a scanner? Bye!", known)
    assert asked == Asked("Who repairs a scanner?", aside=True)


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("We read it twice and still can't tell why nginx buffers.", "why nginx buffers"),
        ("Tôi gọi bệnh viện hoài, giá khám thai bao nhiêu?", "giá khám thai bao nhiêu?"),
    ],
)
def test_so_is_what_a_writer_says_of_himself(question: str, asked: str) -> None:
    assert unwrapped(question, known) == Asked(asked, aside=True)


@pytest.mark.parametrize(
    "question",
    [
        *("If I quit my job, how much notice do I give?", "When I drive abroad, what do I need?"),
        *("Nếu tôi nghỉ việc, lương tính sao?", "Khi con sốt, tôi làm gì?"),
    ],
)
def test_a_condition_is_a_part_of_the_question(question: str) -> None:
    assert unwrapped(question, known) is None


def test_the_dot_of_an_abbreviation_ends_no_sentence() -> None:
    asked = unwrapped("Pls tell me when y. pestis came to St. Augustine, thx", known)
    assert asked == Asked("when y. pestis came to St. Augustine", aside=False)


def test_a_sentence_that_the_question_points_to_stays() -> None:
    assert unwrapped("Our office has thirty printers. Who repairs them?", known) is None
    assert unwrapped("Công ty có máy in Laser. Ai sửa nó?", known) is None


def test_what_is_named_after_the_question_stays() -> None:
    assert unwrapped("How do I turn it off? nginx buffering", known) is None
    assert unwrapped("What is the limit? Gzip in nginx.", known) is None


def test_of_two_questions_both_are_asked() -> None:
    assert unwrapped("I am lost, please: what is gzip? What is brotli? Thanks", known) == Asked(
        "what is gzip? What is brotli?", aside=False
    )


@given(
    st.lists(
        st.sampled_from([*"hỏi ạ,.?!“”é", " please ", " tell me ", " gzip ", " why ", "I ", "Anh "])
    )
)
def test_what_is_asked_for_is_a_part_of_any_question(pieces: list[str]) -> None:
    question = "".join(pieces)
    asked = unwrapped(question, known)
    assert asked is None or (asked.text in question and len(asked.text) < len(question))
