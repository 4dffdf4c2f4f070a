"""Archives on SQLite and PostgreSQL: destroyed by two after their time, whole after a crash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from licenses import store as licenses
from licenses.accesses.store import AccessRow
from licenses.archiving import checking, package, store
from licenses.archiving.destroying import Guarding
from licenses.archiving.model import Archive, ArchiveState, Retention, retained_until
from licenses.archiving.service import Archiving, report_name, standing_of, tells_of
from licenses.model import License, LicenseState
from runtime.errors import (
    Aborted,
    AlreadyExists,
    DataLoss,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from runtime.identity import Principal
from runtime.objects import open_store
from runtime.records import instant
from runtime.retention import retained
from tests.builders.archives import FIRST, SECOND, STRANGER, SUBJECT, Scene, archives_on, refused
from tests.builders.licenses import BUREAU, NOW, a_license


def add_license(scene: Scene, license_: License) -> None:
    with scene.database.unit_of_work() as work:
        licenses.add_license(
            work.session, license_, index=str.encode, request_id="a", request_digest=b"a"
        )


@pytest.fixture
def scene(database_url: str, tmp_path: Path) -> Iterator[Scene]:
    with archives_on(database_url, tmp_path / "archive") as made:
        yield made


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
    assert scene.kinds() == [
        "archived", "archive_destruction_asked", "archive_destruction_approved",
        "archive_destroyed",
    ]  # fmt: skip
    refused("ARCHIVE_DESTROYED", FailedPrecondition, lambda: scene.approve(name))
    refused("ARCHIVE_DESTROYED", FailedPrecondition, lambda: scene.guarding.check(name, FIRST))
    assert scene.archiving.file(name, "certificate", "查验", FIRST) == certificate
    refused(
        "ARCHIVE_DESTROYED", FailedPrecondition,
        lambda: scene.archiving.file(name, "package", "查验", FIRST),
    )  # fmt: skip
    with pytest.raises(AlreadyExists, match="was destroyed"):
        scene.archive()


def test_where_it_is_set_only_people_ask_and_decide(scene: Scene) -> None:
    around, clock = scene.around, scene.clock
    scene.guarding = Guarding(
        scene.database, scene.archiving, scene.retained, around, around, clock,  # type: ignore[arg-type]
        by_persons=True,
    )  # fmt: skip
    name = scene.archive().name
    clock.advance(timedelta(days=366 * 11))
    program = replace(FIRST, system=f"{BUREAU}/systems/main")
    refused("PERSON_NEEDED", PermissionDenied, lambda: scene.ask(name, program))
    assert scene.ask(name).asked_by == FIRST.system
    refused("PERSON_NEEDED", PermissionDenied, lambda: scene.approve(name, program))
    assert scene.approve(name).state is ArchiveState.DESTROYED


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
        SUBJECT, "license", lambda: {"a.json": b"{}"}, Retention.YEARS_10, FIRST
    )
    # It died before the row said so: nobody sees it; a repeat a day later finds the package.
    refused("ARCHIVE_NOT_FOUND", NotFound, lambda: scene.archiving.get(first.name, FIRST))
    assert scene.archiving.page(BUREAU, FIRST, after="", size=10) == []
    scene.clock.advance(timedelta(days=1))
    refused("ARCHIVED_ALREADY", AlreadyExists, lambda: scene.archive(Retention.YEARS_30))
    again = scene.archive()
    assert (again.sha256, again.retain_until) == (first.sha256, first.retain_until)
    assert again.archive_time == scene.clock.now()  # as its record in the log
    with scene.database.reading() as session:
        assert store.archive(session, again.id) == again
        page = store.archives(session, BUREAU, after="", size=10, not_checked_since=NOW)
    assert page == [again]


def test_what_belongs_to_no_archive_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(who: Principal = FIRST) -> list[tuple[str, str]]:
        return [(one.object_name, one.subject) for one in scene.archiving.strays(who)]

    until = scene.clock.now() + timedelta(days=1)
    scene.retained.put_once("packages/00/0000.zip", b"of nobody", until)
    assert told() == [("packages/00/0000.zip", "")]
    assert scene.archiving.strays(FIRST)[0].kept_until == instant(until)
    # One that is put while its answer is lost: named for its own department, and taken over.
    put = scene.retained.put_once

    def lost(*what: Any) -> None:
        put(*what)
        raise Unavailable("no answer", reason="OBJECT_STORE_UNREACHABLE")

    with monkeypatch.context() as breaking:
        breaking.setattr(scene.retained, "put_once", lost)
        refused("OBJECT_STORE_UNREACHABLE", Unavailable, scene.archive)
    (name,) = [one for one, subject in told() if subject == SUBJECT]
    assert SUBJECT not in str(told(STRANGER))
    made = scene.archive()
    assert made.object_name == name
    assert told() == [("packages/00/0000.zip", "")]


def test_a_check_locks_anew_what_it_found_too_short(scene: Scene) -> None:
    made = scene.archive()
    (scene.folder / f"{made.object_name}.until").unlink()
    found = {one.name: one.passed for one in scene.check(made.name).findings}
    assert (found["package_digest"], found["retained"]) == (True, False)
    assert scene.retained.kept_until(made.object_name) == made.retain_until
    assert {one.name: one.passed for one in scene.check(made.name).findings}["retained"]


def test_what_somebody_else_laid_there_is_not_archived(scene: Scene) -> None:
    planted = package.build({"subject": SUBJECT, "retention": "YEARS_10"}, {"a.json": b"[]"})

    def plant(object_name: str) -> None:
        path = scene.folder / object_name
        path.parent.mkdir(parents=True, exist_ok=True)
        for name, data in ((path.name, planted), (f"{path.name}.until", b"2020-01-01T00:00:00Z")):
            path.with_name(name).unlink(missing_ok=True)
            path.with_name(name).write_bytes(data)

    # Under the name that a subject once had, and in the place of what a crash left.
    old = hashlib.sha256(SUBJECT.encode()).hexdigest()[:24]
    plant(f"packages/{old[:2]}/{old}.zip")
    left = scene.archiving._archive(
        SUBJECT, "license", lambda: {"a.json": b"{}"}, Retention.YEARS_10, FIRST
    )
    plant(left.object_name)
    refused("CONCURRENT_CHANGE", Aborted, scene.archive)  # it may be put just now
    scene.clock.advance(timedelta(minutes=2))
    made = scene.archive()
    assert made.id not in (old, left.id)
    assert package.read(scene.archiving.file(made.name, "package", "查档", FIRST)).files == {
        "a.json": b"{}"
    }
    assert made.retain_until == scene.retained.kept_until(made.object_name)
    assert made.retain_until == retained_until(Retention.YEARS_10, scene.clock.now())
    # Nor is it handed out where it lies in the place of an archive.
    plant(made.object_name)
    refused(
        "ARCHIVE_ALTERED", DataLoss,
        lambda: scene.archiving.file(made.name, "package", "查档", FIRST),
    )  # fmt: skip


def test_what_a_license_became_since_is_archived_too(scene: Scene) -> None:
    one = a_license()
    add_license(scene, one)

    def archive(state: License) -> Archive:
        made = scene.archiving._archive(
            one.name, "license", lambda: {"a.json": b"{}"}, Retention.YEARS_10, FIRST,
            standing=standing_of(state), since=state.state_time,
        )  # fmt: skip
        with scene.database.unit_of_work() as work:
            return scene.archiving.write(work, made)

    def since(archive: Archive) -> tuple[bool, str]:
        (found,) = (
            each for each in scene.check(archive.name).findings if each.name == "state_since"
        )
        return found.passed, found.detail

    scene.clock.advance(timedelta(days=1))
    first = archive(one)
    assert since(first) == (True, "the license is as it was archived")
    refused("ARCHIVED_ALREADY", AlreadyExists, lambda: archive(one))
    scene.clock.advance(timedelta(days=1))
    revoked = replace(one, state=LicenseState.REVOKED, state_time=scene.clock.now())
    with scene.database.unit_of_work() as work:
        assert licenses.move(
            work.session, one.id, one.state, revoked.state, at=revoked.state_time, reason="x"
        )
    assert not since(first)[0]
    assert "REVOKED since: archive it again" in since(first)[1]
    second = archive(revoked)
    assert since(second)[0]
    assert since(first) == (True, f"{second.name} tells what came after")
    # One from before this was written down tells by its time.
    assert tells_of(replace(first, standing=""), standing_of(one), one.state_time)
    assert not tells_of(replace(first, standing=""), "", revoked.state_time)


def test_a_check_that_cannot_be_made_has_failed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene.archive()
    (told,) = scene.folder.glob("packages/*/*.until")
    told.chmod(0o600)
    told.write_text("")
    (found,) = (one for one in scene.check(made.name).findings if one.name == "retained")
    assert (found.passed, found.detail) == (False, "kept: RETENTION_UNREADABLE")

    def broken(*_asked: object) -> None:
        raise ValueError("12345")

    monkeypatch.setattr(checking, "check", broken)
    (found,) = scene.check(made.name).findings
    assert (found.name, found.passed) == ("check_made", False)
    assert found.detail == "the check cannot be made: ValueError"


def test_two_who_archive_at_once_make_one_archive(scene: Scene) -> None:
    def meanwhile() -> dict[str, bytes]:
        assert scene.archive().state is ArchiveState.KEPT
        return {"a.json": b"other"}

    refused(
        "CONCURRENT_CHANGE", Aborted,
        lambda: scene.archiving._archive(
            SUBJECT, "license", meanwhile, Retention.YEARS_10, FIRST
        ),
    )  # fmt: skip
    assert len(scene.archiving.page(BUREAU, FIRST, after="", size=10)) == 1
    refused("ARCHIVED_ALREADY", AlreadyExists, scene.archive)


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
        scene.database, None, None, None, kept, scene.around, scene.around, scene.clock,  # type: ignore[arg-type]
    )  # fmt: skip
    made = archiving._archive(
        SUBJECT, "license", lambda: {"a.json": b"{}"}, Retention.YEARS_10, FIRST
    )
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


def test_who_reads_a_package_looks_at_every_license_in_it(scene: Scene) -> None:
    of_license = scene.archive()
    scene.archiving.file(of_license.name, "package", "查档", SECOND)
    licenses = [f"{BUREAU}/licenses/{digit * 24}" for digit in "12"]
    case = {"copies": [{"license": one, "sha256": "0" * 64} for one in licenses]}
    made = scene.archiving._archive(
        f"collections/{'3' * 24}", "case", lambda: {"case.json": orjson.dumps(case)},
        Retention.YEARS_10, FIRST,
    )  # fmt: skip
    with scene.database.unit_of_work() as work:
        scene.archiving.write(work, made)
    scene.archiving.file(made.name, "package", "查档", SECOND)
    with scene.database.engine.connect() as connection:
        found = connection.execute(AccessRow.__table__.select()).all()  # type: ignore[attr-defined]
    assert [(one.license_id, one.kind, one.purpose, one.system) for one in found] == [
        (digit * 24, "archive_read", "查档", SECOND.system) for digit in "012"
    ]


def test_what_a_package_says_it_has_it_must_have(scene: Scene) -> None:
    def missing(facts: dict[str, object], **files: object) -> str:
        parts = {f"{name}.json": orjson.dumps(value) for name, value in files.items()}
        read = package.read(package.build(facts, parts))
        (found,) = (one for one in checking.complete(read) if one.name == "parts_present")
        return found.detail

    told = missing(
        {"kind": "license"}, license={"state": "REVOKED", "forms": ["ofd", "jwt"], "acts": 2}
    )
    assert {"forms/license.jwt", "audit/2.json"} <= set(told.split(", "))
    told = missing({"kind": "license"}, license={"state": "REVOKED"})  # from before it said so
    assert "audit/2.json" in told
    told = missing({"kind": "case"}, case={"copies": [{"sha256": "ab"}], "questions": 2}, form=[])
    assert {"forms/ab.ofd", "audit/2.json", "audit/3.json"} <= set(told.split(", "))
    assert "what the package says of itself" in missing({"kind": "case"}, case={"copies": 1})


def test_what_cannot_be_read_again_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{number}.json": b"{}" for number in range(package.GREATEST_FILES)}
    with pytest.raises(FailedPrecondition) as told:
        package.build({}, files)
    assert told.value.reason == "PACKAGE_TOO_LARGE"
    del files["0.json"]
    assert not package.read(package.build({}, files)).differing
    monkeypatch.setattr(package, "GREATEST_SIZE", package._MANIFEST + 1)
    with pytest.raises(FailedPrecondition) as told:
        package.build({}, {"a.json": b"{}"})
    assert told.value.reason == "PACKAGE_TOO_LARGE"
