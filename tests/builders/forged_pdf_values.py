"""Forged PDFs: what nobody signed of a signature value, and time-stamps out of order."""

from __future__ import annotations

from datetime import timedelta

from seal import der
from tests.builders.forging_pdf import SEALED, PdfBench, forgery
from tests.builders.tokens import bent, unsigned

_MONTH = timedelta(days=30)


@forgery(
    "ambiguous_value", "signature_format",
    "the signature value has an unsigned attribute that nobody knows",
    "签名值含有未知的未签名属性",
)  # fmt: skip
def value_with_attribute(bench: PdfBench) -> bytes:
    junk = unsigned("1.3.6.1.4.1.99999.9", der.octets(b"VOID" * 20))
    return bench.with_value(bent(bench.roomy_value, attribute=junk), bench.roomy)


@forgery(
    "ambiguous_value", "signature_format",
    "the signature value has a text where revocation lists belong",
    "签名值的吊销列表处夹带文字",
)  # fmt: skip
def value_with_text(bench: PdfBench) -> bytes:
    return bench.with_value(bent(bench.roomy_value, lists=[der.octets(b"VOID" * 20)]), bench.roomy)


@forgery(
    "time_stamp", "time_stamp",
    "the time-stamp over the whole document is from before the signature that it covers",
    "文档时间戳早于其所覆盖的签名",
    reason="TIME_STAMP_TOO_EARLY",
)  # fmt: skip
def document_stamp_before_signing(bench: PdfBench) -> bytes:
    return bench.later_stamped(bench.sound, SEALED - _MONTH)


@forgery(
    "time_stamp", "time_stamp",
    "a second time-stamp over the document is from before the first",
    "后加的文档时间戳早于在先的文档时间戳",
    reason="TIME_STAMP_TOO_EARLY",
)  # fmt: skip
def document_stamp_before_another(bench: PdfBench) -> bytes:
    first = bench.later_stamped(bench.sound, SEALED + 2 * _MONTH)
    return bench.later_stamped(first, SEALED + _MONTH)
