"""An archive package judged in this process, by whom the reader trusts and the log's key alone.

1. It says what a package shows by itself: whole, of one subject, sealed, its records in the log,
   its form and decision those that the log committed to.
2. It does not say that this package is the one that was archived: the log's record of kind
   `archived` has its SHA-256, which is told beside the findings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from exchange.audit.verify import verify_inclusion
from licenses.archiving import package
from licenses.archiving.attesting import OPENING, attested, records
from licenses.archiving.checking import complete, opening_fits
from licenses.archiving.model import Archive, Finding, Property, Retention
from runtime.errors import DomainError, InvalidArgument
from seal.model import Indication
from seal.trust import TrustStore
from seal.verify import assess


def verify_package(
    data: bytes, verifier_key: str, store: TrustStore, now: datetime
) -> dict[str, Any]:
    """What a package shows by itself. Raises InvalidArgument, PACKAGE_UNREADABLE."""
    held = package.read(data)
    findings = [
        *complete(held),
        *attested(_described(held.facts), held),
        *_sealed(held, store, now),
        *_logged(held, verifier_key),
    ]
    return {
        "subject": str(held.facts.get("subject", "")),
        "sha256": hashlib.sha256(data).hexdigest(),
        "passed": all(one.passed for one in findings),
        "findings": [
            {
                "property": one.property.value,
                "name": one.name,
                "passed": one.passed,
                "detail": one.detail,
                "detail_zh": one.detail_zh,
            }
            for one in findings
        ],
    }


def _described(facts: Any) -> Archive:
    """The archive that a manifest describes."""
    subject, department = str(facts.get("subject", "")), str(facts.get("department", ""))
    try:
        retention = Retention(facts.get("retention"))
    except ValueError:
        raise InvalidArgument(
            "the package's manifest names no retention that is known",
            reason="PACKAGE_UNREADABLE",
            message_zh="归档包清单未写明已知的保管期限",
        ) from None
    return Archive(
        id="", department=department, subject=subject, object_name="", sha256="", size=0,
        retention=retention, retain_until=None, locked_by="",
        archive_time=datetime.min.replace(tzinfo=UTC), actor="",
    )  # fmt: skip


def _sealed(held: package.Package, store: TrustStore, now: datetime) -> Iterator[Finding]:
    for name, data in sorted(held.files.items()):
        if not name.startswith("forms/"):
            continue
        try:
            verdict = assess(data, store=store, now=now)
            passed = verdict.indication is Indication.PASSED
            told, told_zh = verdict.summary, verdict.summary_zh
        except DomainError as error:
            passed, told, told_zh = False, error.message, error.message_zh
        yield _finding(f"seal_of_{name}", passed, f"{name}: {told}", f"{name}：{told_zh}")


def _logged(held: package.Package, verifier_key: str) -> Iterator[Finding]:
    for name, record in records(held).items():
        leaf, proof = str(record.get("leaf", "")), str(record.get("proof", ""))
        failed = verify_inclusion(proof, leaf.encode(), verifier_key).failed()
        yield _finding(
            f"in_log_{name}", not failed,
            f"{name}: {'not proven: ' + ', '.join(failed) if failed else 'in the log'}",
            f"{name}：{'未能证明：' + '、'.join(failed) if failed else '在日志中'}",
        )  # fmt: skip
    if OPENING in held.files:
        fits = opening_fits(held)
        yield _finding(
            "decision_in_log", fits,
            f"form, copies and decision are {'' if fits else 'not '}what the log committed to",
            f"表单、附件和决定与日志的承诺{'一致' if fits else '不一致'}",
        )  # fmt: skip


def _finding(name: str, passed: bool, detail: str, zh: str) -> Finding:
    word = name.replace("/", "_").replace(".", "_")
    return Finding(
        property=Property.AUTHENTIC, name=word, passed=passed, detail=detail, detail_zh=zh
    )
