"""Erasing salts and thinning out checkpoints: acts of an administrator, each recorded.

1. An erased salt makes its record's commitments unlinkable: nobody can show any more what was
   asked, of whom, and why; that something was asked, under which grant, stays in the log.
2. Who holds a receipt holds its salt: erasing here does not reach what was given out.
3. Neither touches a leaf, a tile, a promise or the newest checkpoint: every proof ever given out
   stays good, and fsck finds no difference.
4. A record of erasing says which records, by number, and commits to the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from exchange.audit.keeping import store
from exchange.audit.witnesses.service import check_reason
from runtime.clock import Clock
from runtime.database import UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument, NotFound
from runtime.identity import Principal
from runtime.records import instant, make_record

LEAST_AGE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a record is, by its receipt."""

    shard: str
    batch: int
    position: int


def erase_one(
    work: UnitOfWork, principal: Principal, which: int | Place, *, reason: str, clock: Clock
) -> int:
    """Erase the salt of the record at an index of the log, or by its receipt; 0 where it was gone.

    Raises NotFound (RECORD_UNKNOWN) and InvalidArgument (REASON_REQUIRED).
    """
    check_reason(reason)
    if isinstance(which, Place):
        found = (which.shard, which.batch, which.position)
        place = found if 0 <= which.batch < 1 << 63 else None
    else:
        place = store.place_of(work, which) if 0 <= which < 1 << 63 else None
    erased = store.erase_salt(work, *place) if place else None
    if place is None or erased is None:
        raise NotFound(
            "the log has no such record: check its index, or shard, batch and position",
            reason="RECORD_UNKNOWN",
            message_zh="日志中没有该记录：请核对序号，或分片、批次和位置",
        )
    shard, batch, position = place
    work.record(
        make_record(
            "salt_erased",
            at=clock.now(),
            actor=principal.system,
            facts={"shard": shard, "batch": batch, "position": position, "erased": erased},
            commitments={"reason": reason.encode()},
        )
    )
    return erased


def erase_before(
    work: UnitOfWork, principal: Principal, before: datetime, *, reason: str, clock: Clock
) -> tuple[int, bool]:
    """Erase the salts of records promised before a time; how many, and whether more are left.

    At most a thousand batches, or about 20,000 records, at once. Raises InvalidArgument
    (REASON_REQUIRED, TOO_RECENT).
    """
    check_reason(reason)
    _check_age(before, clock)
    erased, more = store.erase_before(work, instant(before))
    if erased:
        work.record(
            make_record(
                "salts_erased",
                at=clock.now(),
                actor=principal.system,
                facts={"before": instant(before), "erased": erased},
                commitments={"reason": reason.encode()},
            )
        )
    return erased, more


def thin_checkpoints(
    work: UnitOfWork, principal: Principal, before: datetime, *, clock: Clock
) -> int:
    """Thin out the checkpoints signed before a time; how many went.

    Of each hour the last one stays, and each that a witness cosigned. Raises InvalidArgument
    (TOO_RECENT).
    """
    _check_age(before, clock)
    removed = store.thin_checkpoints(work, instant(before))
    if removed:
        work.record(
            make_record(
                "checkpoints_thinned",
                at=clock.now(),
                actor=principal.system,
                facts={"before": instant(before), "removed": removed},
            )
        )
    return removed


def _check_age(before: datetime, clock: Clock) -> None:
    if before > clock.now() - LEAST_AGE:
        raise InvalidArgument(
            "only what is at least a day old can go",
            reason="TOO_RECENT",
            message_zh="只能清理至少一天以前的内容",
            violations=[FieldViolation("before", "is less than a day ago")],
        )
