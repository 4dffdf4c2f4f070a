"""The seal service whole: over mTLS, through crashes, full disks and repeats."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from runtime.errors import (
    AlreadyExists,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from runtime.identity import Role
from seal.model import Indication
from seal.orders import SealingState
from seal.sealing import Sealing, object_name
from seal.ses import parse_seal
from seal.trust import TrustAnchor, TrustStore, parse_certificate
from seal.v1 import seal_pb2 as pb
from seal.verify import assess
from tests.builders.ofd import plain_ofd, seal_ofd
from tests.builders.pdf import plain_pdf
from tests.builders.seal_node import (
    ADMINISTRATOR,
    CREDIT_CODE,
    DEPARTMENT,
    DISPLAY_NAME,
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
from tests.builders.seal_storing import Crash, FaultyStore, phases, refusal, sealings, verdict_of

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


# --- over the wire -----------------------------------------------------------------------------


async def test_a_department_has_its_seal_made_uses_it_and_anybody_verifies(tmp_path: Path) -> None:
    node = start(tmp_path / "data", opened=False)
    await node.server.start()
    async with serving(node, tmp_path / "ca") as connect:
        administrator, department = connect(ADMINISTRATOR), connect(DEPARTMENT)
        auditor = connect(principal(Role.AUDITOR, department=OTHER))

        asked = (await administrator.CreateSeal(create_request())).seal
        approval = pb.ApproveSealRequest(name=SEAL, request_id="approval", etag=asked.etag)
        made = (await connect(SECOND).ApproveSeal(approval)).seal
        assert (made.name, made.display_name, made.state) == (SEAL, DISPLAY_NAME, 1)
        assert made.image == asked.image
        assert made.image.startswith(b"\x89PNG")
        assert (made.width_mm, made.height_mm) == (42, 42)
        certificate = parse_certificate(made.certificate)
        assert certificate.subject_fields["CN"] == DISPLAY_NAME
        assert certificate.subject_fields["O"] == DISPLAY_NAME
        assert certificate.subject_fields["OU"] == CREDIT_CODE
        seal = parse_seal(made.seal_data)
        assert (seal.version, seal.es_id, seal.cert_list) == (4, made.es_id, (made.certificate,))
        assert seal.maker_certificate != made.certificate

        trust = await auditor.GetTrustMaterial(pb.GetTrustMaterialRequest())
        anchors = [
            TrustAnchor(
                name=str(n),
                certificate=c,
                valid_from=parse_certificate(c).not_before,
                makers=tuple(trust.makers),
            )
            for n, c in enumerate(trust.anchors)
        ]
        public = TrustStore(anchors=tuple(anchors), crls=tuple(trust.revocation_lists))

        for document, form in ((plain_ofd(2), "SES_V4"), (plain_pdf(2), "PADES")):
            request = seal_request(
                document,
                placements=[pb.Placement(position=pb.StampPosition(page=2, x_mm=9, y_mm=9))],
            )
            sealed = await department.SealDocument(request)
            assert sealed.sha256 == hashlib.sha256(sealed.document).hexdigest()
            assert sealed.seal_time.ToDatetime(NOW.tzinfo) == NOW
            verdict = (
                await auditor.VerifyDocument(pb.VerifyDocumentRequest(document=sealed.document))
            ).verdict
            assert (verdict.indication, len(verdict.signatures)) == (PASSED, 1), verdict
            report = verdict.signatures[0]
            assert (report.format, report.signer) == (form, DISPLAY_NAME)
            assert report.signing_time.ToDatetime(NOW.tzinfo) == NOW
            # A stand-alone verifier with the public material agrees.
            alone = assess(sealed.document, store=public, now=NOW)
            assert alone.indication is Indication.PASSED
            assert not [c.name for c in alone.all_checks() if c.notice]
    await node.server.stop()


async def test_who_may_do_what(node: SealNode, tmp_path: Path) -> None:
    async with serving(node, tmp_path / "ca") as connect:
        department, stranger = connect(DEPARTMENT), connect(STRANGER)
        counter = connect(principal(Role.COUNTER))
        for caller in (department, stranger, counter):
            error = await refusal(caller.CreateSeal(create_request(seal_id="other")))
            assert error.reason == "ROLE_NOT_ALLOWED"
            assert (await caller.GetSeal(pb.GetSealRequest(name=SEAL))).seal.name == SEAL
        for role in (Role.ADMINISTRATOR, Role.AUDITOR, Role.COUNTER):
            caller = connect(principal(role))
            error = await refusal(caller.SealDocument(seal_request(plain_ofd())))
            assert error.reason == "ROLE_NOT_ALLOWED"
            assert "(for: department)" in error.message

        foreign = await refusal(stranger.SealDocument(seal_request(plain_ofd())))
        absent = await refusal(
            stranger.SealDocument(seal_request(plain_ofd(), seal=f"{OFFICE}/seals/none"))
        )
        assert type(foreign) is type(absent) is NotFound
        assert (foreign.reason, foreign.message, foreign.metadata) == (
            absent.reason, absent.message, absent.metadata,
        )  # fmt: skip
        assert sealings(node) == []

        done = await connect(NODE).SealDocument(seal_request(plain_ofd()))
        assert verdict_of(node, done.document).indication == PASSED


def test_a_sealing_without_an_id_is_refused(node: SealNode) -> None:
    with pytest.raises(InvalidArgument) as caught:
        node.call("SealDocument", seal_request(plain_ofd(), request_id=""))
    assert caught.value.reason == "REQUEST_ID_REQUIRED"
    assert sealings(node) == []


# --- sealing: repeats and records --------------------------------------------------------------


@pytest.mark.parametrize("document", [plain_ofd(), plain_pdf()], ids=["ofd", "pdf"])
def test_a_repeat_returns_the_same_bytes(node: SealNode, document: bytes) -> None:
    request = seal_request(document)
    first = node.call("SealDocument", request)
    assert node.call("SealDocument", request) == first
    assert [one.state for one in sealings(node)] == [SealingState.RELEASED]
    assert phases(node) == ["prepared", "released"]
    request.document = document + b" "
    with pytest.raises(AlreadyExists) as caught:
        node.call("SealDocument", request)
    assert caught.value.reason == "REQUEST_ID_REUSED"


def test_the_use_is_recorded_before_and_after(node: SealNode) -> None:
    document = plain_ofd()
    done = node.call("SealDocument", seal_request(document))
    before, after = node.leaves("document_sealed")
    assert before["actor"] == DEPARTMENT.system
    assert (before["seal"], before["format"], before["reason"]) == (SEAL, "OFD", "签发证照")
    assert before["sha256_before"] == hashlib.sha256(document).hexdigest()
    assert "sha256_after" not in before
    assert after["sha256_after"] == done.sha256
    assert before["sealing"] == after["sealing"]


def test_the_answer_is_kept_without_the_document(node: SealNode, data: Path) -> None:
    request = seal_request(plain_ofd())
    done = node.call("SealDocument", request)
    with sqlite3.connect(data / "seal.db") as connection:
        (size,) = connection.execute(
            "SELECT length(answer) FROM answered_request WHERE method = 'SealDocument'"
        ).fetchone()
    connection.close()
    assert size < 200 < len(done.document)
    node.objects.delete(object_name(done.sha256))
    with pytest.raises(DataLoss) as caught:
        node.call("SealDocument", request)
    assert caught.value.reason == "OBJECT_MISSING"


def test_a_changed_object_is_not_given_out(node: SealNode) -> None:
    request = seal_request(plain_ofd())
    done = node.call("SealDocument", request)
    node.objects.put(object_name(done.sha256), b"changed")
    with pytest.raises(DataLoss) as caught:
        node.call("SealDocument", request)
    assert caught.value.reason == "OBJECT_CHANGED"


def test_two_sealings_of_one_document_at_once_are_independent(node: SealNode) -> None:
    document = plain_ofd()
    with ThreadPoolExecutor(4) as threads:
        done = list(
            threads.map(lambda _: node.call("SealDocument", seal_request(document)), range(8))
        )
    assert len({one.sha256 for one in done}) == 8
    assert all(verdict_of(node, one.document).indication == PASSED for one in done)


def test_one_request_sent_many_times_at_once_has_one_answer(node: SealNode) -> None:
    request = seal_request(plain_ofd())
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: node.call("SealDocument", request), range(8)))
    assert len({one.document for one in done}) == 1
    states = [one.state for one in sealings(node)]
    assert states.count(SealingState.RELEASED) == 1
    assert set(states) <= {SealingState.RELEASED, SealingState.FAILED}
    assert phases(node).count("released") == 1


def test_a_second_seal_goes_beside_the_first(node: SealNode) -> None:
    for document in (plain_ofd(), plain_pdf()):
        once = node.call("SealDocument", seal_request(document)).document
        other = pb.Placement(position=pb.StampPosition(page=1, x_mm=20, y_mm=20, size_mm=30))
        node.clock.advance(timedelta(minutes=1))
        twice = node.call("SealDocument", seal_request(once, placements=[other])).document
        verdict = verdict_of(node, twice)
        assert (verdict.indication, len(verdict.signatures)) == (PASSED, 2)


def test_a_document_with_an_unknown_earlier_seal_may_be_sealed(node: SealNode) -> None:
    foreign = seal_ofd(plain_ofd(), signed_at=NOW - timedelta(days=1))
    done = node.call("SealDocument", seal_request(foreign))
    verdict = verdict_of(node, done.document)
    assert verdict.indication == pb.INDICATION_INDETERMINATE
    assert verdict.reason == "NO_TRUST_ANCHOR"


# --- sealing: crashes ---------------------------------------------------------------------------


def crash_at(step: str, node: SealNode, patch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> None:
        raise Crash

    store_of = node.objects
    assert isinstance(store_of, FaultyStore)
    if step == "before_put":
        patch.setattr(store_of, "before", Crash())
    elif step == "after_put":
        patch.setattr(store_of, "after", Crash())
    else:
        patch.setattr(Sealing, step, crash)


@pytest.mark.parametrize("document", [plain_ofd(), plain_pdf()], ids=["ofd", "pdf"])
@pytest.mark.parametrize(
    ("step", "left"),
    [
        ("_note_prepared", None),
        ("_note_signed", SealingState.PREPARED),
        ("_check_output", SealingState.SIGNED),
        ("before_put", SealingState.SIGNED),
        ("after_put", SealingState.SIGNED),
        ("release", SealingState.SIGNED),
    ],
)
def test_a_crash_gives_nothing_out_and_a_retry_finishes(
    node: SealNode,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    document: bytes,
    step: str,
    left: SealingState | None,
) -> None:
    request = seal_request(document)
    with monkeypatch.context() as patch:
        crash_at(step, node, patch)
        with pytest.raises(Crash):
            node.call("SealDocument", request)
    assert [one.state for one in sealings(node)] == ([left] if left else [])
    assert all(one.tbs for one in sealings(node)), "what may have been signed is on record"
    assert "released" not in phases(node)

    again = start(data)
    done = again.call("SealDocument", request)
    assert verdict_of(again, done.document).indication == PASSED
    assert again.call("SealDocument", request) == done
    assert phases(again).count("released") == 1
    if step in ("after_put", "release"):  # the stored document was taken up
        assert [one.state for one in sealings(again)] == [SealingState.RELEASED]


# --- verifying and starting --------------------------------------------------------------------


def test_a_failed_verification_is_an_answer(node: SealNode) -> None:
    sealed = bytearray(node.call("SealDocument", seal_request(plain_pdf())).document)
    sealed[20] ^= 1
    verdict = verdict_of(node, bytes(sealed))
    assert verdict.indication == pb.INDICATION_FAILED
    assert verdict.reason
    assert verdict.summary_zh
    unsealed = verdict_of(node, plain_ofd())
    assert (unsealed.indication, unsealed.reason) == (
        pb.INDICATION_INDETERMINATE, "NOT_SIGNED",
    )  # fmt: skip
    assert verdict_of(node, b"neither").indication == pb.INDICATION_FAILED
    with pytest.raises(InvalidArgument):
        verdict_of(node, b"")


def test_lists_are_issued_anew_before_their_time_is_over(node: SealNode) -> None:
    first = node.call("GetTrustMaterial", pb.GetTrustMaterialRequest())
    node.clock.advance(timedelta(days=14))
    assert node.call("GetTrustMaterial", pb.GetTrustMaterialRequest()) == first
    node.clock.advance(timedelta(days=2))
    second = node.call("GetTrustMaterial", pb.GetTrustMaterialRequest())
    assert second.anchors == first.anchors
    maker = node.server.custody.hierarchy.maker
    assert list(second.makers) == [hashlib.sha256(maker).hexdigest()]
    assert len(second.revocation_lists) == 2
    assert set(second.revocation_lists).isdisjoint(first.revocation_lists)


def test_a_wrong_passphrase_at_start_says_what_to_do(data: Path) -> None:
    (data / "secrets" / "passphrase").write_bytes(b"another passphrase")
    with pytest.raises(FailedPrecondition) as caught:
        start(data)
    assert caught.value.reason == "WRONG_PASSPHRASE"
    assert "passphrase_file" in caught.value.message


def test_lost_keys_under_existing_seals_are_not_made_anew(data: Path) -> None:
    shutil.rmtree(data / "keys")
    with pytest.raises(FailedPrecondition) as caught:
        start(data)
    assert caught.value.reason == "SEAL_KEYS_MISSING"
    assert not list((data / "keys").rglob("*.key"))


def test_a_lost_seal_key_is_told(node: SealNode, data: Path) -> None:
    for path in (data / "keys" / "seal" / "signers").rglob("*.key"):
        path.unlink()
    with pytest.raises(FailedPrecondition) as caught:
        node.call("SealDocument", seal_request(plain_ofd()))
    assert caught.value.reason == "SEAL_KEYS_MISSING"
    assert sealings(node) == []


def test_the_service_runs_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    node = start(tmp_path, database=postgres_url)
    create = create_request()
    first = node.call("CreateSeal", create, ADMINISTRATOR)
    assert node.call("CreateSeal", create, ADMINISTRATOR) == first
    node.approve(first.seal.name)
    request = seal_request(plain_ofd())
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: node.call("SealDocument", request), range(8)))
    assert len({one.document for one in done}) == 1
    assert verdict_of(node, done[0].document).indication == PASSED
    node.server.database.close()


def test_a_seal_revoked_while_it_signs_is_said_to_be_no_longer_in_force(
    node: SealNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = node.server.custody.seal_key(SEAL, "sm2-sm3")

    class Slow:
        suite_name = signer.suite_name
        public_key = signer.public_key

        def sign(self, message: bytes) -> bytes:
            node.act("Revoke")
            return signer.sign(message)

    monkeypatch.setattr(node.server.custody, "seal_key", lambda *_: Slow())
    with pytest.raises(FailedPrecondition) as caught:
        node.call("SealDocument", seal_request(plain_ofd()))
    assert (caught.value.reason, caught.value.metadata["why"]) == ("SEAL_NOT_IN_FORCE", "revoked")
    assert [one.failure for one in sealings(node)] == ["SEAL_NOT_IN_FORCE"]
    assert list(node.objects.list("sealed/")) == []
