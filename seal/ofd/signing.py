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

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import BinaryIO, Final

from runtime.errors import FailedPrecondition, InvalidArgument
from seal.ofd.entries import (
    ENTRIES,
    ENTRIES_VALUE,
    entries_value,
    entries_values,
    entries_xml,
)
from seal.ofd.linked import Linked
from seal.ofd.markup import is_draft, read_xml
from seal.ofd.package import (
    DEFAULT_LIMITS,
    Buffer,
    Entry,
    Limits,
    OfdPackage,
    PackageError,
    read_package,
    structure_error,
)
from seal.ofd.package_writer import PackageWriter, packed_entry, stored_entry
from seal.ofd.placement import pages_in, place
from seal.ofd.seen import look
from seal.ofd.structure import (
    ROOT,
    DocBody,
    ListedSignature,
    bodies_of,
    optional,
    parse_signature_xml,
    signature_list,
)
from seal.ofd.write import Names, Provider, extended_list, signature_xml, with_list
from seal.ofd.xml_parts import refuse_malformed
from seal.placement import Placement
from seal.placing import refuse_covering
from seal.ses import V1, assemble_signature, parse_seal, to_be_signed
from seal.suites import SM2_SM3_OID, SM3_OID, digest

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

TONGBAN: Final = Provider()
_MAX_KEPT: Final = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedOfd:
    """A document that lacks only its signature value.

    `tbs` is DER(TBS_Sign), what the key signs and what can be stored before it does (rule 3); so
    with `integrity_tbs` where an integrity list goes along. `entries` are the package so far:
    unchanged ones are views of the document, which must stay as it is until the sealed one is
    written.
    """

    tbs: bytes
    integrity_tbs: bytes | None
    signature_id: str
    suite_oid: str
    stamp_count: int
    signed_value_name: str
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
    integrity_entries: bool = False,
    suite_oid: str = SM2_SM3_OID,
    limits: Limits = DEFAULT_LIMITS,
) -> PreparedOfd:
    """Put a seal (DER SESeal) on an OFD and say what is to be signed.

    `signed_at` is aware. Of a package of several documents the first that has a signature list is
    sealed, else the first: placements mean its pages; every file of the package is covered.
    `integrity_entries` adds the list of GM/T 0099; one that is there and that no signature covers
    is made anew in any case, as it would lack the new files. Raises
    PackageError when the package is not sound, FailedPrecondition (`OFD_CLOSED`,
    `INTEGRITY_LIST_SIGNED`, `INTEGRITY_ENTRIES_TOO_LATE`) when an earlier signature allows no more,
    InvalidArgument for a place that is none (`STAMP_POSITION`, `KEYWORD_NOT_FOUND`) or a seal of a
    version that is only read (`SEAL_VERSION`). Whether the seal is in force and the signer listed
    is the caller's to decide before, the verifier's after.
    """
    # 1. Read everything as a verifier would.
    _refuse_old(seal)
    package = read_package(document, limits)
    _refuse_draft(package)
    root = read_xml(package, ROOT)
    bodies = bodies_of(root)
    body = next((one for one in bodies if one.signatures), bodies[0])
    listed = [one for each in bodies for one in signature_list(package, each)]
    covered = [_covered(package, one) for one in listed]
    document_root = read_xml(package, body.doc_root)
    pages = pages_in(package, body.doc_root, document_root)
    stamps = place(pages, placements, seal_size_mm)
    if listed:
        refuse_covering(stamps)

    # 2. Where the new files go.
    list_name = body.signatures or _list_name(package, body)
    names = _names(package, listed, list_name)
    _refuse_closed(package, covered, list_name)

    # 3. The changed and new files, complete but for Signature.xml.
    files = dict(package.entries)
    if body.signatures is None:
        files[ROOT] = packed_entry(ROOT, with_list(root, body, list_name))
    files[list_name] = packed_entry(list_name, extended_list(package, list_name, names))
    files[names.seal] = _seal_entry(names.seal, seal)
    integrity_tbs = None
    if integrity_entries or _has_open_entries(package, covered, suite_oid):
        _refuse_late_entries(package, covered)
        _take_out_entries(package, covered, files)
        names_made = (names.signature, names.signed_value)
        entries = entries_xml([*files, *names_made], signed_at=signed_at, creator=provider.name)
        files[ENTRIES] = packed_entry(ENTRIES, entries)
        integrity_tbs = digest(SM3_OID, entries)

    # 4. Hash every file, and only then write Signature.xml.
    final = package.changed(files)
    seen = look(final)
    linked = Linked(final, bodies, seen, read={body.doc_root: (document_root, pages)})
    refuse_malformed(final, linked, seen)
    lists = {list_name} | {one.signatures for one in bodies if one.signatures}
    document_xml = signature_xml(
        names,
        method=suite_oid,
        hashes=[
            (name, _seal_digest(seal) if name == names.seal else seen.digests.of(name, SM3_OID))
            for name in final
            if close or name not in lists
        ],
        stamps=[(pages.pages[one.page - 1].id, one) for one in stamps],
        signed_at=signed_at,
        provider=provider,
    )

    # 5. What is to be signed.
    tbs = to_be_signed(
        seal=seal,
        signed_at=signed_at,
        data_hash=digest(SM3_OID, document_xml),
        property_info="/" + names.signature,
    )
    return PreparedOfd(
        tbs=tbs,
        integrity_tbs=integrity_tbs,
        signature_id=names.signature_id,
        suite_oid=suite_oid,
        stamp_count=len(stamps),
        signed_value_name=names.signed_value,
        entries=(*files.values(), packed_entry(names.signature, document_xml)),
    )


def finish_ofd(
    prepared: PreparedOfd,
    *,
    signature: bytes,
    certificate: bytes,
    timestamp: bytes | None = None,
    integrity_signature: bytes | None = None,
) -> bytes:
    """The sealed OFD: `signature` is over `prepared.tbs` by the key of `certificate`.

    `timestamp` is a DER TimeStampToken over the octets of `signature`. `integrity_signature` is
    over `prepared.integrity_tbs` by the same key, and needed where there is one (else TypeError).
    """
    parts: list[bytes | memoryview] = []
    value = _value(prepared, certificate, signature, timestamp)
    _write(prepared, parts.append, [*value, *_entries(prepared, certificate, integrity_signature)])
    return b"".join(parts)


def finish_ofd_into(
    prepared: PreparedOfd,
    file: BinaryIO,
    *,
    signature: bytes,
    certificate: bytes,
    timestamp: bytes | None = None,
    integrity_signature: bytes | None = None,
) -> None:
    """`finish_ofd` into a buffered file, which is not the one the document lies in."""
    value = _value(prepared, certificate, signature, timestamp)
    _write(prepared, file.write, [*value, *_entries(prepared, certificate, integrity_signature)])


def _value(
    prepared: PreparedOfd, certificate: bytes, signature: bytes, timestamp: bytes | None
) -> list[Entry]:
    value = assemble_signature(
        prepared.tbs,
        certificate=certificate,
        signature=signature,
        suite_oid=prepared.suite_oid,
        timestamp=timestamp,
    )
    return [packed_entry(prepared.signed_value_name, value)]  # the seal in it has its certificates


def _entries(prepared: PreparedOfd, certificate: bytes, signature: bytes | None) -> list[Entry]:
    if (prepared.integrity_tbs is None) != (signature is None):
        raise TypeError("integrity_signature goes with integrity_tbs")
    if prepared.integrity_tbs is None or signature is None:
        return []
    value = entries_value(
        prepared.integrity_tbs,
        certificate=certificate,
        signature=signature,
        suite_oid=prepared.suite_oid,
    )
    return [stored_entry(ENTRIES_VALUE, value)]


def _write(
    prepared: PreparedOfd, write: Callable[[bytes | memoryview], object], more: Sequence[Entry]
) -> None:
    writer = PackageWriter(write)
    for entry in (*prepared.entries, *more):
        writer.add(entry)
    writer.finish()


def _refuse_old(seal: bytes) -> None:
    if parse_seal(seal).version == V1:
        raise InvalidArgument(
            "a version 1 seal can only be verified: have it made anew",
            reason="SEAL_VERSION",
            message_zh="第 1 版印章只能验证，不能用于签章：请重新制作",
        )


def _seal_digest(seal: bytes) -> bytes:
    """SM3 of a seal; the same one comes with every document."""
    return _kept_digest(seal) if len(seal) <= _MAX_KEPT else digest(SM3_OID, seal)


def _seal_entry(name: str, seal: bytes) -> Entry:
    """A seal deflated; the same one comes with every document."""
    return _kept_entry(name, seal) if len(seal) <= _MAX_KEPT else stored_entry(name, seal)


_kept_entry = lru_cache(maxsize=64)(packed_entry)


@lru_cache(maxsize=64)
def _kept_digest(seal: bytes) -> bytes:
    return digest(SM3_OID, seal)


def _covered(package: OfdPackage, listed: ListedSignature) -> frozenset[str]:
    """The files an earlier signature covers."""
    earlier = parse_signature_xml(package.read(listed.path), listed.path)
    return frozenset(reference.path for reference in earlier.references)


def _list_name(package: OfdPackage, body: DocBody) -> str:
    name = f"{body.doc_root.rpartition('/')[0]}/Signs/Signatures.xml".lstrip("/")
    if name in package:
        # A list nobody refers to: perhaps the remains of removed signatures.
        raise structure_error(
            "the package has a signature list that OFD.xml does not name",
            "文件包中存在 OFD.xml 未指明的签名列表",
        )
    return name


def _names(package: OfdPackage, listed: Sequence[ListedSignature], list_name: str) -> Names:
    """The new signature's files and number, beyond every identifier and every folder in use."""
    folder = list_name.rpartition("/")[0]
    if not folder.isascii():
        folder = "Signs"  # propertyInfo is the signature's path, and an IA5String
    words = [one.id for one in listed]
    if list_name in package:
        words.append(optional(read_xml(package, list_name), "MaxSignId"))
    used = [int(found[0]) for word in words if (found := re.findall(r"\d{1,9}$", word))]
    number = max(used, default=0)
    taken = {name.lower() for name in package}
    stem = f"{folder}/Sign_".lstrip("/")
    while any(
        name == f"{stem}{number}".lower() or name.startswith(f"{stem}{number}/".lower())
        for name in taken
    ):
        number += 1
    return Names(folder=f"{stem}{number}", number=number + 1)


def _refuse_draft(package: OfdPackage) -> None:
    """What we write is of the standard; a file with elements of both is one nobody should make."""
    if is_draft(package.read(ROOT)):
        raise structure_error(
            "the document is in the namespace of the draft standard: save it as GB/T 33190-2016",
            "文件使用标准草案的命名空间：请另存为 GB/T 33190-2016 格式",
        )


def _refuse_closed(package: OfdPackage, covered: Sequence[frozenset[str]], list_name: str) -> None:
    """Rule 5: adding a line to a list that is signed would break the signature that covers it."""
    changed = list_name if list_name in package else ROOT
    if any(changed in files for files in covered):
        raise FailedPrecondition(
            "an earlier signature closed the document to further ones: seal it as it was before",
            reason="OFD_CLOSED",
            message_zh="已有签章保护了签名列表，文件不能再加盖印章：请使用封闭前的文件",
        )


def _refuse_late_entries(package: OfdPackage, covered: Sequence[frozenset[str]]) -> None:
    """To an earlier signature, a list that came after it would be a smuggled file."""
    if covered and ENTRIES not in package:
        raise FailedPrecondition(
            "the document is sealed already, and an integrity list added now would break the "
            "earlier signature: seal without integrity entries (--entries), or ask for them with "
            "the first seal",
            reason="INTEGRITY_ENTRIES_TOO_LATE",
            message_zh="文件已有签章，此时再加完整性清单会破坏已有签章：请不要要求完整性清单"
            "（--entries），或在加盖第一枚印章时要求",
        )


def _has_open_entries(
    package: OfdPackage, covered: Sequence[frozenset[str]], suite_oid: str
) -> bool:
    """Whether there is an integrity list that can be made anew; it is signed with SM2 only."""
    files = {ENTRIES, *entries_values(package)}
    return (
        ENTRIES in package
        and suite_oid == SM2_SM3_OID
        and not any(files & signed for signed in covered)
    )


def _take_out_entries(
    package: OfdPackage, covered: Sequence[frozenset[str]], files: dict[str, Entry]
) -> None:
    """Make room for the integrity list: an older one goes unless somebody signed for it."""
    old = [name for name in (ENTRIES, *entries_values(package)) if name in files]
    if any(name in signed for name in old for signed in covered):
        raise FailedPrecondition(
            "an earlier signature covers the document's integrity list: seal without "
            "integrity_entries",
            reason="INTEGRITY_LIST_SIGNED",
            message_zh="已有签章保护了完整性清单：请不要再次要求完整性清单",
        )
    for name in old:
        del files[name]
    if any(name.lower() == ENTRIES_VALUE.lower() for name in files):
        raise structure_error(
            "a file stands where the integrity list's signature goes",
            "完整性清单签名的位置已有其他文件",
        )
