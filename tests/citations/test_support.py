"""The support check on labelled sentences about the project's own documents, and kind by kind.

In tests/measured/support.json half of the passages tuned the thresholds; the other half was held
out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import chunking, readers
from rag.citations import wording
from rag.citations.scales import scales
from rag.citations.support import Support, judge, quoted
from rag.measuring import support as support_eval
from rag.measuring.support import SupportReport
from rag.retrieval.embedder import Embedder
from rag.retrieval.models import MULTILINGUAL, PACKAGED
from rag.settings import PROJECT
from rag.store.store import Store
from rag.text.language import words
from rag.text.sentences import split_sentences
from rag.types import Language

LABELLED = support_eval.load(PROJECT / "tests" / "measured" / "support.json")


def judged(
    sentence: str,
    passage: str,
    language: Language,
    likeness: float = 0.5,
    idf: Mapping[str, float] | None = None,
    model: str = PACKAGED,
) -> Support:
    """What is found where every text is as like the sentence as `likeness` says."""
    weights = dict.fromkeys(words(sentence), 1.0) if idf is None else idf
    alike = [likeness]
    return judge(
        sentence, passage, weights, language, lambda texts: alike * len(texts), scales(model)
    )


@pytest.fixture(scope="module")
def report(shelf: Store, embedder: Embedder) -> SupportReport:
    return support_eval.measure(LABELLED, shelf, embedder, lambda done: None)


def test_unsupported_is_rarely_said_of_a_supported_sentence(report: SupportReport) -> None:
    parts = report.parts()
    assert len(parts) == 4
    for (half, language), figures in parts.items():
        precision, recall = figures.precision, figures.recall
        assert precision is not None and recall is not None
        print(f"{half:8} {language} {figures.pairs:3} pairs", end="  ")
        print(f"unsupported: precision {precision:.2f} recall {recall:.2f}")
        assert precision >= 0.9 and recall >= 0.8
    kinds = Counter((j.kind, j.support.supported) for j in report.judged)
    for kind in sorted({j.kind for j in report.judged}):
        print(f"{kind:13} unsupported {kinds[kind, False]:3}, supported {kinds[kind, True]:3}")


def test_a_sentence_is_judged_in_under_three_milliseconds(report: SupportReport) -> None:
    each = sorted(j.seconds for j in report.judged)
    print(f"median {each[len(each) // 2] * 1e3:.2f} ms, slowest {each[-1] * 1e3:.2f} ms")
    assert each[len(each) // 2] < 0.003


def test_the_labelled_set_is_large_balanced_and_split_by_passage() -> None:
    pairs, passages = LABELLED.pairs, LABELLED.passages
    assert len(pairs) >= 120 and len({pair.sentence for pair in pairs}) == len(pairs)
    by = Counter((passages[pair.passage].language, pair.supported) for pair in pairs)
    assert all(0.2 * len(pairs) < count < 0.3 * len(pairs) for count in by.values()), by
    contents = {
        name: readers.read(PROJECT / "data" / name)
        for name in {passage.document for passage in passages.values()}
    }
    for passage in passages.values():
        page = contents[passage.document].pages[passage.page - 1]
        assert passage.text in page.text


def test_every_sentence_that_a_document_holds_is_supported_by_its_passage() -> None:
    for path in sorted((PROJECT / "data").iterdir()):
        language: Language = "vi" if path.name.startswith("vi-") else "en"
        for page in readers.read(path).pages:
            for passage in chunking.split(page.text):
                for sentence in split_sentences(passage):
                    assert judged(sentence, passage, language, 0.0).supported, sentence


ENGLISH = (
    "nginx waits 60 seconds between two reads and closes the connection afterwards. On 21/11/2026 "
    "the council of Hue approved 1,234.5 million for `proxy_buffering`. A heartbeat does not help "
    "a client that has left. Two of the nine buffers are kept."
)
VIETNAMESE = (
    "nginx chờ 60 giây giữa hai lần đọc rồi đóng kết nối. Ngày 21 tháng 11 năm 2026 hội đồng Huế "
    "thông qua 1.234,5 triệu cho proxy_buffering. Nhịp giữ kết nối không giúp được máy khách đã "
    "rời đi. Giữ lại hai trong chín bộ đệm ở năm nơi."
)

REASONS = [
    # numbers and units
    ("nginx waits 60 seconds between reads.", "supported"),
    ("nginx waits one minute between reads.", "supported"),
    ("nginx waits 60s between reads.", "supported"),
    ("nginx waits 60 minutes between reads.", "number"),
    ("nginx waits 90 seconds between reads.", "number"),
    ("The council of Hue approved 1.234,5 million.", "supported"),
    ("The council of Hue approved 12,345 million.", "number"),
    ("2 of the 9 buffers are kept.", "supported"),
    ("Two of the eight buffers are kept.", "number"),
    ("nginx chờ 60 giây giữa hai lần đọc.", "supported"),
    ("nginx chờ 1 phút giữa 2 lần đọc.", "supported"),
    ("nginx chờ 60 phút giữa hai lần đọc.", "number"),
    ("Hội đồng Huế thông qua 1,234.5 triệu.", "supported"),
    ("Giữ lại hai trong tám bộ đệm.", "number"),
    ("Giữ lại hai trong 9 bộ đệm ở 5 nơi.", "supported"),
    # dates
    ("The council of Hue approved it on November 21, 2026.", "supported"),
    ("The council of Hue approved it on 2026-11-21.", "supported"),
    ("The council of Hue approved it on 21 November.", "supported"),
    ("The council of Hue approved it on November 22, 2026.", "number"),
    ("The council of Hue approved it on 21/11/2025.", "number"),
    ("Hội đồng Huế thông qua vào 21/11/2026.", "supported"),
    ("Hội đồng Huế thông qua vào 11/12/2026.", "number"),
    ("Hội đồng Huế thông qua trong năm 2026.", "supported"),
    # names
    ("The council of Hanoi approved the buffering.", "name"),
    ("On that day the council approved `proxy_cache`.", "name"),
    ("Vào ngày đó hội đồng Vinh thông qua.", "name"),
    ("Hội đồng thông qua cho proxy_cache.", "name"),
    # negation
    ("A heartbeat helps a client that has left.", "negation"),
    ("A heartbeat doesn't help a client that has left.", "supported"),
    ("nginx does not close the connection afterwards.", "negation"),
    ("Nhịp giữ kết nối giúp được máy khách đã rời đi.", "negation"),
    ("Nhịp giữ kết nối không giúp máy khách đã rời đi.", "supported"),
    ("nginx không đóng kết nối.", "negation"),
    # absolutes
    ("nginx always closes the connection afterwards.", "absolute"),
    ("nginx luôn đóng kết nối.", "absolute"),
    # too little in common
    ("Streaming saves money whenever readers get impatient.", "words"),
    ("Người dùng thường đổi mật khẩu hằng tháng.", "words"),
    # nothing to check
    ("", "unchecked"),
    ("-", "unchecked"),
]


@pytest.mark.parametrize(("sentence", "reason"), REASONS)
def test_each_kind_of_fault_is_told(sentence: str, reason: str) -> None:
    vietnamese = not sentence.isascii() or "nginx ch" in sentence
    language: Language = "vi" if vietnamese else "en"
    support = judged(sentence, VIETNAMESE if vietnamese else ENGLISH, language, 0.8)
    assert support.reason == reason
    assert support.supported == (reason in ("supported", "unchecked"))


@pytest.mark.parametrize(
    ("likeness", "outcome"), [(0.9, "confirmed"), (0.5, "unclear"), (0.1, "unconfirmed")]
)
def test_between_two_languages_the_meaning_decides_or_nobody_can_tell(
    likeness: float, outcome: str
) -> None:
    def alike(texts: Sequence[str]) -> list[float]:
        return [likeness, *[likeness - 0.1] * (len(texts) - 1)]

    sentence = "nginx waits 60 seconds."
    support = judge(sentence, VIETNAMESE, {}, "en", alike, scales(MULTILINGUAL))
    assert support.outcome == outcome
    assert support.supported == (outcome != "unconfirmed")
    if outcome == "confirmed":
        assert support.quote and support.quote.text.startswith("nginx chờ 60 giây")


def test_between_two_languages_a_model_that_knows_one_compares_only_numbers() -> None:
    assert judged("nginx waits 60 seconds.", VIETNAMESE, "en", 0.1).outcome == "unclear"
    assert judged("nginx waits 70 seconds.", VIETNAMESE, "en", 0.9).reason == "number"


@pytest.mark.parametrize(
    ("likeness", "outcome"), [(0.9, "confirmed"), (0.75, "unclear"), (0.4, "unconfirmed")]
)
def test_in_other_words_the_meaning_tells_them_apart(likeness: float, outcome: str) -> None:
    sentence = "Between the reads nginx pauses, and finally hangs up."
    assert judged(sentence, ENGLISH, "en", likeness, model=MULTILINGUAL).outcome == outcome


def test_vietnamese_without_diacritics_is_compared_without_them() -> None:
    support = judged("nginx cho 60 giay giua hai lan doc.", VIETNAMESE, "vi")
    assert support.supported and support.share == pytest.approx(1)


def test_the_share_weighs_words_by_their_idf() -> None:
    idf = {"nginx": 1, "waits": 1, "sideways": 2, "today": 0}
    support = judged("nginx waits sideways today", ENGLISH, "en", idf=idf)
    assert support.share == 0.5


@settings(derandomize=True)
@given(
    st.text(max_size=80) | st.text("0123456789.,/ năms-", max_size=40),
    st.text(max_size=80) | st.text("0123456789.,/ năms-", max_size=40),
    st.sampled_from(["en", "vi"]),
)
def test_any_text_can_be_judged(sentence: str, passage: str, language: Language) -> None:
    support = judged(sentence, passage, language, idf={})
    assert 0 <= support.share <= 1.0001
    itself = judged(sentence, sentence, language, 1.0, idf={})
    assert itself.share > 0.999 or itself.outcome == "unchecked"


PASSAGE = (
    "Tides\n\nThe ferry leaves at nine. It waits for the tide, which turns at noon on Mondays.\n\n"
    "| Day | Low water |\n|---|---|\n| Monday | 12:00 |\n| Tuesday | 12:50 |"
)


@pytest.mark.parametrize(
    ("sentence", "quote"),
    [
        ("The ferry leaves at nine.", "The ferry leaves at nine."),
        ("On Mondays the tide turns at noon.", "It waits for the tide, which turns at noon"),
        ("On Tuesday low water is at 12:50.", "| Tuesday | 12:50 |"),
        ("Cranes fly south in October.", None),
    ],
    ids=["the sentence itself", "in other words", "a row", "nothing"],
)
def test_the_part_of_a_passage_that_says_it_is_found(sentence: str, quote: str | None) -> None:
    found = quoted(sentence, PASSAGE, {})
    if quote is None:
        assert found is None
    else:
        assert found and found.text.startswith(quote)
        assert PASSAGE[found.start : found.end] == found.text


def test_a_row_of_the_passage_itself_is_never_called_unconfirmed() -> None:
    passage = wording.passage(
        "Measure Answers the question Use it when\nrecall@k is the evidence there at all? always\n"
        "It is not true that the tide turns at noon on Mondays."
    )
    assert passage.has("Measure Answers the question Use it when recall@k is the evidence there")
    assert passage.has("recall@k is the evidence there at all? always")
    assert not passage.has("the tide turns at noon on Mondays."), "it is what the sentence denies"
