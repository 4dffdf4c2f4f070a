"""With a real node: the kind of seal a type wants, pictures nobody names, clocks that jump."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from licenses.enclosures.service import Enclosures
from licenses.finishing import Finishing
from licenses.issuing import Request
from licenses.model import License, LicenseFormat, LicenseState
from licenses.neighbours import NodeNeighbours
from licenses.v1 import licenses_pb2 as pb
from licenses.wire import order_of
from runtime.errors import DomainError, Unavailable
from runtime.identity import Role
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    OFFICE,
    LicenseNode,
    allow,
    change,
    fresh,
    issue,
    issue_request,
    refused,
    running,
    succeed,
)
from tests.builders.licenses import BUREAU, ISSUER, TYPE_NAME, citizen_number

pytestmark = pytest.mark.asyncio(loop_scope="module")

KIND = "证照专用章"
MAIN = f"{BUREAU}/seals/main"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path_factory.mktemp("keeping")) as found:
        await allow(found, CARD["license_type"], BUREAU)
        yield found


async def put_type(node: LicenseNode, text: str, template: str, etag: str) -> str:
    """The etag of the version that was put."""
    request = pb.PutLicenseTypeRequest(
        toml=text, template_toml=template, etag=etag, request_id=fresh()
    )
    client = node.client(OFFICE, Role.DEPARTMENT).licenses
    return str((await client.PutLicenseType(request)).license_type.etag)


async def make_seal(node: LicenseNode, seal_id: str, **wish: Any) -> str:
    one = node.client(OFFICE, Role.ADMINISTRATOR, system="admin").seals
    two = node.client(OFFICE, Role.ADMINISTRATOR, system="second-admin").seals
    made = await one.CreateSeal(
        seal_pb2.CreateSealRequest(
            **{
                "parent": BUREAU,
                "seal_id": seal_id,
                "display_name": ISSUER.display_name,
                "credit_code": ISSUER.credit_code,
                "request_id": fresh(),
                **wish,
            }
        )
    )
    await two.ApproveSeal(seal_pb2.ApproveSealRequest(name=made.seal.name, request_id=fresh()))
    return str(made.seal.name)


async def seal_used(node: LicenseNode, seal: str) -> int:
    listed = await node.issuer.seals.ListSealings(seal_pb2.ListSealingsRequest(parent=seal))
    return len(listed.sealings)


async def test_a_license_is_sealed_by_the_kind_of_seal_its_type_names(node: LicenseNode) -> None:
    held = (
        await node.issuer.licenses.GetLicenseType(pb.GetLicenseTypeRequest(name=TYPE_NAME))
    ).license_type
    etag = await put_type(node, f'seal = "{KIND}"\n{held.toml}', held.template_toml, held.etag)
    for changes in ({}, {"seal": MAIN}):
        error = await refused(node.issuer.licenses.IssueLicense(issue_request(**changes)))
        assert error.reason == "SEAL_OF_OTHER_KIND"
        assert KIND in str(error)
        assert KIND in error.message_zh
    # Of two in force, the one of that kind is taken; another may not be named.
    special = await make_seal(node, "special", bottom_line=KIND)
    await issue(node)
    assert (await seal_used(node, MAIN), await seal_used(node, special)) == (0, 3)
    error = await refused(node.issuer.licenses.IssueLicense(issue_request(seal=MAIN)))
    assert error.reason == "SEAL_OF_OTHER_KIND"
    # A seal may say it in its name instead, as those with an image of their own do.
    named = await make_seal(node, "named", display_name=ISSUER.display_name + KIND)
    await issue(node, seal=named)
    error = await refused(node.issuer.licenses.IssueLicense(issue_request()))
    assert error.reason == "SEAL_NOT_USABLE"
    await put_type(node, held.toml, held.template_toml, etag)
    await issue(node, seal=MAIN)


CARD: dict[str, Any] = {
    "license_type": "licenseTypes/temporary-identity-card",
    "seal": MAIN,
    "fields": {
        "KZ_XB": "1", "KZ_MZ": "汉", "KZ_CSRQ": "1990-03-07", "KZ_ZZ": "示范县示例路1号",
    },
}  # fmt: skip


def a_photo(red: int) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", (120, 160), (red, 220, 240))
    image.paste((40, 50, 60), (40, 60, 80, 160))
    image.save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def own_time(node: LicenseNode) -> Iterator[LicenseNode]:
    """The node, whose clock is put back afterwards."""
    before = node.clock.now()
    yield node
    node.clock.set(before)


async def test_a_picture_that_no_license_came_to_name_is_swept(own_time: LicenseNode) -> None:
    node = own_time

    def kept() -> int:
        return len(list(node.objects.list("license-enclosures/")))

    async def sweep() -> int:
        await asyncio.to_thread(node.licenses.reconcile)
        return kept()

    license_ = await issue(node, **CARD, pictures={"KZ_ZP": a_photo(1)}, serial="77")
    assert kept() == 1
    # Refused after they were put: one photo of its own, one that a license names.
    for red in (1, 2):
        request = issue_request(
            **CARD,
            holder_code=citizen_number(11),
            pictures={"KZ_ZP": a_photo(red)},
            serial="77",
        )
        error = await refused(node.issuer.licenses.IssueLicense(request))
        assert error.reason == "SERIAL_TAKEN"
    assert await sweep() == 2  # it might be under way still
    node.clock.set(node.clock.now() + timedelta(hours=1, seconds=1))
    assert await sweep() == 1
    for form in pb.LICENSE_FORMAT_OFD, pb.LICENSE_FORMAT_PDF:
        read = pb.GetLicenseDocumentRequest(name=license_.name, format=form, reason="归档")
        assert (await node.issuer.licenses.GetLicenseDocument(read)).document
    # What was swept is put again by the next who has it, also where that was under way.
    await issue(node, **CARD, holder_code=citizen_number(13), pictures={"KZ_ZP": a_photo(2)})
    assert await sweep() == 2


async def test_a_picture_swept_while_its_license_is_reserved_is_put_again(
    own_time: LicenseNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock jumps by a day between putting and reserving, and a sweep comes right then."""
    node, keep, swept = own_time, Enclosures.keep, list[int]()

    def kept_and_swept(self: Enclosures, found: Any) -> None:
        keep(self, found)
        if found and not swept:
            node.clock.set(node.clock.now() + timedelta(days=1))
            swept.append(self.sweep())

    monkeypatch.setattr(Enclosures, "keep", kept_and_swept)
    license_ = await issue(
        node, **CARD, holder_code=citizen_number(15), pictures={"KZ_ZP": a_photo(3)}
    )
    assert swept == [1]
    assert license_.state == pb.LICENSE_STATE_ACTIVE
    node.clock.set(node.clock.now() + timedelta(days=1))
    await asyncio.to_thread(node.licenses.reconcile)
    corrected = pb.CorrectLicenseRequest(
        name=license_.name, reason="x", fields={"KZ_MZ": "回"}, seal=MAIN, request_id=fresh()
    )
    assert (await node.issuer.licenses.CorrectLicense(corrected)).license.version == 2


class Jumping:
    """Neighbours at whose first sealing the clock jumps."""

    def __init__(self, node: LicenseNode, jump: timedelta) -> None:
        self._node, self._jump = node, jump
        self._real = NodeNeighbours(node.to_itself, node.clock)  # type: ignore[arg-type]

    def seal_document(self, *what: Any, **how: Any) -> bytes:
        self._node.clock.set(self._node.clock.now() + self._jump)
        self._jump = timedelta()
        return self._real.seal_document(*what, **how)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize(
    ("jump", "first"),
    [
        (timedelta(seconds=-5), ""),
        (timedelta(days=40), ""),
        # Behind the license, or out of the seal's time: nothing is given out, and it is finished
        # when the clock is right.
        (timedelta(minutes=-59), "SEALED_DOCUMENT_NOT_GOOD"),
        (timedelta(days=-1), "SEAL_NOT_IN_FORCE"),
        (timedelta(days=3650), "SEAL_NOT_IN_FORCE"),
    ],
    ids=lambda value: str(value).replace(" ", ""),
)
async def test_a_clock_that_jumps_while_a_license_is_sealed(
    own_time: LicenseNode, jump: timedelta, first: str
) -> None:
    node, started = own_time, own_time.clock.now() + timedelta(hours=1)
    node.clock.set(started)
    server = node.another_server(Jumping(node, jump))
    order = order_of(issue_request(seal=MAIN), server.types.newest(TYPE_NAME))
    request = Request(actor=f"{BUREAU}/systems/main", id=fresh(), digest=b"d" * 32)

    def ask() -> License:
        return server.issuing.issue(order, department=BUREAU, seal=MAIN, request=request)

    if first:
        for reason in (first, "CLOCK_BEHIND" if jump < timedelta() else first):
            with pytest.raises(DomainError) as caught:
                await asyncio.to_thread(ask)
            assert caught.value.reason == reason
        begun = server.issuing.begun(request)
        assert begun is not None
        assert begun.state is LicenseState.ISSUING
        node.clock.set(started - timedelta(minutes=1))
        assert (await asyncio.to_thread(node.licenses.reconcile)).finished == 1
        license_ = await asyncio.to_thread(ask)
        assert license_.identifier == begun.identifier
    else:
        license_ = await asyncio.to_thread(ask)
    await server.stop()
    assert license_.state is LicenseState.ACTIVE
    assert license_.activated_at is not None
    assert license_.activated_at > license_.issue_time == started
    for form in LicenseFormat:
        data = await asyncio.to_thread(node.licenses.documents.read, license_, form)
        await asyncio.to_thread(node.licenses.documents.check_output, data, form, license_)


async def test_a_clock_that_was_set_back_takes_nothing_back(own_time: LicenseNode) -> None:
    node, started = own_time, own_time.clock.now() + timedelta(days=1)
    node.clock.set(started)
    license_ = await issue(node, seal=MAIN)
    times, states = [license_.state_time.ToDatetime()], [license_.license_identifier]
    for hours, verb in ((-3, "Suspend"), (5, "Resume"), (-9, "Suspend"), (1, "Resume")):
        node.clock.set(node.clock.now() + timedelta(hours=hours))
        times.append((await change(node, verb, license_.name)).state_time.ToDatetime())
    # No license says that it was issued before the one whose place it takes.
    fields = {"KZ_BZ": "更正"}
    correct = pb.CorrectLicenseRequest(
        name=license_.name, reason="录入有误", fields=fields, seal=MAIN, request_id=fresh()
    )
    error = await refused(node.issuer.licenses.CorrectLicense(correct))
    assert error.reason == "CLOCK_BEHIND"
    node.clock.set(started - timedelta(minutes=4))
    second = await succeed(node, "Correct", license_.name, fields=fields, seal=MAIN)
    times.append(second.state_time.ToDatetime())
    assert times == sorted(set(times))
    assert second.issue_time.ToDatetime() >= license_.issue_time.ToDatetime()
    states.append(second.license_identifier)
    old = await node.issuer.licenses.GetLicense(pb.GetLicenseRequest(name=license_.name))
    assert old.license.state == pb.LICENSE_STATE_SUPERSEDED
    # What consumers of the library saw is each change once, in the order in which it was made.
    await asyncio.to_thread(node.licenses.reconcile)
    seen = [row for row in node.library() if row["license_identifier"] in states]
    assert [row["state"] for row in seen] == [
        "ACTIVE", "SUSPENDED", "ACTIVE", "SUSPENDED", "ACTIVE", *seen_last(seen)
    ]  # fmt: skip
    assert sorted(seen_last(seen)) == ["ACTIVE", "SUPERSEDED"]


def seen_last(seen: list[dict[str, str]]) -> list[str]:
    """The states of the last two changes, which came into being in one transaction."""
    return [row["state"] for row in seen[-2:]]


async def test_serial_numbers_of_a_year_go_on_after_a_clock_was_wrong(
    own_time: LicenseNode,
) -> None:
    node, numbers = own_time, list[str]()
    today = node.clock.now()
    for days in (0, 365, 0, 365, 1):
        node.clock.set(today + timedelta(days=days))
        numbers.append((await issue(node, seal=MAIN)).metadata["ZZBH"])
    assert [one[:4] for one in numbers] == ["2026", "2027", "2026", "2027", "2026"]
    assert len(set(numbers)) == 5
    assert sorted(numbers[::2]) == numbers[::2]


async def test_what_was_begun_with_a_seal_that_is_revoked_then_is_abandoned(
    node: LicenseNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = await make_seal(node, "lost")
    request = issue_request(seal=lost)
    away = Unavailable("the store is away; nothing was changed", reason="STORAGE_UNWRITABLE")

    def fail(*_: object) -> None:
        raise away

    with monkeypatch.context() as patched:
        patched.setattr(Finishing, "_sealed", fail)
        error = await refused(node.issuer.licenses.IssueLicense(request))
    assert (error.reason, error.metadata["begun"]) == ("STORAGE_UNWRITABLE", "true")
    one = node.client(OFFICE, Role.ADMINISTRATOR, system="admin").seals
    await one.RevokeSeal(seal_pb2.RevokeSealRequest(name=lost, reason="遗失", request_id=fresh()))
    error = await refused(node.issuer.licenses.IssueLicense(request))
    assert (error.reason, error.metadata["why"]) == ("SEAL_NOT_IN_FORCE", "revoked")
    assert "begun" not in error.metadata
    asked = pb.ListLicensesRequest(parent=BUREAU, order_by="issue_time desc", page_size=1000)
    listed = (await node.issuer.licenses.ListLicenses(asked)).licenses
    (left,) = [each for each in listed if each.state == pb.LICENSE_STATE_ABANDONED]
    assert left.state_reason == "refused for good: SEAL_NOT_IN_FORCE (revoked)"
    times = [each.issue_time.ToDatetime() for each in listed]
    assert times == sorted(times, reverse=True)
    error = await refused(node.issuer.licenses.IssueLicense(request))
    assert error.reason == "SEAL_NOT_USABLE"  # as a request that was never made
    first = pb.ListLicensesRequest(parent=BUREAU, order_by="issue_time", page_size=1)
    token = (await node.issuer.licenses.ListLicenses(first)).next_page_token
    for wrong in (
        {"order_by": "holder"},
        {"order_by": "issue_time", "holder_name": "赵"},
        {"order_by": "name", "page_token": token},
    ):
        bad = pb.ListLicensesRequest(parent=BUREAU, **wrong)
        assert (await refused(node.issuer.licenses.ListLicenses(bad))).reason in (
            "BAD_ORDER", "BAD_ARGUMENT", "BAD_PAGE_TOKEN"
        )  # fmt: skip
