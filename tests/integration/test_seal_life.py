"""The life of a seal in a running service: two persons, crashes, races, and what each step does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from runtime.errors import (
    Aborted,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from runtime.idcodes import citizen_check_character
from runtime.identity import Principal, Role
from seal.sealing import Sealing
from seal.v1 import seal_pb2 as pb
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf
from tests.builders.seal_life import NEXT, approval, ask, change, events, indication, keys, shown
from tests.builders.seal_node import (
    ADMINISTRATOR,
    DEPARTMENT,
    NODE,
    NOW,
    OFFICE,
    OTHER,
    SEAL,
    SECOND,
    STRANGER,
    SealNode,
    create_request,
    principal,
    seal_request,
    start,
)

AUDITOR = principal(Role.AUDITOR, department=OTHER)


class Crash(BaseException):
    """The process ends here: nothing catches it."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a hierarchy and one seal: making keys takes a second."""
    folder = tmp_path_factory.mktemp("template")
    node = start(folder)
    node.make_seal()
    node.server.database.close()
    return folder


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "data"))


@pytest.fixture
def node(data: Path) -> Iterator[SealNode]:
    found = start(data)
    yield found
    found.server.database.close()


# --- at once, and after crashes ------------------------------------------------------------------


def outcomes(calls: list[Any]) -> list[str]:
    """What each of several calls at once came to: `done` or the reason it was refused for."""

    def run(call: Any) -> str:
        try:
            call()
        except DomainError as error:
            return error.reason
        return "done"

    with ThreadPoolExecutor(len(calls)) as threads:
        return sorted(threads.map(run, calls))


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request: pytest.FixtureRequest, data: Path, tmp_path: Path) -> Iterator[SealNode]:
    """A service with one seal on each database."""
    if request.param == "sqlite":
        found = start(data)
    else:
        found = start(tmp_path / "pg", database=request.getfixturevalue("postgres_url"))
        found.make_seal()
    yield found
    found.server.database.close()


def test_one_wish_sent_many_times_at_once_is_one(anywhere: SealNode) -> None:
    request = create_request(seal_id="next")
    with ThreadPoolExecutor(3) as threads:
        done = list(
            threads.map(lambda _: anywhere.call("CreateSeal", request, ADMINISTRATOR), range(3))
        )
    assert done[0] == done[1] == done[2]
    assert events(anywhere, NEXT) == ["requested"]


def test_of_several_wishes_of_one_name_at_once_one_is_kept(anywhere: SealNode) -> None:
    found = outcomes([lambda: ask(anywhere)] * 3)
    assert found[2] == "done"
    assert set(found[:2]) <= {"SEAL_EXISTS", "CONCURRENT_CHANGE"}


def test_two_approvals_at_once_make_one_seal(anywhere: SealNode) -> None:
    ask(anywhere)
    third = principal(Role.ADMINISTRATOR)
    found = outcomes(
        [lambda who=who: anywhere.call("ApproveSeal", approval(), who) for who in (SECOND, third)]
    )
    assert found[1] == "done"
    assert found[0] in ("NOTHING_TO_APPROVE", "CONCURRENT_CHANGE")
    assert events(anywhere, NEXT) == ["approved", "requested"]
    done = anywhere.call("SealDocument", seal_request(plain_ofd(), seal=NEXT))
    assert indication(anywhere, done.document) == "PASSED"


def test_one_approval_sent_many_times_at_once_is_one(anywhere: SealNode) -> None:
    ask(anywhere)
    request = approval()
    with ThreadPoolExecutor(3) as threads:
        done = list(threads.map(lambda _: anywhere.call("ApproveSeal", request, SECOND), range(3)))
    assert done[0] == done[1] == done[2]
    assert len(anywhere.leaves("seal_approved")) == 2


def test_of_approving_and_turning_down_at_once_one_comes_first(anywhere: SealNode) -> None:
    ask(anywhere)
    found = outcomes([lambda: anywhere.approve(NEXT), lambda: anywhere.act("Reject", NEXT, SECOND)])
    assert found[1] == "done"
    assert found[0] in ("NOTHING_TO_APPROVE", "CONCURRENT_CHANGE")
    assert events(anywhere, NEXT)[1:] == ["requested"]


def test_a_seal_turned_down_while_it_is_made_is_not_made(
    node: SealNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(node)

    draft = node.server.making.draft

    def interrupted(*arguments: Any, **more: Any) -> Any:
        made = draft(*arguments, **more)
        node.act("Reject", NEXT, SECOND)
        ask(node, bottom_line="财务专用章")
        return made

    with monkeypatch.context() as patch:
        patch.setattr(node.server.making, "draft", interrupted)
        with pytest.raises(Aborted) as caught:
            node.approve(NEXT)
    assert caught.value.reason == "CONCURRENT_CHANGE"
    assert shown(node, NEXT).state == pb.SEAL_STATE_REQUESTED


@pytest.mark.parametrize("step", ["issue_signer", "approve"])
def test_a_crash_between_keys_and_row_is_finished_by_a_retry(
    node: SealNode, data: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(node)
    request = approval()
    whole = node.server.custody if step == "issue_signer" else node.server.making

    def crash(*_: object, **__: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(whole, step, crash)
        with pytest.raises(Crash):
            node.call("ApproveSeal", request, SECOND)
    made_keys = keys(data)
    assert len(made_keys) == 2
    assert shown(node, NEXT).state == pb.SEAL_STATE_REQUESTED
    node.server.database.close()

    again = start(data)
    made = again.call("ApproveSeal", request, SECOND).seal
    assert keys(data) == made_keys
    assert again.call("ApproveSeal", request, SECOND).seal == made
    done = again.call("SealDocument", seal_request(plain_ofd(), seal=NEXT))
    assert indication(again, done.document) == "PASSED"
    again.server.database.close()


# --- freezing and revoking -----------------------------------------------------------------------


@pytest.mark.parametrize("document", [plain_ofd(), plain_pdf()], ids=["ofd", "pdf"])
def test_a_frozen_seal_seals_nothing_and_what_it_sealed_stays_good(
    node: SealNode, document: bytes
) -> None:
    before = node.call("SealDocument", seal_request(document)).document
    lists = node.call("GetTrustMaterial", pb.GetTrustMaterialRequest()).revocation_lists
    assert node.act("Freeze").state == pb.SEAL_STATE_FROZEN
    with pytest.raises(FailedPrecondition) as caught:
        node.call("SealDocument", seal_request(document))
    assert (caught.value.reason, caught.value.metadata) == ("SEAL_NOT_IN_FORCE", {"why": "frozen"})
    assert "thawed" in caught.value.message
    assert indication(node, before) == "PASSED"
    assert node.call("GetTrustMaterial", pb.GetTrustMaterialRequest()).revocation_lists == lists

    assert node.act("Unfreeze").state == pb.SEAL_STATE_ACTIVE
    after = node.call("SealDocument", seal_request(document)).document
    assert (indication(node, before), indication(node, after)) == ("PASSED", "PASSED")


@pytest.mark.parametrize("act", ["Freeze", "Revoke"])
def test_what_ends_a_use_ends_the_one_that_is_being_prepared(
    node: SealNode, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Sealing._note_prepared

    def late(self: Sealing, *arguments: Any) -> Any:
        node.act(act)
        return original(self, *arguments)

    monkeypatch.setattr(Sealing, "_note_prepared", late)
    with pytest.raises(FailedPrecondition) as caught:
        node.call("SealDocument", seal_request(plain_ofd()))
    assert caught.value.reason == "SEAL_NOT_IN_FORCE"
    assert node.leaves("document_sealed") == []


def test_a_frozen_seal_is_revoked_too(node: SealNode) -> None:
    node.act("Freeze")
    lists = node.call("GetTrustMaterial", pb.GetTrustMaterialRequest()).revocation_lists
    revoked = node.act("Revoke")
    assert revoked.revoke_time.ToDatetime(NOW.tzinfo) == NOW
    after = node.call("GetTrustMaterial", pb.GetTrustMaterialRequest()).revocation_lists
    assert set(after).isdisjoint(lists)
    for act in ("Revoke", "Freeze", "Unfreeze", "Reject"):
        with pytest.raises(FailedPrecondition):
            node.act(act)
    with pytest.raises(FailedPrecondition):
        node.call("UpdateSealAuthorization", change(), ADMINISTRATOR)


@pytest.mark.parametrize("act", ["Freeze", "Unfreeze", "Revoke", "Reject"])
def test_a_reason_is_needed_and_holds_no_citizen_number(node: SealNode, act: str) -> None:
    body = "99010119900101001"
    number = body + citizen_check_character(body)
    for reason in ("", "字" * 201, f"为{number}核查"):
        message = getattr(pb, f"{act}SealRequest")(name=SEAL, reason=reason, request_id="r")
        with pytest.raises(InvalidArgument) as caught:
            node.call(f"{act}Seal", message, ADMINISTRATOR)
        assert caught.value.reason == "BAD_REASON"
        assert number not in caught.value.message
    assert shown(node).state == pb.SEAL_STATE_ACTIVE


@pytest.mark.parametrize("act", ["Freeze", "Unfreeze", "Revoke", "Reject"])
def test_an_absent_seal_is_not_found(node: SealNode, act: str) -> None:
    with pytest.raises(NotFound):
        node.act(act, f"{OFFICE}/seals/none")


# --- authorization -------------------------------------------------------------------------------


def test_a_change_of_authorization_takes_two_and_effect_at_once(node: SealNode) -> None:
    asked = node.call("UpdateSealAuthorization", change(document_kinds=["letter"]), ADMINISTRATOR)
    assert list(asked.seal.pending_authorization.document_kinds) == ["letter"]
    assert list(asked.seal.authorization.document_kinds) == []
    node.call("SealDocument", seal_request(plain_ofd()))  # not in effect yet
    with pytest.raises(FailedPrecondition) as caught:
        node.call("ApproveSeal", approval(SEAL), ADMINISTRATOR)
    assert caught.value.reason == "SECOND_PERSON_NEEDED"
    with pytest.raises(FailedPrecondition) as caught:
        node.call("UpdateSealAuthorization", change(), SECOND)
    assert caught.value.reason == "CHANGE_PENDING"

    approved = node.approve(SEAL)
    assert list(approved.authorization.document_kinds) == ["letter"]
    assert not approved.HasField("pending_authorization")
    with pytest.raises(FailedPrecondition) as denied:
        node.call("SealDocument", seal_request(plain_ofd()))
    assert denied.value.reason == "SEAL_KIND_NOT_AUTHORIZED"
    node.call("SealDocument", seal_request(plain_ofd(), kind="letter"))
    assert events(node)[:2] == ["change_approved", "change_requested"]
    assert node.leaves("seal_change_approved")[0]["document_kinds"] == ["letter"]


def test_a_change_turned_down_changes_nothing(node: SealNode) -> None:
    node.call("UpdateSealAuthorization", change(document_kinds=["letter"]), ADMINISTRATOR)
    kept = node.act("Reject", SEAL, SECOND)
    assert (kept.state, list(kept.authorization.document_kinds)) == (pb.SEAL_STATE_ACTIVE, [])
    node.call("SealDocument", seal_request(plain_ofd()))
    assert events(node)[:2] == ["change_rejected", "change_requested"]


def test_only_named_users_seal_until_their_time_ends(node: SealNode) -> None:
    wanted = change(users=[f"{OFFICE}/systems/back"])
    wanted.authorization.expire_time.FromDatetime(NOW + timedelta(days=1))
    node.call("UpdateSealAuthorization", wanted, ADMINISTRATOR)
    node.approve(SEAL)
    with pytest.raises(NotFound):
        node.call("SealDocument", seal_request(plain_ofd()))
    back = Principal(
        system=f"{OFFICE}/systems/back",
        department=OFFICE,
        roles=frozenset({Role.DEPARTMENT}),
        serial=1,
    )
    node.call("SealDocument", seal_request(plain_ofd()), back)
    node.call("SealDocument", seal_request(plain_ofd()), NODE)
    node.clock.advance(timedelta(days=2))
    for caller in (back, NODE):
        with pytest.raises(FailedPrecondition) as caught:
            node.call("SealDocument", seal_request(plain_ofd()), caller)
        assert caught.value.metadata == {"why": "authorization_ended"}


# --- replacing -----------------------------------------------------------------------------------


def test_a_replacement_ends_the_old_seal_and_keeps_its_history(anywhere: SealNode) -> None:
    node = anywhere
    before = node.call("SealDocument", seal_request(plain_ofd())).document
    node.clock.advance(timedelta(days=1))
    ask(node, replaces=SEAL)
    assert shown(node).state == pb.SEAL_STATE_ACTIVE
    new = node.approve(NEXT)
    old = shown(node)
    assert (new.state, new.replaces) == (pb.SEAL_STATE_ACTIVE, SEAL)
    assert (old.state, old.replaced_by) == (pb.SEAL_STATE_REVOKED, NEXT)
    assert events(node) == ["replaced", "approved", "requested"]
    assert events(node, NEXT) == ["approved", "requested"]
    (leaf,) = node.leaves("seal_replaced")
    assert (leaf["seal"], leaf["replaced_by"]) == (SEAL, NEXT)
    with pytest.raises(FailedPrecondition) as caught:
        node.call("SealDocument", seal_request(plain_ofd()))
    assert caught.value.metadata == {"why": "revoked"}
    after = node.call("SealDocument", seal_request(plain_ofd(), seal=NEXT)).document
    assert (indication(node, before), indication(node, after)) == ("PASSED", "PASSED")


def test_a_seal_revoked_meanwhile_is_not_replaced(node: SealNode, data: Path) -> None:
    ask(node, replaces=SEAL)
    node.act("Revoke")
    with pytest.raises(FailedPrecondition) as caught:
        node.approve(NEXT)
    assert caught.value.reason == "NOT_REPLACEABLE"
    assert shown(node, NEXT).state == pb.SEAL_STATE_REQUESTED
    assert shown(node).replaced_by == ""
    node.act("Reject", NEXT, SECOND)
    ask(node)
    assert node.approve(NEXT).state == pb.SEAL_STATE_ACTIVE


def test_two_replacements_of_one_seal_at_once_are_one(anywhere: SealNode) -> None:
    for name in ("next", "third"):
        ask(anywhere, seal_id=name, replaces=SEAL)
    found = outcomes(
        [lambda name=name: anywhere.approve(f"{OFFICE}/seals/{name}") for name in ("next", "third")]
    )
    assert found[1] == "done"
    assert found[0] in ("NOT_REPLACEABLE", "CONCURRENT_CHANGE")
    assert events(anywhere)[0] == "replaced"


# --- who sees what -------------------------------------------------------------------------------


def test_wishes_and_histories_are_for_whom_they_concern(node: SealNode) -> None:
    ask(node)
    counter = principal(Role.COUNTER)
    for caller in (ADMINISTRATOR, AUDITOR, DEPARTMENT, NODE):
        assert shown(node, NEXT, caller).state == pb.SEAL_STATE_REQUESTED
        assert shown(node, SEAL, caller).HasField("authorization")
        listed = node.call("ListSeals", pb.ListSealsRequest(parent="departments/-"), caller).seals
        assert [one.name for one in listed] == [SEAL, NEXT]
    for caller in (STRANGER, counter):
        with pytest.raises(NotFound):
            shown(node, NEXT, caller)
        assert not shown(node, SEAL, caller).HasField("authorization")
        listed = node.call("ListSeals", pb.ListSealsRequest(parent="departments/-"), caller).seals
        assert [one.name for one in listed] == [SEAL]
    for caller in (ADMINISTRATOR, AUDITOR, DEPARTMENT):
        assert events(node, SEAL, caller) == ["approved", "requested"]
    refusals = []
    for name in (SEAL, f"{OFFICE}/seals/none"):
        with pytest.raises(NotFound) as caught:
            events(node, name, STRANGER)
        refusals.append((caught.value.reason, caught.value.message))
    assert refusals[0] == refusals[1]


def test_histories_are_read_in_pages(node: SealNode) -> None:
    for _ in range(3):
        node.act("Freeze")
        node.act("Unfreeze")
    whole = events(node)
    assert len(whole) == 8
    request = pb.ListSealEventsRequest(parent=SEAL, page_size=3)
    found = []
    while True:
        answer = node.call("ListSealEvents", request, AUDITOR)
        found += [one.kind for one in answer.events]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert found == whole
    for token in ("YWJj", "LTE"):
        request.page_token = token
        with pytest.raises(InvalidArgument) as caught:
            node.call("ListSealEvents", request, AUDITOR)
        assert caught.value.reason == "BAD_PAGE_TOKEN"


def test_seals_are_listed_by_department_and_page(node: SealNode) -> None:
    node.make_seal(parent=OTHER, seal_id="a", credit_code="11990101000000035K")
    everyone = pb.ListSealsRequest(parent="departments/-", page_size=1)
    first = node.call("ListSeals", everyone)
    everyone.page_token = first.next_page_token
    second = node.call("ListSeals", everyone)
    assert [s.name for s in [*first.seals, *second.seals]] == [SEAL, f"{OTHER}/seals/a"]
    assert second.next_page_token == ""
    assert first.seals[0].image == first.seals[0].seal_data == b""
    assert first.seals[0].certificate
    own = node.call("ListSeals", pb.ListSealsRequest(parent=OTHER))
    assert [s.name for s in own.seals] == [f"{OTHER}/seals/a"]
    with pytest.raises(NotFound):
        shown(node, f"{OTHER}/seals/none")


def test_seals_that_end_soon_are_listed_and_ended_ones_until_somebody_ends_them(
    node: SealNode,
) -> None:
    node.make_seal(parent=OTHER, seal_id="a", credit_code="11990101000000035K")
    node.call("CreateSeal", create_request(seal_id="wish"), ADMINISTRATOR)
    asked = pb.ListSealsRequest(parent="departments/-", ends_within_days=60)

    def told(days_left: int) -> list[str]:
        node.clock.set(shown(node).end_time.ToDatetime(UTC) - timedelta(days=days_left))
        return [one.name for one in node.call("ListSeals", asked, ADMINISTRATOR).seals]

    both = [SEAL, f"{OTHER}/seals/a"]
    assert (told(61), told(60)) == ([], both)
    node.act("Freeze")
    assert told(-1) == both
    node.act("Revoke")
    assert told(-1) == both[1:]
    for wrong in (-1, 3651):
        asked.ends_within_days = wrong
        with pytest.raises(InvalidArgument):
            told(1)


def test_who_can_act_is_told_a_year_before_of_certificates_above_the_seals(tmp_path: Path) -> None:
    node = start(tmp_path)
    asked = pb.ListSealsRequest(parent="departments/-")

    def told(days: int, caller: Principal = ADMINISTRATOR) -> list[str]:
        node.clock.set(NOW + timedelta(days=days))
        return [one.key for one in node.call("ListSeals", asked, caller).ending_certificates]

    ten, twenty = 10 * 365, 20 * 365
    assert [told(days) for days in (0, ten - 366, ten - 365)] == [[], [], ["maker"]]
    assert told(ten, DEPARTMENT) == []
    assert set(told(twenty - 365)) == {"maker", "root-sm2", "root-p256"}
    with structlog.testing.capture_logs() as logs:
        start(tmp_path, at=NOW + timedelta(days=ten - 30))
    (said,) = [one for one in logs if one["event"] == "seal_maker_ends"]
    assert (said["days"], said["log_level"]) == (30, "warning")
