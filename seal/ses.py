"""The seal (SESeal) and the seal signature (SES_Signature) of GB/T 38540-2020.

Invariants:

1. We write version 4 (GB/T 38540-2020) and 5 (GM/T 0031-2025); we read 1 (GM/T 0031-2014), 4, 5.
2. What we write is DER; `extDatas` is left out, since other software drops an implicit `critical`.
3. A signature is checked over the bytes **as received** (`signed_bytes`), never over a re-encoding:
   DER(SES_SealInfo) of a v4 seal, DER(TBS_Sign) of a v4 signature. In v1 the certificate and the
   algorithm are inside the signed part.
4. What departs from DER yet has one meaning is read, and named in `findings`; what has the wrong
   shape is refused with `InvalidArgument` (`MALFORMED_SEAL`, `MALFORMED_SIGNATURE`).
5. Parsing proves nothing: `verify_seal`, `verify_signature` prove the mathematics only, and chain,
   dates and membership in the seal's certificate list are the verifier's (`seal.verify`).
6. The same seal comes with every document: what was read from some bytes, and whether the maker
   signed them, is kept for the same bytes. Neither depends on anything else; trust is never kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from runtime.errors import InvalidArgument
from seal import der
from seal.certificates import parse_certificate
from seal.der import Element
from seal.keys import Signer
from seal.suites import SM3_OID, digest, suite

V1, V4, V5 = 1, 4, 5
_CERTIFICATES, _DIGESTS = 1, 2  # certListType
_TIMESTAMP_TAG = 0xA0
_SEAL_PATH = "/0/1"  # SES_Signature.toSign.eseal
_MAX_BYTES = 4 << 20  # a seal holds one small picture; no honest one comes near
_KEPT_SEALS = 64
_MAX_KEPT = 128 << 10  # octets; so what is kept stays below 64 * 4 * 128 KB

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealSpec:
    """What a seal is to say.

    Sizes in whole mm, times aware; `cert_list` holds the DER certificates of those who may sign
    with it; `type` is as in the deployment's table of seal types.
    """

    es_id: str
    vid: str
    name: str
    cert_list: tuple[bytes, ...]
    created: datetime
    valid_from: datetime
    valid_to: datetime
    picture_type: str
    picture: bytes
    width_mm: int
    height_mm: int
    version: int = V4
    type: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A seal as read. `cert_list` or `cert_digests` is empty, by the list's type.

    `cert_digests` are pairs of digest name as written and digest. `signed_bytes` are as received;
    `raw` is the whole seal as received. Sizes in mm. The same object stands for the same bytes.
    """

    version: int
    vid: str
    es_id: str
    type: int
    name: str
    cert_list: tuple[bytes, ...]
    cert_digests: tuple[tuple[str, bytes], ...]
    created: datetime
    valid_from: datetime
    valid_to: datetime
    picture_type: str
    picture: bytes
    width_mm: int
    height_mm: int
    extensions: tuple[tuple[str, bool, bytes], ...]
    maker_certificate: bytes
    signature_oid: str
    signature: bytes
    timestamp: bytes | None
    signed_bytes: bytes
    raw: bytes
    findings: tuple[str, ...]

    def lists_certificate(self, certificate: bytes) -> bool:
        """Whether this DER certificate may sign with this seal (GB/T 38540 certList)."""
        if certificate in self.cert_list:
            return True
        for name, value in self.cert_digests:
            try:
                if digest(_digest_name(name), certificate) == value:
                    return True
            except InvalidArgument:
                continue  # a digest we do not know proves nothing
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SealSignature:
    """A seal signature as read; `signed_at` is what the signer claims (None: v1 with a token)."""

    version: int
    seal: Seal
    signed_at: datetime | None
    data_hash: bytes
    property_info: str
    extensions: tuple[tuple[str, bool, bytes], ...]
    certificate: bytes
    signature_oid: str
    signature: bytes
    timestamp: bytes | None
    signed_bytes: bytes
    raw: bytes
    findings: tuple[str, ...]


# --- making ----------------------------------------------------------------------------------


def make_seal(spec: SealSpec, *, maker: Signer, maker_certificate: bytes) -> bytes:
    """The DER SESeal, signed by the seal maker.

    Raises `InvalidArgument` (`BAD_SEAL_SPEC`) when the specification contradicts itself, or
    (`KEY_AND_CERTIFICATE_DIFFER`) when the maker's certificate is not of the maker's key.
    """
    _check_spec(spec)
    _check_pair(maker, maker_certificate)
    info = _encode_info(spec)
    chosen = suite(maker.suite_name)
    return der.sequence(
        info,
        der.octets(maker_certificate),
        der.oid(chosen.signature_oid),
        der.bits(maker.sign(info)),
    )


def to_be_signed(
    *, seal: bytes, signed_at: datetime, data_hash: bytes, property_info: str, version: int = V4
) -> bytes:
    """DER(TBS_Sign): what the signer signs.

    `data_hash` is the digest of Signature.xml's bytes; `property_info` its absolute path in the
    package. Raises `InvalidArgument` (`BAD_SEAL_SPEC`) for another version than 4 or 5.
    """
    if version not in (V4, V5):
        raise _bad_spec("only versions 4 and 5 are written")
    return der.sequence(
        der.integer(version),
        der.read(seal).expect(der.SEQUENCE).raw,
        der.generalized_time(signed_at),
        der.bits(data_hash),
        der.text(der.IA5_STRING, property_info),
    )


def assemble_signature(
    tbs: bytes, *, certificate: bytes, signature: bytes, suite_oid: str
) -> bytes:
    """The DER SES_Signature around a TBS_Sign and its signature (DER SEQ{r, s})."""
    return der.sequence(
        der.read(tbs).expect(der.SEQUENCE).raw,
        der.octets(certificate),
        der.oid(suite_oid),
        der.bits(signature),
    )


def sign_data(
    *,
    seal: bytes,
    signed_at: datetime,
    data_hash: bytes,
    property_info: str,
    signer: Signer,
    certificate: bytes,
    version: int = V4,
) -> bytes:
    """`to_be_signed`, signed and assembled in one step. Raises as they do."""
    _check_pair(signer, certificate)
    tbs = to_be_signed(
        seal=seal,
        signed_at=signed_at,
        data_hash=data_hash,
        property_info=property_info,
        version=version,
    )
    return assemble_signature(
        tbs,
        certificate=certificate,
        signature=signer.sign(tbs),
        suite_oid=suite(signer.suite_name).signature_oid,
    )


def _encode_info(spec: SealSpec) -> bytes:
    """DER(SES_SealInfo)."""
    header = der.sequence(
        der.text(der.IA5_STRING, "ES"),
        der.integer(spec.version),
        der.text(der.IA5_STRING, spec.vid),
    )
    properties = der.sequence(
        der.integer(spec.type),
        der.text(der.UTF8_STRING, spec.name),
        der.integer(_CERTIFICATES),
        der.sequence(*(der.octets(certificate) for certificate in spec.cert_list)),
        der.generalized_time(spec.created),
        der.generalized_time(spec.valid_from),
        der.generalized_time(spec.valid_to),
    )
    picture = der.sequence(
        der.text(der.IA5_STRING, spec.picture_type),
        der.octets(spec.picture),
        der.integer(spec.width_mm),
        der.integer(spec.height_mm),
    )
    return der.sequence(header, der.text(der.IA5_STRING, spec.es_id), properties, picture)


def _bad_spec(what: str) -> InvalidArgument:
    return InvalidArgument(
        f"The seal cannot be made: {what}.",
        reason="BAD_SEAL_SPEC",
        message_zh=f"无法制作印章：{what}。",
    )


def _check_spec(spec: SealSpec) -> None:
    """The rules a seal must meet before anyone signs it."""
    if spec.version not in (V4, V5):
        raise _bad_spec("only versions 4 and 5 are written")
    if not spec.es_id or not spec.name or not spec.picture:
        raise _bad_spec("identifier, name and picture are all needed")
    if not spec.cert_list:
        raise _bad_spec("no signer's certificate is listed")
    if spec.valid_from >= spec.valid_to:
        raise _bad_spec("it ends before it begins")
    if spec.width_mm <= 0 or spec.height_mm <= 0:
        raise _bad_spec("its size is not positive")
    for certificate in spec.cert_list:
        parse_certificate(certificate)


def _check_pair(signer: Signer, certificate: bytes) -> None:
    """The certificate is of the signer's key: a mistake here would only surface at a verifier."""
    if parse_certificate(certificate).public_key != signer.public_key:
        raise InvalidArgument(
            "The certificate does not belong to the signing key.",
            reason="KEY_AND_CERTIFICATE_DIFFER",
            message_zh="证书与签名私钥不匹配。",
        )


# --- reading ---------------------------------------------------------------------------------


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
    return _kept_seal(data) if len(data) <= _MAX_KEPT else _read_seal(data)


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
        stamp = _read_timestamp(parts[4:], version)
    else:
        raise der.malformed(f"version {version} with {len(parts)} members is not known")
    picture = _fields(info[3], 4, 4, "SES_ESPictrueInfo")
    properties = _read_properties(info[2], version)
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
        extensions=_read_extensions(info[4:]),
        maker_certificate=certificate.octets(),
        signature_oid=algorithm.oid(),
        signature=signature.bits(),
        timestamp=stamp,
        signed_bytes=signed,
        raw=data,
        findings=der.findings(data),
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


def _read_properties(element: Element, version: int) -> _Properties:
    """v1 has no certListType and writes UTCTime; v4 and v5 have one and write GeneralizedTime."""
    count = 6 if version == V1 else 7
    members = _fields(element, count, count, "SES_ESPropertyInfo")
    kind = _CERTIFICATES if version == V1 else members[2].integer()
    listed = members[count - 4].expect(der.SEQUENCE).members()
    if kind not in (_CERTIFICATES, _DIGESTS):
        raise der.malformed(f"certListType {kind} is not known")
    time_tag = der.UTC_TIME if version == V1 else der.GENERALIZED_TIME
    created, valid_from, valid_to = (one.expect(time_tag).time() for one in members[count - 3 :])
    pairs = [_fields(one, 2, 2, "CertDigestObj") for one in listed] if kind == _DIGESTS else []
    return _Properties(
        type=members[0].integer(),
        name=members[1].text(der.UTF8_STRING),
        certificates=tuple(one.octets() for one in listed) if kind == _CERTIFICATES else (),
        digests=tuple((name.text(der.PRINTABLE_STRING), value.octets()) for name, value in pairs),
        created=created,
        valid_from=valid_from,
        valid_to=valid_to,
    )


def _read_timestamp(rest: list[Element], version: int) -> bytes | None:
    """`timeStamp [0] EXPLICIT BIT STRING OPTIONAL`, of version 5 only."""
    if not rest:
        return None
    if version != V5 or len(rest) > 1:
        raise der.malformed("there are members after the signature")
    inner = rest[0].expect(_TIMESTAMP_TAG).members()
    if len(inner) != 1:
        raise der.malformed("timeStamp is not one BIT STRING")
    return inner[0].bits()


def _read_extensions(rest: list[Element]) -> tuple[tuple[str, bool, bytes], ...]:
    """ExtensionDatas as (OID, critical, value); `critical` may be left out (DEFAULT FALSE)."""
    if not rest:
        return ()
    found = []
    for one in rest[0].expect(der.SEQUENCE).members():
        members = _fields(one, 2, 3, "ExtData")
        critical = False
        if len(members) == 3:
            critical = members[1].expect(der.BOOLEAN).content not in (b"\x00", b"")
        found.append((members[0].oid(), critical, members[-1].octets()))
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
        extensions = tbs[5].expect(_TIMESTAMP_TAG).members() if len(tbs) == 6 else []
    else:
        raise der.malformed(f"version {version} with these members is not known")
    seal = _seal(tbs[1].raw)
    return SealSignature(
        version=version,
        seal=seal,
        signed_at=_read_time_v1(tbs[2])
        if version == V1
        else tbs[2].expect(der.GENERALIZED_TIME).time(),
        data_hash=tbs[3].bits(),
        property_info=tbs[4].text(der.IA5_STRING),
        extensions=_read_extensions(extensions),
        certificate=certificate.octets(),
        signature_oid=algorithm.oid(),
        signature=signature.bits(),
        timestamp=_read_timestamp(rest, version),
        signed_bytes=parts[0].raw,
        raw=data,
        findings=der.findings(data, apart_from=_SEAL_PATH),
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


# --- the mathematics -------------------------------------------------------------------------


def verify_seal(seal: Seal) -> bool:
    """Whether the maker's signature holds over the seal's bytes as received."""
    verify = _verify_kept if len(seal.raw) <= _MAX_KEPT else _verify
    return verify(seal.maker_certificate, seal.signature_oid, seal.signed_bytes, seal.signature)


def verify_signature(signature: SealSignature) -> bool:
    """Whether the signer's signature holds over TBS_Sign's bytes as received.

    Says nothing of the seal inside: ask `verify_seal` too.
    """
    return _verify(
        signature.certificate,
        signature.signature_oid,
        signature.signed_bytes,
        signature.signature,
    )


def _verify(certificate: bytes, signature_oid: str, message: bytes, signature: bytes) -> bool:
    """The stated algorithm must be the one of the certificate's key: no choosing a weaker one."""
    try:
        holder = parse_certificate(certificate)
        chosen = suite(signature_oid)
    except InvalidArgument:
        return False
    if holder.suite != chosen.name:
        return False
    return chosen.verify(holder.public_key, message, signature)


@lru_cache(maxsize=_KEPT_SEALS)
def _verify_kept(certificate: bytes, signature_oid: str, message: bytes, signature: bytes) -> bool:
    """`_verify` of a seal, done once (rule 6)."""
    return _verify(certificate, signature_oid, message, signature)


def _digest_name(name: str) -> str:
    """A certDigestList type as written: an OID, or a name in any case."""
    return SM3_OID if name.upper() == "SM3" else name.lower()
