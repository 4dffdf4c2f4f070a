"""The integrity list of GM/T 0099-2020: OFDEntries.xml names every file, and is signed.

It holds names, not digests, so it stops smuggled files and nothing else; it is no seal, and its
certificate is not asked for a trust anchor. The signature value is a GB/T 35275 SignedData whose
content is the SM3 digest of OFDEntries.xml, signed as a message (measured on files of other
software).
"""

from __future__ import annotations

from typing import Final

from runtime.errors import InvalidArgument
from seal import der
from seal.model import Check, failed, passed
from seal.ofd_xml import child, parse_xml, required, resolve, tag
from seal.package import OfdPackage, PackageError, structure_error
from seal.suites import SM2_SM3_OID, SM3_OID, digest, suite
from seal.trust import parse_certificate

ENTRIES: Final = "OFDEntries.xml"
NAME: Final = "integrity_entries"
_SET: Final = 0x31
_CONTEXT_0: Final = 0xA0


def check_integrity_entries(package: OfdPackage, allowed: frozenset[str]) -> Check | None:
    """None without OFDEntries.xml. `allowed` are files of signatures, which may be added later."""
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
    return passed(
        NAME, "the integrity list is complete and its signature good", "完整性清单验证通过"
    )


def _read_entries(package: OfdPackage) -> tuple[str, set[str]]:
    root = parse_xml(package.read(ENTRIES), ENTRIES)
    files = child(root, "FileList")
    if root.tag != tag("DocEntries") or files is None:
        raise structure_error("OFDEntries.xml is not a list of entries")
    value_name = resolve(required(root, "SignedValueLoc"), base=ENTRIES)
    listed = {resolve(one.get("FileLoc", ""), base=ENTRIES) for one in files.findall(tag("File"))}
    return value_name, listed


def _is_signed(entries: bytes, value: bytes) -> bool:
    """SignedData{version, digests, content, [0] certificates, signers}, one of each."""
    try:
        content_type = der.children(value)
        parts = content_type[1].members()[0].members()
        content = parts[2].members()[1].members()[0].octets()
        holder = parse_certificate(next(one.content for one in parts if one.tag == _CONTEXT_0))
        signer = next(one for one in reversed(parts) if one.tag == _SET).members()[0].members()
        signature = signer[-1].octets()
    except (IndexError, StopIteration):
        raise structure_error("the integrity list's signature is not a SignedData") from None
    return content == digest(SM3_OID, entries) and suite(SM2_SM3_OID).verify(
        holder.public_key, content, signature
    )
