"""Mutual recognition in a running service: another authority's documents, before, while and after.

The other authority is another node, with roots, a maker and a seal of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
    ResourceExhausted,
)
from runtime.identity import Principal, Role
from runtime.rpc import ANY_ROLE
from runtime.status import from_rpc_error
from seal.model import Indication, Verdict
from seal.recognition.rpc import POLICY
from seal.trust import Purpose, Revocation, assess_chain, parse_certificate
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
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf
from tests.builders.seal_node import (
    ADMINISTRATOR,
    DEPARTMENT,
    NODE,
    NOW,
    SECOND,
    SealNode,
    principal,
    seal_request,
    serving,
    start,
)
from tests.builders.seal_pki import issue, pki

AUDITOR = principal(Role.AUDITOR)


@dataclass(frozen=True)
class Neighbour:
    """Another authority: its terms, and documents that it sealed on the 1st and on the 11th."""

    terms: pb.AuthorityTerms
    early: bytes
    late: bytes
    early_pdf: bytes
    lists: tuple[bytes, ...]
    lists_after: tuple[bytes, ...]


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory) -> Neighbour:
    other = start(tmp_path_factory.mktemp("neighbour"))
    other.make_seal()

    def seal(document: bytes) -> bytes:
        sealed: bytes = other.call("SealDocument", seal_request(document)).document
        return sealed

    early, early_pdf = seal(plain_ofd()), seal(plain_pdf())
    lists = other.server.material.own_lists()
    other.clock.advance(10 * DAY)
    late = seal(plain_ofd(2))
    other.clock.advance(2 * DAY)
    other.act("Revoke")
    after = other.server.material.own_lists()
    roots = [
        pb.RecognisedAnchor(certificate=one.certificate)
        for one in other.server.material.current().anchors
    ]
    other.server.database.close()
    return Neighbour(
        terms=terms(anchors=roots, intermediates=[]),
        early=early,
        late=late,
        early_pdf=early_pdf,
        lists=lists,
        lists_after=after,
    )


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


def judge(node: SealNode, document: bytes) -> Verdict:
    return node.server.material.verify(document)


def add_list(node: SealNode, encoded: bytes, caller: Principal = ADMINISTRATOR) -> pb.Authority:
    wish = request("AddRevocationListRequest", revocation_list=encoded)
    found = node.trust("AddRevocationList", wish, caller).authority
    assert isinstance(found, pb.Authority)
    return found


def events(node: SealNode) -> list[pb.AuthorityEvent]:
    wish = pb.ListAuthorityEventsRequest(parent=NAME)
    return list(node.trust("ListAuthorityEvents", wish, AUDITOR).events)


# --- documents of another authority ------------------------------------------------------------


def test_documents_are_trusted_from_the_approval_on_and_never_before(
    node: SealNode, neighbour: Neighbour
) -> None:
    documents = (neighbour.early, neighbour.early_pdf)

    def said() -> list[tuple[Indication, str]]:
        found = [judge(node, one) for one in documents]
        return [(one.indication, one.reason) for one in found]

    before = said()
    assert [one[0] for one in before] == [Indication.INDETERMINATE] * 2, before
    node.trust("ProposeAuthority", proposal(terms=neighbour.terms), ADMINISTRATOR)
    assert said() == before, "what is only asked for is trusted by nobody"
    approve(node)
    assert [one[0] for one in said()] == [Indication.PASSED] * 2, said()
    (report,) = judge(node, neighbour.early).signatures
    sources = {one.source for one in report.trust}
    assert sources == {"recognised: 示范市 (authorities/shifan-city)"}
    assert {one.role for one in report.trust} >= {
        "seal_maker_chain",
        "signer_chain",
    } or report.trust


def test_what_is_rejected_is_trusted_by_nobody(node: SealNode, neighbour: Neighbour) -> None:
    node.trust("ProposeAuthority", proposal(terms=neighbour.terms), ADMINISTRATOR)
    wish = request("RejectAuthorityRequest", reason="依据不足")
    assert node.trust("RejectAuthority", wish, SECOND).authority.state == (
        pb.AUTHORITY_STATE_REJECTED
    )
    assert judge(node, neighbour.early).indication is Indication.INDETERMINATE
    # The name is free again, and what was asked for first is not what is approved.
    recognise(node, terms=neighbour.terms)
    assert judge(node, neighbour.early).indication is Indication.PASSED


def test_a_withdrawal_ends_trust_as_of_its_time(node: SealNode, neighbour: Neighbour) -> None:
    recognise(node, terms=neighbour.terms)
    assert judge(node, neighbour.late).indication is Indication.PASSED
    found = withdraw(node, NOW + 5 * DAY)
    assert found.state == pb.AUTHORITY_STATE_WITHDRAWN
    early, late = judge(node, neighbour.early), judge(node, neighbour.late)
    # Sealed before: good then, and what ended since is told, for no time-stamp proves the time.
    assert early.indication is Indication.PASSED, early.to_dict()
    (report,) = early.signatures
    assert report.now.indication is Indication.INDETERMINATE
    assert report.now.since == NOW + 5 * DAY
    assert "TRUST_WITHDRAWN" in {check.ended_why for check in report.checks}
    # Sealed after: not trusted.
    assert late.indication is Indication.INDETERMINATE, late.to_dict()
    assert late.reason == "ANCHOR_WITHDRAWN"
    # Earlier still: then neither is.
    withdraw(node, NOW - DAY)
    assert judge(node, neighbour.early).indication is Indication.INDETERMINATE
    with pytest.raises(FailedPrecondition) as caught:
        withdraw(node, NOW + 9 * DAY)
    assert caught.value.reason == "WITHDRAWN_EARLIER"


def test_a_withdrawal_to_come_changes_nothing_yet(node: SealNode, neighbour: Neighbour) -> None:
    recognise(node, terms=neighbour.terms)
    withdraw(node, NOW + 300 * DAY)
    for document in (neighbour.early, neighbour.late):
        verdict = judge(node, document)
        assert verdict.indication is Indication.PASSED
        assert verdict.now.indication is Indication.PASSED


def test_who_was_withdrawn_is_recognised_again_under_a_new_name(
    node: SealNode, neighbour: Neighbour
) -> None:
    recognise(node, terms=neighbour.terms)
    withdraw(node, NOW - DAY)
    with pytest.raises(AlreadyExists) as caught:
        node.trust("ProposeAuthority", proposal(terms=neighbour.terms), ADMINISTRATOR)
    assert caught.value.reason == "AUTHORITY_EXISTS"
    recognise(node, terms=neighbour.terms, authority_id="shifan-city-2")
    verdict = judge(node, neighbour.early)
    assert verdict.indication is Indication.PASSED
    assert verdict.now.indication is Indication.PASSED


def test_whose_withdrawal_was_later_than_the_document_is_recognised_again_for_today(
    node: SealNode, neighbour: Neighbour
) -> None:
    recognise(node, terms=neighbour.terms)
    withdraw(node, NOW + 5 * DAY)
    assert judge(node, neighbour.early).now.indication is Indication.INDETERMINATE
    recognise(node, terms=neighbour.terms, authority_id="shifan-city-2")
    verdict = judge(node, neighbour.early)
    assert verdict.indication is Indication.PASSED
    assert verdict.now.indication is Indication.PASSED, verdict.now


def test_an_anchor_is_trusted_for_its_purposes_alone(node: SealNode, neighbour: Neighbour) -> None:
    only = pb.AuthorityTerms()
    only.CopyFrom(neighbour.terms)
    for one in only.anchors:
        one.purposes.append(pb.TRUST_PURPOSE_TIMESTAMP)
    recognise(node, terms=only)
    assert judge(node, neighbour.early).indication is Indication.INDETERMINATE
    change = request("ProposeAuthorityChangeRequest", terms=neighbour.terms)
    node.trust("ProposeAuthorityChange", change, SECOND)
    assert judge(node, neighbour.early).indication is Indication.INDETERMINATE
    approval = request("ApproveAuthorityRequest", etag=shown(node).etag)
    node.trust("ApproveAuthority", approval, ADMINISTRATOR)
    assert judge(node, neighbour.early).indication is Indication.PASSED


def test_where_revocation_data_is_required_a_list_decides(
    node: SealNode, neighbour: Neighbour
) -> None:
    strict = pb.AuthorityTerms()
    strict.CopyFrom(neighbour.terms)
    strict.revocation_rule.required = True
    recognise(node, terms=strict)
    assert judge(node, neighbour.early).indication is Indication.INDETERMINATE
    for encoded in neighbour.lists:
        found = add_list(node, encoded)
    assert judge(node, neighbour.early).indication is Indication.PASSED
    assert judge(node, neighbour.early).now.indication is Indication.PASSED
    for encoded in neighbour.lists_after:
        found = add_list(node, encoded)
    assert found.etag == "2", "a list changes nothing that waits for approval"
    early = judge(node, neighbour.early)
    assert early.indication is Indication.PASSED
    assert early.now.indication is Indication.INDETERMINATE, "revoked since, and no time-stamp"
    held = shown(node).revocation_lists
    assert sorted(one.revoked_count for one in held) == [1, 1], "the older ones said no more"


# --- two persons -------------------------------------------------------------------------------


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
    callers = [principal(role) for role in Role]
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


# --- what is refused ---------------------------------------------------------------------------


def test_one_root_is_of_one_authority(node: SealNode) -> None:
    recognise(node)
    with pytest.raises(AlreadyExists) as caught:
        recognise(node, authority_id="another", terms=terms(intermediates=[]))
    assert caught.value.reason == "ANCHOR_OF_ANOTHER"
    assert NAME in caught.value.message
    own = node.server.material.current().anchors[0].certificate
    anchors = [pb.RecognisedAnchor(certificate=own)]
    with pytest.raises(AlreadyExists) as caught:
        recognise(node, authority_id="own", terms=terms(anchors=anchors, intermediates=[]))
    assert caught.value.reason == "ANCHOR_OF_ANOTHER"


def test_lists_prove_themselves(node: SealNode) -> None:
    recognise(node)
    made = pki()
    stranger = issue("示范根", None, is_ca=True)  # the same name, another key
    found = add_list(node, crl(made.intermediate, 2, NOW))
    assert found.state == pb.AUTHORITY_STATE_RECOGNISED
    cases: list[tuple[bytes, str]] = [
        (crl(stranger, 3, NOW + DAY), "REVOCATION_LIST_OF_ANOTHER"),
        (crl(made.intermediate, 1, NOW - DAY), "REVOCATION_LIST_NOT_NEWER"),
        (crl(made.intermediate, 2, NOW + 100 * DAY), "REVOCATION_LIST_OF_THE_FUTURE"),
        (b"\x30\x00", "MALFORMED_CRL"),
        (b"", "MALFORMED_CRL"),
    ]
    held = crl(made.intermediate, 3, NOW + DAY)
    add_list(node, held)
    for encoded, reason in [*cases, (held, "REVOCATION_LIST_NOT_NEWER")]:
        with pytest.raises(DomainError) as caught:
            add_list(node, encoded)
        assert caught.value.reason == reason
        assert caught.value.message_zh != caught.value.message


def test_a_revocation_that_a_newer_list_dropped_stays(node: SealNode) -> None:
    """Authorities drop certificates from their lists when their term is over."""
    recognise(node)
    made = pki()
    entry = Revocation(serial=parse_certificate(made.signer.certificate).serial, at=NOW)
    add_list(node, crl(made.intermediate, 1, NOW, entry))
    add_list(node, crl(made.intermediate, 2, NOW + DAY))
    add_list(node, crl(made.intermediate, 3, NOW + 2 * DAY))
    found = assess_chain(
        made.signer.certificate,
        at=NOW + DAY,
        store=node.server.material.current(),
        purpose=Purpose.SIGNER,
    )
    assert found.status == "REVOKED"
    assert len(shown(node).revocation_lists) == 2, "the one in the middle said nothing of its own"


def test_lists_are_bounded_one_by_one_and_together(
    node: SealNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognise(node)
    made = pki()
    monkeypatch.setattr("seal.recognition.lists.MAX_EACH", 3)
    for number in range(6):  # each says what no other says, so none is needless by itself
        entry = Revocation(serial=number + 1, at=NOW)
        add_list(node, crl(made.intermediate, number, NOW + number * DAY, entry))
    held = shown(node).revocation_lists
    assert [one.this_update for one in held] == [at(NOW + number * DAY) for number in (5, 4, 3)]
    monkeypatch.setattr("seal.recognition.service.MAX_LISTS", 800)
    with pytest.raises(ResourceExhausted) as caught:
        add_list(node, crl(made.root, 1, NOW))
    assert caught.value.reason == "REVOCATION_LISTS_TOO_LARGE"
    monkeypatch.setattr("seal.recognition.lists.MAX_CRL", 100)
    with pytest.raises(InvalidArgument) as wrong:
        add_list(node, crl(made.root, 1, NOW))
    assert wrong.value.reason == "REVOCATION_LIST_TOO_LARGE"


def test_a_list_that_is_good_for_longer_is_kept(node: SealNode) -> None:
    recognise(node)
    made = pki()
    add_list(node, crl(made.intermediate, 1, NOW))
    add_list(node, crl(made.intermediate, 2, NOW + DAY, until=NOW + 2 * DAY))
    assert len(shown(node).revocation_lists) == 2, "the older one is good for longer"


# --- other processes ---------------------------------------------------------------------------

WATCHER = """
import sys, time
from pathlib import Path
from tests.builders.seal_node import start
node = start(Path(sys.argv[1]), database=sys.argv[2])
document = Path(sys.argv[3]).read_bytes()
def passes():
    return node.server.material.verify(document).indication.value == "PASSED"
print("ready", passes(), flush=True)
for wanted in (True, False):
    sys.stdin.readline()
    began = time.monotonic()
    while passes() is not wanted and time.monotonic() - began < 10:
        time.sleep(0.02)
    print(f"{time.monotonic() - began:.2f}", flush=True)
"""


def test_another_process_sees_it_within_a_second(
    template: Path, tmp_path: Path, neighbour: Neighbour, database_url: str
) -> None:
    data = Path(shutil.copytree(template, tmp_path / "shared"))
    (tmp_path / "sealed.ofd").write_bytes(neighbour.early)
    node = start(data, database=database_url)
    watcher = subprocess.Popen(
        [sys.executable, "-c", WATCHER, data, database_url, tmp_path / "sealed.ofd"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        assert watcher.stdin
        assert watcher.stdout
        assert watcher.stdout.readline() == "ready False\n"
        for act in (lambda: recognise(node, terms=neighbour.terms),
                    lambda: withdraw(node, NOW - DAY)):  # fmt: skip
            act()
            watcher.stdin.write("go\n")
            watcher.stdin.flush()
            assert float(watcher.stdout.readline()) < 1.5, "a second, and a verification"
    finally:
        watcher.kill()
        watcher.communicate()
        node.server.database.close()


def test_an_act_of_this_process_is_seen_at_once(node: SealNode, neighbour: Neighbour) -> None:
    node.server.material.current()
    recognise(node, terms=neighbour.terms)
    assert len(node.server.material.current().anchors) == 4
    assert node.server.material.own_lists() == node.server.material.current().crls


def test_times_are_checked(node: SealNode) -> None:
    recognise(node)
    wish = request("WithdrawAuthorityRequest", reason="x")
    wish.withdraw_time.seconds = 1 << 60
    with pytest.raises(InvalidArgument) as caught:
        node.trust("WithdrawAuthority", wish, ADMINISTRATOR)
    assert caught.value.reason == "BAD_WITHDRAW_TIME"
    assert withdraw(node).withdraw_time == at(NOW + 20 * DAY), "now, where none is given"
    wish = request("WithdrawAuthorityRequest", reason="")
    with pytest.raises(InvalidArgument) as caught:
        node.trust("WithdrawAuthority", wish, ADMINISTRATOR)
    assert caught.value.reason == "BAD_REASON"
