"""What the documents of a package lead to: the files that make up their pages, and attachments.

1. What a Document.xml names as pages, templates, resources, annotations and the like is a part of
   it, and so are the pages of its annotations and the resources of its pages.
2. A location that leads nowhere as it stands may be spelled with percent signs, backslashes or
   other letters: other software follows it, so it is followed here too.
3. A file that a list of attachments names is attached if nothing else leads to it.

Each Document.xml is parsed once.

Source: GB/T 33190-2016 §7.5 to §7.9, §15, §16, §17, §20.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from lxml import etree

from seal.ofd.markup import read_head, read_xml, resolve, tag
from seal.ofd.names import folded, spelled_out
from seal.ofd.package import OfdPackage, PackageError
from seal.ofd.placement import Pages, pages_in
from seal.ofd.seen import MARK, Seen
from seal.ofd.structure import DocBody

_RESOURCES: Final = frozenset({"PublicRes", "DocumentRes"})
_MOST_MEDIA: Final = 10_000
_PAGE_RESOURCES: Final = "PageRes"
_ANNOTATIONS: Final = "Annotations"
_ATTACHMENTS: Final = "Attachments"
_NAMING: Final = frozenset(
    {*_RESOURCES, _ANNOTATIONS, _ATTACHMENTS, "CustomTags", "Tags", "Extensions"}
)
"""The elements of Document.xml whose text is a location."""


class Linked:
    """The parts of all documents of a package, and what is attached to them.

    `parsed` are the files that were read as XML while looking.
    """

    __slots__ = (
        "_attached",
        "_lists",
        "_mentioning",
        "_names",
        "_package",
        "_pages",
        "_resources",
        "parsed",
        "parts",
    )

    def __init__(self, package: OfdPackage, bodies: Sequence[DocBody], seen: Seen) -> None:
        self._package = package
        self._mentioning = seen.mentioning
        self._names: dict[str, str] | None = None
        self._pages: dict[str, Pages | None] = {}
        self._lists: set[str] = set()
        self._resources: set[str] = set()
        self._attached: frozenset[str] | None = None
        self.parsed: set[str] = set()
        self.parts: set[str] = set()
        for body in bodies:
            if body.doc_root not in self._pages:
                self._read(body.doc_root)

    def pages(self, doc_root: str) -> Pages | None:
        """The pages of one document; None where something of them does not read."""
        return self._pages.get(doc_root)

    @property
    def attached(self) -> frozenset[str]:
        """The files that are attached and nothing else (rule 3); asked only where it matters."""
        if self._attached is None:
            named: set[str] = set()
            for listed in self._lists:
                root = self._parsed(listed)
                if root is not None:
                    named |= self._all_of(listed, _texts(root, "FileLoc"))
            self._attached = frozenset(named - self.parts - self._media(named) if named else ())
        return self._attached

    # --- rule 1 ---------------------------------------------------------------------------------

    def _read(self, doc_root: str) -> None:
        self._pages[doc_root] = None
        self.parts.add(doc_root)
        root = self._parsed(doc_root)
        if root is None:
            return
        with suppress(PackageError):  # told where it matters
            self._pages[doc_root] = pages_in(self._package, doc_root, root)
        located: set[str] = set()
        for element in root.iter(etree.Element):
            where = element.get("BaseLoc")
            if where is not None:
                located.add(where)
                continue
            local = str(element.tag).rpartition("}")[2]
            if local in _NAMING:
                self._take(local, self._to(element.text or "", doc_root))
        pages = self._all_of(doc_root, located)
        self.parts |= pages
        for page in pages:
            self._take(_PAGE_RESOURCES, self._all_of(page, self._resources_of(page)))

    def _take(self, local: str, found: set[str]) -> None:
        self.parts |= found
        if local in _RESOURCES or local == _PAGE_RESOURCES:
            self._resources |= found
        elif local == _ATTACHMENTS:
            self._lists |= found
        elif local == _ANNOTATIONS:
            for listed in found - self.parsed:
                root = self._parsed(listed)
                if root is not None:
                    self.parts |= self._all_of(listed, _texts(root, "FileLoc"))

    def _resources_of(self, page: str) -> list[str]:
        """What a page names as resources of its own, which hardly any does."""
        if self._package.keeps(page):
            if MARK not in self._package.read(page):
                return []
            root = self._parsed(page)
            return [] if root is None else _texts(root, _PAGE_RESOURCES)
        if page not in self._mentioning:
            return []
        try:
            head = read_head(self._package, page, ends_before=tag("Content"))
        except PackageError:
            return []
        return [
            one.text or "" for one in head if str(one.tag).rpartition("}")[2] == _PAGE_RESOURCES
        ]

    def _media(self, named: set[str]) -> set[str]:
        """The files that resources name: images, fonts, profiles. All `named` if they are many."""
        found: set[str] = set()
        for name in self._resources:
            root = self._parsed(name)
            if root is None:
                continue
            texts = {one.text.strip() for one in root.iter(etree.Element) if one.text}
            texts |= {one.get("Profile", "") for one in root.iter(etree.Element)}
            texts.discard("")
            if len(texts) > _MOST_MEDIA:
                return named
            folder = root.get("BaseLoc", "").strip().rstrip("/\\")
            found |= self._all_of(name, texts)
            found |= self._all_of(name, [f"{folder}/{one}" for one in texts] if folder else ())
        return found

    def _parsed(self, name: str) -> etree._Element | None:
        try:
            root = read_xml(self._package, name)
        except PackageError:
            return None  # its form is looked at with that of all XML
        self.parsed.add(name)
        return root

    # --- rule 2 ---------------------------------------------------------------------------------

    def _all_of(self, base: str, locations: Iterable[str]) -> set[str]:
        return {name for where in locations for name in self._to(where, base)}

    def _to(self, location: str, base: str) -> set[str]:
        """The files that a location may lead to; none for most that lead nowhere."""
        where = location.strip()
        quick = f"{base.rpartition('/')[0]}/{where}"
        if quick in self._package:  # nearly all; a name there has no part to be resolved
            return {quick}
        try:
            name = resolve(where, base=base)
        except PackageError:
            name = ""
        if name in self._package:
            return {name}
        return {*self._spelled(where, base)}

    def _spelled(self, where: str, base: str) -> Iterator[str]:
        if self._names is None:
            self._names = {folded(name): name for name in self._package}
        try:
            spelled = spelled_out(where)
        except PackageError:
            return
        for folder in (base.split("/")[:-1], []):
            parts = [*folder] if not spelled.startswith("/") else []
            for part in spelled.split("/"):
                if part == "..":
                    del parts[-1:]
                elif part not in ("", "."):
                    parts.append(part)
            found = self._names.get(folded("/".join(parts)))
            if found is not None:
                yield found


def _texts(root: etree._Element, local: str) -> list[str]:
    return [one.text or "" for one in root.iter(f"{{*}}{local}")]
