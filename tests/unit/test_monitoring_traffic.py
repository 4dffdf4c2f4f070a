"""Spans of traffic: whole steps, and no more than a picture can show."""

from importlib import import_module
from pathlib import Path

import pytest

from exchange.monitoring.traffic import STREAMS, Steps, counted, steps_of, told
from runtime.errors import InvalidArgument

ROOT = Path(__file__).resolve().parents[2]


def test_a_span_is_of_whole_steps():
    assert steps_of(301, 900, 300) == Steps(start=300, end=900, length=300)
    assert steps_of(0, 400 * 300, 300).end == 400 * 300


@pytest.mark.parametrize(
    ("start", "end", "length"),
    [(0, 600, 0), (0, 600, 299), (0, 600, 450), (600, 600, 300), (-1, 5, 300), (0, 10**9, 300)],
)
def test_any_other_span_is_refused(start, end, length):
    with pytest.raises(InvalidArgument) as refused:
        steps_of(start, end, length)
    assert refused.value.reason == "BAD_SPAN"


def test_nothing_called_is_nothing_told():
    assert list(told([])) == []
    assert counted([]) == []


def streams() -> set[str]:
    """Methods of all our services that stream, by the protos."""
    found = set()
    for path in sorted(ROOT.glob("*/v1/*_pb2.py")):
        module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for service in module.DESCRIPTOR.services_by_name.values():
            found |= {
                one.name for one in service.methods if one.client_streaming or one.server_streaming
            }
    return found


def test_every_method_that_streams_is_known_as_one():
    assert streams() == STREAMS - {"Watch"}  # of gRPC's health service
