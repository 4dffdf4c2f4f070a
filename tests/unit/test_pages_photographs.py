"""Pictures as pages take them."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from licenses.pages.photographs import prepared, upright_size
from runtime.errors import InvalidArgument

PLACE = (10.0, 10.0, 26.0, 32.0)


def portrait(size: tuple[int, int] = (900, 1100), mode: str = "RGB") -> Image.Image:
    """Light above, dark below, and more than a few colours."""
    return Image.linear_gradient("L").resize(size).convert(mode)


def speck() -> Image.Image:
    """White but for one dot."""
    image = Image.new("RGB", (300, 370), "white")
    image.putpixel((20, 20), (0, 0, 0))
    return image


def written(image: Image.Image, kind: str = "JPEG", **more: object) -> bytes:
    held = BytesIO()
    image.save(held, kind, **more)
    return held.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def test_a_camera_s_notes_and_what_follows_the_picture_are_left_out() -> None:
    notes = Image.Exif()
    notes[0x010F] = "EXAMPLE MAKER"
    sent = written(portrait(), exif=notes, comment=b"a remark") + b"<script>alert(1)</script>"
    kept = prepared(sent, PLACE, "KZ_ZP")
    for hidden in (b"EXAMPLE MAKER", b"a remark", b"script", b"Exif"):
        assert hidden in sent
        assert hidden not in kept


@pytest.mark.parametrize("told", [1, 3, 6, 8])
def test_the_size_that_is_asked_of_a_picture_is_that_of_the_turned_one(told: int) -> None:
    notes = Image.Exif()
    notes[0x0112] = told
    size = upright_size(written(portrait((110, 90)), exif=notes), (110, 90))
    assert size == ((90, 110) if told in (6, 8) else (110, 90))


def test_a_picture_is_turned_as_its_camera_says() -> None:
    lying = portrait((1100, 900)).rotate(0)
    notes = Image.Exif()
    notes[0x0112] = 6  # the camera was held upright
    kept = opened(prepared(written(lying, exif=notes), PLACE, "KZ_ZP"))
    assert kept.width < kept.height
    # What was above stands at the right now: dark to light, from left to right reversed.
    left, right = kept.convert("L").getpixel((5, 150)), kept.convert("L").getpixel((295, 150))
    assert left > 200 > 50 > right


def test_a_large_picture_is_made_as_fine_as_print() -> None:
    noise = Image.effect_noise((800, 985), 30)
    sent = written(noise, quality=75)
    kept = prepared(sent, PLACE, "KZ_ZP")
    assert opened(kept).size in {(307, 379), (307, 378)}
    assert len(kept) < len(sent) / 4
    assert prepared(sent, PLACE, "KZ_ZP") == kept


def test_a_small_picture_is_not_made_larger() -> None:
    assert opened(prepared(written(portrait((150, 180))), PLACE, "KZ_ZP")).size == (150, 180)


def test_what_is_transparent_lies_on_white() -> None:
    clear = portrait((300, 370), "RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 100, 370))
    kept = opened(prepared(written(clear, "PNG"), PLACE, "KZ_ZP")).convert("RGB")
    assert min(kept.getpixel((20, 200))) > 245


def test_a_drawing_stays_as_sharp_as_it_is() -> None:
    drawing = Image.new("1", (300, 370), 1)
    drawing.paste(0, (100, 100, 200, 200))
    kept = opened(prepared(written(drawing, "PNG"), PLACE, "KZ_ZP"))
    assert kept.format == "PNG"
    assert kept.getextrema() == (0, 255)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (Image.new("RGBA", (300, 370), (0, 0, 0, 0)), "IMAGE_EMPTY"),
        (Image.new("RGB", (300, 370), "white"), "IMAGE_EMPTY"),
        (speck(), "IMAGE_EMPTY"),
        (portrait((2000, 120)), "IMAGE_OF_OTHER_SHAPE"),
        (portrait((120, 700)), "IMAGE_OF_OTHER_SHAPE"),
    ],
)
def test_what_is_no_portrait_is_refused_by_its_field(image: Image.Image, reason: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        prepared(written(image, "PNG"), PLACE, "KZ_ZP")
    assert refused.value.reason == reason
    assert "KZ_ZP" in refused.value.message


def test_a_scanner_s_shades_of_sixteen_bits_stay_what_they_are() -> None:
    deep = portrait((300, 370), "L").convert("I").point(lambda shade: shade * 257)
    kept = opened(prepared(written(deep.convert("I;16"), "PNG"), PLACE, "KZ_ZP"))
    assert kept.getpixel((150, 20)) < 40
    assert kept.getpixel((150, 350)) > 215
    assert abs(kept.getpixel((150, 185)) - 127) < 6


def test_notes_that_cannot_be_read_turn_nothing() -> None:
    notes = Image.Exif()
    notes[0x0112] = 6
    sent = written(portrait((300, 370)), exif=notes).replace(
        b"\x01\x12\x00\x03", b"\x01\x12\x00\x7f"
    )
    assert opened(prepared(sent, PLACE, "KZ_ZP")).size == (300, 370)


def test_a_dithered_picture_is_no_drawing() -> None:
    dithered = Image.effect_noise((300, 370), 80).convert("1")
    kept = prepared(written(dithered, "PNG"), PLACE, "KZ_ZP")
    assert len(kept) < 60_000 or opened(kept).format == "JPEG"
