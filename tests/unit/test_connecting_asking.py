"""What a source may answer: taken apart, bounded, and never shown beyond the grant."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.catalog.schema import schema_of
from exchange.connecting import http_json, national
from exchange.connecting.asking import (
    Asked,
    Fetched,
    Outcome,
    SourceFailed,
    records_of,
    told,
)
from exchange.connecting.model import Platform, Prefix
from exchange.grants.model import GrantedItem, Mask
from runtime.errors import DataLoss, Unavailable
from tests.builders import grants as build
from tests.builders.catalog import RESIDENTS, resource
from tests.builders.exchange import citizen_number

KEY = citizen_number(1)
SCHEMA = schema_of(resource())
PLATFORM = Platform(
    prefix=Prefix.GJGXJHPT,
    rid="r",
    sid="s",
    key_parameter="sfzh",
    fields={"name": "xm", "household_size": "hs", "local": "bd"},
)


def asked(*items: str, keys: tuple[str, ...] = (KEY,)) -> Asked:
    return Asked(
        resource=RESIDENTS,
        keys=keys,
        items=items,
        purpose="核验",
        case_number="1",
        consumer="departments/housing",
        grant="",
        request_id="r",
    )


def fetched(key: str = KEY, **items: object) -> Fetched:
    return Fetched(key=key, found=True, items=items)


def text(*items: str, **sent: object):
    found = records_of([fetched(**sent)], asked(*items), SCHEMA)[KEY]
    return None if found is None else orjson.loads(found)


def failure(call, *args) -> SourceFailed:
    with pytest.raises(SourceFailed) as failed:
        call(*args)
    return failed.value


def test_what_was_not_asked_is_dropped():
    assert text("name", name="某甲", birth_date="not even a date", zzz="1") == {"name": "某甲"}


def test_the_key_is_the_one_that_was_asked():
    assert text("citizen_number", "name", name="某甲") == {"citizen_number": KEY, "name": "某甲"}
    wrong = failure(
        records_of,
        [fetched(name="某甲", citizen_number=citizen_number(2))],
        asked("name"),
        SCHEMA,
    )
    assert (wrong.outcome, wrong.invalid_items) == (Outcome.INVALID_RECORD, ("citizen_number",))


@pytest.mark.parametrize(
    "records",
    [
        [],
        [fetched(citizen_number(2))],
        [fetched(), fetched()],
        [fetched(), fetched(citizen_number(2))],
    ],
)
def test_each_key_is_answered_once_and_no_other(records):
    failed = failure(records_of, records, asked("name"), SCHEMA)
    assert (failed.outcome, failed.down) == (Outcome.MALFORMED, True)


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ("name", ""),  # required
        ("name", "甲" * 51),
        ("name", 7),
        ("name", None),
        ("name", ["某甲"]),
        ("name", "a\0b"),
        ("birth_date", "1990-02-30"),
        ("household_size", "three"),
        ("local", "yes"),
        ("photo", "###"),
        ("region", "99"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_by_item(item, value):
    failed = failure(records_of, [fetched(**{item: value})], asked(item), SCHEMA)
    assert (failed.outcome, failed.invalid_items) == (Outcome.INVALID_RECORD, (item,))
    assert not failed.down
    error = told(failed)
    assert isinstance(error, DataLoss)
    assert error.reason == "SOURCE_DATA_INVALID"
    assert item not in error.message


def test_a_record_that_does_not_fit_and_is_hidden_is_as_absent():
    seen = []

    def hides(fitting: str) -> bool:
        seen.append(orjson.loads(fitting))
        return True

    sent = fetched(name="x" * 100_000, household_size="3", birth_date="no")
    wanted = asked("name", "household_size", "birth_date")
    assert records_of([sent], wanted, SCHEMA, hides) == {KEY: None}
    assert seen == [{"household_size": "3"}]
    failed = failure(records_of, [sent], wanted, SCHEMA, lambda _: False)
    assert failed.outcome is Outcome.INVALID_RECORD


def test_half_a_surrogate_pair_is_no_text():
    sent = json.loads('"\\ud800"')
    assert failure(records_of, [fetched(name=sent)], asked("name"), SCHEMA).outcome in (
        Outcome.MALFORMED,
        Outcome.INVALID_RECORD,
    )


def test_absent_values_and_records():
    assert text("name", "birth_date", name="某甲", birth_date="") == {"name": "某甲"}
    gone = Fetched(key=KEY, found=False, items={"name": "某甲"})
    assert records_of([gone], asked("name"), SCHEMA) == {KEY: None}


def test_consumers_hear_only_that_and_when():
    error = told(SourceFailed(Outcome.REFUSED, status=503, retry_after=7))
    assert isinstance(error, Unavailable)
    assert (error.reason, error.retry_after, error.metadata) == ("SOURCE_UNAVAILABLE", 7, {})
    assert "503" not in error.message + error.message_zh


_VALUES = st.one_of(
    st.text(max_size=20), st.none(), st.integers(), st.lists(st.text(max_size=5), max_size=2)
)
_CODES = [item.code for item in SCHEMA.items]
_MARK = "☢ungranted☢"


@given(
    granted=st.dictionaries(st.sampled_from(_CODES), st.sampled_from(list(Mask)), min_size=1),
    wanted=st.lists(st.sampled_from(_CODES), max_size=4),
    sent=st.dictionaries(st.one_of(st.sampled_from(_CODES), st.text(max_size=10)), _VALUES),
)
def test_no_ungranted_item_gets_past(granted, wanted, sent):
    """Whatever a source sends, and whatever is asked: only granted items, each by its mask."""
    grant = build.grant(items=tuple(GrantedItem(item=i, mask=m) for i, m in granted.items()))
    items = [code for code in wanted if code in granted] or list(granted)
    # Every item that was not asked carries a mark that would be seen anywhere.
    marked = {c: v if c in items else _MARK for c, v in sent.items()} | {
        c: _MARK for c in _CODES if c not in items and c != "citizen_number"
    }
    try:
        found = records_of([fetched(**marked)], asked(*items), SCHEMA)[KEY]
    except SourceFailed as failed:
        assert _MARK not in str(failed) + str(told(failed))
        assert set(failed.invalid_items) <= {*items, "citizen_number"}
        return
    assert found is not None
    assert _MARK not in found
    shown = grant.project(orjson.loads(found))
    assert shown.keys() <= set(items) & granted.keys()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"{}",
        b'{"records": 7}',
        b'{"records": [7]}',
        b'{"records": [{"key": 7, "found": true}]}',
        b'{"records": [{"key": "k", "found": "yes"}]}',
        b'{"records": [{"key": "k", "found": true, "items": ["a"]}]}',
        b'{"records": [{"found": true}]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_answer_of_an_http_source(body):
    assert failure(http_json.parse, body).outcome is Outcome.MALFORMED


def test_an_answer_of_an_http_source():
    body = (
        '{"records": [{"key": "k", "found": true, "items": {"name": "某甲"}, "more": 1}], "x": 1}'
    )
    (record,) = http_json.parse(body.encode())
    assert record == Fetched(key="k", found=True, items={"name": "某甲"})


def test_the_platform_headers_and_signature():
    headers = national.headers_of(PLATFORM, b"synthetic", "1767225600000")
    assert headers == {
        "gjgxjhpt_rid": "r",
        "gjgxjhpt_sid": "s",
        "gjgxjhpt_rtime": "1767225600000",
        # printf 'sr1767225600000' | openssl dgst -sha256 -hmac synthetic -binary | base64
        "gjgxjhpt_sign": "BcFfLPjRIW5C8QozzRJ1Xr+oUPFZIiAiZ23cRf4gx+Y=",
    }


def parse(answer: object, *items: str) -> Fetched:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return national.parse(body, KEY, items, PLATFORM)


def test_an_answer_of_the_platform():
    found = parse(
        b'{"code": 200, "data": {"xm": "x", "hs": 3.10, "bd": true, "birth_date": null}}',
        "name",
        "household_size",
        "local",
        "birth_date",
    )
    assert found.items == {"name": "x", "household_size": "3.10", "local": "true"}
    assert parse({"code": "200", "data": [{"xm": "x"}]}, "name").items == {"name": "x"}


@pytest.mark.parametrize("data", [None, [], {}])
def test_the_platform_has_no_such_record(data):
    assert not parse({"code": "200", "data": data}, "name").found


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"code": "500", "data": {"xm": "x"}}, Outcome.REFUSED),
        ({"data": {"xm": "x"}}, Outcome.MALFORMED),
        ({"code": "200", "data": [{"xm": "x"}, {"xm": "y"}]}, Outcome.MALFORMED),
        ({"code": "200", "data": "x"}, Outcome.MALFORMED),
        ([], Outcome.MALFORMED),
        (b"\xff", Outcome.MALFORMED),
        (b"[" * 100_000, Outcome.MALFORMED),
    ],
)
def test_what_is_no_answer_of_the_platform(answer, outcome):
    assert failure(parse, answer, "name").outcome is outcome
