"""Reading seals and seal signatures of versions 1, 4 and 5; see `seal.ses` for the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from runtime.errors import InvalidArgument
from seal import der, der_form, suites
from seal.der import Element
from seal.der_form import Finding
from seal.ses.model import TIMESTAMP_TAG, V1, V4, V5, Seal, SealSignature, SignerList

_SEAL_PATH = "/0/1"  # SES_Signature.toSign.eseal
_MAX_BYTES = 4 << 20  # a seal holds one small picture; no honest one comes near
_KEPT_SEALS = 64
_MAX_NOTES = 20
MAX_KEPT = 128 << 10  # octets; so what is kept stays below 64 * 4 * 128 KB

_T = TypeVar("_T")
# What a reader found that DER does not forbid but the standard does.
_Notes = list[Finding]


def _guarded(data: bytes, read: Callable[[bytes], _T], *, reason: str, noun: str, zh: str) -> _T:
    """Run a reader; whatever is wrong with the data becomes one error with that reason."""
    try:
        if len(data) > _MAX_BYTES:
            raise der.malformed("it is too large")
        return read(data)
    except InvalidArgument as error:
        raise InvalidArgument(
            f"This is not a readable {noun}. {error.message}",
            reason=reason,
            message_zh=f"无法读取{zh}。{error.message_zh}",
        ) from error


def parse_seal(data: bytes) -> Seal:
    """Read a DER SESeal of version 1, 4 or 5. Raises `InvalidArgument` (`MALFORMED_SEAL`)."""
    return _guarded(data, _seal, reason="MALFORMED_SEAL", noun="seal", zh="印章数据")


def parse_signature(data: bytes) -> SealSignature:
    """Read a DER SES_Signature of version 1, 4 or 5.

    Raises `InvalidArgument` (`MALFORMED_SIGNATURE`).
    """
    return _guarded(
        data, _read_signature, reason="MALFORMED_SIGNATURE", noun="seal signature", zh="签章数据"
    )


def _fields(element: Element, least: int, most: int, what: str) -> list[Element]:
    """The members of a SEQUENCE that has between `least` and `most`."""
    members = element.expect(der.SEQUENCE).members()
    if not least <= len(members) <= most:
        raise der.malformed(f"{what} has {len(members)} members")
    return members


def _seal(data: bytes) -> Seal:
    """A seal, read once where it is of common size (rule 6)."""
    return _kept_seal(data) if len(data) <= MAX_KEPT else _read_seal(data)


@lru_cache(maxsize=_KEPT_SEALS)
def _kept_seal(data: bytes) -> Seal:
    return _read_seal(data)


def _read_seal(data: bytes) -> Seal:
    parts = der.children(data)
    if not 2 <= len(parts) <= 5:
        raise der.malformed(f"SESeal has {len(parts)} members")
    info = _fields(parts[0], 4, 5, "SES_SealInfo")
    header = _fields(info[0], 3, 3, "SES_Header")
    if header[0].text(der.IA5_STRING) != "ES":
        raise der.malformed("the header does not say ES")
    version = header[1].integer()
    if version == V1:
        if len(parts) != 2:
            raise der.malformed(f"SESeal of version 1 has {len(parts)} members")
        certificate, algorithm, signature = _fields(parts[1], 3, 3, "SES_SignInfo")
        signed = der.sequence(parts[0].raw, certificate.raw, algorithm.raw)
        stamp = None
    elif version in (V4, V5) and len(parts) >= 4:
        certificate, algorithm, signature = parts[1:4]
        signed = parts[0].raw
        stamp = _read_timestamp(parts[4:], allowed=version == V5)
    else:
        raise der.malformed(f"version {version} with {len(parts)} members is not known")
    notes: _Notes = []
    picture = _fields(info[3], 4, 4, "SES_ESPictrueInfo")
    properties = _read_properties(info[2], version, notes)
    _note_bare(algorithm, signature, "/1/2" if version == V1 else "/3", notes)
    return Seal(
        version=version,
        vid=header[2].text(der.IA5_STRING),
        es_id=info[1].text(der.IA5_STRING),
        type=properties.type,
        name=properties.name,
        cert_list=properties.certificates,
        cert_digests=properties.digests,
        created=properties.created,
        valid_from=properties.valid_from,
        valid_to=properties.valid_to,
        picture_type=picture[0].text(der.IA5_STRING),
        picture=picture[1].octets(),
        width_mm=picture[2].integer(),
        height_mm=picture[3].integer(),
        extensions=_read_extensions(info[4:], "/0/4", notes),
        maker_certificate=certificate.octets(),
        signature_oid=algorithm.oid(),
        signature=signature.bits(whole=False),
        timestamp=stamp,
        signed_bytes=signed,
        raw=data,
        findings=(*der_form.findings(data), *notes),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Properties:
    """SES_ESPropertyInfo."""

    type: int
    name: str
    certificates: tuple[bytes, ...]
    digests: tuple[tuple[str, bytes], ...]
    created: datetime
    valid_from: datetime
    valid_to: datetime


def _read_properties(element: Element, version: int, notes: _Notes) -> _Properties:
    """v1 has no certListType and writes UTCTime; v4 and v5 have one and write GeneralizedTime."""
    count = 6 if version == V1 else 7
    members = _fields(element, count, count, "SES_ESPropertyInfo")
    kind = SignerList.CERTIFICATES if version == V1 else members[2].integer()
    listed = members[count - 4].expect(der.SEQUENCE).members()
    if kind not in tuple(SignerList):
        raise der.malformed(f"certListType {kind} is not known")
    due = der.UTC_TIME if version == V1 else der.GENERALIZED_TIME
    created, valid_from, valid_to = (
        _read_time(members[at], due, f"/0/2/{at}", notes) for at in range(count - 3, count)
    )
    is_digests = kind == SignerList.DIGESTS
    pairs = [_fields(one, 2, 2, "CertDigestObj") for one in listed] if is_digests else []
    return _Properties(
        type=members[0].integer(),
        name=members[1].text(der.UTF8_STRING),
        certificates=() if is_digests else tuple(one.octets() for one in listed),
        digests=tuple((name.text(der.PRINTABLE_STRING), value.octets()) for name, value in pairs),
        created=created,
        valid_from=valid_from,
        valid_to=valid_to,
    )


def _read_time(element: Element, due: int, path: str, notes: _Notes) -> datetime:
    """A time, also of the other type than is due: it means the same instant (until 2049)."""
    if element.tag != due:
        notes.append(Finding("TIME_TYPE", path))
    return element.time()


def _note_bare(algorithm: Element, signature: Element, path: str, notes: _Notes) -> None:
    value = signature.bits(whole=False)
    if algorithm.oid() == suites.SM2_SM3_OID and suites.sm2_value(value) is not value:
        notes.append(Finding("SIGNATURE_BARE", path))


def _read_timestamp(rest: list[Element], *, allowed: bool) -> bytes | None:
    """`timeStamp [0] EXPLICIT BIT STRING OPTIONAL`: of v5 seals, and of v4 and v5 signatures."""
    if not rest:
        return None
    if not allowed or len(rest) > 1:
        raise der.malformed("there are members after the signature")
    inner = rest[0].expect(TIMESTAMP_TAG).members()
    if len(inner) != 1:
        raise der.malformed("timeStamp is not one BIT STRING")
    return inner[0].bits(whole=False)


def _read_extensions(
    rest: list[Element], path: str, notes: _Notes
) -> tuple[tuple[str, bool, bytes], ...]:
    """ExtensionDatas as (OID, critical, value); `critical` may be left out (DEFAULT FALSE)."""
    if not rest:
        return ()
    if len(rest) > 1:
        raise der.malformed("there are members after the extensions")
    found: list[tuple[str, bool, bytes]] = []
    seen: set[str] = set()
    for at, one in enumerate(rest[0].expect(der.SEQUENCE).members()):
        members = _fields(one, 2, 3, "ExtData")
        critical = members[1].boolean() if len(members) == 3 else False
        if len(members) == 3 and not critical:
            notes.append(Finding("DEFAULT_WRITTEN", f"{path}/{at}/1"))
        name = members[0].oid()
        if name in seen:
            notes.append(Finding("EXTENSION_TWICE", f"{path}/{at}"))
        seen.add(name)
        found.append((name, critical, members[-1].octets()))
        del notes[_MAX_NOTES:]
    return tuple(found)


def _read_signature(data: bytes) -> SealSignature:
    parts = der.children(data)
    if len(parts) < 2:
        raise der.malformed("SES_Signature has too few members")
    tbs = _fields(parts[0], 5, 7, "TBS_Sign")
    version = tbs[0].integer()
    if version == V1 and len(parts) == 2 and len(tbs) == 7:
        certificate, algorithm = tbs[5:7]
        signature, rest, extensions = parts[1], parts[2:], []
    elif version in (V4, V5) and len(parts) >= 4 and len(tbs) <= 6:
        certificate, algorithm, signature = parts[1:4]
        rest = parts[4:]
        extensions = tbs[5].expect(TIMESTAMP_TAG).members() if len(tbs) == 6 else []
    else:
        raise der.malformed(f"version {version} with these members is not known")
    notes: _Notes = []
    seal = _seal(tbs[1].raw)
    if seal.version != version:
        notes.append(Finding("VERSIONS_DIFFER", "/0/0"))
    property_info = tbs[4].text(der.IA5_STRING)
    if version == V5 and not property_info:
        notes.append(Finding("PROTECTED_RANGE_MISSING", "/0/4"))
    _note_bare(algorithm, signature, "/1" if version == V1 else "/3", notes)
    return SealSignature(
        version=version,
        seal=seal,
        signed_at=_read_time_v1(tbs[2])
        if version == V1
        else _read_time(tbs[2], der.GENERALIZED_TIME, "/0/2", notes),
        data_hash=tbs[3].bits(whole=False),
        property_info=property_info,
        extensions=_read_extensions(extensions, "/0/5/0", notes),
        certificate=certificate.octets(),
        signature_oid=algorithm.oid(),
        signature=signature.bits(whole=False),
        timestamp=_read_timestamp(rest, allowed=version != V1),
        signed_bytes=parts[0].raw,
        raw=data,
        findings=(*der_form.findings(data, apart_from=_SEAL_PATH), *notes),
    )


def _read_time_v1(element: Element) -> datetime | None:
    """v1 puts a UTCTime's text, or a time-stamp token, into a BIT STRING."""
    content = element.bits()
    for generalized in (False, True):
        try:
            return der.parse_time(content, generalized=generalized)
        except InvalidArgument:
            continue
    return None
