"""The seal's picture as a PDF draws it: an appearance that fills its box, whatever the aspect.

1. Transparency is kept; a picture in one colour, as seals are, stores that colour once.
2. Text under a seal stays legible, as under ink: colours multiply (ISO 32000-2 §11.3.5.2).
3. What is drawn depends on the picture and the box alone, so it is prepared once a picture.
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
Box = tuple[float, float, float, float]
#: In points, a dot of 300 an inch: what draws by whole dots would cut a ring that touches its box.
_MARGIN: Final = 0.24
_INK: Final = DictionaryObject({NameObject("/BM"): NameObject("/Multiply")})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """Deflated samples. `colour` is RGB where it is everywhere the same: `samples` are 1-bit then.

    `alpha` has an octet a pixel: of few degrees too, as that deflates to less than two bits.
    """

    width: int
    height: int
    colour: bytes | None
    samples: bytes
    alpha: bytes


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
    ranges: Any = rgb.getextrema()
    plain = all(least == most for least, most in ranges)
    samples = bytes((width + 7) // 8 * height) if plain else rgb.tobytes()
    return _Picture(
        width=width,
        height=height,
        colour=bytes(least for least, _ in ranges) if plain else None,
        samples=zlib.compress(samples, 9),
        alpha=_deflated(alpha.tobytes()),
    )


def _deflated(samples: bytes) -> bytes:
    deflater = zlib.compressobj(9, memLevel=7, strategy=zlib.Z_FILTERED)  # the smallest by trial
    return deflater.compress(samples) + deflater.flush()


class Appearances:
    """The appearances of one picture in one file: the picture is stored once, and each form once.

    Raises `SEAL_IMAGE`.
    """

    def __init__(self, writer: Any, image_png: bytes) -> None:
        self._writer = writer
        self._picture = prepare(image_png)
        self._names: Any = None
        self._forms: dict[tuple[bytes, str, str], Any] = {}

    def form(self, whole: Box, shown: Box, turn: int) -> Any:
        """A reference to the form XObject that fills `shown` with its part of `whole`.

        `turn` is the page's, clockwise: the picture is turned back, so that it is seen upright.
        """
        width, height = whole[2] - whole[0] - 2 * _MARGIN, whole[3] - whole[1] - 2 * _MARGIN
        right, up = whole[0] - shown[0] + _MARGIN, whole[1] - shown[1] + _MARGIN
        # Where the picture's own x and y axes go, and its origin (ISO 32000-2 §8.3.3).
        matrix = {
            0: (width, 0.0, 0.0, height, right, up),
            90: (0.0, height, -width, 0.0, right + width, up),
            180: (-width, 0.0, 0.0, -height, right + width, up + height),
            270: (0.0, -height, width, 0.0, right, up + height),
        }[turn]
        drawing = b"q /Ink gs %s cm /Seal Do Q" % b" ".join(_number(one).encode() for one in matrix)
        size = _number(shown[2] - shown[0]), _number(shown[3] - shown[1])
        key = (drawing, *size)
        if key not in self._forms:
            self._forms[key] = self._add(drawing, size)
        return self._forms[key]

    def _add(self, drawing: bytes, size: tuple[str, str]) -> Any:
        if self._names is None:
            image = self._writer.add_object(_colours(self._writer, self._picture))
            self._names = DictionaryObject({NameObject("/Seal"): image})
        form = StreamObject(
            {
                NameObject("/Type"): NameObject("/XObject"),
                NameObject("/Subtype"): NameObject("/Form"),
                NameObject("/BBox"): ArrayObject(FloatObject(one) for one in ("0", "0", *size)),
                NameObject("/Resources"): DictionaryObject(
                    {
                        NameObject("/XObject"): self._names,
                        NameObject("/ExtGState"): DictionaryObject({NameObject("/Ink"): _INK}),
                    }
                ),
            },
            stream_data=drawing,
        )
        return self._writer.add_object(form)


def _number(value: float) -> str:
    """Three decimals at most: a third of a micrometre."""
    return f"{round(value, 3) + 0.0:.3f}".rstrip("0").rstrip(".")


def _colours(writer: Any, picture: _Picture) -> Any:
    alpha = _image(picture, picture.alpha, bits=8)
    alpha["/ColorSpace"] = NameObject("/DeviceGray")
    image = _image(picture, picture.samples, bits=8 if picture.colour is None else 1)
    image["/ColorSpace"] = NameObject("/DeviceRGB")
    if picture.colour is not None:
        one = (NameObject("/Indexed"), NameObject("/DeviceRGB"), NumberObject(0))
        image["/ColorSpace"] = ArrayObject([*one, ByteStringObject(picture.colour)])
    image["/SMask"] = writer.add_object(alpha)
    return image


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
