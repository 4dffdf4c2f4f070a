"""The image of a wished-for seal: drawn at its official size, or the uploaded one, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument
from seal.image.shapes import (
    Drawing,
    circular_seal,
    oval_seal,
    render_png,
    render_svg,
    square_seal,
)
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
    drawn = _drawn(
        order.shape,
        order.display_name,
        bottom=order.bottom_line,
        code=order.seal_code,
        size=(width, height),
    )
    return Picture(png=render_png(drawn, dpi=_DPI), width_mm=width, height_mm=height)


def as_svg(
    shape: Shape, name: str, *, bottom: str, code: str, size: tuple[float, float], png: bytes
) -> str:
    """The vector image of a drawn seal of that size in mm, whose picture is `png`.

    It is drawn again, and compared with that picture. Raises FailedPrecondition
    (NO_VECTOR_IMAGE) for an uploaded one, and for one that another version drew otherwise.
    """
    if shape is Shape.UPLOADED:
        raise _no_vector(
            "its image was uploaded: take that (--image)", "印模是上传的图片：请用 --image 取图"
        )
    drawn = _drawn(shape, name, bottom=bottom, code=code, size=size)
    if render_png(drawn, dpi=_DPI) != png:
        raise _no_vector(
            "its image was drawn by another version of this program: take the picture (--image)",
            "印模由本程序的其他版本绘制：请用 --image 取图",
        )
    return render_svg(drawn)


def _drawn(
    shape: Shape, name: str, *, bottom: str, code: str, size: tuple[float, float]
) -> Drawing:
    width, height = size
    if shape is Shape.CIRCULAR:
        return circular_seal(name, bottom=bottom, code=code, diameter_mm=width)
    if shape is Shape.OVAL:
        return oval_seal(name, bottom=bottom, code=code, width_mm=width, height_mm=height)
    if bottom or code:
        raise InvalidArgument(
            "a square seal shows its name alone: leave out bottom_line (--bottom-line) and "
            "seal_code (--code)",
            reason="BAD_SEAL_TEXT",
            message_zh="方形印章只显示名称：请不要填写 bottom_line（--bottom-line）和 "
            "seal_code（--code）",
            violations=[FieldViolation("shape", "shows its name alone")],
        )
    return square_seal(name, size_mm=width)


def _no_vector(why: str, why_zh: str) -> FailedPrecondition:
    return FailedPrecondition(
        f"there is no vector image of this seal: {why}",
        reason="NO_VECTOR_IMAGE",
        message_zh=f"该印章没有矢量印模：{why_zh}",
    )


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
