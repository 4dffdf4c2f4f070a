"""Evidence bundles: made of sealed documents, stamped by a real authority, verified years later."""

from __future__ import annotations

import json
import ssl
import subprocess
import zipfile
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from runtime.errors import InvalidArgument
from seal.evidence.assessing import assess_evidence
from seal.evidence.layout import MANIFEST, TIMESTAMP, canonical, is_evidence
from seal.evidence.making import make_evidence
from seal.evidence.manifest import digests_of, write_manifest
from seal.model import Indication, Verdict
from seal.pki.timestamp import TimestampClient
from seal.ses import assemble_signature, to_be_signed
from seal.suites import SM2_SM3_OID
from seal.trust import (
    FOR_TIME,
    Revocation,
    TrustAnchor,
    TrustStore,
    issue_crl,
    parse_certificate,
)
from seal.verify import assess
from tests.builders import tsa
from tests.builders.evidence import list_of_a_stranger
from tests.builders.ofd import (
    BEGIN,
    END,
    SEALED_AT,
    crc,
    lying_size,
    pack,
    plain_ofd,
    seal_ofd,
    unpack,
    world,
)  # fmt: skip
from tests.builders.pdf import P256, plain_pdf, sealed_pdf

MADE = datetime.now(UTC).replace(microsecond=0)
YEARS_LATER = datetime(2045, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def _made_when_run():
    """The authority's clock is this machine's, and this file may be run long after it is read."""
    global MADE
    MADE = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def authority():
    with tsa.authority() as running:
        yield running


@pytest.fixture(scope="module")
def store(authority) -> TrustStore:
    roots = TrustAnchor(
        name="示范时间戳根", certificate=authority.root, valid_from=BEGIN, purposes=FOR_TIME
    )
    return replace(world().store(), anchors=(*world().store().anchors, roots), crls=(crl(),))


def crl(*revoked: Revocation, at: datetime = SEALED_AT) -> bytes:
    return issue_crl(
        issuer=world().root,
        issuer_certificate=world().root_certificate,
        this_update=at,
        next_update=END,
        number=len(revoked) + 1,
        revoked=revoked,
    )


@pytest.fixture(scope="module")
def stamped(authority, store) -> bytes:
    client = TimestampClient(authority.url, anchors=[authority.root])
    return make(store, timestamper=client, receipts=[b'{"format": "x"}'], report=a_report)


def a_report(verdict: Verdict) -> bytes:
    return b"%PDF-1.7 " + verdict.summary.encode()


def make(store: TrustStore, **more) -> bytes:
    return make_evidence(
        more.pop("document", seal_ofd(plain_ofd())), store=store, now=MADE, maker="tongban 0.1.0",
        **more,
    )  # fmt: skip


def told(verdict: Verdict, name: str):
    (found,) = [one for one in verdict.checks if one.name == name]
    return found


def failing(verdict: Verdict) -> set[str]:
    return {c.name for c in verdict.all_checks() if c.indication is not Indication.PASSED}


def rewritten(bundle: bytes, change: Callable[[dict[str, bytes]], None], *, redone=False) -> bytes:
    """The bundle with other files; `redone` writes the list anew, as a forger would."""
    files = unpack(bundle)
    change(files)
    if redone:
        listed = {n: digests_of([d]) for n, d in files.items()
                  if n not in ("mimetype", MANIFEST, TIMESTAMP)}  # fmt: skip
        files[MANIFEST] = write_manifest(listed, time_stamped=TIMESTAMP in files)
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            kind = 0 if name in ("mimetype", "document.ofd") else 8
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, kind)
    return buffer.getvalue()


def test_a_bundle_passes_and_is_told_by_its_first_bytes(stamped, store):
    assert is_evidence(stamped)
    assert not is_evidence(seal_ofd(plain_ofd()))
    verdict = assess_evidence(stamped, store=store, now=MADE)
    assert (verdict.indication, failing(verdict)) == (Indication.PASSED, set())
    assert verdict.now.indication is Indication.PASSED
    assert told(verdict, "evidence_time").proves is not None
    (report,) = verdict.signatures
    assert report.proved_at == told(verdict, "evidence_time").proves
    assert verdict.document_format == "EVIDENCE"
    files = unpack(stamped)
    assert next(iter(files)) == "mimetype"
    assert json.loads(files["verdict.json"])["indication"] == "PASSED"
    assert files["report.pdf"].startswith(b"%PDF-")
    assert assess(files["document.ofd"], store=store, now=MADE).indication is Indication.PASSED


def test_the_same_makes_the_same_bytes(store):
    document = seal_ofd(plain_ofd())
    assert make(store, document=document) == make(store, document=document)


def test_years_later_it_still_holds_though_the_certificates_expired_and_one_was_revoked(
    stamped, store
):
    assert YEARS_LATER > END  # of every certificate in the world
    revoked = Revocation(
        serial=_serial(world().certificate), at=MADE + timedelta(days=400), reason="key_compromise"
    )
    later = replace(store, crls=(*store.crls, crl(revoked, at=MADE + timedelta(days=401))))
    verdict = assess_evidence(stamped, store=later, now=YEARS_LATER)
    assert (verdict.indication, failing(verdict)) == (Indication.PASSED, set())
    assert verdict.now.indication is Indication.PASSED
    assert verdict.now.since == revoked.at
    # The document by itself is open today: nothing else proves when it was sealed.
    alone = assess(unpack(stamped)["document.ofd"], store=later, now=YEARS_LATER)
    assert alone.now.indication is Indication.INDETERMINATE


def test_revoked_before_the_bundle_was_made_is_open(stamped, store):
    revoked = Revocation(serial=_serial(world().certificate), at=MADE - timedelta(days=1))
    later = replace(store, crls=(*store.crls, crl(revoked, at=MADE + timedelta(days=1))))
    verdict = assess_evidence(stamped, store=later, now=YEARS_LATER)
    assert verdict.now.indication is Indication.INDETERMINATE


def test_without_a_time_stamp_it_is_judged_as_of_today_and_says_so(store):
    bundle = make(store)
    verdict = assess_evidence(bundle, store=store, now=YEARS_LATER)
    assert told(verdict, "evidence_time").notice
    assert verdict.indication is Indication.PASSED  # when it was signed, by its own word
    assert verdict.now.indication is Indication.INDETERMINATE


def _serial(certificate: bytes) -> int:
    return parse_certificate(certificate).serial


def test_the_roots_inside_are_not_trusted_by_themselves(stamped, store):
    nobody = TrustStore()
    verdict = assess_evidence(stamped, store=nobody, now=MADE)
    assert verdict.indication is Indication.INDETERMINATE
    assert told(verdict, "evidence_anchors").reason == "NO_TRUST_ANCHOR"
    assert told(verdict, "evidence_time").reason == "TIME_STAMP_NOT_TRUSTED"
    verdict = assess_evidence(stamped, store=nobody, now=MADE, trust_inside=True)
    assert verdict.indication is Indication.PASSED
    assert told(verdict, "evidence_anchors").notice
    trust = {one.source for report in verdict.signatures for one in report.trust}
    assert trust <= {"the list inside the bundle"}


@pytest.mark.parametrize(
    "name",
    ["document.ofd", "evidence.json", "verdict.json", "report.pdf", "trust/list.json",
     "certificates/001.cer", "revocation/001.crl", "trust/anchors/001.cer", "receipts/001.json"],
)  # fmt: skip
def test_a_changed_file_fails_by_its_digest(stamped, store, name):
    def change(files):
        files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])

    verdict = assess_evidence(rewritten(stamped, change), store=store, now=MADE)
    assert failing(verdict) == {"evidence_digests"}
    assert f"/{name}" in told(verdict, "evidence_digests").detail
    # With the list written anew, the time-stamp is over another list.
    verdict = assess_evidence(rewritten(stamped, change, redone=True), store=store, now=MADE)
    assert verdict.indication is Indication.FAILED
    assert failing(verdict) & {"evidence_time", "evidence_material"}


def test_an_added_file_and_one_taken_away_fail_by_the_list(stamped, store):
    def added(files):
        files["receipts/002.json"] = b"{}"

    def taken(files):
        del files["revocation/001.crl"]

    def unstamped(files):
        del files[TIMESTAMP]

    def strange(files):
        files["notes.txt"] = b"believe me"

    for change, name in (
        (added, "evidence_manifest"),
        (taken, "evidence_manifest"),
        (unstamped, "evidence_manifest"),
        (strange, "evidence_layout"),
    ):
        verdict = assess_evidence(rewritten(stamped, change), store=store, now=MADE)
        assert failing(verdict) == {name}, change


def test_a_report_that_the_material_does_not_give_fails(store):
    def lie(files):
        said = json.loads(files["verdict.json"])
        said["indication"] = "FAILED"
        files["verdict.json"] = json.dumps(said).encode()

    bundle = rewritten(make(store), lie, redone=True)
    assert failing(assess_evidence(bundle, store=store, now=MADE)) == {"evidence_verdict"}


def _verdict_with(change: Callable[[dict], None]) -> Callable[[dict[str, bytes]], None]:
    def changed(files: dict[str, bytes]) -> None:
        said = json.loads(files["verdict.json"])
        change(said)
        files["verdict.json"] = canonical(said)

    return changed


LIES = {
    "check failed": lambda said: said["signatures"][0]["checks"][3].update(indication="FAILED"),
    "reason": lambda said: said["signatures"][0]["checks"][3].update(reason="REFERENCES"),
    "now": lambda said: said["now"].update(indication="FAILED"),
    "signer": lambda said: said["signatures"][0].update(signer="示范县他人"),
    "certificate": lambda said: said["signatures"][0]["certificate"].update(serial="1"),
    "time": lambda said: said["signatures"][0].update(signed_at="2026-01-01T00:00:00+00:00"),
    "signature added": lambda said: said["signatures"].append(said["signatures"][0]),
    "failed check added": lambda said: said["checks"].append(
        {"name": "roof", "indication": "FAILED"}
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_one_word_of_the_verdict_inside_that_the_material_does_not_give_fails(store, lie):
    bundle = rewritten(make(store), _verdict_with(LIES[lie]), redone=True)
    for maker in ("tongban 0.1.0", "tongban 7.0.0"):
        verdict = assess_evidence(bundle, store=store, now=MADE, maker=maker)
        assert failing(verdict) == {"evidence_verdict"}
        assert verdict.indication is Indication.FAILED


def test_a_verdict_inside_that_reads_in_two_ways_fails(store):
    def twice(files):
        files["verdict.json"] = files["verdict.json"].replace(
            b'"document_format"', b'"indication": "FAILED",\n "document_format"', 1
        )

    bundle = rewritten(make(store), twice, redone=True)
    assert failing(assess_evidence(bundle, store=store, now=MADE)) == {"evidence_verdict"}


def test_sentences_and_checks_of_another_version_are_let_be_and_told(store):
    worded = _verdict_with(lambda said: said.update(summary="all is well"))
    without = _verdict_with(lambda said: said["signatures"][0]["checks"].pop(3))
    for change, maker, indication in (
        (worded, "tongban 0.1.0", Indication.PASSED),
        (without, "tongban 7.0.0", Indication.PASSED),
        (without, "tongban 0.1.0", Indication.FAILED),
    ):
        bundle = rewritten(make(store), change, redone=True)
        verdict = assess_evidence(bundle, store=store, now=MADE, maker=maker)
        check = told(verdict, "evidence_verdict")
        assert (verdict.indication, check.indication) == (indication, indication)
        assert check.notice is (indication is Indication.PASSED)


def test_a_printed_report_is_told_not_to_be_compared(store):
    bundle = make(store, report=lambda _: b"%PDF-1.7 FAILED report")
    check = told(assess_evidence(bundle, store=store, now=MADE), "evidence_verdict")
    assert (check.indication, check.notice) == (Indication.PASSED, True)
    assert "the printed /report.pdf was not compared: the answer is this one" in check.detail
    plainly = told(assess_evidence(make(store), store=store, now=MADE), "evidence_verdict")
    assert not plainly.notice


def test_another_time_stamp_fails(stamped, store, authority):
    client = TimestampClient(authority.url, anchors=[authority.root])

    def over_other_bytes(files):
        files[TIMESTAMP] = client.stamp(b"something else")

    def broken(files):
        files[TIMESTAMP] = files[TIMESTAMP][:-1] + b"\x00"

    for change in (over_other_bytes, broken):
        verdict = assess_evidence(rewritten(stamped, change), store=store, now=MADE)
        assert failing(verdict) == {"evidence_time"}
        assert verdict.indication is Indication.FAILED


def test_a_list_in_another_form_fails(stamped, store):
    def spaced(files):
        files[MANIFEST] = files[MANIFEST].replace(b"\n</asic", b"\n\n</asic")

    def twice(files):
        row = files[MANIFEST].split(b"\n")[3]
        files[MANIFEST] = files[MANIFEST].replace(row, row + b"\n" + row)

    def entity(files):
        files[MANIFEST] = b"<!DOCTYPE x>" + files[MANIFEST]

    for change in (spaced, twice, entity):
        verdict = assess_evidence(rewritten(stamped, change), store=store, now=MADE)
        assert failing(verdict) == {"evidence_manifest"}


def test_bombs_are_refused(stamped, store):
    def bomb(files):
        files["report.pdf"] = bytes(70 * 1024 * 1024)

    verdict = assess_evidence(rewritten(stamped, bomb), store=store, now=MADE)
    assert (verdict.indication, verdict.reason) == ("INDETERMINATE", "TOO_LARGE_TO_JUDGE")
    lying = lying_size(stamped, "verdict.json", 5)
    assert assess_evidence(lying, store=store, now=MADE).indication is Indication.FAILED
    huge = lying_size(stamped, "verdict.json", 1 << 31)
    assert failing(assess_evidence(huge, store=store, now=MADE)) == {"package_zip"}


def test_a_detached_signature_has_its_evidence_too(store):
    digest, here = bytes(range(32)), world()
    tbs = to_be_signed(
        seal=here.seal(), signed_at=SEALED_AT, data_hash=digest, property_info="digest only"
    )
    signature = assemble_signature(
        tbs,
        certificate=here.certificate,
        signature=here.signer.sign(tbs),
        suite_oid=SM2_SM3_OID,
    )
    bundle = make(store, document=signature, digest=digest)
    verdict = assess_evidence(bundle, store=store, now=MADE)
    assert (verdict.indication, failing(verdict)) == (Indication.PASSED, set())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_bundles_never_raise(data):
    bundle = _small()
    at = data.draw(st.integers(0, len(bundle) - 1))
    length = data.draw(st.integers(0, 8))
    damaged = bundle[:at] + data.draw(st.binary(max_size=8)) + bundle[at + length :]
    verdict = assess_evidence(damaged, store=world().store(), now=MADE)
    # The dates that a zip gives its entries are all that nothing rests on.
    assert verdict.indication is not Indication.PASSED or unpack(damaged) == unpack(bundle)
    assert crc(damaged) is not None


_MADE: list[bytes] = []


def _small() -> bytes:
    if not _MADE:
        _MADE.append(make(world().store()))
    return _MADE[0]


def test_other_tools_read_the_bundle(stamped, authority, tmp_path):
    """What it is made of is what others make: zip, SHA-256, RFC 3161."""
    (tmp_path / "evidence.zip").write_bytes(stamped)
    subprocess.run(["python3", "-m", "zipfile", "-t", "evidence.zip"], cwd=tmp_path, check=True)
    subprocess.run(
        ["python3", "-m", "zipfile", "-e", "evidence.zip", "."], cwd=tmp_path, check=True
    )
    (tmp_path / "root.pem").write_text(ssl.DER_cert_to_PEM_cert(authority.root))
    said = subprocess.run(
        ["openssl", "ts", "-verify", "-data", MANIFEST, "-in", TIMESTAMP, "-token_in",
         "-CAfile", "root.pem"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (said.returncode, "Verification: OK" in said.stdout) == (0, True), said.stderr
    listed = etree.parse(tmp_path / MANIFEST)
    names = {
        "asic": "http://uri.etsi.org/02918/v1.2.1#",
        "ds": "http://www.w3.org/2000/09/xmldsig#",
    }
    rows = listed.findall("asic:DataObjectReference", names)
    assert len(rows) == len(unpack(stamped)) - 3
    for row in rows:
        path = tmp_path / row.get("URI", "")
        assert row.findtext("ds:DigestValue", namespaces=names) == (
            b64encode(sha256(path.read_bytes()).digest()).decode()
        )
        sm3 = subprocess.run(
            ["openssl", "dgst", "-sm3", "-binary", path], capture_output=True, check=True
        ).stdout
        (ours,) = row.iter("{urn:tongban:evidence:1}Digest")
        assert ours.text == b64encode(sm3).decode()


def test_a_pdf_and_a_document_that_fails_have_their_evidence_too(store):
    theirs = world(P256).store()
    both = replace(store, anchors=(*store.anchors, *theirs.anchors))
    bundle = make(both, document=sealed_pdf(plain_pdf()))
    verdict = assess_evidence(bundle, store=both, now=MADE)
    assert (verdict.indication, failing(verdict)) == (Indication.PASSED, set())
    forged = forge(seal_ofd(plain_ofd()))
    bundle = make(store, document=forged)
    verdict = assess_evidence(bundle, store=store, now=MADE)
    assert (verdict.indication, failing(verdict)) == (Indication.FAILED, {"references"})
    with pytest.raises(InvalidArgument):
        make(store, document=bundle)  # a bundle is no document


def forge(document: bytes) -> bytes:
    files = unpack(document)
    page = "Doc_0/Pages/Page_0/Content.xml"
    files[page] = files[page].replace(b"HELLO", b"HALLO")
    return pack(files)


def test_certificates_and_lists_are_those_of_the_paths(store):
    stranger = list_of_a_stranger()
    more = replace(store, crls=(*store.crls, stranger))
    files = unpack(make(more))
    held = [files[name] for name in files if name.startswith("revocation/")]
    assert stranger not in held
    assert world().certificate in files.values()
    assert world().maker_certificate in files.values()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20)
    | st.sampled_from(["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-12:00", "verdict.json"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_the_json_inside_says_nothing_raises(data):
    def change(files):
        name = data.draw(st.sampled_from(["evidence.json", "verdict.json", "trust/list.json"]))
        body = json.loads(files[name])
        places = [(body, key) for key in body]
        for held in (*body.get("anchors", ()), body.get("policy", {})):
            places += [(held, key) for key in held]
        holder, key = data.draw(st.sampled_from(places))
        holder[key] = data.draw(VALUES)
        files[name] = canonical(body)

    bundle = rewritten(_small(), change, redone=True)
    for inside in (False, True):
        assess_evidence(bundle, store=world().store(), now=MADE, trust_inside=inside)
