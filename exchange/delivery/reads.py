"""Reading under a row filter: in turns, and told at steps of time.

1. What a filter hides is looked at and left out, however much it is; so such reads take turns by
   caller, few at a time, and those of one caller slow nobody's much.
2. Their answers come a step after they were asked, or twice, four times, … as long
   (`exchange.pacing`): where less than a step was needed, no time tells that anything was left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from exchange import pacing
from exchange.query.fair import FairThreads
from runtime.identity import Principal

THREADS = 2
#: Seconds; leaving out some thousand changes takes as long. Changes are asked for again and again.
STEP = 0.02
Done = TypeVar("Done")


class Reads:
    """Reads of one process; used from its event loop."""

    def __init__(self) -> None:
        self._turns = FairThreads(THREADS, name="filtered")

    async def run(
        self, principal: Principal, filtered: Callable[[], bool], read: Callable[[], Done]
    ) -> Done:
        """What `read` returns, done in a thread; raises what it raises."""
        if not filtered():
            return await asyncio.to_thread(read)
        began = time.monotonic()
        done = await self._turns.run(principal.system, read)
        await asyncio.sleep(pacing.left_to_wait(time.monotonic() - began, STEP))
        return done
