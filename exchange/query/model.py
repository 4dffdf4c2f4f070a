"""The pure rules of a question and its answer.

1. A question names its grant, one key, its purpose and its case.
2. A key must be what the key item's standard says; the refusal names the item, never the value.
3. A claim is made only on an item that is granted whole: to verify a masked item would tell, guess
   by guess, what the mask hides.
4. A claim matches, does not match, or finds nothing held to compare with. An absent record, or one
   outside the grant's row filter, answers like a record that holds none of the items, with the same
   shape and the same work done. So `not held` says no more than that: only of an item which every
   record must hold does it say that there is no record. (Who knows one true value learns as much
   from `match`; whether a record exists is no secret to who may verify it.)
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from exchange.audit.model import Receipt
from exchange.catalog.schema import ResourceSchema
from exchange.grants.model import Grant, Mask
from runtime.errors import (
    Aborted,
    FieldViolation,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
)
from runtime.idcodes import STANDARDS, are_citizen_numbers, citizen_number_problem
from runtime.records import canonical

#: Of a key, in characters: none longer is published.
GREATEST_KEY = 200
GREATEST_CLAIMS = 20
#: Of all the values that are claimed in one question, in characters.
GREATEST_CLAIMED = 20_000
GREATEST_ITEMS = 500
GREATEST_CODE = 64
#: Of a grant, in characters.
GREATEST_NAME = 200
#: Of an answer in canonical JSON, in bytes; the transport takes 20 MiB.
GREATEST_ANSWER = 8 * 1024 * 1024


class Match(StrEnum):
    """Whether a claim is true."""

    MATCH = "match"
    NO_MATCH = "no_match"
    NOT_HELD = "not_held"


#: Stands in for a record that is absent, so that verifying does the same work.
DECOY = canonical({f"item_{n}": "x" * 16 for n in range(8)}).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryAnswer:
    """One record as far as the grant goes, and the proof of having asked for it."""

    found: bool
    items: Mapping[str, str]
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyAnswer:
    """Whether each claim is true, and the proof of having asked."""

    claims: Mapping[str, Match]
    receipt: Receipt

    @property
    def result(self) -> Match:
        """What the claims come to."""
        return overall(self.claims)


def check_sizes(grant: str, key: str = "") -> None:
    """Refuse what is too long for any grant's name and any key, before anything is done with it.

    Raises InvalidArgument, BAD_QUESTION.
    """
    if len(grant) > GREATEST_NAME or len(key) > GREATEST_KEY:
        long_name = len(grant) > GREATEST_NAME
        field, most = ("grant", GREATEST_NAME) if long_name else ("key", GREATEST_KEY)
        raise InvalidArgument(
            f"{field} has at most {most} characters",
            reason="BAD_QUESTION",
            message_zh=f"{field} 最多 {most} 个字符",
            violations=[FieldViolation(field, f"longer than {most} characters")],
        )


def check_claims(claims: Mapping[str, str]) -> None:
    """Refuse none, too many, empty and too long claims. Raises InvalidArgument, BAD_CLAIMS."""
    if (
        0 < len(claims) <= GREATEST_CLAIMS
        and all(claims.values())
        and sum(map(len, claims.values())) <= GREATEST_CLAIMED
        and max(map(len, claims)) <= GREATEST_CODE
    ):
        return
    raise InvalidArgument(
        f"claims are 1 to {GREATEST_CLAIMS} items, each with a value, and have "
        f"{GREATEST_CLAIMED:,} characters together at most",
        reason="BAD_CLAIMS",
        message_zh=f"核查声明为 1 至 {GREATEST_CLAIMS} 个信息项，每项均须有值，"
        f"合计最多 {GREATEST_CLAIMED:,} 个字符",
        violations=[FieldViolation("claims", f"1 to {GREATEST_CLAIMS} values are required")],
    )


def check_granted_whole(grant: Grant, claims: Mapping[str, str]) -> None:
    """Refuse a claim on a masked item. Raises PermissionDenied, ITEM_GRANTED_IN_PART."""
    masks = grant.masks
    for code in claims:
        if masks[code] is not Mask.WHOLE:
            raise granted_in_part(code, "be verified", "核查")


def granted_in_part(code: str, what: str, what_zh: str) -> PermissionDenied:
    """The refusal of what is done with whole items only."""
    return PermissionDenied(
        f"item {code} is granted in part, and only whole items can {what}",
        reason="ITEM_GRANTED_IN_PART",
        message_zh=f"信息项 {code} 仅授权部分内容，只有完整授权的信息项才能{what_zh}",
        item=code,
    )


def key_check(schema: ResourceSchema) -> Callable[[str], None]:
    """What refuses a malformed key of a resource; made once per version of its schema.

    It raises InvalidArgument (MALFORMED_KEY).
    """
    item = schema.items[schema.key_position]
    problem_of = STANDARDS.get(item.standard)
    limit = min(item.length or GREATEST_KEY, GREATEST_KEY)

    def check(key: str) -> None:
        if not key:
            problem: str | None = "is required"
        elif len(key) > limit:
            problem = f"is longer than {limit} characters"
        elif not key.isprintable():  # as publishing asks: no NUL, which PostgreSQL cannot hold
            problem = "has characters that cannot be printed"
        else:
            problem = None if problem_of is None else problem_of(key)
        if problem is not None:
            raise InvalidArgument(
                f"key is not a value of item {item.code}: {problem}",
                reason="MALFORMED_KEY",
                message_zh=f"key 不是信息项 {item.code} 的有效值",
                violations=[FieldViolation("key", f"{item.code}: {problem}")],
                item=item.code,
            )

    return check


def are_keys(schema: ResourceSchema, keys: Sequence[str]) -> bool:
    """Whether surely `key_check` refuses none of these, told of all of them at once."""
    item = schema.items[schema.key_position]
    lengths = set(map(len, keys))
    if not keys or not 0 < min(lengths) <= max(lengths) <= min(
        item.length or GREATEST_KEY, GREATEST_KEY
    ):
        return False
    if not "".join(keys).isprintable():
        return False
    if item.standard not in STANDARDS:
        return True
    return STANDARDS[item.standard] is citizen_number_problem and are_citizen_numbers(keys)


def compare(held: Mapping[str, str], claims: Mapping[str, str]) -> dict[str, Match]:
    """What is true of a record, claim by claim, each compared in constant time."""
    results = {}
    for code, claimed in claims.items():
        # No claim is empty, so what is not held never matches; it is compared all the same.
        value = held.get(code, "")
        same = hmac.compare_digest(value.encode(), claimed.encode())
        results[code] = _MATCHES[bool(value), same]
    return results


_MATCHES = {
    (True, True): Match.MATCH,
    (True, False): Match.NO_MATCH,
    (False, True): Match.NOT_HELD,
    (False, False): Match.NOT_HELD,
}


def overall(results: Mapping[str, Match]) -> Match:
    """MATCH where every claim is true, else NO_MATCH: whatever is not held is not confirmed."""
    every = all(result is Match.MATCH for result in results.values())
    return Match.MATCH if every else Match.NO_MATCH


def check_items(items: Sequence[str]) -> None:
    """Refuse too many items, one that stands twice and what is too long for an item's code.

    Raises InvalidArgument, BAD_QUESTION.
    """
    if not items:
        return
    if len(items) > GREATEST_ITEMS:
        problem, problem_zh = f"more than {GREATEST_ITEMS}", f"至多 {GREATEST_ITEMS} 个"
    elif max(map(len, items)) > GREATEST_CODE:
        problem, problem_zh = f"a code has at most {GREATEST_CODE} characters", "信息项代码过长"
    elif len(set(items)) < len(items):
        problem, problem_zh = "one of them stands twice", "不得重复"
    else:
        return
    raise InvalidArgument(
        f"items are at most {GREATEST_ITEMS} codes, each once: {problem}",
        reason="BAD_QUESTION",
        message_zh=f"至多可查询 {GREATEST_ITEMS} 个信息项，每项一次：{problem_zh}",
        violations=[FieldViolation("items", problem)],
    )


def check_answer_size(size: int) -> None:
    """Refuse an answer that one message should not hold, before it is said to have been given.

    Raises ResourceExhausted, ANSWER_TOO_LARGE.
    """
    if size > GREATEST_ANSWER:
        mib = GREATEST_ANSWER // 1024 // 1024
        raise ResourceExhausted(
            f"the answer has more than {mib} MiB: ask for fewer keys or records at a time, or for "
            "fewer items",
            reason="ANSWER_TOO_LARGE",
            message_zh=f"应答超过 {mib} MiB：请减少单次查询的主键数、记录数或信息项",
        )


def counted(grant: Grant, records: int) -> dict[str, int]:
    """What a leaf says of the day's quota: how many were taken; nothing where there is none.

    By it fsck finds out that the counts of a day were lowered or lost. The day is the leaf's.
    """
    return {"counted": records} if grant.daily_quota else {}


def quota_exceeded(seconds: float) -> ResourceExhausted:
    """The refusal once a day's quota is used up; `seconds` until the next day in China."""
    return ResourceExhausted(
        "the grant's daily quota is used up: try again tomorrow (China time), or ask for more",
        reason="DAILY_QUOTA_EXCEEDED",
        message_zh="该授权今日的调用额度已用完：请明日（北京时间）再试，或申请更高额度",
        retry_after=seconds,
    )


def terms_changed() -> Aborted:
    """The refusal where a grant changed between reading and answering."""
    return Aborted(
        "the grant's terms changed while it was read under them: ask again",
        reason="GRANT_CHANGED",
        message_zh="读取期间授权条款已变更：请重新查询",
    )
