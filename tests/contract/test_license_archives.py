"""Archives on SQLite and PostgreSQL: destroyed by two after their time, whole after a crash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from licenses.archiving import checking, store
from licenses.archiving.destroying import Guarding
from licenses.archiving.model import Archive, ArchiveState, Retention, retained_until
from licenses.archiving.service import Archiving, report_name
from licenses.archiving.surroundings import Logged
from licenses.model import Issuer, IssuingSeal
from licenses.server import MIGRATIONS
from runtime.clock import FixedClock
from runtime.database import Database, audit_outbox
from runtime.errors import (
    AlreadyExists,
    DomainError,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from runtime.identity import Principal, Role
from runtime.objects import open_store
from runtime.retention import RetainedFolder, retained
from tests.builders.licenses import BUREAU, ISSUER, NOW, SEAL

FIRST = Principal(
    system=f"{BUREAU}/systems/person-a", department=BUREAU,
    roles=frozenset({Role.DEPARTMENT}), serial=1,
)  # fmt: skip
SECOND = replace(FIRST, system=f"{BUREAU}/systems/person-b")
STRANGER = replace(FIRST, system="departments/tax/systems/main", department="departments/tax")
SUBJECT = f"{BUREAU}/licenses/{'0' * 24}"


@dataclass
class Simulator:
    """Seals, and a log of what was asked for; dies where it is told to."""

    dying: bool = False
    sealed: list[bytes] = field(default_factory=list)

    def issuer(self, _department: str) -> Issuer:
        return ISSUER

    def seal_of(self, *_asked: Any) -> IssuingSeal:
        return SEAL

    def seal(self, document: bytes, **_how: Any) -> bytes:
        if self.dying:
            raise Unavailable("gone", reason="SEAL_SERVICE_GONE")
        self.sealed.append(document)
        return document + b"sealed"

    def logged(self, kind: str, naming: str, at: datetime) -> Logged:
        leaf = orjson.dumps({"kind": kind, "archive": naming})
        return Logged(index=0, leaf=leaf, proof="")

    def verdict(self, _document: bytes) -> dict[str, Any]:
        return {"indication": "INDICATION_PASSED"}

    def leaf(self, _index: int) -> bytes:
        return b""


@dataclass
class Scene:
    database: Database
    clock: FixedClock
    retained: RetainedFolder
    around: Simulator
    archiving: Archiving
    guarding: Guarding

    def archive(self, retention: Retention = Retention.YEARS_10) -> Archive:
        made = self.archiving._archive(SUBJECT, "license", {"a.json": b"{}"}, retention, FIRST)
        with self.database.unit_of_work() as work:
            return self.archiving.write(work, made)

    def ask(self, name: str, who: Principal = FIRST) -> Archive:
        with self.database.unit_of_work() as work:
            return self.guarding.ask(work, name, "保管期满，无保存价值", who)

    def approve(self, name: str, who: Principal = SECOND) -> Archive:
        archive, sha256 = self.guarding.destroy(name, "", who)
        with self.database.unit_of_work() as work:
            return self.guarding.destroyed(work, archive, sha256, who)

    def kinds(self) -> list[str]:
        with self.database.engine.connect() as connection:
            rows = connection.execute(audit_outbox.select().order_by(audit_outbox.c.id)).all()
        return [orjson.loads(bytes(row.leaf))["kind"] for row in rows]


@pytest.fixture
def scene(database_url: str, tmp_path: Path) -> Iterator[Scene]:
    database = Database(database_url, schema="licenses")
    database.migrate(MIGRATIONS)
    clock, around = FixedClock(NOW), Simulator()
    retained = RetainedFolder(tmp_path / "archive", clock)
    archiving = Archiving(database, None, None, None, retained, around, clock)  # type: ignore[arg-type]
    guarding = Guarding(database, archiving, retained, around, around, clock)  # type: ignore[arg-type]
    yield Scene(database, clock, retained, around, archiving, guarding)
    database.close()


def refused(reason: str, kind: type[DomainError], call: Any) -> None:
    with pytest.raises(kind) as told:
        call()
    assert told.value.reason == reason


def test_two_persons_destroy_what_has_reached_its_end(scene: Scene) -> None:
    name = scene.archive().name
    early = (FailedPrecondition, lambda: scene.ask(name))
    refused("RETENTION_NOT_OVER", *early)
    scene.clock.advance(timedelta(days=366 * 11))
    refused("ARCHIVE_NOT_FOUND", NotFound, lambda: scene.ask(name, STRANGER))
    assert scene.ask(name).asked_by == FIRST.system
    refused("DESTRUCTION_ASKED", FailedPrecondition, lambda: scene.ask(name, SECOND))
    refused("SAME_PERSON", PermissionDenied, lambda: scene.approve(name, FIRST))
    refused("ARCHIVE_NOT_FOUND", NotFound, lambda: scene.approve(name, STRANGER))

    # The seal service is gone when the package is: a repeat ends it.
    scene.around.dying = True
    refused("SEAL_SERVICE_GONE", Unavailable, lambda: scene.approve(name))
    scene.around.dying = False
    gone = scene.approve(name)
    assert (gone.state, gone.destroyed_by) == (ArchiveState.DESTROYED, SECOND.system)
    refused("OBJECT_NOT_FOUND", NotFound, lambda: scene.retained.get(gone.object_name))
    certificate = scene.retained.get(report_name(gone.certificate_sha256))
    assert hashlib.sha256(certificate).hexdigest() == gone.certificate_sha256
    assert scene.retained.kept_until(report_name(gone.certificate_sha256)) is None
    assert scene.kinds() == ["archived", "archive_destruction_asked", "archive_destroyed"]
    refused("ARCHIVE_DESTROYED", FailedPrecondition, lambda: scene.approve(name))
    refused("ARCHIVE_DESTROYED", FailedPrecondition, lambda: scene.guarding.check(name, FIRST))
    assert scene.archiving.file(name, "certificate", "查验", FIRST) == certificate
    refused("FILE_NOT_MADE", NotFound, lambda: scene.archiving.file(name, "package", "查验", FIRST))


def test_who_decides_may_turn_it_down(scene: Scene) -> None:
    name = scene.archive().name
    scene.clock.advance(timedelta(days=366 * 11))
    scene.ask(name)
    with scene.database.unit_of_work() as work:
        kept = scene.guarding.reject(work, name, "仍有利用价值", SECOND)
    assert (kept.state, kept.asked_by) == (ArchiveState.KEPT, "")
    assert scene.retained.get(kept.object_name)
    refused("DESTRUCTION_NOT_ASKED", FailedPrecondition, lambda: scene.approve(name))


def test_what_is_permanent_is_never_destroyed(scene: Scene) -> None:
    name = scene.archive(Retention.PERMANENT).name
    scene.clock.advance(timedelta(days=366 * 100))
    refused("RETENTION_NOT_OVER", FailedPrecondition, lambda: scene.ask(name))


def test_what_a_crash_left_is_taken_over_and_nothing_else(scene: Scene) -> None:
    first = scene.archiving._archive(
        SUBJECT, "license", {"a.json": b"{}"}, Retention.YEARS_10, FIRST
    )
    # It died before the row was written; a repeat a day later finds the package.
    scene.clock.advance(timedelta(days=1))
    refused("ARCHIVED_ALREADY", AlreadyExists, lambda: scene.archive(Retention.YEARS_30))
    again = scene.archive()
    assert (again.sha256, again.retain_until) == (first.sha256, first.retain_until)
    with scene.database.reading() as session:
        assert store.archive(session, again.id) == again
        page = store.archives(session, BUREAU, after="", size=10, not_checked_since=NOW)
    assert page == [again]


def test_on_a_server_with_object_lock_the_server_keeps_it(
    scene: Scene, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("s3_server")
    objects = open_store(
        f"s3+http://{server.address}/licenses/{os.urandom(6).hex()}",
        access_key=server.access_key, secret_key=server.secret_key,
    )  # fmt: skip
    kept = retained(objects)
    archiving = Archiving(
        scene.database, None, None, None, kept, scene.around, scene.clock,  # type: ignore[arg-type]
    )  # fmt: skip
    made = archiving._archive(SUBJECT, "license", {"a.json": b"{}"}, Retention.YEARS_10, FIRST)
    assert made.locked_by == "object_lock"
    found = {one.name: one for one in checking.check(made, kept, scene.around)}  # type: ignore[arg-type]
    assert found["retained"].passed
    assert found["written_once"].detail == "locked by the object store itself"
    assert not found["parts_present"].passed  # of a license there would be more
    with pytest.raises(FailedPrecondition):
        kept.destroy(made.object_name)


def test_it_is_kept_from_the_next_first_of_january_in_china() -> None:
    assert retained_until(Retention.YEARS_10, NOW) == datetime.fromisoformat(
        "2037-01-01T00:00:00+08:00"
    )
    assert retained_until(Retention.PERMANENT, NOW) is None
    late = datetime.fromisoformat("2026-12-31T17:00:00+00:00")  # 2027 in China
    assert retained_until(Retention.YEARS_30, late) == datetime.fromisoformat(
        "2058-01-01T00:00:00+08:00"
    )
