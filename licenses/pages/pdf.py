"""PDF: the same document, the same text at the same places.

Invariants:

- Deterministic: dates come from `created`, the file identifier from the content.
- Text is extractable (ToUnicode for every glyph used) and its fonts are embedded; every advance is
  that of the model, by TJ adjustments against the font's widths.
- Written to PDF/A-3u's rules (ISO 19005-3): output intent, XMP that agrees with Info, an extension
  schema for license metadata, associated files. Not judged by a validator here.

Why no library: the file is some twenty objects. ReportLab subsets each font again (2 ms a font,
longer than all of this) and has no associated files; pyHanko's writer draws identifiers at random
and takes 1 ms for serialising alone. pyHanko seals the result, and tests read it with pyHanko.
"""

from __future__ import annotations

import hashlib
import zlib
from datetime import UTC
from functools import lru_cache, partial

from licenses.pages import xmp
from licenses.pages.drawing import advances, as_path, glyph_numbers, subsets
from licenses.pages.fonts import FontSubset
from licenses.pages.markup import name as metadata_key
from licenses.pages.model import Document, Image, Page, Shape, Text
from licenses.pages.pdf_paths import color, path, transformed
from licenses.pages.pictures import Picture, decode
from licenses.pages.strokes import number

# The width of an ideograph, which is the fonts' default.
_FULL = 1000
_POINTS_PER_MM = 72 / 25.4
# Spacings that differ by less (mm) are one spacing.
_SAME_SPACING = 0.005


def write_pdf(document: Document) -> bytes:
    """Render a document to a PDF file.

    Raises InvalidArgument: GLYPH_MISSING, FONT_UNKNOWN, PATH_INVALID, IMAGE_UNKNOWN,
    TEXT_NOT_XML, METADATA_KEY_INVALID.
    """
    return _Writer(document).file()


def _string(text: str) -> bytes:
    """A text string (ISO 32000-1 §7.9.2.2): UTF-16 with what §7.3.4.2 asks to be escaped."""
    data = text.encode("utf-16-be")
    for byte, escaped in ((b"\\", b"\\\\"), (b"(", b"\\("), (b")", b"\\)"), (b"\r", b"\\r")):
        data = data.replace(byte, escaped)
    return b"(\xfe\xff" + data + b")"


def _name(text: str) -> bytes:
    """A name object: bytes outside the regular characters as #xx (§7.3.5)."""
    return b"/" + b"".join(
        bytes((byte,)) if bytes((byte,)).isalnum() or byte in b"_.-+" else b"#%02X" % byte
        for byte in text.encode()
    )


class _Writer:
    """One rendering: objects are numbered in the order they are made."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._objects: list[bytes] = []
        self._fonts = subsets(document)
        self._font_names = {name: f"F{i}" for i, name in enumerate(self._fonts, start=1)}
        self._images: dict[bytes, tuple[str, int]] = {}
        self._backgrounds: dict[bytes, int] = {}
        moment = document.created.astimezone(UTC)
        self._date = f"(D:{moment:%Y%m%d%H%M%S}+00'00')".encode()

    def _add(self, body: bytes) -> int:
        self._objects.append(body)
        return len(self._objects)

    def _stream(self, data: bytes, entries: bytes = b"", *, compress: bool = True) -> int:
        if compress:
            data, entries = zlib.compress(data), entries + b"/Filter/FlateDecode"
        head = b"<<%b/Length %d>>\nstream\n" % (entries, len(data))
        return self._add(head + data + b"\nendstream")

    def file(self) -> bytes:
        document = self._document
        catalog, tree = self._add(b""), self._add(b"")
        fonts = b"".join(
            b"/%b %d 0 R" % (self._font_names[name].encode(), self._font(name, font))
            for name, font in self._fonts.items()
        )
        pages = [self._page(page, tree, fonts) for page in document.pages]
        kids = b" ".join(b"%d 0 R" % page for page in pages)
        self._objects[tree - 1] = b"<</Type/Pages/Count %d/Kids[%b]>>" % (len(pages), kids)
        metadata = self._stream(xmp.packet(document), b"/Type/Metadata/Subtype/XML")
        profile = self._stream(xmp.srgb_profile(), b"/N 3")
        intent = (
            b"<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(sRGB)"
            b"/DestOutputProfile %d 0 R>>" % profile
        )
        self._objects[catalog - 1] = (
            b"<</Type/Catalog/Version/1.7/Pages %d 0 R/Metadata %d 0 R/OutputIntents[%b]"
            b"/Lang(zh-CN)/ViewerPreferences<</DisplayDocTitle true>>%b>>"
            % (tree, metadata, intent, self._attachments())
        )
        return self._assemble(catalog, self._info())

    def _info(self) -> int:
        document = self._document
        entries = [
            b"/Title" + _string(document.title),
            b"/Author" + _string(document.author) if document.author else b"",
            b"/Producer(Tongban)/Creator(Tongban)",
            b"/CreationDate" + self._date + b"/ModDate" + self._date,
        ]
        entries += [
            _name(metadata_key(key)) + _string(value) for key, value in document.metadata.items()
        ]
        return self._add(b"<<" + b"".join(entries) + b">>")

    def _assemble(self, catalog: int, info: int) -> bytes:
        # The comment of high bytes tells transfer programs that the file is binary.
        out = bytearray(b"%PDF-1.7\n%\xe5\xe6\xe7\xe8\n")
        places = []
        for number_, body in enumerate(self._objects, start=1):
            places.append(len(out))
            out += b"%d 0 obj\n" % number_ + body + b"\nendobj\n"
        identifier = hashlib.sha256(out).hexdigest()[:32].upper().encode()
        start = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
        out += b"".join(b"%010d 00000 n \n" % place for place in places)
        out += b"trailer\n<</Size %d/Root %d 0 R/Info %d 0 R/ID[<%b><%b>]>>\n" % (
            len(places) + 1,
            catalog,
            info,
            identifier,
            identifier,
        )
        out += b"startxref\n%d\n%%%%EOF\n" % start
        return bytes(out)

    def _font(self, name: str, font: FontSubset) -> int:
        """A composite font whose codes are glyph numbers (Identity-H; ISO 32000-1 §9.7)."""
        used = self._used_glyphs(name, font)
        if font.cff:
            file = b"/FontFile3 %d 0 R" % self._stream(font.data, b"/Subtype/OpenType")
        else:
            entries = b"/Length1 %d/Filter/FlateDecode" % len(font.data)
            file = b"/FontFile2 %d 0 R" % self._stream(
                _kept_deflated(font.data), entries, compress=False
            )
        ascent, descent = round(font.ascent), round(font.descent)
        postscript = _name(font.name)
        descriptor = self._add(
            b"<</Type/FontDescriptor/FontName%b/Flags 4/FontBBox[-1000 %d 3000 %d]/ItalicAngle 0"
            b"/Ascent %d/Descent %d/CapHeight 733/StemV %d%b>>"
            % (postscript, descent, ascent, ascent, descent, 120 if font.bold else 80, file)
        )
        widths = b" ".join(
            b"%d[%b]" % (glyph, number(font.advances[glyph]).encode())
            for glyph in sorted(used)
            if font.advances[glyph] != _FULL
        )
        kind = b"/CIDFontType0" if font.cff else b"/CIDFontType2/CIDToGIDMap/Identity"
        descendant = self._add(
            b"<</Type/Font/Subtype%b/BaseFont%b/CIDSystemInfo<</Registry(Adobe)"
            b"/Ordering(Identity)/Supplement 0>>/FontDescriptor %d 0 R/DW 1000/W[%b]>>"
            % (kind, postscript, descriptor, widths)
        )
        unicode_map = self._stream(_to_unicode(used))
        return self._add(
            b"<</Type/Font/Subtype/Type0/BaseFont%b/Encoding/Identity-H"
            b"/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>" % (postscript, descendant, unicode_map)
        )

    def _used_glyphs(self, name: str, font: FontSubset) -> dict[int, str]:
        used = {glyph: key[0] for key, glyph in font.glyphs.items()}
        for page in self._document.pages:
            for item in page.items:
                if isinstance(item, Text) and item.font == name and item.glyphs:
                    used.update(zip(item.glyphs, item.text, strict=True))
        return used

    def _page(self, page: Page, tree: int, fonts: bytes) -> int:
        height = page.height * _POINTS_PER_MM
        parts = [_millimetres(page.height)]
        images: set[tuple[str, int]] = set()
        for item in page.items:
            if isinstance(item, Text):
                if item.text:
                    parts.append(self._text(item))
            elif isinstance(item, Image):
                image = self._image(item.data)
                images.add(image)
                parts.append(_placed_image(item, image[0]))
            else:
                parts.append(path(as_path(item)))
        parts.append("Q")
        contents = b"%d 0 R" % self._stream("\n".join(parts).encode())
        if page.background:
            data = _background(page.background, page.height)
            if data not in self._backgrounds:
                self._backgrounds[data] = self._stream(data, b"/Filter/FlateDecode", compress=False)
            contents = b"[%d 0 R %b]" % (self._backgrounds[data], contents)
        pictures = b"".join(b"/%b %d 0 R" % (n.encode(), i) for n, i in sorted(images))
        inked = any(isinstance(item, Image) and item.ink for item in page.items)
        ink = b"/ExtGState<</Ink<</Type/ExtGState/BM/Multiply>>>>" if inked else b""
        return self._add(
            b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 %.4f %.4f]/Contents %b"
            b"/Resources<</Font<<%b>>/XObject<<%b>>%b>>>>"
            % (tree, page.width * _POINTS_PER_MM, height, contents, fonts, pictures, ink)
        )

    def _text(self, item: Text) -> str:
        font = self._fonts[item.font]
        glyphs = glyph_numbers(item, font)
        steps = advances(item, font)
        spacing = _spacing(item, [font.advances[glyph] for glyph in glyphs], steps)
        words = ["<"]
        drift = 0.0
        for glyph, step in zip(glyphs, (*steps, None), strict=True):
            words.append(f"{glyph:04X}")
            if step is None:
                break
            # TJ moves back by thousandths of an em; what rounding leaves goes to the next gap.
            drift += font.advances[glyph] - (step - spacing) / item.size * 1000
            if abs(drift) >= 0.5:
                back = round(drift, 1)
                words.append(f">{number(back)}<")
                drift -= back
        shown = "".join(words) + ">"
        name = self._font_names[item.font]
        place = f"1 0 0 -1 {number(item.x)} {number(item.y)} Tm"
        state = f"{color(item.color)} rg /{name} {number(item.size)} Tf"
        drawn = f"BT {state} {place} [{shown}] TJ ET"
        if spacing:
            drawn = f"BT {state} {number(spacing)} Tc {place} [{shown}] TJ 0 Tc ET"
        return transformed(item.transform, drawn)

    def _image(self, data: bytes) -> tuple[str, int]:
        if data not in self._images:
            picture = decode(data)
            mask = b""
            if picture.alpha is not None:
                alpha = Picture(
                    width=picture.width, height=picture.height, gray=True, data=picture.alpha
                )
                mask = b"/SMask %d 0 R" % self._picture(alpha, b"")
            name = f"I{len(self._images) + 1}"
            self._images[data] = (name, self._picture(picture, mask))
        return self._images[data]

    def _picture(self, picture: Picture, mask: bytes) -> int:
        space = b"/DeviceGray" if picture.gray else b"/DeviceRGB"
        kind = b"/DCTDecode" if picture.jpeg else b"/FlateDecode"
        entries = (
            b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace%b/BitsPerComponent 8"
            b"/Filter%b%b" % (picture.width, picture.height, space, kind, mask)
        )
        return self._stream(picture.data, entries, compress=False)

    def _attachments(self) -> bytes:
        """Catalog entries for associated files (ISO 32000-2 §14.13, PDF/A-3)."""
        found: list[tuple[str, int]] = []
        for attachment in self._document.attachments:
            entries = b"/Type/EmbeddedFile/Subtype%b/Params<</Size %d/ModDate%b>>" % (
                _name(attachment.media_type),
                len(attachment.data),
                self._date,
            )
            file = self._stream(attachment.data, entries)
            name = _string(attachment.name)
            entry = self._add(
                b"<</Type/Filespec/F%b/UF%b/AFRelationship/Data/EF<</F %d 0 R/UF %d 0 R>>>>"
                % (name, name, file, file)
            )
            found.append((attachment.name, entry))
        if not found:
            return b""
        # A name tree is sorted by the bytes of its keys.
        found.sort(key=lambda pair: pair[0].encode("utf-16-be"))
        names = b"".join(b"%b %d 0 R " % (_string(name), entry) for name, entry in found)
        references = b" ".join(b"%d 0 R" % entry for _, entry in found)
        return b"/Names<</EmbeddedFiles<</Names[%b]>>>>/AF[%b]" % (names, references)


def _spacing(item: Text, widths: list[float], steps: tuple[float, ...]) -> float:
    """Letter spacing (mm) where it is the same throughout, else 0.

    Set as character spacing, a spaced title is found by searching for its words; TJ adjustments
    of that size are taken for blanks.
    """
    extras = [step - w * item.size / 1000 for step, w in zip(steps, widths[:-1], strict=True)]
    if not extras or max(extras) - min(extras) > _SAME_SPACING:
        return 0.0
    return float(number(sum(extras) / len(extras)))


def _millimetres(height: float) -> str:
    """From here on a unit is a millimetre and y points down, as in the model."""
    scale = f"{_POINTS_PER_MM:.9f}"
    return f"q {scale} 0 0 -{scale} 0 {height * _POINTS_PER_MM:.4f} cm"


# Files with the characters a template's documents share are the same in every license of a type.
_kept_deflated = lru_cache(maxsize=64)(partial(zlib.compress, level=9))


@lru_cache(maxsize=16)
def _background(shapes: tuple[Shape, ...], height: float) -> bytes:
    """A deflated content stream. Kept: it is the same in every license of a type."""
    parts = [_millimetres(height), *(path(as_path(shape)) for shape in shapes), "Q"]
    return zlib.compress("\n".join(parts).encode())


def _placed_image(item: Image, name: str) -> str:
    width, height = number(item.width), number(item.height)
    bottom = number(item.y + item.height)
    place = f"{width} 0 0 -{height} {number(item.x)} {bottom} cm"
    state = "/Ink gs " if item.ink else ""
    drawn = transformed(item.transform, f"q {state}{place} /{name} Do Q")
    if item.clip is None:
        return drawn
    return f"q {' '.join(number(value) for value in item.clip)} re W n {drawn} Q"


def _to_unicode(used: dict[int, str]) -> bytes:
    """A ToUnicode CMap (ISO 32000-1 §9.10.3); at most 100 rows a block."""
    rows = [f"<{g:04X}> <{c.encode('utf-16-be').hex().upper()}>" for g, c in sorted(used.items())]
    blocks = [rows[at : at + 100] for at in range(0, len(rows), 100)]
    body = "".join(
        f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar\n" for block in blocks
    )
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        "/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n"
        "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
        "1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"
        f"{body}endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
    ).encode()
