"""Archives on the wire.

1. Deny by default: the policy names every method and who may call it.
2. What calls other services of the node, or the object store, runs in the service's own threads and
   outside any transaction; a repeat is answered before anything is done again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from licenses.archiving.destroying import Guarding
from licenses.archiving.model import Archive, ArchiveState, Retention
from licenses.archiving.service import Archiving
from licenses.v1 import archives_pb2 as pb
from licenses.wire import run_in, time_of, to_time, wrong
from runtime.database import Database, UnitOfWork, check_request_id
from runtime.identity import Role
from runtime.paging import last_of, page_size, token_after
from runtime.rpc import Call

_DEPARTMENTS: Final = frozenset({Role.DEPARTMENT})
_READERS: Final = frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR, Role.AUDITOR})
_PERSONS: Final = frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR})
POLICY: Mapping[str, frozenset[Role]] = {
    "ArchiveLicense": _DEPARTMENTS,
    "ArchiveCase": _DEPARTMENTS,
    "GetArchive": _READERS,
    "ListArchives": _READERS,
    "ListStrays": _READERS,
    "GetArchiveFile": frozenset({Role.DEPARTMENT, Role.AUDITOR}),
    "CheckArchive": frozenset({Role.DEPARTMENT, Role.AUDITOR}),
    "MakeCheckReport": _DEPARTMENTS,
    "AskDestruction": _PERSONS,
    "ApproveDestruction": _PERSONS,
    "RejectDestruction": _PERSONS,
}
_RETENTIONS: Final = {
    pb.RETENTION_UNSPECIFIED: Retention.YEARS_30,
    pb.RETENTION_PERMANENT: Retention.PERMANENT,
    pb.RETENTION_YEARS_30: Retention.YEARS_30,
    pb.RETENTION_YEARS_10: Retention.YEARS_10,
}
_STATES: Final = {
    ArchiveState.CLAIMED: pb.ARCHIVE_STATE_UNSPECIFIED,  # never sent
    ArchiveState.KEPT: pb.ARCHIVE_STATE_KEPT,
    ArchiveState.DESTRUCTION_ASKED: pb.ARCHIVE_STATE_DESTRUCTION_ASKED,
    ArchiveState.DESTROYING: pb.ARCHIVE_STATE_DESTROYING,
    ArchiveState.DESTROYED: pb.ARCHIVE_STATE_DESTROYED,
}
_FILES: Final = {
    pb.ARCHIVE_FILE_UNSPECIFIED: "package",
    pb.ARCHIVE_FILE_PACKAGE: "package",
    pb.ARCHIVE_FILE_REPORT: "report",
    pb.ARCHIVE_FILE_CERTIFICATE: "certificate",
}
Answer = TypeVar("Answer", bound=Message)


class ArchiveRpc:
    """The servicer of ArchiveService."""

    def __init__(
        self,
        database: Database,
        archiving: Archiving,
        guarding: Guarding,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._database = database
        self._archiving = archiving
        self._guarding = guarding
        self._threads = threads

    async def ArchiveLicense(  # noqa: N802
        self, request: pb.ArchiveLicenseRequest, call: Call
    ) -> pb.ArchiveLicenseResponse:
        """See the proto."""
        retention = _retention(request.retention)
        return await self._twice(
            request,
            call,
            pb.ArchiveLicenseResponse,
            lambda: self._archiving.license(request.license, retention, call.principal),
            lambda work, made: pb.ArchiveLicenseResponse(
                archive=to_archive(self._archiving.write(work, made))
            ),
        )

    async def ArchiveCase(  # noqa: N802
        self, request: pb.ArchiveCaseRequest, call: Call
    ) -> pb.ArchiveCaseResponse:
        """See the proto."""
        retention = _retention(request.retention)
        return await self._twice(
            request,
            call,
            pb.ArchiveCaseResponse,
            lambda: self._archiving.case(request.collection, retention, call.principal),
            lambda work, made: pb.ArchiveCaseResponse(
                archive=to_archive(self._archiving.write(work, made))
            ),
        )

    async def _twice(
        self,
        request: Any,
        call: Call,
        answer: type[Answer],
        prepare: Callable[[], Any],
        write: Callable[[UnitOfWork, Any], Answer],
    ) -> Answer:
        """Prepare outside any transaction and write in one; a repeat prepares nothing."""
        method, actor = call.method.rpartition("/")[2], call.principal.system
        check_request_id(request.request_id)

        def run() -> Answer:
            told = self._database.held.answered(actor, method, request.request_id)
            prepared = None if told else prepare()
            with self._database.unit_of_work() as work:
                return work.once(
                    actor, method, request, request.request_id, answer,
                    lambda: write(work, prepared),
                )  # fmt: skip

        return await run_in(self._threads, run)

    def GetArchive(self, request: pb.GetArchiveRequest, call: Call) -> pb.GetArchiveResponse:  # noqa: N802
        """See the proto."""
        found = self._archiving.get(request.name, call.principal)
        return pb.GetArchiveResponse(archive=to_archive(found))

    def ListArchives(self, request: pb.ListArchivesRequest, call: Call) -> pb.ListArchivesResponse:  # noqa: N802
        """See the proto."""
        size = page_size(request.page_size)
        found = self._archiving.page(
            request.parent,
            call.principal,
            after=last_of(request.page_token),
            size=size,
            since=time_of(request, "not_checked_since"),
        )
        more = len(found) > size
        return pb.ListArchivesResponse(
            archives=[to_archive(one) for one in found[:size]],
            next_page_token=token_after(found[size - 1].id) if more else "",
        )

    async def ListStrays(  # noqa: N802
        self, _request: pb.ListStraysRequest, call: Call
    ) -> pb.ListStraysResponse:
        """See the proto."""
        found = await run_in(self._threads, lambda: self._archiving.strays(call.principal))
        return pb.ListStraysResponse(
            strays=[
                pb.Stray(
                    object_name=one.object_name, subject=one.subject, kept_until=one.kept_until
                )
                for one in found
            ]
        )

    async def GetArchiveFile(  # noqa: N802
        self, request: pb.GetArchiveFileRequest, call: Call
    ) -> pb.GetArchiveFileResponse:
        """See the proto."""
        if request.file not in _FILES:
            raise wrong("file", "not a file that is known")
        what = _FILES[request.file]

        def run() -> pb.GetArchiveFileResponse:
            data = self._archiving.file(request.name, what, request.reason, call.principal)
            kind = "application/zip" if what == "package" else "application/pdf"
            proof = self._archiving.proof(request.name, call.principal) if what == "package" else ""
            return pb.GetArchiveFileResponse(data=data, media_type=kind, proof=proof)

        return await run_in(self._threads, run)

    async def CheckArchive(  # noqa: N802
        self, request: pb.CheckArchiveRequest, call: Call
    ) -> pb.CheckArchiveResponse:
        """See the proto."""
        # Without an id it is checked again, each time.
        request.request_id = request.request_id or secrets.token_hex(8)
        return await self._twice(
            request,
            call,
            pb.CheckArchiveResponse,
            lambda: self._guarding.check(request.name, call.principal),
            lambda work, made: pb.CheckArchiveResponse(
                archive=to_archive(self._guarding.checked(work, made, call.principal))
            ),
        )

    async def MakeCheckReport(  # noqa: N802
        self, request: pb.MakeCheckReportRequest, call: Call
    ) -> pb.MakeCheckReportResponse:
        """See the proto."""

        def write(_work: UnitOfWork, made: tuple[bytes, list[Archive], str]) -> Any:
            sealed, archives, sha256 = made
            passed = sum(one.passed for one in archives)
            return pb.MakeCheckReportResponse(
                report=sealed, sha256=sha256, passed=passed, failed=len(archives) - passed
            )

        return await self._twice(
            request,
            call,
            pb.MakeCheckReportResponse,
            lambda: self._guarding.report(
                request.parent, list(request.archives), request.seal, call.principal
            ),
            write,
        )

    def AskDestruction(  # noqa: N802
        self, request: pb.AskDestructionRequest, call: Call
    ) -> pb.AskDestructionResponse:
        """See the proto."""
        return self._once(
            request,
            call,
            pb.AskDestructionResponse,
            lambda work: pb.AskDestructionResponse(
                archive=to_archive(
                    self._guarding.ask(work, request.name, request.reason, call.principal)
                )
            ),
        )

    def RejectDestruction(  # noqa: N802
        self, request: pb.RejectDestructionRequest, call: Call
    ) -> pb.RejectDestructionResponse:
        """See the proto."""
        return self._once(
            request,
            call,
            pb.RejectDestructionResponse,
            lambda work: pb.RejectDestructionResponse(
                archive=to_archive(
                    self._guarding.reject(work, request.name, request.reason, call.principal)
                )
            ),
        )

    def _once(
        self,
        request: Any,
        call: Call,
        answer: type[Answer],
        act: Callable[[UnitOfWork], Answer],
    ) -> Answer:
        method = call.method.rpartition("/")[2]
        with self._database.unit_of_work() as work:
            return work.once(
                call.principal.system, method, request, request.request_id, answer,
                lambda: act(work),
            )  # fmt: skip

    async def ApproveDestruction(  # noqa: N802
        self, request: pb.ApproveDestructionRequest, call: Call
    ) -> pb.ApproveDestructionResponse:
        """See the proto."""
        return await self._twice(
            request,
            call,
            pb.ApproveDestructionResponse,
            lambda: self._guarding.destroy(request.name, request.seal, call.principal),
            lambda work, made: pb.ApproveDestructionResponse(
                archive=to_archive(self._guarding.destroyed(work, made[0], made[1], call.principal))
            ),
        )


def _retention(number: int) -> Retention:
    if number not in _RETENTIONS:
        raise wrong("retention", "not one that is known")
    return _RETENTIONS[number]  # type: ignore[index]  # it is there


def to_archive(one: Archive) -> pb.Archive:
    """An archive as it is held."""
    return pb.Archive(
        name=one.name,
        subject=one.subject,
        state=_STATES[one.state],
        sha256=one.sha256,
        size=one.size,
        retention=pb.Retention.Value(f"RETENTION_{one.retention.name}"),
        retain_until=to_time(one.retain_until) if one.retain_until else None,
        locked_by=one.locked_by,
        archive_time=to_time(one.archive_time),
        actor=one.actor,
        findings=[
            pb.ArchiveFinding(
                property=finding.property.value,
                name=finding.name,
                passed=finding.passed,
                detail=finding.detail,
                detail_zh=finding.detail_zh,
            )
            for finding in one.findings
        ],
        check_time=to_time(one.check_time) if one.check_time else None,
        report_sha256=one.report_sha256,
        destruction_asked_by=one.asked_by,
        destruction_reason=one.asked_reason,
        destroyed_by=one.destroyed_by,
        destroy_time=to_time(one.destroy_time) if one.destroy_time else None,
        certificate_sha256=one.certificate_sha256,
    )
