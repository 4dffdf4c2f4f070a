"""Arrow from outside: what is taken of it, and that nothing else is."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from exchange.catalog.schema import schema_of
from exchange.delivery import arrow
from exchange.delivery.arrow import WITHDRAW, columns_of
from exchange.delivery.intake import Header, Intake, RowDigest
from runtime.errors import InvalidArgument
from tests.builders.catalog import RESIDENTS, resource
from tests.builders.exchange import citizen_number

ITEMS = ("a", "b")
SCHEMA = schema_of(resource())
HEADER = Header(resource=RESIDENTS, items=("citizen_number", "name", "region"), request_id="r")


def stream(*batches: dict, options: ipc.IpcWriteOptions | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    made = [pa.record_batch(batch) for batch in batches]
    with ipc.new_stream(sink, made[0].schema, options=options) as writer:
        for batch in made:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def refused(part: bytes, items=ITEMS) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        list(columns_of(part, items))
    return caught.value


def test_columns_come_in_the_order_of_the_items():
    part = stream({"b": ["1", None], "a": pa.array(["某", ""], pa.large_string())})
    (columns,) = columns_of(part, ITEMS)
    assert columns.rows() == [(False, ["某", "1"]), (False, ["", ""])]
    part = stream({"a": ["x"], "b": ["y"]}, {"a": ["z"], "b": ["w"]})
    assert [c.rows() for c in columns_of(part, ITEMS)] == [
        [(False, ["x", "y"])], [(False, ["z", "w"])],
    ]  # fmt: skip
    assert list(columns_of(stream({"a": pa.array([], pa.string()), "b": pa.array([], pa.string())}),
                           ITEMS)) == []  # fmt: skip


def test_a_column_tells_which_rows_withdraw():
    flags = pa.array([True, False, False])
    (columns,) = columns_of(stream({"a": list("xyz"), "b": list("uvw"), WITHDRAW: flags}), ITEMS)
    assert [withdraw for withdraw, _ in columns.rows()] == [True, False, False]
    none = stream({"a": ["x"], "b": ["y"], WITHDRAW: pa.array([False])})
    (columns,) = columns_of(none, ITEMS)
    assert columns.withdraw is None


def test_nothing_is_cut_off_and_nothing_stands_behind_without_a_word():
    part = stream({"a": ["x"], "b": ["y"]}, {"a": ["z"], "b": ["w"]})
    one = stream({"a": ["x"], "b": ["y"]})
    for wrong in (part + one, part + b"\0", part[:-8], part[:-4], part[:-8] + b"\0" * 8):
        assert refused(wrong).reason == "BAD_ARROW"


def test_a_name_that_is_no_text_is_refused():
    part = stream({"a": ["x"], "b": ["y"]})
    assert b"\1\0\0\0a" in part
    assert refused(part.replace(b"\1\0\0\0a", b"\1\0\0\0\xff")).reason == "BAD_ARROW"


LONG = ["x" * 1000] * 100


@pytest.mark.parametrize("part", [
    b"",
    b"no arrow",
    stream({"a": ["1"]}),
    stream({"a": ["1"], "b": ["2"], "c": ["3"]}),
    stream({"a": ["1"], "b": [2]}),
    stream({"a": ["1"], "b": pa.array(["1"]).dictionary_encode()}),
    stream({"a": ["1"], "b": ["2"], WITHDRAW: ["true"]}),
    stream({"a": ["1", "2"], "b": ["3", "4"], WITHDRAW: pa.array([True, None])}),
    stream({"a": pa.nulls(1), "b": ["2"]}),
    stream({"a": LONG, "b": LONG}, options=ipc.IpcWriteOptions(compression="zstd")),
    stream({"a": LONG, "b": LONG}, options=ipc.IpcWriteOptions(compression="lz4")),
    stream({"a": LONG, "b": LONG})[:-200],
], ids=str)  # fmt: skip
def test_anything_else_is_refused(part):
    assert refused(part).reason == "BAD_ARROW"


def test_a_part_is_bounded(monkeypatch):
    monkeypatch.setattr(arrow, "GREATEST_BATCH", 2)
    assert refused(stream({"a": list("xyz"), "b": list("xyz")})).reason == "BATCH_TOO_LARGE"


def test_texts_that_are_no_utf8_and_offsets_that_lead_out_are_refused():
    good = stream({"a": ["abcdefgh"], "b": ["ijklmnop"]})
    assert refused(good.replace(b"abcdefgh", b"abc\xffefgh")).reason == "BAD_ARROW"
    offsets = (0).to_bytes(4, "little") + (8).to_bytes(4, "little")
    beyond = (0).to_bytes(4, "little") + (1 << 30).to_bytes(4, "little")
    assert refused(good.replace(offsets, beyond)).reason == "BAD_ARROW"


@pytest.mark.parametrize("changes", [
    [(20, 43), (73, 27), (262, 80)],
    [(165, 168), (29, 155), (82, 235), (272, 14)],
], ids=str)  # fmt: skip
def test_a_schema_that_ends_the_library_s_process_is_refused(changes):
    bad = bytearray(stream({"a": ["abc", None, "de"], "b": ["", "某", "x"]}))
    for place, value in changes:
        bad[place] = value
    assert refused(bytes(bad)).reason == "BAD_ARROW"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_bytes_break_it(data):
    good = bytearray(stream({"a": ["abc", None, "de"], "b": ["", "某", "x"]}))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(good) - 1))
        good[place] = data.draw(st.integers(0, 255))
    try:
        found = list(columns_of(bytes(good), ITEMS))
    except InvalidArgument as error:
        assert error.reason in ("BAD_ARROW", "BATCH_TOO_LARGE")
    else:
        for columns in found:
            assert all(isinstance(value, str) for _, row in columns.rows() for value in row)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), TEXTS, st.sampled_from(["990101", "", "x"]))))
def test_rows_and_arrow_are_one_batch(drawn):
    """The same digest, the same payloads, the same refusal."""
    rows = [[citizen_number(n), name, region] for n, name, region in drawn]
    one, other = Intake(HEADER, SCHEMA), Intake(HEADER, SCHEMA)
    first, second = RowDigest(HEADER), RowDigest(HEADER)
    for row in rows:
        one.add([(False, row)])
        first.add([(False, row)])
    if rows:
        part = stream(dict(zip(HEADER.items, map(list, zip(*rows, strict=True)), strict=True)))
        for columns in columns_of(part, HEADER.items):
            other.add_columns(columns)
            second.add_columns(columns)
    assert first.digest() == second.digest()
    outcomes = []
    for intake in (one, other):
        try:
            batch = intake.finish(b"")
            outcomes.append((batch.keys, batch.payloads))
        except InvalidArgument as error:
            outcomes.append((error.reason, [(v.field, v.description) for v in error.violations]))
    assert outcomes[0] == outcomes[1]
