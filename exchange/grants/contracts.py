"""A grant as a contract: its terms as text under a hash, signed by the key of the audit log.

1. The hash is SHA-256 over the terms' canonical JSON. It stands in every receipt of what was done
   under them, so who holds the contract and a receipt shows that they belong together.
2. The note's first line is its own and its second the log's origin, where a checkpoint has a number
   and a promise another first line: none can be passed off as another.
3. Checking needs the log's verifier key and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from exchange.audit.note import NoteError, Verifier, open_note, sign_note
from exchange.grants.model import Grant, terms_of
from runtime.records import canonical

CONTRACT_HEADER = "tongban-contract/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A checked contract."""

    origin: str
    contract_hash: str
    terms: dict[str, Any]


def contract_note(
    grant: Grant, *, origin: str, key_id: bytes, sign: Callable[[bytes], bytes]
) -> str:
    """The signed note of a grant's terms."""
    terms = canonical(terms_of(grant)).decode()
    text = f"{CONTRACT_HEADER}\n{origin}\n{grant.contract_hash}\n{terms}\n"
    return sign_note(text, origin, key_id, sign)


def open_contract(note: str, verifier: Verifier) -> Contract:
    """The contract in a note that the verifier's key signed.

    Raises NoteError where it is not signed so, is no contract, or its hash is of other terms.
    """
    lines = open_note(note, verifier).split("\n")
    if len(lines) != 5 or lines[0] != CONTRACT_HEADER or lines[4]:
        raise NoteError(f"a contract begins with the line {CONTRACT_HEADER}")
    _, origin, contract_hash, terms, _ = lines
    if origin != verifier.name:
        raise NoteError("the contract is of another node")
    if hashlib.sha256(terms.encode()).hexdigest() != contract_hash:
        raise NoteError("the contract's hash is not that of its terms")
    read = orjson.loads(terms)
    if not isinstance(read, dict):
        raise NoteError("the contract's terms are malformed")
    return Contract(origin=origin, contract_hash=contract_hash, terms=read)


def is_under(contract: Contract, leaf: bytes) -> bool:
    """Whether what a receipt's leaf records was done under this contract."""
    try:
        record = orjson.loads(leaf)
    except orjson.JSONDecodeError:
        return False
    return (
        isinstance(record, dict)
        and record.get("contract") == contract.contract_hash
        and record.get("grant") == contract.terms.get("grant")
    )
