"""The image of a wished-for seal: drawn at its official size, or the uploaded one, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runtime.errors import FieldViolation, InvalidArgument
from seal.image.shapes import circular_seal, oval_seal, render_png, square_seal
from seal.image.sizes import usual_size
from seal.image.upload import check_uploaded_image
from seal.registry import SealOrder, Shape

_DPI: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A seal's image, PNG with a transparent ground; sizes in mm."""

    png: bytes
    width_mm: float
    height_mm: float


def draw(order: SealOrder) -> Picture:
    """The image that will be the seal's.

    Raises InvalidArgument: BAD_SEAL_TEXT, BAD_SEAL_SIZE, or what `check_uploaded_image` refuses.
    """
    if order.shape is Shape.UPLOADED:
        png = check_uploaded_image(order.image, width_mm=order.width_mm, height_mm=order.height_mm)
        return Picture(png=png, width_mm=order.width_mm, height_mm=order.height_mm)
    width, height = _size(order)
    name, bottom, code = order.display_name, order.bottom_line, order.seal_code
    if order.shape is Shape.CIRCULAR:
        drawn = circular_seal(name, bottom=bottom, code=code, diameter_mm=width)
    elif order.shape is Shape.OVAL:
        drawn = oval_seal(name, bottom=bottom, code=code, width_mm=width, height_mm=height)
    else:
        if bottom or code:
            raise InvalidArgument(
                "a square seal shows its name alone: leave out bottom_line and seal_code",
                reason="BAD_SEAL_TEXT",
                message_zh="方形印章只显示名称：请不要填写 bottom_line 和 seal_code",
                violations=[FieldViolation("shape", "shows its name alone")],
            )
        drawn = square_seal(name, size_mm=width)
    return Picture(png=render_png(drawn, dpi=_DPI), width_mm=width, height_mm=height)


def _size(order: SealOrder) -> tuple[float, float]:
    """Width and height in mm: as asked, else as usual; only an oval has two."""
    usual = usual_size(order.shape.value.lower())
    if order.shape is Shape.OVAL:
        return order.width_mm or usual[0], order.height_mm or usual[1]
    width = order.width_mm or order.height_mm or usual[0]
    if order.height_mm not in (0, width):
        raise InvalidArgument(
            "a circular or square seal is as wide as it is high: give one size, or none",
            reason="BAD_SEAL_SIZE",
            message_zh="圆形和方形印章的宽与高应相等：请填写相同尺寸，或都不填",
            violations=[FieldViolation("height_mm", "not the width")],
        )
    return width, width
