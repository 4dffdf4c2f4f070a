"""Time-stamped documents of a node with a time-stamp authority, verified by what it hands out."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runtime.clock import FixedClock
from runtime.config import SealSettings
from runtime.identity import Role
from runtime.objects import FileStore
from seal.model import Indication
from seal.server import SealServer
from seal.trust import Purpose, assess_chain
from seal.v1 import seal_pb2 as pb
from seal.verify import assess
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf
from tests.builders.seal_node import (
    DEPARTMENT,
    SealNode,
    principal,
    seal_request,
    serving,
    settings_in,
)
from tests.builders.tsa import Authority, authority
from tongban.main import application
from tongban.verdicts import TrustFolder

CASES = [
    ("ofd", pb.PROOF_LEVEL_TIMESTAMPED),
    ("pdf", pb.PROOF_LEVEL_TIMESTAMPED),
    ("pdf", pb.PROOF_LEVEL_LONG_TERM),
    ("pdf", pb.PROOF_LEVEL_ARCHIVAL),
]
AUDITOR = principal(Role.AUDITOR)


@pytest.fixture(scope="module")
def tsa() -> Iterator[Authority]:
    with authority() as here:
        yield here


def _node(tsa: Authority, folder: Path, *, url: str | None = None) -> SealNode:
    """A service whose settings name the authority, at this machine's time."""
    folder.mkdir(exist_ok=True)
    root, lists = folder / "tsa.pem", folder / "tsa.crl"
    root.write_text(ssl.DER_cert_to_PEM_cert(tsa.root))
    lists.write_bytes((tsa.folder / "root.crl.pem").read_bytes())
    settings = settings_in(folder / "data").model_copy(
        update={
            "seal": SealSettings(
                timestamp_url=tsa.url if url is None else url,
                timestamp_anchors=root,
                timestamp_lists=lists,
            )
        }
    )
    clock = FixedClock(datetime.now(UTC).replace(microsecond=0))
    objects = FileStore(folder / "objects")
    node = SealNode(SealServer(settings, objects, clock), clock, objects)
    node.server.migrate()
    node.server.open()
    return node


async def test_what_is_handed_out_verifies_what_was_stamped(tsa: Authority, tmp_path: Path) -> None:
    node = _node(tsa, tmp_path / "node")
    node.make_seal()
    async with serving(node, tmp_path / "identity") as connect:
        office, anybody = connect(DEPARTMENT), connect(AUDITOR)
        material = await anybody.GetTrustMaterial(pb.GetTrustMaterialRequest())
        assert list(material.timestamp_anchors) == [tsa.root]
        assert tsa.root not in material.anchors
        folder = TrustFolder(tmp_path / "trust")
        folder.write(material)
        store, now = folder.read(), datetime.now(UTC)
        assert [one.certificate for one in store.anchors if one.is_for_time_alone] == [tsa.root]
        for number, (kind, level) in enumerate(CASES):
            plain = plain_ofd() if kind == "ofd" else plain_pdf()
            sealed = await office.SealDocument(seal_request(plain, level=level))
            told = await anybody.VerifyDocument(pb.VerifyDocumentRequest(document=sealed.document))
            assert told.verdict.indication == pb.INDICATION_PASSED, told.verdict
            verdict = assess(sealed.document, store=store, now=now)
            assert verdict.indication is Indication.PASSED, (kind, level, verdict.to_dict())
            assert "time_stamp" in {check.name for check in verdict.all_checks()}
            signers = tuple(one for one in store.anchors if not one.is_for_time_alone)
            without = assess(sealed.document, store=replace(store, anchors=signers), now=now)
            assert without.indication is Indication.INDETERMINATE
            path = tmp_path / f"{number}.{kind}"
            path.write_bytes(sealed.document)
            said = CliRunner().invoke(
                application("seal"), ["seal", "verify", str(path), "--trust", str(folder.path)]
            )
            assert said.exit_code == 0, said.output


def test_roots_of_the_time_are_trusted_for_nothing_else(tsa: Authority, tmp_path: Path) -> None:
    node = _node(tsa, tmp_path / "node")
    material = node.call("GetTrustMaterial", pb.GetTrustMaterialRequest(), AUDITOR)
    folder = TrustFolder(tmp_path / "trust")
    folder.write(material)
    store, now = folder.read(), datetime.now(UTC)
    for purpose in (Purpose.SIGNER, Purpose.SEAL_MAKER):
        found = assess_chain(tsa.root, at=now, store=store, purpose=purpose)
        assert found.status == "PURPOSE_NOT_TRUSTED"
    assert assess_chain(tsa.certificate, at=now, store=store, purpose=Purpose.TIMESTAMP).is_trusted


def test_a_trust_folder_of_before_is_read(tsa: Authority, tmp_path: Path) -> None:
    """Folders written before time-stamp roots were handed out have no place for them."""
    node = _node(tsa, tmp_path / "node")
    material = node.call("GetTrustMaterial", pb.GetTrustMaterialRequest(), AUDITOR)
    material.ClearField("timestamp_anchors")
    folder = TrustFolder(tmp_path / "trust")
    folder.write(material)
    assert not (folder.path / "timestamp-anchors").exists()
    assert not any(one.is_for_time_alone for one in folder.read().anchors)


def test_what_was_stamped_stays_good_where_no_authority_is_asked_any_more(
    tsa: Authority, tmp_path: Path
) -> None:
    node = _node(tsa, tmp_path / "node")
    node.make_seal()
    wish = seal_request(plain_ofd(), level=pb.PROOF_LEVEL_TIMESTAMPED)
    sealed = node.call("SealDocument", wish).document
    node.server.database.close()
    later = _node(tsa, tmp_path / "node", url="")
    told = later.call("VerifyDocument", pb.VerifyDocumentRequest(document=sealed), AUDITOR)
    assert told.verdict.indication == pb.INDICATION_PASSED
