"""Tables, records, books, letters and code: what is read of each, page by page, and what is refused
with a sentence."""

from __future__ import annotations

import io
import json
import random
import re
import time
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from ingest import chunking
from ingest.readers import READERS
from rag.errors import DocumentError
from rag.types import Content, Page
from tests.ingest.test_readers import TCVN3, VNI, WARRANTY, all_text, cp1258, read_bytes

PRICES = """Mã,Tên món,Giá (đồng)
KX-1,"Phở bò, tái",50000
KX-2,"Bún
chả",45000
"""
PRICED = "Mã | Tên món | Giá (đồng)\nKX-1 | Phở bò, tái | 50000\nKX-2 | Bún chả | 45000"


def blocks(page: Page) -> list[tuple[str, str]]:
    """The head and the text of each."""
    return [(page.text[b.start : b.head], page.text[b.start : b.end]) for b in page.blocks]


def passages(content: Content) -> list[str]:
    return [c for page in content.pages for c in chunking.split(page.text, blocks=page.blocks)]


# Tables


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", PRICES.encode()),
        ("a.csv", PRICES.encode("utf-8-sig")),
        ("a.csv", PRICES.encode("utf-16")),
        ("a.csv", cp1258(PRICES)),
        ("a.csv", PRICES.replace("\n", "\r\n").encode()),
        ("a.csv", PRICES.replace("\n", "\r").encode()),
        ("a.csv", b"sep=,\r\n" + PRICES.encode()),
        ("a.csv", PRICES.replace("bò, tái", "bò; tái").replace(",", ";").encode()),
        ("a.tsv", PRICES.replace(",", "\t").replace("bò\t", "bò,").encode()),
        ("a.CSV", PRICES.replace(",", "|").replace("bò|", "bò,").encode()),
    ],
)
def test_a_table_is_read_in_whatever_way_its_program_wrote_it(
    name: str, data: bytes, tmp_path: Path
) -> None:
    content = read_bytes(tmp_path, name, data)
    (page,) = content.pages
    assert page.text.replace("bò;", "bò,") == PRICED
    assert page.name == "2–3"
    assert [head for head, _ in blocks(page)] == ["Mã | Tên món | Giá (đồng)"]
    assert (content.title, content.remarks) == ("a", ())


@pytest.mark.parametrize(
    "old",
    [
        f"M· m¸y,Thêi h¹n b¶o hµnh\n7,{TCVN3.replace(',', '')}\n",
        f"Maõ maùy,Thôøi haïn baûo haønh\n7,{VNI}\n",
    ],
)
def test_a_table_in_old_vietnamese_is_read(old: str, tmp_path: Path) -> None:
    (page,) = read_bytes(tmp_path, "a.csv", old.encode("latin-1")).pages
    assert page.text == f"Mã máy | Thời hạn bảo hành\n7 | {WARRANTY}"


def test_a_long_table_has_pages_called_by_its_rows_each_under_the_head(tmp_path: Path) -> None:
    rows = "".join(f"KX-{n},{n * 7} USD\n" for n in range(1, 121))
    pages = read_bytes(tmp_path, "a.csv", f"Code,Price\n{rows}".encode()).pages
    assert [page.number for page in pages] == [1, 2, 3]
    assert [page.name for page in pages] == ["2–51", "52–101", "102–121"]
    assert [page.text.split("\n")[:2] for page in pages] == [
        ["Code | Price", f"KX-{n} | {n * 7} USD"] for n in (1, 51, 101)
    ]
    for chunk in chunking.split(pages[1].text, size=200, overlap=0, blocks=pages[1].blocks):
        assert chunk.startswith("Code | Price\nKX-")


def test_what_stands_above_a_table_is_read_above_it(tmp_path: Path) -> None:
    data = "Báo cáo tháng 5,,\n,,\nTên,Số,2024\nAn,1,2\nBình,3,\n"
    (page,) = read_bytes(tmp_path, "a.csv", data.encode()).pages
    assert page.text == "Báo cáo tháng 5\n\nTên | Số | 2024\nAn | 1 | 2\nBình | 3"
    assert page.name == "1–5"
    assert blocks(page)[0][0] == "Tên | Số | 2024"


@pytest.mark.parametrize("data", ["An,12\nBình,13\n", "a@b.example,An\nc@d.example,Bình\n"])
def test_a_table_without_a_head_has_none(data: str, tmp_path: Path) -> None:
    (page,) = read_bytes(tmp_path, "a.csv", data.encode()).pages
    assert page.name == "1–2"
    assert [head for head, _ in blocks(page)] == [""]


def test_a_decimal_comma_separates_nothing(tmp_path: Path) -> None:
    (page,) = read_bytes(tmp_path, "a.csv", b"Name;Price\nTea;1,5\nMilk;2,25\n").pages
    assert page.text == "Name | Price\nTea | 1,5\nMilk | 2,25"


def test_a_column_alone_is_lines(tmp_path: Path) -> None:
    (page,) = read_bytes(tmp_path, "a.csv", "Câu hỏi\nMột, hai?\nBa?\n".encode()).pages
    assert page.text == "Câu hỏi\nMột, hai?\nBa?"
    assert [head for head, _ in blocks(page)] == [""]


def test_a_row_of_a_wide_table_stands_under_the_names_of_its_columns(tmp_path: Path) -> None:
    names = ",".join(f"the column with the number {n}" for n in range(30))
    cells = ",".join(f"v{n}" if n != 3 else "" for n in range(30))
    (page,) = read_bytes(tmp_path, "a.csv", f"{names}\n{cells}\n{cells}\n".encode()).pages
    assert len(page.blocks) == 2
    assert "the column with the number 7: v7\n" in page.text
    assert "number 3:" not in page.text


def test_a_quotation_mark_that_is_never_closed_swallows_nothing(tmp_path: Path) -> None:
    content = read_bytes(tmp_path, "a.csv", b'a,b\nx,"open\n' + b"y,z\n" * 1000)
    assert len(content.pages) == 21
    assert 'x | "open\ny | z' in content.pages[0].text
    assert "line 2 is not closed" in content.remarks[0].en and "dòng 2 " in content.remarks[0].vi
    short = read_bytes(tmp_path, "a.csv", b'a,b\nx,1\n"p,q\ny,z')
    assert short.pages[0].text == 'a | b\nx | 1\n"p | q\ny | z'
    assert "line 3 is not closed" in short.remarks[0].en


def test_a_long_cell_is_not_taken_for_one_that_is_never_closed(tmp_path: Path) -> None:
    for long in ('"' + "y" * 200_000 + '"', "y" * 200_000):
        content = read_bytes(tmp_path, "a.csv", f'a,b\nx,{long}\n"z, w",1'.encode())
        assert content.remarks == () and all_text(content).endswith("z, w | 1")


def test_a_cell_that_is_too_long_is_named_as_such(tmp_path: Path) -> None:
    data = 'a,b\nx,1\ny,"' + "y " * 5_000_000 + 'y"\nz,1\n'
    content = read_bytes(tmp_path, "a.csv", data.encode())
    assert "cell in line 3 has more than 10 million characters" in content.remarks[0].en
    assert "ô ở dòng 3 có hơn 10 triệu ký tự" in content.remarks[0].vi
    assert all_text(content).endswith("z | 1")


# Records

SERVER = """{"server": {"port": 8080, "hosts": ["a", "b"], "tls": null}, "tên": "Máy chủ Hà Nội",
"people": [{"name": "An", "age": 31}, {"name": "Bình", "age": 1e999}],
"rooms": [{"door": {"code": "E-1043"}}, {"note": "two\\nlines"}], "digits": %s}"""


def test_a_value_stands_under_its_keys(tmp_path: Path) -> None:
    content = read_bytes(tmp_path, "settings.json", (SERVER % ("9" * 5000)).encode())
    (page,) = content.pages
    assert page.text == (
        "server.port: 8080\nserver.hosts: a, b\nserver.tls: null\n\n"
        "tên: Máy chủ Hà Nội\n\n"
        "people:\nname | age\nAn | 31\nBình | 1e999\n\n"
        "rooms[0].door.code: E-1043\n\nrooms[1].note: two\nlines\n\n"
        f"digits: {'9' * 5000}"
    )
    assert "name | age" in [head for head, _ in blocks(page)]
    assert (page.name, content.title) == ("", "settings")


def test_flat_objects_are_a_table_and_others_a_block_each(tmp_path: Path) -> None:
    flat = [{"code": f"KX-{n}", "price": n} for n in range(120)]
    pages = read_bytes(tmp_path, "a.json", json.dumps(flat).encode()).pages
    assert [page.name for page in pages] == ["1–50", "51–100", "101–120"]
    assert pages[1].text.startswith("code | price\nKX-50 | 50\n")
    assert blocks(pages[1])[0][0] == "code | price"
    nested = '[{"tên": "An", "a": {"x": 1}}, {"tên": "Bình", "a": {"x": 2}}]'
    (page,) = read_bytes(tmp_path, "a.json", nested.encode()).pages
    assert [text for _, text in blocks(page)] == ["tên: An\na.x: 1", "tên: Bình\na.x: 2"]
    assert page.name == "1–2"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_of_json_lines_each_is_a_block_and_a_bad_one_is_named(name: str, tmp_path: Path) -> None:
    lines = ['{"q": "Một?", "a": 1}', "{bad", "", '{"q": "Hai?", "a": 2}']
    content = read_bytes(tmp_path, name, "\n".join(lines).encode())
    (page,) = content.pages
    assert [text for _, text in blocks(page)] == ["q: Một?\na: 1", "q: Hai?\na: 2"]
    assert page.name == "1–4"
    (remark,) = content.remarks
    assert "Line 2 is not valid JSON" in remark.en and "Dòng 2 " in remark.vi


@pytest.mark.parametrize("between", ["\n", "", " \r\n\r\n"])
def test_values_that_follow_one_another_are_read_whole(between: str, tmp_path: Path) -> None:
    value = '{\n "tên": [\n  "An",\n  "Bình"\n ]\n}'
    data = between.join([value, '[{"a": 1}, {"a": 2}]', "{}\n"])
    (page,) = read_bytes(tmp_path, "a.json", data.encode()).pages
    assert page.text == "tên: An, Bình\n\na\n1\n2\n\n{}"
    assert page.name == "1–3"


def test_what_stands_behind_a_value_and_is_none_is_named_by_its_line(tmp_path: Path) -> None:
    for data, where in (('{\n "a": 1\n}\n]', "line 4, column 1"), ("2026-01-05", "column 5")):
        with pytest.raises(DocumentError, match=where):
            read_bytes(tmp_path, "a.json", data.encode())


def test_a_record_is_not_cut_while_it_fits_a_chunk(tmp_path: Path) -> None:
    lines = [f'{{"id": {n}, "text": "{"word " * 90}", "end": "of {n}"}}' for n in range(30)]
    chunks = passages(read_bytes(tmp_path, "a.jsonl", "\n".join(lines).encode()))
    for n in range(30):
        assert any(f"id: {n}\n" in chunk and f"end: of {n}" in chunk for chunk in chunks)


@pytest.mark.parametrize("deep", [50, 500])
def test_nested_lists_are_read(deep: int, tmp_path: Path) -> None:
    data = b'[{"a": 1}, ' * deep + b"7" + b"]" * deep
    assert "7" in all_text(read_bytes(tmp_path, "a.json", data))


# Code and what is read by lines

FUNCTION = """def function_%d(asked):
    first = asked + %d

    if first:
        return "một"

    return None


"""


def test_code_stays_as_it_is_and_a_function_stays_whole(tmp_path: Path) -> None:
    source = '"""A module."""\n\n\n' + "".join(FUNCTION % (n, n) for n in range(30))
    content = read_bytes(tmp_path, "my_module.py", source.encode())
    assert content.title == "my_module.py"
    assert [page.name for page in content.pages] == ["1–120", "121–237", "238–271"]
    assert "\n\n\n".join(page.text for page in content.pages) == source.strip()
    chunks = passages(content)
    for n in range(30):
        whole = (FUNCTION % (n, n)).strip()
        assert any(whole in chunk for chunk in chunks)


def test_pages_of_code_are_cut_where_a_method_ends_and_keep_its_indentation(tmp_path: Path) -> None:
    method = "    void m() {\n        go();\n    }\n\n"
    pages = read_bytes(tmp_path, "A.java", ("class A {\n\n" + method * 100 + "}").encode()).pages
    assert len(pages) > 2
    for page in pages[1:]:
        assert page.text.startswith("    void m() {\n        go();")


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "a.ini", "a.log", "a.xml", "a.tex", "a.sql"])
def test_what_is_read_by_lines_is_neither_run_nor_checked(name: str, tmp_path: Path) -> None:
    source = "a: &x [*x, !!python/object/apply:os.system [exit]]\n---\n\tkhóa: giá trị\n<b>&lt;"
    (page,) = read_bytes(tmp_path, name, source.encode()).pages
    assert page.text == source
    assert page.name == ""


def test_a_line_without_an_end_is_read(tmp_path: Path) -> None:
    assert len(all_text(read_bytes(tmp_path, "a.js", b"var a=1;" * 100_000))) == 800_000


def test_restructured_text_has_its_title(tmp_path: Path) -> None:
    content = read_bytes(tmp_path, "a.rst", "Cài đặt\n=======\n\nChạy nó.".encode())
    assert content.title == "Cài đặt"


# Books

CONTAINER = '<container><rootfiles><rootfile full-path="OEBPS/b.opf"/></rootfiles></container>'
PACKAGE = """<?xml version="1.0"?><package><metadata><dc:title>Dế Mèn</dc:title>
<dc:creator>Tô Hoài</dc:creator></metadata><manifest>
<item id="c" href="cover.xhtml" media-type="application/xhtml+xml"/>
<item id="two" href="t%%20wo.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="one.xhtml" media-type="application/xhtml+xml"/>
<item id="gone" href="gone.xhtml" media-type="application/xhtml+xml"/>
<item id="pic" href="p.png" media-type="image/png"/>%s
</manifest><spine><itemref idref="c"/><itemref idref="one"/><itemref idref="two"/>
<itemref idref="two"/><itemref idref="pic"/><itemref idref="none"/>%s</spine></package>"""
NCX = """<ncx><navMap><navPoint><navLabel><text>The Sea</text></navLabel>
<content src="t%20wo.xhtml#a"/></navPoint></navMap></ncx>"""
NAV = '<nav epub:type="toc"><ol><li><a href="t%20wo.xhtml#a">The Sea</a></li></ol></nav>'
CHAPTER = """<?xml version="1.0"?><!DOCTYPE html [<!ENTITY x "LOL">]>
<html><head><title/><script src="a.js"/></head><body><h2>%s</h2><p>%s</p></body></html>"""


def epub(package: str = PACKAGE % ("", ""), **more: str) -> bytes:
    """A book by hand; `more` are files by their names, with "__" for "/" and "_" for "."."""
    files = {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/b.opf": package,
        "OEBPS/cover.xhtml": "<html><body><img src='p.png'/></body></html>",
        "OEBPS/one.xhtml": CHAPTER % ("Chương một", "Tôi sống độc lập từ thuở bé."),
        "OEBPS/t wo.xhtml": CHAPTER % ("Two", "He went to the sea."),
    }
    files |= {name.replace("__", "/").replace("_", "."): text for name, text in more.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize(
    ("item", "file", "text"),
    [
        ('<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/>', "toc_ncx", NCX),
        ('<item id="n" href="n.x" media-type="x" properties="nav"/>', "n_x", NAV),
    ],
)
def test_a_book_has_its_chapters_in_order_each_called_by_its_title(
    item: str, file: str, text: str, tmp_path: Path
) -> None:
    data = epub(PACKAGE % (item, ""), **{f"OEBPS__{file}": text})
    content = read_bytes(tmp_path, "b.epub", data)
    assert content.title == "Dế Mèn · Tô Hoài"
    assert [(page.number, page.name) for page in content.pages] == [
        (1, "1 · Chương một"),
        (2, "2 · The Sea"),
    ]
    assert content.pages[0].text == "Chương một\n\nTôi sống độc lập từ thuở bé."
    assert content.remarks == ()


def test_a_book_may_have_prefixes_on_the_names_of_its_package(tmp_path: Path) -> None:
    item = '<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'

    def prefixed(xml: str) -> str:
        return re.sub(r"(</?)(?=\w+[\s/>])", r"\1x:", xml)

    files = {"META-INF__container_xml": prefixed(CONTAINER), "OEBPS__toc_ncx": prefixed(NCX)}
    package = prefixed(PACKAGE % (item, ""))
    content = read_bytes(tmp_path, "b.epub", epub(package, **files))
    assert content.title == "Dế Mèn · Tô Hoài"
    assert [page.name for page in content.pages] == ["1 · Chương một", "2 · The Sea"]


def test_of_a_book_in_old_vietnamese_the_titles_are_read_too(tmp_path: Path) -> None:
    package = (PACKAGE % ("", "")).replace("Dế Mèn", "B¶o hµnh m¸y")
    chapter = f"<h1>Thêi h¹n</h1><p>{TCVN3}"
    content = read_bytes(tmp_path, "b.epub", epub(package, OEBPS__one_xhtml=chapter))
    assert content.title == "Bảo hành máy · Tô Hoài"
    assert (content.pages[0].name, WARRANTY in content.pages[0].text) == ("1 · Thời hạn", True)


def test_the_document_types_of_a_book_are_not_sought_in_all_its_text(tmp_path: Path) -> None:
    def seconds(times: int) -> float:
        start = time.process_time()
        data = epub(**{"OEBPS__one_xhtml": "<!DOCTYPE a[ " * times + "<p>end"})
        read_bytes(tmp_path, "b.epub", data)
        return time.process_time() - start

    assert seconds(16_000) < 8 * max(seconds(4_000), 0.01)


def test_chapters_that_are_missing_are_counted(tmp_path: Path) -> None:
    data = epub(PACKAGE % ("", '<itemref idref="gone"/>'))
    content = read_bytes(tmp_path, "b.epub", data)
    assert [page.name for page in content.pages] == ["1 · Chương một", "2 · Two"]
    assert "left out: 1." in content.remarks[0].en and "bỏ qua: 1." in content.remarks[0].vi


def test_hidden_fonts_are_no_protection(tmp_path: Path) -> None:
    method = '<enc:EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/>'
    data = epub(**{"META-INF__encryption_xml": f"<encryption>{method}</encryption>"})
    assert len(read_bytes(tmp_path, "b.epub", data).pages) == 2


def test_no_entity_of_a_book_is_resolved(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE p [<!ENTITY a "HA"><!ENTITY f SYSTEM "file:///etc/passwd">]><p>&a;&f; end</p>'
    text = all_text(read_bytes(tmp_path, "b.epub", epub(**{"OEBPS__one_xhtml": bomb})))
    assert "HA" not in text and "root:" not in text
    assert "end" in text


# Letters


def letter(**headers: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Lịch nghỉ Tết"
    message["From"] = "Trần An <an@example.org>"
    message["To"] = "tất cả <all@example.org>"
    message["Date"] = "Mon, 05 Jan 2026 09:00:00 +0700"
    return message


def test_a_letter_has_its_head_its_text_and_the_names_of_what_is_attached(tmp_path: Path) -> None:
    message = letter()
    message.set_content("Công ty nghỉ từ ngày 14 tháng 2.\n")
    message.add_alternative("<p>Bản HTML</p>", subtype="html")
    message.add_attachment(b"%", maintype="application", subtype="pdf", filename="lịch nghỉ.pdf")
    content = read_bytes(tmp_path, "a.eml", message.as_bytes())
    assert content.title == "Lịch nghỉ Tết"
    assert all_text(content) == (
        "Subject: Lịch nghỉ Tết\nFrom: Trần An <an@example.org>\nTo: tất cả <all@example.org>\n"
        "Date: Mon, 05 Jan 2026 09:00:00 +0700\n\nCông ty nghỉ từ ngày 14 tháng 2.\n\n"
        "Attachments: lịch nghỉ.pdf"
    )


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64", "8bit"])
def test_a_letter_of_html_alone_is_read_as_it_is_seen(encoding: str, tmp_path: Path) -> None:
    message = letter()
    table = "<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>"
    html = f"<p>Nghỉ <b>chín</b> ngày.<p hidden>HIDDEN</p>{table}"
    message.set_content(html, subtype="html", cte=encoding)
    (page,) = read_bytes(tmp_path, "a.eml", message.as_bytes()).pages
    assert "Nghỉ chín ngày.\n\nA | B\n1 | 2" in page.text
    assert "HIDDEN" not in page.text
    assert blocks(page)[0][0] == "A | B"


def test_a_letter_in_a_code_that_nobody_knows_is_read(tmp_path: Path) -> None:
    head = b"From: a@b.example\r\nSubject: =?x-none?B?!!?= T\xe9l\r\n"
    body = "Content-Type: text/plain; charset=x-none\r\n\r\nGiá bán là năm mươi nghìn.".encode()
    text = all_text(read_bytes(tmp_path, "a.eml", head + body))
    assert "From: a@b.example" in text and "Giá bán là năm mươi nghìn." in text


def test_of_a_letter_every_part_is_read_and_one_form_of_each_alternative(tmp_path: Path) -> None:
    message = letter()
    message.set_content("<p>The contract ends on 5 May.</p>", subtype="html")
    message.make_mixed()
    forms = EmailMessage()
    forms.set_content("The price is 7.\n")
    forms.add_alternative("<p>FORM</p>", subtype="html")
    message.attach(forms)
    page, pictured = EmailMessage(), EmailMessage()
    page.set_content("<p>Seen in <b>HTML</b> alone.</p>", subtype="html")
    page.add_related(b"%", "image", "png", filename="sign.png")
    pictured.set_content(" \n")
    pictured.make_alternative()
    pictured.attach(page)
    message.attach(pictured)
    footer = EmailMessage()
    footer.set_content("The list's footer.\n")
    message.attach(footer)
    text = all_text(read_bytes(tmp_path, "a.eml", message.as_bytes()))
    assert text.partition("+0700\n\n")[2] == (
        "The contract ends on 5 May.\n\nThe price is 7.\n\nSeen in HTML alone.\n\n"
        "The list's footer.\n\nAttachments: sign.png"
    )


def test_a_letter_in_a_letter_and_an_invitation_are_named_and_not_read(tmp_path: Path) -> None:
    inner = letter()
    inner.replace_header("Subject", "Hợp đồng cũ")
    inner.set_content("Old words.\n")
    message = letter()
    message.set_content("See what is attached.\n")
    message.add_alternative("BEGIN:VCALENDAR\n", subtype="calendar")
    message.add_attachment(inner)
    nameless = EmailMessage()
    nameless.set_content("one, two", subtype="csv")
    message.attach(nameless)
    text = all_text(read_bytes(tmp_path, "a.eml", message.as_bytes()))
    assert "See what is attached." in text and "Old words" not in text
    assert text.endswith("Attachments: text/calendar, Hợp đồng cũ, text/csv")


# What is refused


def bomb() -> bytes:
    return epub(**{"OEBPS__one_xhtml": "<p>" + "a" * (64 << 20)})


def tags() -> bytes:
    return epub(**{"OEBPS__one_xhtml": "<b>" * 4_000_001})


def files() -> bytes:
    return epub(**{f"x{n}": "" for n in range(20_001)})


def with_password() -> bytes:
    """As a zip says it of its first file, in both its heads."""
    data = bytearray(epub())
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02", 0, data.index(b"PK\x01\x02") + 4) + 8] |= 1
    return bytes(data)


def bzip2() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("META-INF/container.xml", CONTAINER)
    return out.getvalue()


DRM = '<EncryptedData><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>'
REFUSED = [
    ("empty.csv", b" \n", "is empty", "trống"),
    ("blank.csv", b",,\n,,\n", "has no text", "không có chữ"),
    ("binary.csv", random.Random(1).randbytes(4000), "binary data", "nhị phân"),
    ("binary.py", random.Random(2).randbytes(4000), "binary data", "nhị phân"),
    ("large.csv", b"a,b\n" * 20_000_001, "larger than 80 MB", "lớn hơn 80 MB"),
    ("long.txt", b"words" * 4_000_001, "more than 20,000,000 characters", "hơn 20,000,000 ký tự"),
    ("large.json", b"[" + b"1," * 10_000_000 + b"1]", "larger than 20 MB", "lớn hơn 20 MB"),
    ("large.eml", b"From: a\n\n" + b"x" * 100_000_000, "what is attached", "tệp đính kèm"),
    ("wrong.json", b'{"a": 1,\n "b": }', "line 2, column 7", "dòng 2, cột 7"),
    ("wrong.jsonl", b"\n{", "line 2, column 2", "dòng 2, cột 2"),
    ("deep.json", b"[" * 100_000, "nested too deeply", "lồng quá sâu"),
    ("deep.jsonl", b'{"a":' * 100_000, "nested too deeply", "lồng quá sâu"),
    ("no.epub", b"no book at all", "not an EPUB", "không phải EPUB"),
    ("cut.epub", epub()[:-40], "not an EPUB", "không phải EPUB"),
    ("packed.epub", bzip2(), "not an EPUB", "không phải EPUB"),
    ("bomb.epub", bomb(), "unpacks to more", "quá lớn"),
    ("tags.epub", tags(), "unpacks to more", "quá lớn"),
    ("files.epub", files(), "unpacks to more", "quá lớn"),
    ("password.epub", with_password(), "a password is needed", "cần mật khẩu"),
    ("drm.epub", epub(**{"META-INF__encryption_xml": DRM}), "(DRM)", "(DRM)"),
    ("no.eml", b"not a letter", "not an e-mail", "không phải thư"),
    ("parts.eml", b"From: a\n\n" + b"--x\n" * 30_000, "not an e-mail", "không phải thư"),
    ("deep.eml", b"From: a\nContent-Type: message/rfc822\n\n" * 5000, "not an e-mail", "thư"),
]


@pytest.mark.parametrize(("name", "data", "en", "vi"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_cannot_be_read_is_refused_in_both_languages(
    name: str, data: bytes, en: str, vi: str, tmp_path: Path
) -> None:
    with pytest.raises(DocumentError) as caught:
        read_bytes(tmp_path, name, data)
    assert en in caught.value.en and vi in caught.value.vi
    assert name in caught.value.en and name in caught.value.vi


def attached() -> bytes:
    message = letter()
    message.set_content("Công ty nghỉ.\n")
    message.add_alternative("<p>Bản <b>HTML</b></p>", subtype="html")
    message.add_attachment("chữ", filename="lịch nghỉ.txt")
    return message.as_bytes()


WHOLE = {
    "x.csv": PRICES.encode(),
    "x.tsv": PRICES.replace(",", "\t").encode(),
    "x.json": (SERVER % 1).encode(),
    "x.jsonl": b'{"q": "M", "a": [1, {"b": null}]}\n{"q": 2}\n',
    "x.yaml": b"a: &x\n  - 1\n---\nb: *x\n",
    "x.py": (FUNCTION % (1, 2)).encode(),
    "x.rst": b"Title\n=====\n\nText.",
    "x.epub": epub(),
    "x.eml": attached(),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_damaged_file_is_read_or_refused_and_raises_nothing_else(
    name: str, tmp_path: Path
) -> None:
    rng = random.Random(7)
    for _ in range(200):
        data = bytearray(WHOLE[name])
        for _ in range(rng.randint(1, 12)):
            at = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    del data[at : at + rng.randrange(8)]
                    data += b"\n"
                case 2:
                    data[at:at] = rng.choice([b'"', b"{", b"[", b"\0", b",", b"=?", b"\xff", b"\n"])
                case _:
                    data[at:at] = data[at : at + rng.randrange(64)]
        try:
            assert read_bytes(tmp_path, name, bytes(data)).pages
        except DocumentError as exc:
            assert exc.en != exc.vi


def test_every_suffix_of_code_has_a_reader() -> None:
    wanted = """.csv .tsv .json .jsonl .yaml .yml .epub .eml .py .js .ts .jsx .tsx .java .c .h .cpp
    .hpp .cs .go .rs .rb .php .sh .sql .css .toml .ini .cfg .xml .tex .rst .log"""
    assert set(wanted.split()) <= READERS.keys()
