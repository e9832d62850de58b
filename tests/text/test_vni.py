"""Vietnamese of two bytes a letter: that it is told from languages with the same letters, and
read."""

from __future__ import annotations

import unicodedata

import pytest

from rag.text import legacy
from rag.text.legacy import converted
from rag.text.vni import is_vni, letter_by_letter, unicode_of

OLD = "Ñieàu 5. Beân baùn chòu traùch nhieäm baûo haønh; chi phí vaän chuyeån do beân baùn chòu."
MEANT = "Điều 5. Bên bán chịu trách nhiệm bảo hành; chi phí vận chuyển do bên bán chịu."


@pytest.mark.parametrize(
    ("old", "meant"),
    [
        (OLD, MEANT),
        ("Coäng hoøa xaõ hoäi chuû nghóa Vieät Nam", "Cộng hòa xã hội chủ nghĩa Việt Nam"),
        ("COÄNG HOØA XAÕ HOÄI CHUÛ NGHÓA", "CỘNG HÒA XÃ HỘI CHỦ NGHĨA"),
        ("Ñöôïc nghæ 12 ngaøy, höôûng löông ñuû", "Được nghỉ 12 ngày, hưởng lương đủ"),
        ("naêm, caén, baèng, thaúng, chaün, maët", "năm, cắn, bằng, thẳng, chẵn, mặt"),
        ("kyù, yù, kyõ, hyû, quyõ, kî, tyø", "ký, ý, kỹ, hỷ, quỹ, kỵ, tỳ"),
    ],
)
def test_it_is_read_as_what_its_fonts_draw(old: str, meant: str) -> None:
    assert unicode_of(old) == meant
    assert unicodedata.is_normalized("NFC", unicode_of(old))


def test_a_text_is_converted_by_itself() -> None:
    assert converted(OLD) == MEANT
    assert legacy.decoded(b"\x93" + OLD.encode("latin-1") + b"\x94") == f"“{MEANT}”"


@pytest.mark.parametrize(
    ("text", "title", "meant"),
    [
        (OLD, "Ñieàu khoaûn", "Điều khoản"),
        (OLD, "Điều khoản", "Điều khoản"),
        (OLD, "Warranty, 2. Auflage für Köln", "Warranty, 2. Auflage für Köln"),
        (OLD, "Tô Hoài", "Tô Hoài"),
        (OLD, "", ""),
        ("Bªn b¸n chÞu tr¸ch nhiÖm b¶o hµnh.", "§iÒu kho¶n", "Điều khoản"),
        ("Bªn b¸n chÞu tr¸ch nhiÖm b¶o hµnh.", "Tô Hoài", "Tô Hoài"),
        (MEANT, "Ñieàu khoaûn", "Ñieàu khoaûn"),
    ],
)
def test_a_title_is_read_as_its_text_is_unless_it_is_vietnamese_already(
    text: str, title: str, meant: str
) -> None:
    assert legacy.beside(title, legacy.reading(text)) == meant


def test_letter_by_letter_it_has_the_same_letters_and_is_as_long() -> None:
    assert len(letter_by_letter(OLD)) == len(OLD)

    def plain(text: str) -> str:
        parts = unicodedata.normalize("NFD", text)
        return "".join(part for part in parts if not unicodedata.combining(part))

    assert plain(letter_by_letter(OLD)) == plain(MEANT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        MEANT,
        "Hoà bình và hoá học: toà nhà, xoá bỏ, thuý, quý, khoá, hoạ sĩ, tuỳ ý, giá rẻ.",
        "Là où la forêt s'arrête, près de la côte, là-bas, à l'été, où ça a été très gêné.",
        "Noël, naïf, maïs, août, goût, coût, théâtre, Caëtan, poêle, poète, Saül et Esaü.",
        "Die Größe der Straße über dem Fluß wächst ständig für große Schiffe, § 5.",
        "El país leído aún está aquí: oír, baúl, maíz, raíz, caía, creído, búho y ahí.",
        "Não há razão: João está lá, é só à tarde, até às três, você também põe os pães.",
        "Sono così perché è già là; però può, né più né meno, città e virtù, poesia e aereo.",
        "Coëfficiënt, zeeën, reünie, geïnd, poëzie, beëindigen, coördinatie, naïef.",
        "Æ, ø, å: på øen, så små, blå, året, både, før, også, måske, når, får, gør.",
    ],
)
def test_other_languages_are_left_as_they_are(text: str) -> None:
    assert not is_vni(text)
    assert converted(text) is text
