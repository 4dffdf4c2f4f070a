"""Use cases of export jobs: ask for one, look at it, end it, fetch its files.

1. Who asks must be allowed to EXPORT now, and again whenever a part is written, a link is made or a
   file is sent: a revoked grant stops all of them.
2. A request may be signed, and must be where its resource answers signed requests only; one
   signature makes one job. What is signed is `request_of`, to which the receipt commits: so it
   proves what was asked for and by whom, as that of a query does.
3. A job is its department's: for anybody else it does not exist.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from exchange.audit.appending import AuditLog
from exchange.catalog.service import Schemas
from exchange.delivery.reading import end_of_log
from exchange.files import model, store
from exchange.files.envelope import Receiver
from exchange.files.model import ExportJob, FileFormat, JobState, Signing
from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import Grant, Operation
from exchange.grants.rates import Rates
from exchange.grants.sharing import admitted
from exchange.query.forwarded import Sources, check_held
from exchange.refusing import Attempt, Refusals
from runtime import names, paging
from runtime.asking import check_question
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    Aborted,
    AlreadyExists,
    DomainError,
    PermissionDenied,
    ResourceExhausted,
)
from runtime.identity import Principal
from runtime.objects import ObjectStore
from runtime.records import Value, canonical, make_record
from runtime.signed import RequestSignature, signature_required, signature_used

DEFAULT_PAGE, GREATEST_PAGE = 50, 100
#: As a signature names it.
METHOD = "CreateExportJob"


class Allowing:
    """What lets a job go on; one rule for asking, writing, linking and sending."""

    def __init__(self, grants: GrantIndex, schemas: Schemas, sources: Sources) -> None:
        self._grants = grants
        self._schemas = schemas
        self._sources = sources

    def granted(self, grant: str, department: str, *, signed: bool) -> Grant:
        """The grant, if it allows to export now on a request that was `signed` or was not.

        Raises what `GrantIndex.authorize` and `admitted` raise, PermissionDenied
        (SIGNATURE_REQUIRED) and FailedPrecondition (RESOURCE_NOT_HELD).
        """
        found = self._grants.authorize(grant, department=department, operation=Operation.EXPORT)
        schema = self._schemas.schema(found.resource)
        if schema.signed_requests and not signed:
            raise signature_required()
        check_held(forwarded=self._sources.serves(found.resource))
        return admitted(found, schema)

    def for_job(self, job: ExportJob) -> Grant:
        """The same of a job's grant. Raises PermissionDenied (GRANT_CHANGED) too."""
        granted = self.granted(job.grant, job.department, signed=job.signing is not None)
        if granted.contract_hash != job.contract or tuple(granted.masks) != job.items:
            raise PermissionDenied(
                "the grant's terms, or the resource's items, changed since the job was made: "
                "make another",
                reason="GRANT_CHANGED",
                message_zh="任务创建后授权条款或信息项已变更：请另建导出任务",
            )
        return granted

    def key_item(self, resource: str) -> str:
        """Code of the item that identifies a record."""
        return self._schemas.schema(resource).key_item


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a job is made of."""

    parent: str
    job_id: str
    grant: str
    format: FileFormat
    purpose: str
    case_number: str
    #: The receiver's, PEM, and that of the caller's connection.
    certificate: str
    connection: str
    keep_hours: int
    signature: RequestSignature | None = None

    @property
    def receiving(self) -> str:
        """The certificate that the files are for, PEM."""
        return self.certificate or self.connection

    def request(self, fingerprint: str) -> bytes:
        """What is asked for, canonical JSON."""
        return canonical(
            model.request_of(
                grant=self.grant,
                form=self.format,
                purpose=self.purpose,
                case_number=self.case_number,
                fingerprint=fingerprint,
            )
        )


class Files:
    """The use cases."""

    def __init__(
        self,
        *,
        database: Database,
        allowing: Allowing,
        audit: AuditLog,
        objects: ObjectStore,
        clock: Clock,
        rates: Rates,
        refusals: Refusals,
    ) -> None:
        self._database = database
        self._allowing = allowing
        self._audit = audit
        self._objects = objects
        self._clock = clock
        self._rates = rates
        self._refusals = refusals

    def create(self, work: UnitOfWork, principal: Principal, asked: Asked) -> ExportJob:
        """Make a job.

        Raises InvalidArgument (BAD_QUESTION, BAD_KEEP_HOURS, CERTIFICATE_NOT_USABLE),
        PermissionDenied (NOT_YOUR_DEPARTMENT, BAD_SIGNATURE, SIGNATURE_USED), what
        `Allowing.granted` raises, ResourceExhausted (RATE_EXCEEDED, TOO_MANY_EXPORT_JOBS) and
        AlreadyExists (EXPORT_JOB_EXISTS).
        """
        _own(principal, asked.parent)
        check_question(asked.purpose, asked.case_number)
        hours = model.check_hours(asked.keep_hours)
        job_id = asked.job_id or names.random_id()
        names.check_id(job_id, field="export_job_id")
        names.parse(names.GRANT, asked.grant, field="grant")
        now = self._clock.now()
        receiver = Receiver.read(
            asked.receiving.encode(),
            now=now if asked.certificate else None,  # the connection's was looked at already
            own=asked.receiving.strip() == asked.connection.strip(),
        )
        granted = self._allowing.granted(
            asked.grant, principal.department, signed=asked.signature is not None
        )
        signing = self._signing(work, asked, receiver.fingerprint, now)
        self._rates.take(granted)
        if store.live(work.session, principal.department) >= model.GREATEST_JOBS:
            raise ResourceExhausted(
                f"the department has {model.GREATEST_JOBS} export jobs: cancel one whose files "
                "were fetched",
                reason="TOO_MANY_EXPORT_JOBS",
                message_zh=f"本部门已有 {model.GREATEST_JOBS} 个导出任务：请先取消已取走文件的任务",
            )
        job = ExportJob(
            name=f"{principal.department}/exportJobs/{job_id}",
            grant=granted.name,
            resource=granted.resource,
            contract=granted.contract_hash,
            items=tuple(granted.masks),
            format=asked.format,
            state=JobState.RUNNING,
            offset=end_of_log(work),
            actor=principal.system,
            certificate=asked.receiving,
            fingerprint=receiver.fingerprint,
            purpose=asked.purpose,
            case_number=asked.case_number,
            signing=signing,
            create_time=now,
            expire_time=now + timedelta(hours=hours),
            etag=fresh_etag(),
        )
        if not store.add(work.session, job):
            raise AlreadyExists(
                "the department has an export job of this name: choose another",
                reason="EXPORT_JOB_EXISTS",
                message_zh="本部门已有同名导出任务：请换一个名称",
            )
        work.record(
            make_record(
                "export_job_created",
                at=now,
                actor=principal.system,
                facts={
                    "job": job.name,
                    "grant": job.grant,
                    "contract": job.contract,
                    "resource": job.resource,
                    "items": list(job.items),
                    "format": job.format.value,
                    "certificate": job.fingerprint,
                    "offset": job.offset,
                    **job.signed,
                },
                commitments={
                    "purpose": asked.purpose.encode(),
                    "case_number": asked.case_number.encode(),
                    "request": canonical(job.request),
                },
            )
        )
        return job

    def _signing(
        self, work: UnitOfWork, asked: Asked, fingerprint: str, now: datetime
    ) -> Signing | None:
        signature = asked.signature
        if signature is None:
            return None
        signing = Signing(
            facts=signature.check(METHOD, asked.request(fingerprint), now),
            nonce=signature.nonce,
            certificate=signature.certificate.decode(),
        )
        if store.signed_before(work.session, signing.once):
            raise signature_used()
        return signing

    def refuse_job(self, error: DomainError, principal: Principal, asked: Asked) -> None:
        """Keep a refusal of a job; from a worker thread. Raises as `AuditLog.append`."""
        try:
            fingerprint = Receiver.read(asked.receiving.encode(), own=True).fingerprint
        except DomainError:
            fingerprint = ""
        attempt = Attempt(
            at=self._clock.now(),
            actor=principal.system,
            operation=Operation.EXPORT.value,
            grant=asked.grant,
            request=asked.request(fingerprint),
            method=METHOD,
            signature=asked.signature,
        )
        self._refusals.keep_blocking(error, attempt)

    def refuse_links(self, error: DomainError, principal: Principal, name: str) -> None:
        """The same of the links to a job's files."""
        attempt = Attempt(
            at=self._clock.now(),
            actor=principal.system,
            operation=Operation.EXPORT.value,
            grant="",
            request=canonical({"export_job": name}),
        )
        self._refusals.keep_blocking(error, attempt)

    def get(self, principal: Principal, name: str) -> ExportJob:
        """A job of the caller's department. Raises NotFound, EXPORT_JOB_NOT_FOUND."""
        names.parse(names.EXPORT_JOB, name)
        with self._database.reading() as session:
            return _found(principal, store.job(session, name))

    def page(
        self, principal: Principal, *, parent: str, page_size: int, page_token: str
    ) -> tuple[list[ExportJob], str]:
        """A page of the caller's department's jobs, and the token of the next page."""
        _own(principal, parent)
        size = paging.page_size(page_size, default=DEFAULT_PAGE, greatest=GREATEST_PAGE)
        after = paging.last_of(page_token)
        with self._database.reading() as session:
            found = store.jobs(session, principal.department, after, size + 1)
        return paging.cut(found, size, lambda job: job.name)

    def cancel(self, work: UnitOfWork, principal: Principal, *, name: str, etag: str) -> ExportJob:
        """End a job; its files are deleted soon after.

        Raises NotFound, Aborted (ETAG_MISMATCH) and FailedPrecondition (EXPORT_JOB_ENDED).
        """
        names.parse(names.EXPORT_JOB, name)
        job = _found(principal, store.job(work.session, name))
        if etag and etag != job.etag:
            raise Aborted(
                "the job changed since it was read: read it again",
                reason="ETAG_MISMATCH",
                message_zh="任务已有变更：请重新读取后再试",
            )
        ended = end(
            work, job, JobState.CANCELLED, reason="", actor=principal.system, now=self._clock.now()
        )
        if ended is None:
            raise model.job_ended()
        return ended

    def links(
        self, principal: Principal, *, name: str, valid_seconds: int
    ) -> tuple[list[tuple[int, str]], datetime]:
        """A link to each file, empty where the object store makes none, and when they end.

        Raises NotFound, FailedPrecondition (EXPORT_JOB_RUNNING, EXPORT_JOB_ENDED), InvalidArgument
        and what `Allowing.for_job` raises.
        """
        seconds = model.check_link(valid_seconds)
        job = self._ready(principal, name)
        now = self._clock.now()
        seconds = max(1, min(seconds, int((job.expire_time - now).total_seconds())))
        made = [(part.number, self._objects.link(part.object, seconds)) for part in job.parts]
        facts: dict[str, Value] = {
            "job": job.name,
            "grant": job.grant,
            "valid_seconds": seconds,
        }
        self._audit.append_blocking(
            [make_record("file_links_made", at=now, actor=principal.system, facts=facts)]
        )
        return made, now + timedelta(seconds=seconds)

    def fetch(self, principal: Principal, *, name: str, number: int) -> bytes:
        """One file, encrypted as it is. Raises as `links`, and NotFound (EXPORT_PART_NOT_FOUND)."""
        job = self._ready(principal, name)
        part = model.part_of(job, number)
        data = self._objects.get(part.object)
        facts: dict[str, Value] = {
            "job": job.name,
            "grant": job.grant,
            "part": number,
            "sha256": part.sha256,
        }
        self._audit.append_blocking(
            [
                make_record(
                    "file_downloaded", at=self._clock.now(), actor=principal.system, facts=facts
                )
            ]
        )
        return data

    def _ready(self, principal: Principal, name: str) -> ExportJob:
        job = self.get(principal, name)
        model.check_ready(job)
        if job.expire_time <= self._clock.now():
            raise model.job_ended()
        self._allowing.for_job(job)
        return job


def end(
    work: UnitOfWork, job: ExportJob, state: JobState, *, reason: str, actor: str, now: datetime
) -> ExportJob | None:
    """End a live job in a transaction, with its record; None where it has ended already."""
    ended = replace(
        job,
        state=state,
        failure_reason=reason,
        purpose="",
        case_number="",
        signing=None,
        etag=fresh_etag(),
    )
    if not store.end(work.session, ended, now=now):
        return None
    facts = {"job": job.name, "grant": job.grant, "state": state.value}
    if reason:
        facts["reason"] = reason
    work.record(make_record("export_job_ended", at=now, actor=actor, facts=facts))
    return ended


def fresh_etag() -> str:
    """An etag that was never given."""
    return secrets.token_hex(8)


def _own(principal: Principal, parent: str) -> None:
    names.parse(names.DEPARTMENT, parent, field="parent")
    if parent != principal.department:
        raise PermissionDenied(
            "export jobs are made and listed by their own department",
            reason="NOT_YOUR_DEPARTMENT",
            message_zh="只能创建和查看本部门的导出任务",
        )


def _found(principal: Principal, job: ExportJob | None) -> ExportJob:
    if job is None or job.department != principal.department:
        raise model.job_not_found()
    return job
