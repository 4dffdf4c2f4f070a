"""The sharing interfaces of GB/T 36906, over mTLS on loopback."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio

from licenses.carried import carried_metadata
from licenses.model import LicenseFormat
from licenses.v1 import copies_pb2, licenses_pb2
from licenses.v1 import offline_pb2 as offline
from licenses.v1 import presentations_pb2 as presentations
from licenses.v1 import sharing_pb2 as pb
from licenses.v1 import verifying_pb2 as verifying
from runtime.identity import Role
from runtime.paging import last_of
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    BANK,
    DEPARTMENT,
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
from tests.builders.licenses import TYPE_NAME, citizen_number

pytestmark = pytest.mark.asyncio(loop_scope="module")
ITEM = f"{BANK}/serviceItems/withdrawal"
REASON = "办理公积金提取"
ISSUED = "license_issued"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path_factory.mktemp("sharing")) as found:
        await shared(found, "conditional")
        yield found


async def shared(node: LicenseNode, sharing: str) -> None:
    """The authority that defines the type says how it is shared, and who accepts it."""
    client = node.client(OFFICE, DEPARTMENT).licenses
    held = (
        await client.GetLicenseType(licenses_pb2.GetLicenseTypeRequest(name=TYPE_NAME))
    ).license_type
    lines = [
        one
        for one in held.toml.splitlines(keepends=True)
        if not one.startswith(("sharing_type", "accepted_by"))
    ]
    await client.PutLicenseType(
        licenses_pb2.PutLicenseTypeRequest(
            toml=f'sharing_type = "{sharing}"\naccepted_by = ["{ITEM}"]\n{"".join(lines)}',
            template_toml=held.template_toml,
            etag=held.etag,
            request_id=fresh(),
        )
    )


async def found(node: LicenseNode, client: Any = None, **by: Any) -> Any:
    values = {"reason": REASON, "service_item": ITEM, **by}
    request = pb.FindLicensesRequest(**values)
    return await (client or node.verifier).sharing.FindLicenses(request)


async def fetched(node: LicenseNode, identifier: str, **changes: Any) -> Any:
    values = {
        "license_identifier": identifier,
        "reason": REASON,
        "service_item": ITEM,
        "request_id": fresh(),
        **changes,
    }
    return await node.verifier.sharing.GetSharedFile(pb.GetSharedFileRequest(**values))


async def looks(node: LicenseNode, name: str) -> list[Any]:
    request = presentations.ListLooksRequest(holder_code=HOLDER, license=name)
    return list((await node.counter.presentations.ListLooks(request)).looks)


async def test_a_license_is_found_three_ways_and_its_holder_sees_it(node: LicenseNode) -> None:
    license_ = await issue(node)
    shown = await node.counter.offline.PresentOffline(
        offline.PresentOfflineRequest(
            license=license_.name,
            holder_code=HOLDER,
            fields=["ZZMC"],
            purpose=REASON,
            request_id=fresh(),
        )
    )
    holder = pb.HolderToFind(name="赵示例", code=HOLDER)
    for by in (
        {"license_identifier": license_.license_identifier},
        {"qr": f"https://示范.example/{license_.license_identifier}"},
        {"qr": shown.text},
        {"holder": holder},
        {"holder": pb.HolderToFind(name="赵示例", code=HOLDER, license_type=TYPE_NAME)},
    ):
        answer = await found(node, **by)
        (one,) = [x for x in answer.licenses if x.license_identifier == license_.license_identifier]
        assert one.license_type_display_name == "就业创业登记证"
        assert one.issuer_display_name == "示范县人力资源和社会保障局"
        assert one.state == licenses_pb2.LICENSE_STATE_ACTIVE
        assert HOLDER not in str(answer).replace("\\", "")
    seen = [one for one in await looks(node, license_.name) if one.kind == "licenses_found"]
    assert len(seen) == 5
    assert (seen[0].department, seen[0].purpose) == (BANK, REASON)
    for leaf in node.leaves("licenses_found"):
        assert license_.name not in str(leaf)
        assert leaf["service_item"] == ITEM


async def test_a_holder_is_found_by_name_and_number_together(node: LicenseNode) -> None:
    await issue(node)
    other = pb.HolderToFind(name="钱示例", code=HOLDER)
    assert not (await found(node, holder=other)).licenses
    nobody = pb.HolderToFind(name="赵示例", code=citizen_number(9))
    assert not (await found(node, holder=nobody)).licenses
    page = await found(node, holder=pb.HolderToFind(name="赵示例", code=HOLDER), page_size=1)
    assert len(page.licenses) == 1
    assert page.next_page_token
    client = node.client(BANK, Role.DEPARTMENT, system="guesser")
    for _ in range(5):
        await found(node, client, holder=other)
    assert (await refused(found(node, client, holder=other))).reason == "TOO_MANY_GUESSES"


async def test_a_page_tells_nothing_of_what_is_left_out(node: LicenseNode) -> None:
    """Whoever knows a number alone, or may not have the type, learns of no license from a token."""
    for _ in range(2):
        await issue(node)
    holder = pb.HolderToFind(name="赵示例", code=HOLDER)
    other = pb.HolderToFind(name="钱示例", code=HOLDER)
    client = node.client(BANK, Role.DEPARTMENT, system="reader")
    for of, item in ((other, ITEM), (holder, "")):
        answer = await found(node, client, holder=of, service_item=item, page_size=1)
        assert not answer.licenses
        assert not answer.next_page_token
    # Every license comes once, the last page has no token, and a token opens no other name's.
    every = [one.license_identifier for one in (await found(node, client, holder=holder)).licenses]
    paged: list[str] = []
    token = ""
    while True:
        page = await found(node, client, holder=holder, page_size=1, page_token=token)
        paged += [one.license_identifier for one in page.licenses]
        token = page.next_page_token or token
        if not page.next_page_token:
            break
        shown = last_of(token)
        assert shown not in str(node.leaves(ISSUED))
    assert paged == every
    error = await refused(found(node, client, holder=other, page_size=1, page_token=token))
    assert error.reason == "BAD_PAGE_TOKEN"


async def test_the_rule_is_asked_before_anything_is_looked_up(node: LicenseNode) -> None:
    license_ = await issue(node)
    identifier = license_.license_identifier
    for changes, reason in (
        ({"service_item": ""}, "SERVICE_ITEM_NOT_ACCEPTED"),
        ({"service_item": f"{BANK}/serviceItems/other"}, "SERVICE_ITEM_NOT_ACCEPTED"),
        ({"service_item": f"{OFFICE}/serviceItems/withdrawal"}, "NOT_OWN_SERVICE_ITEM"),
        ({"reason": ""}, "BAD_TEXT"),
        ({"reason": "x" * 201}, "BAD_TEXT"),
    ):
        asked = {"license_identifier": identifier, **changes}
        assert (await refused(found(node, **asked))).reason == reason
        assert (await refused(fetched(node, identifier, **changes))).reason == reason
    with_type = pb.HolderToFind(name="赵示例", code=HOLDER, license_type=TYPE_NAME)
    error = await refused(found(node, holder=with_type, service_item=""))
    assert error.reason == "SERVICE_ITEM_NOT_ACCEPTED"
    # Without a type, what one may not have is left out.
    unasked = await found(node, holder=pb.HolderToFind(name="赵示例", code=HOLDER), service_item="")
    assert not unasked.licenses
    for by, reason in (
        ({"license_identifier": "1.2.3"}, "BAD_LICENSE_IDENTIFIER"),
        ({"qr": "hello"}, "QR_UNREADABLE"),
        ({"qr": "TB1:HELLO"}, "QR_UNREADABLE"),
        ({"holder": pb.HolderToFind(name="赵示例", code="1")}, "BAD_HOLDER_CODE"),
        ({}, "BAD_ARGUMENT"),
    ):
        assert (await refused(found(node, **by))).reason == reason
    counter = node.counter
    assert (await refused(found(node, counter, qr="x"))).reason == "ROLE_NOT_ALLOWED"


async def test_a_file_comes_as_a_copy_for_that_department(node: LicenseNode) -> None:
    license_ = await issue(node)
    request_id = fresh()
    one = await fetched(node, license_.license_identifier, request_id=request_id)
    assert one == await fetched(node, license_.license_identifier, request_id=request_id)
    assert hashlib.sha256(one.document).hexdigest() == one.sha256
    said = carried_metadata(one.document, LicenseFormat.OFD)
    assert (said["JZJZZSY"], said["JZJJSDW"]) == (REASON, "示范县住房公积金中心")
    assert date.fromisoformat(one.valid_to) == date(2026, 11, 21) + timedelta(days=30)
    answer = (
        await node.verifier.sharing.VerifyFile(
            pb.VerifyFileRequest(document=one.document, reason=REASON)
        )
    ).answer
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    assert answer.receipt.leaf
    other = node.client(OFFICE, DEPARTMENT, system="other")
    answer = (
        await other.sharing.VerifyFile(pb.VerifyFileRequest(document=one.document, reason=REASON))
    ).answer
    assert answer.verdict.sub_indication == "COPY_FOR_OTHER_RECEIVER"
    # Its holder sees who took it, for what, and withdraws it.
    (seen,) = [x for x in await looks(node, license_.name) if x.kind == "license_shared"]
    assert (seen.department, seen.purpose, list(seen.fields)) == (BANK, REASON, ["*"])
    asked = copies_pb2.ListEndorsedCopiesRequest(holder_code=HOLDER, license=license_.name)
    (kept,) = (await node.counter.copies.ListEndorsedCopies(asked)).copies
    assert (kept.shared, kept.service_item, kept.receiver_department) == (True, ITEM, BANK)
    await node.counter.copies.EndEndorsedCopy(
        copies_pb2.EndEndorsedCopyRequest(name=kept.name, holder_code=HOLDER, request_id=fresh())
    )
    answer = (
        await node.verifier.sharing.VerifyFile(
            pb.VerifyFileRequest(document=one.document, reason=REASON)
        )
    ).answer
    assert answer.verdict.sub_indication == "COPY_WITHDRAWN"
    await change(node, "Suspend", license_.name)
    error = await refused(fetched(node, license_.license_identifier))
    assert error.reason == "LICENSE_NOT_IN_FORCE"
    gone = license_.license_identifier.rsplit(".", 3)[0]
    error = await refused(fetched(node, f"{gone}.002.X"))
    assert error.reason in ("BAD_LICENSE_IDENTIFIER", "LICENSE_NOT_FOUND")
    for changes, reason in (
        ({"valid_to": "2099-01-01"}, "BAD_COPY_END"),
        ({"format": licenses_pb2.LICENSE_FORMAT_JWT}, "BAD_COPY_FORM"),
        ({"request_id": ""}, "REQUEST_ID_REQUIRED"),
    ):
        error = await refused(fetched(node, (await issue(node)).license_identifier, **changes))
        assert error.reason == reason


async def test_data_are_compared_under_the_same_rule(node: LicenseNode) -> None:
    license_ = await issue(node)

    async def compared(**changes: Any) -> Any:
        match = verifying.FieldsToMatch(
            license_identifier=license_.license_identifier, fields={"CZZT": "赵示例"}
        )
        values = {"match": match, "reason": REASON, "service_item": ITEM, **changes}
        return (await node.verifier.sharing.VerifyData(pb.VerifyDataRequest(**values))).answer

    answer = await compared()
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    assert (await refused(compared(service_item=""))).reason == "SERVICE_ITEM_NOT_ACCEPTED"
    original = await document(node, license_, "PDF")
    answer = (
        await node.verifier.sharing.VerifyFile(
            pb.VerifyFileRequest(document=original, reason=REASON)
        )
    ).answer
    assert answer.license_identifier == license_.license_identifier


async def test_the_fields_of_a_type_are_told(node: LicenseNode) -> None:
    by_name = await node.verifier.sharing.GetFieldTemplate(
        pb.GetFieldTemplateRequest(license_type=TYPE_NAME)
    )
    by_code = await node.verifier.sharing.GetFieldTemplate(
        pb.GetFieldTemplateRequest(license_type=by_name.code)
    )
    assert by_name == by_code
    assert by_name.sharing_type == "conditional"
    fields = {one.code: one for one in by_name.fields}
    assert fields["CZZT"].display_name == "持证主体"
    assert "就业登记" in {one.code for one in fields["KZ_DJLX"].values} | {
        one.name for one in fields["KZ_DJLX"].values
    }
    error = await refused(
        node.verifier.sharing.GetFieldTemplate(pb.GetFieldTemplateRequest(license_type="x"))
    )
    assert error.reason == "LICENSE_TYPE_NOT_FOUND"


async def test_what_is_not_shared_is_nobodys(node: LicenseNode) -> None:
    license_ = await issue(node)
    await shared(node, "not_shared")
    identifier = license_.license_identifier
    error = await refused(found(node, license_identifier=identifier))
    assert error.reason == "LICENSE_TYPE_NOT_SHARED"
    assert (await refused(fetched(node, identifier))).reason == "LICENSE_TYPE_NOT_SHARED"
    await shared(node, "unconditional")
    assert (
        await found(node, license_identifier=license_.license_identifier, service_item="")
    ).licenses
