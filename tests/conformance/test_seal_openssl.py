"""Agreement with the `openssl` command, both ways, on keys, signatures, chains and lists."""

from __future__ import annotations

import subprocess

import pytest
from asn1crypto import pem

from seal import suites, trust
from seal.keys import signers as keys
from tests.builders.seal_pki import BEGIN, END, NOON, pki

ID = f"distid:{suites.SM2_DEFAULT_ID.decode()}"
PASSPHRASE = b"correct horse battery"
AT = str(int(NOON.timestamp()))
# How each suite is spelled on openssl's command line.
DIGEST = {
    suites.SM2: ["-sm3", "-sigopt", ID],
    suites.P256: ["-sha256"],
    suites.P384: ["-sha384"],
    suites.RSA: ["-sha256"],
    suites.ED25519: [],
}
VERIFY = {suites.SM2: ["-vfyopt", ID]}
GENERATE = {
    suites.SM2: ["-algorithm", "SM2"],
    suites.P256: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    suites.P384: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    suites.RSA: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    suites.ED25519: ["-algorithm", "ED25519"],
}


def signing(suite, key, verb, signature, message):
    """`dgst` signs and verifies for all but Ed25519, which digests twice: `pkeyutl` for that."""
    if suite == suites.ED25519:
        check = ["-sigfile", signature] if verb == "-verify" else ["-out", signature]
        public = ["-pubin"] if verb == "-verify" else []
        return ["pkeyutl", verb, "-rawin", "-inkey", key, *public, "-in", message, *check]
    flag = "-signature" if verb == "-verify" else "-out"
    return ["dgst", verb, key, flag, signature, *DIGEST[suite], message]


@pytest.fixture(params=suites.suite_names())
def suite(request):
    return request.param


@pytest.fixture
def openssl(tmp_path):
    def run(*arguments, ok=True):
        done = subprocess.run(
            ["openssl", *arguments], cwd=tmp_path, capture_output=True, check=False, timeout=60
        )
        assert (done.returncode == 0) == ok, done.stderr.decode() + done.stdout.decode()
        return done.stdout

    return run


def write_pem(path, label, *encoded):
    path.write_bytes(b"".join(pem.armor(label, one) for one in encoded))


def key_file(folder, suite):
    signer = keys.create_key(folder / "key.pem", suite=suite, passphrase=PASSPHRASE)
    (folder / "pass").write_bytes(PASSPHRASE)
    return signer


def test_openssl_reads_our_key_files(tmp_path, openssl, suite):
    signer = key_file(tmp_path, suite)
    openssl("pkcs8", "-in", "key.pem", "-passin", "file:pass", "-out", "plain.pem")
    public = openssl("pkey", "-in", "plain.pem", "-pubout", "-outform", "DER")
    assert public == signer.public_key
    (tmp_path / "pass").write_bytes(b"wrong passphrase")
    openssl("pkcs8", "-in", "key.pem", "-passin", "file:pass", ok=False)


def test_openssl_verifies_what_we_sign(tmp_path, openssl, suite):
    signer = key_file(tmp_path, suite)
    openssl("pkey", "-in", "key.pem", "-passin", "file:pass", "-pubout", "-out", "pub.pem")
    (tmp_path / "message").write_bytes(b"message" * 1000)
    (tmp_path / "signature").write_bytes(signer.sign(b"message" * 1000))
    check = signing(suite, "pub.pem", "-verify", "signature", "message")
    openssl(*check)
    (tmp_path / "message").write_bytes(b"massage")
    openssl(*check, ok=False)


def test_we_verify_what_openssl_signs(tmp_path, openssl, suite):
    openssl("genpkey", *GENERATE[suite], "-out", "key.pem")
    public = openssl("pkey", "-in", "key.pem", "-pubout", "-outform", "DER")
    (tmp_path / "message").write_bytes(b"message")
    openssl(*signing(suite, "key.pem", "-sign", "signature", "message"))
    signature = (tmp_path / "signature").read_bytes()
    chosen = suites.suite(suite)
    assert chosen.verify(public, b"message", signature)
    assert not chosen.verify(public, b"massage", signature)


def test_we_open_what_openssl_encrypts(tmp_path, openssl, suite):
    openssl("genpkey", *GENERATE[suite], "-out", "plain.pem")
    (tmp_path / "pass").write_bytes(PASSPHRASE)
    openssl(
        "pkcs8", "-topk8", "-in", "plain.pem", "-out", "key.pem", "-passout", "file:pass",
        "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", "10000",
    )  # fmt: skip
    (tmp_path / "key.pem").chmod(0o600)
    signer = keys.open_key(f"file:{tmp_path / 'key.pem'}", passphrase=PASSPHRASE)
    public = openssl("pkey", "-in", "plain.pem", "-pubout", "-outform", "DER")
    assert (signer.suite_name, signer.public_key) == (suite, public)


@pytest.fixture
def chain(tmp_path, suite):
    """The command to check one link: `openssl verify` gives the SM2 id to the last certificate
    only, so a chain is checked link by link."""
    made = pki(suite)
    write_pem(tmp_path / "root.pem", "CERTIFICATE", made.root.certificate)
    write_pem(tmp_path / "middle.pem", "CERTIFICATE", made.intermediate.certificate)
    write_pem(tmp_path / "leaf.pem", "CERTIFICATE", made.signer.certificate)
    return made, ["verify", "-x509_strict", "-partial_chain", "-attime", AT, *VERIFY.get(suite, [])]


def test_openssl_trusts_our_chains(chain, openssl):
    _, verify = chain
    openssl(*verify, "-CAfile", "root.pem", "middle.pem")
    openssl(*verify, "-CAfile", "middle.pem", "leaf.pem")
    openssl(*verify, "-CAfile", "root.pem", "leaf.pem", ok=False)


def test_openssl_trusts_no_changed_certificate(tmp_path, chain, openssl):
    made, verify = chain
    changed = bytearray(made.signer.certificate)
    changed[-1] ^= 1
    write_pem(tmp_path / "leaf.pem", "CERTIFICATE", bytes(changed))
    openssl(*verify, "-CAfile", "middle.pem", "leaf.pem", ok=False)


def test_openssl_verifies_our_revocation_lists(tmp_path, chain, openssl, suite):
    """As bytes and signature, since the command has no way to give a list's check the SM2 id."""
    made, _ = chain
    serial = trust.parse_certificate(made.signer.certificate).serial
    listed = trust.Revocation(serial=serial, at=BEGIN, reason="key_compromise")
    encoded = made.crl(listed, at=BEGIN)
    read = trust.parse_crl(encoded)
    write_pem(tmp_path / "list.pem", "X509 CRL", encoded)
    text = openssl("crl", "-in", "list.pem", "-noout", "-text").decode()
    assert f"{serial:X}" in text
    assert "Key Compromise" in text
    (tmp_path / "pub.pem").write_bytes(openssl("x509", "-in", "middle.pem", "-noout", "-pubkey"))
    (tmp_path / "signed").write_bytes(read.signed_bytes)
    (tmp_path / "signature").write_bytes(read.signature)
    openssl(*signing(suite, "pub.pem", "-verify", "signature", "signed"))


@pytest.mark.parametrize(
    "suite", [suites.P256, suites.P384, suites.RSA, suites.ED25519], indirect=True
)
def test_openssl_honours_our_revocation_lists(tmp_path, chain, openssl):
    made, verify = chain
    serial = trust.parse_certificate(made.signer.certificate).serial
    check = [*verify, "-CAfile", "middle.pem", "-crl_check", "-CRLfile", "list.pem", "leaf.pem"]
    write_pem(tmp_path / "list.pem", "X509 CRL", made.crl(at=BEGIN))
    openssl(*check)
    listed = trust.Revocation(serial=serial, at=BEGIN)
    write_pem(tmp_path / "list.pem", "X509 CRL", made.crl(listed, at=BEGIN))
    openssl(*check, ok=False)


def test_we_trust_openssls_certificates(tmp_path, openssl, suite):
    openssl("genpkey", *GENERATE[suite], "-out", "key.pem")
    options = DIGEST[suite]
    openssl(
        "req", "-x509", "-new", "-key", "key.pem", *options, "-subj", "/C=CN/O=Test/CN=Root",
        "-days", "3650", "-outform", "DER", "-out", "root.der",
    )  # fmt: skip
    root = (tmp_path / "root.der").read_bytes()
    info = trust.parse_certificate(root)
    assert (info.suite, info.is_ca) == (suite, True)
    assert info.subject_fields["CN"] == "Root"
    anchor = trust.TrustAnchor(name="r", certificate=root, valid_from=info.not_before)
    assert trust.is_issued_by(info, info)
    store = trust.TrustStore(anchors=(anchor,))
    assert trust.assess_chain(
        root, at=info.not_before, store=store, purpose=trust.Purpose.SIGNER
    ).is_trusted
    assert (
        trust.assess_chain(
            root, at=END.replace(year=2099), store=store, purpose=trust.Purpose.SIGNER
        ).status
        == "EXPIRED"
    )


RSA_KEY = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]


@pytest.mark.parametrize(
    ("key", "digest", "is_known"),
    [
        (RSA_KEY, "-sha384", True),
        (RSA_KEY, "-sha512", True),
        (GENERATE[suites.P384], "-sha384", True),
        (GENERATE[suites.P384], "-sha256", True),
        (GENERATE[suites.P256], "-sha384", True),
        (GENERATE[suites.P256], "-sha512", False),
    ],
    ids=["rsa-384", "rsa-512", "p384-384", "p384-256", "p256-384", "p256-512"],
)
def test_authorities_with_longer_digests(tmp_path, openssl, key, digest, is_known):
    """Their certificates for keys of ours, made by OpenSSL; what is not known is left open."""
    subject, of_root = "/C=CN/O=Test/CN=", ["-CA", "root.pem", "-CAkey", "root.key"]
    openssl("genpkey", *key, "-out", "root.key")
    openssl("genpkey", *GENERATE[suites.P384], "-out", "leaf.key")
    openssl(
        "req", "-x509", "-new", "-key", "root.key", digest, "-subj", subject + "Root",
        "-days", "3650", "-out", "root.pem",
    )  # fmt: skip
    openssl("req", "-new", "-key", "leaf.key", "-subj", subject + "Leaf", "-out", "leaf.csr")
    openssl(
        "x509", "-req", "-in", "leaf.csr", *of_root, digest, "-days", "365",
        "-set_serial", "7", "-outform", "DER", "-out", "leaf.der",
    )  # fmt: skip
    openssl("x509", "-in", "root.pem", "-outform", "DER", "-out", "root.der")
    root, leaf = ((tmp_path / name).read_bytes() for name in ("root.der", "leaf.der"))
    begins = trust.parse_certificate(leaf).not_before
    anchor = trust.TrustAnchor(name="r", certificate=root, valid_from=begins.replace(year=2000))
    store = trust.TrustStore(anchors=(anchor,))

    def judged(one):
        return trust.assess_chain(one, at=begins, store=store, purpose=trust.Purpose.SIGNER).status

    assert judged(leaf) == ("TRUSTED" if is_known else "UNSUPPORTED_KEY")
    changed = leaf[:-1] + bytes([leaf[-1] ^ 1])
    assert judged(changed) == ("BAD_SIGNATURE" if is_known else "UNSUPPORTED_KEY")
