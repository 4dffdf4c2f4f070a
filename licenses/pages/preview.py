"""A template looked at while it is written: its sample on its pages, in any of the four forms.

Every page says that it is a specimen, and where the seal will be is a dashed ring: a preview is
made of the same parts as a license, and must not be taken for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from licenses.pages.fonts import units
from licenses.pages.html import write_html
from licenses.pages.layout import Style, fit
from licenses.pages.model import Document, Item, Page, Path, Text
from licenses.pages.ofd import write_ofd
from licenses.pages.pdf import write_pdf
from licenses.pages.png import pdf_to_png
from licenses.pages.samples import sample_values
from licenses.pages.sheets import Template, Value
from licenses.pages.template import lay_out

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
        items: tuple[Item, ...] = (*_word(page), *page.items)
        if number == template.stamp.page:
            items += tuple(_ring(template))
        pages.append(replace(page, items=items))
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


def _word(page: Page) -> list[Text]:
    """Under everything but the ornaments, across the page."""
    size = min(page.width, page.height) * 0.42
    width = sum(unit.width for unit in units(_WORD, "regular")) * size
    cosine, sine = 0.906, 0.423  # 25 degrees upwards
    turned = (
        *(cosine, -sine, sine, cosine),
        page.width / 2 - cosine * width / 2 - sine * size * 0.36,
        page.height / 2 + sine * width / 2 + cosine * size * 0.36,
    )
    return [Text(x=0, y=0, text=_WORD, size=size, color=_WORD_COLOR, transform=turned)]


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
