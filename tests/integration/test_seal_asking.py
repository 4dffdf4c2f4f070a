"""Asking for a seal and approving it: what is made then, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
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
)
from runtime.identity import Role
from runtime.status import from_rpc_error
from seal.pki.certificates import parse_certificate
from seal.ses import parse_seal
from seal.v1 import seal_pb2 as pb
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf
from tests.builders.seal_life import NEXT, approval, ask, events, indication, keys, shown
from tests.builders.seal_node import (
    ADMINISTRATOR,
    DEPARTMENT,
    NODE,
    NOW,
    OFFICE,
    OTHER,
    SEAL,
    SECOND,
    SealNode,
    create_request,
    principal,
    seal_request,
    serving,
    start,
)

AUDITOR = principal(Role.AUDITOR, department=OTHER)


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
            by = two if act == "Unfreeze" else one
            seal = (await getattr(by, f"{act}Seal")(request)).seal
            assert pb.SealState.Name(seal.state) == f"SEAL_STATE_{state}"
        history = await department.ListSealEvents(pb.ListSealEventsRequest(parent=SEAL))
        assert [(e.kind, e.actor, e.reason) for e in history.events] == [
            ("revoked", ADMINISTRATOR.system, "核查"),
            ("unfrozen", SECOND.system, "核查"),
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
        caller = SECOND if act == "Unfreeze" else ADMINISTRATOR
        done = node.call(f"{act}Seal", message, caller)
        assert node.call(f"{act}Seal", message, caller) == done
    assert events(node, NEXT) == ["revoked", "unfrozen", "frozen", "approved", "requested"]
    for kind in ("requested", "approved"):
        assert [leaf["seal"] for leaf in node.leaves(f"seal_{kind}")] == [SEAL, NEXT]
    for kind in ("frozen", "unfrozen", "revoked"):
        (leaf,) = node.leaves(f"seal_{kind}")
        by = SECOND if kind == "unfrozen" else ADMINISTRATOR
        assert (leaf["seal"], leaf["reason"], leaf["actor"]) == (NEXT, "核查", by.system)


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
