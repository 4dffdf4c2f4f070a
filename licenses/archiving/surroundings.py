"""What archiving asks of the rest of the node: seals, what they are trusted by, and the log.

As `licenses.neighbours`: this file knows protobuf, and calls with the node's own certificate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import grpc
import orjson
from google.protobuf.json_format import MessageToDict

from exchange.v1 import audit_pb2, audit_pb2_grpc
from licenses.neighbours import SEALING_SECONDS, call_node
from runtime.errors import OutOfRange, Unavailable
from runtime.records import instant
from seal.v1 import seal_pb2, seal_pb2_grpc

#: What reports and certificates are sealed as.
KIND: Final = "license-types/archive-reports"
PAGE: Final = 1024
#: How much later than its act a record may stand in the log: relays wait for each other.
LATE: Final = timedelta(minutes=10)
EARLY: Final = timedelta(seconds=30)
MOST_PAGES: Final = 64
LOG_SECONDS: Final = 10.0
LOG_PAUSE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A record in the log, and its inclusion proof (c2sp.org/tlog-proof)."""

    index: int
    leaf: bytes
    proof: str


class Surroundings(Protocol):
    """What archiving asks of the rest of the node."""

    def trust(self) -> dict[str, bytes]:
        """Certificates and revocation lists that seals are verified by, DER, by file name.

        In the folders that `tongban seal trust` makes and `tongban seal verify --trust` reads.
        """
        ...

    def verdict(self, document: bytes) -> dict[str, Any]:
        """What the seal service says of a sealed document."""
        ...

    def seal(
        self,
        document: bytes,
        *,
        seal: str,
        page: int,
        box: tuple[float, float, float],
        why: str,
        request_id: str,
    ) -> bytes:
        """A PDF, sealed at x, y with a width (mm)."""
        ...  # fmt: skip

    def logged(self, kinds: Sequence[str], naming: Sequence[str], at: datetime) -> Logged | None:
        """The first record of one of these kinds that names any of these, made about then."""
        ...

    def logged_at(self, index: int) -> Logged:
        """A record by its place."""
        ...

    def leaf(self, index: int) -> bytes:
        """The leaf at a place; empty where there is none."""
        ...


class NodeSurroundings:
    """The surroundings over a channel to the node itself."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._seals = seal_pb2_grpc.SealServiceStub(channel)
        self._audit = audit_pb2_grpc.AuditServiceStub(channel)

    def trust(self) -> dict[str, bytes]:
        """See Surroundings."""
        found = call_node(self._seals.GetTrustMaterial, seal_pb2.GetTrustMaterialRequest())
        files: dict[str, bytes] = {}
        for folder, suffix, parts in (
            ("anchors", "cer", found.anchors),
            ("intermediates", "cer", found.intermediates),
            ("revocation-lists", "crl", found.revocation_lists),
            ("timestamp-anchors", "cer", found.timestamp_anchors),
        ):
            files |= {f"{folder}/{at:02d}.{suffix}": data for at, data in enumerate(parts, 1)}
        files["makers.json"] = orjson.dumps(sorted(found.makers))
        return files

    def verdict(self, document: bytes) -> dict[str, Any]:
        """See Surroundings."""
        request = seal_pb2.VerifyDocumentRequest(document=document)
        found = call_node(self._seals.VerifyDocument, request, seconds=SEALING_SECONDS).verdict
        return MessageToDict(found, preserving_proto_field_name=True)

    def seal(
        self,
        document: bytes,
        *,
        seal: str,
        page: int,
        box: tuple[float, float, float],
        why: str,
        request_id: str,
    ) -> bytes:
        """See Surroundings."""
        x, y, width = box
        place = seal_pb2.Placement(
            position=seal_pb2.StampPosition(page=page, x_mm=x, y_mm=y, size_mm=width)
        )
        request = seal_pb2.SealDocumentRequest(
            seal=seal,
            document=document,
            format=seal_pb2.DOCUMENT_FORMAT_PDF,
            placements=[place],
            reason=why,
            kind=KIND,
            request_id=request_id,
        )
        sealed = call_node(self._seals.SealDocument, request, seconds=SEALING_SECONDS)
        return bytes(sealed.document)  # fmt: skip

    def logged(self, kinds: Sequence[str], naming: Sequence[str], at: datetime) -> Logged | None:
        """See Surroundings. Halves the log to the time, and reads on from there."""
        deadline = time.monotonic() + LOG_SECONDS
        while True:
            found = self._search(kinds, naming, at)
            if found is not None:
                return self._proved(*found)
            if time.monotonic() > deadline:
                return None
            time.sleep(LOG_PAUSE)  # it may not have come to the log yet

    def _search(
        self, kinds: Sequence[str], naming: Sequence[str], at: datetime
    ) -> tuple[int, bytes] | None:
        start = self._begin(instant(at - EARLY))
        last = instant(at + LATE)
        needles = [orjson.dumps(one) for one in naming]
        for _ in range(MOST_PAGES):
            page = self._entries(start, PAGE)
            for offset, leaf in enumerate(page):
                named = any(one in leaf for one in needles)
                if named and _parsed(leaf).get("kind") in kinds:
                    return start + offset, leaf
            if len(page) < PAGE or _time(page[-1]) > last:
                return None
            start += len(page)
        return None

    def _begin(self, earliest: str) -> int:
        """The first place whose record is not older: records come about in order of time."""
        low, high = 0, self._size()
        while low < high:
            middle = (low + high) // 2
            leaf = self.leaf(middle)
            if leaf and _time(leaf) < earliest:
                low = middle + 1
            else:
                high = middle
        return low

    def logged_at(self, index: int) -> Logged:
        """See Surroundings."""
        return self._proved(index, self.leaf(index))

    def leaf(self, index: int) -> bytes:
        """See Surroundings."""
        found = self._entries(index, 1)
        return found[0] if found else b""

    def _proved(self, index: int, leaf: bytes) -> Logged:
        request = audit_pb2.GetInclusionProofRequest(index=index)
        proof = _until_there(lambda: call_node(self._audit.GetInclusionProof, request).proof)
        return Logged(index=index, leaf=leaf, proof=proof)

    def _size(self) -> int:
        request = audit_pb2.ListEntriesRequest(start=0, page_size=1)
        return int(call_node(self._audit.ListEntries, request).size)

    def _entries(self, start: int, count: int) -> list[bytes]:
        request = audit_pb2.ListEntriesRequest(start=start, page_size=count)
        try:
            return list(call_node(self._audit.ListEntries, request).leaves)
        except OutOfRange:
            return []


def _until_there(ask: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LOG_SECONDS
    while True:
        try:
            return ask()
        except Unavailable as error:
            if error.retry_after is None or time.monotonic() > deadline:
                raise
            time.sleep(LOG_PAUSE)


def _time(leaf: bytes) -> str:
    """RFC 3339 of one form, so that texts compare as times do."""
    return str(_parsed(leaf).get("time", ""))


def _parsed(leaf: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(leaf)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
