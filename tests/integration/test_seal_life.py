"""The life of a seal in a running service: two persons, crashes, races, and what each step does."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from runtime.errors import (
    Aborted,
    AlreadyExists,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from runtime.idcodes import citizen_check_character
from runtime.identity import Principal, Role
from runtime.status import from_rpc_error
from seal.pki.certificates import parse_certificate
from seal.sealing import Sealing
from seal.ses import parse_seal
from seal.v1 import seal_pb2 as pb
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf
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
    serving,
    start,
)

AUDITOR = principal(Role.AUDITOR, department=OTHER)
NEXT = f"{OFFICE}/seals/next"


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


def ask(node: SealNode, **changes: Any) -> pb.Seal:
    """One administrator asks for the seal `next`."""
    request = create_request(**{"seal_id": "next", **changes})
    found = node.call("CreateSeal", request, ADMINISTRATOR).seal
    assert isinstance(found, pb.Seal)
    return found


def approval(name: str = NEXT, **changes: Any) -> pb.ApproveSealRequest:
    return pb.ApproveSealRequest(**{"name": name, "request_id": str(uuid.uuid4()), **changes})


def change(**what: Any) -> pb.UpdateSealAuthorizationRequest:
    return pb.UpdateSealAuthorizationRequest(
        name=SEAL, authorization=pb.SealAuthorization(**what), request_id=str(uuid.uuid4())
    )


def shown(node: SealNode, name: str = SEAL, caller: Principal = ADMINISTRATOR) -> pb.Seal:
    found = node.call("GetSeal", pb.GetSealRequest(name=name), caller).seal
    assert isinstance(found, pb.Seal)
    return found


def events(node: SealNode, name: str = SEAL, caller: Principal = ADMINISTRATOR) -> list[str]:
    answer = node.call("ListSealEvents", pb.ListSealEventsRequest(parent=name), caller)
    return [one.kind for one in answer.events]


def indication(node: SealNode, document: bytes) -> str:
    answer = node.call("VerifyDocument", pb.VerifyDocumentRequest(document=document))
    return pb.Indication.Name(answer.verdict.indication).removeprefix("INDICATION_")


def keys(data: Path, seal: str = "next") -> dict[str, bytes]:
    folder = data / "keys" / "seal" / "signers" / "approval-office" / seal
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


# --- asking and approving ------------------------------------------------------------------------


async def test_a_seal_lives_over_the_wire(tmp_path: Path) -> None:
    node = start(tmp_path / "data", opened=False)
    await node.server.start()
    async with serving(node, tmp_path / "ca") as connect:
        one, two, department = connect(ADMINISTRATOR), connect(SECOND), connect(DEPARTMENT)
        asked = (await one.CreateSeal(create_request())).seal
        with pytest.raises(grpc.RpcError) as caught:
            await one.ApproveSeal(approval(SEAL))
        error = from_rpc_error(caught.value)
        assert isinstance(error, FailedPrecondition)
        assert error.reason == "SECOND_PERSON_NEEDED"
        made = (await two.ApproveSeal(approval(SEAL, etag=asked.etag))).seal
        assert made.state == pb.SEAL_STATE_ACTIVE
        await department.SealDocument(seal_request(plain_ofd()))
        for act, state in (("Freeze", "FROZEN"), ("Unfreeze", "ACTIVE"), ("Revoke", "REVOKED")):
            request = getattr(pb, f"{act}SealRequest")(name=SEAL, reason="核查", request_id="r")
            seal = (await getattr(one, f"{act}Seal")(request)).seal
            assert pb.SealState.Name(seal.state) == f"SEAL_STATE_{state}"
        history = await department.ListSealEvents(pb.ListSealEventsRequest(parent=SEAL))
        assert [(e.kind, e.actor, e.reason) for e in history.events] == [
            ("revoked", ADMINISTRATOR.system, "核查"),
            ("unfrozen", ADMINISTRATOR.system, "核查"),
            ("frozen", ADMINISTRATOR.system, "核查"),
            ("approved", SECOND.system, ""),
            ("requested", ADMINISTRATOR.system, ""),
        ]
        # Every method of the life is an administrator's alone.
        for caller in (DEPARTMENT, AUDITOR, principal(Role.COUNTER), NODE):
            stub = connect(caller)
            for method, message in (
                ("CreateSeal", create_request()),
                ("ApproveSeal", approval(SEAL)),
                ("RejectSeal", pb.RejectSealRequest()),
                ("FreezeSeal", pb.FreezeSealRequest()),
                ("UnfreezeSeal", pb.UnfreezeSealRequest()),
                ("RevokeSeal", pb.RevokeSealRequest()),
                ("UpdateSealAuthorization", pb.UpdateSealAuthorizationRequest()),
            ):
                with pytest.raises(grpc.RpcError) as caught:
                    await getattr(stub, method)(message)
                error = from_rpc_error(caught.value)
                assert error.reason == "ROLE_NOT_ALLOWED"
                assert error.message.startswith(f"{method} is not for systems of this role")
                assert "(for: administrator)" in error.message
                assert f"{method}（可调用的角色：administrator）" in error.message_zh
    await node.server.stop()


def test_what_is_asked_for_is_not_made_yet(node: SealNode, data: Path) -> None:
    asked = ask(node, bottom_line="行政审批专用章", seal_code="9901010000001")
    assert asked.state == pb.SEAL_STATE_REQUESTED
    assert (asked.es_id, asked.seal_data, asked.certificate) == ("", b"", b"")
    assert not asked.HasField("start_time")
    assert asked.image.startswith(b"\x89PNG")
    assert keys(data) == {}
    with pytest.raises(FailedPrecondition) as caught:
        node.call("SealDocument", seal_request(plain_ofd(), seal=NEXT))
    assert caught.value.metadata == {"why": "requested"}

    node.clock.advance(timedelta(days=3))
    made = node.approve(NEXT)
    seal = parse_seal(made.seal_data)
    certificate = parse_certificate(made.certificate)
    later = NOW + timedelta(days=3)
    assert (seal.picture, made.image) == (asked.image, asked.image)
    assert (seal.es_id, seal.cert_list) == (made.es_id, (made.certificate,))
    assert (seal.valid_from, certificate.not_before) == (later, later)
    assert made.start_time.ToDatetime(NOW.tzinfo) == later
    assert made.end_time.ToDatetime(NOW.tzinfo) == later.replace(year=later.year + 3)
    done = node.call("SealDocument", seal_request(plain_pdf(), seal=NEXT))
    assert indication(node, done.document) == "PASSED"


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("listed", ["CERTIFICATES", "DIGESTS"])
def test_a_seal_of_each_kind_seals_and_verifies(node: SealNode, version: int, listed: str) -> None:
    ask(node, version=version, signer_list_type=f"SIGNER_LIST_TYPE_{listed}")
    made = node.approve(NEXT)
    seal = parse_seal(made.seal_data)
    assert (seal.version, bool(seal.cert_list)) == (version, listed == "CERTIFICATES")
    assert seal.lists_certificate(made.certificate)
    done = node.call("SealDocument", seal_request(plain_ofd(), seal=NEXT))
    assert indication(node, done.document) == "PASSED"


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"shape": "SEAL_SHAPE_CIRCULAR", "width_mm": 45}, (45, 45)),
        ({"shape": "SEAL_SHAPE_OVAL", "bottom_line": "财务专用章"}, (40, 30)),
        ({"shape": "SEAL_SHAPE_OVAL", "width_mm": 45}, (45, 30)),
        ({"shape": "SEAL_SHAPE_SQUARE", "display_name": "赵示例印"}, (20, 20)),
        ({"shape": "SEAL_SHAPE_SQUARE", "display_name": "赵示例印", "height_mm": 18}, (18, 18)),
    ],
)
def test_seals_of_every_shape_are_drawn_and_seal(
    node: SealNode, changes: dict[str, Any], size: tuple[int, int]
) -> None:
    asked = ask(node, **changes)
    assert (asked.width_mm, asked.height_mm) == size
    seal = parse_seal(node.approve(NEXT).seal_data)
    assert (seal.width_mm, seal.height_mm, seal.picture) == (*size, asked.image)
    for document in (plain_ofd(), plain_pdf()):
        done = node.call("SealDocument", seal_request(document, seal=NEXT))
        assert indication(node, done.document) == "PASSED"


def test_an_uploaded_image_is_checked_and_becomes_the_seals(node: SealNode) -> None:
    drawn = shown(node).image
    asked = ask(node, image=drawn, width_mm=42, height_mm=42)
    assert (asked.shape, asked.width_mm) == (pb.SEAL_SHAPE_UNSPECIFIED, 42)
    made = node.approve(NEXT)
    assert parse_seal(made.seal_data).picture == made.image == asked.image
    for document in (plain_ofd(), plain_pdf()):
        done = node.call("SealDocument", seal_request(document, seal=NEXT))
        assert indication(node, done.document) == "PASSED"


def test_each_step_is_answered_once(node: SealNode) -> None:
    create = create_request(seal_id="next")
    first = node.call("CreateSeal", create, ADMINISTRATOR)
    assert node.call("CreateSeal", create, ADMINISTRATOR) == first
    create.display_name = "示范县民政局"
    with pytest.raises(AlreadyExists) as caught:
        node.call("CreateSeal", create, ADMINISTRATOR)
    assert caught.value.reason == "REQUEST_ID_REUSED"

    approve = approval()
    made = node.call("ApproveSeal", approve, SECOND)
    assert node.call("ApproveSeal", approve, SECOND) == made
    for act in ("Freeze", "Unfreeze", "Revoke"):
        message = getattr(pb, f"{act}SealRequest")(name=NEXT, reason="核查", request_id="r")
        done = node.call(f"{act}Seal", message, ADMINISTRATOR)
        assert node.call(f"{act}Seal", message, ADMINISTRATOR) == done
    assert events(node, NEXT) == ["revoked", "unfrozen", "frozen", "approved", "requested"]
    for kind in ("requested", "approved"):
        assert [leaf["seal"] for leaf in node.leaves(f"seal_{kind}")] == [SEAL, NEXT]
    for kind in ("frozen", "unfrozen", "revoked"):
        (leaf,) = node.leaves(f"seal_{kind}")
        assert (leaf["seal"], leaf["reason"], leaf["actor"]) == (NEXT, "核查", ADMINISTRATOR.system)


def test_a_name_is_taken_once_until_it_is_turned_down(node: SealNode) -> None:
    for name in ("main", "next"):
        if name == "next":
            ask(node)
        with pytest.raises(AlreadyExists) as caught:
            ask(node, seal_id=name)
        assert caught.value.reason == "SEAL_EXISTS"
    rejected = node.act("Reject", NEXT, SECOND)
    assert rejected.state == pb.SEAL_STATE_REJECTED
    with pytest.raises(FailedPrecondition):
        node.approve(NEXT)
    ask(node, bottom_line="财务专用章")
    assert node.approve(NEXT).state == pb.SEAL_STATE_ACTIVE
    assert events(node, NEXT) == ["approved", "requested", "rejected", "requested"]


def test_who_asked_may_withdraw_but_not_approve(node: SealNode) -> None:
    ask(node)
    with pytest.raises(FailedPrecondition) as caught:
        node.call("ApproveSeal", approval(), ADMINISTRATOR)
    assert caught.value.reason == "SECOND_PERSON_NEEDED"
    assert node.act("Reject", NEXT, ADMINISTRATOR).state == pb.SEAL_STATE_REJECTED


def test_an_approval_of_what_was_not_looked_at_is_refused(node: SealNode, data: Path) -> None:
    looked_at = ask(node)
    node.act("Reject", NEXT, SECOND)
    ask(node, bottom_line="财务专用章")
    with pytest.raises(Aborted) as caught:
        node.call("ApproveSeal", approval(etag=looked_at.etag), SECOND)
    assert caught.value.reason == "ETAG_MISMATCH"
    assert keys(data) == {}
    assert shown(node, NEXT).state == pb.SEAL_STATE_REQUESTED


def test_a_wish_that_waited_too_long_cannot_be_approved(node: SealNode, data: Path) -> None:
    wish = create_request(seal_id="next")
    wish.end_time.FromDatetime(NOW + timedelta(days=2))
    node.call("CreateSeal", wish, ADMINISTRATOR)
    node.clock.advance(timedelta(days=3))
    with pytest.raises(InvalidArgument) as caught:
        node.approve(NEXT)
    assert caught.value.reason == "BAD_END_TIME"
    assert keys(data) == {}
    assert node.act("Reject", NEXT, SECOND).state == pb.SEAL_STATE_REJECTED


@pytest.mark.parametrize(
    ("changes", "kind", "reason"),
    [
        ({"parent": "departments/UPPER"}, InvalidArgument, "MALFORMED_NAME"),
        ({"seal_id": "../../etc"}, InvalidArgument, "MALFORMED_ID"),
        ({"credit_code": "11990101MB00000010"}, InvalidArgument, "BAD_SEAL_REQUEST"),
        ({"display_name": ""}, InvalidArgument, "BAD_SEAL_REQUEST"),
        ({"version": 3}, InvalidArgument, "BAD_SEAL_REQUEST"),
        ({"shape": 9}, InvalidArgument, "BAD_SEAL_REQUEST"),
        ({"signer_list_type": 9}, InvalidArgument, "BAD_SEAL_REQUEST"),
        ({"width_mm": 41.5}, InvalidArgument, "BAD_SEAL_REQUEST"),
        ({"bottom_line": "长" * 13}, InvalidArgument, "BAD_SEAL_TEXT"),
        ({"end_time": {"seconds": 10}}, InvalidArgument, "BAD_END_TIME"),
        ({"end_time": {"seconds": 10**18}}, InvalidArgument, "BAD_END_TIME"),
        (
            {"authorization": {"users": [f"{OTHER}/systems/x"]}},
            InvalidArgument,
            "BAD_AUTHORIZATION",
        ),
        (
            {"authorization": {"expire_time": {"seconds": 10**18}}},
            InvalidArgument,
            "BAD_AUTHORIZATION",
        ),
        ({"replaces": "seals/x"}, InvalidArgument, "MALFORMED_NAME"),
        ({"replaces": f"{OFFICE}/seals/none"}, FailedPrecondition, "NOT_REPLACEABLE"),
        ({"parent": OTHER, "replaces": SEAL}, FailedPrecondition, "NOT_REPLACEABLE"),
        ({"request_id": ""}, InvalidArgument, "REQUEST_ID_REQUIRED"),
        ({"height_mm": 30, "width_mm": 42}, InvalidArgument, "BAD_SEAL_SIZE"),
        ({"shape": 3, "bottom_line": "专用章"}, InvalidArgument, "BAD_SEAL_TEXT"),
        ({"image": b"PNG", "width_mm": 42}, InvalidArgument, "BAD_SEAL_REQUEST"),
        (
            {"image": b"GIF89a", "width_mm": 42, "height_mm": 42},
            InvalidArgument,
            "SEAL_IMAGE_NOT_PNG",
        ),
    ],
)
def test_a_bad_wish_is_refused_when_it_is_asked(
    node: SealNode, changes: dict[str, Any], kind: type[DomainError], reason: str
) -> None:
    with pytest.raises(kind) as caught:
        ask(node, **changes)
    assert caught.value.reason == reason
    assert [leaf["seal"] for leaf in node.leaves("seal_requested")] == [SEAL]


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
    third = principal(Role.ADMINISTRATOR, department=OTHER)
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
