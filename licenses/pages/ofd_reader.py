"""OFD read back as a document, so that a preview shows the document's own bytes.

Invariants:

- What would be drawn and cannot be is refused (OFD_FEATURE_UNSUPPORTED); what is malformed or
  beyond the limits is refused too (OFD_UNREADABLE). There are no half previews.
- Embedded fonts are used as they are; a font that is only named falls back to the built-in face.
- Seals (StampAnnot) are drawn where Signature.xml says, with the picture that was signed. Nothing
  is verified here.

Only the date of `created` survives: OFD holds no time of day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from licenses.pages import stamps
from licenses.pages.model import Attachment, Box, Document, Image, Item, Matrix, Page, Path, Text
from licenses.pages.ofd_objects import ObjectReader, Resources
from licenses.pages.package import (
    Element,
    Package,
    child,
    children,
    content,
    local,
    numbers,
    resolve,
    unreadable,
    unsupported,
)
from licenses.pages.pictures import MAX_PIXELS
from licenses.pages.strokes import compose
from runtime.clock import CHINA

MAX_PAGES = 100
MAX_NESTED_SEALS = 1
_MEDIA_TYPES = {"xml": "application/xml", "json": "application/json"}


def read_ofd(data: bytes) -> Document:
    """Read an OFD package, sealed or not; see the invariants above for what is refused.

    Raises InvalidArgument: OFD_UNREADABLE, OFD_FEATURE_UNSUPPORTED, PATH_INVALID, and those of
    the model's own checks.
    """
    return _Reader(data, nested=0).document()


def read_metadata(data: bytes) -> dict[str, str]:
    """The CustomDatas of an OFD package alone: its pages are not read. Raises as `read_ofd`."""
    return _Reader(data, nested=0).metadata()


class _Reader:
    def __init__(self, data: bytes, *, nested: int) -> None:
        self._package = Package(data)
        self._nested = nested
        root = self._package.xml("OFD.xml")
        bodies = list(children(root, "DocBody"))
        if local(root) != "OFD" or not bodies:
            raise unreadable("OFD.xml has no document")
        if len(bodies) > 1 or child(bodies[0], "Versions") is not None:
            raise unsupported("several documents or versions in one package")
        self._body = bodies[0]
        self._path = resolve("OFD.xml", content(self._body, "DocRoot"))
        self._root = self._package.xml(self._path)
        self._fonts: dict[str, bytes] = {}

    def document(self) -> Document:
        if child(self._root, "Annotations") is not None:
            raise unsupported("annotations")
        common = child(self._root, "CommonData")
        resources = Resources(self._package, self._path)
        for location in children(common, "PublicRes", "DocumentRes"):
            resources.load(content(location))
        default = _page_box(child(common, "PageArea"))
        templates = {
            element.get("ID", ""): resolve(self._path, element.get("BaseLoc", ""))
            for element in children(common, "TemplatePage")
        }
        sheets = list(children(child(self._root, "Pages"), "Page"))
        if not 0 < len(sheets) <= MAX_PAGES:
            raise unreadable("it has no pages, or too many")
        seals = self._seals()
        pages: list[Page] = []
        for sheet in sheets:
            path = resolve(self._path, sheet.get("BaseLoc", ""))
            page = self._page(path, resources, templates, default)
            stamped = seals.pop(sheet.get("ID", ""), [])
            pages.append(replace(page, items=(*page.items, *stamped)))
        if seals:
            raise unreadable("a seal stands on a page that does not exist")
        self._fonts.update(resources.font_files)
        return self._with_info(tuple(pages))

    def metadata(self) -> dict[str, str]:
        info = child(self._body, "DocInfo")
        return {
            element.get("Name", ""): content(element)
            for element in children(child(info, "CustomDatas"), "CustomData")
        }

    def _with_info(self, pages: tuple[Page, ...]) -> Document:
        info = child(self._body, "DocInfo")
        return Document(
            pages=pages,
            title=content(info, "Title"),
            author=content(info, "Author"),
            created=_date(content(info, "CreationDate")),
            metadata=self.metadata(),
            attachments=tuple(self._attachments()),
            fonts=self._fonts,
        )

    def _attachments(self) -> Iterator[Attachment]:
        location = content(self._root, "Attachments")
        if not location:
            return
        path = resolve(self._path, location)
        for element in children(self._package.xml(path), "Attachment"):
            kind = element.get("Format", "")
            yield Attachment(
                name=element.get("Name", ""),
                media_type=_MEDIA_TYPES.get(
                    kind, kind if "/" in kind else "application/octet-stream"
                ),
                data=self._package.read(resolve(path, content(element, "FileLoc"))),
            )

    def _page(
        self, path: str, resources: Resources, templates: Mapping[str, str], default: Box
    ) -> Page:
        root = self._package.xml(path)
        own = resources.extended(path, [content(found) for found in children(root, "PageRes")])
        box = _page_box(child(root, "Area"), default)
        reader = ObjectReader(own)
        behind: list[Item] = []
        front: list[Item] = []
        for use in children(root, "Template"):
            template = templates.get(use.get("TemplateID", ""))
            if template is None:
                raise unreadable("a page uses a template that does not exist")
            content_of = child(self._package.xml(template), "Content")
            target = front if use.get("ZOrder") == "Foreground" else behind
            target.extend(reader.items(content_of))
        items = [*behind, *reader.items(child(root, "Content")), *front]
        if box[:2] != (0.0, 0.0):
            shift: Matrix = (1.0, 0.0, 0.0, 1.0, -box[0], -box[1])
            items = [_seen_through(shift, item) for item in items]
        return Page(width=box[2], height=box[3], items=tuple(items))

    def _seals(self) -> dict[str, list[Item]]:
        """What StampAnnots draw, by page ID."""
        found: dict[str, list[Item]] = {}
        location = content(self._body, "Signatures")
        if not location:
            return found
        index = resolve("OFD.xml", location)
        for entry in children(self._package.xml(index), "Signature"):
            path = resolve(index, entry.get("BaseLoc", ""))
            signature = self._package.xml(path)
            signed = child(signature, "SignedInfo")
            marks = list(children(signed, "StampAnnot"))
            if not marks:
                continue
            picture = self._picture(path, signature, signed)
            for mark in marks:
                box = numbers(mark.get("Boundary"), 4)
                items = found.setdefault(mark.get("PageRef", ""), [])
                items.extend(self._stamp(picture, box, mark.get("Clip")))
        return found

    def _picture(self, path: str, signature: Element, signed: Element | None) -> stamps.SealPicture:
        """The signed copy of the seal where there is one: Seal.esl may have been swapped."""
        value = content(signature, "SignedValue")
        if value and self._package.has(resolve(path, value)):
            return stamps.picture(self._package.read(resolve(path, value)))
        seal = content(child(signed, "Seal"), "BaseLoc")
        if not seal:
            raise unreadable("a stamp has no seal")
        return stamps.picture(self._package.read(resolve(path, seal)))

    def _stamp(
        self, picture: stamps.SealPicture, box: tuple[float, ...], clip: str | None
    ) -> list[Item]:
        x, y, width, height = box
        if picture.kind == "ofd":
            return self._nested_stamp(picture.data, box, clip)
        shown: Box | None = None
        if clip:
            cx, cy, cw, ch = numbers(clip, 4)
            shown = (x + cx, y + cy, cw, ch)
        data = _as_png(picture.data)
        return [Image(x=x, y=y, width=width, height=height, data=data, clip=shown, ink=True)]

    def _nested_stamp(self, data: bytes, box: tuple[float, ...], clip: str | None) -> list[Item]:
        if self._nested >= MAX_NESTED_SEALS or clip:
            raise unsupported("a seal picture that is an OFD, nested or clipped")
        reader = _Reader(data, nested=self._nested + 1)
        inner = reader.document()
        sheet = inner.pages[0]
        x, y, width, height = box
        frame: Matrix = (width / sheet.width, 0.0, 0.0, height / sheet.height, x, y)
        prefix = f"seal{len(self._fonts)}-"
        self._fonts.update({prefix + name: file for name, file in inner.fonts.items()})
        items: list[Item] = []
        for item in sheet.items:
            if isinstance(item, Text) and item.font in inner.fonts:
                item = replace(item, font=prefix + item.font)
            items.append(_seen_through(frame, item))
        return items


def _seen_through(frame: Matrix, item: Item) -> Item:
    """An item drawn through one more transform."""
    if isinstance(item, Image) and item.clip is not None:
        raise unsupported("a clipped picture inside a transform")
    if not isinstance(item, (Text, Image, Path)):
        raise TypeError("reading makes texts, pictures and paths only")
    return replace(item, transform=compose(frame, item.transform))


def _as_png(data: bytes) -> bytes:
    """A seal picture in a format the model has; PNG and JPEG stay as they are."""
    if data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return data
    try:
        with Pillow.open(BytesIO(data), formats=("GIF", "BMP")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise unreadable("a seal picture has too many pixels")
            target = BytesIO()
            image.convert("RGBA").save(target, "PNG")
            return target.getvalue()
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
        raise unreadable("a seal picture cannot be decoded") from error


def _page_box(area: Element | None, default: Box = (0.0, 0.0, 210.0, 297.0)) -> Box:
    text = content(area, "PhysicalBox")
    if not text:
        return default
    x, y, width, height = numbers(text, 4)
    return x, y, width, height


def _date(text: str) -> datetime:
    """A document's date, as midnight there; the earliest zip date where it is absent or odd."""
    try:
        return datetime.fromisoformat(text[:10]).replace(tzinfo=CHINA).astimezone(UTC)
    except ValueError:
        return datetime(1980, 1, 1, tzinfo=UTC)
