"""Previews: drawn from the document's own bytes, the same from OFD and from PDF."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image, ImageChops

from licenses.pages.model import Rect
from licenses.pages.ofd import write_ofd
from licenses.pages.pdf import write_pdf
from licenses.pages.png import ofd_to_png, pdf_to_png
from runtime.errors import DomainError
from tests.builders.ofd import plain_ofd, seal_ofd
from tests.builders.pages import everything, registration
from tests.builders.pdf import plain_pdf, sealed_pdf


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data)).convert("RGB")


@pytest.mark.parametrize("page", [1, 2])
def test_ofd_and_pdf_look_alike(page: int) -> None:
    document = everything()
    one = opened(ofd_to_png(write_ofd(document), page, dpi=150))
    other = opened(pdf_to_png(write_pdf(document), page, dpi=150))
    assert one.size == other.size
    difference = ImageChops.difference(one, other).convert("L")
    histogram = difference.histogram()
    # Lengths in OFD are rounded to a micrometre; antialiasing may show that in a few pixels.
    assert sum(histogram[64:]) < 0.0005 * one.width * one.height


def test_license_is_drawn() -> None:
    image = opened(ofd_to_png(write_ofd(registration()), dpi=100))
    assert image.width == pytest.approx(176 / 25.4 * 100, abs=1)
    assert image.height == pytest.approx(125 / 25.4 * 100, abs=1)
    colors = {color for _, color in image.getcolors(1 << 20) or []}
    assert (253, 251, 245) in colors  # paper
    assert any(r > 150 and g < 40 and b < 40 for r, g, b in colors)  # the title's red


@pytest.mark.parametrize(
    "render",
    [
        lambda: ofd_to_png(seal_ofd(plain_ofd()), dpi=72),
        lambda: pdf_to_png(sealed_pdf(plain_pdf()), dpi=72),
    ],
    ids=["ofd", "pdf"],
)
def test_seal_is_drawn(render: Callable[[], bytes]) -> None:
    image = opened(render())
    middle = (round((140 + 21) / 25.4 * 72), round((220 + 21) / 25.4 * 72))
    assert image.getpixel(middle) == (220, 0, 0)


def test_text_under_a_seal_of_an_ofd_is_seen() -> None:
    """A seal is ink: what it covers shows through."""
    document = registration()
    black = Rect(x=150, y=230, width=20, height=20, stroke=None, fill=(0, 0, 0))
    page = replace(document.pages[0], width=210, height=297, background=(), items=(black,))
    sealed = seal_ofd(write_ofd(replace(document, pages=(page,))))
    middle = (round((140 + 21) / 25.4 * 72), round((220 + 21) / 25.4 * 72))
    assert opened(ofd_to_png(sealed, dpi=72)).getpixel(middle) == (0, 0, 0)


@pytest.mark.parametrize(
    ("page", "dpi", "reason"),
    [
        (0, 72, "PAGE_OUT_OF_RANGE"),
        (2, 72, "PAGE_OUT_OF_RANGE"),
        (1, 0, "DPI_INVALID"),
        (1, 5000, "DPI_INVALID"),
    ],
)
def test_impossible_pictures_are_refused(page: int, dpi: float, reason: str) -> None:
    with pytest.raises(DomainError) as caught:
        pdf_to_png(write_pdf(registration()), page, dpi)
    assert caught.value.reason == reason


def test_broken_pdf_is_refused() -> None:
    with pytest.raises(DomainError) as caught:
        pdf_to_png(b"not a pdf")
    assert caught.value.reason == "PDF_UNREADABLE"
