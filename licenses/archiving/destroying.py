"""Checking archives, reporting on them, and destroying what has reached its end.

1. A check is recorded with what failed; the report of a run is sealed and kept for good.
2. A destruction has two persons: who asked does not approve. Nothing is destroyed before its
   retention is over: the store itself refuses, too.
3. The package goes first, then its certificate is sealed and kept, then the row says so. A crash
   between them is ended by a repeat: the package that is gone is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from licenses.archiving import checking, report, store
from licenses.archiving.model import (
    Archive,
    ArchiveState,
    archive_not_found,
    check_may_ask,
    check_may_decide,
)
from licenses.archiving.service import Archiving, report_name
from licenses.archiving.surroundings import Surroundings
from licenses.neighbours import Neighbours
from licenses.reading import check_own_department
from licenses.texts import check_text
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import Aborted, FailedPrecondition, InvalidArgument
from runtime.identity import Principal
from runtime.records import make_record
from runtime.retention import RetainedStore

MOST_REPORTED = 1000


class Guarding:
    """The use cases."""

    def __init__(
        self,
        database: Database,
        archiving: Archiving,
        retained: RetainedStore,
        surroundings: Surroundings,
        neighbours: Neighbours,
        clock: Clock,
    ) -> None:
        self._database = database
        self._archiving = archiving
        self._retained = retained
        self._around = surroundings
        self._neighbours = neighbours
        self._clock = clock

    def check(self, name: str, principal: Principal) -> Archive:
        """Run the four checks. Raises NotFound, FailedPrecondition (ARCHIVE_DESTROYED)."""
        archive = self._archiving.get(name, principal)
        if archive.state is ArchiveState.DESTROYED:
            raise FailedPrecondition(
                "it was destroyed", reason="ARCHIVE_DESTROYED", message_zh="该归档包已销毁"
            )
        findings = checking.check(archive, self._retained, self._around)
        now = self._clock.now()
        checked = replace(archive, findings=findings, check_time=now)
        with self._database.unit_of_work() as work:
            store.set_findings(work.session, archive.id, findings, now)
            work.record(
                make_record(
                    "archive_checked",
                    at=now,
                    actor=principal.system,
                    facts={
                        "archive": name,
                        "result": "PASSED" if checked.passed else "FAILED",
                        "failed": [one.name for one in findings if not one.passed],
                    },
                )
            )
        return checked

    def report(
        self, parent: str, wanted: Sequence[str], seal: str, principal: Principal
    ) -> tuple[bytes, list[Archive], str]:
        """The sealed report of checked archives, kept for good. Raises InvalidArgument."""
        check_own_department(parent, principal)
        if not 0 < len(set(wanted)) == len(wanted) <= MOST_REPORTED:
            raise InvalidArgument(
                f"a report tells of 1 to {MOST_REPORTED} archives, each once",
                reason="BAD_REPORT",
                message_zh=f"报告应列 1 至 {MOST_REPORTED} 个归档包，各一次",
            )
        archives = [self._archiving.get(one, principal) for one in wanted]
        if any(one.department != parent for one in archives):
            raise archive_not_found()
        unchecked = [one.name for one in archives if one.check_time is None]
        if unchecked:
            raise FailedPrecondition(
                f"{unchecked[0]} was not checked yet: run CheckArchive first",
                reason="NOT_CHECKED",
                message_zh=f"{unchecked[0]} 尚未检测：请先检测",
            )
        now = self._clock.now()
        issuer = self._neighbours.issuer(parent)
        pages, last = report.checked(archives, issuer.display_name, now)
        sealed = self._sealed(pages, last, parent, seal, "电子档案四性检测报告")
        sha256 = hashlib.sha256(sealed).hexdigest()
        self._retained.put_once(report_name(sha256), sealed, None)
        with self._database.unit_of_work() as work:
            store.set_report(work.session, [one.id for one in archives], sha256)
            work.record(
                make_record(
                    "archive_report_sealed",
                    at=now,
                    actor=principal.system,
                    facts={
                        "department": parent,
                        "sha256": sha256,
                        "archives": str(len(archives)),
                        "failed": [one.name for one in archives if not one.passed],
                    },
                )
            )
        return sealed, archives, sha256

    def ask(self, work: UnitOfWork, name: str, reason: str, principal: Principal) -> Archive:
        """The first person asks. Raises as `model.check_may_ask`."""
        check_text(reason, name="reason", public=True)
        archive = self._own(name, principal)
        now = self._clock.now()
        check_may_ask(archive, now)
        self._move(
            work,
            archive,
            ArchiveState.DESTRUCTION_ASKED,
            asked_by=principal.system,
            asked_reason=reason,
            asked_time=now,
        )
        self._record(work, "archive_destruction_asked", archive, principal, reason=reason)
        return self._now(work, archive)

    def reject(self, work: UnitOfWork, name: str, reason: str, principal: Principal) -> Archive:
        """Another person turns it down. Raises as `model.check_may_decide`."""
        check_text(reason, name="reason", public=True)
        archive = self._own(name, principal)
        check_may_decide(archive, principal.system)
        self._move(work, archive, ArchiveState.KEPT, asked_by="", asked_reason="", asked_time=None)
        self._record(work, "archive_destruction_rejected", archive, principal, reason=reason)
        return self._now(work, archive)

    def destroy(self, name: str, seal: str, principal: Principal) -> tuple[Archive, str]:
        """Another person approves: the package is destroyed, and its certificate sealed.

        The archive as it was, and the certificate's SHA-256; `destroyed` writes the rest.
        """
        archive = self._own(name, principal)
        check_may_decide(archive, principal.system)
        now = self._clock.now()
        # The seal is found before anything is gone.
        found = self._neighbours.seal_of(archive.department, seal, "archive-reports", "", now)
        issuer = self._neighbours.issuer(archive.department)
        self._retained.destroy(archive.object_name)
        pages, last = report.destroyed(archive, issuer.display_name, now, principal.system)
        sealed = self._sealed(pages, last, archive.department, found.name, "电子档案销毁证明")
        sha256 = hashlib.sha256(sealed).hexdigest()
        self._retained.put_once(report_name(sha256), sealed, None)
        return archive, sha256

    def destroyed(
        self, work: UnitOfWork, archive: Archive, sha256: str, principal: Principal
    ) -> Archive:
        """Write that it is destroyed."""
        now = self._clock.now()
        done = store.move(
            work.session,
            archive.id,
            ArchiveState.DESTRUCTION_ASKED,
            ArchiveState.DESTROYED,
            destroyed_by=principal.system,
            destroy_time=now,
            certificate_sha256=sha256,
        )
        if not done:
            raise _changed()
        self._record(
            work, "archive_destroyed", archive, principal, certificate=sha256,
            asked_by=archive.asked_by,
        )  # fmt: skip
        return self._now(work, archive)

    def _sealed(self, pages: bytes, last: int, department: str, seal: str, why: str) -> bytes:
        now = self._clock.now()
        found = self._neighbours.seal_of(department, seal, "archive-reports", "", now)
        return self._around.seal(
            pages,
            seal=found.name,
            page=last,
            box=report.SEAL_BOX,
            why=why,
            request_id=hashlib.sha256(pages).hexdigest()[:40],
        )

    def _own(self, name: str, principal: Principal) -> Archive:
        archive = self._archiving.get(name, principal)
        if archive.department != principal.department:
            raise archive_not_found()
        return archive

    def _move(
        self, work: UnitOfWork, archive: Archive, after: ArchiveState, **values: object
    ) -> None:
        if not store.move(work.session, archive.id, archive.state, after, **values):
            raise _changed()

    def _now(self, work: UnitOfWork, archive: Archive) -> Archive:
        work.session.expire_all()
        found = store.archive(work.session, archive.id)
        if found is None:
            raise archive_not_found()
        return found

    def _record(
        self, work: UnitOfWork, kind: str, archive: Archive, principal: Principal, **facts: str
    ) -> None:
        work.record(
            make_record(
                kind,
                at=self._clock.now(),
                actor=principal.system,
                facts={
                    "archive": archive.name,
                    "subject": archive.subject,
                    "sha256": archive.sha256,
                    **facts,
                },
            )
        )


def _changed() -> Aborted:
    return Aborted(
        "another change came first: read it again",
        reason="CONCURRENT_CHANGE",
        message_zh="有并发修改在先：请重新读取",
    )
