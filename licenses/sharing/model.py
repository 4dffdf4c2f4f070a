"""Who may have a license of a type, and what is told of it.

1. By the type's sharing type (共享类型): unconditional is for every department; conditional for the
   department of a service item that the type is accepted by (`accepted_by`); what is not shared is
   nobody's. The rule is asked before anything is looked up, so that it tells nothing of a license.
2. A reason is given each time, of at most 200 characters (GB/T 36906), which the holder reads.
3. A file goes out as an endorsed copy for that department and reason, and as nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from licenses.identifiers import ROOT
from licenses.model import License
from licenses.types.model import LicenseType, SharingType
from runtime import names
from runtime.clock import china_date
from runtime.errors import FieldViolation, InvalidArgument, PermissionDenied

#: How long a copy that a department fetched may be used, and how long where it does not say.
LONGEST: Final = timedelta(days=60)
USUAL: Final = timedelta(days=30)
_IDENTIFIER: Final = re.compile(
    re.escape(ROOT) + r"\.[0-9A-Z]{21}\.[0-9A-Z]{1,40}(?:\.[0-9A-Z]+){3}"
)
_LONGEST_TEXT: Final = 10_000
#: GB/T 36903, with the Chinese names of the standard: code, name, kind, longest.
STANDARD: Final = (
    ("ZZMC", "证照名称", "text", 100),
    ("ZZLXDM", "证照类型代码", "text", 21),
    ("ZZBH", "证照编号", "text", 100),
    ("ZZBS", "证照标识", "text", 120),
    ("ZZBFJG", "证照颁发机构", "text", 200),
    ("ZZBFJGDM", "证照颁发机构代码", "credit_code", 18),
    ("ZZBFRQ", "证照颁发日期", "date", 10),
    ("CZZT", "持证主体", "text", 2000),
    ("CZZTDM", "持证主体代码", "text", 400),
    ("CZZTDMLX", "持证主体代码类型", "text", 100),
    ("CZZTDMLXDM", "持证主体代码类型代码", "code", 10),
    ("ZZYXQQSRQ", "证照有效期起始日期", "date", 10),
    ("ZZYXQJZRQ", "证照有效期截止日期", "text", 10),
    ("ZZQZR", "证照签章人", "text", 200),
    ("ZZQZSJ", "证照签章时间", "text", 19),
    ("ZZQZMC", "证照签章名称", "text", 200),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Which department's system asks, for which of its service items ("" is none)."""

    department: str
    service_item: str = ""


def check_item(asking: Asking) -> None:
    """Raises InvalidArgument (MALFORMED_NAME), PermissionDenied (NOT_OWN_SERVICE_ITEM)."""
    if not asking.service_item:
        return
    names.parse(names.SERVICE_ITEM, asking.service_item, field="service_item")
    if names.department_of(asking.service_item) != asking.department:
        raise PermissionDenied(
            "service_item must be one of the caller's own department",
            reason="NOT_OWN_SERVICE_ITEM",
            message_zh="service_item 应为调用方所在部门的服务事项",
        )


def may_have(kind: LicenseType, asking: Asking) -> bool:
    """Whether a department may have licenses of a type, for the service item it names."""
    if kind.sharing_type is SharingType.UNCONDITIONAL:
        return True
    if kind.sharing_type is SharingType.NOT_SHARED:
        return False
    return bool(asking.service_item) and asking.service_item in kind.accepted_by


def decide(kind: LicenseType, asking: Asking) -> None:
    """Raises PermissionDenied: LICENSE_TYPE_NOT_SHARED, SERVICE_ITEM_NOT_ACCEPTED."""
    if may_have(kind, asking):
        return
    if kind.sharing_type is SharingType.NOT_SHARED:
        raise PermissionDenied(
            "licenses of this type are not shared: ask the holder for a code or a copy",
            reason="LICENSE_TYPE_NOT_SHARED",
            message_zh="此类证照不予共享：请持证人出示亮证码或加注件",
        )
    raise PermissionDenied(
        "licenses of this type are shared on condition: name in service_item an item of your "
        "department that the type is accepted by (`tongban license type show`), or ask the "
        "authority that defines the type to add it",
        reason="SERVICE_ITEM_NOT_ACCEPTED",
        message_zh="此类证照有条件共享：请在 service_item 中填写本部门适用该证照的服务事项"
        "（可用 tongban license type show 查看），或请类型的制定机关加入",
    )


def identifier_in(text: str) -> str:
    """The identifier that stands in the text of a page's QR code; "" where none does."""
    found = _IDENTIFIER.search(text) if len(text) <= _LONGEST_TEXT else None
    return found[0] if found else ""


def last_day(asked: date | None, license_: License, now: datetime) -> date:
    """The last day of a copy. Raises InvalidArgument, BAD_COPY_END."""
    today = date.fromisoformat(china_date(now))
    last = min(today + LONGEST, license_.valid_to or date.max)
    if asked is None:
        return min(today + USUAL, last)
    if not today <= asked <= last:
        raise InvalidArgument(
            f"valid_to must be from {today} to {last}, or empty",
            reason="BAD_COPY_END",
            message_zh=f"valid_to 应在 {today} 至 {last} 之间，或留空",
            violations=[FieldViolation("valid_to", "out of range")],
        )
    return asked
