"""The suites: what is a good signature and, above all, what is not."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import pytest

from runtime.errors import InvalidArgument, Unavailable
from seal import der, libcrypto, suites

NAMES = suites.suite_names()
ORDERS = {suites.SM2: suites._SM2_ORDER, suites.P256: suites._P256_ORDER}


@pytest.fixture(params=NAMES)
def chosen(request):
    return suites.suite(request.param)


def halves(signature):
    r, s = (one.integer() for one in der.children(signature))
    return r, s


def test_a_signature_holds_for_its_message_and_key_only(chosen):
    key, other = chosen.generate(), chosen.generate()
    signature = chosen.sign(key, b"message")
    assert chosen.verify(key.public_point, b"message", signature)
    assert not chosen.verify(key.public_point, b"massage", signature)
    assert not chosen.verify(other.public_point, b"message", signature)


def test_an_empty_and_a_large_message(chosen):
    key = chosen.generate()
    for message in (b"", b"\x00", b"x" * 1_000_000):
        assert chosen.verify(key.public_point, message, chosen.sign(key, message))


def test_a_key_survives_its_encoding(chosen):
    key = chosen.generate()
    again = chosen.load_private(chosen.dump_private(key))
    assert again.public_point == key.public_point
    assert chosen.verify(key.public_point, b"m", chosen.sign(again, b"m"))


@pytest.mark.parametrize(
    "twist",
    [
        lambda r, s: r.to_bytes(32, "big") + s.to_bytes(32, "big"),
        lambda r, s: der.sequence(der.integer(r), der.integer(s)) + b"\x00",
        lambda r, s: der.sequence(der.integer(r), der.integer(s), der.integer(1)),
        lambda r, s: der.sequence(der.integer(r)),
        lambda r, s: der.sequence(der.integer(s), der.integer(r)),
        lambda r, s: der.tlv(0x31, der.integer(r) + der.integer(s)),
        lambda r, s: der.sequence(der.tlv(2, b"\x00\x00" + r.to_bytes(32, "big")), der.integer(s)),
        lambda r, s: b"\x30\x81" + der.sequence(der.integer(r), der.integer(s))[1:],
        lambda r, s: der.sequence(der.octets(r.to_bytes(32, "big")), der.integer(s)),
        lambda r, s: b"",
    ],
    ids=[
        "raw r and s",
        "trailing byte",
        "third integer",
        "one integer",
        "swapped",
        "a set",
        "padded integer",
        "long length",
        "octets",
        "nothing",
    ],
)
def test_only_the_one_encoding_is_a_signature(chosen, twist):
    key = chosen.generate()
    r, s = halves(chosen.sign(key, b"m"))
    assert not chosen.verify(key.public_point, b"m", twist(r, s))


def test_r_and_s_out_of_range_are_refused(chosen):
    key = chosen.generate()
    order = ORDERS[chosen.name]
    r, s = halves(chosen.sign(key, b"m"))
    for one, two in ((0, s), (r, 0), (order, s), (r, order), (-r, s), (r, -s), (r + order, s)):
        forged = der.sequence(der.integer(one), der.integer(two))
        assert not chosen.verify(key.public_point, b"m", forged)


def test_a_point_off_the_curve_verifies_nothing(chosen):
    key = chosen.generate()
    signature = chosen.sign(key, b"m")
    point = key.public_point
    for bad in (
        b"",
        point[:-1],
        point + b"\x00",
        point[:-1] + bytes([point[-1] ^ 1]),
        b"\x04" + bytes(64),
        b"\x00",
        bytes([2 + point[-1] % 2]) + point[1:33],  # compressed: another spelling of the same key
    ):
        assert not chosen.verify(bad, b"m", signature)


def test_a_key_belongs_to_its_suite():
    sm2, p256 = suites.suite(suites.SM2), suites.suite(suites.P256)
    with pytest.raises(TypeError):
        sm2.sign(p256.generate(), b"m")
    with pytest.raises(TypeError):
        p256.sign(sm2.generate(), b"m")
    for one, other in ((sm2, p256), (p256, sm2)):
        with pytest.raises(InvalidArgument) as caught:
            one.load_private(other.dump_private(other.generate()))
        assert caught.value.reason == "NOT_A_PRIVATE_KEY"
        with pytest.raises(InvalidArgument):
            one.load_private(b"\x30\x00")


def test_a_private_key_is_not_copied(chosen):
    key = chosen.generate()
    for spread in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            spread(key)


def test_threads_share_keys(chosen):
    key = chosen.generate()

    def once(number):
        message = b"%d" % number
        return chosen.verify(key.public_point, message, chosen.sign(key, message))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(once, range(100)))


def test_more_keys_than_are_kept_still_verify(monkeypatch):
    chosen = suites.suite(suites.SM2)
    keys = [chosen.generate() for _ in range(40)]
    kept = lru_cache(maxsize=4)(libcrypto.public_key.__wrapped__)
    monkeypatch.setattr(libcrypto, "public_key", kept)
    signed = [(key.public_point, chosen.sign(key, b"m")) for key in keys]
    del keys
    for _ in range(2):
        assert all(chosen.verify(point, b"m", signature) for point, signature in signed)
    assert kept.cache_info().currsize == 4


def test_the_registry_knows_names_and_oids():
    assert suites.suite(suites.SM2_SM3_OID) is suites.suite(suites.SM2)
    assert suites.suite_of_curve(suites.SM2_CURVE_OID).digest_name == "sm3"
    for ask in (suites.suite, suites.suite_of_curve, lambda word: suites.digest(word, b"")):
        with pytest.raises(InvalidArgument) as caught:
            ask("1.2.3")
        assert caught.value.reason == "UNKNOWN_SUITE"


def test_without_a_libcrypto_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(libcrypto, "_loaded", None)
    monkeypatch.setattr(libcrypto, "_candidates", lambda: iter(["libcrypto-none.so.9"]))
    with pytest.raises(Unavailable, match="apt install libssl3") as caught:
        suites.suite(suites.SM2).generate()
    assert caught.value.reason == "NO_SM2_LIBRARY"
    assert "libssl3" in caught.value.message_zh


def test_a_library_that_is_no_openssl_3_is_passed_over(monkeypatch):
    monkeypatch.setattr(libcrypto, "_loaded", None)
    monkeypatch.setattr(libcrypto, "_candidates", lambda: iter(["libc.so.6", "libcrypto.so.3"]))
    assert suites.suite(suites.SM2).generate().public_point[0] == 4
