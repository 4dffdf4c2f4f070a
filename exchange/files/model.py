"""Export jobs, and the pure rules of them.

1. A job shows what its grant shows, as records were when it was made (`offset`): whoever subscribes
   from that offset goes on without gap. Records that change meanwhile change no file.
2. A job lives under the terms that it was made under. Once they change, or the grant ends, the job
   fails, links stop, and its files are deleted.
3. Files come in parts, each a whole file of its own: what was written survives a crash, and no part
   is larger than what is held in memory. A part that was begun is written anew.
4. RUNNING becomes SUCCEEDED, FAILED, CANCELLED or EXPIRED; SUCCEEDED becomes one of the last three.
   Nothing else. In those three no file is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runtime import names
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument, NotFound
from runtime.records import canonical

#: A part ends with the record that reaches one of them. The index of accesses counts 16 bits.
PART_RECORDS = 25_000
PART_CHARACTERS = 8 * 1024 * 1024
GREATEST_PARTS = 20_000
#: Jobs of a department that are running, or whose files are kept.
GREATEST_JOBS = 20
DEFAULT_HOURS, GREATEST_HOURS = 24, 168
DEFAULT_LINK, GREATEST_LINK = 900, 86_400  # seconds


class FileFormat(StrEnum):
    """What the files are."""

    CSV = "csv"
    PARQUET = "parquet"


class JobState(StrEnum):
    """State of a job."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


LIVE = frozenset({JobState.RUNNING, JobState.SUCCEEDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a job; `object` is its name in the store."""

    number: int
    object: str
    size: int
    sha256: str
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """The signature of the request that a job was made by.

    `facts` are what records say of it (`signed`); `nonce` shows what was signed; `certificate` is
    the signer's, PEM.
    """

    facts: Mapping[str, str]
    nonce: bytes
    certificate: str

    @property
    def once(self) -> bytes:
        """What no second job may have; without the signature itself, which the signer can vary."""
        told = {name: value for name, value in self.facts.items() if name != "signature"}
        return hashlib.sha256(canonical(told)).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportJob:
    """An export job (批量导出任务). `certificate` is PEM; `cursor` how far the log was read."""

    name: str
    grant: str
    resource: str
    contract: str
    items: tuple[str, ...]
    format: FileFormat
    state: JobState
    offset: int
    cursor: int = 0
    actor: str
    certificate: str
    fingerprint: str
    #: Free text of the asker, dropped when the job has ended.
    purpose: str = ""
    case_number: str = ""
    #: Of a signed request; dropped likewise.
    signing: Signing | None = None
    create_time: datetime
    expire_time: datetime
    failure_reason: str = ""
    receipt: bytes = b""
    records: int = 0
    parts: tuple[Part, ...] = ()
    etag: str = ""

    @property
    def department(self) -> str:
        """The department that it is for."""
        return names.department_of(self.name)

    @property
    def folder(self) -> str:
        """Where its objects are: the name's digest, so that they say nothing."""
        return f"exports/{hashlib.sha256(self.name.encode()).hexdigest()[:32]}"

    @property
    def request(self) -> dict[str, object]:
        """What was asked for, as the receipt's leaf commits to it."""
        return request_of(
            grant=self.grant,
            form=self.format,
            purpose=self.purpose,
            case_number=self.case_number,
            fingerprint=self.fingerprint,
        )

    @property
    def signed(self) -> dict[str, Mapping[str, str]]:
        """What a record says of the request's signature; nothing where it was not signed."""
        return {"signed": self.signing.facts} if self.signing else {}

    @property
    def percent(self) -> int:
        """How much of the log has been read."""
        if self.state is JobState.SUCCEEDED or not self.offset:
            return 100
        return min(99, self.cursor * 100 // self.offset)


def request_of(
    *, grant: str, form: FileFormat, purpose: str, case_number: str, fingerprint: str
) -> dict[str, object]:
    """What is asked for, as it is signed and as records commit to it."""
    return {
        "grant": grant,
        "format": form.value,
        "purpose": purpose,
        "case_number": case_number,
        "certificate_sha256": fingerprint,
    }


def manifest_of(job: ExportJob) -> dict[str, object]:
    """What was written, file by file."""
    return {
        "format": job.format.value,
        "items": list(job.items),
        "offset": job.offset,
        "parts": [
            {
                "number": part.number,
                "records": part.records,
                "sha256": part.sha256,
                "size": part.size,
            }
            for part in job.parts
        ],
    }


def digest_of(manifest: dict[str, object]) -> str:
    """SHA-256 of a manifest's canonical JSON, hex."""
    return hashlib.sha256(canonical(manifest)).hexdigest()


def check_hours(hours: int) -> int:
    """How long files are kept. Raises InvalidArgument, BAD_KEEP_HOURS."""
    if not 0 <= hours <= GREATEST_HOURS:
        raise InvalidArgument(
            f"keep_hours is 1 to {GREATEST_HOURS}; 0 is {DEFAULT_HOURS}",
            reason="BAD_KEEP_HOURS",
            message_zh=f"keep_hours 为 1 至 {GREATEST_HOURS}，0 表示 {DEFAULT_HOURS}",
            violations=[FieldViolation("keep_hours", f"1 to {GREATEST_HOURS}")],
        )
    return hours or DEFAULT_HOURS


def check_link(seconds: int) -> int:
    """How long a link is good for. Raises InvalidArgument, BAD_VALID_SECONDS."""
    if not 0 <= seconds <= GREATEST_LINK:
        raise InvalidArgument(
            f"valid_seconds is 1 to {GREATEST_LINK}; 0 is {DEFAULT_LINK}",
            reason="BAD_VALID_SECONDS",
            message_zh=f"valid_seconds 为 1 至 {GREATEST_LINK}，0 表示 {DEFAULT_LINK}",
            violations=[FieldViolation("valid_seconds", f"1 to {GREATEST_LINK}")],
        )
    return seconds or DEFAULT_LINK


def check_ready(job: ExportJob) -> None:
    """Whether there are files to fetch.

    Raises FailedPrecondition: EXPORT_JOB_RUNNING, EXPORT_JOB_ENDED.
    """
    if job.state is JobState.RUNNING:
        raise FailedPrecondition(
            "the files are still being written: ask again when the job has succeeded",
            reason="EXPORT_JOB_RUNNING",
            message_zh="文件仍在生成：请在任务完成后再取",
        )
    if job.state is not JobState.SUCCEEDED:
        raise job_ended()


def job_ended() -> FailedPrecondition:
    """The refusal of what needs a job whose files are there, or will be."""
    return FailedPrecondition(
        "the job has ended and its files are deleted: make another",
        reason="EXPORT_JOB_ENDED",
        message_zh="任务已结束，文件已删除：请另建导出任务",
    )


def job_not_found() -> NotFound:
    """The one answer for a job that is absent and for one of another department."""
    return NotFound(
        "no such export job: check its name with ListExportJobs (`tongban files list`)",
        reason="EXPORT_JOB_NOT_FOUND",
        message_zh="没有该导出任务：请用任务列表（tongban files list）核对其名称",
    )


def part_of(job: ExportJob, number: int) -> Part:
    """A file of a job. Raises NotFound, EXPORT_PART_NOT_FOUND."""
    if not 1 <= number <= len(job.parts):
        raise NotFound(
            f"the job has {len(job.parts)} files, from 1",
            reason="EXPORT_PART_NOT_FOUND",
            message_zh=f"该任务共有 {len(job.parts)} 个文件，从 1 起编号",
        )
    return job.parts[number - 1]


def total(parts: Sequence[Part]) -> int:
    """Records in all parts."""
    return sum(part.records for part in parts)
