"""What is told of a PDF's signature beside its verdict: two dates, and an encoding that is not DER.

Well-meaning makers write both, so neither is refused. Where there is nothing to be told there is no
check.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from datetime import timedelta
from typing import Final

from seal.judging.seal_checks import encoding_notice
from seal.judging.telling import moment, plain
from seal.model import Check, passed
from seal.pdf.opened_signature import OpenedPdfSignature, date_of

_ZONES: Final = timedelta(hours=24)  # as for OFD: a local time written as if it were UTC
_BER: Final = frozenset({"LENGTH_INDEFINITE", "LENGTH_NOT_SHORTEST", "FORM_CONFUSED"})


def check_date_time(one: OpenedPdfSignature) -> Check | None:
    """`/M`, which viewers show, is about the signingTime inside the value (RFC 5652 §11.3).

    PAdES allows only one of the two (ETSI EN 319 142-1 §6.3), the older CMS both.
    """
    written, signed = one.embedded.sig_object.get("/M"), one.signer.signed_at
    if signed is None or written is None:
        return None
    try:
        shown = date_of(one.embedded)
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        shown = None
    if shown is not None and abs(shown - signed) <= _ZONES:
        return None
    told = plain(str(written))
    return passed(
        "signature_date_time",
        "the PDF tells another time (M) than the signature does, which counts",
        "PDF 中的时间（M）与签名时间不一致，以签名时间为准",
        notice=True,
        against=(f"M {told}; signed {moment(signed)}", f"M {told}；签名 {moment(signed)}"),
    )


def check_encoding(one: OpenedPdfSignature) -> Check | None:
    """ISO 32000-2 §12.8.3.3 asks for DER; others' lists and certificates are not the signer's."""
    found = tuple(finding for finding in one.value.findings if finding.name in _BER)
    return encoding_notice("signature_encoding", found) if found else None
