"""The time-stamp authority that a node's settings name, and what long-term proof takes of it."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import Final

from runtime.clock import Clock
from runtime.config import SealSettings
from runtime.errors import FailedPrecondition
from seal.pdf.signing import Evidence
from seal.pki.timestamp import TimestampClient

_PEM: Final = re.compile("-----BEGIN (?:CERTIFICATE|X509 CRL)-----(.*?)-----END", re.DOTALL)


def timestamper_of(settings: SealSettings, clock: Clock) -> TimestampClient | None:
    """A client of the authority, or None where none is set.

    Raises FailedPrecondition (TIMESTAMP_FILE_UNREADABLE), InvalidArgument (TIMESTAMP_URL).
    """
    if not settings.timestamp_url:
        return None
    return TimestampClient(
        settings.timestamp_url,
        anchors=_pem(settings.timestamp_anchors, "timestamp_anchors"),
        crls=_pem(settings.timestamp_lists, "timestamp_lists"),
        digest=settings.timestamp_digest,
        clock=clock,
    )


def evidence_of(settings: SealSettings) -> Evidence:
    """The authority's issuers and revocation lists, as files of the operator's hold them.

    Also where no authority is asked any more: what it stamped before is still verified.
    Raises FailedPrecondition (TIMESTAMP_FILE_UNREADABLE).
    """
    return Evidence(
        certificates=_pem(settings.timestamp_anchors, "timestamp_anchors"),
        crls=_pem(settings.timestamp_lists, "timestamp_lists"),
    )


def _pem(path: Path | None, setting: str) -> tuple[bytes, ...]:
    """What a PEM file holds, DER; nothing where no file is set."""
    if path is None:
        return ()
    try:
        found = _PEM.findall(path.read_text(encoding="ascii"))
        if not found:
            raise ValueError("nothing in it")
        return tuple(base64.b64decode("".join(one.split()), validate=True) for one in found)
    except (OSError, ValueError, binascii.Error) as error:
        raise FailedPrecondition(
            f"`{setting}` under [seal] names {path}, which is no PEM file of certificates or "
            "revocation lists: correct it",
            reason="TIMESTAMP_FILE_UNREADABLE",
            message_zh=f"[seal] 中 {setting} 指向的 {path} 不是 PEM 格式的证书或吊销列表：请更正",
        ) from error
