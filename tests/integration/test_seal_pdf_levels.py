"""PAdES levels with a real time-stamp authority, judged by us, by pyHanko and by poppler."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl, x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.fields import SigFieldSpec, append_signature_field
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.ades import ades_lta_validation
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.policy_decl import (
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager

from runtime.errors import FailedPrecondition, InvalidArgument
from seal.model import Indication, Verdict
from seal.pdf import levels
from seal.pdf.signing import Evidence, Level
from seal.pdf.update import SealWriter
from seal.pki.timestamp import TimestampClient
from seal.placement import EveryPage
from seal.suites import ED25519, RSA
from seal.trust import FOR_TIME, TrustAnchor, TrustStore, issue_crl
from seal.verify import assess
from tests.builders.ofd import BEGIN, END, world
from tests.builders.pdf import P256, plain_pdf, sealed_pdf
from tests.builders.tsa import Authority, authority

LEVELS = list(Level)


@pytest.fixture(scope="module")
def tsa() -> Iterator[Authority]:
    with authority("rsa") as here:
        yield here


def _crl() -> bytes:
    here = world(P256)
    return issue_crl(
        issuer=here.root,
        issuer_certificate=here.root_certificate,
        this_update=datetime.now(UTC).replace(microsecond=0),
        next_update=END,
        number=1,
        revoked=[],
    )


def _sealed(tsa: Authority, level: Level, document: bytes | None = None, **more: Any) -> bytes:
    return sealed_pdf(
        document or plain_pdf(2),
        signed_at=datetime.now(UTC).replace(microsecond=0),
        level=level,
        timestamper=TimestampClient(tsa.url, anchors=[tsa.root]),
        evidence=Evidence(certificates=(tsa.root,), crls=(_crl(), tsa.crl)),
        **more,
    )


def _store(tsa: Authority) -> TrustStore:
    return _and_its_time(world(P256).store(), tsa)


def _and_its_time(store: TrustStore, tsa: Authority) -> TrustStore:
    anchor = TrustAnchor(name="time", certificate=tsa.root, valid_from=BEGIN, purposes=FOR_TIME)
    return replace(store, anchors=(*store.anchors, anchor))


def _assess(tsa: Authority, document: bytes, store: TrustStore | None = None) -> Verdict:
    return assess(document, store=store or _store(tsa), now=datetime.now(UTC))


def _failed(verdict: Verdict) -> set[str]:
    assert verdict.indication is Indication.FAILED
    return {c.name for c in verdict.all_checks() if c.indication is Indication.FAILED}


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("level", LEVELS)
def test_we_accept_it(tsa: Authority, level: Level, close: bool) -> None:
    verdict = _assess(tsa, _sealed(tsa, level, close=close))
    assert verdict.indication is Indication.PASSED, verdict.to_dict()
    formats = [one.format for one in verdict.signatures]
    assert formats == ["PADES", "PADES_TIMESTAMP"][: 2 if level is Level.B_LTA else 1]
    stamped = [c for c in verdict.signatures[0].checks if c.name == "time_stamp"]
    assert len(stamped) == (level is not Level.B_B)
    proved = {c.name for c in verdict.signatures[0].checks if c.proves}
    assert ("document_time" in proved) == (level is Level.B_LTA)
    assert (verdict.signatures[0].proved_at is None) == (level is Level.B_B)


def test_later_time_stamp_over_the_document_proves_what_has_none_of_its_own(
    tsa: Authority,
) -> None:
    plain = _sealed(tsa, Level.B_B)
    writer = SealWriter.from_reader(PdfFileReader(BytesIO(plain)))
    stamped = levels._stamped(writer, TimestampClient(tsa.url, anchors=[tsa.root]), "")
    before, after = _assess(tsa, plain), _assess(tsa, stamped.getvalue())
    assert before.signatures[0].proved_at is None
    assert after.indication is Indication.PASSED, after.to_dict()
    assert after.signatures[0].proved_at == after.signatures[1].proved_at is not None
    later = datetime.now(UTC) + timedelta(days=365 * 40)  # when every certificate has run out
    today = assess(plain, store=_store(tsa), now=later).now
    assert (today.indication, today.sub_indication) == (
        Indication.INDETERMINATE,
        "OUT_OF_BOUNDS_NO_POE",
    )
    assert assess(stamped.getvalue(), store=_store(tsa), now=later).now.indication is (
        Indication.PASSED
    )


def _roots(tsa: Authority) -> list[Any]:
    return [x509.Certificate.load(one) for one in (world(P256).root_certificate, tsa.root)]


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("level", LEVELS)
def test_pyhanko_accepts_it(tsa: Authority, level: Level, close: bool) -> None:
    reader = PdfFileReader(BytesIO(_sealed(tsa, level, close=close)))
    signature = reader.embedded_regular_signatures[0]
    context = ValidationContext(trust_roots=_roots(tsa), allow_fetching=False)
    status = validate_pdf_signature(signature, context, ts_validation_context=context)
    assert status.bottom_line, status.pretty_print_details()
    assert (status.timestamp_validity is None) == (level is Level.B_B)


@pytest.mark.parametrize("level", [Level.B_LT, Level.B_LTA])
def test_pyhanko_finds_all_it_needs_in_the_document(tsa: Authority, level: Level) -> None:
    reader = PdfFileReader(BytesIO(_sealed(tsa, level)))
    rules = {
        "trust_roots": _roots(tsa),
        "allow_fetching": False,
        "revocation_mode": "hard-fail",
        "retroactive_revinfo": True,
    }
    context = DocumentSecurityStore.read_dss(reader).as_validation_context(rules)
    status = validate_pdf_signature(
        reader.embedded_regular_signatures[0], context, ts_validation_context=context
    )
    assert status.bottom_line, status.pretty_print_details()


async def test_pyhanko_accepts_it_for_the_archive(tsa: Authority) -> None:
    """ETSI EN 319 102-1 §5.6, with nothing fetched and every certificate's revocation required."""
    reader = PdfFileReader(BytesIO(_sealed(tsa, Level.B_LTA)))
    rules = CertRevTrustPolicy(RevocationCheckingPolicy.from_legacy("hard-fail"))
    spec = SignatureValidationSpec(
        cert_validation_policy=CertValidationPolicySpec(
            trust_manager=SimpleTrustManager.build(_roots(tsa)), revinfo_policy=rules
        ),
        revinfo_gathering_policy=RevocationInfoGatheringSpec(
            online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY
        ),
    )
    signature = reader.embedded_regular_signatures[0]
    result = await ades_lta_validation(signature, PdfSignatureValidationSpec(spec))
    assert result.ades_subindic == AdESPassed.OK, result.failure_msg


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("level", LEVELS)
def test_poppler_accepts_it(tsa: Authority, tmp_path: Path, level: Level, close: bool) -> None:
    path = tmp_path / "sealed.pdf"
    path.write_bytes(_sealed(tsa, level, close=close))
    said = subprocess.run(["pdfsig", "-nocert", path], check=True, capture_output=True, text=True)
    first, *others = re.findall(r"Signature Validation: (.*)", said.stdout)
    assert first == "Signature is Valid.", said.stdout
    # It looks at no document time-stamp (ETSI.RFC3161), but at what that one covers.
    assert len(others) == (level is Level.B_LTA)
    assert ("Total document signed" in said.stdout) == (level is not Level.B_LT)


@pytest.mark.parametrize("level", LEVELS)
def test_a_later_change_fails(tsa: Authority, level: Level) -> None:
    writer = IncrementalPdfFileWriter(BytesIO(_sealed(tsa, level)))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    stream = generic.StreamObject(stream_data=b"BT /F1 12 Tf 100 700 Td (FORGED) Tj ET")
    page["/Contents"] = writer.add_object(stream)
    writer.update_container(page)
    out = BytesIO()
    writer.write(out)
    assert "covers_document" in _failed(_assess(tsa, out.getvalue()))


def _open_action(writer: IncrementalPdfFileWriter) -> None:
    writer.root["/OpenAction"] = generic.ArrayObject([writer.root["/Pages"].raw_get("/Kids")[0]])
    writer.update_root()


def _empty_field(writer: IncrementalPdfFileWriter) -> None:
    append_signature_field(writer, SigFieldSpec("Later", box=(10, 10, 90, 90)))


def _annotation(writer: IncrementalPdfFileWriter) -> None:
    page, _ = writer.find_page_for_modification(1)
    square = generic.DictionaryObject(
        {
            generic.NameObject("/Type"): generic.NameObject("/Annot"),
            generic.NameObject("/Subtype"): generic.NameObject("/Square"),
            generic.NameObject("/Rect"): generic.ArrayObject(
                map(generic.NumberObject, (1, 1, 9, 9))
            ),
        }
    )
    writer.register_annotation(page, writer.add_object(square))


def _title(writer: IncrementalPdfFileWriter) -> None:
    writer.set_info(
        generic.DictionaryObject({generic.NameObject("/Title"): generic.pdf_string("FORGED")})
    )


@pytest.mark.parametrize("change", [_open_action, _empty_field, _annotation, _title])
@pytest.mark.parametrize("level", LEVELS)
def test_no_later_update_but_evidence_passes(
    tsa: Authority, level: Level, change: Callable[[IncrementalPdfFileWriter], None]
) -> None:
    writer, out = IncrementalPdfFileWriter(BytesIO(_sealed(tsa, level))), BytesIO()
    change(writer)
    writer.write(out)
    assert "covers_document" in _failed(_assess(tsa, out.getvalue()))


def test_evidence_added_later_passes_where_it_is_all(tsa: Authority) -> None:
    writer, out = SealWriter(BytesIO(_sealed(tsa, Level.B_B, close=True))), BytesIO()
    crls = [crl.CertificateList.load(_crl())]
    DocumentSecurityStore.supply_dss_in_writer(writer, None, crls=crls, certs=_roots(tsa))
    writer.write(out)
    verdict = _assess(tsa, out.getvalue())
    assert verdict.indication is Indication.PASSED, verdict.to_dict()
    (told,) = (c for c in verdict.all_checks() if c.name == "covers_document")
    assert told.notice


@pytest.mark.parametrize("level", LEVELS)
def test_bytes_at_the_end_fail(tsa: Authority, level: Level) -> None:
    for more in (b"%", b"PK\x05\x06" + bytes(18)):
        assert "covers_document" in _failed(_assess(tsa, _sealed(tsa, level) + more))


@pytest.mark.parametrize("level", LEVELS)
def test_sealed_again_both_pass(tsa: Authority, level: Level) -> None:
    twice = _sealed(tsa, level, _sealed(tsa, level))
    verdict = _assess(tsa, twice)
    assert verdict.indication is Indication.PASSED, verdict.to_dict()
    assert [r.format for r in verdict.signatures].count("PADES") == 2
    assert b"Seal2" in twice


def test_closed_document_takes_no_seal(tsa: Authority) -> None:
    for closed in (
        _sealed(tsa, Level.B_B, close=True),
        _sealed(tsa, Level.B_B, _sealed(tsa, Level.B_B), close=True),
    ):
        assert _assess(tsa, closed).indication is Indication.PASSED
        with pytest.raises(FailedPrecondition) as caught:
            _sealed(tsa, Level.B_B, closed)
        assert caught.value.reason == "PDF_CLOSED"


def test_several_stamps_on_a_signed_document_are_refused(tsa: Authority) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        _sealed(
            tsa,
            Level.B_B,
            _sealed(tsa, Level.B_B),
            placements=[EveryPage(x_mm=10, y_mm=10)],
        )
    assert caught.value.reason == "PDF_ALREADY_SIGNED"


def test_authority_nobody_knows_is_not_passed_over(tsa: Authority) -> None:
    for level, count in ((Level.B_T, 1), (Level.B_LTA, 2)):
        verdict = _assess(tsa, _sealed(tsa, level), world(P256).store())
        assert verdict.indication is Indication.INDETERMINATE
        assert [
            c.reason for c in verdict.all_checks() if c.indication is Indication.INDETERMINATE
        ] == ["TIME_STAMP_NOT_TRUSTED"] * count


def test_time_stamp_of_another_signature_fails(tsa: Authority) -> None:
    class Replaying(TimestampClient):
        def stamp(self, message: bytes) -> bytes:
            return super().stamp(message + b".")

    sealed = sealed_pdf(
        plain_pdf(),
        signed_at=datetime.now(UTC),
        level=Level.B_T,
        timestamper=Replaying(tsa.url, anchors=[tsa.root]),
    )
    assert _failed(_assess(tsa, sealed)) == {"time_stamp"}


def test_signature_that_says_it_is_later_than_its_time_stamp(tsa: Authority) -> None:
    sealed = sealed_pdf(
        plain_pdf(),
        signed_at=datetime.now(UTC) + timedelta(hours=1),
        level=Level.B_T,
        timestamper=TimestampClient(tsa.url, anchors=[tsa.root]),
    )
    assert "time_stamp" in _failed(_assess(tsa, sealed))


def test_a_time_stamp_after_the_certificate_ended_proves_nothing_and_takes_nothing(
    tsa: Authority,
) -> None:
    here = world(P256)
    ended = datetime.now(UTC) - timedelta(days=1)
    old = here.issue(here.signer.public_key, "旧", BEGIN, ended)
    stamped = sealed_pdf(
        plain_pdf(),
        certificate=old,
        signed_at=ended - timedelta(days=1),
        level=Level.B_T,
        timestamper=TimestampClient(tsa.url, anchors=[tsa.root]),
    )
    verdict = _assess(tsa, stamped)
    assert verdict.indication is Indication.PASSED
    assert verdict.now.sub_indication == "OUT_OF_BOUNDS_NO_POE"


def test_what_long_term_proof_needs_is_asked_for(tsa: Authority) -> None:
    for missing in (Evidence(), Evidence(crls=(_crl(),)), Evidence(crls=(tsa.crl,))):
        with pytest.raises(FailedPrecondition) as caught:
            sealed_pdf(
                plain_pdf(),
                level=Level.B_LT,
                signed_at=datetime.now(UTC),
                timestamper=TimestampClient(tsa.url, anchors=[tsa.root]),
                evidence=missing,
            )
        assert caught.value.reason == "REVOCATION_LISTS_MISSING"
    with pytest.raises(FailedPrecondition) as caught:
        sealed_pdf(plain_pdf(), level=Level.B_T)
    assert caught.value.reason == "TIMESTAMP_NOT_CONFIGURED"
    with pytest.raises(InvalidArgument) as refused:
        sealed_pdf(
            plain_pdf(),
            level=Level.B_T,
            timestamper=TimestampClient(tsa.url, anchors=[tsa.root], digest="sm3"),
        )
    assert refused.value.reason == "TIMESTAMP_DIGEST_NOT_FOR_PDF"


@pytest.mark.parametrize("suite", [RSA, ED25519])
def test_other_suites(tsa: Authority, suite: str) -> None:
    here = world(suite)
    sealed = sealed_pdf(
        plain_pdf(),
        here=here,
        signed_at=datetime.now(UTC),
        level=Level.B_T,
        timestamper=TimestampClient(tsa.url, anchors=[tsa.root]),
    )
    store = _and_its_time(here.store(), tsa)
    verdict = _assess(tsa, sealed, store)
    assert verdict.indication is Indication.PASSED, verdict.to_dict()
