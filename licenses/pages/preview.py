"""A template looked at while it is written: its sample on its pages, in any of the four forms.

Every page says that it is a specimen, and where the seal will be is a dashed ring: a preview is
made of the same parts as a license, and must not be taken for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from fontTools.pens.basePen import decomposeQuadraticSegment
from fontTools.pens.recordingPen import RecordingPen

from licenses.pages.html import write_html
from licenses.pages.layout import Style, fit
from licenses.pages.model import Document, Item, Page, Path, Rect, Shape
from licenses.pages.ofd import write_ofd
from licenses.pages.pdf import write_pdf
from licenses.pages.png import pdf_to_png
from licenses.pages.samples import sample_values
from licenses.pages.sheets import Template, Value
from licenses.pages.sources import UNITS, sans
from licenses.pages.template import lay_out
from licenses.pages.truetype import UNITS_PER_EM

# fontTools is untyped.
_recording_pen: Any = RecordingPen
_quadratics: Any = decomposeQuadraticSegment
FORMATS = ("ofd", "pdf", "png", "html")
#: Whenever it is made, the same preview: a changed file is then a changed template.
MADE = datetime(2026, 1, 1, tzinfo=UTC)
_WORD = "样张"
_WORD_COLOR = (238, 232, 232)
_RING_COLOR = (214, 120, 116)
_RING_WIDTH = 0.25
_QR = "样张：此码不指向任何证照"


def preview(template: Template, values: Mapping[str, Value] | None = None) -> Document:
    """The template with its sample, or with other values; errors as `lay_out`."""
    document = lay_out(
        template,
        sample_values(template) if values is None else values,
        created=MADE,
        author="",
        qr=_QR if template.qr is not None else None,
    )
    pages = []
    for number, page in enumerate(document.pages, start=1):
        items = page.items
        if number == template.stamp.page:
            items += tuple(_ring(template))
        pages.append(replace(page, items=items, background=_marked(page)))
    return replace(document, pages=tuple(pages), title=f"{template.title}（{_WORD}）")


def render(document: Document, form: str, *, dpi: float = 150, refresh: int = 0) -> list[bytes]:
    """One file of a form ("ofd", "pdf", "html"), or a PNG for each page.

    `refresh`: seconds after which a browser loads the HTML again. Raises as the writers do, and
    InvalidArgument: DPI_INVALID, IMAGE_TOO_LARGE.
    """
    if form == "ofd":
        return [write_ofd(document)]
    if form == "html":
        return [write_html(document, refresh=refresh)]
    pdf = write_pdf(document)
    if form == "pdf":
        return [pdf]
    return [pdf_to_png(pdf, page, dpi) for page in range(1, len(document.pages) + 1)]


def _marked(page: Page) -> tuple[Shape, ...]:
    """The background with the word: over its filled paper, under ornaments and rules."""
    shapes = page.background
    paper = next(
        (i for i, one in enumerate(shapes) if not isinstance(one, Rect) or one.stroke is not None),
        len(shapes),
    )
    return (*shapes[:paper], _word(page), *shapes[paper:])


def _word(page: Page) -> Path:
    """The word across the page, 25 degrees upwards, in its middle."""
    cosine, sine = 0.906, 0.423
    size = min(page.width * 0.36, page.height * 0.42)
    x, y = size * len(_WORD) / 2, -size * 0.38  # the middle of the word, from where it starts
    scale = size / UNITS_PER_EM
    place = (
        *(cosine * scale, -sine * scale, -sine * scale, -cosine * scale),
        page.width / 2 - cosine * x - sine * y,
        page.height / 2 + sine * x - cosine * y,
    )
    return Path(data=_outlines(), stroke=None, fill=_WORD_COLOR, transform=place)


@cache
def _outlines() -> str:
    """The word's outlines on a font's grid, y upwards."""
    source = sans()
    words: list[str] = []
    for number, character in enumerate(_WORD):
        pen = _recording_pen()
        source.contours(source.glyph(ord(character)) or 0, pen, (number * UNITS, 0))
        for operator, points in pen.value:
            if operator in ("moveTo", "lineTo"):
                words.append(f"{operator[0].upper()} {points[0][0]:g} {points[0][1]:g}")
            elif operator == "qCurveTo":
                for control, end in _quadratics(points):
                    words.append(f"Q {control[0]:g} {control[1]:g} {end[0]:g} {end[1]:g}")
            else:
                words.append("C")
    return " ".join(words)


def _ring(template: Template) -> list[Item]:
    x, y, width, height = template.stamp.box
    rx, ry = width / 2, height / 2
    data = (
        f"M {x:g} {y + ry:g} A {rx:g} {ry:g} 0 0 1 {x + width:g} {y + ry:g} "
        f"A {rx:g} {ry:g} 0 0 1 {x:g} {y + ry:g} C"
    )
    ring = Path(data=data, stroke=_RING_COLOR, line_width=_RING_WIDTH, dash=(1.0, 1.0))
    size = min(width, height) / 9
    style = Style(size=size, color=_RING_COLOR, align="center")
    return [ring, *fit("印章", (x, y + height * 0.72, width, size * 1.4), style)]
