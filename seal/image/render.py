"""A drawn seal as SVG and as PNG.

1. The same drawing gives the same bytes.
2. A PNG has three degrees of the one red: every sealed OFD holds the picture twice, and more
   degrees make it larger without anyone seeing them at 300 dpi.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageChops, ImageDraw

from runtime.errors import InvalidArgument
from seal.image.glyphs import Outline, flattened

RED: Final = (0xDD, 0x00, 0x00)
_CURVE_STEPS: Final = 6
_FINE_DPI: Final = 450  # from there on two samples a pixel and direction are enough
_MAX_DPI: Final = 1200
_MAX_PIXELS: Final = 9_000_000  # 1200 dpi of 60 mm; a wide seal gets fewer
_DEGREES: Final = bytes((0, 128, 255))  # of opacity, from none to full


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A drawn seal in mm, y downwards, the origin at the top left.

    `outlines` are filled with `RED` by the nonzero rule, each on its own: those that touch stay
    filled. PDF and OFD may draw them as they are.
    """

    outlines: tuple[Outline, ...]
    width_mm: float
    height_mm: float


def path_data(outline: Outline) -> str:
    """SVG path data (M, L, C, Z; absolute), which OFD's AbbreviatedData resembles closely."""
    return " ".join(
        letter + " ".join(f"{x:g} {y:g}" for x, y in points) for letter, points in outline
    )


def render_svg(drawing: Drawing) -> str:
    """One path a figure, sizes in mm; no font, no script, no reference to anything."""
    width, height = f"{drawing.width_mm:g}", f"{drawing.height_mm:g}"
    colour = "#{:02x}{:02x}{:02x}".format(*RED)
    paths = "".join(f'<path d="{path_data(outline)}"/>' for outline in drawing.outlines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}mm" height="{height}mm" '
        f'viewBox="0 0 {width} {height}"><g fill="{colour}">{paths}</g></svg>'
    )


def render_png(drawing: Drawing, dpi: int = 300) -> bytes:
    """PNG with a transparent ground.

    Raises `InvalidArgument` (`BAD_RESOLUTION`) outside of 36 to 1200 dpi, or for more than nine
    million pixels.
    """
    width = max(1, round(drawing.width_mm / 25.4 * dpi))
    height = max(1, round(drawing.height_mm / 25.4 * dpi))
    if not 36 <= dpi <= _MAX_DPI or width * height > _MAX_PIXELS:
        raise InvalidArgument(
            f"The resolution is between 36 and {_MAX_DPI} dpi, and the image of 9 million pixels "
            "at most: choose a lower one.",
            reason="BAD_RESOLUTION",
            message_zh=f"分辨率应在 36 至 {_MAX_DPI} dpi 之间，且不超过 900 万像素：请降低分辨率。",
        )
    samples = 3 if dpi < _FINE_DPI else 2
    mask = Image.new("1", (width * samples, height * samples))
    for outline in drawing.outlines:
        fill(mask, outline, width * samples / drawing.width_mm)
    coverage = mask.convert("L").reduce(samples)
    steps = len(_DEGREES) - 1
    degrees = coverage.point([round(value * steps / 255) for value in range(256)])
    degrees.putpalette(bytes(RED) * len(_DEGREES))
    return _png(degrees, round(dpi / 0.0254))


def _png(degrees: Image.Image, per_metre: int) -> bytes:
    """A PNG of palette indices (ISO/IEC 15948).

    Rows go unfiltered: slanted strokes are no more like the row above than like anything else, and
    filtering, as libraries do, makes the file a tenth larger. A pixel is an octet: that deflates to
    a tenth less than four pixels in one, whose borders strokes do not know.
    """
    width, height = degrees.size
    rows = degrees.tobytes()
    lines = b"".join(b"\0" + rows[at * width : (at + 1) * width] for at in range(height))
    deflater = zlib.compressobj(9, memLevel=7, strategy=zlib.Z_FILTERED)
    return png_file(
        (b"IHDR", struct.pack(">2L5B", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(RED) * len(_DEGREES)),
        (b"tRNS", _DEGREES),
        (b"pHYs", struct.pack(">2LB", per_metre, per_metre, 1)),
        (b"IDAT", deflater.compress(lines) + deflater.flush()),
        (b"IEND", b""),
    )


PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"


def png_file(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks (type and data), each with its check sum."""
    return PNG_MAGIC + b"".join(
        struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def fill(mask: Image.Image, outline: Outline, scale: float) -> None:
    """Fill one outline. The contours of a glyph nest and never cross, so even-odd is nonzero."""
    contours = [
        [(x * scale, y * scale) for x, y in contour] for contour in flattened(outline, _CURVE_STEPS)
    ]
    across = [x for contour in contours for x, _ in contour]
    down = [y for contour in contours for _, y in contour]
    if not across:
        return
    left, top = math.floor(min(across)), math.floor(min(down))
    size = (math.ceil(max(across)) - left + 1, math.ceil(max(down)) - top + 1)
    figure: Image.Image | None = None
    for contour in contours:
        one = Image.new("1", size)
        ImageDraw.Draw(one).polygon([(x - left, y - top) for x, y in contour], fill=1)
        figure = one if figure is None else ImageChops.logical_xor(figure, one)
    mask.paste(1, (left, top), figure)
