"""License types as their authorities put them, over mTLS: one node for all."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from licenses.issuing import Request
from licenses.pages.model import Image as DrawnImage
from licenses.pages.ofd_reader import read_ofd
from licenses.v1 import batches_pb2 as batches
from licenses.v1 import licenses_pb2 as pb
from licenses.wire import order_of
from runtime.errors import Unavailable
from runtime.identity import Role
from tests.builders.license_node import (
    BANK,
    OFFICE,
    LicenseNode,
    allow,
    document,
    fresh,
    issue,
    issue_request,
    refused,
    running,
    succeed,
)
from tests.builders.licenses import BUREAU, a_type_version, citizen_number

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path_factory.mktemp("types")) as found:
        yield found


async def put(
    node: LicenseNode, text: str, template: str, etag: str, department: str = OFFICE
) -> Any:
    request = pb.PutLicenseTypeRequest(
        toml=text, template_toml=template, etag=etag, request_id=fresh()
    )
    return await node.client(department, Role.DEPARTMENT).licenses.PutLicenseType(request)


async def test_a_type_is_changed_without_touching_code_and_what_was_reserved_keeps_its_version(
    node: LicenseNode,
) -> None:
    name = "licenseTypes/employment-registration"
    client = node.issuer.licenses
    held = (await client.GetLicenseType(pb.GetLicenseTypeRequest(name=name))).license_type
    assert held.version == 1
    first = await issue(node, fields={"KZ_DJLX": "就业登记"}, valid_from="2023-12-15")
    assert first.type_version == 1
    text = held.toml.replace('code = "KZ_BZ"\n', 'code = "KZ_BZ"\nrequired = true\n')
    # Only the authority that the type's code names puts it, and only after having read it.
    for department, etag, reason in (
        (BUREAU, held.etag, "NOT_DEFINING_AUTHORITY"),
        (OFFICE, "", "ETAG_MISMATCH"),
        (OFFICE, "f" * 64, "ETAG_MISMATCH"),
    ):
        error = await refused(put(node, text, held.template_toml, etag, department))
        assert error.reason == reason
    # A license that is being issued while the type changes is finished by its own version.
    server = node.another_server()

    server.finishing._neighbours = _Away(server.finishing._neighbours)
    order_request = issue_request(fields={"KZ_DJLX": "就业登记"})
    order = order_of(order_request, server.types.newest(name))
    request = Request(actor=f"{BUREAU}/systems/main", id="meanwhile", digest=b"d" * 32)
    with pytest.raises(Unavailable):
        await asyncio.to_thread(
            server.issuing.issue, order, department=BUREAU, seal="", request=request
        )
    await server.stop()
    made = (await put(node, text, held.template_toml, held.etag)).license_type
    assert made.version == 2
    error = await refused(client.IssueLicense(issue_request(fields={"KZ_DJLX": "就业登记"})))
    assert error.reason == "BAD_LICENSE_FIELDS"
    assert "fields.KZ_BZ" in [one.field for one in error.violations]
    assert (await asyncio.to_thread(node.licenses.reconcile)).finished == 1
    listed = await client.ListLicenses(pb.ListLicensesRequest(parent=BUREAU, page_size=1000))
    assert all(one.state != pb.LICENSE_STATE_ISSUING for one in listed.licenses)
    # A new version is judged by today's rules.
    error = await refused(
        client.RenewLicense(pb.RenewLicenseRequest(name=first.name, reason="x", request_id=fresh()))
    )
    assert error.reason == "BAD_LICENSE_FIELDS"
    second = await succeed(node, "Renew", first.name, fields={"KZ_BZ": "已核"})
    assert second.type_version == 2
    request_versions = pb.ListLicenseTypeVersionsRequest(name=name, page_size=1)
    page = await client.ListLicenseTypeVersions(request_versions)
    assert [one.version for one in page.license_types] == [1]
    request_versions.page_token = page.next_page_token
    page = await client.ListLicenseTypeVersions(request_versions)
    assert [(one.version, one.put_by) for one in page.license_types] == [
        (2, f"{OFFICE}/systems/main")
    ]
    assert not page.next_page_token
    old = await client.GetLicenseType(pb.GetLicenseTypeRequest(name=name, version=1))
    assert old.license_type.toml == held.toml
    error = await refused(client.GetLicenseType(pb.GetLicenseTypeRequest(name=name, version=9)))
    assert error.reason == "LICENSE_TYPE_NOT_FOUND"
    (leaf,) = node.leaves("license_type_put")
    assert (leaf["version"], leaf["sha256"]) == (2, made.etag)
    # An update of the software does not undo what the authority decided.
    server = node.another_server()
    await asyncio.to_thread(server.migrate)
    assert server.types.newest(name).version == 2
    await server.stop()
    await put(node, held.toml, held.template_toml, made.etag)


async def test_a_rule_that_comes_over_doubles_counts_them_and_leaves_them_to_be_corrected(
    node: LicenseNode,
) -> None:
    client = node.issuer.licenses
    fields = {"KZ_DJLX": "就业登记", "KZ_XLXX": "本科"}
    twice = [await issue(node, fields=fields, valid_from="2023-12-15") for _ in range(2)]
    name = twice[0].license_type
    held = (await client.GetLicenseType(pb.GetLicenseTypeRequest(name=name))).license_type
    ruled = await put(node, f'unique = ["KZ_XLXX"]\n{held.toml}', held.template_toml, held.etag)
    assert ruled.doubled == 1
    for one in twice:
        await succeed(node, "Correct", one.name, fields={"KZ_BZ": "已核"})
    error = await refused(client.IssueLicense(issue_request(fields=fields)))
    assert error.reason == "VALUE_IN_FORCE"
    again = await put(node, held.toml, held.template_toml, ruled.license_type.etag)
    assert again.doubled == 0


async def test_names_that_the_catalog_does_not_have_are_told_and_so_are_missing_seals(
    node: LicenseNode,
) -> None:
    template = a_type_version().template_text
    lost, item = "departments/nowhere", "departments/nowhere/serviceItems/x-01"
    text = FLATS.replace("flat-certificate", "told-certificate").replace("0777", "0778")
    made = await put(node, text, template, "")
    assert (list(made.unknown), list(made.without_seal)) == ([], [])
    text = text.replace('["departments/human-resources"]', f'["{BUREAU}", "{BANK}", "{lost}"]')
    text = f'accepted_by = ["{item}"]\nseal = "不存在专用章"\n{text}'
    made = await put(node, text, template, made.license_type.etag)
    assert made.license_type.version == 2
    assert list(made.unknown) == [lost, item]
    assert list(made.without_seal) == [BANK, BUREAU]


class _Away:
    """Neighbours that do not seal."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def seal_document(self, *_: object, **__: object) -> bytes:
        raise Unavailable("away", reason="SEALS_AWAY")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


FLATS = """
name = "flat-certificate"
code = "11990101MB99010160777"
display_name = "示例共有证"
holder = "several"
holders = { least = 2, most = 3, kinds = ["person", "company"] }
issuers = ["departments/human-resources"]
validity = { until_field = "KZ_JZRQ" }
template = "employment-registration"

[[fields]]
code = "KZ_LX"
display_name = "类型"
kind = "code"
required = true
values = [{ code = "1", name = "共同共有" }, { code = "2", name = "按份共有" }]

[[fields]]
code = "KZ_JZRQ"
display_name = "截止日期"
kind = "date"

[[fields]]
code = "KZ_MJ"
display_name = "面积"
kind = "decimal"
least = "0.01"

[slots]
holder_name = "CZZT"
holder_number = "CZZTDM.1"
registration_number = "ZZBH"
registration_type = "KZ_LX"
education = "KZ_MJ"
validity = "validity"
issuing_authority = "ZZBFJG"
issue_date = "issue_date"
license_identifier = "ZZBS"
"""
COMPANY = "11990101MB9901032M"


async def test_a_license_of_several_holders_is_found_by_each(node: LicenseNode) -> None:
    template = a_type_version().template_text
    made = (await put(node, FLATS, template, "")).license_type
    assert (made.least_holders, made.most_holders) == (2, 3)
    holders = [
        pb.Holder(name="阿卜杜拉·示例", code=citizen_number(31)),
        pb.Holder(name="\uf900 示例公司", code=COMPANY),
    ]
    values: dict[str, Any] = {
        "license_type": "licenseTypes/flat-certificate",
        "holder_name": "",
        "holder_code": "",
        "holders": holders,
        "fields": {"KZ_LX": "1", "KZ_JZRQ": "2040-06-01", "KZ_MJ": "89.50"},
    }
    license_ = await issue(node, **values)
    assert license_.metadata["CZZT"] == "阿卜杜拉·示例、\uf900 示例公司"
    assert license_.metadata["CZZTDMLXDM"] == "111、001"
    assert license_.valid_to == "2040-06-01"
    page = read_ofd(await document(node, license_, "OFD")).pages[0]
    assert "共同共有" in "".join(item.text for item in page.items if hasattr(item, "text"))
    for code in (citizen_number(31), COMPANY):
        held = await node.counter.licenses.ListHeldLicenses(
            pb.ListHeldLicensesRequest(holder_code=code)
        )
        assert [one.name for one in held.licenses] == [license_.name]
        request = pb.GetLicenseDocumentRequest(name=license_.name, reason="查阅", holder_code=code)
        assert (await node.counter.licenses.GetLicenseDocument(request)).document
    # By name, whichever dot was typed; the issuer only.
    for typed in ("阿卜杜拉·", "阿卜杜拉\u30fb示", "\uf900 示例", "\u8c48 示例公司", "\u8c48 "):
        found = await node.issuer.licenses.ListLicenses(
            pb.ListLicensesRequest(parent=BUREAU, holder_name=typed)
        )
        assert [one.name for one in found.licenses] == [license_.name]
    for changes, field in (
        ({"holders": holders[:1]}, "holders"),
        ({"holders": [*holders, *holders]}, "holders"),
        ({"holders": [holders[0], holders[0]]}, "holders"),
        ({"holders": [holders[0], pb.Holder(name="甲、乙", code=COMPANY)]}, "holders[1].name"),
        ({"holders": [holders[0], pb.Holder(name="甲", code="1")]}, "holders[1].code"),
        ({"holder_name": "甲"}, "holders"),
        ({"fields": {**values["fields"], "KZ_LX": "3"}}, "fields.KZ_LX"),
        ({"fields": {**values["fields"], "KZ_JZRQ": "2040-6-1"}}, "fields.KZ_JZRQ"),
        ({"fields": {**values["fields"], "KZ_MJ": "0"}}, "fields.KZ_MJ"),
    ):
        error = await refused(
            node.issuer.licenses.IssueLicense(issue_request(**{**values, **changes}))
        )
        assert [one.field for one in error.violations] == [field]


async def test_a_type_that_cannot_be_is_refused_with_its_places(node: LicenseNode) -> None:
    template = a_type_version().template_text
    for text, field in (
        (FLATS.replace('display_name = "类型"', 'dispaly_name = "类型"'),
         "fields[0].dispaly_name"),
        (FLATS.replace('kind = "code"', 'kind = "choice"'), "fields[0].kind"),
        (FLATS.replace('registration_type = "KZ_LX"', 'registration_type = "KZ_JZRQ"'),
         "slots.registration_type"),
        (FLATS.replace("11990101MB99010160777", "11990101MB99010161777"), "code"),
    ):  # fmt: skip
        error = await refused(put(node, text, template, ""))
        assert error.reason == "BAD_LICENSE_TYPE"
        assert field in [one.field for one in error.violations]
    error = await refused(put(node, FLATS, "x = 1", ""))
    assert error.reason == "TEMPLATE_INVALID"
    other = FLATS.replace("flat-certificate", "other").replace("0777", "0001")
    error = await refused(put(node, other, template, ""))
    assert error.reason == "TYPE_CODE_TAKEN"


CARD: dict[str, Any] = {
    "license_type": "licenseTypes/temporary-identity-card",
    "fields": {
        "KZ_XB": "1", "KZ_MZ": "汉", "KZ_CSRQ": "1990-03-07", "KZ_ZZ": "示范县示例路1号",
    },
}  # fmt: skip


def a_photo(size: tuple[int, int] = (120, 160), kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", size, (200, 220, 240))
    image.paste((60, 50, 40), (size[0] // 3, size[1] // 3, size[0], size[1]))
    image.save(out, kind)
    return out.getvalue()


async def test_a_department_issues_the_types_that_name_it_and_no_other(node: LicenseNode) -> None:
    card = issue_request(**CARD, pictures={"KZ_ZP": a_photo()})
    shop = issue_request(license_type="licenseTypes/business-license", holder_code=COMPANY)
    for request in (card, shop):
        error = await refused(node.issuer.licenses.IssueLicense(request))
        assert error.reason == "NOT_AN_ISSUER"
    # The authority that defines a type may; here only its seal is missing.
    own = issue_request(parent=OFFICE, **CARD, pictures={"KZ_ZP": a_photo()})
    error = await refused(node.client(OFFICE, Role.DEPARTMENT).licenses.IssueLicense(own))
    assert error.reason == "SEAL_NOT_USABLE"
    # A batch is refused as a whole, before its rows are taken.
    error = await refused(
        node.client(BUREAU, Role.DEPARTMENT).batches.CreateIssueBatch(
            iter(
                [
                    batches.CreateIssueBatchRequest(
                        header=batches.IssueBatchHeader(
                            parent=BUREAU, license_type=CARD["license_type"], request_id=fresh()
                        )
                    )
                ]
            )
        )
    )
    assert error.reason == "NOT_AN_ISSUER"
    await allow(node, CARD["license_type"], BUREAU)
    assert (await node.issuer.licenses.IssueLicense(card)).license.state == pb.LICENSE_STATE_ACTIVE


async def test_a_license_with_a_photo_has_it_on_its_page_and_its_hash_in_its_metadata(
    node: LicenseNode,
) -> None:
    photo = a_photo()
    await allow(node, CARD["license_type"], BUREAU)
    license_ = await issue(node, **CARD, holder_code=citizen_number(71), pictures={"KZ_ZP": photo})
    page = read_ofd(await document(node, license_, "OFD")).pages[0]
    (shown_photo,) = [item.data for item in page.items if isinstance(item, DrawnImage)]
    digest = f"sha256:{hashlib.sha256(shown_photo).hexdigest()}"
    assert license_.metadata["KZ_ZP"] == digest
    assert license_.valid_to == "2027-02-20"
    # It stays when something else is corrected, and is taken by no hash from elsewhere.
    second = await succeed(node, "Correct", license_.name, fields={"KZ_ZZ": "示范县示例路2号"})
    assert second.metadata["KZ_ZP"] == digest
    page = read_ofd(await document(node, second, "OFD")).pages[0]
    assert [item.data for item in page.items if isinstance(item, DrawnImage)] == [shown_photo]
    third = await succeed(node, "Correct", second.name, pictures={"KZ_ZP": a_photo((240, 320))})
    assert third.metadata["KZ_ZP"] != digest
    bomb = a_photo((9000, 9000), "PNG")
    assert len(bomb) < 512 * 1024
    shown = {"pictures": {"KZ_ZP": photo}}
    for changes, field in (
        ({}, "fields.KZ_ZP"),
        ({"fields": {**CARD["fields"], "KZ_ZP": digest}}, "fields.KZ_ZP"),
        ({"pictures": {"KZ_ZP": b"GIF89a"}}, "pictures.KZ_ZP"),
        ({"pictures": {"KZ_ZP": photo[:200]}}, "pictures.KZ_ZP"),
        ({"pictures": {"KZ_ZP": a_photo((1, 1))}}, "pictures.KZ_ZP"),
        ({**shown, "fields": {**CARD["fields"], "KZ_XB": "2"}}, "fields.KZ_XB"),
        ({**shown, "fields": {**CARD["fields"], "KZ_CSRQ": "1999-01-01"}}, "fields.KZ_CSRQ"),
        ({"pictures": {"KZ_ZP": bomb}}, "pictures.KZ_ZP"),
        ({"pictures": {"KZ_ZP": photo + b" " * 600_000}}, "pictures.KZ_ZP"),
        ({"pictures": {"KZ_ZP": photo, "KZ_ZZ": photo}}, "pictures.KZ_ZZ"),
        ({"pictures": {"KZ_ZP": photo, "KZ_QT": photo}}, "fields.KZ_QT"),
        ({"pictures": {"KZ_ZP": photo}, "holder_code": COMPANY}, "holder_code"),
    ):
        request = issue_request(**{**CARD, **changes})
        error = await refused(node.issuer.licenses.IssueLicense(request))
        assert error.reason == "BAD_LICENSE_FIELDS"
        assert [one.field for one in error.violations] == [field]
