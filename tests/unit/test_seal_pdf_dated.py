"""Dates of the metadata that an update sets anew after the last signature, as the PDF library and
others do whenever they add evidence: told, where they are dates.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any

import pytest
from asn1crypto import x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.validation.dss import DocumentSecurityStore

from seal.model import Check, Indication
from seal.trust import TrustStore
from seal.verify import assess
from tests.builders.forged_pdf_between import quietly, sealed_again
from tests.builders.forging_pdf import JUDGED, PdfBench, name


@cache
def _bench() -> PdfBench:
    return PdfBench()


def _covers(data: bytes) -> list[Check]:
    checks = assess(data, store=TrustStore(), now=JUDGED).all_checks()
    return [one for one in checks if one.name == "covers_document"]


def _cover(data: bytes) -> Check:
    (found,) = _covers(data)
    return found


def _with_store(data: bytes) -> bytes:
    """With evidence, as the library adds it: it dates information and XMP by its clock."""
    writer, out = IncrementalPdfFileWriter(BytesIO(data)), BytesIO()
    held = x509.Certificate.load(_bench().root.certificate)
    DocumentSecurityStore.supply_dss_in_writer(writer, None, certs=[held])
    writer.write(out)
    return out.getvalue()


def _dated(**entries: str) -> Callable[[Any], None]:
    def change(writer: Any) -> None:
        held = writer.trailer_view["/Info"]
        for key, text in entries.items():
            held[name(key)] = generic.pdf_string(text)
        writer.update_container(held)

    return change


def test_evidence_of_the_library_may_date_the_metadata() -> None:
    once = _with_store(_bench().sound)
    told = _cover(once)
    assert (told.indication, told.notice) == (Indication.PASSED, True)
    assert "only evidence was added since, and the metadata dated anew" in told.detail
    assert "更新了元数据日期" in told.detail_zh
    assert _cover(_with_store(once)).indication is Indication.PASSED


@pytest.mark.parametrize("date", ["D:20260702101112+08'00'", "D:20260702101112Z", "D:2026"])
def test_a_date_may_follow_the_last_signature(date: str) -> None:
    told = _cover(quietly(_bench().sound, _dated(ModDate=date, Producer="Example 1.0")))
    assert (told.indication, told.notice) == (Indication.PASSED, True)


@pytest.mark.parametrize(
    "entries",
    [{"ModDate": "VOID since March"}, {"ModDate": "D:2026 VOID"}, {"Producer": "a\x01b"},
     {"Producer": "x" * 201}, {"Title": "VOID"}, {"CreationDate": "D:20200101"}],
)  # fmt: skip
def test_nothing_else_of_the_information_may(entries: dict[str, str]) -> None:
    changed = quietly(_bench().sound, _dated(**entries))
    for data in (changed, sealed_again(_bench(), changed)):
        told = _covers(data)[0]
        assert (told.indication, told.reason) == (Indication.FAILED, "CHANGED_SINCE")
