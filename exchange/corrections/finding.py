"""Which record a caller doubts, and that it may: what it was told, its own, or a citizen's.

1. A receiver doubts what it was told: the log has an answer to it under that grant about that key,
   which it had sent or was shown whole; or it knows the subscription's id of the record, which
   nobody guesses, and the offset of a change that it was told: one that was left out, or not shown,
   is not found by trying. Whether there is such a record decides nothing, so that a request tells
   none of records; and absent, hidden and never told get one answer. A grant may have ended since.
2. A citizen doubts what is kept of them, signed in or by a counter that identified them, whether or
   not there is a record. A source doubts what is its own.
3. What a source's own system answers is no version that the node knows: that is asked in writing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hmac import compare_digest

from exchange.audit.appending import AuditLog
from exchange.catalog.service import Schemas
from exchange.corrections import store
from exchange.corrections.model import Origin, record_not_received
from exchange.corrections.receiving import DELIVERED, Told, told_of
from exchange.corrections.versions import store as log
from exchange.delivery.log.store import LogReader
from exchange.delivery.model import Subscription, record_id
from exchange.delivery.projecting import Projection
from exchange.delivery.reading import RecordReader
from exchange.delivery.settling import Settled
from exchange.delivery.subscriptions import store as subscriptions
from exchange.grants.model import Grant, Mask, grant_not_found
from exchange.query.forwarded import Sources
from exchange.query.model import key_check
from runtime import names
from runtime.asking import bad_case, is_case_number
from runtime.database import Database
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument, PermissionDenied
from runtime.idcodes import citizen_number_problem, credit_code_problem
from runtime.identity import Principal, Role, check_holder

GREATEST_LEAVES = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The record that a request is about, and the change of it that is doubted (0: none)."""

    resource: str
    origin: Origin
    key: str
    doubted: int
    grant: str = ""
    subscription: str = ""
    record_id: str = ""
    case_number: str = ""
    #: Items that may be doubted.
    items: frozenset[str]


class Finding:
    """Finds the record that a caller names. Reads only, and before the transaction."""

    def __init__(
        self, *, database: Database, audit: AuditLog, schemas: Schemas, sources: Sources
    ) -> None:
        self._database = database
        self._audit = audit
        self._schemas = schemas
        self._records = RecordReader(database)
        self._log = LogReader(database)
        self._sources = sources

    def answered(self, principal: Principal, *, grant: str, key: str) -> Record:
        """A record that was asked for under a grant.

        Raises NotFound (GRANT_NOT_FOUND; RECORD_NOT_RECEIVED), FailedPrecondition
        (RESOURCE_NOT_HELD) and PermissionDenied (COUNTERS_ACT_FOR_CITIZENS).
        """
        _check_department(principal)
        names.parse(names.GRANT, grant, field="answered.grant")
        with self._database.reading() as session:
            terms = store.terms_of(session, grant)
        held = terms.get("")
        if held is None or held.consumer != principal.department:
            raise grant_not_found()
        self._check_held(held.resource)
        key_item = self._schemas.schema(held.resource).key_item
        for newest in told_of(self._audit, key, limit=GREATEST_LEAVES):
            if newest.grant != grant or newest.kind == DELIVERED or newest.by_endpoint:
                continue
            doubted = self._told(newest, held.resource, key)
            # Who was told of a record without its key could try keys out here.
            if newest.by_key or _showed(terms, newest, key_item, doubted):
                break
        else:
            raise record_not_received()
        return Record(
            resource=held.resource,
            origin=Origin.QUERY,
            key=key,
            doubted=doubted,
            grant=grant,
            items=frozenset(held.masks) | frozenset(newest.items),
        )

    def delivered(
        self, principal: Principal, *, subscription: str, record: str, offset: int
    ) -> Record:
        """A record that a subscription delivered. Raises NotFound (RECORD_NOT_RECEIVED)."""
        _check_department(principal)
        names.parse(names.SUBSCRIPTION, subscription, field="delivered.subscription")
        with self._database.reading() as session:
            held = subscriptions.ever(session, subscription)
            change = log.change(session, offset) if 0 < offset < 1 << 63 else None
            terms = store.terms_by_offset(session, held.grant) if held else []
        grant = terms[0][0] if terms else None
        if (
            held is None
            or grant is None
            or change is None
            or names.department_of(subscription) != principal.department
            or change.resource != grant.resource
            or not compare_digest(record_id(held.secret, change.key).encode(), record.encode())
            or not self._may_have_told(held, terms, offset)
        ):
            raise record_not_received()
        return Record(
            resource=grant.resource,
            origin=Origin.SUBSCRIPTION,
            key=change.key,
            doubted=offset,
            grant=held.grant,
            subscription=subscription,
            record_id=record,
            items=frozenset(grant.masks),
        )

    def _may_have_told(
        self,
        subscription: Subscription,
        terms: Sequence[tuple[Grant, int | None]],
        offset: int,
    ) -> bool:
        """Whether a subscription may have told a change, by terms that held since it was there."""
        settled = Settled(subscription.settled, subscription.told_end)
        return any(
            Projection(self._log, grant, subscription, settled).may_have_told(offset)
            for grant, last in terms
            if last is None or offset <= last
        )

    def own(self, principal: Principal, *, resource: str, key: str, case_number: str) -> Record:
        """A record of the source's own, of the citizen who asks, or whom a counter has identified.

        Raises NotFound (RESOURCE_NOT_FOUND), InvalidArgument (MALFORMED_KEY, BAD_QUESTION),
        FailedPrecondition (RESOURCE_NOT_HELD) and PermissionDenied (NOT_YOUR_RECORD).
        """
        names.parse(names.RESOURCE, resource, field="own.resource")
        schema = self._schemas.schema(resource)
        key_check(schema)(key)
        self._check_held(resource)
        is_source = names.department_of(resource) == principal.department
        if principal.has(Role.APPLICANT) or (case_number and principal.has(Role.COUNTER)):
            origin = Origin.CITIZEN
            check_citizen(principal, key, case_number)
        elif is_source and principal.has(Role.DEPARTMENT):
            origin = Origin.SOURCE
        elif principal.has(Role.COUNTER):
            raise bad_case("citizen", "申请人")
        else:
            raise _not_yours()
        return Record(
            resource=resource,
            origin=origin,
            key=key,
            doubted=self._newest(resource, key),
            case_number=case_number if origin is Origin.CITIZEN else "",
            items=frozenset(schema.position),
        )

    def _told(self, told: Told, resource: str, key: str) -> int:
        """The change that a leaf told of."""
        if not told.read_offset:
            return self._records.as_of(resource, key, told.read_time or told.time)
        with self._database.reading() as session:
            versions = log.back(session, log.newest(session, resource, key))
            return next((one.offset for one in versions if one.offset <= told.read_offset), 0)

    def _check_held(self, resource: str) -> None:
        if self._sources.serves(resource):
            raise FailedPrecondition(
                "this resource is answered by its department's own system, and the node knows no "
                "versions of it: ask the department in writing (`tongban inquiries send`)",
                reason="RESOURCE_NOT_HELD",
                message_zh="该信息资源由部门自有系统应答，本节点不存其版本："
                "请向该部门函询（tongban inquiries send）",
            )

    def _newest(self, resource: str, key: str) -> int:
        with self._database.reading() as session:
            return log.newest(session, resource, key)


def _showed(terms: Mapping[str, Grant], told: Told, key_item: str, offset: int) -> bool:
    """Whether what a leaf told had the record's whole key in it."""
    grant = terms.get(told.contract)
    if grant is None or key_item not in told.items:
        return False
    return grant.view_at(offset).masks.get(key_item) is Mask.WHOLE


def _check_department(principal: Principal) -> None:
    if not principal.has(Role.DEPARTMENT):
        raise PermissionDenied(
            "a counter acts for the citizen it identified: name the citizen's own record",
            reason="COUNTERS_ACT_FOR_CITIZENS",
            message_zh="窗口只能代已核验身份的申请人就其本人数据提出",
        )


def check_citizen(principal: Principal, key: str, case_number: str) -> None:
    """That a citizen, or their company, was identified: by a counter, or by signing in.

    Raises InvalidArgument (BAD_QUESTION, MALFORMED_KEY) and PermissionDenied (NOT_YOUR_RECORD).
    """
    signed_in = principal.has(Role.APPLICANT)
    if not is_case_number(case_number) and (case_number or not signed_in):
        raise bad_case("citizen", "申请人")
    if citizen_number_problem(key) and credit_code_problem(key):
        raise InvalidArgument(
            "key is neither a citizen number nor a credit code",
            reason="MALFORMED_KEY",
            message_zh="key 既不是公民身份号码，也不是统一社会信用代码",
            violations=[FieldViolation("key", "is neither a citizen number nor a credit code")],
        )
    if not check_holder(principal, key):
        raise _not_yours()


def _not_yours() -> PermissionDenied:
    return PermissionDenied(
        "only the source, the citizen, or a counter for the citizen it identified, doubts a record "
        "by its key: a receiver names the grant or the subscription",
        reason="NOT_YOUR_RECORD",
        message_zh="仅数源部门、申请人本人，或已核验申请人身份的窗口，可直接按主键提出；"
        "使用部门请指明授权或订阅",
    )
