"""Acts 6 and 7: a license is issued, listed in the library, presented, verified and revoked."""

from __future__ import annotations

from datetime import timedelta

from exchange.v1 import grants_pb2
from licenses.pages.png import ofd_to_png, pdf_to_png
from licenses.v1 import licenses_pb2, presentations_pb2, verifying_pb2
from seal.v1 import seal_pb2
from tongban.client import new_request_id
from tongban.demonstration.sharing import CASE, applicant, approve, ask
from tongban.demonstration.stage import Facts, Stage, county_departments, system

LICENSE_LIBRARY = "departments/service-centre/resources/licenses"
LICENSE_TYPE = "licenseTypes/employment-registration"
SEAL_NAME = "示范县人力资源和社会保障局"


def issue(stage: Stage) -> Facts:
    """Have the bureau's seal made, issue the license, keep both documents with their pictures."""
    code = next(
        row["统一社会信用代码"]
        for row in county_departments()
        if row["部门标识"] == "human-resources"
    )
    seal = make_seal(
        stage,
        seal_pb2.CreateSealRequest(
            parent="departments/human-resources",
            seal_id="official",
            display_name=SEAL_NAME,
            credit_code=code,
            request_id="demo-seal",
        ),
    )
    (stage.files / "seal.png").write_bytes(seal.image)
    person = applicant()
    made = (
        stage["employment"]
        .licenses.IssueLicense(
            licenses_pb2.IssueLicenseRequest(
                parent="departments/human-resources",
                license_type=LICENSE_TYPE,
                holder_name=person.name,
                holder_code=person.citizen_number,
                fields={"KZ_DJLX": "失业登记", "KZ_XLXX": "大学本科", "KZ_JYZT": "失业"},
                request_id="demo-license",
            ),
            timeout=60,
        )
        .license
    )
    saved = {}
    for form, number, picture in (
        ("ofd", licenses_pb2.LICENSE_FORMAT_OFD, ofd_to_png),
        ("pdf", licenses_pb2.LICENSE_FORMAT_PDF, pdf_to_png),
    ):
        document = (
            stage["employment"]
            .licenses.GetLicenseDocument(
                licenses_pb2.GetLicenseDocumentRequest(
                    name=made.name, format=number, reason="交付持证人"
                ),
                timeout=30,
            )
            .document
        )
        path = stage.files / f"license.{form}"
        path.write_bytes(document)
        path.with_name(f"license-{form}.png").write_bytes(picture(document))
        saved[form] = {"file": str(path), "bytes": len(document)}
    return {
        "seal": seal.name,
        "es_id": seal.es_id,
        "license": made.name,
        "license_identifier": made.license_identifier,
        "state": licenses_pb2.LicenseState.Name(made.state).removeprefix("LICENSE_STATE_"),
        "metadata": dict(made.metadata),
        "documents": saved,
    }


def make_seal(stage: Stage, wish: seal_pb2.CreateSealRequest) -> seal_pb2.Seal:
    """One administrator asks for a seal, another looks at it and approves."""
    asked = stage["centre"].seals.CreateSeal(wish, timeout=60).seal
    decision = seal_pb2.ApproveSealRequest(
        name=asked.name, etag=asked.etag, request_id=f"{wish.request_id}-approved"
    )
    return stage["seals"].seals.ApproveSeal(decision, timeout=60).seal


def read_library(stage: Stage) -> str:
    """The service centre's grant to look licenses up in the library of the exchange."""
    asked = ask(
        stage["centre"], LICENSE_LIBRARY, ["license_type_name", "state", "state_time"],
        "受理事项时查验证照", parent="departments/service-centre",
    )  # fmt: skip
    return approve(
        stage["centre"],
        asked.name,
        [grants_pb2.GrantedItem(item=item) for item in asked.items],
        timedelta(days=365),
    ).name


def look_up(stage: Stage, grant: str, identifier: str) -> Facts:
    """What the license library says of a license."""
    answer = stage["centre"].query(
        grant, identifier, purpose="受理事项时查验证照", case_number=CASE
    )
    return {"found": answer.found, "items": dict(answer.items)}


def present_and_verify(stage: Stage, license_name: str) -> Facts:
    """The applicant presents chosen fields at a terminal of the centre, which verifies them.

    The issuer revokes the license, and the centre verifies again.
    """
    shown = stage["terminal"].presentations.PresentLicense(
        presentations_pb2.PresentLicenseRequest(
            license=license_name,
            holder_code=applicant().citizen_number,
            fields=["ZZMC", "CZZT", "KZ_DJLX", "ZZYXQJZRQ"],
            purpose="申请创业担保贷款",
            max_uses=2,
            lifetime_seconds=300,
            request_id=new_request_id(),
        ),
        timeout=30,
    )
    before = _verify_code(stage, shown.code)
    revoked = (
        stage["employment"]
        .licenses.RevokeLicense(
            licenses_pb2.RevokeLicenseRequest(
                name=license_name, reason="登记信息失实", request_id=new_request_id()
            ),
            timeout=30,
        )
        .license
    )
    return {
        "presented_by": system("terminal").name,
        "verified_by": system("centre").name,
        "revoked_by": system("employment").name,
        "code": shown.code,
        "until": shown.expire_time.ToJsonString(),
        "before": before,
        "revoked_at": revoked.state_time.ToJsonString(),
        "after": _verify_code(stage, shown.code),
    }


def _verify_code(stage: Stage, code: str) -> Facts:
    """A window verifies a code, and the number on the card of who shows it."""
    answer = stage["centre"].verifying.VerifyLicense(
        verifying_pb2.VerifyLicenseRequest(
            code=code, purpose="申请创业担保贷款", holder_code=applicant().citizen_number
        ),
        timeout=30,
    )
    verdict = answer.verdict
    return {
        "indication": seal_pb2.Indication.Name(verdict.indication).removeprefix("INDICATION_"),
        "sub_indication": verdict.sub_indication,
        "summary": verdict.summary,
        "summary_zh": verdict.summary_zh,
        "state": licenses_pb2.LicenseState.Name(answer.state).removeprefix("LICENSE_STATE_"),
        "fields": dict(answer.fields),
    }
