"""Publishing a batch (发布批次): all of it, or none.

1. Only the resource's source department publishes into it.
2. Rows are checked as they come, before any transaction; memory holds their keys and payloads, and
   `Room` bounds what all batches under way hold, `Places` how many there are. One whose sender
   falls silent is given up.
3. One transaction writes changes, records, the index of geometries, the batch's row, the end of the
   clocks of a first supply, the audit record and the answer.
4. The digest of a request covers its rows, so a repeated `request_id` with other rows is refused,
   and with the same rows returns the first answer, whatever happened to the schema meanwhile.
5. Transactions of this process queue for one writer thread: batches never wait for a lock of the
   database while they hold a thread each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exchange.catalog.model import EntryState
from exchange.catalog.service import Schemas
from exchange.delivery import store
from exchange.delivery.intake import Batch, Columns, Header, Intake, Published, RowDigest
from exchange.delivery.places import Room
from exchange.grants import supplying
from exchange.spatial import indexing
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork, check_request_id
from runtime.errors import (
    Aborted,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    PermissionDenied,
)
from runtime.identity import Principal
from runtime.records import make_record

METHOD = "Publish"
SILENT_SECONDS = 60.0


class Upload:
    """One batch on its way in. Its calls come one after the other, from any thread."""

    def __init__(self, header: Header, intake: Intake | None, room: Room, department: str) -> None:
        self.header = header
        self._intake = intake
        self._digest = RowDigest(header)
        self._room = room
        self._department = department
        self._taken = 0

    def add(self, rows: Sequence[tuple[bool, list[str]]]) -> None:
        """Take rows, each whether it withdraws and its values.

        Raises what `Intake.add` and `Room.take` raise.
        """
        self._digest.add(rows)
        if self._intake is not None:
            self._intake.add(rows)
            self._hold()

    def add_columns(self, columns: Columns) -> None:
        """Take rows by their columns, in the header's order; raises as `add`."""
        self._digest.add_columns(columns)
        if self._intake is not None:
            self._intake.add_columns(columns)
            self._hold()

    def _hold(self) -> None:
        if self._intake is not None:
            more = self._intake.held - self._taken
            self._room.take(self._department, more)
            self._taken += more

    def close(self) -> int:
        """Give back the room, however the batch ended; returns how much it was, in characters."""
        self._room.give_back(self._department, self._taken)
        held, self._taken, self._intake = self._taken, 0, None
        return held

    def digest(self) -> bytes:
        """SHA-256 over header and rows."""
        return self._digest.digest()

    def finish(self) -> Batch:
        """The checked batch. Raises InvalidArgument, ROWS_REJECTED."""
        if self._intake is None:  # the answer was there when it began, and answers stay
            raise FailedPrecondition(
                "the first answer to this request is gone",
                message_zh="该请求的首次应答已不存在：请换用新的 request_id",
            )
        return self._intake.finish(self.digest())


class Publishing:
    """The use case."""

    def __init__(
        self,
        *,
        database: Database,
        schemas: Schemas,
        clock: Clock,
        announce: Callable[[int], None],
    ) -> None:
        self._database = database
        self._schemas = schemas
        self._clock = clock
        self._announce = announce
        self._room = Room()

    def begin(self, principal: Principal, header: Header) -> Upload:
        """Begin a batch.

        Raises PermissionDenied (NOT_THE_SOURCE), NotFound (RESOURCE_NOT_FOUND), FailedPrecondition
        (RESOURCE_WITHDRAWN) and InvalidArgument (REQUEST_ID_REQUIRED, BAD_HEADER).
        """
        check_request_id(header.request_id)
        names.parse(names.RESOURCE, header.resource, field="header.resource")
        if names.department_of(header.resource) != principal.department:
            raise PermissionDenied(
                "only the source department publishes into its resource",
                reason="NOT_THE_SOURCE",
                message_zh="只有数源部门可以向其信息资源发布数据",
            )
        with self._database.reading() as session:
            answered = UnitOfWork(session).answered(principal.system, METHOD, header.request_id)
        if answered is not None:
            return Upload(header, None, self._room, principal.department)
        schema = self._schemas.schema(header.resource)
        if schema.state is EntryState.WITHDRAWN:
            raise FailedPrecondition(
                "the resource is withdrawn from the catalog: put it back before publishing",
                reason="RESOURCE_WITHDRAWN",
                message_zh="该信息资源已从目录撤回：请先恢复目录条目再发布",
            )
        return Upload(header, Intake(header, schema), self._room, principal.department)

    def write(self, work: UnitOfWork, principal: Principal, upload: Upload) -> Published:
        """Write a batch in a transaction.

        Raises InvalidArgument (ROWS_REJECTED), and FailedPrecondition (POSTGIS_MISSING,
        POSTGIS_NOT_ALLOWED) where geometry cannot be indexed.
        """
        batch = upload.finish()
        at = self._clock.now()
        published = store.write_batch(work, batch, publisher=principal.system, at=at)
        changed = published.upserted + published.withdrawn
        indexing.index_batch(
            work,
            self._schemas.schema(batch.resource),
            first=published.offset - changed + 1,
            last=published.offset,
        )
        supplying.published(work, batch.resource, actor=principal.system, at=at)
        work.record(
            make_record(
                "batch_published",
                at=at,
                actor=principal.system,
                facts={
                    "resource": batch.resource,
                    "batch": batch_name(batch.resource, published.batch),
                    "offset": published.offset,
                    "upserted": published.upserted,
                    "withdrawn": published.withdrawn,
                    "unchanged": published.unchanged,
                    **({"mode": "snapshot"} if batch.snapshot else {}),
                },
                commitments={"rows": batch.digest},
            )
        )
        return published

    def committed(self, offset: int) -> None:
        """Wake those who wait for changes; after the commit, from any thread."""
        self._announce(offset)


def batch_name(resource: str, number: int) -> str:
    """`departments/{department}/resources/{resource}/batches/{batch}`."""
    return f"{resource}/batches/{number}"


def sender_silent() -> Aborted:
    """The refusal of a batch whose next part does not come."""
    return Aborted(
        f"no part of the batch came for {SILENT_SECONDS:.0f} seconds: publish it again",
        reason="SENDER_SILENT",
        message_zh=f"{SILENT_SECONDS:.0f} 秒内未收到批次的后续数据：请重新发布",
    )


def not_whole() -> Aborted:
    """The refusal of a batch that ends without its last message, or goes on after it."""
    return Aborted(
        "the batch did not end with its `last` message, so nothing was written: publish it again",
        reason="BATCH_NOT_WHOLE",
        message_zh="批次未以 last 消息结束，未写入任何数据：请重新发布",
    )


def unknown_mode() -> InvalidArgument:
    """The refusal of a batch in a mode that this version does not know."""
    return InvalidArgument(
        "header.mode is not a mode of this node",
        reason="BAD_HEADER",
        message_zh="header.mode 不是本节点支持的模式",
        violations=[FieldViolation("header.mode", "is not known")],
    )


def header_required() -> InvalidArgument:
    """The refusal of a stream that does not begin with one header."""
    return InvalidArgument(
        "the first message carries the header, and no other does",
        reason="HEADER_REQUIRED",
        message_zh="第一条消息必须且只有它携带批次头",
    )
