"""An archive package judged in this process, by whom the reader trusts and the log's key alone.

1. A package shows by itself that it is whole, of one subject, sealed, its records in the log, its
   form and decision those that the log committed to.
2. That is not enough: whoever rewrites manifest and description, and leaves a record out, has made
   such a package, too. The proof beside it has the log's record of kind `archived`, which names
   the package's SHA-256: with it PASSED, without it INDETERMINATE, with one of another FAILED.
   Of the manifest's seal the finding says whose it is: any seal that is trusted could have been put
   there, so it does not stand for the proof.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from exchange.audit.answering import NO_QUORUM, Quorum
from exchange.audit.proved import ARCHIVED, LogProof
from exchange.audit.verify import verify_inclusion, verify_leaves
from licenses.archiving import package
from licenses.archiving.attesting import OPENING, Judged, attested, manifest_sealed, records
from licenses.archiving.checking import complete, opening_fits
from licenses.archiving.model import Archive, Finding, Property, Retention
from runtime.errors import DomainError, InvalidArgument
from seal.model import Indication
from seal.trust import TrustStore
from seal.verify import assess

_SUMMARIES: Final = {
    "PASSED": ("it is the package that was archived, and all in it holds",
               "即当时归档的那一份，各项均成立"),
    "INDETERMINATE": (
        "what is in it agrees, but whether it is what was archived cannot be told without its "
        "proof: fetch it again with `tongban archives fetch`, which writes the proof beside it, or "
        "take it out of the log with `tongban audit prove`, and give it with --proof",
        "包内各项一致，但缺少其证明，无法判断是否为当时归档的那一份：请用 tongban archives fetch "
        "重新取包（证明写在包旁），或用 tongban audit prove 从日志取得证明，再用 --proof 给出",
    ),
    "FAILED": ("not what was archived, or not whole: see what failed",
               "不是当时归档的那一份，或内容不成立：见未通过项"),
}  # fmt: skip


def verify_package(
    data: bytes,
    proof: LogProof | None,
    verifier_key: str,
    store: TrustStore,
    now: datetime,
    *,
    quorum: Quorum = NO_QUORUM,
) -> dict[str, Any]:
    """What a package and its proof show; `quorum`: who has to have cosigned the proof's checkpoint.

    Raises InvalidArgument, PACKAGE_UNREADABLE.
    """
    held, sha256 = package.read(data), hashlib.sha256(data).hexdigest()
    findings = [
        *([_archived(proof, sha256, verifier_key, quorum)] if proof else ()),
        *complete(held),
        *attested(_described(held.facts), held),
        *manifest_sealed(held, lambda data: _judged(data, store, now)),
        *_sealed(held, store, now),
        *_logged(held, verifier_key),
    ]
    whole = all(one.passed for one in findings)
    indication = "FAILED" if not whole else "PASSED" if proof else "INDETERMINATE"
    summary, summary_zh = _SUMMARIES[indication]
    return {
        "indication": indication,
        "summary": summary,
        "summary_zh": summary_zh,
        "subject": str(held.facts.get("subject", "")),
        "sha256": sha256,
        "passed": indication == "PASSED",
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


def _archived(proof: LogProof, sha256: str, verifier_key: str, quorum: Quorum) -> Finding:
    """Whether the log's record of archiving is of these bytes."""
    failed = list(verify_leaves(proof, verifier_key, quorum=quorum).failed())
    if not failed and not any(_is_archiving(one.leaf) for one in proof.leaves):
        failed = ["archived"]
    if proof.document != sha256:
        told = ("the proof is of another package", "该证明属于另一个归档包")
    elif failed:
        told = (f"not proven: {', '.join(failed)}", f"未能证明：{'、'.join(failed)}")
    else:
        told = ("the log's record of archiving has this SHA-256", "日志中的归档记录载有此 SHA-256")
    return _finding("archived_in_log", proof.document == sha256 and not failed, *told)


def _is_archiving(leaf: bytes) -> bool:
    """Of a leaf that was verified."""
    return bool(json.loads(leaf).get("kind") == ARCHIVED)


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


def _judged(data: bytes, store: TrustStore, now: datetime) -> Judged:
    try:
        verdict = assess(data, store=store, now=now)
    except DomainError as error:
        return Judged(passed=False, who="", summary=error.message, summary_zh=error.message_zh)
    return Judged(
        passed=verdict.indication is Indication.PASSED,
        who=verdict.signatures[0].signer if verdict.signatures else "",
        summary=verdict.summary,
        summary_zh=verdict.summary_zh,
    )


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
