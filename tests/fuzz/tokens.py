"""What wallets, scanners and status lists hand in, as seeds and as functions of bytes.

One key, in memory: everything a seed needs is signed anew for each run, and what a target checks a
signature by is that key, or, where the code behind a signature is meant, none at all.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

from licenses.credentials import read_credential
from licenses.offline.coding import base45, read_code, write_code
from licenses.offline.model import PREFIX, OfflineCode, claims_of, code_of
from licenses.presenting_keys import PresentingKeys, TrustedKey
from licenses.statuslist import model as lists
from licenses.statuslist.model import Status, StatusRef
from licenses.statuslist.reading import read_list
from licenses.tokens import TokenError, encode, read_cwt, read_jwt, write_cwt, write_jwt
from licenses.wallets.model import BINDING_TYPE, QUERY, presented_of, read_own
from runtime.authority import Authority
from runtime.clock import FixedClock

NOW: Final = datetime(2026, 11, 21, 4, tzinfo=UTC)
_URI: Final = "urn:tongban:status:data-office/0"


@lru_cache(maxsize=1)
def keys() -> PresentingKeys:
    """Presenting keys of an authority of their own."""
    folder = Path(tempfile.mkdtemp())
    authority = Authority.create(folder / "ca", name="fuzz", passphrase=b"long enough", now=NOW)
    return PresentingKeys(
        folder / "presenting",
        b"long enough",
        lambda key, now: authority.certify_signer(
            key, name="presenting", now=now, lifetime=timedelta(days=365)
        ),
        FixedClock(NOW),
    )


@lru_cache(maxsize=1)
def trusted() -> Mapping[bytes, TrustedKey]:
    """The key."""
    return keys().trusted()


class _Anything(TrustedKey):
    """A key for which every signature is good: what stands behind it is looked at."""

    def good_for(self, signature: bytes, signed: bytes) -> bool:
        return True


@lru_cache(maxsize=1)
def _believing() -> Mapping[bytes, TrustedKey]:
    own = keys().own()
    anything = _Anything(
        certificate=own.certificate,
        public_key=own.public_key,
        valid_from=own.valid_from,
        valid_to=own.valid_to,
    )
    return {own.kid: anything}


def _refused(run: Any) -> None:
    """A TokenError with its reason is an answer."""
    try:
        run()
    except TokenError as error:
        assert error.reason.isupper()


# --- targets -----------------------------------------------------------------------------------


def code(data: bytes) -> None:
    """A QR code's text, and the bytes within one."""
    _refused(lambda: read_code(data.decode("utf-8", "replace"), trusted()))
    packed = PREFIX + base45(zlib.compress(data))
    _refused(lambda: read_code(packed, trusted()))
    _refused(lambda: read_code(packed, _believing()))


def claims(data: bytes) -> None:
    """The claims of a code, whoever signed them."""
    try:
        said = cbor2.loads(data)
    except Exception:  # noqa: BLE001  # what is no CBOR at all is `code`'s
        return
    if isinstance(said, dict):
        _refused(lambda: code_of(said))


def cwt(data: bytes) -> None:
    """A COSE_Sign1."""
    for known in (trusted(), _believing()):
        _refused(lambda known=known: read_cwt(data, known))  # type: ignore[misc]


def jwt(data: bytes) -> None:
    """A compact JWS."""
    for known in (trusted(), _believing()):
        _refused(lambda known=known: read_jwt(data, known, kind=lists.JWT_TYPE))  # type: ignore[misc]


def status_list(data: bytes) -> None:
    """A status list in either form."""
    for known in (trusted(), _believing()):
        _refused(lambda known=known: read_list(data, known))  # type: ignore[misc]


def presented(data: bytes) -> None:
    """What a wallet posts, and the credential in it."""
    text = data.decode("utf-8", "replace")

    def run() -> None:
        read_credential(presented_of(text).rpartition(b"~")[0] + b"~")

    _refused(run)


def own(data: bytes) -> None:
    """A proof of a holder's key, under one that may be anything: a line of JSON, then the proof."""
    jwk, _, token = data.partition(b"\n")
    try:
        key = json.loads(jwk)
    except ValueError:
        key = None
    _refused(lambda: read_own(token, key, kind=BINDING_TYPE))


# --- seeds -------------------------------------------------------------------------------------


def _a_code() -> OfflineCode:
    return OfflineCode(
        presentation_id="0f" * 12,
        issuer="departments/data-office",
        audience="departments/housing-fund",
        purpose="办理公积金提取",
        purpose_bound=True,
        issued_at=NOW,
        expire_time=NOW + timedelta(hours=1),
        type_code="11990101MB9901024T001",
        type_name="就业创业登记证",
        fields={"CZZT": "赵示例"},
        status=StatusRef(uri=_URI, index=7),
        holder=bytes(32),
    )


@lru_cache(maxsize=1)
def code_seeds() -> Sequence[bytes]:
    """Texts, and what is packed in them."""
    text = write_code(_a_code(), keys())
    return (text.encode(), *cwt_seeds())


@lru_cache(maxsize=1)
def claims_seeds() -> Sequence[bytes]:
    """Claims as they stand in a code."""
    return (cbor2.dumps(claims_of(_a_code()), canonical=True),)


@lru_cache(maxsize=1)
def cwt_seeds() -> Sequence[bytes]:
    """A code's token, and the small ones of its shape."""
    made = write_cwt(claims_of(_a_code()), keys())
    return (
        made,
        cbor2.dumps(cbor2.CBORTag(18, [b"", {}, b"", b""])),
        b"\xc4\x82\x1b" + b"\xff" * 8,
    )


@lru_cache(maxsize=1)
def list_seeds() -> Sequence[bytes]:
    """Both forms."""
    packed = lists.compress(lists.pack([(5, Status.INVALID)]))
    at = int(NOW.timestamp())
    said = {"bits": 2, "lst": encode(packed).decode()}
    claims = {"sub": _URI, "iat": at, "exp": at + 86_400, "ttl": 3600, "status_list": said}
    as_jwt = write_jwt(claims, keys(), kind=lists.JWT_TYPE)
    as_cwt = write_cwt(
        {2: _URI, 6: at, 4: at + 86_400, 65534: 3600, 65533: {"bits": 2, "lst": packed}},
        keys(),
        kind=lists.CWT_TYPE,
    )
    return (as_jwt, as_cwt)


@lru_cache(maxsize=1)
def presented_seeds() -> Sequence[bytes]:
    """A token of a wallet, and near ones."""
    head = encode(b'{"alg":"ES256","typ":"dc+sd-jwt"}').decode()
    body = encode(
        b'{"vct":"urn:tongban:license-type:x","_sd":[],"iat":1,"cnf":{"jwk":"x"}}'
    ).decode()
    token = f"{head}.{body}.{'A' * 86}~{encode(json.dumps(['s', 'CZZT', 'x']).encode()).decode()}~k"
    return (json.dumps({QUERY: [token]}).encode(), b'{"license":["~"]}', b'{"license":[1]}')


@lru_cache(maxsize=1)
def own_seeds() -> Sequence[bytes]:
    """A key and a proof."""
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (encode(one.to_bytes(32, "big")).decode() for one in (numbers.x, numbers.y))
    jwk = json.dumps({"kty": "EC", "crv": "P-256", "x": x, "y": y}).encode()
    token = b".".join(
        (
            encode(json.dumps({"alg": "ES256", "typ": BINDING_TYPE}).encode()),
            encode(b"{}"),
            b"A" * 86,
        )
    )
    return (jwk + b"\n" + token, b'"x"\n' + token, b"null\n" + token)
