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
from pyhanko.sign.diff_analysis import StandardDiffPolicy
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm, SigFieldSpec
from pyhanko.sign.signers.cms_embedder import (
    PdfCMSEmbedder,
    SigIOSetup,
    SigMDPSetup,
    SigObjSetup,
)
from pyhanko.sign.signers.pdf_byterange import SignatureObject
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from seal.model import Check, Indication, Verdict
from seal.pdf.refused import UpdateRefused
from seal.pdf.revisions import _UPDATES_EACH, _UPDATES_SPARE, Updates
from seal.pdf.signing import Level
from seal.pdf.signing_steps import _pages
from seal.pdf.update import SealWriter
from seal.trust import Purpose, TrustAnchor, TrustStore
from seal.verify import assess
from tests.builders.forged_pdf_between import quietly, sealed_again, sealed_in
from tests.builders.forgeries_pdf import ROOMS
from tests.builders.forging_pdf import (
    FORGERIES,
    JUDGED,
    SEALED,
    PdfBench,
    Stamper,
    dictionary,
    name,
    plain,
)
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


@pytest.mark.parametrize(
    ("flags", "words", "words_zh"),
    [
        (132, "", ""),
        (134, "hidden: no reader shows it", "已隐藏"),
        (32, "hidden: no reader shows it", "已隐藏"),
        (36, "hidden on the screen", "仅打印时显示"),
    ],
)
def test_a_later_seal_that_is_hidden_is_told_as_hidden(
    flags: int, words: str, words_zh: str
) -> None:
    data = sealed_in(_bench(), (40, 40, 160, 160), F=generic.NumberObject(flags))
    first, second = _covers(data)
    assert first.notice
    for one in (first, second):
        assert one.indication is Indication.PASSED
        assert ("hidden" in one.detail, "隐藏" in one.detail_zh) == (bool(words), bool(words))
        assert words in one.detail
        assert words_zh in one.detail_zh


def test_flags_of_a_seal_that_do_not_read_are_refused() -> None:
    data = sealed_in(_bench(), (40, 40, 160, 160), F=name("Hidden"))
    assert _covers(data)[0].reason == "CHANGED_SINCE"


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


def test_updates_are_bounded_before_any_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    data = _bench().sound
    for number in range(_UPDATES_EACH + _UPDATES_SPARE):
        data = quietly(data, _with_certificate)
        if number == _UPDATES_EACH + _UPDATES_SPARE - 2:
            assert _covers(data)[0].indication is Indication.PASSED
    monkeypatch.setattr(Updates, "_judged", None)
    (check,) = _covers(data)
    assert check.indication is Indication.FAILED
    assert "too many updates" in check.detail


def test_an_update_is_compared_once_however_many_signatures_are_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = _bench().sound
    for hour in range(1, 6):
        at = SEALED + timedelta(hours=hour)
        data = _bench().sealed(data, by=_bench().second, at=at, x_mm=20 + 20 * hour)
    for _ in range(4):
        data = quietly(data, _with_certificate)
    compared: list[int] = []
    apply = StandardDiffPolicy.apply

    def noted(self: Any, old: Any, new: Any, locks: Any, permits: Any) -> Any:
        compared.append(new.revision)
        return apply(self, old, new, locks, permits)

    monkeypatch.setattr(StandardDiffPolicy, "apply", noted)
    # Every signature locks a field of another name; none is one that was signed.
    lock = property(lambda one: FieldMDPSpec(FieldMDPAction.INCLUDE, fields=[one.field_name + "x"]))
    monkeypatch.setattr(EmbeddedPdfSignature, "fieldmdp", lock)
    assert _assess(data).indication is Indication.PASSED
    assert len(compared) == len(set(compared)) == 9


def _why(name_: str) -> tuple[str, str]:
    forged = FORGERIES[name_].make(_bench())
    check = next(one for one in _covers(forged) if one.indication is Indication.FAILED)
    return check.detail, check.detail_zh


@pytest.mark.parametrize(
    ("forged", "told", "told_zh"),
    [
        ("page_replaced", "changed: object 7 (page 1 /Contents)", "第 1 页 /Contents"),
        ("table_alone", "object 7 (the content of page 1)", "对象 7（第 1 页内容）"),
        ("field_filled", "(form field 'amount' /V)", "表单域“amount” /V"),
        ("open_action", "(the catalog /Metadata /OpenAction)", "文档目录 /Metadata /OpenAction"),
        ("font_replaced", "object 2 (a font /Encoding)", "对象 2（字体 /Encoding）"),
        ("junk_after", "added: object 16 (a stream)", "新增：对象 16（数据流）"),
    ],
)
def test_what_was_changed_is_told(forged: str, told: str, told_zh: str) -> None:
    why, why_zh = _why(forged)
    assert told in why
    assert told_zh in why_zh


def test_every_forged_update_says_what_it_changed() -> None:
    assert ROOMS  # they have registered themselves
    for one in FORGERIES.values():
        if one.reason == "CHANGED_SINCE":
            why, why_zh = _why(one.name)
            assert "object " in why, one.name
            assert "对象 " in why_zh, one.name


def _certified(document: bytes) -> bytes:
    """Certified by its author, who allows fields to be filled (P=2)."""
    writer, out = SealWriter(BytesIO(document)), BytesIO()
    embedding = PdfCMSEmbedder(SigFieldSpec("Author")).write_cms("Author", writer)
    next(embedding)
    permits = SigMDPSetup(
        md_algorithm="sha256", certify=True, docmdp_perms=MDPPerm.FILL_FORMS
    )  # fmt: skip
    value = SignatureObject(bytes_reserved=8192, timestamp=SEALED)
    embedding.send(SigObjSetup(value, mdp_setup=permits))
    prepared, _ = embedding.send(SigIOSetup(md_algorithm="sha256", output=out))
    embedding.send(_bench().cms(prepared.document_digest))
    return out.getvalue()


def _fill(writer: Any) -> None:
    (field,) = [
        one.get_object()
        for one in writer.root["/AcroForm"]["/Fields"]
        if one.get_object()["/T"] == "amount"
    ]
    field[name("V")] = generic.pdf_string("900")
    writer.update_container(field)


def test_a_form_filled_after_its_certification_is_told_of() -> None:
    certified = _certified(plain(field=True))
    first, second = _covers(sealed_again(_bench(), quietly(certified, _fill)))
    assert (first.reason, second.indication) == ("CHANGED_SINCE", Indication.PASSED)
    assert "(form field 'amount' /V)" in first.detail
    assert "the certification allows fields to be filled" in first.detail
    assert "认证签名允许填写表单" in first.detail_zh


def test_a_new_field_that_a_certification_does_not_allow_is_told_of() -> None:
    first, _ = _covers(sealed_again(_bench(), _certified(plain(field=True))))
    assert first.reason == "CHANGED_SINCE"
    assert "the certification allows no new signature field" in first.detail
    assert "不允许新增签名域" in first.detail_zh


def test_pages_that_lead_to_themselves_end() -> None:
    writer = copy_into_new_writer(PdfFileReader(BytesIO(plain())))
    pages = writer.root["/Pages"]
    pages["/Kids"].append(writer.root.raw_get("/Pages"))
    with pytest.raises(UpdateRefused):
        list(_pages(pages))
