"""Whether the seal fits where a template has it stamped: asked before anything is reserved.

The seal service refuses a stamp that reaches over its sheet. It is asked last, when a serial number
and an identifier are gone; so the same is judged here when a type is put, and when it is issued.
"""

from __future__ import annotations

from collections.abc import Mapping

from licenses.pages.hiding import stamped_over
from licenses.pages.sheets import Template
from runtime.errors import FieldViolation, InvalidArgument

#: What a seal is pressed over, as on paper.
_STAMPED = frozenset({"ZZBFJG", "ZZBFRQ", "issue_date"})
_TOLERANCE = 0.001  # a micrometre, as the seal service has it


def stamp_problems(page: Template, ratio: float = 1.0) -> list[FieldViolation]:
    """What is wrong with a template's places of the stamp; `ratio` is the seal's height by width.

    The stamp is as wide as its box, and as high as the seal is in proportion.
    """
    x, y, width, _ = page.stamp.box
    height = width * ratio
    sheet = f"the sheet of {page.width:g} x {page.height:g} mm"
    wrong: list[FieldViolation] = []
    if width <= 0 or not _inside(x, width, page.width) or not _inside(y, height, page.height):
        wrong.append(FieldViolation("stamp.box", f"reaches over the edge of {sheet}"))
    across = page.stamp.across
    if across is not None and not _inside(across, height, page.height):
        wrong.append(FieldViolation("stamp.across", f"reaches over the edge of {sheet}"))
    return wrong


def covered(page: Template, slots: Mapping[str, str], ratio: float = 1.0) -> list[FieldViolation]:
    """Values that a seal would cover, but for those it is pressed over on paper, too.

    `slots`: which key of the metadata stands in which field of the page.
    """
    free = {slot for slot, key in slots.items() if key in _STAMPED}
    return stamped_over(page, free, ratio)


def check_place(page: Template, slots: Mapping[str, str]) -> None:
    """Raises InvalidArgument, TEMPLATE_INVALID, where a template has no good place for a seal."""
    wrong = stamp_problems(page) + covered(page, slots)
    if wrong:
        raise InvalidArgument(
            "the template has the seal where it cannot be: "
            + "; ".join(f"{one.field}: {one.description}" for one in wrong),
            reason="TEMPLATE_INVALID",
            message_zh="证照模板中的盖章位置有误："
            + "、".join(dict.fromkeys(one.field for one in wrong)),
            violations=wrong,
        )


def check_stamp(page: Template, slots: Mapping[str, str], ratio: float) -> None:
    """Raises InvalidArgument, STAMP_POSITION, where a seal does not fit a template."""
    wrong = stamp_problems(page, ratio)
    if ratio > 1.0:  # what a round one covers was known when the type was put
        round_one = covered(page, slots)
        wrong += [one for one in covered(page, slots, ratio) if one not in round_one]
    if wrong:
        raise InvalidArgument(
            "the seal does not fit the place that the type's template has for it ("
            + "; ".join(f"{one.field}: {one.description}" for one in wrong)
            + "): nothing was begun; have the template put anew",
            reason="STAMP_POSITION",
            message_zh="印章超出模板中的盖章位置（"
            + "、".join(one.field for one in wrong)
            + "）：未开始制证；请重新发布模板",
            violations=wrong,
        )


def _inside(at: float, length: float, whole: float) -> bool:
    return at >= -_TOLERANCE and at + length <= whole + _TOLERANCE
