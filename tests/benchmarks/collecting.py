"""An application from the plan to the filled form, over mTLS on a node of its own.

One application is what the wire sees: `PlanMaterials` and `BeginCollection` by a counter, the
`Query` that the accepting department's system asks, and `CollectMaterials` with its receipt. The
last waits until the log has taken the question in: that wait is told apart, since no code of
collecting makes it.

`python -m tests.benchmarks --only collect-materials`
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from licenses.v1 import materials_pb2 as pb
from tests.benchmarks.measure import Entry, rounded, say, spread
from tests.builders import materials
from tests.builders.materials import BENEFIT
from tongban import collecting
from tongban.client import new_request_id
from tongban.people import Person

NAMES = ("collect-materials",)
APPLICATIONS = 20
AT_ONCE = 16
TOGETHER = 96
WARM = 3
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
    whole = [sum(steps) for steps in zip(*times.values(), strict=True)]
    say(f"collect-materials: {statistics.median(whole):.0f} ms")
    return [
        Entry(
            name="collect-materials",
            unit="ms",
            ours=rounded(statistics.median(whole)),
            aim="none",
            met=None,
            extra={
                "spread": spread(whole),
                "steps": {step: rounded(statistics.median(all_)) for step, all_ in times.items()},
                "applications": APPLICATIONS,
                f"a second, {AT_ONCE} at once": rounded(together),
                "note": "from the plan to the filled form with a license's copy attached, one "
                "application after the other; `collect` waits for the log to take the question in",
            },
        )
    ]


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
