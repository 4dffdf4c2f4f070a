"""Sealed licenses a second against the bare SM2 operations they need.

What an act needs is not guessed: the act is done once with the SM2 operations noted, and the bare
side does just those again, with the same keys, messages and signatures.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from licenses.v1 import licenses_pb2
from tests.benchmarks import processes
from tests.benchmarks.county import County, county_on, license_order, make_seal
from tests.benchmarks.measure import Entry, compare, rate, rounded
from tests.benchmarks.operations import Operations, noted
from tongban.people import Person

AT_ONCE = 4
LICENSES = 12  # a round


def issue(county: County, folder: Path) -> Entry:
    """Issue licenses over the wire, several at a time."""
    needed = _needed_by_a_license(folder)
    holders = iter(county.people)
    with (
        county.client("centre") as centre,
        county.client("seals") as second,
        county.client("employment") as client,
    ):
        make_seal(centre, second)
        stub = client.licenses.IssueLicense

        def one(person: Person) -> float:
            began = time.perf_counter()
            answer = stub(license_order(person), timeout=60).license
            took = time.perf_counter() - began
            if answer.state != licenses_pb2.LICENSE_STATE_ACTIVE or not answer.ofd_sha256:
                raise RuntimeError("the license is not active")
            return took

        alone = [one(person) for person in islice(holders, 3)][1:]
        with ThreadPoolExecutor(AT_ONCE) as pool:

            def ours() -> float:
                began = time.perf_counter()
                list(pool.map(one, list(islice(holders, LICENSES))))
                return LICENSES / (time.perf_counter() - began)

            return compare(
                "issue",
                "licenses/s",
                ours=ours,
                theirs=lambda: rate(needed.again),
                against=f"{_told(needed)} alone",
                aim=None,
                rounds=3,
                extra=lambda: {
                    "needs": needed.counts(),
                    "p50_alone_ms": rounded(min(alone) * 1000),
                    "note": "IssueLicense over mTLS until the license is active: an OFD and a PDF "
                    f"drawn, sealed, verified and stored durably, {AT_ONCE} at a time; theirs is "
                    "how often the SM2 operations of one license could be done in one thread",
                },
            )


def _needed_by_a_license(folder: Path) -> Operations:
    """What one license costs in SM2, noted on a node inside this process."""
    with (
        county_on(processes.node_here, folder / "noted", published=10) as here,
        here.client("centre") as centre,
        here.client("seals") as second,
        here.client("employment") as client,
    ):
        make_seal(centre, second)
        for person in here.people[:2]:
            with noted() as needed:
                client.licenses.IssueLicense(license_order(person), timeout=60)
    return needed


def _told(needed: Operations) -> str:
    counts = needed.counts()
    parts = [f"{count} SM2 {what}" for what, count in counts.items() if count]
    return " and ".join(parts)
