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


def test_the_published_digest_of_z_and_message():
    digest = "F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640"
    assert suites.sm2_digest(PUBLIC, MESSAGE).hex().upper() == digest


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


# --- the appendix step by step, in arithmetic of its own --------------------------------------

# GB/T 32918.5: the recommended curve, and the values of the appendix' signature.
P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
K = 0x59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21
X1 = 0x04EBFC718E8D1798620432268E77FEB6415E2EDE0E073C0F4F640ECD2E149A73
Z = "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"
E = 0xF0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640


def add(one, other):
    """Points of the curve; None is the neutral one."""
    if one is None or other is None:
        return other if one is None else one
    if one[0] == other[0] and (one[1] + other[1]) % P == 0:
        return None
    if one == other:
        slope = (3 * one[0] ** 2 + A) * pow(2 * one[1], -1, P)
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, P)
    x = (slope**2 - one[0] - other[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def times(number, point):
    result = None
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


def octets(*numbers):
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def test_the_appendix_step_by_step():
    public = times(PRIVATE, G)
    assert b"\x04" + octets(*public) == POINT
    identity = suites.SM2_DEFAULT_ID
    size = (8 * len(identity)).to_bytes(2, "big")
    z = suites.digest("sm3", size + identity + octets(A, B, *G, *public))
    assert z.hex() == Z
    e = suites.digest("sm3", z + MESSAGE)
    assert int.from_bytes(e, "big") == E
    x1 = times(K, G)[0]
    assert x1 == X1
    r = (E + x1) % N
    s = pow(1 + PRIVATE, -1, N) * (K - r * PRIVATE) % N
    assert (r, s) == (R, S)


def test_our_signatures_are_good_by_the_same_arithmetic():
    """GB/T 32918.2 §7: R = e + x1 of [s]G + [r + s]P."""
    key = SM2.generate()
    point = key.public_key[-65:]
    public = tuple(int.from_bytes(point[at : at + 32], "big") for at in (1, 33))
    size = (8 * len(suites.SM2_DEFAULT_ID)).to_bytes(2, "big")
    z = suites.digest("sm3", size + suites.SM2_DEFAULT_ID + octets(A, B, *G, *public))
    for number in range(5):
        message = f"message {number}".encode()
        e = int.from_bytes(suites.digest("sm3", z + message), "big")
        r, s = (one.integer() for one in der.children(SM2.sign(key, message)))
        assert 0 < r < N
        assert 0 < s < N
        x1 = add(times(s, G), times((r + s) % N, public))[0]
        assert (e + x1) % N == r
