"""License types on the wire."""

from __future__ import annotations

from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from licenses.types.model import (
    FieldKind,
    HolderCodeType,
    HolderKind,
    LicenseField,
    TypeVersion,
)
from licenses.v1 import licenses_pb2 as pb

HOLDER_CODE_TYPES: Final = {
    HolderCodeType.CREDIT_CODE: pb.HOLDER_CODE_TYPE_CREDIT_CODE,
    HolderCodeType.CITIZEN_NUMBER: pb.HOLDER_CODE_TYPE_CITIZEN_NUMBER,
}
_HOLDER_KINDS: Final = {
    HolderKind.PERSON: pb.HOLDER_KIND_PERSON,
    HolderKind.COMPANY: pb.HOLDER_KIND_COMPANY,
    HolderKind.SEVERAL: pb.HOLDER_KIND_SEVERAL,
}
_FIELD_KINDS: Final = {one: pb.FieldKind.Value(f"FIELD_KIND_{one.name}") for one in FieldKind}


def to_type(held: TypeVersion, *, texts: bool = False) -> pb.LicenseType:
    """A version of a type; with its two TOML texts where they are asked for."""
    kind = held.type
    code_types = [HOLDER_CODE_TYPES[one] for one in kind.holders.code_types]
    rule = kind.validity
    put_time = Timestamp()
    put_time.FromDatetime(held.put_time)
    return pb.LicenseType(
        name=held.name,
        code=kind.code,
        display_name=kind.display_name,
        holder_code_type=code_types[0] if len(code_types) == 1 else pb.HOLDER_CODE_TYPE_UNSPECIFIED,
        fields=[_to_field(one) for one in kind.fields],
        validity_years=rule.years,
        display_name_en=kind.display_name_en,
        holder_kind=_HOLDER_KINDS[kind.holders.kind],
        holder_code_types=code_types,
        least_holders=kind.holders.least,
        most_holders=kind.holders.most,
        validity=pb.Validity(
            years=rule.years,
            months=rule.months,
            days=rule.days,
            until_field=rule.until_field,
            unlimited=rule.unlimited,
            renew_days=0 if rule.unlimited else rule.renew_days,
            renew_until_days=0 if rule.unlimited else rule.renew_until_days,
            from_field=rule.from_field,
        ),
        template=kind.template,
        seal=kind.seal,
        issued_by=kind.issued_by,
        issuers=kind.issuers,
        transferable=kind.transferable,
        only_one=kind.only_one,
        unique=kind.unique,
        accepted_by=kind.accepted_by,
        sharing_type=kind.sharing_type.value,
        version=held.version,
        put_time=put_time,
        put_by=held.put_by,
        etag=held.digest,
        toml=held.text if texts else "",
        template_toml=held.template_text if texts else "",
    )


def _to_field(one: LicenseField) -> pb.LicenseField:
    return pb.LicenseField(
        code=one.code,
        display_name=one.display_name,
        required=one.required,
        length=one.length if one.kind is FieldKind.TEXT else 0,
        display_name_en=one.display_name_en,
        kind=_FIELD_KINDS[one.kind],
        pattern=one.pattern,
        least=one.least,
        most=one.most,
        values=[pb.CodeValue(code=value.code, name=value.name) for value in one.values],
        columns=[_to_field(column) for column in one.columns],
        rows=one.rows if one.kind is FieldKind.TABLE else 0,
        agrees_with=one.agrees_with,
        not_before=one.not_before,
        least_age=one.least_age,
        sole_holder=one.sole_holder,
        unprinted=one.unprinted,
    )
