"""How large a license is as a node issues it: every shipped type, with its sample and pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from licenses.v1 import licenses_pb2 as pb
from tests.builders.license_node import allow, document, issue, running
from tests.builders.license_pages import TYPES
from tests.builders.license_samples import Sample
from tests.builders.licenses import BUREAU

MOST_BYTES = 60_000


@pytest.mark.asyncio
async def test_both_forms_of_every_shipped_type_stay_below_60_kb(tmp_path: Path) -> None:
    sizes: dict[tuple[str, str], int] = {}
    async with running(tmp_path) as node:
        for name in TYPES:
            await allow(node, f"licenseTypes/{name}", BUREAU)
            order = Sample(name).order()
            license_ = await issue(
                node,
                license_type=f"licenseTypes/{name}",
                holder_name="",
                holder_code="",
                holders=[pb.Holder(name=one.name, code=one.code) for one in order.holders],
                fields=order.fields,
                pictures=order.pictures,
                serial=order.serial,
            )
            for form in ("OFD", "PDF"):
                sizes[name, form] = len(await document(node, license_, form))
    assert len(sizes) == 20
    assert {one: size for one, size in sizes.items() if size >= MOST_BYTES} == {}
