"""Who destroys an archive claims it first: nothing goes that was turned down meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from licenses.archiving.model import Archive, ArchiveState
from runtime.errors import Aborted, FailedPrecondition, NotFound, PermissionDenied, Unavailable
from tests.builders.archives import FIRST, SECOND, Scene, archives_on, refused

THIRD = replace(SECOND, system=f"{SECOND.department}/systems/person-c")
PROGRAM = replace(SECOND, system=f"{SECOND.department}/systems/records")


@pytest.fixture
def scene(database_url: str, tmp_path: Path) -> Iterator[Scene]:
    with archives_on(database_url, tmp_path / "archive") as made:
        yield made


@pytest.fixture
def asked(scene: Scene) -> Archive:
    made = scene.archive()
    scene.clock.advance(timedelta(days=366 * 11))
    return scene.ask(made.name)


def reject(scene: Scene, name: str) -> None:
    with scene.database.unit_of_work() as work:
        scene.guarding.reject(work, name, "仍有利用价值", THIRD)


def test_what_is_turned_down_while_it_is_approved_is_kept(scene: Scene, asked: Archive) -> None:
    scene.around.meanwhile = lambda: reject(scene, asked.name)
    refused("CONCURRENT_CHANGE", Aborted, lambda: scene.approve(asked.name))
    assert scene.retained.get(asked.object_name)
    assert scene.archiving.get(asked.name, FIRST).state is ArchiveState.KEPT
    assert scene.reports() == 0


def test_after_the_approval_nobody_turns_it_down_and_a_repeat_ends_it(
    scene: Scene, asked: Archive
) -> None:
    scene.around.dying = True
    refused("SEAL_SERVICE_GONE", Unavailable, lambda: scene.approve(asked.name))
    scene.around.dying = False
    refused("OBJECT_NOT_FOUND", NotFound, lambda: scene.retained.get(asked.object_name))
    left = scene.archiving.get(asked.name, FIRST)
    assert (left.state, left.destroyed_by) == (ArchiveState.DESTROYING, SECOND.system)
    for call in (
        lambda: reject(scene, asked.name),
        lambda: scene.ask(asked.name, THIRD),
        lambda: scene.guarding.check(asked.name, FIRST),
    ):
        refused("DESTRUCTION_APPROVED", FailedPrecondition, call)
    refused(
        "DESTRUCTION_APPROVED", FailedPrecondition,
        lambda: scene.archiving.file(asked.name, "package", "查验", FIRST),
    )  # fmt: skip
    refused("SAME_PERSON", PermissionDenied, lambda: scene.approve(asked.name, FIRST))
    # Another day, and another one of the two who may: the certificate names who approved, and when.
    scene.clock.advance(timedelta(days=1))
    gone = scene.approve(asked.name, THIRD)
    assert (gone.state, gone.destroyed_by) == (ArchiveState.DESTROYED, SECOND.system)
    assert gone.destroy_time == left.destroy_time
    assert scene.reports() == 1


def test_two_approvals_at_once_leave_one_certificate(scene: Scene, asked: Archive) -> None:
    found: list[Archive] = []
    scene.around.while_sealing = lambda: found.append(scene.approve(asked.name, THIRD))
    gone = scene.approve(asked.name)
    assert found == [gone]
    assert gone.destroyed_by == SECOND.system
    assert scene.reports() == 1
    assert scene.kinds().count("archive_destroyed") == 1


def test_what_a_person_asked_no_program_approves(scene: Scene, asked: Archive) -> None:
    refused("PERSON_NEEDED", PermissionDenied, lambda: scene.approve(asked.name, PROGRAM))
    assert scene.retained.get(asked.object_name)


def test_a_report_that_is_made_again_is_the_same_one(scene: Scene) -> None:
    made = scene.archive()
    scene.check(made.name)
    told = []
    for _ in range(2):
        told.append(scene.guarding.report(made.department, [made.name], "", FIRST)[2])
        scene.clock.advance(timedelta(minutes=5))
    assert len(set(told)) == scene.reports() == 1
    scene.check(made.name)
    assert scene.guarding.report(made.department, [made.name], "", FIRST)[2] != told[0]
