"""Sealing a PDF: PAdES B-B (ETSI EN 319 142-1) with the seal's picture as visible appearance.

1. The document's own bytes stay as they are; the seal is an incremental update after them.
2. Keys stay with their opener: the library hands over the signed attributes, our Signer signs.
3. P-256 with SHA-256 only: PDF readers know no SM2.
4. The time is the one given, not this machine's; nothing is fetched from a network.
5. Encrypted, damaged or hybrid files are refused: readers would see different documents.
"""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from asn1crypto import x509
from asn1crypto.algos import SignedDigestAlgorithm
from PIL import Image
from pyhanko.pdf_utils.images import PdfImage
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import (
    AxisAlignment,
    InnerScaling,
    Margins,
    SimpleBoxLayoutRule,
)
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields, signers
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

from runtime.errors import FailedPrecondition, InvalidArgument
from seal.keys import Signer
from seal.suites import P256
from seal.trust import parse_certificate

_POINTS_PER_MM: Final = 72 / 25.4
_LONGEST_SIGNATURE: Final = 72  # DER SEQ{r, s} of P-256
_FIELD: Final = "Seal"
_DEEPEST_PAGE: Final = 64
_MAX_BYTES: Final = 64 * 1024 * 1024


class _HeldSigner(signers.Signer):
    """Lets pyHanko ask our Signer; it never sees a key."""

    def __init__(self, signer: Signer, certificate: bytes, chain: Sequence[bytes]) -> None:
        registry = SimpleCertificateStore()
        registry.register_multiple(x509.Certificate.load(one) for one in chain)
        super().__init__(
            signing_cert=x509.Certificate.load(certificate),
            cert_registry=registry,
            signature_mechanism=SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            embed_roots=False,
        )
        self._signer = signer

    async def async_sign_raw(
        self, data: bytes, digest_algorithm: str, dry_run: bool = False
    ) -> bytes:
        """The raw signature, or as many zero bytes for an estimate."""
        if digest_algorithm != "sha256":
            raise SigningError("only SHA-256 is signed")
        return b"\x00" * _LONGEST_SIGNATURE if dry_run else self._signer.sign(data)


class _SealWriter(IncrementalPdfFileWriter):
    """An update that adds the seal and nothing else: the library would date the metadata anew."""

    def _update_meta(self) -> None:
        return


def seal_pdf(
    document: bytes,
    *,
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes],
    image_png: bytes,
    page: int,
    rect_mm: tuple[float, float, float, float],
    signed_at: datetime,
    reason: str = "",
) -> bytes:
    """Seal a PDF; the result begins with the document as it was.

    `page` counts from 1; `rect_mm` is x, y, width, height from the page's upper left corner.
    `certificate` and `chain` are DER, `signed_at` aware. Raises InvalidArgument (`PDF_UNREADABLE`,
    `STAMP_POSITION`, `SEAL_IMAGE`, `KEY_AND_CERTIFICATE_DIFFER`, `SUITE_NOT_FOR_PDF`) or
    FailedPrecondition (`PDF_CLOSED`: an earlier signature allows no more).
    """
    # 1. The key, its certificate and the picture fit.
    if signer.suite_name != P256:
        raise InvalidArgument(
            "a PDF is sealed with a P-256 key", reason="SUITE_NOT_FOR_PDF",
            message_zh="PDF 签章须使用 P-256 密钥",
        )  # fmt: skip
    if parse_certificate(certificate).public_point != signer.public_point:
        raise InvalidArgument(
            "the certificate is not of the signing key", reason="KEY_AND_CERTIFICATE_DIFFER",
            message_zh="证书与签名私钥不匹配",
        )  # fmt: skip
    style = _appearance(image_png)

    # 2. The document reads, and the box is on its page.
    writer, box, name = _open(document, page, rect_mm)

    # 3. Sign: the field, the appearance, the byte range, the attributes, the value.
    metadata = signers.PdfSignatureMetadata(
        field_name=name,
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        reason=reason or None,
        name=parse_certificate(certificate).subject_fields.get("CN"),
    )
    sealing = signers.PdfSigner(
        metadata,
        signer=_HeldSigner(signer, certificate, chain),
        stamp_style=style,
        new_field_spec=fields.SigFieldSpec(name, on_page=page - 1, box=box),
    )
    try:
        return _run(lambda: _sign(sealing, writer, signed_at))
    except SigningError as error:
        raise FailedPrecondition(
            "the document allows no further signature", reason="PDF_CLOSED",
            message_zh="文件不允许再加盖印章",
        ) from error  # fmt: skip
    except PdfError as error:
        raise _unreadable() from error


async def _sign(
    sealing: signers.PdfSigner, writer: IncrementalPdfFileWriter, signed_at: datetime
) -> bytes:
    """The library's own steps, with our time in place of the clock's."""
    session = sealing.init_signing_session(writer)
    session.system_time = signed_at
    presign = await session.perform_presign_validation(writer)
    reserved = await session.estimate_signature_container_size(presign, tight=False)
    to_sign = session.prepare_tbs_document(validation_info=presign, bytes_reserved=reserved)
    output = BytesIO()
    prepared, _ = to_sign.digest_tbs_document(output=output)
    finished = await to_sign.perform_signature(
        document_digest=prepared.document_digest,
        pdf_cms_signed_attrs=PdfCMSSignedAttributes(signing_time=signed_at),
    )
    await finished.post_signature_processing(output)
    return output.getvalue()


def _run(make: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
    """Run to the end, also when this thread already runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    result: list[bytes | BaseException] = []

    def other_thread() -> None:
        try:
            result.append(asyncio.run(make()))
        except BaseException as error:  # noqa: BLE001  (carried to the caller's thread)
            result.append(error)

    thread = threading.Thread(target=other_thread)
    thread.start()
    thread.join()
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]


def _unreadable() -> InvalidArgument:
    return InvalidArgument(
        "the PDF is damaged, encrypted or of a kind that readers see differently",
        reason="PDF_UNREADABLE",
        message_zh="PDF 文件已损坏、加密或结构不规范",
    )


def _appearance(image_png: bytes) -> StaticStampStyle:
    """The picture fills the box, whatever its aspect; transparency is kept."""
    try:
        picture = Image.open(BytesIO(image_png), formats=["PNG"])
        picture.load()
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidArgument(
            "the seal's picture is not a readable PNG", reason="SEAL_IMAGE",
            message_zh="印章图片不是有效的 PNG",
        ) from error  # fmt: skip
    return StaticStampStyle(
        border_width=0,
        background=PdfImage(picture.convert("RGBA")),
        background_opacity=1.0,
        background_layout=SimpleBoxLayoutRule(
            x_align=AxisAlignment.ALIGN_MID,
            y_align=AxisAlignment.ALIGN_MID,
            margins=Margins.uniform(0),
            inner_content_scaling=InnerScaling.STRETCH_TO_FIT,
        ),
    )


def _open(
    document: bytes, page: int, rect_mm: tuple[float, float, float, float]
) -> tuple[IncrementalPdfFileWriter, tuple[int, int, int, int], str]:
    """A writer for the update, the box in points (origin lower left) and a free field name."""
    if len(document) > _MAX_BYTES or not document.startswith(b"%PDF-"):
        raise _unreadable()
    try:
        reader = PdfFileReader(BytesIO(document), strict=True)
        if reader.encrypted or reader.xrefs.hybrid_xrefs_present:
            raise _unreadable()
        pages = int(reader.root["/Pages"]["/Count"])
        if not 1 <= page <= pages:
            raise _bad_position("there is no such page")
        parent, index, _ = reader.find_page_container(page - 1)
        leaf = parent.get_object()["/Kids"][index].get_object()
        box = _box(_inherited(leaf), rect_mm)
        used = [int(n) for n in re.findall(rf"\b{_FIELD}(\d{{1,6}})\b", _field_names(reader))]
        writer = _SealWriter.from_reader(reader)
    except (PdfError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _unreadable() from error
    return writer, box, f"{_FIELD}{max(used, default=0) + 1}"


def _field_names(reader: PdfFileReader) -> str:
    return " ".join(str(name) for name, _, _ in fields.enumerate_sig_fields(reader))


def _inherited(leaf: Any) -> tuple[list[float], int]:
    """The page's visible box and rotation, its own or inherited (ISO 32000-1 §7.7.3.4)."""
    values: dict[str, Any] = {}
    node = leaf
    for _ in range(_DEEPEST_PAGE):
        for key in ("/CropBox", "/MediaBox", "/Rotate"):
            if key in node:
                values.setdefault(key, node[key])
        if "/Parent" not in node:
            break
        node = node["/Parent"]
    box = [float(one) for one in values.get("/CropBox", values.get("/MediaBox", ()))]
    return box, int(values.get("/Rotate", 0))


def _bad_position(what: str) -> InvalidArgument:
    return InvalidArgument(
        f"the seal cannot be placed: {what}", reason="STAMP_POSITION",
        message_zh="印章位置不正确",
    )  # fmt: skip


def _box(
    page: tuple[list[float], int], rect_mm: tuple[float, float, float, float]
) -> tuple[int, int, int, int]:
    """Millimetres from the upper left corner to whole points from the lower left one."""
    (left, bottom, right, top), rotation = page[0], page[1]
    x, y, width, height = (value * _POINTS_PER_MM for value in rect_mm)
    if rotation % 360:
        raise _bad_position("the page is rotated")
    if min(x, y) < 0 or min(width, height) <= 0 or x + width > right - left or y + height > top - bottom:  # fmt: skip  # noqa: E501
        raise _bad_position("the box is not on the page")
    corners = (left + x, top - y - height, left + x + width, top - y)
    return tuple(round(value) for value in corners)  # type: ignore[return-value]
