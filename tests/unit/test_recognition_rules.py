"""Recognising an authority: which terms are taken, which steps may follow which."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument
from runtime.idcodes import citizen_check_character
from seal.pki.certificates import parse_certificate
from seal.recognition.model import (
    STEPS,
    Authority,
    AuthorityState,
    EventKind,
    Terms,
    awaited,
    reject,
    step,
    withdraw,
)
from seal.recognition.terms import anchor, check_terms, check_unclaimed
from seal.suites import P256, SM2
from seal.trust import EVERY_PURPOSE, Purpose
from tests.builders.authorities import CREDIT_CODE
from tests.builders.seal_pki import BEGIN, END, NOON, issue, pki

_PERSON = "99010119900101001"
CITIZEN = _PERSON + citizen_check_character(_PERSON)
DAY = timedelta(days=1)


def sound(**changes: Any) -> Terms:
    made = pki()
    values: dict[str, Any] = {
        "display_name": "示范市",
        "credit_code": CREDIT_CODE,
        "anchors": (anchor(made.root.certificate),),
        "intermediates": (made.intermediate.certificate,),
        "legal_basis": "互认协议",
        **changes,
    }
    return Terms(**values)


def an_authority(state: AuthorityState = AuthorityState.RECOGNISED, **changes: Any) -> Authority:
    values: dict[str, Any] = {
        "name": "authorities/a", "state": state, "terms": sound(), "proposed_by": "one",
        "create_time": NOON, **changes,
    }  # fmt: skip
    return Authority(**values)


# --- terms ---------------------------------------------------------------------------------------


def test_sound_terms_are_taken_and_what_is_left_out_is_everything() -> None:
    terms = check_terms(sound())
    (one,) = terms.anchors
    assert (one.begin, one.end, one.purposes, one.suites) == (
        BEGIN,
        END,
        EVERY_PURPOSE,
        frozenset(),
    )
    check_terms(sound(credit_code="", foreign_id="EU:VATDE-123456789"))
    check_terms(sound(list_urls=("http://pki.example.gov.cn/root.crl", "https://a:8443/x?y=z")))
    check_terms(sound(grace=timedelta(days=30)))


MADE = pki()
BROKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "no name": ("display_name", {"display_name": ""}),
    "a name of two lines": ("display_name", {"display_name": "示范\n市"}),
    "a person's number in the name": ("display_name", {"display_name": f"示范{CITIZEN}"}),
    "no reason": ("legal_basis", {"legal_basis": "  "}),
    "a person's number in the reason": ("legal_basis", {"legal_basis": f"见 {CITIZEN}"}),
    "a long reason": ("legal_basis", {"legal_basis": "依" * 501}),
    "a wrong credit code": ("credit_code", {"credit_code": CREDIT_CODE[:-1] + "A"}),
    "neither code nor id": ("credit_code", {"credit_code": ""}),
    "both": ("credit_code", {"foreign_id": "EU:1"}),
    "an id that is a person's": ("foreign_id", {"credit_code": "", "foreign_id": CITIZEN}),
    "an id with a space": ("foreign_id", {"credit_code": "", "foreign_id": "EU 1"}),
    "no anchor": ("anchors", {"anchors": ()}),
    "a crowd of anchors": ("anchors", {"anchors": (anchor(MADE.root.certificate),) * 17}),
    "a crowd of intermediates": (
        "intermediates", {"intermediates": (MADE.intermediate.certificate,) * 33},
    ),
    "the same anchor twice": ("anchors", {"anchors": (anchor(MADE.root.certificate),) * 2}),
    "a signer as anchor": (
        "anchors",
        {"anchors": (anchor(MADE.signer.certificate),), "intermediates": ()},
    ),
    "a CA that may not issue": (
        "anchors",
        {
            "anchors": (
                anchor(issue("x", None, is_ca=True, key_usage=["crl_sign"]).certificate),
            ),
            "intermediates": (),
        },
    ),
    "a window before the certificate": (
        "anchors", {"anchors": (anchor(MADE.root.certificate, begin=BEGIN - DAY),)},
    ),
    "a window after the certificate": (
        "anchors", {"anchors": (anchor(MADE.root.certificate, end=END + DAY),)},
    ),
    "an empty window": (
        "anchors", {"anchors": (anchor(MADE.root.certificate, begin=NOON, end=NOON),)},
    ),
    "an unknown suite": (
        "anchors", {"anchors": (anchor(MADE.root.certificate, allowed=["md5"]),)},
    ),
    "makers that are no digests": (
        "anchors", {"anchors": (anchor(MADE.root.certificate, makers=["AB" * 32]),)},
    ),
    "a crowd of makers": (
        "anchors",
        {"anchors": (anchor(MADE.root.certificate, makers=[f"{n:064x}" for n in range(65)]),)},
    ),
    "without its own suite": (
        "anchors", {"anchors": (anchor(MADE.root.certificate, allowed=[P256]),)},
    ),
    "an intermediate of nobody": (
        "intermediates", {"intermediates": (pki(P256).intermediate.certificate,)},
    ),
    "a signer as intermediate": (
        "intermediates",
        {"intermediates": (MADE.intermediate.certificate, MADE.signer.certificate)},
    ),
    "grace without end": ("grace", {"grace": timedelta(days=31)}),
    "grace of less than nothing": ("grace", {"grace": timedelta(seconds=-1)}),
    "a file as address": ("list_urls", {"list_urls": ("file:///etc/passwd",)}),
    "an address with a user": ("list_urls", {"list_urls": ("http://a:b@c/d",)}),
    "an address without a host": ("list_urls", {"list_urls": ("http:///d",)}),
    "a crowd of addresses": ("list_urls", {"list_urls": ("http://a/b",) * 9}),
    "a long address": ("list_urls", {"list_urls": ("http://a/" + "b" * 300,)}),
    "a port that is none": ("list_urls", {"list_urls": ("http://a:99999/",)}),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_terms_that_are_not_taken(what: str) -> None:
    field, changes = BROKEN[what]
    with pytest.raises(InvalidArgument) as caught:
        check_terms(sound(**changes))
    error = caught.value
    assert error.reason == "BAD_AUTHORITY_TERMS"
    assert [one.field.partition(" ")[0] for one in error.violations] == [field]
    assert error.message_zh[0] >= "\u4e00", "in Chinese too"
    assert CITIZEN not in error.message + error.message_zh


def test_a_certificate_that_did_not_sign_itself_is_no_root() -> None:
    """Its name says that it is self-signed, and another key signed it."""
    impostor = issue("示范根", MADE.root, is_ca=True)
    assert parse_certificate(impostor.certificate).subject == (
        parse_certificate(MADE.root.certificate).subject
    )
    with pytest.raises(InvalidArgument, match="signed itself"):
        check_terms(sound(anchors=(anchor(impostor.certificate),), intermediates=()))


def test_an_intermediate_may_be_an_anchor_by_itself() -> None:
    check_terms(sound(anchors=(anchor(MADE.intermediate.certificate),), intermediates=()))


def test_one_anchor_may_have_two_windows_apart() -> None:
    one = anchor(MADE.root.certificate, end=NOON)
    check_terms(sound(anchors=(one, anchor(MADE.root.certificate, begin=NOON + DAY))))
    with pytest.raises(InvalidArgument, match="twice"):
        check_terms(sound(anchors=(one, anchor(MADE.root.certificate, begin=NOON))))


def test_a_chain_of_intermediates_comes_in_any_order() -> None:
    second = issue("第二级", MADE.intermediate, is_ca=True)
    chain = (second.certificate, MADE.intermediate.certificate)
    check_terms(sound(intermediates=chain))
    with pytest.raises(InvalidArgument, match="no anchor or other intermediate"):
        check_terms(sound(intermediates=chain[:1]))


def test_nobodys_certificate_is_anothers_anchor() -> None:
    other = an_authority()
    with pytest.raises(AlreadyExists, match="authorities/a"):
        check_unclaimed(sound(), others=[other], own=[])
    waiting = an_authority(
        terms=sound(anchors=(anchor(pki(P256).root.certificate),), intermediates=()),
        pending=sound(),
    )
    with pytest.raises(AlreadyExists):
        check_unclaimed(sound(), others=[waiting], own=[])
    with pytest.raises(AlreadyExists, match="own"):
        check_unclaimed(sound(), others=[], own=[MADE.intermediate.certificate])
    check_unclaimed(sound(), others=[replace(waiting, pending=None)], own=[b"other"])


# --- steps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EventKind)
@pytest.mark.parametrize("state", AuthorityState)
def test_every_step_from_every_state(state: AuthorityState, kind: EventKind) -> None:
    before, after = STEPS[kind]
    if state in before:
        assert step(an_authority(state), kind).state == (after or state)
        return
    with pytest.raises(FailedPrecondition) as caught:
        step(an_authority(state), kind)
    assert caught.value.reason == "AUTHORITY_STATE"
    assert caught.value.metadata == {"state": state.value}
    assert caught.value.message_zh.startswith("该机构")


def test_nothing_waits_where_nothing_was_asked() -> None:
    for state in (AuthorityState.RECOGNISED, AuthorityState.WITHDRAWN, AuthorityState.REJECTED):
        with pytest.raises(FailedPrecondition, match="nothing waits"):
            awaited(an_authority(state))


def test_a_withdrawal_drops_the_change_that_waited_and_moves_only_back() -> None:
    held = an_authority(pending=sound(), pending_by="two")
    ended = withdraw(held, at=NOON)
    assert (ended.state, ended.withdraw_time) == (AuthorityState.WITHDRAWN, NOON)
    assert (ended.pending, ended.pending_by) == (None, "")
    assert withdraw(ended, at=NOON - DAY).withdraw_time == NOON - DAY
    for later in (NOON, NOON + DAY):
        with pytest.raises(FailedPrecondition, match="only moved to an earlier time"):
            withdraw(ended, at=later)


def test_a_rejection_leaves_what_is_in_force() -> None:
    kind, after = reject(an_authority(pending=sound(display_name="另一市"), pending_by="x"))
    assert (kind, after) == (EventKind.CHANGE_REJECTED, an_authority())
    kind, after = reject(an_authority(AuthorityState.PROPOSED))
    assert (kind, after.state) == (EventKind.REJECTED, AuthorityState.REJECTED)


def test_the_windows_of_a_verifier_end_with_the_withdrawal() -> None:
    terms = sound(
        anchors=(
            anchor(MADE.root.certificate, end=NOON - DAY, purposes=[Purpose.SIGNER]),
            anchor(MADE.intermediate.certificate, allowed=[SM2]),
        ),
        intermediates=(),
        grace=timedelta(hours=1),
        revocation_required=True,
    )
    held = an_authority(terms=terms)
    assert [one.valid_to for one in held.trust_anchors()] == [NOON - DAY, END]
    first, second = withdraw(held, at=NOON).trust_anchors()
    assert (first.valid_to, second.valid_to) == (NOON - DAY, NOON)
    assert (first.purposes, second.suites) == ({Purpose.SIGNER}, {SM2})
    assert first.source == second.source == "recognised: 示范市 (authorities/a)"
    assert second.policy is not None
    assert (second.policy.required, second.policy.grace) == (True, timedelta(hours=1))
    assert second.is_in_force(NOON)
    assert not second.is_in_force(NOON + timedelta(seconds=1))
    assert datetime(2026, 1, 1, tzinfo=UTC) == second.valid_from
