"""Made-up records: nobody's, of the resource's form, some within a row filter and some not."""

from __future__ import annotations

import pytest

from exchange.catalog.model import (
    CodeValue,
    DataItem,
    DataResource,
    EntryState,
    ItemType,
    ResourceCategory,
    SharingType,
)
from exchange.catalog.schema import ResourceSchema, schema_of
from exchange.grants.rows import RowCondition, RowTest, shows
from exchange.oversight.sampling import earlier, made_up, meets


def item(code: str, title: str, kind: ItemType = ItemType.CHARACTER, **more: object) -> DataItem:
    return DataItem(code=code, display_name=title, type=kind, **more)  # type: ignore[arg-type]


ITEMS = (
    item("citizen_number", "公民身份号码", length=18, required=True, standard="GB 11643"),
    item("name", "姓名", length=3, personal=True),
    item("employer", "单位信用代码", standard="GB 32100"),
    item("region", "行政区划", standard="GB/T 2260"),
    item(
        "sex",
        "性别",
        code_values=(
            CodeValue(code="1", display_name="男"),
            CodeValue(code="2", display_name="女"),
        ),
    ),
    item("address", "居住地址"),
    item("phone", "联系电话", length=11),
    item("note", "备注", length=4),
    item("born", "出生日期", ItemType.DATE),
    item("at", "登记时间", ItemType.TIME),
    item("sum", "金额", ItemType.NUMBER),
    item("open", "是否有效", ItemType.LOGICAL),
    item("photo", "照片", ItemType.BINARY),
    item("place", "位置", ItemType.GEOMETRY),
)


@pytest.fixture(scope="module")
def schema() -> ResourceSchema:
    return schema_of(
        DataResource(
            name="departments/civil-affairs/resources/residents",
            code="101001/000001",
            display_name="常住人口信息",
            category=ResourceCategory.BASE,
            format="database",
            sharing_type=SharingType.CONDITIONAL,
            sharing_mode="service",
            update_cycle="daily",
            items=ITEMS,
            key_item="citizen_number",
            state=EntryState.ACTIVE,
        )
    )


def test_they_fit_the_resource_and_are_the_same_each_time(schema: ResourceSchema) -> None:
    found = made_up(schema, (), 20)
    assert found == made_up(schema, (), 20)
    for record in found:
        values = [record[one.code] for one in ITEMS]
        assert all(values)
        assert schema.violations(values) == []
        assert record["citizen_number"].startswith("990101")
    assert len({record["citizen_number"] for record in found}) == 20


def test_an_earlier_value_is_of_the_same_and_says_something_else(schema: ResourceSchema) -> None:
    for place, now in enumerate(made_up(schema, (), 5)):
        before = earlier(schema, (), place)
        same = {code for code in now if now[code] == before[code]}
        assert {"citizen_number", "name", "employer", "region", "born"} <= same
        assert not {"address", "phone", "sum"} & same
        assert schema.violations([before[one.code] for one in ITEMS]) == []


CASES = [
    RowCondition(item="address", test=RowTest.PREFIX, values=("示范县旧区",)),
    RowCondition(item="region", test=RowTest.EQUALS, values=("990102",)),
    RowCondition(item="sex", test=RowTest.IN, values=("2",)),
    RowCondition(
        item="citizen_number",
        test=RowTest.OWN_CLIENTS,
        values=("departments/housing/resources/tenants",),
    ),
]


@pytest.mark.parametrize("condition", CASES, ids=lambda one: one.test)
def test_some_meet_a_row_filter_and_some_do_not(
    schema: ResourceSchema, condition: RowCondition
) -> None:
    for place, record in enumerate(made_up(schema, (condition,), 10)):
        meeting = meets(place)
        assert shows((condition,), record, [never, always][meeting]) is meeting


def always(_resource: str, _key: str) -> bool:
    return True


def never(_resource: str, _key: str) -> bool:
    return False
