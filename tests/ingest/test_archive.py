"""What is no document, or made to harm, gives a sentence for its owner: never another exception,
and never more than there is room for."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from types import ModuleType

import pytest

from ingest.readers import READERS, archive, docx, odf, pptx, xlsx
from rag.errors import DocumentError
from rag.types import Content

from .office import changed, opendocument, part, slides, word, workbook

TEXT = "<text:p>Quy định nghỉ phép</text:p>"
SLIDE = f"<draw:page><draw:frame>{TEXT}</draw:frame></draw:page>"
CELLS = (
    '<table:table table:name="A"><table:table-row><table:table-cell><text:p>Phở</text:p>'
    "</table:table-cell></table:table-row></table:table>"
)
RTF = (
    b"{\\rtf1\\ansi\\ansicpg1258{\\fonttbl{\\f0\\fcharset163 A;}}\\pard Ngh\\u7881? ph\\'e9p\\par"
    b"\\trowd\\intbl a\\cell b\\cell\\row\\pard{\\footnote x}{\\*\\y z}\\par}"
)
DOCUMENTS: dict[str, Callable[[], bytes]] = {
    ".docx": cache(lambda: word("Quy định nghỉ phép", "Mười hai ngày.")),
    ".pptx": cache(lambda: slides(("Mở đầu", "Chào các bạn"), ("Kết luận", "Cảm ơn"))),
    ".xlsx": cache(lambda: workbook(["Mục", "Giá"], ["Phở", 50.5], ["Bún", "=1+1"])),
    ".odt": cache(lambda: opendocument("text", TEXT)),
    ".ods": cache(lambda: opendocument("spreadsheet", CELLS)),
    ".odp": cache(lambda: opendocument("presentation", SLIDE)),
    ".rtf": lambda: RTF,
}
MAIN = {
    ".docx": "word/document.xml",
    ".pptx": "ppt/slides/slide1.xml",
    ".xlsx": "xl/worksheets/sheet1.xml",
    **dict.fromkeys((".odt", ".ods", ".odp"), "content.xml"),
}
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def read(suffix: str, data: bytes) -> Content:
    return READERS[suffix].read(data, f"tệp{suffix}")


def refused(suffix: str, data: bytes) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        read(suffix, data)
    assert caught.value.vi != caught.value.en
    assert f"tệp{suffix}" in caught.value.vi
    return caught.value


@pytest.mark.parametrize("suffix", DOCUMENTS)
def test_the_documents_of_these_tests_are_read(suffix: str) -> None:
    assert any(page.text for page in read(suffix, DOCUMENTS[suffix]()).pages)


@pytest.mark.parametrize("suffix", DOCUMENTS)
@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (OLE, "old format of Office; open it there and save it as {}"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "a password is needed"),
        (b"\xef\xbb\xbf <!DOCTYPE html><table></table>", "name it .html, or save it as {}"),
        ("Tên,Tuổi\n".encode(), "save it as {} again"),
        (b"PK\x03\x04 and no more", "save it as {} again"),
    ],
)
def test_what_has_the_wrong_suffix_is_told_what_to_do(
    suffix: str, data: bytes, advice: str
) -> None:
    assert advice.format(suffix) in refused(suffix, data).en


@pytest.mark.parametrize("suffix", MAIN)
def test_another_kind_of_document_is_refused_and_opendocument_is_read_for_what_it_is(
    suffix: str,
) -> None:
    for other, made in DOCUMENTS.items():
        if suffix.startswith(".od") and other.startswith(".od"):
            assert read(suffix, made()).pages
        elif other != suffix:
            refused(suffix, made())


@pytest.mark.parametrize("suffix", MAIN)
def test_a_document_cut_off_is_damaged(suffix: str) -> None:
    data = DOCUMENTS[suffix]()
    for length in (len(data) // 2, len(data) - 30, 30):
        assert "is damaged or no" in refused(suffix, data[:length]).en


@pytest.mark.parametrize("suffix", [".docx", ".xlsx"])
def test_what_unpacks_to_too_much_is_refused_before_it_is_parsed(suffix: str) -> None:
    zeros = bytes(300 << 20)
    data = changed(DOCUMENTS[suffix](), {MAIN[suffix]: zeros})
    assert len(data) < 1 << 20
    assert "unpacks to more than can be read" in refused(suffix, data).en


@pytest.mark.parametrize("declared", [100, 0])
def test_a_zip_that_lies_about_its_size_is_unpacked_no_further(declared: int) -> None:
    data = bytearray(changed(word("x"), {"word/document.xml": bytes(80 << 20)}))
    size = struct.pack("<I", 80 << 20)
    assert data.count(size) == 2
    lie = bytes(data).replace(size, struct.pack("<I", declared))
    assert "is damaged" in refused(".docx", lie).en


def test_a_picture_of_any_size_is_not_unpacked() -> None:
    data = changed(word("Quy định"), {"word/media/image1.png": bytes(90 << 20)})
    assert read(".docx", data).pages[0].text == "Quy định"


def test_a_zip_of_too_many_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_PARTS", 30)
    data = changed(word("x"), {f"custom/{n}.bin": b"" for n in range(31)})
    assert "unpacks to more" in refused(".docx", data).en


@pytest.mark.parametrize("suffix", [suffix for suffix in MAIN if suffix != ".xlsx"])
@pytest.mark.slow
def test_a_document_of_too_many_elements_is_refused(suffix: str) -> None:
    xml = f"<a>{'<b/>' * archive.MOST_TAGS}</a>"
    assert "unpacks to more" in refused(suffix, changed(word("x"), {"content.xml": xml})).en


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_way_of_packing_that_unpacks_without_a_bound_is_refused(method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        file.writestr("content.xml", "<a/>")
    refused(".odt", buffer.getvalue())


BOMB = "".join(
    ['<!DOCTYPE b [<!ENTITY e0 "ha">']
    + [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12)]
    + ["]>"]
)
OUTSIDE = '<!DOCTYPE b [<!ENTITY e11 SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("suffix", MAIN)
@pytest.mark.parametrize("doctype", [BOMB, OUTSIDE], ids=["bomb", "outside"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_with_entities_is_refused(suffix: str, doctype: str, encoding: str) -> None:
    data = DOCUMENTS[suffix]()
    xml = part(data, MAIN[suffix]).partition("?>")[2] or part(data, MAIN[suffix])
    head, end, rest = xml.partition("<w:t>" if suffix == ".docx" else ">")
    made = f"<?xml version='1.0' encoding='{encoding}'?>{doctype}{head}{end}&e11;{rest}"
    refused(suffix, changed(data, {MAIN[suffix]: made.encode(encoding)}))


@pytest.mark.parametrize("suffix", MAIN)
def test_xml_in_an_encoding_that_nobody_knows_is_damaged(suffix: str) -> None:
    xml = part(DOCUMENTS[suffix](), MAIN[suffix]).partition("?>")[2] or "<a/>"
    data = changed(
        DOCUMENTS[suffix](), {MAIN[suffix]: f"<?xml version='1.0' encoding='UT-8'?>{xml}"}
    )
    assert "is damaged" in refused(suffix, data).en


@pytest.mark.parametrize("suffix", MAIN)
@pytest.mark.parametrize("depth", [200, pytest.param(200_000, marks=pytest.mark.slow)])
def test_what_is_nested_too_deep_is_refused_or_read(suffix: str, depth: int) -> None:
    data = DOCUMENTS[suffix]()
    tag = {".docx": "w:sdt", ".pptx": "p:grpSp", ".xlsx": "extLst"}.get(suffix, "text:section")
    before = {".docx": "<w:p>", ".pptx": "<p:sp>", ".xlsx": "<sheetData>"}.get(suffix, "<text:p>")
    deep = f"<{tag}>" * depth + f"</{tag}>" * depth
    xml = part(data, MAIN[suffix])
    assert before in xml
    with suppress(DocumentError):
        read(suffix, changed(data, {MAIN[suffix]: xml.replace(before, deep + before, 1)}))


@pytest.mark.parametrize(
    ("suffix", "module", "name"),
    [
        (".docx", docx, "_HEADING"),
        (".pptx", pptx, "_REPEATED"),
        (".xlsx", xlsx, "given"),
        (".odt", odf, "_DROPPED"),
    ],
)
def test_a_fault_of_ours_is_not_told_as_damage(
    suffix: str, module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saving the file again would mend nothing, and the log is to name the line."""
    monkeypatch.setattr(module, name, None)
    with pytest.raises((AttributeError, TypeError)):
        read(suffix, DOCUMENTS[suffix]())


@pytest.mark.parametrize(
    ("suffix", "part_of_it", "old", "new"),
    [
        (".docx", "word/document.xml", "w:body", "w:other"),
        (".pptx", "ppt/slides/slide1.xml", "p:spTree", "p:other"),
        (".odt", "content.xml", "office:body", "office:other"),
    ],
)
def test_what_a_library_stumbles_over_is_damage(
    suffix: str, part_of_it: str, old: str, new: str
) -> None:
    data = DOCUMENTS[suffix]()
    xml = part(data, part_of_it).replace(old, new)
    assert "is damaged" in refused(suffix, changed(data, {part_of_it: xml})).en


def test_an_opendocument_with_a_comment_before_its_text_is_read() -> None:
    data = opendocument("text", TEXT)
    xml = part(data, "content.xml").replace("<office:text>", "<!-- made by hand --><office:text>")
    assert read(".odt", changed(data, {"content.xml": xml})).pages[0].text == "Quy định nghỉ phép"


def test_an_opendocument_with_a_password_says_so() -> None:
    manifest = "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
    data = changed(DOCUMENTS[".odt"](), {"META-INF/manifest.xml": manifest, "content.xml": b"\x93"})
    assert "a password is needed" in refused(".odt", data).en


def test_a_manifest_with_a_document_type_as_openoffice_wrote_them_is_no_matter() -> None:
    manifest = '<!DOCTYPE manifest:manifest PUBLIC "-//OpenOffice.org//DTD" "M.dtd"><manifest/>'
    data = changed(DOCUMENTS[".odt"](), {"META-INF/manifest.xml": manifest})
    assert read(".odt", data).pages[0].text == "Quy định nghỉ phép"


def mutated(data: bytes, dice: random.Random) -> bytes:
    """With some bytes changed, removed or doubled."""
    out = bytearray(data)
    for _ in range(dice.choice([1, 1, 3, 30])):
        at, length = dice.randrange(len(out) or 1), dice.choice([1, 1, 8, 100])
        match dice.randrange(4):
            case 0:
                out[at : at + length] = dice.randbytes(length)
            case 1:
                del out[at : at + length]
            case 2:
                out[at:at] = out[at : at + length]
            case _:
                out[at : at + 1] = dice.choice(b"<>/\"'&0 9-{}\\\\*:").to_bytes(1)
    return bytes(out)


def survives(suffix: str, seed: int) -> None:
    """A changed file gives text or a sentence: changed as a whole, or a part of its zip."""
    dice = random.Random(seed)
    data = DOCUMENTS[suffix]()
    if suffix in MAIN and seed % 4:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            names = [name for name in file.namelist() if name.endswith(("xml", "rels"))]
        name = MAIN[suffix] if seed % 4 == 1 else dice.choice(names)
        data = changed(data, {name: mutated(part(data, name).encode(), dice)})
    else:
        data = mutated(data, dice)
    with suppress(DocumentError):
        assert read(suffix, data).pages


@pytest.mark.parametrize("suffix", DOCUMENTS)
def test_a_file_that_was_changed_gives_text_or_a_sentence(suffix: str) -> None:
    for seed in range(50):
        survives(suffix, seed)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", DOCUMENTS)
def test_many_files_that_were_changed_give_text_or_a_sentence(suffix: str) -> None:
    for seed in range(50, 2000):
        survives(suffix, seed)
