"""Authorized questions a second against the fastest bare echo of the same payload.

Both servers are one process each and get the same requests from the same client over the same kind
of connection, in turns. The echo's answer is as long as the node's answers are on average under
this load, receipt included. The client (`load`) is one more process on the same machine and is part
of both figures.

For `query` and for `verify`, on SQLite and on PostgreSQL, there are three entries: the rate with
many calls in flight, the 99th percentile of the latency meanwhile, and the median of one call after
the other.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exchange.v1 import query_pb2
from tests.benchmarks import echo, load, processes
from tests.benchmarks.county import County
from tests.benchmarks.measure import Entry, compare, rounded, say, spread
from tongban.people import Person

PATH = "/tongban.exchange.v1.QueryService/Query"
VERIFY_PATH = "/tongban.exchange.v1.QueryService/Verify"
PURPOSE = "办理就业创业登记时核实申请人身份"
IN_FLIGHT = 128
CONNECTIONS = 4
CALM_ROUNDS = 3
AIM = 0.75
GREATEST_P99 = 3.0
GREATEST_P50 = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What is asked."""

    name: str
    path: str
    messages: list[bytes]


def methods(county: County) -> list[Method]:
    """The two, with a question about every person."""
    return [
        Method(name="query", path=PATH, messages=requests(county)),
        Method(name="verify", path=VERIFY_PATH, messages=verifications(county)),
    ]


def run(county: County, folder: Path, method: str, database: str = "SQLite") -> list[Entry]:
    """Measure one method: rate, p99, p50. The names of all but SQLite's say the database."""
    check(county)
    (asked,) = (one for one in methods(county) if one.name == method)
    name = method if database == "SQLite" else f"{method}-{database.lower()}"
    identity = county.identity("employment")
    node = load.Target(port=county.node.port, path=asked.path, identity=identity)
    answer = _drive(node, asked.messages, seconds=0.5).mean_answer
    with ExitStack() as stack:
        bare, kind = _fastest(stack, county, folder, asked, answer)
        mine: list[load.Load] = []
        other: list[load.Load] = []

        def keeping(target: load.Target, kept: list[load.Load]) -> Callable[[], float]:
            def drive() -> float:
                kept.append(_drive(target, asked.messages))
                return kept[-1].rate

            return drive

        against = f"the fastest bare gRPC echo ({kind}) of the same payload over the same mTLS"
        rate = compare(
            name,
            "calls/s",
            ours=keeping(node, mine),
            theirs=keeping(bare, other),
            against=against,
            aim=AIM,
            extra=lambda: {
                "request_bytes": sum(map(len, asked.messages)) // len(asked.messages),
                "answer_bytes": answer,
                "client_us_per_call": rounded(mine[-1].client_cost),
                "note": f"{IN_FLIGHT} in flight on {CONNECTIONS} mTLS connections, one server "
                f"process each, {len(county.people):,} records, {database}, monitoring on; the one "
                "client process shares the machine and is part of both figures",
            },
        )
        say(f"{name}: latencies with one in flight")
        calm = [
            (_drive(node, asked.messages, 1), _drive(bare, asked.messages, 1))
            for _ in range(CALM_ROUNDS)
        ]
    return [
        rate,
        _latency(f"{name}-p99", against, mine, other, share=0.99, greatest=GREATEST_P99,
                 note=f"of the same rounds as `{name}`: {IN_FLIGHT} in flight"),
        _latency(f"{name}-p50", against, [a for a, _ in calm], [b for _, b in calm], share=0.5,
                 greatest=GREATEST_P50, note="one in flight: each call waits for the one before"),
    ]  # fmt: skip


def names(method: str, database: str = "SQLite") -> tuple[str, ...]:
    """The names of what `run` measures."""
    name = method if database == "SQLite" else f"{method}-{database.lower()}"
    return (name, f"{name}-p99", f"{name}-p50")


def check(county: County) -> None:
    """Ask as a user would, and see that the answers are right. Raises RuntimeError."""
    with county.client("employment") as client:
        for person in county.people[:: len(county.people) // 20]:
            answer = client.query(
                county.grant, person.citizen_number, purpose=PURPOSE, case_number="SF2026-1"
            )
            shown = {
                "name": person.name,
                "birth_date": person.birth_date,
                "residence_address": person.residence_address[:6] + "****",
            }
            if not answer.found or dict(answer.items) != shown or not answer.receipt.signature:
                raise RuntimeError("the node's answer is not what it should be")
            told = client.queries.Verify(_verification(county, person, 1), timeout=30)
            if told.result != query_pb2.MATCH_RESULT_MATCH or not told.receipt.signature:
                raise RuntimeError("what is true was not confirmed")


def requests(county: County, keys: Sequence[str] = ()) -> list[bytes]:
    """One question about every person, or about each of the keys, serialised."""
    return [
        query_pb2.QueryRequest(
            grant=county.grant, key=key, purpose=PURPOSE, case_number=f"SF2026-{number:06d}"
        ).SerializeToString()
        for number, key in enumerate(keys or [one.citizen_number for one in county.people])
    ]


def verifications(county: County) -> list[bytes]:
    """One claim of a name and a birth date about every person, serialised."""
    return [
        _verification(county, person, number).SerializeToString()
        for number, person in enumerate(county.people)
    ]


def _verification(county: County, person: Person, number: int) -> query_pb2.VerifyRequest:
    return query_pb2.VerifyRequest(
        grant=county.grant,
        key=person.citizen_number,
        claims={"name": person.name, "birth_date": person.birth_date},
        purpose=PURPOSE,
        case_number=f"SF2026-{number:06d}",
    )


def _fastest(
    stack: ExitStack, county: County, folder: Path, asked: Method, answer: int
) -> tuple[load.Target, str]:
    """The fastest of the bare servers, which are all started, and what it is."""
    identity = county.node.data / "identity" / "node"
    found: dict[str, load.Target] = {}
    rates: dict[str, float] = {}
    for kind in echo.KINDS:
        serving = processes.echo(identity, asked.path, b"\0" * answer, folder, kind)
        port = stack.enter_context(serving)
        caller = county.identity("employment")
        found[kind] = load.Target(port=port, path=asked.path, identity=caller)
    for kind, target in found.items():
        rates[kind] = statistics.median(_drive(target, asked.messages).rate for _ in range(3))
        say(f"a bare echo ({echo.KINDS[kind]}): {rates[kind]:,.0f} calls/s")
    fastest = max(rates, key=lambda kind: rates[kind])
    return found[fastest], echo.KINDS[fastest]


def _latency(
    name: str,
    against: str,
    mine: Sequence[load.Load],
    other: Sequence[load.Load],
    *,
    share: float,
    greatest: float,
    note: str,
) -> Entry:
    ours = [one.latency(share) for one in mine]
    theirs = [one.latency(share) for one in other]
    ratio = statistics.median(ours) / statistics.median(theirs)
    extra: dict[str, Any] = {
        "rounds": len(ours),
        "spread": {"ours": spread(ours), "theirs": spread(theirs)},
        "note": note,
    }
    return Entry(
        name=name,
        unit="ms",
        ours=rounded(statistics.median(ours)),
        against=against,
        theirs=rounded(statistics.median(theirs)),
        ratio=float(f"{ratio:.3g}"),
        aim=f"<= {greatest:g}x",
        met=ratio <= greatest,
        extra=extra,
    )


def _drive(
    target: load.Target, messages: list[bytes], in_flight: int = IN_FLIGHT, seconds: float = 1.5
) -> load.Load:
    return load.drive(
        target,
        messages,
        in_flight=in_flight,
        connections=min(CONNECTIONS, in_flight),
        seconds=seconds,
    )
