"""A small public-key infrastructure in memory: root, intermediate, seal maker, signer.

Keys are made once a suite and process; certificates say 示范县 and nothing real.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from seal import ses, suites, trust
from seal.keys.signers import Signer, generate_signer

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2036, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
# A PNG of one transparent pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360000000000500010d0a2db40000000049454e44ae426082"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A key and its certificate."""

    signer: Signer
    certificate: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pki:
    """root signs intermediate; intermediate signs maker and signer."""

    root: Holder
    intermediate: Holder
    maker: Holder
    signer: Holder

    def store(self, *, crls: Sequence[bytes] = ()) -> trust.TrustStore:
        """The root as anchor, the intermediate known."""
        anchor = trust.TrustAnchor(
            name="示范根", certificate=self.root.certificate, valid_from=BEGIN
        )
        return trust.TrustStore(
            anchors=(anchor,), intermediates=(self.intermediate.certificate,), crls=tuple(crls)
        )

    def crl(self, *revoked: trust.Revocation, at: datetime = NOON) -> bytes:
        """The intermediate's revocation list."""
        return trust.issue_crl(
            issuer=self.intermediate.signer,
            issuer_certificate=self.intermediate.certificate,
            this_update=at,
            next_update=END,
            number=1,
            revoked=revoked,
        )


def issue(  # every argument is one thing a test varies
    name: str,
    issuer: Holder | None,
    *,
    suite: str = suites.SM2,
    is_ca: bool = False,
    not_before: datetime = BEGIN,
    not_after: datetime = END,
    subject: Mapping[str, str] | None = None,
    key_usage: Sequence[str] | None = None,
    path_length: int | None = None,
    signer: Signer | None = None,
    serial: int | None = None,
    extended_key_usage: Sequence[str] = (),
    extensions: Sequence[bytes] = (),
) -> Holder:
    """A new holder under `issuer`; self-signed without one."""
    own = signer or generate_signer(suite)
    certificate = trust.issue_certificate(
        issuer=issuer.signer if issuer else own,
        issuer_certificate=issuer.certificate if issuer else None,
        subject_key=own.public_key,
        subject=subject or {"C": "CN", "O": "示范县", "CN": name},
        not_before=not_before,
        not_after=not_after,
        is_ca=is_ca,
        key_usage=key_usage,
        path_length=path_length,
        serial=serial,
        extended_key_usage=extended_key_usage,
        extensions=extensions,
    )
    return Holder(signer=own, certificate=certificate)


@cache  # what tests made of one at import must stay of that one
def pki(suite: str = suites.SM2) -> Pki:
    """The infrastructure of one suite."""
    root = issue("示范根", None, suite=suite, is_ca=True)
    intermediate = issue("示范中间", root, suite=suite, is_ca=True, path_length=0)
    return Pki(
        root=root,
        intermediate=intermediate,
        maker=issue("制章者", intermediate, suite=suite),
        signer=issue("示范县行政审批服务局", intermediate, suite=suite),
    )


def seal_spec(signer: bytes, **changes: object) -> ses.SealSpec:
    """A seal of 示范县 that `signer` (a certificate) may use."""
    fields: dict[str, object] = {
        "es_id": "99010100000001",
        "vid": "TONGBAN",
        "name": "示范县行政审批服务局",
        "cert_list": (signer,),
        "created": BEGIN,
        "valid_from": BEGIN,
        "valid_to": datetime(2028, 1, 1, tzinfo=UTC),
        "picture_type": "png",
        "picture": PIXEL,
        "width_mm": 42,
        "height_mm": 42,
        **changes,
    }
    return ses.SealSpec(**fields)  # type: ignore[arg-type]


def seal(made: Pki | None = None, **changes: object) -> bytes:
    """A sound seal."""
    made = made or pki()
    spec = seal_spec(made.signer.certificate, **changes)
    return ses.make_seal(spec, maker=made.maker.signer, maker_certificate=made.maker.certificate)


def register_brainpool(monkeypatch: pytest.MonkeyPatch) -> suites.Suite:
    """A suite that no build has, until the test ends."""
    monkeypatch.setattr(suites, "_BY_WORD", dict(suites._BY_WORD))
    monkeypatch.setattr(suites, "_BY_KEY", dict(suites._BY_KEY))
    made = suites.EcdsaSuite(
        "ecdsa-brainpool384-sha512",
        signature_oid="1.2.840.10045.4.3.4",
        curve_oid="1.3.36.3.3.2.8.1.1.11",
        curve=ec.BrainpoolP384R1(),
        order=ec.BrainpoolP384R1().group_order,
        digest=hashes.SHA512(),
    )
    suites.register(made)
    return made
