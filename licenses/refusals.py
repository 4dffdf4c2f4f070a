"""What becomes of a license that was begun and is refused: tried again, or ended.

1. What is refused for good (a document or a place that the seal service never takes, a seal that is
   revoked, a template that is none any more) ends the license, or it would be tried for
   ever and stand in the way of others. A seal that is frozen is thawed, what is not authorized may
   be, a font that was taken away comes back, and a clock is set right: these pass.
2. Who is told of what passes is told that the license was begun: a fresh request would begin
   another one.
"""

from __future__ import annotations

import traceback

from runtime.errors import (
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)

#: Why a seal is not in force, where it never will be again (`seal.registry`). That it ended is said
#: by a clock, which may have jumped.
_SEAL_IS_GONE = frozenset({"revoked", "rejected"})
_UNTRUE_NOW = ("; nothing was changed", "；未作任何更改", "，未作任何更改")


def is_for_good(error: DomainError) -> bool:
    """Whether the same will be refused again, whatever else changes (rule 1)."""
    if isinstance(error, InvalidArgument):
        return error.reason != "GLYPH_MISSING"
    if isinstance(error, NotFound):
        return error.reason == "SEAL_NOT_FOUND"
    if isinstance(error, ResourceExhausted):
        return error.reason == "DOCUMENT_TOO_LARGE"
    if isinstance(error, FailedPrecondition):
        return error.metadata.get("why", "") in _SEAL_IS_GONE
    return False


def reason_of(error: DomainError) -> str:
    """Why a license was abandoned, for its row and its audit record; nothing personal."""
    why = error.metadata.get("why", "")
    return f"refused for good: {error.reason}" + (f" ({why})" if why else "")


def tell_begun(error: DomainError) -> None:
    """Say in an error that passes that the license was begun (rule 2)."""
    for untrue in _UNTRUE_NOW:
        error.message = error.message.replace(untrue, "")
        error.message_zh = error.message_zh.replace(untrue, "")
    error.message += (
        "; the license was begun and has its identifier: repeat with the same request_id, or wait "
        "until the node finishes it"
    )
    error.message_zh += (
        "；该证照已开始制证并已编号：请用同一 request_id 重复请求，或等待节点自动完成"
    )
    error.metadata["begun"] = "true"
    error.args = (error.message,)


def safely(error: Exception) -> dict[str, str]:
    """What may be logged of an error: where it happened, never its text."""
    if isinstance(error, DomainError):
        return {"reason": error.reason}
    last = traceback.extract_tb(error.__traceback__)[-1]
    return {"error": type(error).__name__, "where": f"{last.filename}:{last.lineno}"}
