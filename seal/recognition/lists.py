"""Revocation lists of an authority: which one is taken, and which older ones it makes needless.

1. A list is signed by one of the authority's anchors or intermediates, which may sign lists; so it
   needs no second person.
2. It is newer than what is held of the same key: nobody puts an old list in the place of a new one.
3. An older list goes only where the new one says all that it says: lists drop certificates whose
   term is over, and those stay revoked here. Beyond `MAX_EACH` of one key the oldest go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from runtime.errors import FailedPrecondition, InvalidArgument
from seal.judging.plainly import china_time
from seal.pki.certificates import is_issued_by, parse_certificate
from seal.pki.crls import MAX_CRL, CrlInfo, entries_of, parse_crl
from seal.recognition.model import Authority
from seal.recognition.store import HeldList

MAX_EACH: Final = 24
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


def read_list(encoded: bytes, authority: Authority, *, now: datetime) -> HeldList:
    """A list that one of the authority's issuers signed (rule 1).

    Raises InvalidArgument: REVOCATION_LIST_TOO_LARGE, MALFORMED_CRL, REVOCATION_LIST_OF_ANOTHER,
    REVOCATION_LIST_OF_THE_FUTURE.
    """
    if len(encoded) > MAX_CRL:
        raise InvalidArgument(
            f"a revocation list has at most {MAX_CRL >> 20} MiB: ask the authority for parts",
            reason="REVOCATION_LIST_TOO_LARGE",
            message_zh=f"吊销列表最大 {MAX_CRL >> 20} MiB：请向该机构索取分段的列表",
        )
    found = parse_crl(encoded)
    key = _signer(found, authority)
    if key is None:
        raise InvalidArgument(
            "no anchor or intermediate of this authority signed the revocation list: give the list "
            "of one of them, or have its issuer added first (`trust change`)",
            reason="REVOCATION_LIST_OF_ANOTHER",
            message_zh="该吊销列表不是由该机构的信任锚或中间证书签发的：请提供其签发的列表，"
            "或先补充签发者证书（`trust change`）",
        )
    if found.this_update > now + _CLOCKS_DIFFER:
        raise InvalidArgument(
            f"the revocation list says that it is of {china_time(found.this_update)}, which is to "
            "come: see that this node's clock is right, or wait",
            reason="REVOCATION_LIST_OF_THE_FUTURE",
            message_zh=f"该吊销列表的签发时间 {china_time(found.this_update)} 尚未到来："
            "请检查节点时钟，或届时再添加",
        )
    return HeldList(
        sha256=hashlib.sha256(encoded).hexdigest(),
        signer=hashlib.sha256(key).hexdigest(),
        issuer=found.issuer,
        this_update=found.this_update,
        next_update=found.next_update,
        revoked_count=len(found.revoked),
        encoded=encoded,
    )


def check_newer(found: HeldList, held: Iterable[HeldList]) -> None:
    """Rule 2. Raises FailedPrecondition (REVOCATION_LIST_NOT_NEWER)."""
    for one in held:
        newer = one.this_update > found.this_update
        if one.signer == found.signer and (newer or one.sha256 == found.sha256):
            raise FailedPrecondition(
                f"a revocation list of {china_time(one.this_update)} is held already: give a newer "
                "one",
                reason="REVOCATION_LIST_NOT_NEWER",
                message_zh=f"已有 {china_time(one.this_update)} 签发的吊销列表：请提供更新的列表",
            )


def needless(found: HeldList, held: Sequence[HeldList]) -> tuple[str, ...]:
    """Digests of those held, newest first, that go when `found` comes (rule 3). Slow."""
    newer = parse_crl(found.encoded)
    entries = frozenset(entries_of(newer))
    said = [one for one in held if _says_all(newer, entries, parse_crl(one.encoded))]
    kept = [one for one in held if one not in said]
    return tuple(one.sha256 for one in (*said, *kept[MAX_EACH - 1 :]))


def _says_all(newer: CrlInfo, entries: frozenset[bytes], older: CrlInfo) -> bool:
    if newer.scope != older.scope or newer.unknown_critical:
        return False
    if newer.next_update is not None and (
        older.next_update is None or newer.next_update < older.next_update
    ):
        return False
    return entries.issuperset(entries_of(older))


def _signer(found: CrlInfo, authority: Authority) -> bytes | None:
    """The public key that signed it, where it is one of the authority's."""
    waiting = () if authority.pending is None else authority.pending.issuers
    for certificate in dict.fromkeys((*authority.terms.issuers, *waiting)):
        info = parse_certificate(certificate)
        may_sign = info.key_usage is None or "crl_sign" in info.key_usage
        if may_sign and info.subject_key == found.issuer_key and is_issued_by(found, info):
            return info.public_key
    return None
