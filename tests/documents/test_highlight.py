"""Where a passage stands on a PDF's page: measured on real PDFs, and at places known by hand."""

from __future__ import annotations

import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from difflib import SequenceMatcher
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import RectangleObject

from ingest.chunking import split
from ingest.readers import read
from rag.documents.highlight import SIMILAR, Box, draw, find, match
from rag.errors import DocumentError
from rag.pdfium import opened
from rag.settings import PROJECT
from tests.ingest.test_readers import PDFS, TCVN3, VNI, VNI_TIMES, needs_samples, pdf

WIDTH, HEIGHT = 612, 792  # points, of the pages that `pdf` writes
LINES = ["The first line stands at the top of it.", "The second line is under the first."]
MEASURED = [
    PROJECT / "data" / "retrieval-and-citations.pdf",
    PROJECT / "data" / "vi-quyen-rieng-tu.pdf",
    pytest.param(PDFS / "sample_multicolumn.pdf", marks=needs_samples),
]


def written(folder: Path, data: bytes, name: str = "a.pdf") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def text_in(path: Path, number: int, boxes: Iterable[Box]) -> str:
    """What PDFium finds inside rectangles of a page that is neither turned nor cropped."""
    with opened(path, number) as page:
        width, height = page.get_size()
        text = page.get_textpage()
        found = [
            text.get_text_bounded(
                box.left * width,
                height * (1 - box.top - box.height),
                (box.left + box.width) * width,
                height * (1 - box.top),
            )
            for box in boxes
        ]
    return "\n".join(found)


def alike(a: str, b: str) -> float:
    """Of 1, how alike two texts are, letter by letter without their spaces."""
    a, b = ("".join(text.split()) for text in (a, b))
    return SequenceMatcher(None, a, b, autojunk=False).ratio()


@pytest.mark.parametrize("path", MEASURED, ids=lambda path: path.name)
def test_the_boxes_of_95_percent_of_the_passages_hold_their_text(path: Path) -> None:
    scores = []
    print(f"\n{path.name}\npage  letters  boxes  similarity  text in the boxes")
    for page in read(path).pages:
        for passage in split(page.text):
            found = find(path, page.number, passage)
            shown = text_in(path, page.number, found.boxes)
            scores.append(alike(shown, passage))
            boxes, similarity = len(found.boxes), found.similarity
            row = f"{len(passage):7}  {boxes:5}  {similarity:10.3f}  {scores[-1]:.3f}"
            print(f"{page.number:4}  {row}")
    right = sum(score >= SIMILAR for score in scores) / len(scores)
    print(f"{right:.0%} of {len(scores)} passages")
    assert right >= 0.95


def near(box: Box, left: float, baseline: float, width: float, *, within: float = 4) -> bool:
    """Whether a box stands on a baseline, all in points from the top left of such a page."""
    bottom = (box.top + box.height) * HEIGHT
    return (
        abs(box.left * WIDTH - left) < within
        and abs(bottom - baseline) < within
        and abs(box.width * WIDTH - width) < within
    )


def test_a_line_has_one_box_where_the_pdf_puts_it(tmp_path: Path) -> None:
    path = written(tmp_path, pdf([LINES]))
    (box,) = find(path, 1, LINES[1]).boxes
    # `pdf` starts at (72, 720) from the bottom left, in Helvetica of 12 points, 14 a line; the
    # widths are the sums of Adobe's metrics.
    assert near(box, 72, HEIGHT - 720 + 14, 176.7)
    first, second = find(path, 1, "\n".join(LINES)).boxes
    assert second == box
    assert near(first, 72, HEIGHT - 720, 183.4)


def test_commas_and_quotation_marks_do_not_cut_a_line_into_pieces(tmp_path: Path) -> None:
    line = "\"Yes\", he said, 'but - as ever - not now', ... and _left_ 'it' \"there\"."
    assert len(find(written(tmp_path, pdf([[line]])), 1, line).boxes) == 1


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_turned_page_has_its_boxes_turned(tmp_path: Path, angle: int) -> None:
    straight = written(tmp_path, pdf([LINES]))
    writer = PdfWriter(clone_from=PdfReader(straight))
    writer.pages[0].rotate(angle)
    turned = tmp_path / "turned.pdf"
    writer.write(turned)
    inks = []
    for path in (straight, turned):
        found = find(path, 1, LINES[1])
        assert found.boxes
        image = Image.open(io.BytesIO(draw(path, 1))).convert("L")
        inks.append(sum(dark(image, box) for box in found.boxes))
        assert (found.width > found.height) is (path == turned and angle != 180)
    assert inks[1] == pytest.approx(inks[0], rel=0.1)


def dark(image: Image.Image, box: Box) -> int:
    """How many dark pixels a box holds."""
    left, top = box.left * image.width, box.top * image.height
    right, bottom = left + box.width * image.width, top + box.height * image.height
    pixels: list[int] = image.crop((left, top, right, bottom)).histogram()
    return sum(pixels[:128])


def test_a_cropped_page_has_its_boxes_moved(tmp_path: Path) -> None:
    writer = PdfWriter(clone_from=PdfReader(written(tmp_path, pdf([LINES]))))
    writer.pages[0].cropbox = RectangleObject((50, 400, 450, 750))
    cropped = tmp_path / "cropped.pdf"
    writer.write(cropped)
    found = find(cropped, 1, LINES[0])
    (box,) = found.boxes
    assert (round(found.width), round(found.height)) == (400, 350)
    assert box.left * 400 == pytest.approx(72 - 50, abs=2)
    assert (box.top + box.height) * 350 == pytest.approx(750 - 720, abs=4)


def test_of_a_line_that_is_twice_on_the_page_the_one_in_the_passage_is_the_part(
    tmp_path: Path,
) -> None:
    above, passage = ["Draft.", LINES[0], "So ends the draft."], ["Printed.", *LINES]
    path = written(tmp_path, pdf([[*above, *passage, LINES[0]]]))
    (part,) = find(path, 1, "\n".join(passage), LINES[0]).part
    assert near(part, 72, HEIGHT - 720 + 4 * 14, 183.4)


COLUMN_A = "The quick brown fox jumps over the lazy dog by the river"
COLUMN_B = "while eleven grey geese watch it from the other bank of it"


def taken(passage: str, shown: str) -> list[str]:
    spans, similarity = match(passage, shown)
    return [shown[start:end] for start, end in spans] if similarity >= SIMILAR else []


@pytest.mark.parametrize(
    ("passage", "shown"),
    [
        ("the final offer", "the ﬁnal oﬀer"),
        ("an example of it", "an exam-\r\nple of it"),
        ("an example of it", "an exam\x02ple\r\nof it"),
        ("an example of it", "an exam\u00ad\nple of it"),
        ("Nội dung tiếng Việt", "No\u0323\u0302i dung tie\u0302\u0301ng Vie\u0323\u0302t"),
        ("well-known – twice", "well\u2010known — twice"),
        ("5 000 km2", "5\u00a0000 km²"),
    ],
)
def test_the_same_words_written_otherwise_are_the_same(passage: str, shown: str) -> None:
    assert taken(passage, f"Before it. {shown} After it.") == [shown]


def test_columns_read_in_another_order_are_found_each_in_its_place() -> None:
    shown = f"Title\n{COLUMN_B}\nA picture's caption between them\n{COLUMN_A}\n7"
    assert taken(f"{COLUMN_A}\n{COLUMN_B}", shown) == [COLUMN_A, COLUMN_B]


def test_lines_that_cross_the_columns_are_put_together_again() -> None:
    a = [COLUMN_A[:27], COLUMN_A[27:]]
    b = [COLUMN_B[:27], COLUMN_B[27:]]
    shown = f"{a[0]} {b[0]}\n{a[1]} {b[1]}"
    assert "".join(taken(COLUMN_A, shown)) == COLUMN_A.replace("  ", " ")


def test_a_word_that_was_read_differently_stays_inside_the_highlight() -> None:
    shown = f"Before. {COLUMN_A.replace('lazy', 'l@zy')} {COLUMN_B} After."
    assert taken(f"{COLUMN_A} {COLUMN_B}", shown) == [shown[8:-7]]


def test_of_the_same_words_twice_those_beside_the_rest_are_taken() -> None:
    common = "according to the report"
    passage = f"Sales rose by a third in May ({common}) and fell in June for the first time."
    place = passage.replace("(", "\ufffd").replace(")", "\ufffd")
    assert taken(passage, f"Nothing, {common}, happened. {place} So much {common}.") == [place]


@pytest.mark.parametrize(
    "shown",
    ["", "Something else entirely, of about the same length as it.", COLUMN_A[:40], COLUMN_A[::-1]],
)
def test_what_is_not_there_is_not_highlighted(shown: str) -> None:
    assert taken(COLUMN_A, shown) == []


def test_a_passage_of_another_page_has_no_boxes(tmp_path: Path) -> None:
    path = written(tmp_path, pdf([LINES, ["Another page, with words of its own."]]))
    found = find(path, 2, "\n".join(LINES))
    assert found.boxes == ()
    assert found.similarity < SIMILAR


@given(st.text(max_size=60), st.text(max_size=120))
def test_any_two_texts_can_be_compared(passage: str, shown: str) -> None:
    spans, similarity = match(passage, shown)
    assert 0 <= similarity <= 1
    assert all(0 <= start < end <= len(shown) for start, end in spans)
    assert match(passage, shown) == (spans, similarity)


@pytest.mark.timeout(20)
def test_a_page_of_one_letter_keeps_nobody_waiting() -> None:
    assert match("a" * 999 + "b", "a" * 100_000)[1] < SIMILAR
    assert match("ab" * 500, "ab " * 499 + "ba" * 20_000)[1] <= 1


def test_a_page_is_drawn_sharp_and_within_bounds(tmp_path: Path) -> None:
    path = written(tmp_path, pdf([LINES]))
    assert Image.open(io.BytesIO(draw(path, 1))).size == (2 * WIDTH, 2 * HEIGHT)
    writer = PdfWriter(clone_from=PdfReader(path))
    writer.pages[0].scale_to(14400, 14400)
    writer.write(tmp_path / "huge.pdf")
    assert max(Image.open(io.BytesIO(draw(tmp_path / "huge.pdf", 1))).size) <= 3000


def test_many_threads_get_what_one_gets() -> None:
    paths = [
        PROJECT / "data" / name for name in ("retrieval-and-citations.pdf", "vi-quyen-rieng-tu.pdf")
    ]
    passages = [split(read(path).pages[0].text)[0] for path in paths]
    tasks = list(zip(paths, [1, 1], passages, strict=True)) * 20
    alone = [find(*task) for task in tasks[:2]]
    assert all(found.boxes for found in alone)
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda task: find(*task), tasks))
    assert together == alone * 20


def test_pages_are_read_while_others_are_drawn() -> None:
    path = PROJECT / "data" / "vi-quyen-rieng-tu.pdf"
    alone = read(path)
    with ThreadPoolExecutor(4) as threads:
        drawings = [threads.submit(draw, path, number) for number in range(1, 9)]
        contents = list(threads.map(read, [path] * 8))
    assert contents == [alone] * 8
    assert all(drawing.result() for drawing in drawings)


def test_a_passage_in_a_vietnamese_font_of_old_is_found(tmp_path: Path) -> None:
    path = written(tmp_path, pdf([LINES[:1], [TCVN3[:36], TCVN3[36:]]]))
    (passage,) = split(read(path).pages[1].text)
    assert passage.startswith("Bảo hành")
    assert len(find(path, 2, passage).boxes) == 2


def test_a_passage_in_a_font_of_vni_is_found_and_what_is_quoted_of_it(tmp_path: Path) -> None:
    path = written(tmp_path, pdf([LINES[:1], [VNI[:46], VNI[46:]]], font=VNI_TIMES))
    (passage,) = split(read(path).pages[1].text)
    assert passage.startswith("Bảo hành")
    found = find(path, 2, passage, "thời hạn hai mươi bốn")
    assert len(found.boxes) == 2
    assert found.part and found.part[0].left > found.boxes[0].left


def test_what_cannot_be_opened_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, pdf([LINES]), "hồ sơ.pdf")
    for place, number in ((path, 2), (path, 0), (tmp_path / "no.pdf", 1)):
        for call in (lambda p, n: find(p, n, "x"), draw):
            with pytest.raises(DocumentError, match="cannot be drawn"):
                call(place, number)
    with pytest.raises(DocumentError, match="hồ sơ"):
        draw(written(tmp_path, b"%PDF-1.4 and nothing", "hồ sơ.pdf"), 1)
