"""Answers without a model: what answers is quoted as it stands, under the number of its source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from numpy.typing import NDArray

from rag.retrieval.retriever import Retriever
from rag.text import markdown
from rag.text.language import keywords, words
from rag.text.sentences import split_sentences
from rag.types import Findings, Language, Options, Source, Turn
from rag.writing.choosing import MOST, chosen
from rag.writing.extractive import Quotes, written
from rag.writing.pieces import Brief, Relevance

QUOTED = re.compile(r"(.*) \[(\d+)\]", re.DOTALL)


def shared(question: str, sentences: Sequence[str]) -> NDArray[np.float64]:
    """A fit that a reader can check: the share of the question's keywords in the sentence."""
    wanted = set(keywords(question))
    return np.array([len(wanted & set(words(s))) / len(wanted) for s in sentences])


def quote(findings: Findings, relevance: Relevance) -> Iterator[str]:
    """The quotes of an answer."""
    return written(chosen(findings, relevance), findings.query)


def found(*texts: str, question: str = "How is buffering turned off in nginx?") -> Findings:
    sources = tuple(
        Source(number, f"{number}.md", "T", 1, 1 / number, text)
        for number, text in enumerate(texts, 1)
    )
    return Findings(question, "en", "answer", 0.2, 0.5, sources)


def unescaped(markdown: str) -> str:
    return re.sub(r"\\([^\w\s])", r"\1", markdown.replace("**", ""))


def quotes(pieces: Sequence[str]) -> list[tuple[int, str]]:
    """The number and the words of each quote."""
    matches = [QUOTED.fullmatch(piece.strip()) for piece in pieces]
    return [(int(m[2]), unescaped(m[1])) for m in matches if m]


@pytest.mark.parametrize(
    "question",
    [
        "What does X-Accel-Buffering do?",
        "X-Accel-Buffering dùng để làm gì?",
        "lam sao de tat bo dem cua nginx",
        "Which HTTP status codes are worth retrying?",
        "Sao lưu SQLite khi ứng dụng vẫn đang ghi thì dùng lệnh nào?",
        "What is the difference between recall@k and MRR?",
    ],
)
def test_every_quote_is_words_of_the_source_it_cites(retriever: Retriever, question: str) -> None:
    findings = retriever.search(question, 5)
    chosen_quotes = chosen(findings, retriever.relevance)
    assert 1 <= sum(len(each.best) for each in chosen_quotes) <= MOST + 1
    texts = {s.number: s.text for s in findings.sources}
    for each in chosen_quotes:
        for unit in each.units:
            source = texts[each.number][unit.start : unit.end]
            if unit.kind not in ("row", "entry"):
                assert words(unit.text) == words(source)
    written = "".join(quote(findings, retriever.relevance))
    assert set(re.findall(r"(?<!\\)\[(\d+)\]", written)) == {str(q.number) for q in chosen_quotes}


def test_the_answer_names_what_was_asked_for(retriever: Retriever) -> None:
    findings = retriever.search("What does X-Accel-Buffering do?", 5)
    assert "X-Accel-Buffering" in next(quote(findings, retriever.relevance))


def test_quotes_stand_in_paragraphs_of_their_own() -> None:
    pieces = list(
        quote(
            found(
                "Set proxy_buffering to off, and buffering is turned off in nginx.",
                "An application whose header says no has had buffering turned away by nginx.",
            ),
            shared,
        )
    )
    assert len(pieces) == 2
    assert "".join(pieces).count("\n\n") == 1


def test_a_sentence_is_not_said_twice() -> None:
    text = "Buffering is turned off in nginx with a directive."
    findings = found(text, text + "\n\nIt was raining a lot that day, and nobody went out at all.")
    assert len(list(quote(findings, shared))) == 1


def test_what_fits_much_less_than_the_best_is_left_out() -> None:
    findings = found("Buffering is turned off in nginx.", "The weather was fine all week long.")
    assert quotes(list(quote(findings, shared))) == [(1, "Buffering is turned off in nginx.")]


def test_a_source_without_a_sentence_is_quoted_whole() -> None:
    line = "proxy_buffering turned off: nginx, buffering and"
    (quoted,) = quotes(list(quote(found(line), shared)))
    assert quoted == (1, line)


def test_a_forged_citation_in_a_document_is_not_one() -> None:
    text = "Buffering in nginx is turned off [1] by magic [99], says [this](http://evil.example)."
    (piece,) = quote(found(text), shared)
    shown = MarkdownIt().render(piece)
    assert re.findall(r"(?<!\\)\[(\d+)\]", piece) == ["1"]
    assert piece.endswith(" [1]")
    assert "<a" not in shown


def test_markup_in_a_document_is_shown_and_not_obeyed() -> None:
    text = (
        "Buffering in nginx is turned off by <script>alert(1)</script> and "
        "![a picture](http://evil.example/x.png) *now*."
    )
    (piece,) = quote(found(text), shared)
    shown = MarkdownIt().render(piece)
    assert not re.search(r"<(script|img|em|a)\b", shown)
    assert "alert(1)" in shown


BLOCKS = [
    "# Turned off in nginx.",
    "## Two.",
    "1. Turned off.",
    "2) Turned off.",
    "+ Turned off.",
    "> Turned off.",
    "--- turned off.",
    "=== turned off.",
    "| a | b |",
    "~~off~~ and `off` and **off**",
    "_off_ but snake_case_name stays",
    "&lt;b&gt; &amp; &copy; stay as they are",
    "\\* back\\slash",
    "$x$ and <https://evil.example>",
    "[^1] and [a]: http://evil.example",
]


@pytest.mark.parametrize("text", BLOCKS)
def test_no_sentence_of_a_document_changes_how_it_is_shown(text: str) -> None:
    tokens = MarkdownIt("js-default").parse(f"{markdown.escape(text)} [1]")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert "".join(child.content for child in children) == f"{text} [1]"
    assert {child.type for child in children} <= {"text", "text_special"}


@given(st.text(alphabet="aB1 .#*_~`<>[]()!\\|$&;:-+=\"'【（］"))
def test_escaping_loses_no_character(text: str) -> None:
    single = " ".join(text.split())
    assert markdown.unescape(markdown.escape(single)) == single


def test_sentences_are_cut_at_their_ends_and_not_at_abbreviations_or_numbers() -> None:
    text = (
        "The limit is 3.5 seconds for each request. Câu này kết thúc bằng dấu hỏi phải không? "
        "Use e.g. the second server for that. Short one."
    )
    assert split_sentences(text) == [
        "The limit is 3.5 seconds for each request.",
        "Câu này kết thúc bằng dấu hỏi phải không?",
        "Use e.g. the second server for that.",
    ]


def test_headings_and_list_marks_are_no_sentences() -> None:
    text = "A heading of some length here\n\n- The first point is a whole sentence.\n- not one"
    assert split_sentences(text) == ["The first point is a whole sentence."]
    assert split_sentences("") == []


@pytest.mark.parametrize(
    "text", ["See https://evil.example/x.", "Go to www.evil.com now.", "Mail me@evil.com."]
)
def test_what_would_become_a_link_by_itself_is_escaped_and_can_be_shown_plain(text: str) -> None:
    escaped = markdown.escape(text)
    assert not re.search(r"https?://|(?<!\\)www\.|\w@\w", escaped)
    assert markdown.unescape(escaped) == text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "Searched together with the question before"), ("vi", "Tìm cùng với câu hỏi trước")],
)
async def test_a_follow_up_to_which_there_is_no_more_does_not_quote_the_same_again(
    language: Language, sentence: str
) -> None:
    known = "A header turns the buffering of nginx off."
    findings = found(known, question="How is buffering turned off in nginx? And why?")
    turns = [Turn("How is buffering turned off in nginx?", f"**{known}** [3]")]

    async def said(question: str, turns: Sequence[Turn]) -> str:
        brief = Brief(question, language, turns, Options(), findings, shared, "")
        return "".join([piece async for piece in Quotes().write(brief) if isinstance(piece, str)])

    assert (await said("And why?", turns)).startswith(sentence)
    assert known in await said("And why?", [Turn("What is nginx?", "A server. [1]")])
    assert known in await said(findings.query, turns), "who asks the same is answered the same"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("question", "text", "language", "said"),
    [
        ("How many servers has the harbour?", "The harbour has servers.", "en", "I see no number"),
        ("Who invented tide tables?", "Tide tables (TT) are sent by HTTP.", "en", "I see no name"),
        ("Ai canh cảng?", "Cảng được canh suốt đêm.", "vi", "tôi không thấy tên"),
        ("What does status 429 mean?", "A status has a mean.", "en", "do not mention “429”"),
        ("Mã lỗi 429 nghĩa là gì?", "Mã lỗi nghĩa là gì.", "vi", "không nhắc tới “429”"),
        ("How many servers has the harbour?", "The harbour has six servers.", "en", ""),
        ("What does status 429 mean?", "Status 429 has a mean.", "en", ""),
    ],
)
async def test_quotes_that_have_not_what_is_asked_for_say_so_first(
    question: str, text: str, language: Language, said: str
) -> None:
    brief = Brief(question, language, [], Options(), found(text, question=question), shared, "")
    first, *_ = [piece async for piece in Quotes().write(brief) if isinstance(piece, str)]
    assert said in first if said else first.startswith((text[:3], "**"))
