"""Chains with kinds of keys or signatures that we have no suite for, as public authorities have.

1. The library (pyHanko) finds and judges the path, with our roots alone, no fetcher, no clock and
   no trust list of the operating system. It is loaded by the first such chain: it costs half a
   second.
2. Revocation along that path is judged as of every other (`seal.pki.revocation`): the library's
   rules, and what it does where data is missing, are not ours. Only the mathematics of a list's or
   a response's signature is the library's, and weak digests and short keys prove nothing there.
"""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from seal.pdf import coroutines
from seal.pki.certificates import CertificateInfo, Signed, can_judge, is_issued_by, split_signed
from seal.pki.ocsp import OcspResponse
from seal.trust import (
    ChainResult,
    Purpose,
    TrustAnchor,
    TrustStore,
    assess_path,
    parse_certificate,
)


def assess_other_chain(
    leaf: bytes,
    *,
    at: datetime,
    store: TrustStore,
    purpose: Purpose,
    extra: Sequence[bytes],
    now: datetime | None,
) -> ChainResult | None:
    """Judge a leaf as of `at`; None where it leads to no anchor for that purpose.

    Its usage is the caller's to judge. Anchors that name kinds of keys allow no other.
    """
    anchors = [
        one
        for one in store.anchors
        if purpose in one.purposes and one.is_in_force(at) and not one.suites
    ]
    known = [*store.intermediates, *extra]
    try:
        encoded = coroutines.run(lambda: _find_path(leaf, anchors, known, at))
        path = tuple(map(parse_certificate, encoded))
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        return None
    ends = [one for one in anchors if one.certificate == encoded[-1]]
    found = [
        assess_path(
            path, at=at, store=store, purpose=purpose, anchor=one, now=now, is_signed=is_signed_by
        )
        for one in ends
    ]
    return next((one for one in found if one.is_trusted), next(iter(found), None))


async def _find_path(
    leaf: bytes, anchors: Sequence[TrustAnchor], known: Sequence[bytes], at: datetime
) -> list[bytes]:
    """Certificates from the leaf to the root. Raises whatever the library does."""
    from asn1crypto import x509
    from pyhanko_certvalidator import CertificateValidator, ValidationContext

    load = x509.Certificate.load
    context = ValidationContext(
        trust_roots=[load(one.certificate) for one in anchors],
        other_certs=[load(one) for one in known],
        moment=at,
        allow_fetching=False,
        revocation_mode="soft-fail",  # it has no data: rule 2
    )
    validator = CertificateValidator(load(leaf), validation_context=context)
    path: Any = await validator.async_validate_path()
    return [one.dump() for one in path.iter_certs(include_root=True)][::-1]


def is_signed_by(child: Signed, issuer: CertificateInfo) -> bool:
    """Whether the issuer's key, of whatever kind, signed the child, with nothing that is broken."""
    if can_judge(child, issuer):
        return is_issued_by(child, issuer)
    from asn1crypto import algos, keys
    from pyhanko_certvalidator.policy_decl import DisallowWeakAlgorithmsPolicy
    from pyhanko_certvalidator.sig_validate import (
        DEFAULT_SIGNATURE_VALIDATOR,
        SignatureValidationContext,
    )

    try:
        key: Any = keys.PublicKeyInfo.load(issuer.public_key)
        algorithm = algos.SignedDigestAlgorithm.load(_algorithm(child))
        if not DisallowWeakAlgorithmsPolicy().signature_algorithm_allowed(algorithm, None, key):
            return False
        DEFAULT_SIGNATURE_VALIDATOR.validate_signature(
            child.signature, child.signed_bytes, key, algorithm, SignatureValidationContext()
        )
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        return False
    return True


def _algorithm(child: Signed) -> bytes:
    """The AlgorithmIdentifier, with its parameters."""
    if isinstance(child, OcspResponse):
        from asn1crypto import ocsp

        basic: Any = ocsp.OCSPResponse.load(child.raw).basic_ocsp_response
        encoded: bytes = basic["signature_algorithm"].dump()
        return encoded
    return split_signed(child.raw)[1]
