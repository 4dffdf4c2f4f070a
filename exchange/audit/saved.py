"""A receipt's file: what its owner keeps, as JSON with base64.

Standard library only, like all that the offline verifier stands on. Reading is strict, and proves
nothing: `verify` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from exchange.audit.model import Receipt
from exchange.audit.note import NoteError, decode, decode_all, encode, instant

FORMAT = "tongban-receipt/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedReceipt:
    """A receipt as its owner keeps it."""

    receipt: Receipt
    #: Plain values by the label of their commitment ("request", "answer", "key", …): a text, or
    #: what JSON has, which is committed to in canonical form.
    values: Mapping[str, Any] = field(default_factory=dict)
    #: Of a signed request: the signer's certificate, PEM, and the nonce; empty where it is not.
    certificate: str = ""
    nonce: bytes = b""
    #: The tlog-proof that the promise was exchanged for; empty before.
    proof: str = ""


def receipt_to_json(saved: SavedReceipt) -> str:
    """The receipt's file. It holds what its values hold: keep it as carefully as they are kept."""
    receipt = saved.receipt
    body: dict[str, Any] = {
        "format": FORMAT,
        "leaf": encode(receipt.leaf),
        "salt": encode(receipt.salt),
        "shard": receipt.shard,
        "batch": receipt.batch,
        "position": receipt.position,
        "batch_size": receipt.batch_size,
        "path": [encode(value) for value in receipt.path],
        "promise_time": instant(receipt.promise_time),
        "signature": encode(receipt.signature),
    }
    if saved.values:
        body["values"] = dict(saved.values)
    if saved.certificate:
        body["signed"] = {"certificate": saved.certificate, "nonce": encode(saved.nonce)}
    if saved.proof:
        body["proof"] = saved.proof
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def receipt_from_json(text: str) -> SavedReceipt:
    """Read a receipt's file; unverified. Raises NoteError where it is malformed."""
    try:
        body = json.loads(text)
        if body["format"] != FORMAT:
            raise NoteError(f"the file is not a {FORMAT}")
        numbers = [body[name] for name in ("batch", "position", "batch_size")]
        if not all(type(number) is int for number in numbers):
            raise NoteError("batch, position and batch_size are whole numbers")
        receipt = Receipt(
            leaf=decode(body["leaf"]),
            salt=decode(body["salt"]),
            shard=str(body["shard"]),
            batch=numbers[0],
            position=numbers[1],
            batch_size=numbers[2],
            path=decode_all(body["path"]),
            promise_time=_read_instant(body["promise_time"]),
            signature=decode(body["signature"]),
        )
        values = dict(body.get("values", {}))
        signed = dict(body.get("signed", {}))
        return SavedReceipt(
            receipt=receipt,
            values=values,
            certificate=str(signed.get("certificate", "")),
            nonce=decode(signed["nonce"]) if signed else b"",
            proof=str(body.get("proof", "")),
        )
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        if isinstance(error, NoteError):
            raise
        missing = isinstance(error, KeyError)
        what = f"{error.args[0]} is missing" if missing else "it is not JSON of this format"
        raise NoteError(f"the receipt's file is malformed: {what}") from None


def _read_instant(text: str) -> datetime:
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    if instant(at) != text:
        raise NoteError("promise_time is not RFC 3339 in UTC with microseconds")
    return at
