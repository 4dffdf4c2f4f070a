"""Whether the log grows old well: a log of 10⁷ records and one of 10⁴, in turns.

`log-growth` is what a second's work costs: a round of 512 records is committed, sequenced, and its
checkpoint signed, all on the disk. `log-proof` is an inclusion proof and a consistency proof, of
random places, read from tiles as they lie on the disk. Both should cost at most 1.3 times as much
in the larger log, and memory should not grow with it. Both logs were made in bulk (`log_filling`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from exchange.audit.merkle import check_inclusion, leaf_hash
from exchange.audit.note import read_proof
from exchange.audit.service import AuditReader
from runtime.records import make_record
from tests.benchmarks.log_filling import ROUND, fill
from tests.benchmarks.measure import Entry, compare, rate, say
from tests.builders.audit import NOON, LogFixture

SMALL, LARGE = 10_000, 10_000_000
LEAST_RATIO = 1 / 1.3
GREATEST_GROWTH = 32.0  # MiB
_MIB = 1024


class Log:
    """A log of a size, on the disk."""

    def __init__(self, folder: Path, size: int) -> None:
        folder.mkdir()
        database = folder / "audit.db"
        self._node = LogFixture(f"sqlite:///{database}", folder)
        self._records = [
            make_record(
                "query",
                at=NOON,
                actor="departments/housing/systems/desk",
                facts={"number": number},
            )
            for number in range(ROUND)
        ]
        began = time.perf_counter()
        self.size = fill(self._node, database, self._records, -(-size // ROUND))
        took = time.perf_counter() - began
        say(f"log-growth: a log of {self.size:,} records, made in {took:.0f} s")
        self._reader = AuditReader(self._node.log)
        self._random = random.Random(7)
        self.check()

    def round(self) -> None:
        """Commit 512 records, sequence them, sign the checkpoint."""
        self._node.log.append_blocking(self._records)
        self._node.log.sequencer.run()

    def check(self) -> None:
        """See that the log is one. Raises ProofError, and DataLoss where it does not grow."""
        self.round()
        tree = self._node.log.store.newest_checkpoint()
        place = self._random.randrange(self.size)
        leaf = self._records[place % ROUND].leaf
        proof = read_proof(self._reader.inclusion_proof_at(place))
        if tree is None or tree.size != self.size + ROUND:
            raise RuntimeError("the log did not grow by a round")
        check_inclusion(leaf_hash(leaf), place, tree.size, proof.path, tree.root)

    def prove(self) -> None:
        """A proof of inclusion and one of consistency, of random places."""
        self._reader.inclusion_proof_at(self._random.randrange(self.size))
        self._reader.consistency_proof(self._random.randrange(1, self.size), 0)

    def close(self) -> None:
        """Give the connections back."""
        self._node.close()


def run(folder: Path) -> list[Entry]:
    """Both entries."""
    small = Log(folder / "log-small", SMALL)
    before = _resident()
    large = Log(folder / "log-large", LARGE)

    def turn(act: Callable[[], object]) -> Callable[[], float]:
        return lambda: rate(act)

    def extra() -> dict[str, Any]:
        return {
            "records": [small.size, large.size],
            "resident_growth_mib": round(_resident() - before, 1),
            "note": "both logs made in bulk and read and extended like any other; "
            "`resident_growth_mib` is what making and working on the larger one added",
        }

    found = [
        compare(
            name, unit, ours=turn(ours), theirs=turn(theirs), aim=LEAST_RATIO, extra=extra,
            against=f"the same with {small.size:,} records",
        )
        for name, unit, ours, theirs in (
            ("log-growth", "rounds of 512 records/s", large.round, small.round),
            ("log-proof", "pairs of proofs/s", large.prove, small.prove),
        )
    ]  # fmt: skip
    small.close()
    large.close()
    return [_flat(entry) for entry in found]


def _flat(entry: Entry) -> Entry:
    flat = entry.extra["resident_growth_mib"] < GREATEST_GROWTH
    aim = f"within 1.3x, memory within {GREATEST_GROWTH:g} MiB"
    return replace(entry, aim=aim, met=bool(entry.met) and flat)


def _resident() -> float:
    """MiB of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / _MIB
    return 0.0
