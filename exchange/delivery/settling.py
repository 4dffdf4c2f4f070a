"""From where on it is known what a subscriber was told, so that what says nothing new is left out.

1. A change that alters nothing of what the grant shows is left out, where the subscriber was told
   the version before it (`projecting`). Read change by change, it was told every version. Read
   compacted, it was told those that were the newest then: one that a change after the compacted
   part had replaced already was passed by, and that change must come whatever it alters.
2. So it is kept where the cursor stood when the compacted part was behind it (`settled`) and where
   the log ended then (`told_end`): a change after `told_end` replaced what was the newest, and was
   told, all that time. What lies before, and replaces what lies up to `settled`, always comes.
3. Where a new decision makes the bound of the compacted part pass the cursor, it begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from exchange.delivery.log.store import LogReader
from exchange.delivery.model import Subscription
from exchange.delivery.subscriptions import store as subscriptions
from exchange.grants.model import Grant
from runtime.database import Database


@dataclass(frozen=True, slots=True)
class Settled:
    """What replaces changes up to `upto` comes unless it lies after `told_end`; -1 is unknown."""

    upto: int = -1
    told_end: int = 0

    def leaves_out(self, offset: int, previous: int) -> bool:
        """Whether a change may be left out where it alters nothing that is shown."""
        return self.upto >= 0 and (previous > self.upto or offset > self.told_end)


UNKNOWN = Settled()


class Settling:
    """Keeps it with the subscription; a live stream, whose cursor lags, beside that for itself."""

    def __init__(self, database: Database, log: LogReader) -> None:
        self._database = database
        self._log = log

    def at(
        self,
        subscription: Subscription,
        grant: Grant,
        position: int,
        known: Settled | None = None,
    ) -> Settled:
        """What holds for a reading after `position`; `known` is what held for the one before."""
        name, bound = subscription.name, max(grant.history_from, subscription.snapshot_end)
        held = known or Settled(subscription.settled, subscription.told_end)
        if position < bound:
            if held.upto >= 0:
                with self._database.unit_of_work() as work:
                    subscriptions.unsettle(work.session, name)
            return UNKNOWN
        if held.upto >= 0:
            return held
        made = Settled(position, self._log.end())
        if subscription.cursor == position:
            with self._database.unit_of_work() as work:
                subscriptions.settle(work.session, name, made.upto, made.told_end)
        return made
