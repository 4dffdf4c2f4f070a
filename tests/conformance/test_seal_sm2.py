"""Published vectors: SM2 (GB/T 32918.5 / GM/T 0003.5 appendix A), SM3 (GB/T 32905 appendix A)."""

from __future__ import annotations

import pytest
from asn1crypto import keys as asn1_keys

from seal import der, suites

PRIVATE = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
POINT = bytes.fromhex(
    "04"
    "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
R = 0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
S = 0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA
MESSAGE = b"message digest"
SM2 = suites.suite(suites.SM2)
PUBLIC = der.sequence(SM2.key_algorithm, der.bits(POINT))


def test_the_published_signature_is_good():
    signature = der.sequence(der.integer(R), der.integer(S))
    assert SM2.verify(PUBLIC, MESSAGE, signature)
    assert not SM2.verify(PUBLIC, MESSAGE + b".", signature)
    assert not SM2.verify(PUBLIC, MESSAGE, der.sequence(der.integer(R), der.integer(S + 1)))


def test_the_published_private_key_has_the_published_public_key():
    algorithm = der.sequence(der.oid("1.2.840.10045.2.1"), der.oid(suites.SM2_CURVE_OID))
    key = der.sequence(der.integer(1), der.octets(PRIVATE.to_bytes(32, "big")))
    loaded = SM2.load_private(der.sequence(der.integer(0), algorithm, der.octets(key)))
    assert loaded.public_key == PUBLIC
    assert SM2.verify(PUBLIC, MESSAGE, SM2.sign(loaded, MESSAGE))
    dumped = asn1_keys.PrivateKeyInfo.load(SM2.dump_private(loaded), strict=True)
    assert dumped["private_key"].parsed["private_key"].native == PRIVATE


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3(message, digest):
    assert suites.digest("sm3", message).hex() == digest
    assert suites.digest(suites.SM3_OID, message).hex() == digest
