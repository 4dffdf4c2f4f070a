"""Signatures of Type=Sign (GB/T 35275): every form passes, every forgery fails at its own check."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import cms, pem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from seal import der, suites
from seal.model import Indication, Verdict
from seal.ofd.signed_data import parse_signed_data
from seal.ofd.signed_proof import covers, is_signed
from seal.pki.issuing import issue_certificate
from seal.trust import Revocation, TrustStore, issue_crl, parse_certificate
from seal.verify import assess
from tests.builders.makers import Habit, made
from tests.builders.ofd import BEGIN, END, NOW, SEALED_AT, pack, unpack, world
from tests.builders.signed_data import FORMS, GM, PKCS7, STANDARD, Form, bare, signed_data

XML = "Doc_0/Signs/Sign_0/Signature.xml"
VALUE = "Doc_0/Signs/Sign_0/SignedValue.dat"
DOCUMENT = b"<ofd:Signature/>"
TIMED = FORMS["attributes-time"]


def _by(form: Form = STANDARD, document: bytes = DOCUMENT) -> bytes:
    here = world()
    return signed_data(document, (here.signer, here.certificate), form=form)


def _assess(data: bytes, store: TrustStore | None = None) -> Verdict:
    return assess(data, store=store or world().store(), now=NOW)


def _wrong(verdict: Verdict) -> dict[str, tuple[str, str]]:
    return {
        one.name: (one.indication.value, one.reason)
        for one in verdict.all_checks()
        if one.indication is not Indication.PASSED and one.reason != "NOT_ASKED"
    }


def _with_value(value: Callable[[bytes], bytes], habit: Habit | None = None) -> Verdict:
    """A sound document whose signature value is another."""
    files = unpack(made(habit or Habit(sign=STANDARD)))
    files[VALUE] = value(files[XML])
    return _assess(pack(files))


# --- what is sound --------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMS)
def test_every_form_passes(name: str) -> None:
    verdict = _assess(made(Habit(sign=FORMS[name])))
    assert not _wrong(verdict)
    (report,) = verdict.signatures
    assert (report.format, report.signer) == ("GBT_35275", "示范县行政审批局")
    assert report.signed_at == SEALED_AT
    assert report.certificate is not None
    told = {one.name for one in report.checks if one.notice} - {"signer_certificate"}
    assert told == ({"signature_encoding"} if name == "bare-value" else set())


@pytest.mark.parametrize("method", ["SM2", "SM2-with-SM3", "1.2.156.10197.1.301.1", ""])
def test_the_method_by_name_or_number(method: str) -> None:
    assert not _wrong(_assess(made(Habit(sign=STANDARD, method=method))))


def test_several_signers_of_one_value() -> None:
    here = world()
    second = here.issue(here.stranger.public_key, "第二签名者")
    both = ((here.signer, here.certificate), (here.stranger, second))
    assert not _wrong(_with_value(lambda xml: signed_data(xml, *both)))

    def one_of_them_is_not_good(xml: bytes) -> bytes:
        return signed_data(xml, both[0], (here.signer, second))

    assert _wrong(_with_value(one_of_them_is_not_good)) == {"document_signature": ("FAILED", "")}


def test_an_intermediate_may_come_along() -> None:
    here = world()
    between = issue_certificate(
        issuer=here.root,
        issuer_certificate=here.root_certificate,
        subject_key=here.maker.public_key,
        subject={"CN": "示范中间"},
        not_before=BEGIN,
        not_after=END,
        is_ca=True,
    )
    leaf = issue_certificate(
        issuer=here.maker,
        issuer_certificate=between,
        subject_key=here.signer.public_key,
        subject={"CN": "示范县行政审批局"},
        not_before=BEGIN,
        not_after=END,
    )
    pair = (here.signer, leaf)
    assert not _wrong(_with_value(lambda xml: signed_data(xml, pair, more=[between])))
    alone = _wrong(_with_value(lambda xml: signed_data(xml, pair)))
    assert alone == {"signer_certificate": ("INDETERMINATE", "NO_TRUST_ANCHOR")}


@pytest.mark.parametrize("suite", [suites.P256, suites.RSA])
def test_other_suites_by_the_names_of_cms(suite: str) -> None:
    here = world(suite)
    chosen = suites.suite(suite)
    form = Form(
        oids=(PKCS7["data"], PKCS7["signed"]),
        content="none",
        attributes=True,
        algorithm=chosen.signature_oid,
        digest=suites.SHA256_OID,
    )
    files = unpack(made(Habit(sign=STANDARD, method=chosen.signature_oid)))
    files[VALUE] = signed_data(files[XML], (here.signer, here.certificate), form=form)
    assert not _wrong(_assess(pack(files), here.store()))


# --- what is not ----------------------------------------------------------------------------


def _stranger(xml: bytes) -> bytes:
    here = world()
    return signed_data(xml, (here.stranger, here.certificate))


def _of_another(_xml: bytes) -> bytes:
    return _by()


def _look_alike(xml: bytes) -> bytes:
    """Another certificate of the same name and number, by another root."""
    here = world()
    info = parse_certificate(here.certificate)
    root = issue_certificate(
        issuer=here.stranger,
        issuer_certificate=None,
        subject_key=here.stranger.public_key,
        subject={"CN": "示范根"},
        not_before=BEGIN,
        not_after=END,
        is_ca=True,
    )
    other = issue_certificate(
        issuer=here.stranger,
        issuer_certificate=root,
        subject_key=here.stranger.public_key,
        subject={"CN": "示范县行政审批局", "O": "示范县"},
        not_before=BEGIN,
        not_after=END,
        serial=info.serial,
    )
    return signed_data(xml, (here.stranger, other), more=[root])


def _attribute_of_another(xml: bytes) -> bytes:
    """Signed attributes that name one certificate beside one of the same key and number."""
    here = world()
    info = parse_certificate(here.certificate)
    twin = issue_certificate(
        issuer=here.root,
        issuer_certificate=here.root_certificate,
        subject_key=here.signer.public_key,
        subject={"CN": "另一名称"},
        not_before=BEGIN,
        not_after=END,
        serial=info.serial,
    )
    value = _by(FORMS["attributes-certificate"], xml)
    return (
        value.replace(here.certificate, twin)
        if len(twin) == len(here.certificate)
        else _fit(value, here.certificate, twin)
    )


def _fit(value: bytes, old: bytes, new: bytes) -> bytes:
    """The certificate replaced, and every length around it made right."""
    kind, wrapped = der.children(value)
    (inner,) = wrapped.members()
    parts = [
        der.tlv(one.tag, one.content.replace(old, new)) if one.tag == 0xA0 else one.raw
        for one in inner.members()
    ]
    return der.sequence(kind.raw, der.tlv(0xA0, der.sequence(*parts)))


WRONG: dict[str, tuple[Callable[[bytes], bytes], dict[str, tuple[str, str]]]] = {
    "signed by another key": (_stranger, {"document_signature": ("FAILED", "")}),
    "of another document": (_of_another, {"data_hash": ("FAILED", "")}),
    "certificate swapped for its twin": (
        _attribute_of_another,
        {"document_signature": ("FAILED", "")},
    ),
    "bare value": (
        lambda xml: world().signer.sign(xml),
        {"signature_format": ("INDETERMINATE", "BARE_SIGNATURE_VALUE")},
    ),
    "bare value, r and s": (
        lambda xml: bare(world().signer.sign(xml)),
        {"signature_format": ("INDETERMINATE", "BARE_SIGNATURE_VALUE")},
    ),
    "nothing": (lambda _: b"", {"signature_format": ("FAILED", "MALFORMED_SIGNED_DATA")}),
    "something after it": (
        lambda xml: _by(document=xml) + b"\x00",
        {"signature_format": ("FAILED", "MALFORMED_SIGNED_DATA")},
    ),
    "another algorithm's name": (
        lambda xml: _by(Form(algorithm=suites.ECDSA_SHA256_OID), xml),
        {"signature_format": ("FAILED", ""), "document_signature": ("FAILED", "")},
    ),
    "seal's signature": (
        lambda _: unpack(made(Habit()))[VALUE],
        {"signature_format": ("FAILED", "MALFORMED_SIGNED_DATA")},
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_fails_at_its_own_check(name: str) -> None:
    value, expected = WRONG[name]
    assert _wrong(_with_value(value)) == expected


def test_a_look_alike_of_the_certificate_is_not_trusted() -> None:
    assert set(_wrong(_with_value(_look_alike))) == {"signer_certificate"}


def test_no_certificate_inside_is_left_open() -> None:
    found = _wrong(_assess(made(Habit(sign=Form(with_certificate=False)))))
    reason = ("INDETERMINATE", "NO_SIGNER_CERTIFICATE")
    assert found == {
        "signature_format": reason,
        "signer_certificate": reason,
        "document_signature": reason,
    }


def test_a_broken_digest_is_named() -> None:
    def sha1(xml: bytes) -> bytes:
        value = _by(document=xml)
        return _fit_oid(value, suites.SM3_OID, "1.3.14.3.2.26")

    found = _wrong(_with_value(sha1))
    assert found["signature_format"] == ("FAILED", "DIGEST_WEAK")


def _fit_oid(value: bytes, old: str, new: str) -> bytes:
    def rebuilt(element: der.Element) -> bytes:
        if element.raw == der.oid(old):
            return der.oid(new)
        if element.tag & 0x20 and element.tag != 0xA0:
            return der.tlv(element.tag, b"".join(map(rebuilt, element.members())))
        return element.raw

    kind, wrapped = der.children(value)
    (inner,) = wrapped.members()
    return der.sequence(kind.raw, der.tlv(0xA0, rebuilt(inner)))


def test_a_changed_page_fails_at_its_reference() -> None:
    files = unpack(made(Habit(sign=STANDARD)))
    files["Doc_0/Pages/Page_0/Content.xml"] = files["Doc_0/Pages/Page_0/Content.xml"].replace(
        b"HELLO", b"HALLO"
    )
    assert _wrong(_assess(pack(files))) == {"references": ("FAILED", "")}


def test_a_changed_signature_xml_fails_at_its_hash() -> None:
    files = unpack(made(Habit(sign=STANDARD)))
    files[XML] = files[XML].replace(b"2026", b"2025")
    assert _wrong(_assess(pack(files))) == {
        "data_hash": ("FAILED", ""),
        "signer_certificate": ("FAILED", "CERTIFICATE_NOT_YET_VALID"),
    }


def test_from_the_future_and_without_a_time() -> None:
    later = replace(TIMED, signing_time=NOW + timedelta(days=1))
    assert set(_wrong(_assess(made(Habit(sign=later))))) == {"signing_time"}
    found = _wrong(_assess(made(Habit(sign=STANDARD, date_time="yesterday"))))
    assert found == dict.fromkeys(
        ("signing_time", "signer_certificate"), ("INDETERMINATE", "NO_SIGNING_TIME")
    )


def test_a_revocation_list_inside_counts() -> None:
    here = world()
    serial = parse_certificate(here.certificate).serial
    for revoked in ([], [Revocation(serial=serial, at=BEGIN)]):
        held = issue_crl(
            issuer=here.root,
            issuer_certificate=here.root_certificate,
            this_update=BEGIN,
            next_update=END,
            number=1,
            revoked=revoked,
        )
        verdict = _assess(made(Habit(sign=Form(lists=(held,)))))
        wrong = {"signer_certificate": ("FAILED", "CERTIFICATE_REVOKED")} if revoked else {}
        assert _wrong(verdict) == wrong
        assert not any(one.notice for one in verdict.all_checks())


def test_a_revoked_signer_fails() -> None:
    here = world()
    serial = parse_certificate(here.certificate).serial
    revoked = issue_crl(
        issuer=here.root,
        issuer_certificate=here.root_certificate,
        this_update=BEGIN,
        next_update=END,
        number=1,
        revoked=[Revocation(serial=serial, at=BEGIN)],
    )
    store = TrustStore(anchors=here.store().anchors, crls=(revoked,))
    found = _wrong(_assess(made(Habit(sign=STANDARD)), store))
    assert found == {"signer_certificate": ("FAILED", "CERTIFICATE_REVOKED")}


SOUND = {name: _by(form) for name, form in FORMS.items()}


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(SOUND)), st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_means_nothing(name: str, at: int, change: int) -> None:
    value = bytearray(SOUND[name])
    value[at % len(value)] ^= change
    try:
        read = parse_signed_data(bytes(value))
    except InvalidArgument:
        return
    (good,) = parse_signed_data(SOUND[name]).signers
    for signer in read.signers:
        holds = is_signed(read, signer, DOCUMENT) and covers(read, signer, DOCUMENT)
        if holds and signer.certificate == good.certificate:
            assert signer.attributes == good.attributes
            assert suites.sm2_value(signer.signature) == suites.sm2_value(good.signature)


@pytest.mark.parametrize("name", FORMS)
def test_no_form_is_good_for_another_document(name: str) -> None:
    read = parse_signed_data(SOUND[name])
    (signer,) = read.signers
    assert covers(read, signer, DOCUMENT)
    assert is_signed(read, signer, DOCUMENT)
    other = DOCUMENT + b" "
    assert not (covers(read, signer, other) and is_signed(read, signer, other))


# --- OpenSSL --------------------------------------------------------------------------------
# Its `cms` neither makes nor verifies SM2 (it has no way to give the signer's id), so what is
# signed is cut out here by asn1crypto, not by our reader, and given to `dgst`.


def _openssl(folder: Path, *arguments: str) -> bool:
    done = subprocess.run(["openssl", *arguments], cwd=folder, check=False, capture_output=True)
    return done.returncode == 0


def _cut(value: bytes) -> tuple[bytes, bytes]:
    """What is signed, and the signature, by another reader."""
    signed = cms.ContentInfo.load(_renamed(value))["content"]
    (signer,) = signed["signer_infos"]
    content = signed["encap_content_info"]["content"].native or DOCUMENT
    attributes = signer["signed_attrs"]
    message = attributes.untag().dump() if len(attributes) else content
    return message, signer["signature"].native


def _renamed(value: bytes) -> bytes:
    """With the names of PKCS#7, which that reader knows."""
    kind, wrapped = der.children(value)
    assert kind.oid() in (GM["signed"], PKCS7["signed"])
    (inner,) = wrapped.members()
    version, hashes, content, *rest = inner.members()
    named = [der.oid(PKCS7["data"]), *(one.raw for one in content.members()[1:])]
    parts = [version.raw, hashes.raw, der.sequence(*named), *(one.raw for one in rest)]
    return der.sequence(der.oid(PKCS7["signed"]), der.tlv(0xA0, der.sequence(*parts)))


@pytest.mark.parametrize("name", sorted(FORMS.keys() - {"bare-value"}))
def test_openssl_agrees_on_what_is_signed(tmp_path: Path, name: str) -> None:
    message, signature = _cut(SOUND[name])
    here = world()
    (tmp_path / "message").write_bytes(message)
    (tmp_path / "signature").write_bytes(signature)
    (tmp_path / "key").write_bytes(pem.armor("PUBLIC KEY", here.signer.public_key))
    check = ["-verify", "key", "-signature", "signature", "message"]
    assert _openssl(tmp_path, "dgst", "-sm3", "-sigopt", "distid:1234567812345678", *check)
    assert not _openssl(tmp_path, "dgst", "-sm3", "-sigopt", "distid:someone", *check)


def test_a_value_signed_under_another_identity_fails(tmp_path: Path) -> None:
    """OpenSSL signs as `someone`; the certificate says nothing of that."""
    _openssl(tmp_path, "genpkey", "-algorithm", "SM2", "-out", "key")
    assert _openssl(tmp_path, "pkey", "-in", "key", "-pubout", "-outform", "DER", "-out", "pub")
    here = world()
    public = (tmp_path / "pub").read_bytes()
    leaf = here.issue(public, "示范县行政审批局")
    (tmp_path / "message").write_bytes(suites.digest("sm3", DOCUMENT))
    for identity in ("1234567812345678", "someone"):
        sign = ["dgst", "-sm3", "-sign", "key", "-sigopt", f"distid:{identity}"]
        assert _openssl(tmp_path, *sign, "-out", "signature", "message")
        value = _by_hand(leaf, (tmp_path / "signature").read_bytes())
        read = parse_signed_data(value)
        assert is_signed(read, read.signers[0], DOCUMENT) == (identity != "someone")


def _by_hand(certificate: bytes, signature: bytes) -> bytes:
    """The value whose one signature is that one."""

    class Given:
        def sign(self, _message: bytes) -> bytes:
            return signature

    return signed_data(DOCUMENT, (Given(), certificate))  # type: ignore[arg-type]


@pytest.mark.parametrize("suite", [suites.P256, suites.RSA])
@pytest.mark.parametrize("options", [[], ["-noattr"], ["-nodetach"], ["-keyid"], ["-cades"]])
def test_we_read_what_openssl_makes(tmp_path: Path, suite: str, options: list[str]) -> None:
    kind = {
        suites.P256: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        suites.RSA: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    }[suite]
    (tmp_path / "document").write_bytes(DOCUMENT)
    assert _openssl(tmp_path, "genpkey", *kind, "-out", "key")
    request = ["-subj", "/CN=Test", "-days", "30", "-addext", "subjectKeyIdentifier=hash"]
    assert _openssl(tmp_path, "req", "-x509", "-new", "-key", "key", *request, "-out", "cert")
    made_by = ["-signer", "cert", "-inkey", "key", "-md", "sha256", "-outform", "DER"]
    how = ["-binary", "-in", "document", *made_by, *options, "-out", "value"]
    assert _openssl(tmp_path, "cms", "-sign", *how)
    read = parse_signed_data((tmp_path / "value").read_bytes())
    (signer,) = read.signers
    assert covers(read, signer, DOCUMENT)
    assert is_signed(read, signer, DOCUMENT)
    assert not covers(read, signer, b"other") or not is_signed(read, signer, b"other")


@pytest.mark.parametrize("suite", [suites.P256, suites.RSA])
@pytest.mark.parametrize("attributes", [False, True])
def test_openssl_reads_what_the_builder_makes(tmp_path: Path, suite: str, attributes: bool) -> None:
    """So the builder, which proves our reader, is itself right about CMS."""
    here = world(suite)
    form = Form(
        oids=(PKCS7["data"], PKCS7["signed"]),
        content="none",
        attributes=attributes,
        algorithm=suites.suite(suite).signature_oid,
        digest=suites.SHA256_OID,
    )
    value = signed_data(DOCUMENT, (here.signer, here.certificate), form=form)
    (tmp_path / "value").write_bytes(value)
    (tmp_path / "root").write_bytes(pem.armor("CERTIFICATE", here.root_certificate))
    check = [
        *("cms", "-verify", "-binary", "-inform", "DER", "-in", "value", "-purpose", "any"),
        *("-content", "document", "-CAfile", "root", "-out", "out"),
        *("-attime", str(int(NOW.timestamp()))),
    ]
    (tmp_path / "document").write_bytes(DOCUMENT)
    assert _openssl(tmp_path, *check)
    (tmp_path / "document").write_bytes(DOCUMENT + b" ")
    assert not _openssl(tmp_path, *check)
