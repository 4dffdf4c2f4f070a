"""Revocation lists: what they cover, what they only tell, and lists of a million entries."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from runtime.errors import InvalidArgument
from seal import der, trust
from seal.pki.crls import MAX_CRL, REASONS
from tests.builders.ocsp import DAY, addresses, entry, extension, raw_list
from tests.builders.seal_pki import BEGIN, END, NOON, issue, pki

ROOT = pki().root
POINT, DELTA, REASON, INVALIDITY, KEPT = (
    "2.5.29.28", "2.5.29.27", "2.5.29.21", "2.5.29.24", "2.5.29.60",
)  # fmt: skip
URL = "http://ca.example/1.crl"


def judge(leaf, *lists, at=NOON, now=None, **policy):
    anchor = trust.TrustAnchor(name="r", certificate=ROOT.certificate, valid_from=BEGIN)
    store = trust.TrustStore(anchors=(anchor,), crls=lists, policy=trust.RevocationPolicy(**policy))
    purpose = trust.Purpose.SIGNER
    return trust.assess_chain(leaf.certificate, at=at, store=store, purpose=purpose, now=now)


def leaf(**changes):
    return issue("叶", ROOT, **changes)


def serial(one) -> int:
    return trust.parse_certificate(one.certificate).serial


def point(*parts: bytes, critical: bool = True) -> bytes:
    return extension(POINT, der.sequence(*parts), critical=critical)


def named(url: str) -> bytes:
    return der.tlv(0xA0, der.tlv(0xA0, der.tlv(0x86, url.encode())))


def yes(tag: int) -> bytes:
    return der.tlv(tag, b"\xff")


def reason(word: str) -> bytes:
    code = next(number for number, known in REASONS.items() if known == word)
    return extension(REASON, der.tlv(der.ENUMERATED, bytes((code,))))


USERS, AUTHORITIES, SOME_REASONS, INDIRECT, ATTRIBUTES = 0x81, 0x82, 0x83, 0x84, 0x85

SCOPES = {
    "of all": ((), {}, True),
    "of users": ((point(yes(USERS)),), {}, True),
    "of users, and it is an authority": ((point(yes(USERS)),), {"is_ca": True}, False),
    "of authorities": ((point(yes(AUTHORITIES)),), {}, False),
    "of authorities, and it is one": ((point(yes(AUTHORITIES)),), {"is_ca": True}, True),
    "of some reasons": ((point(der.tlv(SOME_REASONS, b"\x01\x60")),), {}, False),
    "of others' certificates too": ((point(yes(INDIRECT)),), {}, False),
    "of attribute certificates": ((point(yes(ATTRIBUTES)),), {}, False),
    "of something unheard of": ((point(yes(0x86)),), {}, False),
    "of the part it is in": ((point(named(URL)),), {"extensions": addresses(crl=[URL])}, True),
    "of another part": (
        (point(named(URL)),), {"extensions": addresses(crl=["http://ca.example/2.crl"])}, False,
    ),
    "of another part, and it names none": ((point(named(URL)),), {}, False),
    "a difference": ((extension(DELTA, der.integer(1), critical=True),), {}, False),
    "with something unheard of": ((extension("1.2.3.4", b"x", critical=True),), {}, False),
    "with something of no matter": ((extension("1.2.3.4", b"x"),), {}, True),
}  # fmt: skip


@pytest.mark.parametrize("name", SCOPES)
def test_what_a_list_covers(name):
    extensions, changes, covers = SCOPES[name]
    one = leaf(**changes)
    found = judge(one, raw_list(ROOT, extensions=extensions))
    assert (found.status, found.revocation_known) == ("TRUSTED", covers)
    assert judge(one, raw_list(ROOT, extensions=extensions), required=True).status == (
        "TRUSTED" if covers else "REVOCATION_UNKNOWN"
    )
    # Whatever it leaves out, whom it names is revoked.
    assert judge(one, raw_list(ROOT, entry(serial(one)), extensions=extensions)).status == "REVOKED"


def test_an_entry_with_something_unheard_of_makes_the_list_prove_nothing():
    one = leaf()
    strange = entry(4711, extension("2.5.29.29", b"x", critical=True))
    assert not judge(one, raw_list(ROOT, strange)).revocation_known
    assert judge(one, raw_list(ROOT, strange, entry(serial(one)))).status == "REVOKED"


def test_who_may_not_sign_lists_says_nothing():
    middle = issue("中", ROOT, is_ca=True, key_usage=["key_cert_sign"])
    one = issue("叶", middle)
    anchor = trust.TrustAnchor(name="r", certificate=ROOT.certificate, valid_from=BEGIN)
    store = trust.TrustStore(
        anchors=(anchor,),
        intermediates=(middle.certificate,),
        crls=(raw_list(middle, entry(serial(one))), raw_list(ROOT)),
    )
    found = trust.assess_chain(one.certificate, at=NOON, store=store, purpose=trust.Purpose.SIGNER)
    assert (found.status, found.revocation_known) == ("TRUSTED", False)


@pytest.mark.parametrize(
    ("word", "since"),
    [
        ("key_compromise", NOON - 3 * DAY),
        ("ca_compromise", NOON - 3 * DAY),
        ("superseded", NOON),
        ("unspecified", NOON),
    ],
)
def test_a_lost_key_counts_from_its_date_of_invalidity_on(word, since):
    one = leaf()
    lost = extension(INVALIDITY, der.generalized_time(NOON - 3 * DAY))
    found = judge(one, raw_list(ROOT, entry(serial(one), reason(word), lost)), at=NOON - 2 * DAY)
    assert (found.revoked_at, found.revoked_why) == (since, word)
    assert found.status == ("REVOKED" if since < NOON else "TRUSTED")


def test_a_hold_ends_where_a_later_list_drops_it():
    one = leaf()
    held = raw_list(ROOT, entry(serial(one), reason("certificate_hold")))
    later = raw_list(ROOT, this_update=NOON + DAY)
    partial = raw_list(ROOT, this_update=NOON + DAY, extensions=[point(yes(AUTHORITIES))])
    assert judge(one, held).status == "REVOKED"
    assert judge(one, held, later).status == "TRUSTED"
    assert judge(one, later, held).revoked_at is None
    assert judge(one, held, partial).status == "REVOKED"
    for_good = raw_list(ROOT, entry(serial(one)), this_update=NOON + DAY)
    assert judge(one, held, for_good).status == "REVOKED"


@pytest.mark.parametrize("difference", [False, True])
def test_a_hold_ends_where_a_later_list_says_that_it_is_off(difference):
    one = leaf()
    marks = [extension(DELTA, der.integer(1), critical=True)] if difference else []
    held = raw_list(ROOT, entry(serial(one), reason("certificate_hold")))
    off = entry(serial(one), reason("remove_from_crl"), at=NOON + DAY)
    released = raw_list(ROOT, off, this_update=NOON + DAY, extensions=marks)
    assert judge(one, held, released).status == "TRUSTED"
    again = entry(serial(one), reason("certificate_hold"))
    again = raw_list(ROOT, again, this_update=NOON + 2 * DAY)
    assert judge(one, held, released, again).status == "REVOKED"
    # What is said with a critical extension that nobody understands takes nothing back.
    strange = [*marks, extension("1.2.3.4", b"x", critical=True)]
    unheard_of = raw_list(ROOT, off, this_update=NOON + DAY, extensions=strange)
    assert judge(one, held, unheard_of).status == "REVOKED"
    for_good = raw_list(ROOT, entry(serial(one), reason("key_compromise")))
    assert judge(one, for_good, released).status == "REVOKED"


def test_a_list_without_a_next_update_answers_for_its_own_time():
    one = leaf()
    old = raw_list(ROOT, this_update=NOON - 30 * DAY, next_update=None)
    assert judge(one, old, required=True).status == "REVOCATION_UNKNOWN"
    assert judge(one, old, required=True, grace=30 * DAY).status == "TRUSTED"
    later = raw_list(ROOT, this_update=NOON + DAY, next_update=None)
    found = judge(one, later, required=True)
    assert (found.status, found.known_until) == ("TRUSTED", NOON + DAY)


def test_a_list_from_the_future_covers_nothing_and_what_it_tells_counts():
    one = leaf()
    ahead = {"this_update": NOON + 900 * DAY, "next_update": NOON + 999 * DAY}
    future = raw_list(ROOT, **ahead)
    assert judge(one, future, now=NOON + DAY, required=True).status == "REVOCATION_UNKNOWN"
    found = judge(one, future, now=NOON + DAY)
    assert (found.status, found.revocation_known, found.known_until) == ("TRUSTED", False, None)
    assert found.is_data_ahead
    found = judge(one, future, now=NOON + 901 * DAY)
    assert (found.revocation_known, found.is_data_ahead) == (True, False)
    assert judge(one, raw_list(ROOT, entry(serial(one)), **ahead), now=NOON).status == "REVOKED"
    held = raw_list(ROOT, entry(serial(one), reason("certificate_hold")))
    assert judge(one, held, future, now=NOON + DAY).status == "REVOKED"
    soon = raw_list(ROOT, this_update=NOON + timedelta(minutes=4))
    assert judge(one, soon, now=NOON).revocation_known


def test_a_list_made_after_the_end_covers_only_what_it_keeps():
    one = leaf(not_after=NOON + DAY)
    late = {"this_update": NOON + 9 * DAY, "next_update": NOON + 19 * DAY}
    assert not judge(one, raw_list(ROOT, **late)).revocation_known
    for since, known in ((BEGIN, True), (NOON + 2 * DAY, False)):
        kept = extension(KEPT, der.generalized_time(since))
        found = judge(one, raw_list(ROOT, extensions=[kept], **late))
        assert found.revocation_known is known


def test_lists_of_ours_say_that_they_keep_what_ended():
    listed = trust.issue_crl(
        issuer=ROOT.signer, issuer_certificate=ROOT.certificate, this_update=NOON,
        next_update=END, number=1, revoked=[], keeps_since=BEGIN,
    )  # fmt: skip
    assert trust.parse_crl(listed).keeps_since == BEGIN


def test_the_reason_and_the_date_of_invalidity_round_trip():
    told = trust.Revocation(
        serial=7, at=NOON, reason="key_compromise", invalid_from=NOON - timedelta(hours=5)
    )
    found = trust.parse_crl(pki().crl(told, replace(told, serial=8, reason="unspecified")))
    assert found.revoked[7] == told
    assert found.revoked[7].since == NOON - timedelta(hours=5)
    assert found.revoked[8].since == NOON


# --- reading ---------------------------------------------------------------------------------


def test_a_long_list_is_read_in_place():
    numbers = range(2**80, 2**80 + 200_000)
    body = [entry(number, reason("superseded")) for number in numbers[:1]]
    pattern = body[0]
    at = pattern.index((2**80).to_bytes(11, "big"))
    entries = [pattern[:at] + number.to_bytes(11, "big") + pattern[at + 11 :] for number in numbers]
    encoded = raw_list(ROOT, *entries)
    began = time.perf_counter()
    found = trust.parse_crl(encoded)
    assert found.revoked.get(numbers[-1]).reason == "superseded"
    assert found.revoked.get(2**80 - 1) is None
    assert len(found.revoked) == 200_000
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("number", [0, 1, 127, 128, 255, 256, 2**64, 2**159 - 1, -1])
def test_numbers_of_every_size_are_found(number):
    found = trust.parse_crl(raw_list(ROOT, entry(5), entry(number), entry(2**100)))
    assert found.revoked[number].serial == number
    assert found.revoked.get(number + 2) is None
    assert set(found.revoked) == {5, number, 2**100}


def test_a_number_that_is_padded_is_found_too():
    padded = der.sequence(der.tlv(der.INTEGER, b"\x00\x00\x07"), der.generalized_time(NOON))
    assert trust.parse_crl(raw_list(ROOT, padded)).revoked[7].at == NOON


def test_an_entry_that_cannot_be_read_is_a_revocation():
    one = leaf()
    broken = der.sequence(der.integer(serial(one)), der.tlv(der.GENERALIZED_TIME, b"then"))
    found = judge(one, raw_list(ROOT, broken))
    assert (found.status, found.revoked_at) == ("REVOKED", NOON)
    assert judge(leaf(), raw_list(ROOT, broken)).is_trusted


@pytest.mark.parametrize(
    "broken",
    [
        raw_list(ROOT, b"\x30\x03\x02\x01"),
        raw_list(ROOT, b"\x31\x03\x02\x01\x07"),
        raw_list(ROOT, b"\x30\x03\x04\x01\x07"),
        raw_list(ROOT, b"\x30\x84\x7f\xff\xff\xff\x02\x01\x07"),
        raw_list(ROOT, b"\x30\x80\x02\x01\x07\x00\x00"),
        raw_list(ROOT, extensions=[extension("1.2.3", b"x")] * 2),
        bytes(MAX_CRL + 1),
        b"",
    ],
)
def test_broken_lists_are_malformed(broken):
    with pytest.raises(InvalidArgument) as caught:
        trust.parse_crl(broken)
    assert caught.value.reason == "MALFORMED_CRL"
