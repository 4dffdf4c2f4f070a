"""Making a department's seal (制章), and ending it.

1. The signer's keys come first, outside any transaction: a crash leaves keys without a seal, and
   the next attempt for the same name takes them up again.
2. Certificates, image and seal are made from them; then one transaction keeps the seal, its audit
   record and the answer. There is no seal before that, and no second one of the same name after.
3. The seal lists the signer's SM2 certificate and is signed by the maker's key, which never signs
   documents (GB/T 38540-2020 §6: seal maker and signer are apart).
4. A revoked seal stays: what it sealed before is still good, and its certificates enter the lists
   in the same transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import AlreadyExists
from runtime.records import make_record
from seal import store
from seal.certificates import parse_certificate
from seal.custody import MAKER, ROOT_P256, ROOT_SM2, Custody
from seal.image import circular_seal, render_png
from seal.material import TrustMaterial
from seal.registry import (
    DIAMETER_MM,
    HeldSeal,
    SealOrder,
    SealState,
    seal_not_found,
    term,
)
from seal.ses import SealSpec, make_seal
from seal.suites import P256, SM2

VENDOR: Final = "TONGBAN"
_DPI: Final = 300
_LEGAL_SEAL: Final = 1  # SES_ESPropertyInfo.type: the seal of a body


class SealMaking:
    """The use cases around a seal itself."""

    def __init__(
        self, database: Database, custody: Custody, material: TrustMaterial, clock: Clock
    ) -> None:
        self._database = database
        self._custody = custody
        self._material = material
        self._clock = clock

    def draft(self, order: SealOrder) -> HeldSeal:
        """A finished seal that nobody holds yet; leaves its keys in custody (rule 1).

        Raises AlreadyExists (SEAL_EXISTS), InvalidArgument (BAD_END_TIME, BAD_SEAL_TEXT).
        """
        # 1. What stands in the way, before any key is made.
        with self._database.reading() as session:
            if store.find_seal(session, order.name) is not None:
                raise _exists()
        hierarchy = self._custody.hierarchy
        latest = min(
            parse_certificate(one).not_after
            for one in (hierarchy.maker, hierarchy.root_sm2, hierarchy.root_p256)
        )
        start, end = term(order, now=self._clock.now(), latest=latest)
        drawn = circular_seal(
            order.display_name, bottom=order.bottom_line, diameter_mm=float(DIAMETER_MM)
        )
        image = render_png(drawn, dpi=_DPI)

        # 2. The signer's keys, made or taken up again.
        self._custody.make_seal_keys(order.name)

        # 3. Their certificates: the agency, and its credit code.
        subject = {
            "C": "CN",
            "O": order.display_name,
            "OU": order.credit_code,
            "CN": order.display_name,
        }
        certificate, pdf_certificate = (
            self._custody.issue_signer(
                root,
                self._custody.seal_key(order.name, suite),
                subject=subject,
                not_before=start,
                not_after=end,
            )
            for root, suite in ((ROOT_SM2, SM2), (ROOT_P256, P256))
        )

        # 4. The seal, signed by its maker.
        es_id = f"{order.credit_code}{secrets.token_hex(7).upper()}"
        spec = SealSpec(
            es_id=es_id,
            vid=VENDOR,
            name=order.display_name,
            cert_list=(certificate,),
            created=start,
            valid_from=start,
            valid_to=end,
            picture_type="PNG",
            picture=image,
            width_mm=DIAMETER_MM,
            height_mm=DIAMETER_MM,
            type=_LEGAL_SEAL,
        )
        seal_data = make_seal(
            spec, maker=self._custody.key(MAKER), maker_certificate=hierarchy.maker
        )
        return HeldSeal(
            name=order.name,
            department=order.department,
            display_name=order.display_name,
            credit_code=order.credit_code,
            es_id=es_id,
            state=SealState.ACTIVE,
            start_time=start,
            end_time=end,
            seal_data=seal_data,
            image=image,
            diameter_mm=float(DIAMETER_MM),
            certificate=certificate,
            pdf_certificate=pdf_certificate,
        )

    def keep(self, work: UnitOfWork, seal: HeldSeal, *, actor: str) -> HeldSeal:
        """Make a draft the node's seal, in the caller's transaction. Raises AlreadyExists."""
        if store.find_seal(work.session, seal.name) is not None:
            raise _exists()
        store.add_seal(work.session, seal)
        work.record(
            make_record(
                "seal_created",
                at=self._clock.now(),
                actor=actor,
                facts={
                    "seal": seal.name,
                    "es_id": seal.es_id,
                    "seal_sha256": sha256(seal.seal_data).hexdigest(),
                    "certificate_sha256": sha256(seal.certificate).hexdigest(),
                    "pdf_certificate_sha256": sha256(seal.pdf_certificate).hexdigest(),
                },
            )
        )
        return seal

    def revoke(self, name: str, *, actor: str) -> HeldSeal:
        """End a seal for good; a repeat changes nothing. Raises NotFound (SEAL_NOT_FOUND)."""
        now = self._clock.now().replace(microsecond=0)
        with self._database.unit_of_work() as work:
            held = store.find_seal(work.session, name)
            if held is None:
                raise seal_not_found()
            if not store.revoke_seal(work.session, name, at=now):
                return held
            self._material.issue(work)
            work.record(make_record("seal_revoked", at=now, actor=actor, facts={"seal": name}))
        self._material.forget()
        return replace(held, state=SealState.REVOKED, revoked_at=now)

    def has_seals(self) -> bool:
        """Whether any seal was ever made here."""
        with self._database.reading() as session:
            return bool(store.page_of_seals(session, department=None, after="", limit=1))

    def get(self, name: str) -> HeldSeal:
        """One seal. Raises InvalidArgument (MALFORMED_NAME), NotFound (SEAL_NOT_FOUND)."""
        names.parse(names.SEAL, name)
        with self._database.reading() as session:
            held = store.find_seal(session, name)
        if held is None:
            raise seal_not_found()
        return held

    def page(
        self, parent: str, *, page_size: int, page_token: str
    ) -> tuple[Sequence[HeldSeal], str]:
        """A page of a department's seals, or of all (`departments/-`), and the next token."""
        department = names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
        limit = paging.page_size(page_size)
        with self._database.reading() as session:
            found = store.page_of_seals(
                session,
                department=None if department["department"] == names.ANY else parent,
                after=paging.last_of(page_token),
                limit=limit + 1,
            )
        shown = found[:limit]
        return shown, paging.token_after(shown[-1].name) if len(found) > limit else ""


def _exists() -> AlreadyExists:
    return AlreadyExists(
        "a seal of this name exists: take another seal_id",
        reason="SEAL_EXISTS",
        message_zh="同名印章已存在：请换一个 seal_id",
    )
