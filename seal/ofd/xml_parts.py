"""Every XML file of a package is well-formed UTF-8 without a document type, read by us or not.

What we do not parse (a page's content, resources) other software does, and one that is lenient
shows what a strict one does not. So what is XML by its name, and everything that a Document.xml
leads to (`seal.ofd.linked`) whatever its name, is looked at once: nothing is built, depth and the
length of a text are the parser's to bound.

An attachment is somebody's file and none of the document's: one that is no XML, or that declares
what no part may, is told only.

Source: GB/T 33190-2016 §6.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final, NamedTuple

from seal.judging.telling import paths_shown
from seal.model import Check, failed, passed
from seal.ofd.linked import Linked
from seal.ofd.opened import OpenedDocument
from seal.ofd.package import OfdPackage, PackageError
from seal.ofd.readings import refuse_differing
from seal.ofd.seen import Seen
from seal.ofd.structure import ROOT
from seal.ofd.well_formed import is_named_xml, is_well_formed

_NAME: Final = "xml_well_formed"
#: Against what: English and Chinese.
_AGAINST: Final = (
    "XML 1.0, UTF-8 (GB/T 33190-2016 §6)",
    "XML 1.0，UTF-8 编码（GB/T 33190-2016 第6章）",
)


def refuse_declared(seen: Seen, linked: Linked) -> None:
    """Raise what was found wrong with a file that is not somebody's attachment."""
    for name, error in seen.refused.items():
        if name not in linked.attached:
            raise error


def check_xml(document: OpenedDocument) -> Check | None:
    """What is no XML and should be; None where all is well."""
    parsed = {ROOT, *document.lists(), *(one.listed.path for one in document.signatures)}
    found = _faults(document.package, document.linked, parsed, document.seen)
    unseen = sorted(document.seen.large.unseen)
    if found.parts:
        return failed(_NAME, *_words(found.parts), against=_AGAINST)
    told = [
        ("attached files that are no XML", "并非 XML 的附件", found.attached),
        ("attached files with a document type or entities", "含文档类型或实体声明的附件",
         found.declaring),
        ("too much to be looked at", "过大而未检查", unseen),
    ]  # fmt: skip
    if not any(names for *_, names in told):
        return None
    return passed(
        _NAME,
        "the XML is well-formed, but for "
        + "; ".join(f"{words}: {paths_shown(names)}" for words, _, names in told if names),
        "XML 格式良好，但有例外："
        + "；".join(f"{words}：{paths_shown(names)}" for _, words, names in told if names),
        against=_AGAINST,
        notice=True,
    )


def refuse_malformed(package: OfdPackage, linked: Linked, seen: Seen) -> None:
    """Raise PackageError for what `refuse_declared`, `check_xml` and `check_readings` refuse."""
    refuse_declared(seen, linked)
    found = _faults(package, linked, {ROOT}, seen)
    if found.parts:
        raise PackageError(_NAME, *_words(found.parts))
    refuse_differing(linked.readings)


def _words(names: list[str]) -> tuple[str, str]:
    return (
        "not well-formed XML in UTF-8, of which every software shows something else: "
        f"{paths_shown(names)}",
        f"不是格式良好的 UTF-8 XML，不同软件的显示可能不同：{paths_shown(names)}",
    )


class _Faults(NamedTuple):
    """Parts of the document that are no XML; what is attached and is none, or declares more."""

    parts: list[str]
    attached: list[str]
    declaring: list[str]


def _faults(package: OfdPackage, linked: Linked, parsed: Set[str], seen: Seen) -> _Faults:
    """What is refused is attached, or was refused before; it is not parsed."""
    malformed = [
        name
        for name in package
        if (is_named_xml(name) or name in linked.parts)
        and name not in parsed
        and name not in linked.parsed
        and name not in seen.refused
        and not _is_well_formed(package, name, seen)
    ]
    attached = linked.attached if malformed else frozenset()
    refused = seen.refused.items()
    return _Faults(
        [name for name in malformed if name not in attached],
        [name for name in malformed if name in attached]
        + [name for name, error in refused if error.check == _NAME],
        [name for name, error in refused if error.check != _NAME],
    )


def _is_well_formed(package: OfdPackage, name: str, seen: Seen) -> bool:
    if package.keeps(name):
        return is_well_formed(package.read(name))
    if not is_named_xml(name):  # a part of another name; others were seen when they were digested
        seen.large.look(name, package.pieces(name), package.size(name))
    return name not in seen.large.malformed
