"""Updates of a signed PDF: what others make passes, where seals lie is told, hostile files end."""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from datetime import timedelta
from functools import cache
from io import BytesIO
from typing import Any

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer

from seal.model import Check, Indication, Verdict
from seal.pdf.refused import UpdateRefused
from seal.pdf.revisions import _MOST_UPDATES
from seal.pdf.signing import Level
from seal.pdf.signing_steps import _pages
from seal.trust import Purpose, TrustAnchor, TrustStore
from seal.verify import assess
from tests.builders.forged_pdf_between import quietly, sealed_again
from tests.builders.forging_pdf import JUDGED, SEALED, PdfBench, Stamper, dictionary, name, plain
from tests.builders.seal_pki import BEGIN


@cache
def _bench() -> PdfBench:
    return PdfBench()


def _assess(data: bytes) -> Verdict:
    bench = _bench()
    time = frozenset({Purpose.TIMESTAMP})
    anchors = (
        TrustAnchor(name="root", certificate=bench.root.certificate, valid_from=BEGIN),
        TrustAnchor(
            name="time", certificate=bench.time_root.certificate, valid_from=BEGIN, purposes=time
        ),
    )
    lists = [data for path, data in bench.trust_folder().items() if path.endswith(".crl")]
    return assess(data, store=TrustStore(anchors=anchors, crls=tuple(lists)), now=JUDGED)


def _covers(data: bytes) -> list[Check]:
    verdict = _assess(data)
    return [one for one in verdict.all_checks() if one.name == "covers_document"]


def test_where_a_later_seal_lies_is_told_of_both() -> None:
    first, second = _covers(sealed_again(_bench(), _bench().sound))
    where = "42 x 42 mm of page 1, 20 mm from its left and 35 mm from its bottom"
    assert first.detail == f"only signatures were added since; a later seal covers {where}"
    assert second.detail == f"the whole file is covered; its seal covers {where}"
    assert (first.notice, second.notice) == (True, False)
    assert "第 1 页" in first.detail_zh


def _later(hours: int) -> Any:
    at = SEALED + timedelta(hours=hours, minutes=1)
    return Stamper(holder=_bench().stamper.holder, at=at)


@pytest.mark.parametrize("level", [Level.B_T, Level.B_LT, Level.B_LTA])
def test_many_seals_with_their_evidence(level: Level) -> None:
    data = plain()
    for hour in range(4):
        at = SEALED + timedelta(hours=hour)
        data = _bench().sealed(data, at=at, stamper=_later(hour), level=level, x_mm=20 + 40 * hour)
    assert _assess(data).indication is Indication.PASSED
    data = _bench().sealed(data, at=SEALED + timedelta(hours=9), close=True)
    assert _assess(data).indication is Indication.PASSED


def test_tables_that_are_streams() -> None:
    writer = copy_into_new_writer(PdfFileReader(BytesIO(plain())))
    writer.stream_xrefs = True
    out = BytesIO()
    writer.write(out)
    data = sealed_again(_bench(), _bench().sealed(out.getvalue()))
    assert _assess(data).indication is Indication.PASSED


def _with_certificate(writer: Any) -> None:
    held = writer.add_object(generic.StreamObject(stream_data=_bench().root.certificate))
    store = dictionary(Certs=generic.ArrayObject([held]))
    writer.root[name("DSS")] = writer.add_object(store)
    writer.update_root()


def test_updates_are_bounded() -> None:
    data = _bench().sound
    for number in range(_MOST_UPDATES + 1):
        data = quietly(data, _with_certificate)
        if number == 2:
            assert _covers(data)[0].indication is Indication.PASSED
    (check,) = _covers(data)
    assert check.indication is Indication.FAILED
    assert "too many updates" in check.detail


def test_pages_that_lead_to_themselves_end() -> None:
    writer = copy_into_new_writer(PdfFileReader(BytesIO(plain())))
    pages = writer.root["/Pages"]
    pages["/Kids"].append(writer.root.raw_get("/Pages"))
    with pytest.raises(UpdateRefused):
        list(_pages(pages))
