"""FileService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime

from exchange.audit.saved import receipt_from_json
from exchange.files.model import (
    ExportJob,
    FileFormat,
    JobState,
    Signing,
    digest_of,
    manifest_of,
)
from exchange.files.service import METHOD, Asked, Files
from exchange.receipts import to_message
from exchange.refusals import REFUSED
from exchange.signatures import certificate_of, signature_of
from exchange.v1 import files_pb2 as pb
from exchange.v1 import query_pb2
from runtime.database import Database
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.rpc import Call

PIECE = 256 * 1024
_DEPARTMENT = frozenset({Role.DEPARTMENT})

POLICY: Mapping[str, frozenset[Role]] = dict.fromkeys(
    (
        "CreateExportJob",
        "GetExportJob",
        "ListExportJobs",
        "CancelExportJob",
        "CreateDownloadLinks",
        "DownloadPart",
    ),
    _DEPARTMENT,
)
_FORMATS = {
    pb.FILE_FORMAT_UNSPECIFIED: FileFormat.CSV,
    pb.FILE_FORMAT_CSV: FileFormat.CSV,
    pb.FILE_FORMAT_PARQUET: FileFormat.PARQUET,
}
_FORMAT_NUMBERS = {
    FileFormat.CSV: pb.FILE_FORMAT_CSV,
    FileFormat.PARQUET: pb.FILE_FORMAT_PARQUET,
}
_STATES = {
    JobState.RUNNING: pb.EXPORT_JOB_STATE_RUNNING,
    JobState.SUCCEEDED: pb.EXPORT_JOB_STATE_SUCCEEDED,
    JobState.FAILED: pb.EXPORT_JOB_STATE_FAILED,
    JobState.CANCELLED: pb.EXPORT_JOB_STATE_CANCELLED,
    JobState.EXPIRED: pb.EXPORT_JOB_STATE_EXPIRED,
}


class FileServicer:
    """Serves `FileService`; `wake` tells the worker that there is something to do."""

    def __init__(self, database: Database, files: Files, *, wake: Callable[[], None]) -> None:
        self._database = database
        self._files = files
        self._wake = wake

    def CreateExportJob(  # noqa: N802  # the method's name in the proto
        self, request: pb.CreateExportJobRequest, call: Call
    ) -> pb.CreateExportJobResponse:
        """Make a job."""
        if request.format not in _FORMATS:
            raise InvalidArgument(
                "format is CSV or PARQUET",
                message_zh="format 应为 CSV 或 PARQUET",
                violations=[FieldViolation("format", "is not a format")],
            )
        asked = Asked(
            parent=request.parent,
            job_id=request.export_job_id,
            grant=request.grant,
            format=_FORMATS[request.format],
            purpose=request.purpose,
            case_number=request.case_number,
            certificate=request.certificate,
            connection=certificate_of(call).decode(),
            keep_hours=request.keep_hours,
            signature=signature_of(request, call),
        )
        # A repeat is the same request, whether it is signed anew or not.
        same = pb.CreateExportJobRequest.FromString(request.SerializeToString())
        same.ClearField("signature")

        def act() -> pb.CreateExportJobResponse:
            made = self._files.create(work, call.principal, asked)
            return pb.CreateExportJobResponse(export_job=_job(made))

        try:
            with self._database.unit_of_work() as work:
                answer = work.once(
                    call.principal.system,
                    METHOD,
                    same,
                    request.request_id,
                    pb.CreateExportJobResponse,
                    act,
                )
        except REFUSED as error:
            self._files.refuse_job(error, call.principal, asked)
            raise
        self._wake()
        return answer

    def GetExportJob(  # noqa: N802
        self, request: pb.GetExportJobRequest, call: Call
    ) -> pb.GetExportJobResponse:
        """One job."""
        found = self._files.get(call.principal, request.name)
        return pb.GetExportJobResponse(export_job=_job(found))

    def ListExportJobs(  # noqa: N802
        self, request: pb.ListExportJobsRequest, call: Call
    ) -> pb.ListExportJobsResponse:
        """A page of jobs."""
        found, token = self._files.page(
            call.principal,
            parent=request.parent,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListExportJobsResponse(
            export_jobs=[_job(job, whole=False) for job in found], next_page_token=token
        )

    def CancelExportJob(  # noqa: N802
        self, request: pb.CancelExportJobRequest, call: Call
    ) -> pb.CancelExportJobResponse:
        """End a job."""

        def act() -> pb.CancelExportJobResponse:
            ended = self._files.cancel(work, call.principal, name=request.name, etag=request.etag)
            return pb.CancelExportJobResponse(export_job=_job(ended, whole=False))

        with self._database.unit_of_work() as work:
            answer = work.once(
                call.principal.system,
                "CancelExportJob",
                request,
                request.request_id,
                pb.CancelExportJobResponse,
                act,
            )
        self._wake()
        return answer

    def CreateDownloadLinks(  # noqa: N802
        self, request: pb.CreateDownloadLinksRequest, call: Call
    ) -> pb.CreateDownloadLinksResponse:
        """A link to each file."""
        try:
            links, end = self._files.links(
                call.principal, name=request.name, valid_seconds=request.valid_seconds
            )
        except REFUSED as error:
            self._files.refuse_links(error, call.principal, request.name)
            raise
        return pb.CreateDownloadLinksResponse(
            links=[pb.DownloadLink(number=number, url=url) for number, url in links],
            expire_time=end,  # type: ignore[arg-type]  # a Timestamp takes datetimes
        )

    async def DownloadPart(  # noqa: N802
        self, request: pb.DownloadPartRequest, call: Call
    ) -> AsyncIterator[pb.DownloadPartResponse]:
        """One file, piece by piece."""
        data = await asyncio.to_thread(
            self._files.fetch, call.principal, name=request.name, number=request.number
        )
        for start in range(0, len(data), PIECE):
            yield pb.DownloadPartResponse(data=data[start : start + PIECE])


def _job(job: ExportJob, *, whole: bool = True) -> pb.ExportJob:
    done = whole and job.state is JobState.SUCCEEDED
    return pb.ExportJob(
        name=job.name,
        grant=job.grant,
        format=_FORMAT_NUMBERS[job.format],
        state=_STATES[job.state],
        offset=job.offset,
        items=job.items,
        records=job.records,
        parts=[
            pb.ExportPart(
                number=part.number, size=part.size, sha256=part.sha256, records=part.records
            )
            for part in job.parts
        ],
        certificate_sha256=job.fingerprint,
        create_time=job.create_time,  # type: ignore[arg-type]  # a Timestamp takes datetimes
        expire_time=job.expire_time,  # type: ignore[arg-type]  # likewise
        failure_reason=job.failure_reason,
        manifest_sha256=digest_of(manifest_of(job)) if done else "",
        receipt=to_message(receipt_from_json(job.receipt.decode()).receipt) if done else None,
        etag=job.etag,
        percent=job.percent,
        signature=_signature(job.signing) if whole and job.signing else None,
        signing_certificate=job.signing.certificate if whole and job.signing else "",
    )


def _signature(signing: Signing) -> query_pb2.RequestSignature:
    return query_pb2.RequestSignature(
        sign_time=datetime.fromisoformat(signing.facts["time"]),  # type: ignore[arg-type]  # likewise
        nonce=signing.nonce,
        signature=base64.b64decode(signing.facts["signature"]),
    )
