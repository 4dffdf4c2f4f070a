"""The parts that certificates and lists of an authority are put together from."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

#: Clocks of two machines differ by a little; a fresh certificate must not be refused for it.
CLOCKS_DIFFER = timedelta(minutes=5)


def revoked(serial: int, now: datetime) -> x509.RevokedCertificate:
    """An entry of a list."""
    return x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()


def builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    """What every certificate of an authority begins with."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def key_usage(*, authority: bool) -> x509.KeyUsage:
    """What a key is for: an authority signs certificates and lists, all others connections."""
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def general_name(host: str) -> x509.GeneralName:
    """A host by its address or its name."""
    if re.fullmatch(r"[\d.]+|[\da-fA-F:]+", host):
        return x509.IPAddress(ip_address(host))
    return x509.DNSName(host)
