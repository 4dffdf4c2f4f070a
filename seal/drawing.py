"""The image of a wished-for seal: drawn at its official size, or the uploaded one, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runtime.errors import FieldViolation, InvalidArgument
from seal.image import circular_seal, render_png
from seal.registry import DIAMETER_MM, SealOrder, Shape

_DPI: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A seal's image, PNG with a transparent ground; sizes in mm."""

    png: bytes
    width_mm: float
    height_mm: float


def draw(order: SealOrder) -> Picture:
    """Raises InvalidArgument: BAD_SEAL_TEXT, BAD_SEAL_SIZE, or what an image is refused for."""
    if order.shape is not Shape.CIRCULAR:
        raise InvalidArgument("not drawn yet", reason="BAD_SEAL_REQUEST")
    if order.width_mm != order.height_mm:
        raise InvalidArgument(
            "a circular seal is as wide as it is high: give one size, or none",
            reason="BAD_SEAL_SIZE",
            message_zh="圆形印章的宽与高应相等：请填写相同尺寸，或都不填",
            violations=[FieldViolation("height_mm", "not the width")],
        )
    drawn = circular_seal(
        order.display_name,
        bottom=order.bottom_line,
        code=order.seal_code,
        diameter_mm=order.width_mm or float(DIAMETER_MM),
    )
    return Picture(
        png=render_png(drawn, dpi=_DPI), width_mm=drawn.width_mm, height_mm=drawn.height_mm
    )
