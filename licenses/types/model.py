"""What a license type is: its fields, who may hold one, how long it is valid.

1. A type is data. Each change of it is a new version, kept for ever; a license keeps the number of
   the version it was reserved with, and is finished with that one whatever came after.
2. What a type says of itself never changes with its versions: its id, its code (GB/T 36904) and who
   may hold one. Another code is another type.
3. A field's value is text. A table's is the canonical JSON of its rows, a picture's is the hash of
   its bytes: so a license's metadata has one shape and one digest, whatever its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from runtime.errors import PermissionDenied
from runtime.names import department_of

FIELD_LIMIT = 1000
#: Rows of one table, and the text of all of them.
TABLE_ROWS = 200
TABLE_LIMIT = 40_000
FIELDS_LIMIT = 100
COLUMNS_LIMIT = 12
VALUES_LIMIT = 500
HOLDERS_LIMIT = 20
ISSUERS_LIMIT = 500
RENEW_DAYS = 90
RENEW_UNTIL_DAYS = 365
FIRST_VERSION = 1
#: TOML of a type, and of a template.
TEXT_LIMIT = 256 * 1024


class HolderCodeType(StrEnum):
    """Type of a holder's code, by its number in GB/T 36903."""

    CREDIT_CODE = "001"
    CITIZEN_NUMBER = "111"


HOLDER_CODE_WORDS: Mapping[HolderCodeType, str] = {
    HolderCodeType.CREDIT_CODE: "统一社会信用代码",
    HolderCodeType.CITIZEN_NUMBER: "公民身份号码",
}
#: What GB/T 36903 calls the number of a foreigner's permanent residence card, and its number there
#: (that of GA/T 517; the standard itself was not at hand).
PERMANENT_RESIDENT: tuple[str, str] = ("外国人永久居留身份证号码", "553")


class HolderKind(StrEnum):
    """Who may hold a license of a type."""

    PERSON = "person"
    COMPANY = "company"
    SEVERAL = "several"


class FieldKind(StrEnum):
    """What a field's value is; see `licenses.types.values`."""

    TEXT = "text"
    DATE = "date"
    INTEGER = "integer"
    DECIMAL = "decimal"
    CODE = "code"
    CITIZEN_NUMBER = "citizen_number"
    CREDIT_CODE = "credit_code"
    REGION = "region"
    IMAGE = "image"
    TABLE = "table"


class SharingType(StrEnum):
    """How licenses of a type are shared (共享类型), as resources are."""

    UNCONDITIONAL = "unconditional"
    CONDITIONAL = "conditional"
    NOT_SHARED = "not_shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeValue:
    """One entry of a field's code list: `code` stands in the metadata, `name` on the page."""

    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseField:
    """A field of a type's own (`KZ_*`), or a column of one of its tables.

    `length` counts characters. `pattern`: a regular expression the whole text must match. `least`
    and `most`: bounds of a number or a date, as they are written, or of a picture, WIDTHxHEIGHT in
    pixels; "" is none. `values`: of a code. `columns` and `rows` (at most so many): of a table.
    `agrees_with`: what of a holder's number it must agree with (`types.agreement`). What it must
    agree with beside itself (`types.relations`): of a date `least` and `most` may be "today";
    `not_before`: another date; `least_age`: of the holders, on that date; `sole_holder`: the code
    that stands where one alone holds the license, and only there. `unprinted`: it stands on no
    page.
    """

    code: str
    display_name: str
    display_name_en: str = ""
    kind: FieldKind = FieldKind.TEXT
    required: bool = False
    length: int = FIELD_LIMIT
    pattern: str = ""
    least: str = ""
    most: str = ""
    values: tuple[CodeValue, ...] = ()
    columns: tuple[LicenseField, ...] = ()
    rows: int = TABLE_ROWS
    agrees_with: str = ""
    not_before: str = ""
    least_age: int = 0
    sole_holder: str = ""
    unprinted: bool = False

    def name_of(self, code: str) -> str:
        """What a code of this field's list says; the code itself where it is in no list."""
        return next((one.name for one in self.values if one.code == code), code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """Who may hold a license: how many, and with which kinds of code."""

    kind: HolderKind
    least: int = 1
    most: int = 1
    code_types: tuple[HolderCodeType, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """How long a license is valid from its first day. Exactly one of the first five is set.

    `until_field`: a date field of the type that says the last day; empty is without end.
    `from_field`: one that says the first day; "" is the day of issuing. Of a column of a table
    (`KZ_T.D`) it is the latest, and the earliest, of its dates. `renew_days`: a license is renewed
    from so many days before its last one, until `renew_until_days` after it.
    """

    years: int = 0
    months: int = 0
    days: int = 0
    until_field: str = ""
    unlimited: bool = False
    renew_days: int = RENEW_DAYS
    renew_until_days: int = RENEW_UNTIL_DAYS
    from_field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseType:
    """A license type (证照类型), in one of its versions.

    `code`: credit code of the defining authority and 3 digits. `slots`: which value stands in which
    field of the page `template`: a key of the metadata, or one of `licenses.pages.values`'. `seal`:
    the kind of seal as a seal shows it, such as 证照专用章: the line under its star, or the end of
    its name; "" is whichever the department may use. `issued_by`: service items, whose departments
    issue it; `issuers`: departments that do. `accepted_by`: service items, for planning: nothing is
    refused by them. `transferable`: to another holder. `only_one`: "holder" where each has at most
    one in force; `unique`: fields whose values stand on one license in force (`licenses.claims`).
    """

    id: str
    code: str
    display_name: str
    display_name_en: str = ""
    holders: Holders
    fields: tuple[LicenseField, ...]
    validity: Validity
    template: str
    slots: Mapping[str, str]
    seal: str = ""
    issued_by: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    accepted_by: tuple[str, ...] = ()
    sharing_type: SharingType = SharingType.CONDITIONAL
    transferable: bool = False
    only_one: str = ""
    unique: tuple[str, ...] = ()

    @property
    def authority_code(self) -> str:
        """Credit code of the authority that defines the type."""
        return self.code[:18]

    @property
    def issuing_departments(self) -> frozenset[str]:
        """The departments that the type names: those of `issued_by`, and `issuers`."""
        return frozenset(map(department_of, self.issued_by)) | set(self.issuers)

    def field(self, code: str) -> LicenseField | None:
        """The field of this code, if there is one."""
        return next((one for one in self.fields if one.code == code), None)


def check_issuer(kind: LicenseType, department: str, credit_code: str) -> None:
    """Who issues licenses of a type: the departments it names, and the authority that defines it.

    A type that names nobody is issued by that authority alone. Raises PermissionDenied,
    NOT_AN_ISSUER.
    """
    if department in kind.issuing_departments or credit_code == kind.authority_code:
        return
    raise PermissionDenied(
        "your department does not issue licenses of this type: its `issued_by` and `issuers` do "
        "not name it (`tongban license type show`); the authority that defines the type may",
        reason="NOT_AN_ISSUER",
        message_zh="本部门无权签发此类证照：类型的 issued_by 和 issuers 中没有本部门"
        "（可用 tongban license type show 查看）；如应签发，请由类型的制定机关加入",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeVersion:
    """One version of a type with the texts it was read from; `put_by` is "" for a shipped one.

    `digest`: SHA-256 of both texts, hex; the etag of the type while this version is the newest.
    """

    type: LicenseType
    version: int
    text: str = field(repr=False)
    template_text: str = field(repr=False)
    digest: str
    put_time: datetime
    put_by: str = ""

    @property
    def name(self) -> str:
        """licenseTypes/{license_type}."""
        return f"licenseTypes/{self.type.id}"
