"""Act 9: an auditor checks seal, receipt and log without trusting the node."""

from __future__ import annotations

import io
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import orjson

from exchange.v1 import audit_pb2
from runtime.clock import SYSTEM
from seal.v1 import seal_pb2
from seal.verify import assess
from tongban import proofs, receipts
from tongban.demonstration.stage import Facts, Stage
from tongban.verdicts import TrustFolder


def checkpoint(stage: Stage) -> str:
    """The newest checkpoint of the audit log, as an auditor keeps it."""
    return (
        stage["auditor"]
        .audit.GetCheckpoint(audit_pb2.GetCheckpointRequest(), timeout=30)
        .checkpoint
    )


def audit(stage: Stage, earlier: str) -> Facts:
    """An auditor's system fetches public keys and proofs, and the rest is done without the node.

    Verify the seal from the document's bytes, the receipt offline, and the log's consistency.
    """
    client = stage["auditor"]
    trust = TrustFolder(stage.files / "trust")
    trust.write(client.seals.GetTrustMaterial(seal_pb2.GetTrustMaterialRequest(), timeout=30))
    document = (stage.files / "license.ofd").read_bytes()
    sound = assess(document, store=trust.read(), now=SYSTEM.now())
    forged = assess(forge(document), store=trust.read(), now=SYSTEM.now())
    path = stage.files / "receipt.json"
    receipts.complete(client, path)
    key = client.audit.GetCheckpoint(audit_pb2.GetCheckpointRequest(), timeout=30).verifier_key
    (stage.files / "log-key.txt").write_text(key + "\n")
    answers = {
        "receipt": proofs.verify_file(path, key),
        "consistency": receipts.verify_since(client, earlier, key)[0],
    }
    return {
        "seal": {"indication": sound.indication.value, "summary": sound.summary,
                 "summary_zh": sound.summary_zh},
        "forged": {"indication": forged.indication.value, "summary": forged.summary,
                   "summary_zh": forged.summary_zh},
        **answers,
    }  # fmt: skip


def forge(document: bytes) -> bytes:
    """The same document with one attribute of a page changed, as a careful forger leaves it."""
    forged = io.BytesIO()
    with ZipFile(io.BytesIO(document)) as sealed, ZipFile(forged, "w", ZIP_DEFLATED) as copy:
        for entry in sealed.infolist():
            data = sealed.read(entry)
            if entry.filename.endswith("Content.xml"):
                data = data.replace(b'Size="', b'Size="1', 1)
            copy.writestr(entry.filename, data)
    return forged.getvalue()


def write_report(stage: Stage, facts: Facts) -> Path:
    """Everything that happened, as JSON."""
    path = stage.files / "report.json"
    path.write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    return path
