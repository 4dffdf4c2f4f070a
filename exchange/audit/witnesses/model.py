"""What a witness of the log is, and what is asked of one.

1. A name stays with its key for ever: who holds old cosignatures can still tell whose they are.
2. A key counts once, under whatever name; the log's own key is no witness's.
3. A cosignature is taken for a checkpoint that this node signed, by a registered key, with a time
   that is not in the future; of two for one checkpoint the later stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from exchange.audit.note import NoteError, Verifier, WitnessVerifier, read_signature
from runtime.errors import (
    AlreadyExists,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    ResourceExhausted,
)

GREATEST_WITNESSES: Final = 16
GREATEST_NAME: Final = 100
GREATEST_LINE: Final = 400
REASON_LIMIT: Final = 500
CLOCKS_APART: Final = 300  # seconds that a witness's clock may be ahead of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A witness as it is registered."""

    name: str
    verifier_key: str
    #: Resource name of the department whose systems hand its cosignatures in.
    department: str
    created_at: datetime
    #: None while it is one.
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """A witness's signature of a checkpoint."""

    size: int
    witness: str
    #: The note's signature line, without its newline.
    line: str
    #: Seconds since 1970, by the witness's word.
    cosigned_at: int


def check_new(text: str, department: str, held: Sequence[Witness], log_key: str) -> WitnessVerifier:
    """The verifier of a key that may be registered; `held` are all witnesses ever registered.

    Raises InvalidArgument (BAD_WITNESS_KEY), AlreadyExists (WITNESS_EXISTS), FailedPrecondition
    (WITNESS_KEY_TAKEN) and ResourceExhausted (TOO_MANY_WITNESSES).
    """
    try:
        verifier = WitnessVerifier(text)
    except NoteError as error:
        raise _bad_key(str(error)) from None
    if len(verifier.name) > GREATEST_NAME or not verifier.name.isprintable():
        raise _bad_key(f"a name has at most {GREATEST_NAME} characters, all of them printable")
    if verifier.same_key(Verifier(log_key)) or verifier.name == Verifier(log_key).name:
        raise _bad_key("it is the log's own key, or has its name")
    for other in held:
        theirs = WitnessVerifier(other.verifier_key)
        same = verifier.same_key(theirs)
        if same != (other.name == verifier.name):
            raise FailedPrecondition(
                "this name was registered with another key, or this key under another name: "
                "a witness that changes its key takes a new name",
                reason="WITNESS_KEY_TAKEN",
                message_zh="该名称已用另一密钥登记，或该密钥已用另一名称登记：更换密钥时请使用新名称",
            )
        if same and other.removed_at is None:
            raise AlreadyExists(
                "this witness is registered already",
                reason="WITNESS_EXISTS",
                message_zh="该见证方已登记",
            )
        if same and other.department != department:
            raise FailedPrecondition(
                "this witness was another department's: take a new name and key",
                reason="WITNESS_KEY_TAKEN",
                message_zh="该见证方曾属于另一部门：请使用新名称和新密钥",
            )
    if sum(one.removed_at is None for one in held) >= GREATEST_WITNESSES:
        raise ResourceExhausted(
            f"a log has at most {GREATEST_WITNESSES} witnesses: remove one first",
            reason="TOO_MANY_WITNESSES",
            message_zh=f"日志最多有 {GREATEST_WITNESSES} 个见证方：请先移除一个",
        )
    return verifier


def read_cosignature(
    line: str, text: str, witnesses: Sequence[Witness], *, size: int, now: datetime
) -> Cosignature:
    """The cosignature of a checkpoint's text in a signature line.

    Raises InvalidArgument: BAD_COSIGNATURE, or COSIGNATURE_IN_FUTURE; FailedPrecondition
    (UNKNOWN_WITNESS) for a key that is not registered.
    """
    try:
        name, value = read_signature(line) if len(line) <= GREATEST_LINE else ("", b"")
        if not name:
            raise NoteError("the line is too long")
        known = {one.name: WitnessVerifier(one.verifier_key) for one in witnesses}
        verifier = known.get(name)
        if verifier is None or verifier.key_id != value[:4]:
            raise FailedPrecondition(
                "no witness with this name and key is registered: an administrator registers it",
                reason="UNKNOWN_WITNESS",
                message_zh="没有以该名称和密钥登记的见证方：请由管理员登记",
            )
        time = verifier.check_cosignature(text, value[4:])
    except NoteError as error:
        raise InvalidArgument(
            f"that is not a cosignature of this checkpoint: {error}",
            reason="BAD_COSIGNATURE",
            message_zh="这不是对该检查点的有效见证签名",
            violations=[FieldViolation("line", "does not verify")],
        ) from None
    if time > now.timestamp() + CLOCKS_APART:
        raise InvalidArgument(
            "the cosignature's time is in the future: set the witness's clock",
            reason="COSIGNATURE_IN_FUTURE",
            message_zh="见证签名的时间在未来：请校准见证方的时钟",
            violations=[FieldViolation("line", "is of the future")],
        )
    return Cosignature(size=size, witness=name, line=line, cosigned_at=time)


def _bad_key(why: str) -> InvalidArgument:
    return InvalidArgument(
        f"that is no key of a witness: {why}; `tongban audit witness` prints one",
        reason="BAD_WITNESS_KEY",
        message_zh="这不是见证方的密钥：`tongban audit witness` 会显示该密钥",
        violations=[FieldViolation("verifier_key", "is no witness's key")],
    )
