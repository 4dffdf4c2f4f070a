"""PAdES B-B seals of a PDF a second, against pyHanko doing the same alone.

The same document, box, certificate and key; what both make is accepted by the same judge before
anything is measured. The library compresses a picture anew for each document, we do so once a
picture: so it is also measured without any picture, and the aim is against that.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from asn1crypto import keys, x509
from PIL import Image
from pyhanko.pdf_utils.images import PdfImage
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import AxisAlignment, InnerScaling, SimpleBoxLayoutRule
from pyhanko.sign import fields, signers
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

from licenses.pages.pdf import write_pdf
from seal.model import Indication
from seal.pdf.signing import seal_pdf
from seal.placement import At
from seal.suites import P256
from seal.verify import assess
from tests.benchmarks.measure import Entry, compare, rate, rounded
from tests.builders.ofd import SEALED_AT, World, png, world
from tests.builders.pages import registration

_MM = 72 / 25.4
_RESERVED = 8192  # or it would make each signature twice, to see how long one is
_X, _Y, _SIZE, _HEIGHT = 120.0, 70.0, 42.0, 125.0


def run() -> Entry:
    """Seal a one-page license again and again, in one thread."""
    document, picture = write_pdf(registration()), png(size=496)
    ours = _ours(document, picture)
    theirs, drawing = _theirs(document, None), _theirs(document, picture)
    for sealed in (ours(), theirs(), drawing()):
        verdict = assess(sealed, store=world(P256).store(), now=datetime.now(UTC))
        if verdict.indication is not Indication.PASSED:
            raise RuntimeError(f"a sealed PDF is not good: {verdict.summary}")
    return compare(
        "seal-pdf",
        "documents/s",
        ours=lambda: rate(ours),
        theirs=lambda: rate(theirs),
        against="pyHanko's PdfSigner without a picture",
        aim=1.0,
        extra=lambda: {
            "theirs_with_the_picture": rounded(rate(drawing)),
            "bytes": {"document": len(document), "ours": len(ours()), "theirs": len(drawing())},
            "note": "a one-page license, PAdES B-B with a visible seal, P-256, one thread",
        },
    )


def _ours(document: bytes, picture: bytes) -> Callable[[], bytes]:
    here = world(P256)

    def once() -> bytes:
        return seal_pdf(
            document,
            signer=here.signer,
            certificate=here.certificate,
            chain=[here.root_certificate],
            image_png=picture,
            placements=[At(page=1, x_mm=_X, y_mm=_Y)],
            seal_size_mm=(_SIZE, _SIZE),
            signed_at=SEALED_AT,
            reason="示范",
        )

    return once


def _theirs(document: bytes, picture: bytes | None) -> Callable[[], bytes]:
    """What pyHanko's manual does, with the key of the same world."""
    here = world(P256)
    signer = _signer(here)
    image = None if picture is None else Image.open(BytesIO(picture)).convert("RGBA")
    fill = SimpleBoxLayoutRule(
        x_align=AxisAlignment.ALIGN_MID,
        y_align=AxisAlignment.ALIGN_MID,
        inner_content_scaling=InnerScaling.STRETCH_FILL,
    )
    left, top = _X * _MM, (_HEIGHT - _Y) * _MM
    corners = (left, top - _SIZE * _MM, left + _SIZE * _MM, top)
    box = tuple(round(one) for one in corners)
    about = signers.PdfSignatureMetadata(
        field_name="Seal1",
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        reason="示范",
        embed_validation_info=False,
    )

    def once() -> bytes:
        writer = IncrementalPdfFileWriter(BytesIO(document))
        style = StaticStampStyle(
            background=image and PdfImage(image, writer=writer),
            background_layout=fill,
            background_opacity=1.0,
            border_width=0,
        )
        pdf_signer = signers.PdfSigner(
            about,
            signer=signer,
            stamp_style=style,
            new_field_spec=fields.SigFieldSpec("Seal1", on_page=0, box=box),  # type: ignore[arg-type]
        )
        return bytes(pdf_signer.sign_pdf(writer, bytes_reserved=_RESERVED).getbuffer())

    return once


def _signer(here: World) -> Any:
    """A SimpleSigner, which takes the key itself."""
    held: Any = here.signer
    load = x509.Certificate.load
    others = SimpleCertificateStore()
    others.register(load(here.root_certificate))
    return signers.SimpleSigner(
        signing_cert=load(here.certificate),
        signing_key=keys.PrivateKeyInfo.load(held._suite.dump_private(held._key)),
        cert_registry=others,
        embed_roots=False,
    )
