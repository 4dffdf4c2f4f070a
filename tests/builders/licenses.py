"""Licenses of the fictional county 示范县, before any database."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from licenses.license_types import license_type
from licenses.model import (
    Issuer,
    IssuingSeal,
    License,
    LicenseIdentifier,
    LicenseState,
    Order,
    last_day,
    metadata_digest,
    metadata_of,
)
from licenses.presentation import Presentation
from runtime.idcodes import citizen_check_character

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
BUREAU = "departments/human-resources"
TYPE_NAME = "licenseTypes/employment-registration"
ISSUER = Issuer(
    department=BUREAU,
    display_name="示范县人力资源和社会保障局",
    credit_code="11990101MB9901024T",
)
SEAL = IssuingSeal(name=f"{BUREAU}/seals/main", display_name="示范县人力资源和社会保障局")
FIELDS = {"KZ_DJLX": "就业登记", "KZ_XLXX": "大学本科"}


def citizen_number(serial: int = 1) -> str:
    """A made-up citizen number of a region that is never assigned, with a valid check character."""
    first = f"99010119900307{serial:03d}"
    return first + citizen_check_character(first)


def an_order(**changes: object) -> Order:
    made = Order(
        type=license_type(TYPE_NAME),
        holder_name="赵示例",
        holder_code=citizen_number(),
        fields=FIELDS,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def a_license(serial: int = 1, **changes: object) -> License:
    order = an_order()
    identifier = LicenseIdentifier(
        type_code=order.type.code, issuer_code=ISSUER.credit_code, serial=f"2026{serial:07d}"
    )
    valid_from = date(2026, 11, 21)
    valid_to = last_day(valid_from, order.type.validity_years)
    metadata = metadata_of(
        order,
        identifier=identifier,
        issuer=ISSUER,
        seal=SEAL,
        issue_time=NOW,
        valid_from=valid_from,
        valid_to=valid_to,
    )
    made = License(
        id=f"{serial:024x}",
        issuer=BUREAU,
        type_id=order.type.id,
        identifier=str(identifier),
        serial=identifier.serial,
        holder_name=order.holder_name,
        holder_code=order.holder_code,
        holder_code_type=order.type.holder_code_type,
        metadata=metadata,
        metadata_sha256=metadata_digest(metadata),
        valid_from=valid_from,
        valid_to=valid_to,
        issue_time=NOW,
        seal=SEAL.name,
        actor=f"{BUREAU}/systems/main",
        state=LicenseState.ACTIVE,
        state_time=NOW,
        activated_at=NOW,
        ofd_sha256="ab" * 32,
        pdf_sha256="cd" * 32,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def a_presentation(license_: License | None = None, **changes: object) -> Presentation:
    made = Presentation(
        id="f" * 24,
        license_id=(license_ or a_license()).id,
        fields=("ZZMC", "CZZT"),
        audience="",
        expire_time=NOW + timedelta(seconds=300),
        max_uses=0,
        uses=0,
        ended=False,
    )
    return replace(made, **changes)  # type: ignore[arg-type]
