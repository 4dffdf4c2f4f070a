"""Resource names (AIP-122): the one place that takes them apart and puts them together.

A pattern such as `departments/{department}/grants/{grant}` has fixed words and ids. An id is 1–63
of lower-case letters, digits and hyphens, and begins and ends with a letter or a digit; names
stand in logs and public proofs, so no id that a caller chooses may hold a citizen number
(`check_id`).
"""

from __future__ import annotations

import base64
import re
import secrets
from functools import lru_cache

from runtime.errors import FieldViolation, InvalidArgument
from runtime.idcodes import holds_citizen_number

ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
ANY = "-"

DEPARTMENT = "departments/{department}"
RESOURCE = "departments/{department}/resources/{resource}"
BATCH = "departments/{department}/resources/{resource}/batches/{batch}"
SERVICE_ITEM = "departments/{department}/serviceItems/{service_item}"
ACCESS_REQUEST = "departments/{department}/accessRequests/{access_request}"
GRANT = "departments/{department}/grants/{grant}"
SUBSCRIPTION = "departments/{department}/subscriptions/{subscription}"
EXPORT_JOB = "departments/{department}/exportJobs/{export_job}"
DEAD_LETTER = "departments/{department}/subscriptions/{subscription}/deadLetters/{dead_letter}"
SYSTEM = "departments/{department}/systems/{system}"
SEAL = "departments/{department}/seals/{seal}"
AUTHORITY = "authorities/{authority}"
LICENSE = "departments/{department}/licenses/{license}"
ISSUE_BATCH = "departments/{department}/issueBatches/{issue_batch}"
LICENSE_TYPE = "licenseTypes/{license_type}"
RESPONSIBILITY = "departments/{department}/responsibilities/{responsibility}"
DEMAND = "departments/{department}/demands/{demand}"
NEGATIVE = "departments/{department}/negatives/{negative}"
CORRECTION = "departments/{department}/corrections/{correction}"
CORRECTION_NOTICE = "departments/{department}/correctionNotices/{correction_notice}"
INQUIRY = "departments/{department}/inquiries/{inquiry}"
ATTACHMENT = "departments/{department}/attachments/{attachment}"
DEADLINE = "deadlines/{deadline}"
SOURCE_CASE = "sourceCases/{source_case}"
JURISDICTION = "jurisdictions/{jurisdiction}"
PRESENTATION = "presentations/{presentation}"
ACCOUNT = "accounts/{account}"
ACT = "acts/{act}"
DELEGATION = "delegations/{delegation}"
COPY = "copies/{copy}"
STATUS_LIST = "statusLists/{status_list}"
PRESENTATION_REQUEST = "presentationRequests/{presentation_request}"


@lru_cache(maxsize=64)
def _compiled(pattern: str, wildcard: bool) -> re.Pattern[str]:
    one = f"(?:{ID.pattern}|-)" if wildcard else ID.pattern
    return re.compile(re.sub(r"\{(\w+)\}", rf"(?P<\1>{one})", pattern))


def parse(
    pattern: str, name: str, *, field: str = "name", wildcard: bool = False
) -> dict[str, str]:
    """The ids of `name` by the words of `pattern`.

    `wildcard` admits `-` for an id (AIP-159). Raises InvalidArgument, reason MALFORMED_NAME, which
    repeats the pattern and not the name.
    """
    match = _compiled(pattern, wildcard).fullmatch(name) if len(name) <= 512 else None
    if match is None:
        raise InvalidArgument(
            f"{field} must look like {pattern}, each id 1-63 of a-z, 0-9 and hyphens",
            reason="MALFORMED_NAME",
            message_zh=f"{field} 应形如 {pattern}，标识由 1–63 个小写字母、数字和连字符组成",
            violations=[FieldViolation(field, f"must look like {pattern}")],
        )
    return match.groupdict()


def is_name(pattern: str, name: str) -> bool:
    """Whether `name` is of `pattern`."""
    return len(name) <= 512 and _compiled(pattern, False).fullmatch(name) is not None


def make(pattern: str, **ids: str) -> str:
    """The name of `pattern` with these ids. Raises InvalidArgument where one is malformed."""
    name = pattern.format(**ids)
    parse(pattern, name)
    return name


def department_of(name: str) -> str:
    """`departments/{department}` of any name below a department."""
    head, _, rest = name.partition("/")
    department = rest.partition("/")[0]
    if head != "departments" or not ID.fullmatch(department):
        raise InvalidArgument(
            "not a name below a department",
            reason="MALFORMED_NAME",
            message_zh="不是某部门之下的名称",
        )
    return f"departments/{department}"


def check_id(value: str, *, field: str) -> str:
    """`value` if it may be the last part of a name.

    Raises InvalidArgument (MALFORMED_ID, CITIZEN_NUMBER_IN_ID).
    """
    if not ID.fullmatch(value):
        raise InvalidArgument(
            f"{field} must be 1-63 of a-z, 0-9 and hyphens, with a letter or digit at both ends",
            reason="MALFORMED_ID",
            message_zh=f"{field} 应为 1–63 个小写字母、数字和连字符，首尾为字母或数字",
            violations=[FieldViolation(field, "malformed id")],
        )
    return check_no_citizen(value, field=field)


def check_no_citizen(value: str, *, field: str) -> str:
    """`value` if it holds no citizen number. Raises InvalidArgument, CITIZEN_NUMBER_IN_ID."""
    if holds_citizen_number(value):
        raise InvalidArgument(
            f"{field} holds a citizen number, and ids are shown in names, logs and public proofs: "
            "choose one that says nothing of a person, such as a word or a random UUID",
            reason="CITIZEN_NUMBER_IN_ID",
            message_zh=f"{field} 中含有公民身份号码，而标识会出现在名称、日志和公开证明中："
            "请改用与个人无关的标识，如单词或随机 UUID",
            violations=[FieldViolation(field, "holds a citizen number")],
        )
    return value


def random_id() -> str:
    """An id that nobody guesses: 80 random bits, 16 of a-z and 2-7."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()
