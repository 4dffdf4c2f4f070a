"""Where the time goes: a node inside this process, every thread of it under cProfile.

The profiler makes calls several times as dear, so its shares are a hint and its times are not.
"""

from __future__ import annotations

import cProfile
import io
import pstats
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from tests.benchmarks import load, processes, query, sealing
from tests.benchmarks.county import County, batch_messages, county_on
from tests.benchmarks.measure import say
from tests.benchmarks.publish import METHOD, ROWS
from tongban.people import people

SHOWN = 25
PUBLISHED = 2_000


def run(name: str, folder: Path) -> str:
    """The `SHOWN` functions that take the most time by themselves, and with those they call."""
    with (
        _profiled() as profiles,
        county_on(processes.node_here, folder / name, published=PUBLISHED) as county,
    ):
        say(f"{name}: under the profiler")
        for profile in profiles:
            profile.clear()
        ACTS[name](county)
    text = io.StringIO()
    # A thread that did nothing since has a profile that pstats refuses.
    worked = [profile for profile in profiles if profile.getstats()]
    stats = pstats.Stats(*worked, stream=text)
    stats.sort_stats("tottime").print_stats(SHOWN)
    stats.sort_stats("cumulative").print_stats(SHOWN)
    return text.getvalue()


def _query(county: County) -> None:
    messages = query.requests(county)
    target = load.Target(
        port=county.node.port, path=query.PATH, identity=county.identity("employment")
    )
    load.drive(
        target, messages, in_flight=query.IN_FLIGHT, connections=query.CONNECTIONS, seconds=4
    )


def _publish(county: County) -> None:
    rows = [person.row() for person in people(PUBLISHED + ROWS)][PUBLISHED:]
    with county.client("police") as client:
        client.channel.stream_unary(METHOD)(iter(batch_messages(rows)), timeout=300)


def _seal(county: County) -> None:
    sealing.drive(county, documents=1_000, seconds=4)


ACTS: dict[str, Callable[[County], None]] = {
    "query": _query,
    "publish": _publish,
    "seal-rpc": _seal,
}


@contextmanager
def _profiled() -> Iterator[list[cProfile.Profile]]:
    """Profiles of the threads that begin meanwhile."""
    profiles: list[cProfile.Profile] = []

    def begin(_frame: FrameType, _event: str, _argument: Any) -> None:
        profiles.append(cProfile.Profile())
        profiles[-1].enable()  # from here on in place of this function, in this thread

    threading.setprofile(begin)
    try:
        yield profiles
    finally:
        threading.setprofile(None)  # type: ignore[arg-type]  # how it is taken back
