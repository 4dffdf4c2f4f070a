"""Lanes: leases, acknowledgements, failures and what becomes of them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.delivery.lanes import model
from exchange.delivery.lanes.model import (
    GREATEST_BACKOFF,
    Lane,
    acknowledged,
    backoff,
    delivered,
    has_lapsed,
    is_free,
    lane_of,
    lapsed,
    leased,
    rejected,
    released,
)
from exchange.delivery.model import GREATEST_CHANGES
from runtime.errors import FailedPrecondition, InvalidArgument
from tests.builders.catalog import NOON

LANE = Lane(number=3, cursor=10)


def sent(first: int, last: int, size: int, lane: Lane = LANE) -> Lane:
    return delivered(leased(lane, "c", NOON, 60), first, last, size)


def test_a_lane_is_leased_until_it_is_acknowledged():
    assert is_free(LANE, NOON)
    lane = sent(11, 15, 4)
    assert not is_free(lane, NOON)
    assert not has_lapsed(lane, NOON + timedelta(seconds=59))
    assert has_lapsed(lane, NOON + timedelta(seconds=60))
    part = acknowledged(lane, lane.token, 12)
    assert (part.cursor, part.token) == (12, lane.token)
    assert acknowledged(part, lane.token, 11) == part
    done = acknowledged(part, lane.token, 15)
    assert (done.cursor, done.token) == (15, "")
    assert is_free(done, NOON)
    assert done.width == GREATEST_CHANGES


@pytest.mark.parametrize("token", ["", "other", "某"])
def test_only_who_holds_the_lease_moves_the_cursor(token):
    lane = sent(11, 15, 4)
    for attempt in (
        lambda: acknowledged(lane, token, 15),
        lambda: rejected(lane, token, 12, NOON, 5, permanent=False),
    ):
        with pytest.raises(FailedPrecondition) as caught:
            attempt()
        assert caught.value.reason == "LEASE_LOST"
    with pytest.raises(FailedPrecondition):
        acknowledged(LANE, "", 15)


def test_only_what_was_delivered_is_acknowledged_or_rejected():
    lane = sent(11, 15, 4)
    for attempt in (
        lambda: acknowledged(lane, lane.token, 16),
        lambda: rejected(lane, lane.token, 16, NOON, 5, permanent=False),
        lambda: rejected(lane, lane.token, 10, NOON, 5, permanent=False),
    ):
        with pytest.raises(InvalidArgument) as caught:
            attempt()
        assert caught.value.reason == "NOT_DELIVERED"


def test_a_rejected_change_rests_and_comes_again_until_it_is_dead():
    lane, waits = LANE, []
    for turn in range(1, 4):
        lane = sent(13 if turn > 1 else 11, 15, 3, lane)
        failure = rejected(lane, lane.token, 13, NOON, 3, permanent=False)
        lane = failure.lane
        assert failure.deliveries == turn
        if turn < 3:
            assert (failure.dead, lane.cursor) == (0, 12)
            waits.append(lane.not_before - NOON)
            assert not is_free(lane, NOON)
    assert waits == [timedelta(seconds=2), timedelta(seconds=4)]
    assert (failure.dead, lane.cursor) == (13, 13)
    assert is_free(lane, NOON)


def test_a_permanent_rejection_is_dead_at_once_and_a_full_box_drops_nothing():
    lane = sent(11, 15, 4)
    assert rejected(lane, lane.token, 11, NOON, 5, permanent=True).dead == 11
    failure = rejected(lane, lane.token, 11, NOON, 5, permanent=True, room=False)
    assert failure.dead == 0
    assert failure.lane.cursor == 10
    assert failure.lane.not_before is not None


def test_a_lease_that_ends_halves_what_is_delivered_until_one_is_alone():
    lane, size, sizes = LANE, 9, []
    while size > 1:
        sizes.append(size)
        lane = lapsed(sent(11, 10 + size, size, lane), 2).lane
        assert (lane.cursor, lane.deliveries) == (10, 0)
        size = min(size, lane.width)
    assert sizes == [9, 4, 2]
    first = lapsed(sent(11, 11, 1, lane), 2)
    assert (first.dead, first.lane.deliveries) == (0, 1)
    second = lapsed(sent(11, 11, 1, first.lane), 2)
    assert (second.dead, second.lane.cursor) == (11, 11)
    # The lane takes on more again as it gets on.
    well = sent(12, 12, 1, second.lane)
    assert acknowledged(well, well.token, 12).width == 2


def test_a_lease_under_which_nothing_was_sent_is_no_failure():
    lane = leased(LANE, "c", NOON, 60)
    assert lapsed(lane, 1).lane == Lane(number=3, cursor=10, consumer="c")
    assert released(lane, 40).cursor == 40
    assert released(lane, 4).cursor == 10


def test_a_replay_moves_no_cursor():
    lane = delivered(leased(LANE, "c", NOON, 60, replays=5), 5, 5, 1)
    assert acknowledged(lane, lane.token, 5).cursor == 10
    assert rejected(lane, lane.token, 5, NOON, 1, permanent=True).dead == 0
    assert lapsed(lane, 1).dead == 0
    assert lapsed(lane, 1).lane.cursor == 10


@given(st.integers(0, 10_000))
def test_the_back_off_is_bounded(failures):
    assert timedelta() < backoff(failures) <= timedelta(seconds=GREATEST_BACKOFF)
    assert backoff(failures) <= backoff(failures + 1)


@given(st.text("0123456789abcdef", min_size=32, max_size=32), st.integers(1, 64))
def test_a_record_has_one_lane(record, lanes):
    assert 0 <= lane_of(record, lanes) < lanes
    assert lane_of(record, lanes) == lane_of(record, lanes)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ack", "part", "reject", "lapse", "nothing"]), st.integers(1, 9)
        ),
        max_size=30,
    ),
    st.integers(1, 4),
)
def test_whatever_happens_a_cursor_only_moves_forward_and_each_change_is_done_or_dead(acts, most):
    """Changes are at every offset; what the cursor passed was acknowledged or became dead."""
    lane, done = Lane(number=0, cursor=0), set()
    for act, much in acts:
        before = lane.cursor
        size = min(much, lane.width)
        lane = leased(lane, "c", NOON, 60)
        if act != "nothing":
            lane = delivered(lane, before + 1, before + size, size)
        match act:
            case "ack":
                lane = acknowledged(lane, lane.token, before + size)
                done |= set(range(before + 1, before + size + 1))
            case "part":
                lane = acknowledged(lane, lane.token, before + 1)
                done.add(before + 1)
                if lane.token:
                    failure = lapsed(lane, most)
                    lane, dead = failure.lane, failure.dead
                    done |= {dead} - {0}
            case "reject":
                bad = before + size
                failure = rejected(lane, lane.token, bad, NOON, most, permanent=False)
                lane = failure.lane
                done |= set(range(before + 1, bad)) | ({failure.dead} - {0})
            case _:
                failure = lapsed(lane, most)
                lane = failure.lane
                done |= {failure.dead} - {0}
        assert lane.cursor >= before
        assert set(range(1, lane.cursor + 1)) <= done
        assert not lane.token
        assert 1 <= lane.width <= model.GREATEST_CHANGES
