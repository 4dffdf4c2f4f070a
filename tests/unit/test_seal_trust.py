"""Certificates and chains: one test a rule."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from seal import der, der_form, suites, trust
from seal.judging.seal_checks import common_name
from seal.judging.telling import facts_of, holder
from tests.builders.seal_pki import BEGIN, END, NOON, Holder, issue, pki

DAY = timedelta(days=1)


def assess(leaf, store=None, *, at=NOON, extra=(), purpose=trust.Purpose.SIGNER):
    chosen = store or pki().store()
    return trust.assess_chain(leaf, at=at, store=chosen, purpose=purpose, extra=extra)


def store_of(root, *more, **limits):
    anchor = trust.TrustAnchor(
        name="r", certificate=root.certificate, **{"valid_from": BEGIN, **limits}
    )
    return trust.TrustStore(anchors=(anchor,), intermediates=tuple(one.certificate for one in more))


def serial(holder: Holder) -> int:
    return trust.parse_certificate(holder.certificate).serial


@pytest.mark.parametrize("suite", suites.suite_names())
def test_a_sound_chain_is_trusted(suite):
    made = pki(suite)
    result = assess(made.signer.certificate, made.store())
    assert result.status == "TRUSTED"
    assert result.is_trusted
    assert result.anchor == "示范根"
    assert [one.subject_fields["CN"] for one in result.path] == [
        "示范县行政审批服务局",
        "示范中间",
        "示范根",
    ]
    assert not result.revocation_known


def test_an_sm2_leaf_under_a_p256_root():
    root = issue("根", None, suite=suites.P256, is_ca=True)
    assert assess(issue("叶", root).certificate, store_of(root)).status == "TRUSTED"


def test_the_fields_of_a_certificate():
    made = pki()
    info = trust.parse_certificate(made.signer.certificate)
    assert info.subject_fields == {"C": "CN", "O": "示范县", "CN": "示范县行政审批服务局"}
    assert info.suite == suites.SM2
    assert info.public_key == made.signer.signer.public_key
    assert (info.not_before, info.not_after) == (BEGIN, END)
    assert not info.is_ca
    assert info.key_usage == {"digital_signature", "non_repudiation"}
    assert info.aki == trust.parse_certificate(made.intermediate.certificate).ski
    assert len(info.fingerprint) == 64
    assert der_form.findings(made.signer.certificate) == ()


def _renamed(*common_names: str) -> bytes:
    """A certificate whose subject is these common names alone; nobody signed it."""
    text = (der.tlv(0x0C, one.encode()) for one in common_names)
    parts = (der.tlv(der.SET, der.sequence(der.oid("2.5.4.3"), one)) for one in text)
    body, *rest = der.children(pki().signer.certificate)
    fields = [one.raw for one in body.members()]
    fields[5] = der.sequence(*parts)
    return der.sequence(der.sequence(*fields), *(one.raw for one in rest))


def test_every_common_name_is_shown() -> None:
    certificate = _renamed("示范县人民政府", "示范诊所")
    info = trust.parse_certificate(certificate)
    assert info.subject == "CN=示范县人民政府,CN=示范诊所"
    assert info.subject_fields == {"CN": "示范县人民政府 / 示范诊所"}
    assert common_name(certificate) == "示范县人民政府 / 示范诊所"
    assert "'示范县人民政府 / 示范诊所'" in holder(certificate)[0]


def test_who_has_no_name_is_told_to_have_none() -> None:
    certificate = _renamed()
    facts = facts_of(certificate)
    assert facts is not None
    assert trust.parse_certificate(certificate).subject == ""
    for told in (common_name(certificate), facts.subject, *holder(certificate)):
        assert "no name / 未写名称" in told


def test_document_signing_and_dates_after_2049():
    root = pki().root
    certificate = trust.issue_certificate(
        issuer=root.signer,
        issuer_certificate=root.certificate,
        subject_key=pki().signer.signer.public_key,
        subject={"CN": "x"},
        not_before=BEGIN,
        not_after=datetime(2060, 1, 1, tzinfo=UTC),
        serial=7,
        extended_key_usage=["document_signing"],
    )
    info = trust.parse_certificate(certificate)
    assert info.serial == 7
    assert info.not_after.year == 2060
    assert info.extended_key_usage == {"1.3.6.1.5.5.7.3.36"}


def test_without_its_anchor_nothing_is_trusted():
    assert assess(pki().signer.certificate, trust.TrustStore()).status == "NO_ANCHOR"


def test_a_document_may_bring_intermediates_but_no_anchor():
    made = pki()
    bare = store_of(made.root)
    leaf = made.signer.certificate
    assert assess(leaf, bare).status == "NO_ANCHOR"
    assert assess(leaf, bare, extra=[b"junk", made.intermediate.certificate]).is_trusted
    brought = [made.intermediate.certificate, made.root.certificate]
    assert assess(leaf, trust.TrustStore(), extra=brought).status == "NO_ANCHOR"


def test_a_self_signed_leaf_is_trusted_only_as_an_anchor():
    own = issue("自签", None)
    assert assess(own.certificate).status == "NO_ANCHOR"
    assert assess(own.certificate, store_of(own)).is_trusted


def test_dates_of_the_leaf_are_judged_as_of_then():
    leaf = issue("叶", pki().intermediate, not_after=NOON).certificate
    assert assess(leaf, at=NOON).is_trusted
    assert assess(leaf, at=NOON + timedelta(seconds=1)).status == "EXPIRED"
    assert assess(leaf, at=BEGIN - DAY).status == "NOT_YET_VALID"
    assert assess(leaf, trust.TrustStore(), at=NOON + DAY).status == "EXPIRED"


def test_dates_of_an_issuer_count_too():
    root = issue("根", None, is_ca=True)
    old = issue("旧", root, is_ca=True, not_after=NOON - DAY)
    assert assess(issue("叶", old).certificate, store_of(root, old)).status == "EXPIRED"


def test_an_anchor_is_trusted_for_its_time_only():
    root = issue("根", None, is_ca=True)
    leaf = issue("叶", root).certificate
    ended = store_of(root, valid_to=NOON - DAY)
    assert assess(leaf, ended).status == "ANCHOR_WITHDRAWN"
    assert assess(leaf, ended, at=NOON - 2 * DAY).is_trusted
    not_yet = store_of(root, valid_from=NOON + DAY)
    assert assess(leaf, not_yet).status == "ANCHOR_NOT_YET_TRUSTED"


def test_a_leaf_cannot_play_ca():
    fake = issue("冒充", Holder(signer=pki().signer.signer, certificate=pki().signer.certificate))
    result = assess(fake.certificate, extra=[pki().signer.certificate])
    assert result.status == "NOT_CA"


def test_a_ca_needs_the_right_to_sign_certificates():
    root = issue("根", None, is_ca=True)
    middle = issue("中", root, is_ca=True, key_usage=["crl_sign"])
    assert assess(issue("叶", middle).certificate, store_of(root, middle)).status == "KEY_USAGE"


def test_the_path_length_is_kept():
    middle = pki().intermediate  # allows no CA below
    deeper = issue("更深", middle, is_ca=True)
    leaf = issue("叶", deeper).certificate
    assert assess(leaf, extra=[deeper.certificate]).status == "NOT_CA"


def test_a_forged_issuer_of_the_same_name_is_told():
    made = pki()
    subject = trust.parse_certificate(made.root.certificate).subject_fields
    fake = issue("示范根", None, is_ca=True, subject=subject)
    leaf = issue("叶", fake)
    # Its key identifier gives it away before its signature does.
    assert assess(leaf.certificate, store_of(made.root)).status == "OTHER_KEY"
    changed = bytearray(made.signer.certificate)
    changed[-1] ^= 1
    assert assess(bytes(changed)).status == "BAD_SIGNATURE"


def test_any_changed_byte_of_a_certificate_is_noticed():
    made = pki()
    leaf = made.signer.certificate
    for index in range(0, len(leaf), 3):
        changed = leaf[:index] + bytes([leaf[index] ^ 0x04]) + leaf[index + 1 :]
        assert not assess(changed).is_trusted, index


def test_the_algorithm_is_that_of_the_issuers_key():
    made = pki()
    info = trust.parse_certificate(made.signer.certificate)
    other = der.sequence(
        info.signed_bytes, der.sequence(der.oid(suites.ECDSA_SHA256_OID)), der.bits(info.signature)
    )
    with pytest.raises(InvalidArgument):
        trust.parse_certificate(other)


def test_cross_signed_rings_end():
    one, two = issue("甲", None, is_ca=True), issue("乙", None, is_ca=True)
    ring = [
        issue("甲", two, is_ca=True, signer=one.signer),
        issue("乙", one, is_ca=True, signer=two.signer),
    ]
    leaf = issue("叶", ring[0]).certificate
    assert assess(leaf, extra=[one.certificate for one in ring]).status == "NO_ANCHOR"


def test_a_crowd_of_extras_costs_little():
    crowd = [issue("甲", None, is_ca=True) for _ in range(70)]
    leaf = issue("叶", crowd[0])
    assert assess(leaf.certificate, extra=[one.certificate for one in crowd]).status == "NO_ANCHOR"


def test_many_certificates_of_one_key_do_not_multiply_paths(monkeypatch):
    """All sign each other: without a bound there are 30 * 29 * 28 * … paths to try."""
    first = issue("甲", None, is_ca=True)
    crowd = [issue("甲", first, is_ca=True, signer=first.signer) for _ in range(30)]
    checked = []
    genuine = trust.is_issued_by

    def counted(child, issuer):
        checked.append(child.serial)
        assert len(checked) < 5000
        return genuine(child, issuer)

    monkeypatch.setattr(trust, "is_issued_by", counted)
    leaf = issue("叶", crowd[0]).certificate
    assert assess(leaf, extra=[one.certificate for one in crowd]).status == "NO_ANCHOR"


def test_a_certificate_too_large_is_refused():
    with pytest.raises(InvalidArgument):
        trust.parse_certificate(der.sequence(bytes(70_000)))


# --- revocation ------------------------------------------------------------------------------


def test_revoked_before_is_revoked_and_revoked_later_is_told():
    made = pki()
    listed = trust.Revocation(serial=serial(made.signer), at=NOON, reason="key_compromise")
    store = made.store(crls=[made.crl(listed, at=NOON + DAY)])
    before = assess(made.signer.certificate, store, at=NOON - DAY)
    assert (before.status, before.revoked_at) == ("TRUSTED", NOON)
    for at in (NOON, NOON + DAY):
        after = assess(made.signer.certificate, store, at=at)
        assert (after.status, after.revoked_at) == ("REVOKED", NOON)


def test_a_later_list_that_drops_the_entry_changes_nothing():
    made = pki()
    listed = trust.Revocation(serial=serial(made.signer), at=NOON)
    lists = [made.crl(listed), made.crl(at=NOON + DAY)]
    assert assess(made.signer.certificate, made.store(crls=lists), at=NOON + DAY).revoked_at == NOON


def test_a_revoked_issuer_takes_its_leaves_along():
    made = pki()
    encoded = trust.issue_crl(
        issuer=made.root.signer,
        issuer_certificate=made.root.certificate,
        this_update=NOON,
        next_update=END,
        number=2,
        revoked=[trust.Revocation(serial=serial(made.intermediate), at=NOON)],
    )
    assert assess(made.signer.certificate, made.store(crls=[encoded])).status == "REVOKED"


def test_someone_elses_list_revokes_nothing():
    made = pki()
    subject = trust.parse_certificate(made.intermediate.certificate).subject_fields
    fake = issue("示范中间", None, is_ca=True, subject=subject)
    encoded = trust.issue_crl(
        issuer=fake.signer,
        issuer_certificate=fake.certificate,
        this_update=NOON,
        next_update=END,
        number=1,
        revoked=[trust.Revocation(serial=serial(made.signer), at=NOON)],
    )
    result = assess(made.signer.certificate, made.store(crls=[encoded]))
    assert (result.status, result.revocation_known) == ("TRUSTED", False)


def test_revocation_is_known_when_every_issuer_has_a_list():
    made = pki()
    upper = trust.issue_crl(
        issuer=made.root.signer,
        issuer_certificate=made.root.certificate,
        this_update=NOON,
        next_update=END,
        number=1,
        revoked=[],
    )
    leaf = made.signer.certificate
    assert not assess(leaf, made.store(crls=[made.crl()])).revocation_known
    assert assess(leaf, made.store(crls=[made.crl(), upper])).revocation_known


def test_a_list_round_trips():
    entry = trust.Revocation(serial=99, at=NOON, reason="superseded")
    encoded = pki().crl(entry, trust.Revocation(serial=5, at=BEGIN))
    found = trust.parse_crl(encoded)
    assert found.revoked == {99: entry, 5: trust.Revocation(serial=5, at=BEGIN)}
    assert (found.number, found.this_update, found.next_update) == (1, NOON, END)
    assert der_form.findings(encoded) == ()


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"not_after": BEGIN},
        {"subject": {"CN": "x", "emailAddress": "y"}},
        {"subject_key": b"\x04" + bytes(64)},
    ],
)
def test_bad_requests(changes):
    own = pki().root.signer
    request = {
        "issuer": own,
        "issuer_certificate": None,
        "subject_key": own.public_key,
        "subject": {"CN": "x"},
        "not_before": BEGIN,
        "not_after": END,
    }
    with pytest.raises(InvalidArgument) as caught:
        trust.issue_certificate(**{**request, **changes})
    assert caught.value.reason == "BAD_CERTIFICATE_REQUEST"


def test_an_issuer_signs_with_its_own_certificate():
    made = pki()
    wrong = Holder(signer=made.maker.signer, certificate=made.root.certificate)
    with pytest.raises(InvalidArgument):
        issue("x", wrong)
    with pytest.raises(InvalidArgument):
        trust.issue_crl(
            issuer=wrong.signer,
            issuer_certificate=wrong.certificate,
            this_update=BEGIN,
            next_update=END,
            number=1,
            revoked=[],
        )


@given(st.binary(max_size=200))
def test_noise_is_malformed(noise):
    for parse, reason in (
        (trust.parse_certificate, "MALFORMED_CERTIFICATE"),
        (trust.parse_crl, "MALFORMED_CRL"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            parse(noise)
        assert caught.value.reason == reason
    assert assess(noise).status == "MALFORMED"


def test_no_octet_outside_the_signed_part_may_change():
    original = pki().signer.certificate
    for index in range(len(original) - 90, len(original)):
        changed = bytearray(original)
        changed[index] ^= 0x10
        assert not assess(bytes(changed)).is_trusted, index


@given(st.data())
def test_mutants_of_a_certificate_raise_nothing_else(data):
    original = data.draw(st.sampled_from([pki().signer.certificate, pki().root.certificate]))
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    if bytes(changed) != original:
        assert not assess(bytes(changed)).is_trusted


@lru_cache
def one_list():
    return pki().crl(trust.Revocation(serial=5, at=NOON, reason="superseded"))


@given(st.data())
def test_mutants_of_a_list_raise_nothing_else(data):
    changed = bytearray(one_list())
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidArgument):
        trust.parse_crl(bytes(changed))
