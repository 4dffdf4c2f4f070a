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

from licenses.pages.drawing import image_format
from runtime.errors import InvalidArgument

MAX_PIXELS = 25_000_000


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
                raise InvalidArgument(
                    f"a picture has more than {MAX_PIXELS:,} pixels",
                    reason="IMAGE_TOO_LARGE",
                    message_zh="图片像素过多",
                )
            if kind == "JPEG" and image.mode in ("L", "RGB"):
                return Picture(
                    width=image.width,
                    height=image.height,
                    gray=image.mode == "L",
                    data=data,
                    jpeg=True,
                )
            return _samples(image)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
        raise InvalidArgument(
            "a picture cannot be decoded", reason="IMAGE_UNREADABLE", message_zh="图片无法解码"
        ) from error


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
