"""What is on a page.

Invariants:

- Lengths are millimetres; the origin is the top left corner, x to the right, y downwards, as in
  OFD (GB/T 33190 §5.5). A `transform` (a, b, c, d, e, f) maps an item's own coordinates to the
  page's: x' = a·x + c·y + e, y' = b·x + d·y + f.
- Items are drawn in order, later ones on top.
- Nothing here is drawn or measured: the model is data, and equal documents render to equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from runtime.errors import InvalidArgument

Color = tuple[int, int, int]
Matrix = tuple[float, float, float, float, float, float]
# x, y, width, height
Box = tuple[float, float, float, float]

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
BLACK: Color = (0, 0, 0)
NOTHING: Mapping[str, bytes] = MappingProxyType({})

MAX_PAGE_MM = 2000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One line of text.

    `x`, `y`: where the first character starts on the baseline; `size`: mm of the em square.
    `advances`: mm from each character to the next, so one fewer than there are characters; empty
    means the font's own widths. `font`: a face (`fonts.FACES`, or a fallback) or a key of
    `Document.fonts`. `glyphs`: glyph numbers of an embedded font, one a character, where a
    document read from elsewhere says them itself; empty means by the font's `cmap`. `shapes`: what
    is drawn for each character of a shaped text, as `shaping` says; empty means the characters.
    """

    x: float
    y: float
    text: str
    size: float
    font: str = "regular"
    color: Color = BLACK
    advances: tuple[float, ...] = ()
    glyphs: tuple[int, ...] = ()
    shapes: tuple[str, ...] = ()
    transform: Matrix = IDENTITY

    def __post_init__(self) -> None:
        if self.advances and len(self.advances) != len(self.text) - 1:
            raise InvalidArgument(
                "a text's advances must be one fewer than its characters",
                reason="TEXT_ADVANCES_MISMATCH",
                message_zh="文字的字距个数必须比字符数少一",
            )
        if any(own and len(own) != len(self.text) for own in (self.glyphs, self.shapes)):
            raise InvalidArgument(
                "a text's glyphs must be as many as its characters",
                reason="TEXT_GLYPHS_MISMATCH",
                message_zh="文字的字形个数必须与字符数相等",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A PNG or JPEG picture fitted to a box; `clip` (page mm) hides what lies outside it.

    `ink`: what is below shows through, as through the ink of a seal. OFD pages cannot say so: it is
    for previews.
    """

    x: float
    y: float
    width: float
    height: float
    data: bytes = field(repr=False)
    clip: Box | None = None
    ink: bool = False
    transform: Matrix = IDENTITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A vector path.

    `data`: OFD's abbreviated path data (GB/T 33190 §9.1) in mm: `M x y` move, `L x y` line,
    `Q x1 y1 x y` quadratic, `B x1 y1 x2 y2 x y` cubic, `A rx ry angle large sweep x y` arc,
    `C` close. None as a colour means not stroked, or not filled.
    """

    data: str
    stroke: Color | None = BLACK
    fill: Color | None = None
    line_width: float = 0.25
    even_odd: bool = False
    dash: tuple[float, ...] = ()
    transform: Matrix = IDENTITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Rect:
    """A rectangle; None as a colour means not stroked, or not filled."""

    x: float
    y: float
    width: float
    height: float
    stroke: Color | None = BLACK
    fill: Color | None = None
    line_width: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A straight line; `dash` alternates drawn and blank lengths (mm)."""

    x1: float
    y1: float
    x2: float
    y2: float
    color: Color = BLACK
    line_width: float = 0.25
    dash: tuple[float, ...] = ()


Shape = Path | Rect | Line
Item = Text | Image | Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page and its items, first drawn first.

    `background`: shapes that many documents share, drawn before the items. Renderers keep them
    ready (an OFD template page, a PDF content stream of their own), so they hold no text.
    """

    width: float
    height: float
    items: tuple[Item, ...]
    background: tuple[Shape, ...] = ()

    def __post_init__(self) -> None:
        if not (0 < self.width <= MAX_PAGE_MM and 0 < self.height <= MAX_PAGE_MM):
            raise InvalidArgument(
                f"a page must be larger than nothing and at most {MAX_PAGE_MM:g} mm a side",
                reason="PAGE_SIZE_INVALID",
                message_zh=f"页面边长必须大于零且不超过 {MAX_PAGE_MM:g} 毫米",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file carried inside the document; `name` is a plain file name."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Pages with what is known about them.

    `created` is aware; renderers take every date and identifier from it and from the content, so
    that the same document gives the same bytes. `metadata` becomes OFD CustomDatas and PDF Info
    and XMP. `fonts`: font files (TrueType or OpenType) of texts that name no built-in face.
    `shared`: characters a face's file holds whether this document has them or not.
    """

    pages: tuple[Page, ...]
    title: str
    author: str
    created: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    fonts: Mapping[str, bytes] = field(default_factory=lambda: NOTHING, repr=False)
    shared: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.created.tzinfo is None:
            raise InvalidArgument(
                "a document's creation time must carry its zone",
                reason="CREATED_NAIVE",
                message_zh="文档创建时间必须带时区",
            )
        if not self.pages:
            raise InvalidArgument(
                "a document must have a page", reason="NO_PAGES", message_zh="文档至少要有一页"
            )
        names = [attachment.name for attachment in self.attachments]
        if len(set(names)) != len(names):
            raise InvalidArgument(
                "two attachments have the same name",
                reason="ATTACHMENT_NAME_TAKEN",
                message_zh="附件名称重复",
            )
