"""Whom this node trusts: its own two roots with their revocation lists, and recognised authorities.

1. Every root has a list from the first start on: a verifier then knows that nothing is revoked,
   which is more than not knowing.
2. A list says what the seals' rows say; it is issued anew when half its time is over, and in the
   same transaction as a revocation.
3. Own roots are trusted for as long as their certificates say, those of recognised authorities as
   long as was approved, and until a withdrawal.
4. Own roots say which certificates make seals beneath them: the maker's and all former ones'. The
   P-256 root, which has no maker, says the same, so that none of its signers makes a seal.
5. What another process changed is seen within a second; what this one changed, at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import Aborted
from runtime.threads import in_passing_thread
from runtime.workers import WORKERS
from seal import store
from seal.detached import assess_detached
from seal.keys.custody import Custody
from seal.keys.hierarchy import ROOT_P256, ROOT_SM2
from seal.kinds import judge_of, judged
from seal.model import Verdict
from seal.orders import MAX_DOCUMENT, Document, check_size
from seal.pki.asking import Asking
from seal.pki.certificates import parse_certificate
from seal.pki.crls import Revocation
from seal.pki.issuing import issue_crl
from seal.recognition import store as recognised
from seal.trust import EVERY_PURPOSE, FOR_TIME, Purpose, TrustAnchor, TrustStore
from seal.verify import assess

_LIST_LIFETIME: Final = timedelta(days=30)
_SECONDS_KNOWN: Final = 1.0
_FOR_A_WORKER: Final = 1024 * 1024  # a document that is sent to one sooner than judged
_ROOTS: Final = (ROOT_SM2, ROOT_P256)
OWN_SOURCE: Final = "this node"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Material read from the database, until when it stands without looking again."""

    state: tuple[tuple[int, ...], recognised.Version, tuple[str, ...]]
    store: TrustStore
    own_lists: tuple[bytes, ...]
    due: datetime
    looked: float


class TrustMaterial:
    """What a verifier trusts seals by, this node's and others'."""

    def __init__(
        self,
        database: Database,
        custody: Custody,
        clock: Clock,
        *,
        stampers: Sequence[bytes] = (),
        stampers_lists: Sequence[bytes] = (),
        asking: Asking | None = None,
    ) -> None:
        """`stampers` are the roots (DER) of time-stamp authorities, with revocation lists.

        With `asking` those who verify for others ask what is known now of the certificates.
        """
        self._database = database
        self._custody = custody
        self._clock = clock
        self._stampers = tuple(_anchor(one, FOR_TIME) for one in stampers)
        self._stampers_lists = tuple(stampers_lists)
        self._asking = asking
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._forgotten = 0

    def now(self) -> datetime:
        """The time by which documents are judged here."""
        return self._clock.now()

    def current(self) -> TrustStore:
        """Anchors and the lists in force, issued anew where their time is half over."""
        return self._look().store

    def own_lists(self) -> tuple[bytes, ...]:
        """The revocation lists (DER) that what is sealed here needs: ours, and the stampers'."""
        return self._look().own_lists

    def _look(self) -> _Known:
        known, forgotten = self._known, self._forgotten
        looked = time.monotonic()
        if known and looked < known.looked + _SECONDS_KNOWN and self._clock.now() < known.due:
            return known
        found = self._lists()
        if found is None:
            self.renew()
            found = self._lists() or []
        makers = self._custody.makers()
        # Which state it is comes before what it holds: what changes in between is read again.
        with self._database.reading() as session:
            state = (tuple(one.number for one in found), recognised.version(session), makers)
        same = known is not None and known.state == state
        own_lists = (*(one.encoded for one in found), *self._stampers_lists)
        known = _Known(
            state=state,
            store=known.store if known and same else self._store(own_lists, makers),
            own_lists=own_lists,
            due=min((_due(one) for one in found), default=self._clock.now()),
            looked=looked,
        )
        if forgotten == self._forgotten:
            self._known = known
        return known

    def verify(
        self, document: Document, *, greatest: int = MAX_DOCUMENT, asks: bool = False
    ) -> Verdict:
        """Judge a document, a seal or a bundle of evidence with this node's material.

        Whatever it holds, the answer is a Verdict. A bundle's receipts of the log are told as not
        judged: who has the log's key judges them.

        Raises InvalidArgument (DOCUMENT_EMPTY), ResourceExhausted (DOCUMENT_TOO_LARGE).
        """
        check_size(document, greatest=greatest, stream="StreamVerifyDocument")
        now = self._clock.now()
        if not (asks and self._asking) and len(document) <= _FOR_A_WORKER:
            data = document if isinstance(document, bytes) else bytes(document)
            return WORKERS.call(judged, data, store=self.current(), now=now)
        judge = judge_of(document) or assess
        return in_passing_thread(
            lambda: self._asked(lambda store: judge(document, store=store, now=now), asks=asks)
        )

    def verify_signature(
        self, signature: bytes, digest: bytes, *, about: str = "", asks: bool = False
    ) -> Verdict:
        """Judge a DER SES_Signature over a digest (SM3), as `verify` does a document."""
        now = self._clock.now()
        return self._asked(
            lambda store: assess_detached(signature, digest, store=store, now=now, about=about),
            asks=asks,
        )

    def _asked(self, judge: Callable[[TrustStore], Verdict], *, asks: bool) -> Verdict:
        """By what there is here, and with `asks` by what those say who are set to be asked."""
        store = self.current()
        return self._asking.judge(judge, store) if asks and self._asking else judge(store)

    def renew(self) -> None:
        """Issue the lists that are missing or half over."""
        for root in _ROOTS:
            self._custody.key(root)  # opened before the transaction: it may take 0.2 s
        with self._lock:
            try:
                with self._database.unit_of_work() as work:
                    self.issue(work, only_due=True)
            except Aborted:
                return  # another process was first, and its lists are as good

    def issue(self, work: UnitOfWork, *, only_due: bool = False) -> None:
        """Issue the lists of both roots, in the transaction of what they tell.

        The caller calls `forget` once that has committed.
        """
        now = self._clock.now().replace(microsecond=0)
        revoked = store.revoked_certificates(work.session)
        for index, root in enumerate(_ROOTS):
            held = store.newest_list(work.session, root)
            if only_due and held is not None and not self._is_due(held):
                continue
            entries = [
                Revocation(serial=parse_certificate(one[index]).serial, at=one[2])
                for one in revoked
            ]
            number = 1 if held is None else held.number + 1
            encoded = issue_crl(
                issuer=self._custody.key(root),
                issuer_certificate=self._custody.hierarchy.of(root),
                this_update=now,
                next_update=now + _LIST_LIFETIME,
                number=number,
                revoked=entries,
                # Nobody is ever taken off: a list of today answers for what has ended, too.
                keeps_since=parse_certificate(self._custody.hierarchy.of(root)).not_before,
            )
            found = store.RevocationList(
                number=number,
                this_update=now,
                next_update=now + _LIST_LIFETIME,
                encoded=encoded,
            )
            store.add_list(work.session, root, found)

    def forget(self) -> None:
        """Look again at the next use, whoever is looking now."""
        self._forgotten += 1
        self._known = None

    def _lists(self) -> list[store.RevocationList] | None:
        """The newest list of each root; None where one is missing or due."""
        with self._database.reading() as session:
            found = [store.newest_list(session, root) for root in _ROOTS]
        known = [one for one in found if one is not None and not self._is_due(one)]
        return known if len(known) == len(_ROOTS) else None

    def _is_due(self, held: store.RevocationList) -> bool:
        return self._clock.now() >= _due(held)

    def _store(self, own_lists: tuple[bytes, ...], makers: tuple[str, ...]) -> TrustStore:
        with self._database.reading() as session:
            others = recognised.ever_in_force(session)
            others_lists = recognised.lists_in_force(session)
        return TrustStore(
            anchors=(
                *(_anchor(self._custody.hierarchy.of(root), makers=makers) for root in _ROOTS),
                *self._stampers,
                *(anchor for other in others for anchor in other.trust_anchors()),
            ),
            intermediates=tuple(one for other in others for one in other.terms.intermediates),
            crls=(*own_lists, *others_lists),
        )


def _anchor(
    certificate: bytes,
    purposes: frozenset[Purpose] = EVERY_PURPOSE,
    makers: tuple[str, ...] = (),
) -> TrustAnchor:
    info = parse_certificate(certificate)
    return TrustAnchor(
        name=info.subject,
        certificate=certificate,
        valid_from=info.not_before,
        valid_to=info.not_after,
        purposes=purposes,
        source=OWN_SOURCE,
        makers=makers,
    )


def _due(held: store.RevocationList) -> datetime:
    """When a list is issued anew."""
    return held.next_update - _LIST_LIFETIME / 2
