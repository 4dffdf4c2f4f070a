"""A node of the fictional county, set up over the wire as its users would.

People are published, a grant without a quota is given, a seal can be made to issue licenses with.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from exchange.v1 import catalog_pb2, delivery_pb2, grants_pb2
from licenses.v1 import licenses_pb2
from runtime import config
from runtime.authority import Authority
from runtime.clock import SYSTEM
from runtime.identity import Role
from seal.v1 import seal_pb2
from tests.benchmarks import processes
from tests.benchmarks.measure import say
from tongban.client import Client
from tongban.people import PERSON_ITEMS, Person, credit_code, people

POLICE = "departments/public-security"
EMPLOYMENT = "departments/human-resources"
CENTRE = "departments/service-centre"
POPULATION = f"{POLICE}/resources/population"
LICENSE_TYPE = "licenseTypes/employment-registration"
SYSTEMS = {
    "police": (f"{POLICE}/systems/household", Role.DEPARTMENT),
    "employment": (f"{EMPLOYMENT}/systems/counter", Role.DEPARTMENT),
    "centre": (f"{CENTRE}/systems/administration", Role.ADMINISTRATOR),
    "seals": (f"{CENTRE}/systems/seal-registry", Role.ADMINISTRATOR),
}
PUBLISHED = 10_000
DEPARTMENTS = {
    POLICE: "示范县公安局",
    EMPLOYMENT: "示范县人力资源和社会保障局",
    CENTRE: "示范县行政服务中心",
}
ITEMS = {
    "citizen_number": ("公民身份号码", 18, "GB 11643"),
    "name": ("姓名", 50, ""),
    "sex": ("性别", 1, ""),
    "birth_date": ("出生日期", 0, ""),
    "residence_address": ("户籍地址", 200, ""),
    "phone": ("联系电话", 20, ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class County:
    """A running node with its users."""

    node: processes.NodeProcess
    people: Sequence[Person]
    grant: str

    def identity(self, who: str) -> Path:
        """The identity folder of one of `SYSTEMS`."""
        return self.node.data.parent / "identities" / who

    def client(self, who: str) -> Client:
        """A client that is one of `SYSTEMS`."""
        return Client(self.node.address, self.identity(who))


@contextmanager
def county_on(
    serve: Callable[[Path], AbstractContextManager[processes.NodeProcess]],
    folder: Path,
    *,
    published: int = PUBLISHED,
) -> Iterator[County]:
    """A county on a node that `serve` starts, with so many people published."""
    say("setting up a node")
    with serve(folder / "node") as node:
        settings = config.load(data=node.data)
        authority = Authority.open(node.data / "identity", passphrase=settings.passphrase())
        for who, (system, role) in SYSTEMS.items():
            issued = authority.issue(system=system, roles=[role], now=SYSTEM.now())
            issued.write(folder / "identities" / who)
        registered = list(people(published))
        bare = County(node=node, people=registered, grant="")
        with bare.client("centre") as centre, bare.client("police") as police:
            _departments(centre)
            _catalog(centre)
            police.publish(POPULATION, PERSON_ITEMS, (p.row() for p in registered))
            with bare.client("employment") as employment:
                grant = _grant(employment, police)
        yield County(node=node, people=registered, grant=grant)


def _departments(centre: Client) -> None:
    for number, (name, display_name) in enumerate(DEPARTMENTS.items(), 1):
        centre.catalog.CreateDepartment(
            catalog_pb2.CreateDepartmentRequest(
                department_id=name.partition("/")[2],
                department=catalog_pb2.Department(
                    display_name=display_name,
                    credit_code=credit_code(number, kind="11"),
                    region_code="990101",
                ),
                request_id=fresh(),
            ),
            timeout=30,
        )


def _catalog(centre: Client) -> None:
    resource = catalog_pb2.DataResource(
        name=POPULATION,
        code="101001001/000001",
        display_name="人口基础信息",
        abstract="户籍人口的身份、住址和联系方式",
        category=catalog_pb2.RESOURCE_CATEGORY_BASE,
        base_library="population",
        format="database",
        sharing_type=catalog_pb2.SHARING_TYPE_CONDITIONAL,
        sharing_condition="用于办理政务服务事项",
        sharing_mode="service",
        update_cycle="daily",
        publish_date="2026-01-05",
        items=[
            catalog_pb2.DataItem(
                code=code,
                display_name=display_name,
                type=catalog_pb2.ITEM_TYPE_CHARACTER if length else catalog_pb2.ITEM_TYPE_DATE,
                length=length,
                required=code != "phone",
                personal=True,
                standard=standard,
            )
            for code, (display_name, length, standard) in ITEMS.items()
        ],
        key_item="citizen_number",
    )
    centre.catalog.ApplyDirectory(
        catalog_pb2.ApplyDirectoryRequest(
            changes=[catalog_pb2.DirectoryChange(put_resource=resource)],
            source="benchmark",
            request_id=fresh(),
        ),
        timeout=30,
    )


def _grant(employment: Client, police: Client) -> str:
    """Three items, one of them masked; no quota, so that the load may go on."""
    asked = employment.grants.CreateAccessRequest(
        grants_pb2.CreateAccessRequestRequest(
            parent=EMPLOYMENT,
            access_request=grants_pb2.AccessRequest(
                resource=POPULATION,
                items=["name", "birth_date", "residence_address"],
                operations=[grants_pb2.OPERATION_QUERY, grants_pb2.OPERATION_VERIFY],
                purpose="办理就业创业登记时核实申请人身份",
                legal_basis="《就业服务与就业管理规定》",
            ),
            request_id=fresh(),
        ),
        timeout=30,
    ).access_request
    approval = grants_pb2.ApproveAccessRequestRequest(
        name=asked.name,
        items=[
            grants_pb2.GrantedItem(item="name"),
            grants_pb2.GrantedItem(item="birth_date"),
            grants_pb2.GrantedItem(item="residence_address", mask=grants_pb2.MASK_FIRST_SIX),
        ],
        request_id=fresh(),
    )
    approval.end_time.FromDatetime(SYSTEM.now() + timedelta(days=90))
    return police.grants.ApproveAccessRequest(approval, timeout=30).grant.name


def make_seal(centre: Client, second: Client) -> None:
    """A seal for the employment department; it takes two administrators."""
    number = list(DEPARTMENTS).index(EMPLOYMENT) + 1
    asked = centre.seals.CreateSeal(
        seal_pb2.CreateSealRequest(
            parent=EMPLOYMENT,
            seal_id="main",
            display_name=DEPARTMENTS[EMPLOYMENT],
            credit_code=credit_code(number, kind="11"),
            request_id=fresh(),
        ),
        timeout=60,
    ).seal
    second.seals.ApproveSeal(
        seal_pb2.ApproveSealRequest(name=asked.name, request_id=fresh()), timeout=60
    )


def license_order(person: Person) -> licenses_pb2.IssueLicenseRequest:
    """An order for one employment registration certificate."""
    return licenses_pb2.IssueLicenseRequest(
        parent=EMPLOYMENT,
        license_type=LICENSE_TYPE,
        holder_name=person.name,
        holder_code=person.citizen_number,
        fields={"KZ_DJLX": "失业登记", "KZ_XLXX": "大学专科"},
        request_id=fresh(),
    )


def batch_messages(rows: Sequence[Sequence[str]], *, per_message: int = 2000) -> list[bytes]:
    """A batch as it goes over the wire, under a fresh request id."""
    header = delivery_pb2.PublishHeader(resource=POPULATION, items=PERSON_ITEMS, request_id=fresh())
    parts = (rows[start : start + per_message] for start in range(0, len(rows), per_message))
    return [
        delivery_pb2.PublishRequest(header=header).SerializeToString(),
        *(
            delivery_pb2.PublishRequest(
                rows=[delivery_pb2.PublishRow(values=row) for row in part]
            ).SerializeToString()
            for part in parts
        ),
        delivery_pb2.PublishRequest(last=True).SerializeToString(),
    ]


def fresh() -> str:
    """A request id."""
    return str(uuid.uuid4())
