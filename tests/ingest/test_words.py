"""What the measure of a text layer says of texts, and of the same texts spoilt."""

from __future__ import annotations

import pytest

from ingest.readers.words import are_words, broken, word_count

ENGLISH = "The pump is checked every week, and what is found is written down in the book. " * 3
VIETNAMESE = "Chủ kho phải kiểm tra bình chữa cháy sáu tháng một lần và ghi vào sổ theo dõi. " * 3

WORDS = [
    "",
    "7",
    ENGLISH,
    VIETNAMESE,
    "Kiểm tra · Check ✓",
    "Następnie chrząszcz brzmi w trzcinie, a źdźbło trawy drży przy brzegu rzeki Wkry. " * 3,
    "Čerpadlo se kontroluje každý týden, čtvrtek i prst na krku; výsledek se zapíše. " * 3,
    "ポンプは毎週点検され、記録されます。" * 5,
    "Насос проверяют каждую неделю и записывают результаты в журнал. " * 3,
    "تُفحص المضخة كل أسبوع وتُسجَّل النتائج. " * 5,
    "1 Introduction . . . . . . . . . . . . . 1\n2 Use ............................... 4\n" * 9,
    "Q1 1,204.50 98.1 % 77\nQ2 1,310.00 97.4 % 81\nQ3 990.25 99.0 % 64\n" * 9,
    "KX-287 M8×40 PTZ-4431 | KX-288 M8×45 PTZ-4432 | BRQ-12 M6×20 PTZ-4433\n" * 9,
    "for k, v in sorted(d.items()): print(f'{k:>8} {v:.2f}', end='\\n' if v else ' ')\n" * 5,
]
NOT_WORDS = {
    "names of glyphs": "".join(f"/G{ord(c):02X}" for c in ENGLISH),
    "numbers of glyphs": "".join(f"(cid:{ord(c)})" for c in ENGLISH),
    "glyphs' places in the font": "".join(chr(ord(c) - 29) for c in ENGLISH),
    "private letters": "".join(chr(0xF000 + ord(c)) if c != " " else c for c in ENGLISH),
    "letters three further": "".join(chr(ord(c) + 3) if c != " " else c for c in ENGLISH),
    "signs": '!"#$ %&\'" ()*+ ,-./ :;<= >?@[ \\]^_ `{|}~ ' * 3,
    "unknown letters": "\ufffd" * 60,
}


@pytest.mark.parametrize("text", WORDS)
def test_texts_are_words(text: str) -> None:
    assert are_words(text)


@pytest.mark.parametrize("text", NOT_WORDS.values(), ids=NOT_WORDS.keys())
def test_what_a_font_says_of_itself_is_not(text: str) -> None:
    assert not are_words(text)


@pytest.mark.parametrize("text", [ENGLISH, VIETNAMESE])
def test_words_that_were_cut_or_glued_are_noticed(text: str) -> None:
    accents = "".join(f" {c} " if c in "ủảểữộổ" else c for c in VIETNAMESE)
    assert broken(text) < 0.05
    assert broken(accents) > 0.3
    assert broken(" ".join(text.replace(".", "").replace(" ", ""))) > 0.9
    assert broken("TheOrangeDemoCompany paysForAllOfIt nowAndThen") > broken(text)


def test_the_numbers_of_pages_are_no_words() -> None:
    assert word_count("page 1\npage 2\n3\n4") == 1
    assert word_count("Hàng về") == 2
