"""Sealing a PDF: PAdES (ETSI EN 319 142-1) with the seal's picture as visible appearance.

1. The document's own bytes stay as they are; the seal is an incremental update after them.
2. Keys stay with their opener: the library writes the file, our Signer signs the attributes.
3. What PDF readers know: P-256 and RSA with SHA-256, Ed25519 with SHA-512; they know no SM2.
4. The time is the one given, not this machine's; nothing is fetched but time-stamps, and those by
   the `Timestamper` given.
5. Encrypted, damaged or hybrid files are refused: readers would see different documents.
6. All stamps of one sealing are under one signature. The first is the signature's own appearance;
   the others are locked annotations of the same update, which it covers.
7. Where an earlier signature stands, one stamp is all: readers take a further annotation for a
   change of what was signed, and rightly so.

The libraries behind it cost most of a second to load, so the first sealing loads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from runtime.errors import FailedPrecondition, InvalidArgument
from seal.keys.signers import Signer
from seal.pdf.cms import MAX_PDF
from seal.pki.certificates import parse_certificate
from seal.pki.crls import parse_crl
from seal.pki.timestamp import Timestamper
from seal.placement import Placement
from seal.suites import suite, suite_names

_PDF_DIGESTS: Final = frozenset({"sha256", "sha384", "sha512"})

Document = bytes | bytearray | memoryview


class Level(StrEnum):
    """The levels of ETSI EN 319 142-1 §6: each adds to the one before.

    B_T proves by a time-stamp that the signature was there then. B_LT brings the certificates and
    revocation lists to judge it by. B_LTA puts a time-stamp over it all.
    """

    B_B = "B-B"
    B_T = "B-T"
    B_LT = "B-LT"
    B_LTA = "B-LTA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What B_LT embeds besides the signer's chain: DER.

    `certificates` are the issuers of the time-stamp authority; `crls` are lists of every issuer, of
    the signer's and of the authority's.
    """

    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfSealing:
    """A checked wish, for `seal.pdf.update`."""

    signer: Signer
    certificate: bytes
    chain: tuple[bytes, ...]
    image_png: bytes
    placements: tuple[Placement, ...]
    seal_size_mm: tuple[float, float]
    signed_at: datetime
    reason: str
    level: Level
    timestamper: Timestamper | None
    evidence: Evidence
    close: bool
    placed: Callable[[int], None] | None


def seal_pdf(
    document: Document,
    *,
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes],
    image_png: bytes,
    placements: Sequence[Placement],
    seal_size_mm: tuple[float, float],
    signed_at: datetime,
    reason: str = "",
    level: Level = Level.B_B,
    timestamper: Timestamper | None = None,
    evidence: Evidence | None = None,
    close: bool = False,
    placed: Callable[[int], None] | None = None,
) -> bytes:
    """Seal a PDF; the result begins with the document as it was.

    `certificate` and `chain` (leaf to root) are DER, `signed_at` aware, sizes mm. `close` lets
    nobody change or sign the document after; B_LT and B_LTA may still be added to. `placed` is told
    how many stamps will show, before the key is asked. Raises:

    - InvalidArgument: `PDF_UNREADABLE`, `PDF_TOO_LARGE`, `STAMP_POSITION`, `KEYWORD_NOT_FOUND`,
      `SEAL_IMAGE`, `KEY_AND_CERTIFICATE_DIFFER`, `SUITE_NOT_FOR_PDF`,
      `TIMESTAMP_DIGEST_NOT_FOR_PDF`;
    - FailedPrecondition: `PDF_CLOSED` (an earlier signature allows no more), `PDF_ALREADY_SIGNED`
      (it allows one stamp only), `TIMESTAMP_NOT_CONFIGURED`, `REVOCATION_LISTS_MISSING`;
    - what the time-stamper raises.
    """
    known = evidence or Evidence()
    _check_key(signer, certificate)
    _check_proof(level, timestamper, (certificate, *chain), known)
    if len(document) > MAX_PDF:
        raise InvalidArgument(
            f"a PDF to be sealed has at most {MAX_PDF >> 20} MiB", reason="PDF_TOO_LARGE",
            message_zh=f"待签章的 PDF 不得超过 {MAX_PDF >> 20} MiB",
        )  # fmt: skip
    wish = PdfSealing(
        signer=signer,
        certificate=certificate,
        chain=tuple(chain),
        image_png=image_png,
        placements=tuple(placements),
        seal_size_mm=seal_size_mm,
        signed_at=signed_at,
        reason=reason,
        level=level,
        timestamper=timestamper,
        evidence=known,
        close=close,
        placed=placed,
    )
    from seal.pdf import update  # it costs most of a second

    sealed = update.seal(document, wish)
    if level in (Level.B_LT, Level.B_LTA):
        from seal.pdf import levels

        sealed = levels.prolong(sealed, wish)
    return sealed.getvalue()


def _check_key(signer: Signer, certificate: bytes) -> None:
    if not suite(signer.suite_name).signs_pdf:
        known = [name for name in suite_names() if suite(name).signs_pdf]
        raise InvalidArgument(
            f"PDF readers do not know {signer.suite_name}: seal it with a key for "
            f"{', '.join(known)}",
            reason="SUITE_NOT_FOR_PDF",
            message_zh=f"PDF 阅读器不支持 {signer.suite_name}：请使用 {'、'.join(known)} 密钥",
        )
    if parse_certificate(certificate).public_key != signer.public_key:
        raise InvalidArgument(
            "the certificate is not of the signing key", reason="KEY_AND_CERTIFICATE_DIFFER",
            message_zh="证书与签名私钥不匹配",
        )  # fmt: skip


def _check_proof(
    level: Level,
    timestamper: Timestamper | None,
    signers: Sequence[bytes],
    evidence: Evidence,
) -> None:
    if level is Level.B_B:
        return
    if timestamper is None:
        raise FailedPrecondition(
            f"level {level} needs a time-stamp authority", reason="TIMESTAMP_NOT_CONFIGURED",
            message_zh=f"{level} 级签名需要配置时间戳服务",
        )  # fmt: skip
    if timestamper.digest not in _PDF_DIGESTS:
        raise InvalidArgument(
            "time-stamps in a PDF are over SHA-256, SHA-384 or SHA-512: PDF readers know no SM3",
            reason="TIMESTAMP_DIGEST_NOT_FOR_PDF",
            message_zh="PDF 中的时间戳须使用 SHA-256、SHA-384 或 SHA-512",
        )
    if level is not Level.B_T:
        check_lists((*signers, *evidence.certificates), evidence.crls)


def check_lists(certificates: Sequence[bytes], crls: Sequence[bytes]) -> None:
    """Every certificate but the roots has a list of its issuer, or `REVOCATION_LISTS_MISSING`."""
    listed = {parse_crl(one).issuer_key for one in crls}
    for one in map(parse_certificate, certificates):
        if one.issuer_key != one.subject_key and one.issuer_key not in listed:
            raise FailedPrecondition(
                "long-term proof needs a revocation list of every issuer, of the signer's and of "
                "the time-stamp authority's: one is missing",
                reason="REVOCATION_LISTS_MISSING",
                message_zh="长期有效签名需要签名者和时间戳服务各级颁发者的吊销列表，现有缺失",
            )
