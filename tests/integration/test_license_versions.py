"""Versions of licenses, and licenses from paper, over mTLS: one node for all."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from licenses.carried import carried_digest
from licenses.identifiers import LicenseIdentifier
from licenses.issuing import Request
from licenses.model import LicenseFormat
from licenses.pages.ofd_reader import read_ofd
from licenses.v1 import licenses_pb2 as pb
from runtime.errors import Unavailable
from runtime.identity import Role
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    BANK,
    HOLDER,
    LicenseNode,
    change,
    document,
    fresh,
    issue,
    issue_request,
    present,
    refused,
    running,
    succeed,
    verify,
)
from tests.builders.licenses import BUREAU, an_order, citizen_number, with_transfers

pytestmark = pytest.mark.asyncio(loop_scope="module")
OTHER = citizen_number(2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenseNode]:
    with pytest.MonkeyPatch.context() as patched:
        with_transfers(patched)
        async with running(tmp_path_factory.mktemp("versions")) as found:
            yield found


async def get(node: LicenseNode, name: str) -> pb.License:
    return (await node.issuer.licenses.GetLicense(pb.GetLicenseRequest(name=name))).license


async def test_a_corrected_license_is_a_new_version_and_the_old_one_is_superseded(
    node: LicenseNode,
) -> None:
    first = await issue(node)
    shown = await present(node, first.name)
    second = await succeed(node, "Correct", first.name, fields={"KZ_DJLX": "失业登记"})
    assert second.state == pb.LICENSE_STATE_ACTIVE
    assert (second.version, second.predecessor) == (2, first.name)
    assert second.metadata["KZ_DJLX"] == "失业登记"
    assert second.metadata["KZ_XLXX"] == first.metadata["KZ_XLXX"]
    assert (second.valid_from, second.valid_to) == (first.valid_from, first.valid_to)
    before = LicenseIdentifier.parse(first.license_identifier)
    after = LicenseIdentifier.parse(second.license_identifier)
    assert (after.serial, after.version) == (before.serial, 2)
    old = await get(node, first.name)
    assert old.state == pb.LICENSE_STATE_SUPERSEDED
    assert old.successor == second.name
    told = await verify(node.verifier, shown.code)
    assert told.verdict.sub_indication == "LICENSE_SUPERSEDED"
    library = {one["license_identifier"]: one["state"] for one in node.library()}
    assert library[first.license_identifier] == "SUPERSEDED"
    assert library[second.license_identifier] == "ACTIVE"
    told = {"license": first.name, "successor": second.name}
    (leaf,) = node.committing("license_corrected", **told)
    assert leaf["ofd_sha256"] == first.ofd_sha256
    # Only the newest version is corrected, and the third is of the second.
    request = pb.CorrectLicenseRequest(
        name=first.name, fields={"KZ_BZ": "x"}, reason="x", request_id=fresh()
    )
    error = await refused(node.issuer.licenses.CorrectLicense(request))
    assert error.reason == "TRANSITION_FORBIDDEN"
    third = await succeed(node, "Correct", second.name, fields={"KZ_XLXX": ""})
    assert third.version == 3
    assert "KZ_XLXX" not in third.metadata


async def test_three_forms_carry_one_digest_of_one_metadata(node: LicenseNode) -> None:
    license_ = await issue(node)
    digests = {
        "OFD": license_.ofd_sha256, "PDF": license_.pdf_sha256, "JWT": license_.jwt_sha256,
    }  # fmt: skip
    for form, digest in digests.items():
        data = await document(node, license_, form)
        assert hashlib.sha256(data).hexdigest() == digest
        assert carried_digest(data, LicenseFormat[form]) == license_.metadata_sha256
        checked = await node.verifier.seals.VerifyDocument(
            seal_pb2.VerifyDocumentRequest(document=data)
        )
        assert checked.verdict.indication == seal_pb2.INDICATION_PASSED, form


async def test_a_license_is_renewed_near_its_end_for_one_term(node: LicenseNode) -> None:
    first = await issue(node, valid_from="2023-12-15")
    assert (first.valid_from, first.valid_to) == ("2023-12-15", "2026-12-14")
    second = await succeed(node, "Renew", first.name)
    assert (second.valid_from, second.valid_to) == ("2026-11-21", "2029-11-20")
    request = pb.RenewLicenseRequest(name=second.name, reason="x", request_id=fresh())
    error = await refused(node.issuer.licenses.RenewLicense(request))
    assert (error.reason, error.metadata["renew_from"]) == ("RENEWAL_TOO_EARLY", "2029-08-22")
    assert "2029-08-22" in error.message_zh


async def test_a_license_that_is_over_when_it_begins_is_not_issued(node: LicenseNode) -> None:
    for days in ({"valid_from": "2023-11-21"}, {"valid_from": "2027-11-23"}):
        error = await refused(node.issuer.licenses.IssueLicense(issue_request(**days)))
        assert error.reason == "BAD_LICENSE_FIELDS"
        assert [one.field for one in error.violations] == ["valid_from"]


async def test_a_transferred_license_is_the_new_holders(node: LicenseNode) -> None:
    first = await issue(node, holder_code=citizen_number(3))
    second = await succeed(
        node, "Transfer", first.name, holder_name="钱示例", holder_code=citizen_number(4)
    )
    assert (await get(node, first.name)).state == pb.LICENSE_STATE_TRANSFERRED
    assert second.metadata["CZZT"] == "钱示例"
    assert second.valid_to == first.valid_to
    for code, states in (
        (citizen_number(3), [pb.LICENSE_STATE_TRANSFERRED]),
        (citizen_number(4), [pb.LICENSE_STATE_ACTIVE]),
    ):
        held = await node.counter.licenses.ListHeldLicenses(
            pb.ListHeldLicensesRequest(holder_code=code)
        )
        assert [one.state for one in held.licenses] == states


@pytest.mark.parametrize(
    ("verb", "wish", "reason"),
    [
        ("Correct", {}, "NOTHING_CHANGED"),
        ("Correct", {"fields": {"KZ_DJLX": "就业登记"}}, "NOTHING_CHANGED"),
        ("Correct", {"fields": {"KZ_DJLX": ""}}, "BAD_LICENSE_FIELDS"),
        ("Correct", {"fields": {"KZ_QT": "x"}}, "BAD_LICENSE_FIELDS"),
        ("Correct", {"holder_code": "1"}, "BAD_LICENSE_FIELDS"),
        ("Correct", {"fields": {"KZ_BZ": "长" * 101}}, "BAD_LICENSE_FIELDS"),
        ("Correct", {"fields": {"KZ_BZ": "\U0001f600"}}, "GLYPH_MISSING"),
        ("Correct", {"fields": {"KZ_BZ": "x"}, "reason": ""}, "BAD_TEXT"),
        ("Correct", {"fields": {"KZ_BZ": "x"}, "reason": HOLDER}, "PERSONAL_NUMBER_IN_TEXT"),
        ("Correct", {"fields": {"KZ_BZ": "x"}, "reason": "赵示例申请"}, "HOLDER_IN_TEXT"),
        ("Suspend", {"reason": "赵示例涉案"}, "HOLDER_IN_TEXT"),
        ("Correct", {"fields": {"KZ_BZ": "x"}, "request_id": ""}, "REQUEST_ID_REQUIRED"),
        ("Correct", {"fields": {"KZ_BZ": "x"}, "seal": f"{BUREAU}/seals/x"}, "SEAL_NOT_USABLE"),
        ("Transfer", {}, "SAME_HOLDER"),
        ("Transfer", {"holder_name": "赵示例", "holder_code": HOLDER}, "SAME_HOLDER"),
        ("Transfer", {"holder_name": "甲", "holder_code": "1"}, "BAD_LICENSE_FIELDS"),
        ("Renew", {}, "RENEWAL_TOO_EARLY"),
        ("Renew", {"valid_from": "soon"}, "BAD_ARGUMENT"),
    ],
)
async def test_a_new_version_that_cannot_be_is_refused_and_changes_nothing(
    node: LicenseNode, verb: str, wish: dict[str, Any], reason: str
) -> None:
    first = await _one_to_refuse(node)
    values = {"name": first.name, "reason": "依申请", "request_id": fresh(), **wish}
    request = getattr(pb, f"{verb}LicenseRequest")(**values)
    error = await refused(getattr(node.issuer.licenses, f"{verb}License")(request))
    assert error.reason == reason
    assert HOLDER not in str(error) + error.message_zh
    assert await get(node, first.name) == first


_REFUSING: dict[int, pb.License] = {}


async def _one_to_refuse(node: LicenseNode) -> pb.License:
    if id(node) not in _REFUSING:
        _REFUSING[id(node)] = await issue(node)
    return _REFUSING[id(node)]


async def test_a_suspended_or_ended_license_has_no_new_version(node: LicenseNode) -> None:
    name = (await issue(node)).name
    for verb in ("Suspend", "Revoke"):
        await change(node, verb, name)
        for act, wish in (
            ("Correct", {"fields": {"KZ_BZ": "x"}}),
            ("Renew", {}),
            ("Transfer", {"holder_name": "钱示例", "holder_code": OTHER}),
        ):
            request = getattr(pb, f"{act}LicenseRequest")(
                name=name, reason="x", request_id=fresh(), **wish
            )
            error = await refused(getattr(node.issuer.licenses, f"{act}License")(request))
            assert error.reason == "TRANSITION_FORBIDDEN"


async def test_of_many_new_versions_at_once_one_is_made(node: LicenseNode) -> None:
    name = (await issue(node)).name
    requests = [
        pb.CorrectLicenseRequest(
            name=name, fields={"KZ_BZ": f"更正{n}"}, reason="x", request_id=fresh()
        )
        for n in range(6)
    ]
    client = node.issuer.licenses
    answers = await asyncio.gather(
        *(client.CorrectLicense(one) for one in requests), return_exceptions=True
    )
    made = [one for one in answers if isinstance(one, pb.CorrectLicenseResponse)]
    assert len(made) == 1
    assert made[0].license.version == 2
    # The request that won is answered as first, the others stay refused.
    again = await client.CorrectLicense(requests[answers.index(made[0])])
    assert again == made[0]


async def test_a_stranger_corrects_nothing(node: LicenseNode) -> None:
    name = (await issue(node)).name
    stranger = node.client(BANK, Role.DEPARTMENT).licenses
    for one in (name, f"{BUREAU}/licenses/{'0' * 24}"):
        request = pb.CorrectLicenseRequest(
            name=one, fields={"KZ_BZ": "x"}, reason="x", request_id=fresh()
        )
        assert (await refused(stranger.CorrectLicense(request))).reason == "LICENSE_NOT_FOUND"


async def test_ten_issues_of_one_serial_at_once_make_one_license(node: LicenseNode) -> None:
    client = node.issuer.licenses
    calls = (client.IssueLicense(issue_request(serial="777")) for _ in range(10))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert len([one for one in answers if isinstance(one, pb.IssueLicenseResponse)]) == 1
    error = await refused(client.IssueLicense(issue_request(serial="777")))
    assert error.reason == "SERIAL_TAKEN"


# Paper.


def a_picture(kind: str = "PNG", size: tuple[int, int] = (40, 60)) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", size, (200, 220, 240))
    image.paste((40, 40, 40), (0, 0, size[0] // 2, size[1] // 6))
    image.save(out, kind)
    return out.getvalue()


def from_paper(**changes: Any) -> pb.PaperLicense:
    values = {
        "number": "示人社证（2009）第12号",
        "issue_date": "2009-03-01",
        "scans": [a_picture()],
    }
    return pb.PaperLicense(**{**values, **changes})


async def test_as_many_scans_as_may_be_are_sealed_in_every_form(node: LicenseNode) -> None:
    # What stands after the end of a picture is nobody's, and fills it up.
    head = a_picture()
    scans = [
        head + random.randbytes(2**21 - len(head)).hex()[: 2**21 - len(head)].encode()
        for _ in range(4)
    ]
    license_ = await issue(node, paper=from_paper(scans=scans, number="第13号"), serial="13")
    assert license_.state == pb.LICENSE_STATE_ACTIVE
    paper = from_paper(scans=[*scans, a_picture()])
    error = await refused(node.issuer.licenses.IssueLicense(issue_request(paper=paper)))
    assert [one.field for one in error.violations] == ["paper.scans"]


async def test_a_license_made_from_a_paper_one_says_so(node: LicenseNode) -> None:
    license_ = await issue(
        node, paper=from_paper(), valid_from="2009-03-01", valid_to="2029-02-28", serial="12"
    )
    assert license_.origin == pb.LICENSE_ORIGIN_PAPER
    assert license_.valid_to == "2029-02-28"
    metadata = license_.metadata
    assert metadata["KZ_SJLY"] == "历史数据电子化"
    assert metadata["KZ_YZZBH"] == "示人社证（2009）第12号"
    assert metadata["KZ_YZZRQ"] == "2009-03-01"
    read = read_ofd(await document(node, license_, "OFD"))
    attached = {one.name: one.data for one in read.attachments}
    assert attached["scan-1.png"] == a_picture()
    shown = "".join(item.text for item in read.pages[0].items if hasattr(item, "text"))
    assert "依纸质证照电子化　原证号：示人社证（2009）第12号　原发证日期：2009年3月1日" in shown
    corrected = await succeed(node, "Correct", license_.name, fields={"KZ_BZ": "补录"})
    assert corrected.origin == pb.LICENSE_ORIGIN_PAPER
    assert corrected.metadata["KZ_SMJ"] == metadata["KZ_SMJ"]
    moved = await succeed(node, "Transfer", corrected.name, holder_name="钱", holder_code=OTHER)
    assert moved.origin == pb.LICENSE_ORIGIN_NATIVE
    assert "KZ_SMJ" not in moved.metadata


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"paper": from_paper(scans=[])}, "paper.scans"),
        ({"paper": from_paper(scans=[b"GIF89a"])}, "paper.scans[0]"),
        ({"paper": from_paper(scans=[a_picture(), b"%PDF-" + b"x" * 2**21])}, "paper.scans[1]"),
        ({"paper": from_paper(scans=[a_picture(size=(1, 1))] * 11)}, "paper.scans"),
        ({"paper": from_paper(number="")}, "paper.number"),
        ({"paper": from_paper(issue_date="2009")}, "paper.issue_date"),
        ({"paper": from_paper(issue_date="2030-01-01")}, "paper.issue_date"),
        ({"valid_to": "2030-01-01"}, "valid_to"),
        (
            {"paper": from_paper(), "valid_from": "2009-03-01", "valid_to": "2008-01-01"},
            "valid_to",
        ),
    ],
)
async def test_a_wrong_paper_license_is_refused(
    node: LicenseNode, changes: dict[str, Any], field: str
) -> None:
    error = await refused(node.issuer.licenses.IssueLicense(issue_request(**changes)))
    assert error.reason in ("BAD_LICENSE_FIELDS", "BAD_ARGUMENT")
    assert field in [one.field for one in error.violations]


async def test_an_object_store_that_is_away_mid_issue_leaves_one_to_be_finished(
    node: LicenseNode,
) -> None:
    server = node.another_server(objects=_NoStore(node.objects))
    number = server.types.newest("licenseTypes/employment-registration").version
    request = Request(actor=f"{BUREAU}/systems/main", id="no-store", digest=b"d" * 32)
    with pytest.raises(Unavailable):
        await asyncio.to_thread(
            server.issuing.issue,
            an_order(type_version=number),
            department=BUREAU,
            seal="",
            request=request,
        )
    await server.stop()
    assert (await asyncio.to_thread(node.licenses.reconcile)).finished == 1
    assert HOLDER not in json.dumps(node.leaves())


class _NoStore:
    """An object store that takes nothing."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def put_if_absent(self, *_: object) -> bool:
        raise Unavailable("away", reason="STORE_AWAY")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
