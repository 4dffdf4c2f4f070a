"""How much there is room for at a time: streams, batches on their way in, and their memory.

1. A system, its department and the node each have so many places. A subscription has its own too:
   a stream that nobody reads any more holds its place until the connection is found dead, and
   another one is not to be kept out by it.
2. Who finds no place is refused at once, and told what to do: nothing waits in a queue.
"""

from __future__ import annotations

import ctypes
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from exchange.delivery.intake import GREATEST_BATCH, GREATEST_BATCH_SIZE, ROW_COST
from runtime.errors import ResourceExhausted
from runtime.identity import Principal

STREAMS_OF_SUBSCRIPTION = 64
STREAMS_OF_SYSTEM = 128
STREAMS_OF_DEPARTMENT = 256
STREAMS_OF_NODE = 1_024
BATCHES_OF_SYSTEM = 16
BATCHES_OF_DEPARTMENT = 32
BATCHES_OF_NODE = 128
#: What a department's batches under way may hold together: as much as its greatest batch does.
GREATEST_SHARE = GREATEST_BATCH_SIZE + GREATEST_BATCH * ROW_COST
GREATEST_UNDER_WAY = 2 * GREATEST_SHARE
#: What held more gives its memory back to the system when it ends.
WORTH_TRIMMING = 4 * 1024 * 1024

Whose = tuple[str, ...]


class Places:
    """Places that are taken, by who took them; on the loop."""

    def __init__(self) -> None:
        self._streams: Counter[Whose] = Counter()
        self._batches: Counter[Whose] = Counter()

    @contextmanager
    def stream(self, principal: Principal, subscription: str) -> Iterator[None]:
        """A stream while it lasts. Raises ResourceExhausted, TOO_MANY_STREAMS."""
        bounds = {
            ("subscription", principal.department, subscription): STREAMS_OF_SUBSCRIPTION,
            ("system", principal.system): STREAMS_OF_SYSTEM,
            ("department", principal.department): STREAMS_OF_DEPARTMENT,
            ("node",): STREAMS_OF_NODE,
        }
        if _is_full(self._streams, bounds):
            raise ResourceExhausted(
                f"at most {STREAMS_OF_SUBSCRIPTION} streams of a subscription, {STREAMS_OF_SYSTEM} "
                f"of a system, {STREAMS_OF_DEPARTMENT} of a department and {STREAMS_OF_NODE:,} of "
                "the node are open at a time: end one, or pull; to reach more receivers, relay "
                "one subscription (`tongban relay`)",
                reason="TOO_MANY_STREAMS",
                message_zh=f"同时打开的订阅流过多（每个订阅 {STREAMS_OF_SUBSCRIPTION}、"
                f"每个系统 {STREAMS_OF_SYSTEM}、每个部门 {STREAMS_OF_DEPARTMENT}、"
                f"全节点 {STREAMS_OF_NODE:,}）：请结束其一或改用拉取；"
                "接收方更多时请用 tongban relay 转发",
                retry_after=10,
            )
        with _taken(self._streams, bounds):
            yield

    @contextmanager
    def batch(self, principal: Principal) -> Iterator[None]:
        """A batch on its way in. Raises ResourceExhausted, TOO_MANY_BATCHES."""
        bounds = {
            ("system", principal.system): BATCHES_OF_SYSTEM,
            ("department", principal.department): BATCHES_OF_DEPARTMENT,
            ("node",): BATCHES_OF_NODE,
        }
        if _is_full(self._batches, bounds):
            raise ResourceExhausted(
                f"at most {BATCHES_OF_SYSTEM} batches of a system, {BATCHES_OF_DEPARTMENT} of a "
                f"department and {BATCHES_OF_NODE} of the node are sent at a time: send the last "
                "message of one, or end its call, and try again",
                reason="TOO_MANY_BATCHES",
                message_zh=f"同时发送的批次过多（每个系统 {BATCHES_OF_SYSTEM}、"
                f"每个部门 {BATCHES_OF_DEPARTMENT}、全节点 {BATCHES_OF_NODE}）："
                "请先完成或取消进行中的批次再重试",
                retry_after=10,
            )
        with _taken(self._batches, bounds):
            yield


class Room:
    """What batches under way may hold in memory: for all of them, and for a department's.

    A batch waits in memory for its end, so what one may hold bounds nothing while there may be any
    number of them.
    """

    def __init__(self, whole: int = GREATEST_UNDER_WAY, share: int = GREATEST_SHARE) -> None:
        self._whole = whole
        self._share = share
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def take(self, department: str, more: int) -> None:
        """Raises ResourceExhausted (TOO_MUCH_UNDER_WAY) where there is no room."""
        with self._lock:
            if (
                self._held[department] + more > self._share
                or self._held.total() + more > self._whole
            ):
                raise ResourceExhausted(
                    "too much is being published at once: wait for batches to end, and try again",
                    reason="TOO_MUCH_UNDER_WAY",
                    message_zh="同时发布的数据过多：请等待进行中的批次结束后重试",
                    retry_after=10,
                )
            self._held[department] += more

    def give_back(self, department: str, held: int) -> None:
        """Room that is needed no longer."""
        with self._lock:
            self._held[department] -= held
            self._held += Counter()  # forgets departments that hold nothing


def trim() -> None:
    """Give back to the system what the allocator keeps of memory that is free; from any thread.

    Strings of a batch lie between others that live on, so without this a node would stay as large
    as its greatest hour. Milliseconds; nothing where the C library has no such call.
    """
    release = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if release is not None:
        release(0)


def _is_full(taken: Counter[Whose], bounds: Mapping[Whose, int]) -> bool:
    return any(taken[whose] >= bound for whose, bound in bounds.items())


@contextmanager
def _taken(taken: Counter[Whose], whose: Mapping[Whose, int]) -> Iterator[None]:
    taken.update(whose.keys())
    try:
        yield
    finally:
        taken.subtract(whose.keys())
        for one in whose:
            if not taken[one]:
                del taken[one]
