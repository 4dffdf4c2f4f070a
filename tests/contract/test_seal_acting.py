"""Who acts on a department's seals: its own administrators, those above it, the office's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import FailedPrecondition, PermissionDenied
from runtime.identity import Principal, Role
from seal.v1 import seal_pb2 as pb
from tests.builders.seal_life import NEXT, approval, change, shown
from tests.builders.seal_node import (
    ADMINISTRATOR,
    NOW,
    OFFICE,
    OTHER,
    SEAL,
    SECOND,
    SealNode,
    create_request,
    principal,
    start,
)

BUREAU, COUNTY = "departments/bureau-above", "departments/county"
PARENTS = {OFFICE: BUREAU, BUREAU: COUNTY, COUNTY: "", OTHER: COUNTY}
FOREIGN = principal(Role.ADMINISTRATOR, department=OTHER)
ALLOWED = [
    *(principal(Role.ADMINISTRATOR, department=one) for one in (OFFICE, BUREAU, COUNTY)),
    ADMINISTRATOR,
]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealNode]:
    found = start(tmp_path_factory.mktemp("seals"), at=NOW, parents=lambda: PARENTS)
    found.make_seal()
    yield found
    found.server.database.close()


def _acts(name: str) -> dict[str, Any]:
    said = {"name": name, "reason": "核查"}
    wanted = change(document_kinds=["letter"])
    wanted.name = name
    made = create_request(seal_id=name.rpartition("/")[2])
    return {
        "CreateSeal": made,
        "ApproveSeal": approval(name),
        "RejectSeal": pb.RejectSealRequest(**said),
        "FreezeSeal": pb.FreezeSealRequest(**said),
        "UnfreezeSeal": pb.UnfreezeSealRequest(**said),
        "RevokeSeal": pb.RevokeSealRequest(**said),
        "UpdateSealAuthorization": wanted,
    }


def _refused(node: SealNode, method: str, request: Any, caller: Principal) -> tuple[str, str]:
    request.request_id = str(uuid.uuid4())
    with pytest.raises(PermissionDenied) as caught:
        node.call(method, request, caller)
    return caught.value.reason, caught.value.message


@pytest.mark.parametrize("method", _acts(SEAL))
def test_another_department_is_refused_and_learns_nothing(node: SealNode, method: str) -> None:
    told = [
        _refused(node, method, _acts(name)[method], FOREIGN)
        for name in (SEAL, f"{OFFICE}/seals/none")
    ]
    below = _refused(node, method, _acts(f"{BUREAU}/seals/main")[method], FOREIGN)
    asked = pb.GetSealRequest(name=SEAL)
    assert not node.call("GetSeal", asked, FOREIGN).acts
    assert [reason for reason, _ in told] == ["NOT_OWN_DEPARTMENT"] * 2
    assert told[0] == told[1] == below
    assert shown(node).state == pb.SEAL_STATE_ACTIVE
    assert not shown(node).HasField("pending_authorization")


def test_who_is_below_does_not_act_for_who_is_above(node: SealNode) -> None:
    own = principal(Role.ADMINISTRATOR)
    request = pb.FreezeSealRequest(name=f"{BUREAU}/seals/main", reason="核查")
    assert _refused(node, "FreezeSeal", request, own)[0] == "NOT_OWN_DEPARTMENT"


@pytest.mark.parametrize("caller", ALLOWED, ids=["own", "above", "far above", "office"])
def test_own_above_and_office_act(node: SealNode, caller: Principal) -> None:
    assert node.call("GetSeal", pb.GetSealRequest(name=SEAL), caller).acts
    asked = node.call("CreateSeal", create_request(seal_id="next"), caller).seal
    assert (asked.state, asked.creator) == (pb.SEAL_STATE_REQUESTED, caller.system)
    node.act("Reject", NEXT, caller)
    assert node.act("Freeze", caller=caller).state == pb.SEAL_STATE_FROZEN
    with pytest.raises(FailedPrecondition) as caught:
        node.act("Unfreeze", caller=caller)
    assert caught.value.reason == "SECOND_PERSON_NEEDED"
    assert shown(node).state == pb.SEAL_STATE_FROZEN
    assert node.act("Unfreeze", caller=SECOND).state == pb.SEAL_STATE_ACTIVE


def test_own_and_office_act_where_the_catalog_does_not_answer(tmp_path: Path) -> None:
    def silent() -> dict[str, str]:
        raise AssertionError("nobody asks")

    node = start(tmp_path, parents=silent)
    node.make_seal()
    node.act("Freeze", caller=principal(Role.ADMINISTRATOR))
    node.server.database.close()
