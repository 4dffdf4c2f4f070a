"""The certificates that an authority has issued, so that one can be revoked without a copy.

One PEM file each, named by its serial number in hexadecimal. They are kept before they are handed
out: a certificate that is not here was never given to anybody.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from runtime.files import PUBLIC, write_together

TRUST_DOMAIN = "spiffe://tongban/"


def system_of(certificate: x509.Certificate) -> str:
    """The system that a certificate names by the URI of its SAN; empty where it names none."""
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (uri,) = san.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        return ""
    system = uri.removeprefix(TRUST_DOMAIN)
    return "" if system == uri else system


def keep(folder: Path, certificate_pem: bytes) -> None:
    """Keep a new certificate. Raises OSError."""
    serial = x509.load_pem_x509_certificate(certificate_pem).serial_number
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_together((folder / f"{serial:x}.pem", certificate_pem, PUBLIC))


def of_system(folder: Path, system: str) -> list[bytes]:
    """All certificates that a system was given, the oldest first."""
    found = []
    for path in folder.glob("*.pem"):
        pem = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        if system_of(certificate) == system:
            found.append((certificate.not_valid_before_utc, pem))
    return [pem for _, pem in sorted(found)]
