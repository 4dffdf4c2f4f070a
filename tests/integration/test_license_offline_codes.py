"""Offline codes and status lists of a running node: made over mTLS, verified from what is kept."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio
import zxingcpp
from PIL import Image, ImageFilter

from licenses.offline.coding import assess_code, read_code
from licenses.offline.model import Asked, Cached, OfflineOutcome
from licenses.presenting_keys import check_issued_by, trusted_keys
from licenses.statuslist.model import StatusList
from licenses.statuslist.reading import read_list
from licenses.tokens import decode
from licenses.v1 import copies_pb2, licenses_pb2
from licenses.v1 import delegations_pb2 as delegations
from licenses.v1 import offline_pb2 as pb
from licenses.v1 import presentations_pb2 as presentations
from licenses.v1 import verifying_pb2 as verifying
from licenses.v1 import wallets_pb2 as wallets
from runtime.identity import Role
from runtime.status import from_rpc_error
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    BANK,
    HOLDER,
    OFFICE,
    LicenseNode,
    change,
    document,
    fresh,
    issue,
    present,
    refused,
    running,
)
from tests.builders.licenses import TYPE_NAME, citizen_number

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
    client, lists = node.verifier, {}
    trust = await client.offline.GetPresentingTrust(pb.GetPresentingTrustRequest())
    check_issued_by(trust.certificates, node.authority.pem)
    trusted = trusted_keys(trust.certificates, trust.issuer)
    for name in (await client.statuses.ListStatusLists(pb.ListStatusListsRequest())).names:
        asked = pb.GetStatusListRequest(
            name=name, format=pb.StatusListFormat.Value(f"STATUS_LIST_FORMAT_{form}")
        )
        found = read_list((await client.statuses.GetStatusList(asked)).token, trusted)
        lists[found.issuer, found.uri] = found
    return trusted, Cached(trust_made_at=trust.make_time.ToDatetime(UTC), lists=lists)


def offline(node: LicenseNode, text: str, held: tuple[Any, Cached], **asked: Any) -> OfflineOutcome:
    values = {"verifier": BANK, "purpose": PURPOSE, "now": node.clock.now(), **asked}
    return assess_code(text, *held, Asked(**values))


async def test_a_code_is_verified_offline_until_a_newer_list_ends_it(node: LicenseNode) -> None:
    name = (await issue(node)).name
    code = await shown(node, name)
    lasting, of_codes = await publish(node)
    assert (lasting.name, lasting.uri) == ("statusLists/0", "https://pages.example/status/0")
    assert of_codes.name == "statusLists/100000000"
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
    node.clock.advance(timedelta(seconds=1))
    await publish(node)
    assert offline(node, code.text, await kept(node)).reason == "LICENSE_SUSPENDED"
    await change(node, "Resume", name)
    await publish(node)
    assert offline(node, code.text, await kept(node)).reason is None
    await change(node, "Revoke", name)
    _, of_codes = await publish(node)
    assert of_codes.ended == 1
    held = await kept(node)
    assert offline(node, code.text, held).reason == "LICENSE_NOT_IN_FORCE"
    assert offline(node, code.text, held, verifier=OFFICE).reason == "WRONG_AUDIENCE"
    node.clock.advance(timedelta(hours=1))
    assert offline(node, code.text, held).reason == "QR_EXPIRED"  # an old screenshot
    assert len(node.leaves("status_lists_published")) == 4


async def test_a_code_that_was_ended_is_told_offline_and_no_two_codes_are_linked(
    node: LicenseNode,
) -> None:
    name = (await issue(node)).name
    first, second = await shown(node, name), await shown(node, name)
    trusted, _ = await kept(node)
    places = [read_code(one.text, trusted).status for one in (first, second)]
    assert places[0] != places[1]
    request = presentations.EndPresentationRequest(
        presentation=first.presentation, holder_code=HOLDER
    )
    await node.counter.presentations.EndPresentation(request)
    node.clock.advance(timedelta(seconds=1))
    await publish(node)
    held = await kept(node)
    assert offline(node, first.text, held).reason == "PRESENTATION_ENDED"
    assert offline(node, second.text, held, holder_code=HOLDER).summary.endswith("(status list)")
    # What is over has no place any more, and is told as that online, too.
    node.clock.advance(timedelta(hours=2))
    await publish(node)
    asked = verifying.VerifyLicenseRequest(qr=second.text, purpose=PURPOSE)
    answer = await node.verifier.verifying.VerifyLicense(asked)
    assert answer.verdict.sub_indication == "CODE_EXPIRED"


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
    (leaf,) = node.uses("license_presented", name)
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
    found = offline(node, code.text, held, holder_code=agent)
    assert found.reason is None
    # Whoever reads it is told that an agent presents, for what and until when; not who.
    assert found.code
    assert found.code.agency_until == given.expire_time.ToDatetime(UTC)
    assert found.code.purpose == PURPOSE
    assert "钱代办" not in str(found.code)
    assert offline(node, code.text, held, holder_code=HOLDER).reason == "HOLDER_DIFFERS"
    # The holder allowed one purpose: it stands in the code, and binds who reads it.
    other = offline(node, code.text, held, holder_code=agent, purpose="办理贷款")
    assert other.reason == "WRONG_PURPOSE"


async def test_a_code_is_made_within_the_licenses_days_only(node: LicenseNode) -> None:
    ahead = await issue(node, valid_from="2026-12-21")
    assert (await refused(shown(node, ahead.name))).reason == "LICENSE_NOT_YET_VALID"
    # On its last day a code of a whole day ends with that day in China, and offline too.
    last = await issue(node, valid_from="2023-11-22")
    assert last.valid_to == "2026-11-21"
    node.clock.set(datetime(2026, 11, 21, 12, tzinfo=UTC))
    code = await shown(node, last.name, lifetime_seconds=86_400)
    end = datetime(2026, 11, 21, 16, tzinfo=UTC)
    assert code.expire_time.ToDatetime(UTC) == end
    just = end - timedelta(seconds=1)
    node.clock.set(just - timedelta(minutes=1))
    held = await kept(node)
    assert offline(node, code.text, held, now=just, holder_code=HOLDER).reason is None
    assert offline(node, code.text, held, now=end).reason == "QR_EXPIRED"
    node.clock.set(end)
    assert (await refused(shown(node, last.name))).reason == "LICENSE_NOT_IN_FORCE"


async def test_a_screenshot_serves_nobody_whose_card_is_compared(node: LicenseNode) -> None:
    name = (await issue(node)).name
    code = await shown(node, name)
    await publish(node)
    held = await kept(node)
    assert offline(node, code.text, held, holder_code=citizen_number(2)).reason == "HOLDER_DIFFERS"
    unseen = offline(node, code.text, held)
    assert unseen.indication == "PASSED"
    assert "not compared" in unseen.summary


async def test_so_many_may_be_open(node: LicenseNode, monkeypatch: pytest.MonkeyPatch) -> None:
    license_ = await issue(node)
    monkeypatch.setattr("licenses.presentations.service.MOST_OPEN", 1)
    code = await shown(node, license_.name)
    assert (await refused(shown(node, license_.name))).reason == "TOO_MANY_PRESENTATIONS"
    end = presentations.EndPresentationRequest(presentation=code.presentation, holder_code=HOLDER)
    await node.counter.presentations.EndPresentation(end)
    assert (await shown(node, license_.name)).text
    monkeypatch.setattr("licenses.delegations.service.MOST_OPEN", 0)
    ask = delegations.CreateDelegationRequest(
        holder_code=HOLDER, agent_name="钱代办", agent_code=citizen_number(7),
        licenses=[license_.name], purpose=PURPOSE, request_id=fresh(),
    )  # fmt: skip
    ask.expire_time.FromDatetime(node.clock.now() + timedelta(minutes=10))
    error = await refused(node.counter.delegations.CreateDelegation(ask))
    assert error.reason == "TOO_MANY_DELEGATIONS"
    monkeypatch.setattr("licenses.copies.service.MOST_OPEN", 0)
    copy = copies_pb2.MakeEndorsedCopyRequest(
        license=license_.name, holder_code=HOLDER, purpose=PURPOSE, receiver="某单位",
        valid_to=(node.clock.now() + timedelta(days=1)).date().isoformat(), request_id=fresh(),
    )  # fmt: skip
    assert (await refused(node.counter.copies.MakeEndorsedCopy(copy))).reason == "TOO_MANY_COPIES"
    monkeypatch.setattr("licenses.wallets.service.MOST_OPEN", 0)
    wallet = wallets.CreatePresentationRequestRequest(
        license_type=TYPE_NAME, fields=["CZZT"], purpose=PURPOSE, request_id=fresh()
    )
    error = await refused(node.verifier.wallets.CreatePresentationRequest(wallet))
    assert error.reason == "TOO_MANY_REQUESTS"


async def test_the_code_is_read_back_from_a_picture_of_it(node: LicenseNode) -> None:
    name = (await issue(node)).name
    whole = ["ZZMC", "ZZBS", "CZZT", "CZZTDM", "ZZBFJG", "ZZBFRQ", "ZZYXQQSRQ", "ZZYXQJZRQ"]
    code = await shown(node, name, fields=[*whole, "KZ_DJLX", "KZ_XLXX"])
    # The picture that the product gave, as a reader of SVG draws it.
    across, picture = drawn(code.svg.decode(), scale=6)

    def read(seen: Image.Image) -> str:
        return str(zxingcpp.read_barcodes(seen)[0].text)

    assert await asyncio.to_thread(read, picture) == code.text
    wide = Image.new("L", (picture.width * 2, picture.height * 2), 255)
    wide.paste(picture, (picture.width // 2, picture.height // 2))
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


def drawn(svg: str, *, scale: int) -> tuple[int, Image.Image]:
    """Modules across, and the picture: rows of dark modules, each a rectangle of a path."""
    across = int(re.search(r'viewBox="0 0 (\d+)', svg)[1])  # type: ignore[index]
    plain = Image.new("L", (across, across), 255)
    for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", svg):
        plain.paste(0, (int(x), int(y), int(x) + int(width), int(y) + 1))
    return across, plain.resize((across * scale,) * 2, Image.Resampling.NEAREST)


async def test_lists_are_published_by_administrators_and_read_by_all(node: LicenseNode) -> None:
    await publish(node)
    listed = await node.verifier.statuses.ListStatusLists(pb.ListStatusListsRequest())
    assert list(listed.names) == ["statusLists/0", "statusLists/100000000"]
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


async def test_a_list_is_fetched_as_it_is_then_and_made_for_changes_only(node: LicenseNode) -> None:
    name = (await issue(node)).name
    first, second = await shown(node, name), await shown(node, name)

    async def fetched() -> StatusList:
        (found,) = [
            one
            for (_, uri), one in (await kept(node))[1].lists.items()
            if uri.endswith("/100000000") and one
        ]
        return found

    # Nobody published it, and nothing changed by the second time.
    before = await fetched()
    node.clock.advance(timedelta(seconds=1))
    assert (await fetched()).made_at == before.made_at
    request = presentations.EndPresentationRequest(
        presentation=first.presentation, holder_code=HOLDER
    )
    await node.counter.presentations.EndPresentation(request)
    held = await kept(node)
    assert offline(node, first.text, held).reason == "PRESENTATION_ENDED"
    assert offline(node, second.text, held).reason is None
    node.clock.advance(timedelta(seconds=1))
    third = await shown(node, name)
    assert offline(node, third.text, held).reason == "STATUS_LIST_OLDER"
    held = await kept(node)
    assert offline(node, third.text, held).reason is None
    await change(node, "Revoke", name)
    assert offline(node, third.text, await kept(node)).reason == "LICENSE_NOT_IN_FORCE"
    node.clock.advance(timedelta(minutes=1))
    assert (await fetched()).made_at == node.clock.now().replace(microsecond=0)


async def test_a_credential_says_where_its_status_stands(node: LicenseNode) -> None:
    license_ = await issue(node)
    credential = await document(node, license_, "JWT")
    payload = credential.split(b"~")[0].split(b".")[1]
    status = json.loads(decode(payload))["status"]["status_list"]
    await change(node, "Revoke", license_.name)
    await publish(node)
    _, cached = await kept(node)
    listed = cached.lists[OFFICE, status["uri"]]
    assert listed is not None
    assert listed.status(status["idx"]) == 1


async def test_a_visitor_of_the_portal_learns_what_the_holder_chose(node: LicenseNode) -> None:
    license_ = await issue(node)
    visitor = node.client(OFFICE, Role.PORTAL, system="portal")

    async def looked(**subject: Any) -> Any:
        request = verifying.VerifyLicenseRequest(**{"purpose": PURPOSE, **subject})
        return await visitor.verifying.VerifyLicense(request)

    coded = await present(node, license_.name, fields=["KZ_DJLX"], audience="")
    answer = await looked(code=coded.code)
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    assert (dict(answer.fields), answer.license_identifier) == ({"KZ_DJLX": "就业登记"}, "")
    # The portal is of a department, and its visitors are not.
    for audience in (OFFICE, BANK):
        coded = await present(node, license_.name, audience=audience)
        answer = await looked(code=coded.code)
        assert answer.verdict.sub_indication == "WRONG_AUDIENCE"
        assert not answer.fields
        assert not answer.license_type_display_name
        code = (await shown(node, license_.name, audience=audience)).text
        assert (await looked(qr=code)).verdict.sub_indication == "WRONG_AUDIENCE"
    code = (await shown(node, license_.name, audience="")).text
    answer = await looked(qr=code, holder_code=HOLDER)
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    # The holder is told of somebody unknown, whatever they said: the node's department was it not.
    ask = presentations.ListLooksRequest(holder_code=HOLDER, license=license_.name)
    seen = (await node.counter.presentations.ListLooks(ask)).looks
    looked_at = [one for one in seen if one.kind.endswith("verified")]
    assert {(one.visitor, one.department, one.purpose) for one in looked_at} == {
        (True, "", PURPOSE)
    }
    assert not any(one.visitor for one in seen if one not in looked_at)
    assert answer.license_identifier == ""
    match = verifying.FieldsToMatch(
        license_identifier=license_.license_identifier, fields={"CZZT": "赵"}
    )
    assert (await refused(looked(match=match))).reason == "NOT_FOR_VISITORS"
    # Who says no purpose is told a copy's; who says another one is refused.
    wish = copies_pb2.MakeEndorsedCopyRequest(
        license=license_.name,
        holder_code=HOLDER,
        format=licenses_pb2.LICENSE_FORMAT_PDF,
        purpose=PURPOSE,
        receiver="示范县住房公积金中心",
        valid_to=(node.clock.now() + timedelta(days=7)).date().isoformat(),
        request_id=fresh(),
    )
    copy = (await node.counter.copies.MakeEndorsedCopy(wish)).document
    answer = await looked(document=copy, purpose="")
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    assert answer.endorsement.purpose == PURPOSE
    answer = await looked(document=copy, purpose="办理贷款")
    assert answer.verdict.sub_indication == "COPY_FOR_OTHER_PURPOSE"
    # One visitor's wrong tries are not another's.
    refusal = ""
    for _ in range(40):
        try:
            await looked(code="0" * 26, visitor="one")
        except grpc.RpcError as error:
            refusal = from_rpc_error(error).reason
            break
    assert refusal == "TOO_MANY_UNKNOWN_CODES"
    answer = await looked(code="0" * 26, visitor="another")
    assert answer.verdict.sub_indication == "CODE_UNKNOWN"
    looks = presentations.ListLooksRequest(holder_code=HOLDER, license=license_.name)
    seen = (await node.counter.presentations.ListLooks(looks)).looks
    assert {one.system for one in seen if one.result == "PASSED"} == {f"{OFFICE}/systems/portal"}
