"""The shipped pages with their samples, and where every character of a page stands."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any

import pypdfium2
import pypdfium2.raw
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from lxml import html
from PIL import Image

from licenses.pages.drawing import advances, subsets
from licenses.pages.model import Document, Text
from licenses.pages.samples import sample_values
from licenses.pages.strokes import apply
from licenses.pages.template import lay_out, load
from runtime.pdfium import PDFIUM
from tests.builders.pages import CREATED, IDENTIFIER, METADATA

TYPES = tuple(
    sorted(
        entry.name.removesuffix(".toml")
        for entry in (files("licenses") / "shipped").iterdir()
        if entry.name.endswith(".toml")
    )
)
#: A character with the place of its origin, mm from the top left corner, rounded to a hundredth.
Placed = tuple[str, float, float]
_MM = 25.4 / 72
# Untyped libraries.
_pdfium: Any = pypdfium2.raw
_open_pdf: Any = pypdfium2.PdfDocument
_font_builder: Any = FontBuilder


@cache
def sample(name: str) -> Document:
    """A shipped page with its sample, its code and metadata as a license has them."""
    template = load(name)
    return lay_out(
        template,
        sample_values(template),
        created=CREATED,
        author="示范县",
        metadata=METADATA,
        qr=IDENTIFIER if template.qr else None,
    )


def in_model(document: Document, page: int = 0) -> list[Placed]:
    """Where the model says that each character is."""
    fonts = subsets(document)
    found = []
    for item in document.pages[page].items:
        if isinstance(item, Text):
            x = item.x
            for character, step in zip(
                item.text, (*advances(item, fonts[item.font]), 0.0), strict=True
            ):
                found.append((character, *apply(item.transform, x, item.y)))
                x += step
    return [(c, x, y) for c, x, y in found if not c.isspace()]


def in_pdf(data: bytes, page: int = 0) -> list[Placed]:
    """Where PDFium finds each character."""
    found = []
    with PDFIUM:
        pdf = _open_pdf(data)
        sheet = pdf[page]
        text = sheet.get_textpage()
        height = sheet.get_height()
        for index in range(text.count_chars()):
            x, y = ctypes.c_double(), ctypes.c_double()
            _pdfium.FPDFText_GetCharOrigin(text.raw, index, x, y)
            character = chr(_pdfium.FPDFText_GetUnicode(text.raw, index))
            if "\udc00" <= character <= "\udfff":  # the second half of what came before
                high, a, b = found.pop()
                whole = (high + character).encode("utf-16", "surrogatepass").decode("utf-16")
                found.append((whole, a, b))
                continue
            found.append((character, x.value * _MM, (height - y.value) * _MM))
        pdf.close()
    return [(c, x, y) for c, x, y in found if not c.isspace()]


def in_html(data: bytes, page: int = 0) -> list[Placed]:
    """Where each character of an SVG stands by its own coordinates."""
    sheet = html.fromstring(data).findall(".//svg")[page]
    found: list[Placed] = []
    for text in sheet.findall(".//text"):
        for span in text.findall("tspan"):
            places = [float(value) for value in span.get("x", "").split()]
            y = float(text.get("y", ""))
            found += [(c, x, y) for c, x in zip(span.text or "", places, strict=True)]
    return [(c, x, y) for c, x, y in found if not c.isspace()]


def coarse(png: bytes) -> bytes:
    """A picture in 32 grays, as the golden ones are kept: a third of the bytes."""
    target = BytesIO()
    gray = Image.open(BytesIO(png)).convert("L").point(lambda value: value // 8 * 8)
    gray.save(target, "PNG", optimize=True)
    return target.getvalue()


def difference(one: bytes, other: bytes) -> tuple[float, float]:
    """Mean difference of two pictures of one size, and that of the worst tile; of 255."""
    first, second = (Image.open(BytesIO(data)).convert("L") for data in (one, other))
    assert first.size == second.size
    pairs = list(zip(first.tobytes(), second.tobytes(), strict=True))
    width, height = first.size
    tile = max(8, width // 24)
    tiles: dict[tuple[int, int], list[int]] = {}
    for at, (a, b) in enumerate(pairs):
        tiles.setdefault((at % width // tile, at // width // tile), []).append(abs(a - b))
    worst = max(sum(values) / len(values) for values in tiles.values())
    return sum(abs(a - b) for a, b in pairs) / (width * height), worst


def a_font(character: str) -> bytes:
    """A TrueType font of one character, drawn as a square; of 2048 units per em."""
    pen = TTGlyphPen(None)
    for at, point in enumerate(((200, 0), (200, 1600), (1800, 1600), (1800, 0))):
        (pen.lineTo if at else pen.moveTo)(point)
    pen.closePath()
    builder = _font_builder(2048, isTTF=True)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({ord(character): "square"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (2048, 0), "square": (2048, 200)})
    builder.setupHorizontalHeader(ascent=1800, descent=-400)
    builder.setupNameTable({"familyName": "Square", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    target = BytesIO()
    builder.font.save(target)
    return target.getvalue()
