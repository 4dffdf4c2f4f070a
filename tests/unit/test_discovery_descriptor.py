"""Descriptors: whatever record the catalog's own schema takes, the JSON Schema takes."""

import base64
import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.catalog.model import CodeValue, DataItem, EntryState, ItemType, SharingType
from exchange.catalog.schema import schema_of
from exchange.discovery.descriptor import descriptor, item_schema, record_schema
from runtime.idcodes import citizen_check_character
from tests.builders import catalog as county
from tests.builders.catalog import NOON

_INSTANTS = st.datetimes(timezones=st.just(county.NOON.tzinfo)).map(
    lambda at: at.isoformat().replace("+00:00", "Z")
)
VALUES = {
    ItemType.CHARACTER: st.text(
        st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20
    ),
    ItemType.NUMBER: st.decimals(allow_nan=False, allow_infinity=False, places=3).map(
        lambda number: format(number, "f")
    ),
    ItemType.DATE: st.dates().map(lambda day: day.isoformat()),
    ItemType.TIME: _INSTANTS,
    ItemType.LOGICAL: st.sampled_from(["true", "false"]),
    ItemType.BINARY: st.binary(min_size=1, max_size=20).map(
        lambda data: base64.b64encode(data).decode()
    ),
    ItemType.GEOMETRY: st.just('{"type":"Point","coordinates":[116.4,39.9]}'),
}
NUMBERS = (
    st.integers(0, 999)
    .map(lambda serial: f"99010119900101{serial:03d}")
    .map(lambda body: body + citizen_check_character(body))
)
STANDARDS = {
    "GB 11643": NUMBERS,
    "GB 32100": st.integers(1, 9_999).map(county.credit_code),
    "GB/T 2260": st.from_regex(r"[1-9][0-9]{5}", fullmatch=True),
}


@st.composite
def items_with_values(draw) -> tuple[DataItem, str]:
    """An item, and a value that it takes."""
    if draw(st.booleans()):
        standard = draw(st.sampled_from(sorted(STANDARDS)))
        made = DataItem(
            code="a", display_name="甲", type=ItemType.CHARACTER, standard=standard, length=18
        )
        return made, draw(STANDARDS[standard])
    kind = draw(st.sampled_from(sorted(VALUES)))
    value = draw(VALUES[kind])
    codes: tuple[CodeValue, ...] = ()
    if kind in (ItemType.CHARACTER, ItemType.NUMBER) and draw(st.booleans()):
        codes = (CodeValue(code=value, display_name="它"), CodeValue(code="x", display_name="别的"))
    length = draw(st.sampled_from([0, len(value)]))
    return DataItem(code="a", display_name="甲", type=kind, length=length, code_values=codes), value


def validator(items: tuple[DataItem, ...], key: str) -> jsonschema.Draft202012Validator:
    schema = record_schema(county.resource(items=items, key_item=key))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


@settings(max_examples=300, deadline=None)
@given(items_with_values())
def test_it_takes_whatever_the_catalog_takes(drawn):
    item, value = drawn
    key = DataItem(code="k", display_name="键", type=ItemType.CHARACTER, required=True)
    resource = county.resource(items=(key, item), key_item="k")
    if schema_of(resource).violations(["1", value]):
        return  # a number that has been given a standard's form by chance alone
    checked = validator((key, item), "k")
    checked.validate({"k": "1", "a": value})
    checked.validate({"k": "1"})


@pytest.mark.parametrize(
    ("item", "value"),
    [
        (DataItem(code="a", display_name="甲", type=ItemType.CHARACTER, length=2), "三个字"),
        (DataItem(code="a", display_name="甲", type=ItemType.NUMBER), "1e9"),
        (DataItem(code="a", display_name="甲", type=ItemType.NUMBER), "01"),
        (DataItem(code="a", display_name="甲", type=ItemType.DATE), "2026-02-30"),
        (DataItem(code="a", display_name="甲", type=ItemType.TIME), "2026-02-03"),
        (DataItem(code="a", display_name="甲", type=ItemType.LOGICAL), "是"),
        (DataItem(code="a", display_name="甲", type=ItemType.CHARACTER, standard="GB 11643"), "1"),
        (
            DataItem(
                code="a", display_name="甲", type=ItemType.CHARACTER,
                code_values=(CodeValue(code="1", display_name="男"),),
            ),
            "2",
        ),
        (DataItem(code="a", display_name="甲", type=ItemType.CHARACTER), ""),
        (DataItem(code="a", display_name="甲", type=ItemType.CHARACTER), 7),
    ],
)  # fmt: skip
def test_it_refuses_what_the_catalog_refuses(item, value):
    key = DataItem(code="k", display_name="键", type=ItemType.CHARACTER, required=True)
    assert not validator((key, item), "k").is_valid({"k": "1", "a": value})


def test_a_number_with_a_standard_holds_both_patterns():
    item = DataItem(
        code="a", display_name="甲", type=ItemType.NUMBER, standard="GB/T 2260", definition="所在地"
    )
    told = item_schema(item)
    assert told["pattern"].startswith("^-?")
    assert told["allOf"] == [{"pattern": "^[1-9][0-9]{5}$"}]
    assert told["description"] == "所在地"


def test_what_cannot_be_asked_for_has_no_calls():
    def calls(**changes) -> dict:
        resource = county.resource(**changes)
        return descriptor(resource, source_display_name="示范县民政局", now=NOON)["calls"]

    assert set(calls()) == {"query", "verify", "subscribe"}
    assert calls(state=EntryState.WITHDRAWN) == {}
    assert calls(sharing_type=SharingType.NOT_SHARED) == {}


def test_it_tells_how_fresh_the_data_is():
    resource = county.resource(last_publish_time=NOON)
    told = descriptor(resource, source_display_name="示范县民政局", now=NOON)
    assert told["freshness"] == {
        "update_cycle": "daily",
        "cycle_days": 1,
        "last_publish_time": "2026-03-02T04:00:00.000000Z",
        "fresh_until": "2026-03-03T04:00:00.000000Z",
        "stale": False,
    }
    json.dumps(told)
