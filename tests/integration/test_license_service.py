"""The license service with the real exchange and seals, over mTLS on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from exchange.v1 import catalog_pb2
from licenses.identifiers import LicenseIdentifier
from licenses.pages.ofd_reader import read_ofd
from licenses.v1 import licenses_pb2 as pb
from runtime.identity import Role
from runtime.status import from_rpc_error
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    BANK,
    HOLDER,
    LIBRARY,
    OFFICE,
    LicenseNode,
    change,
    fresh,
    issue,
    issue_request,
    opens,
    present,
    present_request,
    refused,
    running,
    verify,
)
from tests.builders.licenses import BUREAU, NOW, TYPE_NAME, citizen_number

PASSED = seal_pb2.INDICATION_PASSED
FAILED = seal_pb2.INDICATION_FAILED


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path) as found:
        yield found


async def test_a_license_is_issued_sealed_stored_and_published(node: LicenseNode) -> None:
    license_ = await issue(node)
    assert license_.state == pb.LICENSE_STATE_ACTIVE
    identifier = LicenseIdentifier.parse(license_.license_identifier)
    assert identifier.issuer_code == "11990101MB9901024T"
    assert identifier.serial == "20260000001"
    assert license_.valid_from == "2026-11-21"
    assert license_.valid_to == "2029-11-20"
    assert re.fullmatch(rf"{BUREAU}/licenses/[0-9a-f]{{24}}", license_.name)

    documents = {}
    for form, digest in (("OFD", license_.ofd_sha256), ("PDF", license_.pdf_sha256)):
        request = pb.GetLicenseDocumentRequest(
            name=license_.name,
            format=pb.LicenseFormat.Value(f"LICENSE_FORMAT_{form}"),
            reason="归档",
        )
        answer = await node.issuer.licenses.GetLicenseDocument(request)
        assert hashlib.sha256(answer.document).hexdigest() == digest
        assert answer.media_type == f"application/{form.lower()}"
        checked = await node.verifier.seals.VerifyDocument(
            seal_pb2.VerifyDocumentRequest(document=answer.document)
        )
        assert checked.verdict.indication == PASSED, checked.verdict
        documents[form] = answer.document
    carried = read_ofd(documents["OFD"])
    assert carried.metadata == license_.metadata
    assert [a.name for a in carried.attachments]

    (record,) = node.library()
    assert record["license_identifier"] == license_.license_identifier
    assert record["state"] == "ACTIVE"
    held = await node.verifier.catalog.GetDataResource(
        catalog_pb2.GetDataResourceRequest(name=LIBRARY)
    )
    assert held.resource.base_library == "license"


async def test_no_leaf_holds_the_holder(node: LicenseNode) -> None:
    license_ = await issue(node)
    shown = await present(node, license_.name)
    verified = await verify(node.verifier, shown.code)
    await node.counter.licenses.ListHeldLicenses(pb.ListHeldLicensesRequest(holder_code=HOLDER))
    request = pb.GetLicenseDocumentRequest(
        name=license_.name, reason="查阅赵示例档案", holder_code=HOLDER
    )
    await node.counter.licenses.GetLicenseDocument(request)
    leaves = node.leaves()
    assert [leaf["kind"] for leaf in leaves] == [
        "license_issued",
        "license_presented",
        "presentation_verified",
        "held_licenses_listed",
        "license_document_read",
    ]
    # Who verified the code opens what they said in that one leaf, and finds its maker nowhere.
    _, made, seen, listed, _ = leaves
    for leaf in (made, seen, listed):
        assert not {"license", "presentation", "audience", "fields", "count"} & set(leaf)
    told = {"presentation": shown.presentation, "license": license_.name}
    assert node.committing("presentation_verified", **told) == [seen]
    assert node.committing("license_presented", **told, audience="") == [made]
    assert opens(verified.receipt, "asked", "purpose", "核验就业登记")
    text = json.dumps(leaves, ensure_ascii=False)
    for secret in (HOLDER, "赵示例", shown.code, shown.code.replace("-", "")):
        assert secret not in text


async def test_the_public_log_tells_an_unknown_code_from_anothers_no_more_than_the_answer(
    node: LicenseNode,
) -> None:
    """Every system reads the log: also the one that tried the code."""
    license_ = await issue(node)
    shown = await present(node, license_.name, audience=OFFICE)
    answers = [await verify(node.verifier, code) for code in (shown.code, "0" * 26)]
    told = [one.verdict.sub_indication for one in answers]
    assert told == ["WRONG_AUDIENCE", "CODE_UNKNOWN"]
    others, unknown = node.leaves("presentation_verified")
    # Who knows a license's name or identifier finds in the log neither its uses nor its state; who
    # holds its file finds its issue by that.
    assert not {"license", "license_identifier"} & {key for leaf in node.leaves() for key in leaf}
    (issued,) = node.uses("license_issued", license_.name)
    assert issued["ofd_sha256"] == license_.ofd_sha256
    assert "presentation" not in others
    assert [others["result"], unknown["result"]] == told
    assert set(others) == set(unknown)
    assert set(others["commitments"]) == set(unknown["commitments"])
    # Nor does a receipt open, to whoever tries out values, whose license it was or whether there
    # is one.
    for answer in answers:
        for label, values in {
            "license": (license_.name, ""),
            "holder_code": (HOLDER, ""),
            "presentation": (shown.presentation, ""),
        }.items():
            assert not any(opens(answer.receipt, "commitments", label, one) for one in values)


async def test_a_repeated_request_is_answered_as_first(node: LicenseNode) -> None:
    request = issue_request()
    first = await node.issuer.licenses.IssueLicense(request)
    await change(node, "Suspend", first.license.name)
    assert await node.issuer.licenses.IssueLicense(request) == first
    request.holder_name = "钱示例"
    assert (await refused(node.issuer.licenses.IssueLicense(request))).reason == "REQUEST_ID_REUSED"
    assert len(node.leaves("license_issued")) == 1


async def test_the_same_request_many_times_at_once_makes_one_license(node: LicenseNode) -> None:
    request, client = issue_request(), node.issuer
    answers = await asyncio.gather(*(client.licenses.IssueLicense(request) for _ in range(12)))
    assert len({a.license.name for a in answers}) == 1
    assert len(node.leaves("license_issued")) == 1


async def test_many_issues_at_once_do_not_starve_the_node(node: LicenseNode) -> None:
    client = node.issuer
    answers = await asyncio.gather(
        *(client.licenses.IssueLicense(issue_request()) for _ in range(24))
    )
    serials = {LicenseIdentifier.parse(a.license.license_identifier).serial for a in answers}
    assert len(serials) == 24
    assert len({r["license_identifier"] for r in node.library()}) == 24


async def test_what_cannot_be_issued_reserves_nothing(node: LicenseNode) -> None:
    for changes, reason in (
        ({"fields": {}}, "BAD_LICENSE_FIELDS"),
        ({"holder_code": "99010119900307001A"}, "BAD_LICENSE_FIELDS"),
        ({"license_type": "licenseTypes/fishing"}, "LICENSE_TYPE_NOT_FOUND"),
        ({"seal": f"{BUREAU}/seals/other"}, "SEAL_NOT_USABLE"),
        ({"valid_from": "2026-13-01"}, "BAD_ARGUMENT"),
        ({"request_id": ""}, "REQUEST_ID_REQUIRED"),
        ({"parent": BANK}, "NOT_OWN_DEPARTMENT"),
        ({"parent": "departments/nowhere"}, "NOT_OWN_DEPARTMENT"),
        ({"holder_name": "赵\ufffe"}, "TEXT_NOT_XML"),
        ({"holder_name": "赵\U0001f600"}, "GLYPH_MISSING"),
        ({"fields": {"KZ_DJLX": "就业登记", "KZ_BZ": "\uffff"}}, "TEXT_NOT_XML"),
    ):
        error = await refused(node.issuer.licenses.IssueLicense(issue_request(**changes)))
        assert error.reason == reason, changes
        assert HOLDER not in str(error)
    answer = await node.issuer.licenses.ListLicenses(pb.ListLicensesRequest(parent=BUREAU))
    assert not answer.licenses


async def test_a_department_without_a_seal_issues_nothing(node: LicenseNode) -> None:
    # The type's authority may; whom the type does not name, may not.
    for department, reason in ((OFFICE, "SEAL_NOT_USABLE"), (BANK, "NOT_AN_ISSUER")):
        client = node.client(department, Role.DEPARTMENT)
        error = await refused(client.licenses.IssueLicense(issue_request(parent=department)))
        assert error.reason == reason


async def test_a_license_is_sealed_by_a_seal_for_its_type_only(node: LicenseNode) -> None:
    one = node.client(OFFICE, Role.ADMINISTRATOR, system="admin").seals
    two = node.client(OFFICE, Role.ADMINISTRATOR, system="second-admin").seals
    seal = f"{BUREAU}/seals/main"

    async def authorize(*license_types: str) -> None:
        await one.UpdateSealAuthorization(
            seal_pb2.UpdateSealAuthorizationRequest(
                name=seal,
                authorization=seal_pb2.SealAuthorization(license_types=license_types),
                request_id=fresh(),
            )
        )
        await two.ApproveSeal(seal_pb2.ApproveSealRequest(name=seal, request_id=fresh()))

    await authorize("license-types/fishing")
    error = await refused(node.issuer.licenses.IssueLicense(issue_request()))
    assert error.reason == "SEAL_NOT_USABLE"
    await authorize("license-types/employment-registration")
    await issue(node)
    listed = await node.issuer.seals.ListSealings(seal_pb2.ListSealingsRequest(parent=seal))
    assert {one.kind for one in listed.sealings} == {"license-types/employment-registration"}
    await one.FreezeSeal(seal_pb2.FreezeSealRequest(name=seal, reason="核查", request_id=fresh()))
    error = await refused(node.issuer.licenses.IssueLicense(issue_request()))
    assert error.reason == "SEAL_NOT_USABLE"


async def test_an_own_serial_is_taken_once_and_skipped_by_the_counter(node: LicenseNode) -> None:
    await issue(node, serial="20260000002")
    error = await refused(node.issuer.licenses.IssueLicense(issue_request(serial="20260000002")))
    assert error.reason == "SERIAL_TAKEN"
    numbers = [(await issue(node)).metadata["ZZBH"] for _ in range(2)]
    assert numbers == ["20260000001", "20260000003"]


async def test_each_change_is_published_and_forbidden_ones_are_refused(node: LicenseNode) -> None:
    name = (await issue(node)).name
    node.clock.advance(timedelta(hours=1))
    suspended = await change(node, "Suspend", name, "接到举报，核查中")
    assert suspended.state == pb.LICENSE_STATE_SUSPENDED
    assert suspended.state_reason == "接到举报，核查中"
    assert suspended.state_time.ToDatetime() == (NOW + timedelta(hours=1)).replace(tzinfo=None)
    await change(node, "Resume", name)
    await change(node, "Revoke", name)
    assert [r["state"] for r in node.library()] == ["ACTIVE", "SUSPENDED", "ACTIVE", "REVOKED"]
    for verb in ("Suspend", "Resume", "Revoke", "Cancel"):
        request = getattr(pb, f"{verb}LicenseRequest")(name=name, reason="x", request_id=fresh())
        error = await refused(getattr(node.issuer.licenses, f"{verb}License")(request))
        assert error.reason == "TRANSITION_FORBIDDEN"
    kinds = [leaf["kind"] for leaf in node.leaves()]
    assert kinds == [
        "license_issued",
        "license_suspended",
        "license_resumed",
        "license_revoked",
    ]
    documents = {(leaf["ofd_sha256"], leaf["pdf_sha256"]) for leaf in node.leaves()}
    assert len(documents) == 1  # what became of a document is found by it in the log


async def test_a_repeated_change_is_answered_as_first(node: LicenseNode) -> None:
    name = (await issue(node)).name
    request = pb.SuspendLicenseRequest(name=name, reason="核查", request_id=fresh())
    first = await node.issuer.licenses.SuspendLicense(request)
    await change(node, "Resume", name)
    assert await node.issuer.licenses.SuspendLicense(request) == first
    held = await node.issuer.licenses.GetLicense(pb.GetLicenseRequest(name=name))
    assert held.license.state == pb.LICENSE_STATE_ACTIVE


async def test_a_reason_holds_no_persons_number(node: LicenseNode) -> None:
    name = (await issue(node)).name
    request = pb.RevokeLicenseRequest(name=name, reason=f"持证人{HOLDER}违规", request_id=fresh())
    error = await refused(node.issuer.licenses.RevokeLicense(request))
    assert error.reason == "PERSONAL_NUMBER_IN_TEXT"
    assert HOLDER not in str(error)


async def test_to_outsiders_a_license_does_not_exist(node: LicenseNode) -> None:
    name = (await issue(node)).name
    absent = f"{BUREAU}/licenses/{'0' * 24}"
    outsider = node.verifier.licenses
    for one in (name, absent):
        told = [
            await refused(outsider.GetLicense(pb.GetLicenseRequest(name=one))),
            await refused(
                outsider.GetLicenseDocument(pb.GetLicenseDocumentRequest(name=one, reason="看"))
            ),
            await refused(
                outsider.RevokeLicense(
                    pb.RevokeLicenseRequest(name=one, reason="x", request_id=fresh())
                )
            ),
            await refused(
                node.counter.presentations.PresentLicense(
                    present_request(one, holder_code=citizen_number(2))
                )
            ),
        ]
        assert {(e.reason, e.message) for e in told} == {
            (
                "LICENSE_NOT_FOUND",
                "no such license: check its name with ListLicenses (`tongban license list`)",
            )
        }
    foreign = name.replace(BUREAU, BANK)
    assert (
        await refused(outsider.GetLicense(pb.GetLicenseRequest(name=foreign)))
    ).reason == "LICENSE_NOT_FOUND"


async def test_a_counter_lists_the_holders_licenses_page_by_page(node: LicenseNode) -> None:
    mine = {(await issue(node)).name for _ in range(3)}
    await issue(node, holder_code=citizen_number(2))
    client, token, found = node.counter.licenses, "", []
    while True:
        answer = await client.ListHeldLicenses(
            pb.ListHeldLicensesRequest(holder_code=HOLDER, page_size=2, page_token=token)
        )
        found += [one.name for one in answer.licenses]
        token = answer.next_page_token
        if not token:
            break
    assert set(found) == mine
    assert len(found) == 3
    error = await refused(client.ListHeldLicenses(pb.ListHeldLicensesRequest(holder_code="1")))
    assert error.reason == "BAD_HOLDER_CODE"
    for other in (node.issuer, node.client(BANK, Role.AUDITOR)):
        error = await refused(
            other.licenses.ListHeldLicenses(pb.ListHeldLicensesRequest(holder_code=HOLDER))
        )
        assert error.reason == "ROLE_NOT_ALLOWED"


async def test_a_counter_reads_documents_of_the_holder_it_has_identified_only(
    node: LicenseNode,
) -> None:
    """Names of licenses stand in the log: a counter that reads it must not read the licenses."""
    license_ = await issue(node)
    client = node.counter.licenses
    for code in ("", citizen_number(2)):
        request = pb.GetLicenseDocumentRequest(name=license_.name, reason="看看", holder_code=code)
        assert (await refused(client.GetLicenseDocument(request))).reason == "LICENSE_NOT_FOUND"
    request.holder_code = HOLDER
    assert (await client.GetLicenseDocument(request)).document
    assert len(node.leaves("license_document_read")) == 1


async def test_an_auditor_reads_a_document_for_a_reason(node: LicenseNode) -> None:
    license_ = await issue(node)
    auditor = node.client("departments/audit-office", Role.AUDITOR).licenses
    request = pb.GetLicenseDocumentRequest(name=license_.name)
    assert (await refused(auditor.GetLicenseDocument(request))).reason == "BAD_TEXT"
    request.reason = "年度审计"
    answer = await auditor.GetLicenseDocument(request)
    assert hashlib.sha256(answer.document).hexdigest() == license_.ofd_sha256
    (leaf,) = node.leaves("license_document_read")
    assert leaf["actor"] == "departments/audit-office/systems/main"
    assert set(leaf["commitments"]) == {"license", "sha256", "reason", "holder_code", "salt"}
    assert "license" not in leaf


async def test_on_postgresql_too(tmp_path: Path, postgres_url: str) -> None:
    async with running(tmp_path, database=postgres_url) as node:
        client, request = node.issuer.licenses, issue_request()
        calls = [client.IssueLicense(issue_request()) for _ in range(6)]
        answers = await asyncio.gather(*calls, *(client.IssueLicense(request) for _ in range(4)))
        names = {answer.license.name for answer in answers}
        assert len(names) == 7
        assert len(node.library()) == 7
        # Ten issues of one serial number, and ten new versions of one license: one of each.
        same = await asyncio.gather(
            *(client.IssueLicense(issue_request(serial="777")) for _ in range(10)),
            return_exceptions=True,
        )
        made = [one for one in same if isinstance(one, pb.IssueLicenseResponse)]
        assert len(made) == 1
        told = [from_rpc_error(one).reason for one in same if isinstance(one, grpc.RpcError)]
        assert told == ["SERIAL_TAKEN"] * 9
        wishes = [
            pb.CorrectLicenseRequest(
                name=made[0].license.name, fields={"KZ_BZ": str(n)}, reason="x", request_id=fresh()
            )
            for n in range(10)
        ]
        versions = await asyncio.gather(
            *(client.CorrectLicense(one) for one in wishes), return_exceptions=True
        )
        told = [from_rpc_error(one).reason for one in versions if isinstance(one, grpc.RpcError)]
        assert len(told) == 9
        assert set(told) <= {"VERSION_BEING_ISSUED", "TRANSITION_FORBIDDEN", "CONCURRENT_CHANGE"}
        await change(node, "Suspend", answers[0].license.name)
        shown = await present(node, answers[1].license.name, max_uses=1)
        verifier = node.verifier
        told = await asyncio.gather(*(verify(verifier, shown.code) for _ in range(5)))
        assert sorted(one.verdict.sub_indication for one in told) == ["", *["CODE_USED_UP"] * 4]


async def test_license_types_are_listed(node: LicenseNode) -> None:
    answer = await node.verifier.licenses.ListLicenseTypes(pb.ListLicenseTypesRequest())
    (listed,) = (one for one in answer.license_types if one.name == TYPE_NAME)
    one = await node.verifier.licenses.GetLicenseType(pb.GetLicenseTypeRequest(name=TYPE_NAME))
    assert 'name = "employment-registration"' in one.license_type.toml
    assert "[[fields]]" in one.license_type.template_toml
    one.license_type.ClearField("toml")
    one.license_type.ClearField("template_toml")
    assert one.license_type == listed
    assert listed.fields[0].code == "KZ_DJLX"
