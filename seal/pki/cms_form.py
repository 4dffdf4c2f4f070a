"""What nobody signed of a CMS SignedData (RFC 5652 §5), and what of that may be there.

1. Anybody may change the versions, the digests named ahead, the certificates and lists brought
   along and the attributes that are not signed: what has no business there is refused, so that
   nothing can be hidden in a value that verifies.
2. What reads but is of no use to this value is told (`remarks`), not refused: makers bring
   certificates and evidence in good faith.

Raises `InvalidArgument` (`MALFORMED_DER`, and what the parsers of certificates and lists raise).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from seal import der
from seal.pki.certificates import CertificateInfo, can_judge, is_issued_by, parse_certificate
from seal.pki.crls import parse_crl
from seal.pki.ocsp import parse_ocsp

CERTIFICATES: Final = 0xA0
LISTS: Final = 0xA1
_OTHER_LIST: Final = 0xA1
_OCSP: Final = "1.3.6.1.5.5.7.16.2"  # RFC 5940 §2.1
_MOST: Final = 16  # of each kind
_NULL: Final = der.tlv(der.NULL, b"")
TIME_STAMP: Final = "1.2.840.113549.1.9.16.2.14"
_KNOWN: Final = frozenset(
    {
        "1.2.840.113549.1.9.6",  # countersignature
        "1.2.840.113583.1.1.8",  # Adobe's revocation data
        "1.3.6.1.4.1.311.3.3.1",  # Microsoft's time-stamp
        *(f"1.2.840.113549.1.9.16.2.{one}" for one in (21, 22, 23, 24, 25, 26, 27, 48)),
        *(f"0.4.0.1733.2.{one}" for one in (2, 4, 5)),  # EN 319 122-1: of long-term forms
        "0.4.0.19122.1.5",
    }
)
"""Unsigned attributes of long-term forms (EN 319 122-1 and older ones): not used here, but told."""


class Brought(NamedTuple):
    """What a value brings along unsigned; `others` are certificates that are not of X.509."""

    certificates: tuple[bytes, ...] = ()
    lists: tuple[bytes, ...] = ()
    others: int = 0
    attributes: tuple[str, ...] = ()


def brought(optional: Sequence[der.Element], unsigned: der.Element | None) -> Brought:
    """Read `[0] certificates`, `[1] crls` (in that order, once) and `[1] unsignedAttrs`.

    Every certificate and list has to read, every attribute to be of a kind that is known.
    """
    if [one.tag for one in optional] not in ([], [CERTIFICATES], [LISTS], [CERTIFICATES, LISTS]):
        raise der.malformed("it has parts that no SignedData has")
    parts = {one.tag: one.members() for one in optional}
    held, lists = parts.get(CERTIFICATES, []), parts.get(LISTS, [])
    if max(len(held), len(lists)) > _MOST:
        raise der.malformed("it brings too many certificates or revocation lists")
    certificates = tuple(one.raw for one in held if one.tag == der.SEQUENCE)
    for certificate in certificates:
        parse_certificate(certificate)
    for one in lists:
        _check_list(one)
    attributes = check_unsigned(unsigned)
    found = tuple(one.raw for one in lists if one.tag == der.SEQUENCE)
    return Brought(certificates, found, len(held) - len(certificates), attributes)


def check_unsigned(unsigned: der.Element | None) -> tuple[str, ...]:
    """The OIDs of unsigned attributes that are known but not used here, once each.

    Raises where one is not known: whoever wants to could have put it there.
    """
    if unsigned is None:
        return ()
    found = []
    for attribute in unsigned.expect(0xA1).members():
        parts = attribute.expect(der.SEQUENCE).members()
        if len(parts) != 2 or not parts[1].expect(der.SET).members():
            raise der.malformed("an unsigned attribute is malformed")
        oid = parts[0].oid()
        if oid != TIME_STAMP and oid not in _KNOWN:
            raise der.malformed(f"it has an unsigned attribute of an unknown kind ({oid[:64]})")
        if oid != TIME_STAMP:
            found.append(oid)
    return tuple(dict.fromkeys(found))


def is_bare(algorithm: der.Element) -> bool:
    """Whether a digest's identifier has no parameters, or NULL (RFC 5754 §2)."""
    return [one.raw for one in algorithm.expect(der.SEQUENCE).members()[1:]] in ([], [_NULL])


def names_digest(listed: der.Element, hashed: der.Element) -> bool:
    """Whether `digestAlgorithms` names the one digest of the signer, and nothing beside it."""
    members = listed.expect(der.SET).members()
    if len(members) != 1 or not (is_bare(members[0]) and is_bare(hashed)):
        return False
    return members[0].members()[:1] == hashed.members()[:1] != []


def remarks(value: Brought, signers: Iterable[bytes]) -> tuple[tuple[str, str], ...]:
    """What is of no use, English and Chinese: not on a path up from `signers` (certificates)."""
    told = []
    infos = [parse_certificate(one) for one in value.certificates]
    used = _above([parse_certificate(one) for one in signers], infos)
    idle = value.others + sum(one.fingerprint not in used for one in infos)
    if idle:
        told.append(
            (
                f"it brings {idle} certificate(s) that are on no path of its signer",
                f"附带 {idle} 个与签名者证书路径无关的证书",
            )
        )
    issuers = {key for one in used.values() for key in (one.issuer_key, one.subject_key)}
    strange = sum(parse_crl(one).issuer_key not in issuers for one in value.lists)
    if strange:
        told.append(
            (
                f"it brings {strange} revocation list(s) of somebody else",
                f"附带 {strange} 个与其无关的吊销列表",
            )
        )
    if value.attributes:
        named = ", ".join(value.attributes[:3])
        told.append(
            (
                f"it brings attributes that nobody signed and that are not used: {named}",
                f"附带未签名且未被使用的属性：{named}",
            )
        )
    return tuple(told)


def _above(
    signers: list[CertificateInfo], brought_along: list[CertificateInfo]
) -> dict[str, CertificateInfo]:
    """The signers and whoever issued one of those, by fingerprint."""
    used = {one.fingerprint: one for one in signers}
    waiting = list(signers)
    while waiting:
        child = waiting.pop()
        for one in brought_along:
            if one.fingerprint not in used and _issued(child, one):
                used[one.fingerprint] = one
                waiting.append(one)
    return used


def _issued(child: CertificateInfo, issuer: CertificateInfo) -> bool:
    """By name, and by key where we can tell."""
    if child.issuer_key != issuer.subject_key:
        return False
    return is_issued_by(child, issuer) or not can_judge(child, issuer)


def _check_list(one: der.Element) -> None:
    """A revocation list, or (RFC 5940) an OCSP response, that reads."""
    if one.tag == der.SEQUENCE:
        parse_crl(one.raw)
        return
    kind, *rest = one.expect(_OTHER_LIST).members()
    if kind.oid() != _OCSP or len(rest) != 1:
        raise der.malformed("it brings revocation data of an unknown kind")
    parse_ocsp(rest[0].raw)
