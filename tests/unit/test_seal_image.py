"""The picture: deterministic, inside its ring, without overlaps, and quick."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from lxml import etree
from PIL import Image

from runtime.errors import InvalidArgument
from seal import image

SHORT = "示范县公安局"
LONG = "示范县自然资源和规划局不动产登记事务中心"
SPECIAL = {"bottom": "电子证照专用章", "code": "9901010000017"}


def box(outline):
    points = [point for contour in image._flattened(outline, 8) for point in contour]
    across, down = [x for x, _ in points], [y for _, y in points]
    return min(across), min(down), max(across), max(down)


def pixels(drawn, dpi=150):
    """As anyone sees it, and so that it loads at all."""
    return Image.open(io.BytesIO(image.render_png(drawn, dpi))).convert("RGBA")


def test_the_same_arguments_give_the_same_bytes():
    one, two = (image.circular_seal(LONG, **SPECIAL) for _ in range(2))
    assert one == two
    assert image.render_png(one) == image.render_png(two)


def test_the_svg_is_well_formed_and_self_contained():
    root = etree.fromstring(image.circular_seal(SHORT, code="9901010000017").svg)
    assert root.get("viewBox") == "0 0 42 42"
    assert root.get("width") == "42mm"
    # Ring, star, six characters, thirteen figures; nothing that asks for a font.
    assert [etree.QName(one).localname for one in root.iter()].count("path") == 21
    assert root[0].get("fill") == "#dd0000"


@pytest.mark.parametrize("name", [SHORT, "示范县人民政府", LONG, "示范" * 15, "AB示范（局）"])
@pytest.mark.parametrize("more", [{}, SPECIAL], ids=["plain", "special"])
def test_everything_lies_inside_the_ring_and_outside_the_star(name, more):
    drawn = image.circular_seal(name, **more)
    for outline in drawn.outlines[2:]:
        for contour in image._flattened(outline, 4):
            for x, y in contour:
                distance = ((x - 21) ** 2 + (y - 21) ** 2) ** 0.5
                assert 7.0 < distance < 19.8


@pytest.mark.parametrize("name", [SHORT, LONG, "示范" * 15])
@pytest.mark.parametrize(
    "more", [{}, SPECIAL, {"bottom": "章" * 12}], ids=["plain", "special", "wide"]
)
def test_no_two_figures_overlap(name, more):
    drawn = image.circular_seal(name, **more)
    scale, size = 20.0, 840
    union = Image.new("1", (size, size))
    for outline in drawn.outlines:
        one = Image.new("1", (size, size))
        image._fill(one, outline, scale)
        both = image.ImageChops.logical_and(union, one)
        assert both.getbbox() is None
        union = image.ImageChops.logical_or(union, one)


def test_the_name_is_symmetric_and_reads_clockwise_from_the_left():
    boxes = [box(outline) for outline in image.circular_seal("国" * 7).outlines[2:]]
    middles = [(left + right) / 2 for left, _, right, _ in boxes]
    assert middles == sorted(middles)
    for one, other in zip(middles, reversed(middles), strict=True):
        assert one - 21 == pytest.approx(21 - other, abs=0.5)


def test_the_picture_has_its_size_its_colour_and_no_ground():
    picture = pixels(image.circular_seal(SHORT, diameter_mm=40), dpi=300)
    assert picture.size == (472, 472)
    assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert picture.getpixel((0, 0)) == (*image.RED, 0)
    assert picture.getpixel((236, 236)) == (*image.RED, 255)  # the star
    assert picture.getpixel((236, 4)) == (*image.RED, 255)  # the ring
    assert picture.getpixel((236, 420)) == (*image.RED, 0)


def test_the_picture_is_small_and_its_edges_are_soft():
    """A sealed OFD holds it twice; some shades of the edge keep it smooth."""
    made = image.render_png(image.circular_seal(LONG, **SPECIAL))
    assert len(made) < 11_000
    histogram = pixels(image.circular_seal(LONG, **SPECIAL), dpi=300).getchannel("A").histogram()
    assert [at for at, count in enumerate(histogram) if count] == [0, 85, 170, 255]


@pytest.mark.parametrize("size", [10, 10.1, 10.2, 10.3])
def test_rows_of_any_length_are_packed_right(size):
    picture = pixels(image.circular_seal(SHORT, diameter_mm=size), dpi=300)
    middle = picture.height // 2
    assert [picture.getpixel((x, middle))[3] for x in (2, picture.width - 3)] == [255, 255]
    assert picture.getpixel((0, 0))[3] == picture.getpixel((picture.width - 1, 0))[3] == 0


def test_counters_of_glyphs_stay_open():
    """回 has a hole in a hole: filled wrongly it would be a block."""
    drawn = image.circular_seal("回回回")
    left, top, right, bottom = box(drawn.outlines[3])
    picture = pixels(drawn, dpi=508)  # 20 pixels a mm
    alphas = [
        picture.getpixel((round(20 * (left + right) / 2), y))[3]
        for y in range(round(20 * top), round(20 * bottom))
    ]
    changes = sum((one > 127) != (two > 127) for one, two in pairwise(alphas))
    assert changes >= 6


def test_it_scales():
    small, large = (image.circular_seal(SHORT, diameter_mm=size) for size in (21, 42))
    for one, two in zip(small.outlines, large.outlines, strict=True):
        assert box(one)[0] * 2 == pytest.approx(box(two)[0], abs=0.01)


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "县"},
        {"name": "县" * 31},
        {"name": SHORT, "bottom": "章" * 13},
        {"name": SHORT, "code": "1" * 19},
        {"name": SHORT, "diameter_mm": 9},
        {"name": SHORT, "diameter_mm": float("nan")},
        {"name": "示范\U0001f9ff"},
        {"name": "示范\n县"},
    ],
)
def test_what_does_not_fit_is_refused(arguments):
    with pytest.raises(InvalidArgument) as caught:
        image.circular_seal(**arguments)
    assert caught.value.reason == "BAD_SEAL_TEXT"


@pytest.mark.parametrize("dpi", [0, 35, 1201])
def test_resolutions_are_bounded(dpi):
    with pytest.raises(InvalidArgument) as caught:
        image.render_png(image.circular_seal(SHORT), dpi)
    assert caught.value.reason == "BAD_RESOLUTION"


def test_threads_may_draw_at_once():
    image._glyph.cache_clear()
    names = [LONG[start : start + 6] for start in range(12)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(image.circular_seal, names))
    assert together == [image.circular_seal(name) for name in names]


def test_a_seal_is_quick_once_the_font_is_open():
    image.circular_seal(SHORT)
    image._glyph.cache_clear()
    spent = []
    for _ in range(3):
        start = time.process_time()
        image.render_png(image.circular_seal(LONG, **SPECIAL))
        spent.append(time.process_time() - start)
    assert min(spent) < 0.15
