"""OFD (GB/T 33190-2016): a document as an unsigned package.

Invariants:

- Deterministic: the same document gives the same bytes (fixed zip dates, identifiers by counting,
  DocID from the content).
- Elements stand in the standard's order (OFD.xml: DocInfo, DocRoot; CommonData: MaxUnitID,
  PageArea, PublicRes, DocumentRes; see STANDARDS §4), every ID is unique and none exceeds
  MaxUnitID; locations are package paths.
- Every text has its font embedded and says every advance (DeltaX), so that it stands at the same
  place in a reader that does not use the font.
- Signing is not done here; the seal adds its own files and the Signatures element of OFD.xml.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterator
from functools import lru_cache, partial
from struct import pack

from licenses.pages import markup
from licenses.pages.drawing import advances, as_path, glyph_numbers, image_format, subsets
from licenses.pages.model import IDENTITY, Color, Document, Image, Page, Path, Shape, Text
from licenses.pages.strokes import bounds, compose, moved, number, rectangle
from runtime.clock import CHINA

NAMESPACE = "http://www.ofdspec.org/2016"
FORMATS = {"application/xml": "xml", "text/xml": "xml", "application/json": "json"}
# Where the baseline is in a text's boundary, from its top, in ems; and the boundary's height.
_BASELINE = 0.88
_HEIGHT = 1.0 + 0.16
# 1980-01-01 in MS-DOS form: year - 1980 << 9 | month << 5 | day.
_ZIP_DATE = 0 << 9 | 1 << 5 | 1


def write_ofd(document: Document) -> bytes:
    """Render a document to an OFD package.

    Raises InvalidArgument: GLYPH_MISSING, FONT_UNKNOWN, PATH_INVALID, IMAGE_UNKNOWN,
    TEXT_NOT_XML, METADATA_KEY_INVALID.
    """
    return _Writer(document).package()


class _Writer:
    """One rendering: identifiers are handed out in the order things are written."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._last_id = 0
        self._files: dict[str, bytes] = {}
        self._fonts = subsets(document)
        self._font_ids: dict[str, int] = {}
        self._image_ids: dict[bytes, int] = {}
        self._template_ids: dict[tuple[tuple[Shape, ...], float, float], int] = {}

    def _id(self) -> int:
        self._last_id += 1
        return self._last_id

    def package(self) -> bytes:
        """All files, OFD.xml first."""
        document = self._document
        templates = self._templates()
        public = self._public_resources()
        media = self._document_resources()
        pages = [self._page(index, page) for index, page in enumerate(document.pages)]
        attachments = self._attachments()
        first = document.pages[0]
        parts = [
            f"<ofd:CommonData><ofd:MaxUnitID>{self._last_id}</ofd:MaxUnitID>",
            f"<ofd:PageArea>{_physical_box(first.width, first.height)}</ofd:PageArea>",
            public,
            media,
            templates,
            "</ofd:CommonData><ofd:Pages>",
            *pages,
            "</ofd:Pages>",
            attachments,
        ]
        self._xml("Doc_0/Document.xml", "Document", "".join(parts))
        root = self._root()
        return _zip({"OFD.xml": root, **self._files})

    def _xml(self, path: str, element: str, body: str, attributes: str = "") -> None:
        self._files[path] = _wrap(element, body, attributes)

    def _root(self) -> bytes:
        document = self._document
        digest = hashlib.sha256()
        for path, data in self._files.items():
            digest.update(f"{path}\0{len(data)}\0".encode())
            digest.update(data)
        pairs = {markup.name(key): markup.text(v) for key, v in document.metadata.items()}
        custom = "".join(
            f'<ofd:CustomData Name="{key}">{value}</ofd:CustomData>' for key, value in pairs.items()
        )
        author = (
            f"<ofd:Author>{markup.text(document.author)}</ofd:Author>" if document.author else ""
        )
        body = (
            f"<ofd:DocBody><ofd:DocInfo><ofd:DocID>{digest.hexdigest()[:32]}</ofd:DocID>"
            f"<ofd:Title>{markup.text(document.title)}</ofd:Title>{author}"
            f"<ofd:CreationDate>{document.created.astimezone(CHINA):%Y-%m-%d}</ofd:CreationDate>"
            f"<ofd:Creator>Tongban</ofd:Creator>"
            + (f"<ofd:CustomDatas>{custom}</ofd:CustomDatas>" if custom else "")
            + "</ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody>"
        )
        return _wrap("OFD", body, ' Version="1.0" DocType="OFD"')

    def _templates(self) -> str:
        """Backgrounds as template pages; equal ones once."""
        rows: list[str] = []
        for page in self._document.pages:
            key = (page.background, page.width, page.height)
            if not page.background or key in self._template_ids:
                continue
            body = _template_page(page.background, page.width, page.height, self._last_id + 1)
            self._last_id += len(page.background) + 1
            self._template_ids[key] = identifier = self._id()
            location = f"Tpls/Tpl_{len(rows)}/Content.xml"
            self._files[f"Doc_0/{location}"] = body
            rows.append(
                f'<ofd:TemplatePage ID="{identifier}" BaseLoc="{location}" ZOrder="Background"/>'
            )
        return "".join(rows)

    def _public_resources(self) -> str:
        if not self._fonts:
            return ""
        rows = []
        for position, (name, font) in enumerate(self._fonts.items(), start=1):
            self._font_ids[name] = identifier = self._id()
            file = f"font_{position}.{'otf' if font.cff else 'ttf'}"
            self._files[f"Doc_0/Res/{file}"] = font.data
            bold = ' Bold="true"' if font.bold else ""
            rows.append(
                f'<ofd:Font ID="{identifier}" FontName="{markup.text(font.name)}" '
                f'FamilyName="{markup.text(font.family)}"{bold}>'
                f"<ofd:FontFile>{file}</ofd:FontFile></ofd:Font>"
            )
        body = f"<ofd:Fonts>{''.join(rows)}</ofd:Fonts>"
        self._xml("Doc_0/PublicRes.xml", "Res", body, ' BaseLoc="Res"')
        return "<ofd:PublicRes>PublicRes.xml</ofd:PublicRes>"

    def _document_resources(self) -> str:
        rows = []
        for page in self._document.pages:
            for item in page.items:
                if not isinstance(item, Image) or item.data in self._image_ids:
                    continue
                kind = image_format(item.data)
                self._image_ids[item.data] = identifier = self._id()
                file = f"image_{len(self._image_ids)}.{'png' if kind == 'PNG' else 'jpg'}"
                self._files[f"Doc_0/Res/{file}"] = item.data
                rows.append(
                    f'<ofd:MultiMedia ID="{identifier}" Type="Image" Format="{kind}">'
                    f"<ofd:MediaFile>{file}</ofd:MediaFile></ofd:MultiMedia>"
                )
        if not rows:
            return ""
        body = f"<ofd:MultiMedias>{''.join(rows)}</ofd:MultiMedias>"
        self._xml("Doc_0/DocumentRes.xml", "Res", body, ' BaseLoc="Res"')
        return "<ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes>"

    def _page(self, index: int, page: Page) -> str:
        identifier, layer = self._id(), self._id()
        objects = "".join(self._objects(page))
        key = (page.background, page.width, page.height)
        template = (
            f'<ofd:Template TemplateID="{self._template_ids[key]}" ZOrder="Background"/>'
            if page.background
            else ""
        )
        body = (
            f"{template}<ofd:Area>{_physical_box(page.width, page.height)}</ofd:Area>"
            "<ofd:Content>"
            f'<ofd:Layer ID="{layer}" Type="Body">{objects}</ofd:Layer></ofd:Content>'
        )
        location = f"Pages/Page_{index}/Content.xml"
        self._xml(f"Doc_0/{location}", "Page", body)
        return f'<ofd:Page ID="{identifier}" BaseLoc="{location}"/>'

    def _objects(self, page: Page) -> Iterator[str]:
        for item in page.items:
            if isinstance(item, Text):
                if item.text:
                    yield self._text(item)
            elif isinstance(item, Image):
                yield self._image(item)
            else:
                yield f'<ofd:PathObject ID="{self._id()}" {_path(as_path(item))}'

    def _text(self, item: Text) -> str:
        font = self._fonts[item.font]
        steps = advances(item, font)
        numbers = glyph_numbers(item, font)
        if item.transform == IDENTITY:
            last = numbers[-1]
            width = sum(steps) + font.advances[last] * item.size / 1000
            top = item.y - _BASELINE * item.size
            height = _HEIGHT * item.size
            boundary = f"{number(item.x)} {number(top)} {number(width)} {number(height)}"
            # The boundary is rounded: what was cut off is added here.
            x, y = item.x - float(number(item.x)), item.y - float(number(top))
            matrix = ""
        else:
            boundary = _whole_plane()
            x, y = item.x, item.y
            matrix = f' CTM="{_matrix(item.transform)}"'
        glyphs = (
            f'<ofd:CGTransform CodePosition="0" CodeCount="{len(item.text)}" '
            f'GlyphCount="{len(numbers)}"><ofd:Glyphs>{" ".join(map(str, numbers))}'
            "</ofd:Glyphs></ofd:CGTransform>"
            if item.glyphs or item.shapes
            else ""
        )
        delta = f' DeltaX="{_deltas(steps)}"' if steps else ""
        return (
            f'<ofd:TextObject ID="{self._id()}" Boundary="{boundary}"{matrix} '
            f'Font="{self._font_ids[item.font]}" Size="{number(item.size)}">'
            f"{_color('FillColor', item.color)}{glyphs}"
            f'<ofd:TextCode X="{number(x)}" Y="{number(y)}"{delta}>{markup.text(item.text)}'
            "</ofd:TextCode></ofd:TextObject>"
        )

    def _image(self, item: Image) -> str:
        width, height = number(item.width), number(item.height)
        if item.transform == IDENTITY:
            boundary = f"{number(item.x)} {number(item.y)} {width} {height}"
            matrix = f"{width} 0 0 {height} 0 0"
            clip_x, clip_y = item.x, item.y
        else:
            boundary = _whole_plane()
            placed = (item.width, 0.0, 0.0, item.height, item.x, item.y)
            matrix = _matrix(compose(item.transform, placed))
            clip_x = clip_y = 0.0
        clip = ""
        if item.clip is not None:
            x, y, w, h = item.clip
            area = " ".join(number(v) for v in (x - clip_x, y - clip_y, w, h))
            clip = (
                '<ofd:Clips TransFlag="false"><ofd:Clip><ofd:Area>'
                f'<ofd:Path Boundary="{area}" Fill="true"><ofd:AbbreviatedData>'
                f"{rectangle(0, 0, w, h)}</ofd:AbbreviatedData></ofd:Path>"
                "</ofd:Area></ofd:Clip></ofd:Clips>"
            )
        return (
            f'<ofd:ImageObject ID="{self._id()}" Boundary="{boundary}" CTM="{matrix}" '
            f'ResourceID="{self._image_ids[item.data]}">{clip}</ofd:ImageObject>'
        )

    def _attachments(self) -> str:
        document = self._document
        if not document.attachments:
            return ""
        rows = []
        date = f"{document.created.astimezone(CHINA):%Y-%m-%d}"
        for position, attachment in enumerate(document.attachments, start=1):
            kind = FORMATS.get(attachment.media_type, attachment.media_type)
            # The name inside the package is ours: an attachment's own may hold anything.
            file = f"attachment_{position}.{'xml' if kind == 'xml' else 'bin'}"
            self._files[f"Doc_0/Attachs/{file}"] = attachment.data
            rows.append(
                f'<ofd:Attachment ID="a{position:03}" Name="{markup.text(attachment.name)}" '
                f'Format="{markup.text(kind)}" CreationDate="{date}" '
                f'Size="{number(len(attachment.data) / 1024)}" Visible="true">'
                f"<ofd:FileLoc>{file}</ofd:FileLoc></ofd:Attachment>"
            )
        self._xml("Doc_0/Attachs/Attachments.xml", "Attachments", "".join(rows))
        return "<ofd:Attachments>Attachs/Attachments.xml</ofd:Attachments>"


@lru_cache(maxsize=128)
def _path(item: Path) -> str:
    """A path object after its ID: attributes and children. Cached: ornaments repeat."""
    if item.transform == IDENTITY:
        x, y, width, height = bounds(item.data)
        # A straight line has no extent one way, and some readers clip to the boundary.
        margin = item.line_width if item.stroke else 0.0
        # Whole tenths, so that no number inside grows longer than it was.
        left, top = math.floor((x - margin) * 10) / 10, math.floor((y - margin) * 10) / 10
        size = (x + width + margin - left, y + height + margin - top)
        boundary = " ".join(number(value) for value in (left, top, *size))
        data, matrix = moved(item.data, -left, -top), ""
    else:
        boundary, data = _whole_plane(), moved(item.data, 0.0, 0.0)
        matrix = f' CTM="{_matrix(item.transform)}"'
    attributes = [f'Boundary="{boundary}"{matrix}']
    attributes.append(f'Stroke="{"true" if item.stroke else "false"}"')
    attributes.append(f'Fill="{"true" if item.fill else "false"}"')
    if item.stroke:
        attributes.append(f'LineWidth="{number(item.line_width)}"')
    if item.dash:
        attributes.append(f'DashPattern="{" ".join(map(number, item.dash))}"')
    if item.even_odd:
        attributes.append('Rule="Even-Odd"')
    return (
        f"{' '.join(attributes)}>{_color('StrokeColor', item.stroke)}"
        f"{_color('FillColor', item.fill)}<ofd:AbbreviatedData>{data}</ofd:AbbreviatedData>"
        "</ofd:PathObject>"
    )


@lru_cache(maxsize=16)
def _template_page(
    background: tuple[Shape, ...], width: float, height: float, first_id: int
) -> bytes:
    """A template page; its layer has `first_id`, its objects the identifiers after it."""
    objects = "".join(
        f'<ofd:PathObject ID="{identifier}" {_path(as_path(shape))}'
        for identifier, shape in enumerate(background, start=first_id + 1)
    )
    return _wrap(
        "Page",
        f"<ofd:Area>{_physical_box(width, height)}</ofd:Area><ofd:Content>"
        f'<ofd:Layer ID="{first_id}" Type="Background">{objects}</ofd:Layer></ofd:Content>',
    )


def _whole_plane() -> str:
    """A boundary for transformed objects, whose own extent is not worth computing."""
    return "0 0 2000 2000"


def _color(element: str, color: Color | None) -> str:
    if color is None:
        return ""
    return f'<ofd:{element} Value="{color[0]} {color[1]} {color[2]}"/>'


def _matrix(matrix: tuple[float, ...]) -> str:
    return " ".join(f"{value:.6f}".rstrip("0").rstrip(".") for value in matrix)


def _deltas(steps: tuple[float, ...]) -> str:
    """DeltaX: runs of three and more equal steps as `g count step` (GB/T 33190 §11.3)."""
    # Rounding each step would add up along a line: round the places and take their differences.
    words: list[str] = []
    place = written = 0.0
    for step in steps:
        place += step
        words.append(number(place - written))
        written += float(words[-1])
    found: list[str] = []
    at = 0
    while at < len(words):
        run = at
        while run < len(words) and words[run] == words[at]:
            run += 1
        count = run - at
        found.extend(["g", str(count), words[at]] if count > 2 else words[at:run])
        at = run
    return " ".join(found)


def _physical_box(width: float, height: float) -> str:
    size = f"{number(width)} {number(height)}"
    return f"<ofd:PhysicalBox>0 0 {size}</ofd:PhysicalBox>"


def _wrap(element: str, body: str, attributes: str = "") -> bytes:
    return (
        f'{markup.HEADER}<ofd:{element} xmlns:ofd="{NAMESPACE}"{attributes}>{body}</ofd:{element}>'
    ).encode()


def _zip(files: dict[str, bytes]) -> bytes:
    """A zip archive (APPNOTE 6.3.3, no extras). Not `zipfile`: it cannot take deflated bytes."""
    out, directory = bytearray(), bytearray()
    for path, data in files.items():
        name = path.encode()
        stored = path.endswith((".png", ".jpg"))
        if stored:
            body = data
        elif path.startswith(("Doc_0/Tpls/", "Doc_0/Res/font_")):
            body = _kept_deflated(data)
        else:
            body = _deflated(data)
        # Needed version 2.0, no flags (all names are ASCII), method, 1980-01-01 00:00.
        head = pack("<HHHHH", 20, 0, 0 if stored else 8, 0, _ZIP_DATE)
        head += pack("<IIIHH", zlib.crc32(data), len(body), len(data), len(name), 0)
        directory += b"PK\1\2" + pack("<H", 3 << 8 | 20) + head
        directory += pack("<HHHII", 0, 0, 0, 0o100644 << 16, len(out)) + name
        out += b"PK\3\4" + head + name + body
    count, start = len(files), len(out)
    end = pack("<HHHHIIH", 0, 0, count, count, len(directory), start, 0)
    return bytes(out + directory + b"PK\5\6" + end)


def _deflated(data: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


# Backgrounds and the shared fonts are the same in every license of a type.
_kept_deflated = lru_cache(maxsize=64)(partial(_deflated, level=9))
