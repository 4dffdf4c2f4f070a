"""OCSP responses: what counts, and what looks as if it did. One notion of revocation with lists."""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from seal import der, suites, trust
from seal.pki import ocsp
from seal.pki.revocation import is_authorised
from tests.builders.ocsp import DAY, NO_CHECK, answer, delegate, extension, wrapped
from tests.builders.seal_pki import BEGIN, END, NOON, Holder, issue, pki

UNHEARD_OF = "1.2.3.4.5"


def root_list(made=None, *revoked, at=NOON):
    made = made or pki()
    return trust.issue_crl(
        issuer=made.root.signer,
        issuer_certificate=made.root.certificate,
        this_update=at,
        next_update=END,
        number=1,
        revoked=revoked,
    )


def judge(*responses, at=NOON, made=None, crls=(), policy=None, leaf=None):
    """The chain of the signer (its issuer's standing is known by a list)."""
    made = made or pki()
    store = made.store(crls=[root_list(made), *crls])
    store = replace(store, ocsp=responses, policy=policy or store.policy)
    return trust.assess_chain(
        leaf or made.signer.certificate, at=at, store=store, purpose=trust.Purpose.SIGNER
    )


def told(responder=None, **changes):
    made = pki()
    return answer(
        responder or made.intermediate,
        made.signer.certificate,
        made.intermediate.certificate,
        **changes,
    )


@lru_cache
def helper() -> Holder:
    return delegate(pki().intermediate)


def serial(certificate):
    return trust.parse_certificate(certificate).serial


REVOKED = trust.Revocation(serial=0, at=NOON, reason="key_compromise")


@pytest.mark.parametrize("suite", suites.suite_names())
def test_a_good_answer_by_the_issuer_counts(suite):
    made = pki(suite)
    for digest in (ocsp.SHA1_OID, suites.SHA256_OID, suites.SM3_OID):
        for by_name in (True, False):
            good = answer(
                made.intermediate,
                made.signer.certificate,
                made.intermediate.certificate,
                digest=digest,
                by_name=by_name,
            )
            found = judge(good, made=made)
            assert (found.status, found.revocation_known) == ("TRUSTED", True)
            assert found.revoked_at is None


@pytest.mark.parametrize("suite", suites.suite_names())
def test_a_good_answer_by_a_delegate_counts(suite):
    made = pki(suite)
    one = delegate(made.intermediate)
    good = answer(
        one, made.signer.certificate, made.intermediate.certificate, certificates=[one.certificate]
    )
    assert judge(good, made=made).revocation_known


def test_revoked_before_and_after_are_told_as_with_lists():
    before, after = told(status=REVOKED), told(status=REVOKED, this_update=NOON + DAY)
    for response in (before, after):
        found = judge(response, at=NOON)
        assert (found.status, found.revoked_at) == ("REVOKED", NOON)
        assert found.revoked_why == "key_compromise"
        earlier = judge(response, at=NOON - DAY)
        assert (earlier.status, earlier.revoked_at) == ("TRUSTED", NOON)


def test_a_lost_key_counts_from_its_date_of_invalidity_on():
    lost = extension("2.5.29.24", der.generalized_time(NOON - 3 * DAY))
    found = judge(told(status=REVOKED, single_extensions=[lost]), at=NOON - DAY)
    assert (found.status, found.revoked_at) == ("REVOKED", NOON - 3 * DAY)
    superseded = replace(REVOKED, reason="superseded")
    kept = judge(told(status=superseded, single_extensions=[lost]), at=NOON - DAY)
    assert (kept.status, kept.revoked_at) == ("TRUSTED", NOON)


# --- what does not count ---------------------------------------------------------------------


def stranger() -> Holder:
    return issue("陌生人", None)


def look_alike() -> Holder:
    """A certificate of the issuer's name, with another key, and its own."""
    own = trust.parse_certificate(pki().intermediate.certificate)
    return issue("示范中间", None, is_ca=True, subject=own.subject_fields)


def response_of(responder, **changes):
    return told(responder, certificates=[responder.certificate], **changes)


def revoked_helper_lists(reason="unspecified", at=NOON - DAY):
    entry = trust.Revocation(serial=serial(helper().certificate), at=at, reason=reason)
    return [pki().crl(entry, at=NOON + DAY)]


def unheard_of(**changes):
    strange = extension(UNHEARD_OF, b"x", critical=True)
    return response_of(delegate(pki().intermediate, extensions=[NO_CHECK, strange]), **changes)


NOBODY = {
    "a stranger": lambda **more: response_of(stranger(), **more),
    "a stranger of the issuer's name": lambda **more: response_of(
        look_alike(), by_name=True, **more
    ),
    "a fellow of the signer, without the right": lambda **more: response_of(pki().maker, **more),
    "a delegate for something else": lambda **more: response_of(
        delegate(pki().intermediate, usage=["1.3.6.1.5.5.7.3.1"]), **more
    ),
    "a delegate of another authority": lambda **more: response_of(delegate(pki().root), **more),
    "a delegate that had ended": lambda **more: response_of(
        delegate(pki().intermediate, not_after=NOON - DAY), **more
    ),
    "a delegate with something unheard of": unheard_of,
    "the delegate, who is not shown": lambda **more: told(helper(), **more),
    "somebody about another certificate": lambda **more: told(serial=4711, **more),
    "the issuer about one of the same number, of another": lambda **more: answer(
        pki().intermediate, pki().signer.certificate, pki().root.certificate, **more
    ),
}
NOT_COUNTED = {
    "outdated": lambda: told(
        this_update=NOON - 9 * DAY, next_update=NOON - DAY, produced_at=NOON - 9 * DAY
    ),
    "of no knowledge": lambda: told(status="unknown"),
    "with something unheard of": lambda: told(
        extensions=[extension(UNHEARD_OF, b"x", critical=True)]
    ),
    "with something unheard of about it": lambda: told(
        single_extensions=[extension(UNHEARD_OF, b"x", critical=True)]
    ),
    "made after the certificate's end": lambda: told(this_update=END + DAY, next_update=END + DAY),
    **NOBODY,
}


@pytest.mark.parametrize("case", NOT_COUNTED)
def test_an_answer_that_does_not_count(case):
    found = judge(NOT_COUNTED[case]())
    assert (found.status, found.revocation_known) == ("TRUSTED", False)
    strict = judge(NOT_COUNTED[case](), policy=trust.RevocationPolicy(required=True))
    assert strict.status == "REVOCATION_UNKNOWN"


@pytest.mark.parametrize("case", NOBODY)
def test_nobody_else_can_revoke(case):
    assert judge(NOBODY[case](status=REVOKED)).revoked_at is None


def test_a_changed_answer_is_nobodys():
    response = told()
    at = response.index(der.generalized_time(NOON)[2:])
    changed = response[:at] + b"2025" + response[at + 4 :]
    assert trust.parse_ocsp(changed)
    assert not judge(changed).revocation_known


def test_a_delegate_that_is_revoked_says_nothing():
    good = response_of(helper())
    assert judge(good).revocation_known
    # Lists tell of the delegate, and would tell of the signer, but for those made before.
    old = [pki().crl(at=BEGIN)]
    for lists in (
        revoked_helper_lists(),
        revoked_helper_lists("key_compromise", NOON + DAY),
        revoked_helper_lists("superseded", NOON - DAY),
    ):
        data = replace(pki().store(), crls=tuple(lists), ocsp=(good,)).revocation_data
        issuer = trust.parse_certificate(pki().intermediate.certificate)
        assert not trust_says(good, issuer, data)
    kept = revoked_helper_lists("superseded", NOON + timedelta(hours=1))
    data = replace(pki().store(), crls=(*old, *kept)).revocation_data
    assert trust_says(good, trust.parse_certificate(pki().intermediate.certificate), data)


def trust_says(response, issuer, data):
    return is_authorised(trust.parse_ocsp(response), issuer, data=data)


def test_a_delegate_without_no_check_needs_a_list_where_data_is_required():
    asked = delegate(pki().intermediate, extensions=[])
    good = response_of(asked)
    strict = trust.RevocationPolicy(required=True)
    assert judge(good).revocation_known
    assert judge(good, policy=strict).status == "REVOCATION_UNKNOWN"
    assert judge(response_of(helper()), policy=strict).status == "TRUSTED"


def test_data_counts_until_its_end_and_grace():
    response = told(next_update=NOON + DAY)
    late = NOON + DAY + timedelta(hours=1)
    assert judge(response, at=NOON + DAY).revocation_known
    assert not judge(response, at=late).revocation_known
    kind = trust.RevocationPolicy(grace=timedelta(hours=2), required=True)
    assert judge(response, at=late, policy=kind).is_trusted
    assert judge(response, at=late + DAY, policy=kind).status == "REVOCATION_UNKNOWN"


def test_an_archive_answers_for_what_has_ended():
    kept = extension("1.3.6.1.5.5.7.48.1.6", der.generalized_time(END - DAY))
    response = told(this_update=END + DAY, next_update=END + 2 * DAY, single_extensions=[kept])
    assert judge(response).revocation_known


def test_a_hold_ends_and_a_revocation_does_not():
    hold = told(status=replace(REVOKED, reason="certificate_hold"))
    later = told(this_update=NOON + DAY)
    assert judge(hold, at=NOON).status == "REVOKED"
    assert judge(hold, later, at=NOON).revoked_at is None
    assert judge(told(status=REVOKED), later, at=NOON).status == "REVOKED"


def test_lists_and_answers_are_one():
    entry = trust.Revocation(serial=serial(pki().signer.certificate), at=NOON - DAY)
    assert judge(told(), crls=[pki().crl(entry)]).revoked_at == NOON - DAY
    assert judge(told(status=REVOKED), crls=[pki().crl()]).revoked_at == NOON


# --- reading ---------------------------------------------------------------------------------


def test_refusals_say_why():
    for code, word in ((3, "try later"), (6, "not authorised")):
        refused = der.sequence(der.tlv(der.ENUMERATED, bytes((code,))))
        assert ocsp.refusal(refused) == word
        with pytest.raises(InvalidArgument) as caught:
            trust.parse_ocsp(refused)
        assert caught.value.reason == "MALFORMED_OCSP"


def test_a_request_is_what_openssl_reads(tmp_path):
    made = pki(suites.P256)
    child, issuer = (
        trust.parse_certificate(one.certificate) for one in (made.signer, made.intermediate)
    )
    query = ocsp.ocsp_request(child, issuer, nonce=b"n" * 16)
    (tmp_path / "q.der").write_bytes(query)
    shown = subprocess.run(
        ["openssl", "ocsp", "-reqin", "q.der", "-req_text"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    assert f"{child.serial:X}" in shown
    assert "OCSP Nonce" in shown


def test_too_large_or_too_many_is_malformed():
    many = told(certificates=[helper().certificate] * 9)
    for data in (many, der.sequence(bytes(200_000)), wrapped(der.sequence(), pki().maker)):
        with pytest.raises(InvalidArgument) as caught:
            trust.parse_ocsp(data)
        assert caught.value.reason == "MALFORMED_OCSP"


@lru_cache
def sound():
    return response_of(helper())


@given(st.data())
def test_mutants_raise_nothing_else_and_never_count(data):
    changed = bytearray(sound())
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidArgument):
        trust.parse_ocsp(bytes(changed))
        found = judge(bytes(changed))
        assert found.revoked_at is None


def test_an_answer_without_a_next_update_answers_for_its_own_time():
    asked = trust.RevocationPolicy(required=True)
    old = told(this_update=NOON - 60 * DAY, next_update=None)
    assert judge(old, policy=asked).status == "REVOCATION_UNKNOWN"
    assert judge(told(this_update=NOON + DAY, next_update=None), policy=asked).is_trusted


def test_an_answer_from_the_future_covers_nothing():
    made, ahead = pki(), told(this_update=NOON + 900 * DAY, next_update=NOON + 999 * DAY)
    store = replace(made.store(crls=[root_list(made)]), ocsp=(ahead,))
    for now, known in ((NOON + DAY, False), (NOON + 901 * DAY, True)):
        found = trust.assess_chain(
            made.signer.certificate, at=NOON, store=store, purpose=trust.Purpose.SIGNER, now=now
        )
        assert (found.revocation_known, found.is_data_ahead) == (known, not known)
