"""Every XML file of a package is well-formed UTF-8 without a document type, read by us or not.

What we do not parse (a page's content, resources) other software does, and one that is lenient
shows what a strict one does not. So what is XML by its name, and every page and template, is looked
at once: nothing is built, depth and the length of a text are the parser's to bound.

An attachment is somebody's file and none of the document's: one that is no XML is told only.

Source: GB/T 33190-2016 §6.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final, NamedTuple

from seal.judging.telling import paths_shown
from seal.model import Check, failed, passed
from seal.ofd.digests import Digests
from seal.ofd.markup import (
    check_file,
    checked_pieces,
    child,
    read_xml,
    resolve,
    tag,
    text,
)
from seal.ofd.opened import OpenedDocument
from seal.ofd.package import OfdPackage, PackageError
from seal.ofd.structure import ROOT, DocBody
from seal.ofd.well_formed import LargeXml, is_named_xml, is_well_formed

_NAME: Final = "xml_well_formed"
#: Against what: English and Chinese.
_AGAINST: Final = (
    "XML 1.0, UTF-8 (GB/T 33190-2016 §6)",
    "XML 1.0，UTF-8 编码（GB/T 33190-2016 第6章）",
)


def read_all(package: OfdPackage) -> tuple[Digests, LargeXml]:
    """Look at every file once, for what it declares; what is known then of those too large to keep.

    Those take pieces, and the one look at them is for the digest, and whether they are XML, too.
    Raises PackageError.
    """
    digests, large = Digests(package), LargeXml()
    for name in package:
        if package.keeps(name):
            check_file(package.read(name), name)
            continue
        with digests.taking(name, checked_pieces(package, name)) as taken:
            if is_named_xml(name):
                large.look(name, taken, package.size(name))
    return digests, large


def check_xml(document: OpenedDocument) -> Check | None:
    """What is no XML and should be; None where all is well."""
    pages = [document.page_files(body.index) for body in document.bodies]
    parsed = {ROOT, *document.lists(), *(one.listed.path for one in document.signatures)}
    parsed |= {body.doc_root for body in document.bodies if pages[body.index]}
    found = _faults(document.package, document.bodies, pages, parsed, document.large_xml)
    unseen = sorted(document.large_xml.unseen)
    if found.parts:
        return failed(_NAME, *_words(found.parts), against=_AGAINST)
    if not found.attached and not unseen:
        return None
    told = [("attached files that are no XML", "并非 XML 的附件", found.attached),
            ("too much to be looked at", "过大而未检查", unseen)]  # fmt: skip
    return passed(
        _NAME,
        "the XML is well-formed, but for "
        + "; ".join(f"{words}: {paths_shown(names)}" for words, _, names in told if names),
        "XML 格式良好，但有例外："
        + "；".join(f"{words}：{paths_shown(names)}" for _, words, names in told if names),
        against=_AGAINST,
        notice=True,
    )


def refuse_malformed(
    package: OfdPackage, bodies: Sequence[DocBody], pages: frozenset[str], large: LargeXml
) -> None:
    """Raise PackageError for what `check_xml` fails; `large` is of `read_all`."""
    found = _faults(package, bodies, [pages], {ROOT}, large)
    if found.parts:
        raise PackageError(_NAME, *_words(found.parts))


def _words(names: list[str]) -> tuple[str, str]:
    return (
        "not well-formed XML in UTF-8, of which every software shows something else: "
        f"{paths_shown(names)}",
        f"不是格式良好的 UTF-8 XML，不同软件的显示可能不同：{paths_shown(names)}",
    )


class _Faults(NamedTuple):
    """Files that are no XML: parts of the document, and what is attached to it."""

    parts: list[str]
    attached: list[str]


def _faults(
    package: OfdPackage,
    bodies: Sequence[DocBody],
    pages_of: Sequence[frozenset[str]],
    parsed: Set[str],
    large: LargeXml,
) -> _Faults:
    pages = frozenset[str]().union(*pages_of)
    malformed = [
        name
        for name in package
        if (is_named_xml(name) or name in pages)
        and name not in parsed
        and not _is_well_formed(package, name, large)
    ]
    if not malformed:
        return _Faults([], [])
    attached = _attached(package, bodies) - pages
    return _Faults(
        [name for name in malformed if name not in attached],
        [name for name in malformed if name in attached],
    )


def _is_well_formed(package: OfdPackage, name: str, large: LargeXml) -> bool:
    if package.keeps(name):
        return is_well_formed(package.read(name))
    if not is_named_xml(name):  # a page of another name; others were seen when they were digested
        large.look(name, package.pieces(name), package.size(name))
    return name not in large.malformed


def _attached(package: OfdPackage, bodies: Sequence[DocBody]) -> frozenset[str]:
    """The files that lists of attachments name; none of a list that does not read."""
    found: set[str] = set()
    for body in bodies:
        try:
            listed = child(read_xml(package, body.doc_root), "Attachments")
            if listed is None:
                continue
            at = resolve(text(listed), base=body.doc_root)
            for one in read_xml(package, at).iterchildren(tag("Attachment")):
                where = child(one, "FileLoc")
                if where is not None:
                    found.add(resolve(text(where), base=at))
        except PackageError:
            continue
    return frozenset(found)
