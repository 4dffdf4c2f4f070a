"""Making a department's seal (制章): asked for by one administrator, approved by another.

1. A wish is kept whole, with the image that will be the seal's: what is approved is what is made.
   All that can stand in the way of making is looked for when it is asked for.
2. The signer's keys are made at approval, outside any transaction: a crash leaves keys without a
   seal, and the next approval of the same name takes them up again.
3. Certificates and seal are made from them, good from then on; one transaction then keeps the seal,
   the end of the one it replaces, the revocation lists, the audit records and the answer. Of two
   approvals, or an approval and a rejection, one comes first and the other is refused.
4. The seal lists the signer's SM2 certificate and is signed by the maker's key, which never signs
   documents (GB/T 38540-2020 §6: seal maker and signer are apart).
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import AlreadyExists
from seal import store
from seal.image.drawing import draw
from seal.keeping import SealBook, authorization_facts
from seal.keys.custody import Custody
from seal.keys.hierarchy import MAKER, ROOT_P256, ROOT_SM2
from seal.life import (
    EventKind,
    awaited,
    check_replaced,
    check_second_person,
    decide_change,
    revoke,
    step,
)
from seal.material import TrustMaterial
from seal.pki.certificates import parse_certificate
from seal.registry import (
    HeldSeal,
    SealOrder,
    SealState,
    check_authorization,
    term,
)
from seal.ses import SealSpec, make_seal
from seal.suites import P256, SM2

VENDOR: Final = "TONGBAN"
#: So long before its end a certificate above the seals is told: a ceremony brings people together.
TOLD_BEFORE: Final = timedelta(days=365)
_LEGAL_SEAL: Final = 1  # SES_ESPropertyInfo.type: the seal of a body


class SealMaking:
    """Asking for seals, approving and turning down."""

    def __init__(
        self, database: Database, custody: Custody, material: TrustMaterial, clock: Clock
    ) -> None:
        self._database = database
        self._custody = custody
        self._material = material
        self._clock = clock
        self._book = SealBook(clock)

    # --- asking ------------------------------------------------------------------------------

    def replaced(self, name: str, *, department: str) -> HeldSeal:
        """The seal that another takes the place of. Raises FailedPrecondition (NOT_REPLACEABLE)."""
        with self._database.reading() as session:
            return check_replaced(store.find_seal(session, name), department=department)

    def sketch(self, order: SealOrder, *, actor: str) -> HeldSeal:
        """The wish with its image, which nobody holds yet.

        Raises AlreadyExists: SEAL_EXISTS, CREDIT_CODE_OF_ANOTHER; FailedPrecondition
        (NOT_REPLACEABLE), InvalidArgument:
        BAD_END_TIME, BAD_AUTHORIZATION, BAD_SEAL_TEXT, and what an image is refused for.
        """
        now = self._clock.now()
        with self._database.reading() as session:
            _check_free(store.find_seal(session, order.name))
            if order.replaces:
                check_replaced(
                    store.find_seal(session, order.replaces), department=order.department
                )
            _check_credit_code(session, order.credit_code, department=order.department)
        allowed = check_authorization(order.authorization, department=order.department, now=now)
        start, end = term(order.end_time, now=now, latest=self._custody_ends())
        picture = draw(order)
        return HeldSeal(
            name=order.name,
            department=order.department,
            display_name=order.display_name,
            credit_code=order.credit_code,
            # Unique and unguessable; it becomes known with the seal.
            es_id=f"{order.credit_code}{secrets.token_hex(7).upper()}",
            state=SealState.REQUESTED,
            start_time=start,
            end_time=end,
            seal_data=b"",
            image=picture.png,
            width_mm=picture.width_mm,
            height_mm=picture.height_mm,
            certificate=b"",
            pdf_certificate=b"",
            shape=order.shape,
            version=order.version,
            signer_list=order.signer_list,
            bottom_line=order.bottom_line,
            seal_code=order.seal_code,
            authorization=allowed,
            requested_by=actor,
            wanted_end=order.end_time and end,
            replaces=order.replaces,
            create_time=start,
        )

    def ask(self, work: UnitOfWork, wish: HeldSeal) -> HeldSeal:
        """Keep a wish, in the caller's transaction; one turned down makes room for it.

        Raises AlreadyExists: SEAL_EXISTS, CREDIT_CODE_OF_ANOTHER.
        """
        before = store.find_seal(work.session, wish.name, hold=store.Hold.FOR_CHANGE)
        _check_free(before)
        _check_credit_code(work.session, wish.credit_code, department=wish.department)
        facts = {
            "es_id": wish.es_id,
            "image_sha256": sha256(wish.image).hexdigest(),
            "replaces": wish.replaces,
            **authorization_facts(wish.authorization),
        }
        return self._book.put(
            work, before, wish, EventKind.REQUESTED, actor=wish.requested_by, facts=facts
        )

    # --- deciding ----------------------------------------------------------------------------

    def draft(self, name: str, *, actor: str, etag: str) -> HeldSeal | None:
        """The finished seal that an approval would keep; None where a change is to be approved.

        Leaves its keys in custody (rule 2). Raises as `approve`, and InvalidArgument (BAD_END_TIME)
        for a wish that has waited beyond its end.
        """
        with self._database.reading() as session:
            wish = self._book.find(session, name, etag=etag)
        kind = awaited(wish)
        check_second_person(wish, kind, actor=actor)
        return self._made(wish) if kind is EventKind.APPROVED else None

    def approve(
        self, work: UnitOfWork, name: str, made: HeldSeal | None, *, actor: str, etag: str
    ) -> HeldSeal:
        """The wish becomes the seal `made` of it, or the change takes effect.

        Raises NotFound (SEAL_NOT_FOUND), FailedPrecondition: NOTHING_TO_APPROVE,
        SECOND_PERSON_NEEDED, NOT_REPLACEABLE; Aborted: ETAG_MISMATCH, CONCURRENT_CHANGE. The caller
        calls `TrustMaterial.forget` once it has committed.
        """
        held = self._book.hold(work, name, etag=etag)
        kind = awaited(held)
        check_second_person(held, kind, actor=actor)
        if kind is EventKind.CHANGE_APPROVED:
            after = decide_change(held, kind)
            facts = authorization_facts(after.authorization)
            return self._book.put(work, held, after, kind, actor=actor, facts=facts)

        if made is None or (made.es_id, made.revision) != (held.es_id, held.revision):
            raise self._book.changed()
        after = self._book.put(
            work,
            held,
            made,
            kind,
            actor=actor,
            facts={
                "es_id": made.es_id,
                "seal_sha256": sha256(made.seal_data).hexdigest(),
                "certificate_sha256": sha256(made.certificate).hexdigest(),
                "pdf_certificate_sha256": sha256(made.pdf_certificate).hexdigest(),
                "replaces": made.replaces,
            },
        )
        if held.replaces:
            self._end_replaced(work, after, actor=actor)
        return after

    def reject(self, work: UnitOfWork, name: str, *, actor: str, reason: str) -> HeldSeal:
        """Turn down the wish, or the change; whoever asked may do so too.

        Raises NotFound (SEAL_NOT_FOUND), FailedPrecondition (NOTHING_TO_APPROVE).
        """
        held = self._book.hold(work, name)
        if awaited(held) is EventKind.APPROVED:
            kind, after = EventKind.REJECTED, step(held, EventKind.REJECTED)
        else:
            kind, after = EventKind.CHANGE_REJECTED, decide_change(held, EventKind.CHANGE_REJECTED)
        return self._book.put(work, held, after, kind, actor=actor, reason=reason)

    def _end_replaced(self, work: UnitOfWork, new: HeldSeal, *, actor: str) -> None:
        found = store.find_seal(work.session, new.replaces, hold=store.Hold.FOR_CHANGE)
        old = check_replaced(found, department=new.department)
        ended = revoke(old, EventKind.REPLACED, at=new.start_time, replaced_by=new.name)
        facts = {"replaced_by": new.name}
        self._book.put(work, old, ended, EventKind.REPLACED, actor=actor, facts=facts)
        self._material.issue(work)

    # --- what is above seals -------------------------------------------------------------------

    def ending(self) -> list[tuple[str, datetime]]:
        """The certificates above seals that end soon or have ended, by key: the first one first."""
        by = self._clock.now() + TOLD_BEFORE
        ends = self._custody.ends().items()
        return sorted(((key, end) for key, end in ends if end <= by), key=lambda one: one[1])

    # --- making ------------------------------------------------------------------------------

    def _made(self, wish: HeldSeal) -> HeldSeal:
        start, end = term(wish.wanted_end, now=self._clock.now(), latest=self._custody_ends())

        # 1. The maker's key, before any work: it may be offline. Then the signer's keys, made or
        # taken up again.
        maker = self._custody.key(MAKER)
        self._custody.make_seal_keys(wish.name)

        # 2. Their certificates: the agency, and its credit code.
        subject = {
            "C": "CN",
            "O": wish.display_name,
            "OU": wish.credit_code,
            "CN": wish.display_name,
        }
        certificate, pdf_certificate = (
            self._custody.issue_signer(
                root,
                self._custody.seal_key(wish.name, suite),
                subject=subject,
                not_before=start,
                not_after=end,
            )
            for root, suite in ((ROOT_SM2, SM2), (ROOT_P256, P256))
        )

        # 3. The seal, signed by its maker.
        spec = SealSpec(
            es_id=wish.es_id,
            vid=VENDOR,
            name=wish.display_name,
            cert_list=(certificate,),
            created=start,
            valid_from=start,
            valid_to=end,
            picture_type="PNG",
            picture=wish.image,
            width_mm=int(wish.width_mm),
            height_mm=int(wish.height_mm),
            version=wish.version,
            type=_LEGAL_SEAL,
            signer_list=wish.signer_list,
        )
        seal_data = make_seal(
            spec,
            maker=maker,
            maker_certificate=self._custody.maker_certificate(),
        )
        return replace(
            step(wish, EventKind.APPROVED),
            start_time=start,
            end_time=end,
            seal_data=seal_data,
            certificate=certificate,
            pdf_certificate=pdf_certificate,
        )

    def _custody_ends(self) -> datetime:
        """When the first of the certificates above a seal ends."""
        above = self._custody.hierarchy
        return min(
            parse_certificate(one).not_after
            for one in (self._custody.maker_certificate(), above.root_sm2, above.root_p256)
        )


def _check_credit_code(session: store.Session, credit_code: str, *, department: str) -> None:
    """A credit code is one agency's; a seal that ended no longer claims it."""
    if store.uses_credit_code(session, credit_code, beside=department):
        raise AlreadyExists(
            "a seal of another department has this credit code: give the agency's own; if the "
            "agency moved, have the seal there revoked or turned down first",
            reason="CREDIT_CODE_OF_ANOTHER",
            message_zh="另一部门的印章已使用该统一社会信用代码：请填写本机构的代码；"
            "如机构已划转，请先废止或驳回该部门的印章",
        )


def _check_free(held: HeldSeal | None) -> None:
    if held is not None and held.state is not SealState.REJECTED:
        raise AlreadyExists(
            "a seal of this name exists: take another seal_id",
            reason="SEAL_EXISTS",
            message_zh="同名印章已存在：请换一个 seal_id",
        )
