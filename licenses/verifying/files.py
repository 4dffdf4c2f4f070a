"""What a file says of itself, before anybody believes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from licenses.carried import carried_metadata
from licenses.copies.model import Endorsement, endorsement_of, without_endorsement
from licenses.credentials import read_credential
from licenses.metadata import metadata_digest
from licenses.model import License, LicenseFormat
from licenses.statuslist.model import StatusRef
from licenses.verifying.model import Fault, Reason
from licenses.wallets.issued import says_the_same
from runtime.errors import InvalidArgument
from seal import verify as sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a file says; `fault` where it says nothing that is a license's.

    `status` is where a credential says that its status stands; `is_bound` of one that is good only
    with a proof of its wallet's key, which a file cannot give.
    """

    form: LicenseFormat = LicenseFormat.OFD
    said: Mapping[str, Any] = field(default_factory=dict, repr=False)
    endorsement: Endorsement | None = field(default=None, repr=False)
    status: StatusRef | None = None
    is_bound: bool = False
    fault: Reason | None = None


def seen(data: bytes) -> Seen:
    """Read a file whose seal is good. Never raises on what it holds."""
    form = form_of(data)
    said = carried_metadata(data, form)
    status = _status_in(data) if form is LicenseFormat.JWT else None
    try:
        endorsement = endorsement_of(said)
    except InvalidArgument:
        return Seen(form=form, fault=Fault.FILE_UNREADABLE)
    # A credential of which nothing is disclosed shows nothing.
    fault = None if said else Fault.FILE_UNREADABLE
    bound = form is LicenseFormat.JWT and _is_bound(data)
    return Seen(
        form=form, said=said, endorsement=endorsement, status=status, is_bound=bound, fault=fault
    )


def without_binding(data: bytes) -> bytes:
    """A credential without the proof of a wallet's key, if that follows it (RFC 9901 §4.3)."""
    shown, tilde, binding = data.rpartition(b"~")
    return shown + tilde if data.startswith(b"eyJ") and binding.count(b".") == 2 else data


def form_of(data: bytes) -> LicenseFormat:
    """By the first bytes, as `seal.verify` tells; what is none of the three fails there."""
    if data.startswith(b"%PDF-"):
        return LicenseFormat.PDF
    return LicenseFormat.JWT if data.startswith(b"eyJ") else LicenseFormat.OFD


def is_the_same(file: Seen, license_: License) -> bool:
    """Whether a file says what was issued: all of it, or of a credential what was disclosed."""
    if file.form is LicenseFormat.JWT:
        return says_the_same(file.said, license_)
    return metadata_digest(without_endorsement(file.said)) == license_.metadata_sha256


def _is_bound(data: bytes) -> bool:
    try:
        return read_credential(data).holder_key is not None
    except InvalidArgument:
        return False


def _status_in(data: bytes) -> StatusRef | None:
    try:
        read_credential(data)
        claims = sealed.read_credential(data).claims
        status = claims["status"]["status_list"]
        uri, index = status["uri"], status["idx"]
    except (InvalidArgument, KeyError, TypeError):
        return None
    if not isinstance(uri, str) or not isinstance(index, int) or isinstance(index, bool):
        return None
    return StatusRef(uri=uri, index=index) if 0 <= index < 1 << 31 else None
