"""An application from the plan to the filled form, over mTLS on a node of its own.

One application is what the wire sees: `PlanMaterials` and `BeginCollection` by a counter, the
`Query` that the accepting department's system asks, and `CollectMaterials` with its receipt. The
last waits until the log has taken the question in, which no code of collecting makes: so it is
measured against a question alone, until the log proves it.

`python -m tests.benchmarks --only collect-materials`
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from exchange.v1 import audit_pb2, grants_pb2
from licenses.v1 import materials_pb2 as pb
from tests.benchmarks.measure import Entry, rounded, say, spread
from tests.builders import materials
from tests.builders.materials import BENEFIT
from tongban import collecting
from tongban.client import Client, new_request_id
from tongban.people import Person

NAMES = ("collect-materials",)
APPLICATIONS = 8
AT_ONCE = 16
TOGETHER = 48
WARM = 3
FLOOR = 8
#: A plan, a consent, a sealed copy and a question: no more than this over the question alone.
GREATEST_RATIO = 2.0
ENTRIES = {"phone": "10012345678"}


def run(folder: Path) -> list[Entry]:
    """One entry."""
    who = materials.adult()
    times: dict[str, list[float]] = {"plan": [], "begin": [], "query": [], "collect": []}
    with materials.county_on(folder / "materials") as scene:
        materials.registered(scene, who)
        client, counter = scene["employment"], scene["terminal"].materials
        for number in range(WARM + APPLICATIONS):
            spent = _one(client, counter, who)
            if number >= WARM:
                for step, seconds in spent.items():
                    times[step].append(seconds * 1000)
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda _: _one(client, counter, who), range(TOGETHER)))
        together = TOGETHER / (time.perf_counter() - began)
        floor = _floor(client, who)
    whole = [sum(steps) for steps in zip(*times.values(), strict=True)]
    ratio = statistics.median(whole) / statistics.median(floor)
    say(f"collect-materials: {statistics.median(whole):.0f} ms")
    return [
        Entry(
            name="collect-materials",
            unit="ms",
            ours=rounded(statistics.median(whole)),
            against="one question and its proof of the log, alone: what the filled form waits for",
            theirs=rounded(statistics.median(floor)),
            ratio=float(f"{ratio:.3g}"),
            aim=f"<= {GREATEST_RATIO:g}x",
            met=ratio <= GREATEST_RATIO,
            extra={
                "spread": spread(whole),
                "spread_theirs": spread(floor),
                "steps": {step: rounded(statistics.median(all_)) for step, all_ in times.items()},
                "applications": APPLICATIONS,
                f"a second, {AT_ONCE} at once": rounded(together),
                "note": "from the plan to the filled form with a license's copy attached, one "
                "application after the other; `collect` waits for the log to take the question in",
            },
        )
    ]


def _floor(client: Client, who: Person) -> list[float]:
    """Milliseconds of a question until the log proves it, asked one after the other."""
    grants = client.grants.ListGrants(grants_pb2.ListGrantsRequest(parent=materials.BUREAU)).grants
    grant = next(one.name for one in grants if one.resource == materials.POPULATION)
    times = []
    for number in range(WARM + FLOOR):
        began = time.perf_counter()
        asked = client.query_request(
            grant,
            who.citizen_number,
            items=("name",),
            purpose="办理",
            case_number=f"bench-{number}",
        )
        receipt = client.queries.Query(asked).receipt
        where = audit_pb2.GetInclusionProofRequest(
            shard=receipt.shard, batch=receipt.batch, position=receipt.position
        )
        _proved(client, where)
        if number >= WARM:
            times.append((time.perf_counter() - began) * 1000)
    return times


def _proved(client: Client, where: audit_pb2.GetInclusionProofRequest) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            client.audit.GetInclusionProof(where)
        except grpc.RpcError as error:
            if time.monotonic() > deadline or error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            time.sleep(0.02)
        else:
            return


def _one(client: object, counter: object, who: Person) -> dict[str, float]:
    number = who.citizen_number
    spent = {}
    began = time.perf_counter()
    planned = counter.PlanMaterials(  # type: ignore[attr-defined]
        pb.PlanMaterialsRequest(service_item=BENEFIT, holder_code=number)
    ).materials
    spent["plan"] = time.perf_counter() - began
    began = time.perf_counter()
    asked = (pb.MATERIAL_SOURCE_MUST_BE_ASKED, pb.MATERIAL_SOURCE_FILLED_ONCE)
    begun = counter.BeginCollection(  # type: ignore[attr-defined]
        pb.BeginCollectionRequest(
            service_item=BENEFIT,
            holder_code=number,
            materials=[one.display_name for one in planned if one.source not in asked],
            consent="当面同意",
            request_id=new_request_id(),
        )
    ).collection
    spent["begin"] = time.perf_counter() - began
    began = time.perf_counter()
    request = collecting.gather(client, begun.name, number, ENTRIES)  # type: ignore[arg-type]
    spent["query"] = time.perf_counter() - began
    began = time.perf_counter()
    done = client.materials.CollectMaterials(request, timeout=60).collection  # type: ignore[attr-defined]
    spent["collect"] = time.perf_counter() - began
    if done.state != pb.COLLECTION_STATE_COLLECTED or len(done.copies) != 1:
        raise AssertionError("not collected")
    return spent
