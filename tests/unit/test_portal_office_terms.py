"""The terms of a grant as a form has them; bars and maps as pictures."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from exchange.v1 import grants_pb2, spatial_pb2
from portal.office import bars, granting, terms
from portal.office.maps import drawn_map
from runtime.errors import InvalidArgument

FORM = {
    "item": ["name:", "phone:last_four", ""],
    "operation": ["verify", "query"],
    "quota": ["500"],
    "until": ["2026-12-31"],
    "filter-item-0": ["region"],
    "filter-test-0": ["in"],
    "filter-values-0": ["990101、990102，990103,"],
}


def test_a_form_is_read_and_given_back() -> None:
    found = terms.read(FORM)
    assert found.masks == {"name": "", "phone": "last_four"}
    assert found.operations == (grants_pb2.OPERATION_QUERY, grants_pb2.OPERATION_VERIFY)
    assert list(found.row_filter[0].values) == ["990101", "990102", "990103"]
    assert found.filters == [("region", "in", "990101、990102、990103"), ("", "", ""), ("", "", "")]
    assert found.end_time == datetime(2026, 12, 31, 16, tzinfo=UTC)  # midnight in China
    assert (found.daily_quota, found.rate_per_minute, found.history) == (500, 0, False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quota", "-1"),
        ("quota", "１２"),
        ("rate", "9999999999"),
        ("item", "name:all"),
        ("operation", "delete"),
        ("filter-test-0", "like"),
    ],
)
def test_nothing_is_guessed(field: str, value: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        terms.read({**FORM, field: [value]})
    assert refused.value.reason == "TERMS_INVALID"


def test_nothing_chosen_is_not_everything() -> None:
    none = {key: value for key, value in FORM.items() if key != "operation"}
    with pytest.raises(InvalidArgument) as refused:
        terms.read(none)
    assert "请至少选择一种允许的操作" in refused.value.message_zh
    for left in (none, {**FORM, "item": ["", ""]}):
        with pytest.raises(InvalidArgument) as refused:
            terms.read_left(left)
        assert "请撤销授权" in refused.value.message_zh
    assert terms.read_left(FORM) == terms.read(FORM)


@pytest.mark.parametrize(
    ("until", "said"),
    [("2026-12-30", "已过"), ("", "请填写"), ("soon", "无效")],
)
def test_a_last_day_that_is_past_is_told_in_words(until: str, said: str) -> None:
    wanted = terms.read({**FORM, "until": [until]})
    with pytest.raises(InvalidArgument) as refused:
        terms.check_end(wanted, date(2026, 12, 31))
    assert said in refused.value.message_zh
    terms.check_end(terms.read(FORM), date(2026, 12, 31))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("item", "name:first_character"),
        ("operation", "query"),
        ("quota", "501"),
        ("rate", "1"),
        ("until", "2026-12-30"),
        ("filter-values-0", "990101"),
        ("history", "1"),
    ],
)
def test_every_change_is_told_by_the_digest(field: str, value: str) -> None:
    changed = terms.read({**FORM, field: [value]})
    assert changed.digest() != terms.read(FORM).digest()
    assert terms.read(dict(FORM)).digest() == terms.read(FORM).digest()


def test_only_what_differs_is_a_change() -> None:
    held = grants_pb2.Grant(
        items=[grants_pb2.GrantedItem(item="name"), grants_pb2.GrantedItem(item="phone")],
        operations=[grants_pb2.OPERATION_VERIFY, grants_pb2.OPERATION_QUERY],
        daily_quota=500,
    )
    held.end_time.FromDatetime(datetime(2026, 12, 31, 16, tzinfo=UTC))
    same = {"item": ["phone:", "name:"], "operation": ["query", "verify"], "quota": ["500"],
            "until": ["2026-12-31"]}  # fmt: skip
    assert granting.changed(held, terms.read(same)) == {}
    less = granting.changed(held, terms.read({**same, "item": ["name:"], "until": ["2026-12-01"]}))
    assert set(less) == {"items", "end_time"}


def test_bars_have_one_scale() -> None:
    found = bars.drawn(
        [("a", [("late", 2), ("gone", 2)], ""), ("b", [("late", 0), ("gone", 1)], "")]
    )
    widths = [[round(part.width) for part in line.parts] for line in found.lines]
    assert widths == [[317, 317], [158]]
    (wide, _), (narrow, _) = bars.both([("a", [("late", 2)], "一二三")])
    for picture in (wide, narrow):
        (line,) = picture.lines
        assert line.end + 3 * bars.CHARACTER < picture.width
    assert narrow.lines[0].label_y < narrow.lines[0].y
    assert bars.drawn([]).lines == ()


def test_a_map_is_drawn_within_its_edges_with_north_above() -> None:
    square = '{"type":"Polygon","coordinates":[[[10,40],[11,40],[11,41],[10,41],[10,40]]]}'
    others = (
        '{"type":"MultiPoint","coordinates":[[10.5,40.5]]}',
        '{"type":"GeometryCollection","geometries":[{"type":"LineString","coordinates":'
        "[[10,40],[11,41]]}]}",
    )
    answer = spatial_pb2.DrawResourceResponse(
        outlines=[spatial_pb2.Outline(label="甲", geometry=square)]
        + [spatial_pb2.Outline(geometry=one) for one in others],
        bounds=spatial_pb2.Box(west=10, south=40, east=11, north=41),
    )
    found = drawn_map(answer)
    area, point, line = found.shapes
    assert (area.label, area.kind, point.label) == ("甲", "Polygon", "2")
    assert area.path.startswith("M")
    assert area.path.endswith("Z")
    assert not line.path.endswith("Z")
    assert point.points == ((450.0, round(found.height / 2, 1)),)
    numbers = [float(word.lstrip("ML")) for word in area.path.replace("Z", "").split()]
    assert min(numbers) >= 0
    assert max(numbers[::2]) <= found.width
    assert max(numbers[1::2]) <= found.height
