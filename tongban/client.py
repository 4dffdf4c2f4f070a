"""A client of a node: one channel, the stubs over it, and the few calls that need more than a stub.

with Client("127.0.0.1:7443", Path("identity")) as node:
    answer = node.query(grant, key, purpose="…", case_number="…")
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from exchange.v1 import (
    audit_pb2_grpc,
    catalog_pb2_grpc,
    connecting_pb2_grpc,
    corrections_pb2_grpc,
    deadlines_pb2_grpc,
    delivery_pb2,
    delivery_pb2_grpc,
    discovery_pb2_grpc,
    files_pb2_grpc,
    grants_pb2_grpc,
    inquiries_pb2_grpc,
    lists_pb2_grpc,
    monitoring_pb2_grpc,
    oversight_pb2_grpc,
    quality_pb2_grpc,
    query_pb2,
    query_pb2_grpc,
    sources_pb2_grpc,
    spatial_pb2_grpc,
)
from licenses.v1 import (
    archives_pb2_grpc,
    batches_pb2_grpc,
    copies_pb2_grpc,
    delegations_pb2_grpc,
    licenses_pb2_grpc,
    materials_pb2_grpc,
    offline_pb2_grpc,
    presentations_pb2_grpc,
    sharing_pb2_grpc,
    verifying_pb2_grpc,
    wallets_pb2_grpc,
)
from runtime import channels, status
from runtime.errors import DomainError, Unavailable
from runtime.identity import Credentials
from runtime.signed import RequestSigner
from seal.v1 import seal_pb2_grpc, trust_pb2_grpc
from tongban.console import tell_as
from tongban.keeping import Keep, proof_of, sign_request

ROWS_PER_MESSAGE = 2000
KEYS_PER_MESSAGE = 1000
#: Messages of keys that are sent and not answered yet.
MESSAGES_AHEAD = 4
PAGE = 1000
EXPORT_PAGE = 5_000

tell_as(grpc.RpcError, status.from_rpc_error)
# What was done may not have come to its file: a repeat fetches it.
_NOT_KEPT = frozenset({"STORAGE_FULL", "FILE_UNWRITABLE", "DOCUMENT_INCOMPLETE"})


@contextmanager
def repeatable(request_id: str) -> Iterator[None]:
    """Says with which id to repeat a call whose answer did not come, or was not kept."""
    try:
        yield
    except grpc.RpcError as error:
        told = status.from_rpc_error(error)
        if not isinstance(told, Unavailable):
            raise
        raise _with_id(told, request_id) from error
    except DomainError as error:
        if error.reason not in _NOT_KEPT:
            raise
        raise _with_id(error, request_id) from error


def _with_id(error: DomainError, request_id: str) -> DomainError:
    error.message += (
        f"; repeat it with --request-id {request_id}: what was done already is fetched, and "
        "nothing is done twice"
    )
    error.message_zh += (
        f"；请加上 --request-id {request_id} 重复同一命令：已完成的会直接取回，不会再执行一次"
    )
    error.metadata["request_id"] = request_id
    return error


class Client:
    """A connection of one system to a node.

    The identity folder holds `ca.pem`, `cert.pem` and `key.pem`. Calls raise `grpc.RpcError`, which
    `runtime.status.from_rpc_error` turns into the domain error that the node meant. With `sign`,
    queries, verifications, exports and export jobs are signed with `key.pem`, so that neither side
    can deny them. `keep` is given what proves each answer (`keeping.proof_of`): the receipt, the
    question, the answer and, where it was signed, the nonce and the certificate. Without it who
    asks by a stub or by these methods keeps them; the nonce is in the request alone.
    """

    def __init__(
        self,
        address: str,
        identity: Path,
        *,
        timeout: float = 60.0,
        sign: bool = False,
        keep: Keep | None = None,
    ) -> None:
        self.address = address
        self.timeout = timeout
        credentials = Credentials.read(identity)
        self.certificate = credentials.certificate
        self._credentials = credentials
        self._signer = RequestSigner(credentials) if sign else None
        self._keep = keep
        self.channel = channels.channel(address, credentials)
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(self.channel)
        self.discovery = discovery_pb2_grpc.DiscoveryServiceStub(self.channel)
        self.grants = grants_pb2_grpc.GrantServiceStub(self.channel)
        self.oversight = oversight_pb2_grpc.OversightServiceStub(self.channel)
        self.monitoring = monitoring_pb2_grpc.MonitoringServiceStub(self.channel)
        self.corrections = corrections_pb2_grpc.CorrectionServiceStub(self.channel)
        self.inquiries = inquiries_pb2_grpc.InquiryServiceStub(self.channel)
        self.deadlines = deadlines_pb2_grpc.DeadlineServiceStub(self.channel)
        self.lists = lists_pb2_grpc.ListServiceStub(self.channel)
        self.queries = query_pb2_grpc.QueryServiceStub(self.channel)
        self.files = files_pb2_grpc.FileServiceStub(self.channel)
        self.spatial = spatial_pb2_grpc.SpatialServiceStub(self.channel)
        self.sources = sources_pb2_grpc.SourceServiceStub(self.channel)
        self.quality = quality_pb2_grpc.QualityServiceStub(self.channel)
        self.connectors = connecting_pb2_grpc.ConnectorServiceStub(self.channel)
        self.delivery = delivery_pb2_grpc.DeliveryServiceStub(self.channel)
        self.audit = audit_pb2_grpc.AuditServiceStub(self.channel)
        self.seals = seal_pb2_grpc.SealServiceStub(self.channel)
        self.trust = trust_pb2_grpc.TrustServiceStub(self.channel)
        self.licenses = licenses_pb2_grpc.LicenseServiceStub(self.channel)
        self.presentations = presentations_pb2_grpc.PresentationServiceStub(self.channel)
        self.batches = batches_pb2_grpc.BatchServiceStub(self.channel)
        self.materials = materials_pb2_grpc.MaterialServiceStub(self.channel)
        self.archives = archives_pb2_grpc.ArchiveServiceStub(self.channel)
        self.delegations = delegations_pb2_grpc.DelegationServiceStub(self.channel)
        self.offline = offline_pb2_grpc.OfflineServiceStub(self.channel)
        self.statuses = offline_pb2_grpc.StatusListServiceStub(self.channel)
        self.verifying = verifying_pb2_grpc.VerifyingServiceStub(self.channel)
        self.copies = copies_pb2_grpc.CopyServiceStub(self.channel)
        self.sharing = sharing_pb2_grpc.SharingServiceStub(self.channel)
        self.wallets = wallets_pb2_grpc.WalletServiceStub(self.channel)

    @property
    def department(self) -> str:
        """Of the system that calls. Raises Unauthenticated (NOT_A_SYSTEM)."""
        return self._credentials.department

    def query(
        self,
        grant: str,
        key: str,
        *,
        items: Sequence[str] = (),
        purpose: str,
        case_number: str,
        read_time: datetime | None = None,
    ) -> query_pb2.QueryResponse:
        """The granted items of one record, with the receipt that proves the answer."""
        request = self.query_request(
            grant,
            key,
            items=items,
            purpose=purpose,
            case_number=case_number,
            read_time=read_time,
        )
        answer = self.queries.Query(request, timeout=self.timeout)
        self.kept("Query", request, answer)
        return answer

    def query_request(
        self,
        grant: str,
        key: str,
        *,
        items: Sequence[str] = (),
        purpose: str,
        case_number: str,
        read_time: datetime | None = None,
    ) -> query_pb2.QueryRequest:
        """What `query` sends: whoever signs keeps its nonce with the receipt."""
        request = query_pb2.QueryRequest(
            grant=grant, key=key, items=items, purpose=purpose, case_number=case_number
        )
        if read_time is not None:
            request.read_time.FromDatetime(read_time)
        self.sign("Query", request)
        return request

    def batch_query(
        self,
        grant: str,
        keys: Iterable[str],
        *,
        items: Sequence[str] = (),
        purpose: str,
        case_number: str,
        read_time: datetime | None = None,
    ) -> Iterator[tuple[query_pb2.BatchQueryRequest, query_pb2.BatchQueryResponse]]:
        """The granted items of many records: each message that was sent, and its answer.

        However many keys: a thousand at a time are sent, and a few messages are held. A key that
        comes again begins a new message, since within one each stands once.
        """
        sent: deque[query_pb2.BatchQueryRequest] = deque()
        room, ended = threading.Semaphore(MESSAGES_AHEAD), threading.Event()

        def messages() -> Iterator[query_pb2.BatchQueryRequest]:
            for chunk in chunks_of(keys, KEYS_PER_MESSAGE):
                while not room.acquire(timeout=0.2):
                    if ended.is_set():
                        return
                request = query_pb2.BatchQueryRequest(
                    grant=grant, keys=chunk, items=items, purpose=purpose, case_number=case_number
                )
                if read_time is not None:
                    request.read_time.FromDatetime(read_time)
                self.sign("BatchQuery", request)
                sent.append(request)
                yield request

        try:
            for answer in self.queries.BatchQuery(messages()):
                request = sent.popleft()
                self.kept("BatchQuery", request, answer)
                yield request, answer
                room.release()
        finally:
            ended.set()

    def verify(
        self, grant: str, key: str, claims: Mapping[str, str], *, purpose: str, case_number: str
    ) -> query_pb2.VerifyResponse:
        """Whether claims are true of a record, and nothing else of it."""
        request = query_pb2.VerifyRequest(
            grant=grant, key=key, claims=claims, purpose=purpose, case_number=case_number
        )
        self.sign("Verify", request)
        answer = self.queries.Verify(request, timeout=self.timeout)
        self.kept("Verify", request, answer)
        return answer

    def export(
        self, grant: str, *, purpose: str, case_number: str, page: int = EXPORT_PAGE
    ) -> Iterator[query_pb2.ExportResponse]:
        """The pages of all records that a grant shows, each with its receipt."""
        token = ""
        while True:
            request = query_pb2.ExportRequest(
                grant=grant,
                purpose=purpose,
                case_number=case_number,
                page_size=page,
                page_token=token,
            )
            self.sign("Export", request)
            answer = self.queries.Export(request, timeout=self.timeout)
            self.kept("Export", request, answer)
            yield answer
            token = answer.next_page_token
            if not token:
                return

    def kept(self, method: str, request: Any, answer: Any) -> None:
        """Give to `keep` what proves an answer; whoever asks by a stub may call it, too."""
        if self._keep is not None:
            self._keep(method, proof_of(method, request, answer, self.certificate))

    def sign(self, method: str, request: Message) -> None:
        """Sign a request (a query, also by place, or an export job) where this client signs."""
        if self._signer is not None:
            sign_request(self._signer, method, request)

    def publish(
        self,
        resource: str,
        items: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        withdraw: Iterable[Sequence[str]] = (),
        arrow: Iterable[bytes] = (),
        snapshot: bool = False,
        request_id: str = "",
    ) -> delivery_pb2.PublishResponse:
        """Publish one batch of records; `withdraw` rows need only the key's value.

        `arrow` are more rows, as Arrow IPC streams. A snapshot is all there is: what is held and
        not among the rows is withdrawn.
        """
        header = delivery_pb2.PublishHeader(
            resource=resource,
            items=items,
            request_id=request_id or new_request_id(),
            mode=(
                delivery_pb2.PUBLISH_MODE_SNAPSHOT
                if snapshot
                else delivery_pb2.PUBLISH_MODE_UNSPECIFIED
            ),
        )

        def messages() -> Iterator[delivery_pb2.PublishRequest]:
            yield delivery_pb2.PublishRequest(header=header)
            parts = iter(
                (
                    *(delivery_pb2.PublishRow(values=row) for row in rows),
                    *(delivery_pb2.PublishRow(values=row, withdraw=True) for row in withdraw),
                )
            )
            while part := list(islice(parts, ROWS_PER_MESSAGE)):
                yield delivery_pb2.PublishRequest(rows=part)
            for stream in arrow:
                yield delivery_pb2.PublishRequest(arrow=stream)
            yield delivery_pb2.PublishRequest(last=True)

        return self.delivery.Publish(messages(), timeout=max(self.timeout, 600))

    def every(self, call: Any, request: Any, entries: str, *, page: int = PAGE) -> Iterator[Any]:
        """All entries of a paged list, whichever page they are on."""
        request.page_size = page
        while True:
            part = call(request, timeout=self.timeout)
            yield from getattr(part, entries)
            if not part.next_page_token:
                return
            request.page_token = part.next_page_token

    def close(self) -> None:
        """Close the channel."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, grpc.RpcError):
            error.node = self.address  # type: ignore[attr-defined]  # see status.from_rpc_error
        self.close()


def chunks_of(keys: Iterable[str], size: int) -> Iterator[list[str]]:
    """Keys in their order, at most so many at once, each once among them."""
    chunk: dict[str, None] = {}
    for key in keys:
        if len(chunk) == size or key in chunk:
            yield list(chunk)
            chunk = {}
        chunk[key] = None
    if chunk:
        yield list(chunk)


def new_request_id() -> str:
    """A fresh id for a new act; keep it to repeat the act safely."""
    return str(uuid.uuid4())


def plain(message: Message) -> dict[str, Any]:
    """A message as JSON-ready data, by its fields' own names and in their order."""
    found = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    order = {name: number for number, name in enumerate(message.DESCRIPTOR.fields_by_name)}
    return dict(sorted(found.items(), key=lambda entry: order[entry[0]]))
