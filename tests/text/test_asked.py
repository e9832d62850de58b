"""What is asked for is told by the question's words, and found in a text."""

from __future__ import annotations

import pytest

from rag.text.asked import answers, asked, parts, wants_code


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who wrote it?", "who"),
        ("Lỗi 401 phải báo cho ai?", "who"),
        ("When does the law apply?", "when"),
        ("Since when is it so?", "when"),
        ("What should I check when it fails?", ""),
        ("Luật có hiệu lực từ ngày nào?", "when"),
        ("luat co hieu luc tu ngay nao", "when"),
        ("How many connections are there?", "number"),
        ("Có bao nhiêu chữ số?", "number"),
        ("Thử lại mấy lần?", "number"),
        ("Máy chủ trả lời 429 thì nên làm gì?", ""),
        ("may chu tra loi 429 thi nen lam gi", ""),
        ("May I repeat the request?", ""),
        ("How long does it last?", "long"),
        ("bao lau gui mot lan", "long"),
        ("Chờ mấy giây?", "long"),
        ("How do I test it?", "how"),
        ("Sao lưu như thế nào?", "how"),
        ("Why is it dangerous?", "why"),
        ("Tại sao không nên thử lại?", "why"),
        ("What is jitter?", "what"),
        ("Jitter là gì?", "what"),
        ("SSE", "what"),
        ("Where is the key kept?", "where"),
        ("Compare the two of them", ""),
    ],
)
def test_the_question_s_words_tell_what_is_asked_for(question: str, kind: str) -> None:
    assert asked(question) == kind


@pytest.mark.parametrize(
    ("question", "text", "found"),
    [
        ("How many points?", "They gave up 308 points in 16 games.", ["308", "16"]),
        ("How many of the 16 games?", "They won twelve of 16 games.", ["twelve"]),
        ("How long?", "It lasts five minutes and 3 tries.", ["five minutes"]),
        ("Bao lâu?", "Gửi 15 giây một lần.", ["15 giây một lần"]),
        ("When was it?", "It was on 12 May 1705.", ["12 May 1705"]),
        ("Khi nào?", "Có hiệu lực từ ngày 1 tháng 7 năm 2023.", ["ngày 1 tháng 7 năm 2023"]),
        ("Who led HTTP?", "In HTTP the work of Roy Fielding led.", ["Roy Fielding"]),
        ("How many?", "HTTP/2 removes it, and x-2 too.", []),
        ("Why?", "There are 3.", []),
    ],
)
def test_what_is_asked_for_is_found(question: str, text: str, found: list[str]) -> None:
    assert [text[a:b] for a, b in parts(asked(question), question, text)] == found


@pytest.mark.parametrize(
    ("question", "better", "worse"),
    [
        ("How many bytes has it?", "It has 3 bytes.", "It takes 15 seconds."),
        ("What is TTFT?", "TTFT is what a reader feels.", "It is TTFT plus the rest."),
        ("What is TTFT?", "Time to first token (TTFT) is a time.", "The cost of TTFT is high."),
        ("What is a stampede?", "This is called a cache stampede.", "It causes a stampede."),
        ("SSE", "SSE là định dạng sự kiện.", "Nhược điểm của SSE là chỉ có văn bản."),
        ("How do I do it?", "Set it to off.", "It was off."),
        ("Why is it so?", "It is so because it fails.", "It is so on Mondays."),
        ("Ai phải làm?", "Bộ phận pháp chế làm.", "Nó chạy hằng đêm."),
    ],
)
def test_a_text_that_has_it_answers_more(question: str, better: str, worse: str) -> None:
    kind = asked(question)
    assert answers(kind, question, better) > answers(kind, question, worse)


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("How do I write backoff in Python?", True),
        ("Viết hàm bỏ dấu trong Python như thế nào?", True),
        ("viet ham bo dau trong python", True),
        ("What does nginx config look like?", True),
        ("How does a token bucket work?", False),
        ("Mã lỗi 404 nghĩa là gì?", False),
    ],
)
def test_a_question_may_be_for_code(question: str, wanted: bool) -> None:
    assert wants_code(question) is wanted
