"""Documents sealed a second: by library, by RPC, in a batch; and the memory that a large one takes.

By library is what makes a sealed one-page OFD and nothing else; by RPC it is also authorized,
noted before and after, verified and stored, durably.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seal.model import Indication
from seal.ofd.signing import finish_ofd, prepare_ofd
from seal.placement import At
from seal.v1 import seal_pb2 as pb
from seal.verify import assess
from tests.benchmarks import load
from tests.benchmarks.county import DEPARTMENTS, POLICE, County, fresh
from tests.benchmarks.measure import (
    Entry,
    bounded,
    compare,
    rate,
    rounded,
    say,
    spread,
    with_least,
)
from tests.benchmarks.processes import ROOT
from tests.builders.large_ofd import large_ofd
from tests.builders.ofd import NOW, SEALED_AT, plain_ofd, world
from tests.builders.seal_node import SEAL, seal_request, start
from tongban.people import credit_code

SEAL_NAME = f"{POLICE}/seals/benchmark"
PATH = "/tongban.seal.v1.SealService/SealDocument"
LEAST_BY_LIBRARY = 500
LEAST_BY_RPC = 400
LEAST_RATIO = 0.4
IN_FLIGHT = 16
CONNECTIONS = 4
ROUNDS = 5
BATCH = 10_000
PAGES, SIZE = 500, 50 * 1024 * 1024
GREATEST_GROWTH = 200.0


# --- by library --------------------------------------------------------------------------------


def by_library() -> Entry:
    """Seal a one-page OFD again and again, in one thread."""
    here, document = world(), plain_ofd()
    seal = here.seal()
    places = (At(page=1, x_mm=140, y_mm=220),)

    def prepare() -> Any:
        return prepare_ofd(
            document, seal=seal, placements=places, seal_size_mm=(42, 42), signed_at=SEALED_AT
        )

    prepared = prepare()
    signature = here.signer.sign(prepared.tbs)

    def sign() -> bytes:
        return here.signer.sign(prepared.tbs)

    def finish() -> bytes:
        return finish_ofd(prepared, signature=signature, certificate=here.certificate)

    def whole() -> bytes:
        ready = prepare()
        signed = here.signer.sign(ready.tbs)
        return finish_ofd(ready, signature=signed, certificate=here.certificate)

    def judge() -> None:
        if assess(sealed, store=here.store(), now=NOW).indication is not Indication.PASSED:
            raise RuntimeError("the sealed document is not good")

    sealed = whole()
    judge()
    entry = compare(
        "seal-ofd",
        "documents/s",
        ours=lambda: rate(whole),
        theirs=lambda: rate(sign),
        against="bare SM2 signatures of the same message by the same library",
        aim=LEAST_RATIO,
        extra=lambda: {
            "least": LEAST_BY_LIBRARY,
            "microseconds": _parts(
                read_hash_and_lay_out=prepare, sign=sign, assemble=finish, verify_it=judge
            ),
            "note": f"a one-page OFD of {len(document):,} bytes, {len(sealed):,} when sealed, one "
            "thread; verify_it is not part of the figure, and is done by the service",
        },
    )
    return with_least(entry, LEAST_BY_LIBRARY)


def _parts(**acts: Callable[[], object]) -> dict[str, float]:
    """What each step takes by itself."""
    return {name: rounded(1e6 / rate(act, seconds=0.5)) for name, act in acts.items()}


# --- by RPC ------------------------------------------------------------------------------------


def by_rpc(county: County) -> Entry:
    """SealDocument over mTLS, many callers at once."""
    make_seal(county)
    with county.client("police") as client:
        sealed = client.seals.SealDocument(_request(plain_ofd()), timeout=60).document
        verdict = client.seals.VerifyDocument(
            pb.VerifyDocumentRequest(document=sealed), timeout=60
        ).verdict
        if verdict.indication != pb.INDICATION_PASSED:
            raise RuntimeError(f"the sealed document is not good: {verdict.summary}")
    found = []
    for number in range(1, ROUNDS + 1):
        found.append(drive(county, documents=4_000, seconds=3.0))
        say(f"seal-rpc: round {number}/{ROUNDS}: {found[-1].rate:,.0f} documents/s")
    middle = statistics.median(one.rate for one in found)
    return Entry(
        name="seal-rpc",
        unit="documents/s",
        ours=rounded(middle),
        aim=f">= {LEAST_BY_RPC} documents/s",
        met=middle >= LEAST_BY_RPC,
        extra={
            "rounds": ROUNDS,
            "spread": spread([one.rate for one in found]),
            "p50_ms": rounded(statistics.median(one.latency(0.5) for one in found)),
            "p99_ms": rounded(statistics.median(one.latency(0.99) for one in found)),
            "note": f"one-page OFDs, {IN_FLIGHT} callers at once on {CONNECTIONS} mTLS "
            "connections; the client shares the machine. Each is authorized, noted durably before "
            "and after, verified and stored durably",
        },
    )


def drive(county: County, *, documents: int, seconds: float) -> load.Load:
    """SealDocument for so many seconds, with at most so many documents."""
    make_seal(county)
    target = load.Target(port=county.node.port, path=PATH, identity=county.identity("police"))
    document = plain_ofd()
    # Each request has an id of its own: a repeat would be answered from what is stored.
    messages = [_request(document).SerializeToString() for _ in range(documents)]
    return load.drive(
        target, messages, in_flight=IN_FLIGHT, connections=CONNECTIONS, seconds=seconds
    )


def in_a_batch(county: County) -> Entry:
    """One BatchSealDocuments of 10,000 documents."""
    make_seal(county)
    document = plain_ofd()

    def requests() -> Iterator[pb.BatchSealDocumentsRequest]:
        for number in range(BATCH):
            yield pb.BatchSealDocumentsRequest(item=number, request=_request(document))

    with county.client("police") as client:
        began = time.perf_counter()
        done = 0
        for answer in client.seals.BatchSealDocuments(requests()):
            if not answer.response.sha256:
                raise RuntimeError(f"a document was not sealed: {answer.error}")
            done += 1
            if done % 2_000 == 0:
                say(f"seal-batch: {done:,} after {time.perf_counter() - began:.0f} s")
        took = time.perf_counter() - began
    if done != BATCH:
        raise RuntimeError(f"{done} answers to {BATCH} documents")
    return Entry(
        name="seal-batch",
        unit="documents/s",
        ours=rounded(BATCH / took),
        aim="none",
        met=None,
        extra={
            "documents": BATCH,
            "seconds": rounded(took),
            "node_memory_mib": {k: rounded(v) for k, v in county.node.memory().items()},
            "note": "one-page OFDs in one call over mTLS, sent and received by one Python client",
        },
    )


def make_seal(county: County) -> None:
    """The benchmark's own seal, once: of a department that issues no licenses."""
    with county.client("centre") as centre, county.client("seals") as second:
        listed = centre.seals.ListSeals(pb.ListSealsRequest(parent=POLICE), timeout=60).seals
        if any(one.name == SEAL_NAME for one in listed):
            return
        centre.seals.CreateSeal(
            pb.CreateSealRequest(
                parent=POLICE,
                seal_id="benchmark",
                display_name=DEPARTMENTS[POLICE],
                credit_code=credit_code(1, kind="11"),
                request_id=fresh(),
            ),
            timeout=60,
        )
        approve = pb.ApproveSealRequest(name=SEAL_NAME, request_id=fresh())
        second.seals.ApproveSeal(approve, timeout=60)


def _request(document: bytes) -> pb.SealDocumentRequest:
    return seal_request(document, seal=SEAL_NAME)


# --- a large one -------------------------------------------------------------------------------


def large(folder: Path) -> Entry:
    """A 500-page OFD of 50 MB through the use case, in a process of its own."""
    source = folder / "large.ofd"
    source.write_bytes(large_ofd(PAGES, SIZE))
    data = folder / "large-node"
    node = start(data)
    node.make_seal()
    node.server.database.close()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.sealing", str(data), str(source)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    return bounded(
        "seal-large",
        "MiB",
        told["growth"],
        below=GREATEST_GROWTH,
        seconds=rounded(told["seconds"]),
        bytes=told["bytes"],
        of_files=rounded(told["files"]),
        note=f"growth of the greatest resident memory while an OFD of {PAGES} pages and "
        f"{SIZE >> 20} MiB is sealed, verified and stored; of_files is mapped files' part of what "
        "is resident at the end, which the system takes back as it likes",
    )


def _large(data: Path, source: Path) -> None:
    """The child: seal a small one first, so that what is loaded once is not counted."""
    from seal.incoming import mapped, scratch_file
    from seal.wire_sealing import condense, sealing_order
    from tests.builders.seal_node import DEPARTMENT

    node = start(data)
    sealing = node.server.sealing

    def seal(document: Any) -> Any:
        request = condense(seal_request(b"", seal=SEAL), document)
        order = sealing_order(request, document, DEPARTMENT, greatest=2 * SIZE)
        with scratch_file(data / "incoming") as into:
            sealed = sealing.seal(order, into=into)
            sealing.write(lambda work: sealing.release(work, sealed, actor=order.actor))
            return sealed

    seal(plain_ofd())
    Path("/proc/self/clear_refs").write_text("5")  # forget what opening the keys took
    before = _resident("VmRSS")
    began = time.perf_counter()
    with source.open("r+b") as file:
        sealed = seal(mapped(file))
    took = time.perf_counter() - began
    told = {
        "growth": _resident("VmHWM") - before,
        "seconds": took,
        "bytes": len(sealed.document),
        "files": _resident("RssFile"),
    }
    print(json.dumps(told))


def _resident(what: str) -> float:
    """A figure of this process's memory, MiB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(what)) / 1024


if __name__ == "__main__":
    _large(Path(sys.argv[1]), Path(sys.argv[2]))
