"""Records about many people: as others, and with an entry for each (`exchange.audit.entries`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from exchange.audit.entries import LABEL, hashes_of, said_of
from runtime.records import SealedRecord, Value, fresh_salt, make_record

VERSION = 2


def record_of_many(
    kind: str,
    *,
    at: datetime,
    actor: str,
    keys: Sequence[str],
    facts: Mapping[str, Value],
    commitments: Mapping[str, bytes],
) -> SealedRecord:
    """`runtime.records.make_record` of what is about the people of these keys, if any."""
    if not keys:
        return make_record(kind, at=at, actor=actor, facts=facts, commitments=commitments)
    salt = fresh_salt()
    hashes = hashes_of(salt, keys)
    record = make_record(
        kind,
        at=at,
        actor=actor,
        facts={"v": VERSION, LABEL: said_of(salt, hashes, commitments), **facts},
        commitments=commitments,
        salt=salt,
    )
    return replace(record, entries=b"".join(hashes))
