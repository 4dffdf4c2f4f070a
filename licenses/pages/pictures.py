"""Pictures as PDF wants them: colour and transparency apart, JPEG left as it is.

A picture that decodes to more than MAX_PIXELS is refused before it is decoded.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO

from PIL import Image as Pillow
from PIL import UnidentifiedImageError
from PIL.Image import DecompressionBombError, DecompressionBombWarning

from licenses.pages.drawing import image_format
from runtime.errors import InvalidArgument

MAX_PIXELS = 25_000_000
#: Of a picture that is a field of a license: a photo needs a tenth of either.
FIELD_BYTES = 512 << 10
FIELD_PIXELS = 4_000_000
#: Of a progressive JPEG, which has some ten: each goes over the whole picture, and may say nothing.
MAX_PASSES = 100
_START_OF_SCAN = b"\xff\xda"  # in compressed data an FF is followed by 00


@lru_cache(maxsize=64)
def checked(data: bytes, field: str) -> tuple[int, int]:
    """Width and height of a picture that can be drawn whole, refused by its field otherwise.

    Raises InvalidArgument: IMAGE_TOO_LARGE, IMAGE_UNKNOWN, IMAGE_UNREADABLE.
    """
    if len(data) > FIELD_BYTES:
        raise _too_large(field, f"{FIELD_BYTES >> 10} KiB")
    return decoded(data, field, FIELD_PIXELS)


def decoded(data: bytes, field: str, most: int) -> tuple[int, int]:
    """Width and height of a picture of at most so many pixels, once all of it was decoded.

    Raises as `checked`.
    """
    try:
        kind = image_format(data)
    except InvalidArgument as error:
        raise InvalidArgument(
            f"{field}: {error.message}",
            reason=error.reason,
            message_zh=f"“{field}”：{error.message_zh}",
            field=field,
        ) from error
    if kind == "JPEG" and data.count(_START_OF_SCAN) > MAX_PASSES:
        raise _too_large(field, f"{MAX_PASSES} passes")
    try:
        with Pillow.open(BytesIO(data), formats=(kind,)) as image:
            if image.width * image.height > most:
                raise _too_large(field, f"{most:,} pixels")
            image.load()
            return image.width, image.height
    except (DecompressionBombError, DecompressionBombWarning) as error:
        raise _too_large(field, f"{most:,} pixels") from error
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
        raise InvalidArgument(
            f"{field}: the picture cannot be decoded; save it again as PNG or JPEG",
            reason="IMAGE_UNREADABLE",
            message_zh=f"“{field}”的图片无法解码，请重新存为 PNG 或 JPEG",
            field=field,
        ) from error


def _too_large(field: str, most: str) -> InvalidArgument:
    return InvalidArgument(
        f"{field}: the picture is larger than {most}; make it smaller",
        reason="IMAGE_TOO_LARGE",
        message_zh=f"“{field}”的图片超过 {most}，请缩小后再提交",
        field=field,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """`data` is a JPEG file if `jpeg`, else deflated 8-bit samples; `alpha` is deflated too."""

    width: int
    height: int
    gray: bool
    data: bytes = field(repr=False)
    alpha: bytes | None = field(default=None, repr=False)
    jpeg: bool = False


@lru_cache(maxsize=16)
def decode(data: bytes) -> Picture:
    """Prepare a PNG or JPEG; InvalidArgument IMAGE_UNKNOWN, IMAGE_UNREADABLE, IMAGE_TOO_LARGE."""
    kind = image_format(data)
    try:
        with Pillow.open(BytesIO(data), formats=(kind,)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_many()
            if kind == "JPEG" and image.mode in ("L", "RGB"):
                return Picture(
                    width=image.width,
                    height=image.height,
                    gray=image.mode == "L",
                    data=data,
                    jpeg=True,
                )
            return _samples(image)
    except (DecompressionBombError, DecompressionBombWarning) as error:
        raise _too_many() from error
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
        raise InvalidArgument(
            "a picture cannot be decoded", reason="IMAGE_UNREADABLE", message_zh="图片无法解码"
        ) from error


def _too_many() -> InvalidArgument:
    return InvalidArgument(
        f"a picture has more than {MAX_PIXELS:,} pixels",
        reason="IMAGE_TOO_LARGE",
        message_zh="图片像素过多",
    )


def _samples(image: Pillow.Image) -> Picture:
    gray = image.mode in ("1", "L", "LA")
    alpha: bytes | None = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = zlib.compress(image.getchannel("A").tobytes())
    return Picture(
        width=image.width,
        height=image.height,
        gray=gray,
        data=zlib.compress(image.convert("L" if gray else "RGB").tobytes()),
        alpha=alpha,
    )
