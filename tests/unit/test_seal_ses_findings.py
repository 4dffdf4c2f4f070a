"""What departs from DER or the standard and has one meaning: read, and named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runtime.errors import InvalidArgument
from seal import der, der_form, ses, trust
from seal.judging import seal_checks
from tests.builders.seal_pki import BEGIN, NOON
from tests.builders.ses import (
    FALSE,
    TRUE,
    in_full,
    in_utc,
    one_seal,
    rebuilt,
    sealed,
    stretched,
    told,
)


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


def open_ended(encoded):
    """With an indefinite length, and so all that is constructed in it."""
    one = der.read(encoded)
    if not one.tag & 0x20:
        return encoded
    inner = b"".join(open_ended(member.raw) for member in one.members())
    return bytes([one.tag, 0x80]) + inner + b"\0\0"


@pytest.mark.parametrize(
    ("path", "replacement", "name", "field", "meant"),
    [
        ((0, 0, 1), b"\x02\x02\x00\x04", "INTEGER_NOT_SHORTEST", "version", 4),
        ((0, 0, 2), der.tlv(der.IA5_STRING, "示".encode()), "STRING_ALPHABET", "vid", "示"),
        ((0, 1), stretched(der.text(der.IA5_STRING, "1")), "LENGTH_NOT_SHORTEST", "es_id", "1"),
        ((0, 2, 4), in_utc(b"260101000000Z"), "TIME_TYPE", "created", BEGIN),
        ((0, 2, 5), in_full(b"20260101000000.0Z"), "TIME_FRACTION", "valid_from", BEGIN),
        ((0, 2, 5), in_full(b"20260101080000+0800"), "TIME_FORM", "valid_from", BEGIN),
        ((0, 2, 5), in_full(b"202601010000Z"), "TIME_FORM", "valid_from", BEGIN),
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
    members[2] = in_utc(b"260601040000Z")
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
    read = ses.parse_seal(rebuilt((0, 2, 4), in_utc(b"260101000000Z")))
    check = seal_checks.check_encoding(read, trust.TrustStore(), NOON)
    assert check.notice
    assert "/0/2/4" in check.detail
    assert "/0/2/4" in check.detail_zh
