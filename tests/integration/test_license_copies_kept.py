"""What a holder is told of copies, delegations and single licenses, over mTLS on loopback."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from licenses.v1 import copies_pb2 as pb
from licenses.v1 import delegations_pb2 as delegations
from licenses.v1 import licenses_pb2
from licenses.v1 import presentations_pb2 as presentations
from licenses.wire import to_time
from runtime.clock import china_date
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    BUREAU,
    HOLDER,
    LicenseNode,
    change,
    fresh,
    issue,
    refused,
    running,
)
from tests.builders.licenses import citizen_number

pytestmark = pytest.mark.asyncio(loop_scope="module")
AGENT = citizen_number(7)
OTHER = citizen_number(2)
TITLE = "就业创业登记证"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path_factory.mktemp("kept")) as found:
        yield found


async def copied(node: LicenseNode, name: str, purpose: str) -> Any:
    return await node.counter.copies.MakeEndorsedCopy(
        pb.MakeEndorsedCopyRequest(
            license=name,
            holder_code=HOLDER,
            purpose=purpose,
            receiver="示范县住房公积金中心",
            valid_to=china_date(node.clock.now() + timedelta(days=7)),
            request_id=fresh(),
        )
    )


async def copies(node: LicenseNode, holder: str = HOLDER, **asked: Any) -> Any:
    request = pb.ListEndorsedCopiesRequest(holder_code=holder, **asked)
    return await node.counter.copies.ListEndorsedCopies(request)


async def test_copies_are_listed_and_taken_once_more(node: LicenseNode) -> None:
    license_ = await issue(node)
    made = []
    for purpose in ("甲事", "乙事", "丙事"):
        made.append(await copied(node, license_.name, purpose))
        node.clock.advance(timedelta(seconds=1))
    first = await copies(node, page_size=2)
    assert [one.purpose for one in first.copies] == ["丙事", "乙事"]
    rest = await copies(node, page_size=2, page_token=first.next_page_token)
    assert [one.purpose for one in rest.copies] == ["甲事"]
    assert not rest.next_page_token
    assert first.copies[0].license_display_name == TITLE
    assert not (await copies(node, OTHER)).copies
    wrong = await refused(copies(node, page_token="bm90IGEgdGltZQ"))
    assert wrong.reason == "BAD_PAGE_TOKEN"

    ask = pb.GetEndorsedCopyRequest(name=made[0].name, holder_code=HOLDER)
    again = await node.counter.copies.GetEndorsedCopy(ask)
    assert again.document == made[0].document
    assert hashlib.sha256(again.document).hexdigest() == again.copy.sha256
    look = presentations.ListLooksRequest(holder_code=HOLDER, license=license_.name, page_size=1)
    [seen] = (await node.counter.presentations.ListLooks(look)).looks
    assert (seen.kind, seen.purpose, seen.license_display_name) == (
        "license_copy_read",
        "甲事",
        TITLE,
    )
    # A copy serves as long as its license does.
    for verb, serves in (("Suspend", False), ("Resume", True)):
        await change(node, verb, license_.name)
        assert {one.open for one in (await copies(node)).copies} == {serves}
        ask = pb.GetEndorsedCopyRequest(name=made[0].name, holder_code=HOLDER)
        assert (await node.counter.copies.GetEndorsedCopy(ask)).copy.open == serves
    for name, holder in ((made[0].name, OTHER), (f"copies/{'0' * 24}", HOLDER)):
        ask = pb.GetEndorsedCopyRequest(name=name, holder_code=holder)
        found = await refused(node.counter.copies.GetEndorsedCopy(ask))
        assert found.reason == "COPY_NOT_FOUND"


async def test_a_seals_uses_tell_a_copy_from_a_license(node: LicenseNode) -> None:
    await copied(node, (await issue(node)).name, "甲事")
    asked = seal_pb2.ListSealingsRequest(parent=f"{BUREAU}/seals/main")
    uses = (await node.issuer.seals.ListSealings(asked)).sealings
    assert {one.reason for one in uses} == {"制作加注件", "签发电子证照"}


async def test_one_license_is_listed_without_a_look_at_the_others(node: LicenseNode) -> None:
    one, two = await issue(node), await issue(node)
    ask = licenses_pb2.ListHeldLicensesRequest(holder_code=HOLDER, license=one.name)
    found = (await node.counter.licenses.ListHeldLicenses(ask)).licenses
    assert [held.name for held in found] == [one.name]
    look = presentations.ListLooksRequest(holder_code=HOLDER, license=two.name)
    assert not (await node.counter.presentations.ListLooks(look)).looks
    ask.holder_code = OTHER
    assert not (await node.counter.licenses.ListHeldLicenses(ask)).licenses


async def test_an_agent_is_told_who_delegated_while_it_lasts(node: LicenseNode) -> None:
    license_ = await issue(node)
    made = await node.counter.delegations.CreateDelegation(
        delegations.CreateDelegationRequest(
            holder_code=HOLDER,
            agent_name="钱代理",
            agent_code=AGENT,
            licenses=[license_.name],
            purpose="代办",
            expire_time=to_time(node.clock.now() + timedelta(hours=1)),
            request_id=fresh(),
        )
    )
    assert list(made.delegation.license_display_names) == [TITLE]

    async def got(code: str, *, as_agent: bool) -> Any:
        ask = delegations.ListDelegationsRequest(holder_code=code, as_agent=as_agent)
        [found] = (await node.counter.delegations.ListDelegations(ask)).delegations
        return found

    given = await got(HOLDER, as_agent=False)
    assert (list(given.license_display_names), given.grantor_name) == ([TITLE], "")
    told = await got(AGENT, as_agent=True)
    assert told.grantor_name == license_.holder_name
    assert [one.state for one in told.standings] == [licenses_pb2.LICENSE_STATE_ACTIVE]
    await node.issuer.licenses.RevokeLicense(
        licenses_pb2.RevokeLicenseRequest(name=license_.name, reason="停业", request_id=fresh())
    )
    for one in (await got(AGENT, as_agent=True), await got(HOLDER, as_agent=False)):
        assert [each.state for each in one.standings] == [licenses_pb2.LICENSE_STATE_REVOKED]
    node.clock.advance(timedelta(hours=2))
    over = await got(AGENT, as_agent=True)
    assert (over.grantor_name, list(over.standings)) == ("", [])
