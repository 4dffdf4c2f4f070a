"""Signed requests: what a record says of a request's signature, and which must have one.

A resource of the catalog may say `signed_requests`: then Query, BatchQuery, Verify, Export,
SpatialQuery and CreateExportJob answer signed requests only; nobody subscribes to it, for what
comes later answers no single request.
Anything may be signed. The record has `signed`: `{method, time, digest, certificate, signature}`;
whoever has the certificate checks by it alone that this system made a request at that time, and
with the nonce, which one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from exchange.catalog.schema import ResourceSchema
from runtime.signed import RequestSignature, signature_required

Facts = Mapping[str, Mapping[str, str]]
NOTHING: Facts = {}


def signed_facts(
    schema: ResourceSchema,
    signed: RequestSignature | None,
    method: str,
    request: bytes,
    now: datetime,
) -> Facts:
    """What goes into the record. Raises PermissionDenied (SIGNATURE_REQUIRED, BAD_SIGNATURE)."""
    if signed is not None:
        return {"signed": signed.check(method, request, now)}
    if schema.signed_requests:
        raise signature_required()
    return NOTHING
