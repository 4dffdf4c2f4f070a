"""PDFs as other makers sign them: other algorithms, the older kind of value, those of OpenSSL."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl, keys, pem, x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, SimpleSigner, sign_pdf
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator.registry import SimpleCertificateStore

from seal import der, suites
from seal.model import Indication, Verdict
from seal.pdf.update import SealWriter
from seal.pki.issuing import issue_certificate, issue_crl
from seal.trust import Revocation, TrustAnchor, TrustStore, parse_certificate
from seal.verify import assess
from tests.builders.ofd import BEGIN, END, NOW, SEALED_AT, world
from tests.builders.pdf import plain_pdf, sealed_pdf
from tests.builders.seal_pki import pki
from tests.builders.signed_data import PKCS7, Form, signed_data

DETACHED = SigSeedSubFilter.ADOBE_PKCS7_DETACHED
PADES = SigSeedSubFilter.PADES


def _certificate(public: bytes) -> bytes:
    here = world(suites.RSA)
    return issue_certificate(
        issuer=here.root,
        issuer_certificate=here.root_certificate,
        subject_key=public,
        subject={"CN": "示范县行政审批局", "O": "示范县"},
        not_before=BEGIN,
        not_after=END,
    )


def _foreign_certificate(public: bytes) -> bytes:
    """Of a key that we have no suite for: the body is altered, and signed anew."""
    here = world(suites.RSA)
    body = x509.Certificate.load(_certificate(here.signer.public_key))["tbs_certificate"]
    body["subject_public_key_info"] = keys.PublicKeyInfo.load(public)
    encoded = body.dump(force=True)
    chosen = suites.suite(suites.RSA)
    return der.sequence(encoded, chosen.signature_algorithm, der.bits(here.root.sign(encoded)))


def _spki(key: Any) -> bytes:
    encoded: bytes = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _by_pyhanko(
    key: Any, certificate: bytes, *, kind: SigSeedSubFilter, digest: str, pss: bool = False
) -> bytes:
    signer = SimpleSigner(
        signing_cert=x509.Certificate.load(certificate),
        signing_key=keys.PrivateKeyInfo.load(
            key.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        ),
        cert_registry=SimpleCertificateStore(),
        prefer_pss=pss,
    )
    meta = PdfSignatureMetadata(field_name="Signature1", md_algorithm=digest, subfilter=kind)
    out = BytesIO()
    sign_pdf(IncrementalPdfFileWriter(BytesIO(plain_pdf())), meta, signer=signer, output=out)
    return out.getvalue()


def _embedded(
    value: Callable[[bytes, bytes], bytes], *, kind: SigSeedSubFilter, digest: str = "sha256"
) -> bytes:
    """A PDF whose signature value is made of the digest and of the bytes that are signed."""
    writer, out = IncrementalPdfFileWriter(BytesIO(plain_pdf())), BytesIO()
    embedding = PdfCMSEmbedder(SigFieldSpec("Signature1")).write_cms("Signature1", writer)
    next(embedding)
    about = SignatureObject(subfilter=kind, bytes_reserved=16384, timestamp=SEALED_AT)
    embedding.send(SigObjSetup(about))
    prepared, _ = embedding.send(SigIOSetup(md_algorithm=digest, output=out))
    data, (_, begin) = out.getvalue(), (0, prepared.reserved_region_start)
    signed = data[:begin] + data[prepared.reserved_region_end :]
    embedding.send(value(prepared.document_digest, signed))
    return out.getvalue()


def _assess(data: bytes, store: TrustStore | None = None) -> Verdict:
    # The library signs as of this machine's clock.
    now = max(NOW, datetime.now(UTC))
    return assess(data, store=store or world(suites.RSA).store(), now=now)


def _wrong(verdict: Verdict) -> dict[str, str]:
    return {
        one.name: one.why for one in verdict.all_checks() if one.indication is not Indication.PASSED
    }


@pytest.mark.parametrize("kind", [DETACHED, PADES])
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("pss", [False, True])
def test_rsa_in_all_its_forms(kind: SigSeedSubFilter, digest: str, pss: bool) -> None:
    key = rsa.generate_private_key(65537, 2048)
    data = _by_pyhanko(key, _certificate(_spki(key)), kind=kind, digest=digest, pss=pss)
    verdict = _assess(data)
    assert not _wrong(verdict)
    assert verdict.signatures[0].signer == "示范县行政审批局"
    told = {one.name for one in verdict.all_checks() if one.notice} - {"signer_certificate"}
    assert told == ({"signature_format"} if kind == DETACHED else set())
    assert _wrong(_assess(data.replace(b"HELLO", b"HALLO"))) == {
        "document_signature": "DOCUMENT_SIGNATURE"
    }


def test_a_key_of_a_kind_without_suite_is_left_open() -> None:
    """The mathematics is good; what the key is worth nobody here says."""
    key = ec.generate_private_key(ec.SECP521R1())
    data = _by_pyhanko(key, _foreign_certificate(_spki(key)), kind=PADES, digest="sha512")
    verdict = _assess(data)
    assert _wrong(verdict) == {"signer_certificate": "UNSUPPORTED_KEY"}
    assert verdict.indication is Indication.INDETERMINATE


def _form(suite: str, *, attributes: bool) -> Form:
    return Form(
        oids=(PKCS7["data"], PKCS7["signed"]),
        content="none",
        attributes=attributes,
        algorithm=suites.suite(suite).signature_oid,
        digest={suites.SM2: suites.SM3_OID}.get(suite, suites.SHA256_OID),
    )


@pytest.mark.parametrize("suite", [suites.P256, suites.RSA])
def test_a_value_without_attributes(suite: str) -> None:
    here = world(suite)
    pair = (here.signer, here.certificate)
    form = _form(suite, attributes=False)
    data = _embedded(lambda _, signed: signed_data(signed, pair, form=form), kind=DETACHED)
    assert not _wrong(_assess(data, here.store()))
    assert "document_signature" in _wrong(_assess(data.replace(b"HELLO", b"HALLO"), here.store()))


def test_sm2_in_a_pdf() -> None:
    """Readers know it not; makers in this country do it, with SM3."""
    here = world()
    pair = (here.signer, here.certificate)
    form = _form(suites.SM2, attributes=True)
    data = _embedded(
        lambda _, signed: signed_data(signed, pair, form=form), kind=DETACHED, digest="sm3"
    )
    assert not _wrong(_assess(data, here.store()))
    assert _wrong(_assess(data.replace(b"HELLO", b"HALLO"), here.store())) == {
        "document_signature": "DOCUMENT_SIGNATURE"
    }


@pytest.mark.parametrize("options", [[], ["-cades"], ["-keyid"]])
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_a_value_of_openssl(tmp_path: Path, options: list[str], digest: str) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "key")
    openssl("pkey", "-in", "key", "-pubout", "-outform", "DER", "-out", "public")
    certificate = _certificate((tmp_path / "public").read_bytes())
    (tmp_path / "cert").write_bytes(pem.armor("CERTIFICATE", certificate))

    def value(_digest: bytes, signed: bytes) -> bytes:
        (tmp_path / "signed").write_bytes(signed)
        openssl(
            "cms", "-sign", "-binary", "-in", "signed", "-signer", "cert", "-inkey", "key",
            "-md", digest, *options, "-outform", "DER", "-out", "value",
        )  # fmt: skip
        return (tmp_path / "value").read_bytes()

    assert not _wrong(_assess(_embedded(value, kind=DETACHED, digest=digest)))


# --- evidence inside ------------------------------------------------------------------------------


def _with_store(data: bytes, **held: Any) -> bytes:
    """The PDF with a document security store after its signature."""
    writer, out = SealWriter(BytesIO(data)), BytesIO()
    DocumentSecurityStore.supply_dss_in_writer(writer, None, **held)
    writer.write(out)
    return out.getvalue()


def _list(*revoked: Revocation) -> bytes:
    here = world(suites.P256)
    return issue_crl(
        issuer=here.root,
        issuer_certificate=here.root_certificate,
        this_update=BEGIN,
        next_update=END,
        number=1,
        revoked=revoked,
    )


def test_a_revocation_list_in_the_document_counts() -> None:
    here = world(suites.P256)
    serial = parse_certificate(here.certificate).serial
    good, bad = _list(), _list(Revocation(serial=serial, at=BEGIN))
    sealed = sealed_pdf(plain_pdf())
    alone = {one.name for one in _assess(sealed, here.store()).all_checks() if one.notice}
    assert alone == {"signer_certificate"}
    for held, wrong in ((good, {}), (bad, {"signer_certificate": "CERTIFICATE_REVOKED"})):
        data = _with_store(sealed, crls=[crl.CertificateList.load(held)])
        verdict = _assess(data, here.store())
        assert _wrong(verdict) == wrong
        told = {one.name for one in verdict.all_checks() if one.notice}
        assert told == {"covers_document"}


def test_an_intermediate_in_the_document_counts_and_a_root_does_not() -> None:
    here, other = pki(suites.P256), world(suites.P256)
    sealed = sealed_pdf(
        plain_pdf(), here=other, certificate=_leaf(here, other.signer.public_key), chain=()
    )
    brought = [here.intermediate.certificate, here.root.certificate]
    data = _with_store(sealed, certs=[x509.Certificate.load(one) for one in brought])
    anchor = TrustAnchor(name="root", certificate=here.root.certificate, valid_from=BEGIN)
    assert not _wrong(_assess(data, TrustStore(anchors=(anchor,))))
    nobody = {"signer_certificate": "NO_TRUST_ANCHOR"}
    assert _wrong(_assess(sealed, TrustStore(anchors=(anchor,)))) == nobody
    assert _wrong(_assess(data, TrustStore())) == nobody


def _leaf(here: Any, public: bytes) -> bytes:
    return issue_certificate(
        issuer=here.intermediate.signer,
        issuer_certificate=here.intermediate.certificate,
        subject_key=public,
        subject={"CN": "示范县行政审批局"},
        not_before=BEGIN,
        not_after=END,
    )
