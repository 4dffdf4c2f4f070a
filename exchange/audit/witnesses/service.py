"""Witnesses: registering them, taking their cosignatures, handing cosigned checkpoints out.

1. Registering and removing are recorded; a cosignature is not, since the log would grow by being
   watched: it is its own evidence, and names its time.
2. A checkpoint is handed out with the cosignatures of the witnesses that are registered now.
"""

from __future__ import annotations

from dataclasses import replace

from exchange.audit.model import SignedCheckpoint
from exchange.audit.note import split_note
from exchange.audit.store import AuditStore
from exchange.audit.witnesses import model, store
from exchange.audit.witnesses.model import Witness
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Principal, Role
from runtime.records import make_record


class Witnessing:
    """The witnesses of one log."""

    def __init__(
        self, database: Database, checkpoints: AuditStore, *, log_key: str, clock: Clock
    ) -> None:
        self._checkpoints = checkpoints
        self._log_key = log_key
        self._clock = clock
        self.reader = store.WitnessReader(database)

    def register(
        self, work: UnitOfWork, principal: Principal, *, verifier_key: str, department: str
    ) -> Witness:
        """Register a witness. Raises as `model.check_new`, and MALFORMED_NAME."""
        names.parse(names.DEPARTMENT, department, field="department")
        held = store.all_witnesses(work)
        verifier = model.check_new(verifier_key, department, held, self._log_key)
        witness = Witness(
            name=verifier.name,
            verifier_key=verifier_key.strip(),
            department=department,
            created_at=self._clock.now(),
        )
        store.put_witness(work, witness)
        work.record(
            make_record(
                "witness_registered",
                at=witness.created_at,
                actor=principal.system,
                facts={
                    "witness": witness.name,
                    "verifier_key": witness.verifier_key,
                    "department": department,
                },
            )
        )
        return witness

    def remove(self, work: UnitOfWork, principal: Principal, *, name: str, reason: str) -> None:
        """End a witness. Raises NotFound (WITNESS_UNKNOWN), InvalidArgument (REASON_REQUIRED)."""
        check_reason(reason)
        witness = next((one for one in self._present(work) if one.name == name), None)
        if witness is None:
            raise NotFound(
                "no such witness is registered: `tongban audit witnesses` lists them",
                reason="WITNESS_UNKNOWN",
                message_zh="没有登记该见证方：`tongban audit witnesses` 可列出",
            )
        at = self._clock.now()
        store.put_witness(work, replace(witness, removed_at=at))
        work.record(
            make_record(
                "witness_removed",
                at=at,
                actor=principal.system,
                facts={"witness": name},
                commitments={"reason": reason.encode()},
            )
        )

    def witnesses(self, work: UnitOfWork) -> list[tuple[Witness, tuple[int, int] | None]]:
        """The present witnesses, each with size and time of its last cosignature."""
        return [(one, self.reader.last_of(one.name)) for one in self._present(work)]

    def add_cosignature(self, work: UnitOfWork, principal: Principal, size: int, line: str) -> int:
        """Take a cosignature in; how many the checkpoint has.

        Raises NotFound (NO_SUCH_CHECKPOINT), PermissionDenied (NOT_YOUR_WITNESS), and as
        `model.read_cosignature`.
        """
        checkpoint = self._checkpoints.checkpoint(size) if 0 <= size < 1 << 63 else None
        if checkpoint is None:
            raise NotFound(
                "no checkpoint of this size was signed, or it was thinned out since: "
                "cosign the newest one",
                reason="NO_SUCH_CHECKPOINT",
                message_zh="没有签署过该大小的检查点，或其已被精简：请对最新检查点作见证签名",
            )
        text, _ = split_note(checkpoint.note)
        present = self._present(work)
        found = model.read_cosignature(line, text, present, size=size, now=self._clock.now())
        owner = next(one.department for one in present if one.name == found.witness)
        if principal.department != owner and Role.ADMINISTRATOR not in principal.roles:
            raise PermissionDenied(
                "this witness is another department's",
                reason="NOT_YOUR_WITNESS",
                message_zh="该见证方属于另一部门",
            )
        return store.put_cosignature(work, found)

    def with_lines(self, checkpoint: SignedCheckpoint) -> str:
        """A checkpoint's note with the cosignatures there are."""
        lines = "".join(f"{line}\n" for line in self.reader.lines(checkpoint.size))
        return checkpoint.note + lines

    def newest(self, least: int) -> SignedCheckpoint:
        """The newest checkpoint that at least so many witnesses cosigned, `least` > 0.

        Raises InvalidArgument for a number that no log reaches, and NotFound (NOT_COSIGNED).
        """
        if not 0 < least <= model.GREATEST_WITNESSES:
            raise InvalidArgument(
                f"cosignatures is 0 to {model.GREATEST_WITNESSES}",
                message_zh=f"cosignatures 应为 0 至 {model.GREATEST_WITNESSES}",
                violations=[FieldViolation("cosignatures", "out of range")],
            )
        size = self.reader.newest_cosigned(least)
        found = None if size is None else self._checkpoints.checkpoint(size)
        if found is None:
            raise NotFound(
                "no checkpoint has so many cosignatures yet: run a witness, or ask for fewer",
                reason="NOT_COSIGNED",
                message_zh="尚无检查点获得这么多见证签名：请运行见证方，或减少所需数量",
            )
        return found

    def _present(self, work: UnitOfWork) -> list[Witness]:
        return [one for one in store.every_witness(work) if one.removed_at is None]


def check_reason(reason: str) -> None:
    """Raises InvalidArgument (REASON_REQUIRED) without a reason of at most 500 characters."""
    if not 0 < len(reason.strip()) <= model.REASON_LIMIT:
        raise InvalidArgument(
            f"a reason of at most {model.REASON_LIMIT} characters is needed",
            reason="REASON_REQUIRED",
            message_zh=f"须填写理由，不超过 {model.REASON_LIMIT} 字",
            violations=[FieldViolation("reason", "missing or too long")],
        )
