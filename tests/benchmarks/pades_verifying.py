"""PAdES validations a second, against pyHanko's own of the same files.

Both look for the signature, compare the file's revisions, check the digest and the signature and
build the chain to the same root. Ours answers some twenty questions on top, by name and in two
languages; theirs keeps its validation context, as ours its trust store.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from itertools import cycle
from typing import Any

from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from licenses.pages.pdf import write_pdf
from runtime.clock import SYSTEM
from seal.model import Indication
from seal.pdf.signing import seal_pdf
from seal.placement import At
from seal.suites import P256
from seal.verify import assess
from tests.benchmarks.measure import Entry, compare, rate
from tests.builders.ofd import SEALED_AT, later, png, world
from tests.builders.pages import registration

_DOCUMENTS = 20


def run() -> Entry:
    """Validate different one-page licenses again and again, in one thread."""
    documents = _documents()
    ours, theirs = _ours(), _theirs()
    for document in documents:
        ours(document)
        theirs(document)
    mine, other = cycle(documents), cycle(documents)
    return compare(
        "verify-pdf",
        "documents/s",
        ours=lambda: rate(lambda: ours(next(mine))),
        theirs=lambda: rate(lambda: theirs(next(other))),
        against="pyHanko's validate_pdf_signature with a validation context that it keeps",
        aim=1.0,
        extra=lambda: {
            "bytes": len(documents[0]),
            "note": f"{_DOCUMENTS} different one-page licenses, PAdES B-B with a visible seal, "
            "P-256, one thread; both check digest, signature, chain, coverage and revisions",
        },
    )


def _documents() -> list[bytes]:
    here = world(P256)
    page, picture = write_pdf(registration()), png(size=496)
    return [
        seal_pdf(
            page,
            signer=here.signer,
            certificate=here.certificate,
            chain=[here.root_certificate],
            image_png=picture,
            placements=[At(page=1, x_mm=120, y_mm=70)],
            seal_size_mm=(42, 42),
            signed_at=later(number),
            reason="示范",
        )
        for number in range(_DOCUMENTS)
    ]


def _ours() -> Callable[[bytes], None]:
    store, now = world(P256).store(), SYSTEM.now()

    def judge(document: bytes) -> None:
        verdict = assess(document, store=store, now=now)
        if verdict.indication is not Indication.PASSED:
            raise RuntimeError(f"a sealed PDF is not good: {verdict.summary}")

    return judge


def _theirs() -> Callable[[bytes], None]:
    """What pyHanko's manual does; it holds the certificates' dates against the signing time."""
    root = x509.Certificate.load(world(P256).root_certificate)
    context: Any = ValidationContext(trust_roots=[root], allow_fetching=False, moment=SEALED_AT)

    def judge(document: bytes) -> None:
        reader = PdfFileReader(BytesIO(document))
        status = validate_pdf_signature(reader.embedded_signatures[0], context)
        if not status.bottom_line or status.coverage != SignatureCoverageLevel.ENTIRE_FILE:
            raise RuntimeError(f"the library does not take it: {status.summary()}")

    return judge
