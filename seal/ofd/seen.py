"""The one look at every file of a package: what it declares, its digest where it is large.

A file that declares a document type or another encoding is refused, unless it is attached: that is
told once it is known what the documents lead to (`seal.ofd.xml_parts`). No parser sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from seal.ofd.digests import Digests
from seal.ofd.markup import DECLARED, GREATEST_HEAD, check_file, check_pieces
from seal.ofd.package import OfdPackage, PackageError
from seal.ofd.well_formed import LargeXml, is_named_xml

MARK: Final = b"PageRes"


@dataclass(frozen=True, slots=True)
class Seen:
    """Digests, the form of XML too large to be kept, and by name what is refused.

    `mentioning` are the large files that may name resources of a page (`MARK`) in their head.
    """

    digests: Digests
    large: LargeXml = field(default_factory=LargeXml)
    refused: dict[str, PackageError] = field(default_factory=dict)
    mentioning: set[str] = field(default_factory=set)


def look(package: OfdPackage) -> Seen:
    """Look at every file once. Raises PackageError for what is damaged.

    Large files take pieces, and the one look at them is for the digest, and whether they are XML,
    too.
    """
    seen = Seen(Digests(package))
    for name in package:
        if package.keeps(name):
            data = package.read(name)
            try:
                check_file(data, name)
            except PackageError as error:
                seen.refused[name] = error
            continue
        with seen.digests.taking(name, package.pieces(name)) as taken:
            checked = _until_refused(seen, name, taken)
            if is_named_xml(name):
                seen.large.look(name, checked, package.size(name))
            for _ in checked:
                pass
    return seen


def _until_refused(seen: Seen, name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        head = b""
        for piece in check_pieces(pieces, name):
            if len(head) < GREATEST_HEAD:
                head = (head + piece)[:GREATEST_HEAD]
                if MARK in head:
                    seen.mentioning.add(name)
            yield piece
    except PackageError as error:
        if error.check not in DECLARED:
            raise
        seen.refused[name] = error
