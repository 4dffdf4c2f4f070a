"""Keys that a system makes for itself, and the requests (PKCS #10) by which it is enrolled.

1. The private key never leaves the machine that it was made on: the node's operator gets a request,
   which holds the public key and is signed with the private one, and gives back a certificate.
2. A request names the system that it is for, so that it cannot be enrolled as another one.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runtime import issued, names
from runtime.errors import FailedPrecondition, InvalidArgument
from runtime.files import PRIVATE, PUBLIC, write_together

KEY, REQUEST, CERTIFICATE = "key.pem", "request.pem", "cert.pem"
GREATEST_REQUEST = 16 * 1024


def make_request(folder: Path, system: str) -> bytes:
    """Make a system's key (`key.pem`) and its request (`request.pem`) in a folder.

    Raises InvalidArgument for a name that is no system's, FailedPrecondition (KEY_EXISTS) where the
    folder has a key, which would be lost, and OSError.
    """
    names.parse(names.SYSTEM, system, field="system")
    if (folder / KEY).exists():
        raise FailedPrecondition(
            f"{folder} has a key already, and what it signed is attributed to it: name another "
            "folder with --out",
            reason="KEY_EXISTS",
            message_zh=f"{folder} 中已有私钥，覆盖会丢失：请用 --out 另选目录",
        )
    key = ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, system)]))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.UniformResourceIdentifier(issued.TRUST_DOMAIN + system)]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_together((folder / KEY, private, PRIVATE), (folder / REQUEST, request, PUBLIC))
    return request


def key_of_request(request_pem: bytes, system: str) -> ec.EllipticCurvePublicKey:
    """The public key of a system's request, whose holder signed it.

    Raises InvalidArgument: BAD_CERTIFICATE_REQUEST, REQUEST_OF_ANOTHER.
    """
    try:
        if len(request_pem) > GREATEST_REQUEST:
            raise ValueError
        request = x509.load_pem_x509_csr(request_pem)
        key = request.public_key()
        sound = request.is_signature_valid
        named = issued.system_of(request)
    except (ValueError, TypeError, x509.DuplicateExtension):
        raise _bad("it is not a certificate signing request in PEM") from None
    if not sound:
        raise _bad("its signature is not of its own key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _bad("its key is not an EC key on P-256")
    if named != system:
        raise InvalidArgument(
            f"the request is of {named or 'no system'}, not of {system}",
            reason="REQUEST_OF_ANOTHER",
            message_zh=f"该证书请求不是 {system} 的",
        )
    return key


def _bad(why: str) -> InvalidArgument:
    return InvalidArgument(
        f"the certificate request cannot be taken: {why}; make one with `tongban identity request`",
        reason="BAD_CERTIFICATE_REQUEST",
        message_zh="证书请求不可用：请用 `tongban identity request` 生成",
    )
