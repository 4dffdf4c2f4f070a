"""A seal's picture that is an OFD itself: looked into as a document is, and held to less.

1. It reads in one way only, by the rules of any OFD (`seal.ofd.package`, `seal.ofd.xml_parts`), and
   is one document: else nobody can tell what readers draw.
2. It does nothing but draw and takes nothing from elsewhere (`seal.ofd.outside`).
3. What it costs to read and to draw is bounded before, of each and of all seals of a document
   together, which may be thousands: each different picture is looked into once.

Source: GB/T 38540-2020 §6, GB/T 33190-2016.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from seal.judging.seal_picture import MOST_PIXELS, PIXELS, kind_of, size_of
from seal.ofd.linked import Linked
from seal.ofd.outside import PART, acts_of
from seal.ofd.package import Limits, OfdPackage, PackageError, read_package
from seal.ofd.seen import look
from seal.ofd.structure import doc_bodies
from seal.ofd.xml_parts import refuse_malformed

_MIB: Final = 1024 * 1024
_LIMITS: Final = Limits(
    entries=1024,
    entry_bytes=16 * _MIB,
    total_bytes=16 * _MIB,
    ratio=30,
    ratio_free_bytes=_MIB // 2,
)
_MOST_SCANNED: Final = _MIB // 4  # of pages and actions, element by element, which few need

_OF_ENTRY: Final = 4096  # what an entry costs to read, whatever it holds

Fault = tuple[str, str, str]  # a reason, what it is in English and Chinese


def fault_in(picture: bytes, takes: Callable[[int], bool]) -> Fault | None:
    """What speaks against it; None where it draws and no more. Never raises on what it holds.

    `takes` is told how many octets more are to be looked into, and says whether they may be.
    """
    try:
        if not takes(len(picture)):
            return _too_many()
        package = read_package(picture, _LIMITS)
        if not takes(sum(_OF_ENTRY + package.size(name) for name in package)):
            return _too_many()
        seen = look(package)
        bodies = doc_bodies(package)
        linked = Linked(package, bodies, seen, room=_MOST_SCANNED)
        refuse_malformed(package, linked, seen)
    except PackageError as error:
        if error.check == "package_limits":
            return _too_large(error.message, error.message_zh)
        return _unknown(error.message, error.message_zh)
    if len(bodies) > 1:
        return _unknown("it is several documents", "其中含有多个文档")
    acts = acts_of(package, linked, seen, most=_MOST_SCANNED)
    if PART in acts:
        return _too_large(*PART)
    elsewhere = any(":" in where or where.startswith(("//", "\\")) for where in _absent(linked))
    if acts or elsewhere:
        return (
            "SEAL_PICTURE_ACTIVE",
            "the picture, an OFD, does more than draw: an action, sound, film or something from "
            "elsewhere",
            "印章图像（OFD）不止于绘制：含有动作、音视频或外部内容",
        )
    if _pixels(package) > MOST_PIXELS:
        return _too_large("its pictures have more pixels than are drawn", "其中的图像像素过多")
    return None


def _absent(linked: Linked) -> list[str]:
    return [where.strip() for where in linked.readings.absent]


def _pixels(package: OfdPackage) -> int:
    """Of all pictures in it, together."""
    count = 0
    for name in package:
        data = package.read(name)
        kind = kind_of(data)
        if kind in PIXELS:
            width, height = size_of(kind, data) or (0, 0)
            count += width * height
    return count


def _too_many() -> Fault:
    return _too_large(
        "the pictures of all seals of the document are more, together, than is looked into",
        "文件中全部印章图像合计超出可检查的大小",
    )


def _too_large(why: str, why_zh: str) -> Fault:
    told = f"the picture, an OFD, is too large: {why}"
    return "SEAL_PICTURE_TOO_LARGE", told, f"印章图像（OFD）过大：{why_zh}"


def _unknown(why: str, why_zh: str) -> Fault:
    told = f"the picture, an OFD, does not read in one way only: {why}"
    return "SEAL_PICTURE_UNKNOWN", told, f"印章图像（OFD）无法唯一解读：{why_zh}"
