"""Each format as vectors: what its text must and must not include, and its title."""

from __future__ import annotations

import io
import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from pypdf import PdfWriter

from ingest.readers import USUAL, read
from rag.errors import DocumentError, UnsupportedFormat
from rag.settings import PROJECT
from rag.types import Content

PDFS = PROJECT.parent / "shared" / "pdfs"
needs_samples = pytest.mark.skipif(not PDFS.is_dir(), reason="no ../shared/pdfs (py-pdf samples)")

pytestmark = pytest.mark.usefixtures("without_tesseract")

LEAVE = "Quy định nghỉ phép: mỗi nhân viên được nghỉ 12 ngày một năm, tính từ tháng đầu tiên."


CUT = (LEAVE * 6).encode().replace("ỉ".encode(), b"\xe1\xbb", 1)
# In TCVN3, as a program shows it that does not know the code.
TCVN3 = "B¶o hµnh m¸y b¬m trong thêi h¹n hai m\xad¬i bèn th¸ng kÓ tõ ngµy giao hµng."
VNI = "Baûo haønh maùy bôm trong thôøi haïn hai möôi boán thaùng keå töø ngaøy giao haøng."
WARRANTY = "Bảo hành máy bơm trong thời hạn hai mươi bốn tháng kể từ ngày giao hàng."


def cp1258(text: str) -> bytes:
    """Windows' Vietnamese code page writes most tone marks as characters of their own."""
    tones = "\u0300\u0301\u0303\u0309\u0323"
    out = b""
    for char in text:
        parts = unicodedata.normalize("NFD", char)
        tone = "".join(part for part in parts if part in tones)
        letter = "".join(part for part in parts if part not in tones)
        out += (unicodedata.normalize("NFC", letter) + tone).encode("cp1258")
    return out


ENCODING = b"""/Encoding << /Type /Encoding /BaseEncoding /WinAnsiEncoding
/Differences [128 /ecircumflexacute /ocircumflexdotbelow] >>"""


def pdf(
    pages: Sequence[list[str] | bytes],
    info: bytes = b"",
    font: bytes = b"/BaseFont /Helvetica " + ENCODING,
) -> bytes:
    """A PDF by hand: for each page its Latin-1 lines (\\x80 is "ế", \\x81 "ộ") or what draws it,
    and its information."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< " + info + b" >>"]
    objects.append(b"<< /Type /Font /Subtype /Type1 " + font + b" >>")
    kids = []
    for content in pages:
        stream = content if isinstance(content, bytes) else lines_drawn(content)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        fonts = b"/Resources << /Font << /F1 4 0 R >> >>"
        page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R %s >>"
        objects.append(page % (len(objects), fonts))
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(b"%010d 00000 n \n" % len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(offsets)
    trailer = b"trailer << /Size %d /Root 1 0 R /Info 3 0 R >>" % (len(objects) + 1)
    return out + table + trailer + b"\nstartxref\n%d\n%%%%EOF" % len(out)


def lines_drawn(lines: list[str]) -> bytes:
    shown = b"".join(b"(" + line.encode("latin-1") + b") Tj T* " for line in lines)
    return b"BT /F1 12 Tf 14 TL 72 720 Td " + shown + b"ET"


def encrypted(data: bytes, user_password: str) -> bytes:
    writer = PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(user_password, "owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


LINES = ["A first line of text, which is long enough", "and a second one under it."]

VNI_TIMES = b"/BaseFont /VNI-Times " + ENCODING
COURIER = b"/BaseFont /Courier " + ENCODING
WIDE_SPACE = b"/BaseFont /Helvetica /FirstChar 32 /LastChar 126 /Widths [2500 %s] %s" % (
    b"556 " * 94,
    ENCODING,
)
GLUED = [b"(%s)" % word for word in b"Orange Demo Incorporated pays for it".split()]
APART = [b"(%c)" % letter for letter in b"Nine men were fined for it"]
PICTURE = b"q 200 0 0 200 72 400 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q"
# A font whose codes are one below the letters it draws, under names that say nothing.
NAMELESS = b"/BaseFont /Helvetica /Encoding << /Type /Encoding /Differences [1 %s] >>" % b" ".join(
    b"/G%02X" % code for code in range(32, 127)
)
UNREADABLE = ["".join(f"\\{ord(letter) - 31:03o}" for letter in line) for line in LINES]


HTML = """<!DOCTYPE html><html><head><title> Nội quy
công ty </title><style>p {color: red}</style><script>track()</script></head><body>
<header>Logo <nav>Trang chủ</nav></header><nav>Menu</nav>
<main><h1>Nội quy <em>lao động</em></h1>
<p>Nhân viên <b>chính thức</b>
   và H<sub>2</sub>O.<br>Dòng mới</p><!-- a comment -->
<div>One</div><div>Two</div>
<ul><li>Áo dài</li><li><p>Nón lá</p></li></ul><ol><li>Đăng ký</li><li>Nộp đơn</li></ol>
<table><tr><th>Món</th><th>Giá</th></tr><tr><td><p>Phở</p></td><td>50&nbsp;000 đ</td></tr></table>
<pre>if x:
    return  1</pre>
<p hidden>HIDDEN-A</p><p style="Display : none">HIDDEN-B</p><svg><title>ICON</title></svg>
<noscript>NOSCRIPT</noscript><template>TEMPLATE</template><aside>ASIDE</aside>
<form><label>Search</label></form><img src="x.png" alt="Ảnh chụp"></main>
<footer>Bản quyền</footer></body></html>"""

MARKDOWN = """---
author: An
tags: [a, b]
---
<!-- a note -->
Intro before the heading.

# Cài *đặt* `headwater`

See [the guide](https://example.org/guide "Guide"), ![a diagram](diagram.png), **bold** and
_italic_ text with `code *kept*`, <https://auto.example>, and `python app.py <name>` or <name>.

Setext heading
--------------

- first item
- second **item**

1. step one
2. step two

```python
# not a heading
print("<script>")
```

| Món | Giá |
|-----|----:|
| Phở | 50k |

> a quote

[ref]: https://hidden.example
"""


@dataclass(frozen=True)
class Vector:
    id: str
    name: str
    data: bytes
    title: str
    must_include: tuple[str, ...] = ()
    must_not_include: tuple[str, ...] = ()


VECTORS = [
    Vector(
        "markdown",
        "setup.md",
        MARKDOWN.encode(),
        "Cài đặt headwater",
        (
            "Intro before the heading.\n\nCài đặt headwater\n\nSee the guide, a diagram, bold and",
            "italic text with code *kept*, https://auto.example, and",
            "python app.py <name> or <name>.",
            "\nSetext heading\n",
            "- first item\n- second item\n",
            "1. step one\n2. step two\n",
            '# not a heading\nprint("<script>")\n',
            "Món | Giá\nPhở | 50k\n",
            "a quote",
        ),
        ("author", "---", "```", "**", "example.org", "diagram.png", "a note", "hidden.example"),
    ),
    Vector("markdown without a heading", "release_notes-v2.markdown", b"Text.", "release notes v2"),
    Vector(
        "a rule at the top is not front matter",
        "x.md",
        b"---\nFirst.\n\n---\n\n# Heading\n",
        "Heading",
        ("First.", "Heading"),
    ),
    Vector(
        "html",
        "rules.html",
        HTML.encode(),
        "Nội quy công ty",
        (
            "Nội quy lao động\n\nNhân viên chính thức và H2O.\nDòng mới\n",
            "One\nTwo\n",
            "- Áo dài\n- Nón lá\n",
            "1. Đăng ký\n2. Nộp đơn\n",
            "Món | Giá\nPhở | 50 000 đ\n",
            "if x:\n    return  1\n",
            "Ảnh chụp",
        ),
        (
            *("Logo", "Trang chủ", "Menu", "Search", "Bản quyền", "Nội quy công ty"),
            *("track", "color", "comment", "HIDDEN", "ICON", "NOSCRIPT", "TEMPLATE", "ASIDE"),
        ),
    ),
    Vector(
        "html by its first h1",
        "x.htm",
        b"<title> </title><body><header><h1>The heading</h1></header><p>Text",
        "The heading",
        ("The heading\n\nText",),
    ),
    Vector(
        "html of which main has little",
        "x.html",
        b"<main>Ad</main><div>This is where the text of the page really is.</div>",
        "x",
        ("Ad", "the text of the page"),
    ),
    Vector(
        "html wrapped in one form and hidden until its script runs",
        "x.html",
        b"<body style='display:none'><form><p>The page itself.</p></form><form>Log in</form>",
        "x",
        ("The page itself.",),
        ("Log in",),
    ),
    Vector(
        "html laid out by a table",
        "x.html",
        b"<table><tr><td>Left</td><td><p>A</p><table><tr><td>1<td>2</table></td></tr></table>",
        "x",
        ("Left\n\nA",),
        ("Left |",),
    ),
    Vector(
        "xhtml with a declaration",
        "x.html",
        b"<?xml version='1.0' encoding='iso-8859-1'?><div><h1>Caf\xe9</h1>text</div>",
        "Café",
        ("text",),
        ("xml",),
    ),
    Vector(
        "html in its declared charset",
        "x.html",
        b"<meta charset='windows-1258'><title>t</title><p>" + cp1258(LEAVE),
        "t",
        (LEAVE,),
    ),
    Vector(
        "html with one wrong byte",
        "x.html",
        b"<meta charset=utf-8><p>" + (LEAVE * 5).encode() + b"<p>45\xb0C",
        "x",
        (LEAVE * 5,),
    ),
    Vector(
        "html whose main part is hidden until a script has run",
        "x.html",
        b"<h1>A page</h1><p>By N.</p><div style='visibility: hidden; opacity: 0'><p>What the page "
        b"has to say is here, in full.<p style='display:none'>TRAP</div><p hidden>HIDDEN",
        "A page",
        ("A page\n\nBy N.\n\nWhat the page has to say is here, in full.",),
        ("TRAP", "HIDDEN"),
    ),
    Vector("html in old Vietnamese", "x.html", f"<p>{TCVN3}".encode(), "x", (WARRANTY,)),
    Vector("html in VNI", "x.html", f"<p>{VNI}".encode("latin-1"), "x", (WARRANTY,)),
    Vector("html without a tag", "x.html", b"notes.html", "x", ("notes.html",)),
    Vector("text with a title", "x.txt", b"A title\n\nText.", "A title", ("A title\n\nText.",)),
    Vector("text with an underlined title", "x.txt", b"A title\n=======\nText.", "A title"),
    Vector("text without a title", "so_tay-2024-05.txt", b"Text\nmore text.", "so tay 2024-05"),
    Vector("text of one line", "note.txt", b"Only this.", "note", ("Only this.",)),
    Vector("text with a long first line", "note.txt", b"x " * 41 + b"\n\nText.", "note"),
    Vector("utf-8 with a mark", "x.txt", LEAVE.encode("utf-8-sig"), "x", (LEAVE,), ("\ufeff",)),
    Vector("utf-16", "x.txt", LEAVE.encode("utf-16"), "x", (LEAVE,)),
    Vector("utf-16 big-endian", "x.txt", b"\xfe\xff" + LEAVE.encode("utf-16-be"), "x", (LEAVE,)),
    Vector("utf-32", "x.txt", LEAVE.encode("utf-32"), "x", (LEAVE,)),
    Vector("utf-32 big-endian", "x.txt", LEAVE.encode("utf-32-be"), "x", (LEAVE,)),
    Vector("utf-8 with a letter cut", "x.txt", CUT, "x", (LEAVE[:40], LEAVE), ("Ã", "áº")),
    Vector("old Vietnamese", "x.txt", TCVN3.encode("latin-1"), "x", (WARRANTY,)),
    Vector("old Vietnamese in utf-8", "x.md", TCVN3.encode(), "x", (WARRANTY,)),
    Vector("VNI", "x.txt", VNI.encode("latin-1"), "x", (WARRANTY,)),
    Vector("VNI in utf-8", "x.md", f"# {VNI[:15]}\n\n{VNI}".encode(), "Bảo hành máy", (WARRANTY,)),
    Vector("Vietnamese cp1258", "x.txt", cp1258(LEAVE), "x", (LEAVE,)),
    Vector("Vietnamese cp1258 markdown", "x.md", cp1258("# Nghỉ\n\n" + LEAVE), "Nghỉ", (LEAVE,)),
    Vector("cp1252", "x.txt", "The café’s price is £5.".encode("cp1252"), "x", ("café’s", "£5")),
    Vector(
        "what is normalised",
        "x.txt",
        b"x" * 99
        + "ﬁnal\r\nNo\u0302\u0323i\rso\u00adft\0\7 \u202eevil\u200b \t\n".encode()
        + "\n\n\n\n\nend\x85z".encode(),
        "x",
        ("xfinal\nNội\nsoft evil\n\n\nend\nz",),
    ),
    Vector(
        "pdf",
        "annual_report.pdf",
        pdf([LINES, ["The second page of it."]], b"/Title (Annual report)"),
        "Annual report",
        ("\n".join(LINES), "The second page of it."),
    ),
    Vector(
        "pdf with words hyphenated at line ends",
        "x.pdf",
        pdf([["This is an exam-", "ple, of North-", "American Co-", "op and A-", "1 lines"]]),
        "x",
        ("an example, of North-\nAmerican Coop and A-\n1 lines",),
    ),
    Vector(
        "pdf with Vietnamese dashes at line ends, where nothing is hyphenated",
        "x.pdf",
        pdf([["Vai tr\xf2 kinh t\x80-", "x\xe3 h\x81i trong xu th\x80"]]),
        "x",
        ("kinh tế-\nxã hội",),
    ),
    Vector(
        "pdf whose spaces are wide in its font and gaps on its page",
        "x.pdf",
        pdf([b"BT /F1 12 Tf 72 720 Td [" + b" -300 ".join(GLUED) + b"] TJ ET"], font=WIDE_SPACE),
        "x",
        ("Orange Demo Incorporated pays for it",),
    ),
    Vector(
        "pdf with letters set apart",
        "x.pdf",
        pdf([b"BT /F1 12 Tf 72 720 Td [" + b" -250 ".join(APART) + b"] TJ ET"]),
        "x",
        ("Nine men were fined for it",),
    ),
    Vector(
        "pdf with code",
        "x.pdf",
        pdf([["for x in y:", "    if x  > 0:", "        return 1", "    return 2"]], font=COURIER),
        "x",
        ("for x in y:\n    if x  > 0:\n        return 1\n    return 2",),
    ),
    Vector(
        "pdf whose cross references are lost",
        "x.pdf",
        pdf([LINES]).partition(b"xref")[0] + b"trailer << /Root 1 0 R >>",
        "x",
        ("\n".join(LINES),),
    ),
    Vector("pdf with few words on its page", "x.pdf", pdf([["Sale ends"]]), "x", ("Sale ends",)),
    Vector("pdf in a Vietnamese font of old", "x.pdf", pdf([[TCVN3]]), "x", (WARRANTY,), ("¶",)),
    Vector(
        "pdf in a font of VNI",
        "x.pdf",
        pdf([[VNI]], b"/Title (%s)" % VNI.encode("latin-1"), VNI_TIMES),
        WARRANTY,
        (WARRANTY,),
    ),
    Vector(
        "pdf in a Vietnamese font of old with a title",
        "x.pdf",
        pdf([[TCVN3]], b"/Title (%s)" % "B¶o hµnh m¸y".encode("latin-1")),
        "Bảo hành máy",
        (WARRANTY,),
    ),
    Vector("pdf with an owner's password only", "x.pdf", encrypted(pdf([LINES]), ""), "x"),
    *(
        Vector(f"pdf titled {title!r}", "my_file.pdf", pdf([LINES], b"/Title " + title), "my file")
        for title in (b"()", b"(Untitled)", b"(Microsoft Word - x.doc)", b"(a b.pdf)", b"42", b"[]")
    ),
]


def read_bytes(folder: Path, name: str, data: bytes) -> Content:
    path = folder / name
    path.write_bytes(data)
    return read(path)


def all_text(content: Content) -> str:
    return "\f".join(page.text for page in content.pages)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector.id))
def test_a_document_has_its_text_and_its_title(vector: Vector, tmp_path: Path) -> None:
    content = read_bytes(tmp_path, vector.name, vector.data)
    text = all_text(content)
    assert content.title == vector.title
    for wanted in vector.must_include:
        assert wanted in text
    for unwanted in vector.must_not_include:
        assert unwanted not in text


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector.id))
def test_every_text_is_clean(vector: Vector, tmp_path: Path) -> None:
    content = read_bytes(tmp_path, vector.name, vector.data)
    for page in content.pages:
        assert page.text == page.text.strip()
        assert "\n\n\n\n" not in page.text
        assert not any(line != line.rstrip() for line in page.text.split("\n"))
        assert unicodedata.is_normalized("NFKC", page.text)
        kinds = {unicodedata.category(char) for char in page.text if char not in "\n\t"}
        assert not kinds & {"Cc", "Cs"}


def test_text_formats_have_one_page_and_a_pdf_has_its_own(tmp_path: Path) -> None:
    assert [page.number for page in read_bytes(tmp_path, "a.txt", b"x").pages] == [1]
    content = read_bytes(tmp_path, "a.pdf", pdf([LINES, [], LINES]))
    assert [(page.number, bool(page.text)) for page in content.pages] == [
        (1, True),
        (2, False),
        (3, True),
    ]


@pytest.mark.parametrize(("name", "source"), [("a.md", MARKDOWN), ("a.html", HTML)])
def test_code_and_tables_are_told(name: str, source: str, tmp_path: Path) -> None:
    (page,) = read_bytes(tmp_path, name, source.encode()).pages
    shown = [(page.text[b.start : b.end], page.text[b.start : b.head]) for b in page.blocks]
    assert [text.split("\n")[0] for text, _ in shown] == (
        ["# not a heading", "Món | Giá"] if name == "a.md" else ["Món | Giá", "if x:"]
    )
    assert [head for _, head in shown if head] == ["Món | Giá"]
    assert all(text == text.strip() for text, _ in shown)


def test_marks_in_a_document_tell_nothing(tmp_path: Path) -> None:
    marks = "\ufdd0a\ufdd2b\ufdd1c\ufdd1"
    for name in ("a.txt", "a.md", "a.html"):
        start = "<meta charset=utf-8>" if name == "a.html" else ""
        (page,) = read_bytes(tmp_path, name, f"{start}one {marks} two".encode()).pages
        assert (page.text, page.blocks) == ("one abc two", ())


def test_a_table_without_a_head_and_one_that_lays_out_the_page_have_none(tmp_path: Path) -> None:
    rows = b"<tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr>"
    (page,) = read_bytes(tmp_path, "a.html", b"<table>" + rows + b"</table>").pages
    assert [(b.start, b.end, b.head) for b in page.blocks] == [(0, len("1 | 2\n3 | 4"), 0)]
    layout = b"<table><tr><td>Left</td><td><table>" + rows + b"</table></td></tr></table>"
    (page,) = read_bytes(tmp_path, "b.html", layout).pages
    assert [page.text[b.start : b.end] for b in page.blocks] == ["1 | 2\n3 | 4"]


MERGED = """<table><thead>
<tr><th rowspan=2>Món</th><th colspan=2>Giá</th><th rowspan=2>Ghi chú</th></tr>
<tr><th>nhỏ</th><th>lớn</th></tr></thead>
<tr><td rowspan=2>Phở</td><td>40</td><td>50</td><td></td></tr>
<tr><td>45</td><td>55</td><td>tái</td></tr>
<tr><td colspan="2">Trà, một cỡ</td><td rowspan=0>5</td><td>đá</td></tr>
<tr><td>Bún</td><td>35</td><td>mới</td></tr></table>"""


def test_what_spans_rows_or_columns_leaves_the_others_in_their_own(tmp_path: Path) -> None:
    (page,) = read_bytes(tmp_path, "a.html", MERGED.encode()).pages
    assert page.text.split("\n") == [
        "Món | Giá | | Ghi chú",
        "| nhỏ | lớn",
        "Phở | 40 | 50 |",
        "| 45 | 55 | tái",
        "Trà, một cỡ | | 5 | đá",
        "Bún | 35 | | mới",
    ]
    (block,) = page.blocks
    assert page.text[block.start : block.head].endswith("lớn")


def test_cells_that_span_more_than_there_is_cost_nothing(tmp_path: Path) -> None:
    wide = b"<table>" + b"<tr>" + b"<td colspan=1000 rowspan=65534>x</td>" * 2000
    rows = b"<tr><td>y</td><td>z</td></tr>" * 2000
    text = all_text(read_bytes(tmp_path, "a.html", wide + b"</tr>" + rows + b"</table>"))
    assert text.count("y") == 2000 and len(text) < 500_000


def test_pages_without_words_are_named_beside_those_with(tmp_path: Path) -> None:
    content = read_bytes(tmp_path, "a.pdf", pdf([LINES, UNREADABLE, PICTURE, []]))
    assert [bool(page.text) for page in content.pages] == [True, False, False, False]
    unreadable, scanned = content.remarks
    assert "page 2 is not words" in unreadable.en and "trang 2 " in unreadable.vi
    assert "Page 3 is a picture" in scanned.en and "Trang 3 " in scanned.vi


def test_a_suffix_in_capitals_is_the_same_suffix(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "A.TXT", b"text").pages[0].text == "text"


def test_an_unknown_suffix_names_the_usual_ones(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        read(tmp_path / "missing.doc")
    for sentence in (caught.value.en, caught.value.vi):
        assert "missing.doc" in sentence
        assert USUAL in sentence


REFUSED = [
    ("empty.txt", b"", "is empty"),
    ("empty.pdf", b"\n", "is empty"),
    ("blank.md", b"---\ntitle: only this\n---\n<!-- note -->", "has no text"),
    ("blank.html", b"<script>only()</script>", "has no text"),
    ("elf.txt", b"\x7fELF" + bytes(300) + b"name", "binary data"),
    ("noise.txt", random.Random(1).randbytes(4000), "binary data"),
    ("noise.md", random.Random(2).randbytes(4000), "binary data"),
    ("noise.html", random.Random(3).randbytes(4000), "binary data"),
    ("pdf.txt", pdf([LINES]) + random.Random(4).randbytes(4000), "binary data"),
    ("half.txt", b"\xff\xfea\x00\x00\xd8", "binary data"),
    ("odd.html", b"<p>&#" + b"9" * 5000 + b";", "cannot be read"),
    ("text.pdf", b"This is not a PDF at all.", "is damaged"),
    ("cut.pdf", pdf([LINES])[:200], "is damaged"),
    ("scan.pdf", pdf([[], ["page 2"], []]), "looks scanned"),
    ("picture.pdf", pdf([PICTURE]), "looks scanned"),
    ("nameless.pdf", pdf([UNREADABLE, UNREADABLE], font=NAMELESS), "is not words"),
    ("private.pdf", pdf([UNREADABLE]), "is not words"),
    ("no_pages.pdf", pdf([]), "looks scanned"),
    ("secret.pdf", encrypted(pdf([LINES]), "secret"), "a password is needed"),
]


@pytest.mark.parametrize(("name", "data", "reason"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_cannot_be_read_is_refused_with_its_reason(
    name: str, data: bytes, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(DocumentError) as caught:
        read_bytes(tmp_path, name, data)
    assert reason in caught.value.en
    assert name in caught.value.vi != caught.value.en


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    for name in ("folder.txt", "missing.txt"):
        with pytest.raises(DocumentError, match="could not be opened") as caught:
            read(tmp_path / name)
        assert isinstance(caught.value.__cause__, OSError)


def test_a_damaged_pdf_is_read_or_refused_and_raises_nothing_else(tmp_path: Path) -> None:
    rng = random.Random(7)
    whole = pdf([LINES, LINES], b"/Title (x)")
    outcomes = set()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            read_bytes(tmp_path, "x.pdf", bytes(data))
            outcomes.add("read")
        except DocumentError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_deep_nesting_is_not_a_problem(tmp_path: Path) -> None:
    for element in (b"<div>", b"<p>", b"<ul><li>", b"<span>", b"<tr><td>a<td>"):
        assert read_bytes(tmp_path, "deep.html", element * 2000 + b"text").pages[0].text
    assert read_bytes(tmp_path, "deep.md", b"- " * 2000 + b"text").pages[0].text
    tables = b"<table><tr><td>" * 8000
    assert read_bytes(tmp_path, "deep.html", tables + b"text").pages[0].text == "text"


def test_tags_that_are_never_closed_are_no_text(tmp_path: Path) -> None:
    content = read_bytes(tmp_path, "a.html", b"<p>The text.</p>" + b"<a b " * 200_000)
    assert all_text(content) == "The text."


@needs_samples
def test_two_columns_are_read_one_after_the_other() -> None:
    content = read(PDFS / "sample_multicolumn.pdf")
    text = all_text(content)
    assert content.title == "sample multicolumn"
    assert len(content.pages) == 3
    assert "This is a sample document with two columns filled\nwith Lorem Ipsum text." in text
    assert "consectetuer adipiscing elit." in text
    assert "ﬁ" not in text


@needs_samples
def test_arabic_is_read_in_its_logical_order() -> None:
    content = read(PDFS / "sample_habibi.pdf")
    assert (content.title, content.pages[0].text) == ("habibi", "حَبيبي habibi حَبيبي")


@needs_samples
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sample_grayscale-image.pdf", "looks scanned"),
        ("sample_libreoffice-writer-password.pdf", "a password is needed"),
    ],
)
def test_a_real_scan_and_a_real_password_are_told_apart(name: str, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        read(PDFS / name)
