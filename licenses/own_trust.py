"""Judging what this node sealed, in this process: by public material that the seal service gives.

The rules are `seal.verify`'s, the same as a stranger's, and so is the material: the node's own
roots, who makes seals beneath them, the roots of time-stamp authorities, revocation lists. It is
asked for again every second, so what was revoked counts as soon as it would in the seal service.

What the seal service has just sealed it has judged so itself, before it gave it out. That is not
done twice: the bytes that came are those it judged if their SHA-256 is the one it told. What it
sealed earlier, and answers once more, is judged again.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from runtime.clock import Clock
from runtime.errors import DataLoss
from runtime.threads import in_passing_thread
from runtime.workers import WORKERS
from seal.model import Indication
from seal.trust import EVERY_PURPOSE, FOR_TIME, Purpose, TrustAnchor, TrustStore, parse_certificate
from seal.v1 import seal_pb2
from seal.verify import assess

SECONDS: Final = 1.0
#: How long what was sealed counts as just sealed, and how many such documents are remembered.
FRESH: Final = 5.0
MOST_FRESH: Final = 256
NOT_PASSED: Final = "NOT_PASSED"


class OwnTrust:
    """The node's trust material, and what it says of a document. Thread-safe."""

    def __init__(
        self, fetch: Callable[[], seal_pb2.GetTrustMaterialResponse], clock: Clock
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._fingerprint = b""
        self._store: TrustStore | None = None
        self._fresh: OrderedDict[str, float] = OrderedDict()

    def sealed(self, document: bytes, sha256: str, at: datetime) -> None:
        """Note a document that the seal service gave out, with the hash and the time it told.

        Raises DataLoss (OUTPUT_NOT_GOOD) where it is of other bytes.
        """
        if hashlib.sha256(document).hexdigest() != sha256:
            raise DataLoss(
                "what came from the seal service is not what it sealed: nothing was given out; "
                "repeat the request",
                reason="OUTPUT_NOT_GOOD",
                message_zh="收到的签章文件与签章服务所签不一致，未予发出：请重试",
            )
        if abs((self._clock.now() - at).total_seconds()) > FRESH:
            return
        with self._lock:
            self._fresh[sha256] = time.monotonic() + FRESH
            while len(self._fresh) > MOST_FRESH:
                self._fresh.popitem(last=False)

    def problem(self, document: bytes) -> str:
        """Why a document does not verify, UPPER_SNAKE; empty when it does. Raises as `fetch`."""
        with self._lock:  # once: whoever asks later wants to know what is so then
            until = self._fresh.pop(hashlib.sha256(document).hexdigest(), 0.0)
        if time.monotonic() < until:
            return ""
        judge = partial(assess, document, store=self.store(), now=self._clock.now())
        verdict = WORKERS.call(in_passing_thread, judge)
        return "" if verdict.indication is Indication.PASSED else verdict.reason or NOT_PASSED

    def store(self) -> TrustStore:
        """The material as it is, the same object while nothing of it changes."""
        return self._known()[0]

    def fingerprint(self) -> bytes:
        """SHA-256 of the material."""
        return self._known()[1]

    def _known(self) -> tuple[TrustStore, bytes]:
        with self._lock:
            held = self._store
            if held is not None and time.monotonic() < self._until:
                return held, self._fingerprint
        asked = time.monotonic()
        found = self._fetch()
        fingerprint = hashlib.sha256(found.SerializeToString(deterministic=True)).digest()
        with self._lock:
            if self._store is None or fingerprint != self._fingerprint:
                self._store, self._fingerprint = store_of(found), fingerprint
            self._until = max(self._until, asked + SECONDS)
            return self._store, self._fingerprint


def store_of(material: seal_pb2.GetTrustMaterialResponse) -> TrustStore:
    """What a node trusts its own seals by: nobody else's are judged here."""
    makers = tuple(material.makers)
    return TrustStore(
        anchors=(
            *(_anchor(one, EVERY_PURPOSE, makers) for one in material.anchors),
            *(_anchor(one, FOR_TIME, ()) for one in material.timestamp_anchors),
        ),
        intermediates=tuple(material.intermediates),
        crls=tuple(material.revocation_lists),
    )


def _anchor(
    certificate: bytes, purposes: frozenset[Purpose], makers: tuple[str, ...]
) -> TrustAnchor:
    found = parse_certificate(certificate)
    return TrustAnchor(
        name=found.subject,
        certificate=certificate,
        valid_from=found.not_before,
        valid_to=found.not_after,
        purposes=purposes,
        makers=makers,
    )
