"""The one look at every file of a package: what it declares, its digest where it is large.

What may act, and what large file may be no page that all readers show alike, is told by its bytes;
whoever has to know looks closer (`seal.ofd.linked`, `seal.ofd.outside`).

A file that declares a document type or another encoding is refused, unless it is attached: that is
told once it is known what the documents lead to (`seal.ofd.xml_parts`). No parser sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from seal.ofd.digests import Digests
from seal.ofd.markup import DECLARED, check_file, check_pieces
from seal.ofd.package import OfdPackage, PackageError
from seal.ofd.page_form import PageLook
from seal.ofd.well_formed import LargeXml, is_named_xml

_BEFORE: Final = b"\xef\xbb\xbf \t\r\n"


@dataclass(frozen=True, slots=True)
class Seen:
    """Digests, the form of XML too large to be kept, and by name what is refused.

    Of the large files, by their bytes: `acting` may hold an action, `plain` have the form of a page
    and no resources of their own.
    """

    digests: Digests
    large: LargeXml = field(default_factory=LargeXml)
    refused: dict[str, PackageError] = field(default_factory=dict)
    acting: set[str] = field(default_factory=set)
    plain: set[str] = field(default_factory=set)


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
    looked: PageLook | None = None
    try:
        is_begun = False
        for piece in check_pieces(pieces, name):
            begins = b"" if is_begun else piece.lstrip(_BEFORE)[:1]
            is_begun = is_begun or begins != b""
            if begins == b"<":
                looked = PageLook()
            if looked is not None:
                looked.take(piece)
            yield piece
    except PackageError as error:
        if error.check not in DECLARED:
            raise
        seen.refused[name] = error
    if looked is not None and looked.acts:
        seen.acting.add(name)
    if looked is not None and looked.is_plain:
        seen.plain.add(name)
