"""The ten shipped pages: one text in one place in every form, their size, their looks."""

from __future__ import annotations

import pytest

from licenses.pages.html import write_html
from licenses.pages.ofd import write_ofd
from licenses.pages.ofd_reader import read_ofd
from licenses.pages.pdf import write_pdf
from licenses.pages.png import ofd_to_png, pdf_to_png
from licenses.pages.samples import sample_values
from licenses.pages.template import lay_out, load
from licenses.types.pages import checked, shipped
from tests.builders.license_golden import DPI, FOLDER
from tests.builders.license_pages import (
    TYPES,
    coarse,
    difference,
    in_html,
    in_model,
    in_pdf,
    sample,
)
from tests.builders.pages import CREATED

# mm: OFD and PDF write lengths to a micrometre, and PDF's adjustments to a ten-thousandth of an em.
CLOSE = 0.02
MOST_BYTES = 60_000


def test_ten_types_fit_their_pages() -> None:
    assert [checked(text, page).id for text, page in shipped()] == list(TYPES)
    assert len(TYPES) == 10


@pytest.mark.parametrize("name", TYPES)
def test_the_same_text_is_at_the_same_place_in_every_form(name: str) -> None:
    document = sample(name)
    ofd, pdf, html = write_ofd(document), write_pdf(document), write_html(document)
    read = read_ofd(ofd)
    for page in range(len(document.pages)):
        wanted = in_model(document, page)
        text = "".join(character for character, _, _ in wanted)
        for found in (in_model(read, page), in_html(html, page)):
            assert "".join(character for character, _, _ in found) == text
            for (_, x, y), (_, a, b) in zip(wanted, found, strict=True):
                assert abs(x - a) < CLOSE
                assert abs(y - b) < CLOSE
        # PDFium tells lines in an order of its own.
        placed = in_pdf(pdf, page)
        assert sorted(c for c, _, _ in placed) == sorted(text)
        for character, x, y in wanted:
            there = [(abs(a - x), abs(b - y)) for c, a, b in placed if c == character]
            assert any(dx < CLOSE and dy < CLOSE for dx, dy in there), (character, x, y)


@pytest.mark.parametrize("name", TYPES)
def test_ofd_and_pdf_are_one_picture_like_the_golden_one(name: str) -> None:
    document = sample(name)
    ofd, pdf = write_ofd(document), write_pdf(document)
    for page in range(1, len(document.pages) + 1):
        drawn = pdf_to_png(pdf, page, DPI)
        assert max(difference(drawn, ofd_to_png(ofd, page, DPI))) < 1
        golden = (FOLDER / f"{name}-{page}.png").read_bytes()
        mean, worst = difference(coarse(drawn), golden)
        # Another version of the rasteriser may smooth edges otherwise; nothing may move or vanish.
        assert mean < 2, "the page looks otherwise: see tests/golden/README.md"
        assert worst < 12, "a part of the page looks otherwise: see tests/golden/README.md"


def test_a_missing_line_is_seen() -> None:
    template = load("employment-registration")
    values = {**sample_values(template), "holder_name": "林"}
    changed = write_pdf(lay_out(template, values, created=CREATED))
    golden = (FOLDER / "employment-registration-1.png").read_bytes()
    _, worst = difference(coarse(pdf_to_png(changed, 1, DPI)), golden)
    assert worst > 12


@pytest.mark.parametrize("name", TYPES)
def test_every_form_is_small_and_always_the_same(name: str) -> None:
    document = sample(name)
    ofd, pdf = write_ofd(document), write_pdf(document)
    assert (len(ofd) < MOST_BYTES, len(pdf) < MOST_BYTES) == (True, True), (len(ofd), len(pdf))
    template = load(name)
    again = lay_out(
        template,
        sample_values(template),
        created=CREATED,
        author=document.author,
        metadata=document.metadata,
        qr=None,
    )
    assert again.shared == document.shared
    assert write_html(document) == write_html(document)


@pytest.mark.parametrize("name", TYPES)
def test_html_asks_for_nothing_from_outside(name: str) -> None:
    text = write_html(sample(name)).decode()
    assert "<script" not in text
    assert " on" not in text.partition("<body>")[2].replace(" one", "")
    assert "style=" not in text.replace("style-src", "")
    assert text.count("http") == text.count('xmlns="http://www.w3.org/2000/svg"') + text.count(
        "http-equiv"
    )
    assert "default-src 'none'" in text
