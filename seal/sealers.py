"""What is made of a document or a digest, in each format: prepared, announced, signed, assembled.

A sealer never asks a key before it has announced what is to be signed, whole, and `announce` has
returned. To add a format, write its function and put it in `SEALERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from io import BufferedRandom
from typing import Final

from runtime.errors import FailedPrecondition
from runtime.threads import in_passing_thread
from seal import credentials
from seal.incoming import mapped, writing
from seal.keys.custody import Custody
from seal.keys.hierarchy import check_pair
from seal.keys.signers import Signer
from seal.ofd.signing import finish_ofd, finish_ofd_into, prepare_ofd
from seal.orders import Document, Format, Proof, SealingOrder
from seal.pdf.signing import Evidence, Level, seal_pdf
from seal.pki.timestamp import Timestamper
from seal.registry import HeldSeal
from seal.ses import assemble_signature, to_be_signed
from seal.suites import P256, SM2, SM2_SM3_OID

Announce = Callable[[bytes, int], None]
"""Takes what is to be signed (of several messages, one after the other), and how many stamps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One sealing: the wish, the seal, the time, and where the sealed document goes.

    `into` is an empty file for it, or None for memory.
    """

    order: SealingOrder
    held: HeldSeal
    at: datetime
    announce: Announce
    timestamper: Timestamper | None
    evidence: Evidence
    into: BufferedRandom | None = None


Sealer = Callable[[Custody, Task], Document]


def check_timestamper(order: SealingOrder, timestamper: Timestamper | None) -> None:
    """Raises FailedPrecondition (TIMESTAMP_NOT_CONFIGURED) where the wish needs one."""
    if order.proof is not Proof.BASIC and timestamper is None:
        raise FailedPrecondition(
            "this node has no time-stamp authority: set `timestamp_url` and `timestamp_anchors` "
            "under [seal] in its settings, or leave out `level`",
            reason="TIMESTAMP_NOT_CONFIGURED",
            message_zh="本节点未配置时间戳服务：请在配置的 [seal] 中设置 timestamp_url 和 "
            "timestamp_anchors，或不填 level",
        )


def _stamped(task: Task, signature: bytes) -> bytes | None:
    if task.order.proof is Proof.BASIC or task.timestamper is None:
        return None
    return task.timestamper.stamp(signature)


def seal_as_ofd(custody: Custody, task: Task) -> Document:
    """SES in the seal's own version, with its SM2 key (GB/T 38540-2020, GM/T 0031-2025)."""
    order, held = task.order, task.held
    prepared = in_passing_thread(  # it reads a stranger's XML
        partial(
            prepare_ofd,
            order.document,
            seal=held.seal_data,
            placements=order.placements,
            seal_size_mm=(held.width_mm, held.height_mm),
            signed_at=task.at,
            close=order.close,
            integrity_entries=order.integrity_entries,
        )
    )
    signer = custody.seal_key(held.name, SM2)
    check_pair(signer, held.certificate)
    task.announce(prepared.tbs + (prepared.integrity_tbs or b""), prepared.stamp_count)
    signature = signer.sign(prepared.tbs)
    timestamp = _stamped(task, signature)
    listed = prepared.integrity_tbs and signer.sign(prepared.integrity_tbs)
    if task.into is None:
        return finish_ofd(
            prepared,
            signature=signature,
            certificate=held.certificate,
            timestamp=timestamp,
            integrity_signature=listed,
        )
    with writing():
        finish_ofd_into(
            prepared,
            task.into,
            signature=signature,
            certificate=held.certificate,
            timestamp=timestamp,
            integrity_signature=listed,
        )
        return mapped(task.into)


def seal_as_pdf(custody: Custody, task: Task) -> Document:
    """PAdES with the seal's P-256 key."""
    order, held = task.order, task.held
    signer = custody.seal_key(held.name, P256)
    check_pair(signer, held.pdf_certificate)
    announcing = _Announcing(signer, task.announce)
    sealed = seal_pdf(
        order.document,
        signer=announcing,
        certificate=held.pdf_certificate,
        chain=(custody.hierarchy.root_p256,),
        image_png=held.image,
        placements=order.placements,
        seal_size_mm=(held.width_mm, held.height_mm),
        signed_at=task.at,
        level=_LEVELS[order.proof],
        timestamper=task.timestamper,
        evidence=task.evidence,
        close=order.close,
        placed=announcing.placed,
    )
    if task.into is None:
        return sealed
    with writing():
        task.into.write(sealed)
        return mapped(task.into)


_LEVELS: Final = {
    Proof.BASIC: Level.B_B,
    Proof.TIMESTAMPED: Level.B_T,
    Proof.LONG_TERM: Level.B_LT,
    Proof.ARCHIVAL: Level.B_LTA,
}


def seal_digest(custody: Custody, task: Task) -> Document:
    """A detached SES_Signature over what another system digested."""
    order, held = task.order, task.held
    if order.digest is None:
        raise AssertionError("a digest is sealed where there is one")
    tbs = to_be_signed(
        seal=held.seal_data,
        signed_at=task.at,
        data_hash=order.digest.value,
        property_info=order.digest.property_info,
    )
    signer = custody.seal_key(held.name, SM2)
    check_pair(signer, held.certificate)
    task.announce(tbs, 0)
    signature = signer.sign(tbs)
    return assemble_signature(
        tbs,
        certificate=held.certificate,
        signature=signature,
        suite_oid=SM2_SM3_OID,
        timestamp=_stamped(task, signature),
    )


def sign_credential(custody: Custody, task: Task) -> Document:
    """The compact JWS of an SD-JWT VC, with the seal's P-256 key (RFC 9901)."""
    held = task.held
    signer = custody.seal_key(held.name, P256)
    check_pair(signer, held.pdf_certificate)
    tbs = credentials.to_be_signed(bytes(task.order.document), held.pdf_certificate)
    task.announce(tbs, 0)
    return credentials.assemble(tbs, signer.sign(tbs))


SEALERS: Final[Mapping[Format, Sealer]] = {
    Format.OFD: seal_as_ofd,
    Format.PDF: seal_as_pdf,
    Format.DIGEST: seal_digest,
    Format.SD_JWT: sign_credential,
}


class _Announcing:
    """A signer that says what it is about to sign, and signs only once that is noted."""

    __slots__ = ("_announce", "_signer", "_stamps")

    def __init__(self, signer: Signer, announce: Announce) -> None:
        self._signer = signer
        self._stamps = 0
        self._announce = announce

    def placed(self, stamps: int) -> None:
        """Note how many stamps will show."""
        self._stamps = stamps

    @property
    def suite_name(self) -> str:
        return self._signer.suite_name

    @property
    def public_key(self) -> bytes:
        return self._signer.public_key

    def sign(self, message: bytes) -> bytes:
        self._announce(message, self._stamps)
        return self._signer.sign(message)
