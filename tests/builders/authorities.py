"""Other authorities as they are proposed: terms on the wire, and the messages around them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from runtime.idcodes import credit_code_check_character
from seal import trust
from seal.v1 import trust_pb2 as pb
from tests.builders.seal_node import ADMINISTRATOR, SECOND, SealNode
from tests.builders.seal_pki import END, Holder, Pki, pki

NAME = "authorities/shifan-city"
_CODE = "11990200MB0000002"
CREDIT_CODE = _CODE + credit_code_check_character(_CODE)


def at(moment: datetime) -> Timestamp:
    """An instant on the wire."""
    found = Timestamp()
    found.FromDatetime(moment)
    return found


def terms(made: Pki | None = None, **changes: Any) -> pb.AuthorityTerms:
    """Sound terms of an authority: its root, its intermediate."""
    made = made or pki()
    values: dict[str, Any] = {
        "display_name": "示范市",
        "credit_code": CREDIT_CODE,
        "anchors": [pb.RecognisedAnchor(certificate=made.root.certificate)],
        "intermediates": [made.intermediate.certificate],
        "revocation_rule": pb.RevocationRule(grace=Duration(seconds=3600)),
        "legal_basis": "示范省电子印章互认协议 2026-01",
    }
    return pb.AuthorityTerms(**{**values, **changes})


def proposal(**changes: Any) -> pb.ProposeAuthorityRequest:
    """A good ProposeAuthority."""
    values: dict[str, Any] = {
        "authority_id": "shifan-city",
        "terms": terms(),
        "request_id": str(uuid.uuid4()),
    }
    return pb.ProposeAuthorityRequest(**{**values, **changes})


def request(kind: str, name: str = NAME, **values: Any) -> Any:
    """A request about an authority, such as `Approve`, with a fresh id."""
    return getattr(pb, kind)(name=name, request_id=str(uuid.uuid4()), **values)


def shown(node: SealNode, name: str = NAME) -> pb.Authority:
    """An authority as an administrator sees it."""
    found = node.trust("GetAuthority", pb.GetAuthorityRequest(name=name), ADMINISTRATOR).authority
    assert isinstance(found, pb.Authority)
    return found


def approve(node: SealNode, name: str = NAME) -> pb.Authority:
    """A second administrator approves what waits, having looked at it."""
    approval = request("ApproveAuthorityRequest", name, etag=shown(node, name).etag)
    found = node.trust("ApproveAuthority", approval, SECOND).authority
    assert isinstance(found, pb.Authority)
    return found


def recognise(node: SealNode, **changes: Any) -> pb.Authority:
    """Proposed by one administrator, approved by another."""
    asked = node.trust("ProposeAuthority", proposal(**changes), ADMINISTRATOR).authority
    return approve(node, asked.name)


def withdraw(node: SealNode, when: datetime | None = None, name: str = NAME) -> pb.Authority:
    """One administrator withdraws, as of a time."""
    wish = request("WithdrawAuthorityRequest", name, reason="协议终止")
    if when is not None:
        wish.withdraw_time.CopyFrom(at(when))
    found = node.trust("WithdrawAuthority", wish, ADMINISTRATOR).authority
    assert isinstance(found, pb.Authority)
    return found


def crl(
    holder: Holder,
    number: int,
    when: datetime,
    *revoked: trust.Revocation,
    until: datetime = END,
) -> bytes:
    """A revocation list of that holder."""
    return trust.issue_crl(
        issuer=holder.signer,
        issuer_certificate=holder.certificate,
        this_update=when,
        next_update=until,
        number=number,
        revoked=revoked,
    )


DAY = timedelta(days=1)
NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
