"""What bundles of evidence are tried with."""

from __future__ import annotations

from seal.suites import P256
from seal.trust import issue_certificate, issue_crl
from tests.builders.ofd import BEGIN, END, SEALED_AT, world


def list_of_a_stranger() -> bytes:
    """A revocation list of somebody whom no path of ours leads to."""
    other = world(P256)
    return issue_crl(
        issuer=other.root,
        issuer_certificate=issue_certificate(
            issuer=other.root,
            issuer_certificate=None,
            subject_key=other.root.public_key,
            subject={"CN": "他处"},
            not_before=BEGIN,
            not_after=END,
            is_ca=True,
        ),
        this_update=SEALED_AT,
        next_update=END,
        number=1,
        revoked=(),
    )
