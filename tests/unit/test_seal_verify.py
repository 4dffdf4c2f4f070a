"""One test for each thing that makes a sealed OFD fail, each asserting the named check."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seal.model import Indication, Verdict, VerificationError
from seal.ses import assemble_signature, parse_signature, to_be_signed
from seal.suites import SM2_SM3_OID, SM3_OID, digest
from seal.trust import Revocation, TrustStore, issue_crl, parse_certificate
from seal.verify import assess, assess_ofd, assess_seal, verify
from tests.builders.ofd import (
    BEGIN,
    END,
    NOW,
    SEALED_AT,
    later,
    pack,
    plain_ofd,
    seal_ofd,
    unpack,
    world,
)

SEALED = seal_ofd(plain_ofd())
TWICE = seal_ofd(SEALED, signed_at=later(5))
PAGE = "Doc_0/Pages/Page_0/Content.xml"
SIGN_0 = "Doc_0/Signs/Sign_0/"
LIST = "Doc_0/Signs/Signatures.xml"
# Any system may send any file. What would cost the square of its size takes minutes.
_BOUNDED = pytest.mark.timeout(60)


def _assess(data: bytes, store: TrustStore | None = None) -> Verdict:
    return assess_ofd(data, store=store or world().store(), now=NOW)


def _failed(verdict: Verdict) -> set[str]:
    assert verdict.indication is Indication.FAILED
    return {c.name for c in verdict.all_checks() if c.indication is Indication.FAILED}


def _open(verdict: Verdict) -> set[tuple[str, str]]:
    assert verdict.indication is Indication.INDETERMINATE
    return {(c.name, c.reason) for c in verdict.all_checks() if c.indication != "PASSED"}


def _forge(change: Callable[[dict[str, bytes]], None], package: bytes = SEALED) -> Verdict:
    files = unpack(package)
    change(files)
    return _assess(pack(files))


def _resign(files: dict[str, bytes], folder: str = SIGN_0, seal: bytes | None = None) -> None:
    """Sign Signature.xml anew with the department's own key: what an insider could do."""
    xml = files[folder + "Signature.xml"]
    old = parse_signature(files[folder + "SignedValue.dat"])
    here = world()
    tbs = to_be_signed(
        seal=seal or old.seal.raw,
        signed_at=SEALED_AT,
        data_hash=digest(SM3_OID, xml),
        property_info=f"/{folder}Signature.xml",
    )
    files[folder + "SignedValue.dat"] = assemble_signature(
        tbs,
        certificate=here.certificate,
        signature=here.signer.sign(tbs),
        suite_oid=SM2_SM3_OID,
    )


# --- what passes ----------------------------------------------------------------------------


def test_sealed_passes() -> None:
    verdict = assess(SEALED, store=world().store(), now=NOW)
    assert verdict.indication is Indication.PASSED
    report = verdict.signatures[0]
    assert (report.id, report.format, report.signed_at) == ("s001", "SES_V4", SEALED_AT)
    assert (report.signer, report.seal_name) == ("示范县行政审批局", "示范县行政审批局")
    assert verify(SEALED, store=world().store(), now=NOW) == verdict
    json.dumps(verdict.to_dict())


def test_every_check_speaks_both_languages() -> None:
    for check in _assess(TWICE).all_checks():
        assert check.detail.isascii()
        assert not check.detail_zh.isascii()


def test_sealed_twice_passes() -> None:
    verdict = _assess(TWICE)
    assert verdict.indication is Indication.PASSED
    assert [report.id for report in verdict.signatures] == ["s001", "s002"]


def test_closed_passes() -> None:
    assert _assess(seal_ofd(plain_ofd(), close=True)).indication is Indication.PASSED


def test_version_5_passes() -> None:
    sealed = seal_ofd(plain_ofd(), seal=world().seal(version=5))
    verdict = _assess(sealed)
    assert verdict.indication is Indication.PASSED
    assert verdict.signatures[0].format == "SES_V5"


def test_unsigned_is_not_signed() -> None:
    verdict = _assess(plain_ofd())
    assert (verdict.indication, verdict.reason) == (
        Indication.INDETERMINATE,
        "NOT_SIGNED",
    )


def test_no_trust_anchor_is_indeterminate_and_verify_raises() -> None:
    verdict = _assess(SEALED, TrustStore())
    assert (verdict.indication, verdict.reason) == (
        Indication.INDETERMINATE,
        "NO_TRUST_ANCHOR",
    )
    with pytest.raises(VerificationError) as caught:
        verify(SEALED, store=TrustStore(), now=NOW)
    assert caught.value.verdict == verdict


# --- the container --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "check"),
    [
        ("ofd.xml", b"x", "package_duplicate_names"),
        ("../evil", b"x", "package_paths"),
        ("Doc_0/a.xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "xml_no_dtd"),
    ],
)
def test_unsound_package(name: str, data: bytes, check: str) -> None:
    assert _failed(_forge(lambda files: files.update({name: data}))) == {check}


@_BOUNDED
def test_what_is_too_large_to_judge_is_not_called_wrong() -> None:
    verdict = _forge(lambda files: files.update({"Doc_0/zeros": bytes(17 << 20)}))
    assert _open(verdict) == {("package_limits", "TOO_LARGE_TO_JUDGE")}


@pytest.mark.parametrize("name", ["OFD.xml", LIST, SIGN_0 + "Signature.xml"])
def test_broken_xml(name: str) -> None:
    verdict = _forge(lambda files: files.update({name: files[name][:-3]}))
    assert "xml_well_formed" in _failed(verdict)


def test_entity_expansion_in_the_list() -> None:
    bomb = b"<!DOCTYPE a [<!ENTITY a 'aaaaaaaa'><!ENTITY b '&a;&a;&a;'>]>"
    verdict = _forge(lambda files: files.update({LIST: bomb + files[LIST]}))
    assert _failed(verdict) == {"xml_no_dtd"}


def test_a_zip_that_newer_software_only_can_read() -> None:
    at = SEALED.index(b"PK\x01\x02") + 6  # the version needed to extract, in the directory
    newer = SEALED[:at] + bytes([99]) + SEALED[at + 1 :]
    assert _failed(_assess(newer)) == {"package_zip"}


@_BOUNDED
@pytest.mark.parametrize("name", ["OFD.xml", LIST, SIGN_0 + "Signature.xml"])
def test_xml_of_millions_of_elements(name: str) -> None:
    def swell(files: dict[str, bytes]) -> None:
        files["Doc_0/noise"] = random.Random(1).randbytes(1 << 20)  # the ratio looks innocent
        files[name] = files[name] + b"<!-- -->" * (6 << 17)

    assert _open(_forge(swell)) == {("package_limits", "TOO_LARGE_TO_JUDGE")}


@_BOUNDED
def test_a_crowd_of_documents() -> None:
    def crowd(files: dict[str, bytes]) -> None:
        head, body, end = re.split(rb"(<ofd:DocBody>.*</ofd:DocBody>)", files["OFD.xml"])
        files["OFD.xml"] = head + body * 1_000 + end

    assert _failed(_forge(crowd)) == {"ofd_structure"}


@_BOUNDED
def test_one_large_signature_listed_many_times() -> None:
    def repeat(files: dict[str, bytes]) -> None:
        files["Doc_0/noise"] = random.Random(1).randbytes(1 << 20)
        files[SIGN_0 + "Signature.xml"] += b"<!-- -->" * (3 << 17)
        one = re.search(rb"<ofd:Signature .*?/>", files[LIST])[0]
        more = b"".join(one.replace(b"s001", b"s%d" % (n + 10)) for n in range(250))
        files[LIST] = files[LIST].replace(one, one + more)

    checks = _forge(repeat).all_checks()
    assert "TOO_LARGE_TO_JUDGE" in {one.reason for one in checks if one.name == "package_limits"}


@_BOUNDED
def test_many_stamps_on_many_pages() -> None:
    def stamp(files: dict[str, bytes]) -> None:
        files["Doc_0/noise"] = random.Random(1).randbytes(1 << 20)
        pages = b"".join(b'<ofd:Page ID="p%d" BaseLoc="x"/>' % n for n in range(40_000))
        files["Doc_0/Document.xml"] = files["Doc_0/Document.xml"].replace(
            b"<ofd:Pages>", b"<ofd:Pages>" + pages
        )
        path = SIGN_0 + "Signature.xml"
        one = re.search(rb"<ofd:StampAnnot .*?/>", files[path])[0]
        files[path] = files[path].replace(one, one * 40_000)

    assert "stamp_pages" not in _failed(_forge(stamp))


def test_list_that_holds_something_else() -> None:
    verdict = _forge(
        lambda f: f.update({LIST: f[LIST].replace(b"<ofd:Max", b"<ofd:Content/><ofd:Max")})
    )
    assert _failed(verdict) == {"ofd_structure"}


def test_neither_ofd_nor_pdf() -> None:
    assert _failed(assess(b"GIF89a", store=TrustStore(), now=NOW)) == {"document_format"}


# --- content --------------------------------------------------------------------------------


def test_changed_page() -> None:
    verdict = _forge(lambda f: f.update({PAGE: f[PAGE].replace(b"HELLO", b"HALLO")}))
    assert _failed(verdict) == {"references"}
    assert "/" + PAGE in verdict.summary


def test_changed_metadata_in_ofd_xml() -> None:
    verdict = _forge(lambda f: f.update({"OFD.xml": f["OFD.xml"].replace(b"A test", b"B test")}))
    assert _failed(verdict) == {"references"}


def test_removed_file() -> None:
    assert _failed(_forge(lambda f: f.pop("Doc_0/PublicRes.xml"))) == {"references"}


def test_added_file_is_named() -> None:
    verdict = _forge(lambda f: f.update({"Doc_0/extra.bin": b"smuggled"}))
    assert _failed(verdict) == {"uncovered_files"}
    assert "/Doc_0/extra.bin" in verdict.summary


def test_added_file_in_the_signature_folder() -> None:
    verdict = _forge(lambda f: f.update({SIGN_0 + "Annotations.xml": b"<a/>"}))
    assert _failed(verdict) == {"uncovered_files"}


def test_added_file_covered_only_by_a_later_signature() -> None:
    """The dangling-link attack: the second signer vouches for content the first never saw."""
    files = unpack(SEALED)
    files["Doc_0/Annots.xml"] = b"<a/>"
    verdict = _assess(seal_ofd(pack(files), signed_at=later(5)))
    assert _failed(verdict) == {"uncovered_files"}
    assert verdict.signatures[0].indication is Indication.FAILED
    assert verdict.signatures[1].indication is Indication.PASSED


def test_later_signature_that_is_bad_fails_the_whole() -> None:
    value = "Doc_0/Signs/Sign_1/SignedValue.dat"

    def swap(files: dict[str, bytes]) -> None:
        files[value] = files[SIGN_0 + "SignedValue.dat"]

    assert "property_info" in _failed(_forge(swap, TWICE))


def test_signature_dropped_from_the_list() -> None:
    def drop(files: dict[str, bytes]) -> None:
        line = files[LIST].split(b"<ofd:Signature ")[1]
        files[LIST] = files[LIST].replace(b"<ofd:Signature " + line, b"")

    assert _failed(_forge(drop, TWICE)) == {"unlisted_signature"}


def test_signature_listed_twice() -> None:
    def again(files: dict[str, bytes]) -> None:
        line = files[LIST].split(b"<ofd:Signature ")[1].split(b"/>")[0]
        twin = b"<ofd:Signature " + line.replace(b"s001", b"s009") + b"/></ofd:Signatures>"
        files[LIST] = files[LIST].replace(b"</ofd:Signatures>", twin)

    assert "unlisted_signature" in _failed(_forge(again))


def test_list_emptied_is_no_pass() -> None:
    def empty(files: dict[str, bytes]) -> None:
        files[LIST] = b'<ofd:Signatures xmlns:ofd="http://www.ofdspec.org/2016"/>'

    assert _forge(empty).indication is not Indication.PASSED


def test_second_document_body_is_assessed_too() -> None:
    """A second document with a broken signature list of its own can't hide behind the first."""
    body = (
        b"<ofd:DocBody><ofd:DocInfo/><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot>"
        b"<ofd:Signatures>/Doc_1/Signatures.xml</ofd:Signatures></ofd:DocBody></ofd:OFD>"
    )

    def add(files: dict[str, bytes]) -> None:
        files["OFD.xml"] = files["OFD.xml"].replace(b"</ofd:OFD>", body)
        files["Doc_1/Signatures.xml"] = files[LIST].replace(b"Sign_0", b"Sign_9")

    verdict = _forge(add)
    assert {report.id for report in verdict.signatures} == {"s001", "1/s001"}
    assert {"references", "ofd_structure"} <= _failed(verdict)


def test_closed_document_with_a_list_changed_since() -> None:
    closed = seal_ofd(plain_ofd(), close=True)
    verdict = _forge(lambda f: f.update({LIST: f[LIST].replace(b"s0001</", b"s0007</")}), closed)
    assert _failed(verdict) == {"references"}


def test_weaker_check_method() -> None:
    path = SIGN_0 + "Signature.xml"

    def weaken(files: dict[str, bytes]) -> None:
        files[path] = files[path].replace(SM3_OID.encode(), b"MD5")
        _resign(files)

    verdict = _forge(weaken)
    assert _failed(verdict) == {"references"}
    assert verdict.reason == "DIGEST_WEAK"


def test_reference_hashes_changed_with_the_page() -> None:
    path = SIGN_0 + "Signature.xml"

    def change(files: dict[str, bytes]) -> None:
        old = base64.b64encode(digest(SM3_OID, files[PAGE]))
        files[PAGE] = files[PAGE].replace(b"HELLO", b"HALLO")
        files[path] = files[path].replace(old, base64.b64encode(digest(SM3_OID, files[PAGE])))

    assert _failed(_forge(change)) == {"data_hash"}


def test_stamp_on_a_page_that_does_not_exist() -> None:
    path = SIGN_0 + "Signature.xml"

    def move(files: dict[str, bytes]) -> None:
        files[path] = files[path].replace(b'PageRef="10"', b'PageRef="77"')
        _resign(files)

    assert _failed(_forge(move)) == {"stamp_pages"}


def test_algorithm_named_otherwise() -> None:
    path = SIGN_0 + "Signature.xml"

    def rename(files: dict[str, bytes]) -> None:
        files[path] = files[path].replace(SM2_SM3_OID.encode(), b"1.2.156.10197.1.502")
        _resign(files)

    assert _failed(_forge(rename)) == {"signature_format"}


# --- the seal and the signer ----------------------------------------------------------------


def test_swapped_seal_file() -> None:
    other = world().seal(created=later(-60))
    verdict = _forge(lambda f: f.update({SIGN_0 + "Seal.esl": other}))
    assert _failed(verdict) == {"seal_match"}


def test_seal_whose_own_signature_is_wrong() -> None:
    here = world()
    seal = here.seal()
    name = "示范县行政审批局".encode()
    forged = seal.replace(name, "示范县人民检察院".encode(), 1)
    assert forged != seal
    assert _failed(_assess(seal_ofd(plain_ofd(), seal=forged))) == {"seal_signature"}


def test_seal_made_by_nobody_we_trust() -> None:
    """Self-made maker, same picture, same name: everything else about it is right."""
    from seal.trust import issue_certificate

    here = world()
    own = issue_certificate(
        issuer=here.stranger,
        issuer_certificate=None,
        subject_key=here.stranger.public_key,
        subject={"CN": "示范制章"},
        not_before=BEGIN,
        not_after=END,
    )
    verdict = _assess(
        seal_ofd(plain_ofd(), seal=here.seal(maker=here.stranger, maker_certificate=own))
    )
    assert verdict.reason == "NO_TRUST_ANCHOR"
    open_ones = {c.name for c in verdict.all_checks() if c.indication is Indication.INDETERMINATE}
    assert open_ones == {"seal_maker_certificate"}


@pytest.mark.parametrize(
    "dates",
    [
        {"end": SEALED_AT - timedelta(days=1)},
        {"begin": SEALED_AT + timedelta(days=1)},
    ],
)
def test_seal_not_in_force_when_signing(dates: dict[str, object]) -> None:
    verdict = _assess(seal_ofd(plain_ofd(), seal=world().seal(**dates)))  # type: ignore[arg-type]
    assert _failed(verdict) == {"seal_in_force"}
    assert verdict.reason == "SEAL_NOT_IN_FORCE"


def test_seal_ended_since_is_a_notice() -> None:
    verdict = _assess(seal_ofd(plain_ofd(), seal=world().seal(end=later(60))))
    assert verdict.indication is Indication.PASSED
    assert next(c for c in verdict.all_checks() if c.name == "seal_in_force").notice


def test_signer_not_listed() -> None:
    here = world()
    sealed = seal_ofd(plain_ofd(), signer=here.stranger, certificate=here.stranger_certificate)
    assert _failed(_assess(sealed)) == {"signer_listed"}


def test_wrong_key() -> None:
    assert _failed(_assess(seal_ofd(plain_ofd(), signer=world().stranger))) == {
        "document_signature"
    }


def test_signed_before_the_seal_was_made() -> None:
    seal = world().seal(created=SEALED_AT + timedelta(days=1))
    assert _failed(_assess(seal_ofd(plain_ofd(), seal=seal))) == {"signing_time"}


def test_signed_in_the_future() -> None:
    verdict = _assess(seal_ofd(plain_ofd(), signed_at=NOW + timedelta(days=1)))
    assert _failed(verdict) == {"signing_time"}


def test_signature_moved_to_another_place() -> None:
    def move(files: dict[str, bytes]) -> None:
        files["Doc_0/Signs/Sign_5/Signature.xml"] = files.pop(SIGN_0 + "Signature.xml")
        files[LIST] = files[LIST].replace(b"Sign_0", b"Sign_5")

    assert _failed(_forge(move)) == {"property_info"}


def _with_certificate(begin: int, end: int) -> bytes:
    """Sealed by a certificate valid from and to so many days from the sealing."""
    here = world()
    certificate = here.issue(
        here.signer.public_key,
        "示范县行政审批局",
        SEALED_AT + timedelta(days=begin),
        SEALED_AT + timedelta(days=end),
    )
    return seal_ofd(plain_ofd(), seal=here.seal(listed=(certificate,)), certificate=certificate)


@pytest.mark.parametrize(
    ("begin", "end", "reason"),
    [(-9, -1, "CERTIFICATE_EXPIRED"), (1, 9, "CERTIFICATE_NOT_YET_VALID")],
)
def test_certificate_not_valid_when_signing(begin: int, end: int, reason: str) -> None:
    verdict = _assess(_with_certificate(begin, end))
    assert _failed(verdict) == {"signer_certificate"}
    assert verdict.reason == reason


def test_certificate_expired_since_is_a_notice() -> None:
    verdict = _assess(_with_certificate(-9, 9))
    assert verdict.indication is Indication.PASSED
    told = next(c for c in verdict.all_checks() if c.name == "signer_certificate")
    assert told.notice
    assert "expired since" in told.detail


@pytest.mark.parametrize(
    ("who", "name"), [("certificate", "signer_certificate"), ("maker", "seal_maker_certificate")]
)
@pytest.mark.parametrize(("days", "bad"), [(-200, True), (1, False)])
def test_revoked_before_and_after(who: str, name: str, days: int, bad: bool) -> None:
    here = world()
    certificate = here.certificate if who == "certificate" else here.maker_certificate
    crl = issue_crl(
        issuer=here.root,
        issuer_certificate=here.root_certificate,
        this_update=later(24 * 60 * 2),
        next_update=END,
        number=1,
        revoked=[
            Revocation(
                serial=parse_certificate(certificate).serial, at=SEALED_AT + timedelta(days=days)
            )
        ],
    )
    verdict = _assess(SEALED, TrustStore(anchors=here.store().anchors, crls=(crl,)))
    told = next(c for c in verdict.all_checks() if c.name == name)
    if bad:
        assert _failed(verdict) == {name}
        assert verdict.reason == "CERTIFICATE_REVOKED"
    else:
        assert verdict.indication is Indication.PASSED
        assert told.notice
        assert "revoked since" in told.detail


def test_certificate_that_may_not_sign() -> None:
    from seal.trust import issue_certificate

    here = world()
    certificate = issue_certificate(
        issuer=here.root,
        issuer_certificate=here.root_certificate,
        subject_key=here.signer.public_key,
        subject={"CN": "示范"},
        not_before=BEGIN,
        not_after=END,
        key_usage=("key_agreement",),
    )
    sealed = seal_ofd(plain_ofd(), seal=here.seal(listed=(certificate,)), certificate=certificate)
    verdict = _assess(sealed)
    assert _failed(verdict) == {"signer_certificate"}
    assert verdict.reason == "KEY_USAGE"


# --- seals by themselves --------------------------------------------------------------------


def test_seal_by_itself() -> None:
    here = world()
    good = assess_seal(here.seal(), store=here.store(), now=NOW)
    assert good.indication is Indication.PASSED
    ended = assess_seal(here.seal(end=later(0)), store=here.store(), now=NOW)
    assert ended.reason == "SEAL_NOT_IN_FORCE"
    assert _failed(assess_seal(b"\x30\x00", store=here.store(), now=NOW)) == {"seal_format"}


def test_seal_from_the_future() -> None:
    here = world()
    seal = here.seal(created=NOW + timedelta(days=1))
    assert _failed(assess_seal(seal, store=here.store(), now=NOW)) == {"seal_creation"}


# --- anything at all ------------------------------------------------------------------------

_LAZY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@_LAZY
@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_a_changed_byte_of_the_package_never_passes_with_other_content(
    at: int, change: int
) -> None:
    mutated = bytearray(SEALED)
    mutated[at] ^= change
    verdict = assess(bytes(mutated), store=world().store(), now=NOW)
    if verdict.indication is Indication.PASSED:
        # Only what no reader shows may differ: dates and attributes of zip entries.
        assert unpack(bytes(mutated)) == unpack(SEALED)


@_LAZY
@given(st.sampled_from(sorted(unpack(TWICE))), st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_of_any_file_never_passes(name: str, at: int, change: int) -> None:
    files = unpack(TWICE)
    data = bytearray(files[name])
    data[at % len(data)] ^= change
    files[name] = bytes(data)
    verdict = _assess(pack(files))
    # The list is the one file that no signature covers, so that signatures can be added.
    if name != LIST:
        assert verdict.indication is not Indication.PASSED
    elif verdict.indication is Indication.PASSED:
        assert len(verdict.signatures) == 2


@_LAZY
@given(st.binary(max_size=300))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    for head in (b"", b"PK\x03\x04", b"%PDF-1.7\n"):
        verdict = assess(head + data, store=TrustStore(), now=NOW)
        assert verdict.indication is Indication.FAILED


@_LAZY
@given(st.integers(0, 30_000), st.integers(1, 64))
def test_truncated_and_repeated_bytes_never_pass(at: int, length: int) -> None:
    begin = at % len(SEALED)
    for mutated in (
        SEALED[:begin],
        SEALED[:begin] + SEALED[begin + length :],
        SEALED[:begin] + SEALED[begin : begin + length] * 2 + SEALED[begin + length :],
    ):
        verdict = assess(mutated, store=world().store(), now=NOW)
        assert mutated == SEALED or verdict.indication is not Indication.PASSED
