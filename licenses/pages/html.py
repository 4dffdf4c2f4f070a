"""HTML: a page to look at in a browser, one drawing (SVG) a sheet; the same text, the same places.

Invariants:

- Self-contained and still: fonts and pictures are inside, there is no script, no link, no handler,
  and a policy in the page says so; its one style sheet is allowed by its hash.
- A character's place is that of the model: every one has its own x. Units are millimetres.
- Shaped text (Tibetan, Mongolian, Arabic script) is drawn as outlines, as a browser would shape it
  anew; the characters lie over it unseen, so that it can be selected and found.

A preview proves nothing: it carries no seal. Only OFD and PDF are documents.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from io import BytesIO
from typing import Any

from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.ttLib import TTFont

from licenses.pages import markup
from licenses.pages.drawing import advances, as_path, glyph_numbers, image_format, subsets
from licenses.pages.fonts import FontSubset
from licenses.pages.model import IDENTITY, Color, Document, Image, Page, Path, Text
from licenses.pages.strokes import number, segments

_open_font: Any = TTFont
_svg_pen: Any = SVGPathPen
_STYLE = (
    "body{margin:0;padding:6mm;background:#6b6f76;text-align:center}"
    "svg{display:block;margin:0 auto 6mm;background:#fff;box-shadow:0 1mm 4mm rgba(0,0,0,.45)}"
    "text{white-space:pre;font-kerning:none;font-variant-ligatures:none}"
    "@media print{body{padding:0;background:none}svg{margin:0;box-shadow:none;break-after:page}}"
)


def write_html(document: Document, *, refresh: int = 0) -> bytes:
    """Render a document to an HTML page; `refresh`: seconds after which a browser loads it again.

    Raises InvalidArgument: GLYPH_MISSING, FONT_UNKNOWN, PATH_INVALID, IMAGE_UNKNOWN, TEXT_NOT_XML.
    """
    return _Writer(document).file(refresh)


class _Writer:
    """One rendering."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._fonts = subsets(document)
        self._families = {name: f"f{i}" for i, name in enumerate(self._fonts, start=1)}
        self._clips = 0

    def file(self, refresh: int) -> bytes:
        again = f'<meta http-equiv="refresh" content="{refresh}"/>' if refresh else ""
        style = _STYLE + "".join(
            f"@font-face{{font-family:{self._families[name]};src:url(data:font/"
            f"{'otf' if font.cff else 'ttf'};base64,{base64.b64encode(font.data).decode()})}}"
            for name, font in self._fonts.items()
        )
        allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = (
            "default-src 'none'; img-src data:; font-src data:; base-uri 'none'; "
            f"form-action 'none'; style-src 'sha256-{allowed}'"
        )
        pages = "\n".join(self._page(page) for page in self._document.pages)
        return (
            '<!DOCTYPE html>\n<html lang="zh-CN"><head><meta charset="utf-8"/>'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>'
            f'{again}<meta name="viewport" content="width=device-width"/>'
            f"<title>{markup.text(self._document.title)}</title><style>{style}</style></head>"
            f"<body>\n{pages}\n</body></html>\n"
        ).encode()

    def _page(self, page: Page) -> str:
        width, height = number(page.width), number(page.height)
        parts = [_path(as_path(shape)) for shape in page.background]
        for item in page.items:
            if isinstance(item, Text):
                parts.append(self._text(item))
            elif isinstance(item, Image):
                parts.append(self._image(item))
            else:
                parts.append(_path(as_path(item)))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}mm" height="{height}mm" '
            f'viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
        )

    def _text(self, item: Text) -> str:
        if not item.text:
            return ""
        font = self._fonts[item.font]
        places, x = [], item.x
        for step in (*advances(item, font), 0.0):
            places.append(number(x))
            x += step
        drawn = ""
        fill = f' fill="{_color(item.color)}"'
        if item.shapes or item.glyphs:
            drawn = _outlines(item, font, places)
            fill = ' fill-opacity="0"'
        family = self._families[item.font]
        return drawn + (
            f'<text y="{number(item.y)}" font-family="{family}" '
            f'font-size="{number(item.size)}"{fill}{_matrix(item.transform)}>'
            f"{_spans(item.text, places)}</text>"
        )

    def _image(self, item: Image) -> str:
        kind = image_format(item.data).lower()
        data = base64.b64encode(item.data).decode()
        clip = before = ""
        if item.clip is not None:
            self._clips += 1
            x, y, w, h = (number(value) for value in item.clip)
            before = (
                f'<clipPath id="c{self._clips}"><rect x="{x}" y="{y}" width="{w}" height="{h}"/>'
                "</clipPath>"
            )
            clip = f' clip-path="url(#c{self._clips})"'
        box = " ".join(
            f'{name}="{number(value)}"'
            for name, value in (
                ("x", item.x),
                ("y", item.y),
                ("width", item.width),
                ("height", item.height),
            )
        )
        drawn = (
            f'<image {box} preserveAspectRatio="none" href="data:image/{kind};base64,{data}"'
            f"{_matrix(item.transform)}/>"
        )
        return f"{before}<g{clip}>{drawn}</g>" if clip else drawn


def _spans(text: str, places: list[str]) -> str:
    """Characters with their places; one beyond the basic plane alone, as who draws counts it."""
    found = []
    at = 0
    while at < len(text):
        end = at + 1
        while end < len(text) and max(text[at], text[end]) < "\U00010000":
            end += 1
        xs = " ".join(places[at:end])
        found.append(f'<tspan x="{xs}">{markup.text(text[at:end])}</tspan>')
        at = end
    return "".join(found)


def _color(color: Color) -> str:
    return f"#{color[0]:02x}{color[1]:02x}{color[2]:02x}"


def _matrix(matrix: tuple[float, ...]) -> str:
    if matrix == IDENTITY:
        return ""
    return f' transform="matrix({" ".join(f"{value:.6g}" for value in matrix)})"'


@lru_cache(maxsize=512)
def _path(item: Path) -> str:
    """A path element. Cached: ornaments repeat."""
    words = []
    for operator, operands in segments(item.data):
        words.append({"B": "C", "C": "Z"}.get(operator, operator))
        words += [number(value) for value in operands]
    paint = f' fill="{_color(item.fill)}"' if item.fill else ' fill="none"'
    if item.even_odd and item.fill:
        paint += ' fill-rule="evenodd"'
    if item.stroke:
        paint += f' stroke="{_color(item.stroke)}" stroke-width="{number(item.line_width)}"'
    if item.dash:
        paint += f' stroke-dasharray="{" ".join(number(value) for value in item.dash)}"'
    return f'<path d="{" ".join(words)}"{paint}{_matrix(item.transform)}/>'


@lru_cache(maxsize=16)
def _glyph_set(data: bytes) -> Any:
    return _open_font(BytesIO(data), lazy=True)


def _outlines(item: Text, font: FontSubset, places: list[str]) -> str:
    """The glyphs of a text as paths."""
    opened = _glyph_set(font.data)
    order, glyphs = opened.getGlyphOrder(), opened.getGlyphSet()
    scale = item.size / float(opened["head"].unitsPerEm)
    found = []
    for glyph, x in zip(glyph_numbers(item, font), places, strict=True):
        pen = _svg_pen(glyphs)
        glyphs[order[glyph]].draw(pen)
        commands = pen.getCommands()
        if commands:
            found.append(
                f'<path d="{commands}" fill="{_color(item.color)}" '
                f'transform="translate({x} {number(item.y)}) scale({scale:.6g} {-scale:.6g})"/>'
            )
    return f"<g{_matrix(item.transform)}>{''.join(found)}</g>" if found else ""
