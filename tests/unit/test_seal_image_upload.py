"""Uploaded pictures: taken clean, or refused before they cost anything."""

from __future__ import annotations

import io
import random
import struct
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from runtime.errors import InvalidArgument
from seal.image.render import PNG_MAGIC, png_file
from seal.image.shapes import circular_seal, oval_seal, render_png
from seal.image.upload import MAX_BYTES, check_uploaded_image

SEAL = circular_seal("示范县公安局")
GOOD = render_png(SEAL)
SIZE = {"width_mm": 42, "height_mm": 42}


def reason(data, **sizes):
    with pytest.raises(InvalidArgument) as caught:
        check_uploaded_image(data, **(SIZE | sizes))
    assert caught.value.message != caught.value.message_zh
    assert caught.value.message_zh.startswith("印章图片不符合要求")
    return caught.value.reason.removeprefix("SEAL_IMAGE_")


def png(picture, **options):
    out = io.BytesIO()
    picture.save(out, format="PNG", **options)
    return out.getvalue()


def chunks(data):
    at, found = 8, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def rgba(data):
    return Image.open(io.BytesIO(data)).convert("RGBA")


def round_picture(size=496, colour=(200, 0, 0, 255)):
    picture = Image.new("RGBA", (size, size))
    picture.paste(colour, (size // 4, size // 4, size // 2, size // 2))
    return picture


def test_a_good_picture_comes_back_with_the_same_pixels_and_nothing_else():
    clean = check_uploaded_image(GOOD, **SIZE)
    assert {kind for kind, _ in chunks(clean)} <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
    assert rgba(clean).getchannel("A").tobytes() == rgba(GOOD).getchannel("A").tobytes()
    assert Image.open(io.BytesIO(clean)).info["dpi"] == pytest.approx((300, 300), abs=0.5)
    assert check_uploaded_image(clean, **SIZE) == clean


def test_texts_profiles_and_invisible_colours_are_dropped():
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "somebody", zip=True)
    texts.add_itxt("Comment", "somebody")
    picture = round_picture()
    picture.putpixel((0, 0), (1, 2, 3, 0))
    data = png(picture, pnginfo=texts, icc_profile=b"profile" * 100, exif=b"Exif\0\0MM\0*")
    clean = check_uploaded_image(data, **SIZE)
    assert {kind for kind, _ in chunks(clean)} <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
    assert rgba(clean).getpixel((0, 0)) == (0, 0, 0, 0)
    assert rgba(clean).getpixel((200, 200)) == (200, 0, 0, 255)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_every_transparent_kind_of_png_is_taken(mode):
    assert check_uploaded_image(png(round_picture().convert(mode)), **SIZE)


def test_sixteen_bits_and_interlace_are_taken():
    row = b"\0" + (b"\xff\xff\0\0\0\0\xff\xff" * 250 + bytes(8 * 246))
    sixteen = png_file(
        (b"IHDR", struct.pack(">2L5B", 496, 496, 16, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * 496)),
        (b"IEND", b""),
    )
    clean = rgba(check_uploaded_image(sixteen, **SIZE))
    assert clean.getpixel((10, 10)) == (255, 0, 0, 255)
    assert clean.getpixel((400, 10))[3] == 0


def test_an_oval_one_for_its_size():
    data = render_png(oval_seal("示范县公安局"))
    assert check_uploaded_image(data, width_mm=40, height_mm=30)
    assert reason(data, width_mm=45, height_mm=30) == "RESOLUTION"
    assert reason(data, width_mm=38, height_mm=30) == "PROPORTIONS"
    assert reason(data, width_mm=30, height_mm=40) == "RESOLUTION"


@pytest.mark.parametrize(
    ("begin", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"GIF89a", "GIF"),
        (b"BM", "BMP"),
        (b"RIFF....WEBP", "WebP"),
        (b"<svg", "SVG"),
        (b"%PDF-", "PDF"),
    ],
)
def test_other_formats_are_named_and_refused(begin, kind):
    with pytest.raises(InvalidArgument, match=kind) as caught:
        check_uploaded_image(begin + bytes(100), **SIZE)
    assert caught.value.reason == "SEAL_IMAGE_NOT_PNG"


def test_a_name_of_png_does_not_make_one():
    for data in (b"", b"PNG", b"\x89PNG", b"\x89PNG\r\n\x1a\r\n" + GOOD[8:]):
        assert reason(data) == "NOT_PNG"


@pytest.mark.parametrize("size", [0, -1, 9, 101, float("nan"), float("inf")])
def test_sizes_that_no_seal_has(size):
    assert reason(GOOD, width_mm=size) == "SIZE"


def test_too_few_pixels():
    assert reason(render_png(SEAL, 290)) == "RESOLUTION"
    assert reason(GOOD, width_mm=50, height_mm=50) == "RESOLUTION"
    assert check_uploaded_image(render_png(SEAL, 600), **SIZE)


def test_an_opaque_ground_and_an_empty_picture():
    assert reason(png(Image.new("RGB", (496, 496), "white"))) == "OPAQUE"
    assert reason(png(round_picture().convert("RGB"))) == "OPAQUE"
    assert reason(png(Image.new("RGBA", (496, 496), (255, 255, 255, 200)))) == "OPAQUE"
    assert reason(png(Image.new("RGBA", (496, 496)))) == "EMPTY"


def test_several_frames():
    frames = [round_picture(), round_picture(colour=(0, 200, 0, 255))]
    assert reason(png(frames[0], save_all=True, append_images=frames[1:])) == "ANIMATED"


def test_over_one_mebibyte():
    assert reason(PNG_MAGIC + bytes(MAX_BYTES)) == "TOO_LARGE"


def test_what_would_be_large_once_written_anew():
    """A bit a pixel of noise is under the bound and 4 octets a pixel are not; nor is it slow."""
    noise = Image.frombytes("1", (2400, 2400), random.Random(1).randbytes(2400 * 300)).convert("P")
    noise.putpalette([200, 0, 0] * 2)
    data = png(noise, bits=1, transparency=bytes([0, 255] + [255] * 254)[:2])
    assert len(data) < MAX_BYTES
    begin = time.process_time()
    assert reason(data, width_mm=60, height_mm=60) == "TOO_LARGE"
    assert time.process_time() - begin < 4  # 16 at the highest compression


# --- bombs -----------------------------------------------------------------------------------


def claimed(width, height, content=b"", *more):
    return png_file(
        (b"IHDR", struct.pack(">2L5B", width, height, 8, 6, 0, 0, 0)),
        *more,
        (b"IDAT", content),
        (b"IEND", b""),
    )


@pytest.mark.parametrize(
    "data",
    [
        claimed(50_000, 50_000, zlib.compress(bytes(1000))),
        claimed(4801, 496),
        claimed(4000, 4000),
        claimed(0xFFFFFFFF, 0xFFFFFFFF),
        claimed(0, 496),
    ],
)
def test_a_claim_of_too_many_pixels_is_refused_at_once(data):
    assert reason(data) == "DIMENSIONS"


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt", b"eXIf", b"abCd"])
def test_what_is_packed_beside_the_pixels_is_never_inflated(kind):
    packed = zlib.compress(bytes(64 << 20))
    prefix = b"k\0\0" if kind != b"iTXt" else b"k\0\1\0\0\0"
    found = chunks(GOOD)
    data = png_file(found[0], (kind, prefix + packed), *found[1:])
    assert len(data) < MAX_BYTES
    tracemalloc.start()
    begin = time.process_time()
    clean = check_uploaded_image(data, **SIZE)
    spent, (_, peak) = time.process_time() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert clean == check_uploaded_image(GOOD, **SIZE)
    assert peak < 30 << 20
    assert spent < 2


def test_pixels_that_inflate_beyond_the_claim():
    data = claimed(496, 496, zlib.compress(bytes(100 << 20)))
    begin = time.process_time()
    assert reason(data) in ("EMPTY", "DAMAGED")
    assert time.process_time() - begin < 2


def test_a_crowd_of_chunks():
    data = PNG_MAGIC + chunk_bytes(b"IHDR", chunks(GOOD)[0][1]) + chunk_bytes(b"IDAT") * 80_000
    assert reason(data) == "DAMAGED"


def chunk_bytes(kind, content=b""):
    return png_file((kind, content))[8:]


# --- damage ----------------------------------------------------------------------------------


def test_damage_is_named():
    found = chunks(GOOD)
    assert reason(GOOD[:-1]) == "DAMAGED"
    assert reason(GOOD + b"\0") == "DAMAGED"
    assert reason(GOOD[:200]) == "DAMAGED"
    assert reason(GOOD[:300] + bytes([GOOD[300] ^ 1]) + GOOD[301:]) == "DAMAGED"
    assert reason(png_file(*found[1:])) == "DAMAGED"
    assert reason(png_file(found[0], *found)) == "DAMAGED"
    assert reason(png_file(found[-1])) == "DAMAGED"
    assert reason(png_file(*[one for one in found if one[0] != b"IDAT"])) == "DAMAGED"
    assert reason(claimed(496, 496, zlib.compress(bytes(1000)))) == "DAMAGED"
    assert reason(claimed(496, 496, b"not deflated")) == "DAMAGED"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutants_are_taken_or_refused_by_name(data):
    found = chunks(GOOD)
    at = data.draw(st.integers(0, len(found) - 1))
    kind, content = found[at]
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        if changed:
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    found[at] = (kind, bytes(changed))
    try:
        check_uploaded_image(png_file(*found), **SIZE)
    except InvalidArgument as error:
        assert error.reason.startswith("SEAL_IMAGE_")
