"""Erasing salts and thinning out checkpoints: acts of an administrator, each recorded.

1. An erased salt makes its record's commitments unlinkable: nobody can show any more what was
   asked, of whom, and why; that something was asked, under which grant, stays in the log.
2. Who holds a receipt holds its salt: erasing here does not reach what was given out.
3. Neither touches a leaf, a tile, a promise or the newest checkpoint: every proof ever given out
   stays good, and fsck finds no difference.
4. A record of erasing says which records, by number, and commits to the reason.
5. No salt is erased before its time, and whoever asks who asked for their data is told how many
   were, when and by whom: an empty answer is else read as "nobody".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from exchange.audit.erasures.store import remember
from exchange.audit.keeping import store
from exchange.audit.witnesses.service import check_reason
from runtime.clock import Clock
from runtime.database import UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument, NotFound
from runtime.identity import Principal
from runtime.records import instant, make_record

LEAST_AGE: Final = timedelta(days=184)
"""Of a record whose salt is erased, one or many: six months, for which a network's operator keeps
its logs (网络安全法 Article 21 (3)). Whom it is about can ask who asked until then."""
CHECKPOINT_LEAST_AGE: Final = timedelta(days=1)


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

    Raises NotFound (RECORD_UNKNOWN) and InvalidArgument (REASON_REQUIRED, TOO_RECENT).
    """
    check_reason(reason)
    if isinstance(which, Place):
        found = (which.shard, which.batch, which.position)
        place = found if 0 <= which.batch < 1 << 63 else None
    else:
        place = store.place_of(work, which) if 0 <= which < 1 << 63 else None
    promised = store.promised_at(work, *place) if place else None
    if place is None or promised is None:
        raise NotFound(
            "the log has no such record: check its index, or shard, batch and position",
            reason="RECORD_UNKNOWN",
            message_zh="日志中没有该记录：请核对序号，或分片、批次和位置",
        )
    _check_salt_age(datetime.fromisoformat(promised), clock, "which")
    erased = store.erase_salt(work, *place) or 0
    shard, batch, position = place
    now = clock.now()
    record = make_record(
        "salt_erased",
        at=now,
        actor=principal.system,
        facts={"shard": shard, "batch": batch, "position": position, "erased": erased},
        commitments={"reason": reason.encode()},
    )
    work.record(record)
    if erased:
        remember(work, record, actor=principal.system, at=instant(now), erased=erased,
                 first=promised, last=promised)  # fmt: skip
    return erased


def erase_before(
    work: UnitOfWork, principal: Principal, before: datetime, *, reason: str, clock: Clock
) -> tuple[int, bool]:
    """Erase the salts of records promised before a time; how many, and whether more are left.

    At most a thousand batches, or about 20,000 records, at once. Raises InvalidArgument
    (REASON_REQUIRED, TOO_RECENT).
    """
    check_reason(reason)
    _check_salt_age(before, clock, "before")
    found = store.erase_before(work, instant(before))
    if found.records:
        now = clock.now()
        record = make_record(
            "salts_erased",
            at=now,
            actor=principal.system,
            facts={"before": instant(before), "erased": found.records},
            commitments={"reason": reason.encode()},
        )
        work.record(record)
        remember(work, record, actor=principal.system, at=instant(now), erased=found.records,
                 first=found.first, last=found.last)  # fmt: skip
    return found.records, found.more


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
    if before > clock.now() - CHECKPOINT_LEAST_AGE:
        raise InvalidArgument(
            "only what is at least a day old can go",
            reason="TOO_RECENT",
            message_zh="只能清理至少一天以前的内容",
            violations=[FieldViolation("before", "is less than a day ago")],
        )


def _check_salt_age(of: datetime, clock: Clock, field: str) -> None:
    if of > clock.now() - LEAST_AGE:
        days = LEAST_AGE.days
        raise InvalidArgument(
            f"a salt stays for at least {days} days, so that whom its record is about can ask who "
            "asked: erase it then",
            reason="TOO_RECENT",
            message_zh=f"盐值至少保留 {days} 天，以便当事人查询谁查询过其数据：请期满后再清除",
            violations=[FieldViolation(field, f"is less than {days} days ago")],
        )
