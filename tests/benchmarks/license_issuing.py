"""Issued licenses a second, by RPC over mTLS in one process.

`python -m tests.benchmarks.license_issuing`
Everything is real: rendering, both seals, verification of our own output, storage, audit record and
publishing. Also measured: verified presentations a second, with the document known and not.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from licenses.v1 import presentations_pb2 as presentations
from tests.builders.license_node import (
    LicenseNode,
    issue_request,
    present_request,
    running,
)


async def _measure(name: str, count: int, at_once: int, act: Callable[[], Awaitable[None]]) -> None:
    times: list[float] = []
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            began = time.perf_counter()
            await act()
            times.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    took = time.perf_counter() - began
    times.sort()
    print(
        f"{name}: {count / took:.1f}/s, {at_once} at once, "
        f"p50 {statistics.median(times) * 1000:.0f} ms, "
        f"p99 {times[int(len(times) * 0.99) - 1] * 1000:.0f} ms"
    )


async def _run(node: LicenseNode, count: int) -> None:
    issuer, counter, verifier = node.issuer, node.counter, node.verifier
    names: list[str] = []

    async def issue() -> None:
        answer = await issuer.licenses.IssueLicense(issue_request())
        names.append(answer.license.name)

    await issue()  # fonts are read once
    for at_once in (1, 4, 16):
        await _measure("issued", count, at_once, issue)

    shown = await counter.presentations.PresentLicense(present_request(names[0]))
    request = presentations.VerifyPresentationRequest(code=shown.code, purpose="核验")

    async def verify() -> None:
        answer = await verifier.presentations.VerifyPresentation(request)
        if answer.verdict.sub_indication:
            raise AssertionError(answer.verdict.sub_indication)

    async def verify_unknown() -> None:
        node.licenses.documents._known.clear()
        await verify()

    for at_once in (1, 16):
        await _measure("verified, seal known", 10 * count, at_once, verify)
    await _measure("verified, seal not known", count, 1, verify_unknown)


async def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as node:
            await _run(node, count)


if __name__ == "__main__":
    asyncio.run(main())
