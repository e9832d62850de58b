"""Turn tests/harness/pdf_sources/*.html into the PDFs of the demo corpus: `python -m
tests.harness.make_data`.

A source is a plain HTML file with <html lang="..">, a <title> and one <section> for each
page. It carries no style: the style below is added to it. The PDF goes to data/<name>.pdf
with the title as its metadata. The script stops with an error if a section does not fit
on one page, because the page numbers in the questions and the citations rely on it.

Needs Debian's `chromium` and `fonts-noto-core`, and the Python packages playwright and pypdf.
"""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader

from rag.settings import PROJECT

SOURCES = Path(__file__).parent / "pdf_sources"
OUTPUT = PROJECT / "data"

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Ligatures and hyphenation are off: both would change the words a PDF reader gets back.
STYLE = """
<style>
  @page { size: A4; margin: 22mm 24mm 24mm 24mm; }
  html { font: 10.5pt/1.5 "Noto Serif", "DejaVu Serif", serif; color: #1d2129;
         font-variant-ligatures: none; hyphens: manual; }
  body { margin: 0; }
  section { break-after: page; }
  section:last-of-type { break-after: auto; }
  h1, h2, h3, th { font-family: "Noto Sans", "DejaVu Sans", sans-serif; line-height: 1.25; }
  h1 { font-size: 22pt; margin: 0 0 4pt; color: #12355b; }
  h2 { font-size: 15pt; margin: 0 0 8pt; padding-bottom: 4pt; color: #12355b;
       border-bottom: 1.2pt solid #12355b; }
  h1 ~ h2 { margin-top: 16pt; }
  h3 { font-size: 11.5pt; margin: 12pt 0 4pt; break-after: avoid; }
  p { margin: 0 0 7pt; orphans: 3; widows: 3; }
  .subtitle { font-size: 12pt; color: #4a5563; margin-bottom: 12pt; }
  ul, ol { margin: 0 0 7pt; padding-left: 16pt; }
  li { margin-bottom: 3pt; }
  code, pre { font-family: "DejaVu Sans Mono", monospace; font-size: 8.8pt; }
  pre { background: #f3f5f8; border-left: 2.5pt solid #9fb3c8; padding: 6pt 9pt;
        margin: 0 0 8pt; white-space: pre-wrap; line-height: 1.4; }
  table { border-collapse: collapse; width: 100%; margin: 4pt 0 9pt; font-size: 9.5pt; }
  th, td { text-align: left; vertical-align: top; padding: 3.5pt 6pt;
           border-bottom: .6pt solid #cfd6de; }
  th { background: #eef2f6; }
</style>
"""
FOOTER = (
    '<div style="width:100%; text-align:center; font:8.5pt Noto Sans, DejaVu Sans;'
    ' color:#4a5563"><span class="pageNumber"></span></div>'
)


def make_pdf(browser: Browser, source: Path) -> Path:
    """Print one source to OUTPUT and check that each section became one page."""
    html = unicodedata.normalize("NFC", source.read_text(encoding="utf-8"))
    if "</head>" not in html:
        raise SystemExit(f"{source.name}: no </head> to put the style in")
    sections = len(re.findall(r"<section\b", html))
    target = OUTPUT / f"{source.stem}.pdf"

    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.route("**/*", lambda route: route.abort())  # a source stands alone
    page.set_content(html.replace("</head>", STYLE + "</head>", 1))
    page.pdf(
        path=target,
        prefer_css_page_size=True,
        print_background=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOTER,
        tagged=True,
        outline=True,
    )
    context.close()

    pages = len(PdfReader(target).pages)
    if pages != sections:
        raise SystemExit(f"{target.name}: {sections} sections but {pages} pages; shorten one")
    return target


def main() -> None:
    """Make every PDF, or stop at the first that goes wrong."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed (Debian: apt-get install chromium)")
    OUTPUT.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        for source in sorted(SOURCES.glob("*.html")):
            target = make_pdf(browser, source)
            print(f"{target.relative_to(PROJECT)}: {len(PdfReader(target).pages)} pages")
        browser.close()


if __name__ == "__main__":
    main()
