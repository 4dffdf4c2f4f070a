"""SignedData of GB/T 35275 (and CMS, RFC 5652): the value of an OFD signature of Type=Sign.

1. The bytes as received are judged: what is signed is cut out, never encoded again.
2. The identifiers of GB/T 35275 and those of PKCS#7 mean the same structure; makers mix them, and
   so may one value.
3. What is signed stands in one of three places, and each has one meaning: the signed attributes,
   whose digest is of the document; the content, which is the document or its digest (GM/T 0099-2020
   §7.2.2); the document itself, where there is neither.
4. What nobody signed of it is read as strictly as what somebody did (`seal.pki.cms_form`), so that
   nothing can be hidden there; what is of no use is named in `remarks`.
5. What departs from the standard yet has one meaning is read, and named in `findings`: r and s side
   by side instead of DER, a digest in base64, attributes that are not sorted.
6. Reading proves nothing: `seal.ofd.signed_proof` proves the mathematics, trust is `seal.trust`'s.

Raises `InvalidArgument` (`MALFORMED_SIGNED_DATA`, `BARE_SIGNATURE_VALUE`) only, which says what
does not conform.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from runtime.errors import InvalidArgument
from seal import der, der_form, suites
from seal.der_form import Finding
from seal.pki.cms_form import Brought, brought, check_unsigned, is_bare, remarks
from seal.pki.naming import name_key
from seal.trust import parse_certificate

MALFORMED: Final = "MALFORMED_SIGNED_DATA"
BARE_VALUE: Final = "BARE_SIGNATURE_VALUE"
GB35275: Final = "GB/T 35275"
CMS: Final = "CMS (RFC 5652)"

_SIGNED_DATA: Final = frozenset({"1.2.156.10197.6.1.4.2.2", "1.2.840.113549.1.7.2"})
_DATA: Final = frozenset({"1.2.156.10197.6.1.4.2.1", "1.2.840.113549.1.7.1"})
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
_TIME_STAMP: Final = "1.2.840.113549.1.9.16.2.14"
SM2_NAMES: Final = frozenset(
    {suites.SM2_SM3_OID, "1.2.156.10197.1.301.1", "1.2.156.10197.1.301.3", suites.SM2_CURVE_OID}
)
_RSA_PSS: Final = "1.2.840.113549.1.1.10"
_SM3_WITHOUT_KEY: Final = "1.2.156.10197.1.401.1"
_IMPLICIT_0: Final = 0xA0
_MAX_SIGNED_DATA: Final = 8 * 1024 * 1024
_VERSIONS: Final = frozenset({1, 3, 4, 5})  # RFC 5652 §5.1; makers differ about which
_SIGNER_VERSIONS: Final = frozenset({1, 3})
_MAX_SIGNERS: Final = 8
_MAX_STAMPS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSigner:
    """One SignerInfo as read. `certificate` is the one its identifier names, None if it is absent.

    `digest_oid` is the digest's name; `attributes` is the SET OF that is signed, as received;
    `named` the attributes' single values by OID; `stamps` are tokens over the signature value;
    `unused` names what else stands among the attributes that nobody signed.
    """

    certificate: bytes | None
    digest_oid: str
    algorithm_oid: str
    signature: bytes
    attributes: bytes | None
    named: dict[str, der.Element] = field(repr=False)
    stamps: tuple[bytes, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def signed_at(self) -> datetime | None:
        """The signing time among the signed attributes. None where there is none."""
        found = self.named.get(_SIGNING_TIME)
        return None if found is None else found.time()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedData:
    """A SignedData as read; `content` is None where it is detached.

    Nobody signed what it brings `along`, nor the digests named ahead (`hashes`, OIDs).
    """

    content: bytes | None
    along: Brought
    hashes: frozenset[str]
    signers: tuple[DataSigner, ...]
    raw: bytes = field(repr=False)

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The X.509 certificates that come along."""
        return self.along.certificates

    @property
    def lists(self) -> tuple[bytes, ...]:
        """The revocation lists that come along as evidence."""
        return self.along.lists

    @property
    def remarks(self) -> tuple[tuple[str, str], ...]:
        """What it holds that nobody signed and that is of no use here, English and Chinese."""
        told = remarks(self.along, [one.certificate for one in self.signers if one.certificate])
        idle = sorted(self.hashes - {one.digest_oid for one in self.signers})
        if not idle:
            return told
        named = ", ".join(one[:64] for one in idle[:3])
        return (
            *told,
            (f"it names digests that are not used: {named}", f"列出未使用的摘要算法：{named}"),
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """How it departs from DER and from the standard, where it still has one meaning.

        Raises InvalidArgument (`MALFORMED_DER`) for what is nested too deep to be looked at.
        """
        bare = [Finding("SIGNATURE_BARE", "/1/0") for one in self.signers if _is_bare(one)]
        return (*der_form.findings(self.raw), *bare[:1])


def parse_signed_data(data: bytes, *, standard: str = GB35275) -> SignedData:
    """Read DER(ContentInfo) around a SignedData. Raises InvalidArgument.

    `standard` is the one that its holder wants it by (`GB35275`, `CMS`): only refusals name it.
    """
    try:
        _refuse_others(data)
        return _read(data)
    except InvalidArgument as error:
        reason = BARE_VALUE if error.reason == BARE_VALUE else MALFORMED
        raise InvalidArgument(
            f"The signature value is not a SignedData of {standard}: {error.message}",
            reason=reason,
            message_zh=f"签名值不是 {standard} 签名数据：{error.message_zh}",
        ) from None


# --- reading ---------------------------------------------------------------------------------


def _refuse_others(data: bytes) -> None:
    """Say what it is, where that is known."""
    if len(data) > _MAX_SIGNED_DATA:
        raise _refused("it is too large.", "数据过大。")
    if suites.sm2_value(data) is not data or _is_pair(data):
        raise _refused(
            "it is a bare SM2 value, without certificate: nobody can tell who signed.",
            "这是不含证书的 SM2 签名值，无法判断签名者。",
            reason=BARE_VALUE,
        )
    first = der.children(data)[0:1]
    if first and first[0].tag == der.SEQUENCE:
        raise _refused(
            "it looks like an SES_Signature, which belongs into an OFD signature of Type=Seal.",
            "这似乎是电子签章数据，应使用 OFD 中类型为 Seal 的签名。",
        )


def _refused(what: str, what_zh: str, *, reason: str = MALFORMED) -> InvalidArgument:
    return InvalidArgument(what, reason=reason, message_zh=what_zh)


def _is_pair(data: bytes) -> bool:
    try:
        return [one.tag for one in der.children(data)] == [der.INTEGER, der.INTEGER]
    except InvalidArgument:
        return False


def _read(data: bytes) -> SignedData:
    kind, wrapped = _exactly(der.children(data), 2)
    if kind.oid() not in _SIGNED_DATA:
        raise der.malformed("it is of another content type")
    (inner,) = _exactly(wrapped.expect(_IMPLICIT_0).members(), 1)
    members = inner.expect(der.SEQUENCE).members()
    if len(members) < 4:
        raise der.malformed("parts are missing")
    _check_version(members[0], _VERSIONS)
    hashes, content = _hashes(members[1]), _content(members[2])
    along = brought(members[3:-1], None)
    signers = members[-1].expect(der.SET).members()
    if not 1 <= len(signers) <= _MAX_SIGNERS:
        raise der.malformed(f"it has {len(signers)} signers")
    read = tuple(_read_signer(one, along.certificates) for one in signers)
    unused = dict.fromkeys(oid for one in read for oid in one.unused)
    return SignedData(
        content=content,
        along=along._replace(attributes=tuple(unused)),
        hashes=hashes,
        signers=read,
        raw=data,
    )


def _is_bare(signer: DataSigner) -> bool:
    value = suites.sm2_value(signer.signature)
    return signer.algorithm_oid in SM2_NAMES and value is not signer.signature


def _content(element: der.Element) -> bytes | None:
    """The octets of `contentInfo`; of what it says they are, only data has a meaning here."""
    kind, *rest = element.expect(der.SEQUENCE).members() or [element]
    if kind.oid() not in _DATA:
        raise der.malformed("it signs something else than data")
    if not rest:
        return None
    (wrapped,) = _exactly(rest, 1)
    inner = wrapped.expect(_IMPLICIT_0).members()
    return _exactly(inner, 1)[0].octets() if inner else None


def _hashes(element: der.Element) -> frozenset[str]:
    """The digests named ahead, which nobody signed: names alone."""
    members = element.expect(der.SET).members()
    if len(members) > _MAX_SIGNERS or not all(map(is_bare, members)):
        raise der.malformed("the digests named ahead are malformed")
    return frozenset(_digest_name(first_of(one).oid()) for one in members)


def _check_version(element: der.Element, allowed: frozenset[int]) -> None:
    if element.integer() not in allowed:
        raise der.malformed("it has a version that no SignedData has")


def _read_signer(element: der.Element, certificates: tuple[bytes, ...]) -> DataSigner:
    """SignerInfo ::= SEQ{version, sid, digest, [0] attributes?, algorithm, value, [1] others?}."""
    members = element.expect(der.SEQUENCE).members()
    if len(members) < 5:
        raise der.malformed("a signer has too few parts")
    version, sid, hashed, *rest = members
    _check_version(version, _SIGNER_VERSIONS)
    signed = rest.pop(0) if rest[0].tag == _IMPLICIT_0 else None
    if len(rest) not in (2, 3):
        raise der.malformed("a signer has too few or too many parts")
    algorithm, value, *others = rest
    if not is_bare(hashed) or not _has_few_parameters(algorithm):
        raise der.malformed("an algorithm has parameters that do not belong to it")
    unsigned = others[0] if others else None
    unused = check_unsigned(unsigned)
    named = _attributes(signed) if signed else {}
    if signed is not None:
        _check_attributes(named)
    return DataSigner(
        certificate=_certificate_of(sid, certificates),
        digest_oid=_digest_name(first_of(hashed).oid()),
        algorithm_oid=first_of(algorithm).oid(),
        signature=value.octets(),
        attributes=der.tlv(der.SET, signed.content) if signed else None,
        named=named,
        stamps=_stamps(unsigned),
        unused=unused,
    )


def _has_few_parameters(algorithm: der.Element) -> bool:
    """None, NULL, or SM2's curve, which some makers name; of RSA-PSS they are part of its value."""
    kind, *rest = algorithm.expect(der.SEQUENCE).members() or [algorithm]
    if kind.oid() == _RSA_PSS:
        return [one.tag for one in rest] == [der.SEQUENCE]
    return is_bare(algorithm) or [one.raw for one in rest] == [der.oid(suites.SM2_CURVE_OID)]


def _digest_name(oid: str) -> str:
    return suites.SM3_OID if oid == _SM3_WITHOUT_KEY else oid


def _attributes(element: der.Element) -> dict[str, der.Element]:
    named: dict[str, der.Element] = {}
    for one in element.members():
        kind, values = _exactly(one.expect(der.SEQUENCE).members(), 2)
        (only,) = _exactly(values.expect(der.SET).members(), 1)
        if kind.oid() in named:
            raise der.malformed("an attribute stands twice")
        named[kind.oid()] = only
    return named


def _check_attributes(named: dict[str, der.Element]) -> None:
    """RFC 5652 §5.3: they name what is signed, and its digest."""
    kind, told = named.get(_CONTENT_TYPE), named.get(MESSAGE_DIGEST)
    if kind is None or kind.oid() not in _DATA or told is None:
        raise der.malformed("the signed attributes do not say what is signed")
    told.octets()
    if _SIGNING_TIME in named:
        named[_SIGNING_TIME].time()


def _certificate_of(sid: der.Element, certificates: tuple[bytes, ...]) -> bytes | None:
    """The certificate that issuer and serial, or `[0]` the key identifier, name."""
    for one in certificates:
        info = parse_certificate(one)
        if sid.tag == 0x80:
            if info.ski is not None and info.ski == sid.content:
                return one
        else:
            issuer, serial = _exactly(sid.expect(der.SEQUENCE).members(), 2)
            if (name_key(issuer.raw), serial.integer()) == (info.issuer_key, info.serial):
                return one
    return None


def _stamps(unsigned: der.Element | None) -> tuple[bytes, ...]:
    """Time-stamps over the signature value, among the attributes that nobody signed."""
    if unsigned is None:
        return ()
    found = [
        value.raw
        for one in unsigned.members()
        for kind, values in [one.members()]
        if kind.oid() == _TIME_STAMP
        for value in values.members()
    ]
    if len(found) > _MAX_STAMPS:
        raise der.malformed("it has too many time-stamps")
    return tuple(found)


def first_of(element: der.Element) -> der.Element:
    """The first member of a SEQUENCE. Raises InvalidArgument where there is none."""
    members = element.expect(der.SEQUENCE).members()
    if not members:
        raise der.malformed("a structure is empty")
    return members[0]


def _exactly(members: list[der.Element], count: int) -> list[der.Element]:
    if len(members) != count:
        raise der.malformed(f"{len(members)} parts where {count} belong")
    return members
