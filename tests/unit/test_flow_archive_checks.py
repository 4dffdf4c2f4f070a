"""The flow of checks: one archive that cannot be checked stops no other."""

from __future__ import annotations

from typing import Any

import grpc

from flows.archiving import run_checks
from licenses.v1 import archives_pb2 as pb
from runtime.errors import DomainError, FailedPrecondition, NotFound, Unavailable
from runtime.status import code_of, to_status

NAMES = [f"archives/{number}" for number in range(6)]


class Refused(grpc.RpcError):
    def __init__(self, error: DomainError) -> None:
        self._error = error

    def code(self) -> grpc.StatusCode:
        return code_of(self._error)

    def details(self) -> str:
        return self._error.message

    def trailing_metadata(self) -> list[tuple[str, bytes]]:
        return [("grpc-status-details-bin", to_status(self._error).SerializeToString())]


class Stub:
    """An archive service that refuses to check some."""

    def __init__(self, refusals: dict[str, DomainError]) -> None:
        self.refusals = refusals
        self.reported: list[str] = []

    def ListArchives(self, *_asked: Any, **_how: Any) -> pb.ListArchivesResponse:  # noqa: N802
        return pb.ListArchivesResponse(archives=[pb.Archive(name=name) for name in NAMES])

    def CheckArchive(  # noqa: N802
        self, request: pb.CheckArchiveRequest, **_how: Any
    ) -> pb.CheckArchiveResponse:
        if request.name in self.refusals:
            raise Refused(self.refusals[request.name])
        finding = pb.ArchiveFinding(passed=request.name != NAMES[5])
        return pb.CheckArchiveResponse(archive=pb.Archive(name=request.name, findings=[finding]))

    def ListStrays(self, *_asked: Any, **_how: Any) -> pb.ListStraysResponse:  # noqa: N802
        stray = pb.Stray(object_name="packages/00/0.zip", kept_until="FOR_GOOD")
        return pb.ListStraysResponse(strays=[stray])

    def MakeCheckReport(  # noqa: N802
        self, request: pb.MakeCheckReportRequest, **_how: Any
    ) -> pb.MakeCheckReportResponse:
        self.reported = list(request.archives)
        return pb.MakeCheckReportResponse(report=b"sealed", sha256="ab")


def test_what_cannot_be_checked_has_failed_and_the_others_are_reported() -> None:
    stub = Stub(
        {
            NAMES[0]: NotFound("broken", reason="OBJECT_BROKEN"),
            NAMES[1]: FailedPrecondition("going", reason="DESTRUCTION_APPROVED"),
            NAMES[2]: Unavailable("away", reason="AWAY"),
        }
    )
    told, report = run_checks(stub, "departments/a", 0)  # type: ignore[arg-type]
    assert (told["checked"], report, told["report_sha256"]) == (3, b"sealed", "ab")
    assert told["unchecked"] == {NAMES[0]: "OBJECT_BROKEN", NAMES[2]: "AWAY"}
    assert told["failed"] == [NAMES[5], NAMES[0], NAMES[2]]
    assert stub.reported == NAMES[3:]
    assert told["strays"] == ["packages/00/0.zip FOR_GOOD"]


def test_a_node_that_is_gone_is_not_asked_for_each() -> None:
    stub = Stub({name: Unavailable("away", reason="AWAY") for name in NAMES})
    told, report = run_checks(stub, "departments/a", 0)  # type: ignore[arg-type]
    assert (told["checked"], report) == (0, b"")
    assert list(told["unchecked"].values()) == ["AWAY"] * 3 + ["NOT_TRIED"] * 3
