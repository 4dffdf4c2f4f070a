"""Reading a published status list, by the presenting keys that are trusted. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from licenses.presenting_keys import TrustedKey
from licenses.statuslist.model import (
    CWT_TYPE,
    EXP,
    IAT,
    JWT_TYPE,
    LIST_TTL,
    STATUS_LIST,
    SUB,
    StatusList,
    list_of,
)
from licenses.tokens import TokenError, decode, read_cwt, read_jwt

_JWT_BEGINS = b"eyJ"


def read_list(data: bytes, trusted: Mapping[bytes, TrustedKey]) -> StatusList:
    """A list in either form.

    Raises TokenError: TOKEN_UNREADABLE, FOREIGN_KEY, SIGNATURE_WRONG, STATUS_LIST_UNREADABLE.
    """
    if data.startswith(_JWT_BEGINS):
        read = read_jwt(data, trusted, kind=JWT_TYPE)
        told = {key: read.claims.get(key) for key in ("sub", "iat", "exp", "ttl", "status_list")}
        said = told["status_list"]
        lst = said.get("lst") if isinstance(said, dict) else None
        if not isinstance(lst, str):
            raise TokenError("STATUS_LIST_UNREADABLE")
        found = list_of(
            told["sub"], told["iat"], told["exp"], told["ttl"], said, lst=decode(lst.encode())
        )
    else:
        read = read_cwt(data, trusted, kind=CWT_TYPE)
        of = read.claims
        said = of.get(STATUS_LIST)
        raw = said.get("lst") if isinstance(said, dict) else None
        if not isinstance(raw, bytes):
            raise TokenError("STATUS_LIST_UNREADABLE")
        found = list_of(of.get(SUB), of.get(IAT), of.get(EXP), of.get(LIST_TTL), said, lst=raw)
    if not read.key.valid_from <= found.made_at < read.key.valid_to:
        raise TokenError("FOREIGN_KEY")
    return replace(found, issuer=read.key.issuer)
