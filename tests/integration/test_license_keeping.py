"""With a real node: the kind of seal a type wants, pictures nobody names, clocks that jump."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from licenses.v1 import licenses_pb2 as pb
from runtime.identity import Role
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    BUREAU,
    OFFICE,
    LicenseNode,
    fresh,
    issue,
    issue_request,
    refused,
    running,
)
from tests.builders.licenses import ISSUER, TYPE_NAME

pytestmark = pytest.mark.asyncio(loop_scope="module")

KIND = "证照专用章"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path_factory.mktemp("keeping")) as found:
        yield found


async def put_type(node: LicenseNode, text: str, template: str, etag: str) -> str:
    """The etag of the version that was put."""
    request = pb.PutLicenseTypeRequest(
        toml=text, template_toml=template, etag=etag, request_id=fresh()
    )
    client = node.client(OFFICE, Role.DEPARTMENT).licenses
    return str((await client.PutLicenseType(request)).license_type.etag)


async def make_seal(node: LicenseNode, seal_id: str, **wish: Any) -> str:
    one = node.client(OFFICE, Role.ADMINISTRATOR, system="admin").seals
    two = node.client(OFFICE, Role.ADMINISTRATOR, system="second-admin").seals
    made = await one.CreateSeal(
        seal_pb2.CreateSealRequest(
            **{
                "parent": BUREAU,
                "seal_id": seal_id,
                "display_name": ISSUER.display_name,
                "credit_code": ISSUER.credit_code,
                "request_id": fresh(),
                **wish,
            }
        )
    )
    await two.ApproveSeal(seal_pb2.ApproveSealRequest(name=made.seal.name, request_id=fresh()))
    return str(made.seal.name)


async def seal_used(node: LicenseNode, seal: str) -> int:
    listed = await node.issuer.seals.ListSealings(seal_pb2.ListSealingsRequest(parent=seal))
    return len(listed.sealings)


async def test_a_license_is_sealed_by_the_kind_of_seal_its_type_names(node: LicenseNode) -> None:
    main = f"{BUREAU}/seals/main"
    held = (
        await node.issuer.licenses.GetLicenseType(pb.GetLicenseTypeRequest(name=TYPE_NAME))
    ).license_type
    etag = await put_type(node, f'seal = "{KIND}"\n{held.toml}', held.template_toml, held.etag)
    for changes in ({}, {"seal": main}):
        error = await refused(node.issuer.licenses.IssueLicense(issue_request(**changes)))
        assert error.reason == "SEAL_OF_OTHER_KIND"
        assert KIND in str(error)
        assert KIND in error.message_zh
    # Of two in force, the one of that kind is taken; another may not be named.
    special = await make_seal(node, "special", bottom_line=KIND)
    await issue(node)
    assert (await seal_used(node, main), await seal_used(node, special)) == (0, 3)
    error = await refused(node.issuer.licenses.IssueLicense(issue_request(seal=main)))
    assert error.reason == "SEAL_OF_OTHER_KIND"
    # A seal may say it in its name instead, as those with an image of their own do.
    named = await make_seal(node, "named", display_name=ISSUER.display_name + KIND)
    await issue(node, seal=named)
    error = await refused(node.issuer.licenses.IssueLicense(issue_request()))
    assert error.reason == "SEAL_NOT_USABLE"
    await put_type(node, held.toml, held.template_toml, etag)
    await issue(node, seal=main)
