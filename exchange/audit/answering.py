"""What an offline check answers: named checks, and how many witnesses it asks for.

Standard library only, like all that the offline verifier stands on.

1. A check that cannot be made has failed; a failed check never raises. What nobody gave, so that
   nothing could be compared with it, is INDETERMINATE: neither true nor false.
2. Witnesses are counted by their keys, not by their names, and the log's own key is none of them:
   nobody counts twice, and the log does not watch itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TypeVar

from exchange.audit.chinese import in_chinese
from exchange.audit.merkle import ProofError
from exchange.audit.note import (
    Checkpoint,
    NoteError,
    Verifier,
    WitnessVerifier,
    cosigners,
    open_checkpoint,
)

T = TypeVar("T")


class NothingToCheckError(NoteError):
    """What a check needs was not given: it is INDETERMINATE, rule 1."""


class Outcome(StrEnum):
    """What a check found."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    #: There was nothing to check: the answer says less than it could.
    INDETERMINATE = "INDETERMINATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One named check."""

    name: str
    outcome: Outcome
    detail: str
    detail_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All checks that were made, in their order."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether there were checks and all of them passed."""
        return bool(self.checks) and all(c.outcome is Outcome.PASSED for c in self.checks)

    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [c.name for c in self.checks if c.outcome is Outcome.FAILED]

    def open(self) -> list[str]:
        """Names of the checks that there was nothing for."""
        return [c.name for c in self.checks if c.outcome is Outcome.INDETERMINATE]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """How many of which witnesses must have cosigned; the default asks for none."""

    #: Verifier keys of witnesses, had from elsewhere than the node.
    witnesses: tuple[str, ...] = ()
    required: int = 0


NO_QUORUM = Quorum()


class Checks:
    """Gathers checks; a step that raises has failed, and the next go on without its result."""

    def __init__(self, quorum: Quorum = NO_QUORUM) -> None:
        self._checks: list[Check] = []
        self._quorum = quorum

    def run(
        self,
        name: str,
        step: Callable[[], T],
        detail: str,
        detail_zh: str,
        *,
        tell: Callable[[T], tuple[str, str]] | None = None,
    ) -> T | None:
        """Make a check: `step` raises where it fails; `tell` says more of what it found."""
        outcome, result = Outcome.PASSED, None
        try:
            result = step()
            if tell:
                detail, detail_zh = tell(result)
        except NothingToCheckError as lacking:
            outcome, detail = Outcome.INDETERMINATE, str(lacking)
            detail_zh = f"无法检查：{in_chinese(detail)}"
        except (ProofError, NoteError, OSError) as error:
            outcome = Outcome.FAILED
            detail = str(error) if isinstance(error, ValueError) else "a file cannot be read"
            detail_zh = f"未通过：{in_chinese(detail)}"
        self._checks.append(Check(name=name, outcome=outcome, detail=detail, detail_zh=detail_zh))
        return result

    def undetermined(self, name: str, detail: str, detail_zh: str) -> None:
        """Say that there was nothing to check."""
        self._checks.append(
            Check(name=name, outcome=Outcome.INDETERMINATE, detail=detail, detail_zh=detail_zh)
        )

    def key(self, verifier_key: str) -> Verifier | None:
        """The verifier of a key, checked."""
        return self.run("key", lambda: Verifier(verifier_key), "is whole", "密钥完整")

    def checkpoint(self, name: str, note: str, verifier: Verifier | None) -> Checkpoint | None:
        """What a checkpoint says, checked."""
        step = partial(_open, note, verifier)
        return self.run(name, step, "signed by the log's key", "由日志密钥签名")

    def cosignatures(self, name: str, note: str, verifier: Verifier | None) -> None:
        """Check that as many witnesses cosigned as are asked for, if any are."""
        if self._quorum.required or self._quorum.witnesses:
            step = partial(_cosigned, note, self._quorum, verifier)
            self.run(name, step, "", "", tell=_who)

    def answer(self) -> Answer:
        """All checks so far."""
        return Answer(checks=tuple(self._checks))


def had(value: T | None) -> T:
    """The result of an earlier check. Raises NoteError where that one failed."""
    if value is None:
        raise NoteError("an earlier check that this one needs has failed")
    return value


def witness_verifiers(keys: Sequence[str], log: Verifier) -> list[WitnessVerifier]:
    """The verifiers of witnesses' keys. Raises NoteError for one that would count twice."""
    found: list[WitnessVerifier] = []
    for text in keys:
        witness = WitnessVerifier(text)
        if witness.same_key(log):
            raise NoteError(f"the key of witness {witness.name} is the log's own")
        if any(witness.same_key(one) or witness.name == one.name for one in found):
            raise NoteError(f"the key or the name of witness {witness.name} is given twice")
        found.append(witness)
    return found


def _open(note: str, verifier: Verifier | None) -> Checkpoint:
    return open_checkpoint(note, had(verifier))


def _cosigned(note: str, quorum: Quorum, verifier: Verifier | None) -> dict[str, int]:
    log = had(verifier)
    open_checkpoint(note, log)
    found = cosigners(note, witness_verifiers(quorum.witnesses, log))
    if len(found) < quorum.required:
        raise NoteError(
            f"{len(found)} of the witnesses given cosigned it, and {quorum.required} are asked for"
        )
    return found


def _who(found: dict[str, int]) -> tuple[str, str]:
    told = ", ".join(f"{name} at {_time(time)}" for name, time in found.items())
    told_zh = "、".join(f"{name}（{_time(time)}）" for name, time in found.items())
    return f"cosigned by {told or 'nobody'}", f"见证签名：{told_zh or '无'}"


def _time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "a time out of range"
