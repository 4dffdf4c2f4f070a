"""The worker: writes the files of jobs, part by part, and deletes those of jobs that have ended.

1. A part is read, written, encrypted and put; then its audit record (kind `export`, as for a page)
   is durable; then the part is kept and the cursor moves. A crash between these costs one part that
   is written again, and an object that nobody names, deleted with the others of its job.
2. Every part asks anew whether the job may go on, and takes its records from the day's quota; where
   that is used up, the job waits for the next day.
3. When the last part is kept, one record tells of the whole (kind `file_exported`): `job`, `grant`,
   `contract`, `resource`, `items`, `format`, `offset`, `count`, `parts`, `manifest` (SHA-256),
   `certificate`, `signed` where the request was, and commitments to `purpose`, `case_number`,
   `request` and `answer` (the manifest). Its receipt is the job's.
4. What fails for now (a storage that does not answer) is tried again, later each time, until the
   job's end.
5. A job that has succeeded is looked at every few seconds: at its end, or when its grant does not
   allow it any more, its files are deleted, and with them every link.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import orjson

from exchange.audit.appending import AuditLog
from exchange.audit.many import record_of_many
from exchange.audit.model import Usage
from exchange.audit.saved import SavedReceipt, receipt_to_json
from exchange.delivery.reading import RecordReader
from exchange.files import model, store
from exchange.files.envelope import Receiver
from exchange.files.holding import holding
from exchange.files.model import PART_CHARACTERS, PART_RECORDS, ExportJob, JobState, Part
from exchange.files.service import Allowing, end, fresh_etag
from exchange.files.writing import WRITERS
from exchange.grants.model import Grant
from exchange.grants.rows import looked_up, shows
from exchange.query.days import Days
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import (
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.objects import ObjectStore
from runtime.records import SealedRecord, canonical, make_record
from runtime.telemetry import Repeated

CHUNK = 1_000
GREATEST_LOOK = 100_000  # records read for one part: a filter may show few of them
LEAF_RECORDS = 5_000
POLL_SECONDS = 2.0
LEASE_SECONDS = 6.0  # renewed while a part is written
GREATEST_REST = 300.0
_Leaf = tuple[SealedRecord, Usage | None, bytes]  # what is logged, taken, and whom it is about
QUOTA = "DAILY_QUOTA_EXCEEDED"
_FINAL = (PermissionDenied, NotFound, FailedPrecondition, InvalidArgument)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Records of a part, whom they are about, and how far the log was read; `more` may follow."""

    records: list[dict[str, str]]
    keys: list[str]
    cursor: int
    more: bool


class FileWorker:
    """Works in the background of one process; several may share the jobs.

    `told` is told of each part that is on record; it must return at once.
    """

    def __init__(
        self,
        *,
        database: Database,
        allowing: Allowing,
        audit: AuditLog,
        objects: ObjectStore,
        clock: Clock,
        told: Callable[[ExportJob, Part], None] = lambda _job, _part: None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._database = database
        self._allowing = allowing
        self._records = RecordReader(database)
        self._audit = audit
        self._objects = objects
        self._clock = clock
        self._told = told
        self._lease = timedelta(seconds=lease_seconds)
        self._days = Days()
        self._rests: dict[str, float] = {}
        self._swept = 0.0
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work, on the running loop."""
        if self._task is None:
            self._loop = asyncio.get_running_loop()
            self._task = asyncio.create_task(self._work_on())

    def wake(self) -> None:
        """Look for jobs now; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def stop(self) -> None:
        """Stop; a part that was begun is written again by who works next."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _work_on(self) -> None:
        told = Repeated("export_jobs_failed", "export_jobs_resumed")
        while True:
            try:
                worked = await self.run_once()
            except Exception as error:  # noqa: BLE001  # the next round tries again
                worked = False
                told.failed(error)
            else:
                told.succeeded()
            if not worked:
                self._woken.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._woken.wait()

    async def run_once(self) -> bool:
        """Look after finished jobs and work on one that is due; False where none is."""
        if time.monotonic() - self._swept >= POLL_SECONDS:
            await asyncio.to_thread(self.sweep)
            self._swept = time.monotonic()
        lease = secrets.token_hex(8)
        job = await asyncio.to_thread(self._take, lease)
        if job is None:
            return False
        if job.state is not JobState.RUNNING:
            await asyncio.to_thread(self._delete, job)
            return True
        try:
            async with holding(self._database, self._clock, job.name, lease, self._lease):
                await self._write(job, lease)
        except _FINAL as error:
            await asyncio.to_thread(self._end, job, JobState.FAILED, error.reason)
        except (DomainError, OSError):
            rest = min(self._rests.get(job.name, 1.0) * 2, GREATEST_REST)
            self._rests[job.name] = rest
            await asyncio.to_thread(self._wait, job, lease, timedelta(seconds=rest))
            raise
        self._rests.pop(job.name, None)
        return True

    def sweep(self) -> None:
        """End finished jobs whose time is over, or whose grant does not allow them any more."""
        now = self._clock.now()
        with self._database.reading() as session:
            finished = store.finished(session)
        for job in finished:
            if job.expire_time <= now:
                self._end(job, JobState.EXPIRED, "")
                continue
            try:
                self._allowing.for_job(job)
            except _FINAL as error:
                self._end(job, JobState.FAILED, error.reason)

    def _take(self, lease: str) -> ExportJob | None:
        now = self._clock.now()
        with self._database.reading() as session:
            name = store.due(session, now)
        if name is None:
            return None
        with self._database.unit_of_work() as work:
            if not store.take(work.session, name, lease=lease, now=now, until=now + self._lease):
                return None
            return store.job(work.session, name)

    async def _write(self, job: ExportJob, lease: str) -> None:
        """Write the parts that are left, then finish; stops where the job is another's."""
        receiver = Receiver.read(job.certificate.encode(), own=True)
        while True:
            now = self._clock.now()
            if job.expire_time <= now:
                await asyncio.to_thread(self._end, job, JobState.EXPIRED, "")
                return
            granted = self._allowing.for_job(job)
            day, left = self._days.at(now)
            greatest = PART_RECORDS
            if granted.daily_quota:
                greatest = min(greatest, granted.daily_quota - self._audit.used(job.grant, day))
                if greatest <= 0:
                    waiting = replace(job, failure_reason=QUOTA)
                    await asyncio.to_thread(self._wait, waiting, lease, timedelta(seconds=left))
                    return
            read = await asyncio.to_thread(self._read, granted, job, greatest)
            if read.records or not (read.more or job.parts):
                part = await asyncio.to_thread(self._put, job, read, receiver, lease)
                counting = day if granted.daily_quota else ""
                leaves = await asyncio.to_thread(self._leaves, job, part, read.keys, counting)
                # Once more, as close to the record as can be: reading took its time.
                self._allowing.for_job(job)
                await self._record(leaves)
                self._told(job, part)
                job = replace(job, parts=(*job.parts, part), records=job.records + part.records)
            else:
                part = None
            job = replace(job, cursor=read.cursor)
            if not await asyncio.to_thread(self._keep, job, part, lease):
                if part is not None:  # what deletes the job's objects may have come before it
                    await asyncio.to_thread(self._objects.delete, part.object)
                return
            if not read.more:
                await self._finish(job, lease)
                return

    def _read(self, grant: Grant, job: ExportJob, greatest: int) -> _Read:
        key_item = self._allowing.key_item(grant.resource)
        records: list[dict[str, str]] = []
        about: list[str] = []
        characters, cursor = 0, job.cursor
        for looked_at, (offset, length, values) in enumerate(self._shown(grant, job), 1):
            if values is not None:
                records.append(grant.project(values))
                about.append(values[key_item])
                characters += length
            cursor = offset
            full = len(records) >= greatest or characters >= PART_CHARACTERS
            if full or looked_at >= GREATEST_LOOK:
                return _Read(records=records, keys=about, cursor=cursor, more=True)
        return _Read(records=records, keys=about, cursor=job.offset, more=False)

    def _shown(
        self, grant: Grant, job: ExportJob
    ) -> Iterator[tuple[int, int, dict[str, str] | None]]:
        """Offset, length and values of each record; no values where the row filter shows none."""
        after: int | None = job.cursor
        while after is not None:
            rows, after = self._records.held_at(grant.resource, job.offset, after, CHUNK)
            values = [orjson.loads(text) for _, text in rows]
            if not grant.row_filter:
                for (offset, text), one in zip(rows, values, strict=True):
                    yield offset, len(text), one
                continue
            wanted = {place for one in values for place in looked_up(grant.row_filter, one)}
            clients = self._records.payloads(wanted) if wanted else {}
            holds = partial(_holds, clients)
            for (offset, text), one in zip(rows, values, strict=True):
                shown = shows(grant.row_filter, one, holds)
                yield offset, len(text), one if shown else None

    def _put(self, job: ExportJob, read: _Read, receiver: Receiver, lease: str) -> Part:
        if len(job.parts) >= model.GREATEST_PARTS:
            raise InvalidArgument(
                f"an export has at most {model.GREATEST_PARTS} files",
                reason="EXPORT_TOO_LARGE",
                message_zh=f"一次导出最多 {model.GREATEST_PARTS} 个文件",
            )
        sealed = receiver.seal(WRITERS[job.format](job.items, read.records))
        number = len(job.parts) + 1
        name = f"{job.folder}/{number:05d}-{lease}.cms"
        self._objects.put(name, sealed)
        return Part(
            number=number,
            object=name,
            size=len(sealed),
            sha256=hashlib.sha256(sealed).hexdigest(),
            records=len(read.records),
        )

    async def _record(self, leaves: Sequence[_Leaf]) -> None:
        await asyncio.gather(*(self._audit.append(*leaf) for leaf in leaves))

    def _leaves(self, job: ExportJob, part: Part, keys: Sequence[str], day: str) -> list[_Leaf]:
        """What a part shows and whom of, a leaf for every so many records; takes a while."""
        starts = range(0, max(part.records, 1), LEAF_RECORDS)
        found = []
        for about in (keys[first : first + LEAF_RECORDS] for first in starts):
            usage = Usage(grant=job.grant, day=day, count=len(about)) if day and about else None
            found.append((self._leaf(job, part, about, day), usage, self._audit.tags(about)))
        return found

    def _leaf(self, job: ExportJob, part: Part, keys: Sequence[str], day: str) -> SealedRecord:
        return record_of_many(
            "export",
            at=self._clock.now(),
            actor=job.actor,
            keys=keys,
            facts={
                "grant": job.grant,
                "contract": job.contract,
                "resource": job.resource,
                "items": list(job.items),
                "count": len(keys),
                "offset": job.offset,
                "job": job.name,
                "part": part.number,
                "sha256": part.sha256,
                **({"counted": len(keys), "counted_day": day} if day else {}),
            },
            commitments={
                "purpose": job.purpose.encode(),
                "case_number": job.case_number.encode(),
            },
        )

    def _keep(self, job: ExportJob, part: Part | None, lease: str) -> bool:
        until = self._clock.now() + self._lease
        with self._database.unit_of_work() as work:
            return store.advance(
                work.session, job.name, part, cursor=job.cursor, lease=lease, until=until
            )

    async def _finish(self, job: ExportJob, lease: str) -> None:
        manifest = model.manifest_of(job)
        record = make_record(
            "file_exported",
            at=self._clock.now(),
            actor=job.actor,
            facts={
                "job": job.name,
                "grant": job.grant,
                "contract": job.contract,
                "resource": job.resource,
                "items": list(job.items),
                "format": job.format.value,
                "offset": job.offset,
                "count": job.records,
                "parts": len(job.parts),
                "manifest": model.digest_of(manifest),
                "certificate": job.fingerprint,
                **job.signed,
            },
            commitments={
                "purpose": job.purpose.encode(),
                "case_number": job.case_number.encode(),
                "request": canonical(job.request),
                "answer": canonical(manifest),
            },
        )
        # One signature has one job (`Signing.once`); who comes here again after a crash ends it.
        receipt = await self._audit.append(replace(record, once=b""))
        saved = receipt_to_json(SavedReceipt(receipt=receipt, values={})).encode()
        done = replace(
            job,
            state=JobState.SUCCEEDED,
            receipt=saved,
            purpose="",
            case_number="",
            failure_reason="",
            etag=fresh_etag(),
        )
        await asyncio.to_thread(self._succeed, done, lease)

    def _succeed(self, job: ExportJob, lease: str) -> None:
        with self._database.unit_of_work() as work:
            store.succeed(work.session, job, lease=lease)

    def _wait(self, job: ExportJob, lease: str, rest: timedelta) -> None:
        until = min(self._clock.now() + rest, job.expire_time)
        with self._database.unit_of_work() as work:
            store.wait(work.session, job, lease=lease, until=until)

    def _end(self, job: ExportJob, state: JobState, reason: str) -> None:
        with self._database.unit_of_work() as work:
            end(work, job, state, reason=reason, actor=job.actor, now=self._clock.now())

    def _delete(self, job: ExportJob) -> None:
        """Delete all objects of an ended job, those of parts that were never kept too."""
        for name in list(self._objects.list(f"{job.folder}/")):
            self._objects.delete(name)
        with self._database.unit_of_work() as work:
            store.deleted(work.session, job.name)


def _holds(clients: Mapping[tuple[str, str], str | None], resource: str, key: str) -> bool:
    return clients.get((resource, key)) is not None
