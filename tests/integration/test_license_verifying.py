"""Verifying a license however it comes, and endorsed copies, over mTLS on loopback."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import pytest_asyncio

from licenses.carried import carried_metadata
from licenses.model import LicenseFormat
from licenses.pages.model import Text
from licenses.pages.ofd_reader import read_ofd
from licenses.v1 import delegations_pb2 as delegations
from licenses.v1 import licenses_pb2
from licenses.v1 import offline_pb2 as offline
from licenses.v1 import presentations_pb2 as presentations
from licenses.v1 import verifying_pb2 as pb
from runtime.identity import Role
from runtime.pdfium import PDFIUM
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    BANK,
    HOLDER,
    LicenseNode,
    change,
    document,
    fresh,
    issue,
    present,
    refused,
    running,
)
from tests.builders.licenses import citizen_number

pytestmark = pytest.mark.asyncio(loop_scope="module")
PURPOSE = "办理公积金提取"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path_factory.mktemp("verifying")) as found:
        yield found


async def verified(node: LicenseNode, **subject: Any) -> Any:
    request = pb.VerifyLicenseRequest(**{"purpose": PURPOSE, **subject})
    return await node.verifier.verifying.VerifyLicense(request)


async def told(node: LicenseNode, **subject: Any) -> str:
    answer = await verified(node, **subject)
    if answer.verdict.indication == seal_pb2.INDICATION_PASSED:
        return "PASSED"
    assert answer.verdict.summary
    assert answer.verdict.summary_zh
    return str(answer.verdict.sub_indication)


async def copied(node: LicenseNode, name: str, form: str = "OFD", **changes: Any) -> Any:
    until = (node.clock.now() + timedelta(days=7)).date().isoformat()
    values: dict[str, Any] = {
        "license": name,
        "holder_code": HOLDER,
        "format": licenses_pb2.LicenseFormat.Value(f"LICENSE_FORMAT_{form}"),
        "purpose": PURPOSE,
        "receiver": "示范县住房公积金中心",
        "valid_to": until,
        "request_id": fresh(),
    }
    return await node.counter.copies.MakeEndorsedCopy(
        pb.MakeEndorsedCopyRequest(**{**values, **changes})
    )


async def shown(node: LicenseNode, name: str, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "license": name,
        "holder_code": HOLDER,
        "fields": ["CZZT"],
        "purpose": PURPOSE,
        "request_id": fresh(),
    }
    request = offline.PresentOfflineRequest(**{**values, **changes})
    return await node.counter.offline.PresentOffline(request)


async def test_a_file_of_each_form_is_verified_by_the_live_state(node: LicenseNode) -> None:
    license_ = await issue(node)
    files = {form: await document(node, license_, form) for form in ("OFD", "PDF", "JWT")}
    for data in files.values():
        answer = await verified(node, document=data)
        assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
        assert answer.license_identifier == license_.license_identifier
        assert answer.state == licenses_pb2.LICENSE_STATE_ACTIVE
        assert not answer.fields  # who has the file has them
    # Of a credential whatever was disclosed is enough, also nothing.
    bare = files["JWT"].split(b"~")[0] + b"~"
    assert (await verified(node, document=bare)).license_identifier == license_.license_identifier
    await change(node, "Suspend", license_.name)
    for data in files.values():
        assert await told(node, document=data) == "LICENSE_SUSPENDED"
    look = presentations.ListLooksRequest(holder_code=HOLDER, license=license_.name)
    seen = (await node.counter.presentations.ListLooks(look)).looks
    assert [one.result for one in seen if one.kind == "license_verified"] == [
        *["LICENSE_SUSPENDED"] * 3,
        *["PASSED"] * 4,
    ]


async def test_what_is_no_license_of_ours_is_named(node: LicenseNode) -> None:
    license_ = await issue(node)
    data = await document(node, license_, "PDF")
    changed = data.replace(b"%%EOF", b"%%EOX", 1)
    assert await told(node, document=changed) == "DOCUMENT_NOT_VERIFIED"
    for wrong in (b"hello", b"PK\x03\x04", b"%PDF-1.7", b"eyJhbGciOiJub25lIn0.e30.~"):
        assert await told(node, document=wrong) == "DOCUMENT_NOT_VERIFIED"
    for changes, reason in (
        ({"document": b""}, "DOCUMENT_TOO_LARGE"),
        ({"document": data, "purpose": ""}, "BAD_TEXT"),
        ({}, "BAD_ARGUMENT"),
    ):
        assert (await refused(verified(node, **changes))).reason == reason
    # A row that says other than the file does.
    with node.licenses.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE license SET metadata_sha256 = ? WHERE identifier = ?",
            ("0" * 64, license_.license_identifier),
        )
    assert await told(node, document=data) == "METADATA_CHANGED"


async def test_the_state_at_a_time_is_told(node: LicenseNode) -> None:
    license_ = await issue(node)
    data = await document(node, license_, "OFD")
    times = {}
    for verb in ("Suspend", "Resume", "Revoke"):
        node.clock.advance(timedelta(minutes=10))
        times[verb] = node.clock.now()
        await change(node, verb, license_.name)
    node.clock.advance(timedelta(minutes=10))
    match = pb.FieldsToMatch(
        license_identifier=license_.license_identifier, fields={"CZZT": "赵示例"}
    )
    for at, state, result in (
        (times["Suspend"] - timedelta(hours=1), "", "NOT_IN_FORCE_THEN"),
        (times["Suspend"] - timedelta(seconds=1), "ACTIVE", "PASSED"),
        (times["Suspend"] + timedelta(seconds=1), "SUSPENDED", "NOT_IN_FORCE_THEN"),
        (times["Resume"] + timedelta(seconds=1), "ACTIVE", "PASSED"),
        (times["Revoke"] + timedelta(seconds=1), "REVOKED", "NOT_IN_FORCE_THEN"),
    ):
        for subject in ({"document": data}, {"match": match}):
            answer = await verified(node, as_of=at, **subject)
            assert answer.verdict.sub_indication == ("" if result == "PASSED" else result)
            then = licenses_pb2.LicenseState.Name(answer.state_then)
            assert then == f"LICENSE_STATE_{state or 'UNSPECIFIED'}"
            assert answer.state == licenses_pb2.LICENSE_STATE_REVOKED
    assert await told(node, document=data) == "LICENSE_REVOKED"
    ahead = node.clock.now() + timedelta(hours=1)
    assert (await refused(verified(node, document=data, as_of=ahead))).reason == "BAD_ARGUMENT"
    code = (await present(node, (await issue(node)).name)).code
    assert (await refused(verified(node, code=code, as_of=ahead))).reason == "BAD_ARGUMENT"


async def test_an_identifier_with_fields_matches_or_not(node: LicenseNode) -> None:
    license_ = await issue(node)
    identifier = license_.license_identifier

    async def asked(identifier: str, **fields: str) -> Any:
        match = pb.FieldsToMatch(license_identifier=identifier, fields=fields)
        return await verified(node, match=match)

    answer = await asked(identifier, CZZT="赵示例", CZZTDM=HOLDER)
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    assert answer.state == licenses_pb2.LICENSE_STATE_ACTIVE
    wrong = await asked(identifier, CZZT="赵示例", CZZTDM=citizen_number(2))
    unknown = await asked(identifier[:-1] + "0", CZZT="赵示例", CZZTDM=HOLDER)
    field = await asked(identifier, KZ_NONE="")
    for one in (wrong, unknown, field):
        assert one.verdict.sub_indication == "NO_MATCH"
        assert one.state == licenses_pb2.LICENSE_STATE_UNSPECIFIED
        one.ClearField("receipt")
    assert wrong == unknown == field
    for leaf in node.leaves("license_verified")[-3:]:
        assert "license" not in leaf
    for match in ({}, {"license_identifier": identifier}, {"fields": {"CZZT": "赵示例"}}):
        error = await refused(verified(node, match=pb.FieldsToMatch(**match)))
        assert error.reason == "BAD_MATCH"


async def test_guesses_of_fields_are_slowed_down(node: LicenseNode) -> None:
    identifier = (await issue(node)).license_identifier
    client = node.client(BANK, Role.DEPARTMENT, system="guesser")
    request = pb.VerifyLicenseRequest(
        match=pb.FieldsToMatch(license_identifier=identifier, fields={"CZZT": "钱"}),
        purpose=PURPOSE,
    )
    for _ in range(20):
        await client.verifying.VerifyLicense(request)
    error = await refused(client.verifying.VerifyLicense(request))
    assert error.reason == "TOO_MANY_UNKNOWN_CODES"


async def test_a_code_and_a_qr_code_are_verified_online(node: LicenseNode) -> None:
    name = (await issue(node)).name
    code = await present(node, name, max_uses=1)
    answers = await asyncio.gather(*(told(node, code=code.code) for _ in range(2)))
    assert sorted(answers) == ["CODE_USED_UP", "PASSED"]
    qr = await shown(node, name, audience=BANK, purpose_bound=True)
    answer = await verified(node, qr=qr.text, holder_code=HOLDER)
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    assert dict(answer.fields) == {"CZZT": "赵示例"}
    assert await told(node, qr=qr.text, purpose="办理贷款") == "WRONG_PURPOSE"
    assert await told(node, qr=qr.text, holder_code=citizen_number(2)) == "HOLDER_DIFFERS"
    assert await told(node, qr="hello") == "QR_UNREADABLE"
    other = await shown(node, name, audience="departments/elsewhere")
    assert await told(node, qr=other.text) == "WRONG_AUDIENCE"
    end = presentations.EndPresentationRequest(presentation=qr.presentation, holder_code=HOLDER)
    await node.counter.presentations.EndPresentation(end)
    assert await told(node, qr=qr.text) == "PRESENTATION_ENDED"
    again = await shown(node, name, lifetime_seconds=60)
    await change(node, "Revoke", name)
    assert await told(node, qr=again.text) == "LICENSE_REVOKED"
    node.clock.advance(timedelta(seconds=60))
    assert await told(node, qr=again.text) == "CODE_EXPIRED"


# --- endorsed copies ---------------------------------------------------------------------------


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
    (leaf,) = [one for one in node.leaves("license_copied") if one["license"] == license_.name]
    assert leaf["sha256"] == copy.sha256
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
        purpose=PURPOSE, request_id=fresh(),
    )  # fmt: skip
    ask.expire_time.FromDatetime(node.clock.now() + timedelta(days=1))
    given = (await node.counter.delegations.CreateDelegation(ask)).delegation
    assert (await copied(node, name, holder_code=agent, delegation=given.name)).document
    error = await refused(
        copied(node, name, holder_code=agent, delegation=given.name, purpose="办理贷款")
    )
    assert error.reason == "DELEGATION_FOR_OTHER_PURPOSE"
