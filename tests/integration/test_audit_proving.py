"""From a sealing at a real node to a bundle of evidence that proves it, without the node."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from exchange.audit.proved import proof_to_json
from exchange.v1 import audit_pb2
from licenses.v1 import licenses_pb2
from runtime.errors import OutOfRange
from runtime.status import from_rpc_error
from seal.evidence.assessing import assess_evidence
from seal.evidence.making import make_evidence
from seal.trust import TrustStore
from seal.v1 import seal_pb2
from tests.builders import county
from tests.builders.audit import log_key
from tests.builders.ofd import plain_ofd
from tests.builders.seal_node import CORNER
from tongban.bundled import receipt_check
from tongban.demonstration import auditing, licensing
from tongban.log_question import LogQuestion
from tongban.proofs import size_of, verify_file
from tongban.proving import Found, prove
from tongban.trust_folder import TrustFolder


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("proving") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def issued(scene) -> dict[str, object]:
    """A license with its documents; and the seal's name."""
    return licensing.issue(scene)


@pytest.fixture(scope="module")
def letter(scene, issued) -> bytes:
    answer = scene["employment"].seals.SealDocument(
        seal_pb2.SealDocumentRequest(
            seal=str(issued["seal"]), document=plain_ofd(), placements=[CORNER], reason="公告",
            request_id=str(uuid4()),
        ),
        timeout=60,
    )  # fmt: skip
    return bytes(answer.document)


def proved(scene, document: bytes, kinds: list[str]) -> Found:
    """Waits until the log has records of these kinds; a system of another department asks."""
    for _ in range(100):
        found = prove(scene["market"], sha256(document).hexdigest())
        told = [json.loads(one.leaf)["kind"] for one in found.proof.leaves] if found.proof else []
        if told == kinds:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{told}, not {kinds}")


def log_key_of(scene) -> str:
    answer = scene["market"].audit.GetCheckpoint(audit_pb2.GetCheckpointRequest(), timeout=30)
    return str(answer.verifier_key)


def trust_of(scene, folder: Path) -> TrustStore:
    trust = TrustFolder(folder)
    request = seal_pb2.GetTrustMaterialRequest()
    trust.write(scene["market"].seals.GetTrustMaterial(request, timeout=30))
    return trust.read()


def test_a_sealing_is_proved_in_a_bundle_years_later(scene, letter, tmp_path):
    found = proved(scene, letter, ["document_sealed"])
    assert found.proof is not None
    key, store = log_key_of(scene), trust_of(scene, tmp_path / "trust")
    file = proof_to_json(found.proof).encode()
    bundle = make_evidence(
        letter, store=store, now=datetime.now(UTC), maker="tongban 0.1.0", receipts=[file],
        log_key=key,
    )  # fmt: skip

    def verdict(data: bytes, own_key: str):
        judge = partial(receipt_check, own_key=own_key, trust_inside=False)
        told = assess_evidence(data, store=store, now=datetime.now(UTC), judge_receipt=judge)
        (check,) = [one for one in told.checks if one.name == "evidence_receipt"]
        return told, check

    told, check = verdict(bundle, key)
    assert (told.indication, check.notice) == ("PASSED", False)
    assert "1 record of this document: document_sealed" in check.detail
    assert verdict(bundle, "")[1].reason == "LOG_KEY_NOT_TRUSTED"
    assert verdict(bundle, log_key().verifier_key)[1].indication == "FAILED"
    other = make_evidence(
        Path(scene.files / "license.ofd").read_bytes(), store=store, now=datetime.now(UTC),
        maker="tongban 0.1.0", receipts=[file], log_key=key,
    )  # fmt: skip
    told, check = verdict(other, key)
    assert (told.indication, check.reason) == ("FAILED", "RECEIPT_OF_ANOTHER_DOCUMENT")


def test_a_license_is_proved_with_what_became_of_it(scene, issued, tmp_path):
    sealed, made = ["document_sealed"], ["license_issued"]
    documents = [Path(scene.files / f"license.{form}").read_bytes() for form in ("ofd", "pdf")]
    for document in documents:
        proved(scene, document, [*sealed, *made])
    scene["employment"].licenses.RevokeLicense(
        licenses_pb2.RevokeLicenseRequest(
            name=str(issued["license"]), reason="核查", request_id=str(uuid4())
        ),
        timeout=30,
    )
    for document in documents:
        found = proved(scene, document, [*sealed, *made, "license_revoked"])
        assert found.proof is not None
        path = tmp_path / "proof.json"
        path.write_text(proof_to_json(found.proof), encoding="utf-8")
        told = verify_file(
            path, log_key_of(scene), LogQuestion(document=sha256(document).hexdigest())
        )
        assert told["indication"] == "PASSED", told
        assert "license_revoked" in told["summary"]


def test_the_log_is_read_from_where_it_is_asked(scene, letter):
    found = proved(scene, letter, ["document_sealed"])
    assert found.proof is not None
    (one,) = found.proof.leaves
    digest = sha256(letter).hexdigest()
    again = prove(scene["market"], digest, start=one.index).proof
    assert again is not None
    assert [leaf.index for leaf in again.leaves] == [one.index]
    assert prove(scene["market"], digest, start=one.index + 1).proof is None
    assert prove(scene["market"], sha256(plain_ofd()).hexdigest()).proof is None
    with pytest.raises(grpc.RpcError) as beyond:
        prove(scene["market"], digest, start=1 << 40)
    assert isinstance(from_rpc_error(beyond.value), OutOfRange)
    assert size_of(auditing.checkpoint(scene)) > one.index
