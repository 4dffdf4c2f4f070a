"""What a record of a resource must look like: one case per rule of an item."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.catalog.model import (
    DataItem,
    EntryState,
    ItemType,
    content_of,
    entry_from_content,
    etag_of,
)
from exchange.catalog.schema import schema_of
from runtime.idcodes import citizen_check_character
from tests.builders import catalog as build

_BODY = "99010119900307001"
NUMBER = _BODY + citizen_check_character(_BODY)
GOOD = [
    NUMBER,
    "某甲",
    "1990-03-07",
    "3",
    "2026-01-05T09:30:00+08:00",
    "true",
    base64.b64encode(b"photo").decode(),
    "990101",
]
SCHEMA = schema_of(build.resource())


def test_a_good_record_has_no_violations():
    assert SCHEMA.violations(GOOD) == []


def test_optional_items_may_be_empty():
    assert SCHEMA.violations([NUMBER, "某甲", "", "", "", "", "", ""]) == []


def test_required_items_may_not():
    assert SCHEMA.violations([""] * 8) == [
        ("citizen_number", "is required"),
        ("name", "is required"),
    ]


def test_a_row_of_another_width_is_refused():
    assert SCHEMA.violations(["a"]) == [("", "has 1 values where 8 items are declared")]


def one(item: DataItem, value: str) -> list[tuple[str, str]]:
    resource = build.resource()
    return schema_of(build.resource(items=(resource.items[0], item))).violations([NUMBER, value])


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        (
            ItemType.CHARACTER,
            ["某街一号", "a\tb\nc", "\U00020000", "~"],
            ["a\x00b", "\x1b[31m", "a\x7f", "a\rb"],
        ),
        (
            ItemType.NUMBER,
            ["0", "-1", "12.50", "0.001", "123456789012345678901234567890"],
            ["1e3", "+1", "01", ".5", "1.", "1,000", "一", "NaN", "0x1", "1 ", "١"],
        ),
        (
            ItemType.DATE,
            ["2026-02-28", "2028-02-29", "0001-01-01"],
            ["2026-02-29", "20260228", "2026-W01-1", "2026-1-2", "2026-01-01T00:00", "0000-01-01"],
        ),
        (
            ItemType.TIME,
            ["2026-01-05T09:30:00Z", "2026-01-05T09:30:00.123456789Z", "2026-01-05T09:30:00-08:00"],
            ["2026-01-05T09:30:00", "2026-01-05 09:30:00Z", "2026-01-05T25:30:00Z", "2026-01-05"],
        ),
        (ItemType.LOGICAL, ["true", "false"], ["True", "1", "是"]),
        (ItemType.BINARY, ["AA==", "AAAA"], ["AA", "A===", "AA==\n", "某", "A-_="]),
    ],
)
def test_types(type_, good, bad):
    item = DataItem(code="x", display_name="某项", type=type_)
    for value in good:
        assert one(item, value) == [], value
    for value in bad:
        assert len(one(item, value)) == 1, value


def test_length_counts_characters_and_not_bytes():
    item = DataItem(code="x", display_name="某项", type=ItemType.CHARACTER, length=2)
    assert one(item, "示范") == []
    assert one(item, "示范县") == [("x", "is longer than 2 characters")]


@pytest.mark.parametrize(
    ("standard", "good", "bad"),
    [
        ("GB 11643", NUMBER, NUMBER[:-1] + ("0" if NUMBER[-1] != "0" else "1")),
        ("GB 32100", build.credit_code(7), "119901010000000000"),
        ("GB/T 2260", "990101", "99010"),
    ],
)
def test_standards(standard, good, bad):
    item = DataItem(code="x", display_name="某项", type=ItemType.CHARACTER, standard=standard)
    assert one(item, good) == []
    (found,) = one(item, bad)
    assert bad not in found[1]


def test_one_violation_an_item():
    item = DataItem(code="x", display_name="某项", type=ItemType.DATE, length=3)
    assert one(item, "nonsense") == [("x", "is longer than 3 characters")]


def test_an_entry_survives_its_content():
    for entry in (build.resource(), build.service_item()):
        assert entry_from_content(content_of(entry)) == entry


def test_an_etag_tells_content_and_state():
    a, b = content_of(build.resource()), content_of(build.resource(abstract="改"))
    tags = {etag_of(c, s) for c in (a, b) for s in EntryState}
    assert len(tags) == 4
    assert etag_of(a, EntryState.ACTIVE) == etag_of(
        content_of(build.resource(etag="x", update_time=build.NOON)), EntryState.ACTIVE
    )


WORDS = st.one_of(
    st.sampled_from(
        ["", "\n", "某甲", "a" * 60, "\x01", "1990-03-07", "1990-13-07", "1990-03-0７"]
    ),
    st.dates().map(str),
    st.lists(st.dates().map(str), min_size=2, max_size=2).map("\n".join),
    st.text(max_size=3),
)


@given(
    values=st.lists(WORDS, min_size=1, max_size=4),
    item=st.sampled_from(
        [
            DataItem(code="x", display_name="x", type=ItemType.DATE),
            DataItem(code="x", display_name="x", type=ItemType.CHARACTER, length=10),
        ]
    ),
)
def test_a_column_fits_where_each_of_its_values_does(values, item):
    key = DataItem(code="key", display_name="k", type=ItemType.CHARACTER, length=9)
    schema = schema_of(build.resource(items=(key, item), key_item="key"))
    each = [schema.violations(["", value]) == [] for value in values]
    assert schema.fit([[""] * len(values), values]) is all(each)
