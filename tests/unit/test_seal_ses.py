"""Seals and seal signatures: what we write, what we read back, what a changed byte does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from runtime.errors import InvalidArgument
from seal import der, ses, suites
from tests.builders.seal_pki import BEGIN, NOON, PIXEL, issue, pki, seal, seal_spec
from tests.builders.ses import (
    HASH,
    PATH,
    Stamper,
    in_full,
    one_seal,
    rebuilt,
    sealed,
    told,
    version_1,
)


@pytest.mark.parametrize("suite", suites.suite_names())
@pytest.mark.parametrize("version", [4, 5])
def test_a_seal_says_what_it_was_told(version, suite):
    made = pki(suite)
    encoded = seal(made, version=version)
    read = ses.parse_seal(encoded)
    assert ses.verify_seal(read)
    assert read.findings == ()
    assert read.raw == encoded
    assert (read.version, read.vid, read.es_id) == (version, "TONGBAN", "99010100000001")
    assert (read.name, read.type) == ("示范县行政审批服务局", 1)
    assert read.cert_list == (made.signer.certificate,)
    assert (read.created, read.valid_from, read.valid_to) == (
        BEGIN,
        BEGIN,
        datetime(2028, 1, 1, tzinfo=UTC),
    )
    assert (read.picture_type, read.picture) == ("png", PIXEL)
    assert (read.width_mm, read.height_mm) == (42, 42)
    assert read.maker_certificate == made.maker.certificate
    assert read.signature_oid == suites.suite(suite).signature_oid
    assert read.timestamp is None
    assert read.lists_certificate(made.signer.certificate)
    assert not read.lists_certificate(made.maker.certificate)


@pytest.mark.parametrize("suite", suites.suite_names())
@pytest.mark.parametrize("version", [4, 5])
def test_a_signature_says_what_it_was_told(version, suite):
    read = ses.parse_signature(sealed(version, suite))
    assert ses.verify_signature(read)
    assert ses.verify_seal(read.seal)
    assert read.findings == ()
    assert (read.version, read.seal.version) == (version, version)
    assert (read.signed_at, read.data_hash, read.property_info) == (NOON, HASH, PATH)
    assert read.certificate == pki(suite).signer.certificate


def test_times_are_written_in_utc_whole_seconds():
    china = timezone(timedelta(hours=8))
    at = datetime(2026, 7, 1, 7, 59, 59, 999_999, tzinfo=china)
    read = ses.parse_seal(seal(created=at))
    assert b"20260630235959Z" in read.raw
    assert read.created == datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)


# --- tampering -------------------------------------------------------------------------------


def test_every_changed_byte_of_the_signed_part_is_noticed():
    encoded = one_seal()
    signed = ses.parse_seal(encoded).signed_bytes
    start = encoded.index(signed)
    for index in range(start, start + len(signed)):
        changed = encoded[:index] + bytes([encoded[index] ^ 1]) + encoded[index + 1 :]
        try:
            good = ses.verify_seal(ses.parse_seal(changed))
        except InvalidArgument:
            continue
        assert not good, index


def test_every_changed_byte_of_the_signature_part_is_noticed():
    encoded = sealed()
    signed = ses.parse_signature(encoded).signed_bytes
    start = encoded.index(signed)
    for index in range(start, start + len(signed), 3):
        changed = encoded[:index] + bytes([encoded[index] ^ 1]) + encoded[index + 1 :]
        try:
            good = ses.verify_signature(ses.parse_signature(changed))
        except InvalidArgument:
            continue
        assert not good, index


def test_another_makers_certificate_does_not_verify():
    made = pki()
    info, _, algorithm, signature = (one.raw for one in der.children(one_seal()))
    swapped = der.sequence(info, der.octets(made.signer.certificate), algorithm, signature)
    assert not ses.verify_seal(ses.parse_seal(swapped))


@pytest.mark.parametrize("oid", [suites.ECDSA_SHA256_OID, "1.2.3.4", suites.SM3_OID])
def test_the_stated_algorithm_must_be_the_keys(oid):
    info, certificate, _, signature = (one.raw for one in der.children(one_seal()))
    changed = der.sequence(info, certificate, der.oid(oid), signature)
    assert not ses.verify_seal(ses.parse_seal(changed))


def test_an_unreadable_certificate_verifies_nothing():
    info, _, algorithm, signature = (one.raw for one in der.children(one_seal()))
    changed = der.sequence(info, der.octets(b"none"), algorithm, signature)
    assert not ses.verify_seal(ses.parse_seal(changed))


# --- what is kept ----------------------------------------------------------------------------


def test_equal_bytes_are_one_seal_and_others_are_not():
    encoded = one_seal()
    kept = ses.parse_seal(bytes(bytearray(encoded)))
    assert kept is ses.parse_seal(bytes(bytearray(encoded)))
    assert kept is not ses.parse_seal(seal(name="示范县公安局"))


def test_a_kept_good_answer_is_not_given_to_changed_bytes():
    encoded = one_seal()
    assert ses.verify_seal(ses.parse_seal(encoded))
    _, certificate, algorithm, signature = (one.raw for one in der.children(encoded))
    other = der.children(seal(name="示范县公安局"))[0].raw
    for changed in (
        der.sequence(other, certificate, algorithm, signature),
        encoded[:-1] + bytes([encoded[-1] ^ 1]),
    ):
        assert not ses.verify_seal(ses.parse_seal(changed))
    assert ses.verify_seal(ses.parse_seal(encoded))


def test_the_makers_signature_is_checked_once_for_the_same_bytes(monkeypatch):
    encoded = seal(name="示范县一次局")
    asked = []
    one = suites.suite(suites.SM2)
    monkeypatch.setattr(type(one), "verify", lambda *_: asked.append(1) or True)
    assert [ses.verify_seal(ses.parse_seal(encoded)) for _ in range(3)] == [True] * 3
    assert len(asked) == 1
    ses._verify_kept.cache_clear()


def test_large_seals_are_not_kept():
    encoded = seal(picture=bytes(200_000))
    assert ses.parse_seal(encoded) == ses.parse_seal(encoded)
    assert ses.parse_seal(encoded) is not ses.parse_seal(encoded)
    assert ses.verify_seal(ses.parse_seal(encoded))


# --- a list of digests -----------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 5])
def test_a_seal_may_list_digests(version):
    made = pki()
    encoded = seal(version=version, signer_list=ses.SignerList.DIGESTS)
    read = ses.parse_seal(encoded)
    assert ses.verify_seal(read)
    assert (read.findings, read.cert_list) == ((), ())
    assert read.cert_digests == (("SM3", suites.digest("sm3", made.signer.certificate)),)
    assert read.lists_certificate(made.signer.certificate)
    assert not read.lists_certificate(made.maker.certificate)
    assert made.signer.certificate not in encoded


@pytest.mark.parametrize("name", ["SM3", "sm3", suites.SM3_OID])
def test_a_list_of_digests_names_its_signers(name):
    certificate = pki().signer.certificate
    value = suites.digest("sm3", certificate)
    pair = der.sequence(der.text(der.PRINTABLE_STRING, name), der.octets(value))
    listed = rebuilt((0, 2, 3), der.sequence(pair), rebuilt((0, 2, 2), der.integer(2)))
    read = ses.parse_seal(listed)
    assert read.cert_list == ()
    assert read.cert_digests == ((name, value),)
    assert read.lists_certificate(certificate)
    assert not read.lists_certificate(pki().maker.certificate)


def test_a_digest_of_an_unknown_kind_names_nobody():
    pair = der.sequence(der.text(der.PRINTABLE_STRING, "CRC32"), der.octets(b"\x00" * 4))
    listed = rebuilt((0, 2, 3), der.sequence(pair), rebuilt((0, 2, 2), der.integer(2)))
    assert not ses.parse_seal(listed).lists_certificate(pki().signer.certificate)


# --- making ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1},
        {"version": 6},
        {"name": ""},
        {"es_id": ""},
        {"picture": b""},
        {"cert_list": ()},
        {"valid_to": BEGIN},
        {"width_mm": 0},
        {"height_mm": -1},
        {"height_mm": 42.5},
        {"created": datetime(2029, 1, 1, tzinfo=UTC)},
    ],
)
def test_a_contradictory_seal_is_not_made(changes):
    with pytest.raises(InvalidArgument) as caught:
        seal(**changes)
    assert caught.value.reason == "BAD_SEAL_SPEC"


def test_texts_that_do_not_fit_their_field():
    with pytest.raises(InvalidArgument):
        seal(es_id="章")
    with pytest.raises(InvalidArgument):
        seal(cert_list=(b"not a certificate",))


def test_a_key_signs_with_its_own_certificate_only():
    made = pki()
    spec = seal_spec(made.signer.certificate)
    with pytest.raises(InvalidArgument) as caught:
        ses.make_seal(spec, maker=made.maker.signer, maker_certificate=made.signer.certificate)
    assert caught.value.reason == "KEY_AND_CERTIFICATE_DIFFER"


def test_version_1_is_read_but_not_written():
    for encoded, version in ((one_seal(), 1), (ses.parse_signature(version_1()).seal.raw, None)):
        with pytest.raises(InvalidArgument) as caught:
            ses.to_be_signed(
                seal=encoded, signed_at=NOON, data_hash=HASH, property_info=PATH, version=version
            )
        assert caught.value.reason == "BAD_SEAL_SPEC"


@pytest.mark.parametrize(
    "changes",
    [{"version": 5}, {"property_info": ""}, {"data_hash": b""}, {"property_info": "章"}],
)
def test_a_contradictory_signature_is_not_made(changes):
    said = {"seal": one_seal(), "signed_at": NOON, "data_hash": HASH, "property_info": PATH}
    with pytest.raises(InvalidArgument):
        ses.to_be_signed(**(said | changes))


def test_a_signature_has_its_seals_version():
    for version in (4, 5):
        tbs = ses.to_be_signed(
            seal=seal(version=version),
            signed_at=NOON,
            data_hash=HASH,
            property_info=ses.DIGEST_ONLY,
        )
        assert der.children(tbs)[0].integer() == version


# --- time-stamps -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 5])
def test_a_signature_may_bear_a_time_stamp_over_its_value(version):
    made = pki()
    encoded = ses.sign_data(
        seal=seal(version=version),
        signed_at=NOON,
        data_hash=HASH,
        property_info=PATH,
        signer=made.signer.signer,
        certificate=made.signer.certificate,
        timestamper=Stamper(),
    )
    read = ses.parse_signature(encoded)
    assert (read.version, read.findings) == (version, ())
    assert read.timestamp == b"token over " + read.signature
    assert ses.verify_signature(read)
    again = ses.assemble_signature(
        read.signed_bytes,
        certificate=read.certificate,
        signature=read.signature,
        suite_oid=read.signature_oid,
        timestamp=read.timestamp,
    )
    assert again == encoded


def test_a_seal_of_version_5_may_bear_a_time_stamp():
    made = pki()
    keys = {"maker": made.maker.signer, "maker_certificate": made.maker.certificate}
    spec = seal_spec(made.signer.certificate, version=5)
    read = ses.parse_seal(ses.make_seal(spec, **keys, timestamper=Stamper()))
    assert read.timestamp == b"token over " + read.signature
    assert ses.verify_seal(read)
    with pytest.raises(InvalidArgument) as caught:
        ses.make_seal(seal_spec(made.signer.certificate), **keys, timestamper=Stamper())
    assert caught.value.reason == "BAD_SEAL_SPEC"


# --- version 1 signatures (GM/T 0031-2014): no file made by other software is at hand --------


@pytest.mark.parametrize(
    ("time", "meant"),
    [(b"260601040000Z", NOON), (b"20260601040000Z", NOON), (b"\x30\x03token", None)],
)
def test_a_version_1_signature(time, meant):
    read = ses.parse_signature(version_1(time))
    assert read.version == read.seal.version == 1
    assert ses.verify_seal(read.seal)
    assert ses.verify_signature(read)
    assert read.signed_at == meant
    assert read.data_hash == HASH


def test_the_certificate_of_version_1_is_inside_the_signed_part():
    """Exchanged for another of the same key: good in version 4, not in version 1."""
    made = pki()
    encoded = ses.parse_signature(version_1()).seal.raw
    other = issue("另一制章者", made.intermediate, signer=made.maker.signer).certificate
    info, rest = der.children(encoded)
    _, algorithm, signature = rest.members()
    swapped = der.sequence(info.raw, der.sequence(der.octets(other), algorithm.raw, signature.raw))
    assert not ses.verify_seal(ses.parse_seal(swapped))
    info, _, algorithm, signature = der.children(one_seal())
    swapped = der.sequence(info.raw, der.octets(other), algorithm.raw, signature.raw)
    assert ses.verify_seal(ses.parse_seal(swapped))


def test_a_version_1_seal_with_the_newer_time_is_named():
    encoded = ses.parse_signature(version_1()).seal.raw
    read = ses.parse_seal(rebuilt((0, 2, 3), in_full(b"20260101000000Z"), encoded))
    assert told(read) == ["/0/2/3 TIME_TYPE"]
