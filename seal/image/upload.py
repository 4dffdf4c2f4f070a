"""An uploaded picture of a seal: nothing in it is believed before it is measured.

1. Its kind is told by its bytes, never by a name. Only PNG: one format, one decoder, transparency.
2. Chunks are walked, and sizes bounded, before anything is inflated; what is not needed to see the
   picture (texts, profiles, dates, frames) is never inflated at all and not kept.
3. What comes out is encoded anew from the pixels; the colour of invisible pixels is not kept.
4. It fits the size on paper it is for: at least 300 dpi, the same proportions within 2 %.

Errors are `InvalidArgument` whose reason begins with SEAL_IMAGE_.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image

from runtime.errors import InvalidArgument
from seal.image.render import PNG_MAGIC, png_file
from seal.image.shapes import SIZES_MM

MAX_BYTES: Final = 1 << 20
_MIN_DPI: Final = 300
_MAX_SIDE: Final = 4800  # 100 mm at 1200 dpi
_MAX_PIXELS: Final = 6_000_000  # 24 MB once decoded
_MAX_CHUNKS: Final = 4096  # 1 MiB of the smallest data chunks that anyone writes
_PROPORTION: Final = 0.02
_LEAST_SHARE: Final = 0.01  # of the pixels that are seen, and of those that are seen through
_OTHERS: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"RIFF", "WebP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"<", "SVG"),
)
_ANIMATION: Final = frozenset({b"acTL", b"fcTL", b"fdAT"})
_SEEN: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_UNREADABLE: Final = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)


@dataclass(frozen=True, slots=True)
class _Header:
    """Of IHDR; `depth` and `colour` are the decoder's to judge."""

    width: int
    height: int


def check_uploaded_image(data: bytes, *, width_mm: float, height_mm: float) -> bytes:
    """The picture as a clean PNG with its resolution stated, for a seal of that size.

    At most 1 MiB and 6 million pixels; RGBA. Raises `InvalidArgument`: SEAL_IMAGE_TOO_LARGE,
    SEAL_IMAGE_NOT_PNG, SEAL_IMAGE_DAMAGED, SEAL_IMAGE_ANIMATED, SEAL_IMAGE_DIMENSIONS,
    SEAL_IMAGE_RESOLUTION, SEAL_IMAGE_PROPORTIONS, SEAL_IMAGE_OPAQUE, SEAL_IMAGE_EMPTY,
    SEAL_IMAGE_SIZE (the mm are not a seal's).
    """
    if not all(SIZES_MM[0] <= size <= SIZES_MM[1] for size in (width_mm, height_mm)):
        raise _refused("SIZE", "a seal measures 10 to 100 mm", "印章尺寸应在 10 至 100 毫米之间")
    _check_bytes(data)
    kept = [chunk for chunk in _chunks(data) if chunk[0] in _SEEN]
    header = _header(kept)
    _check_dimensions(header, width_mm, height_mm)
    picture = _decode(png_file(*kept))
    _check_transparency(picture)
    encoded = _encode(picture, width_mm)
    if len(encoded) > MAX_BYTES:
        raise _too_large()
    return encoded


def _refused(word: str, what: str, what_zh: str) -> InvalidArgument:
    return InvalidArgument(
        f"The picture of the seal is not accepted: {what}.",
        reason=f"SEAL_IMAGE_{word}",
        message_zh=f"印章图片不符合要求：{what_zh}。",
    )


def _too_large() -> InvalidArgument:
    return _refused(
        "TOO_LARGE", "it is over 1 MiB: use fewer colours or pixels", "超过 1 MiB：请减少颜色或像素"
    )


def _damaged() -> InvalidArgument:
    return _refused("DAMAGED", "the PNG is damaged: export it again", "PNG 已损坏：请重新导出")


def _check_bytes(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise _too_large()
    if not data.startswith(PNG_MAGIC):
        kind = next((name for begin, name in _OTHERS if data.startswith(begin)), "")
        seen, seen_zh = (f" (this is {kind})", f"（这是 {kind}）") if kind else ("", "")
        raise _refused("NOT_PNG", f"a PNG is needed{seen}", f"需要 PNG 格式{seen_zh}")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and data of each chunk up to IEND, check sums checked, nothing after it."""
    at = len(PNG_MAGIC)
    for _ in range(_MAX_CHUNKS):
        if at + 12 > len(data):
            raise _damaged()
        size = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + size
        if end > len(data):
            raise _damaged()
        kind, content = data[at + 4 : at + 8], data[at + 8 : end - 4]
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise _damaged()
        if kind in _ANIMATION:
            raise _refused("ANIMATED", "it has several frames: use one", "含有多帧：请使用单帧图片")
        yield kind, content
        if kind == b"IEND":
            if end != len(data):
                raise _damaged()
            return
        at = end
    raise _damaged()


def _header(chunks: list[tuple[bytes, bytes]]) -> _Header:
    """The one IHDR, which stands first."""
    kinds = [kind for kind, _ in chunks]
    if kinds[0] != b"IHDR" or kinds.count(b"IHDR") != 1 or len(chunks[0][1]) != 13:
        raise _damaged()
    return _Header(*struct.unpack(">2L", chunks[0][1][:8]))


def _check_dimensions(header: _Header, width_mm: float, height_mm: float) -> None:
    width, height = header.width, header.height
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE and width * height <= _MAX_PIXELS):
        raise _refused(
            "DIMENSIONS",
            f"it has {width} x {height} pixels, more than {_MAX_SIDE} a side or 6 million in all",
            f"图片为 {width} × {height} 像素，单边不得超过 {_MAX_SIDE}，总数不得超过 600 万",
        )
    need = [round(size / 25.4 * _MIN_DPI) for size in (width_mm, height_mm)]
    # A pixel less is rounding, not a lower resolution.
    if width < need[0] - 1 or height < need[1] - 1:
        raise _refused(
            "RESOLUTION",
            f"{width_mm:g} x {height_mm:g} mm need at least {need[0]} x {need[1]} pixels (300 dpi),"
            f" and it has {width} x {height}",
            f"{width_mm:g} × {height_mm:g} 毫米至少需要 {need[0]} × {need[1]} 像素（300 dpi），"
            f"现为 {width} × {height}",
        )
    if abs(width / height * height_mm / width_mm - 1) > _PROPORTION:
        raise _refused(
            "PROPORTIONS",
            f"{width} x {height} pixels do not have the proportions of {width_mm:g} x "
            f"{height_mm:g} mm: crop it or correct the size",
            f"{width} × {height} 像素与 {width_mm:g} × {height_mm:g} 毫米比例不符："
            "请裁剪或更正尺寸",
        )


def _decode(clean: bytes) -> Image.Image:
    """The pixels, RGBA, of a PNG with nothing else in it."""
    try:
        with Image.open(BytesIO(clean), formats=("PNG",)) as opened:
            opened.load()
            return opened.convert("RGBA")
    except _UNREADABLE:
        raise _damaged() from None


def _check_transparency(picture: Image.Image) -> None:
    """Some of it is seen through, and some of it is seen."""
    histogram = picture.getchannel("A").histogram()
    least = _LEAST_SHARE * picture.width * picture.height
    if sum(histogram[:26]) < least:  # at most a tenth opaque
        raise _refused(
            "OPAQUE",
            "its ground is not transparent and would hide the text: remove the ground",
            "底色不透明，会遮挡文字：请去除底色",
        )
    if sum(histogram[128:]) < least:
        raise _refused("EMPTY", "nothing is to be seen on it", "图片上没有可见内容")


def _encode(picture: Image.Image, width_mm: float) -> bytes:
    """A PNG of the pixels alone; invisible ones have no colour."""
    seen = picture.getchannel("A").point(lambda value: 255 if value else 0)
    clean = Image.new("RGBA", picture.size)
    clean.paste(picture, mask=seen)
    dpi = picture.width / width_mm * 25.4
    out = BytesIO()
    clean.save(out, format="PNG", dpi=(dpi, dpi), compress_level=6)
    return out.getvalue()
