"""Mutual recognition in a running service: another authority's documents, before, while and after.

The other authority is another node, with roots, a maker and a seal of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import (
    AlreadyExists,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    ResourceExhausted,
)
from seal.model import Indication
from seal.trust import Purpose, Revocation, assess_chain, parse_certificate
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
from tests.builders.recognising import Neighbour, add_list, judge, made_neighbour
from tests.builders.seal_node import (
    ADMINISTRATOR,
    NOW,
    SECOND,
    SealNode,
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
