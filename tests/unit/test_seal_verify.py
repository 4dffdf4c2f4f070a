"""One test for each thing that makes a sealed OFD fail, each asserting the named check."""

from __future__ import annotations

import base64
import json
import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seal.model import Indication, VerificationError
from seal.suites import SM2_SM3_OID, SM3_OID, digest
from seal.trust import TrustStore
from seal.verify import assess, verify
from tests.builders.ofd import (
    NOW,
    SEALED_AT,
    later,
    pack,
    plain_ofd,
    seal_ofd,
    unpack,
    world,
)
from tests.builders.reforged import (
    LIST,
    PAGE,
    SEALED,
    SIGN_0,
    TWICE,
    forged,
    judged,
    open_in,
    resign,
    wrong_in,
)

# Any system may send any file. What would cost the square of its size takes minutes.
_BOUNDED = pytest.mark.timeout(60)


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
    for check in judged(TWICE).all_checks():
        assert check.detail.isascii()
        assert not check.detail_zh.isascii()


def test_sealed_twice_passes() -> None:
    verdict = judged(TWICE)
    assert verdict.indication is Indication.PASSED
    assert [report.id for report in verdict.signatures] == ["s001", "s002"]


def test_closed_passes() -> None:
    assert judged(seal_ofd(plain_ofd(), close=True)).indication is Indication.PASSED


def test_version_5_passes() -> None:
    sealed = seal_ofd(plain_ofd(), seal=world().seal(version=5))
    verdict = judged(sealed)
    assert verdict.indication is Indication.PASSED
    assert verdict.signatures[0].format == "SES_V5"


def test_unsigned_is_not_signed() -> None:
    verdict = judged(plain_ofd())
    assert (verdict.indication, verdict.reason) == (
        Indication.INDETERMINATE,
        "NOT_SIGNED",
    )


def test_no_trust_anchor_is_indeterminate_and_verify_raises() -> None:
    verdict = judged(SEALED, TrustStore())
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
    assert wrong_in(forged(lambda files: files.update({name: data}))) == {check}


@_BOUNDED
def test_what_is_too_large_to_judge_is_not_called_wrong() -> None:
    verdict = forged(lambda files: files.update({"Doc_0/zeros": bytes(17 << 20)}))
    assert open_in(verdict) == {("package_limits", "TOO_LARGE_TO_JUDGE")}


@pytest.mark.parametrize("name", ["OFD.xml", LIST, SIGN_0 + "Signature.xml"])
def test_broken_xml(name: str) -> None:
    verdict = forged(lambda files: files.update({name: files[name][:-3]}))
    assert "xml_well_formed" in wrong_in(verdict)


def test_entity_expansion_in_the_list() -> None:
    bomb = b"<!DOCTYPE a [<!ENTITY a 'aaaaaaaa'><!ENTITY b '&a;&a;&a;'>]>"
    verdict = forged(lambda files: files.update({LIST: bomb + files[LIST]}))
    assert wrong_in(verdict) == {"xml_no_dtd"}


def test_a_zip_that_newer_software_only_can_read() -> None:
    at = SEALED.index(b"PK\x01\x02") + 6  # the version needed to extract, in the directory
    newer = SEALED[:at] + bytes([99]) + SEALED[at + 1 :]
    assert wrong_in(judged(newer)) == {"package_zip"}


@_BOUNDED
@pytest.mark.parametrize("name", ["OFD.xml", LIST, SIGN_0 + "Signature.xml"])
def test_xml_of_millions_of_elements(name: str) -> None:
    def swell(files: dict[str, bytes]) -> None:
        files["Doc_0/noise"] = random.Random(1).randbytes(1 << 20)  # the ratio looks innocent
        files[name] = files[name] + b"<!-- -->" * (6 << 17)

    assert open_in(forged(swell)) == {("package_limits", "TOO_LARGE_TO_JUDGE")}


@_BOUNDED
def test_a_crowd_of_documents() -> None:
    def crowd(files: dict[str, bytes]) -> None:
        head, body, end = re.split(rb"(<ofd:DocBody>.*</ofd:DocBody>)", files["OFD.xml"])
        files["OFD.xml"] = head + body * 1_000 + end

    assert wrong_in(forged(crowd)) == {"ofd_structure"}


@_BOUNDED
def test_one_large_signature_listed_many_times() -> None:
    def repeat(files: dict[str, bytes]) -> None:
        files["Doc_0/noise"] = random.Random(1).randbytes(1 << 20)
        files[SIGN_0 + "Signature.xml"] += b"<!-- -->" * (3 << 17)
        one = re.search(rb"<ofd:Signature .*?/>", files[LIST])[0]
        more = b"".join(one.replace(b"s001", b"s%d" % (n + 10)) for n in range(250))
        files[LIST] = files[LIST].replace(one, one + more)

    checks = forged(repeat).all_checks()
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

    assert "stamp_pages" not in wrong_in(forged(stamp))


def test_list_that_holds_something_else() -> None:
    verdict = forged(
        lambda f: f.update({LIST: f[LIST].replace(b"<ofd:Max", b"<ofd:Content/><ofd:Max")})
    )
    assert wrong_in(verdict) == {"ofd_structure"}


def test_neither_ofd_nor_pdf() -> None:
    assert wrong_in(assess(b"GIF89a", store=TrustStore(), now=NOW)) == {"document_format"}


# --- content --------------------------------------------------------------------------------


def test_changed_page() -> None:
    verdict = forged(lambda f: f.update({PAGE: f[PAGE].replace(b"HELLO", b"HALLO")}))
    assert wrong_in(verdict) == {"references"}
    assert "/" + PAGE in verdict.summary


def test_changed_metadata_in_ofd_xml() -> None:
    verdict = forged(lambda f: f.update({"OFD.xml": f["OFD.xml"].replace(b"A test", b"B test")}))
    assert wrong_in(verdict) == {"references"}


def test_removed_file() -> None:
    assert wrong_in(forged(lambda f: f.pop("Doc_0/PublicRes.xml"))) == {"references"}


def test_added_file_is_named() -> None:
    verdict = forged(lambda f: f.update({"Doc_0/extra.bin": b"smuggled"}))
    assert wrong_in(verdict) == {"uncovered_files"}
    assert "/Doc_0/extra.bin" in verdict.summary


def test_added_file_in_the_signature_folder() -> None:
    verdict = forged(lambda f: f.update({SIGN_0 + "Annotations.xml": b"<a/>"}))
    assert wrong_in(verdict) == {"uncovered_files"}


def test_added_file_covered_only_by_a_later_signature() -> None:
    """The dangling-link attack: the second signer vouches for content the first never saw."""
    files = unpack(SEALED)
    files["Doc_0/Annots.xml"] = b"<a/>"
    verdict = judged(seal_ofd(pack(files), signed_at=later(5)))
    assert wrong_in(verdict) == {"uncovered_files"}
    assert verdict.signatures[0].indication is Indication.FAILED
    assert verdict.signatures[1].indication is Indication.PASSED


def test_later_signature_that_is_bad_fails_the_whole() -> None:
    value = "Doc_0/Signs/Sign_1/SignedValue.dat"

    def swap(files: dict[str, bytes]) -> None:
        files[value] = files[SIGN_0 + "SignedValue.dat"]

    assert "property_info" in wrong_in(forged(swap, TWICE))


def test_signature_dropped_from_the_list() -> None:
    def drop(files: dict[str, bytes]) -> None:
        line = files[LIST].split(b"<ofd:Signature ")[1]
        files[LIST] = files[LIST].replace(b"<ofd:Signature " + line, b"")

    assert wrong_in(forged(drop, TWICE)) == {"unlisted_signature"}


def test_signature_listed_twice() -> None:
    def again(files: dict[str, bytes]) -> None:
        line = files[LIST].split(b"<ofd:Signature ")[1].split(b"/>")[0]
        twin = b"<ofd:Signature " + line.replace(b"s001", b"s009") + b"/></ofd:Signatures>"
        files[LIST] = files[LIST].replace(b"</ofd:Signatures>", twin)

    assert "unlisted_signature" in wrong_in(forged(again))


def test_list_emptied_is_no_pass() -> None:
    def empty(files: dict[str, bytes]) -> None:
        files[LIST] = b'<ofd:Signatures xmlns:ofd="http://www.ofdspec.org/2016"/>'

    assert forged(empty).indication is not Indication.PASSED


def test_second_document_body_is_assessed_too() -> None:
    """A second document with a broken signature list of its own can't hide behind the first."""
    body = (
        b"<ofd:DocBody><ofd:DocInfo/><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot>"
        b"<ofd:Signatures>/Doc_1/Signatures.xml</ofd:Signatures></ofd:DocBody></ofd:OFD>"
    )

    def add(files: dict[str, bytes]) -> None:
        files["OFD.xml"] = files["OFD.xml"].replace(b"</ofd:OFD>", body)
        files["Doc_1/Signatures.xml"] = files[LIST].replace(b"Sign_0", b"Sign_9")

    verdict = forged(add)
    assert {report.id for report in verdict.signatures} == {"s001", "1/s001"}
    assert {"references", "ofd_structure"} <= wrong_in(verdict)


def test_closed_document_with_a_list_changed_since() -> None:
    closed = seal_ofd(plain_ofd(), close=True)
    verdict = forged(lambda f: f.update({LIST: f[LIST].replace(b"s0001</", b"s0007</")}), closed)
    assert wrong_in(verdict) == {"references"}


def test_weaker_check_method() -> None:
    path = SIGN_0 + "Signature.xml"

    def weaken(files: dict[str, bytes]) -> None:
        files[path] = files[path].replace(SM3_OID.encode(), b"MD5")
        resign(files)

    verdict = forged(weaken)
    assert wrong_in(verdict) == {"references"}
    assert verdict.reason == "DIGEST_WEAK"


def test_reference_hashes_changed_with_the_page() -> None:
    path = SIGN_0 + "Signature.xml"

    def change(files: dict[str, bytes]) -> None:
        old = base64.b64encode(digest(SM3_OID, files[PAGE]))
        files[PAGE] = files[PAGE].replace(b"HELLO", b"HALLO")
        files[path] = files[path].replace(old, base64.b64encode(digest(SM3_OID, files[PAGE])))

    assert wrong_in(forged(change)) == {"data_hash"}


def test_stamp_on_a_page_that_does_not_exist() -> None:
    path = SIGN_0 + "Signature.xml"

    def move(files: dict[str, bytes]) -> None:
        files[path] = files[path].replace(b'PageRef="10"', b'PageRef="77"')
        resign(files)

    assert wrong_in(forged(move)) == {"stamp_pages"}


def test_algorithm_named_otherwise() -> None:
    path = SIGN_0 + "Signature.xml"

    def rename(files: dict[str, bytes]) -> None:
        files[path] = files[path].replace(SM2_SM3_OID.encode(), b"1.2.156.10197.1.502")
        resign(files)

    assert wrong_in(forged(rename)) == {"signature_format"}


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
    verdict = judged(pack(files))
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
