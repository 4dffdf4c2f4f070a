"""Sealing a PDF: PAdES B-B (ETSI EN 319 142-1) with the seal's picture as visible appearance.

1. The document's own bytes stay as they are; the seal is an incremental update after them.
2. Keys stay with their opener: the library writes the file, our Signer signs the attributes.
3. P-256 with SHA-256 only: PDF readers know no SM2.
4. The time is the one given, not this machine's; nothing is fetched from a network.
5. Encrypted, damaged or hybrid files are refused: readers would see different documents.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from pyhanko.pdf_utils.generic import DictionaryObject, NameObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1, ISO32002
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from runtime.errors import DomainError, FailedPrecondition, InvalidArgument
from seal import pdf_picture
from seal.cms import signed_attributes, signed_data
from seal.keys import Signer
from seal.suites import P256
from seal.trust import parse_certificate

_POINTS_PER_MM: Final = 72 / 25.4
_LONGEST_SIGNATURE: Final = 72  # DER SEQ{r, s} of P-256
_SPARE: Final = 64  # octets left empty after the value
_FIELD: Final = "Seal"
_DEEPEST_PAGE: Final = 64
_MAX_BYTES: Final = 64 * 1024 * 1024


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
    if parse_certificate(certificate).public_key != signer.public_key:
        raise InvalidArgument(
            "the certificate is not of the signing key", reason="KEY_AND_CERTIFICATE_DIFFER",
            message_zh="证书与签名私钥不匹配",
        )  # fmt: skip
    pdf_picture.prepare(image_png)

    # 2. The document reads, is open for a seal, and the box is on its page.
    writer, box, name = _open(document, page, rect_mm)

    # 3. Everything but the value: the field, the appearance, the byte range.
    about = SignatureObject(
        timestamp=signed_at,
        subfilter=fields.SigSeedSubFilter.PADES,
        name=parse_certificate(certificate).subject_fields.get("CN"),
        reason=reason or None,
        bytes_reserved=2 * _room(certificate, chain),
    )
    try:
        embedding, digest, output = _prepare(writer, about, image_png, (name, page - 1, box))
    except Exception as error:  # the library raises anything on hostile bytes
        raise _unreadable() from error

    # 4. The attributes, the signature, the value.
    attributes = signed_attributes(digest, certificate=certificate)
    signature = signer.sign(attributes)
    embedding.send(
        signed_data(attributes, signature=signature, certificate=certificate, chain=chain)
    )
    return output.getvalue()


def _room(certificate: bytes, chain: Sequence[bytes]) -> int:
    """Octets to leave for the value: the same for the same certificates."""
    attributes = signed_attributes(bytes(32), certificate=certificate)
    value = signed_data(
        attributes, signature=bytes(_LONGEST_SIGNATURE), certificate=certificate, chain=chain
    )
    return len(value) + _SPARE


def _prepare(
    writer: IncrementalPdfFileWriter,
    about: SignatureObject,
    image_png: bytes,
    place: tuple[str, int, tuple[int, int, int, int]],
) -> tuple[Generator[Any, Any, None], bytes, BytesIO]:
    """The library's steps up to the digest: what waits for the value, the digest, the file."""
    name, page, box = place
    spec = fields.SigFieldSpec(name, on_page=page, box=box)
    embedding: Generator[Any, Any, None] = PdfCMSEmbedder(spec).write_cms(name, writer)
    field = next(embedding).get_object()
    width, height = box[2] - box[0], box[3] - box[1]
    drawn = pdf_picture.add_appearance(writer, image_png, width=width, height=height)
    field["/AP"] = DictionaryObject({NameObject("/N"): drawn})

    # What ETSI and ISO want declared: PAdES before PDF 2.0, and the curve (ISO/TS 32002).
    writer.ensure_output_version(version=(1, 7))
    if writer.output_version < (2, 0):
        writer.register_extension(ESIC_EXTENSION_1)
    writer.ensure_output_version(version=(2, 0))
    writer.register_extension(ISO32002)

    embedding.send(SigObjSetup(sig_placeholder=about))
    output = BytesIO()
    prepared, _ = embedding.send(SigIOSetup(md_algorithm="sha256", output=output))
    return embedding, prepared.document_digest, output


def _unreadable() -> InvalidArgument:
    return InvalidArgument(
        "the PDF is damaged, encrypted or of a kind that readers see differently",
        reason="PDF_UNREADABLE",
        message_zh="PDF 文件已损坏、加密或结构不规范",
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
        if "/Perms" in reader.root:
            _refuse_closed(reader)
        writer = _SealWriter.from_reader(reader)
    except DomainError:
        raise
    except Exception as error:  # the library raises anything on hostile bytes
        raise _unreadable() from error
    return writer, box, f"{_FIELD}{max(used, default=0) + 1}"


def _refuse_closed(reader: PdfFileReader) -> None:
    """A certifying signature may forbid every change (ISO 32000-1 §12.8.2.2)."""
    from pyhanko.sign.validation import read_certification_data  # large, and rarely needed

    certified = read_certification_data(reader)
    if certified is not None and certified.permission == fields.MDPPerm.NO_CHANGES:
        raise FailedPrecondition(
            "the document allows no further signature", reason="PDF_CLOSED",
            message_zh="文件不允许再加盖印章",
        )  # fmt: skip


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
