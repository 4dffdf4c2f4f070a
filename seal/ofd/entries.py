"""The integrity list of GM/T 0099-2020: OFDEntries.xml names every file, and is signed.

It holds names, not digests, so it stops smuggled files and nothing else; it is no seal, and its
certificate is not asked for a trust anchor. The signature value is a GB/T 35275 SignedData whose
content is the SM3 digest of OFDEntries.xml, signed as a message (measured on files of other
software).

In what we make the seal covers the list, but not the list's signature value: both are signed at one
time by one key, so that all that is to be signed is known before. The value can be nothing else
nevertheless: `proven_value` makes it anew from the signer's certificate and compares each byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import quoteattr

from runtime.errors import InvalidArgument
from seal import der
from seal.model import Check, failed, passed
from seal.ofd.markup import NAMESPACE, child, parse_xml, required, resolve, tag
from seal.ofd.package import OfdPackage, PackageError, structure_error
from seal.ofd.signed_data import parse_signed_data
from seal.ofd.signed_proof import covers, is_signed
from seal.suites import SM2_SM3_OID, SM3_OID, digest
from seal.trust import parse_certificate

ENTRIES: Final = "OFDEntries.xml"
ENTRIES_VALUE: Final = "OFDEntriesValue.dat"
NAME: Final = "integrity_entries"
_DATA: Final = "1.2.156.10197.6.1.4.2.1"  # GB/T 35275
_SIGNED_DATA: Final = "1.2.156.10197.6.1.4.2.2"
_SM2_SIGNATURE: Final = "1.2.156.10197.1.301.1"
_SET: Final = 0x31
_CONTEXT_0: Final = 0xA0


def check_integrity_entries(package: OfdPackage, allowed: frozenset[str]) -> Check | None:
    """None without OFDEntries.xml. `allowed` are files of signatures, which may be added later.

    A list that lacks some of them is complete but for those: a notice, since an earlier signature
    may keep it from being made anew.
    """
    if ENTRIES not in package:
        return None
    try:
        value_name, listed = _read_entries(package)
        sound = _is_signed(package.read(ENTRIES), package.read(value_name))
    except (PackageError, InvalidArgument) as error:
        return failed(
            NAME,
            f"the integrity list is unreadable: {error.message}",
            f"完整性清单无法读取：{error.message_zh}",
        )
    present = set(package) - {ENTRIES, value_name}
    extra = sorted(present - listed - allowed)
    missing = sorted(listed - present)
    if extra or missing:
        names = ", ".join("/" + name for name in (extra + missing)[:10])
        return failed(
            NAME,
            f"the integrity list and the package differ: {names}",
            f"完整性清单与文件包不一致：{names}",
            reason="INTEGRITY_LIST_DIFFERS",
        )
    if not sound:
        return failed(NAME, "the integrity list's signature is wrong", "完整性清单的签名无效")
    later = sorted((present - listed) & allowed)
    if later:
        names = ", ".join("/" + name for name in later[:10])
        return passed(
            NAME,
            f"the integrity list is complete but for later signatures: {names}",
            f"完整性清单验证通过，但不含其后加盖的签章：{names}",
            notice=True,
        )
    return passed(
        NAME, "the integrity list is complete and its signature good", "完整性清单验证通过"
    )


def entries_xml(files: Iterable[str], *, signed_at: datetime, creator: str) -> bytes:
    """OFDEntries.xml for these files (entry names)."""
    day = signed_at.astimezone(UTC).date().isoformat()
    listed = "".join(
        f'<ofd:File ID="{number}" FileLoc={quoteattr("/" + name)}/>'
        for number, name in enumerate(files, 2)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ofd:DocEntries xmlns:ofd="{NAMESPACE}" ID="1" CreatorName={quoteattr(creator)}'
        f' Version="1.0" CreationDate="{day}">'
        f"<ofd:SignedValueLoc>/{ENTRIES_VALUE}</ofd:SignedValueLoc>"
        f"<ofd:FileList>{listed}</ofd:FileList></ofd:DocEntries>"
    ).encode()


def entries_value(
    content: bytes, *, certificate: bytes, signature: bytes, suite_oid: str = SM2_SM3_OID
) -> bytes:
    """DER(SignedData) of GB/T 35275: `content` is the digest of the list, `signature` over it."""
    if suite_oid != SM2_SM3_OID:
        raise InvalidArgument(
            "an integrity list is signed with SM2: seal without integrity_entries",
            reason="UNKNOWN_SUITE",
            message_zh="完整性清单只能使用 SM2 签名：请不要要求完整性清单",
        )
    holder = parse_certificate(certificate)
    algorithm = der.sequence(der.oid(SM3_OID))
    signer = der.sequence(
        der.integer(1),
        der.sequence(holder.issuer_name, der.integer(holder.serial)),
        algorithm,
        der.sequence(der.oid(_SM2_SIGNATURE)),
        der.octets(signature),
    )
    signed = der.sequence(
        der.integer(1),
        der.tlv(_SET, algorithm),
        der.sequence(der.oid(_DATA), der.tlv(_CONTEXT_0, der.octets(content))),
        der.tlv(_CONTEXT_0, certificate),
        der.tlv(_SET, signer),
    )
    return der.sequence(der.oid(_SIGNED_DATA), der.tlv(_CONTEXT_0, signed))


def entries_values(package: OfdPackage) -> tuple[str, ...]:
    """The signature value of the integrity list there is, if it says one."""
    if ENTRIES not in package:
        return ()
    return (_read_entries(package)[0],)


def proven_value(
    package: OfdPackage, covered: Collection[str], certificate: bytes
) -> frozenset[str]:
    """The file of the list's signature value, if nothing but what the certificate's holder made.

    The list must be `covered` by the holder's seal.
    """
    if ENTRIES not in package or ENTRIES not in covered:
        return frozenset()
    try:
        name, _ = _read_entries(package)
        value, entries = package.read(name), package.read(ENTRIES)
        signature = parse_signed_data(value).signers[0].signature
        if not _is_signed(entries, value):
            return frozenset()
        made = entries_value(digest(SM3_OID, entries), certificate=certificate, signature=signature)
    except InvalidArgument:
        return frozenset()
    return frozenset({name} if made == value else ())


def _read_entries(package: OfdPackage) -> tuple[str, set[str]]:
    root = parse_xml(package.read(ENTRIES), ENTRIES)
    files = child(root, "FileList")
    if root.tag != tag("DocEntries") or files is None:
        raise structure_error(
            "OFDEntries.xml is not a list of entries", "OFDEntries.xml 不是文件清单"
        )
    value_name = resolve(required(root, "SignedValueLoc"), base=ENTRIES)
    listed = {resolve(one.get("FileLoc", ""), base=ENTRIES) for one in files.findall(tag("File"))}
    return value_name, listed


def _is_signed(entries: bytes, value: bytes) -> bool:
    """Whether every signer of the SignedData signed the list; nobody is asked who they are."""
    signed = parse_signed_data(value)
    return all(covers(signed, one, entries) and is_signed(signed, one, entries) for one in
               signed.signers)  # fmt: skip
