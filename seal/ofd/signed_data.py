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
6. Reading proves nothing: `covers` and `is_signed` prove the mathematics, trust is `seal.trust`'s.

Raises `InvalidArgument` (`MALFORMED_SIGNED_DATA`, `BARE_SIGNATURE_VALUE`) only, which says what
does not conform.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from runtime.errors import InvalidArgument
from seal import der, der_form, suites
from seal.der_form import Finding
from seal.pki.cms_form import Brought, brought, check_unsigned, is_bare, remarks
from seal.trust import CertificateInfo, parse_certificate

MALFORMED: Final = "MALFORMED_SIGNED_DATA"
BARE_VALUE: Final = "BARE_SIGNATURE_VALUE"

_SIGNED_DATA: Final = frozenset({"1.2.156.10197.6.1.4.2.2", "1.2.840.113549.1.7.2"})
_DATA: Final = frozenset({"1.2.156.10197.6.1.4.2.1", "1.2.840.113549.1.7.1"})
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
_SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
_SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
_TIME_STAMP: Final = "1.2.840.113549.1.9.16.2.14"
_SM2_NAMES: Final = frozenset(
    {suites.SM2_SM3_OID, "1.2.156.10197.1.301.1", "1.2.156.10197.1.301.3", suites.SM2_CURVE_OID}
)
_RSA_KEY: Final = "1.2.840.113549.1.1.1"
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


def parse_signed_data(data: bytes) -> SignedData:
    """Read DER(ContentInfo) around a SignedData. Raises InvalidArgument."""
    try:
        _refuse_others(data)
        return _read(data)
    except InvalidArgument as error:
        if error.reason in (MALFORMED, BARE_VALUE):
            raise
        raise _malformed(error.message, error.message_zh) from None


def covers(value: SignedData, signer: DataSigner, document: bytes) -> bool:
    """Whether what this signer signed is this document (rule 3). Raises InvalidArgument.

    Says nothing of the signature.
    """
    made = suites.digest(signer.digest_oid, document)
    meant = {document, made, base64.b64encode(made)}
    if value.content is not None and value.content not in meant:
        return False
    if signer.attributes is None:
        return True
    told = signer.named[_MESSAGE_DIGEST].octets()
    if told == made:
        return True
    return value.content is not None and told == suites.digest(signer.digest_oid, value.content)


def is_signed(value: SignedData, signer: DataSigner, document: bytes) -> bool:
    """Whether the signature is by the key of the signer's certificate. Raises InvalidArgument.

    The algorithm stated must be that of the key: no choosing a weaker one.
    """
    if signer.certificate is None:
        return False
    holder = parse_certificate(signer.certificate)
    if not is_named(signer, holder):
        return False
    if signer.attributes is not None:
        messages = [signer.attributes]
    elif value.content is not None:
        messages = [value.content]
    else:
        messages = [document, suites.digest(signer.digest_oid, document)]
    chosen = suites.suite(holder.suite)
    signature = signer.signature
    if chosen.name == suites.SM2:
        signature = suites.sm2_value(signature)
    return any(chosen.verify(holder.public_key, one, signature) for one in messages)


def message_digest(signer: DataSigner) -> bytes | None:
    """The digest that the signed attributes tell. None where nothing is signed by way of them."""
    return signer.named[_MESSAGE_DIGEST].octets() if signer.attributes is not None else None


def is_named(signer: DataSigner, holder: CertificateInfo) -> bool:
    """Whether the digest and the signature's algorithm are those of the holder's kind of key."""
    if not holder.suite:
        return False
    chosen = suites.suite(holder.suite)
    if chosen.digest_name != _DIGESTS.get(signer.digest_oid):
        return False
    if chosen.name == suites.SM2:
        return signer.algorithm_oid in _SM2_NAMES
    return signer.algorithm_oid in (chosen.signature_oid, *_plain(chosen))


def names_its_certificate(signer: DataSigner) -> bool:
    """Whether the certificate the signed attributes name, if they name one, is the signer's."""
    named, older = signer.named.get(_SIGNING_CERTIFICATE_V2), signer.named.get(_SIGNING_CERTIFICATE)
    if signer.certificate is None:
        return True
    if older is not None:  # SHA-1 by definition; it picks a certificate, the chain judges it
        picked = _first(_first(_first(older))).octets()
        if picked != hashlib.sha1(signer.certificate, usedforsecurity=False).digest():
            return False
    if named is None:
        return True
    parts = _first(_first(named)).expect(der.SEQUENCE).members()
    oid = suites.SHA256_OID  # the default of RFC 5035 §5.4.1.1
    if len(parts) > 1 and parts[0].tag == der.SEQUENCE:
        oid = _first(parts.pop(0)).oid()
    return bool(parts) and parts[0].octets() == suites.digest(oid, signer.certificate)


_DIGESTS: Final = {
    suites.SM3_OID: "sm3",
    suites.SHA256_OID: "sha256",
    suites.SHA384_OID: "sha384",
    suites.SHA512_OID: "sha512",
}


def _plain(chosen: suites.Suite) -> tuple[str, ...]:
    """PKCS#7 names the key alone where CMS names key and digest (RFC 3370 §3.2)."""
    return (_RSA_KEY,) if chosen.name == suites.RSA else ()


# --- reading ---------------------------------------------------------------------------------


def _malformed(what: str, what_zh: str, *, reason: str = MALFORMED) -> InvalidArgument:
    return InvalidArgument(
        f"The signature value is not a SignedData of GB/T 35275: {what}",
        reason=reason,
        message_zh=f"签名值不是 GB/T 35275 签名数据：{what_zh}",
    )


def _refuse_others(data: bytes) -> None:
    """Say what it is, where that is known."""
    if len(data) > _MAX_SIGNED_DATA:
        raise _malformed("it is too large.", "数据过大。")
    if suites.sm2_value(data) is not data or _is_pair(data):
        raise _malformed(
            "it is a bare SM2 value, without certificate: nobody can tell who signed.",
            "这是不含证书的 SM2 签名值，无法判断签名者。",
            reason=BARE_VALUE,
        )
    first = der.children(data)[0:1]
    if first and first[0].tag == der.SEQUENCE:
        raise _malformed(
            "it looks like an SES_Signature, which belongs into a signature of Type=Seal.",
            "这似乎是电子签章数据，应使用类型为 Seal 的签名。",
        )


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
    return signer.algorithm_oid in _SM2_NAMES and value is not signer.signature


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
    return frozenset(_digest_name(_first(one).oid()) for one in members)


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
        digest_oid=_digest_name(_first(hashed).oid()),
        algorithm_oid=_first(algorithm).oid(),
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
    kind, told = named.get(_CONTENT_TYPE), named.get(_MESSAGE_DIGEST)
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
            if (issuer.raw, serial.integer()) == (info.issuer_name, info.serial):
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


def _first(element: der.Element) -> der.Element:
    members = element.expect(der.SEQUENCE).members()
    if not members:
        raise der.malformed("a structure is empty")
    return members[0]


def _exactly(members: list[der.Element], count: int) -> list[der.Element]:
    if len(members) != count:
        raise der.malformed(f"{len(members)} parts where {count} belong")
    return members
