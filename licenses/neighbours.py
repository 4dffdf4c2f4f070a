"""The other services of the node, as licensing needs them: catalog, seals, delivery; by stubs.

1. Like `rpc`, this file knows protobuf and the rest of the house does not.
2. Every call has a deadline, and says who asks by the node's own certificate (role NODE).
3. A refusal of the act itself (no such seal, a seal out of its time) goes on to who asked. That the
   services of a node refuse *each other* is the operator's business, and becomes `Unavailable`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import grpc
import structlog

from exchange.v1 import catalog_pb2, catalog_pb2_grpc, delivery_pb2, delivery_pb2_grpc
from licenses.model import Issuer, IssuingSeal, LicenseFormat
from licenses.own_trust import OwnTrust
from licenses.pages.template import Stamp
from runtime.clock import CHINA, SYSTEM, Clock
from runtime.errors import (
    Aborted,
    DomainError,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from runtime.status import from_rpc_error
from seal.v1 import seal_pb2, seal_pb2_grpc

SECONDS = 10.0
SEALING_SECONDS = 60.0
_AGAIN = 3  # two replicas that finish one license make one of them lose a race, once

_FORMATS = {
    LicenseFormat.OFD: seal_pb2.DOCUMENT_FORMAT_OFD,
    LicenseFormat.PDF: seal_pb2.DOCUMENT_FORMAT_PDF,
    LicenseFormat.JWT: seal_pb2.DOCUMENT_FORMAT_SD_JWT,
}
#: Why something was sealed, as the seal's uses tell it.
ISSUED, COPIED, WALLETED = "签发电子证照", "制作加注件", "签发钱包凭证"
Answer = TypeVar("Answer")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What `Neighbours.seal_document` is asked for."""

    document: bytes = field(repr=False)
    seal: str
    license_type: str
    stamp: Stamp
    sheets: int
    request_id: str


#: The number of a draft among those that were given, and its sealed document.
SealedDraft = tuple[int, bytes]


class Neighbours(Protocol):
    """What licensing asks of the rest of the node."""

    def issuer(self, department: str) -> Issuer:
        """A department as the catalog holds it. Raises NotFound."""
        ...

    def seal_of(
        self, department: str, wanted: str, license_type: str, kind: str, now: datetime
    ) -> IssuingSeal:
        """The department's seal for a license type, of the kind that the type names ("" is any).

        Raises FailedPrecondition (SEAL_NOT_USABLE, SEAL_OF_OTHER_KIND) and, where its seals begin
        only later, Unavailable (CLOCK_BEHIND).
        """
        ...

    def unknown(self, departments: Sequence[str], items: Sequence[str]) -> list[str]:
        """Those of these departments and service items that the catalog does not have."""
        ...

    def has_seal(self, department: str, license_type: str, kind: str, now: datetime) -> bool:
        """Whether a department has any seal that `seal_of` would take."""
        ...

    def seal_document(
        self,
        document: bytes,
        form: LicenseFormat,
        *,
        seal: str,
        license_type: str,
        stamp: Stamp,
        sheets: int,
        request_id: str,
        reason: str = ISSUED,
    ) -> bytes:
        """The sealed document; the same bytes for the same request.

        `reason` is what the seal's uses say. Of several `sheets`, the stamp may stand across their
        edges too. As JWT, the payload of a credential goes in and its compact JWS comes out; it has
        no stamp.
        """
        ...

    def seal_documents(
        self, several: Sequence[Draft], form: LicenseFormat
    ) -> Iterator[SealedDraft]:
        """`seal_document` of several, in one call and as they come.

        Raises Unavailable (SEALED_APART) where one was refused: asked by itself it says why.
        """
        ...

    def document_problem(self, document: bytes) -> str:
        """Why a sealed document does not verify, UPPER_SNAKE; empty when it does."""
        ...

    def trust_fingerprint(self) -> bytes:
        """Changes when the material changes that seals are verified by."""
        ...

    def has_resource(self, resource: str) -> bool:
        """Whether the catalog holds a resource."""
        ...

    def put_resource(self, resource: catalog_pb2.DataResource) -> None:
        """Put a resource into the catalog."""
        ...

    def publish(
        self, resource: str, items: Sequence[str], rows: Sequence[Sequence[str]], request_id: str
    ) -> None:
        """Publish records as one batch."""
        ...


class NodeNeighbours:
    """The neighbours over a channel to the node itself, with the node's own credentials."""

    def __init__(self, channel: grpc.Channel, clock: Clock = SYSTEM) -> None:
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._delivery = delivery_pb2_grpc.DeliveryServiceStub(channel)
        self._seals = seal_pb2_grpc.SealServiceStub(channel)
        self._trust = OwnTrust(
            lambda: call_node(self._seals.GetTrustMaterial, seal_pb2.GetTrustMaterialRequest()),
            clock,
        )

    def issuer(self, department: str) -> Issuer:
        """See Neighbours."""
        request = catalog_pb2.GetDepartmentRequest(name=department)
        found = call_node(self._catalog.GetDepartment, request).department
        return Issuer(
            department=found.name, display_name=found.display_name, credit_code=found.credit_code
        )

    def seal_of(
        self, department: str, wanted: str, license_type: str, kind: str, now: datetime
    ) -> IssuingSeal:
        """See Neighbours. Without a wanted one, the only seal in force for the type."""
        own = [one for one in self._own(department, license_type, now) if wanted in ("", one.name)]
        in_force = [seal for seal in own if seal.start_time.ToDatetime(UTC) <= now]
        if own and not in_force:
            raise clock_behind(min(seal.start_time.ToDatetime(UTC) for seal in own), now)
        usable = [seal for seal in in_force if _is_of_kind(seal, kind)]
        if in_force and not usable:
            raise FailedPrecondition(
                f"licenses of this type are sealed with a seal of the kind {kind} (the line under "
                "its star, or the end of its name), and "
                + ("the one named in `seal` is none" if wanted else "the department has none")
                + ": name or have made one of that kind",
                reason="SEAL_OF_OTHER_KIND",
                message_zh=f"此类证照须使用“{kind}”（印章下弦文字或印章名称的末尾），"
                + ("所指定的印章不是" if wanted else "本部门没有这种印章")
                + "：请指定或申请制作该种印章",
            )
        if len(usable) != 1:
            raise _not_usable(wanted, len(usable))
        found = usable[0]
        return IssuingSeal(
            name=found.name,
            display_name=found.display_name,
            ratio=found.height_mm / found.width_mm if found.width_mm > 0 else 1.0,
        )

    def _own(self, department: str, license_type: str, now: datetime) -> list[seal_pb2.Seal]:
        """A department's seals for a license type that did not end, begun or not."""
        request = seal_pb2.ListSealsRequest(parent=department, page_size=1000)
        return [
            seal
            for seal in call_node(self._seals.ListSeals, request).seals
            if seal.state == seal_pb2.SEAL_STATE_ACTIVE
            and now < seal.end_time.ToDatetime(UTC)
            and _is_for(seal.authorization, _kind(license_type), now)
        ]

    def has_seal(self, department: str, license_type: str, kind: str, now: datetime) -> bool:
        """See Neighbours."""
        return any(_is_of_kind(one, kind) for one in self._own(department, license_type, now))

    def unknown(self, departments: Sequence[str], items: Sequence[str]) -> list[str]:
        """See Neighbours."""
        known: set[str] = set()
        request = catalog_pb2.ListDepartmentsRequest(page_size=1000)
        while departments:
            page = call_node(self._catalog.ListDepartments, request)
            known |= {one.name for one in page.departments}
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        if items:
            asked = catalog_pb2.GetTitlesRequest(names=items)
            known |= set(call_node(self._catalog.GetTitles, asked).titles)
        return [one for one in (*departments, *items) if one not in known]

    def seal_document(
        self,
        document: bytes,
        form: LicenseFormat,
        *,
        seal: str,
        license_type: str,
        stamp: Stamp,
        sheets: int,
        request_id: str,
        reason: str = ISSUED,
    ) -> bytes:
        """See Neighbours."""
        draft = Draft(
            document=document,
            seal=seal,
            license_type=license_type,
            stamp=stamp,
            sheets=sheets,
            request_id=request_id,
        )
        request = _sealing(draft, form, reason)
        answer = call_node(self._seals.SealDocument, request, seconds=SEALING_SECONDS)
        return self._sealed(answer)

    def seal_documents(
        self, several: Sequence[Draft], form: LicenseFormat
    ) -> Iterator[SealedDraft]:
        """See Neighbours."""
        requests = (
            seal_pb2.BatchSealDocumentsRequest(item=item, request=_sealing(one, form, ISSUED))
            for item, one in enumerate(several)
        )
        left = len(several)
        try:
            for one in self._seals.BatchSealDocuments(requests, timeout=SEALING_SECONDS):
                if not one.HasField("response"):
                    raise _sealed_apart()
                yield one.item, self._sealed(one.response)
                left -= 1
        except grpc.RpcError as error:
            raise _told(from_rpc_error(error)) from None
        if left:
            raise _sealed_apart()

    def _sealed(self, answer: seal_pb2.SealDocumentResponse) -> bytes:
        sealed = bytes(answer.document)
        self._trust.sealed(sealed, answer.sha256, answer.seal_time.ToDatetime(UTC))
        return sealed

    def document_problem(self, document: bytes) -> str:
        """See Neighbours: judged here, by the seal service's public material (`own_trust`)."""
        return self._trust.problem(document)

    def trust_fingerprint(self) -> bytes:
        """See Neighbours: the hash of certificates and revocation lists."""
        return self._trust.fingerprint()

    def has_resource(self, resource: str) -> bool:
        """See Neighbours."""
        request = catalog_pb2.GetDataResourceRequest(name=resource)
        try:
            found = call_node(self._catalog.GetDataResource, request).resource
        except NotFound:
            return False
        return bool(found.state == catalog_pb2.ENTRY_STATE_ACTIVE)

    def put_resource(self, resource: catalog_pb2.DataResource) -> None:
        """See Neighbours."""
        request = catalog_pb2.ApplyDirectoryRequest(
            changes=[catalog_pb2.DirectoryChange(put_resource=resource)],
            source="license service",
            request_id=str(uuid.uuid4()),
        )
        call_node(self._catalog.ApplyDirectory, request)

    def publish(
        self, resource: str, items: Sequence[str], rows: Sequence[Sequence[str]], request_id: str
    ) -> None:
        """See Neighbours."""
        header = delivery_pb2.PublishHeader(resource=resource, items=items, request_id=request_id)
        sent = [delivery_pb2.PublishRow(values=row) for row in rows]

        def batch() -> Iterator[delivery_pb2.PublishRequest]:
            yield delivery_pb2.PublishRequest(header=header)
            yield delivery_pb2.PublishRequest(rows=sent, last=True)

        _again(lambda: self._delivery.Publish(batch(), timeout=SEALING_SECONDS))


def _sealing(draft: Draft, form: LicenseFormat, reason: str) -> seal_pb2.SealDocumentRequest:
    is_flat = form is LicenseFormat.JWT
    return seal_pb2.SealDocumentRequest(
        seal=draft.seal,
        document=draft.document,
        format=_FORMATS[form],
        placements=[] if is_flat else placements(draft.stamp, draft.sheets),
        reason=reason,
        kind=_kind(draft.license_type),
        request_id=draft.request_id,
    )


def _sealed_apart() -> DomainError:
    return Unavailable(
        "a document among several was not sealed: ask for each by itself",
        reason="SEALED_APART",
        message_zh="多份文件中有一份未能签章：请逐份重试",
    )


def clock_behind(begins: datetime, now: datetime) -> DomainError:
    """The refusal where every seal begins later than now.

    Seals are made with the first day that the clock told then; so most likely it was set back.
    """
    _log.warning("seal_begins_later", begins=begins.isoformat(), now=now.isoformat())
    return Unavailable(
        f"the department's seal is in force from {begins.astimezone(CHINA):%Y-%m-%d %H:%M} on, and "
        f"the node's clock says {now.astimezone(CHINA):%Y-%m-%d %H:%M}: set the clock right if it "
        "was set back; else wait until then",
        reason="CLOCK_BEHIND",
        message_zh=f"本部门印章自 {begins.astimezone(CHINA):%Y-%m-%d %H:%M} 起生效，而节点时钟为 "
        f"{now.astimezone(CHINA):%Y-%m-%d %H:%M}：如时钟被调慢请校准，否则请届时再办",
        retry_after=60,
    )


def placements(stamp: Stamp, sheets: int) -> list[seal_pb2.Placement]:
    """Where a document of so many sheets is sealed."""
    x, y, width, _ = stamp.box
    place = seal_pb2.StampPosition(page=stamp.page, x_mm=x, y_mm=y, size_mm=width)
    found = [seal_pb2.Placement(position=place)]
    if stamp.across is not None and sheets > 1:
        edges = seal_pb2.EdgePlacement(y_mm=stamp.across, size_mm=width)
        found.append(seal_pb2.Placement(edges=edges))
    return found


def _kind(license_type: str) -> str:
    """How a seal's authorization names a license type."""
    return f"license-types/{license_type}"


def _not_usable(wanted: str, count: int) -> FailedPrecondition:
    """Also what is no license is sealed: reports and certificates of the archive."""
    if wanted:
        text = (
            "the seal named in `seal` is none of the department's that are in force and may be "
            "used for this: see ListSeals, or have it authorized"
        )
        text_zh = "seal 中指明的印章不是本部门可用于此的有效印章：请查看印章列表，或申请授权"
    elif count:
        text = "the department has several seals in force: name the one to use in `seal`"
        text_zh = "本部门有多枚有效印章：请在 seal 中指明"
    else:
        text = (
            "the department has no seal in force that may be used for this: have one made or "
            "authorized"
        )
        text_zh = "本部门没有可用于此的有效印章：请申请制章或授权"
    return FailedPrecondition(text, reason="SEAL_NOT_USABLE", message_zh=text_zh)


def _is_for(allowed: seal_pb2.SealAuthorization, kind: str, now: datetime) -> bool:
    """Whether a seal may be used for this; the seal service has the last word."""
    if allowed.HasField("expire_time") and allowed.expire_time.ToDatetime(UTC) < now:
        return False
    named = (*allowed.license_types, *allowed.document_kinds)
    return not named or kind in named


def _is_of_kind(seal: seal_pb2.Seal, kind: str) -> bool:
    """Whether a seal shows its kind: under the star, or, of an uploaded image, in its name."""
    return not kind or seal.bottom_line == kind or seal.display_name.endswith(kind)


def call_node(method: Callable[..., Answer], request: Any, *, seconds: float = SECONDS) -> Answer:
    """Call another service of the node; refusals become domain errors (rule 3)."""
    return _again(lambda: method(request, timeout=seconds))


def _again(call: Callable[[], Answer]) -> Answer:
    """Call, and again where another change came first; refusals become domain errors."""
    for attempt in range(_AGAIN):
        try:
            return call()
        except grpc.RpcError as error:
            told = _told(from_rpc_error(error))
            if not isinstance(told, Aborted) or attempt == _AGAIN - 1:
                raise told from None
    raise AssertionError("unreachable")


def _told(error: DomainError) -> DomainError:
    if isinstance(error, PermissionDenied | Unauthenticated):
        return Unavailable(
            f"the node's own services refuse each other ({error.reason}): check the roles and the "
            "validity of the node's certificate",
            reason="NODE_REFUSED_ITSELF",
            message_zh=f"节点内部服务互相拒绝（{error.reason}）：请检查节点证书的角色和有效期",
            retry_after=5,
        )
    return error
