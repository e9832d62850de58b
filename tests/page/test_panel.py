"""The panel of sources: in what a later edition of a source differs from an earlier one."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from rag.page.panel import content
from rag.types import Findings, Overview, Source

RULES = (
    "Meals on a journey are paid up to {} EUR a day, and nights up to {} EUR, once {} has signed "
    "the sheet within {} days of the return and the bills are with it."
)
YEAR_1 = RULES.format("40", "110", "Moreau", "thirty")
OTHER = "The tide turns at noon, and the ferry leaves for the island an hour after it has."


def findings(*texts: str, overview: Overview | None = None) -> Findings:
    sources = [
        Source(number, f"rules-{number}.md", f"Rules {number}", 1, 0.9, text)
        for number, text in enumerate(texts, 1)
    ]
    return Findings("meals a day", "en", "answer", 0.2, 0.7, tuple(sources), overview)


def lines(found: Findings, vi: bool, cited: tuple[int, ...] = ()) -> dict[str, str]:
    """The quiet line of each source that has one, by the source's number."""
    html = content(found, vi, rewritten=False, cited=dict.fromkeys(cited), complete=bool(cited))
    sources = BeautifulSoup(html, "html.parser").select(".headwater-source")
    quiet = {
        source.b and source.b.text[:3]: source.select_one(".headwater-quiet") for source in sources
    }
    return {str(number): line.text for number, line in quiet.items() if line}


@pytest.mark.parametrize(
    ("vi", "line"), [(False, "differs from [1]: 40 → 55"), (True, "khác [1]: 40 → 55")]
)
def test_the_later_of_two_editions_says_in_what_it_differs(vi: bool, line: str) -> None:
    later = YEAR_1.replace("40", "55")
    assert lines(findings(YEAR_1, OTHER, later), vi) == {"[3]": line}
    assert lines(findings(YEAR_1, OTHER, later), vi, cited=(3,)) == {"[3]": line}


@pytest.mark.parametrize(("vi", "says"), [(False, "differs from"), (True, "khác")])
def test_three_facts_are_named_and_that_there_are_more(vi: bool, says: str) -> None:
    later = RULES.format("55", "130", "Martin", "sixty")
    line = f"{says} [1]: 40 → 55, 110 → 130, Moreau → Martin, …"
    assert lines(findings(YEAR_1, later), vi) == {"[2]": line}


def test_it_is_compared_with_the_first_that_is_an_edition_of_it() -> None:
    second, third = YEAR_1.replace("40", "55"), YEAR_1.replace("40", "60")
    assert lines(findings(OTHER, YEAR_1, second, third), vi=False) == {
        "[3]": "differs from [2]: 40 → 55",
        "[4]": "differs from [2]: 40 → 60",
    }


def test_other_texts_copies_and_whole_documents_have_no_such_line() -> None:
    assert lines(findings(YEAR_1, OTHER, YEAR_1), vi=False) == {}
    listing = Overview("listing", 2)
    later = YEAR_1.replace("40", "55")
    assert lines(findings(YEAR_1, later, overview=listing), vi=False) == {}


def test_what_differs_is_shown_as_text() -> None:
    later = YEAR_1.replace("40", "<b>55</b>")
    html = content(findings(YEAR_1, later), False, rewritten=False, cited={}, complete=False)
    assert "40</bdi> → <bdi>&lt;b&gt;55&lt;/b&gt;</bdi>" in html
