"""Seals and their use; other authorities whose seals and documents are trusted."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from licenses.v1 import licenses_pb2
from portal.auditor.words import EVENTS, USE_OPEN, USES
from portal.office import endings
from portal.office.asking import EVERYBODY, PAGE, Asking
from portal.office.showing import ADMINISTRATORS, READERS, asking, show
from portal.pages import after, picture
from portal.sessions.access import form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError, InvalidArgument, NotFound, PermissionDenied
from seal.v1 import seal_pb2, trust_pb2

EVENTS_OF_A_LIFE = 200
_OF_LICENSES = ("license-types/", "licenseTypes/")


@READERS
async def seals(request: Request, person: Person) -> Response:
    """All seals, by department, or those alone that end soon."""
    ask = asking(request, person)
    ending = "ending" in request.query_params
    asked = seal_pb2.ListSealsRequest(
        parent=EVERYBODY,
        page_size=PAGE,
        page_token=after(request),
        ends_within_days=endings.SOON if ending else 0,
    )
    found, _ = await asyncio.gather(ask.tell(ask.seals.ListSeals, asked), ask.departments())
    return await show(
        request,
        ask,
        "seals",
        seals=[(one, state, _until(one)) for one, state in endings.told(found.seals)],
        certificates=endings.of_certificates(found),
        ending=ending,
        soon=endings.SOON,
        following=found.next_page_token,
    )


@READERS
async def seal(request: Request, person: Person) -> Response:
    """One seal: what it looks like, its life, and its uses, the newest first."""
    return await _seal(request, asking(request, person))


@ADMINISTRATORS
async def decide_seal(request: Request, person: Person) -> Response:
    """Freeze or thaw a seal, approve or turn down what another administrator asked for."""
    given, ask, name = await form_of(request, person), asking(request, person), _seal_name(request)
    reason = one(given, "reason")
    about = {"name": name, "request_id": one(given, "request_id")}
    try:
        match one(given, "act"):
            case "freeze":
                frozen = seal_pb2.FreezeSealRequest(reason=_given(reason), **about)
                await ask.tell(ask.seals.FreezeSeal, frozen)
            case "unfreeze":
                thawed = seal_pb2.UnfreezeSealRequest(reason=_given(reason), **about)
                await ask.tell(ask.seals.UnfreezeSeal, thawed)
            case "approve":
                seen = seal_pb2.ApproveSealRequest(etag=one(given, "etag"), **about)
                await ask.tell(ask.seals.ApproveSeal, seen)
            case "reject":
                turned = seal_pb2.RejectSealRequest(reason=_given(reason), **about)
                await ask.tell(ask.seals.RejectSeal, turned)
            case _:
                raise NotFound("no such act", reason="ACT_UNKNOWN", message_zh="没有这项操作")
    except (NotFound, PermissionDenied):
        raise
    except DomainError as error:
        return await _seal(request, ask, error=error, reason=reason)
    return RedirectResponse(request.url.path, 303)


def _given(reason: str) -> str:
    """A reason, which every act by hand has. Raises InvalidArgument (REASON_REQUIRED)."""
    if not reason.strip():
        raise InvalidArgument(
            "Nothing was changed. Please say why.",
            reason="REASON_REQUIRED",
            message_zh="未作任何更改，请填写原因。",
        )
    return reason.strip()


def _seal_name(request: Request) -> str:
    places = request.path_params
    return f"departments/{places['department']}/seals/{places['name']}"


async def _seal(
    request: Request, ask: Asking, *, error: DomainError | None = None, reason: str = ""
) -> Response:
    name = _seal_name(request)
    found, life, uses, _ = await asyncio.gather(
        ask.tell(ask.seals.GetSeal, seal_pb2.GetSealRequest(name=name)),
        ask.tell(
            ask.seals.ListSealEvents,
            seal_pb2.ListSealEventsRequest(parent=name, page_size=EVENTS_OF_A_LIFE),
        ),
        ask.tell(
            ask.seals.ListSealings,
            seal_pb2.ListSealingsRequest(parent=name, page_size=PAGE, page_token=after(request)),
        ),
        ask.departments(),
    )
    held, now = found.seal, datetime.now(UTC)
    left = endings.days_left(held, now)
    ended = left is not None and left < 0
    return await show(
        request,
        ask,
        "seal",
        systems=[one.actor for one in (*life.events, *uses.sealings)],
        held=held,
        may=found.acts,
        state=endings.state_of(held, now),
        ended=ended,
        ends_soon=left is not None and left <= endings.SOON,
        image=picture(held.image) if held.image else "",
        since=held.start_time.ToDatetime(UTC) if held.es_id else None,
        until=_until(held),
        replaced=await names(ask, (held.replaces, held.replaced_by)),
        kinds=await kinds(ask, {one.kind for one in uses.sealings}),
        events=[
            (one, EVENTS.get(one.kind, (one.kind, one.kind)), one.event_time.ToDatetime(UTC))
            for one in life.events
        ],
        uses=[
            (one, USES.get(one.state, USE_OPEN), one.seal_time.ToDatetime(UTC))
            for one in uses.sealings
        ],
        following=uses.next_page_token,
        error=error,
        reason=reason,
        request_id=str(uuid.uuid4()),
        own=ask.person.system == (held.pending_creator or held.creator),
        froze=ask.person.system
        == next((one.actor for one in life.events if one.kind == "frozen"), ""),
        requested=held.state == seal_pb2.SEAL_STATE_REQUESTED,
        in_use=held.state == seal_pb2.SEAL_STATE_ACTIVE and not ended,
        frozen=held.state == seal_pb2.SEAL_STATE_FROZEN and not ended,
        pending=held.HasField("pending_authorization"),
    )


async def kinds(ask: Asking, found: Iterable[str]) -> dict[str, str]:
    """What kinds of documents are called that are types of licenses; of others nothing."""
    types = [kind for kind in found if kind.startswith(_OF_LICENSES)]

    async def title(kind: str) -> str:
        name = f"licenseTypes/{kind.rpartition('/')[2]}"
        asked = licenses_pb2.GetLicenseTypeRequest(name=name)
        try:
            answer = await ask.tell(ask.licenses.GetLicenseType, asked)
        except DomainError:
            return ""
        return str(answer.license_type.display_name)

    return dict(zip(types, await asyncio.gather(*map(title, types)), strict=True))


async def names(ask: Asking, found: Iterable[str]) -> dict[str, str]:
    """What seals are called; those that are not held, not."""
    called = {}
    for name in filter(None, found):
        try:
            answer = await ask.tell(ask.seals.GetSeal, seal_pb2.GetSealRequest(name=name))
        except NotFound:
            continue
        called[name] = str(answer.seal.display_name)
    return called


@READERS
async def authorities(request: Request, person: Person) -> Response:
    """Other authorities that are recognised, or asked to be, and on what terms."""
    ask = asking(request, person)
    asked = trust_pb2.ListAuthoritiesRequest(page_size=PAGE, page_token=after(request))
    found, _ = await asyncio.gather(ask.tell(ask.trust.ListAuthorities, asked), ask.departments())
    return await show(
        request,
        ask,
        "authorities",
        authorities=[(one, [_anchor(a) for a in one.terms.anchors]) for one in found.authorities],
        purposes=PURPOSES,
        following=found.next_page_token,
    )


@READERS
async def authority(request: Request, person: Person) -> Response:
    """One authority: the terms in force, those that are asked for, and what befell it."""
    return await _authority(request, asking(request, person))


@ADMINISTRATORS
async def decide_authority(request: Request, person: Person) -> Response:
    """Approve or turn down what another administrator asked for, or end a recognition."""
    given, ask = await form_of(request, person), asking(request, person)
    reason = one(given, "reason")
    about = {"name": _authority_name(request), "request_id": one(given, "request_id")}
    try:
        match one(given, "act"):
            case "approve":
                seen = trust_pb2.ApproveAuthorityRequest(etag=one(given, "etag"), **about)
                await ask.tell(ask.trust.ApproveAuthority, seen)
            case "reject":
                turned = trust_pb2.RejectAuthorityRequest(reason=_given(reason), **about)
                await ask.tell(ask.trust.RejectAuthority, turned)
            case "withdraw":
                ended = trust_pb2.WithdrawAuthorityRequest(
                    reason=_given(reason), name=about["name"], request_id=about["request_id"]
                )
                await ask.tell(ask.trust.WithdrawAuthority, ended)
            case _:
                raise NotFound("no such act", reason="ACT_UNKNOWN", message_zh="没有这项操作")
    except (NotFound, PermissionDenied):
        raise
    except DomainError as error:
        return await _authority(request, ask, error=error, reason=reason)
    return RedirectResponse(request.url.path, 303)


def _authority_name(request: Request) -> str:
    return f"authorities/{request.path_params['name']}"


async def _authority(
    request: Request, ask: Asking, *, error: DomainError | None = None, reason: str = ""
) -> Response:
    name = _authority_name(request)
    found, life = await asyncio.gather(
        ask.tell(ask.trust.GetAuthority, trust_pb2.GetAuthorityRequest(name=name)),
        ask.tell(
            ask.trust.ListAuthorityEvents,
            trust_pb2.ListAuthorityEventsRequest(parent=name, page_size=EVENTS_OF_A_LIFE),
        ),
    )
    held = found.authority
    proposed = held.state == trust_pb2.AUTHORITY_STATE_PROPOSED
    changes = held.HasField("pending_terms")
    return await show(
        request,
        ask,
        "authority",
        systems=[one.actor for one in life.events],
        held=held,
        changes=compared(held.terms, held.pending_terms) if changes else [],
        anchors=[_anchor(one) for one in held.terms.anchors],
        purposes=PURPOSES,
        events=[
            (
                one,
                AUTHORITY_EVENTS.get(one.kind, (one.kind, one.kind)),
                one.event_time.ToDatetime(UTC),
            )
            for one in life.events
        ],
        waits=proposed or changes,
        recognised=held.state == trust_pb2.AUTHORITY_STATE_RECOGNISED,
        pending=changes,
        own=ask.person.system == (held.pending_creator if changes else held.creator),
        error=error,
        reason=reason,
        request_id=str(uuid.uuid4()),
    )


_Row = tuple[tuple[str, str], list[str], list[str]]


def compared(held: trust_pb2.AuthorityTerms, wanted: trust_pb2.AuthorityTerms) -> list[_Row]:
    """What would change: what it is, how it is, how it is asked to be; certificates by digest."""

    def said(terms: trust_pb2.AuthorityTerms) -> list[list[str]]:
        return [
            [terms.display_name],
            [terms.credit_code or terms.foreign_id],
            [
                f"{one.subject} · {one.sha256[:16]} · {one.start_time.ToDatetime(UTC):%Y-%m-%d} – "
                f"{one.end_time.ToDatetime(UTC):%Y-%m-%d}"
                for one in terms.anchors
            ],
            [" ".join(sorted(PURPOSES[word][1] for word in one.purposes)) for one in terms.anchors],
            [" ".join(sorted(one.suites)) for one in terms.anchors],
            sorted(maker for one in terms.anchors for maker in one.makers),
            list(terms.list_urls),
            [
                f"{terms.revocation_rule.required} "
                f"{terms.revocation_rule.grace.ToTimedelta().total_seconds():.0f} s"
            ],
            [terms.legal_basis],
        ]

    rows = zip(TERMS, said(held), said(wanted), strict=True)
    return [row for row in rows if row[1] != row[2]]


#: What terms say, in the order of `compared`.
TERMS = (
    ("Name", "名称"),
    ("Identifier", "标识"),
    ("Certificates", "信任锚证书"),
    ("Trusted for", "信任用途"),
    ("Kinds of signature", "算法套件"),
    ("Makers of seals", "制章者证书"),
    ("Where revocations are fetched", "吊销列表地址"),
    ("Revocations have to be fresh", "吊销数据要求"),
    ("Why", "依据"),
)
AUTHORITY_EVENTS = {
    "proposed": ("proposed", "提出"),
    "approved": ("approved", "批准"),
    "rejected": ("turned down", "驳回"),
    "withdrawn": ("ended", "终止认可"),
    "change_proposed": ("change proposed", "提出变更"),
    "change_approved": ("change approved", "批准变更"),
    "change_rejected": ("change turned down", "驳回变更"),
    "list_added": ("revocation list added", "更新吊销列表"),
}
PURPOSES = {
    trust_pb2.TRUST_PURPOSE_SEAL_MAKER: ("makers of seals", "制章者"),
    trust_pb2.TRUST_PURPOSE_SIGNER: ("signers", "签章者"),
    trust_pb2.TRUST_PURPOSE_TIMESTAMP: ("time stamps", "时间戳"),
}


def _anchor(one: trust_pb2.RecognisedAnchor) -> tuple[Any, object]:
    return one, one.end_time.ToDatetime(UTC) if one.HasField("end_time") else None


def _until(one: seal_pb2.Seal) -> object:
    return one.end_time.ToDatetime(UTC) if one.es_id else None
