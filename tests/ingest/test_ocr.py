"""Scans and pictures, drawn here and read by the real Tesseract."""

from __future__ import annotations

import itertools
import os
import shutil
import unicodedata
from collections.abc import Callable
from contextlib import closing
from difflib import SequenceMatcher
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageOps
from pypdf import PdfReader, PdfWriter

from ingest import readers
from ingest.readers import image, ocr, pdf
from rag import pdfium, pictures
from rag.errors import DocumentError, UnsupportedFormat
from rag.types import Content
from tests.harness import scans
from tests.ingest.test_readers import LINES, PICTURE, UNREADABLE
from tests.ingest.test_readers import pdf as typed

VIETNAMESE = """Quy định về nghỉ phép năm
Mỗi nhân viên chính thức được nghỉ mười hai ngày phép một năm,
tính từ tháng đầu tiên làm việc. Người lao động làm việc trong
điều kiện nặng nhọc, độc hại được nghỉ thêm hai ngày. Đơn xin
nghỉ phải gửi cho trưởng phòng ít nhất ba ngày trước khi nghỉ,
trừ trường hợp ốm đau hoặc có việc khẩn cấp. Những ngày phép
chưa dùng hết được chuyển sang quý một của năm sau, nhưng
không quá năm ngày."""
RULE = "\n".join(VIETNAMESE.split("\n")[:3])
ENGLISH = """Notes on the spring tide
The lighthouse keeper counted forty boats in the harbour.
Two of them came back before the storm."""


@pytest.fixture
def _tesseract() -> None:
    scans.readable()


Program = Callable[[str], str]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Puts a script in Tesseract's place, and gives its path."""

    def write(script: str) -> str:
        path = tmp_path / "tesseract"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        return str(path)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return write


needs_tesseract = pytest.mark.usefixtures("_tesseract")


def words(text: str) -> str:
    return " ".join(text.split())


def texts(content: Content) -> list[str]:
    return [words(page.text) for page in content.pages]


@needs_tesseract
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_picture_of_text_is_read(kind: str) -> None:
    content = image.read(scans.file(kind, scans.page(RULE)), f"nghi-phep.{kind.lower()}")
    (page,) = content.pages
    assert (content.title, page.number, page.name) == ("nghi phep", 1, "1 · OCR")
    assert "được nghỉ mười hai ngày phép một năm" in words(page.text)
    (remark,) = content.remarks
    assert "page 1 was read by OCR" in remark.en and "trang 1 do OCR đọc" in remark.vi


@needs_tesseract
@pytest.mark.slow
def test_hardly_a_letter_of_a_drawn_page_is_read_wrong() -> None:
    content = image.read(scans.file("PNG", scans.page(VIETNAMESE)), "a.png")
    read = unicodedata.normalize("NFC", texts(content)[0])
    alike = SequenceMatcher(None, words(VIETNAMESE), read, autojunk=False).ratio()
    assert alike > 0.98


@needs_tesseract
def test_a_scanned_pdf_is_read_page_by_page() -> None:
    data = scans.file("PDF", scans.page(VIETNAMESE), scans.page(ENGLISH), scans.page(""))
    content = pdf.read(data, "scan.pdf")
    assert [page.name for page in content.pages] == ["1 · OCR", "2 · OCR", ""]
    vietnamese, english, nothing = texts(content)
    assert "trừ trường hợp ốm đau hoặc có việc khẩn cấp" in vietnamese
    assert (english, nothing) == (words(ENGLISH), "")
    read, empty = content.remarks
    assert "page 1–2 was read by OCR" in read.en
    assert "Page 3 is a picture" in empty.en and "OCR found no text there" in empty.en


@needs_tesseract
def test_only_the_pages_without_words_are_read_by_ocr() -> None:
    data = together(typed([LINES]), scans.file("PDF", scans.page(ENGLISH)))
    content = pdf.read(data, "a.pdf")
    assert texts(content) == [words(" ".join(LINES)), words(ENGLISH)]
    assert [page.name for page in content.pages] == ["", "2 · OCR"]


@needs_tesseract
@pytest.mark.slow
def test_a_number_stamped_on_a_scan_is_not_its_text() -> None:
    stamped = BytesIO()
    writer = PdfWriter(clone_from=BytesIO(scans.file("PDF", scans.page(ENGLISH))))
    writer.pages[0].merge_page(
        PdfReader(BytesIO(typed([b"BT /F1 9 Tf 10 10 Td (7) Tj ET"]))).pages[0]
    )
    writer.write(stamped)
    (page,) = pdf.read(stamped.getvalue(), "a.pdf").pages
    assert words(ENGLISH) in words(page.text) and page.name == "1 · OCR"


@needs_tesseract
@pytest.mark.slow
def test_letters_that_are_strokes_are_read() -> None:
    (page,) = pdf.read(typed([strokes(ENGLISH)]), "a.pdf").pages
    assert words(ENGLISH) in words(page.text)


@needs_tesseract
@pytest.mark.slow
def test_a_text_layer_that_is_not_words_gives_way_to_what_the_page_shows() -> None:
    hidden = b" ".join([b"BT /F1 12 Tf 3 Tr 72 720 Td", *shown(UNREADABLE), b"ET"])
    content = pdf.read(typed([strokes(ENGLISH) + b" " + hidden]), "a.pdf")
    assert texts(content) == [words(ENGLISH)]
    assert "page 1 was read by OCR" in content.remarks[0].en


@needs_tesseract
@pytest.mark.parametrize("turn", [90, 180])
@pytest.mark.slow
def test_a_page_that_lies_on_its_side_is_read(turn: int) -> None:
    turned = scans.page(VIETNAMESE).rotate(turn, expand=True)
    (text,) = texts(image.read(scans.file("PNG", turned), "a.png"))
    assert "ít nhất ba ngày trước khi nghỉ" in text


@needs_tesseract
@pytest.mark.slow
def test_a_photo_is_turned_as_its_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter to the right
    lying = scans.page(ENGLISH).rotate(90, expand=True)
    data = scans.file("JPEG", lying, exif=exif)
    assert texts(image.read(data, "a.jpg")) == [words(ENGLISH)]
    opened = pictures.Pictures(BytesIO(data))
    assert opened.page(1, 10**8, 10**5).size == scans.page(ENGLISH).size
    opened.close()


@needs_tesseract
@pytest.mark.slow
def test_each_page_of_a_fax_is_a_page() -> None:
    data = scans.file("TIFF", scans.page(ENGLISH), scans.page(""), scans.page(RULE))
    content = image.read(data, "fax.tif")
    first, blank, last = texts(content)
    assert (first, blank) == (words(ENGLISH), "") and "mười hai ngày" in last
    assert "page 1, 3 was" in content.remarks[0].en


@needs_tesseract
@pytest.mark.slow
def test_of_an_animation_one_picture_is_read() -> None:
    first = scans.page(ENGLISH)
    data = scans.file("WEBP", first, ImageOps.flip(first))
    assert texts(image.read(data, "a.webp")) == [words(ENGLISH)]


@needs_tesseract
@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "CMYK", "I;16"])
@pytest.mark.slow
def test_a_picture_may_have_its_colours_in_any_way(mode: str) -> None:
    page = scans.page(ENGLISH)
    if mode == "RGBA":  # black on nothing
        black = Image.new("L", page.size)
        page = Image.merge("RGBA", (black, black, black, ImageOps.invert(page)))
    elif mode == "I;16":  # dark: of 4096 shades
        page = page.convert("I").point(lambda v: v * 16).convert("I;16")
    else:
        page = page.convert(mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    assert texts(image.read(scans.file(kind, page), f"a.{kind.lower()}")) == [words(ENGLISH)]


@needs_tesseract
def test_a_picture_without_text_is_refused_in_a_sentence() -> None:
    for picture in (Image.new("RGB", (400, 300), "navy"), Image.effect_noise((800, 600), 90)):
        with pytest.raises(UnsupportedFormat) as caught:
            image.read(scans.file("PNG", picture), "ảnh.png")
        assert caught.value.en == "ảnh.png is a picture; OCR found no text there."
        assert "không tìm thấy chữ" in caught.value.vi
    with pytest.raises(DocumentError, match="looks scanned; OCR found no text there"):
        pdf.read(typed([PICTURE]), "a.pdf")


@needs_tesseract
@pytest.mark.slow
def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    bomb = scans.file("PNG", Image.new("1", (12_000, 12_000)))
    with pytest.raises(DocumentError, match="more than 89 million pixels") as caught:
        image.read(bomb, "bomb.png")
    assert "89 triệu" in caught.value.vi
    with pytest.raises(DocumentError, match="more than 89 million pixels"):
        image.read(scans.file("TIFF", *[Image.new("1", (12_000, 12_000))] * 2), "b.tif")


@needs_tesseract
def test_a_damaged_picture_is_refused_in_a_sentence() -> None:
    whole = scans.file("PNG", scans.page(ENGLISH))
    for data in (whole[:2000], b"not a picture", scans.file("PDF", scans.page(ENGLISH))):
        with pytest.raises(DocumentError, match="is damaged or not a picture"):
            image.read(data, "a.png")


@pytest.mark.parametrize("how", ["pixels", "kind", "size", "cut"])
def test_a_damaged_page_of_a_fax_costs_that_page_alone(how: str, program: Program) -> None:
    program('[ "$1" = --list-langs ] && echo vie || echo A page of words.')
    page = Image.linear_gradient("L")
    data = fax(page, page, page, damaged=2, how=how)
    content = image.read(data, "fax.tif")
    kept = [bool(page.text) for page in content.pages]
    assert kept == ([True, False] if how == "cut" else [True, False, True])
    lost = content.remarks[1]
    assert "Page 2 is damaged" in lost.en and "Trang 2 bị hỏng" in lost.vi


def test_a_fax_whose_pages_are_all_damaged_is_refused(program: Program) -> None:
    program('[ "$1" = --list-langs ] && echo vie || echo A page of words.')
    data = fax(Image.linear_gradient("L"), damaged=1, how="pixels")
    with pytest.raises(DocumentError, match="is damaged or not a picture"):
        image.read(data, "fax.tif")


@pytest.mark.usefixtures("without_tesseract")
def test_without_tesseract_what_would_be_read_says_how_it_is_installed() -> None:
    assert "tesseract" in ocr.INSTALL
    with pytest.raises(UnsupportedFormat) as caught:
        image.read(scans.file("PNG", Image.new("L", (9, 9))), "a.png")
    assert ocr.INSTALL in caught.value.en and ocr.INSTALL in caught.value.vi
    with pytest.raises(DocumentError) as scan:
        pdf.read(typed([PICTURE]), "a.pdf")
    assert ocr.INSTALL in scan.value.en and ocr.INSTALL in scan.value.vi
    (remark,) = pdf.read(typed([LINES, PICTURE]), "a.pdf").remarks
    assert ocr.INSTALL in remark.en and ocr.INSTALL in remark.vi


def test_without_vietnamese_it_counts_as_missing(program: Program) -> None:
    program("echo fra; echo osd; echo eng")
    assert ocr.tesseract() is None
    program("echo eng; echo vie")
    assert ocr.tesseract() == ocr.Tesseract(shutil.which("tesseract") or "", "vie+eng")
    program("exit 1")
    assert ocr.tesseract() is None


def test_its_languages_are_asked_for_once(program: Program, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    program(f'echo >> {calls}; [ "$1" = --list-langs ] && echo vie || echo A page of words.')
    for _ in range(5):
        assert readers.version(Path("scan.pdf"), True) == f"{pdf.VERSION} ocr"
    assert calls.read_text() == "\n"


def test_a_program_that_failed_to_say_its_languages_is_asked_again(
    program: Program, tmp_path: Path
) -> None:
    program(f"[ -e {tmp_path}/ready ] && echo vie")
    assert ocr.tesseract() is None
    (tmp_path / "ready").touch()
    assert ocr.tesseract()


@pytest.mark.parametrize("does", ["exec sleep 600", "exec >&-; exec sleep 600", "exec yes"])
def test_a_program_that_hangs_or_floods_is_ended(
    does: str, program: Program, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    command = program(f"echo $$ > {pid}; {does}")
    text = ocr.Tesseract(command, "vie", seconds=1).read(scans.page(ENGLISH))
    assert len(text) <= 1_000_000 and bool(text) == ("yes" in does)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_program_that_fails_gives_no_text_and_a_line_in_the_log(
    program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    for path in (program("echo half a page; exit 1"), "/nonexistent/tesseract"):
        assert ocr.Tesseract(path, "vie").read(scans.page(ENGLISH)) == ""
    assert len(caplog.records) == 2


def test_the_program_gets_no_key_of_ours(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    text = ocr.Tesseract(program("env"), "vie").read(scans.page(ENGLISH))
    assert "OMP_THREAD_LIMIT=1" in text and "secret" not in text


def test_of_a_long_document_the_first_pages_are_read(program: Program) -> None:
    program('[ "$1" = --list-langs ] && echo vie || echo A page of words.')
    dot = Image.new("L", (8, 8), "white")
    dot.putpixel((3, 3), 0)
    count = ocr.MOST_PAGES + 2
    for kind, reader in (("TIFF", image), ("PDF", pdf)):
        content = reader.read(scans.file(kind, *[dot] * count), f"long.{kind.lower()}")
        assert [bool(page.text) for page in content.pages] == [True] * ocr.MOST_PAGES + [False] * 2
        read, left = content.remarks
        assert f"page 1–{ocr.MOST_PAGES} was read by OCR" in read.en
        assert f"page {count - 1}–{count} was left out" in left.en
        assert f"bỏ qua trang {count - 1}–{count}" in left.vi


def test_pages_are_named_by_their_ranges() -> None:
    assert ocr.ranges([1, 2, 3, 5, 8, 9]) == "1–3, 5, 8–9"
    assert ocr.ranges(range(1, 40, 2)) == "1, 3, 5, 7, 9, 11, 13, 15, 17, 19 … (20)"


def test_a_page_is_drawn_within_bounds() -> None:
    large = scans.file("PDF", scans.page("a"), resolution=0.5)
    with closing(pdfium.Pdf(large)) as opened:
        picture = opened.picture(1)
    assert 10_000_000 < picture.width * picture.height < 17_000_000


def fax(*pages: Image.Image, damaged: int, how: str) -> bytes:
    """A TIFF in which one of the pages, from 1, is damaged."""
    data = bytearray(scans.file("TIFF", *pages))
    at = int.from_bytes(data[4:8], "little")
    for number in range(1, damaged + 1):
        count = int.from_bytes(data[at : at + 2], "little")
        entries = {
            int.from_bytes(data[entry : entry + 2], "little"): entry + 8
            for entry in range(at + 2, at + 2 + 12 * count, 12)
        }
        if number < damaged:
            at = int.from_bytes(data[at + 2 + 12 * count :][:4], "little")
    if how == "cut":
        return bytes(data[: at + 30])
    tag, value = {"pixels": (273, 0xFFFFFFF0), "kind": (259, 0xFFF0), "size": (256, 12_000)}[how]
    data[entries[tag] : entries[tag] + 4] = value.to_bytes(4, "little")
    return bytes(data)


def together(*files: bytes) -> bytes:
    writer, out = PdfWriter(), BytesIO()
    for file in files:
        writer.append(BytesIO(file))
    writer.write(out)
    return out.getvalue()


def strokes(text: str) -> bytes:
    """What draws `text` on a page of 612 × 792 points as lines, without a font."""
    picture = scans.page(text, size=30)
    drawn = []
    for y in range(picture.height):
        row = picture.crop((0, y, picture.width, y + 1)).tobytes()
        x = 0
        for dark, run in itertools.groupby(row, lambda shade: shade < 128):
            width = len(list(run))
            if dark:
                drawn.append(b"%.1f %.1f %.1f .6 re f" % (x / 2, 792 - y / 2, width / 2))
            x += width
    return b"\n".join(drawn)


def shown(lines: list[str]) -> list[bytes]:
    return [b"(" + line.encode("latin-1") + b") Tj T*" for line in lines]
