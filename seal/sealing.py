"""Sealing a document (签章): the only place where a seal's key is asked to sign.

The steps, in this order, and what a crash after each leaves:

1. authorize: the seal's own department or a service of the node; the seal in force; what is sealed
   is what the seal is for;
2. prepare: everything that is to be signed exists, and no key was asked;
3. PREPARED: what is to be signed, for whom and why, is durable, with its audit record; that the
   seal may be used is asked once more, in the same transaction;
4. sign (and have the signature time-stamped), and note it: SIGNED, with the hash of the sealed
   document;
5. verify our own output as any verifier would; what is not good is never given out (FAILED);
6. put the document into the object store under its own hash;
7. RELEASED: the answer, its audit record and the new state commit together.

A repeat of an answered request gets the same bytes from the object store. A repeat after a crash
takes up a document that was stored (6), or seals anew: what was signed before was given to nobody,
and its row stays as the record that the key was used. Sealings of one document at the same time are
independent; of two with the same request id the first to be RELEASED is the answer of both.

The notes of sealings that run at once share their transactions (`seal.ledger`).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from io import BufferedRandom
from pathlib import Path
from typing import Final, TypeVar

import structlog

from runtime.clock import Clock
from runtime.database import Database, FixedWork
from runtime.errors import Aborted, DataLoss, DomainError, NotFound
from runtime.objects import ObjectStore, check_content, get_content
from runtime.records import SealedRecord, Value, make_record
from seal import store
from seal.detached import assess_detached
from seal.incoming import mapped, writing
from seal.keys.custody import Custody
from seal.ledger import Ledger
from seal.material import TrustMaterial
from seal.model import Indication, Verdict
from seal.notes import SealingNotes
from seal.orders import MAX_STREAMED, Document, Proof, SealedDocument, SealingOrder, SealingState
from seal.own_output import earlier_failed, not_good, ours_passed
from seal.pdf.signing import Evidence
from seal.pki.timestamp import Timestamper
from seal.registry import HeldSeal, check_use, seal_not_found
from seal.sealers import SEALERS, Task, check_timestamper

_log = structlog.get_logger()


_T = TypeVar("_T")
# What goes in may be as large as is allowed, and a seal comes on top.
_GREATEST_SEALED: Final = MAX_STREAMED + 16 * 1024 * 1024

# A document's refusals, found while it is read: the use was allowed, so it is recorded.
_NO_FURTHER_SEAL: Final = frozenset(
    {
        "OFD_CLOSED",
        "PDF_CLOSED",
        "PDF_ALREADY_SIGNED",
        "INTEGRITY_LIST_SIGNED",
        "INTEGRITY_ENTRIES_TOO_LATE",
    }
)


class Sealing:
    """The use case of sealing. Large documents pass through files in the folder `scratch`."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        custody: Custody,
        material: TrustMaterial,
        clock: Clock,
        *,
        scratch: Path,
        timestamper: Timestamper | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        self._database = database
        self._objects = objects
        self._custody = custody
        self._material = material
        self._clock = clock
        self.scratch = scratch
        self._timestamper = timestamper
        self._evidence = evidence or Evidence()
        self._notes = SealingNotes(database)
        self._ledger = Ledger(database)

    def seal(self, order: SealingOrder, *, into: BufferedRandom | None = None) -> SealedDocument:
        """Steps 1 to 6. The result may be given out only after `release` has committed.

        A large document is sealed `into` an empty file, and is then a view of it. Raises NotFound
        (SEAL_NOT_FOUND, also for a seal of another department), FailedPrecondition
        (SEAL_KIND_NOT_AUTHORIZED, SEAL_NOT_IN_FORCE, TIMESTAMP_NOT_CONFIGURED,
        EARLIER_SIGNATURE_FAILED, OFD_CLOSED, PDF_CLOSED), InvalidArgument for a document that
        cannot be sealed, DataLoss (SEALED_DOCUMENT_NOT_GOOD), Unavailable (a full disk, a
        time-stamp authority that does not answer).
        """
        # 1. Authorize.
        now = self._clock.now()
        held = _authorize(self._notes.seal(order.seal), order)
        check_use(held, at=now, actor=order.user, kind=order.kind)
        check_timestamper(order, self._timestamper)

        # What an earlier attempt stored is taken up where it stopped.
        for one in self._unfinished(order):
            found = self._stored(one)
            if found is not None:
                self._check_output(order, found)
                return found

        # 2 to 4. Prepare, note, sign, note.
        draft = SealedDocument(
            id=str(uuid.uuid4()),
            seal=held.name,
            format=order.format,
            reason=order.reason,
            sha256_before=_sha256_before(order),
            sha256_after="",
            sealed_at=now.replace(microsecond=0),
            document=b"",
            kind=order.kind,
        )

        noted = False

        def announce(tbs: bytes, stamps: int) -> None:
            nonlocal draft, noted
            draft = replace(draft, stamp_count=stamps)
            self._note_prepared(order, draft, tbs)
            noted = True

        task = Task(
            order=order,
            held=held,
            at=draft.sealed_at,
            announce=announce,
            timestamper=self._timestamper,
            evidence=self._proof_of(order),
            into=into,
        )
        try:
            document = SEALERS[order.format](self._custody, task)
            sealed = replace(
                draft, document=document, sha256_after=hashlib.sha256(document).hexdigest()
            )
            self._note_signed(sealed)

            # 5 and 6. Verify, then store.
            self._check_output(order, sealed)
            self._objects.put_if_absent(object_name(sealed.sha256_after), document)
        except DomainError as error:
            if noted:
                self._note_failed(order.actor, draft, error.reason)
            elif error.reason in _NO_FURTHER_SEAL:
                self._note_refused(order, draft, error.reason)
            raise
        return sealed

    def write(self, note: Callable[[FixedWork], _T]) -> _T:
        """Run a note that ends a sealing (`release`) in a transaction that others may share."""
        return self._ledger.write(note)

    def release(self, work: FixedWork, sealed: SealedDocument, *, actor: str) -> None:
        """Step 7, in the transaction that keeps the answer."""
        now = self._clock.now()
        if not self._notes.mark_released(work, sealed.id, at=now):
            raise Aborted(
                "this sealing has ended already: repeat the request",
                reason="CONCURRENT_CHANGE",
                message_zh="该次签章已结束：请重试",
            )
        work.record(self._record(actor, sealed, "released", now))

    def document(self, sha256: str, *, into: BufferedRandom | None = None) -> Document:
        """A released document, or a view of it in the file `into`.

        Raises DataLoss (OBJECT_CHANGED, OBJECT_MISSING).
        """
        name = object_name(sha256)
        try:
            if into is None:
                return get_content(self._objects, name)
            with writing():
                self._objects.get_into(name, into)
                return check_content(name, mapped(into))
        except NotFound as error:
            raise DataLoss(
                "the sealed document is no longer in the object store: restore it from a backup",
                reason="OBJECT_MISSING",
                message_zh="对象存储中已没有该签章文件：请从备份恢复",
            ) from error

    def drop(self, sealed: SealedDocument) -> None:
        """A twin with the same request id was answered first: this one is given to nobody."""

        def note(work: FixedWork) -> None:
            self._notes.mark_failed(work, sealed.id, failure="SUPERSEDED", at=self._clock.now())

        self._ledger.write(note)

    # --- the notes ---------------------------------------------------------------------------

    def _note_prepared(self, order: SealingOrder, draft: SealedDocument, tbs: bytes) -> None:
        """Step 3; asks again whether the seal is in force, in the transaction that uses it."""

        def note(work: FixedWork) -> None:
            now = self._clock.now()
            held = _authorize(self._notes.seal_for_use(work, draft.seal), order)
            check_use(held, at=now, actor=order.user, kind=order.kind)
            self._add(work, order, draft, tbs, at=now)
            work.record(self._record(order.actor, draft, "prepared", now))

        self._ledger.write(note)

    def _note_refused(self, order: SealingOrder, draft: SealedDocument, why: str) -> None:
        """A use that was allowed and that the document refused: FAILED, and no key was asked."""
        now = self._clock.now()

        def note(work: FixedWork) -> None:
            self._add(work, order, draft, b"", at=now)
            self._notes.mark_failed(work, draft.id, failure=why, at=now)
            work.record(self._record(order.actor, draft, "failed", now, why=why))

        self._despite_failure(note, draft)

    def _add(
        self,
        work: FixedWork,
        order: SealingOrder,
        draft: SealedDocument,
        tbs: bytes,
        *,
        at: datetime,
    ) -> None:
        self._notes.add(
            work,
            store.Sealing(
                id=draft.id,
                seal=draft.seal,
                actor=order.actor,
                format=draft.format,
                kind=draft.kind,
                reason=draft.reason,
                sha256_before=draft.sha256_before,
                stamp_count=draft.stamp_count,
                state=SealingState.PREPARED,
                tbs=tbs,
                seal_time=draft.sealed_at,
                prepared_at=at,
            ),
            request_id=order.request_id,
            request_digest=order.request_digest,
        )

    def _note_signed(self, sealed: SealedDocument) -> None:
        def note(work: FixedWork) -> None:
            self._notes.mark_signed(
                work, sealed.id, sha256_after=sealed.sha256_after, at=self._clock.now()
            )

        self._ledger.write(note)

    def _note_failed(self, actor: str, sealed: SealedDocument, why: str) -> None:
        now = self._clock.now()

        def note(work: FixedWork) -> None:
            if self._notes.mark_failed(work, sealed.id, failure=why, at=now):
                work.record(self._record(actor, sealed, "failed", now, why=why))

        self._despite_failure(note, sealed)

    def _despite_failure(self, note: Callable[[FixedWork], None], sealed: SealedDocument) -> None:
        """The caller is told of what went wrong even where this note cannot be made."""
        try:
            self._ledger.write(note)
        except DomainError as error:
            _log.error("sealing_failure_not_noted", sealing=sealed.id, reason=error.reason)

    def _record(
        self, actor: str, sealed: SealedDocument, phase: str, at: datetime, **more: Value
    ) -> SealedRecord:
        facts: dict[str, Value] = {
            "seal": sealed.seal,
            "sealing": sealed.id,
            "phase": phase,
            "format": sealed.format.value,
            "sha256_before": sealed.sha256_before,
            "reason": sealed.reason,
            **more,
        }
        if sealed.kind:
            facts["license_or_document_kind"] = sealed.kind
        if sealed.sha256_after:
            facts["sha256_after"] = sealed.sha256_after
        return make_record("document_sealed", at=at, actor=actor, facts=facts)

    def _proof_of(self, order: SealingOrder) -> Evidence:
        """What a PDF of long-term proof takes in, with our own revocation lists."""
        if order.proof not in (Proof.LONG_TERM, Proof.ARCHIVAL):
            return self._evidence
        return replace(self._evidence, crls=self._material.own_lists())

    def _unfinished(self, order: SealingOrder) -> list[store.Sealing]:
        """What earlier attempts at this request left, the furthest first."""
        if not self._notes.has_begun(actor=order.actor, request_id=order.request_id):
            return []
        with self._database.reading() as session:
            return store.unfinished(
                session,
                actor=order.actor,
                request_id=order.request_id,
                request_digest=order.request_digest,
            )

    # --- our own output ----------------------------------------------------------------------

    def _stored(self, one: store.Sealing) -> SealedDocument | None:
        """The document of an interrupted sealing that came as far as the object store."""
        if one.sha256_after is None or not self._objects.exists(object_name(one.sha256_after)):
            return None
        return SealedDocument(
            id=one.id,
            seal=one.seal,
            format=one.format,
            reason=one.reason,
            sha256_before=one.sha256_before,
            sha256_after=one.sha256_after,
            sealed_at=one.seal_time,
            document=self.document(one.sha256_after),
            kind=one.kind,
            stamp_count=one.stamp_count,
        )

    def _check_output(self, order: SealingOrder, sealed: SealedDocument) -> None:
        """Step 5. Our signature must pass; an earlier one may be unknown, but not broken."""
        verdict = self._verdict(order, sealed)
        if verdict.indication is Indication.PASSED:
            return
        if not ours_passed(verdict, sealed):
            # A seal that was revoked meanwhile is no fault of what was made.
            held = _authorize(self._notes.seal(order.seal), order)
            check_use(held, at=self._clock.now(), actor=order.user, kind=order.kind)
            _log.error("sealed_document_not_good", sealing=sealed.id, why=verdict.reason)
            raise not_good(verdict)
        if verdict.indication is Indication.FAILED:
            raise earlier_failed(verdict)

    def _verdict(self, order: SealingOrder, sealed: SealedDocument) -> Verdict:
        if order.digest is None:
            return self._material.verify(sealed.document, greatest=_GREATEST_SEALED)
        return assess_detached(
            bytes(sealed.document),
            order.digest.value,
            store=self._material.current(),
            now=self._clock.now(),
        )


def _sha256_before(order: SealingOrder) -> str:
    """SHA-256 of the document, hex; of a bare digest, its value."""
    if order.digest is not None:
        return order.digest.value.hex()
    return hashlib.sha256(order.document).hexdigest()


def object_name(sha256: str) -> str:
    """Where the object store keeps a sealed document: by its SHA-256, hex."""
    return f"sealed/{sha256[:2]}/{sha256}"


def _authorize(held: HeldSeal | None, order: SealingOrder) -> HeldSeal:
    """The seal, if it is there and the caller may use it; else the one refusal for both."""
    if held is None or order.department not in (None, held.department):
        raise seal_not_found()
    return held
