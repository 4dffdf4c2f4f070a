"""What the documents of a package lead to: the files that make up their pages, and attachments.

1. What a Document.xml names as pages, templates, resources, annotations and the like is a part of
   it, and so are the pages of its annotations and the resources of its pages.
2. A location that leads nowhere as it stands may be spelled with percent signs, backslashes or
   other letters: other software follows it, so it is followed here too.
3. A file that a list of attachments names is attached if nothing else leads to it.

4. What readers may show differently, or not find, is gathered on the way (`readings`).

Each Document.xml is parsed once.

Source: GB/T 33190-2016 §7.5 to §7.9, §15, §16, §17, §20.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from typing import Final

from lxml import etree

from seal.ofd.markup import GREATEST_XML, read_xml, resolve, scan_xml
from seal.ofd.names import folded, spelled_out
from seal.ofd.package import OfdPackage, PackageError
from seal.ofd.page_form import PageScan, is_plain
from seal.ofd.placement import Pages, pages_in
from seal.ofd.readings import Key, Leads, Readings, Told, differing, key_of, plain_resources
from seal.ofd.seen import Seen
from seal.ofd.structure import DocBody

_RESOURCES: Final = frozenset({"PublicRes", "DocumentRes"})
_MOST_MEDIA: Final = 10_000
_MOST_SCANNED: Final = 64 * 1024 * 1024
_MOST_WAYS: Final = 20_000  # of locations that lead nowhere as they stand
_LONG: Final = 256
_PAGE_RESOURCES: Final = "PageRes"
_ANNOTATIONS: Final = "Annotations"
_ATTACHMENTS: Final = "Attachments"
_NAMING: Final = frozenset(
    {*_RESOURCES, _ANNOTATIONS, _ATTACHMENTS, "CustomTags", "Tags", "Extensions"}
)
"""The elements of Document.xml whose text is a location."""


class Linked:
    """The parts of all documents of a package, and what is attached to them.

    `parsed` are the files that were read as XML while looking; of pages that need it, `room` octets
    are scanned.
    """

    __slots__ = (
        "_attached",
        "_lists",
        "_names",
        "_numbers",
        "_package",
        "_pages",
        "_plain",
        "_resources",
        "_room",
        "_told",
        "_ways",
        "parsed",
        "parts",
        "readings",
    )

    def __init__(
        self,
        package: OfdPackage,
        bodies: Sequence[DocBody],
        seen: Seen,
        *,
        room: int = _MOST_SCANNED,
        read: Mapping[str, tuple[etree._Element, Pages]] | None = None,
    ) -> None:
        """`read` are the Document.xml that somebody has read already, and their pages."""
        self._package = package
        self._plain = seen.plain
        self._room = room
        self._ways = _MOST_WAYS
        self._numbers: dict[str, Set[str]] = {}
        self._told: dict[str, Told] = {}
        self.readings = Readings()
        self._names: dict[str, str] | None = None
        self._pages: dict[str, Pages | None] = {}
        self._lists: set[str] = set()
        self._resources: set[str] = set()
        self._attached: frozenset[str] | None = None
        self.parsed: set[str] = set()
        self.parts: set[str] = set()
        for body in bodies:
            if body.doc_root not in self._pages:
                self._read(body.doc_root, (read or {}).get(body.doc_root))

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

    def _read(self, doc_root: str, read: tuple[etree._Element, Pages] | None) -> None:
        self._pages[doc_root] = None
        self.parts.add(doc_root)
        if read is not None:
            root, self._pages[doc_root] = read
            self.parsed.add(doc_root)
        else:
            parsed = self._parsed(doc_root)
            if parsed is None:
                return
            root = parsed
            with suppress(PackageError):  # told where it matters
                self._pages[doc_root] = pages_in(self._package, doc_root, root)
        found: dict[Key, str] = {}
        named: list[str] = []
        pages: set[str] = set()
        for element in root.iter(etree.Element):
            where = element.get("BaseLoc")
            if where is not None:
                files = self._to(where, doc_root)
                pages |= files
                if not files:
                    self.readings.absent.append(where)
                key = key_of(element, element.get("ID", ""))
                before = found.setdefault(key, where)
                if before != where and not (files and files == self._to(before, doc_root)):
                    self.readings.twice.append(" ".join(key))
                continue
            local = str(element.tag).rpartition("}")[2]
            if local in _NAMING:
                held = self._to(element.text or "", doc_root)
                self._take(local, held)
                named += held if local in _RESOURCES else ()
        known: dict[str, str] = {}
        for name in named:
            self.readings.twice += self._beside(known, name)
        self.parts |= pages
        compared: set[frozenset[str]] = set()
        for page in sorted(pages) if len(pages) > 1 else pages:
            if where_named := self._resources_of(page):
                of_page = frozenset(self._all_of(page, where_named))
                if of_page not in compared:
                    compared.add(of_page)
                    self._read_of_page(of_page, known)

    def _read_of_page(self, found: Set[str], of_document: Mapping[str, str]) -> None:
        """The resources of a page, beside those of its document."""
        self._take(_PAGE_RESOURCES, found)
        of_page: dict[str, str] = {}
        for name in sorted(found):
            self.readings.twice += self._beside(of_page, name)
            self.readings.again += self._against(of_document, name)

    def _beside(self, known: dict[str, str], name: str) -> list[str]:
        """`_against`; from now on its identifiers are known too."""
        if not known:  # nearly all
            known |= dict.fromkeys(self._numbers_of(name), name)
            return []
        told = self._against(known, name)
        known |= {one: name for one in self._numbers_of(name) if one not in known}
        return told

    def _against(self, known: Mapping[str, str], name: str) -> list[str]:
        """What a file of resources identifies otherwise than the files that are `known`."""
        numbers = self._numbers_of(name)
        if not known or not numbers:
            return []
        if not self.readings.counts(len(numbers)):
            self.readings.unseen.append(name)
            return []
        both = known.keys() & numbers
        others = {known[number] for number in both} - {name}
        return [
            one
            for other in sorted(others)
            for one in differing(self._told_by(other), self._told_by(name), both)
        ]

    def _told_by(self, name: str) -> Told:
        if name not in self._told:
            root = self._parsed(name)
            self._told[name] = {} if root is None else self._tell(name, root)
        return self._told[name]

    def _numbers_of(self, name: str) -> Set[str]:
        """The identifiers in a file of resources; what it leads to is looked for, once."""
        if name not in self._numbers:
            quick = self._package.keeps(name) and plain_resources(self._package.read(name))
            if quick and all(self._to(where, name) for where in quick[1]):
                self._numbers[name] = quick[0]
            else:
                self._numbers[name] = self._looked_at(name)
        return self._numbers[name]

    def _looked_at(self, name: str) -> Set[str]:
        root = self._parsed(name)
        if root is None:
            if self._package.size(name) > GREATEST_XML:
                self.readings.unseen.append(name)
            return frozenset()
        leads = self._leads(name, root)
        numbers, located = self.readings.look(name, root, leads)
        base = root.get("BaseLoc", "").strip()
        from_elsewhere = f"{base}/" if ":" in base else ""
        absent = (where for where in located if leads(where) == where)
        self.readings.absent += [from_elsewhere + where for where in absent]
        return numbers

    def _tell(self, name: str, root: etree._Element) -> Told:
        return self.readings.tell(name, root, self._leads(name, root))

    def _leads(self, name: str, root: etree._Element) -> Leads:
        """To what locations of a file of resources lead, with its BaseLoc and without it.

        One that leads nowhere is itself.
        """
        folder = root.get("BaseLoc", "").strip().rstrip("/\\")

        def leads(where: str) -> Hashable:
            of_folder = self._to(f"{folder}/{where}", name) if folder else set()
            found = frozenset(of_folder), frozenset(self._to(where, name))
            return found if any(found) else where

        return leads

    def _take(self, local: str, found: Set[str]) -> None:
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
        """What a page names as resources of its own, which hardly any does; its form is looked at.

        All of a page is: other software finds what stands in no place of the standard's too.
        """
        if self._package.keeps(page):
            if is_plain(self._package.read(page)):
                return []
        elif page in self._plain:
            return []
        self._room -= self._package.size(page)
        if self._room < 0:
            self.readings.unseen.append(page)
            return []
        scan = PageScan()
        try:
            scan_xml(self._package, page, scan)
        except PackageError:
            return []  # its form is looked at with that of all XML
        if not scan.is_deep and (not scan.is_alike or scan.is_mixed):
            self.readings.unalike.append(page)
        return scan.resources

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
        self._ways -= 1 + len(where) // _LONG
        if self._ways < 0:
            self.readings.unseen.append(where)
            return set()
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
