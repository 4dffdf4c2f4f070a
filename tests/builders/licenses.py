"""Licenses of the fictional county 示范县, before any database."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest

from licenses.identifiers import LicenseIdentifier
from licenses.metadata import metadata_digest, metadata_of
from licenses.model import Holder, Issuer, IssuingSeal, License, LicenseState, Order
from licenses.orders import validate_order
from licenses.presentations.model import Presentation
from licenses.terms import last_day
from licenses.types.model import HolderCodeType, LicenseType, TypeVersion
from licenses.types.pages import shipped
from licenses.types.reading import parse
from licenses.types.service import digest_of
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


def a_person(name: str = "赵示例", code: str = "") -> Holder:
    return Holder(name=name, code=code or citizen_number(), code_type=HolderCodeType.CITIZEN_NUMBER)


@cache
def a_type_version(name: str = "employment-registration") -> TypeVersion:
    """A shipped type as its first version."""
    text, template = next(pair for pair in shipped() if parse(pair[0]).id == name)
    return TypeVersion(
        type=parse(text),
        version=1,
        text=text,
        template_text=template,
        digest=digest_of(text, template),
        put_time=NOW,
    )


def a_type(name: str = "employment-registration") -> LicenseType:
    return a_type_version(name).type


def with_transfers(patched: pytest.MonkeyPatch) -> None:
    """Have the shipped employment registration say that it is transferable."""
    texts = [
        (f"transferable = true\n{text}" if parse(text).id == a_type().id else text, page)
        for text, page in shipped()
    ]
    patched.setattr("licenses.types.service.shipped", lambda: texts)


def validated(order: Order, today: date = date(2026, 11, 22)) -> Order:
    """The order as it is kept, on a day."""
    return validate_order(order, today)


def an_order(**changes: object) -> Order:
    """An order of one person; `holder_name` and `holder_code` change that person."""
    names = ("holder_name", "holder_code")
    holder = {key.removeprefix("holder_"): changes.pop(key) for key in names if key in changes}
    made = Order(
        type=a_type(),
        type_version=1,
        holders=(replace(a_person(), **holder),),  # type: ignore[arg-type]
        fields=FIELDS,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def a_license(serial: int = 1, **changes: object) -> License:
    order = an_order()
    identifier = LicenseIdentifier(
        type_code=order.type.code, issuer_code=ISSUER.credit_code, serial=f"2026{serial:07d}"
    )
    valid_from = date(2026, 11, 21)
    valid_to = last_day(valid_from, order.type.validity, order.fields)
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
        holders=order.holders,
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
    if "holder_code" in changes:
        changes["holders"] = (a_person(code=str(changes.pop("holder_code"))),)
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
