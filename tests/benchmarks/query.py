"""Authorized queries a second against a bare echo of the same payload.

Both servers are one process each and get the same requests from the same client over the same kind
of connection, in turns. The echo's answer is as long as the node's answers are on average under
this load, receipt included. The client (`load`) is one more process on the same machine and is part
of both figures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exchange.v1 import query_pb2
from tests.benchmarks import load, processes
from tests.benchmarks.county import County
from tests.benchmarks.measure import Entry, compare, rounded, say

PATH = "/tongban.exchange.v1.QueryService/Query"
PURPOSE = "办理就业创业登记时核实申请人身份"
IN_FLIGHT = 128
CONNECTIONS = 4
CALM = (1, 16)  # in flight, where latency matters and not the rate
AIM = 0.6


def run(county: County, folder: Path) -> Entry:
    """Measure."""
    check(county)
    messages = requests(county)
    node = load.Target(port=county.node.port, path=PATH, identity=county.identity("employment"))
    answer = _drive(node, messages, seconds=0.5).mean_answer
    mine: list[load.Load] = []
    other: list[load.Load] = []
    identity = county.node.data / "identity" / "node"
    with processes.echo(identity, PATH, b"\0" * answer, folder) as port:
        echo = load.Target(port=port, path=PATH, identity=node.identity)

        def ours() -> float:
            mine.append(_drive(node, messages))
            return mine[-1].rate

        def theirs() -> float:
            other.append(_drive(echo, messages))
            return other[-1].rate

        def extra() -> dict[str, Any]:
            say("query: latencies with few in flight")
            calm = {n: (_drive(node, messages, n), _drive(echo, messages, n)) for n in CALM}
            return {
                "p50": {"ours": _middle(mine, 0.5), "theirs": _middle(other, 0.5)},
                "p99": {"ours": _middle(mine, 0.99), "theirs": _middle(other, 0.99)},
                "calm": {
                    f"{n} in flight": {"ours": _told(pair[0]), "theirs": _told(pair[1])}
                    for n, pair in calm.items()
                },
                "request_bytes": sum(map(len, messages)) // len(messages),
                "answer_bytes": answer,
                "client_us_per_call": rounded(mine[-1].client_cost),
                "note": f"{IN_FLIGHT} in flight on {CONNECTIONS} mTLS connections, one server "
                f"process each, {len(county.people):,} records, latencies in ms; the one client "
                "process shares the machine and is part of both figures",
            }

        return compare(
            "query",
            "calls/s",
            ours=ours,
            theirs=theirs,
            against="a bare gRPC echo (aio, uvloop) of the same payload over the same mTLS",
            aim=AIM,
            extra=extra,
        )


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


def requests(county: County) -> list[bytes]:
    """One question about every person, serialised."""
    return [
        query_pb2.QueryRequest(
            grant=county.grant,
            key=person.citizen_number,
            purpose=PURPOSE,
            case_number=f"SF2026-{number:06d}",
        ).SerializeToString()
        for number, person in enumerate(county.people)
    ]


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


def _middle(loads: list[load.Load], share: float) -> float:
    return rounded(sorted(one.latency(share) for one in loads)[len(loads) // 2])


def _told(one: load.Load) -> dict[str, float]:
    return {
        "rate": rounded(one.rate),
        "p50": rounded(one.latency(0.5)),
        "p99": rounded(one.latency(0.99)),
    }
