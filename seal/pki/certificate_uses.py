"""What alone speaks against a certificate, leaf or issuer: its dates, and what it may be used for.

Source: RFC 5280 §4.2.1.12 (extended key usage), RFC 9336 (signing of documents).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from seal.pki.certificates import CertificateInfo
from seal.pki.chain_result import ChainStatus
from seal.pki.trust_store import Purpose

# GM/T 0031 asks for no extended key usage, and authorities put many there: seal makers of real ones
# are "for servers". So that others are named is told, and only these say no: whoever has them signs
# what strangers ask.
_ON_DEMAND: Final = frozenset({"time_stamping", "ocsp_signing"})
FOR_DOCUMENTS: Final = "1.3.6.1.5.5.7.3.36"  # RFC 9336 id-kp-documentSigning
_FOR_SIGNING: Final = frozenset(
    {
        "any_extended_key_usage",
        FOR_DOCUMENTS,
        "client_auth",
        "email_protection",
        "microsoft_document_signing",
        "adobe_authentic_documents_trust",
    }
)
_FOR_STAMPING: Final = frozenset({"any_extended_key_usage", "time_stamping"})


def refuse_usage(one: CertificateInfo, purpose: Purpose) -> bool:
    """Whether its extended key usage forbids the purpose (RFC 5280 §4.2.1.12), a CA's to all."""
    listed = one.extended_key_usage
    if listed is None:
        return False
    if purpose is Purpose.TIMESTAMP:
        return not listed & _FOR_STAMPING
    if listed & _FOR_SIGNING:
        return False
    return one.is_usage_critical or listed <= _ON_DEMAND


def is_meant_otherwise(one: CertificateInfo, purpose: Purpose) -> bool:
    """Whether the certificate names uses, and none of them is the one at hand."""
    listed = one.extended_key_usage
    return purpose is not Purpose.TIMESTAMP and listed is not None and not listed & _FOR_SIGNING


def refuse_certificate(one: CertificateInfo, at: datetime, purpose: Purpose) -> ChainStatus | None:
    """What alone speaks against a certificate, leaf or issuer."""
    if not one.suite:
        return "UNSUPPORTED_KEY"
    if one.unknown_critical:
        return "CRITICAL_EXTENSION"
    if refuse_usage(one, purpose):
        return "EXTENDED_KEY_USAGE"
    if at < one.not_before:
        return "NOT_YET_VALID"
    if at > one.not_after:
        return "EXPIRED"
    return None
