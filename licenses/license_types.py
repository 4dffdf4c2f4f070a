"""License types, read from `licenses/types/*.toml`: a new type is a file, not code.

Every type has the same shape of row; what is its own are its `KZ_*` fields and its page.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from licenses.model import FIELD_CODE, FIELD_LIMIT, HolderCodeType, LicenseField, LicenseType
from runtime import names
from runtime.errors import FailedPrecondition, NotFound
from runtime.idcodes import credit_code_problem

_CODE = re.compile(r"([0-9A-Z]{18})\d{3}")


@cache
def license_types() -> Mapping[str, LicenseType]:
    """All shipped types by id, in order of id. Raises FailedPrecondition, BAD_LICENSE_TYPE."""
    folder = files("licenses") / "types"
    found = [
        parse(entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    ]
    return MappingProxyType({one.id: one for one in sorted(found, key=lambda one: one.id)})


def license_type(name: str) -> LicenseType:
    """The type `licenseTypes/{license_type}`. Raises NotFound, LICENSE_TYPE_NOT_FOUND."""
    wanted = names.parse(names.LICENSE_TYPE, name, field="license_type")["license_type"]
    try:
        return license_types()[wanted]
    except KeyError:
        raise NotFound(
            "no such license type: ListLicenseTypes (`tongban license types`) names them",
            reason="LICENSE_TYPE_NOT_FOUND",
            message_zh="没有这个证照类型：请用 ListLicenseTypes（tongban license types）查看",
        ) from None


def parse(text: str) -> LicenseType:
    """A type from TOML. Raises FailedPrecondition, BAD_LICENSE_TYPE."""
    try:
        return _type(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise FailedPrecondition(
            f"a license type's file is malformed: {error}",
            reason="BAD_LICENSE_TYPE",
            message_zh="证照类型文件格式有误",
        ) from error


def _type(data: Mapping[str, Any]) -> LicenseType:
    code = _CODE.fullmatch(data["code"])
    if code is None or credit_code_problem(code.group(1)):
        raise ValueError("code must be a credit code and 3 digits (GB/T 36904)")
    fields = tuple(
        LicenseField(
            code=row["code"],
            display_name=row["display_name"],
            required=bool(row.get("required", False)),
            length=int(row.get("length", FIELD_LIMIT)),
        )
        for row in data.get("fields", ())
    )
    if not all(FIELD_CODE.fullmatch(one.code) for one in fields):
        raise ValueError("a field's code is KZ_ and upper-case letters (GB/T 36903)")
    if len({one.code for one in fields}) != len(fields):
        raise ValueError("two fields have the same code")
    return LicenseType(
        id=names.check_id(data["name"], field="name"),
        code=data["code"],
        display_name=data["display_name"],
        holder_code_type=HolderCodeType(data["holder_code_type"]),
        fields=fields,
        validity_years=int(data["validity_years"]),
        template=data["template"],
        slots=MappingProxyType({str(k): str(v) for k, v in data["slots"].items()}),
    )
