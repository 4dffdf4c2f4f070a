"""The signed structure of an OFD package, read and extended.

Sealing (`prepare_ofd`, then `finish_ofd`) keeps to these rules:

1. OFD.xml names the signature list *before* anything is hashed, and is itself hashed.
2. References cover every file of the package, earlier signatures' files too; only Signature.xml and
   SignedValue.dat of the signature being made (they hold the hashes) and Signatures.xml (so that a
   later signature can be added) stay out. `close=True` covers Signatures.xml too: nobody can add.
3. What is to be signed is complete, and can be stored, before any key is asked to sign.
4. Files that are not changed keep their compressed bytes; equal input gives equal output.
5. An existing signature is never touched: a package with a damaged list is refused.

Source: GB/T 33190-2016 §18 (signatures), GB/T 38540-2020 §7 (propertyInfo and dataHash).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from runtime.errors import FailedPrecondition, InvalidArgument
from seal.ofd_structure import (
    ROOT,
    TYPE_SEAL,
    DocBody,
    ListedSignature,
    doc_bodies,
    optional,
    page_ids,
    parse_signature_xml,
    signature_list,
)
from seal.ofd_xml import NAMESPACE, parse_xml, read_xml, tag
from seal.package import (
    DEFAULT_LIMITS,
    Entry,
    Limits,
    OfdPackage,
    PackageError,
    PackageWriter,
    packed_entry,
    read_package,
    structure_error,
)
from seal.ses import V1, assemble_signature, parse_seal, to_be_signed
from seal.suites import SM2_SM3_OID, SM3_OID, digest

__all__ = [
    "Limits",
    "OfdPackage",
    "PackageError",
    "PreparedOfd",
    "Provider",
    "StampPosition",
    "finish_ofd",
    "prepare_ofd",
    "read_package",
]

_XML_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MAX_STAMPS: Final = 4096
_MAX_MM: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StampPosition:
    """Where to show the seal: page from 1; mm from the page's upper left corner."""

    page: int
    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What made the signature (GB/T 33190 §18.2.1 Provider)."""

    name: str = "Tongban"
    company: str = "Tongban"
    version: str = "1.0"


TONGBAN: Final = Provider()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedOfd:
    """A document that lacks only its signature value. Plain values: it can be stored (rule 3).

    `tbs` is DER(TBS_Sign), what the key signs; the rest is the package so far.
    """

    tbs: bytes
    signature_id: str
    signed_value_name: str
    body: bytes
    directory: bytes
    entry_count: int


def prepare_ofd(
    document: bytes,
    *,
    seal: bytes,
    positions: Sequence[StampPosition],
    signed_at: datetime,
    provider: Provider = TONGBAN,
    close: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> PreparedOfd:
    """Put a seal (DER SESeal) on an OFD and say what is to be signed.

    `signed_at` is aware. Raises PackageError when the package is not sound, FailedPrecondition
    (`OFD_CLOSED`) when an earlier signature allows no more, InvalidArgument for a bad position
    (`STAMP_POSITION`) or a seal of a version that is only read (`SEAL_VERSION`). Whether the seal
    is in force and the signer listed is the caller's to decide before, the verifier's after.
    """
    # 1. Read everything as a verifier would.
    version = parse_seal(seal).version
    if version == V1:
        raise InvalidArgument("a version 1 seal can only be verified", reason="SEAL_VERSION")
    package = read_package(document, limits)
    bodies = doc_bodies(package)
    body = next((one for one in bodies if one.signatures), bodies[0])
    listed = [one for each in bodies for one in signature_list(package, each)]
    stamps = _stamps(positions, page_ids(package, body.doc_root))

    # 2. Where the new files go.
    list_name = body.signatures or _list_name(package, body)
    number = _next_number(package, listed, list_name)
    folder = f"{list_name.rpartition('/')[0]}/Sign_{number}".lstrip("/")
    names = _Names(folder=folder, signature_id=f"s{number + 1:03d}")
    _refuse_closed(package, listed, list_name, names)

    # 3. The changed and new files, complete but for Signature.xml.
    changed: dict[str, Entry] = {}
    if body.signatures is None:
        changed[ROOT] = packed_entry(ROOT, _with_list(package, body, list_name))
    changed[list_name] = packed_entry(list_name, _extended_list(package, list_name, names))
    changed[names.seal] = packed_entry(names.seal, seal)
    final = OfdPackage(entries={**package.entries, **changed})

    # 4. Hash every file, and only then write Signature.xml.
    covered = [name for name in final if close or name not in _lists(bodies, list_name)]
    hashes = [(name, digest(SM3_OID, final.read(name))) for name in covered]
    document_xml = _signature_xml(names, hashes, stamps, signed_at, provider)

    # 5. What is to be signed.
    tbs = to_be_signed(
        seal=seal,
        signed_at=signed_at,
        data_hash=digest(SM3_OID, document_xml),
        property_info="/" + names.signature,
        version=version,
    )
    writer = PackageWriter()
    for entry in final.entries.values():
        writer.add(entry)
    writer.add(packed_entry(names.signature, document_xml))
    written, directory, count = writer.parts()
    return PreparedOfd(
        tbs=tbs,
        signature_id=names.signature_id,
        signed_value_name=names.signed_value,
        body=written,
        directory=directory,
        entry_count=count,
    )


def finish_ofd(prepared: PreparedOfd, *, signature: bytes, certificate: bytes) -> bytes:
    """The sealed OFD: `signature` is DER SEQ{r, s} over `prepared.tbs` by `certificate`'s key."""
    value = assemble_signature(
        prepared.tbs, certificate=certificate, signature=signature, suite_oid=SM2_SM3_OID
    )
    writer = PackageWriter.resume(prepared.body, prepared.directory, prepared.entry_count)
    writer.add(packed_entry(prepared.signed_value_name, value))
    return writer.finish()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """The files of the signature being made."""

    folder: str
    signature_id: str

    @property
    def signature(self) -> str:
        return f"{self.folder}/Signature.xml"

    @property
    def signed_value(self) -> str:
        return f"{self.folder}/SignedValue.dat"

    @property
    def seal(self) -> str:
        return f"{self.folder}/Seal.esl"


def _lists(bodies: Sequence[DocBody], list_name: str) -> set[str]:
    """Every signature list of the package; all of them may still grow."""
    return {list_name} | {one.signatures for one in bodies if one.signatures}


def _list_name(package: OfdPackage, body: DocBody) -> str:
    name = f"{body.doc_root.rpartition('/')[0]}/Signs/Signatures.xml".lstrip("/")
    if name in package:
        # A list nobody refers to: perhaps the remains of removed signatures.
        raise structure_error("the package has a signature list that OFD.xml does not name")
    return name


def _next_number(package: OfdPackage, listed: Sequence[ListedSignature], list_name: str) -> int:
    """The number of the new signature: beyond every identifier and every folder in use."""
    words = [one.id for one in listed]
    if list_name in package:
        words.append(optional(read_xml(package, list_name), "MaxSignId"))
    used = [int(found[0]) for word in words if (found := re.findall(r"\d{1,9}$", word))]
    number = max(used, default=0)
    folder = list_name.rpartition("/")[0].lower()
    taken = {name.lower() for name in package}
    while any(name.startswith(f"{folder}/sign_{number}/".lstrip("/")) for name in taken):
        number += 1
    return number


def _refuse_closed(
    package: OfdPackage, listed: Sequence[ListedSignature], list_name: str, names: _Names
) -> None:
    """Rule 5: adding a line to a list that is signed would break the signature that covers it."""
    if names.folder in package:
        raise structure_error("a file stands where the signature's folder goes")
    for one in listed:
        earlier = parse_signature_xml(package.read(one.path), one.path)
        files = {reference.path for reference in earlier.references}
        if list_name in files or (list_name not in package and ROOT in files):
            raise FailedPrecondition(
                "an earlier signature closed the document to further ones",
                reason="OFD_CLOSED",
                message_zh="已有签章保护了签名列表，文件不能再加盖印章",
            )


def _stamps(positions: Sequence[StampPosition], pages: Sequence[str]) -> list[tuple[str, str]]:
    """(PageRef, Boundary) of each position. Raises InvalidArgument (`STAMP_POSITION`)."""
    if len(positions) > _MAX_STAMPS:
        raise _bad_position("there are too many stamps")
    found = []
    for at in positions:
        if not 1 <= at.page <= len(pages):
            raise _bad_position("there is no such page")
        box = (at.x_mm, at.y_mm, at.width_mm, at.height_mm)
        if not all(0 <= value < _MAX_MM for value in box) or not (at.width_mm and at.height_mm):
            raise _bad_position("the box is not on the page")
        found.append((pages[at.page - 1], " ".join(_decimal(value) for value in box)))
    return found


def _decimal(value: float) -> str:
    """At most three decimals (a micrometre), never an exponent."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _bad_position(what: str) -> InvalidArgument:
    return InvalidArgument(
        f"the seal cannot be placed: {what}",
        reason="STAMP_POSITION",
        message_zh="印章位置不正确",
    )


def _with_list(package: OfdPackage, body: DocBody, list_name: str) -> bytes:
    """OFD.xml naming the signature list, as the last element of its DocBody."""
    root = parse_xml(package.read(ROOT), ROOT)
    element = root.findall(tag("DocBody"))[body.index]
    for empty in element.findall(tag("Signatures")):
        element.remove(empty)
    etree.SubElement(element, tag("Signatures")).text = "/" + list_name
    return etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)


def _extended_list(package: OfdPackage, list_name: str, names: _Names) -> bytes:
    """Signatures.xml with one more line. An existing list keeps its lines as they are."""
    if list_name in package:
        root = parse_xml(package.read(list_name), list_name)
        for old in root.findall(tag("MaxSignId")):
            root.remove(old)
    else:
        root = etree.Element(tag("Signatures"), nsmap={"ofd": NAMESPACE})
    top = etree.Element(tag("MaxSignId"))
    top.text = names.signature_id
    root.insert(0, top)
    line = etree.SubElement(root, tag("Signature"))
    line.set("ID", names.signature_id)
    line.set("Type", TYPE_SEAL)
    line.set("BaseLoc", "/" + names.signature)
    return etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)


def _signature_xml(
    names: _Names,
    hashes: Sequence[tuple[str, bytes]],
    stamps: Sequence[tuple[str, str]],
    signed_at: datetime,
    provider: Provider,
) -> bytes:
    """Signature.xml, in the element order of GB/T 33190 §18.2."""
    at = signed_at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ")
    parts = [
        _XML_HEAD,
        f'<ofd:Signature xmlns:ofd="{NAMESPACE}"><ofd:SignedInfo>',
        f"<ofd:Provider ProviderName={quoteattr(provider.name)}",
        f" Company={quoteattr(provider.company)} Version={quoteattr(provider.version)}/>",
        f"<ofd:SignatureMethod>{SM2_SM3_OID}</ofd:SignatureMethod>",
        f"<ofd:SignatureDateTime>{at}</ofd:SignatureDateTime>",
        f'<ofd:References CheckMethod="{SM3_OID}">',
    ]
    for name, value in hashes:
        encoded = base64.b64encode(value).decode("ascii")
        parts.append(
            f"<ofd:Reference FileRef={quoteattr('/' + name)}>"
            f"<ofd:CheckValue>{encoded}</ofd:CheckValue></ofd:Reference>"
        )
    parts.append("</ofd:References>")
    for index, (page, box) in enumerate(stamps, 1):
        parts.append(
            f'<ofd:StampAnnot ID="{names.signature_id}a{index}" PageRef={quoteattr(page)}'
            f' Boundary="{box}"/>'
        )
    parts.append(f"<ofd:Seal><ofd:BaseLoc>/{names.seal}</ofd:BaseLoc></ofd:Seal></ofd:SignedInfo>")
    parts.append(f"<ofd:SignedValue>/{names.signed_value}</ofd:SignedValue></ofd:Signature>")
    return "".join(parts).encode()
