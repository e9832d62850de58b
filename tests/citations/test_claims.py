"""What claims something, and what does not."""

from __future__ import annotations

import pytest

from ingest import readers
from rag.citations.claims import claimed, claims_nothing
from rag.settings import PROJECT
from rag.text.sentences import split_sentences

NOTHING = [
    *("", "-", "**Advantages:**", "Here are the steps:", "The steps are as follows", "## Limits"),
    *("Here is a short summary of the passage", "Why does nginx buffer the answer?", "Limits"),
    *("Question: How long does nginx wait", "What happens after sixty seconds", "ASYNC GENERATORS"),
    *("I will explain it in three sentences.", "Let me look at the passage.", "**Summary**"),
    *("The passage does not say when it was built.", "It is not mentioned in the given text."),
    *("Fill the table from the passage.", "The first column has the name of each setting."),
    *("Dưới đây là các bước:", "Các bước như sau", "Một số lý do sau:", "Vì sao nginx đệm?"),
    *("Nginx chờ bao nhiêu giây", "Có đúng là điều ngược lại không", "Tiêu đề: Giới hạn của nginx"),
    *("Tôi sẽ giải thích trong ba câu.", "Xin lỗi, tôi không thể trả lời.", "Kết luận"),
    *("Đoạn văn không nói khi nào cầu được xây.", "Lập bảng so sánh có hai cột từ đoạn này."),
]
CLAIMS = [
    *("nginx waits 60 seconds", "Set proxy_buffering to off.", "The limit is 8", "No more than 3"),
    *("Compare the digest before you install it.", "What was sent stays in the buffer."),
    *("The two states are open and closed.", "The bridge was not built in the given year."),
    *("When the tab is closed, the server stops.", "List the models with GET /v1/models."),
    *("Tiêu đề Retry-After cho biết phải chờ bao lâu.", "Đặt proxy_buffering thành off."),
    *("Máy chủ gọi hàm này để biết máy khách còn kết nối hay không.", "Nó chờ 60 giây rồi đóng."),
    *("Đưa câu hỏi vào cuối lời nhắc.", "Trước đó nó ghi lại lỗi xảy ra ở đâu."),
]


@pytest.mark.parametrize("sentence", NOTHING)
def test_introductions_questions_headings_and_refusals_claim_nothing(sentence: str) -> None:
    assert claims_nothing(sentence)


@pytest.mark.parametrize("sentence", CLAIMS)
def test_what_could_be_wrong_is_a_claim(sentence: str) -> None:
    assert not claims_nothing(sentence)


def test_hardly_a_sentence_of_the_documents_is_taken_for_none() -> None:
    sentences = [
        sentence
        for path in sorted((PROJECT / "data").iterdir())
        for page in readers.read(path).pages
        for sentence in split_sentences(page.text)
        if not sentence.endswith("?")
    ]
    silent = [sentence for sentence in sentences if claims_nothing(sentence)]
    assert len(silent) < 0.02 * len(sentences), silent


@pytest.mark.parametrize(
    ("sentence", "claim"),
    [
        ("The passage says that nginx waits.", "nginx waits."),
        ("Đoạn văn này nói rằng nginx chờ.", "nginx chờ."),
        ("2. **Time Limit**: nginx waits.", "nginx waits."),
        ("**The answer is:** 60 seconds.", "60 seconds."),
        ("nginx: it waits.", "nginx: it waits."),
        ("60.5 seconds pass.", "60.5 seconds pass."),
    ],
)
def test_what_only_announces_a_claim_is_left_out_of_it(sentence: str, claim: str) -> None:
    assert claimed(sentence) == claim
