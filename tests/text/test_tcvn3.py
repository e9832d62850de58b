"""Old Vietnamese: that it is told from languages which have the same letters, and read."""

from __future__ import annotations

import pytest

from rag.text.legacy import converted
from rag.text.tcvn3 import is_tcvn3, unicode_of

OLD = "§iÒu 5. Bªn b¸n chÞu tr¸ch nhiÖm b¶o hµnh; chi phÝ vËn chuyÓn do bªn b¸n chÞu."


def test_it_is_read_as_what_its_fonts_draw() -> None:
    assert converted(OLD) == (
        "Điều 5. Bên bán chịu trách nhiệm bảo hành; chi phí vận chuyển do bên bán chịu."
    )
    assert len(unicode_of(OLD)) == len(OLD)
    assert unicode_of("\xa1\xa2\xa3\xa4\xa5\xa6\xa7") == "ĂÂÊÔƠƯĐ"
    assert unicode_of("\xa8\xa9\xaa\xab\xac\xad\xae \xfb\xfc\xfd\xfe") == "ăâêôơưđ ỷỹýỵ"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Điều 5. Bên bán chịu trách nhiệm bảo hành; chi phí vận chuyển do bên bán chịu.",
        "Là où la forêt s'arrête, près de la côte, là-bas, à l'été, où ça a été très gêné.",
        "Die Größe der Straße über dem Fluß wächst ständig für große Schiffe, § 5.",
        "«à», «là», «ça», «été»: on les écrit «à», «là», «ça», «été».",
        "Price £5 ±1 °C, ½ of it, 3×4, µm, © 2024, ®, §7 and ¶2; naïve café.",
        "Sono così perché è già là; però può, né più né meno, città e virtù.",
        "Não há razão: João está lá, é só à tarde, até às três, você também.",
    ],
)
def test_other_languages_are_left_as_they_are(text: str) -> None:
    assert not is_tcvn3(text)
    assert converted(text) is text
