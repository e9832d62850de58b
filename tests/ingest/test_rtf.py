"""RTF: its text in whatever code it is written, lists and tables, and what is not shown."""

from __future__ import annotations

import unicodedata

import pytest

from ingest.readers import READERS, rtf
from rag.errors import DocumentError
from rag.types import Content

from .test_readers import LEAVE, TCVN3, WARRANTY, cp1258

FONTS = r"{\fonttbl{\f0\fnil\fcharset163 Arial;}{\f1\froman\fcharset204 Times;}{\f2 Tahoma;}}"


def read(inside: str | bytes, head: str = r"\rtf1\ansi\ansicpg1258\deff0") -> Content:
    if isinstance(inside, str):
        inside = inside.encode("ascii")
    data = f"{{{head}{FONTS} ".encode() + inside + b"}"
    return READERS[".rtf"].read(data, "công văn.rtf")


def text(inside: str | bytes) -> str:
    [page] = read(inside).pages
    return page.text


def escaped(words: str) -> str:
    """As Word writes them: each letter that ASCII lacks as \\u with a "?" behind it."""
    units = [words.encode("utf-16-le")[at : at + 2] for at in range(0, 2 * len(words), 2)]
    signed = [int.from_bytes(unit, "little", signed=True) for unit in units]
    return "".join(chr(u) if 0 < u < 128 else f"\\u{u}?" for u in signed)


def hexed(data: bytes) -> str:
    return "".join(chr(byte) if byte < 128 else f"\\'{byte:02x}" for byte in data)


@pytest.mark.parametrize(
    "inside",
    [
        escaped(LEAVE),
        escaped(unicodedata.normalize("NFD", LEAVE)),
        hexed(cp1258(LEAVE)),
        cp1258(LEAVE),
        r"\f2 " + hexed(cp1258(LEAVE)),
        r"\f1 {\f0 " + hexed(cp1258(LEAVE)) + "}",
        r"\f1\plain " + hexed(cp1258(LEAVE)),
        r"\uc0 " + escaped(LEAVE).replace("?", " "),
        r"\uc2 " + escaped(LEAVE).replace("?", r"\'3f?"),
    ],
)
def test_vietnamese_is_read_however_it_is_written(inside: str | bytes) -> None:
    assert text(inside) == LEAVE


def test_a_font_of_another_script_has_its_own_code() -> None:
    assert text(r"{\f1 \'cc\'ee\'f1\'ea\'e2\'e0} = \'d0") == "Москва = Đ"


def test_a_letter_of_two_units_is_one() -> None:
    assert text(r"\u-10179?\u-8704?") == "😀"


def test_paragraphs_lists_and_tables_keep_their_order() -> None:
    content = read(
        r"{\info{\title S\u7893? tay}{\author An}}\pard Tr\u432?\u7899?c\par"
        r"{\pntext\f2\'b7\tab}a\par{\listtext 2.\tab}b\par"
        r"\trowd\cellx1000\cellx2000\pard\intbl M\u243?n\cell Gi\u225?\cell\row"
        r"\trowd\cellx1000\cellx2000\pard\intbl Ph\u7903?\par b\u242?\cell 50\cell\row"
        r"\pard Sau b\u7843?ng{\footnote Ch\u250? th\u237?ch}.\par Cu\u7889?i\line d\u242?ng"
    )
    assert content.title == "Sổ tay"
    [page] = content.pages
    assert page.text == (
        "Trước\n\n- a\n2. b\n\nMón | Giá\nPhở bò | 50\n\nSau bảng.\n\nChú thích\n\nCuối\ndòng"
    )
    assert page.text[page.blocks[0].start : page.blocks[0].head] == "Món | Giá"


@pytest.mark.parametrize(
    "hidden",
    [
        r"{\v HIDDEN}",
        r"\v HIDDEN\v0 ",
        r"{\deleted HIDDEN}",
        r"{\*\generator HIDDEN;}",
        r"{\*\unknown{\b HIDDEN}}",
        r"{\header HIDDEN}{\footerf HIDDEN}",
        r"{\stylesheet{\s1 HIDDEN;}}",
        r"{\pict\pngblip 48494444454e}",
        r"{\pict\bin6 HIDDEN}",
        r"{\field{\*\fldinst HYPERLINK HIDDEN}{\fldrslt }}",
        r"{\xe HIDDEN}",
        r"{\shp{\*\shpinst{\sp{\sn HIDDEN}{\sv 2}}}}",
    ],
)
def test_what_is_not_shown_is_no_text(hidden: str) -> None:
    assert text(f"a {hidden}b") == "a b"


def test_a_text_box_and_the_result_of_a_field_are_text() -> None:
    assert text(r"{\shp{\*\shpinst{\shptxt Khung\par}}}") == "Khung"
    assert text(r"{\field{\*\fldinst REF a}{\fldrslt 12}} \{ng\'e0y\}") == "12 {ngày}"
    assert text(r"a\~b \emdash\bullet c\_d\-e") == "a b —•c-de"


def test_what_is_written_twice_is_read_in_unicode() -> None:
    twice = r"{\upr{Nghi phep}{\*\ud{Ngh\u7881? ph\u233?p}}}"
    assert text(rf"{{\b {twice}}} n\u259?m") == "Nghỉ phép năm"
    assert text(rf"{{\*\bkmkstart {twice}}}{{\v {twice}}}{{\header {twice}}}a") == "a"
    assert text(rf"a{{\footnote {twice}}}") == "a\n\nNghỉ phép"


def test_notes_stand_apart_behind_their_paragraph_or_their_table() -> None:
    row = r"\pard\intbl {}\cell {}\cell\row "
    noted = r"50{\footnote \pard\plain {\super\chftn} C\u243? VAT}"
    inside = (
        r"a{\footnote m\u7897?t\par hai}b{\footnote {\listtext 1.\tab}ba}\par "
        + row.format(r"M\u243?n", r"Gi\u225?")
        + row.format(r"Ph\u7903?", noted)
        + r"\pard Sau{\footnote x\cell y\cell\row z}\par"
    )
    assert text(inside) == (
        "ab\n\nmột\nhai\n\n1. ba\n\nMón | Giá\nPhở | 50\n\nCó VAT\n\nSau\n\nx y\nz"
    )
    assert text(row.format("x", noted)) == "x | 50\n\nCó VAT"


def test_a_text_in_old_vietnamese_is_converted() -> None:
    font = r"{\fonttbl{\f9\fcharset0 .VnTime;}}\f9 "
    assert text(font + hexed(TCVN3.encode("latin-1"))) == WARRANTY


@pytest.mark.parametrize(
    "data", [b"{\\pwd1 x}", b"Only text", b"<html>x</html>", b"\xd0\xcf\x11\xe0"]
)
def test_what_is_no_rtf_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"\.rtf"):
        READERS[".rtf"].read(data, "a.rtf")


@pytest.mark.parametrize(
    "inside",
    [
        r"{\field{\*\fldinst{HYPERLINK " + '"' * 3,
        r"{\fonttbl" + r"\f1" * 3,
        "{" * 9,
        r"\'4",
        r"{\f1\fcharset163",
    ],
)
def test_what_is_made_to_be_slow_is_read_once(inside: str) -> None:
    """Patterns that start again at each of these take minutes. No time is asserted here."""
    assert text("a " + inside * 20_000).startswith("a")


def test_a_file_of_too_many_words_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtf, "MOST_TOKENS", 50)
    with pytest.raises(DocumentError, match="split it"):
        text(r"\b x" * 60)
