"""What stands in the way of sealing: a full disk, a bad request, a seal out of its time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import (
    DataLoss,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    ResourceExhausted,
    Unavailable,
)
from seal.orders import MAX_DOCUMENT, SealingState
from seal.sealing import Sealing
from seal.v1 import seal_pb2 as pb
from tests.builders.ofd import plain_ofd
from tests.builders.seal_node import (
    SEAL,
    SealNode,
    seal_request,
    start,
)
from tests.builders.seal_storing import FaultyStore, FullDisk, phases, sealings, verdict_of

PASSED = pb.INDICATION_PASSED


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a hierarchy and one seal: making keys takes a second."""
    folder = tmp_path_factory.mktemp("template")
    node = start(folder)
    node.make_seal(bottom_line="行政审批专用章")
    node.server.database.close()
    return folder


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "data"))


@pytest.fixture
def node(data: Path) -> Iterator[SealNode]:
    found = start(data, objects=FaultyStore(data / "objects"))
    yield found
    found.server.database.close()


@pytest.mark.parametrize("repair", [False, True])
def test_a_full_disk_is_told_and_leaves_no_half_state(data: Path, repair: bool) -> None:
    node = start(data, objects=FullDisk(data / "objects"))
    request = seal_request(plain_ofd())
    with pytest.raises(Unavailable) as caught:
        node.call("SealDocument", request)
    assert caught.value.reason == "STORAGE_UNWRITABLE"
    assert "No space left" in caught.value.message
    assert caught.value.message_zh
    assert [(s.state, s.failure) for s in sealings(node)] == [
        (SealingState.FAILED, "STORAGE_UNWRITABLE")
    ]
    assert phases(node) == ["prepared", "failed"]
    assert not any(p.is_file() for p in (data / "objects").rglob("*"))
    if repair:  # the same request goes through once there is room
        done = start(data).call("SealDocument", request)
        assert verdict_of(node, done.document).indication == PASSED


def test_our_own_output_is_verified_before_it_is_given_out(
    node: SealNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = node.server.custody.seal_key(SEAL, "sm2-sm3")
    good = signer.sign(b"something else")

    class Wrong:
        suite_name = signer.suite_name
        public_key = signer.public_key

        def sign(self, message: bytes) -> bytes:
            return good

    monkeypatch.setattr(node.server.custody, "seal_key", lambda *_: Wrong())
    with pytest.raises(DataLoss) as caught:
        node.call("SealDocument", seal_request(plain_ofd()))
    assert caught.value.reason == "SEALED_DOCUMENT_NOT_GOOD"
    assert [(s.state, s.failure) for s in sealings(node)] == [
        (SealingState.FAILED, "SEALED_DOCUMENT_NOT_GOOD")
    ]
    assert node.leaves("document_sealed")[-1]["why"] == "SEALED_DOCUMENT_NOT_GOOD"
    assert list(node.objects.list("sealed/")) == []


@pytest.mark.parametrize(
    ("changes", "kind", "reason"),
    [
        ({"seal": "seals/x"}, InvalidArgument, "MALFORMED_NAME"),
        ({"document": b""}, InvalidArgument, "DOCUMENT_EMPTY"),
        ({"document": b"neither"}, InvalidArgument, "DOCUMENT_FORMAT_UNKNOWN"),
        ({"format": pb.DOCUMENT_FORMAT_PDF}, InvalidArgument, "DOCUMENT_FORMAT_MISMATCH"),
        ({"format": 9}, InvalidArgument, "DOCUMENT_FORMAT_UNKNOWN"),
        ({"placements": []}, InvalidArgument, "STAMP_POSITION"),
        (
            {"placements": [pb.Placement(position=pb.StampPosition(page=2))]},
            InvalidArgument,
            "STAMP_POSITION",
        ),
        ({"reason": ""}, InvalidArgument, "BAD_REASON"),
        (
            {"document": b"PK\x03\x04" + bytes(MAX_DOCUMENT)},
            ResourceExhausted,
            "DOCUMENT_TOO_LARGE",
        ),
    ],
)
def test_a_bad_request_signs_nothing(
    node: SealNode, changes: dict[str, Any], kind: type[DomainError], reason: str
) -> None:
    document = changes.pop("document", plain_ofd())
    with pytest.raises(kind) as caught:
        node.call("SealDocument", seal_request(document, **changes))
    assert caught.value.reason == reason
    assert sealings(node) == []
    assert phases(node) == []


@pytest.mark.parametrize("days", [-1, 3 * 366])
def test_a_seal_out_of_its_time_signs_nothing(node: SealNode, days: int) -> None:
    node.clock.advance(timedelta(days=days))
    with pytest.raises(FailedPrecondition) as caught:
        node.call("SealDocument", seal_request(plain_ofd()))
    assert caught.value.reason == "SEAL_NOT_IN_FORCE"
    assert sealings(node) == []


def test_a_revoked_seal_signs_no_more_and_what_it_sealed_stays_good(node: SealNode) -> None:
    before = node.call("SealDocument", seal_request(plain_ofd())).document
    node.clock.advance(timedelta(days=1))
    node.act("Revoke")
    assert [leaf["seal"] for leaf in node.leaves("seal_revoked")] == [SEAL]
    with pytest.raises(FailedPrecondition) as caught:
        node.call("SealDocument", seal_request(plain_ofd()))
    assert caught.value.metadata == {"why": "revoked"}
    assert verdict_of(node, before).indication == PASSED
    shown = node.call("GetSeal", pb.GetSealRequest(name=SEAL)).seal
    assert shown.state == pb.SEAL_STATE_REVOKED


def test_a_document_sealed_after_revocation_fails(
    node: SealNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.act("Revoke")
    monkeypatch.setattr("seal.sealing.check_use", lambda *_, **__: None)
    node.clock.advance(timedelta(minutes=1))
    with pytest.raises(DataLoss):
        node.call("SealDocument", seal_request(plain_ofd()))


def test_a_seal_revoked_while_preparing_signs_nothing(
    node: SealNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Sealing._note_prepared

    def late(self: Sealing, *arguments: Any) -> None:
        node.act("Revoke")
        original(self, *arguments)

    monkeypatch.setattr(Sealing, "_note_prepared", late)
    with pytest.raises(FailedPrecondition) as caught:
        node.call("SealDocument", seal_request(plain_ofd()))
    assert caught.value.reason == "SEAL_NOT_IN_FORCE"
    assert sealings(node) == []
