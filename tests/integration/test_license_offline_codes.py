"""Offline codes and status lists of a running node: made over mTLS, verified from what is kept."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from typing import Any

import pytest
import pytest_asyncio
import segno
import zxingcpp
from PIL import Image, ImageFilter

from licenses.offline.coding import assess_code
from licenses.offline.model import Asked, Cached, OfflineOutcome
from licenses.presenting_keys import check_issued_by, trusted_keys
from licenses.statuslist.reading import read_list
from licenses.tokens import decode
from licenses.v1 import delegations_pb2 as delegations
from licenses.v1 import offline_pb2 as pb
from licenses.v1 import presentations_pb2 as presentations
from runtime.identity import Role
from tests.builders.license_node import (
    BANK,
    HOLDER,
    OFFICE,
    LicenseNode,
    change,
    document,
    fresh,
    issue,
    refused,
    running,
)
from tests.builders.licenses import citizen_number

pytestmark = pytest.mark.asyncio(loop_scope="module")
PURPOSE = "办理公积金提取"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path_factory.mktemp("offline")) as found:
        yield found


async def shown(node: LicenseNode, name: str, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "license": name,
        "holder_code": HOLDER,
        "fields": ["CZZT", "KZ_DJLX"],
        "purpose": PURPOSE,
        "audience": BANK,
        "request_id": fresh(),
    }
    request = pb.PresentOfflineRequest(**{**values, **changes})
    return await node.counter.offline.PresentOffline(request)


async def publish(node: LicenseNode) -> Any:
    administrator = node.client(OFFICE, Role.ADMINISTRATOR, system="admin")
    request = pb.PublishStatusListsRequest()
    return (await administrator.statuses.PublishStatusLists(request)).lists


async def kept(node: LicenseNode, form: str = "CWT") -> tuple[Any, Cached]:
    """What a verifier fetches before it goes offline."""
    client = node.verifier
    trust = await client.offline.GetPresentingTrust(pb.GetPresentingTrustRequest())
    check_issued_by(trust.certificates, node.authority.pem)
    trusted = trusted_keys(trust.certificates)
    asked = pb.GetStatusListRequest(
        name="statusLists/0", format=pb.StatusListFormat.Value(f"STATUS_LIST_FORMAT_{form}")
    )
    found = read_list((await client.statuses.GetStatusList(asked)).token, trusted)
    made_at = trust.make_time.ToDatetime(UTC)
    return trusted, Cached(trust_made_at=made_at, lists={found.uri: found})


def offline(node: LicenseNode, text: str, held: tuple[Any, Cached], **asked: Any) -> OfflineOutcome:
    values = {"verifier": BANK, "purpose": PURPOSE, "now": node.clock.now(), **asked}
    return assess_code(text, *held, Asked(**values))


async def test_a_code_is_verified_offline_until_a_newer_list_ends_it(node: LicenseNode) -> None:
    name = (await issue(node)).name
    code = await shown(node, name)
    (listed,) = await publish(node)
    assert (listed.name, listed.uri) == ("statusLists/0", "urn:tongban:status:data-office/0")
    for form in ("JWT", "CWT"):
        held = await kept(node, form)
        found = offline(node, code.text, held, holder_code=HOLDER)
        assert found.indication == "PASSED"
        assert found.code
        assert found.code.fields == {"CZZT": "赵示例", "KZ_DJLX": "就业登记"}
        assert found.code.issuer == OFFICE
    # What is shown, and not what is not; the holder's number nowhere.
    assert HOLDER not in str(found.code)
    await change(node, "Suspend", name)
    assert offline(node, code.text, held).indication == "PASSED"  # the old list, and told so
    await publish(node)
    assert offline(node, code.text, await kept(node)).reason == "LICENSE_SUSPENDED"
    await change(node, "Resume", name)
    await publish(node)
    assert offline(node, code.text, await kept(node)).reason is None
    await change(node, "Revoke", name)
    (listed,) = await publish(node)
    assert listed.ended >= 1
    held = await kept(node)
    assert offline(node, code.text, held).reason == "LICENSE_NOT_IN_FORCE"
    assert offline(node, code.text, held, verifier=OFFICE).reason == "WRONG_AUDIENCE"
    node.clock.advance(timedelta(hours=1))
    assert offline(node, code.text, held).reason == "QR_EXPIRED"  # an old screenshot
    assert len(node.leaves("status_lists_published")) == 4


async def test_an_offline_code_is_a_presentation_like_another(node: LicenseNode) -> None:
    name = (await issue(node)).name
    request_id = fresh()
    code = await shown(node, name, request_id=request_id, lifetime_seconds=600)
    assert code.expire_time.ToDatetime(UTC) == (
        node.clock.now().replace(microsecond=0) + timedelta(seconds=600)
    )
    error = await refused(shown(node, name, request_id=request_id))
    assert error.reason == "PRESENTATION_CODE_TOLD_ONCE"
    ask = presentations.ListPresentationsRequest(holder_code=HOLDER, license=name)
    (found,) = (await node.counter.presentations.ListPresentations(ask)).presentations
    assert (found.name, found.audience) == (code.presentation, BANK)
    (leaf,) = [one for one in node.leaves("license_presented") if one["license"] == name]
    assert leaf["form"] == "qr"
    for changes, reason in (
        ({"holder_code": citizen_number(2)}, "LICENSE_NOT_FOUND"),
        ({"fields": ["nothing"]}, "UNKNOWN_FIELDS"),
        ({"lifetime_seconds": 86_401}, "BAD_LIFETIME"),
        ({"purpose": ""}, "BAD_TEXT"),
        ({"request_id": ""}, "REQUEST_ID_REQUIRED"),
    ):
        assert (await refused(shown(node, name, **changes))).reason == reason
    await change(node, "Suspend", name)
    assert (await refused(shown(node, name))).reason == "LICENSE_NOT_IN_FORCE"


async def test_an_agents_code_is_bound_to_the_agent(node: LicenseNode) -> None:
    name, agent = (await issue(node)).name, citizen_number(7)
    request = delegations.CreateDelegationRequest(
        holder_code=HOLDER, agent_name="钱代办", agent_code=agent, licenses=[name],
        purpose=PURPOSE, request_id=fresh(),
    )  # fmt: skip
    request.expire_time.FromDatetime(node.clock.now() + timedelta(minutes=10))
    given = (await node.counter.delegations.CreateDelegation(request)).delegation
    code = await shown(node, name, holder_code=agent, delegation=given.name)
    assert code.expire_time == given.expire_time
    await publish(node)
    held = await kept(node)
    assert offline(node, code.text, held, holder_code=agent).reason is None
    assert offline(node, code.text, held, holder_code=HOLDER).reason == "HOLDER_DIFFERS"


async def test_the_code_is_read_back_from_a_picture_of_it(node: LicenseNode) -> None:
    name = (await issue(node)).name
    whole = ["ZZMC", "ZZBS", "CZZT", "CZZTDM", "ZZBFJG", "ZZBFRQ", "ZZYXQQSRQ", "ZZYXQJZRQ"]
    code = await shown(node, name, fields=[*whole, "KZ_DJLX", "KZ_XLXX"])
    assert code.svg.startswith(b"<?xml")
    made = segno.make_qr(code.text, error="q", boost_error=False)
    assert made.error == "Q"
    file = io.BytesIO()
    made.save(file, kind="png", scale=6, border=4)
    picture = Image.open(file).convert("L")

    def read(seen: Image.Image) -> str:
        return str(zxingcpp.read_barcodes(seen)[0].text)

    assert await asyncio.to_thread(read, picture) == code.text
    wide = Image.new("L", (picture.width * 2, picture.height * 2), 255)
    wide.paste(picture, (picture.width // 2, picture.height // 2))
    across = made.symbol_size(scale=1, border=4)[0]
    # 4 cm on paper, scanned at 300 dots an inch.
    printed = picture.resize((round(40 / 25.4 * 300),) * 2, Image.Resampling.LANCZOS)
    for seen in (
        picture.filter(ImageFilter.GaussianBlur(2.0)),
        wide.rotate(17, fillcolor=255, resample=Image.Resampling.BICUBIC),
        wide.rotate(-73, fillcolor=255).filter(ImageFilter.GaussianBlur(1.2)),
        printed,
        picture.resize((across * 3,) * 2, Image.Resampling.BILINEAR),
    ):
        assert await asyncio.to_thread(read, seen) == code.text


async def test_lists_are_published_by_administrators_and_read_by_all(node: LicenseNode) -> None:
    await publish(node)
    listed = await node.verifier.statuses.ListStatusLists(pb.ListStatusListsRequest())
    assert list(listed.names) == ["statusLists/0"]
    request = pb.PublishStatusListsRequest()
    error = await refused(node.verifier.statuses.PublishStatusLists(request))
    assert error.reason == "ROLE_NOT_ALLOWED"
    for name, reason in (
        ("statusLists/77", "STATUS_LIST_NOT_PUBLISHED"),
        ("statusLists/x", "BAD_ARGUMENT"),
        ("lists/0", "MALFORMED_NAME"),
    ):
        asked = pb.GetStatusListRequest(name=name)
        assert (await refused(node.verifier.statuses.GetStatusList(asked))).reason == reason


async def test_a_credential_says_where_its_status_stands(node: LicenseNode) -> None:
    license_ = await issue(node)
    credential = await document(node, license_, "JWT")
    payload = credential.split(b"~")[0].split(b".")[1]
    status = json.loads(decode(payload))["status"]["status_list"]
    await change(node, "Revoke", license_.name)
    await publish(node)
    _, cached = await kept(node)
    listed = cached.lists[status["uri"]]
    assert listed is not None
    assert listed.status(status["idx"]) == 1
