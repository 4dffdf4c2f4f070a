"""Revocation lists (RFC 5280 §5): read.

1. The signature is checked over the received bytes of tbsCertList, elsewhere (`is_issued_by`).
2. A list of a million entries is walked through, not taken apart; an entry is read when asked for.
3. Bytes from outside raise `InvalidArgument` (`MALFORMED_CRL`) only.
4. What a list does not cover is told: the kinds of certificates it leaves out (`scope`), and the
   critical extensions that we do not process (`unknown_critical`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from seal import der
from seal.pki.certificates import (
    CertificateInfo,
    exactly,
    full_name_urls,
    guarded,
    read_extensions,
    spell,
    split_signed,
)
from seal.pki.naming import name_key

MAX_CRL: Final = 16 * 1024 * 1024
_NUMBER: Final = "2.5.29.20"
_REASON: Final = "2.5.29.21"
_INVALIDITY: Final = "2.5.29.24"
_ISSUING_POINT: Final = "2.5.29.28"
_EXPIRED_ON_LIST: Final = "2.5.29.60"  # X.509 expiredCertsOnCRL
_KNOWN_CRITICAL: Final = frozenset({_NUMBER, _ISSUING_POINT, _EXPIRED_ON_LIST, "2.5.29.35"})
_EXPLICIT_0: Final = 0xA0
_MAX_KNOWN: Final = 4096
_SMALL: Final = 256 * 1024
_CRITICAL: Final = re.compile(rb"\x01\x01[^\x00]\x04")  # TRUE before an OCTET STRING
# RFC 5280 §5.3.1, in asn1crypto's words.
REASONS: Final = {
    0: "unspecified",
    1: "key_compromise",
    2: "ca_compromise",
    3: "affiliation_changed",
    4: "superseded",
    5: "cessation_of_operation",
    6: "certificate_hold",
    8: "remove_from_crl",
    9: "privilege_withdrawn",
    10: "aa_compromise",
}
_COMPROMISED: Final = frozenset({"key_compromise", "ca_compromise", "aa_compromise"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One revoked certificate: since when, and the RFC 5280 §5.3.1 reason word.

    `invalid_from` is when its key is thought to have been lost (invalidityDate, §5.3.2).
    """

    serial: int
    at: datetime
    reason: str = "unspecified"
    invalid_from: datetime | None = None

    @property
    def since(self) -> datetime:
        """From when on nothing it signed counts: a lost key signs before it is reported."""
        if self.invalid_from and self.reason in _COMPROMISED:
            return min(self.at, self.invalid_from)
        return self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a list is about, where not about all its issuer's certificates (§5.2.5)."""

    urls: frozenset[str] = frozenset()
    only_users: bool = False
    only_authorities: bool = False
    is_partial: bool = False

    def covers(self, one: CertificateInfo) -> bool:
        """Whether a certificate that is not on the list is not revoked."""
        if self.is_partial or (self.only_users and one.is_ca):
            return False
        if self.only_authorities and not one.is_ca:
            return False
        return not self.urls or not self.urls.isdisjoint(one.crl_urls)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlInfo:
    """A revocation list as read. `keeps_since`: those that expired since then are still listed."""

    issuer: str
    issuer_name: bytes
    issuer_key: bytes
    this_update: datetime
    next_update: datetime | None
    number: int | None
    revoked: Mapping[int, Revocation]
    scope: Scope
    keeps_since: datetime | None
    unknown_critical: tuple[str, ...]
    fingerprint: str
    signature_oid: str
    signature: bytes
    signed_bytes: bytes
    raw: bytes


class _Entries(Mapping[int, Revocation]):
    """The entries of a list by serial number, read when asked for; it costs no memory of its own.

    An entry that cannot be read raises `InvalidArgument` (`MALFORMED_DER`) when it is asked for.
    """

    def __init__(self, run: bytes) -> None:
        self._run = run
        self._known: dict[int, Revocation | None] = {}
        self._count = sum(1 for _ in self._entries())
        self.unknown_critical: tuple[str, ...] = ()
        if _CRITICAL.search(run):
            found = (
                _read_entry(run[at:end])[1]
                for at, _, end in self._entries()
                if _CRITICAL.search(run, at, end)
            )
            self.unknown_critical = tuple({oid for one in found for oid in one})

    def __getitem__(self, serial: int) -> Revocation:
        if serial not in self._known:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[serial] = self._search(serial)
        found = self._known[serial]
        if found is None:
            raise KeyError(serial)
        return found

    def __iter__(self) -> Iterator[int]:
        return (_read_entry(self._run[at:end])[0].serial for at, _, end in self._entries())

    def __len__(self) -> int:
        return self._count

    def encoded(self) -> Iterator[bytes]:
        """Each entry as it stands there, DER."""
        return (self._run[at:end] for at, _, end in self._entries())

    def _search(self, serial: int) -> Revocation | None:
        wanted = serial.to_bytes((8 + (serial + (serial < 0)).bit_length()) // 8, signed=True)
        if wanted not in self._run:
            return None
        for at, inside, end in self._entries():
            number = self._run[inside + 2 : inside + 2 + self._run[inside + 1]]
            if number.endswith(wanted) and int.from_bytes(number, signed=True) == serial:
                return _read_entry(self._run[at:end])[0]
        return None

    def _entries(self) -> Iterator[tuple[int, int, int]]:
        """Where each begins, its first member begins, and it ends. Lists have a million of them."""
        run, at, size = self._run, 0, len(self._run)
        while at + 2 <= size:
            length, inside = run[at + 1], at + 2
            if length >= 0x80:
                octets = length & 0x7F
                inside += octets
                length = int.from_bytes(run[at + 2 : inside]) if 1 <= octets <= 4 else size
            end = inside + length
            if run[at] != der.SEQUENCE or length < 3 or end > size or run[inside] != der.INTEGER:
                raise der.malformed("an entry is broken")
            yield at, inside, end
            at = end
        if at != size:
            raise der.malformed("an entry is cut short")


def entries_of(found: CrlInfo) -> Iterator[bytes]:
    """The entries of a list as they stand there, DER."""
    return found.revoked.encoded() if isinstance(found.revoked, _Entries) else iter(())


def parse_crl(data: bytes) -> CrlInfo:
    """Read a DER revocation list of up to MAX_CRL. Raises `InvalidArgument` (`MALFORMED_CRL`)."""
    return _parse_small(data) if len(data) <= _SMALL else _parse_large(data)


def _parse(data: bytes) -> CrlInfo:
    return guarded(data, _read_crl, reason="MALFORMED_CRL", noun="revocation list", zh="吊销列表")


# What is kept is bounded by its bytes: many small lists, a few large ones.
_parse_small = lru_cache(maxsize=256)(_parse)
_parse_large = lru_cache(maxsize=4)(_parse)


def _read_crl(data: bytes) -> CrlInfo:
    """TBSCertList ::= SEQ{version?, algorithm, issuer, thisUpdate, nextUpdate?, SEQ?, [0]?}."""
    if len(data) > MAX_CRL:
        raise der.malformed("it is too large")
    signed_bytes, algorithm, signature_oid, signature = split_signed(data)
    parts = der.children(signed_bytes)
    if parts and parts[0].tag == der.INTEGER:
        parts.pop(0)
    inner, issuer, begins = exactly(parts[:3], 3)
    rest = parts[3:]
    if inner.raw != algorithm:  # only the inner one is signed (RFC 5280 §5.1.1.2)
        raise der.malformed("the inner and outer algorithms differ")
    ends = rest.pop(0).time() if rest and rest[0].tag in (0x17, 0x18) else None
    run = rest.pop(0).content if rest and rest[0].tag == der.SEQUENCE else b""
    listed = rest.pop(0) if rest and rest[0].tag == _EXPLICIT_0 else None
    if rest:
        raise der.malformed("there is more than a list has")
    extensions = read_extensions(exactly(listed.members(), 1)[0] if listed else None)
    entries = _Entries(run)
    return CrlInfo(
        issuer=spell(issuer.expect(der.SEQUENCE).raw),
        issuer_name=issuer.raw,
        issuer_key=name_key(issuer.raw),
        this_update=begins.time(),
        next_update=ends,
        number=der.read(extensions[_NUMBER][1]).integer() if _NUMBER in extensions else None,
        revoked=entries,
        scope=_scope(extensions[_ISSUING_POINT][1]) if _ISSUING_POINT in extensions else Scope(),
        keeps_since=(
            der.read(extensions[_EXPIRED_ON_LIST][1]).expect(der.GENERALIZED_TIME).time()
            if _EXPIRED_ON_LIST in extensions
            else None
        ),
        unknown_critical=(*_unknown(extensions, _KNOWN_CRITICAL), *entries.unknown_critical),
        fingerprint=hashlib.sha256(data).hexdigest(),
        signature_oid=signature_oid,
        signature=signature,
        signed_bytes=signed_bytes,
        raw=data,
    )


def _scope(point: bytes) -> Scope:
    """IssuingDistributionPoint ::= SEQ{[0] name, [1] users, [2] CAs, [3] reasons, [4], [5]}."""
    parts = {one.tag: one for one in der.children(point)}
    strange = any(tag != _EXPLICIT_0 and not 0x81 <= tag <= 0x85 for tag in parts)
    name = parts.get(_EXPLICIT_0)
    urls = frozenset(full_name_urls(name)) if name else frozenset()
    said = {tag: parts[tag].content not in (b"", b"\x00") for tag in parts}
    partial = any(said.get(tag) for tag in (0x83, 0x84, 0x85))
    return Scope(
        urls=urls,
        only_users=said.get(0x81, False),
        only_authorities=said.get(0x82, False),
        # Some reasons only, other authorities' entries, attribute certificates, a name of another
        # form, or something that we have never heard of.
        is_partial=partial or strange or bool(name and not urls),
    )


def _read_entry(raw: bytes) -> tuple[Revocation, tuple[str, ...]]:
    """One entry, and its critical extensions that we do not process (an indirect list's issuer)."""
    parts = der.children(raw)
    serial, at = exactly(parts[:2], 2)
    extensions = read_extensions(exactly(parts[2:], 1)[0] if parts[2:] else None)
    entry = Revocation(
        serial=serial.integer(),
        at=at.time(),
        reason=_reason(extensions.get(_REASON)),
        invalid_from=(
            der.read(extensions[_INVALIDITY][1]).expect(der.GENERALIZED_TIME).time()
            if _INVALIDITY in extensions
            else None
        ),
    )
    return entry, _unknown(extensions, frozenset({_REASON, _INVALIDITY}))


def _unknown(
    extensions: Mapping[str, tuple[bool, bytes]], known: frozenset[str]
) -> tuple[str, ...]:
    return tuple(oid for oid, (critical, _) in extensions.items() if critical and oid not in known)


def _reason(found: tuple[bool, bytes] | None) -> str:
    if found is None:
        return "unspecified"
    said = der.read(found[1]).expect(der.ENUMERATED).content
    return REASONS.get(int.from_bytes(said, "big"), "unspecified")
