"""Access requests and grants: their states, who may do what, and what a grant allows.

1. A request is decided once: pending, then approved (a grant answers it) or rejected. On the way
   it may be returned for more material, wait for the authority, or be withdrawn by who asked.
2. A grant gives no more than was asked: items and operations are subsets of the request's, its
   time is at most five years. It is active until it is revoked; that its time has not come, or is
   over, is told by its times and never stored. What its terms were is kept, version by version.
3. The consumer, the source, an administrator and an auditor see a request and its grant. To
   anybody else they do not exist: the same NotFound as for a name never given.
4. The source decides: a system or an administrator of its own, or an administrator of a department
   above it (a parent, or the authority of its jurisdiction), never of who asks. The source, the
   consumer or any administrator takes away: revokes, narrows.
5. An unconditional resource (无条件共享) is granted at once, by a rule of the node. Where it turns
   conditional, nobody has decided on such a grant: it is refused until a request is decided that
   amends it, or the resource is unconditional again.
6. A masked value never shows a whole value: one no longer than what would be left is hidden.
7. Of what was published up to `history_from`, the end of the log when the grant was decided, only
   what is still held is shown: a value that was superseded is not, on any path, unless the decision
   includes history.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from sys import intern
from types import MappingProxyType
from typing import assert_never

from exchange.grants.rows import RowCondition
from runtime import names
from runtime.errors import NotFound
from runtime.records import canonical, instant

HIDDEN = "****"
#: Who grants an unconditional resource: no system, but this rule of the node.
UNCONDITIONAL_RULE = "rules/unconditional-sharing"


class Operation(StrEnum):
    """What may be done under a grant."""

    QUERY = "query"
    VERIFY = "verify"
    SUBSCRIBE = "subscribe"
    EXPORT = "export"


class RequestOrder(StrEnum):
    """In which order requests are listed: by name, by the day of the answer, by age."""

    NAME = "name"
    DUE = "due"
    NEWEST = "newest"


class Mask(StrEnum):
    """What is left of a value that is shown in part."""

    WHOLE = "whole"
    LAST_FOUR = "last_four"
    FIRST_CHARACTER = "first_character"
    YEAR = "year"
    FIRST_SIX = "first_six"


class AccessRequestState(StrEnum):
    """State of a request."""

    PENDING = "pending"
    AWAITING_AUTHORITY = "awaiting"
    RETURNED = "returned"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


OPEN = (
    AccessRequestState.PENDING,
    AccessRequestState.AWAITING_AUTHORITY,
    AccessRequestState.RETURNED,
)


class GrantState(StrEnum):
    """State of a grant."""

    ACTIVE = "active"
    REVOKED = "revoked"


def apply_mask(mask: Mask, value: str) -> str:
    """What `mask` leaves of a value.

    `****1234`, `某**`, `1990`, `990101****`; `****` where the value is too short to hide a part of
    it, or is not a date where a year is left.
    """
    # By identity, in the order of how often: `match` and a dictionary of enumerations take longer.
    if mask is Mask.WHOLE:
        return value
    if mask is Mask.FIRST_SIX:
        return value[:6] + HIDDEN if len(value) > 6 else HIDDEN
    if mask is Mask.LAST_FOUR:
        return HIDDEN + value[-4:] if len(value) > 4 else HIDDEN
    if mask is Mask.FIRST_CHARACTER:
        return value[0] + "**" if len(value) > 1 else HIDDEN
    if mask is Mask.YEAR:
        year = value[:4]
        dated = len(value) >= 10 and value[4] == "-" and year.isascii() and year.isdigit()
        return year if dated else HIDDEN
    assert_never(mask)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedItem:
    """One item given, in whole or in part."""

    item: str
    mask: Mask = Mask.WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a grant gives; 0 is without bound."""

    items: tuple[GrantedItem, ...]
    operations: tuple[Operation, ...]
    daily_quota: int = 0
    rate_per_minute: int = 0
    row_filter: tuple[RowCondition, ...] = ()
    start_time: datetime
    end_time: datetime
    include_history: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """A request for access (申请); `amends` names the grant that it asks to change."""

    name: str
    resource: str
    items: tuple[str, ...]
    operations: tuple[Operation, ...]
    purpose: str
    legal_basis: str
    state: AccessRequestState = AccessRequestState.PENDING
    grant: str = ""
    decision_reason: str = ""
    create_time: datetime
    decide_time: datetime | None = None
    service_item: str = ""
    amends: str = ""
    row_filter: tuple[RowCondition, ...] = ()
    cross_region: bool = False
    cross_level: bool = False
    #: The authority has to agree to what the source proposes.
    needs_review: bool = False
    #: The department whose administrators are the authority; empty: any administrator.
    authority: str = ""
    review_note: str = ""
    decision_legal_basis: str = ""
    proposal: Terms | None = None
    #: The system that proposed it.
    proposed_by: str = ""
    #: The last day of the reply, `YYYY-MM-DD`, as its clock says; empty where none runs.
    reply_due: str = ""

    @property
    def consumer(self) -> str:
        """The department that asks."""
        return names.department_of(self.name)

    @property
    def source(self) -> str:
        """The department whose data it asks for."""
        return names.department_of(self.resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """How a changed grant shows changes that were published at or before an offset.

    `formerly` is the filter that they were delivered by: a record that leaves it is withdrawn.
    """

    until_offset: int
    items: tuple[GrantedItem, ...]
    row_filter: tuple[RowCondition, ...]
    formerly: tuple[RowCondition, ...]


@lru_cache(maxsize=4096)
def _shown_by(
    items: tuple[GrantedItem, ...],
) -> tuple[Mapping[str, Mask], tuple[str, ...], tuple[tuple[str, Mask], ...]]:
    """Masks by item, items shown whole, items masked: held once by all grants alike.

    With many grants a decision takes as long as memory takes to come, so alike parts are one.
    """
    masks = {given.item: given.mask for given in items}
    return (
        MappingProxyType(masks),
        tuple(code for code, mask in masks.items() if mask is Mask.WHOLE),
        tuple((code, mask) for code, mask in masks.items() if mask is not Mask.WHOLE),
    )


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of a change: items with their masks, of records that the filter lets through.

    `formerly` is the filter of an earlier version, None where there was none.
    """

    masks: Mapping[str, Mask]
    row_filter: tuple[RowCondition, ...]
    formerly: tuple[RowCondition, ...] | None = None

    def project(self, values: Mapping[str, str]) -> dict[str, str]:
        """What is shown of a record."""
        return {
            code: apply_mask(mask, values[code])
            for code, mask in self.masks.items()
            if code in values
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A grant (授权); `end_time` is exclusive, `daily_quota` 0 is without bound."""

    name: str
    resource: str
    items: tuple[GrantedItem, ...]
    operations: tuple[Operation, ...]
    purpose: str
    legal_basis: str
    daily_quota: int = 0
    start_time: datetime
    end_time: datetime
    state: GrantState = GrantState.ACTIVE
    revoke_time: datetime | None = None
    revoke_reason: str = ""
    contract_hash: str = ""
    access_request: str
    create_time: datetime
    service_item: str = ""
    row_filter: tuple[RowCondition, ...] = ()
    rate_per_minute: int = 0
    version: int = 1
    #: In order of offset; empty where all changes are shown by the terms.
    earlier: tuple[Earlier, ...] = ()
    #: The decision gives superseded values too (rule 7).
    include_history: bool = False
    #: The end of the log at the decision; 0 where nothing is withheld.
    history_from: int = 0
    #: Given by the node's rule for unconditional resources, without a decision; read with it.
    at_once: bool = field(default=False, compare=False)
    #: Derived once, for the hot path.
    consumer: str = field(init=False, compare=False)
    source: str = field(init=False, compare=False)
    masks: Mapping[str, Mask] = field(init=False, repr=False, compare=False)
    _plain: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _masked: tuple[tuple[str, Mask], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        masks, plain, masked = _shown_by(self.items)
        derived: dict[str, object] = {
            "consumer": intern(names.department_of(self.name)),
            "source": intern(names.department_of(self.resource)),
            "masks": masks,
            "_plain": plain,
            "_masked": masked,
        }
        for key, value in derived.items():
            object.__setattr__(self, key, value)
        if not self.contract_hash:
            object.__setattr__(self, "contract_hash", hash_of_terms(self))

    @property
    def etag(self) -> str:
        """Changes with terms and state."""
        return f"{self.version}-{self.state.value}-{self.contract_hash[:16]}"

    @property
    def whole(self) -> tuple[str, ...]:
        """Codes of the items that are shown whole."""
        return self._plain

    def view_at(self, offset: int) -> View:
        """What is shown of a change that was published at an offset."""
        for one in self.earlier:
            if offset <= one.until_offset:
                masks = {given.item: given.mask for given in one.items}
                return View(masks, one.row_filter, one.formerly)
        return View(self.masks, self.row_filter)

    def project(self, values: Mapping[str, str]) -> dict[str, str]:
        """What the grant shows of a record: granted items that it holds, masked."""
        shown = {code: values[code] for code in self._plain if code in values}
        for code, mask in self._masked:
            if code in values:
                shown[code] = apply_mask(mask, values[code])
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantVersion:
    """A version of a grant as it was given; `until_time` is exclusive, None while it is in force.

    `from_offset` is that of the last change which was published before it.
    """

    grant: Grant
    act: str
    actor: str
    from_time: datetime
    until_time: datetime | None = None
    from_offset: int = 0


def terms_of(grant: Grant) -> dict[str, object]:
    """What was agreed, as its contract says it; a plain first version keeps the form it had."""
    terms: dict[str, object] = {
        "v": 1,
        "grant": grant.name,
        "access_request": grant.access_request,
        "resource": grant.resource,
        "items": _pairs(grant.items),
        "operations": sorted(operation.value for operation in grant.operations),
        "purpose": grant.purpose,
        "legal_basis": grant.legal_basis,
        "daily_quota": grant.daily_quota,
        "start_time": instant(grant.start_time),
        "end_time": instant(grant.end_time),
    }
    if grant.include_history:
        terms["include_history"] = True
    elif grant.version == 1 and not (
        grant.service_item or grant.row_filter or grant.rate_per_minute
    ):
        return terms
    return terms | {
        "v": 2,
        "version": grant.version,
        "service_item": grant.service_item,
        "row_filter": _triples(grant.row_filter),
        "rate_per_minute": grant.rate_per_minute,
        "earlier": [
            {
                "until_offset": one.until_offset,
                "items": _pairs(one.items),
                "row_filter": _triples(one.row_filter),
                "formerly": _triples(one.formerly),
            }
            for one in grant.earlier
        ],
    }


def _pairs(items: Sequence[GrantedItem]) -> list[list[str]]:
    return [[given.item, given.mask.value] for given in items]


def _triples(conditions: Sequence[RowCondition]) -> list[list[object]]:
    return [[one.item, one.test.value, list(one.values)] for one in conditions]


def hash_of_terms(grant: Grant) -> str:
    """SHA-256, hex, over the canonical JSON of what was agreed; revocation does not change it."""
    return hashlib.sha256(canonical(terms_of(grant))).hexdigest()


def grant_not_found() -> NotFound:
    """The one answer for a grant that is absent and for one that the caller may not know of."""
    return NotFound(
        "no such grant: check its name with ListGrants (`tongban grants list`)",
        reason="GRANT_NOT_FOUND",
        message_zh="没有该授权：请用授权列表（tongban grants list）核对其名称",
    )


def request_not_found() -> NotFound:
    """The one answer for a request that is absent and for one that the caller may not know of."""
    return NotFound(
        "no such access request: check its name with ListAccessRequests "
        "(`tongban grants requests`)",
        reason="ACCESS_REQUEST_NOT_FOUND",
        message_zh="没有该申请：请用申请列表（tongban grants requests）核对其名称",
    )
