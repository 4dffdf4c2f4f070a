"""Every act on a request for correction in every state, which versions are wrong, who sees what."""

from dataclasses import replace

import pytest

from exchange.corrections import model, rights
from exchange.corrections.model import (
    Correction,
    CorrectionState,
    Notice,
    Origin,
    Tracing,
)
from runtime.errors import DomainError, InvalidArgument
from runtime.identity import Role
from tests.builders.catalog import (
    ADMINISTRATOR,
    AUDITOR,
    CIVIL,
    HEALTH,
    HOUSING,
    NOON,
    caller,
)
from tests.builders.corrections import correction, version

S, R, A, J, W = CorrectionState
CLOSED, UNDER, NOT_UNDER = (
    "CORRECTION_CLOSED",
    "CORRECTION_UNDER_REVIEW",
    "CORRECTION_NOT_UNDER_REVIEW",
)
#: act: what comes of it in each state: the next state, or the reason of the refusal.
ACTS = {
    "review": {S: R, R: UNDER, A: CLOSED, J: CLOSED, W: CLOSED},
    "accept": {S: NOT_UNDER, R: A, A: CLOSED, J: CLOSED, W: CLOSED},
    "reject": {S: NOT_UNDER, R: J, A: CLOSED, J: CLOSED, W: CLOSED},
    "withdraw": {S: W, R: W, A: CLOSED, J: CLOSED, W: CLOSED},
}


VERSIONS = [version(3, {"name": "a"}), version(5, {"name": "b"})]


def act(what: str, held: Correction) -> Correction:
    match what:
        case "review":
            return model.review(held, at=NOON)
        case "accept":
            return model.accept(
                held,
                accepted_items=["name"],
                answer="",
                legal_basis="",
                versions=VERSIONS,
                batch=0,
                at=NOON,
            )
        case "reject":
            return model.reject(held, answer="核对无误", legal_basis="第一条", at=NOON)
        case _:
            return model.withdraw(held, at=NOON)


@pytest.mark.parametrize(
    ("what", "state", "comes"), [(w, s, c) for w, row in ACTS.items() for s, c in row.items()]
)
def test_each_act_in_each_state(what, state, comes):
    held = correction(state=state)
    if isinstance(comes, CorrectionState):
        assert act(what, held).state is comes
    else:
        with pytest.raises(DomainError) as refused:
            act(what, held)
        assert refused.value.reason == comes


def test_an_accepted_one_says_what_was_wrong_and_what_is_right():
    made = act("accept", correction(state=R))
    assert (made.wrong, made.corrected, made.accepted_items) == ((3,), 5, ("name",))
    assert made.tracing is Tracing.PENDING
    assert act("reject", correction(state=R)).tracing is Tracing.NONE


@pytest.mark.parametrize(
    ("texts", "doubted", "wrong", "corrected"),
    [
        # One letter a version, "-" withdrawn; offsets are their places from 1.
        ("ab", 1, (1,), 2),
        ("aab", 2, (1, 2), 3),
        ("baac", 2, (2, 3), 4),
        ("baac", 3, (2, 3), 4),
        ("abab", 1, (1,), 2),
        ("a-", 1, (1,), 2),
        ("-a", 1, (1,), 2),
        ("aa", 1, None, None),
        ("ba", 2, None, None),
        ("ab", 9, None, None),
        ("", 0, None, None),
        ("ab", 0, (), 1),
    ],
)
def test_wrong_are_the_versions_around_the_doubted_one_that_hold_the_same(
    texts, doubted, wrong, corrected
):
    versions = [
        version(n, None if letter == "-" else {"name": letter, "other": str(n)})
        for n, letter in enumerate(texts, 1)
    ]
    found = model.find(versions, doubted, ["name"])
    assert (found and found.wrong, found and found.corrected.offset) == (wrong, corrected)


def test_what_was_not_corrected_is_not_accepted():
    how = {"answer": "", "legal_basis": "", "at": NOON}
    held = correction(state=R)
    for accepted, batch in ((["birth_date"], 0), (["name"], 4)):
        with pytest.raises(DomainError) as refused:
            model.accept(held, accepted_items=accepted, versions=VERSIONS, batch=batch, **how)
        assert refused.value.reason == "NOT_CORRECTED"
    with pytest.raises(InvalidArgument):
        model.accept(held, accepted_items=["region"], versions=VERSIONS, batch=0, **how)
    with pytest.raises(InvalidArgument):
        model.reject(held, answer="核对无误", legal_basis=" ", at=NOON)


@pytest.mark.parametrize(
    ("items", "statement"),
    [
        ([], "x"),
        (["name", "name"], "x"),
        (["姓名"], "x"),
        (["name"], " "),
        (["name"], "x" * 1001),
        (["name"], "a\0b"),
        ([f"i{n}" for n in range(101)], "x"),
    ],
)
def test_what_is_asked_is_bounded(items, statement):
    with pytest.raises(InvalidArgument) as refused:
        model.check(items, statement)
    assert refused.value.reason == "CORRECTION_INVALID"


def test_each_sees_what_is_theirs():
    held = correction(answer="核对无误")
    source = rights.shown_to(caller(CIVIL), held)
    assert (source.record_key, source.statement) == ("key", "姓名有误")
    assert (source.subscription, source.record_id) == ("", "")
    requester = rights.shown_to(caller(HOUSING), held)
    assert (requester.record_key, requester.record_id) == ("", "id")
    assert requester.answer == "核对无误"
    for who in (ADMINISTRATOR, AUDITOR):
        assert rights.may_see(who, held)
        seen = rights.shown_to(who, held)
        hidden = (seen.record_key, seen.statement, seen.answer, seen.grant_name, seen.record_id)
        assert hidden == ("",) * 5
    assert not rights.may_see(caller(HEALTH), held)
    citizens = replace(held, origin=Origin.CITIZEN)
    assert not rights.may_see(caller(HOUSING), citizens)
    assert rights.may_see(caller(HOUSING, Role.COUNTER), citizens)
    assert not rights.may_see(caller(CIVIL, Role.COUNTER), held)


def test_a_notice_is_acknowledged_once():
    notice = Notice(
        name=f"{HOUSING}/correctionNotices/one",
        correction=f"{HEALTH}/corrections/one",
        items=("name",),
        grant_name=f"{HOUSING}/grants/one",
        key_known=True,
        accesses=(1,),
        access_count=1,
        first_access_time=NOON,
        last_access_time=NOON,
        create_time=NOON,
    )
    done = model.acknowledge(notice, by="s", at=NOON)
    with pytest.raises(DomainError) as refused:
        model.acknowledge(done, by="s", at=NOON)
    assert refused.value.reason == "NOTICE_ACKNOWLEDGED"
