"""A county whose items, grants and licenses let applicants come once: on a stage's running node."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.v1 import catalog_pb2, grants_pb2
from flows import directory, sync
from licenses.v1 import licenses_pb2
from licenses.v1 import materials_pb2 as pb
from runtime import holders
from runtime.clock import SYSTEM
from runtime.identity import APPLICANTS, Credentials, Role
from tests.builders import county
from tongban import handling_files
from tongban.client import Client, new_request_id
from tongban.commands.identity import ensure_authority
from tongban.demonstration import sharing, stage
from tongban.demonstration.stage import Stage
from tongban.people import COMPANY_ITEMS, PERSON_ITEMS, Person, companies, people

BUREAU = "departments/human-resources"
ITEM = f"{BUREAU}/serviceItems/cg2017-27"
BENEFIT = f"{BUREAU}/serviceItems/cg2017-22"
POPULATION = sharing.POPULATION
HANDLINGS = stage.data_file("handlings.toml")
ITEMS_READ = ("name", "birth_date", "residence_address")


@pytest.fixture(scope="module")
def county_of_materials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """`county_on` for a test file: say `scene = materials.county_of_materials` in it."""
    with county_on(tmp_path_factory.mktemp("materials") / "data") as scene:
        yield scene


@contextmanager
def county_on(folder: Path) -> Iterator[Stage]:
    """The county with the 30 items' materials, their handlings, records and the bureau's grant."""
    with county.county(folder) as scene:
        put_materials(scene)
        publish(scene)
        grant(scene, "employment")
        county.seal(scene)
        yield scene


def put_materials(scene: Stage) -> None:
    """The materials into the catalog, then how the items are handled."""
    stub = scene["centre"].catalog
    file = stage.data_file("service-items-materials.csv")
    wanted = directory.merge(sync.read([file], sync.departments(stub)))
    assert not wanted.rejects
    changes = directory.compare(wanted, sync.held(stub, wanted))
    stub.ApplyDirectory(
        catalog_pb2.ApplyDirectoryRequest(
            changes=changes.batch, source="test", request_id=changes.request_id
        ),
        timeout=60,
    )
    for one in handling_files.read_handlings(HANDLINGS):
        scene["centre"].materials.PutHandling(
            pb.PutHandlingRequest(handling=one, request_id=new_request_id()), timeout=30
        )


def publish(scene: Stage, count: int = 50) -> None:
    """Records of the two base libraries."""
    for key, resource, items, rows in (
        ("police", POPULATION, PERSON_ITEMS, [one.row() for one in people(count)]),
        ("market", sharing.LEGAL_ENTITIES, COMPANY_ITEMS, [one.row() for one in companies(count)]),
    ):
        scene[key].publish(resource, items, rows, request_id=f"materials-{key}")


def grant(
    scene: Stage,
    key: str,
    *,
    resource: str = POPULATION,
    items: tuple[str, ...] = ITEMS_READ,
    by: str = "police",
    only_verify: bool = False,
) -> str:
    """A grant of a stage's system's department; its name."""
    client = scene[key]
    parent = "departments/" + stage.system(key).department
    asked = sharing.ask(client, resource, list(items), "办理政务服务事项", parent)
    given = [grants_pb2.GrantedItem(item=item) for item in items]
    made = sharing.approve(scene[by], asked.name, given, timedelta(days=1))
    if only_verify:
        verify = [grants_pb2.OPERATION_VERIFY]
        narrow = grants_pb2.NarrowGrantRequest(
            name=made.name, operations=verify, reason="只需核验", request_id=new_request_id()
        )
        scene[by].grants.NarrowGrant(narrow, timeout=30)
    return made.name


def department(scene: Stage, name: str, *roles: Role) -> Client:
    """A client of a department that is not on the stage."""
    folder = Path(scene.data) / "systems" / f"{name}-materials"
    authority = ensure_authority(scene.settings)
    authority.issue(
        system=f"departments/{name}/systems/materials",
        roles=list(roles or (Role.DEPARTMENT,)),
        now=SYSTEM.now(),
    ).write(folder)
    return Client(scene.address, folder)


def applicant(scene: Stage, who: Person) -> Client:
    """A client of a person who signed in as the holder of their number."""
    key = ec.generate_private_key(ec.SECP256R1())
    system = f"{APPLICANTS}/systems/person-{secrets.token_hex(8)}"
    authority = ensure_authority(scene.settings)
    certificate = authority.certify_session(
        system=system,
        roles=[Role.APPLICANT],
        holder=holders.mark(who.citizen_number),
        key=key.public_key(),
        now=SYSTEM.now(),
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    folder = Path(scene.data) / "systems" / system.rpartition("/")[2]
    Credentials(authority=authority.pem, certificate=certificate, key=pem).write(folder)
    return Client(scene.address, folder)


def grant_everyone(scene: Stage) -> None:
    """Grants of every department of the 30 items over the two base libraries."""
    for row in stage.county_departments():
        name = row["部门标识"]
        if name in ("service-centre", "audit", "human-resources"):
            continue
        with department(scene, name) as client:
            for resource, by in ((POPULATION, "police"), (sharing.LEGAL_ENTITIES, "market")):
                asked = sharing.ask(
                    client, resource, _items_of(resource), "办理政务服务事项", f"departments/{name}"
                )
                if asked.state == grants_pb2.ACCESS_REQUEST_STATE_PENDING:
                    given = [grants_pb2.GrantedItem(item=item) for item in asked.items]
                    sharing.approve(scene[by], asked.name, given, timedelta(days=1))


def _items_of(resource: str) -> list[str]:
    return list(ITEMS_READ) if resource == POPULATION else ["name", "legal_representative"]


def person(number: int) -> Person:
    """One of the people that are published."""
    return list(people(50))[number]


def adult() -> Person:
    """One who is between 16 and 59 now."""
    year = SYSTEM.now().year
    return next(one for one in people(50) if 17 <= year - int(one.birth_date[:4]) <= 58)


def registered(scene: Stage, who: Person) -> licenses_pb2.License:
    """An employment registration of a person."""
    return (
        scene["employment"]
        .licenses.IssueLicense(
            licenses_pb2.IssueLicenseRequest(
                parent=BUREAU,
                license_type="licenseTypes/employment-registration",
                holder_name=who.name,
                holder_code=who.citizen_number,
                fields={"KZ_DJLX": "失业登记"},
                request_id=new_request_id(),
            ),
            timeout=60,
        )
        .license
    )


def enter(client: Client, name: str, who: Person, /, **entries: str) -> pb.Collection:
    """Put what an applicant enters, as themself or at a counter."""
    request = pb.PutEntriesRequest(
        collection=name,
        holder_code=who.citizen_number,
        entries=entries,
        request_id=new_request_id(),
    )
    return client.materials.PutEntries(request, timeout=30).collection


def begin(scene: Stage, item: str, who: Person, *agreed: str) -> pb.Collection:
    """A collection, with the consent to some materials; to all without any."""
    terminal = scene["terminal"].materials
    planned = terminal.PlanMaterials(
        pb.PlanMaterialsRequest(service_item=item, holder_code=who.citizen_number), timeout=30
    ).materials
    fetched = [
        one.display_name
        for one in planned
        if one.source not in (pb.MATERIAL_SOURCE_MUST_BE_ASKED, pb.MATERIAL_SOURCE_FILLED_ONCE)
    ]
    request = pb.BeginCollectionRequest(
        service_item=item,
        holder_code=who.citizen_number,
        materials=agreed or fetched,
        consent="窗口核验身份证，当面同意",
        request_id=new_request_id(),
    )
    return terminal.BeginCollection(request, timeout=30).collection
