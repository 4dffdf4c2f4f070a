"""Changes on the wire: what is encoded here is what protobuf's own objects say."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from exchange.delivery.encoding import put
from exchange.delivery.messages import change
from exchange.delivery.model import Change, ChangeType
from exchange.v1 import delivery_pb2 as pb

TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)
CHANGES = st.builds(
    Change,
    offset=st.integers(0, 2**63 - 1),
    type=st.sampled_from(ChangeType),
    record_id=TEXTS,
    items=st.dictionaries(TEXTS, TEXTS, max_size=4),
    publish_time=st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)


@given(made=st.lists(st.tuples(CHANGES, st.integers(0, 2**31 - 1)), max_size=4))
def test_what_is_encoded_is_what_it_says(made):
    changes, lanes = [one for one, _ in made], [lane for _, lane in made]
    for kind in (pb.SubscribeResponse, pb.PullChangesResponse):
        message = kind(cursor=7)
        put(message, changes)
        assert message == kind(cursor=7, changes=[change(one) for one in changes])
        message = kind(cursor=7)
        put(message, changes, lanes)
        assert message == kind(cursor=7, changes=list(map(change, changes, lanes)))


def test_a_value_longer_than_a_byte_counts():
    for size in (0, 1, 127, 128, 16_383, 16_384, 70_000):
        one = Change(size + 1, ChangeType.UPSERT, "r", {"name": "某" * size}, datetime.now(UTC))
        message = pb.SubscribeResponse()
        put(message, [one])
        assert message == pb.SubscribeResponse(changes=[change(one)])
