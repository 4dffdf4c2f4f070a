"""What a TimeStampToken says: its TSTInfo (RFC 3161 §2.4.2), a closed grammar.

Raises `InvalidArgument` (`MALFORMED_DER`) for anything that the standard does not have there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from seal import der, suites
from seal.pki.certificates import exactly, read_extensions
from seal.trust import ChainResult

DIGESTS: Final = {
    "sm3": suites.SM3_OID,
    "sha256": suites.SHA256_OID,
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
"""What may be stamped: digests by their words, with their OIDs."""
WORDS: Final = {oid: word for word, oid in DIGESTS.items()}
_MAX_ACCURACY: Final = 10 * 366 * 24 * 3600
_UNITS: Final = {
    der.INTEGER: (timedelta(seconds=1), _MAX_ACCURACY),
    0x80: (timedelta(milliseconds=1), 999),
    0x81: (timedelta(microseconds=1), 999),
}
_EXTENSIONS: Final = 0xA1
# accuracy, ordering, nonce, [0] tsa, [1] extensions; in that order, each once at most
_OPTIONAL: Final = (der.SEQUENCE, der.BOOLEAN, der.INTEGER, 0xA0, _EXTENSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampInfo:
    """What a token says. `time` is aware UTC, `policy` an OID, `digest` a word of DIGESTS.

    `proves` is the time by which its bytes were there: `time` and the accuracy it states.
    `certificate` (DER) is the one the signer's identifier names, out of `certificates`. Of a token
    that was checked, `anchor` (DER) is the root it led to, `chain` how (None where the library
    judged that), `remarks` what it brings along to no use, English and Chinese.
    """

    time: datetime
    proves: datetime = field(compare=False)
    serial: int
    policy: str
    digest: str
    imprint: bytes
    nonce: int | None
    certificate: bytes
    certificates: tuple[bytes, ...] = field(repr=False)
    unknown_critical: tuple[str, ...] = ()
    anchor: bytes = field(default=b"", repr=False, compare=False)
    chain: ChainResult | None = field(default=None, repr=False, compare=False)
    remarks: tuple[tuple[str, str], ...] = field(default=(), compare=False)


def read_tst(content: bytes, certificate: bytes, certificates: tuple[bytes, ...]) -> TimestampInfo:
    """TSTInfo ::= SEQ{version, policy, SEQ{algorithm, imprint}, serial, genTime, …} (§2.4.2)."""
    members = der.children(content)
    if len(members) < 5 or members[0].integer() != 1:
        raise der.malformed("it is of an unknown version")
    algorithm, imprint = exactly(members[2].expect(der.SEQUENCE).members(), 2)
    word = WORDS.get(first(algorithm).oid())
    if word is None:
        raise der.malformed("its digest is none of " + ", ".join(DIGESTS))
    rest = {one.tag: one for one in members[5:]}
    if [one.tag for one in members[5:]] != [tag for tag in _OPTIONAL if tag in rest]:
        raise der.malformed("it tells more than a time, or in another order")
    if der.BOOLEAN in rest:
        rest[der.BOOLEAN].boolean()
    time = members[4].expect(der.GENERALIZED_TIME).time().astimezone(UTC)
    return TimestampInfo(
        time=time,
        proves=_latest(time, rest.get(der.SEQUENCE)),
        serial=members[3].integer(),
        policy=members[1].oid(),
        digest=word,
        imprint=imprint.octets(),
        nonce=rest[der.INTEGER].integer() if der.INTEGER in rest else None,
        certificate=certificate,
        certificates=certificates,
        unknown_critical=_unknown_critical(rest.get(_EXTENSIONS)),
    )


def _latest(time: datetime, accuracy: der.Element | None) -> datetime:
    """With Accuracy ::= SEQ{seconds?, [0] millis?, [1] micros?} after it."""
    parts = accuracy.members() if accuracy else []
    if [one.tag for one in parts] != sorted({one.tag for one in parts} & set(_UNITS)):
        raise der.malformed("its accuracy is malformed")
    inexact = timedelta(0)
    for one in parts:
        count = der.Element(der.INTEGER, one.raw, one.content).integer()
        unit, most = _UNITS[one.tag]
        if not 0 <= count <= most:
            raise der.malformed("its accuracy is out of range")
        inexact += count * unit
    try:
        return time + inexact
    except OverflowError:
        raise der.malformed("its accuracy is out of range") from None


def _unknown_critical(extensions: der.Element | None) -> tuple[str, ...]:
    """Of the extensions of a TSTInfo none is known here, and those that are critical bind."""
    if extensions is None:
        return ()
    listed = der.read(der.tlv(der.SEQUENCE, extensions.content))
    return tuple(oid for oid, (critical, _) in read_extensions(listed).items() if critical)


def first(element: der.Element) -> der.Element:
    """The first member of a SEQUENCE that has one."""
    members = element.expect(der.SEQUENCE).members()
    if not members:
        raise der.malformed("a structure is empty")
    return members[0]
