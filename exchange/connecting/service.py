"""Use cases of endpoints and of the hosts that may be called.

1. The source department or an administrator writes, removes and tries an endpoint; auditors see it
   too. To anybody else it does not exist. Hosts are approved by administrators.
2. Every change is under its etag and leaves its audit record; a secret is in neither.
3. Trying an endpoint asks its source for one record: it is said why, recorded before it is told,
   and tells no value. Only the source itself is told whether there is such a record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import orjson

from exchange.audit.appending import AuditLog
from exchange.catalog import service as catalog
from exchange.catalog.model import EntryState
from exchange.catalog.service import Schemas
from exchange.connecting import model, store
from exchange.connecting.asking import GREATEST_VALUE, Outcome, SourceFailed
from exchange.connecting.forwarding import Forwarding
from exchange.connecting.model import ApprovedHost, Endpoint, Kind
from runtime import names, paging
from runtime.asking import check_question
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    Aborted,
    FieldViolation,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)
from runtime.identity import Principal, Role
from runtime.records import make_record

GREATEST_ENDPOINTS = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """An endpoint and whether its host is approved."""

    endpoint: Endpoint
    approved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How a try went."""

    outcome: Outcome
    status: int = 0
    elapsed_ms: int = 0
    found: bool = False
    invalid_items: tuple[str, ...] = ()
    #: Of a record that is there: what it came without.
    missing_items: tuple[str, ...] = ()


def put_endpoint(work: UnitOfWork, principal: Principal, *, asked: Endpoint, clock: Clock) -> Seen:
    """Write an endpoint in place of the one of its resource; without a secret it keeps that one's.

    Raises InvalidArgument (ENDPOINT_INVALID), PermissionDenied (NOT_THE_SOURCE), NotFound
    (RESOURCE_NOT_FOUND), FailedPrecondition (NOT_A_SERVICE_RESOURCE, HOST_NOT_APPROVED), Aborted
    (ETAG_MISMATCH) and ResourceExhausted.
    """
    asked = model.with_defaults(asked)
    model.check(asked)
    if not model.may_keep(principal, asked.resource):
        raise model.not_the_source()
    resource = catalog.resource_in(work, asked.resource)
    if resource.sharing_mode != model.SERVICE or resource.state is EntryState.WITHDRAWN:
        raise model.not_a_service()
    store.bump(work.session)  # first: of two changes at one time one waits
    held = store.endpoint(work.session, asked.resource)
    _check_etag(asked.etag, held.etag if held else "")
    if held is None and store.count_endpoints(work.session) >= GREATEST_ENDPOINTS:
        raise ResourceExhausted(
            f"a node has at most {GREATEST_ENDPOINTS} endpoints",
            message_zh=f"一个节点最多 {GREATEST_ENDPOINTS} 个接口",
        )
    if not store.approved(work.session, {asked.place}):
        raise model.host_not_approved(asked.place)
    now = clock.now()
    made = replace(asked, secret=_secret(asked, held), update_time=now)
    made = replace(made, etag=model.etag_of(made))
    store.put_endpoint(work.session, made)
    work.record(
        make_record(
            "endpoint_put",
            at=now,
            actor=principal.system,
            facts={
                "resource": made.resource,
                "endpoint_kind": made.kind.value,
                "host": made.place,
                "etag": made.etag,
            },
        )
    )
    return Seen(made, True)


def _secret(asked: Endpoint, held: Endpoint | None) -> bytes:
    if asked.kind is not Kind.PLATFORM:
        return b""
    secret = asked.secret or (held.secret if held else b"")
    if not secret:
        raise InvalidArgument(
            "this endpoint cannot be held: the platform's application secret is required",
            reason="ENDPOINT_INVALID",
            message_zh="该接口配置有误：须提供平台应用密钥（app_secret）",
            violations=[FieldViolation("platform.app_secret", "is required")],
        )
    return secret


def get_endpoint(database: Database, principal: Principal, resource: str) -> Seen:
    """An endpoint. Raises NotFound, ENDPOINT_NOT_FOUND."""
    names.parse(names.RESOURCE, resource, field="resource")
    if not model.may_see(principal, resource):
        raise model.endpoint_not_found()
    with database.reading() as session:
        held = store.endpoint(session, resource)
        if held is None:
            raise model.endpoint_not_found()
        return Seen(held, bool(store.approved(session, {held.place})))


def list_endpoints(
    database: Database, principal: Principal, *, page_size: int, page_token: str
) -> tuple[list[Seen], str]:
    """A page of the endpoints that the caller may see, and the token of the next."""
    size, after = paging.page_size(page_size), _after(page_token, names.RESOURCE)
    every = principal.has(Role.ADMINISTRATOR) or principal.has(Role.AUDITOR)
    with database.reading() as session:
        rows = store.endpoints(
            session,
            department=None if every else principal.department,
            after=after,
            limit=size + 1,
        )
        approved = store.approved(session, {one.place for one in rows})
    page, token = paging.cut(rows, size, lambda one: one.resource)
    return [Seen(one, one.place in approved) for one in page], token


def delete_endpoint(
    work: UnitOfWork, principal: Principal, *, resource: str, etag: str, clock: Clock
) -> None:
    """Remove an endpoint. Raises NotFound (ENDPOINT_NOT_FOUND) and Aborted (ETAG_MISMATCH)."""
    names.parse(names.RESOURCE, resource, field="resource")
    if not model.may_keep(principal, resource):
        raise model.endpoint_not_found()
    store.bump(work.session)
    held = store.endpoint(work.session, resource)
    if held is None:
        raise model.endpoint_not_found()
    if etag:
        _check_etag(etag, held.etag)
    store.remove_endpoint(work.session, resource)
    work.record(
        make_record(
            "endpoint_deleted",
            at=clock.now(),
            actor=principal.system,
            facts={"resource": resource, "etag": held.etag},
        )
    )


async def try_endpoint(
    principal: Principal,
    *,
    resource: str,
    key: str,
    purpose: str,
    case_number: str,
    schemas: Schemas,
    forwarding: Forwarding,
    audit: AuditLog,
    time_remaining: Callable[[], float | None],
    clock: Clock,
) -> Tried:
    """Ask an endpoint for one record, all its items, and tell how it went.

    A service of the national platform answers for the items that it has: those that it lacks are
    told, and are no fault of its endpoint.

    Raises InvalidArgument (BAD_QUESTION, MALFORMED_KEY) and NotFound (ENDPOINT_NOT_FOUND).
    """
    check_question(purpose, case_number)
    names.parse(names.RESOURCE, resource, field="resource")
    if not model.may_keep(principal, resource) or not forwarding.serves(resource):
        raise model.endpoint_not_found()
    schema = schemas.schema(resource)
    row = [key if code == schema.key_item else "" for code in schema.position]
    if not 0 < len(key) <= GREATEST_VALUE or any(
        code == schema.key_item for code, _ in schema.violations(row)
    ):
        raise InvalidArgument(
            f"key is not a value of item {schema.key_item}",
            reason="MALFORMED_KEY",
            message_zh=f"key 不是信息项 {schema.key_item} 的有效值",
            violations=[FieldViolation("key", f"is no value of {schema.key_item}")],
        )
    began = time.monotonic()
    try:
        found = await forwarding.fetch(
            schema=schema,
            keys=(key,),
            items=[item.code for item in schema.items],
            purpose=purpose,
            case_number=case_number,
            consumer=principal.department,
            grant="",
            time_remaining=time_remaining,
        )
        text = found[key]
        held = {} if text is None else orjson.loads(text)
        missing = tuple(item.code for item in schema.items if text and item.code not in held)
        tried = Tried(outcome=Outcome.ANSWERED, found=text is not None, missing_items=missing)
    except SourceFailed as failed:
        tried = _failed(failed, lenient=forwarding.is_platform(resource))
    if principal.department != names.department_of(resource):
        tried = replace(tried, found=False, missing_items=())  # it would tell that there is one
    await audit.append(
        make_record(
            "endpoint_tried",
            at=clock.now(),
            actor=principal.system,
            facts={"resource": resource, "outcome": tried.outcome.value},
            commitments={
                "key": key.encode(),
                "purpose": purpose.encode(),
                "case_number": case_number.encode(),
            },
        )
    )
    return replace(tried, elapsed_ms=round((time.monotonic() - began) * 1000))


def _failed(failed: SourceFailed, *, lenient: bool) -> Tried:
    if not lenient or failed.outcome is not Outcome.INVALID_RECORD:
        return Tried(
            outcome=failed.outcome, status=failed.status, invalid_items=failed.invalid_items
        )
    wrong = tuple(one for one in failed.invalid_items if one not in failed.missing_items)
    return Tried(
        outcome=Outcome.INVALID_RECORD if wrong else Outcome.ANSWERED,
        found=not wrong,
        invalid_items=wrong,
        missing_items=failed.missing_items,
    )


def approve_host(
    work: UnitOfWork, principal: Principal, *, host: str, clock: Clock
) -> ApprovedHost:
    """Allow a host; again is as before. Raises InvalidArgument, HOST_INVALID."""
    model.check_place(host)
    store.bump(work.session)
    held = store.approved_host(work.session, host)
    if held is not None:
        return held
    now = clock.now()
    made = ApprovedHost(host=host, create_time=now)
    store.approve(work.session, made)
    facts = {"host": host}
    work.record(make_record("host_approved", at=now, actor=principal.system, facts=facts))
    return made


def disapprove_host(work: UnitOfWork, principal: Principal, *, host: str, clock: Clock) -> None:
    """Take an approval back. Raises InvalidArgument and NotFound (HOST_NOT_FOUND)."""
    model.check_place(host)
    store.bump(work.session)
    if store.approved_host(work.session, host) is None:
        raise NotFound(
            "this host is not approved: see `tongban connectors hosts`",
            reason="HOST_NOT_FOUND",
            message_zh="该主机未曾批准：请查看 tongban connectors hosts",
        )
    store.disapprove(work.session, host)
    facts = {"host": host}
    work.record(
        make_record("host_disapproved", at=clock.now(), actor=principal.system, facts=facts)
    )


def list_hosts(
    database: Database, *, page_size: int, page_token: str
) -> tuple[Sequence[ApprovedHost], str]:
    """A page of approved hosts in order, and the token of the next."""
    size, after = paging.page_size(page_size), paging.last_of(page_token)
    if after:
        model.check_place(after)
    with database.reading() as session:
        rows = store.approved_hosts(session, after=after, limit=size + 1)
    return paging.cut(rows, size, lambda one: one.host)


def _after(token: str, pattern: str) -> str:
    after = paging.last_of(token)
    if after:
        names.parse(pattern, after, field="page_token")
    return after


def _check_etag(sent: str, held: str) -> None:
    if sent != held:
        raise Aborted(
            "this is not the endpoint that you read: read again, and send its etag",
            reason="ETAG_MISMATCH",
            message_zh="接口配置已有变化：请重新读取，并带上其 etag",
        )
