"""Presenting licenses and verifying them, over mTLS on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from licenses.v1 import licenses_pb2 as pb
from licenses.v1 import presentations_pb2 as presentations
from runtime.identity import Role
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    BANK,
    HOLDER,
    LicenseNode,
    change,
    issue,
    present,
    present_request,
    refused,
    running,
    verify,
)
from tests.builders.licenses import BUREAU, NOW, citizen_number

PASSED = seal_pb2.INDICATION_PASSED
FAILED = seal_pb2.INDICATION_FAILED


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path) as found:
        yield found


async def test_a_verifier_learns_the_chosen_fields_and_the_live_state(node: LicenseNode) -> None:
    license_ = await issue(node)
    shown = await present(node, license_.name, audience=BANK, fields=["CZZT", "KZ_DJLX", "ZZBS"])
    assert shown.expire_time.ToDatetime() == (NOW + timedelta(seconds=300)).replace(tzinfo=None)
    answer = await verify(node.verifier, shown.code.lower())
    assert answer.verdict.indication == PASSED, answer.verdict
    assert dict(answer.fields) == {
        "CZZT": "赵示例",
        "KZ_DJLX": "就业登记",
        "ZZBS": license_.license_identifier,
    }
    assert answer.state == pb.LICENSE_STATE_ACTIVE
    assert answer.license_identifier == license_.license_identifier
    assert answer.license_type_display_name == "就业创业登记证"

    node.clock.advance(timedelta(seconds=60))
    await change(node, "Revoke", license_.name)
    answer = await verify(node.verifier, shown.code)
    assert answer.verdict.indication == FAILED
    assert answer.verdict.sub_indication == "LICENSE_REVOKED"
    assert "revoked since 2026-11-21 12:01:00" in answer.verdict.summary
    assert answer.state == pb.LICENSE_STATE_REVOKED
    assert answer.license_identifier == license_.license_identifier
    assert not answer.fields
    results = [leaf["result"] for leaf in node.leaves("presentation_verified")]
    assert results == ["PASSED", "LICENSE_REVOKED"]


async def test_a_suspended_license_passes_again_when_resumed(node: LicenseNode) -> None:
    name = (await issue(node)).name
    shown = await present(node, name, max_uses=1)
    await change(node, "Suspend", name)
    answer = await verify(node.verifier, shown.code)
    assert answer.verdict.sub_indication == "LICENSE_SUSPENDED"
    error = await refused(node.counter.presentations.PresentLicense(present_request(name)))
    assert error.reason == "LICENSE_NOT_IN_FORCE"
    await change(node, "Resume", name)
    # The failed verification took no use.
    assert (await verify(node.verifier, shown.code)).verdict.indication == PASSED


async def test_named_refusals(node: LicenseNode) -> None:
    name = (await issue(node)).name
    unknown = await verify(node.verifier, "00000-00000-00000-00000-000000")
    assert unknown.verdict.sub_indication == "CODE_UNKNOWN"
    other = await present(node, name, audience=BUREAU)
    wrong = await verify(node.verifier, other.code)
    assert wrong.verdict.sub_indication == "WRONG_AUDIENCE"
    assert (wrong.state, wrong.license_identifier) == (pb.LICENSE_STATE_UNSPECIFIED, "")
    # The log tells who tried it no more than the answer does.
    assert other.presentation.encode() not in wrong.receipt.leaf
    guessed = await verify(node.verifier, "no code")
    assert guessed.verdict == unknown.verdict

    expiring = await present(node, name, lifetime_seconds=60)
    once = await present(node, name, max_uses=1, lifetime_seconds=3600)
    ended = await present(node, name, lifetime_seconds=3600)
    assert (await verify(node.verifier, once.code)).verdict.indication == PASSED
    end = presentations.EndPresentationRequest(
        presentation=ended.presentation, holder_code=citizen_number(2)
    )
    error = await refused(node.counter.presentations.EndPresentation(end))
    assert error.reason == "PRESENTATION_NOT_FOUND"
    end.holder_code = HOLDER
    for _ in range(2):
        await node.counter.presentations.EndPresentation(end)
    assert len(node.leaves("presentation_ended")) == 1
    node.clock.advance(timedelta(seconds=60))
    for code, refusal in (
        (expiring.code, "CODE_EXPIRED"),
        (once.code, "CODE_USED_UP"),
        (ended.code, "PRESENTATION_ENDED"),
    ):
        answer = await verify(node.verifier, code)
        assert answer.verdict.sub_indication == refusal
        assert answer.state == pb.LICENSE_STATE_UNSPECIFIED
        assert answer.license_identifier == ""


async def test_an_expired_license_is_told_as_such(node: LicenseNode) -> None:
    license_ = await issue(node, valid_from="2023-11-22")
    shown = await present(node, license_.name, lifetime_seconds=86_400)
    assert license_.valid_to == "2026-11-21"
    node.clock.advance(timedelta(hours=12, seconds=1))
    answer = await verify(node.verifier, shown.code)
    assert answer.verdict.sub_indication == "LICENSE_EXPIRED"
    assert "2026-11-21" in answer.verdict.summary
    assert not answer.fields
    error = await refused(node.counter.presentations.PresentLicense(present_request(license_.name)))
    assert error.reason == "LICENSE_NOT_IN_FORCE"


async def test_of_two_verifications_of_a_last_use_exactly_one_passes(node: LicenseNode) -> None:
    name, client = (await issue(node)).name, node.verifier
    for _ in range(5):
        shown = await present(node, name, max_uses=1)
        answers = await asyncio.gather(*(verify(client, shown.code) for _ in range(4)))
        told = sorted(a.verdict.sub_indication for a in answers)
        assert told == ["", "CODE_USED_UP", "CODE_USED_UP", "CODE_USED_UP"]


async def test_a_code_is_told_once(node: LicenseNode) -> None:
    name, client = (await issue(node)).name, node.counter
    request = present_request(name)
    shown = await client.presentations.PresentLicense(request)
    error = await refused(client.presentations.PresentLicense(request))
    assert error.reason == "PRESENTATION_CODE_TOLD_ONCE"
    folder = node.settings.data
    for file in folder.glob("licenses.db*"):
        assert shown.code.replace("-", "").encode() not in file.read_bytes()
        assert shown.code.encode() not in file.read_bytes()


async def test_wrong_codes_are_slowed_down(node: LicenseNode) -> None:
    client = node.verifier
    for _ in range(20):
        assert (await verify(client, "x")).verdict.sub_indication == "CODE_UNKNOWN"
    error = await refused(verify(client, "x"))
    assert error.reason == "TOO_MANY_UNKNOWN_CODES"
    assert error.retry_after == 3
    other = node.client(BANK, Role.DEPARTMENT, system="other")
    assert (await verify(other, "x")).verdict.sub_indication == "CODE_UNKNOWN"


async def test_a_changed_document_or_row_does_not_pass(node: LicenseNode) -> None:
    license_ = await issue(node)
    shown = await present(node, license_.name, lifetime_seconds=3600)
    (file,) = (node.settings.data / "objects" / "licenses").rglob(f"{license_.ofd_sha256}.ofd")
    whole = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(whole[:-1] + b"x")
    answer = await verify(node.verifier, shown.code)
    assert answer.verdict.sub_indication == "DOCUMENT_NOT_VERIFIED"
    assert not answer.fields
    file.write_bytes(whole)
    assert (await verify(node.verifier, shown.code)).verdict.indication == PASSED
    with node.licenses.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE license SET metadata_json = replace(metadata_json, '就业登记', '创业登记')"
        )
    answer = await verify(node.verifier, shown.code)
    assert answer.verdict.sub_indication == "METADATA_CHANGED"
    assert not answer.fields


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": []},
        {"fields": ["CZZT", "nothing"]},
        {"purpose": ""},
        {"lifetime_seconds": 86_401},
        {"lifetime_seconds": -1},
        {"max_uses": -1},
        {"audience": "somebody"},
        {"request_id": ""},
    ],
)
async def test_a_wrong_presentation_is_refused(node: LicenseNode, changes: dict[str, Any]) -> None:
    name = (await issue(node)).name
    request = present_request(name, **changes)
    error = await refused(node.counter.presentations.PresentLicense(request))
    assert type(error).__name__ == "InvalidArgument"
