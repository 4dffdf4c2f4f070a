"""Judging what this node sealed, in this process: by public material that the seal service gives.

The rules are `seal.verify`'s, the same as a stranger's, and so is the material: the node's own
roots, who makes seals beneath them, the roots of time-stamp authorities, revocation lists. It is
asked for again every second, so what was revoked counts as soon as it would in the seal service.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Final

from runtime.clock import Clock
from seal.model import Indication
from seal.trust import EVERY_PURPOSE, FOR_TIME, Purpose, TrustAnchor, TrustStore, parse_certificate
from seal.v1 import seal_pb2
from seal.verify import assess

SECONDS: Final = 1.0
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

    def problem(self, document: bytes) -> str:
        """Why a document does not verify, UPPER_SNAKE; empty when it does. Raises as `fetch`."""
        verdict = assess(document, store=self.store(), now=self._clock.now())
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
