"""How an authority comes to be recognised: two persons, each step once, and told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
from runtime.identity import Role
from runtime.rpc import ANY_ROLE
from runtime.status import from_rpc_error
from seal.recognition.rpc import POLICY
from seal.v1 import seal_pb2, trust_pb2_grpc
from seal.v1 import trust_pb2 as pb
from tests.builders.authorities import (
    DAY,
    NAME,
    approve,
    at,
    crl,
    proposal,
    recognise,
    request,
    shown,
    terms,
    withdraw,
)
from tests.builders.recognising import AUDITOR, Neighbour, add_list, events, made_neighbour
from tests.builders.seal_node import (
    ADMINISTRATOR,
    DEPARTMENT,
    NODE,
    NOW,
    SECOND,
    SealNode,
    principal,
    serving,
    start,
)
from tests.builders.seal_pki import issue, pki


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory) -> Neighbour:
    return made_neighbour(tmp_path_factory.mktemp("neighbour"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    start(folder).server.database.close()
    return folder


@pytest.fixture
def node(template: Path, tmp_path: Path) -> Iterator[SealNode]:
    data = Path(shutil.copytree(template, tmp_path / "data"))
    found = start(data, at=NOW + 20 * DAY)
    yield found
    found.server.database.close()


async def test_a_recognition_lives_over_the_wire(
    node: SealNode, neighbour: Neighbour, tmp_path: Path
) -> None:
    async with serving(node, tmp_path / "ca") as connect:
        stub = trust_pb2_grpc.TrustServiceStub
        one, two = connect(ADMINISTRATOR, stub), connect(SECOND, stub)
        asked = (await one.ProposeAuthority(proposal(terms=neighbour.terms))).authority
        with pytest.raises(grpc.RpcError) as caught:
            await one.ApproveAuthority(request("ApproveAuthorityRequest", etag=asked.etag))
        error = from_rpc_error(caught.value)
        assert (type(error), error.reason) == (FailedPrecondition, "SECOND_PERSON_NEEDED")
        approval = request("ApproveAuthorityRequest", etag=asked.etag)
        made = (await two.ApproveAuthority(approval)).authority
        assert made.state == pb.AUTHORITY_STATE_RECOGNISED
        assert (made.creator, made.approver) == (ADMINISTRATOR.system, SECOND.system)
        assert (await two.ApproveAuthority(approval)).authority == made, "a repeat"
        department = connect(DEPARTMENT, stub)
        (seen,) = (await department.ListAuthorities(pb.ListAuthoritiesRequest())).authorities
        assert (seen.name, seen.creator, seen.approver) == (NAME, "", "")
        assert seen.terms.anchors[0].certificate == b""
        whole = (await department.GetAuthority(pb.GetAuthorityRequest(name=NAME))).authority
        assert whole.terms.anchors[0].certificate == neighbour.terms.anchors[0].certificate
        material = await connect(DEPARTMENT).GetTrustMaterial(seal_pb2.GetTrustMaterialRequest())
        assert len(material.anchors) == len(material.recognised_anchors) == 2
        handed = material.recognised_anchors[0]
        assert handed.certificate == neighbour.terms.anchors[0].certificate
        assert handed.source == "recognised: 示范市 (authorities/shifan-city)"
        assert len(handed.purposes) == 3
        assert handed.end_time.seconds
        assert handed.revocation_rule.grace.seconds == 3600


async def test_who_may_call_what(node: SealNode, tmp_path: Path) -> None:
    """Deny by default: the table is of every method, and each is refused to all others."""
    callers = [principal(role) for role in ANY_ROLE]
    async with serving(node, tmp_path / "ca") as connect:
        stubs = [connect(caller, trust_pb2_grpc.TrustServiceStub) for caller in callers]
        service = pb.DESCRIPTOR.services_by_name["TrustService"]
        for method in service.methods:
            ask = getattr(pb, method.input_type.name)()
            for caller, stub in zip(callers, stubs, strict=True):
                try:
                    await getattr(stub, method.name)(ask)
                    refused = False
                except grpc.RpcError as error:
                    refused = from_rpc_error(error).reason == "ROLE_NOT_ALLOWED"
                allowed = bool(caller.roles & POLICY[method.name])
                assert refused != allowed, (method.name, caller.roles)
    assert {name for name, roles in POLICY.items() if roles == ANY_ROLE} == {
        "GetAuthority", "ListAuthorities",
    }  # fmt: skip
    assert POLICY["ListAuthorityEvents"] == {Role.ADMINISTRATOR, Role.AUDITOR}


def test_a_change_takes_two_and_the_one_who_asked_is_the_one_of_the_change(
    node: SealNode,
) -> None:
    recognise(node)
    change = request("ProposeAuthorityChangeRequest", terms=terms(display_name="示范市局"))
    held = node.trust("ProposeAuthorityChange", change, SECOND).authority
    assert (held.pending_creator, held.terms.display_name) == (SECOND.system, "示范市")
    with pytest.raises(FailedPrecondition) as caught:
        node.trust("ProposeAuthorityChange", request("ProposeAuthorityChangeRequest",
                   terms=terms()), ADMINISTRATOR)  # fmt: skip
    assert caught.value.reason == "CHANGE_PENDING"
    with pytest.raises(FailedPrecondition) as caught:
        approve(node)  # by SECOND, who asked this time
    assert caught.value.reason == "SECOND_PERSON_NEEDED"
    approval = request("ApproveAuthorityRequest", etag=shown(node).etag)
    done = node.trust("ApproveAuthority", approval, ADMINISTRATOR).authority
    assert (done.terms.display_name, done.creator, done.approver) == (
        "示范市局", SECOND.system, ADMINISTRATOR.system,
    )  # fmt: skip
    with pytest.raises(FailedPrecondition) as caught:
        approve(node)
    assert caught.value.reason == "NOTHING_TO_APPROVE"


def test_only_what_was_looked_at_is_approved(node: SealNode) -> None:
    asked = node.trust("ProposeAuthority", proposal(), ADMINISTRATOR).authority
    wish = request("RejectAuthorityRequest", reason="更正")
    node.trust("RejectAuthority", wish, ADMINISTRATOR)
    node.trust("ProposeAuthority", proposal(terms=terms(display_name="另一市")), ADMINISTRATOR)
    for etag, reason in ((asked.etag, "ETAG_MISMATCH"), ("", "ETAG_REQUIRED")):
        with pytest.raises((Aborted, InvalidArgument)) as caught:
            node.trust("ApproveAuthority", request("ApproveAuthorityRequest", etag=etag), SECOND)
        assert caught.value.reason == reason


def test_of_two_decisions_at_once_one_is_refused(node: SealNode) -> None:
    asked = node.trust("ProposeAuthority", proposal(), ADMINISTRATOR).authority

    def decide(number: int) -> str:
        kind = ("ApproveAuthority", "RejectAuthority")[number % 2]
        more = {"etag": asked.etag} if number % 2 == 0 else {"reason": "重复"}
        try:
            node.trust(kind, request(f"{kind}Request", **more), SECOND)
        except DomainError as error:
            return error.reason
        return "DONE"

    with ThreadPoolExecutor(6) as threads:
        said = list(threads.map(decide, range(6)))
    assert said.count("DONE") == 1, said
    assert set(said) <= {"DONE", "ETAG_MISMATCH", "NOTHING_TO_APPROVE", "CONCURRENT_CHANGE"}


def test_a_repeat_is_answered_the_same_and_another_request_refused(node: SealNode) -> None:
    wish = proposal()
    first = node.trust("ProposeAuthority", wish, ADMINISTRATOR)
    approve(node)
    assert node.trust("ProposeAuthority", wish, ADMINISTRATOR) == first
    wish.terms.display_name = "另一市"
    with pytest.raises(AlreadyExists) as caught:
        node.trust("ProposeAuthority", wish, ADMINISTRATOR)
    assert caught.value.reason == "REQUEST_ID_REUSED"
    encoded = crl(pki().intermediate, 1, NOW)
    adding = request("AddRevocationListRequest", revocation_list=encoded)
    again = [node.trust("AddRevocationList", adding, ADMINISTRATOR) for _ in range(2)]
    assert again[0] == again[1]
    assert len(events(node)) == 3


def test_every_step_is_in_the_history_and_in_the_audit_log(node: SealNode) -> None:
    recognise(node)
    add_list(node, crl(pki().root, 1, NOW))
    change = request("ProposeAuthorityChangeRequest", terms=terms(display_name="示范市局"))
    node.trust("ProposeAuthorityChange", change, SECOND)
    wish = request("RejectAuthorityRequest", reason="名称有误")
    node.trust("RejectAuthority", wish, SECOND)
    withdraw(node, NOW)
    found = events(node)
    kinds = [
        "withdrawn", "change_rejected", "change_proposed", "list_added", "approved", "proposed",
    ]  # fmt: skip
    assert [one.kind for one in found] == kinds
    assert (found[0].reason, found[0].withdraw_time) == ("协议终止", at(NOW))
    assert (found[1].actor, found[1].reason) == (SECOND.system, "名称有误")
    anchor = shown(node).terms.anchors[0].sha256
    assert list(found[0].sha256) == list(found[4].sha256) == [anchor]
    assert list(found[3].sha256) != [anchor]
    for kind in kinds:
        (leaf,) = node.leaves(f"authority_{kind}")
        assert leaf["authority"] == NAME
        assert leaf["actor"] in (ADMINISTRATOR.system, SECOND.system)
    page = pb.ListAuthorityEventsRequest(parent=NAME, page_size=4)
    first = node.trust("ListAuthorityEvents", page, AUDITOR)
    page.page_token = first.next_page_token
    rest = node.trust("ListAuthorityEvents", page, AUDITOR)
    assert [one.kind for one in (*first.events, *rest.events)] == kinds
    page.page_token = "x"
    with pytest.raises(InvalidArgument):
        node.trust("ListAuthorityEvents", page, AUDITOR)


def test_what_was_never_in_force_is_not_there_for_others(node: SealNode) -> None:
    node.trust("ProposeAuthority", proposal(), ADMINISTRATOR)
    for caller in (DEPARTMENT, principal(Role.COUNTER)):
        with pytest.raises(NotFound):
            node.trust("GetAuthority", pb.GetAuthorityRequest(name=NAME), caller)
        listed = node.trust("ListAuthorities", pb.ListAuthoritiesRequest(), caller)
        assert list(listed.authorities) == []
    for caller in (ADMINISTRATOR, AUDITOR, NODE):
        assert node.trust("GetAuthority", pb.GetAuthorityRequest(name=NAME), caller)
    with pytest.raises(NotFound):
        shown(node, "authorities/nobody")
    with pytest.raises(InvalidArgument):
        shown(node, "departments/a")


def test_authorities_are_listed_page_by_page(node: SealNode) -> None:
    for ident in ("a", "b", "c"):
        root = issue(f"根{ident}", None, is_ca=True)
        anchors = [pb.RecognisedAnchor(certificate=root.certificate)]
        recognise(node, authority_id=ident, terms=terms(anchors=anchors, intermediates=[]))
    ask = pb.ListAuthoritiesRequest(page_size=2)
    first = node.trust("ListAuthorities", ask, AUDITOR)
    ask.page_token = first.next_page_token
    rest = node.trust("ListAuthorities", ask, AUDITOR)
    found = [one.name[-1] for one in (*first.authorities, *rest.authorities)]
    assert (found, rest.next_page_token) == (["a", "b", "c"], "")
