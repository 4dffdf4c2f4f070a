"""What a verdict says of a document just sealed, and how it is told to who asked for the seal."""

from __future__ import annotations

from runtime.errors import DataLoss, FailedPrecondition
from seal.model import Indication, Verdict
from seal.orders import SealedDocument


def ours_passed(verdict: Verdict, sealed: SealedDocument) -> bool:
    """Whether the newest signature is good and what is not concerns earlier ones."""
    if len(verdict.signatures) < 2:
        return False
    ours = max(
        (r for r in verdict.signatures if r.signed_at == sealed.sealed_at),
        key=lambda r: r.id,
        default=None,
    )
    return ours is not None and ours.indication is Indication.PASSED


def not_good(verdict: Verdict) -> DataLoss:
    """Our own signature does not pass: a fault of ours."""
    return DataLoss(
        f"the document just sealed does not verify ({verdict.reason}): it was not "
        "given out; see the node's log",
        reason="SEALED_DOCUMENT_NOT_GOOD",
        message_zh=f"刚生成的签章文件未通过验证（{verdict.reason}），未予发出；请查看节点日志",
    )


def earlier_failed(verdict: Verdict) -> FailedPrecondition:
    """Ours passes, and a signature that was there does not."""
    return FailedPrecondition(
        f"an earlier signature of the document does not verify ({verdict.reason}): "
        "take the document as it was before, or have it made anew",
        reason="EARLIER_SIGNATURE_FAILED",
        message_zh=f"文件中已有的签章未通过验证（{verdict.reason}）：请使用未损坏的文件",
        verdict_reason=verdict.reason,
    )
