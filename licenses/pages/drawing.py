"""What every renderer asks of a document before it draws: fonts, advances, shapes as paths.

It is here once so that OFD and PDF cannot differ in it.
"""

from __future__ import annotations

from licenses.pages.fonts import FontSubset, face
from licenses.pages.model import Document, Item, Line, Path, Rect, Text
from licenses.pages.strokes import number, rectangle
from runtime.errors import InvalidArgument


def image_format(data: bytes) -> str:
    """Say "PNG" or "JPEG" by signature; InvalidArgument IMAGE_UNKNOWN for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    raise InvalidArgument(
        "a picture must be PNG or JPEG",
        reason="IMAGE_UNKNOWN",
        message_zh="图片必须是 PNG 或 JPEG 格式",
    )


def used_characters(document: Document) -> dict[str, frozenset[str]]:
    """Which characters (or keys of `shaping`) each font of a document must have."""
    used: dict[str, set[str]] = {}
    for page in document.pages:
        for item in page.items:
            if isinstance(item, Text):
                if item.font not in used:
                    used[item.font] = set(document.shared.get(item.font, ()))
                if not item.glyphs:
                    used[item.font].update(item.shapes or item.text)
    return {name: frozenset(characters) for name, characters in sorted(used.items())}


def subsets(document: Document) -> dict[str, FontSubset]:
    """The font files of a document, by font name; GLYPH_MISSING also for glyph numbers."""
    found = {
        name: face(name, document.fonts.get(name)).subset(characters)
        for name, characters in used_characters(document).items()
    }
    for page in document.pages:
        for item in page.items:
            if not isinstance(item, Text) or not item.glyphs:
                continue
            if max(item.glyphs) >= len(found[item.font].advances):
                raise InvalidArgument(
                    "a text names a glyph that its font does not have",
                    reason="GLYPH_MISSING",
                    message_zh="文字引用了字体中不存在的字形",
                )
    return found


def glyph_numbers(item: Text, font: FontSubset) -> tuple[int, ...]:
    """The glyph of each character of a text."""
    return item.glyphs or tuple(font.glyphs[key] for key in item.shapes or item.text)


def advances(item: Text, font: FontSubset) -> tuple[float, ...]:
    """Millimetres from each character of a text to the next."""
    if item.advances or len(item.text) < 2:
        return item.advances
    return tuple(
        font.advances[glyph] * item.size / 1000 for glyph in glyph_numbers(item, font)[:-1]
    )


def as_path(item: Item) -> Path:
    """Rectangles and lines as paths; a path as itself."""
    if isinstance(item, Rect):
        return Path(
            data=rectangle(item.x, item.y, item.width, item.height),
            stroke=item.stroke,
            fill=item.fill,
            line_width=item.line_width,
        )
    if isinstance(item, Line):
        ends = [number(value) for value in (item.x1, item.y1, item.x2, item.y2)]
        return Path(
            data=f"M {ends[0]} {ends[1]} L {ends[2]} {ends[3]}",
            stroke=item.color,
            line_width=item.line_width,
            dash=item.dash,
        )
    if isinstance(item, Path):
        return item
    raise TypeError("texts and pictures are no paths")
