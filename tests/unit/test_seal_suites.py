"""The suites: what is a good signature and, above all, what is not."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from runtime.errors import InvalidArgument, Unavailable
from seal import der, libcrypto, other_suites, suites, trust
from seal.keys import signers as keys
from seal.model import Indication
from seal.verify import assess
from tests.builders.ofd import NOW, world
from tests.builders.pdf import plain_pdf, sealed_pdf
from tests.builders.seal_pki import BEGIN, NOON, issue, register_brainpool

NAMES = suites.suite_names()
ORDERS = {suites.SM2: suites._SM2_ORDER, suites.P256: suites._P256_ORDER}


@pytest.fixture(params=NAMES)
def chosen(request):
    return suites.suite(request.param)


@pytest.fixture(params=ORDERS)
def on_a_curve(request):
    """A suite whose signature is DER SEQ{r, s}."""
    return suites.suite(request.param)


@lru_cache(maxsize=16)
def made(name, number=0):
    """A key; RSA's take a while to make."""
    del number
    return suites.suite(name).generate()


def halves(signature):
    r, s = (one.integer() for one in der.children(signature))
    return r, s


def test_a_signature_holds_for_its_message_and_key_only(chosen):
    key, other = made(chosen.name), made(chosen.name, 1)
    signature = chosen.sign(key, b"message")
    assert chosen.verify(key.public_key, b"message", signature)
    assert not chosen.verify(key.public_key, b"massage", signature)
    assert not chosen.verify(other.public_key, b"message", signature)


def test_an_empty_and_a_large_message(chosen):
    key = made(chosen.name)
    for message in (b"", b"\x00", b"x" * 1_000_000):
        assert chosen.verify(key.public_key, message, chosen.sign(key, message))


def test_a_key_survives_its_encoding(chosen):
    key = made(chosen.name)
    again = chosen.load_private(chosen.dump_private(key))
    assert again.public_key == key.public_key
    assert chosen.verify(key.public_key, b"m", chosen.sign(again, b"m"))


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
def test_only_the_one_encoding_is_a_signature(on_a_curve, twist):
    key = made(on_a_curve.name)
    r, s = halves(on_a_curve.sign(key, b"m"))
    assert not on_a_curve.verify(key.public_key, b"m", twist(r, s))


def test_r_and_s_out_of_range_are_refused(on_a_curve):
    key = made(on_a_curve.name)
    order = ORDERS[on_a_curve.name]
    r, s = halves(on_a_curve.sign(key, b"m"))
    for one, two in ((0, s), (r, 0), (order, s), (r, order), (-r, s), (r, -s), (r + order, s)):
        forged = der.sequence(der.integer(one), der.integer(two))
        assert not on_a_curve.verify(key.public_key, b"m", forged)


def test_a_point_off_the_curve_verifies_nothing(on_a_curve):
    key = made(on_a_curve.name)
    signature = on_a_curve.sign(key, b"m")
    algorithm, bits = der.children(key.public_key)
    point = bits.bits()
    assert key.public_key == der.sequence(algorithm.raw, der.bits(point))
    for bad in (
        b"",
        point[:-1],
        point + b"\x00",
        point[:-1] + bytes([point[-1] ^ 1]),
        b"\x04" + bytes(64),
        b"\x00",
        bytes([2 + point[-1] % 2]) + point[1:33],  # compressed: another spelling of the same key
    ):
        forged = der.sequence(algorithm.raw, der.bits(bad))
        assert not on_a_curve.verify(forged, b"m", signature)


def test_what_is_no_public_key_verifies_nothing(chosen):
    key = made(chosen.name)
    signature = chosen.sign(key, b"m")
    whole = key.public_key
    for bad in (b"", whole + b"\x00", whole[:-1], b"\x30\x00", b"\x04" + bytes(64)):
        assert not chosen.verify(bad, b"m", signature)


def test_another_length_is_no_signature(chosen):
    key = made(chosen.name)
    signature = chosen.sign(key, b"m")
    for bad in (b"", signature[:-1], signature + b"\x00", b"\x00" + signature):
        assert not chosen.verify(key.public_key, b"m", bad)


def test_a_signature_holds_in_its_suite_only(chosen):
    key = made(chosen.name)
    signature = chosen.sign(key, b"m")
    for other in NAMES:
        good = suites.suite(other).verify(key.public_key, b"m", signature)
        assert good == (other == chosen.name)


@pytest.mark.parametrize(("bits", "exponent"), [(1024, 65537), (2048, 3), (2048, 65537)])
def test_short_rsa_keys_verify_nothing(bits, exponent):
    chosen = suites.suite(suites.RSA)
    private = rsa.generate_private_key(exponent, bits)
    signature = private.sign(b"m", padding.PKCS1v15(), hashes.SHA256())
    public = other_suites.spki_of(private.public_key())
    assert chosen.verify(public, b"m", signature) == (bits >= 2048)


def test_an_rsa_key_with_a_large_exponent_is_refused():
    chosen = suites.suite(suites.RSA)
    modulus = made(suites.RSA).private.public_key().public_numbers().n
    slow = other_suites.spki_of(rsa.RSAPublicNumbers(2**63 + 29, modulus).public_key())
    assert not chosen.verify(slow, b"m", chosen.sign(made(suites.RSA), b"m"))


def test_a_key_belongs_to_its_suite(chosen):
    for other in (suites.suite(name) for name in NAMES if name != chosen.name):
        with pytest.raises(TypeError):
            chosen.sign(made(other.name), b"m")
        with pytest.raises(TypeError):
            chosen.dump_private(made(other.name))
        with pytest.raises(InvalidArgument) as caught:
            chosen.load_private(other.dump_private(made(other.name)))
        assert caught.value.reason == "NOT_A_PRIVATE_KEY"
    with pytest.raises(InvalidArgument):
        chosen.load_private(b"\x30\x00")


def test_a_private_key_is_not_copied(chosen):
    key = made(chosen.name)
    for spread in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            spread(key)


def test_threads_share_keys(chosen):
    key = made(chosen.name)

    def once(number):
        message = b"%d" % number
        return chosen.verify(key.public_key, message, chosen.sign(key, message))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(once, range(100)))


def test_more_keys_than_are_kept_still_verify(monkeypatch):
    chosen = suites.suite(suites.SM2)
    keys = [chosen.generate() for _ in range(40)]
    kept = lru_cache(maxsize=4)(libcrypto.public_key.__wrapped__)
    monkeypatch.setattr(libcrypto, "public_key", kept)
    signed = [(key.public_key, chosen.sign(key, b"m")) for key in keys]
    del keys
    for _ in range(2):
        assert all(chosen.verify(point, b"m", signature) for point, signature in signed)
    assert kept.cache_info().currsize == 4


def test_the_registry_knows_names_and_oids():
    assert suites.suite(suites.SM2_SM3_OID) is suites.suite(suites.SM2)
    for name in NAMES:
        chosen = suites.suite(name)
        assert suites.suite_of_key(chosen.key_algorithm) is suites.suite(chosen.signature_oid)
    for ask in (
        suites.suite,
        lambda word: suites.suite_of_key(word.encode()),
        lambda word: suites.digest(word, b""),
    ):
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
    assert suites.suite(suites.SM2).generate().public_key[-65] == 4


def test_another_suite_is_one_registration(monkeypatch, tmp_path):
    """Brainpool, not built in: its key files, certificates, chains and PDFs work at once."""
    brainpool = register_brainpool(monkeypatch)
    assert brainpool.name in suites.suite_names()
    with pytest.raises(ValueError, match="there is a suite"):
        suites.register(brainpool)
    key_file = tmp_path / "key"
    made = keys.create_key(key_file, suite=brainpool.name, passphrase=b"a long passphrase")
    opened = keys.open_key(key_file.as_uri(), passphrase=b"a long passphrase")
    assert (opened.suite_name, opened.public_key) == (brainpool.name, made.public_key)
    root = issue("根", None, suite=brainpool.name, is_ca=True)
    leaf = issue("叶", root, suite=suites.SM2).certificate
    anchor = trust.TrustAnchor(name="r", certificate=root.certificate, valid_from=BEGIN)
    assert trust.assess_chain(
        leaf, at=NOON, store=trust.TrustStore(anchors=(anchor,)), purpose=trust.Purpose.SIGNER
    ).is_trusted
    here = world.__wrapped__(brainpool.name)  # not kept beyond this test
    verdict = assess(sealed_pdf(plain_pdf(), here=here), store=here.store(), now=NOW)
    assert verdict.indication is Indication.PASSED
