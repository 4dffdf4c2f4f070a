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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from runtime.errors import FailedPrecondition, InvalidArgument
from seal.ofd_placement import place, read_pages
from seal.ofd_structure import (
    ROOT,
    TYPE_SEAL,
    DocBody,
    ListedSignature,
    doc_bodies,
    optional,
    parse_signature_xml,
    signature_list,
)
from seal.ofd_xml import NAMESPACE, checked_pieces, parse_xml, read_xml, tag
from seal.package import (
    DEFAULT_LIMITS,
    Buffer,
    Entry,
    Limits,
    OfdPackage,
    PackageError,
    PackageWriter,
    packed_entry,
    read_package,
    structure_error,
)
from seal.placement import Placement, Stamp
from seal.ses import V1, assemble_signature, parse_seal, to_be_signed
from seal.suites import SM2_SM3_OID, SM3_OID, digest, digest_pieces

__all__ = [
    "Limits",
    "OfdPackage",
    "PackageError",
    "PreparedOfd",
    "Provider",
    "finish_ofd",
    "finish_ofd_into",
    "prepare_ofd",
    "read_package",
]

_XML_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What made the signature (GB/T 33190 §18.2.1 Provider)."""

    name: str = "Tongban"
    company: str = "Tongban"
    version: str = "1.0"


TONGBAN: Final = Provider()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedOfd:
    """A document that lacks only its signature value.

    `tbs` is DER(TBS_Sign), what the key signs and what can be stored before it does (rule 3).
    `entries` are the package so far; unchanged ones are views of the document, which must stay as
    it is until the sealed one is written.
    """

    tbs: bytes
    signature_id: str
    signed_value_name: str
    stamp_count: int
    entries: tuple[Entry, ...]


def prepare_ofd(
    document: Buffer,
    *,
    seal: bytes,
    placements: Sequence[Placement],
    seal_size_mm: tuple[float, float],
    signed_at: datetime,
    provider: Provider = TONGBAN,
    close: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> PreparedOfd:
    """Put a seal (DER SESeal) on an OFD and say what is to be signed.

    `signed_at` is aware. Of a package of several documents the first that has a signature list is
    sealed, else the first: placements mean its pages; every file of the package is covered.
    Raises PackageError when the package is not sound, FailedPrecondition (`OFD_CLOSED`) when an
    earlier signature allows no more, InvalidArgument for a place that is none (`STAMP_POSITION`,
    `KEYWORD_NOT_FOUND`) or a seal of a version that is only read (`SEAL_VERSION`). Whether the seal
    is in force and the signer listed is the caller's to decide before, the verifier's after.
    """
    # 1. Read everything as a verifier would.
    version = parse_seal(seal).version
    if version == V1:
        raise InvalidArgument(
            "a version 1 seal can only be verified: have it made anew",
            reason="SEAL_VERSION",
            message_zh="第 1 版印章只能验证，不能用于签章：请重新制作",
        )
    package = read_package(document, limits)
    bodies = doc_bodies(package)
    body = next((one for one in bodies if one.signatures), bodies[0])
    listed = [one for each in bodies for one in signature_list(package, each)]
    pages = read_pages(package, body.doc_root)
    stamps = place(pages, placements, seal_size_mm)

    # 2. Where the new files go.
    list_name = body.signatures or _list_name(package, body)
    number = _next_number(package, listed, list_name)
    folder = f"{list_name.rpartition('/')[0]}/Sign_{number}".lstrip("/")
    names = _Names(folder=folder, number=number + 1)
    _refuse_closed(package, listed, list_name, names)

    # 3. The changed and new files, complete but for Signature.xml.
    changed: dict[str, Entry] = {}
    if body.signatures is None:
        changed[ROOT] = packed_entry(ROOT, _with_list(package, body, list_name))
    changed[list_name] = packed_entry(list_name, _extended_list(package, list_name, names))
    changed[names.seal] = packed_entry(names.seal, seal)
    final = OfdPackage({**package.entries, **changed})

    # 4. Hash every file, and only then write Signature.xml.
    lists = _lists(bodies, list_name)
    hashes = [(name, _digest(final, name)) for name in final if close or name not in lists]
    annotations = [(pages.pages[one.page - 1].id, one) for one in stamps]
    document_xml = _signature_xml(names, hashes, annotations, signed_at, provider)

    # 5. What is to be signed.
    tbs = to_be_signed(
        seal=seal,
        signed_at=signed_at,
        data_hash=digest(SM3_OID, document_xml),
        property_info="/" + names.signature,
        version=version,
    )
    return PreparedOfd(
        tbs=tbs,
        signature_id=names.signature_id,
        signed_value_name=names.signed_value,
        stamp_count=len(stamps),
        entries=(*final.entries.values(), packed_entry(names.signature, document_xml)),
    )


def finish_ofd(
    prepared: PreparedOfd,
    *,
    signature: bytes,
    certificate: bytes,
    timestamp: bytes | None = None,
    suite_oid: str = SM2_SM3_OID,
) -> bytes:
    """The sealed OFD: `signature` is DER SEQ{r, s} over `prepared.tbs` by `certificate`'s key.

    `timestamp` is a DER TimeStampToken over the octets of `signature`.
    """
    parts: list[bytes | memoryview] = []
    _write(
        prepared,
        parts.append,
        signature=signature,
        certificate=certificate,
        timestamp=timestamp,
        suite_oid=suite_oid,
    )
    return b"".join(parts)


def finish_ofd_into(
    prepared: PreparedOfd,
    file: BinaryIO,
    *,
    signature: bytes,
    certificate: bytes,
    timestamp: bytes | None = None,
    suite_oid: str = SM2_SM3_OID,
) -> None:
    """`finish_ofd` into a file, which is not the one the document lies in."""
    _write(
        prepared,
        file.write,
        signature=signature,
        certificate=certificate,
        timestamp=timestamp,
        suite_oid=suite_oid,
    )


def _write(
    prepared: PreparedOfd,
    write: Callable[[bytes | memoryview], object],
    *,
    signature: bytes,
    certificate: bytes,
    timestamp: bytes | None,
    suite_oid: str,
) -> None:
    value = assemble_signature(
        prepared.tbs, certificate=certificate, signature=signature, suite_oid=suite_oid
    )
    writer = PackageWriter(write)
    for entry in prepared.entries:
        writer.add(entry)
    writer.add(packed_entry(prepared.signed_value_name, value))
    writer.finish()


def _digest(package: OfdPackage, name: str) -> bytes:
    """SM3 of a file, which a verifier would not refuse to look at."""
    return digest_pieces(SM3_OID, checked_pieces(package, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """The files of the signature being made."""

    folder: str
    number: int

    @property
    def signature_id(self) -> str:
        return f"s{self.number:03d}"

    @property
    def greatest_id(self) -> str:
        """The same number in other letters: MaxSignId is an xs:ID too, so it must differ."""
        return f"s0{self.number:03d}"

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


def _decimals(*values: float) -> str:
    """At most three decimals each (a micrometre), never an exponent."""
    return " ".join(f"{value:.3f}".rstrip("0").rstrip(".") for value in values)


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
    top.text = names.greatest_id
    root.insert(0, top)
    line = etree.SubElement(root, tag("Signature"))
    line.set("ID", names.signature_id)
    line.set("Type", TYPE_SEAL)
    line.set("BaseLoc", "/" + names.signature)
    return etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)


def _signature_xml(
    names: _Names,
    hashes: Sequence[tuple[str, bytes]],
    stamps: Sequence[tuple[str, Stamp]],
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
    for index, (page, stamp) in enumerate(stamps, 1):
        box = _decimals(stamp.x_mm, stamp.y_mm, stamp.width_mm, stamp.height_mm)
        clip = f' Clip="{_decimals(*stamp.clip_mm)}"' if stamp.clip_mm else ""
        parts.append(
            f'<ofd:StampAnnot ID="{names.signature_id}a{index}" PageRef={quoteattr(page)}'
            f' Boundary="{box}"{clip}/>'
        )
    parts.append(f"<ofd:Seal><ofd:BaseLoc>/{names.seal}</ofd:BaseLoc></ofd:Seal></ofd:SignedInfo>")
    parts.append(f"<ofd:SignedValue>/{names.signed_value}</ofd:SignedValue></ofd:Signature>")
    return "".join(parts).encode()
