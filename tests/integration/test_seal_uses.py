"""Uses of a seal beyond a plain document: digests, proof of time, records, crashes in batches."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import (
    DataLoss,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from runtime.identity import Role
from runtime.objects import get_content
from seal import store
from seal.detached import assess_detached, verify_detached
from seal.keys.signers import generate_signer
from seal.model import Indication, VerificationError
from seal.orders import SealingState
from seal.sealing import Sealing
from seal.ses import parse_signature
from seal.v1 import seal_pb2 as pb
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf
from tests.builders.seal_node import (
    ADMINISTRATOR,
    DEPARTMENT,
    OTHER,
    SEAL,
    STRANGER,
    SealNode,
    principal,
    seal_request,
    start,
)
from tests.builders.tsa import Authority, authority

DIGEST = bytes(range(32))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SealNode]:
    found = start(tmp_path / "data")
    found.make_seal()
    yield found
    found.server.database.close()


def sealings(node: SealNode) -> list[store.Sealing]:
    with node.server.database.reading() as session:
        return store.sealings_of(session, SEAL, limit=1000)


def digest_request(value: bytes = DIGEST, info: str = "case 2026-1", **more: Any) -> Any:
    digest = pb.Digest(value=value, property_info=info)
    return seal_request(b"", placements=[], digest=digest, **more)


# --- digests -----------------------------------------------------------------------------------


def test_a_digest_is_sealed_and_verifies_over_that_digest_only(node: SealNode) -> None:
    done = node.call("SealDocument", digest_request())
    trust, now = node.server.material.current(), node.clock.now()
    assert verify_detached(done.document, DIGEST, store=trust, now=now).signatures[0].signer
    value = parse_signature(done.document)
    assert (value.data_hash, value.property_info) == (DIGEST, "case 2026-1")
    for about, indication, reason in (
        ("case 2026-1", Indication.PASSED, ""),
        ("case 2026-2", Indication.FAILED, "PROPERTY_INFO"),
    ):
        said = assess_detached(done.document, DIGEST, store=trust, now=now, about=about)
        assert (said.indication, said.reason) == (indication, reason)
    other = assess_detached(done.document, bytes(32), store=trust, now=now)
    assert (other.indication, other.reason) == (Indication.FAILED, "DATA_HASH")
    with pytest.raises(VerificationError):
        verify_detached(done.document, bytes(32), store=trust, now=now)
    for position in range(0, len(done.document), 97):
        bent = bytearray(done.document)
        bent[position] ^= 1
        verdict = assess_detached(bytes(bent), DIGEST, store=trust, now=now)
        assert verdict.indication is not Indication.PASSED
    (one,) = sealings(node)
    assert (one.sha256_before, one.state) == (DIGEST.hex(), SealingState.RELEASED)
    assert get_content(node.objects, f"sealed/{done.sha256[:2]}/{done.sha256}") == done.document


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"value": bytes(31)}, "BAD_DIGEST"),
        ({"info": ""}, "BAD_DIGEST"),
        ({"info": "公文"}, "BAD_DIGEST"),
        ({"document": b"PK\x03\x04"}, "NOT_FOR_THIS_FORMAT"),
        ({"close": True}, "NOT_FOR_THIS_FORMAT"),
        ({"level": pb.PROOF_LEVEL_ARCHIVAL}, "NOT_FOR_THIS_FORMAT"),
    ],
)
def test_a_bad_digest_signs_nothing(node: SealNode, changes: dict[str, Any], reason: str) -> None:
    request = digest_request(**{k: v for k, v in changes.items() if k in ("value", "info")})
    for key, value in changes.items():
        if key not in ("value", "info"):
            setattr(request, key, value)
    with pytest.raises(InvalidArgument) as caught:
        node.call("SealDocument", request)
    assert caught.value.reason == reason
    assert sealings(node) == []


# --- proof of time -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tsa() -> Iterator[Authority]:
    with authority() as here:
        yield here


@pytest.fixture
def stamping(tsa: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SealNode]:
    """A node with that authority in its settings, at this machine's time."""
    anchors, lists = tmp_path / "tsa.pem", tmp_path / "tsa-crl.pem"
    anchors.write_text(_pem("CERTIFICATE", tsa.root))
    lists.write_text(_pem("X509 CRL", tsa.crl))
    monkeypatch.setenv("TONGBAN_SEAL__TIMESTAMP_URL", tsa.url)
    monkeypatch.setenv("TONGBAN_SEAL__TIMESTAMP_ANCHORS", str(anchors))
    monkeypatch.setenv("TONGBAN_SEAL__TIMESTAMP_LISTS", str(lists))
    tsa.answer = None
    found = start(tmp_path / "stamping", at=datetime.now(UTC))
    found.make_seal()
    yield found
    found.server.database.close()


def _pem(what: str, encoded: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(encoded).decode(), 64))
    return f"-----BEGIN {what}-----\n{body}\n-----END {what}-----\n"


@pytest.mark.parametrize(
    ("document", "level"),
    [
        (plain_ofd(), pb.PROOF_LEVEL_TIMESTAMPED),
        (plain_pdf(), pb.PROOF_LEVEL_TIMESTAMPED),
        (plain_pdf(), pb.PROOF_LEVEL_LONG_TERM),
        (plain_pdf(), pb.PROOF_LEVEL_ARCHIVAL),
    ],
)
def test_a_document_gets_the_proof_of_time_that_was_asked_for(
    stamping: SealNode, tsa: Authority, document: bytes, level: int
) -> None:
    asked = tsa.asked
    done = stamping.call("SealDocument", seal_request(document, level=level))
    assert tsa.asked == asked + (2 if level == pb.PROOF_LEVEL_ARCHIVAL else 1)
    verdict = stamping.call("VerifyDocument", pb.VerifyDocumentRequest(document=done.document))
    assert verdict.verdict.indication != pb.INDICATION_FAILED, verdict
    assert [one.state for one in sealings(stamping)] == [SealingState.RELEASED]


def test_a_digest_may_be_stamped(stamping: SealNode) -> None:
    done = stamping.call("SealDocument", digest_request(level=pb.PROOF_LEVEL_TIMESTAMPED))
    assert parse_signature(done.document).timestamp


@pytest.mark.parametrize("document", [plain_ofd(), plain_pdf()], ids=["ofd", "pdf"])
def test_an_authority_that_is_down_fails_the_sealing_and_a_repeat_goes_through(
    stamping: SealNode, tsa: Authority, document: bytes
) -> None:
    request = seal_request(document, level=pb.PROOF_LEVEL_TIMESTAMPED)
    tsa.answer = lambda _query: (503, "text/plain", b"down")
    with pytest.raises(Unavailable) as caught:
        stamping.call("SealDocument", request)
    assert caught.value.reason == "TIMESTAMP_UNAVAILABLE"
    (left,) = sealings(stamping)
    assert (left.state, left.failure) == (SealingState.FAILED, "TIMESTAMP_UNAVAILABLE")
    assert list(stamping.objects.list("sealed/")) == []
    tsa.answer = None
    assert stamping.call("SealDocument", request).sha256
    states = [one.state for one in sealings(stamping)]
    assert sorted(states) == [SealingState.FAILED, SealingState.RELEASED]


def test_an_authority_that_lies_fails_the_sealing(stamping: SealNode, tsa: Authority) -> None:
    tsa.answer = lambda _query: (200, "application/timestamp-reply", b"\x30\x00")
    with pytest.raises(DataLoss) as caught:
        stamping.call("SealDocument", seal_request(plain_ofd(), level=pb.PROOF_LEVEL_TIMESTAMPED))
    assert caught.value.reason == "TIMESTAMP_NOT_GOOD"
    assert [one.failure for one in sealings(stamping)] == ["TIMESTAMP_NOT_GOOD"]


def test_without_an_authority_it_is_said_what_to_set(node: SealNode) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        node.call("SealDocument", seal_request(plain_ofd(), level=pb.PROOF_LEVEL_TIMESTAMPED))
    assert caught.value.reason == "TIMESTAMP_NOT_CONFIGURED"
    assert "timestamp_url" in caught.value.message
    assert sealings(node) == []


def test_settings_that_name_no_certificates_are_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    monkeypatch.setenv("TONGBAN_SEAL__TIMESTAMP_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("TONGBAN_SEAL__TIMESTAMP_ANCHORS", str(tmp_path / "empty.pem"))
    with pytest.raises(FailedPrecondition) as caught:
        start(tmp_path / "data", opened=False)
    assert caught.value.reason == "TIMESTAMP_FILE_UNREADABLE"


# --- places ------------------------------------------------------------------------------------


def test_an_ofd_is_sealed_by_every_kind_of_place(node: SealNode) -> None:
    ways = [
        pb.Placement(keyword=pb.KeywordPlacement(text="SHIFAN", occurrence=-1)),
        pb.Placement(every_page=pb.EveryPagePlacement(x_mm=10, y_mm=200)),
        pb.Placement(edges=pb.EdgePlacement(y_mm=100, pages_per_image=2)),
    ]
    done = node.call(
        "SealDocument",
        seal_request(plain_ofd(4), placements=ways, close=True, integrity_entries=True),
    )
    assert done.stamp_count == 1 + 4 + 4
    assert node.call("SealDocument", seal_request(plain_ofd())).stamp_count == 1
    verdict = node.call("VerifyDocument", pb.VerifyDocumentRequest(document=done.document)).verdict
    assert verdict.indication == pb.INDICATION_PASSED, verdict
    with pytest.raises(FailedPrecondition) as caught:
        node.call("SealDocument", seal_request(done.document))
    assert caught.value.reason == "OFD_CLOSED"
    with pytest.raises(InvalidArgument) as wrong:
        node.call("SealDocument", seal_request(plain_ofd(), placements=[pb.Placement()]))
    assert wrong.value.reason == "STAMP_POSITION"


# --- records -----------------------------------------------------------------------------------


def _closed_pdf(node: SealNode) -> bytes:
    return node.call("SealDocument", seal_request(plain_pdf(), close=True)).document


def _closed_ofd(node: SealNode) -> bytes:
    return node.call("SealDocument", seal_request(plain_ofd(), close=True)).document


@pytest.mark.parametrize(
    ("closed", "reason"), [(_closed_ofd, "OFD_CLOSED"), (_closed_pdf, "PDF_CLOSED")]
)
def test_a_use_that_the_document_refuses_is_recorded(
    node: SealNode, closed: Any, reason: str
) -> None:
    """As one is that fails on an earlier signature; but no key was asked, and nothing prepared."""
    document = closed(node)
    node.clock.advance(_second())
    with pytest.raises(FailedPrecondition) as caught:
        node.call("SealDocument", seal_request(document, kind="letter", reason="再次用印"))
    assert caught.value.reason == reason
    newest = sealings(node)[0]
    assert (newest.state, newest.failure) == (SealingState.FAILED, reason)
    assert (newest.kind, newest.reason, newest.tbs) == ("letter", "再次用印", b"")
    (leaf,) = [one for one in node.leaves("document_sealed") if one["phase"] == "failed"]
    assert (leaf["why"], leaf["reason"]) == (reason, "再次用印")
    # What may not be used is not recorded: whoever asks has no part in it.
    with pytest.raises(NotFound):
        node.call("SealDocument", seal_request(document), STRANGER)
    node.act("Freeze")
    with pytest.raises(FailedPrecondition):
        node.call("SealDocument", seal_request(document))
    assert len(sealings(node)) == 2


def test_uses_are_listed_newest_first_by_page(node: SealNode) -> None:
    for n in range(5):
        node.clock.advance(_second())
        node.call("SealDocument", seal_request(plain_ofd(), kind="official-letter", reason=f"{n}"))
    with pytest.raises(DomainError):
        node.call("SealDocument", seal_request(plain_ofd(), level=2))
    found, token = [], ""
    while True:
        page = node.call(
            "ListSealings", pb.ListSealingsRequest(parent=SEAL, page_size=2, page_token=token)
        )
        found += page.sealings
        token = page.next_page_token
        if not token:
            break
    assert [one.reason for one in found] == ["4", "3", "2", "1", "0"]
    newest = found[0]
    assert (newest.actor, newest.kind, newest.format) == (
        DEPARTMENT.system, "official-letter", pb.DOCUMENT_FORMAT_OFD,
    )  # fmt: skip
    assert newest.state == pb.SEALING_STATE_RELEASED
    assert len(newest.sha256_before) == len(newest.sha256_after) == 64
    for who in (STRANGER, principal(Role.COUNTER, department=OTHER)):
        with pytest.raises(NotFound):
            node.call("ListSealings", pb.ListSealingsRequest(parent=SEAL), who)
    assert node.call("ListSealings", pb.ListSealingsRequest(parent=SEAL), ADMINISTRATOR).sealings
    for token in ("!", "YQ", base64.urlsafe_b64encode(b"2026-01-01T00:00:00 x").decode()):
        with pytest.raises(InvalidArgument) as caught:
            node.call("ListSealings", pb.ListSealingsRequest(parent=SEAL, page_token=token))
        assert caught.value.reason == "BAD_PAGE_TOKEN"


def _second() -> Any:
    from datetime import timedelta

    return timedelta(seconds=1)


def test_notes_of_one_group_fail_alone(node: SealNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many callers at once, half of them with a seal that is not theirs or a bad key."""
    signer = generate_signer("sm2-sm3")

    def one(n: int) -> str:
        request = seal_request(plain_ofd(), kind="letter" if n % 2 else "other")
        try:
            return str(node.call("SealDocument", request).sha256)
        except DomainError as error:
            return error.reason

    original = Sealing._note_prepared

    def picky(self: Sealing, order: Any, draft: Any, tbs: bytes) -> None:
        if order.kind == "other":
            order = _of_another(order)
        original(self, order, draft, tbs)

    monkeypatch.setattr(Sealing, "_note_prepared", picky)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(one, range(40)))
    assert [reason == "SEAL_NOT_FOUND" for reason in found] == [n % 2 == 0 for n in range(40)]
    assert [one.state for one in sealings(node)] == [SealingState.RELEASED] * 20
    assert signer.public_key


def _of_another(order: Any) -> Any:
    from dataclasses import replace

    return replace(order, department=OTHER, actor=STRANGER.system)


# --- kills -------------------------------------------------------------------------------------

_KILLED = """
    import os, signal, sys
    from pathlib import Path
    from concurrent.futures import ThreadPoolExecutor
    from seal.sealing import Sealing
    from seal.v1 import seal_pb2 as pb
    from tests.builders.seal_node import DEPARTMENT, seal_request, start
    folder, step, ids = Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
    node = start(folder)
    from tests.builders.ofd import plain_ofd
    servicer = node.server.servicer()
    count = 0
    original = getattr(Sealing, step)
    def dies(self, *given, **named):
        global count
        count += 1
        if count == 12:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, *given, **named)
    setattr(Sealing, step, dies)
    def one(number):
        request = seal_request(plain_ofd(), request_id=ids[number])
        part = pb.BatchSealDocumentsRequest(item=number, request=request)
        answer = servicer.one_of_batch(part, request.seal, DEPARTMENT)
        if answer.HasField("response"):
            given = folder / f"giving-{number}"
            given.write_bytes(answer.response.document)
            given.rename(folder / f"answer-{number}")  # the killed write nothing by halves
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(one, range(len(ids))))
"""


@pytest.mark.parametrize(
    "step", ["_note_prepared", "_note_signed", "_check_output", "release", "_record"]
)
def test_a_batch_whose_process_is_killed_is_finished_by_sending_it_again(
    tmp_path: Path, step: str
) -> None:
    """SIGKILL in the middle of the twelfth: what was answered stays, nothing is sealed twice."""
    data = tmp_path / "data"
    node = start(data)
    node.make_seal()
    node.server.database.close()
    ids = [str(uuid.uuid4()) for _ in range(20)]
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_KILLED), str(data), step, ",".join(ids)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    given = {
        int(path.name.removeprefix("answer-")): path.read_bytes() for path in data.glob("answer-*")
    }

    again = start(data)
    servicer = again.server.servicer()
    for number, ident in enumerate(ids):
        request = seal_request(plain_ofd(), request_id=ident)
        part = pb.BatchSealDocumentsRequest(item=number, request=request)
        answer = servicer.one_of_batch(part, request.seal, DEPARTMENT)
        assert answer.HasField("response"), answer.error
        if number in given:
            assert answer.response.document == given[number]
    found = sealings(again)
    assert [one.state for one in found].count(SealingState.RELEASED) == 20
    assert all(one.tbs for one in found if one.state is not SealingState.RELEASED)
    recorded = [leaf["phase"] for leaf in again.leaves("document_sealed")]
    assert recorded.count("released") == 20
    assert recorded.count("prepared") == len(found)
    again.server.database.close()
