"""One signature of a PDF, opened for its checks (`seal.pdf.checks`)."""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from seal import der
from seal.ofd.signed_data import CMS, DataSigner, SignedData, parse_signed_data
from seal.pdf.mathematics import Mathematics, judge
from seal.pdf.opening import PADES, FoundSignature
from seal.pdf.refused import UpdateRefused
from seal.pdf.revisions import Updates
from seal.pdf.signing_steps import Laid
from seal.pdf.timestamps import SignatureTime, signature_time
from seal.trust import TrustStore

NAMING: Final = frozenset({"1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"})
"""The attributes signing-certificate and signing-certificate-v2 (RFC 5035)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPdfSignature:
    """One embedded signature as read, and how the file went on after it.

    `value` is its CMS, `form` the bytes of that; `level` says what was changed since, None where
    nobody can say, and `refused` why that may not be. `laid` is where its seal lies, if others
    signed before it; `laid_since` where later ones lie; `earlier` is when the good signatures
    before it were there.
    """

    label: str
    kind: str
    embedded: EmbeddedPdfSignature
    value: SignedData
    form: bytes
    mathematics: Mathematics
    coverage: SignatureCoverageLevel
    level: ModificationLevel | None
    refused: UpdateRefused | None
    laid: tuple[Laid, ...]
    laid_since: tuple[Laid, ...]
    earlier: datetime | None
    is_allowed: bool
    signed_at: datetime | None
    stamped: SignatureTime | None
    is_last: bool
    store: TrustStore
    now: datetime

    @property
    def signer(self) -> DataSigner:
        """There is one (`unsigned_of`)."""
        return self.value.signers[0]

    @property
    def certificate(self) -> bytes:
        """The signer's; empty where it is not there."""
        return self.signer.certificate or b""

    @property
    def names_certificate(self) -> bool:
        """Whether its signed attributes name the signer's certificate."""
        return not NAMING.isdisjoint(self.signer.named)

    @property
    def is_pades(self) -> bool:
        """ETSI EN 319 142-1 §4.1, §6.3: by its word, and by naming the signer's certificate."""
        return self.kind == PADES and self.names_certificate


def open_signature(
    found: FoundSignature,
    embedded: EmbeddedPdfSignature,
    policy: Any,
    updates: Updates,
    *,
    is_last: bool,
    earlier: datetime | None,
    store: TrustStore,
    now: datetime,
) -> OpenedPdfSignature:
    """Read a signature and what followed it. Raises whatever the library does on hostile bytes."""
    form = next(der.elements(bytes(embedded.pkcs7_content))).raw
    value = parse_signed_data(form, standard=CMS)
    signer = value.signers[0]
    signed_at = signer.signed_at or date_of(embedded)
    embedded.compute_integrity_info(diff_policy=policy)
    status = embedded.summarise_integrity_info()
    return OpenedPdfSignature(
        label=found.label,
        kind=found.kind,
        embedded=embedded,
        value=value,
        form=form,
        mathematics=judge(embedded, value),
        coverage=status["coverage"],
        level=getattr(status["diff_result"], "modification_level", None),
        refused=status["diff_result"] if isinstance(status["diff_result"], UpdateRefused) else None,
        is_allowed=bool(status["docmdp_ok"]),
        laid=updates.laid_by(embedded.signed_revision),
        laid_since=updates.laid_after(embedded.signed_revision),
        earlier=earlier,
        signed_at=signed_at,
        stamped=signature_time(
            signer.stamps, signer.signature, store, signed_at=signed_at, now=now
        ),
        is_last=is_last,
        store=store,
        now=now,
    )


def date_of(embedded: EmbeddedPdfSignature) -> datetime | None:
    """What the signature dictionary says; without a zone it is taken as UTC."""
    written = embedded.sig_object.get("/M")
    if written is None:
        return None
    said: datetime = generic.parse_pdf_date(written, strict=True)
    return (said if said.tzinfo else said.replace(tzinfo=UTC)).astimezone(UTC)
