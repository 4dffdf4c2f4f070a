"""The rules of directory sync, on rows as departments hand them in."""

import csv

import pytest

from exchange.v1 import catalog_pb2 as pb
from flows import directory
from flows.sync import read
from flows.tables import Row
from runtime.errors import FailedPrecondition, FieldViolation
from tongban.demonstration.stage import county_departments, data_file

RESOURCES = data_file("public-security-resources.csv")
WORKBOOK = data_file("market-regulation-resources.xlsx")
ITEMS = data_file("service-items.csv")


@pytest.fixture(scope="module")
def departments():
    return {
        row["部门标识"]: pb.Department(
            name=f"departments/{row['部门标识']}", credit_code=row["统一社会信用代码"]
        )
        for row in county_departments()
    }


@pytest.fixture
def rows():
    with RESOURCES.open(encoding="utf-8", newline="") as lines:
        return [Row(line=n, cells=dict(r)) for n, r in enumerate(csv.DictReader(lines), start=2)]


def held(wanted):
    """What the catalog would hold after the batch."""
    entries = {}
    for name, entry in wanted.entries.items():
        copy = type(entry)()
        copy.MergeFrom(entry)
        copy.state = pb.ENTRY_STATE_ACTIVE
        copy.etag = f"e-{len(entries)}"
        entries[name] = copy
    return entries


def test_the_files_of_the_demonstration_are_read_whole(departments):
    found = directory.merge(read([ITEMS, RESOURCES, WORKBOOK], departments))
    assert found.rejects == ()
    services = [e for e in found.entries.values() if isinstance(e, pb.ServiceItem)]
    assert len(services) == 30
    population = found.entries["departments/public-security/resources/population"]
    assert population.key_item == "citizen_number"
    assert population.base_library == "population"
    assert [i.code for i in population.items][:2] == ["citizen_number", "name"]
    assert population.items[0].standard == "GB 11643"
    assert "departments/market-regulation/resources/legal-entity" in found.entries


def test_a_second_run_changes_nothing(departments):
    found = directory.merge(read([ITEMS, RESOURCES, WORKBOOK], departments))
    changes = directory.compare(found, held(found))
    assert changes.batch == []
    assert len(changes.unchanged) == len(found.entries)


def broken(rows, column, value, which=0):
    cells = dict(rows[which].cells) | {column: value}
    return [
        *rows[:which],
        Row(line=rows[which].line, cells=cells),
        *rows[which + 1 :],
    ]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("信息资源提供方代码", "11990101000000019Y", "BAD_CREDIT_CODE"),
        ("信息资源提供方代码", "91330100799655058B", "WRONG_PROVIDER"),
        ("信息资源名称", "", "MISSING_FIELD"),
        ("信息资源代码", "", "MISSING_FIELD"),
        ("信息项代码", "", "MISSING_FIELD"),
        ("信息项代码", "姓名", "BAD_VALUE"),
        ("信息资源代码", "随便", "BAD_VALUE"),
        ("必填", "", "BAD_VALUE"),
        ("共享条件", "", "MISSING_FIELD"),
        ("数据类型", "Z", "BAD_VALUE"),
        ("数据长度", "十八", "BAD_VALUE"),
        ("共享类型", "随便", "BAD_VALUE"),
        ("更新周期", "偶尔", "BAD_VALUE"),
        ("主键", "", "MISSING_FIELD"),
        ("部门标识", "nowhere", "UNKNOWN_DEPARTMENT"),
        ("资源标识", "Not An Id", "BAD_VALUE"),
    ],
)
def test_a_broken_row_is_rejected_with_its_line_and_reason(
    rows, departments, column, value, reason
):
    group = [r for r in rows if r.cells["资源标识"] == "population"]
    if column in ("部门标识", "资源标识"):
        changed = [Row(line=r.line, cells=dict(r.cells) | {column: value}) for r in group]
    else:
        changed = broken(group, column, value)
    found = directory.read_resources(changed, file="x.csv", departments=departments)
    assert found.entries == {}
    (reject,) = found.rejects
    assert (reject.reason, reject.file, reject.line) == (reason, "x.csv", group[0].line)
    assert reject.detail
    assert reject.detail_zh


def test_a_code_that_stands_twice_rejects_the_second(rows, departments):
    changed = [
        Row(line=r.line, cells=dict(r.cells) | {"信息资源代码": "101001001/000001"}) for r in rows
    ]
    found = directory.read_resources(changed, file="x.csv", departments=departments)
    assert list(found.entries) == ["departments/public-security/resources/population"]
    assert [r.reason for r in found.rejects] == ["DUPLICATE_CODE"]


def test_an_item_that_stands_twice_is_told_by_its_own_line(rows, departments):
    changed = broken(rows, "信息项代码", rows[0].cells["信息项代码"], which=2)
    found = directory.read_resources(changed, file="x.csv", departments=departments)
    (reject,) = found.rejects
    assert (reject.reason, reject.line) == ("DUPLICATE_CODE", rows[2].line)
    assert reject.detail == f"信息项代码 citizen_number stands on line {rows[0].line} already"
    assert f"第 {rows[0].line} 行" in reject.detail_zh


def test_the_fields_that_changed_are_named(departments):
    whole = directory.merge(read([ITEMS, RESOURCES], departments))
    before = held(whole)
    population = whole.entries["departments/public-security/resources/population"]
    population.abstract, population.base_library = "改过", ""
    population.items[1].length += 1
    del population.items[-1]
    gone = before[population.name].items[-1].code
    item = next(e for e in whole.entries.values() if isinstance(e, pb.ServiceItem))
    item.remark = "改过"
    assert directory.compare(whole, before).fields == {
        population.name: ["信息资源摘要", "信息资源分类", "信息项 name", f"信息项 {gone}"],
        item.name: ["备注"],
    }


def test_a_rejected_entry_stays_as_it_is_held(rows, departments):
    whole = directory.read_resources(rows, file="x.csv", departments=departments)
    changed = [
        Row(line=r.line, cells=dict(r.cells) | {"信息资源名称": ""})
        if r.cells["资源标识"] == "vehicles"
        else r
        for r in rows
    ]
    found = directory.read_resources(changed, file="x.csv", departments=departments)
    assert found.kept == {"departments/public-security/resources/vehicles"}
    assert directory.compare(found, held(whole)).withdrawn == []


def test_changed_added_and_withdrawn_entries_make_one_batch(rows, departments):
    whole = directory.read_resources(rows, file="x.csv", departments=departments)
    before = held(whole)
    only = directory.Directory(
        entries={n: e for n, e in whole.entries.items() if n.endswith("population")}
    )
    only.entries["departments/public-security/resources/population"].abstract = "改过的摘要"
    changes = directory.compare(only, before)
    assert changes.changed == ["departments/public-security/resources/population"]
    assert changes.withdrawn == ["departments/public-security/resources/vehicles"]
    assert changes.added == []
    assert [c.WhichOneof("change") for c in changes.batch] == ["put_resource", "withdraw"]


def test_the_batch_id_follows_from_the_changes_and_from_what_is_held(rows, departments):
    whole = directory.read_resources(rows, file="x.csv", departments=departments)
    first = directory.compare(whole, {})
    assert first.request_id == directory.compare(whole, {}).request_id
    withdrawn = held(whole)
    for entry in withdrawn.values():
        entry.state = pb.ENTRY_STATE_WITHDRAWN
    again = directory.compare(whole, withdrawn)
    assert again.added == first.added
    assert again.request_id != first.request_id


def test_a_file_cut_short_does_not_withdraw_the_rest(departments):
    whole = read([ITEMS], departments)[0]
    few = directory.Directory(entries=dict(list(whole.entries.items())[:10]))
    with pytest.raises(FailedPrecondition) as caught:
        directory.compare(few, held(whole))
    assert caught.value.reason == "MASS_WITHDRAWAL"
    allowed = directory.compare(few, held(whole), allow_mass_withdrawal=True)
    assert len(allowed.withdrawn) == 20


def test_one_entry_in_two_files_is_rejected_where_they_differ(departments):
    one = read([RESOURCES], departments)[0]
    other = read([RESOURCES], departments)[0]
    other.entries["departments/public-security/resources/vehicles"].abstract = "另一种说法"
    merged = directory.merge([one, other])
    assert [r.reason for r in merged.rejects] == ["DUPLICATE_CODE"]


def test_what_the_catalog_refuses_becomes_a_reject_with_its_line(rows, departments):
    whole = directory.read_resources(rows, file="x.csv", departments=departments)
    changes = directory.compare(whole, {})
    fewer = directory.reject_refused(
        whole,
        changes,
        [
            FieldViolation("changes[1].put_resource.display_name", "has more than 200 characters"),
            FieldViolation("source", "is too long"),
        ],
    )
    assert list(fewer.entries) == ["departments/public-security/resources/population"]
    (reject,) = fewer.rejects
    assert (reject.entry, reject.file, reject.line) == (
        "departments/public-security/resources/vehicles",
        "x.csv",
        8,
    )
    assert reject.detail == "display_name has more than 200 characters"
    assert fewer.kept == {"departments/public-security/resources/vehicles"}


def with_columns(rows, **said):
    return [Row(line=row.line, cells={**row.cells, **said}) for row in rows]


def resources_of(rows, departments, **said):
    group = [r for r in rows if r.cells["资源标识"] == "population"]
    return directory.read_resources(
        with_columns(group, **said), file="t.csv", departments=departments
    )


def items_of(departments, **said):
    row = Row(
        line=2,
        cells={
            "部门标识": "housing", "事项编码": "X-1", "部门名称": "房管局", "办件类型": "即办件",
            "项目名称": "商品房预售合同备案", "备注": "", **said,
        },
    )  # fmt: skip
    return directory.read_service_items([row], file="t.csv", departments=departments)


POPULATION = "departments/public-security/resources/population"


def test_further_columns_of_resources_are_read(rows, departments):
    found = resources_of(
        rows, departments, 所属主题="identity", 法律依据="某条例第三条", 联系处室="信息科",
        信息项说明="依法登记的", 敏感级别="高度敏感", 数据元="population.word",
        值域标准="某标准", 值域="1=男；2=女",
    )  # fmt: skip
    resource = found.entries[POPULATION]
    assert (resource.theme, resource.legal_basis) == ("identity", "某条例第三条")
    assert resource.contact_office == "信息科"
    item = resource.items[0]
    assert (item.definition, item.sensitivity) == ("依法登记的", pb.SENSITIVITY_HIGHLY_SENSITIVE)
    assert (item.element, item.code_list) == ("population.word", "某标准")
    assert [(v.code, v.display_name) for v in item.code_values] == [("1", "男"), ("2", "女")]


def test_a_column_that_is_not_there_leaves_what_is_held(rows, departments):
    plain = resources_of(rows, departments)
    before = held(plain)
    before[POPULATION].theme = "identity"
    before[POPULATION].quality = "每日校验"
    before[POPULATION].items[0].element = "population.citizen_number"
    before[POPULATION].version = 3
    before[POPULATION].stale = True
    assert directory.compare(plain, before).unchanged == [POPULATION]
    said = directory.compare(resources_of(rows, departments, 所属主题=""), before)
    assert said.fields == {POPULATION: ["所属主题"]}
    put = said.batch[0].put_resource
    assert (put.theme, put.quality) == ("", "每日校验")
    assert put.items[0].element == "population.citizen_number"


def test_what_is_not_shared_names_its_basis_where_the_guide_does(rows, departments):
    withheld = {"共享类型": "不予共享"}
    found = resources_of(rows, departments, **withheld, 共享条件="某条例第三条")
    assert found.entries[POPULATION].legal_basis == "某条例第三条"
    found = resources_of(rows, departments, **withheld, 共享条件="", 法律依据="某办法")
    assert found.entries[POPULATION].legal_basis == "某办法"
    found = resources_of(rows, departments, **withheld, 共享条件="")
    assert [reject.reason for reject in found.rejects] == ["MISSING_FIELD"]


def test_the_ten_elements_are_read(departments):
    found = items_of(
        departments, 事项类型="行政确认", 设定依据="甲条例;乙办法", 行使层级="市级;县级",
        受理条件="材料齐全", 服务对象="自然人；企业法人",
        申请材料="身份证|复印件|1|是|公安机关|licenseTypes/identity;"
        "合同|原件|2|是||departments/housing/resources/contracts#contract_no;照片|电子材料",
        办理时限="20|5|工作日", 收费标准="工本费|10.50|本|某条例",
    )  # fmt: skip
    (item,) = found.entries.values()
    assert (item.item_type, list(item.legal_basis)) == ("confirmation", ["甲条例", "乙办法"])
    assert list(item.levels) == [pb.DEPARTMENT_LEVEL_CITY, pb.DEPARTMENT_LEVEL_COUNTY]
    assert list(item.audience) == [pb.AUDIENCE_NATURAL_PERSON, pb.AUDIENCE_ENTERPRISE]
    assert [m.replaced_by.license_type for m in item.materials] == ["licenseTypes/identity", "", ""]
    assert item.materials[1].replaced_by.item == "contract_no"
    assert not item.materials[2].HasField("replaced_by")
    assert (item.time_limit.statutory_days, item.time_limit.promised_days) == (20, 5)
    assert item.fee_schedule.fees[0].amount == "10.50"
    free = next(iter(items_of(departments, 收费标准="不收费").entries.values()))
    assert free.HasField("fee_schedule")
    assert not free.fee_schedule.fees
    silent = next(iter(items_of(departments, 收费标准="").entries.values()))
    assert not silent.HasField("fee_schedule")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("事项类型", "魔法"),
        ("行使层级", "村级"),
        ("服务对象", "神仙"),
        ("申请材料", "身份证|抄件"),
        ("申请材料", "|原件"),
        ("申请材料", "身份证|原件|一"),
        ("申请材料", "身份证|原件|1|是|局|x|y"),
        ("办理时限", "二十"),
        ("办理时限", "20|5|小时"),
    ],
)
def test_a_broken_element_rejects_its_item(departments, column, value):
    found = items_of(departments, **{column: value})
    assert found.entries == {}
    assert found.rejects[0].reason in ("BAD_VALUE", "MISSING_FIELD")
    assert column in found.rejects[0].detail


POPULATION = "departments/public-security/resources/population"


def signed(entries):
    entries[POPULATION].signed_requests = True
    return entries


def with_column(rows, value):
    return [Row(line=r.line, cells={**r.cells, "只接受签名请求": value}) for r in rows]


@pytest.mark.parametrize("column", [None, ""])
def test_a_file_that_says_nothing_of_signatures_keeps_them_asked_for(rows, departments, column):
    given = rows if column is None else with_column(rows, column)
    found = directory.read_resources(given, file="r.csv", departments=departments)
    assert directory.compare(found, signed(held(found))).batch == []


def test_what_a_file_says_of_signatures_is_done_and_told(rows, departments):
    on = directory.read_resources(with_column(rows, "是"), file="r.csv", departments=departments)
    silent = directory.read_resources(rows, file="r.csv", departments=departments)
    changes = directory.compare(on, held(silent))
    assert changes.fields[POPULATION] == ["只接受签名请求"]
    assert changes.batch[0].put_resource.signed_requests
    off = directory.merge(
        [directory.read_resources(with_column(rows, "否"), file="r.csv", departments=departments)]
    )
    changes = directory.compare(off, signed(held(silent)))
    assert changes.fields[POPULATION] == ["只接受签名请求"]
    assert not changes.batch[0].put_resource.signed_requests


def test_a_word_that_is_neither_yes_nor_no_of_signatures_is_rejected(rows, departments):
    found = directory.read_resources(
        with_column(rows, "也许"), file="r.csv", departments=departments
    )
    assert {reject.reason for reject in found.rejects} == {"BAD_VALUE"}
