"""The DER reader and writer: round trips byte for byte, departures by name, bounded work."""

from __future__ import annotations

import time
from datetime import UTC

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from seal import der, der_form
from tests.builders.ses import (
    FALSE,
    TRUE,
    stretched,
)

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
@example(-128)
@example(-(2**63))
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
