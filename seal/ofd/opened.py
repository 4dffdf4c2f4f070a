"""A sealed OFD opened for its checks: the package, its signatures, what is trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from runtime.errors import InvalidArgument
from seal.judging.seal_picture import Nested
from seal.model import Check
from seal.ofd.linked import Linked
from seal.ofd.package import OfdPackage, PackageError
from seal.ofd.placement import Pages
from seal.ofd.seen import Seen
from seal.ofd.signed_data import SignedData
from seal.ofd.structure import (
    DocBody,
    ListedSignature,
    SignatureList,
    SignatureXml,
    Stamp,
    page_ids,
)
from seal.ses import SealSignature
from seal.suites import SM3_OID
from seal.trust import TrustStore


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSignature:
    """A listed signature with what could be read of it: `value` of a seal, `signed` of Type=Sign.

    `unread` says why a value of Type=Sign could not be read; `stamp` is the check of a seal
    signature's time-stamp, judged before all others; `seal_stamped` when the seal's own good
    time-stamp was made at the earliest.
    """

    listed: ListedSignature
    label: str
    xml: SignatureXml
    value: SealSignature | None
    signed: SignedData | None = None
    unread: InvalidArgument | None = None
    stamp: Check | None = None
    seal_stamped: datetime | None = None

    @property
    def certificate(self) -> bytes | None:
        """The signer's; None where there is none, or more than one signer."""
        if self.value is not None:
            return self.value.certificate
        signers = self.signed.signers if self.signed is not None else ()
        return signers[0].certificate if len(signers) == 1 else None

    @property
    def existed_at(self) -> datetime | None:
        """When it existed for certain: the time of a trusted time-stamp."""
        return self.stamp.proves if self.stamp else None

    def own_files(self) -> frozenset[str]:
        """The files this signature consists of, which its own checks account for byte by byte."""
        names = {self.listed.path, self.xml.signed_value}
        if self.value is not None and self.xml.seal is not None:
            names.add(self.xml.seal)  # equal to the signed seal, or `seal_match` fails
        return frozenset(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedDocument:
    """The package with its signatures opened; each file is digested, and read for pages, once.

    `of_bodies` are the signature lists, one for each document; `seen` is what the one look at every
    file told, `linked` what the documents lead to, `nested` the seals' pictures that are OFDs.
    """

    package: OfdPackage
    bodies: tuple[DocBody, ...]
    of_bodies: tuple[SignatureList, ...]
    signatures: tuple[OpenedSignature, ...]
    store: TrustStore
    now: datetime
    seen: Seen = field(repr=False)
    linked: Linked = field(repr=False)
    nested: Nested = field(default_factory=Nested, repr=False)
    _pages: dict[str, dict[str, int]] = field(default_factory=dict, repr=False)
    _sized: dict[str, tuple[Pages, dict[str, int]] | None] = field(default_factory=dict, repr=False)
    _seen: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)
    _once: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)

    @property
    def listed(self) -> tuple[ListedSignature, ...]:
        """The lines of all lists."""
        return tuple(one for each in self.of_bodies for one in each.lines)

    def digest_of(self, name: str, by: str = SM3_OID) -> bytes:
        """The digest of a file, SM3 by default; `by` is an OID. Raises PackageError."""
        return self.seen.digests.of(name, by)

    def pages_of(self, body: int) -> dict[str, int]:
        """The number (from 1) of each page, by its identifier. Raises PackageError."""
        sized = self._sized_of(body)
        if sized is not None:
            return sized[1]
        root = self.bodies[body].doc_root
        if root not in self._pages:
            found = page_ids(self.package, root)
            self._pages[root] = {name: number for number, name in enumerate(found, 1)}
        return self._pages[root]

    def page_size(self, body: int, stamp: Stamp) -> tuple[float, float] | None:
        """Width and height in mm of the page a stamp is on; None where nothing says."""
        sized = self._sized_of(body)
        if sized is None:
            return None
        pages, numbers = sized
        try:
            return pages.size_of(numbers[stamp.page_ref])
        except PackageError:
            return None

    def _sized_of(self, body: int) -> tuple[Pages, dict[str, int]] | None:
        """The pages and their numbers; None where something of them does not read."""
        root = self.bodies[body].doc_root
        if root not in self._sized:
            pages = self.linked.pages(root)
            if pages is None:
                self._sized[root] = None
            else:
                numbers = {page.id: number for number, page in enumerate(pages.pages, 1)}
                self._sized[root] = pages, numbers
        return self._sized[root]

    def lists(self) -> frozenset[str]:
        """The signature lists of all documents."""
        return frozenset(body.signatures for body in self.bodies if body.signatures)

    def signature_files(self) -> frozenset[str]:
        """The files that signatures consist of."""
        if "own" not in self._once:
            own = (one.own_files() for one in self.signatures)
            self._once["own"] = frozenset[str]().union(*own)
        return self._once["own"]

    def seen_by(self, one: OpenedSignature) -> frozenset[str]:
        """The Signature.xml of the signatures that this one covers: they were there before it."""
        path = one.listed.path
        if path not in self._seen:
            listed = {each.path for each in self.listed}
            self._seen[path] = frozenset(
                each.path for each in one.xml.references if each.path in listed
            )
        return self._seen[path]

    def unseen_by(self, one: OpenedSignature) -> list[OpenedSignature]:
        """The other signatures that this one does not cover: as a rule, those laid since."""
        seen = {one.listed.path, *self.seen_by(one)}
        return [each for each in self.signatures if each.listed.path not in seen]

    def misnamed(self, one: OpenedSignature) -> frozenset[str]:
        """The Signature.xml that this signature does not cover and that have no such name."""
        paths = [each.listed.path for each in self.unseen_by(one)]
        return frozenset(path for path in paths if "sign" not in path.rpartition("/")[2].lower())

    def hidden_signatures(self) -> list[str]:
        """What is named as a Signature.xml and stands in no list."""
        listed = {one.path for one in self.listed}
        return [
            path
            for path in self.package
            if path not in listed and f"/{path}".lower().endswith("/signature.xml")
        ]

    def lost_folders(self) -> frozenset[str]:
        """The folders of signatures that could not be opened, or are not listed."""
        if "lost" not in self._once:
            opened = {one.listed.path for one in self.signatures}
            lost = [one.path for one in self.listed if one.path not in opened]
            folders = {path.rpartition("/")[0] for path in (*lost, *self.hidden_signatures())}
            self._once["lost"] = frozenset(folders - {""})
        return self._once["lost"]
