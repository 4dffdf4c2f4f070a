"""What an update that signs may bring: one signature, its field, and the picture in it.

1. One field is filled by one update: a new one, or one that was there and empty. An empty one may
   not come: its picture is seen, and nobody signed it.
2. A document time-stamp shows nothing (ISO 32000-2 §12.8.5): no area, no picture.
3. What a later signer's seal lays over pages is told, and that it is hidden where it is. It is as
   large as a seal may be, on each page all together, or it is no seal (GB/T 33481: seals are at
   most some 58 mm wide).
4. The annotations of a page stay in their order: which lies over which is part of what is seen.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.sign.fields import enumerate_sig_fields

from seal.pdf.appearance import check_appearance
from seal.pdf.entries import Key, entry, key_of
from seal.pdf.refused import UpdateRefused
from seal.placement import LARGEST_MM

_MM: Final = 25.4 / 72
_MAX_DEPTH: Final = 64
# ISO 32000-2 table 167, flags of an annotation.
_HIDDEN: Final = 0x02
_PRINT: Final = 0x04
_NO_VIEW: Final = 0x20
_STAMPS: Final = "/ETSI.RFC3161"
_FIELD_KEYS: Final = frozenset(
    {
        *("/Type", "/Subtype", "/FT", "/T", "/TU", "/TM", "/V", "/F", "/Ff", "/Rect", "/P", "/AP"),
        *("/AS", "/Parent", "/Kids", "/Lock", "/SV", "/DA", "/DR", "/Q", "/MK", "/Border", "/BS"),
        *("/H", "/M", "/NM", "/StructParent", "/Lang"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A seal's rectangle on a page (from 1), in millimetres from its left and its bottom.

    `flags` are those of its annotation (ISO 32000-2 §12.5.3): they may keep it from being seen.
    """

    page: int
    left: float
    bottom: float
    width: float
    height: float
    flags: int = 0

    def told(self) -> tuple[str, str]:
        """In words."""
        size = f"{self.width:.0f} x {self.height:.0f} mm"
        seen, seen_zh = self._seen()
        return (
            f"{size} of page {self.page}, {self.left:.0f} mm from its left and "
            f"{self.bottom:.0f} mm from its bottom{seen}",
            f"第 {self.page} 页 {size}（距左 {self.left:.0f} mm，距下 {self.bottom:.0f} mm"
            f"{seen_zh}）",
        )

    def _seen(self) -> tuple[str, str]:
        """How a reader is told to show it, where that is not always."""
        if self.flags & _HIDDEN or self.flags & (_NO_VIEW | _PRINT) == _NO_VIEW:
            return " (hidden: no reader shows it)", "，已隐藏，阅读器不显示"
        if self.flags & _NO_VIEW:
            return " (hidden on the screen, and printed)", "，屏幕上隐藏，仅打印时显示"
        return "", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What an update brought: `signs` names the field it filled, empty for none."""

    signs: str = ""
    laid: tuple[Laid, ...] = ()
    changes: frozenset[Key] = field(default_factory=frozenset)
    """Objects that were there and are changed by signing."""


def step_of(old: Any, new: Any) -> Step:
    """What the update from one revision to the next brought. Raises UpdateRefused."""
    before = {key_of(ref): value is not None for _, value, ref in enumerate_sig_fields(old)}
    filled = []
    for name, value, ref in enumerate_sig_fields(new):
        if value is None and key_of(ref) not in before:
            raise UpdateRefused("an empty signature field was added", "添加了空的签名域")
        if value is not None and not before.get(key_of(ref), False):
            filled.append((str(name), value, ref))
    if not filled:
        return Step()
    if len(filled) > 1:
        raise UpdateRefused("one update fills several signatures", "一次更新中有多个签名")
    (name, value, ref) = filled[0]
    changes = {key_of(ref), *_form_keys(old)}
    widgets = _widgets(ref)
    laid = tuple(_laid(old, new, widgets, changes))
    if str(entry(value.get_object(), "/SubFilter", "")) == _STAMPS:
        _check_unseen(widgets, laid)
    _check_sizes(laid)
    for widget in widgets.values():
        check_appearance(widget)
    return Step(signs=name, laid=laid, changes=frozenset(changes))


def _form_keys(old: Any) -> Iterator[Key]:
    """The form, and its list of fields."""
    form = old.root.raw_get("/AcroForm")
    for held in (form, form.get_object().raw_get("/Fields")):
        if isinstance(held, generic.IndirectObject):
            yield key_of(held)


def _widgets(ref: Any) -> dict[Key, Any]:
    """A field's widgets: its kids, or itself."""
    whole = ref.get_object()
    held = {key_of(ref): whole}
    if "/Kids" in whole:
        held = {key_of(one): one.get_object() for one in whole["/Kids"].get_object()}
    for one in (whole, *held.values()):
        if not set(one.keys()) <= _FIELD_KEYS:
            raise UpdateRefused(
                "the field of a signature does more than to show it", "签名域含有显示以外的功能"
            )
    return held


def _check_unseen(widgets: dict[Key, Any], laid: tuple[Laid, ...]) -> None:
    """Rule 2."""
    if laid or any(_is_drawn(one) for one in widgets.values()):
        raise UpdateRefused("a document time-stamp shows something", "文档时间戳带有可见外观")


def _is_drawn(widget: Any) -> bool:
    """Whether there is a picture with an area; some makers give an empty one."""
    if "/AP" not in widget:
        return False
    drawn = widget["/AP"]
    if set(drawn.keys()) != {"/N"} or not isinstance(drawn["/N"], generic.StreamObject):
        return True
    *_, width, height = _box(entry(drawn["/N"], "/BBox"))
    return width * height > 0


def _check_sizes(laid: tuple[Laid, ...]) -> None:
    """Rule 3."""
    filled: dict[int, float] = {}
    for one in laid:
        filled[one.page] = filled.get(one.page, 0.0) + one.width * one.height
        if max(one.width, one.height) > LARGEST_MM or filled[one.page] > LARGEST_MM**2:
            told, told_zh = one.told()
            raise UpdateRefused(
                f"a later seal covers more than a seal may: {told}",
                f"后加盖的印章超出印章的大小：{told_zh}",
            )


def _laid(old: Any, new: Any, widgets: dict[Key, Any], changes: set[Key]) -> Iterator[Laid]:
    """Where widgets lie; `changes` is given the pages that they were added to."""
    pages = zip(_pages(old.root["/Pages"]), _pages(new.root["/Pages"]), strict=True)
    for number, ((ref, before), (_, page)) in enumerate(pages, 1):
        was, array = _annotations(before)
        now, _ = _annotations(page)
        if was != now:
            if [one for one in now if one not in widgets or one in was] != was:
                raise UpdateRefused("annotations of a page were changed", "页面批注被修改")
            changes.update({key_of(ref), *array})
        for one in now:
            if one in widgets:
                unit = float(entry(page, "/UserUnit", 1)) * _MM
                yield from _placed(number, widgets[one], page, unit)


def _pages(node: Any, seen: set[Key] | None = None) -> Iterator[tuple[Any, Any]]:
    """The pages in their order, each once."""
    seen = set() if seen is None else seen
    for kid in node["/Kids"]:
        if key_of(kid) in seen:
            raise UpdateRefused("the pages do not read", "页面无法读取")
        seen.add(key_of(kid))
        held = kid.get_object()
        if "/Kids" in held:
            yield from _pages(held, seen)
        else:
            yield kid, held


def _annotations(page: Any) -> tuple[list[Key], list[Key]]:
    """A page's annotations in their order, and the object that lists them, if it is one."""
    if "/Annots" not in page:
        return [], []
    raw = page.raw_get("/Annots")
    array = [key_of(raw)] if isinstance(raw, generic.IndirectObject) else []
    return [key_of(one) for one in raw.get_object()], array


def _placed(number: int, widget: Any, page: Any, unit: float) -> Iterator[Laid]:
    left, bottom, width, height = _box(entry(widget, "/Rect"))
    if width * height == 0:
        return
    at, under, *_ = _box(_inherited(page, "/MediaBox"))
    yield Laid(
        page=number,
        left=(left - at) * unit,
        bottom=(bottom - under) * unit,
        width=width * unit,
        height=height * unit,
        flags=_flags(widget),
    )


def _flags(widget: Any) -> int:
    found = entry(widget, "/F", generic.NumberObject(0))
    if not isinstance(found, generic.NumberObject):
        raise UpdateRefused("the flags of a seal do not read", "印章的标志无法读取")
    return int(found)


def _inherited(page: Any, name: str) -> Any:
    for _ in range(_MAX_DEPTH):
        if name in page:
            return page[name]
        if "/Parent" not in page:
            break
        page = page["/Parent"]
    return None


def _box(numbers: Any) -> tuple[float, float, float, float]:
    """Left, bottom, width, height; all zero where there is none."""
    if numbers is None:
        return 0.0, 0.0, 0.0, 0.0
    one, two, three, four = (float(each.get_object()) for each in numbers)
    if not all(math.isfinite(each) for each in (one, two, three, four)):
        raise UpdateRefused("a rectangle does not read", "矩形无法读取")
    return min(one, three), min(two, four), abs(three - one), abs(four - two)
