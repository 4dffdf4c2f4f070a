"""Verifying over mTLS: a document in one message or in parts, a signature over a digest."""

from __future__ import annotations

import gc
import hashlib
import shutil
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import pytest
from jsonschema import Draft202012Validator

from runtime.errors import InvalidArgument, ResourceExhausted
from runtime.status import from_rpc_error
from seal.evidence.making import make_evidence
from seal.rpc_verifying import GREATEST
from seal.suites import SM3_OID, digest
from seal.v1 import seal_pb2 as pb
from tests.builders.large_ofd import large_ofd
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf
from tests.builders.seal_node import (
    ADMINISTRATOR,
    CORNER,
    DEPARTMENT,
    SEAL,
    STRANGER,
    SealNode,
    seal_request,
    serving,
    start,
)
from tests.builders.verdicts import SCHEMA, as_json

MIB = 1024 * 1024
DIGEST = digest(SM3_OID, "一份公文".encode())


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


@pytest.fixture
async def stub(node: SealNode, tmp_path: Path) -> AsyncIterator[Any]:
    async with serving(node, tmp_path / "ca") as connect:
        yield connect(STRANGER)


def sealed(node: SealNode, document: bytes) -> bytes:
    request = seal_request(document, placements=[CORNER])
    return bytes(node.call("SealDocument", request, DEPARTMENT).document)


async def parts(
    document: bytes, *, size: int = -1, each: int = MIB
) -> AsyncIterator[pb.StreamVerifyDocumentRequest]:
    yield pb.StreamVerifyDocumentRequest(document_size=len(document) if size < 0 else size)
    for begin in range(0, len(document), each):
        yield pb.StreamVerifyDocumentRequest(data=document[begin : begin + each])


async def refusal(call: Any) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return from_rpc_error(caught.value)


def open_scratch(folder: Path) -> list[str]:
    """Files of this process in a folder, with a name or without."""
    found = []
    for one in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(one.readlink()))
        except OSError:
            continue
    return [one for one in found if one.startswith(str(folder))]


async def test_verdict_says_everything_on_the_wire(node: SealNode, stub: Any) -> None:
    document = sealed(node, plain_ofd())
    said = (await stub.VerifyDocument(pb.VerifyDocumentRequest(document=document))).verdict
    assert said.indication == said.now.indication == pb.INDICATION_PASSED
    assert (said.sub_indication, said.reason, said.document_format) == ("", "", "OFD")
    (report,) = said.signatures
    assert report.indication == report.now.indication == pb.INDICATION_PASSED
    assert report.certificate.subject
    assert len(report.certificate.fingerprint) == 64
    assert [one.role for one in report.trust] == ["seal_maker_certificate", "signer_certificate"]
    assert {one.source for one in report.trust} == {"this node"}
    for check in (*said.checks, *report.checks):
        assert check.title
        assert check.title_zh
        assert check.clause
        assert check.detail
        assert check.detail_zh
        assert check.against, check.name
        assert check.against_zh, check.name


async def test_seal_that_was_revoked_since_is_told_as_of_both_times(
    node: SealNode, stub: Any
) -> None:
    document = sealed(node, plain_ofd())
    node.clock.advance(timedelta(hours=1))
    node.act("Revoke", SEAL, ADMINISTRATOR)
    said = (await stub.VerifyDocument(pb.VerifyDocumentRequest(document=document))).verdict
    assert said.indication == pb.INDICATION_PASSED
    assert said.now.indication == pb.INDICATION_INDETERMINATE
    assert said.now.sub_indication == "REVOKED_NO_POE"
    assert said.now.since_time.ToDatetime().date() == node.clock.now().date()
    (check,) = (c for c in said.signatures[0].checks if c.ended_reason)
    assert (check.name, check.ended_reason) == ("signer_certificate", "CERTIFICATE_REVOKED")


@pytest.mark.parametrize("size", [20 * MIB, 60 * MIB])
async def test_a_large_document_comes_in_parts(
    node: SealNode, stub: Any, data: Path, size: int
) -> None:
    document = large_ofd(20, size)
    said = (await stub.StreamVerifyDocument(parts(document, each=700_000))).verdict
    assert (said.indication, said.reason) == (pb.INDICATION_INDETERMINATE, "NOT_SIGNED")
    gc.collect()
    assert open_scratch(data / "incoming") == []


@pytest.mark.parametrize("make", [plain_ofd, plain_pdf])
async def test_parts_are_judged_as_the_whole(node: SealNode, stub: Any, make: Any) -> None:
    document = sealed(node, make())
    whole = (await stub.VerifyDocument(pb.VerifyDocumentRequest(document=document))).verdict
    inparts = (await stub.StreamVerifyDocument(parts(document, each=1000))).verdict
    assert inparts == whole
    assert whole.indication == pb.INDICATION_PASSED


async def test_part_of_a_document_is_no_document(stub: Any, data: Path) -> None:
    document = plain_ofd()
    cases = [
        (parts(document, size=len(document) + 1), InvalidArgument, "DOCUMENT_INCOMPLETE"),
        (parts(document, size=len(document) - 1), InvalidArgument, "DOCUMENT_INCOMPLETE"),
        (parts(b""), InvalidArgument, "DOCUMENT_EMPTY"),
        (parts(b"x", size=GREATEST + 1), ResourceExhausted, "DOCUMENT_TOO_LARGE"),
        (parts(bytes(2 * MIB), each=2 * MIB), InvalidArgument, "PART_TOO_LARGE"),
    ]
    for sent, kind, reason in cases:
        error = await refusal(stub.StreamVerifyDocument(sent))
        assert (type(error), error.reason) == (kind, reason)
    gc.collect()
    assert open_scratch(data / "incoming") == []


async def test_too_large_for_one_message_names_the_way_that_is_left(node: SealNode) -> None:
    with pytest.raises(ResourceExhausted, match="StreamVerifyDocument"):
        node.call("VerifyDocument", pb.VerifyDocumentRequest(document=bytes(16 * MIB + 1)))


async def test_seal_over_a_digest(node: SealNode, stub: Any) -> None:
    over = pb.Digest(value=DIGEST, property_info="case 2026-1")
    done = node.call("SealDocument", seal_request(b"", placements=[], digest=over), DEPARTMENT)
    asked = {"signature": done.document, "digest": DIGEST}
    for changes, reason in (
        ({}, ""),
        ({"about": "case 2026-1"}, ""),
        ({"about": "case 2026-2"}, "PROPERTY_INFO"),
        ({"digest": hashlib.sha256(b"other").digest()}, "DATA_HASH"),
        ({"signature": b"\x30\x00"}, "SIGNATURE_FORMAT"),
    ):
        request = pb.VerifySealSignatureRequest(**{**asked, **changes})
        verdict = (await stub.VerifySealSignature(request)).verdict
        assert (verdict.reason, verdict.document_format) == (reason, "SES")
    for changes, kind, reason in (
        ({"digest": bytes(31)}, InvalidArgument, "BAD_DIGEST"),
        ({"about": "x" * 1025}, InvalidArgument, "ABOUT_TOO_LONG"),
        ({"signature": bytes(4 * MIB + 1)}, ResourceExhausted, "SIGNATURE_TOO_LARGE"),
    ):
        request = pb.VerifySealSignatureRequest(**{**asked, **changes})
        error = await refusal(stub.VerifySealSignature(request))
        assert (type(error), error.reason) == (kind, reason)


def test_verdicts_of_a_node_fit_the_schema(node: SealNode) -> None:
    for document in (sealed(node, plain_ofd()), plain_ofd(), plain_pdf(), b"PK\x03\x04", b"x"):
        Draft202012Validator(SCHEMA).validate(as_json(node.server.material.verify(document)))


def test_a_seal_and_a_bundle_of_evidence_are_judged_as_documents_are(node: SealNode) -> None:
    sealed = node.call("SealDocument", seal_request(plain_ofd())).document
    material = node.server.material
    bundle = make_evidence(sealed, store=material.current(), now=node.clock.now(), maker="test")
    with zipfile.ZipFile(BytesIO(sealed)) as package:
        (esl,) = (package.read(name) for name in package.namelist() if name.endswith(".esl"))
    for data, kind in ((bundle, "evidence_layout"), (esl, "seal_in_force")):
        verdict = node.call("VerifyDocument", pb.VerifyDocumentRequest(document=data)).verdict
        assert verdict.indication == pb.INDICATION_PASSED, verdict.summary
        checks = [*verdict.checks, *(c for one in verdict.signatures for c in one.checks)]
        assert kind in {check.name for check in checks}
    spoilt, at = bytearray(bundle), bundle.index(sealed) + len(sealed) // 2
    spoilt[at] ^= 1
    verdict = node.call("VerifyDocument", pb.VerifyDocumentRequest(document=bytes(spoilt))).verdict
    assert verdict.indication != pb.INDICATION_PASSED
