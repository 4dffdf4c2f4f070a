"""Seals and seal signatures: what we write, what we read, what we refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from seal import der, ses, suites
from tests.builders.seal_pki import BEGIN, NOON, PIXEL, pki, seal, seal_spec

HASH = suites.digest("sm3", b"Signature.xml")
PATH = "/Doc_0/Signs/Sign_0/Signature.xml"


@lru_cache
def sealed(version=4, suite=suites.SM2):
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
    return seal()


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


# --- non-canonical encodings -----------------------------------------------------------------


def test_a_long_length_is_read_as_received_and_named():
    """A verifier that re-encoded would call this good: the signature is over other bytes."""
    info, *rest = der.children(one_seal())
    assert info.raw[1] == 0x82
    stretched = b"\x30\x83\x00" + info.raw[2:4] + info.content
    read = ses.parse_seal(der.sequence(stretched, *(one.raw for one in rest)))
    assert read.signed_bytes == stretched
    assert read.findings == ("/0: the length is not in its shortest form",)
    assert not ses.verify_seal(read)


def test_a_fraction_of_a_second_is_read_and_named():
    members = [one.raw for one in der.children(ses.parse_signature(sealed()).signed_bytes)]
    members[2] = der.tlv(der.GENERALIZED_TIME, b"20260601120000.5+0800")
    tail = [one.raw for one in der.children(sealed())[1:]]
    read = ses.parse_signature(der.sequence(der.sequence(*members), *tail))
    assert read.signed_at == datetime(2026, 6, 1, 4, 0, 0, 500_000, tzinfo=UTC)
    assert read.findings == ("/0/2: a GeneralizedTime is not YYYYMMDDHHMMSSZ",)


def test_departures_inside_the_seal_are_told_by_the_seal_alone():
    members = [one.raw for one in der.children(ses.parse_signature(sealed()).signed_bytes)]
    info, *rest = der.children(members[1])
    stretched = b"\x30\x83\x00" + info.raw[2:4] + info.content
    members[1] = der.sequence(stretched, *(one.raw for one in rest))
    members[4] = b"\x16\x81" + members[4][1:]
    tail = [one.raw for one in der.children(sealed())[1:]]
    read = ses.parse_signature(der.sequence(der.sequence(*members), *tail))
    assert read.seal.findings == ("/0: the length is not in its shortest form",)
    assert read.findings == ("/0/4: the length is not in its shortest form",)


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


# --- wrong shapes ----------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("path", "replacement"),
    [
        ((0, 0, 0), der.text(der.IA5_STRING, "EX")),
        ((0, 0, 0), der.text(der.UTF8_STRING, "ES")),
        ((0, 0, 1), der.integer(2)),
        ((0, 0, 1), der.integer(1)),
        ((0, 0, 1), der.integer(-4)),
        ((0, 0, 1), der.tlv(0x02, b"")),
        ((0, 0, 1), der.octets(b"\x04")),
        ((0, 0, 2), None),
        ((0, 1), der.text(der.UTF8_STRING, "x")),
        ((0, 1), der.tlv(der.IA5_STRING, "章".encode())),
        ((0, 2, 1), der.tlv(der.UTF8_STRING, b"\xff\xfe")),
        ((0, 2, 2), der.integer(3)),
        ((0, 2, 2), der.integer(2)),
        ((0, 2, 3), der.tlv(der.SET, b"")),
        ((0, 2, 3), der.sequence(der.integer(1))),
        ((0, 2, 4), der.tlv(der.UTC_TIME, b"260101000000Z")),
        ((0, 2, 4), der.tlv(der.GENERALIZED_TIME, b"20260101000000")),
        ((0, 2, 4), der.tlv(der.GENERALIZED_TIME, b"20261301000000Z")),
        ((0, 2, 4), der.tlv(der.GENERALIZED_TIME, b"20260101000000+9959")),
        ((0, 2, 4), der.tlv(der.GENERALIZED_TIME, "２０２６0101000000Z".encode())),
        ((0, 2, 5), None),
        ((0, 3, 1), der.tlv(0x24, der.octets(b"x"))),
        ((0, 3, 3), None),
        ((1,), der.bits(b"x")),
        ((2,), der.tlv(der.OID, b"")),
        ((2,), der.tlv(der.OID, b"\x2a\x81")),
        ((3,), der.tlv(der.BIT_STRING, b"\x01\x02")),
        ((3,), der.tlv(der.BIT_STRING, b"")),
        ((3,), None),
        ((), b""),
        ((), der.integer(4)),
        ((), b"\x30\x80\x00\x00"),
        ((), b"\x3f\x81\x01\x00"),
        ((), b"\x30"),
        ((), b"\x30\x84\xff\xff\xff\xff"),
    ],
)
def test_wrong_tags_and_values_are_refused(path, replacement):
    with pytest.raises(InvalidArgument) as caught:
        ses.parse_seal(rebuilt(path, replacement))
    assert caught.value.reason == "MALFORMED_SEAL"
    assert caught.value.message_zh.startswith("无法读取印章数据")


@pytest.mark.parametrize("path", [(), (0,), (0, 0), (0, 2), (0, 3)])
def test_a_member_too_many_is_refused(path):
    element = der.read(one_seal())
    for index in path:
        element = element.members()[index]
    longer = der.tlv(element.tag, element.content + der.integer(0))
    with pytest.raises(InvalidArgument):
        ses.parse_seal(rebuilt(path, longer))


@pytest.mark.parametrize("tail", [b"\x00", b"\x00\x00", b"\x30\x00", b"x" * 100])
def test_trailing_bytes_are_refused(tail):
    with pytest.raises(InvalidArgument):
        ses.parse_seal(one_seal() + tail)
    with pytest.raises(InvalidArgument):
        ses.parse_signature(sealed() + tail)


def test_every_cut_is_refused():
    encoded = sealed()
    for size in range(0, len(encoded), 17):
        with pytest.raises(InvalidArgument):
            ses.parse_signature(encoded[:size])


def test_a_time_stamp_is_of_version_5_only():
    stamp = der.tlv(0xA0, der.bits(b"token"))
    members = [one.raw for one in der.children(seal(version=5))]
    assert ses.parse_seal(der.sequence(*members, stamp)).timestamp == b"token"
    for wrong in (der.bits(b"token"), der.tlv(0xA0, b""), der.tlv(0xA1, der.bits(b"t"))):
        with pytest.raises(InvalidArgument):
            ses.parse_seal(der.sequence(*members, wrong))
    with pytest.raises(InvalidArgument):
        ses.parse_seal(der.sequence(*(one.raw for one in der.children(one_seal())), stamp))


def test_too_large_and_too_deep_are_refused():
    with pytest.raises(InvalidArgument):
        ses.parse_seal(der.octets(bytes(5 << 20)))
    nested = b""
    for _ in range(200):
        nested = der.sequence(nested)
    with pytest.raises(InvalidArgument):
        ses.parse_seal(nested)
    with pytest.raises(InvalidArgument):
        der.findings(nested)


def test_a_crowd_of_tiny_parts_is_refused():
    crowd = b"\x04\x00" * 1_000_000
    for encoded in (
        der.sequence(crowd),
        rebuilt((0, 2, 3), der.tlv(der.SEQUENCE, crowd)),
        rebuilt((0, 4), der.sequence(*[der.sequence(b"\x04\x00" * 4000)] * 20), with_extensions()),
    ):
        with pytest.raises(InvalidArgument):
            ses.parse_seal(encoded)
    with pytest.raises(InvalidArgument, match="too many"):
        der.findings(der.sequence(*[der.sequence(b"\x04\x00" * 4000)] * 20))


def with_extensions():
    info = der.children(one_seal())[0]
    return rebuilt((0,), der.tlv(info.tag, info.content + der.sequence()))


# --- a list of digests -----------------------------------------------------------------------


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
    with pytest.raises(InvalidArgument):
        ses.to_be_signed(
            seal=one_seal(), signed_at=NOON, data_hash=HASH, property_info=PATH, version=1
        )


# --- version 1 signatures (GM/T 0031-2014): no file made by other software is at hand --------


def version_1(time=b"260601040000Z"):
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


# --- fuzz ------------------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_noise_is_malformed(noise):
    for parse in (ses.parse_seal, ses.parse_signature):
        with pytest.raises(InvalidArgument):
            parse(noise)


@given(st.data())
def test_mutants_raise_nothing_but_malformed(data):
    encoded = data.draw(st.sampled_from(("seal", "v4", "v5")))
    original = one_seal() if encoded == "seal" else sealed(int(encoded[1]))
    changed = bytearray(original)
    # Sizes of signatures differ from run to run; draws must not.
    for _ in range(data.draw(st.integers(1, 6))):
        index = data.draw(st.integers(0, 4000)) % len(changed)
        act = data.draw(st.sampled_from(("set", "cut", "insert")))
        if act == "set":
            changed[index] = data.draw(st.integers(0, 255))
        elif act == "cut" and len(changed) > 1:
            del changed[index]
        else:
            changed[index:index] = data.draw(st.binary(min_size=1, max_size=4))
    for parse, verify in (
        (ses.parse_seal, ses.verify_seal),
        (ses.parse_signature, ses.verify_signature),
    ):
        try:
            read = parse(bytes(changed))
        except InvalidArgument:
            continue
        verify(read)


# --- the reader under it ---------------------------------------------------------------------


@given(st.integers(-(2**70), 2**70))
def test_integers_round_trip(value):
    encoded = der.integer(value)
    assert der.read(encoded).integer() == value
    assert der.findings(encoded) == ()


@pytest.mark.parametrize(
    "dotted", ["1.2.156.10197.1.501", "2.16.840.1.101.3.4.2.1", "2.999.3", "0.9", "1.2.840.10045"]
)
def test_identifiers_round_trip(dotted):
    assert der.read(der.oid(dotted)).oid() == dotted


@pytest.mark.parametrize(
    ("encoded", "found"),
    [
        (b"\x01\x01\x01", "BOOLEAN"),
        (b"\x02\x02\x00\x01", "INTEGER"),
        (b"\x02\x02\xff\x80", "INTEGER"),
        (b"\x0a\x00", "INTEGER"),
        (b"\x05\x01\x00", "NULL"),
        (b"\x04\x81\x01x", "length"),
        (b"\x24\x00", "constructed"),
        (b"\x10\x00", "constructed"),
        (b"\x17\x0b2601010000Z", "UTCTime"),
        (b"\x18\x0d202601010000Z", "GeneralizedTime"),
    ],
)
def test_departures_are_named(encoded, found):
    (only,) = der.findings(encoded)
    assert found in only


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 65535, 65536])
def test_shortest_lengths_are_no_departure(size):
    assert der.findings(der.octets(bytes(size))) == ()
    (only,) = der.findings(b"\x04\x84" + size.to_bytes(4, "big") + bytes(size))
    assert "length" in only
