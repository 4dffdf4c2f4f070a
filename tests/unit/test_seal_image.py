"""Drawn pictures: deterministic, inside their edges, without overlaps, readable, and quick."""

from __future__ import annotations

import io
import re
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pypdfium2
import pypdfium2.raw as raw
import pytest
from lxml import etree
from PIL import Image, ImageChops, ImageStat

from runtime.errors import InvalidArgument
from seal.image import glyphs
from seal.image import render as image_render
from seal.image import shapes as image
from seal.image.sizes import OFFICIAL_SIZES, usual_size

SHORT = "示范县公安局"
LONG = "示范县自然资源和规划局不动产登记事务中心"
LONGEST = LONG + "行政审批服务窗口电子证照业务受理专用处室"
SPECIAL = {"bottom": "电子证照专用章", "code": "9901010000017"}


def box(outline):
    points = [point for contour in glyphs.flattened(outline, 8) for point in contour]
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
    root = etree.fromstring(image.render_svg(image.circular_seal(SHORT, code="9901010000017")))
    assert root.get("viewBox") == "0 0 42 42"
    assert root.get("width") == "42mm"
    # Ring, star, six characters, thirteen figures; nothing that asks for a font.
    assert [etree.QName(one).localname for one in root.iter()].count("path") == 21
    assert root[0].get("fill") == "#dd0000"


@pytest.mark.parametrize("name", [SHORT, "示范县人民政府", LONG, LONGEST, "示范", "AB示范（局）"])
@pytest.mark.parametrize("more", [{}, SPECIAL], ids=["plain", "special"])
def test_everything_lies_inside_the_ring_and_outside_the_star(name, more):
    drawn = image.circular_seal(name, **more)
    for outline in drawn.outlines[2:]:
        for contour in glyphs.flattened(outline, 4):
            for x, y in contour:
                distance = ((x - 21) ** 2 + (y - 21) ** 2) ** 0.5
                assert 7.0 < distance < 19.8


OVAL = {"bottom": "发票专用章", "code": "91330100799655058B"}
MANY = {
    **{
        f"circular-{len(name)}-{at}": image.circular_seal(name, **more)
        for name in (SHORT, LONG, LONGEST, "章" * 40, "示范" * 15)
        for at, more in enumerate(({}, SPECIAL, {"bottom": "章" * 12, "code": "9" * 18}))
    },
    **{
        f"oval-{len(name)}-{at}": image.oval_seal(name, **more)
        for name in ("示范", SHORT, LONG, LONGEST, "章" * 40)
        for at, more in enumerate(
            ({}, OVAL, {"bottom": "章" * 12}, {"width_mm": 45, **OVAL}, {"width_mm": 60})
        )
    },
    **{f"square-{count}": image.square_seal(LONG[:count]) for count in range(1, 17)},
}


@pytest.mark.parametrize("drawn", MANY.values(), ids=MANY)
def test_no_two_figures_overlap(drawn):
    scale = 20.0
    size = (round(drawn.width_mm * scale), round(drawn.height_mm * scale))
    union = Image.new("1", size)
    for outline in drawn.outlines:
        one = Image.new("1", size)
        image_render.fill(one, outline, scale)
        both = ImageChops.logical_and(union, one)
        assert both.getbbox() is None
        union = ImageChops.logical_or(union, one)


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
    assert [at for at, count in enumerate(histogram) if count] == [0, 128, 255]


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
        {"name": "县" * 41},
        {"name": SHORT, "bottom": "章" * 13},
        {"name": SHORT, "code": "1" * 19},
        {"name": "示范\U0001f9ff"},
        {"name": "示范\n县"},
    ],
)
def test_what_does_not_fit_is_refused(arguments):
    with pytest.raises(InvalidArgument) as caught:
        image.circular_seal(**arguments)
    assert caught.value.reason == "BAD_SEAL_TEXT"


def test_a_character_that_the_font_lacks_is_named():
    with pytest.raises(InvalidArgument) as caught:
        image.circular_seal(name="示范\U0001f9ff")
    assert "U+1F9FF" in caught.value.message
    assert "\U0001f9ff" in caught.value.message_zh


@pytest.mark.parametrize(
    ("draw", "text", "sizes"),
    [
        (image.circular_seal, SHORT, {"diameter_mm": 9}),
        (image.circular_seal, SHORT, {"diameter_mm": float("nan")}),
        (image.circular_seal, SHORT, {"diameter_mm": 100.1}),
        (image.oval_seal, SHORT, {"width_mm": 30, "height_mm": 30}),
        (image.oval_seal, SHORT, {"width_mm": 30, "height_mm": 40}),
        (image.oval_seal, SHORT, {"width_mm": 90, "height_mm": 30}),
        (image.oval_seal, SHORT, {"width_mm": float("inf")}),
        (image.square_seal, "张三", {"size_mm": 101}),
    ],
)
def test_what_is_no_seals_size_is_refused(draw, text, sizes):
    with pytest.raises(InvalidArgument) as caught:
        draw(text, **sizes)
    assert caught.value.reason == "BAD_SEAL_SIZE"


@pytest.mark.parametrize("text", ["", "县" * 17, "张\n三", "\u0000"])
def test_what_a_square_does_not_hold_is_refused(text):
    with pytest.raises(InvalidArgument) as caught:
        image.square_seal(text)
    assert caught.value.reason == "BAD_SEAL_TEXT"


@pytest.mark.parametrize("drawn", MANY.values(), ids=MANY)
def test_everything_lies_inside_the_edge(drawn):
    left, top, right, bottom = box(drawn.outlines[0])
    assert (left, top) == pytest.approx((0, 0), abs=0.01)
    assert (right, bottom) == pytest.approx((drawn.width_mm, drawn.height_mm), abs=0.01)
    for outline in drawn.outlines[1:]:
        one = box(outline)
        assert one[0] > left + 1
        assert one[1] > top + 1
        assert one[2] < right - 1
        assert one[3] < bottom - 1


@pytest.mark.parametrize("name", [SHORT, LONG, LONGEST])
def test_characters_stay_wide_enough_to_be_read(name):
    """About 1.2 mm and more in the middle of the arc: 14 pixels at 300 dpi."""
    for drawn, least in ((image.circular_seal(name), 1.4), (image.oval_seal(name), 1.1)):
        boxes = [box(outline) for outline in drawn.outlines]
        upright = [
            one
            for one in boxes
            if abs((one[0] + one[2]) / 2 - drawn.width_mm / 2) < 4 and one[3] < drawn.height_mm / 3
        ]
        assert upright
        assert min(one[2] - one[0] for one in upright) > least


def test_without_a_star_the_middle_is_empty():
    with_star, without = (image.circular_seal(SHORT, star=one) for one in (True, False))
    assert len(with_star.outlines) == len(without.outlines) + 1
    assert pixels(without, dpi=300).getpixel((248, 248))[3] == 0


def test_a_square_reads_from_the_right_downwards():
    drawn = image.square_seal("示范县印", size_mm=20)
    first, second, third, fourth = (box(outline) for outline in drawn.outlines[1:])
    assert first[0] > 10 > third[2]
    assert first[3] < second[1]
    assert third[3] < fourth[1]


def test_an_oval_has_its_size_and_colour():
    picture = pixels(image.oval_seal(SHORT, **OVAL), dpi=300)
    assert picture.size == (472, 354)
    assert picture.getpixel((236, 4)) == (*image.RED, 255)
    assert picture.getpixel((0, 0))[3] == picture.getpixel((236, 340))[3] == 0


def test_the_official_sizes_can_be_drawn():
    draw = {
        "circular": lambda one: image.circular_seal(SHORT, diameter_mm=one.width_mm),
        "oval": lambda one: image.oval_seal(SHORT, width_mm=one.width_mm, height_mm=one.height_mm),
        "square": lambda one: image.square_seal("张三之印", size_mm=one.width_mm),
    }
    for one in OFFICIAL_SIZES:
        drawn = draw[one.shape](one)
        assert (drawn.width_mm, drawn.height_mm) == (one.width_mm, one.height_mm)
        assert one.sure in ("found", "practice")
        assert one.source or one.sure == "practice"
    for shape in draw:
        assert any(
            (one.width_mm, one.height_mm) == usual_size(shape)
            for one in OFFICIAL_SIZES
            if one.shape == shape
        )


@pytest.mark.parametrize("drawn", [MANY["circular-20-1"], MANY["oval-20-1"], MANY["square-9"]])
def test_svg_and_png_show_the_same(drawn):
    """The SVG's own path data, filled by another rasteriser, against the PNG's coverage."""
    scale, size = 6, (round(drawn.width_mm * 6), round(drawn.height_mm * 6))
    document = pypdfium2.PdfDocument.new()
    page = document.new_page(drawn.width_mm, drawn.height_mm)
    for path in etree.fromstring(image.render_svg(drawn)).iter("{*}path"):
        page.insert_obj(as_pdf_path(path.get("d"), drawn.height_mm))
    page.gen_content()
    seen = page.render(scale=scale).to_pil().getchannel("G").resize(size)
    ours = pixels(drawn, dpi=600).getchannel("A").resize(size)
    difference = ImageChops.difference(ImageChops.invert(seen), ours)
    assert ImageStat.Stat(difference).mean[0] < 5  # of 255: the edges


def as_pdf_path(data, height):
    """SVG path data as a filled path of PDFium, y upwards."""
    path = None
    for letter, numbers in re.findall(r"([MLCZ])([^MLCZ]*)", data):
        n = [float(one) for one in numbers.split()]
        n = [one if at % 2 == 0 else height - one for at, one in enumerate(n)]
        if letter == "M" and path is None:
            path = raw.FPDFPageObj_CreateNewPath(*n)
        elif letter == "M":
            raw.FPDFPath_MoveTo(path, *n)
        elif letter == "L":
            raw.FPDFPath_LineTo(path, *n)
        elif letter == "C":
            raw.FPDFPath_BezierTo(path, *n)
        else:
            raw.FPDFPath_Close(path)
    raw.FPDFPath_SetDrawMode(path, raw.FPDF_FILLMODE_WINDING, False)
    return pypdfium2.PdfObject(path)


@pytest.mark.parametrize("dpi", [0, 35, 1201])
def test_resolutions_are_bounded(dpi):
    with pytest.raises(InvalidArgument) as caught:
        image.render_png(image.circular_seal(SHORT), dpi)
    assert caught.value.reason == "BAD_RESOLUTION"


def test_pixels_are_bounded():
    with pytest.raises(InvalidArgument) as caught:
        image.render_png(image.circular_seal(SHORT, diameter_mm=100), 1200)
    assert caught.value.reason == "BAD_RESOLUTION"


def test_threads_may_draw_at_once():
    glyphs._glyph.cache_clear()
    names = [LONG[start : start + 6] for start in range(12)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(image.circular_seal, names))
    assert together == [image.circular_seal(name) for name in names]


def test_a_seal_is_quick_once_the_font_is_open():
    image.circular_seal(SHORT)
    glyphs._glyph.cache_clear()
    spent = []
    for _ in range(3):
        start = time.process_time()
        image.render_png(image.circular_seal(LONG, **SPECIAL))
        spent.append(time.process_time() - start)
    assert min(spent) < 0.10  # 0.05 on an idle machine
