"""The certificates that an authority has issued, so that one can be revoked without a copy.

One PEM file each, named by its serial number in hexadecimal. They are kept before they are handed
out: a certificate that is not here was never given to anybody. Beside one whose key its system made
lies the request (`.csr`); where there is none, the node made the key, and its operator may have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from runtime.files import PUBLIC, write_together

#: From so long before its end an authority's certificate is to be renewed: what it certifies gets
#: shorter from then on, and every system needs a copy of the new one.
RENEW_WITHIN = timedelta(days=365)
TRUST_DOMAIN = "spiffe://tongban/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate that was given out."""

    path: Path
    system: str
    roles: tuple[str, ...]
    begins: datetime
    ends: datetime
    der: bytes
    serial: int
    #: SHA-256 of `der`, hexadecimal.
    fingerprint: str
    #: Whether the system made its key, and the node never had it.
    by_system: bool


def described(path: Path) -> Issued | None:
    """What the file of a certificate says; None where it is none."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return Issued(
        path=path,
        system=system_of(certificate),
        roles=tuple(sorted(str(unit.value) for unit in units)),
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
        der=certificate.public_bytes(serialization.Encoding.DER),
        serial=certificate.serial_number,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        by_system=path.with_suffix(".csr").exists(),
    )


def system_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """The system that the URI of a SAN names; empty where it names none."""
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (uri,) = san.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        return ""
    system = uri.removeprefix(TRUST_DOMAIN)
    return "" if system == uri else system


def keep(folder: Path, certificate_pem: bytes, request_pem: bytes = b"") -> None:
    """Keep a new certificate, with the request that it was made for. Raises OSError."""
    serial = x509.load_pem_x509_certificate(certificate_pem).serial_number
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    request = [(folder / f"{serial:x}.csr", request_pem, PUBLIC)] if request_pem else []
    write_together(*request, (folder / f"{serial:x}.pem", certificate_pem, PUBLIC))


def of_system(folder: Path, system: str) -> list[bytes]:
    """All certificates that a system was given, the oldest first."""
    found = []
    for path in folder.glob("*.pem"):
        pem = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        if system_of(certificate) == system:
            found.append((certificate.not_valid_before_utc, pem))
    return [pem for _, pem in sorted(found)]
