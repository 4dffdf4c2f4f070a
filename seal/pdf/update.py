"""How `seal.pdf.signing` seals: the update with stamps and signature, then what long proof adds.

The steps of a signature are pyHanko's (field, dictionary, byte range), the value is ours
(`seal.pdf.cms`): so the key signs what we announce, and nothing of the library signs or fetches.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import closing
from io import BytesIO
from typing import Any, Final

from pyhanko.pdf_utils.generic import (
    ArrayObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
)
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields
from pyhanko.sign.signers.cms_embedder import (
    PdfCMSEmbedder,
    SigIOSetup,
    SigMDPSetup,
    SigObjSetup,
)
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1, ISO32002
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from runtime.errors import DomainError, FailedPrecondition
from seal.pdf import cms, picture
from seal.pdf.one_reading import check_objects
from seal.pdf.page_tree import check_pages
from seal.pdf.pages import PdfPages, boxes, encrypted, hybrid, unreadable
from seal.pdf.reading import PlainReader
from seal.pdf.signing import Document, Level, PdfSealing
from seal.pki.timestamp_token import not_good
from seal.placement import At, Stamp
from seal.placing import place, refuse_covering
from seal.suites import suite
from seal.trust import parse_certificate

TOKEN_ROOM: Final = 12 * 1024
"""Octets left for a time-stamp; with four certificates of RSA-4096 one has some 8,000."""
_SPARE: Final = 64  # octets left empty after the value
_FIELD: Final = "Seal"
# Printed, and neither moved, changed nor clicked away (ISO 32000-2 §12.5.3).
_STAMP_FLAGS: Final = 4 | 64 | 128
_MAX_FIELDS: Final = 4096


class SealWriter(IncrementalPdfFileWriter):
    """An update that adds the seal and nothing else: the library would date the metadata anew."""

    def _update_meta(self) -> None:
        return


def seal(document: Document, wish: PdfSealing) -> BytesIO:
    """`seal.pdf.signing.seal_pdf`, once its wish is checked, up to B_T."""
    picture.prepare(wish.image_png)
    data = document if isinstance(document, bytes) else bytes(document)
    if not data.startswith(b"%PDF-"):
        raise unreadable()

    # 1. The document reads, is open for a seal, and the boxes are on its pages.
    try:
        writer, is_signed, name = _open(data)
        whole = not all(isinstance(one, At) for one in wish.placements)
        with closing(PdfPages(writer, data, whole=whole)) as pages:
            stamps = place(pages, wish.placements, wish.seal_size_mm)
            _check_stamps(stamps, is_signed=is_signed)
            # 2. Everything but the value: the appearances, the field, the byte range.
            embedding, digest, output = _prepare(
                writer, pages, stamps, wish, name=name, is_signed=is_signed
            )
    except DomainError:
        raise
    except Exception as error:  # the library raises anything on hostile bytes
        raise unreadable() from error

    if wish.placed is not None:
        wish.placed(len(stamps))

    # 3. The attributes, the signature, its time-stamp, the value.
    embedding.send(_value(digest, wish))
    return output


def _digest_of(wish: PdfSealing) -> str:
    return suite(wish.signer.suite_name).digest_name


def _value(digest: bytes, wish: PdfSealing) -> bytes:
    attributes = cms.signed_attributes(digest, certificate=wish.certificate)
    signature = wish.signer.sign(attributes)
    token = None
    if wish.level is not Level.B_B and wish.timestamper is not None:
        token = wish.timestamper.stamp(signature)
        if len(token) > TOKEN_ROOM:
            raise not_good("it is larger than a PDF has room for", "时间戳过大")
    return cms.signed_data(
        attributes,
        signature=signature,
        certificate=wish.certificate,
        chain=wish.chain,
        suite=wish.signer.suite_name,
        timestamp=token,
    )


def _room(wish: PdfSealing) -> int:
    """Octets to leave for the value: the same for the same certificates and level."""
    signer = wish.signer
    value = cms.signed_data(
        cms.signed_attributes(bytes(64), certificate=wish.certificate),
        signature=bytes(suite(signer.suite_name).longest_signature(signer.public_key)),
        certificate=wish.certificate,
        chain=wish.chain,
        suite=signer.suite_name,
        timestamp=None if wish.level is Level.B_B else bytes(TOKEN_ROOM),
    )
    return len(value) + _SPARE


def _open(data: bytes) -> tuple[IncrementalPdfFileWriter, bool, str]:
    """A writer for the update, whether an earlier signature stands, a free field name."""
    reader = PlainReader(data)
    if reader.encrypted:
        raise encrypted()
    if reader.xrefs.hybrid_xrefs_present:
        raise hybrid()
    check_objects(reader, data)
    check_pages(reader.root)
    listed = []
    for one in fields.enumerate_sig_fields(reader):
        listed.append(one)
        if len(listed) > _MAX_FIELDS:
            raise unreadable()
    filled = [(value.get_object(), field.get_object()) for _, value, field in listed if value]
    if any(_closes(value, field) for value, field in filled):
        raise FailedPrecondition(
            "the document allows no further signature", reason="PDF_CLOSED",
            message_zh="文件不允许再加盖印章",
        )  # fmt: skip
    names = " ".join(str(name) for name, _, _ in listed)
    used = [int(n) for n in re.findall(rf"\b{_FIELD}(\d{{1,6}})\b", names)]
    return SealWriter.from_reader(reader), bool(filled), f"{_FIELD}{max(used, default=0) + 1}"


def _closes(value: Any, field: Any) -> bool:
    """Whether a signature forbids every later one: DocMDP 1 of a certifying one, or the lock of
    any other (ISO 32000-2 §12.8.2.2, §12.7.5.5).
    """  # noqa: D205
    rules = [field["/Lock"]] if "/Lock" in field else []
    if "/Reference" in value:
        references = [one.get_object() for one in value["/Reference"]]
        rules += [one["/TransformParams"] for one in references if "/TransformParams" in one]
    return any(
        ("/P" in rule and rule["/P"] == 1) or ("/Action" in rule and rule["/Action"] == "/All")
        for rule in rules
    )


def _check_stamps(stamps: Sequence[Stamp], *, is_signed: bool) -> None:
    if is_signed and len(stamps) > 1:
        raise FailedPrecondition(
            "the document is signed already, and more than one further stamp would break that "
            "signature: ask for one place, or seal the document before others sign it",
            reason="PDF_ALREADY_SIGNED",
            message_zh="文件已有签名，再盖多处印章会使其失效：请只盖一处，或在他人签名之前盖章",
        )
    if is_signed:
        refuse_covering(stamps)


def _prepare(
    writer: IncrementalPdfFileWriter,
    pages: PdfPages,
    stamps: Sequence[Stamp],
    wish: PdfSealing,
    *,
    name: str,
    is_signed: bool,
) -> tuple[Generator[Any, Any, None], bytes, BytesIO]:
    """The library's steps up to the digest: what waits for the value, the digest, the file."""
    appearances = picture.Appearances(writer, wish.image_png)
    first, *others = stamps
    sheet = pages.sheet(first.page)
    whole, shown = boxes(sheet, first)
    close = wish.close
    spec = fields.SigFieldSpec(
        name,
        on_page=first.page - 1,
        box=shown,  # type: ignore[arg-type]  # numbers of either kind are written
        field_mdp_spec=fields.FieldMDPSpec(fields.FieldMDPAction.ALL) if close else None,
        doc_mdp_update_value=fields.MDPPerm.NO_CHANGES if close else None,
    )
    embedding: Generator[Any, Any, None] = PdfCMSEmbedder(spec).write_cms(name, writer)
    field = next(embedding).get_object()
    drawn = appearances.form(whole, shown, sheet.turn)
    field["/AP"] = DictionaryObject({NameObject("/N"): drawn})
    for stamp in others:
        _add_stamp(writer, pages, stamp, appearances)

    # What ETSI and ISO want declared: PAdES before PDF 2.0, and the curve (ISO/TS 32002).
    writer.ensure_output_version(version=(1, 7))
    if writer.output_version < (2, 0):
        writer.register_extension(ESIC_EXTENSION_1)
    writer.ensure_output_version(version=(2, 0))
    writer.register_extension(ISO32002)

    about = SignatureObject(
        timestamp=wish.signed_at,
        subfilter=fields.SigSeedSubFilter.PADES,
        name=parse_certificate(wish.certificate).subject_fields.get("CN"),
        reason=wish.reason or None,
        bytes_reserved=2 * _room(wish),
    )
    hashed = _digest_of(wish)
    # The first signature certifies; a later one can only lock, which readers honour less widely.
    forbid = SigMDPSetup(
        md_algorithm=hashed,
        certify=not is_signed,
        field_lock=fields.FieldMDPSpec(fields.FieldMDPAction.ALL),
        docmdp_perms=fields.MDPPerm.NO_CHANGES,
    )
    embedding.send(SigObjSetup(sig_placeholder=about, mdp_setup=forbid if close else None))
    output = BytesIO()
    prepared, _ = embedding.send(SigIOSetup(md_algorithm=hashed, output=output))
    return embedding, prepared.document_digest, output


def _add_stamp(
    writer: IncrementalPdfFileWriter,
    pages: PdfPages,
    stamp: Stamp,
    appearances: picture.Appearances,
) -> None:
    """A locked annotation (ISO 32000-2 §12.5.6.12)."""
    sheet = pages.sheet(stamp.page)
    whole, shown = boxes(sheet, stamp)
    annotation = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Annot"),
            NameObject("/Subtype"): NameObject("/Stamp"),
            NameObject("/Rect"): ArrayObject(FloatObject(f"{one:.3f}") for one in shown),
            NameObject("/F"): NumberObject(_STAMP_FLAGS),
            NameObject("/P"): sheet.reference,
            NameObject("/AP"): DictionaryObject(
                {NameObject("/N"): appearances.form(whole, shown, sheet.turn)}
            ),
        }
    )
    writer.register_annotation(sheet.reference, writer.add_object(annotation))
