"""Archiving licenses and cases, and reading archives.

1. A package is made of what is there: for a license its metadata, its type, all its forms, how its
   seals were judged and by which certificates, and the records of its issue and its last act with
   proofs; for a case the filled form, the copies, the decision with its reasons, and the records of
   each question.
2. It is put under retention before its row is written. What a crash left is taken over by a repeat,
   if it is whole and of the same subject.
3. An archive is its department's, and an auditor's to read; that a file was read is in the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from licenses import store as licenses
from licenses.archiving import package, store
from licenses.archiving.model import (
    ARCHIVE,
    Archive,
    ArchiveState,
    Retention,
    archive_not_found,
    retained_until,
)
from licenses.archiving.proofs import log_proof, proof_of
from licenses.archiving.surroundings import Surroundings
from licenses.documents import Documents
from licenses.materials import store as collections
from licenses.materials.copying import Copying
from licenses.materials.model import COLLECTION, Collection, CollectionState
from licenses.model import License, LicenseFormat, LicenseState
from licenses.reading import license_not_found
from licenses.texts import check_text
from licenses.types.service import Types
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from runtime.identity import Principal, Role
from runtime.records import instant, make_record
from runtime.retention import RetainedStore

FOLDER = "packages"
REPORTS = "reports"
ARCHIVED = "archived"


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
        clock: Clock,
    ) -> None:
        self._database = database
        self._documents = documents
        self._copying = copying
        self._types = types
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
        self._check_new(name)
        return self._archive(name, "license", self._of_license(found), retention, principal)

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
        self._check_new(name)
        return self._archive(name, "case", self._of_case(found), retention, principal)

    def _archive(
        self,
        subject: str,
        kind: str,
        files: Mapping[str, bytes],
        retention: Retention,
        principal: Principal,
    ) -> Archive:
        now = self._clock.now()
        archive_id = hashlib.sha256(subject.encode()).hexdigest()[:24]
        object_name = f"{FOLDER}/{archive_id[:2]}/{archive_id}.zip"
        facts = {
            "subject": subject,
            "kind": kind,
            "department": principal.department,
            "archived": instant(now),
            "retention": retention.value,
        }
        data = package.build(facts, files)
        until = retained_until(retention, now)
        try:
            self._retained.put_once(object_name, data, until)
        except AlreadyExists:
            data = self._left_over(object_name, subject, retention)
            until = self._retained.kept_until(object_name)
        return Archive(
            id=archive_id,
            department=principal.department,
            subject=subject,
            object_name=object_name,
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            retention=retention,
            retain_until=until,
            locked_by=self._retained.lock,
            archive_time=now,
            actor=principal.system,
        )

    def write(self, work: UnitOfWork, made: Archive) -> Archive:
        """Write the row of what is under retention, with its record."""
        until = made.retain_until
        store.add_archive(work.session, made)
        work.record(
            make_record(
                ARCHIVED,
                at=made.archive_time,
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
        return made

    def _left_over(self, object_name: str, subject: str, retention: Retention) -> bytes:
        """What a crash left under this name. Raises AlreadyExists where it is something else."""
        data = self._retained.get(object_name)
        held = package.read(data)
        same = held.facts.get("subject") == subject and held.facts.get("retention") == retention
        if held.differing or not same:
            raise AlreadyExists(
                "an unfinished archive of this subject is kept with another retention: repeat it "
                "with that one",
                reason="ARCHIVED_ALREADY",
                message_zh="该对象已有未完成的归档，保管期限不同：请用原保管期限重试",
            )
        return data

    def _check_new(self, subject: str) -> None:
        archive_id = hashlib.sha256(subject.encode()).hexdigest()[:24]
        with self._database.reading() as session:
            held = store.archive(session, archive_id)
        if held is not None:
            raise AlreadyExists(
                f"it is archived already, as {held.name}",
                reason="ARCHIVED_ALREADY",
                message_zh=f"已归档：{held.name}",
                archive=held.name,
            )

    # What goes into a package.

    def _of_license(self, one: License) -> dict[str, bytes]:
        kind = self._types.version(one.type_id, one.type_version)
        files = {
            "metadata.json": package.pretty(dict(one.metadata)),
            "license.json": package.pretty(
                {
                    "name": one.name,
                    "identifier": one.identifier,
                    "state": one.state.value,
                    "state_time": instant(one.state_time),
                    "state_reason": one.state_reason,
                    "issue_time": instant(one.issue_time),
                    "metadata_sha256": one.metadata_sha256,
                    "type": one.type_id,
                    "type_version": one.type_version,
                    "predecessor": one.predecessor,
                    "successor": one.successor,
                    "origin": one.origin.value,
                    "seal": one.seal,
                }
            ),
            "type/type.toml": kind.text.encode(),
            "type/template.toml": kind.template_text.encode(),
        }
        for form in LicenseFormat:
            if one.sha256(form):
                data = self._documents.read(one, form)
                files[f"forms/license{form.value}"] = data
                files[f"evidence/verdict{form.value}.json"] = package.pretty(
                    self._around.verdict(data)
                )
        files |= self._evidence()
        times = [("license_issued", one.activated_at or one.issue_time)]
        if one.state is not LicenseState.ACTIVE:
            times.append(("", one.state_time))
        logged = []
        for number, (act, at) in enumerate(times, 1):
            for kind_of in (act,) if act else _ACTS[one.state]:
                found = self._around.logged(kind_of, one.name, at)
                if found is not None:
                    files[f"audit/{number}.json"] = proof_of(found)
                    logged.append(found)
                    break
            else:
                if number == 1:
                    raise _not_in_log()
        files["audit/log-proof.json"] = log_proof(one.ofd_sha256, logged)
        return files

    def _of_case(self, one: Collection) -> dict[str, bytes]:
        result = one.result
        files = {
            "case.json": package.pretty(
                {
                    "name": one.name,
                    "service_item": one.service_item,
                    "consented": instant(one.create_time),
                    "collected": instant(one.collect_time or one.create_time),
                    "materials": one.plan,
                    "asked": result.asked,
                    "decision": result.decision.value,
                    "outcomes": result.outcomes,
                    "copies": result.copies,
                }
            ),
            "form.json": package.pretty(result.form),
        }
        for copy in result.copies:
            with self._database.reading() as session:
                license_ = licenses.license_by_id(session, copy.license.rpartition("/")[2])
            if license_ is None:
                raise license_not_found()
            data = self._copying.read(copy, license_)
            files[f"forms/{copy.sha256}.ofd"] = data
            files[f"evidence/{copy.sha256}.json"] = package.pretty(self._around.verdict(data))
        files |= self._evidence()
        for number, index in enumerate(result.log_indices, 2):
            files[f"audit/{number}.json"] = proof_of(self._around.logged_at(index))
        found = self._around.logged(
            "materials_collected", one.name, one.collect_time or one.create_time
        )
        if found is None:
            raise _not_in_log()
        files["audit/1.json"] = proof_of(found)
        return files

    def _evidence(self) -> dict[str, bytes]:
        return {f"evidence/trust/{name}": data for name, data in self._around.trust().items()}

    # Reading.

    def get(self, name: str, principal: Principal) -> Archive:
        """An archive of the caller's department, or any to an auditor. Raises NotFound."""
        ids = names.parse(ARCHIVE, name)
        with self._database.reading() as session:
            found = store.archive(session, ids["archive"])
        if found is None or not (
            found.department == principal.department or principal.has(Role.AUDITOR)
        ):
            raise archive_not_found()
        return found

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
        """The package, the report or the certificate. Audited. Raises NotFound, FILE_NOT_MADE."""
        check_text(reason, name="reason")
        found = self.get(name, principal)
        object_name = {
            "package": found.object_name if found.state is not ArchiveState.DESTROYED else "",
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
        with self._database.unit_of_work() as work:
            work.record(
                make_record(
                    "archive_read",
                    at=self._clock.now(),
                    actor=principal.system,
                    facts={
                        "archive": name,
                        "file": what,
                        "sha256": hashlib.sha256(data).hexdigest(),
                    },
                    commitments={"reason": reason.encode()},
                )
            )
        return data


#: Records of the acts that lead to a state.
_ACTS: Mapping[LicenseState, tuple[str, ...]] = {
    LicenseState.SUSPENDED: ("license_suspended",),
    LicenseState.REVOKED: ("license_revoked",),
    LicenseState.CANCELLED: ("license_cancelled",),
    LicenseState.SUPERSEDED: ("license_corrected", "license_renewed"),
    LicenseState.TRANSFERRED: ("license_transferred",),
}


def report_name(sha256: str) -> str:
    """Where a report or a certificate is kept; empty where there is none."""
    return f"{REPORTS}/{sha256[:2]}/{sha256}.pdf" if sha256 else ""


def retention_of(word: str) -> Retention:
    """A retention by its word. Raises InvalidArgument, BAD_RETENTION."""
    try:
        return Retention(word)
    except ValueError:
        raise InvalidArgument(
            "retention must be one that is known", reason="BAD_RETENTION", message_zh="保管期限无效"
        ) from None


def _not_in_log() -> Unavailable:
    return Unavailable(
        "its records are not in the log yet: repeat it in a few seconds",
        reason="NOT_IN_LOG_YET",
        message_zh="其审计记录尚未入日志：请稍后重试",
        retry_after=5,
    )
