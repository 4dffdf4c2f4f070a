"""Seals and seal signatures: what we write, what we read, what we refuse."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from seal import der, der_form, seal_checks, ses, suites, trust
from tests.builders.seal_pki import BEGIN, NOON, PIXEL, issue, pki, seal, seal_spec

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


def told(read):
    return [f"{one.path} {one.name}" for one in read.findings]


class Stamper:
    """A time-stamper that says what it was asked to stamp."""

    def stamp(self, message):
        return b"token over " + message


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
    assert told(read) == ["/0 LENGTH_NOT_SHORTEST"]
    assert not ses.verify_seal(read)


def test_a_fraction_of_a_second_is_read_and_named():
    members = [one.raw for one in der.children(ses.parse_signature(sealed()).signed_bytes)]
    members[2] = der.tlv(der.GENERALIZED_TIME, b"20260601120000.5+0800")
    tail = [one.raw for one in der.children(sealed())[1:]]
    read = ses.parse_signature(der.sequence(der.sequence(*members), *tail))
    assert read.signed_at == datetime(2026, 6, 1, 4, 0, 0, 500_000, tzinfo=UTC)
    assert told(read) == ["/0/2 TIME_FRACTION"]


def test_departures_inside_the_seal_are_told_by_the_seal_alone():
    members = [one.raw for one in der.children(ses.parse_signature(sealed()).signed_bytes)]
    info, *rest = der.children(members[1])
    stretched = b"\x30\x83\x00" + info.raw[2:4] + info.content
    members[1] = der.sequence(stretched, *(one.raw for one in rest))
    members[4] = b"\x16\x81" + members[4][1:]
    tail = [one.raw for one in der.children(sealed())[1:]]
    read = ses.parse_signature(der.sequence(der.sequence(*members), *tail))
    assert told(read.seal) == ["/0 LENGTH_NOT_SHORTEST"]
    assert told(read) == ["/0/4 LENGTH_NOT_SHORTEST"]


def stretched(encoded):
    """With the length in one octet more than is needed."""
    one = der.read(encoded)
    size = len(one.content).to_bytes(4, "big")
    return bytes([one.tag, 0x84]) + size + one.content


def open_ended(encoded):
    """With an indefinite length, and so all that is constructed in it."""
    one = der.read(encoded)
    if not one.tag & 0x20:
        return encoded
    inner = b"".join(open_ended(member.raw) for member in one.members())
    return bytes([one.tag, 0x80]) + inner + b"\0\0"


IN_UTC = lambda text: der.tlv(der.UTC_TIME, text)  # noqa: E731
IN_FULL = lambda text: der.tlv(der.GENERALIZED_TIME, text)  # noqa: E731


@pytest.mark.parametrize(
    ("path", "replacement", "name", "field", "meant"),
    [
        ((0, 0, 1), b"\x02\x02\x00\x04", "INTEGER_NOT_SHORTEST", "version", 4),
        ((0, 0, 2), der.tlv(der.IA5_STRING, "示".encode()), "STRING_ALPHABET", "vid", "示"),
        ((0, 1), stretched(der.text(der.IA5_STRING, "1")), "LENGTH_NOT_SHORTEST", "es_id", "1"),
        ((0, 2, 4), IN_UTC(b"260101000000Z"), "TIME_TYPE", "created", BEGIN),
        ((0, 2, 5), IN_FULL(b"20260101000000.0Z"), "TIME_FRACTION", "valid_from", BEGIN),
        ((0, 2, 5), IN_FULL(b"20260101080000+0800"), "TIME_FORM", "valid_from", BEGIN),
        ((0, 2, 5), IN_FULL(b"202601010000Z"), "TIME_FORM", "valid_from", BEGIN),
        ((2,), b"\x06\x04\x80\x2a\x03\x04", "OID_PADDED", "signature_oid", "1.2.3.4"),
        ((2,), b"\x06\x04\x2a\x80\x03\x04", "OID_PADDED", "signature_oid", "1.2.3.4"),
        ((3,), der.tlv(der.BIT_STRING, b"\x04ab\xf0"), "BITS_UNUSED", "signature", b"ab\xf0"),
    ],
)
def test_what_has_one_meaning_is_read_and_named(path, replacement, name, field, meant):
    read = ses.parse_seal(rebuilt(path, replacement))
    where = "/" + "/".join(map(str, path))
    assert told(read) == [f"{where} {name}"]
    assert getattr(read, field) == meant
    (only,) = read.findings
    assert only.name in der_form.NAMES
    assert only.detail.isascii()
    assert not only.detail_zh.isascii()


def test_a_seal_with_open_ends_is_read_and_each_is_named():
    read, plain = ses.parse_seal(open_ended(one_seal())), ses.parse_seal(one_seal())
    assert {one.name for one in read.findings} == {"LENGTH_INDEFINITE"}
    assert (read.name, read.cert_list, read.created) == (plain.name, plain.cert_list, plain.created)
    assert read.signed_bytes != plain.signed_bytes
    assert not ses.verify_seal(read)
    assert ses.parse_signature(open_ended(sealed())).seal.findings == read.findings


def test_only_the_outermost_open_end_leaves_the_seal_good():
    inner = der.read(one_seal()).content
    read = ses.parse_seal(b"\x30\x80" + inner + b"\0\0")
    assert told(read) == ["/ LENGTH_INDEFINITE"]
    assert ses.verify_seal(read)


def test_a_time_of_a_signature_in_the_older_type_is_named():
    members = [one.raw for one in der.children(ses.parse_signature(sealed()).signed_bytes)]
    members[2] = IN_UTC(b"260601040000Z")
    tail = [one.raw for one in der.children(sealed())[1:]]
    read = ses.parse_signature(der.sequence(der.sequence(*members), *tail))
    assert told(read) == ["/0/2 TIME_TYPE"]
    assert read.signed_at == NOON


def test_a_signature_of_another_version_than_its_seal_is_named():
    members = [one.raw for one in der.children(ses.parse_signature(sealed()).signed_bytes)]
    members[0], members[4] = der.integer(5), der.text(der.IA5_STRING, "")
    tail = [one.raw for one in der.children(sealed())[1:]]
    read = ses.parse_signature(der.sequence(der.sequence(*members), *tail))
    assert told(read) == ["/0/0 VERSIONS_DIFFER", "/0/4 PROTECTED_RANGE_MISSING"]


# --- extensions ------------------------------------------------------------------------------


def extended(*data):
    """A seal with these extensions (not signed again)."""
    info = der.children(one_seal())[0]
    return rebuilt((0,), der.tlv(info.tag, info.content + der.sequence(*data)))


def extension(oid, *critical, value=b"v"):
    return der.sequence(der.oid(oid), *critical, der.octets(value))


TRUE, FALSE = b"\x01\x01\xff", b"\x01\x01\x00"


@pytest.mark.parametrize(
    ("data", "extensions", "names"),
    [
        ([extension("1.2.3")], (("1.2.3", False, b"v"),), []),
        ([extension("1.2.3", TRUE)], (("1.2.3", True, b"v"),), []),
        (
            [extension("1.2.3", FALSE)],
            (("1.2.3", False, b"v"),),
            ["/0/4/0/1 DEFAULT_WRITTEN"],
        ),
        (
            [extension("1.2.3", b"\x01\x01\x01")],
            (("1.2.3", True, b"v"),),
            ["/0/4/0/1 BOOLEAN_NOT_00_FF"],
        ),
        (
            [extension("1.2.3"), extension("1.2.3")],
            (("1.2.3", False, b"v"),) * 2,
            ["/0/4/1 EXTENSION_TWICE"],
        ),
    ],
)
def test_extensions_are_read_and_their_faults_named(data, extensions, names):
    read = ses.parse_seal(extended(*data))
    assert read.extensions == extensions
    assert told(read) == names
    assert ses.unknown_critical(read.extensions) == tuple(
        name for name, critical, _ in extensions if critical
    )


@pytest.mark.parametrize(
    "data",
    [
        der.integer(1),
        der.sequence(der.oid("1.2.3")),
        extension("1.2.3", b"\x01\x00"),
        extension("1.2.3", b"\x01\x02\xff\xff"),
        extension("1.2.3", der.integer(1)),
        der.sequence(der.oid("1.2.3"), FALSE, der.octets(b""), der.octets(b"")),
    ],
)
def test_extensions_of_the_wrong_shape_are_refused(data):
    with pytest.raises(InvalidArgument):
        ses.parse_seal(extended(data))


def test_extensions_of_a_signature():
    members = [one.raw for one in der.children(ses.parse_signature(sealed()).signed_bytes)]
    tail = [one.raw for one in der.children(sealed())[1:]]
    listed = der.sequence(extension("1.2.3", TRUE))
    read = ses.parse_signature(der.sequence(der.sequence(*members, der.tlv(0xA0, listed)), *tail))
    assert read.extensions == (("1.2.3", True, b"v"),)
    for wrong in (listed, der.tlv(0xA0, listed + listed), der.tlv(0xA1, listed)):
        with pytest.raises(InvalidArgument):
            ses.parse_signature(der.sequence(der.sequence(*members, wrong), *tail))


@pytest.mark.parametrize(("critical", "passes"), [((), True), ((FALSE,), True), ((TRUE,), False)])
def test_a_critical_extension_leaves_a_seal_undecided(critical, passes):
    read = ses.parse_seal(extended(extension("1.2.3", *critical)))
    check = seal_checks.check_extensions(read, trust.TrustStore(), NOON)
    assert check.indication == ("PASSED" if passes else "INDETERMINATE")
    assert check.reason == ("" if passes else "CRITICAL_EXTENSION")
    assert (
        seal_checks.check_extensions(ses.parse_seal(one_seal()), trust.TrustStore(), NOON) is None
    )


def test_findings_are_told_in_both_languages():
    read = ses.parse_seal(rebuilt((0, 2, 4), IN_UTC(b"260101000000Z")))
    check = seal_checks.check_encoding(read, trust.TrustStore(), NOON)
    assert check.notice
    assert "/0/2/4" in check.detail
    assert "/0/2/4" in check.detail_zh


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
        ((0, 1), der.tlv(der.IA5_STRING, "章".encode("gbk"))),
        ((0, 2, 1), der.tlv(der.UTF8_STRING, b"\xff\xfe")),
        ((0, 2, 2), der.integer(3)),
        ((0, 2, 2), der.integer(2)),
        ((0, 2, 3), der.tlv(der.SET, b"")),
        ((0, 2, 3), der.sequence(der.integer(1))),
        ((0, 2, 4), der.tlv(der.UTC_TIME, b"2601010000000Z")),
        ((0, 2, 4), der.tlv(der.OCTET_STRING, b"20260101000000Z")),
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
        ((3,), der.tlv(der.BIT_STRING, b"\x08\x02")),
        ((3,), der.tlv(der.BIT_STRING, b"\x01")),
        ((3,), der.tlv(der.BIT_STRING, b"")),
        ((3,), None),
        ((), b""),
        ((), der.integer(4)),
        ((), b"\x30\x80\x00\x00"),
        ((), b"\x30\x80\x04\x00"),
        ((), b"\x30\x80" * 12 + b"\x00\x00" * 12),
        ((0, 1), b"\x16\x80a\x00\x00"),
        ((0, 2, 0), der.tlv(der.INTEGER, bytes(2000))),
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


def test_a_time_stamp_in_a_seal_is_of_version_5_only():
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
        der_form.findings(nested)


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
        der_form.findings(der.sequence(*[der.sequence(b"\x04\x00" * 4000)] * 20))


def with_extensions():
    info = der.children(one_seal())[0]
    return rebuilt((0,), der.tlv(info.tag, info.content + der.sequence()))


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
    read = ses.parse_seal(rebuilt((0, 2, 3), IN_FULL(b"20260101000000Z"), encoded))
    assert told(read) == ["/0/2/3 TIME_TYPE"]


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


LEAVES = st.one_of(
    st.integers(-(2**70), 2**70).map(der.integer),
    st.binary(max_size=300).map(der.octets),
    st.binary(max_size=40).map(der.bits),
    st.text(max_size=20).map(lambda text: der.text(der.UTF8_STRING, text)),
    st.datetimes(timezones=st.just(UTC)).map(der.generalized_time),
    st.lists(st.integers(0, 2**40), max_size=6).map(
        lambda arcs: der.oid(".".join(map(str, (1, 2, *arcs))))
    ),
    st.booleans().map(lambda value: TRUE if value else FALSE),
    st.just(b"\x05\x00"),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda tag, members: der.tlv(tag, b"".join(sorted(members))),
        st.sampled_from((der.SEQUENCE, der.SET, 0xA0, 0xA3)),
        st.lists(inner, max_size=5),
    ),
    max_leaves=20,
)


def written(element):
    """Written again from what was read, inside out."""
    if element.tag & 0x20:
        return der.tlv(element.tag, b"".join(written(one) for one in element.members()))
    values = {
        der.INTEGER: lambda: der.integer(element.integer()),
        der.OCTET_STRING: lambda: der.octets(element.octets()),
        der.BIT_STRING: lambda: der.bits(element.bits()),
        der.UTF8_STRING: lambda: der.text(der.UTF8_STRING, element.text(der.UTF8_STRING)),
        der.GENERALIZED_TIME: lambda: der.generalized_time(element.time()),
        der.OID: lambda: der.oid(element.oid()),
        der.BOOLEAN: lambda: TRUE if element.boolean() else FALSE,
    }
    return values.get(element.tag, lambda: der.tlv(element.tag, element.content))()


@given(TREES)
def test_any_structure_round_trips_byte_for_byte(encoded):
    assert written(der.read(encoded)) == encoded
    assert der_form.findings(encoded) == ()


@given(TREES, st.data())
def test_any_structure_in_a_looser_form_means_the_same_and_is_named(encoded, data):
    def loosened(one):
        inner = (
            b"".join(loosened(member) for member in one.members())
            if one.tag & 0x20
            else one.content
        )
        form = data.draw(st.sampled_from(("plain", "long", "open")))
        if form == "open" and one.tag & 0x20:
            return bytes([one.tag, 0x80]) + inner + b"\0\0"
        plain = der.tlv(one.tag, inner)
        return plain if form == "plain" else stretched(plain)

    try:
        loose = loosened(der.read(encoded))
        assert written(der.read(loose)) == encoded
        assert (der_form.findings(loose) != ()) == (loose != encoded)
    except InvalidArgument as error:
        assert "nested too deep" in error.message


@given(st.binary(max_size=200))
def test_noise_is_cut_or_malformed(noise):
    try:
        written(der.read(noise))
        der_form.findings(noise)
    except InvalidArgument as error:
        assert error.reason == "MALFORMED_DER"


def test_open_ends_cost_little():
    """Eight levels of open ends around a crowd: each level is searched, and no more."""
    crowd = b"\x30\x80" * 8 + b"\x05\x00" * 4000 + b"\0\0" * 8
    start = time.process_time()
    assert len(der_form.findings(crowd)) == 8
    with pytest.raises(InvalidArgument):
        der_form.findings(b"\x30\x80" * 8 + b"\x05\x00" * 2_000_000)
    assert time.process_time() - start < 2


@given(st.integers(-(2**70), 2**70))
def test_integers_round_trip(value):
    encoded = der.integer(value)
    assert der.read(encoded).integer() == value
    assert der_form.findings(encoded) == ()


@pytest.mark.parametrize(
    "dotted", ["1.2.156.10197.1.501", "2.16.840.1.101.3.4.2.1", "2.999.3", "0.9", "1.2.840.10045"]
)
def test_identifiers_round_trip(dotted):
    assert der.read(der.oid(dotted)).oid() == dotted


@pytest.mark.parametrize(
    ("encoded", "name"),
    [
        (b"\x01\x01\x01", "BOOLEAN_NOT_00_FF"),
        (b"\x02\x02\x00\x01", "INTEGER_NOT_SHORTEST"),
        (b"\x02\x02\xff\x80", "INTEGER_NOT_SHORTEST"),
        (b"\x0a\x00", "INTEGER_NOT_SHORTEST"),
        (b"\x03\x02\x01\x80", "BITS_UNUSED"),
        (b"\x05\x01\x00", "NULL_NOT_EMPTY"),
        (b"\x06\x03\x2a\x80\x01", "OID_PADDED"),
        (b"\x04\x81\x01x", "LENGTH_NOT_SHORTEST"),
        (b"\x30\x80\x00\x00", "LENGTH_INDEFINITE"),
        (b"\xa0\x80\x00\x00", "LENGTH_INDEFINITE"),
        (b"\x24\x00", "FORM_CONFUSED"),
        (b"\x10\x00", "FORM_CONFUSED"),
        (b"\x13\x01@", "STRING_ALPHABET"),
        (b"\x13\x01*", "STRING_ALPHABET"),
        (b"\x16\x02\xc3\xa9", "STRING_ALPHABET"),
        (b"\x31\x06\x02\x01\x02\x02\x01\x01", "SET_UNSORTED"),
        (b"\x31\x05\x04\x00\x02\x01\x01", "SET_UNSORTED"),
        (b"\x17\x0b2601010000Z", "TIME_FORM"),
        (b"\x18\x0d202601010000Z", "TIME_FORM"),
        (b"\x18\x1120260101000000.5Z", "TIME_FRACTION"),
    ],
)
def test_departures_are_named(encoded, name):
    (only,) = der_form.findings(encoded)
    assert (only.name, only.path) == (name, "/")


@pytest.mark.parametrize(
    "encoded",
    [
        b"\x31\x06\x02\x01\x01\x02\x01\x02",
        b"\x31\x06\x02\x01\x01\x02\x01\x01",
        b"\x31\x05\x02\x01\x01\x04\x00",
        b"\x31\x07\x30\x03\x02\x01\x01\xa0\x00",
        b"\x13\x03a-:",
    ],
)
def test_what_is_sorted_and_plain_is_canonical(encoded):
    assert der_form.findings(encoded) == ()
