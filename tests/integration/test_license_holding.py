"""What holders see and do: open presentations, looks with receipts, delegations to agents."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import orjson
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from licenses.v1 import delegations_pb2 as delegations
from licenses.v1 import licenses_pb2 as pb
from licenses.v1 import presentations_pb2 as presentations
from runtime import channels, holders
from runtime.identity import APPLICANTS, Credentials, Role
from runtime.records import canonical
from runtime.status import from_rpc_error
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    BANK,
    HOLDER,
    Client,
    LicenseNode,
    change,
    fresh,
    issue,
    opens,
    present,
    present_request,
    refused,
    running,
    verify,
)
from tests.builders.license_verifying import PURPOSE, copied, shown
from tests.builders.licenses import BUREAU, NOW, citizen_number

pytestmark = pytest.mark.asyncio(loop_scope="module")
AGENT = citizen_number(7)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path_factory.mktemp("holding")) as found:
        yield found


async def presented(node: LicenseNode, holder: str = HOLDER, **asked: Any) -> list[Any]:
    request = presentations.ListPresentationsRequest(holder_code=holder, **asked)
    return list((await node.counter.presentations.ListPresentations(request)).presentations)


async def looks(client: Client, holder: str = HOLDER, **asked: Any) -> list[Any]:
    request = presentations.ListLooksRequest(holder_code=holder, **asked)
    return list((await client.presentations.ListLooks(request)).looks)


async def verified(node: LicenseNode, code: str, purpose: str = PURPOSE) -> str:
    request = presentations.VerifyPresentationRequest(code=code, purpose=purpose)
    answer = await node.verifier.presentations.VerifyPresentation(request)
    if answer.verdict.indication == seal_pb2.INDICATION_PASSED:
        return "PASSED"
    return str(answer.verdict.sub_indication)


async def delegate(node: LicenseNode, *names: str, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "holder_code": HOLDER,
        "agent_name": "钱代办",
        "agent_code": AGENT,
        "licenses": names,
        "purpose": PURPOSE,
        "expire_time": node.clock.now() + timedelta(days=30),
        "request_id": fresh(),
    }
    request = delegations.CreateDelegationRequest(**{**values, **changes})
    return (await node.counter.delegations.CreateDelegation(request)).delegation


def applicant(node: LicenseNode, code: str) -> Client:
    """An applicant who signed in as the holder of a code."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = node.authority.certify_session(
        system=f"{APPLICANTS}/systems/person-{secrets.token_hex(8)}",
        roles=[Role.APPLICANT],
        holder=holders.mark(code),
        key=key.public_key(),
        now=datetime.now(UTC),
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    own = Credentials(authority=node.authority.pem, certificate=certificate, key=pem)
    node.channels.append(channels.aio_channel(f"127.0.0.1:{node.port}", own))
    return Client(node.channels[-1])


async def test_an_applicant_is_served_as_the_holder_they_are_and_as_no_other(
    node: LicenseNode,
) -> None:
    name = (await issue(node)).name
    mine, another = applicant(node, HOLDER), applicant(node, citizen_number(2))
    shown = await mine.presentations.PresentLicense(present_request(name))
    held = pb.ListHeldLicensesRequest(holder_code=HOLDER)
    assert name in [one.name for one in (await mine.licenses.ListHeldLicenses(held)).licenses]
    assert await looks(mine, license=name)
    taken = pb.GetLicenseDocumentRequest(name=name, reason="自存", holder_code=HOLDER)
    assert (await mine.licenses.GetLicenseDocument(taken)).document

    assert not (await another.licenses.ListHeldLicenses(held)).licenses
    assert not await looks(another, license=name)
    for call in (
        another.presentations.PresentLicense(present_request(name)),
        another.licenses.GetLicenseDocument(taken),
    ):
        assert (await refused(call)).reason == "LICENSE_NOT_FOUND"
    end = presentations.EndPresentationRequest(presentation=shown.presentation, holder_code=HOLDER)
    error = await refused(another.presentations.EndPresentation(end))
    assert error.reason == "PRESENTATION_NOT_FOUND"
    request = presentations.ListPresentationsRequest(holder_code=HOLDER)
    assert not (await another.presentations.ListPresentations(request)).presentations
    await mine.presentations.EndPresentation(end)


async def test_a_holder_lists_open_presentations_and_ends_one(node: LicenseNode) -> None:
    name = (await issue(node)).name
    first = await present(node, name, purpose=PURPOSE, max_uses=2, audience=BANK)
    once = await present(node, name, max_uses=1)
    assert await verified(node, once.code) == "PASSED"
    (shown,) = await presented(node, license=name)
    assert (shown.name, shown.license, shown.purpose) == (first.presentation, name, PURPOSE)
    assert (shown.audience, shown.max_uses, shown.uses, shown.open) == (BANK, 2, 0, True)
    assert list(shown.fields) == ["CZZT", "KZ_DJLX"]
    assert len(await presented(node, license=name, all=True)) == 2
    assert first.code.replace("-", "") not in str(await presented(node, license=name, all=True))
    assert await presented(node, holder=citizen_number(2), license=name) == []
    page = presentations.ListPresentationsRequest(holder_code=HOLDER, all=True, page_size=1)
    told = await node.counter.presentations.ListPresentations(page)
    page.page_token = told.next_page_token
    more = await node.counter.presentations.ListPresentations(page)
    assert told.presentations[0].name < more.presentations[0].name
    end = presentations.EndPresentationRequest(presentation=first.presentation, holder_code=HOLDER)
    await node.counter.presentations.EndPresentation(end)
    assert await presented(node, license=name) == []
    assert await verified(node, first.code) == "PRESENTATION_ENDED"


async def test_a_presentation_bound_to_its_purpose_serves_no_other(node: LicenseNode) -> None:
    name = (await issue(node)).name
    shown = await present(node, name, purpose=PURPOSE, purpose_bound=True, max_uses=1)
    assert await verified(node, shown.code, "办理公积金贷款") == "WRONG_PURPOSE"
    assert await verified(node, shown.code, "办理公积金 提取") == "PASSED"


async def test_a_verifier_reads_what_the_holder_wrote(node: LicenseNode) -> None:
    """A purpose that binds nobody is told; where the verifier's words are others that is, too."""
    name = (await issue(node)).name
    shown = await present(node, name, purpose=PURPOSE, max_uses=2)
    for said, indications in (
        ("办理公积金 提取", []),
        ("审核提取申请", [seal_pb2.INDICATION_INDETERMINATE]),
    ):
        request = presentations.VerifyPresentationRequest(code=shown.code, purpose=said)
        answer = await node.verifier.presentations.VerifyPresentation(request)
        assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
        assert answer.shown_for == PURPOSE
        assert not answer.HasField("agency")
        found = [one for one in answer.verdict.checks if one.name == "purpose_words"]
        assert [one.indication for one in found] == indications
        assert ("bound nobody" in answer.verdict.summary) is bool(indications)


async def test_the_holder_sees_every_look_with_its_receipt(node: LicenseNode) -> None:
    name = (await issue(node)).name
    shown = await present(node, name, purpose=PURPOSE, audience=BANK)
    other = await present(node, name, audience=BUREAU)
    answer = await verify(node.verifier, shown.code)
    assert await verified(node, other.code) == "WRONG_AUDIENCE"
    await node.issuer.licenses.GetLicenseDocument(
        pb.GetLicenseDocumentRequest(name=name, reason="归档")
    )
    await node.counter.licenses.ListHeldLicenses(pb.ListHeldLicensesRequest(holder_code=HOLDER))
    found = await looks(node.counter, license=name)
    assert [(one.kind, one.result) for one in found] == [
        ("held_licenses_listed", ""),
        ("license_document_read", ""),
        ("presentation_verified", "WRONG_AUDIENCE"),
        ("presentation_verified", "PASSED"),
        ("license_presented", ""),
        ("license_presented", ""),
    ]
    seen = found[3]
    assert (seen.department, seen.system) == (BANK, f"{BANK}/systems/main")
    assert (list(seen.fields), seen.purpose) == (["CZZT", "KZ_DJLX"], "核验就业登记")
    assert seen.presentation == shown.presentation
    assert list(found[1].fields) == ["*"]
    assert list(found[2].fields) == []
    # The leaf is the verifier's own and in the log; the holder's salt opens all of it, the
    # verifier's what they said and were told.
    assert seen.receipt.leaf == answer.receipt.leaf
    assert opens(answer.receipt, "asked", "purpose", "核验就业登记")
    assert opens(answer.receipt, "asked", "fields", canonical(dict(answer.fields)).decode())
    assert opens(seen.receipt, "commitments", "holder_code", HOLDER)
    assert opens(seen.receipt, "commitments", "license", name)
    assert hashlib.sha256(b"\0" + seen.receipt.leaf).digest() == seen.receipt.leaf_hash
    assert orjson.loads(seen.receipt.leaf) in node.leaves("presentation_verified")
    assert opens(seen.receipt, "commitments", "purpose", "核验就业登记")
    assert await looks(node.counter, citizen_number(2)) == []
    request = presentations.ListLooksRequest(holder_code=HOLDER, license=name, page_size=4)
    page = await node.counter.presentations.ListLooks(request)
    request.page_token = page.next_page_token
    rest = await node.counter.presentations.ListLooks(request)
    assert [*page.looks, *rest.looks] == found


async def test_an_agent_presents_under_a_delegation_until_it_ends(node: LicenseNode) -> None:
    mine, other = (await issue(node)).name, (await issue(node)).name
    given = await delegate(node, mine)
    asked = {"holder_code": AGENT, "delegation": given.name, "purpose": PURPOSE}
    shown = await present(node, mine, **asked)
    # The holder allowed one purpose: whatever the agent asks for, the code serves no other.
    assert await verified(node, shown.code, "办理贷款") == "WRONG_PURPOSE"
    request = presentations.VerifyPresentationRequest(code=shown.code, purpose=PURPOSE)
    answer = await node.verifier.presentations.VerifyPresentation(request)
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    # The verifier reads that an agent presents, for what and until when; not who it is.
    assert (answer.agency.purpose, answer.agency.expire_time) == (PURPOSE, given.expire_time)
    assert "钱代办" not in str(answer)
    assert AGENT not in str(answer)

    async def refusal(name: str, **changes: Any) -> str:
        request = present_request(name, **{**asked, **changes})
        return (await refused(node.counter.presentations.PresentLicense(request))).reason

    assert await refusal(other) == "DELEGATION_OF_OTHER_LICENSE"
    assert await refusal(mine, purpose="办理贷款") == "DELEGATION_FOR_OTHER_PURPOSE"
    assert await refusal(mine, holder_code=citizen_number(8)) == "DELEGATION_NOT_FOUND"
    assert await refusal(mine, delegation="") == "LICENSE_NOT_FOUND"

    listed = delegations.ListDelegatedLicensesRequest(delegation=given.name, agent_code=AGENT)
    held = (await node.counter.delegations.ListDelegatedLicenses(listed)).licenses
    assert [one.name for one in held] == [mine]
    for code, as_agent, count in ((HOLDER, False, 1), (AGENT, True, 1), (HOLDER, True, 0)):
        request = delegations.ListDelegationsRequest(holder_code=code, as_agent=as_agent)
        told = (await node.counter.delegations.ListDelegations(request)).delegations
        assert len(told) == count
    assert {"license_delegated", "delegated_licenses_listed"} <= {
        one.kind for one in await looks(node.counter, license=mine)
    }
    assert AGENT not in str(node.leaves())
    # The holder reads who acts for them; others who look were no agents.
    found = await looks(node.counter, license=mine)
    assert {one.kind for one in found if one.agent_name == "钱代办"} == {
        "license_delegated",
        "license_presented",
        "presentation_verified",
        "delegated_licenses_listed",
    }
    assert {one.delegation for one in found if one.agent_name} == {given.name}
    assert not any(one.visitor for one in found)

    end = delegations.EndDelegationRequest(name=given.name, holder_code=AGENT, request_id=fresh())
    error = await refused(node.counter.delegations.EndDelegation(end))
    assert error.reason == "DELEGATION_NOT_FOUND"
    end.holder_code = HOLDER
    for _ in range(2):
        told = (await node.counter.delegations.EndDelegation(end)).delegation
        assert not told.open
    assert len(node.leaves("delegation_ended")) == 1
    assert await verified(node, shown.code) == "DELEGATION_ENDED"
    assert await refusal(mine) == "DELEGATION_ENDED"
    error = await refused(node.counter.delegations.ListDelegatedLicenses(listed))
    assert error.reason == "DELEGATION_NOT_FOUND"


async def test_an_agent_shows_a_license_in_the_ways_that_were_allowed(node: LicenseNode) -> None:
    name = (await issue(node)).name
    form = delegations.DelegationForm.Value
    usual = await delegate(node, name)
    assert list(usual.forms) == [form("DELEGATION_FORM_CODE"), form("DELEGATION_FORM_OFFLINE_QR")]

    async def ways(given: Any) -> list[str]:
        """What comes of each way to show it: a code, a QR code, a copy."""
        asked = {"holder_code": AGENT, "delegation": given.name, "purpose": PURPOSE}
        found = []
        for way in (
            lambda: present(node, name, **asked),
            lambda: shown(node, name, **asked),
            lambda: copied(node, name, **asked),
        ):
            try:
                await way()
                found.append("made")
            except grpc.RpcError as error:
                found.append(from_rpc_error(error).reason)
        return found

    other = "DELEGATION_OF_OTHER_FORM"
    assert await ways(usual) == ["made", "made", other]
    only = await delegate(node, name, forms=[form("DELEGATION_FORM_COPY")] * 2)
    assert list(only.forms) == [form("DELEGATION_FORM_COPY")]
    assert await ways(only) == [other, other, "made"]
    error = await refused(delegate(node, name, forms=[0]))
    assert error.reason == "BAD_ARGUMENT"


async def test_a_delegation_ends_by_itself_and_no_code_outlives_it(node: LicenseNode) -> None:
    name = (await issue(node)).name
    until = node.clock.now() + timedelta(seconds=100)
    given = await delegate(node, name, expire_time=until)
    asked = {"holder_code": AGENT, "delegation": given.name, "purpose": PURPOSE}
    shown = await present(node, name, **asked)
    assert shown.expire_time == given.expire_time
    node.clock.advance(timedelta(seconds=101))
    error = await refused(node.counter.presentations.PresentLicense(present_request(name, **asked)))
    assert error.reason == "DELEGATION_EXPIRED"
    assert await verified(node, shown.code) == "DELEGATION_ENDED"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"licenses": []}, "BAD_DELEGATED_LICENSES"),
        ({"licenses": [f"{BUREAU}/licenses/unknown"]}, "LICENSE_NOT_FOUND"),
        ({"agent_code": HOLDER}, "BAD_AGENT"),
        ({"agent_code": "1234"}, "BAD_AGENT"),
        ({"agent_name": " "}, "BAD_AGENT"),
        ({"purpose": ""}, "BAD_TEXT"),
        ({"expire_time": NOW - timedelta(days=1)}, "BAD_DELEGATION_END"),
        ({"expire_time": NOW + timedelta(days=400)}, "BAD_DELEGATION_END"),
        ({"expire_time": None}, "BAD_ARGUMENT"),
        ({"holder_code": citizen_number(2)}, "LICENSE_NOT_FOUND"),
    ],
)
async def test_a_wrong_delegation_is_refused(
    node: LicenseNode, license_name: str, changes: dict[str, Any], reason: str
) -> None:
    error = await refused(delegate(node, **{"licenses": [license_name], **changes}))
    assert error.reason == reason


async def test_only_what_is_in_force_is_delegated(node: LicenseNode) -> None:
    good, ended = (await issue(node)).name, (await issue(node)).name
    await change(node, "Revoke", ended)
    assert (await refused(delegate(node, good, ended))).reason == "LICENSE_NOT_IN_FORCE"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def license_name(node: LicenseNode) -> str:
    return (await issue(node)).name
