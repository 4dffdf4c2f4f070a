"""Seals and seal signatures for tests, and how to bend them."""

from __future__ import annotations

from functools import lru_cache

from seal import der, ses, suites
from tests.builders.seal_pki import NOON, PIXEL, pki, seal

TRUE, FALSE = b"\x01\x01\xff", b"\x01\x01\x00"
HASH = suites.digest("sm3", b"Signature.xml")
PATH = "/Doc_0/Signs/Sign_0/Signature.xml"


@lru_cache
def sealed(version=4, suite=suites.SM2):
    """A sound signature with a sound seal."""
    made = pki(suite)
    return ses.sign_data(
        seal=seal(made, version=version),
        signed_at=NOON,
        data_hash=HASH,
        property_info=PATH,
        signer=made.signer.signer,
        certificate=made.signer.certificate,
        version=version,
    )


@lru_cache
def one_seal():
    """A sound seal of version 4."""
    return seal()


def told(read):
    """The findings as path and name."""
    return [f"{one.path} {one.name}" for one in read.findings]


class Stamper:
    """A time-stamper that says what it was asked to stamp."""

    def stamp(self, message):
        """Not a token, but recognisable."""
        return b"token over " + message


def rebuilt(path, replacement, encoded=None):
    """The seal with the element at `path` replaced (None: removed)."""
    encoded = encoded or one_seal()
    if not path:
        return replacement
    element = der.read(encoded)
    members = [one.raw for one in element.members()]
    changed = rebuilt(path[1:], replacement, members[path[0]])
    members[path[0] : path[0] + 1] = [changed] if changed is not None else []
    return der.tlv(element.tag, b"".join(members))


def stretched(encoded):
    """With the length in one octet more than is needed."""
    one = der.read(encoded)
    size = len(one.content).to_bytes(4, "big")
    return bytes([one.tag, 0x84]) + size + one.content


def in_utc(text):
    """A UTCTime."""
    return der.tlv(der.UTC_TIME, text)


def in_full(text):
    """A GeneralizedTime."""
    return der.tlv(der.GENERALIZED_TIME, text)


def version_1(time=b"260601040000Z"):
    """A signature of GM/T 0031-2014: no file made by other software is at hand."""
    made = pki()
    info = der.sequence(
        der.sequence(der.text(der.IA5_STRING, "ES"), der.integer(1), der.text(der.IA5_STRING, "T")),
        der.text(der.IA5_STRING, "1"),
        der.sequence(
            der.integer(1),
            der.text(der.UTF8_STRING, "示范章"),
            der.sequence(der.octets(made.signer.certificate)),
            *[der.tlv(der.UTC_TIME, b"260101000000Z")] * 3,
        ),
        der.sequence(
            der.text(der.IA5_STRING, "PNG"), der.octets(PIXEL), der.integer(4), der.integer(4)
        ),
    )
    maker = [der.octets(made.maker.certificate), der.oid(suites.SM2_SM3_OID)]
    signed = made.maker.signer.sign(der.sequence(info, *maker))
    encoded = der.sequence(info, der.sequence(*maker, der.bits(signed)))
    tbs = der.sequence(
        der.integer(1),
        encoded,
        der.bits(time),
        der.bits(HASH),
        der.text(der.IA5_STRING, PATH),
        der.octets(made.signer.certificate),
        der.oid(suites.SM2_SM3_OID),
    )
    return der.sequence(tbs, der.bits(made.signer.signer.sign(tbs)))
