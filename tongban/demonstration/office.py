"""What administrators find at their pages: materials, promises, a map, a request to decide on.

Beside the people of `persons` there are administrators by twos: one acts, another confirms.
"""

from __future__ import annotations

from exchange.v1 import catalog_pb2, lists_pb2
from flows import directory, sync
from licenses.v1 import materials_pb2, offline_pb2
from runtime.clock import SYSTEM, china_date
from runtime.identity import Role
from tongban.demonstration import sharing
from tongban.demonstration.persons import Enrolled, enrol_one
from tongban.demonstration.places import publish_towns
from tongban.demonstration.stage import Stage, data_file
from tongban.handling_files import read_handlings

POLICE = "departments/public-security"
RECEIVER = "departments/human-resources"
BASIS = "示范县政务数据共享责任清单（示例）"


def furnish(stage: Stage) -> None:
    """Put all but the materials, which the story has put already."""
    promise(stage)
    publish_towns(stage)
    # Where a node stays, a timer does it each day; offline pages tell states by these lists.
    stage["centre"].statuses.PublishStatusLists(offline_pb2.PublishStatusListsRequest(), timeout=30)
    sharing.ask(stage["employment"], sharing.POPULATION, ["name", "phone"], "失业登记时联系申请人")


def put_materials(stage: Stage) -> None:
    """The materials of the 30 service items into the catalog, then how the items are handled."""
    centre = stage["centre"]
    found = sync.read([data_file("service-items-materials.csv")], sync.departments(centre.catalog))
    wanted = directory.merge(found)
    changes = directory.compare(wanted, sync.held(centre.catalog, wanted))
    asked = catalog_pb2.ApplyDirectoryRequest(
        changes=changes.batch, source="demonstration", request_id=changes.request_id
    )
    centre.catalog.ApplyDirectory(asked, timeout=60)
    for number, one in enumerate(read_handlings(data_file("handlings.toml"))):
        put = materials_pb2.PutHandlingRequest(handling=one, request_id=f"demo-handling-{number}")
        centre.materials.PutHandling(put, timeout=30)


def promise(stage: Stage) -> None:
    """Rows of the responsibility list: of what is published, and of what is not."""
    for name, title in (("population", "人口基础信息"), ("vehicles", "机动车登记信息")):
        row = lists_pb2.Responsibility(
            name=f"{POLICE}/responsibilities/{name}",
            resource=f"{POLICE}/resources/{name}",
            display_name=title,
            update_cycle="monthly",
            receivers=[RECEIVER],
            legal_basis=BASIS,
            from_day=china_date(SYSTEM.now()),
        )
        asked = lists_pb2.PutResponsibilityRequest(
            responsibility=row, request_id=f"demo-promise-{name}"
        )
        stage["centre"].lists.PutResponsibility(asked, timeout=30)


def enrol_administrators(stage: Stage) -> dict[str, Enrolled]:
    """Two administrators of each department that gives data, and another of the service centre.

    With the one whom `persons` enrols they are two wherever something takes two.
    """
    return {
        key: enrol_one(stage, key, name, login, f"departments/{of}", (Role.ADMINISTRATOR,))
        for key, name, login, of in (
            ("source", "冯授权", "feng.shouquan", "public-security"),
            ("second", "陈复核", "chen.fuhe", "public-security"),
            ("market", "褚工商", "chu.gongshang", "market-regulation"),
            ("market-second", "卫核准", "wei.hezhun", "market-regulation"),
            ("centre-second", "蒋协办", "jiang.xieban", "service-centre"),
        )
    }
