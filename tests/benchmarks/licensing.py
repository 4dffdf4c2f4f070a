"""Licenses issued a second against the signatures they need; a batch's memory; sizes of forms.

The bare side is the three signatures of a license (one SM2, two P-256) over ready bytes, and
nothing else. Beside it stands what its three forms cost to seal with the same seal and drafts in
one process: SES in an OFD, PAdES in a PDF, a JWS prepared, signed and assembled, and nothing drawn,
verified, noted or stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from pathlib import Path

from licenses.v1 import batches_pb2, batches_pb2_grpc, licenses_pb2
from seal.keys.signers import generate_signer
from seal.suites import P256, SM2
from tests.benchmarks.county import (
    EMPLOYMENT,
    LICENSE_TYPE,
    County,
    fresh,
    license_order,
    make_seal,
)
from tests.benchmarks.license_sizes import AIM, Drafts, Sealer, every_type
from tests.benchmarks.measure import Entry, bounded, compare, rate, rounded, say
from tongban.people import Person

NAMES = ("issue", "issue-batch", "issue-batch-memory", "license-size")
LEAST_RATIO = 0.3
AT_ONCE = 4
LICENSES = 12  # a round
ROWS = 10_000  # that a batch takes
ISSUED = 400  # of which so many are issued while memory is looked at
FLAT = 24.0  # MiB that a batch may add after its first tenth
PATIENCE = 300.0
BARE = "one SM2 and two P-256 signatures over ready bytes, which a license needs, in one thread"
MESSAGE = b"x" * 1024


def run(county: County, folder: Path, rows: int = 0) -> list[Entry]:
    """All four; a batch of so many `rows` is issued to its last."""
    sealer = Sealer(folder / "sealer")
    drafts = list(every_type())
    own = next(one for one in drafts if LICENSE_TYPE.endswith(one.kind.id))
    with county.client("centre") as centre, county.client("seals") as second:
        make_seal(centre, second)
    return [
        _one_by_one(county, sealer, own),
        *_in_a_batch(county, sealer, own, rows),
        _sizes(sealer, drafts),
    ]


def _signatures() -> Callable[[], None]:
    sm2, p256 = generate_signer(SM2), generate_signer(P256)

    def act() -> None:
        sm2.sign(MESSAGE)
        p256.sign(MESSAGE)
        p256.sign(MESSAGE)

    return act


def _one_by_one(county: County, sealer: Sealer, drafts: Drafts) -> Entry:
    """Licenses over the wire, several at a time."""
    holders = iter(county.people)
    signatures, sealed = _signatures(), rate(lambda: sealer.seal(drafts))
    with county.client("employment") as client:
        stub = client.licenses.IssueLicense

        def one(person: Person) -> float:
            began = time.perf_counter()
            answer = stub(license_order(person), timeout=60).license
            took = time.perf_counter() - began
            if answer.state != licenses_pb2.LICENSE_STATE_ACTIVE or not answer.jwt_sha256:
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
                theirs=lambda: rate(signatures),
                against=BARE,
                aim=LEAST_RATIO,
                rounds=3,
                extra=lambda: {
                    "three_forms_sealed_alone": rounded(sealed),
                    "p50_alone_ms": rounded(min(alone) * 1000),
                    "note": "IssueLicense over mTLS until the license is active: OFD, PDF and "
                    f"SD-JWT drawn, sealed, verified and stored durably, {AT_ONCE} at a time; "
                    "three_forms_sealed_alone is what the library seals of them, in one thread",
                },
            )


def _in_a_batch(county: County, sealer: Sealer, drafts: Drafts, whole: int) -> Iterator[Entry]:
    """A batch of many rows: its rate and its memory while it is issued.

    Of `whole`, if any is said, every row is issued; else the first `ISSUED` of `ROWS`.
    """
    rows, wanted = whole or ROWS, whole or ISSUED
    with county.client("employment") as client:
        stub = batches_pb2_grpc.BatchServiceStub(client.channel)
        before = county.node.memory()["now"]
        batch = stub.CreateIssueBatch(_rows(county, rows), timeout=1200).issue_batch.name
        held = county.node.memory()["now"]

        def done() -> int:
            found = stub.GetIssueBatch(batches_pb2.GetIssueBatchRequest(name=batch), timeout=60)
            if found.issue_batch.failed_count:
                raise RuntimeError("rows of the batch failed")
            return int(found.issue_batch.issued_count)

        _until(done, wanted // 10)
        taken, first, began = county.node.memory()["now"], done(), time.perf_counter()
        worked = county.node.worked()
        course, last = [], first
        for tenth in range(2, 11):
            here, since = last, time.perf_counter()
            last = _until(done, wanted * tenth // 10)
            memory = county.node.memory()
            course.append(
                {
                    "issued": last,
                    "a_second": rounded((last - here) / (time.perf_counter() - since)),
                    "node_mib": rounded(memory["now"]),
                    "workers_mib": rounded(memory["children"]),
                }
            )
            say(f"issue-batch: {course[-1]}")
        speed = (last - first) / (time.perf_counter() - began)
        each = {
            who: rounded((seconds - worked[who]) * 1000 / (last - first))
            for who, seconds in county.node.worked().items()
        }
        if not whole:
            stub.CancelIssueBatch(
                batches_pb2.CancelIssueBatchRequest(name=batch, reason="量毕", request_id=fresh()),
                timeout=60,
            )
    theirs, sealed = rate(_signatures()), rate(lambda: sealer.seal(drafts))
    yield Entry(
        name="issue-batch",
        unit="licenses/s",
        ours=rounded(speed),
        against=BARE,
        theirs=rounded(theirs),
        ratio=float(f"{speed / theirs:.3g}"),
        aim=f">= {LEAST_RATIO}x",
        met=speed / theirs >= LEAST_RATIO,
        extra={
            "rows": rows,
            "issued": last,
            "three_forms_sealed_alone": rounded(sealed),
            "hours_for_100000": rounded(100_000 / speed / 3600),
            "processor_ms_each": each,
            "course": course,
            "note": "a batch of rows in the node, by as many threads as there are cores and "
            "by workers beside them; published too; processor_ms_each counts the workers' start. "
            "`--rows` issues so many rows to the last",
        },
    )
    yield bounded(
        "issue-batch-memory",
        "MiB",
        memory["now"] - taken,
        below=FLAT,
        before=rounded(before),
        with_all_rows=rounded(held),
        greatest=rounded(memory["greatest"]),
        workers=rounded(memory["children"]),
        note=f"what the node's resident set grew by from a tenth to all of {wanted:,} licenses of "
        f"a batch of {rows:,} rows, all of which it has; workers are processes beside it",
    )


def _until(done: Callable[[], int], wanted: int) -> int:
    """How many are done as soon as so many are."""
    last, since = -1, time.perf_counter()
    while time.perf_counter() - since < PATIENCE:
        now = done()
        if now >= wanted:
            return now
        if now > last:
            last, since = now, time.perf_counter()
        time.sleep(0.2)
    raise RuntimeError("the batch stands still")


def _rows(county: County, wanted: int) -> Iterator[batches_pb2.CreateIssueBatchRequest]:
    header = batches_pb2.IssueBatchHeader(
        parent=EMPLOYMENT, license_type=LICENSE_TYPE, request_id=fresh()
    )
    yield batches_pb2.CreateIssueBatchRequest(header=header)
    key, people = fresh(), county.people
    numbers = iter(count())
    for _ in range(0, wanted, 500):
        yield batches_pb2.CreateIssueBatchRequest(
            rows=[
                batches_pb2.IssueBatchRow(
                    holders=[batches_pb2.IssueBatchHolder(name=one.name, code=one.citizen_number)],
                    fields={"KZ_DJLX": "失业登记", "KZ_XLXX": "大学专科"},
                    row_key=f"{key}-{number}",
                )
                for number in islice(numbers, 500)
                if number < wanted
                for one in (people[number % len(people)],)
            ]
        )
    yield batches_pb2.CreateIssueBatchRequest(last=True)


def _sizes(sealer: Sealer, every: list[Drafts]) -> Entry:
    """The largest form of all shipped types, and each."""
    sizes: dict[str, dict[str, int]] = {}
    for one in every:
        ofd, pdf, jws = sealer.seal(one)
        sizes[one.kind.id] = {
            "ofd": len(ofd),
            "pdf": len(pdf),
            "sd_jwt": len(jws) + one.disclosures,
        }
        say(f"license-size: {one.kind.id} {sizes[one.kind.id]}")
    greatest = max(size for forms in sizes.values() for size in forms.values())
    return bounded(
        "license-size",
        "bytes",
        greatest,
        below=AIM,
        sizes=sizes,
        note="the greatest sealed form of the ten shipped types, with their samples and pictures",
    )
