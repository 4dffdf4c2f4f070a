"""Where the stamps of a signature show, what of its seal, and what of it nobody saw before.

1. What shows is the Boundary as far as Clip, which lies within it, and the page leave it.
2. A stamp of which nobody sees anything is none.
3. Who signed before never saw a later seal: it may lie on his pages, but not cover them. So it is
   as large as a seal may be, each and all of a page together, as in PDF; a larger one that all
   cover who signed is told.
4. Told: a seal shown larger than its maker made it, much smaller or stretched; and a seal across
   edges (骑缝章) whose parts, over all pages, do not make up whole pictures.

Source: GB/T 33190-2016 §18.2.3 (StampAnnot), GB/T 38540-2020 (size of a seal, mm).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from seal.judging.telling import comparing, plain
from seal.model import Check, failed, passed
from seal.ofd import against
from seal.ofd.boxes import Box
from seal.ofd.opened import OpenedDocument, OpenedSignature
from seal.ofd.package import PackageError
from seal.ofd.structure import Stamp
from seal.placement import LARGEST_MM

_LEAST_MM: Final = 0.05  # a seal across the edges of a thousand pages still shows as much
_WHOLE: Final = 0.99  # of a side
_LARGER, _SMALLER, _STRETCHED = 1.1, 0.5, 1.1
_CLOSE: Final = 0.005  # of a side; parts are cut at micrometres
_TOLD: Final = 3

Words = tuple[str, str]


class Shown(NamedTuple):
    """What of a stamp shows, in mm from the page's left and top, and which part that is of it.

    `part` is left, top, right, bottom of the picture, each 0 to 1.
    """

    page: int
    left: float
    top: float
    width: float
    height: float
    part: Box

    def told(self) -> Words:
        """In words."""
        size = f"{self.width:.4g} x {self.height:.4g} mm"
        return (
            f"{size} of page {self.page}, {self.left:.0f} mm from its left and {self.top:.0f} mm "
            "from its top",
            f"第 {self.page} 页 {size}（距左 {self.left:.0f} mm，距上 {self.top:.0f} mm）",
        )


@comparing(against.stamps)
def check_stamp_pages(document: OpenedDocument, one: OpenedSignature) -> Check | None:
    """Every stamp is on a page of the document the signature belongs to, and to be seen there."""
    name = "stamp_pages"
    if not one.xml.stamps:
        return None
    try:
        pages = document.pages_of(one.listed.body)
    except PackageError as error:
        return failed(name, error.message, error.message_zh)
    if any(stamp.page_ref not in pages for stamp in one.xml.stamps):
        return failed(name, "a stamp is on a page that does not exist", "印章所在页面不存在")
    shown = [_shown(document, one, stamp) for stamp in one.xml.stamps]
    unseen = next((s for s, seen in zip(one.xml.stamps, shown, strict=True) if not seen), None)
    if unseen is not None:
        number = pages[unseen.page_ref]
        return failed(
            name,
            "a stamp lies off its page, has no size or shows nothing that can be seen: "
            f"page {number}",
            f"印章位于页面之外、没有大小或没有可见部分：第 {number} 页",
            reason="STAMP_OFF_PAGE",
        )
    seen = [each for each in shown if each]
    return _too_large(document, one, seen) or _told(one, seen)


def _shown(document: OpenedDocument, one: OpenedSignature, stamp: Stamp) -> Shown | None:
    """Rule 1; None where nobody sees anything."""
    x, y, width, height = stamp.boundary
    if width <= 0 or height <= 0:
        return None
    clip = stamp.clip or (0.0, 0.0, width, height)
    page = document.page_size(one.listed.body, stamp) or (x + width, y + height)
    left, top = max(x, x + clip[0], 0.0), max(y, y + clip[1], 0.0)
    right = min(x + width, x + clip[0] + clip[2], page[0])
    bottom = min(y + height, y + clip[1] + clip[3], page[1])
    if right - left < _LEAST_MM or bottom - top < _LEAST_MM:
        return None
    return Shown(
        page=document.pages_of(one.listed.body)[stamp.page_ref],
        left=left,
        top=top,
        width=right - left,
        height=bottom - top,
        part=((left - x) / width, (top - y) / height, (right - x) / width, (bottom - y) / height),
    )


# --- how large (rule 3) -------------------------------------------------------------------------


def _too_large(document: OpenedDocument, one: OpenedSignature, seen: list[Shown]) -> Check | None:
    filled: dict[int, float] = defaultdict(float)
    for each in seen:
        filled[each.page] += each.width * each.height
        if max(each.width, each.height) > LARGEST_MM or filled[each.page] > LARGEST_MM**2:
            return _covering(document, one, each)
    return None


def _covering(document: OpenedDocument, one: OpenedSignature, each: Shown) -> Check:
    is_alone = max(each.width, each.height) > LARGEST_MM
    told, told_zh = each.told()
    words = f"{'the seal covers' if is_alone else 'the seals of a page cover'} more than a seal may"
    words, words_zh = f"{words}: {told}", f"印章超出印章的大小：{told_zh}"
    others = [each for each in document.signatures if each.listed.path != one.listed.path]
    if any(one.listed.path not in document.seen_by(other) for other in others):
        return failed(
            "stamp_pages",
            words + ", of what others signed who never saw it",
            words_zh + "，且其他签章者未见过该印章",
            reason="STAMP_TOO_LARGE",
        )
    return passed("stamp_pages", words, words_zh, notice=True)


# --- what is told (rule 4) ----------------------------------------------------------------------


def _told(one: OpenedSignature, seen: list[Shown]) -> Check:
    found = [*_otherwise(one), *_in_parts(seen)]
    return passed(
        "stamp_pages",
        "; ".join(["the stamps are on pages of the document", *(english for english, _ in found)]),
        "；".join(["印章位于文件的页面上", *(chinese for _, chinese in found)]),
        notice=bool(found),
    )


def _otherwise(one: OpenedSignature) -> list[Words]:
    """The first stamp that shows the seal in another size than it has."""
    if one.value is None:
        return []
    own = one.value.seal.width_mm, one.value.seal.height_mm
    for stamp in one.xml.stamps:
        width, height = stamp.boundary[2:]
        if not _is_like(width, height, own):
            size = f"{width:.4g} x {height:.4g} mm"
            return [
                (
                    f"a stamp is {size}, while its seal is {own[0]} x {own[1]} mm",
                    f"印章显示为 {size}，而印章本身为 {own[0]} x {own[1]} mm",
                )
            ]
    return []


def _is_like(width: float, height: float, own: tuple[int, int]) -> bool:
    """Whether a box has a seal's shape, and is not larger nor much smaller than it."""
    if min(own) <= 0:
        return True  # it says nothing of its size
    sizes = width / own[0], height / own[1]
    is_shaped = max(sizes) <= min(sizes) * _STRETCHED
    return is_shaped and max(sizes) <= _LARGER and min(sizes) >= _SMALLER


def _in_parts(seen: list[Shown]) -> list[Words]:
    """Whether stamps that are cut do not make up whole pictures: by columns, or by rows."""
    columns, rows, corners = [], [], 0
    for left, top, right, bottom in (each.part for each in seen):
        if bottom - top >= _WHOLE and right - left >= _WHOLE:
            continue
        if bottom - top >= _WHOLE:
            columns.append((left, right))
        elif right - left >= _WHOLE:
            rows.append((top, bottom))
        else:
            corners += 1
    if not (corners or columns or rows):
        return []
    if not corners and _is_whole(columns) and _is_whole(rows):
        return []
    return [
        (
            "the seal shows in part: its parts do not make up whole seals",
            "印章只显示一部分：各部分不能拼成完整的印章",
        )
    ]


def _is_whole(parts: Iterable[tuple[float, float]]) -> bool:
    """Whether intervals cover 0 to 1, all of it equally often: one ends where the next begins."""
    starts, ends = sorted(start for start, _ in parts), sorted(end for _, end in parts)
    count = round(sum(ends) - sum(starts))
    first, then = [*starts, *[1.0] * count], [*[0.0] * count, *ends]
    return all(abs(a - b) <= _CLOSE for a, b in zip(first, then, strict=True))


# --- what was laid since ------------------------------------------------------------------------


def told_unseen(document: OpenedDocument, one: OpenedSignature) -> Words:
    """The signatures that this one does not cover, and where their seals lie; empty for none."""
    unseen = document.unseen_by(one)
    if not unseen:
        return "", ""
    told, told_zh = zip(*(_described(document, each) for each in unseen[:_TOLD]), strict=True)
    more, more_zh = _and_more(len(unseen))
    return (
        f"; this signer did not see the signature {'; '.join(told)}{more}",
        f"；本签章者未见过的签章：{'；'.join(told_zh)}{more_zh}",
    )


def _described(document: OpenedDocument, other: OpenedSignature) -> Words:
    name = plain(f"{other.label} (/{other.listed.path})")
    stamps = other.xml.stamps
    try:
        pages = document.pages_of(other.listed.body)
    except PackageError:
        return name, name
    known = [stamp for stamp in stamps[:_TOLD] if stamp.page_ref in pages]
    places = [each.told() for stamp in known if (each := _shown(document, other, stamp))]
    if not places:
        return f"{name}, which shows nothing", f"{name}，无可见印章"
    told, told_zh = zip(*places, strict=True)
    more, more_zh = _and_more(len(stamps))
    return (
        f"{name}, which covers {', '.join(told)}{more}",
        f"{name}，覆盖{'、'.join(told_zh)}{more_zh}",
    )


def _and_more(count: int) -> Words:
    return (f", and {count - _TOLD} more", f"等 {count} 处") if count > _TOLD else ("", "")
