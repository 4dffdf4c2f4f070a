"""Reading where a resource's department answers from its own system (see `exchange.connecting`).

A source is asked for the items that the answer is made from, and for those that the grant's row
filter looks at: nothing else of a record comes here. Its failures are told as refusals. A question
whose caller did not wait has left the node all the same: that stays on record, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from exchange.catalog.service import Schemas
from exchange.connecting.asking import GREATEST_KEYS, SourceFailed, told
from exchange.connecting.forwarding import Forwarding
from exchange.connecting.model import SERVICE
from exchange.delivery.reading import RecordReader
from exchange.grants.model import Grant
from exchange.query.filtering import shown
from runtime.errors import Aborted, DataLoss, FailedPrecondition, Unavailable
from runtime.identity import Principal

#: Seconds that a caller still waits, None without end.
Remaining = Callable[[], float | None]
#: How a source's failure is told.
SOURCE_ERRORS = (Unavailable, DataLoss)


def unbounded() -> None:
    """No deadline."""


def caller_gone() -> Aborted:
    """What is on record of a question whose caller did not wait for the source's answer."""
    return Aborted(
        "the caller did not wait for the source's answer",
        reason="CALLER_GONE",
        message_zh="调用方未等到数源部门应答即已断开",
    )


def check_held(*, forwarded: bool) -> None:
    """Refuse to read all of what is not held here. Raises FailedPrecondition, RESOURCE_NOT_HELD."""
    if forwarded:
        raise FailedPrecondition(
            "this resource is answered by its department's own system, and not held here: ask for "
            "records by their keys",
            reason="RESOURCE_NOT_HELD",
            message_zh="该信息资源由部门自有系统应答，本节点不保存其数据：请按主键查询",
        )


class Sources:
    """The sources that are asked; without `forwarding` there is none."""

    def __init__(
        self, forwarding: Forwarding | None, schemas: Schemas, records: RecordReader
    ) -> None:
        self._forwarding = forwarding
        self._records = records
        self._schema = schemas.schema
        self._left: set[asyncio.Future[None]] = set()

    def leave(self, recording: Coroutine[object, object, None]) -> None:
        """Let a record be made for a caller that is gone."""
        task = asyncio.ensure_future(recording)
        self._left.add(task)
        task.add_done_callback(self._left.discard)

    def serves(self, resource: str) -> bool:
        """Whether a resource is answered by its source's own system; a look-up where it is not."""
        forwarding = self._forwarding
        if forwarding is None or not forwarding.serves(resource):
            return False
        # Its entry may have got another sharing mode since.
        return self._schema(resource).sharing_mode == SERVICE

    async def records(
        self,
        principal: Principal,
        grant: Grant,
        *,
        keys: Sequence[str],
        items: Sequence[str],
        purpose: str,
        case_number: str,
        time_remaining: Remaining,
    ) -> dict[str, str | None]:
        """The records by key, as held ones are read; None for an absent one.

        Raises Unavailable (SOURCE_UNAVAILABLE) and DataLoss (SOURCE_DATA_INVALID).
        """
        assert self._forwarding is not None  # noqa: S101  # it serves the resource
        tested = (one.item for one in grant.row_filter)
        wanted = tuple(dict.fromkeys((*(items or grant.masks), *tested)))
        found: dict[str, str | None] = {}

        def hides(text: str) -> bool:
            return shown(self._records, [grant], [text]) == [None]

        try:
            for start in range(0, len(keys), GREATEST_KEYS):
                found |= await self._forwarding.fetch(
                    schema=self._schema(grant.resource),
                    keys=keys[start : start + GREATEST_KEYS],
                    items=wanted,
                    purpose=purpose,
                    case_number=case_number,
                    consumer=principal.department,
                    grant=grant.name,
                    time_remaining=time_remaining,
                    hides=hides,
                )
        except SourceFailed as failed:
            raise told(failed) from None
        return found
