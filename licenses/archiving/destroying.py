"""Checking archives, reporting on them, and destroying what has reached its end.

1. A check is recorded with what failed; the report of a run is sealed and kept for good. The same
   checks make the same report: one that is made again is no other.
2. A destruction takes two systems, which the node's operator gives to two people, or two people who
   signed in, and no others where that is set: who asked does not approve. Nothing is destroyed
   before its retention is over: the store itself refuses, too.
3. Who approves claims it, by name and in the log; then the package goes, its certificate is sealed
   and kept, and the row says so. A crash between them is ended by a repeat, which makes the same
   certificate: it names who claimed it, and when.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import replace

import structlog

from licenses import store as licenses
from licenses.archiving import checking, report, store
from licenses.archiving.model import (
    GOING,
    Archive,
    ArchiveState,
    Finding,
    archive_not_found,
    check_may_approve,
    check_may_ask,
    check_may_reject,
    check_person,
    check_there,
)
from licenses.archiving.service import (
    SEALED_AS,
    Archiving,
    report_name,
    standing_of,
    tells_of,
)
from licenses.archiving.surroundings import Surroundings
from licenses.neighbours import Neighbours
from licenses.reading import check_own_department
from licenses.refusals import safely
from licenses.texts import check_text
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    Aborted,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from runtime.identity import Principal
from runtime.records import make_record
from runtime.retention import RetainedStore

MOST_REPORTED = 1000
_log = structlog.get_logger()


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
        *,
        by_persons: bool = False,
    ) -> None:
        """`by_persons`: only people who signed in ask to destroy, and decide."""
        self._database = database
        self._archiving = archiving
        self._retained = retained
        self._around = surroundings
        self._neighbours = neighbours
        self._clock = clock
        self._by_persons = by_persons

    def check(self, name: str, principal: Principal) -> Archive:
        """Run the four checks; `checked` writes what they found. Raises as `model.check_there`.

        What was found too short a lock has its length again after, and what is kept for good is
        locked anew, with the report that told of it.
        """
        archive = self._archiving.get(name, principal)
        check_there(archive)
        try:
            findings = checking.check(archive, self._retained, self._around)
        except Unavailable:
            raise  # a neighbour that does not answer is no finding
        except DomainError as error:
            findings = (checking.not_made(error.reason),)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            _log.error("archive_check_failed", archive=archive.name, **safely(error))
            findings = (checking.not_made(type(error).__name__),)
        if any(one.name == "package_digest" and one.passed for one in findings):
            self._retained.keep(archive.object_name, archive.retain_until)
        if archive.report_sha256:
            with contextlib.suppress(NotFound):
                self._retained.keep(report_name(archive.report_sha256), None)
        findings = (*findings, *self._moved_on(archive))
        return replace(archive, findings=findings, check_time=self._clock.now())

    def _moved_on(self, archive: Archive) -> list[Finding]:
        """Of a license: whether this archive, or a later one, tells of the state it is in."""
        if not names.is_name(names.LICENSE, archive.subject):
            return []
        license_id = names.parse(names.LICENSE, archive.subject)["license"]
        with self._database.reading() as session:
            license_ = licenses.license_by_id(session, license_id)
            others = store.of_subject(session, archive.subject)
        if license_ is None:
            return []
        now = standing_of(license_)
        telling = [
            one.name
            for one in others
            if one.state is not ArchiveState.CLAIMED and tells_of(one, now, license_.state_time)
        ]
        itself = archive.name in telling
        told_by = "" if itself or not telling else telling[0]
        return [checking.moved_on(license_.state.value, told_by, itself)]

    def checked(self, work: UnitOfWork, checked: Archive, principal: Principal) -> Archive:
        """Write what a check found."""
        now = checked.check_time or self._clock.now()
        store.set_findings(work.session, checked.id, checked.findings, now)
        work.record(
            make_record(
                "archive_checked",
                at=now,
                actor=principal.system,
                facts={
                    "archive": checked.name,
                    "result": "PASSED" if checked.passed else "FAILED",
                    "failed": [one.name for one in checked.findings if not one.passed],
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
        archives = self._archiving.several(wanted, principal)
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
        checked = max(one.check_time for one in archives if one.check_time is not None)
        pages, last = report.checked(archives, issuer.display_name, checked)
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
        """The first asks. Raises as `model.check_may_ask`, and PermissionDenied (PERSON_NEEDED)."""
        check_text(reason, name="reason", public=True)
        self._check_person(principal)
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
        """Another one turns it down. Raises as `model.check_may_reject`, and as `ask`."""
        check_text(reason, name="reason", public=True)
        self._check_person(principal)
        archive = self._own(name, principal)
        check_may_reject(archive, principal.system)
        self._move(work, archive, ArchiveState.KEPT, asked_by="", asked_reason="", asked_time=None)
        self._record(work, "archive_destruction_rejected", archive, principal, reason=reason)
        return self._now(work, archive)

    def destroy(self, name: str, seal: str, principal: Principal) -> tuple[Archive, str]:
        """Another one approves: the package is destroyed, and its certificate sealed.

        The archive as it was claimed, and the certificate's SHA-256; `destroyed` writes the rest.
        Raises as `model.check_may_approve`, and Aborted where it was turned down meanwhile.
        """
        self._check_person(principal)
        archive = self._own(name, principal)
        check_may_approve(archive, principal.system)
        # The seal is found before anything is gone.
        now = self._clock.now()
        found = self._neighbours.seal_of(archive.department, seal, SEALED_AS, "", now)
        issuer = self._neighbours.issuer(archive.department)
        claimed = self._claim(archive, principal)
        self._retained.destroy(claimed.object_name)
        pages, last = report.destroyed(claimed, issuer.display_name)
        sealed = self._sealed(pages, last, claimed.department, found.name, "电子档案销毁证明")
        sha256 = hashlib.sha256(sealed).hexdigest()
        self._retained.put_once(report_name(sha256), sealed, None)
        return claimed, sha256

    def _check_person(self, principal: Principal) -> None:
        if self._by_persons:
            check_person(principal.system)

    def _claim(self, archive: Archive, principal: Principal) -> Archive:
        """Rule 3. Who comes second goes on with what the first one claimed."""
        with self._database.unit_of_work() as work:
            if store.move(
                work.session,
                archive.id,
                ArchiveState.DESTRUCTION_ASKED,
                ArchiveState.DESTROYING,
                destroyed_by=principal.system,
                destroy_time=self._clock.now(),
            ):
                self._record(
                    work, "archive_destruction_approved", archive, principal,
                    asked_by=archive.asked_by,
                )  # fmt: skip
            claimed = self._now(work, archive)
        if claimed.state not in GOING:
            raise _changed()
        return claimed

    def destroyed(
        self, work: UnitOfWork, archive: Archive, sha256: str, principal: Principal
    ) -> Archive:
        """Write that a claimed one is destroyed; once, whoever comes first."""
        if store.move(
            work.session,
            archive.id,
            ArchiveState.DESTROYING,
            ArchiveState.DESTROYED,
            certificate_sha256=sha256,
        ):
            self._record(
                work, "archive_destroyed", archive, principal, certificate=sha256,
                asked_by=archive.asked_by, approved_by=archive.destroyed_by,
            )  # fmt: skip
        return self._now(work, archive)

    def _sealed(self, pages: bytes, last: int, department: str, seal: str, why: str) -> bytes:
        now = self._clock.now()
        found = self._neighbours.seal_of(department, seal, SEALED_AS, "", now)
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
