"""Catalogs to be exported and read back: one by hand, and any number that Hypothesis thinks of."""

from hypothesis import strategies as st

from exchange.v1 import catalog_pb2 as pb
from flows.forms.snapshot import Snapshot, take
from tests.builders.catalog import credit_code

CIVIL, HOUSING = "departments/civil-affairs", "departments/housing"
RESIDENTS = f"{CIVIL}/resources/residents"


def snapshot() -> Snapshot:
    """Two departments, three resources of different kinds and two service items."""
    departments = [
        pb.Department(
            name=CIVIL, display_name="示范县民政局", credit_code=credit_code(1),
            region_code="990101", level=pb.DEPARTMENT_LEVEL_COUNTY,
        ),
        pb.Department(
            name=HOUSING, display_name="示范县房产管理局", credit_code=credit_code(2),
            region_code="990101", parent=CIVIL,
        ),
    ]  # fmt: skip
    residents = pb.DataResource(
        name=RESIDENTS, code="101001/000001", display_name="常住人口信息",
        abstract="示范县常住人口的基本信息\n按户登记", category=pb.RESOURCE_CATEGORY_BASE,
        base_library="population", format="database",
        sharing_type=pb.SHARING_TYPE_CONDITIONAL, sharing_condition="用于办理政务服务事项",
        sharing_mode="service", update_cycle="daily", publish_date="2026-01-05",
        related_resources=["301001/000002"], key_item="citizen_number", theme="people",
        quality="按月抽查", contact_office="基层政权科",
        items=[
            pb.DataItem(code="citizen_number", display_name="公民身份号码", length=18,
                        type=pb.ITEM_TYPE_CHARACTER, required=True, personal=True,
                        standard="GB 11643", element="population.citizen_number",
                        sensitivity=pb.SENSITIVITY_HIGHLY_SENSITIVE),
            pb.DataItem(code="sex", display_name="性别", type=pb.ITEM_TYPE_CHARACTER, length=1,
                        definition="=SUM(A1:A9)", code_list="GB/T 2261.1",
                        code_values=[pb.CodeValue(code="1", display_name="男"),
                                     pb.CodeValue(code="2", display_name="女")]),
        ],
    )  # fmt: skip
    open_data = pb.DataResource(
        name=f"{CIVIL}/resources/regions", code="301001/000002", display_name="+行政区划",
        category=pb.RESOURCE_CATEGORY_DEPARTMENT, format="spreadsheet", open=True,
        sharing_type=pb.SHARING_TYPE_UNCONDITIONAL, sharing_mode="file", update_cycle="yearly",
        key_item="region",
        items=[pb.DataItem(code="region", display_name="行政区划", required=True,
                           type=pb.ITEM_TYPE_CHARACTER, standard="GB/T 2260"),
               pb.DataItem(code="shape", display_name="界线", type=pb.ITEM_TYPE_GEOMETRY)],
    )  # fmt: skip
    closed = pb.DataResource(
        name=f"{HOUSING}/resources/files", code="301002/1", display_name="档案", format="stream",
        category=pb.RESOURCE_CATEGORY_THEME, theme="archives",
        sharing_type=pb.SHARING_TYPE_NOT_SHARED, legal_basis="示范县档案管理办法第三条",
        sharing_mode="table", update_cycle="real_time", key_item="number",
        items=[pb.DataItem(code="number", display_name="编号", required=True,
                           type=pb.ITEM_TYPE_NUMBER, length=1_000_000)],
    )  # fmt: skip
    card = pb.ServiceItem(
        name=f"{CIVIL}/serviceItems/old-age-card", code="000511001000",
        display_name="老年人优待证办理", handling_type="即办件", remark="资料齐全",
        item_type="public_service", legal_basis=["老年人权益保障法；第五十三条", "a\\b\nc"],
        levels=[pb.DEPARTMENT_LEVEL_COUNTY, pb.DEPARTMENT_LEVEL_CITY], conditions="年满六十周岁",
        audience=[pb.AUDIENCE_NATURAL_PERSON],
        time_limit=pb.TimeLimit(statutory_days=20, promised_days=0),
        fee_schedule=pb.FeeSchedule(fees=[
            pb.Fee(display_name="工本费", amount="10.50", unit="证", legal_basis="@文件"),
        ]),
        materials=[
            pb.Material(display_name="居民身份证", kind=pb.MATERIAL_KIND_ORIGINAL, copies=1,
                        required=True, source="公安机关",
                        replaced_by=pb.Replacement(license_type="licenseTypes/id-card")),
            pb.Material(display_name="户籍证明", kind=pb.MATERIAL_KIND_COPY,
                        replaced_by=pb.Replacement(resource=RESIDENTS, item="sex")),
        ],
    )  # fmt: skip
    bare = pb.ServiceItem(
        name=f"{HOUSING}/serviceItems/a", code="A", display_name="免费事项",
        fee_schedule=pb.FeeSchedule(), time_limit=pb.TimeLimit(calendar_days=True),
    )  # fmt: skip
    return take(departments, [residents, open_data, closed], [card, bare])


def _allowed(character: str) -> bool:
    return character >= " " and character != "\x7f"


#: Whatever the catalog takes in a text: no control characters but tab and line feed.
_CHARACTERS = st.one_of(
    st.sampled_from("=+-@'\"_x0041;；|｜\\n、/#\t\n \u3000\u2028\x85\ufffe\uffff😀𠮷\u202e<&>"),
    st.characters(exclude_categories=["Cs"]).filter(_allowed),
)
TEXT = st.text(_CHARACTERS, max_size=12)
NAME = TEXT.filter(lambda text: bool(text.strip()))
ID = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
WORD = st.from_regex(r"[a-z][a-z0-9]{0,6}(?:_[a-z0-9]{1,4}){0,2}", fullmatch=True)
CODE = st.from_regex(r"[1-9][0-9]{5}[0-9A-Za-z]{0,5}/[0-9]{1,6}", fullmatch=True)
DAY = st.one_of(st.just(""), st.dates().map(lambda day: day.isoformat()))


def _numbers(enum) -> st.SearchStrategy[int]:  # an enum of protobuf
    return st.sampled_from([number for number in enum.values() if number])


@st.composite
def _items(draw) -> list[pb.DataItem]:
    return [
        pb.DataItem(
            code=code,
            display_name=draw(NAME),
            type=draw(_numbers(pb.ItemType)),
            length=draw(st.sampled_from([0, 1, 18, 999_999, 1_000_000])),
            required=draw(st.booleans()),
            personal=draw(st.booleans()),
            standard=draw(st.sampled_from(["", "GB 11643", "GB 32100", "GB/T 2260"])),
            definition=draw(TEXT),
            sensitivity=draw(st.sampled_from(pb.Sensitivity.values())),
            element=draw(st.one_of(st.just(""), st.tuples(WORD, WORD).map(".".join))),
            code_list=draw(TEXT),
            code_values=[
                pb.CodeValue(code=value, display_name=draw(NAME))
                for value in draw(st.lists(NAME, max_size=3, unique=True))
            ],
        )
        for code in draw(st.lists(WORD, min_size=1, max_size=4, unique=True))
    ]


@st.composite
def _resources(draw, name: str) -> pb.DataResource:
    items = draw(_items())
    return pb.DataResource(
        name=name,
        code=draw(CODE),
        display_name=draw(NAME),
        abstract=draw(TEXT),
        category=draw(_numbers(pb.ResourceCategory)),
        base_library=draw(
            st.sampled_from(["", "population", "legal_entity", "spatial", "license"])
        ),
        format=draw(st.sampled_from(["electronic_file", "spreadsheet", "database", "image",
                                     "stream", "self_describing", "service"])),
        sharing_type=draw(_numbers(pb.SharingType)),
        sharing_condition=draw(NAME),
        legal_basis=draw(NAME),
        sharing_mode=draw(st.sampled_from(["table", "file", "service"])),
        open=draw(st.booleans()),
        update_cycle=draw(st.sampled_from(["real_time", "daily", "weekly", "monthly", "quarterly",
                                           "half_yearly", "yearly"])),
        publish_date=draw(DAY),
        related_resources=draw(st.lists(CODE, max_size=3, unique=True)),
        key_item=draw(st.sampled_from([item.code for item in items])),
        theme=draw(st.one_of(st.just(""), WORD)),
        quality=draw(TEXT),
        contact_office=draw(TEXT),
        signed_requests=draw(st.booleans()),
        items=items,
    )  # fmt: skip


@st.composite
def _replacements(draw) -> pb.Replacement | None:
    match draw(st.integers(0, 2)):
        case 0:
            return None
        case 1:
            return pb.Replacement(license_type=f"licenseTypes/{draw(ID)}")
        case _:
            return pb.Replacement(resource=f"{CIVIL}/resources/{draw(ID)}", item=draw(WORD))


@st.composite
def _service_items(draw, name: str) -> pb.ServiceItem:
    materials = st.builds(
        pb.Material, display_name=NAME, kind=_numbers(pb.MaterialKind), source=TEXT,
        copies=st.integers(0, 100), required=st.booleans(), replaced_by=_replacements(),
    )  # fmt: skip
    fees = st.builds(
        pb.Fee, display_name=NAME, amount=st.sampled_from(["0", "10", "10.50"]), unit=TEXT,
        legal_basis=NAME,
    )  # fmt: skip
    limits = st.builds(
        pb.TimeLimit, statutory_days=st.integers(0, 3650), promised_days=st.integers(0, 3650),
        calendar_days=st.booleans(),
    )  # fmt: skip
    return pb.ServiceItem(
        name=name,
        code=draw(st.from_regex(r"[!-~]{1,20}", fullmatch=True)),
        display_name=draw(NAME),
        handling_type=draw(TEXT),
        remark=draw(TEXT),
        item_type=draw(st.sampled_from(["", "licensing", "other_power", "public_service"])),
        legal_basis=draw(st.lists(NAME, max_size=3)),
        levels=draw(st.lists(_numbers(pb.DepartmentLevel), unique=True, max_size=5)),
        conditions=draw(TEXT),
        audience=draw(st.lists(_numbers(pb.Audience), unique=True, max_size=3)),
        materials=draw(st.lists(materials, max_size=3)),
        time_limit=draw(st.one_of(st.none(), limits)),
        fee_schedule=draw(
            st.one_of(st.none(), st.builds(pb.FeeSchedule, fees=st.lists(fees, max_size=3)))
        ),
    )


@st.composite
def snapshots(draw) -> Snapshot:
    """Any catalog of a few entries that a node could hold."""
    departments = [
        pb.Department(
            name=f"departments/{one}",
            display_name=draw(NAME),
            credit_code=credit_code(place + 1),
            region_code=draw(st.from_regex(r"[1-9][0-9]{5}", fullmatch=True)),
            level=draw(st.sampled_from(pb.DepartmentLevel.values())),
        )
        for place, one in enumerate(draw(st.lists(ID, min_size=1, max_size=3, unique=True)))
    ]
    for below in departments[1:]:
        below.parent = draw(st.sampled_from(["", departments[0].name]))
    owner = st.sampled_from([department.name for department in departments])
    names = st.lists(st.tuples(owner, ID), max_size=3, unique=True)
    return take(
        departments,
        [draw(_resources(f"{of}/resources/{one}")) for of, one in draw(names)],
        [draw(_service_items(f"{of}/serviceItems/{one}")) for of, one in draw(names)],
    )
