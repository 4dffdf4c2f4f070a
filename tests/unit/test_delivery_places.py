"""How many streams and batches there may be at a time, and what batches hold."""

from contextlib import ExitStack

import pytest

from exchange.delivery import places as rules
from exchange.delivery.places import Places, Room
from runtime.errors import ResourceExhausted
from tests.builders.catalog import CIVIL, HOUSING, caller

ONE, OTHER = caller(HOUSING), caller(CIVIL)


def test_a_subscription_has_so_many_streams_and_another_has_its_own():
    places = Places()
    with ExitStack() as held:
        for _ in range(rules.STREAMS_OF_SUBSCRIPTION):
            held.enter_context(places.stream(ONE, "a"))
        with pytest.raises(ResourceExhausted) as refused, places.stream(ONE, "a"):
            pass
        assert refused.value.reason == "TOO_MANY_STREAMS"
        with places.stream(ONE, "b"), places.stream(OTHER, "a"):
            pass
    with places.stream(ONE, "a"):
        pass
    assert not places._streams


def test_a_system_has_so_many_streams_and_takes_none_of_anothers():
    places = Places()
    with ExitStack() as held:
        for number in range(rules.STREAMS_OF_SYSTEM):
            held.enter_context(places.stream(ONE, str(number)))
        with pytest.raises(ResourceExhausted), places.stream(ONE, "one more"):
            pass
        with places.stream(OTHER, "x"):
            pass


def test_the_node_has_so_many_streams(monkeypatch):
    monkeypatch.setattr(rules, "STREAMS_OF_NODE", 1)
    places = Places()
    with places.stream(ONE, "a"), pytest.raises(ResourceExhausted), places.stream(OTHER, "b"):
        pass


def test_a_system_has_so_many_batches_on_their_way():
    places = Places()
    with ExitStack() as held:
        for _ in range(rules.BATCHES_OF_SYSTEM):
            held.enter_context(places.batch(ONE))
        with pytest.raises(ResourceExhausted) as refused, places.batch(ONE):
            pass
        assert refused.value.reason == "TOO_MANY_BATCHES"
        with places.batch(OTHER), places.stream(ONE, "a"):
            pass
    assert not places._batches


def test_batches_under_way_share_the_room_there_is():
    room = Room(whole=100, share=60)
    room.take("one", 60)
    room.take("other", 30)
    for department, more in (("one", 1), ("other", 11), ("third", 11)):
        with pytest.raises(ResourceExhausted) as refused:
            room.take(department, more)
        assert refused.value.reason == "TOO_MUCH_UNDER_WAY"
    room.give_back("one", 60)
    room.take("other", 30)
    room.take("third", 40)
