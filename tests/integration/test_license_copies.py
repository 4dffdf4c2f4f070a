"""Endorsed copies: what they say, when they end, for whom they are."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pypdfium2
import pytest
import pytest_asyncio

from licenses.carried import carried_metadata
from licenses.model import LicenseFormat
from licenses.pages.model import Text
from licenses.pages.ofd_reader import read_ofd
from licenses.v1 import copies_pb2 as pb
from licenses.v1 import delegations_pb2 as delegations
from runtime.pdfium import PDFIUM
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    BANK,
    HOLDER,
    OFFICE,
    LicenseNode,
    change,
    fresh,
    issue,
    present,
    refused,
    running,
)
from tests.builders.license_verifying import PURPOSE, check, copied, shown, told, verified
from tests.builders.licenses import citizen_number

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path_factory.mktemp("copies")) as found:
        yield found


def text_of(form: str, data: bytes) -> str:
    if form == "OFD":
        items = [item for page in read_ofd(data).pages for item in page.items]
        return "".join(item.text for item in items if isinstance(item, Text))
    with PDFIUM:
        pdf = pypdfium2.PdfDocument(data)
        found = "".join(page.get_textpage().get_text_range() for page in pdf)
        pdf.close()
    return found


@pytest.mark.parametrize("form", ["OFD", "PDF"])
async def test_a_copy_says_for_what_for_whom_and_until_when(node: LicenseNode, form: str) -> None:
    license_ = await issue(node)
    request_id = fresh()
    copy = await copied(node, license_.name, form, request_id=request_id)
    assert copy == await copied(node, license_.name, form, request_id=request_id)
    assert hashlib.sha256(copy.document).hexdigest() == copy.sha256
    assert copy.original_sha256 == getattr(license_, f"{form.lower()}_sha256")
    said = carried_metadata(copy.document, LicenseFormat(f".{form.lower()}"))
    assert said["JZJZZSY"] == PURPOSE
    assert said["JZJYJZY"] == copy.original_sha256
    assert {key: said[key] for key in license_.metadata} == dict(license_.metadata)
    face = "".join(text_of(form, copy.document).split())
    assert f"仅用于{PURPOSE}；提供给示范县住房公积金中心；有效至" in face

    answer = await verified(node, document=copy.document)
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    assert (answer.endorsement.purpose, answer.endorsement.receiver) == (
        PURPOSE,
        "示范县住房公积金中心",
    )
    assert answer.endorsement.original_sha256 == copy.original_sha256
    assert await told(node, document=copy.document, purpose="办理 贷款") == "COPY_FOR_OTHER_PURPOSE"
    judged = await node.verifier.seals.VerifyDocument(
        seal_pb2.VerifyDocumentRequest(document=copy.document)
    )
    assert judged.verdict.indication == seal_pb2.INDICATION_PASSED
    made = {"copy": copy.name, "sha256": copy.sha256}
    (leaf,) = node.committing("license_copied", license=license_.name, **made)
    assert not set(leaf) & {"copy", "sha256", "delegation"}
    await change(node, "Suspend", license_.name)
    assert await told(node, document=copy.document) == "LICENSE_SUSPENDED"
    error = await refused(copied(node, license_.name))
    assert error.reason == "LICENSE_NOT_IN_FORCE"


async def test_a_copy_ends_with_its_last_day(node: LicenseNode) -> None:
    name = (await issue(node)).name
    today = (node.clock.now() + timedelta(hours=8)).date()
    copy = await copied(node, name, "PDF", valid_to=today.isoformat())
    assert await told(node, document=copy.document) == "PASSED"
    node.clock.advance(timedelta(days=1))
    assert await told(node, document=copy.document) == "COPY_ENDED"
    # Of a time before its end it served, and it is said that it does no longer.
    served = node.clock.now() - timedelta(days=1) + timedelta(seconds=1)
    for kind, over in (("PASSED", True), ("COPY_FOR_OTHER_PURPOSE", False)):
        purpose = PURPOSE if over else "另一用途"
        answer = await verified(node, document=copy.document, as_of=served, purpose=purpose)
        assert (answer.verdict.sub_indication or "PASSED") == kind
        assert ("now: this endorsed copy's time is over" in answer.verdict.summary) is over
        assert ("现在：" in answer.verdict.summary_zh) is over


async def test_wrong_copies_are_refused(node: LicenseNode, tmp_path: Path) -> None:
    name, agent = (await issue(node)).name, citizen_number(7)
    for changes, reason in (
        ({"holder_code": citizen_number(2)}, "LICENSE_NOT_FOUND"),
        ({"purpose": ""}, "BAD_TEXT"),
        ({"receiver": " "}, "BAD_RECEIVER"),
        ({"valid_to": "2020-01-01"}, "BAD_COPY_END"),
        ({"valid_to": "2099-01-01"}, "BAD_COPY_END"),
        ({"valid_to": "soon"}, "BAD_ARGUMENT"),
        ({"form": "JWT"}, "BAD_COPY_FORM"),
        ({"purpose": "办事\U0010fffd"}, "GLYPH_MISSING"),
        ({"request_id": ""}, "REQUEST_ID_REQUIRED"),
        ({"holder_code": agent}, "LICENSE_NOT_FOUND"),
    ):
        form = changes.pop("form", "OFD")
        error = await refused(copied(node, name, form, **changes))
        assert error.reason == reason
    request_id = fresh()
    await copied(node, name, request_id=request_id)
    error = await refused(copied(node, name, request_id=request_id, receiver="另一单位"))
    assert error.reason == "REQUEST_ID_REUSED"
    ask = delegations.CreateDelegationRequest(
        holder_code=HOLDER, agent_name="钱代办", agent_code=agent, licenses=[name],
        purpose=PURPOSE, request_id=fresh(), forms=[delegations.DELEGATION_FORM_COPY],
    )  # fmt: skip
    ask.expire_time.FromDatetime(node.clock.now() + timedelta(days=1))
    given = (await node.counter.delegations.CreateDelegation(ask)).delegation
    under = {"holder_code": agent, "delegation": given.name}
    error = await refused(copied(node, name, **under, purpose="办理贷款"))
    assert error.reason == "DELEGATION_FOR_OTHER_PURPOSE"
    error = await refused(copied(node, name, **under))
    assert error.reason == "BAD_COPY_END"  # beyond the delegation's end


async def test_a_copy_of_an_agent_ends_with_the_delegation(node: LicenseNode) -> None:
    name, agent = (await issue(node)).name, citizen_number(7)
    ask = delegations.CreateDelegationRequest(
        holder_code=HOLDER, agent_name="钱代办", agent_code=agent, licenses=[name],
        purpose=PURPOSE, request_id=fresh(), forms=[delegations.DELEGATION_FORM_COPY],
    )  # fmt: skip
    ask.expire_time.FromDatetime(node.clock.now() + timedelta(days=10))
    given = (await node.counter.delegations.CreateDelegation(ask)).delegation
    copy = await copied(node, name, holder_code=agent, delegation=given.name)
    assert await told(node, document=copy.document) == "PASSED"
    (leaf,) = node.committing("license_copied", license=name, delegation=given.name)
    assert "delegation" not in leaf
    held = pb.ListEndorsedCopiesRequest(holder_code=HOLDER, license=name)
    (kept,) = (await node.counter.copies.ListEndorsedCopies(held)).copies
    assert (kept.delegation, kept.open) == (given.name, True)
    end = delegations.EndDelegationRequest(name=given.name, holder_code=HOLDER, request_id=fresh())
    await node.counter.delegations.EndDelegation(end)
    assert await told(node, document=copy.document) == "DELEGATION_ENDED"
    (kept,) = (await node.counter.copies.ListEndorsedCopies(held)).copies
    assert not kept.open


async def test_a_holder_withdraws_a_copy(node: LicenseNode) -> None:
    name = (await issue(node)).name
    copy, other = await copied(node, name), await copied(node, name)
    end = pb.EndEndorsedCopyRequest(name=copy.name, holder_code=HOLDER, request_id=fresh())
    stranger = pb.EndEndorsedCopyRequest(
        name=copy.name, holder_code=citizen_number(2), request_id=fresh()
    )
    assert (await refused(node.counter.copies.EndEndorsedCopy(stranger))).reason == "COPY_NOT_FOUND"
    first = await node.counter.copies.EndEndorsedCopy(end)
    assert not first.copy.open
    assert await node.counter.copies.EndEndorsedCopy(end) == first
    assert await told(node, document=copy.document) == "COPY_WITHDRAWN"
    assert await told(node, document=other.document) == "PASSED"
    (leaf,) = node.committing("license_copy_ended", license=name, copy=copy.name)
    assert "copy" not in leaf


async def test_a_copy_for_a_department_is_for_no_other(node: LicenseNode) -> None:
    name = (await issue(node)).name
    mine = await copied(node, name, receiver_department=BANK, receiver="公积金")
    answer = await verified(node, document=mine.document)
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    assert check(answer, "receiver").indication == seal_pb2.INDICATION_PASSED
    other = await copied(node, name, receiver_department=OFFICE)
    assert await told(node, document=other.document) == "COPY_FOR_OTHER_RECEIVER"
    # For a department that there is not nothing is made that nobody can use.
    nobody = "departments/nosuch"
    for made in (
        copied(node, name, receiver_department=nobody),
        present(node, name, audience=nobody),
        shown(node, name, audience=nobody),
    ):
        assert (await refused(made)).reason == "DEPARTMENT_NOT_FOUND"
    # In words it is compared where it is what the catalog calls the verifier, else told.
    in_words = await copied(node, name)
    assert check(await verified(node, document=in_words.document), "receiver").indication == (
        seal_pb2.INDICATION_PASSED
    )
    loose = await verified(node, document=(await copied(node, name, receiver="某银行")).document)
    assert loose.verdict.indication == seal_pb2.INDICATION_PASSED
    assert check(loose, "receiver").indication == seal_pb2.INDICATION_INDETERMINATE
    assert "not compared" in loose.verdict.summary
    assert "未核对" in loose.verdict.summary_zh
