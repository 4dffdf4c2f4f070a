"""Batches of licenses to issue, and the pure rules of them.

1. RECEIVING becomes RUNNING when every row is here, RUNNING becomes FINISHED or CANCELLED. Nothing
   of a batch that did not come whole is ever issued.
2. A row is WAITING until it is ISSUED or FAILED. What stands in it is kept until then, and no
   longer: afterwards there is its result.
3. A row's key makes its request id, so whoever issues a row again, after a crash or in another
   batch of the same system, gets the license that is there.
4. A row fails for what stands in it alone. What speaks against all rows (a seal that is frozen, a
   neighbour that does not answer) makes the batch wait.
5. Whatever a sender chooses is bounded: rows, bytes, fields, texts.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import orjson

from runtime import names
from runtime.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)
from runtime.records import canonical

MAX_ROWS: Final = 100_000
MAX_BYTES: Final = 512 * 1024 * 1024
#: With its pictures and scans in base64: three MiB of them.
MAX_ROW_BYTES: Final = 4 * 1024 * 1024
MAX_ROWS_AT_ONCE: Final = 1_000
#: Batches of a department that are not ended.
MAX_BATCHES: Final = 20
MAX_KEY: Final = 64
#: How long a worker holds a batch from when it was last heard of, and how often it is.
LEASE: Final = timedelta(seconds=30)
BEAT: Final = timedelta(seconds=5)
_MAX_FIELDS: Final = 200
_MAX_HOLDERS: Final = 50
_KEY: Final = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?")
_PERSONAL: Final = re.compile(r"\d{17}[\dXx]|(?<!\d)1\d{10}(?!\d)")
#: Of a result: what one says is bounded, whoever said it.
_MAX_TEXT: Final = 500
_MAX_VIOLATIONS: Final = 50


class BatchState(StrEnum):
    """How far a batch is."""

    RECEIVING = "RECEIVING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    CANCELLED = "CANCELLED"


class RowState(StrEnum):
    """What came of a row."""

    WAITING = "WAITING"
    ISSUED = "ISSUED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowHolder:
    """A holder as a row names one."""

    name: str = field(repr=False)
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPaper:
    """The paper license that a row's is made from; `issue_date` is as it was sent."""

    number: str = field(repr=False)
    issue_date: str
    scans: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one license is issued from: days are YYYY-MM-DD or empty, `pictures` by field.

    `paper` and `valid_to`: of a license made from a paper one.
    """

    holders: tuple[RowHolder, ...] = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    valid_from: str = ""
    serial: str = ""
    key: str = ""
    valid_to: str = ""
    paper: RowPaper | None = None

    def to_json(self) -> bytes:
        """All that is issued, canonical: what is kept, and what repeats are compared by."""
        pictures = {k: base64.b64encode(v).decode() for k, v in self.pictures.items()}
        found: dict[str, Any] = {
            "fields": dict(self.fields),
            "holders": [[one.name, one.code] for one in self.holders],
            "pictures": pictures,
            "serial": self.serial,
            "valid_from": self.valid_from,
        }
        # Only where they are: what was sent before there were any is compared as it was.
        if self.valid_to:
            found["valid_to"] = self.valid_to
        if self.paper is not None:
            scans = [base64.b64encode(one).decode() for one in self.paper.scans]
            found["paper"] = [self.paper.number, self.paper.issue_date, scans]
        return canonical(found)

    @classmethod
    def from_json(cls, text: bytes, *, key: str) -> Row:
        """What `to_json` wrote."""
        found = orjson.loads(text)
        return cls(
            holders=tuple(RowHolder(name=name, code=code) for name, code in found["holders"]),
            fields=found["fields"],
            pictures={k: base64.b64decode(v) for k, v in found["pictures"].items()},
            valid_from=found["valid_from"],
            serial=found["serial"],
            key=key,
            valid_to=found.get("valid_to", ""),
            paper=_paper(found["paper"]) if "paper" in found else None,
        )


def _paper(kept: Sequence[Any]) -> RowPaper:
    number, issue_date, scans = kept
    return RowPaper(
        number=number,
        issue_date=issue_date,
        scans=tuple(base64.b64decode(one) for one in scans),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch (批次). `rows_sha256` is of all rows in their order, hex, empty while RECEIVING.

    `held_until`: to when a worker holds it; None where none does.
    """

    name: str
    type_id: str
    type_version: int
    seal: str
    state: BatchState
    actor: str
    create_time: datetime
    row_count: int = 0
    issued_count: int = 0
    failed_count: int = 0
    waiting_reason: str = ""
    end_time: datetime | None = None
    rows_sha256: str = ""
    held_until: datetime | None = None

    @property
    def issuer(self) -> str:
        """The issuing department."""
        return names.department_of(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a row; `license` is a name. Texts never hold a value of the row."""

    number: int
    key: str
    state: RowState
    license: str = ""
    identifier: str = ""
    repeated: bool = False
    reason: str = ""
    message: str = ""
    message_zh: str = ""
    violations: tuple[str, ...] = ()

    def bounded(self) -> Result:
        """The same, with texts of a length that can be kept."""
        return Result(
            number=self.number,
            key=self.key,
            state=self.state,
            license=self.license,
            identifier=self.identifier,
            repeated=self.repeated,
            reason=self.reason[:64],
            message=self.message[:_MAX_TEXT],
            message_zh=self.message_zh[:_MAX_TEXT],
            violations=tuple(one[:_MAX_TEXT] for one in self.violations[:_MAX_VIOLATIONS]),
        )


def shown(batch: Batch, now: datetime) -> Batch:
    """The batch as it is told: one whose worker is not heard of says so (WORKER_LOST).

    Another worker takes it at `held_until`.
    """
    lost = batch.held_until is not None and batch.held_until - now < LEASE - 2 * BEAT
    if lost and batch.state is BatchState.RUNNING and not batch.waiting_reason:
        return replace(batch, waiting_reason="WORKER_LOST")
    return batch


def result_shown(result: Result, batch: Batch) -> Result:
    """The result as it is told: a row that no longer waits for anything says why it never was."""
    if result.state is not RowState.WAITING or batch.state is not BatchState.CANCELLED:
        return result
    return replace(
        result,
        reason="BATCH_CANCELLED",
        message="the batch was cancelled before this row was issued: send it in another batch",
        message_zh="批次在签发此行之前已取消：如需签发，请在新批次中提交",
    )


#: What speaks against a batch, not against a row (rule 4): the batch waits until it is mended.
WAITED_FOR: Final = frozenset(
    {
        "SEAL_NOT_USABLE",
        "SEAL_OF_OTHER_KIND",
        "SEAL_NOT_IN_FORCE",
        "SEAL_NOT_FOUND",
        "SEAL_KIND_NOT_AUTHORIZED",
        "DEPARTMENT_NOT_FOUND",
        "KEY_AND_CERTIFICATE_DIFFER",
        "LICENSE_TYPE_NOT_FOUND",
    }
)


def fresh_id(now: datetime) -> str:
    """The last part of a new batch's name: in order of time, and never guessed."""
    return f"{now:%Y%m%d-%H%M%S}-{names.random_id()}"


def check_row(row: Row, number: int) -> bytes:
    """A row's canonical JSON.

    Only what could harm is refused here, and refuses the batch; what the type asks for is asked
    when the row has its turn. Raises InvalidArgument (BAD_BATCH_ROW), which names the row and no
    value.
    """
    problem = _row_problem(row)
    if not problem:
        try:
            written = row.to_json()
        except (TypeError, ValueError):
            problem = "a text is not Unicode"
        else:
            if len(written) <= MAX_ROW_BYTES:
                return written
            problem = f"larger than {MAX_ROW_BYTES >> 20} MiB"
    raise InvalidArgument(
        f"row {number} cannot be taken: {problem}; correct it and send all rows again",
        reason="BAD_BATCH_ROW",
        message_zh=f"第 {number} 行无法接收：请更正后重新提交全部行",
        violations=[FieldViolation(f"rows[{number - 1}]", problem)],
    )


def _row_problem(row: Row) -> str:
    if not 1 <= len(row.holders) <= _MAX_HOLDERS:
        return f"it has 1 to {_MAX_HOLDERS} holders"
    if len(row.fields) + len(row.pictures) > _MAX_FIELDS:
        return f"it has at most {_MAX_FIELDS} fields"
    if row.key and (not _KEY.fullmatch(row.key) or _PERSONAL.search(row.key)):
        return (
            f"row_key has 1 to {MAX_KEY} printable ASCII characters, and is no number of a person"
        )
    return ""


def key_of(row: Row, written: bytes, *, type_id: str, day: str) -> str:
    """A row's key: its own, or one made of all that stands in it and the day of its batch.

    Only its SHA-256 leaves the row, with a batch's type and day mixed in; it is as guessable as the
    row, and stays with those who sent that.
    """
    if row.key:
        return row.key
    told = hashlib.sha256(canonical([type_id, day]) + written)
    return f"row-{told.hexdigest()[:40]}"


def request_id_of(type_id: str, key: str) -> str:
    """The request id by which a row is issued (rule 3)."""
    return f"batch-{hashlib.sha256(canonical([type_id, key])).hexdigest()[:48]}"


def request_digest_of(type_id: str, written: bytes) -> bytes:
    """What two rows of one key are compared by."""
    return hashlib.sha256(canonical([type_id]) + written).digest()


def check_count(count: int, size: int) -> None:
    """Raises ResourceExhausted, BATCH_TOO_LARGE."""
    if count > MAX_ROWS or size > MAX_BYTES:
        raise ResourceExhausted(
            f"a batch has at most {MAX_ROWS} rows and {MAX_BYTES >> 20} MiB: send several",
            reason="BATCH_TOO_LARGE",
            message_zh=f"每批不超过 {MAX_ROWS} 行、{MAX_BYTES >> 20} MiB：请分批提交",
        )


def check_whole(count: int, *, last: bool) -> None:
    """Raises InvalidArgument: BATCH_NOT_WHOLE, BATCH_EMPTY."""
    if not last:
        raise InvalidArgument(
            "the rows ended before a message said `last`: nothing was kept, send them again",
            reason="BATCH_NOT_WHOLE",
            message_zh="行数据未完整到达（缺少 last）：未保存任何内容，请重新提交",
        )
    if count == 0:
        raise InvalidArgument(
            "a batch has at least one row", reason="BATCH_EMPTY", message_zh="批次至少应有一行"
        )


def check_cancel(batch: Batch) -> None:
    """Raises FailedPrecondition, BATCH_ENDED."""
    if batch.state is not BatchState.RUNNING:
        raise FailedPrecondition(
            "the batch has ended: suspend or revoke its licenses one by one if they are wrong",
            reason="BATCH_ENDED",
            message_zh="该批次已结束：如有错误请逐件暂扣或吊销证照",
        )


def batch_not_found() -> NotFound:
    """The one refusal for a batch that is absent and for one of another department."""
    return NotFound(
        "no such batch of your department: ListIssueBatches (`tongban license batch list`) names "
        "them",
        reason="ISSUE_BATCH_NOT_FOUND",
        message_zh="本部门没有这个批次：请用 ListIssueBatches（tongban license batch list）查看",
    )


def told(error_reason: str, message: str, message_zh: str, wrong: Sequence[Any]) -> dict[str, Any]:
    """How a refusal stands in a result."""
    return {
        "reason": error_reason,
        "message": message,
        "message_zh": message_zh,
        "violations": tuple(f"{one.field}: {one.description}" for one in wrong),
    }
