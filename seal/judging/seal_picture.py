"""Whether the picture of a seal is what it says it is, and no more than a picture.

1. A seal says of what kind its picture is, and readers go by that word or by the picture's first
   bytes. A word for one kind of drawing over another (a picture, a document, a drawing of lines) is
   refused: one reader shows what another does not. One sort of pixels under the name of another is
   told, since every reader shows the same.
2. What no reader is known to draw (a web page, no bytes at all) is nobody's seal.
3. Sizes are read from the head of the file and no pixels are decoded: a picture of a few bytes that
   takes gigabytes to draw is not judged.
4. A drawing (SVG, OFD) that does anything but draw, or takes something from elsewhere, is not
   judged; nor is an OFD that does not read in one way only (`seal.ofd.nested`).

Source: GB/T 38540-2020 §6 (SES_ESPictrueInfo: type, data).
"""

from __future__ import annotations

import re
import struct
from typing import Final

from seal.judging.telling import plain
from seal.model import Check, failed, passed, undetermined

_NAME: Final = "seal_picture"
PIXELS: Final = frozenset({"PNG", "JPEG", "GIF", "BMP"})
_KINDS: Final = {"JPG": "JPEG", "DIB": "BMP"} | {one: one for one in (*PIXELS, "OFD", "SVG")}
MOST_PIXELS: Final = 36_000_000  # 100 mm at 1500 dpi; 144 MB to draw
_MAX_MARKERS: Final = 256
_MOST_HEAD: Final = 4096
_ACTS: Final = re.compile(
    rb"<(?:[\w.-]+:)?(?:script|foreignObject|animate\w*|set|iframe|image|handler)\b"
    rb"""|\son\w+\s*=|href\s*=\s*["'](?!#|data:image/(?:png|jpeg|gif)[;,])"""
    rb"|<!ENTITY|<\?xml-stylesheet|@import|url\(\s*[^#\s]",
    re.IGNORECASE,
)
_OTHER_ENCODING: Final = re.compile(rb"""encoding\s*=\s*["'](?!utf-?8["'])""", re.IGNORECASE)

Words = tuple[str, str]
MOST_NESTED: Final = 64 * 1024 * 1024
"""Octets, packed and inflated, of the pictures of one document that are documents themselves."""


class Nested:
    """The pictures of one document's seals that are OFDs: each different one is looked into once.

    One that is more than is looked into, together with those before it, is not judged.
    """

    __slots__ = ("_known", "_room")

    def __init__(self, most: int = MOST_NESTED) -> None:
        self._room = most
        self._known: dict[bytes, tuple[str, str, str] | None] = {}

    def fault_in(self, picture: bytes) -> tuple[str, str, str] | None:
        """Reason and words of what speaks against it; None where it draws and no more."""
        if picture not in self._known:
            from seal.ofd.nested import fault_in  # who judges no such picture loads none of it

            self._known[picture] = fault_in(picture, self._takes)
        return self._known[picture]

    def _takes(self, octets: int) -> bool:
        self._room -= octets
        return self._room >= 0


def check_picture(written: str, picture: bytes, nested: Nested | None = None) -> Check:
    """What comes of a picture and the word `written` for its kind.

    `nested` is what is known of those of the same document that are documents themselves.
    """
    kind = kind_of(picture)
    against = _against(written, kind, len(picture))
    said = _KINDS.get(written.strip().lstrip(".").upper().removeprefix("IMAGE/"), "")
    if said == kind == "PNG":  # nearly all
        return _of_pixels(kind, picture, (), against)
    if not kind and not said:
        unknown = ("no reader is known to draw this picture", "印章图像的类型无法识别")
        return undetermined(_NAME, *unknown, reason="SEAL_PICTURE_UNKNOWN", against=against)
    if kind != said and not (kind and not said) and not {kind, said} <= PIXELS:
        other = (
            f"the picture is not what the seal says that it is ({said}): readers differ on what "
            "they show",
            f"印章图像并非其声明的类型（{said}），不同软件的显示可能不同",
        )
        return failed(_NAME, *other, reason="SEAL_PICTURE_DIFFERS", against=against)
    told: list[Words] = []
    if kind != said:
        told.append((f"the picture is {kind}, by another name", f"图像实为 {kind}，声明有误"))
    if kind in PIXELS:
        return _of_pixels(kind, picture, tuple(told), against)
    if kind == "SVG" and (_ACTS.search(picture) or _OTHER_ENCODING.search(picture[:_MOST_HEAD])):
        acts = (
            "the drawing does more than draw: a script, an event or something from elsewhere",
            "矢量图像不止于绘制：含有脚本、事件或外部内容",
        )
        return undetermined(_NAME, *acts, reason="SEAL_PICTURE_ACTIVE", against=against)
    if kind == "OFD" and (fault := (nested or Nested()).fault_in(picture)):
        reason, *words = fault
        return undetermined(_NAME, *words, reason=reason, against=against)
    return _good(kind, tuple(told), against)


def kind_of(picture: bytes) -> str:
    """What the first bytes of a picture say that it is; empty for what is not known."""
    if picture.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if picture.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if picture.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if picture.startswith(b"PK\x03\x04") and b"OFD.xml" in picture:
        return "OFD"
    if picture.startswith(b"BM"):
        return "BMP"
    head = picture[:_MOST_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"<") and re.search(rb"<(?:[\w.-]+:)?svg[\s>]", head):
        return "" if b"<html" in head else "SVG"
    return ""


def size_of(kind: str, picture: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, of the kinds that have any; None where the head is damaged."""
    try:
        if kind == "PNG":
            if picture[8:16] != b"\x00\x00\x00\rIHDR":
                return None
            width, height = struct.unpack_from(">LL", picture, 16)
        elif kind == "GIF":
            width, height = struct.unpack_from("<HH", picture, 6)
        elif kind == "BMP":
            if struct.unpack_from("<L", picture, 14)[0] == 12:  # the form of OS/2
                width, height = struct.unpack_from("<HH", picture, 18)
            else:
                width, height = struct.unpack_from("<ll", picture, 18)
        else:
            return _of_jpeg(picture)
    except struct.error:
        return None
    return abs(width), abs(height)


def _of_jpeg(picture: bytes) -> tuple[int, int] | None:
    """Of the frame's head (ITU-T T.81 §B.2.2), behind what stands before it."""
    at = 2
    for _ in range(_MAX_MARKERS):
        mark, kind, length = struct.unpack_from(">BBH", picture, at)
        if mark != 0xFF:
            return None
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", picture, at + 5)
            return width, height
        at += 1 if kind == 0xFF else 2 + length
    return None


def _of_pixels(kind: str, picture: bytes, told: tuple[Words, ...], against: Words) -> Check:
    size = size_of(kind, picture)
    if size is None or not all(size):
        broken = ("the head of the picture is damaged", "印章图像的文件头已损坏")
        return undetermined(_NAME, *broken, reason="SEAL_PICTURE_UNKNOWN", against=against)
    width, height = size
    if width * height > MOST_PIXELS:
        large = (
            f"the picture has {width} x {height} pixels, more than is drawn",
            f"印章图像为 {width} × {height} 像素，超出可绘制的大小",
        )
        return undetermined(_NAME, *large, reason="SEAL_PICTURE_TOO_LARGE", against=against)
    return _good(kind, told, against)


def _good(kind: str, told: tuple[Words, ...], against: Words) -> Check:
    if not told:
        return passed(_NAME, "the picture is what it says", "印章图像与其类型一致", against=against)
    return passed(
        _NAME,
        f"the picture is of a known kind ({kind}); " + "; ".join(one for one, _ in told),
        f"印章图像的类型可识别（{kind}）；" + "；".join(one for _, one in told),
        notice=True,
        against=against,
    )


def _against(written: str, kind: str, size: int) -> Words:
    said = plain(written) or "-"
    return (
        f"said to be {said}; by its bytes {kind or 'unknown'}, {size} bytes",
        f"声明为 {said}；按内容为 {kind or '未知'}，{size} 字节",
    )
