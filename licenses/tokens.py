"""Signed tokens in two forms: COSE_Sign1 (RFC 9052) over a CWT (RFC 8392), and a compact JWS.

1. One algorithm, ES256, and one key each, named by `kid` in the protected header; a token that says
   anything else is refused before a signature is looked at.
2. What is read is bounded, and its payload is parsed only after its signature was found good.
3. CBOR is read in one form, the deterministic one (RFC 8949 §4.2.1) that it is written in, and
   without tags but the one of COSE_Sign1: what readers make of tags is theirs to know.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import cbor2
import orjson

from licenses.presenting_keys import PresentingKeys, TrustedKey

COSE_SIGN1: Final = 18
_ALG, _CRIT, _KID, _X5CHAIN, _TYPE = 1, 2, 4, 33, 16
_ES256: Final = -7
_CONTEXT: Final = "Signature1"
#: Major types of CBOR (RFC 8949 §3.1), and the simple values that are read: false, true, null.
_BYTES, _TEXT, _LIST, _MAP, _TAGGED, _SIMPLE = 2, 3, 4, 5, 6, 7
_SIMPLE_VALUES: Final = (20, 21, 22)
#: From which to which the five bits of a head say that its value follows in 1, 2, 4 or 8 octets.
_LONGER, _LONGEST = 24, 27
_DEEPEST: Final = 12
_SHORT: Final = 256  # octets of a header that is read once
MOST: Final = 4 * 1024 * 1024


class TokenError(ValueError):
    """Why a token is not one: a reason in UPPER_SNAKE."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


UNREADABLE: Final = "TOKEN_UNREADABLE"
FOREIGN: Final = "FOREIGN_KEY"
WRONG: Final = "SIGNATURE_WRONG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A token whose signature is good: by which key, and what it says."""

    key: TrustedKey
    claims: Mapping[Any, Any] = field(repr=False)


def write_cwt(claims: Mapping[int, Any], keys: PresentingKeys, *, kind: str = "") -> bytes:
    """A tagged COSE_Sign1; `kind` is its `typ` (RFC 9596)."""
    own = keys.own()
    header: dict[int, Any] = {_ALG: _ES256, _KID: own.kid}
    if kind:
        header[_TYPE] = kind
    protected = cbor2.dumps(header, canonical=True)
    payload = cbor2.dumps(dict(claims), canonical=True)
    signature = keys.sign(_to_be_signed(protected, payload))
    return cbor2.dumps(cbor2.CBORTag(COSE_SIGN1, [protected, {}, payload, signature]))


def read_cwt(data: bytes, trusted: Mapping[bytes, TrustedKey], *, kind: str = "") -> Read:
    """Read a COSE_Sign1 of a trusted key. Raises TokenError."""
    if len(data) > MOST:
        raise TokenError(UNREADABLE)
    tagged = _cbor(data, tag=COSE_SIGN1)
    parts = tagged.value if isinstance(tagged, cbor2.CBORTag) else None
    if not isinstance(parts, list | tuple) or len(parts) != 4:
        raise TokenError(UNREADABLE)
    protected, _, payload, signature = parts
    if not all(isinstance(one, bytes) for one in (protected, payload, signature)):
        raise TokenError(UNREADABLE)
    header = _header(protected) if len(protected) <= _SHORT else _canonical_map(protected)
    said = header.get(_TYPE, "")
    if header.get(_ALG) != _ES256 or _CRIT in header or said != kind:
        raise TokenError(UNREADABLE)
    key = _known(header.get(_KID), trusted)
    if not key.good_for(signature, _to_be_signed(protected, payload)):
        raise TokenError(WRONG)
    return Read(key=key, claims=_canonical_map(payload))


def write_jwt(claims: Mapping[str, Any], keys: PresentingKeys, *, kind: str) -> bytes:
    """A compact JWS with `typ`, `kid` and the certificate (`x5c`)."""
    own = keys.own()
    header = {
        "alg": "ES256",
        "kid": own.kid.hex(),
        "typ": kind,
        "x5c": [base64.b64encode(own.certificate).decode()],
    }
    signed = encode(orjson.dumps(header)) + b"." + encode(orjson.dumps(dict(claims)))
    return signed + b"." + encode(keys.sign(signed))


def read_jwt(data: bytes, trusted: Mapping[bytes, TrustedKey], *, kind: str) -> Read:
    """Read a compact JWS of a trusted key; `x5c` is not believed. Raises TokenError."""
    if len(data) > MOST:
        raise TokenError(UNREADABLE)
    parts = data.split(b".")
    if len(parts) != 3:
        raise TokenError(UNREADABLE)
    header, payload, signature = (decode(one) for one in parts)
    said = _json_map(header)
    if said.get("alg") != "ES256" or said.get("typ") != kind or "crit" in said:
        raise TokenError(UNREADABLE)
    try:
        kid = bytes.fromhex(said.get("kid", ""))
    except (TypeError, ValueError):
        raise TokenError(UNREADABLE) from None
    key = _known(kid, trusted)
    if not key.good_for(signature, parts[0] + b"." + parts[1]):
        raise TokenError(WRONG)
    return Read(key=key, claims=_json_map(payload))


def encode(data: bytes) -> bytes:
    """base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def decode(text: bytes) -> bytes:
    """The bytes of canonical base64url. Raises TokenError."""
    try:
        found = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise TokenError(UNREADABLE) from None
    if encode(found) != text:
        raise TokenError(UNREADABLE)
    return found


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure (RFC 9052 §4.4)."""
    return cbor2.dumps([_CONTEXT, protected, b"", payload])


def _known(kid: Any, trusted: Mapping[bytes, TrustedKey]) -> TrustedKey:
    key = trusted.get(kid) if isinstance(kid, bytes) else None
    if key is None:
        raise TokenError(FOREIGN)
    return key


def _cbor(data: bytes, *, tag: int | None = None) -> Any:
    """One CBOR item and nothing after it, beneath `tag` where that is given. Raises TokenError."""
    _check_shape(data, tag)
    try:
        return cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError, TypeError):  # text that is no UTF-8, a list as key
        raise TokenError(UNREADABLE) from None


def _check_shape(data: bytes, tag: int | None) -> None:
    """Walk an item without making anything of it: lengths are said, and nothing is tagged (rule 3).

    Raises TokenError.
    """
    size, at, count, first = len(data), 0, 1, True
    above: list[int] = []  # of the items that this one is in: how many are still to come
    while count or above:
        if not count:
            count = above.pop()
            continue
        count -= 1
        if at >= size:
            raise TokenError(UNREADABLE)
        kind, value = data[at] >> 5, data[at] & 31
        at += 1
        if kind == _SIMPLE:
            if value not in _SIMPLE_VALUES:
                raise TokenError(UNREADABLE)
            continue
        if value >= _LONGER:
            if value > _LONGEST:
                raise TokenError(UNREADABLE)
            wide = 1 << (value - _LONGER)
            value = int.from_bytes(data[at : at + wide], "big")
            at += wide
        if kind in (_BYTES, _TEXT):
            at += value
        elif kind in (_LIST, _MAP, _TAGGED):
            if (kind == _TAGGED and not (first and value == tag)) or len(above) + 1 >= _DEEPEST:
                raise TokenError(UNREADABLE)
            above.append(count)
            count = {_LIST: value, _MAP: 2 * value}.get(kind, 1)
        first = False
    if at != size:
        raise TokenError(UNREADABLE)


def _canonical_map(data: bytes) -> Mapping[Any, Any]:
    found = _cbor(data)
    try:
        same = isinstance(found, dict) and cbor2.dumps(found, canonical=True) == data
    except (cbor2.CBOREncodeError, TypeError, ValueError):
        same = False
    if not same:
        raise TokenError(UNREADABLE)
    return dict(found)


@lru_cache(maxsize=64)
def _header(protected: bytes) -> Mapping[Any, Any]:
    """A short protected header: all tokens of a key and a kind have the same."""
    return MappingProxyType(dict(_canonical_map(protected)))


def _json_map(data: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise TokenError(UNREADABLE) from None
    if not isinstance(found, dict):
        raise TokenError(UNREADABLE)
    return found
