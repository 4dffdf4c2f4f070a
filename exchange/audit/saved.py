"""A receipt's file: what its owner keeps, as JSON with base64.

Standard library only, like all that the offline verifier stands on. Reading proves nothing:
`verify` does.

There is one reading of a file: a member that stands twice, or that nobody knows, is refused. What
somebody puts beside the receipt's own members would else look as if it had been verified, too.
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
_NEEDED = frozenset(
    {"format", "leaf", "salt", "shard", "batch", "position", "batch_size", "path", "promise_time",
     "signature"}
)  # fmt: skip
_MEMBERS = _NEEDED | {"values", "signed", "proof"}
_SIGNED = frozenset({"certificate", "nonce"})


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
        body = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        # Half of a character ("\ud800") has no UTF-8, so nothing was ever made of it: ValueError.
        json.dumps(body, ensure_ascii=False).encode()
        if body["format"] != FORMAT:
            raise NoteError(f"the file is not a {FORMAT}")
        _known(body, _MEMBERS)
        numbers = [body[name] for name in ("batch", "position", "batch_size")]
        if not all(type(number) is int for number in numbers):
            raise NoteError("batch, position and batch_size are whole numbers")
        receipt = Receipt(
            leaf=decode(body["leaf"]),
            salt=decode(body["salt"]),
            shard=_text(body["shard"]),
            batch=numbers[0],
            position=numbers[1],
            batch_size=numbers[2],
            path=decode_all(body["path"]),
            promise_time=_read_instant(_text(body["promise_time"])),
            signature=decode(body["signature"]),
        )
        values, signed = body.get("values", {}), body.get("signed", {})
        if not isinstance(values, dict) or not isinstance(signed, dict):
            raise NoteError("values and signed are objects")
        _known(signed, _SIGNED)
        return SavedReceipt(
            receipt=receipt,
            values=values,
            certificate=_text(signed["certificate"]) if signed else "",
            nonce=decode(signed["nonce"]) if signed else b"",
            proof=_text(body.get("proof", "")),
        )
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        if isinstance(error, NoteError):
            raise
        missing = isinstance(error, KeyError)
        what = f"{error.args[0]} is missing" if missing else "it is not JSON of this format"
        raise NoteError(f"the receipt's file is malformed: {what}") from None


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise NoteError("a member stands twice in the file")
    return found


def _known(body: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = body.keys() - known
    if unknown:
        raise NoteError(f"the file has {len(unknown)} members that no receipt has")


def _no_number(_: str) -> Any:
    raise NoteError("the file has a number that JSON has not")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise NoteError("a member that is text is something else")
    return value


def _read_instant(text: str) -> datetime:
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    if instant(at) != text:
        raise NoteError("promise_time is not RFC 3339 in UTC with microseconds")
    return at
