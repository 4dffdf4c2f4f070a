"""An OFD package opened for reading: a zip with limits, and XML without surprises.

Invariants:

- Nothing is inflated beyond the limits, whatever the zip's own directory claims.
- Two entries of one name are refused: readers differ in which of them they show.
- XML with a document type declaration is refused, so there are no entities to expand.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from lxml import etree

from runtime.errors import InvalidArgument

MAX_PACKAGE_BYTES = 32 << 20
MAX_ENTRIES = 2_000
MAX_ENTRY_BYTES = 32 << 20
MAX_TOTAL_BYTES = 96 << 20
MAX_XML_BYTES = 16 << 20

Element = etree._Element  # noqa: SLF001 - the only name lxml gives its element type


def unreadable(why: str) -> InvalidArgument:
    """The error of a package that is broken or beyond the limits; `why` holds no document text."""
    return InvalidArgument(
        f"the OFD cannot be read: {why}",
        reason="OFD_UNREADABLE",
        message_zh="OFD 文件无法解析",
    )


def unsupported(what: str) -> InvalidArgument:
    """The error of something that would be drawn and that we cannot draw: no half previews."""
    return InvalidArgument(
        f"the OFD uses {what}, which previews cannot draw",
        reason="OFD_FEATURE_UNSUPPORTED",
        message_zh="OFD 文件使用了预览暂不支持的内容",
    )


class Package:
    """Files of a package by absolute path without the leading slash."""

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_PACKAGE_BYTES:
            raise unreadable("the package is too large")
        try:
            self._zip = zipfile.ZipFile(BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise unreadable("it is not a zip package") from error
        entries = self._zip.infolist()
        if len(entries) > MAX_ENTRIES:
            raise unreadable("the package has too many entries")
        self._entries = {entry.filename.lstrip("/"): entry for entry in entries}
        if len(self._entries) != len(entries):
            raise unreadable("two entries have the same name")
        self._left = MAX_TOTAL_BYTES

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self._entries

    def read(self, path: str, limit: int = MAX_ENTRY_BYTES) -> bytes:
        """A file's bytes; OFD_UNREADABLE where it is absent, broken or larger than allowed."""
        entry = self._entries.get(path)
        if entry is None:
            raise unreadable("a file that the document names is absent")
        if entry.flag_bits & 1:
            raise unreadable("the package is encrypted")
        limit = min(limit, self._left)
        try:
            with self._zip.open(entry) as file:
                data = file.read(limit + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            raise unreadable("a file in the package is broken") from error
        if len(data) > limit:
            raise unreadable("a file in the package is too large")
        self._left -= len(data)
        return data

    def xml(self, path: str) -> Element:
        """A file as XML."""
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            root = etree.fromstring(self.read(path, MAX_XML_BYTES), parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            raise unreadable("a file is not well-formed XML") from error
        info: Any = root.getroottree().docinfo
        if info.doctype:
            raise unreadable("a file has a document type declaration")
        return root


def resolve(base: str, location: str) -> str:
    """An ST_Loc as a package path: absolute, or relative to the file `base` that says it."""
    location = location.strip()
    if not location.startswith("/"):
        location = posixpath.join("/", posixpath.dirname(base), location)
    path = posixpath.normpath(location).lstrip("/")
    if not path or path.startswith(".."):
        raise unreadable("a location leads out of the package")
    return path


def local(element: Element) -> str:
    """An element's name without its namespace."""
    return str(etree.QName(element).localname)


def children(element: Element | None, *names: str) -> Iterator[Element]:
    """Child elements, all or those of these local names, in order."""
    if element is not None:
        for found in element:
            if not names or local(found) in names:
                yield found


def child(element: Element | None, name: str) -> Element | None:
    """The first child of a local name."""
    return next(children(element, name), None)


def content(element: Element | None, name: str = "") -> str:
    """An element's (or its named child's) text without surrounding blanks; "" where absent."""
    found = child(element, name) if name else element
    return (found.text or "").strip() if found is not None else ""


def numbers(text: str | None, count: int | None = None) -> tuple[float, ...]:
    """Blank-separated numbers; OFD_UNREADABLE where they are not, or not `count` of them."""
    try:
        found = tuple(float(word) for word in (text or "").split())
    except ValueError:
        raise unreadable("a number is malformed") from None
    if any(not -1e7 < value < 1e7 for value in found):
        raise unreadable("a number is out of range")
    if count is not None and len(found) != count:
        raise unreadable("a list of numbers has the wrong length")
    return found
