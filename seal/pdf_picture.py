"""The seal's picture as a PDF draws it: an appearance that fills its box, whatever the aspect.

1. Transparency is kept; a picture in one colour, as seals are, stores that colour once.
2. What is drawn depends on the picture and the box alone, so it is prepared once a picture.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any, Final

from PIL import Image
from pyhanko.pdf_utils.generic import (
    ArrayObject,
    ByteStringObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
    StreamObject,
)

from runtime.errors import InvalidArgument

_KEPT: Final = 64  # pictures; a node has a few seals, and a strange one is 30 KB
_MAX_PIXELS: Final = 25_000_000
_FOUR_DEGREES: Final = frozenset({0, 85, 170, 255})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """Deflated samples. `colour` is RGB where it is everywhere the same: `samples` are 1-bit then.

    `alpha` has `alpha_bits` (2 or 8) a pixel.
    """

    width: int
    height: int
    colour: bytes | None
    samples: bytes
    alpha: bytes
    alpha_bits: int


@lru_cache(maxsize=_KEPT)
def prepare(image_png: bytes) -> _Picture:
    """Take a PNG apart. Raises InvalidArgument (`SEAL_IMAGE`)."""
    try:
        with Image.open(BytesIO(image_png), formats=["PNG"]) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                raise ValueError("too many pixels")
            picture = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidArgument(
            "the seal's picture is not a readable PNG", reason="SEAL_IMAGE",
            message_zh="印章图片不是有效的 PNG",
        ) from error  # fmt: skip
    width, height = picture.size
    alpha, rgb = picture.getchannel("A"), picture.convert("RGB")
    used = {value for value, count in enumerate(alpha.histogram()) if count}
    few = used <= _FOUR_DEGREES
    ranges: Any = rgb.getextrema()
    plain = all(least == most for least, most in ranges)
    samples = bytes((width + 7) // 8 * height) if plain else rgb.tobytes()
    return _Picture(
        width=width,
        height=height,
        colour=bytes(least for least, _ in ranges) if plain else None,
        samples=zlib.compress(samples, 9),
        alpha=zlib.compress(_two_bits(alpha) if few else alpha.tobytes(), 9),
        alpha_bits=2 if few else 8,
    )


def _two_bits(alpha: Image.Image) -> bytes:
    """Four degrees, four pixels an octet; rows begin anew."""
    packed = alpha.point([value // 85 for value in range(256)])
    packed.putpalette(bytes(12))  # only palettes are packed
    return packed.tobytes("raw", "P;2")


def add_appearance(writer: Any, image_png: bytes, *, width: int, height: int) -> Any:
    """Add a form XObject of that size in points to the file; its reference. Raises `SEAL_IMAGE`."""
    picture = prepare(image_png)
    alpha = _image(picture, picture.alpha, bits=picture.alpha_bits)
    alpha["/ColorSpace"] = NameObject("/DeviceGray")
    image = _image(picture, picture.samples, bits=8 if picture.colour is None else 1)
    image["/ColorSpace"] = NameObject("/DeviceRGB")
    if picture.colour is not None:
        one = (NameObject("/Indexed"), NameObject("/DeviceRGB"), NumberObject(0))
        image["/ColorSpace"] = ArrayObject([*one, ByteStringObject(picture.colour)])
    image["/SMask"] = writer.add_object(alpha)
    names = DictionaryObject({NameObject("/Seal"): writer.add_object(image)})
    form = StreamObject(
        {
            NameObject("/Type"): NameObject("/XObject"),
            NameObject("/Subtype"): NameObject("/Form"),
            NameObject("/BBox"): ArrayObject(FloatObject(one) for one in (0, 0, width, height)),
            NameObject("/Resources"): DictionaryObject({NameObject("/XObject"): names}),
        },
        stream_data=b"q %d 0 0 %d 0 0 cm /Seal Do Q" % (width, height),
    )
    return writer.add_object(form)


def _image(picture: _Picture, data: bytes, *, bits: int) -> Any:
    return StreamObject(
        {
            NameObject("/Type"): NameObject("/XObject"),
            NameObject("/Subtype"): NameObject("/Image"),
            NameObject("/Width"): NumberObject(picture.width),
            NameObject("/Height"): NumberObject(picture.height),
            NameObject("/BitsPerComponent"): NumberObject(bits),
            NameObject("/Filter"): NameObject("/FlateDecode"),
        },
        encoded_data=data,
    )
