"""Licenses shown, copied and verified, as the tests of verifying ask for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from licenses.v1 import copies_pb2, licenses_pb2
from licenses.v1 import offline_pb2 as offline
from licenses.v1 import verifying_pb2 as pb
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    HOLDER,
    LicenseNode,
    fresh,
)

PURPOSE = "办理公积金提取"


async def verified(node: LicenseNode, *, by: Any = None, **subject: Any) -> Any:
    """`by`: a system's client; who tries in vain too often waits, so each test may have its own."""
    request = pb.VerifyLicenseRequest(**{"purpose": PURPOSE, **subject})
    return await (by or node.verifier).verifying.VerifyLicense(request)


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
        copies_pb2.MakeEndorsedCopyRequest(**{**values, **changes})
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


def check(answer: Any, name: str) -> Any:
    (found,) = [one for one in answer.verdict.checks if one.name == name]
    return found
