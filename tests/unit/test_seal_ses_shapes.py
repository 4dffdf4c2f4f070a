"""Seals and seal signatures of the wrong shape: refused, whatever they hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from seal import der, der_form, ses
from tests.builders.seal_pki import seal
from tests.builders.ses import (
    one_seal,
    rebuilt,
    sealed,
)


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
