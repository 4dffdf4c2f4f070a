"""A batch on its way in, and changes on their way out."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.catalog.schema import schema_of
from exchange.delivery import intake as taking
from exchange.delivery import model
from exchange.delivery.intake import Header, Intake, RowDigest
from exchange.delivery.model import (
    Change,
    ChangeType,
    LogEntry,
    changes_wanted,
    delivered,
    project,
    record_id,
)
from runtime.errors import InvalidArgument
from tests.builders.catalog import NOON, RESIDENTS, resource
from tests.builders.exchange import citizen_number

SCHEMA = schema_of(resource())
ITEMS = ("citizen_number", "name", "birth_date", "region")
HEADER = Header(resource=RESIDENTS, items=ITEMS, request_id="r")


def row(serial: int = 1, name: str = "某甲", born: str = "1990-01-02", region: str = "990101"):
    return (False, [citizen_number(serial), name, born, region])


def refused(*rows, header: Header = HEADER) -> InvalidArgument:
    intake = Intake(header, SCHEMA)
    intake.add(rows)
    with pytest.raises(InvalidArgument) as caught:
        intake.finish(b"")
    return caught.value


def fields(error: InvalidArgument) -> list[str]:
    return [violation.field for violation in error.violations]


def test_a_good_batch_is_canonical_json_by_key():
    intake = Intake(HEADER, SCHEMA)
    intake.add([row(1), row(2, born="")])
    batch = intake.finish(b"d")
    assert batch.keys == [citizen_number(1), citizen_number(2)]
    first = orjson.loads(batch.payloads[0])
    assert list(first) == sorted(first)
    assert first["name"] == "某甲"
    assert "birth_date" not in orjson.loads(batch.payloads[1])


def test_the_order_of_the_headers_items_does_not_matter():
    turned = Header(resource=RESIDENTS, items=tuple(reversed(ITEMS)), request_id="r")
    one, other = Intake(HEADER, SCHEMA), Intake(turned, SCHEMA)
    one.add([row(1)])
    other.add([(False, list(reversed(row(1)[1])))])
    assert one.finish(b"") == other.finish(b"")


def test_a_withdrawal_reads_only_the_key():
    intake = Intake(HEADER, SCHEMA)
    intake.add([(True, [citizen_number(1), "", "not a date", "x"])])
    assert intake.finish(b"").payloads == [None]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (row(name=""), "rows[1].name"),
        (row(born="1990-02-30"), "rows[1].birth_date"),
        (row(region="99010"), "rows[1].region"),
        ((False, ["", "某甲", "", ""]), "rows[1].citizen_number"),
        ((False, [citizen_number(5)[:-1] + "?", "某甲", "", ""]), "rows[1].citizen_number"),
        ((False, [citizen_number(1), "某甲"]), "rows[1]"),
        ((True, ["", "", "", ""]), "rows[1].citizen_number"),
        ((True, ["9" * 201, "", "", ""]), "rows[1].citizen_number"),
        ((True, ["a\x00b", "", "", ""]), "rows[1].citizen_number"),
    ],
)
def test_a_wrong_row_refuses_the_batch_and_is_named_without_its_value(wrong, field):
    error = refused(row(9), wrong)
    assert error.reason == "ROWS_REJECTED"
    assert error.metadata == {"rejected": "1"}
    assert field in fields(error)
    told = error.message + error.message_zh + repr(error.violations)
    assert not any(value in told for value in wrong[1] if len(value) > 3)


def test_a_key_stands_once_in_a_batch():
    assert fields(refused(row(1), row(2), row(1))) == ["rows[2].citizen_number"]
    intake = Intake(HEADER, SCHEMA)
    intake.add([row(1)])
    intake.add([row(1)])
    with pytest.raises(InvalidArgument, match="1 of 2"):
        intake.finish(b"")


def test_all_rejected_rows_are_counted_and_a_hundred_violations_shown():
    error = refused(*[row(n, name="") for n in range(150)])
    assert error.metadata["rejected"] == "150"
    assert len(error.violations) == 100


def test_a_batch_is_bounded(monkeypatch):
    monkeypatch.setattr(taking, "GREATEST_BATCH", 2)
    intake = Intake(HEADER, SCHEMA)
    intake.add([row(1), row(2)])
    with pytest.raises(InvalidArgument) as caught:
        intake.add([row(3)])
    assert caught.value.reason == "BATCH_TOO_LARGE"


def test_the_memory_of_a_batch_is_bounded(monkeypatch):
    monkeypatch.setattr(taking, "GREATEST_BATCH_SIZE", 150)
    intake = Intake(HEADER, SCHEMA)
    intake.add([row(1)])
    with pytest.raises(InvalidArgument) as caught:
        intake.add([row(2)])
    assert caught.value.reason == "BATCH_TOO_LARGE"


def test_a_record_is_bounded():
    items = ("citizen_number", "name", "photo")
    header = Header(resource=RESIDENTS, items=items, request_id="r")
    error = refused((False, [citizen_number(1), "某甲", "AAAA" * 70_000]), header=header)
    assert fields(error) == ["rows[0]"]


@pytest.mark.parametrize(
    "items",
    [
        (),
        ("name",),
        ("citizen_number", "unknown"),
        ("citizen_number", "citizen_number"),
    ],
)
def test_a_header_must_fit_the_resource(items):
    with pytest.raises(InvalidArgument) as caught:
        Intake(Header(resource=RESIDENTS, items=items, request_id="r"), SCHEMA)
    assert caught.value.reason == "BAD_HEADER"


TEXT = st.sampled_from(["", "某甲", "1990-01-02", "1990-13-01", "990101", "x\x01", "x" * 60])
ROWS = st.lists(
    st.tuples(
        st.booleans() | st.just(False),
        st.tuples(
            st.integers(0, 6).map(lambda n: citizen_number(n) if n else ""), TEXT, TEXT, TEXT
        ).map(list),
    ),
    max_size=8,
)


@given(ROWS)
def test_taking_rows_by_columns_and_one_by_one_says_the_same(rows):
    together, apart = Intake(HEADER, SCHEMA), Intake(HEADER, SCHEMA)
    together.add(rows)
    for number, one in enumerate(rows):
        apart._rows += 1
        apart._take_each([one], number)
    outcomes = []
    for intake in (together, apart):
        try:
            outcomes.append(intake.finish(b""))
        except InvalidArgument as error:
            outcomes.append((error.message, error.violations))
    assert outcomes[0] == outcomes[1]


@given(ROWS, st.integers(0, 8))
def test_the_digest_does_not_depend_on_how_rows_are_cut(rows, cut):
    whole, parts = RowDigest(HEADER), RowDigest(HEADER)
    whole.add(rows)
    parts.add(rows[:cut])
    parts.add(rows[cut:])
    assert whole.digest() == parts.digest()


def test_the_digest_tells_other_rows_and_headers_apart():
    def digest(header: Header, *rows) -> bytes:
        taken = RowDigest(header)
        taken.add(rows)
        return taken.digest()

    other = Header(resource=RESIDENTS, items=ITEMS[:3], request_id="r")
    seen = {
        digest(HEADER),
        digest(HEADER, row(1)),
        digest(HEADER, row(2)),
        digest(HEADER, row(1), row(2)),
        digest(HEADER, (True, row(1)[1])),
        digest(other, row(1)),
    }
    assert len(seen) == 6


def entry(offset: int, payload: str | None) -> LogEntry:
    return LogEntry(offset=offset, key="k", payload=payload, publish_time=NOON)


def test_a_withdrawal_carries_no_items():
    (change,) = project([entry(1, None)], dict, b"s" * 32)
    assert change.type is ChangeType.WITHDRAW
    assert change.items == {}


def test_a_record_id_is_stable_and_of_its_subscription():
    assert record_id(b"a" * 32, "k") == record_id(b"a" * 32, "k")
    assert record_id(b"a" * 32, "k") != record_id(b"b" * 32, "k")
    assert record_id(b"a" * 32, "k") != record_id(b"a" * 32, "l")
    assert "secret" not in record_id(b"a" * 32, "secret")


def test_a_message_of_changes_ends_before_it_is_too_large(monkeypatch):
    monkeypatch.setattr(model, "DELIVERY_SIZE", 1000)
    payload = '{"name":"' + "x" * 200 + '"}'
    entries = [entry(n, payload) for n in range(5)]
    assert len(project(entries, dict, b"s")) == 1
    assert project([entry(1, '{"a":"' + "x" * 5000 + '"}')], dict, b"s")  # one at the least


def test_what_a_receipt_of_changes_commits_to():
    change = Change(
        offset=7, type=ChangeType.UPSERT, record_id="ab", items={"name": "某"}, publish_time=NOON
    )
    expected = (
        '[{"items":{"name":"某"},"offset":7,"publish_time":"2026-03-02T04:00:00.000000Z",'
        '"record_id":"ab","type":"upsert"}]'
    )
    assert delivered([change]) == expected.encode()


def test_changes_wanted():
    assert [changes_wanted(n) for n in (0, 1, 9000)] == [500, 1, 5000]
    with pytest.raises(InvalidArgument):
        changes_wanted(-1)
