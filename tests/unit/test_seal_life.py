"""The life of a seal, step by step: every allowed one, and every other refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from runtime.errors import Aborted, FailedPrecondition
from seal.life import (
    STEPS,
    EventKind,
    ask_change,
    awaited,
    check_etag,
    check_replaced,
    check_second_person,
    decide_change,
    etag_of,
    revoke,
    step,
)
from seal.registry import Authorization, HeldSeal, SealState

NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
ONE = "departments/a/systems/one"
TWO = "departments/a/systems/two"
SEAL = HeldSeal(
    name="departments/a/seals/b",
    department="departments/a",
    display_name="示范县审批局",
    credit_code="",
    es_id="1",
    state=SealState.ACTIVE,
    start_time=NOW,
    end_time=NOW + timedelta(days=10),
    seal_data=b"",
    image=b"",
    width_mm=42.0,
    height_mm=42.0,
    certificate=b"",
    pdf_certificate=b"",
    requested_by=ONE,
)
WANTED = Authorization(document_kinds=("letter",))
REQUESTED, REJECTED, ACTIVE, FROZEN, REVOKED = SealState
#: Written out once more, so that a slip in the rules is seen.
ALLOWED = {
    (REJECTED, "requested"): REQUESTED,
    (REQUESTED, "approved"): ACTIVE,
    (REQUESTED, "rejected"): REJECTED,
    (ACTIVE, "frozen"): FROZEN,
    (FROZEN, "unfrozen"): ACTIVE,
    (ACTIVE, "revoked"): REVOKED,
    (FROZEN, "revoked"): REVOKED,
    (ACTIVE, "replaced"): REVOKED,
    (FROZEN, "replaced"): REVOKED,
    (ACTIVE, "change_requested"): ACTIVE,
    (FROZEN, "change_requested"): FROZEN,
    (ACTIVE, "change_approved"): ACTIVE,
    (FROZEN, "change_approved"): FROZEN,
    (ACTIVE, "change_rejected"): ACTIVE,
    (FROZEN, "change_rejected"): FROZEN,
}


def at(state: SealState) -> HeldSeal:
    return replace(SEAL, state=state)


@pytest.mark.parametrize(("state", "kind"), list(product(SealState, EventKind)))
def test_every_step_from_every_state(state: SealState, kind: EventKind) -> None:
    after = ALLOWED.get((state, kind.value))
    if after is not None:
        assert step(at(state), kind).state is after
        return
    with pytest.raises(FailedPrecondition) as caught:
        step(at(state), kind)
    assert (caught.value.reason, caught.value.metadata) == ("SEAL_STATE", {"state": state.value})
    assert caught.value.message_zh != caught.value.message


def test_every_event_is_a_step() -> None:
    assert set(STEPS) == set(EventKind)


@pytest.mark.parametrize("state", [REJECTED, ACTIVE, FROZEN, REVOKED])
def test_there_is_nothing_to_approve_where_nothing_was_asked(state: SealState) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        awaited(at(state))
    assert caught.value.reason == "NOTHING_TO_APPROVE"


def test_a_wish_waits_for_approval_and_so_does_a_change() -> None:
    assert awaited(at(REQUESTED)) is EventKind.APPROVED
    assert awaited(replace(SEAL, pending=WANTED)) is EventKind.CHANGE_APPROVED


@pytest.mark.parametrize(
    ("seal", "kind", "actor", "allowed"),
    [
        (at(REQUESTED), EventKind.APPROVED, ONE, False),
        (at(REQUESTED), EventKind.APPROVED, TWO, True),
        (replace(SEAL, pending=WANTED, pending_by=TWO), EventKind.CHANGE_APPROVED, TWO, False),
        # Who asked for the seal may approve what somebody else asks of it.
        (replace(SEAL, pending=WANTED, pending_by=TWO), EventKind.CHANGE_APPROVED, ONE, True),
    ],
)
def test_whoever_asked_does_not_approve(
    seal: HeldSeal, kind: EventKind, actor: str, allowed: bool
) -> None:
    if allowed:
        check_second_person(seal, kind, actor=actor)
        return
    with pytest.raises(FailedPrecondition) as caught:
        check_second_person(seal, kind, actor=actor)
    assert caught.value.reason == "SECOND_PERSON_NEEDED"
    assert "another administrator" in caught.value.message


def test_a_change_waits_alone_and_then_takes_effect_or_not() -> None:
    asked = ask_change(SEAL, WANTED, actor=TWO)
    assert (asked.authorization, asked.pending, asked.pending_by) == (Authorization(), WANTED, TWO)
    with pytest.raises(FailedPrecondition) as caught:
        ask_change(asked, Authorization(), actor=ONE)
    assert caught.value.reason == "CHANGE_PENDING"
    approved = decide_change(asked, EventKind.CHANGE_APPROVED)
    assert (approved.authorization, approved.pending, approved.pending_by) == (WANTED, None, "")
    assert decide_change(asked, EventKind.CHANGE_REJECTED) == SEAL


def test_a_change_to_anything_takes_effect_too() -> None:
    narrow = replace(SEAL, authorization=WANTED)
    asked = ask_change(narrow, Authorization(), actor=TWO)
    assert decide_change(asked, EventKind.CHANGE_APPROVED).authorization == Authorization()


def test_a_pending_change_ends_with_the_seal() -> None:
    ended = revoke(
        replace(SEAL, pending=WANTED, pending_by=TWO),
        EventKind.REPLACED,
        at=NOW,
        replaced_by="departments/a/seals/c",
    )
    assert (ended.state, ended.revoked_at, ended.replaced_by, ended.pending, ended.pending_by) == (
        REVOKED, NOW, "departments/a/seals/c", None, "",
    )  # fmt: skip


def test_an_etag_of_another_state_is_refused() -> None:
    check_etag(SEAL, "")
    check_etag(SEAL, etag_of(SEAL))
    with pytest.raises(Aborted) as caught:
        check_etag(replace(SEAL, revision=2), etag_of(SEAL))
    assert caught.value.reason == "ETAG_MISMATCH"


@pytest.mark.parametrize(
    ("seal", "replaceable"),
    [
        (SEAL, True),
        (at(FROZEN), True),
        (at(REVOKED), False),
        (at(REQUESTED), False),
        (at(REJECTED), False),
        (replace(SEAL, department="departments/b"), False),
        (None, False),
    ],
)
def test_what_a_seal_may_replace(seal: HeldSeal | None, replaceable: bool) -> None:
    if replaceable:
        assert check_replaced(seal, department="departments/a") is seal
        return
    with pytest.raises(FailedPrecondition) as caught:
        check_replaced(seal, department="departments/a")
    assert caught.value.reason == "NOT_REPLACEABLE"
