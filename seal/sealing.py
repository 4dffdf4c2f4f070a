"""Sealing a document (签章): the only place where a seal's key is asked to sign.

The steps, in this order, and what a crash after each leaves:

1. authorize: the seal's own department or a service of the node; the seal in force;
2. prepare: everything that is to be signed exists, and no key was asked;
3. PREPARED: what is to be signed, for whom and why, is durable, with its audit record;
4. sign, and note it: SIGNED, with the hash of the sealed document;
5. verify our own output as any verifier would; what is not good is never given out (FAILED);
6. put the document into the object store under its own hash;
7. RELEASED: the answer, its audit record and the new state commit together.

A repeat of an answered request gets the same bytes from the object store. A repeat after a crash
takes up a document that was stored (6), or seals anew: what was signed before was given to nobody,
and its row stays as the record that the key was used. Sealings of one document at the same time are
independent; of two with the same request id the first to be RELEASED is the answer of both.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    Aborted,
    DataLoss,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from runtime.objects import ObjectStore, get_content
from runtime.records import SealedRecord, Value, make_record
from seal import store
from seal.custody import Custody, check_pair
from seal.keys import Signer
from seal.material import TrustMaterial
from seal.model import Indication, Verdict
from seal.ofd import StampPosition, finish_ofd, prepare_ofd
from seal.orders import Format, SealedDocument, SealingOrder, SealingState
from seal.pdf import seal_pdf
from seal.placement import At
from seal.registry import HeldSeal, check_use, seal_not_found
from seal.suites import P256, SM2

_log = structlog.get_logger()


class Sealing:
    """The use case of sealing."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        custody: Custody,
        material: TrustMaterial,
        clock: Clock,
    ) -> None:
        self._database = database
        self._objects = objects
        self._custody = custody
        self._material = material
        self._clock = clock

    def seal(self, order: SealingOrder) -> SealedDocument:
        """Steps 1 to 6. The result may be given out only after `release` has committed.

        `order.department` is None for a service of the node. Raises NotFound (SEAL_NOT_FOUND, also
        for a seal of another department), FailedPrecondition (SEAL_NOT_IN_FORCE,
        EARLIER_SIGNATURE_FAILED, OFD_CLOSED, PDF_CLOSED), InvalidArgument for a document that
        cannot be sealed, DataLoss (SEALED_DOCUMENT_NOT_GOOD), Unavailable (a full disk).
        """
        # 1. Authorize.
        with self._database.reading() as session:
            held = store.find_seal(session, order.seal)
            left = store.unfinished(
                session,
                actor=order.actor,
                request_id=order.request_id,
                request_digest=order.request_digest,
            )
        held = _authorize(held, order)
        now = self._clock.now()
        check_use(held, at=now)

        # What an earlier attempt stored is taken up where it stopped.
        for one in left:
            found = self._stored(one)
            if found is not None:
                self._check_output(found)
                return found

        # 2 to 4. Prepare, note, sign, note.
        draft = SealedDocument(
            id=str(uuid.uuid4()),
            seal=held.name,
            format=order.format,
            reason=order.reason,
            sha256_before=hashlib.sha256(order.document).hexdigest(),
            sha256_after="",
            sealed_at=now.replace(microsecond=0),
            document=b"",
        )

        def before_signing(tbs: bytes) -> None:
            self._note_prepared(order, draft, tbs)

        make = _seal_ofd if order.format is Format.OFD else _seal_pdf
        document = make(self._custody, held, order, draft.sealed_at, before_signing)
        sealed = replace(
            draft, document=document, sha256_after=hashlib.sha256(document).hexdigest()
        )
        self._note_signed(sealed)

        # 5 and 6. Verify, then store.
        try:
            self._check_output(sealed)
            self._objects.put_if_absent(object_name(sealed.sha256_after), document)
        except DomainError as error:
            self._note_failed(order.actor, sealed, error.reason)
            raise
        return sealed

    def release(self, work: UnitOfWork, sealed: SealedDocument, *, actor: str) -> None:
        """Step 7, in the transaction that keeps the answer."""
        now = self._clock.now()
        if not store.mark_released(work.session, sealed.id, at=now):
            raise Aborted(
                "this sealing has ended already: repeat the request",
                reason="CONCURRENT_CHANGE",
                message_zh="该次签章已结束：请重试",
            )
        work.record(self._record(actor, sealed, "released", now))

    def document(self, sha256: str) -> bytes:
        """A released document. Raises DataLoss (OBJECT_CHANGED, OBJECT_MISSING)."""
        try:
            return get_content(self._objects, object_name(sha256))
        except NotFound as error:
            raise DataLoss(
                "the sealed document is no longer in the object store: restore it from a backup",
                reason="OBJECT_MISSING",
                message_zh="对象存储中已没有该签章文件：请从备份恢复",
            ) from error

    def drop(self, work: UnitOfWork, sealed: SealedDocument) -> None:
        """A twin with the same request id was answered first: this one is given to nobody."""
        store.mark_failed(work.session, sealed.id, failure="SUPERSEDED", at=self._clock.now())

    # --- the notes ---------------------------------------------------------------------------

    def _note_prepared(self, order: SealingOrder, draft: SealedDocument, tbs: bytes) -> None:
        """Step 3; asks again whether the seal is in force, in the transaction that uses it."""
        with self._database.unit_of_work() as work:
            now = self._clock.now()
            check_use(_authorize(store.find_seal(work.session, draft.seal), order), at=now)
            sealing = store.Sealing(
                id=draft.id,
                seal=draft.seal,
                format=draft.format,
                reason=draft.reason,
                sha256_before=draft.sha256_before,
                state=SealingState.PREPARED,
                tbs=tbs,
                seal_time=draft.sealed_at,
                sha256_after=None,
                failure=None,
            )
            store.add_sealing(
                work.session,
                sealing,
                actor=order.actor,
                request_id=order.request_id,
                request_digest=order.request_digest,
                at=now,
            )
            work.record(self._record(order.actor, draft, "prepared", now))

    def _note_signed(self, sealed: SealedDocument) -> None:
        with self._database.unit_of_work() as work:
            store.mark_signed(
                work.session, sealed.id, sha256_after=sealed.sha256_after, at=self._clock.now()
            )

    def _note_failed(self, actor: str, sealed: SealedDocument, why: str) -> None:
        """The caller is told of what went wrong even where this note cannot be made."""
        now = self._clock.now()
        try:
            with self._database.unit_of_work() as work:
                if store.mark_failed(work.session, sealed.id, failure=why, at=now):
                    work.record(self._record(actor, sealed, "failed", now, why=why))
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
        if sealed.sha256_after:
            facts["sha256_after"] = sealed.sha256_after
        return make_record("document_sealed", at=at, actor=actor, facts=facts)

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
        )

    def _check_output(self, sealed: SealedDocument) -> None:
        """Step 5. Our signature must pass; an earlier one may be unknown, but not broken."""
        verdict = self._material.verify(sealed.document)
        if verdict.indication is Indication.PASSED:
            return
        if not _ours_passed(verdict, sealed):
            _log.error("sealed_document_not_good", sealing=sealed.id, why=verdict.sub_indication)
            raise DataLoss(
                f"the document just sealed does not verify ({verdict.sub_indication}): it was not "
                "given out; see the node's log",
                reason="SEALED_DOCUMENT_NOT_GOOD",
                message_zh=f"刚生成的签章文件未通过验证（{verdict.sub_indication}），未予发出；请查看节点日志",
            )
        if verdict.indication is Indication.FAILED:
            raise FailedPrecondition(
                f"an earlier signature of the document does not verify ({verdict.sub_indication}): "
                "take the document as it was before, or have it made anew",
                reason="EARLIER_SIGNATURE_FAILED",
                message_zh=f"文件中已有的签章未通过验证（{verdict.sub_indication}）：请使用未损坏的文件",
                sub_indication=verdict.sub_indication,
            )


def _ours_passed(verdict: Verdict, sealed: SealedDocument) -> bool:
    """Whether the newest signature is good and what is not concerns earlier ones."""
    if len(verdict.signatures) < 2:
        return False
    ours = max(
        (r for r in verdict.signatures if r.signed_at == sealed.sealed_at),
        key=lambda r: r.id,
        default=None,
    )
    return ours is not None and ours.indication is Indication.PASSED


def object_name(sha256: str) -> str:
    """Where the object store keeps a sealed document: by its SHA-256, hex."""
    return f"sealed/{sha256[:2]}/{sha256}"


def _authorize(held: HeldSeal | None, order: SealingOrder) -> HeldSeal:
    """The seal, if it is there and the caller may use it; else the one refusal for both."""
    if held is None or order.department not in (None, held.department):
        raise seal_not_found()
    return held


# --- the two formats ---------------------------------------------------------------------------

_BeforeSigning = Callable[[bytes], None]


def _seal_ofd(
    custody: Custody,
    held: HeldSeal,
    order: SealingOrder,
    at: datetime,
    before_signing: _BeforeSigning,
) -> bytes:
    """SES version 4 with the seal's SM2 key (GB/T 38540-2020)."""
    prepared = prepare_ofd(
        order.document,
        seal=held.seal_data,
        positions=[
            StampPosition(
                page=one.page,
                x_mm=one.x_mm,
                y_mm=one.y_mm,
                width_mm=one.size_mm or held.diameter_mm,
                height_mm=one.size_mm or held.diameter_mm,
            )
            for one in order.placements
            if isinstance(one, At)
        ],
        signed_at=at,
    )
    signer = custody.seal_key(held.name, SM2)
    check_pair(signer, held.certificate)
    before_signing(prepared.tbs)
    return finish_ofd(prepared, signature=signer.sign(prepared.tbs), certificate=held.certificate)


def _seal_pdf(
    custody: Custody,
    held: HeldSeal,
    order: SealingOrder,
    at: datetime,
    before_signing: _BeforeSigning,
) -> bytes:
    """PAdES with the seal's P-256 key: one signature, so one stamp."""
    places = [one for one in order.placements if isinstance(one, At)]
    if len(places) != 1:
        raise InvalidArgument(
            "a PDF takes one stamp a sealing: seal it again for another",
            reason="STAMP_POSITION",
            message_zh="PDF 每次签章只能盖一处：如需多处请再次签章",
        )
    (at_page,) = places
    size = at_page.size_mm or held.diameter_mm
    signer = custody.seal_key(held.name, P256)
    check_pair(signer, held.pdf_certificate)
    return seal_pdf(
        order.document,
        signer=_Announcing(signer, before_signing),
        certificate=held.pdf_certificate,
        chain=(custody.hierarchy.root_p256,),
        image_png=held.image,
        page=at_page.page,
        rect_mm=(at_page.x_mm, at_page.y_mm, size, size),
        signed_at=at,
    )


class _Announcing:
    """A signer that says what it is about to sign, and signs only once that is noted."""

    __slots__ = ("_announce", "_signer")

    def __init__(self, signer: Signer, announce: _BeforeSigning) -> None:
        self._signer = signer
        self._announce = announce

    @property
    def suite_name(self) -> str:
        return self._signer.suite_name

    @property
    def public_key(self) -> bytes:
        return self._signer.public_key

    def sign(self, message: bytes) -> bytes:
        self._announce(message)
        return self._signer.sign(message)
