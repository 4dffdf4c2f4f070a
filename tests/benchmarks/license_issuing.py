"""Issued licenses a second, against the signatures they need; batches with their memory; sizes.

`python -m tests.benchmarks.license_issuing [licenses] [rows]` (100 and 200 if not given)

Everything is real, by RPC over mTLS in one process: rendering, three signatures, verification of
our own output, storage, audit records, publishing. What it is measured against, in the same run:

- *raw signatures*: one SM2 and two P-256 signatures over ready bytes, and nothing else;
- *raw sealing*: the same three with what surrounds them, SES in an OFD, PAdES in a PDF, a JWS:
  prepared, signed and assembled in this process; not verified, noted or stored.

A batch's memory is the process's own (VmRSS), read as it goes: flat is what grows not with rows.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from licenses.v1 import batches_pb2, batches_pb2_grpc
from licenses.v1 import presentations_pb2 as presentations
from seal.keys.signers import generate_signer
from seal.suites import P256, SM2
from tests.benchmarks.license_sizes import Sealer, every_type, print_sizes
from tests.builders.license_node import (
    LicenseNode,
    fresh,
    issue_request,
    present_request,
    running,
)
from tests.builders.licenses import BUREAU, FIELDS, TYPE_NAME, citizen_number

MESSAGE = b"x" * 1024


async def _measure(
    name: str, count: int, at_once: int, act: Callable[[], Awaitable[None]]
) -> float:
    times: list[float] = []
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            began = time.perf_counter()
            await act()
            times.append(time.perf_counter() - began)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    took, used = time.perf_counter() - began, time.process_time() - used
    times.sort()
    print(
        f"{name}: {count / took:.1f}/s, {at_once} at once, "
        f"p50 {statistics.median(times) * 1000:.0f} ms, "
        f"p99 {times[int(len(times) * 0.99) - 1] * 1000:.0f} ms, "
        f"processor {used / count * 1000:.0f} ms each"
    )
    return count / took


def _rate(act: Callable[[], object], seconds: float = 1.0) -> float:
    act()
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        act()
        count += 1
    return count / (time.perf_counter() - began)


def _raw_signatures() -> float:
    """Licenses a second, if signing were all."""
    sm2, p256 = generate_signer(SM2), generate_signer(P256)

    def act() -> None:
        sm2.sign(MESSAGE)
        p256.sign(MESSAGE)
        p256.sign(MESSAGE)

    return _rate(act)


def _raw_sealing(sealer: Sealer) -> float:
    """Licenses a second, if what the three forms ask for around a signature were all."""
    drafts = next(one for one in every_type() if TYPE_NAME.endswith(one.kind.id))
    return _rate(lambda: sealer.seal(drafts))


def _resident() -> float:
    """MiB of memory that this process has now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _rows(count: int) -> Iterator[batches_pb2.CreateIssueBatchRequest]:
    yield batches_pb2.CreateIssueBatchRequest(
        header=batches_pb2.IssueBatchHeader(
            parent=BUREAU, license_type=TYPE_NAME, request_id=fresh()
        )
    )
    for first in range(0, count, 500):
        rows = [
            batches_pb2.IssueBatchRow(
                holders=[
                    batches_pb2.IssueBatchHolder(
                        name=f"示例{number}", code=citizen_number(number % 900 + 1)
                    )
                ],
                fields=FIELDS,
                row_key=f"row-{number}",
            )
            for number in range(first, min(first + 500, count))
        ]
        yield batches_pb2.CreateIssueBatchRequest(rows=rows)
    yield batches_pb2.CreateIssueBatchRequest(last=True)


async def _batch(node: LicenseNode, count: int) -> None:
    """A batch, and how memory goes with it."""
    stub = batches_pb2_grpc.BatchServiceStub(node.issuer.channel)
    began = time.perf_counter()
    made = (await stub.CreateIssueBatch(_rows(count))).issue_batch
    print(f"batch of {count}: taken in {time.perf_counter() - began:.1f} s")
    began, used, seen = time.perf_counter(), time.process_time(), []
    worker = node.licenses.batch_worker
    while await asyncio.to_thread(worker.run_once):
        found = await stub.GetIssueBatch(batches_pb2.GetIssueBatchRequest(name=made.name))
        done = found.issue_batch.issued_count + found.issue_batch.failed_count
        if not seen or done - seen[-1][0] >= count / 10 or done == count:
            await asyncio.to_thread(node.licenses.library.publish)
            seen.append((done, _resident()))
    took, used = time.perf_counter() - began, time.process_time() - used
    if found.issue_batch.issued_count != count:
        raise AssertionError(found.issue_batch)
    print(
        f"batch of {count}: {count / took:.1f}/s, published too, processor "
        f"{used / count * 1000:.0f} ms each; 100,000 rows at this rate: "
        f"{100_000 * took / count / 3600:.1f} h"
    )
    print("  memory: " + ", ".join(f"{mib:.0f} MiB at {done}" for done, mib in seen))


async def _run(node: LicenseNode, sealer: Sealer, count: int, rows: int) -> None:
    issuer, counter, verifier = node.issuer, node.counter, node.verifier
    names: list[str] = []

    async def issue() -> None:
        answer = await issuer.licenses.IssueLicense(issue_request())
        names.append(answer.license.name)

    signatures, sealing = _raw_signatures(), _raw_sealing(sealer)
    print(f"raw signatures: {signatures:.0f} licenses/s; raw sealing: {sealing:.0f} licenses/s")
    await issue()  # fonts are read once
    best = max([await _measure("issued", count, at_once, issue) for at_once in (1, 4, 16)])
    print(f"  {best / sealing:.2f} of raw sealing, {best / signatures:.4f} of raw signatures")
    await _batch(node, rows)

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
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with tempfile.TemporaryDirectory() as folder:
        sealer = Sealer(Path(folder) / "raw")
        async with running(Path(folder) / "node") as node:
            await _run(node, sealer, count, rows)
        print_sizes(sealer)


if __name__ == "__main__":
    asyncio.run(main())
