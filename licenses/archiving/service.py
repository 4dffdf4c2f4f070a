"""Archiving licenses and cases, and reading archives.

1. A package is made of what is there (`contents`): for a license its metadata, its type, all its
   forms, how its seals were judged and by which certificates, and the records of its issue and its
   last act with proofs; for a case the filled form, the copies, the decision with its reasons, and
   the records of each question. Its manifest is sealed by the department, where it has a seal for
   archive reports.
2. Its row is claimed first: a random name, its digest, until when it is kept. Then it is put under
   retention, then the row says that it is archived. What a crash left between them is taken over by
   a repeat if it has that digest; else the repeat claims another name.
3. An archive is its department's, and an auditor's to read. That a file was read is in the log; of
   a package it is a look at every license in it, which its holder sees.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import orjson

from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.archiving import package, report, store
from licenses.archiving.contents import Contents
from licenses.archiving.model import (
    ARCHIVE,
    GOING,
    Archive,
    ArchiveState,
    Retention,
    Stray,
    archive_not_found,
    archived_meanwhile,
    check_there,
    is_stray,
    retained_until,
)
from licenses.archiving.proofs import log_proof
from licenses.archiving.surroundings import Surroundings
from licenses.documents import Documents
from licenses.held import license_not_found
from licenses.materials import store as collections
from licenses.materials.copying import Copying
from licenses.materials.keeping import KEPT
from licenses.materials.looks import store as looks
from licenses.materials.model import COLLECTION, CollectionState, Look
from licenses.model import License, LicenseState
from licenses.neighbours import Neighbours
from licenses.texts import check_text
from licenses.types.service import Types
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    AlreadyExists,
    DataLoss,
    DomainError,
    FailedPrecondition,
    NotFound,
    Unavailable,
)
from runtime.identity import Principal, Role
from runtime.records import instant, make_record
from runtime.retention import RetainedStore

FOLDER = "packages"
REPORTS = "reports"
ARCHIVED = "archived"
#: What manifests, reports and certificates are sealed as, with the seal of the department for it.
SEALED_AS = "archive-reports"
#: How long a call may take to put what it claimed.
PUTTING = timedelta(minutes=1)
#: How much of what belongs to no archive is told.
MOST_STRAYS = 1000
_AT_ONCE = 500


class Archiving:
    """The use cases."""

    def __init__(
        self,
        database: Database,
        documents: Documents,
        copying: Copying,
        types: Types,
        retained: RetainedStore,
        surroundings: Surroundings,
        neighbours: Neighbours,
        clock: Clock,
    ) -> None:
        self._neighbours = neighbours
        self._database = database
        self._contents = Contents(database, documents, copying, types, surroundings)
        self._retained = retained
        self._around = surroundings
        self._clock = clock

    def license(self, name: str, retention: Retention, principal: Principal) -> Archive:
        """Put a license of the caller's department under retention; `write` ends it.

        Raises NotFound (LICENSE_NOT_FOUND), AlreadyExists (ARCHIVED_ALREADY), Unavailable
        (NOT_IN_LOG_YET), DataLoss where a form is not what was sealed.
        """
        ids = names.parse(names.LICENSE, name, field="license")
        with self._database.reading() as session:
            found = licenses.license_by_id(session, ids["license"])
        never = (LicenseState.ISSUING, LicenseState.ABANDONED)
        if found is None or found.name != name or found.issuer != principal.department:
            raise license_not_found()
        if found.state in never:
            raise license_not_found()
        return self._archive(
            name,
            "license",
            lambda: self._contents.of_license(found),
            retention,
            principal,
            standing=standing_of(found),
            since=found.state_time,
        )

    def case(self, name: str, retention: Retention, principal: Principal) -> Archive:
        """Put a collected case of the caller's department under retention; `write` ends it.

        Raises NotFound (COLLECTION_NOT_FOUND), FailedPrecondition (NOT_COLLECTED), and as
        `license`.
        """
        ids = names.parse(COLLECTION, name, field="collection")
        with self._database.reading() as session:
            found = collections.collection(session, ids["collection"])
        if found is None or found.department != principal.department:
            raise NotFound(
                "no such collection",
                reason="COLLECTION_NOT_FOUND",
                message_zh="没有这次材料收集",
            )
        if found.state is not CollectionState.COLLECTED:
            raise FailedPrecondition(
                "only a case whose materials were collected is archived",
                reason="NOT_COLLECTED",
                message_zh="材料尚未收集完毕，不能归档",
            )
        return self._archive(
            name, "case", lambda: self._contents.of_case(found), retention, principal
        )

    def _archive(
        self,
        subject: str,
        kind: str,
        gather: Callable[[], Mapping[str, bytes]],
        retention: Retention,
        principal: Principal,
        *,
        standing: str = "",
        since: datetime | None = None,
    ) -> Archive:
        left = self._check_new(subject, standing, since, retention)
        if left is not None and self._is_put(left):
            return left
        files, now = gather(), self._clock.now()
        seal, issuer = self._seal_for(principal.department, now)
        facts = {
            "subject": subject,
            "kind": kind,
            "department": principal.department,
            "archived": instant(now),
            "retention": retention.value,
        }
        data = package.build(
            facts,
            files,
            None if seal is None else lambda manifest: self._sealed(manifest, facts, seal, issuer),
        )
        archive_id = secrets.token_hex(12)
        claimed = Archive(
            id=archive_id,
            department=principal.department,
            subject=subject,
            standing=standing,
            state=ArchiveState.CLAIMED,
            object_name=f"{FOLDER}/{archive_id[:2]}/{archive_id}.zip",
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            retention=retention,
            retain_until=retained_until(retention, now),
            locked_by=self._retained.lock,
            archive_time=now,
            actor=principal.system,
        )
        self._claim(claimed, left)
        try:
            self._retained.put_once(claimed.object_name, data, claimed.retain_until)
        except AlreadyExists:
            with self._database.unit_of_work() as work:
                store.drop_claim(work.session, claimed.id)
            raise
        except DomainError:
            # Where the store did not answer it may lie there all the same, locked: who repeats
            # this finds it by the claim.
            with self._database.unit_of_work() as work:
                store.give_up_claim(work.session, claimed.id, now - PUTTING)
            raise
        return claimed

    def _seal_for(self, department: str, now: datetime) -> tuple[str | None, str]:
        """The seal that the department seals manifests with, None without one; and its name."""
        try:
            seal = self._neighbours.seal_of(department, "", SEALED_AS, "", now)
        except FailedPrecondition:
            return None, ""
        return seal.name, self._neighbours.issuer(department).display_name

    def _sealed(self, manifest: bytes, facts: Mapping[str, str], seal: str, issuer: str) -> bytes:
        pages, last = report.manifest(manifest, facts, issuer)
        return self._around.seal(
            pages,
            seal=seal,
            page=last,
            box=report.SEAL_BOX,
            why="电子档案归档包清单",
            request_id=hashlib.sha256(pages).hexdigest()[:40],
        )

    def _claim(self, claimed: Archive, left: Archive | None) -> None:
        """Claim a name, in the place of one that came to nothing.

        Raises Aborted where another call is about to put what it claimed.
        """
        if left is not None and claimed.archive_time - left.archive_time < PUTTING:
            raise archived_meanwhile()
        with self._database.unit_of_work() as work:
            if left is not None and not store.drop_claim(work.session, left.id):
                raise archived_meanwhile()
            store.add_archive(work.session, claimed)

    def _is_put(self, claimed: Archive) -> bool:
        """Whether what was claimed lies there, whole, for as long as it was claimed for."""
        try:
            data = self._retained.get(claimed.object_name)
        except NotFound:
            return False
        if hashlib.sha256(data).hexdigest() != claimed.sha256:
            return False
        self._retained.put_once(claimed.object_name, data, claimed.retain_until)
        return True

    def write(self, work: UnitOfWork, made: Archive) -> Archive:
        """Say of what is under retention that it is archived, with its record. Raises Aborted.

        Its time is that of the record, by which the checks find it in the log.
        """
        until, now = made.retain_until, self._clock.now()
        if not store.move(
            work.session, made.id, ArchiveState.CLAIMED, ArchiveState.KEPT, archive_time=now
        ):
            raise archived_meanwhile()
        work.record(
            make_record(
                ARCHIVED,
                at=now,
                actor=made.actor,
                facts={
                    "archive": made.name,
                    "subject": made.subject,
                    "sha256": made.sha256,
                    "retention": made.retention.value,
                    "retain_until": instant(until) if until else "",
                    "locked_by": made.locked_by,
                },
            )
        )
        return replace(made, state=ArchiveState.KEPT, archive_time=now)

    def _check_new(
        self, subject: str, standing: str, since: datetime | None, retention: Retention
    ) -> Archive | None:
        """What was claimed for the same before and not ended. Raises AlreadyExists."""
        with self._database.reading() as session:
            found = store.of_subject(session, subject)
        for held in found:
            if not tells_of(held, standing, since):
                continue
            if held.state is not ArchiveState.CLAIMED:
                gone, gone_zh = (
                    ("; that archive was destroyed, and what was destroyed is not archived again",
                     "；该归档包已销毁，已销毁的内容不再归档")
                    if held.state in GOING else ("", "")
                )  # fmt: skip
                raise AlreadyExists(
                    f"it is archived already, as {held.name}{gone}",
                    reason="ARCHIVED_ALREADY",
                    message_zh=f"已归档：{held.name}{gone_zh}",
                    archive=held.name,
                )
            if held.retention is not retention and self._is_put(held):
                raise AlreadyExists(
                    "an unfinished archive of this subject is kept with another retention: repeat "
                    "it with that one",
                    reason="ARCHIVED_ALREADY",
                    message_zh="该对象已有未完成的归档，保管期限不同：请用原保管期限重试",
                )
            return held
        return None

    def archived_cases(self, collections: list[str]) -> set[str]:
        """Which of some collections, by id, were archived longer than `KEPT` ago."""
        with self._database.reading() as session:
            found = store.archived(
                session, [f"collections/{one}" for one in collections], self._clock.now() - KEPT
            )
        return {one.rpartition("/")[2] for one in found}

    def strays(self, principal: Principal) -> list[Stray]:
        """What lies in the store and belongs to no archive, at most `MOST_STRAYS`.

        A crash or a lost answer leaves it, and a lock may keep it for years: so it is named. Of
        what was claimed, the subject is told to its own department and to auditors.
        """
        names_, now = self._retained.names(f"{FOLDER}/"), self._clock.now()
        found: list[Stray] = []
        while (some := list(islice(names_, _AT_ONCE))) and len(found) < MOST_STRAYS:
            with self._database.reading() as session:
                known = store.by_object(session, some)
            for name in some:
                row = known.get(name)
                if row is not None and not is_stray(row, now - PUTTING):
                    continue
                mine = row and (
                    row.department == principal.department or principal.has(Role.AUDITOR)
                )
                found.append(
                    Stray(
                        object_name=name,
                        subject=row.subject if row and mine else "",
                        kept_until=self._until(name),
                    )
                )
        return found[:MOST_STRAYS]

    def _until(self, name: str) -> str:
        try:
            until = self._retained.kept_until(name)
        except (FailedPrecondition, NotFound) as error:
            return error.reason
        return instant(until) if until else "FOR_GOOD"

    # Reading.

    def get(self, name: str, principal: Principal) -> Archive:
        """An archive of the caller's department, or any to an auditor. Raises NotFound."""
        return self.several([name], principal)[0]

    def several(self, wanted: Sequence[str], principal: Principal) -> list[Archive]:
        """As `get`, of many."""
        ids = [names.parse(ARCHIVE, one)["archive"] for one in wanted]
        with self._database.reading() as session:
            found = [store.archive(session, one) for one in ids]
        everybodys = principal.has(Role.AUDITOR)
        told = [
            one for one in found if one and (everybodys or one.department == principal.department)
        ]
        if len(told) < len(wanted):
            raise archive_not_found()
        return told

    def page(
        self, parent: str, principal: Principal, *, after: str, size: int, since: Any = None
    ) -> list[Archive]:
        """Those of a department in order of name: at most `size` + 1."""
        names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
        everybodys = parent == "departments/-"
        if not principal.has(Role.AUDITOR) and parent != principal.department:
            raise archive_not_found()
        with self._database.reading() as session:
            return store.archives(
                session,
                "" if everybodys else parent,
                after=after,
                size=size + 1,
                not_checked_since=since,
            )

    def file(self, name: str, what: str, reason: str, principal: Principal) -> bytes:
        """The package, the report or the certificate, as it was kept. Audited.

        Raises NotFound (FILE_NOT_MADE), DataLoss (ARCHIVE_ALTERED), and of a package
        FailedPrecondition (ARCHIVE_DESTROYED, DESTRUCTION_APPROVED).
        """
        check_text(reason, name="reason")
        found = self.get(name, principal)
        if what == "package":
            check_there(found)
        object_name = {
            "package": found.object_name,
            "report": report_name(found.report_sha256),
            "certificate": report_name(found.certificate_sha256),
        }[what]
        if not object_name:
            raise NotFound(
                "there is no such file of this archive",
                reason="FILE_NOT_MADE",
                message_zh="该归档包没有此文件",
            )
        data = self._retained.get(object_name)
        told = {
            "package": found.sha256,
            "report": found.report_sha256,
            "certificate": found.certificate_sha256,
        }[what]
        if hashlib.sha256(data).hexdigest() != told:
            raise DataLoss(
                f"the {what} is not the one that was kept: it was changed since. Run the checks "
                "(`tongban archives check`), and look for a backup with this SHA-256: " + told,
                reason="ARCHIVE_ALTERED",
                message_zh="该文件与留存时不一致，已被改动：请运行四性检测，并查找备份",
            )
        now, kind = self._clock.now(), "archive_read"
        record = make_record(
            kind,
            at=now,
            actor=principal.system,
            facts={"archive": name, "file": what, "sha256": told},
            commitments={"reason": reason.encode()},
        )
        with self._database.unit_of_work() as work:
            for license_id in _shown(found, data) if what == "package" else ():
                accesses.add_access(
                    work.session,
                    license_id,
                    at=now,
                    system=principal.system,
                    kind=kind,
                    purpose=reason,
                    record=record,
                    fields=("*",),
                )
            if what == "package" and found.is_case:
                case = found.subject.rpartition("/")[2]
                if collections.collection(work.session, case) is not None:
                    look = Look(time=now, system=principal.system, kind=kind, purpose=reason)
                    looks.add(work.session, case, look)
            work.record(record)
        return data

    def proof(self, name: str, principal: Principal) -> str:
        """The log's record that a package was archived, proved; empty where it is not shown.

        What lies beside a package ties it to the log: all that is in it can be made anew.
        """
        found = self.get(name, principal)
        try:
            logged = self._around.logged((ARCHIVED,), (found.sha256,), found.archive_time)
        except Unavailable:
            return ""  # the package is handed out all the same
        return log_proof(found.sha256, [logged]).decode() if logged else ""


def standing_of(one: License) -> str:
    """The state that a license is archived in."""
    return f"{one.state.value} {instant(one.state_time)}"


def tells_of(held: Archive, standing: str, since: datetime | None) -> bool:
    """Whether an archive tells of a state that lasts since then; one from before by its time."""
    if held.standing or since is None:
        return held.standing == standing
    return since <= held.archive_time


def _shown(archive: Archive, data: bytes) -> list[str]:
    """Ids of the licenses whose files are in a package: whoever reads it looks at them."""
    if not archive.is_case:
        return [archive.subject.rpartition("/")[2]]
    try:
        case = orjson.loads(package.read(data).files["case.json"])
        return sorted({str(one["license"]).rpartition("/")[2] for one in case["copies"]})
    except (DomainError, KeyError, TypeError, ValueError):
        return []  # what is broken is found by the checks


def report_name(sha256: str) -> str:
    """Where a report or a certificate is kept; empty where there is none."""
    return f"{REPORTS}/{sha256[:2]}/{sha256}.pdf" if sha256 else ""
