"""What the second person sees of a seal that waits, and whose credit code it may carry."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import AlreadyExists
from seal.v1 import seal_pb2 as pb
from tests.builders.seal_node import (
    ADMINISTRATOR,
    CREDIT_CODE,
    OFFICE,
    OTHER,
    SEAL,
    SECOND,
    STRANGER,
    SealNode,
    create_request,
    start,
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SealNode]:
    found = start(tmp_path / "data")
    yield found
    found.server.database.close()


def shown(node: SealNode, caller=SECOND) -> pb.Seal:
    return node.call("GetSeal", pb.GetSealRequest(name=SEAL), caller).seal


def test_the_second_person_sees_all_that_was_asked_for(node: SealNode):
    wish = create_request(
        bottom_line="行政审批专用章",
        seal_code="9901010000001",
        signer_list_type=pb.SIGNER_LIST_TYPE_DIGESTS,
    )
    node.call("CreateSeal", wish, ADMINISTRATOR)

    seen = shown(node)
    assert seen.credit_code == CREDIT_CODE
    assert (seen.bottom_line, seen.seal_code) == ("行政审批专用章", "9901010000001")
    assert seen.signer_list_type == pb.SIGNER_LIST_TYPE_DIGESTS
    assert seen.creator == ADMINISTRATOR.system

    node.approve(SEAL)
    made = shown(node, STRANGER)  # the code stands in the certificate; who asked is not theirs
    assert (made.credit_code, made.creator) == (CREDIT_CODE, "")


def test_the_second_person_sees_who_asked_for_a_change(node: SealNode):
    node.make_seal()
    change = pb.UpdateSealAuthorizationRequest(
        name=SEAL,
        authorization=pb.SealAuthorization(document_kinds=["official-letter"]),
        request_id=str(uuid.uuid4()),
    )
    node.call("UpdateSealAuthorization", change, SECOND)
    seen = shown(node, ADMINISTRATOR)
    assert (seen.creator, seen.pending_creator) == (ADMINISTRATOR.system, SECOND.system)


def test_no_department_takes_anothers_credit_code(node: SealNode):
    node.make_seal()
    theirs = create_request(parent=OTHER)
    with pytest.raises(AlreadyExists) as caught:
        node.call("CreateSeal", theirs, ADMINISTRATOR)
    assert caught.value.reason == "CREDIT_CODE_OF_ANOTHER"
    node.call("CreateSeal", create_request(parent=OFFICE, seal_id="second"), ADMINISTRATOR)
    # An agency that moved: its seals at the old place are ended first.
    node.act("Revoke")
    node.act("Reject", f"{OFFICE}/seals/second")
    moved = node.call("CreateSeal", create_request(parent=OTHER), ADMINISTRATOR).seal
    assert moved.state == pb.SEAL_STATE_REQUESTED
