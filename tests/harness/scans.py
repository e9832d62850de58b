"""Pages that are pictures: text drawn with a font of the machine, without a text layer."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ingest.readers import ocr
from tests.harness.lacking import command, lacking


def readable() -> None:
    """Skips a test where nothing reads what is drawn here."""
    command("tesseract", "tesseract-ocr")
    if not ocr.tesseract():
        lacking("no Vietnamese for Tesseract: install Debian's package tesseract-ocr-vie")


def page(text: str, size: int = 42) -> Image.Image:
    """`text` on white as a scanner gives it, its letters of `size` pixels."""
    font, margin = ImageFont.truetype(_font(), size), 3 * size
    canvas = ImageDraw.Draw(Image.new("L", (1, 1)))
    box = canvas.multiline_textbbox((margin, margin), text or " ", font, spacing=size / 2)
    picture = Image.new("L", (round(box[2]) + margin, round(box[3]) + margin), "white")
    draw = ImageDraw.Draw(picture)
    draw.multiline_text((margin, margin), text, "black", font, spacing=size / 2)
    return picture


def file(kind: str, *pages: Image.Image, **options: object) -> bytes:
    """Pages as a file of this kind: PNG, JPEG, WEBP, TIFF, PDF."""
    out = BytesIO()
    more = {"save_all": True, "append_images": pages[1:]} if len(pages) > 1 else {}
    if kind == "PDF":
        options = {"resolution": 200.0, **options}
    pages[0].save(out, kind, **more, **options)
    return out.getvalue()


def _font() -> str:
    """A font that has the letters of Vietnamese."""
    find = command("fc-match", "fontconfig")
    asked = [find, "Noto Sans:lang=vi", "--format=%{file}"]
    path = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout
    return path if Path(path).is_file() else lacking("no font: install Debian's fonts-noto-core")
