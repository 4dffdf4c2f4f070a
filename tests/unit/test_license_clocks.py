"""A clock that was set back: it is told as that, and what is dated ahead of it is logged."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
import structlog

from licenses.model import CLOCK_SKEW, later
from licenses.neighbours import NodeNeighbours
from runtime.errors import FailedPrecondition, Unavailable
from seal.v1 import seal_pb2
from tests.builders.licenses import BUREAU, NOW, SEAL, a_license


def with_seals(*seals: seal_pb2.Seal) -> NodeNeighbours:
    found = NodeNeighbours.__new__(NodeNeighbours)
    answer = seal_pb2.ListSealsResponse(seals=seals)
    found._seals = SimpleNamespace(ListSeals=lambda _, timeout: answer)  # type: ignore[assignment]
    return found


def a_seal(begins: timedelta, ends: timedelta = timedelta(days=900)) -> seal_pb2.Seal:
    seal = seal_pb2.Seal(
        name=SEAL.name,
        display_name=SEAL.display_name,
        state=seal_pb2.SEAL_STATE_ACTIVE,
        width_mm=40,
        height_mm=30,
    )
    seal.start_time.FromDatetime(NOW + begins)
    seal.end_time.FromDatetime(NOW + ends)
    return seal


def test_a_seal_that_begins_only_later_is_told_as_a_clock_that_is_behind() -> None:
    neighbours = with_seals(a_seal(timedelta(hours=2)))
    with structlog.testing.capture_logs() as logs, pytest.raises(Unavailable) as told:
        neighbours.seal_of(BUREAU, "", "x", "", NOW)
    assert told.value.reason == "CLOCK_BEHIND"
    assert "2026-11-21 14:00" in told.value.message
    assert [one["event"] for one in logs] == ["seal_begins_later"]
    assert neighbours.seal_of(BUREAU, "", "x", "", NOW + timedelta(hours=2)).ratio == 0.75


def test_a_seal_that_ended_is_not_usable() -> None:
    with pytest.raises(FailedPrecondition) as told:
        with_seals(a_seal(timedelta(days=-9), timedelta(days=-1))).seal_of(BUREAU, "", "x", "", NOW)
    assert told.value.reason == "SEAL_NOT_USABLE"
    # Reports of the archive are sealed too, and there is no license then.
    assert "licen" not in told.value.message
    assert "证照" not in told.value.message_zh


def test_a_seal_that_is_not_usable_is_told_apart_from_one_that_has_to_be_named() -> None:
    two = a_seal(timedelta()), a_seal(timedelta())
    said = {}
    for wanted, seals in (("", ()), (f"{BUREAU}/seals/other", two), ("", two)):
        with pytest.raises(FailedPrecondition) as told:
            with_seals(*seals).seal_of(BUREAU, wanted, "archive-reports", "", NOW)
        assert told.value.reason == "SEAL_NOT_USABLE"
        said[told.value.message.partition(":")[0]] = wanted
    assert len(said) == 3


@pytest.mark.parametrize(("behind", "warned"), [(CLOCK_SKEW / 2, False), (CLOCK_SKEW * 2, True)])
def test_an_act_that_is_dated_later_than_the_clock_is_warned_of(
    behind: timedelta, warned: bool
) -> None:
    license_ = a_license(state_time=NOW)
    with structlog.testing.capture_logs() as logs:
        assert later(NOW - behind, license_) == NOW + timedelta(microseconds=1)
    assert [(one["event"], one["log_level"]) for one in logs] == [
        ("license_changed_ahead_of_clock", "warning")
    ] * warned
