"""Whether all readers show the same of an OFD, as far as its lists, pages and resources say.

A signature covers the bytes, and not which of two things of one name a reader takes: so

1. a page of another form than every reader takes (`seal.ofd.page_form`) fails: no maker writes it;
2. two different resources, templates or pages of one identifier are not judged: a careless maker
   may have written them, and nobody can tell which is meant; of a page's own resources and those of
   its document, makers who number each page anew mean the page's: told.

Source: GB/T 33190-2016 §7.3 (ST_ID), §7.7 (pages), §7.9 (resources).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lxml import etree

from seal.judging.telling import paths_shown, plain
from seal.model import Check, failed, passed, undetermined
from seal.ofd.package import PackageError

if TYPE_CHECKING:
    from seal.ofd.opened import OpenedDocument

_NAME: Final = "ofd_structure"
_TOLD: Final = 5
_MOST_RESOURCES: Final = 100_000
#: Against what: English and Chinese.
_AGAINST: Final = ("GB/T 33190-2016 §7", "GB/T 33190-2016 第7章")
_HOLDING: Final = {"MultiMedia": "MediaFile", "Font": "FontFile", "ColorSpace": "Profile"}

_ID: Final = re.compile(rb' ID="([0-9]+)"')
_FILE: Final = re.compile(rb"File>\s*([^<]*?)\s*</[\w.:-]*File>")
_FOLDER: Final = re.compile(rb' BaseLoc="([^"<>]*)"')

Key = tuple[str, str]  # the kind of a resource and its identifier
Told = Mapping[Key, int]
#: To what a location of a file of resources leads.
Leads = Callable[[str], Hashable]


@dataclass(slots=True)
class Readings:
    """What was found while the documents were read.

    `unalike` are the files of pages by rule 1, `twice` kinds and identifiers by rule 2 (`again`
    those of a page that are its document's too); `absent` are locations that lead to no file of the
    package, `media` the kinds of resources that are no pictures, `unseen` the files too large to be
    looked at.
    """

    unalike: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    media: set[str] = field(default_factory=set)
    unseen: list[str] = field(default_factory=list)
    count: int = 0

    def look(self, name: str, root: etree._Element, leads: Leads) -> tuple[set[str], list[str]]:
        """Take a file of resources; its identifiers, and the locations that it names.

        No element is kept: a tree takes many times its text.
        """
        known: dict[Key, etree._Element] = {}
        told: dict[Key, int] = {}
        located: list[str] = []
        for key, one in _identified(root):
            if not self.counts(1):
                self.unseen.append(name)
                break
            before = known.setdefault(key, one)
            if before is not one:
                if key not in told:
                    told[key] = _told_of(before, leads)
                if told[key] != _told_of(one, leads):
                    self.twice.append(" ".join(key))
            if key[0] in _HOLDING:
                located += _located(one)
                if one.get("Type") in ("Audio", "Video"):
                    self.media.add(one.get("Type", ""))
        return {number for _, number in known}, located

    def tell(self, name: str, root: etree._Element, leads: Leads) -> Told:
        """What the resources of a file are."""
        told: dict[Key, int] = {}
        for key, one in _identified(root):
            if not self.counts(1):
                self.unseen.append(name)
                break
            told[key] = _told_of(one, leads)
        return told

    def counts(self, more: int) -> bool:
        """Bounds the work: whether so much more of it is to be done."""
        self.count += more
        return self.count <= _MOST_RESOURCES


def plain_resources(data: bytes) -> tuple[set[str], list[str]] | None:
    """What `Readings.look` finds, of bytes that show it; None for a file to be parsed.

    Whatever looks like an identifier counts as one, and none stands twice.
    """
    if b"&" in data or b"<!" in data or b"Profile" in data or b"Audio" in data or b"Video" in data:
        return None
    numbers, files, folder = _ID.findall(data), _FILE.findall(data), _FOLDER.findall(data)
    if len(numbers) != data.count(b"ID") or len(folder) != data.count(b"BaseLoc"):
        return None
    known = {one.lstrip(b"0") or b"0" for one in numbers}
    if len(known) < len(numbers) or 2 * len(files) != data.count(b"File") or len(folder) > 1:
        return None
    base = folder[0].rstrip(b"/ ") + b"/" if folder else b""
    try:
        return {one.decode() for one in known}, [(base + one).decode() for one in files]
    except UnicodeDecodeError:
        return None


def differing(one: Told, other: Told, numbers: Set[str]) -> list[str]:
    """What both have under one of these identifiers, and not alike."""
    both = sorted(one.keys() & other.keys())
    return [" ".join(key) for key in both if key[1] in numbers and one[key] != other[key]]


def key_of(element: etree._Element, written: str) -> Key:
    """The kind of an element and its identifier."""
    return str(element.tag).rpartition("}")[2], _number(written)


def _identified(root: etree._Element) -> Iterator[tuple[Key, etree._Element]]:
    """The resources of a file, each under its kind and identifier."""
    for section in root.iterchildren(etree.Element):
        for one in section.iterchildren(etree.Element):
            written = one.get("ID")
            if written is not None:
                yield key_of(one, written), one


def _told_of(resource: etree._Element, leads: Leads) -> int:
    """What a resource of a file is, in whatever form it is written, and the files that it names."""
    files = {where: leads(where) for where in _located(resource)}
    said: list[Hashable] = [tuple(files.values())]
    for one in resource.iter():
        attributes = sorted(
            (str(name), files.get(str(value), value) if name == "Profile" else value)
            for name, value in one.attrib.items()
            if one is not resource or name != "ID"
        )
        texts = [text for text in (one.text, None if one is resource else one.tail) if text]
        said.append((one.tag, tuple(attributes), len(one)))
        said += [text for text in texts if (bare := text.strip()) and bare not in files]
    return hash(tuple(said))


def _located(resource: etree._Element) -> list[str]:
    """The locations that a resource names."""
    local = _HOLDING.get(str(resource.tag).rpartition("}")[2])
    if local is None:
        return []
    profile = resource.get(local)
    named = [(one.text or "").strip() for one in resource.iterchildren(f"{{*}}{local}")]
    return [*named, profile] if profile else named


def _number(written: str) -> str:
    """An identifier as a number reads it, where it is one."""
    return written.strip().lstrip("0") or "0"


def refuse_differing(readings: Readings) -> None:
    """Raise PackageError (`ofd_structure`) for what `check_readings` does not let pass."""
    told = _unalike(readings) or _twice(readings.twice)
    if told is not None:
        raise PackageError(_NAME, *told)


def check_readings(document: OpenedDocument) -> Check | None:
    """What readers show differently; None where all is well."""
    readings = document.linked.readings
    told = _unalike(readings)
    if told is not None:
        return failed(_NAME, *told, reason="READERS_DIFFER", against=_AGAINST)
    told = _twice(readings.twice)
    if told is not None:
        return undetermined(_NAME, *told, reason="IDENTIFIER_TWICE", against=_AGAINST)
    told = _twice(readings.again)
    return passed(_NAME, *told, notice=True, against=_AGAINST) if told else None


def _unalike(readings: Readings) -> tuple[str, str] | None:
    if not readings.unalike:
        return None
    paths = paths_shown(readings.unalike)
    return (
        f"not one page with one content, so that readers show different things: {paths}",
        f"不是恰有一份内容的页面，不同软件的显示可能不同：{paths}",
    )


def _twice(found: list[str]) -> tuple[str, str] | None:
    if not found:
        return None
    shown = plain(", ".join(dict.fromkeys(found[:_TOLD])))
    return (
        f"two different things have one identifier, and readers differ on which they take: {shown}",
        f"不同的内容使用同一标识，不同软件采用的可能不同：{shown}",
    )
