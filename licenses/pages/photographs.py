"""Pictures as a page takes them: upright, no larger than print shows, and nothing but a picture.

What a camera or a program wrote beside the picture (where it was taken, by which device, whatever
follows its end) would be sealed with the license and read by everybody it is shown to. A picture is
therefore decoded, turned as its camera says, laid on white, made no finer than DOTS and written
anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from io import BytesIO
from typing import Any, Final

from PIL import Image as Pillow

from licenses.pages.model import Box
from licenses.pages.pictures import checked
from runtime.errors import InvalidArgument

#: Dots an inch on paper: what a printer of identity cards shows.
DOTS: Final = 300
_QUALITY: Final = 88
#: Of a drawing or a stamp, which JPEG would smear.
_FEW_COLOURS: Final = 64
#: Shades that paper, dust and a camera's noise give to what shows nothing.
_LEAST_CONTRAST: Final = 24
#: Share of the dots that may be anything.
_SPECKS: Final = 0.01
#: Of a sheet of paper, on which one line of text is less than a hundredth.
_DUST: Final = 0.00005
_ORIENTATION: Final = 0x0112
#: By what a camera says of how it was held (Exif 2.3, 4.6.4 A).
_TURNS: Final = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
#: Those that make its width its height.
_LYING: Final = frozenset(turn for told, turn in _TURNS.items() if told >= 5)
#: Of width to height, against the place on the page.
_MOST_STRETCH: Final = 2.0


def prepared(data: bytes, box: Box, field: str) -> bytes:
    """The PNG or JPEG that a page shows in `box` (mm); the same of the same bytes.

    Raises InvalidArgument: IMAGE_TOO_LARGE, IMAGE_UNKNOWN, IMAGE_UNREADABLE, IMAGE_EMPTY,
    IMAGE_OF_OTHER_SHAPE.
    """
    checked(data, field)
    with Pillow.open(BytesIO(data), formats=("PNG", "JPEG")) as opened:
        image = _on_white(_upright(opened))
    _, _, width, height = box
    stretch = (image.width / image.height) / (width / height)
    if not 1 / _MOST_STRETCH <= stretch <= _MOST_STRETCH:
        raise _refused(
            field,
            "IMAGE_OF_OTHER_SHAPE",
            f"the picture is {image.width} by {image.height} pixels, and its place on the license "
            f"{width:g} by {height:g} mm: cut it to that shape",
            f"图片为 {image.width}×{image.height} 像素，而证照上的位置为"
            f" {width:g}×{height:g} 毫米，请裁剪为相应比例",
        )
    if _contrast(image, _SPECKS) < _LEAST_CONTRAST:
        raise _refused(
            field,
            "IMAGE_EMPTY",
            "the picture shows nothing: it is of one colour or transparent",
            "图片没有内容（单一颜色或透明）",
        )
    return _written(_shrunk(image, box))


def upright_size(data: bytes, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a picture that can be decoded, as `prepared` turns it."""
    with Pillow.open(BytesIO(data), formats=("PNG", "JPEG")) as opened:
        lies = _turn(opened) in _LYING
    return (size[1], size[0]) if lies else size


def shows_nothing(data: bytes) -> bool:
    """Whether a picture that can be decoded is of one colour, or transparent."""
    with Pillow.open(BytesIO(data), formats=("PNG", "JPEG")) as opened:
        return is_blank(_on_white(opened))


def is_blank(sheet: Any) -> bool:
    """Whether a sheet, as Pillow has it, shows no more than dust."""
    return _contrast(sheet, _DUST) < _LEAST_CONTRAST


def _upright(image: Any) -> Any:
    """Turned as its camera says."""
    turn = _turn(image)
    return image if turn is None else image.transpose(turn)


def _turn(image: Any) -> Pillow.Transpose | None:
    """What its camera says; notes that cannot be read say nothing."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION))
    except (OSError, ValueError, TypeError, SyntaxError, KeyError, struct.error):
        return None


def _contrast(image: Any, share: float) -> int:
    """Between the shades that all dots of a picture lie between, but that share at either end."""
    shades = image.convert("L").histogram()
    specks = share * sum(shades)

    def bound(order: Iterable[int]) -> int:
        seen = 0
        for shade in order:
            seen += shades[shade]
            if seen > specks:
                return shade
        return 0

    return bound(reversed(range(256))) - bound(range(256))


def _on_white(image: Any) -> Any:
    """Without transparency, in gray or in colours."""
    if image.mode.startswith("I"):  # of 65,536 shades
        image = image.convert("I").point(lambda shade: shade * (1 / 257)).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Pillow.new("RGBA", image.size, "white")
        image = Pillow.alpha_composite(white, image)
        return image.convert("RGB")
    return image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")


def _shrunk(image: Any, box: Box) -> Any:
    """No finer than DOTS where it covers its place."""
    _, _, width, height = box
    scale = max(width * DOTS / 25.4 / image.width, height * DOTS / 25.4 / image.height)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Pillow.Resampling.LANCZOS)


def _written(image: Any) -> bytes:
    image.info.clear()  # Pillow would write its remarks again
    photograph, drawing = BytesIO(), BytesIO()
    image.save(photograph, "JPEG", quality=_QUALITY, optimize=True)
    if image.getcolors(_FEW_COLOURS) is not None:
        image.save(drawing, "PNG", optimize=True)
        if drawing.tell() <= photograph.tell():  # else it is dithered, and no drawing
            return drawing.getvalue()
    return photograph.getvalue()


def _refused(field: str, reason: str, message: str, message_zh: str) -> InvalidArgument:
    return InvalidArgument(
        f"{field}: {message}", reason=reason, message_zh=f"“{field}”：{message_zh}", field=field
    )
