"""Envelopes are opened by OpenSSL, and by nobody else's key."""

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from exchange.files.envelope import Receiver, open_envelope
from runtime.errors import DataLoss, InvalidArgument, PermissionDenied

NOW = datetime.now(UTC)
KEYS = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


def identity(key, usage=None):
    """Certificate and key, PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "某系统")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
    )
    if usage is not None:
        flags = dict.fromkeys(
            [
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "key_cert_sign",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ],
            False,
        )
        builder = builder.add_extension(x509.KeyUsage(**flags | {usage: True}), critical=True)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return pem, key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        *((kind, 70_000) for kind in KEYS),
        *(("p256", size) for size in (0, 1, 127, 128, 17_000_000)),
    ],
)
def test_openssl_opens_it(kind, size, tmp_path):
    certificate, key = identity(KEYS[kind]())
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    sealed = Receiver.read(certificate, now=NOW).seal(content)
    for name, data in (("cert.pem", certificate), ("key.pem", key), ("file.cms", sealed)):
        (tmp_path / name).write_bytes(data)
    command = "openssl cms -decrypt -binary -inform DER -in file.cms -recip cert.pem -inkey key.pem"
    opened = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False)
    assert opened.returncode == 0, opened.stderr
    assert opened.stdout == content
    assert open_envelope(sealed, key) == content


@pytest.mark.parametrize(("kind", "step"), [("p256", 3), ("rsa", 23)])  # an RSA key loads slowly
def test_what_was_changed_is_not_opened(kind, step):
    certificate, key = identity(KEYS[kind]())
    sealed = bytearray(Receiver.read(certificate).seal(b"x" * 300))
    for place in range(0, len(sealed), step):
        changed = bytes(sealed[:place]) + bytes((sealed[place] ^ 1,)) + bytes(sealed[place + 1 :])
        try:
            assert open_envelope(changed, key) == b"x" * 300  # names and versions are not content
        except (DataLoss, PermissionDenied):
            continue
    for short in (0, 1, 10, len(sealed) - 1):
        with pytest.raises(DataLoss):
            open_envelope(bytes(sealed[:short]), key)


def test_another_key_does_not_open_it():
    certificate, _ = identity(KEYS["p256"]())
    sealed = Receiver.read(certificate).seal(b"content")
    for kind in ("p256", "p384", "rsa"):
        with pytest.raises(PermissionDenied) as refused:
            open_envelope(sealed, identity(KEYS[kind]())[1])
        assert refused.value.reason == "NOT_FOR_THIS_KEY"


def test_equal_contents_have_different_envelopes():
    receiver = Receiver.read(identity(KEYS["p256"]())[0])
    assert receiver.seal(b"same") != receiver.seal(b"same")


@pytest.mark.parametrize(
    "certificate",
    [
        b"not a certificate",
        b"x" * 20_000,
        identity(ec.generate_private_key(ec.SECP256K1()))[0],
        identity(rsa.generate_private_key(65537, 1024))[0],  # noqa: S505  # too weak, so refused
        identity(KEYS["p256"](), "digital_signature")[0],
        identity(KEYS["rsa"](), "key_agreement")[0],
    ],
    ids=["text", "long", "curve", "short", "signs only", "agrees only"],
)
def test_a_certificate_that_cannot_be_encrypted_to_is_refused(certificate):
    with pytest.raises(InvalidArgument) as refused:
        Receiver.read(certificate, now=NOW)
    assert refused.value.reason == "CERTIFICATE_NOT_USABLE"


def test_a_certificate_is_taken_in_its_time_only():
    certificate, _ = identity(KEYS["p256"](), "key_agreement")
    Receiver.read(certificate, now=NOW)
    with pytest.raises(InvalidArgument):
        Receiver.read(certificate, now=NOW + timedelta(days=2))
