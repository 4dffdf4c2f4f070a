"""Whether the log grows old well: a log of 10⁶ records and one of 10⁴, in turns.

`log-growth` is what a second's work costs: a round of 512 records is committed, sequenced, and its
checkpoint signed, all on the disk. `log-proof` is an inclusion proof and a consistency proof, of
random places, read from tiles as they lie on the disk. Both should cost at most 1.3 times as much
in the larger log, and memory should not grow with it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from exchange.audit.promising import promise
from exchange.audit.service import AuditReader
from runtime.records import make_record
from tests.benchmarks.measure import Entry, compare, rate, say
from tests.builders.audit import NOON, LogFixture

SMALL, LARGE = 10_000, 1_000_000
ROUND = 512
PORTION = 65_536
LEAST_RATIO = 1 / 1.3
_MIB = 1024


class Log:
    """A log of a size, on the disk."""

    def __init__(self, folder: Path, size: int) -> None:
        folder.mkdir()
        self.size = size
        self._node = LogFixture(f"sqlite:///{folder / 'audit.db'}", folder)
        self._records = [
            make_record(
                "query",
                at=NOON,
                actor="departments/housing/systems/desk",
                facts={"grant": "departments/housing/grants/g1", "number": number},
                commitments={"key": b"synthetic", "answer": b"synthetic"},
            )
            for number in range(ROUND)
        ]
        self._fill()
        self._reader = AuditReader(self._node.log)
        self._random = random.Random(7)

    def _fill(self) -> None:
        store, key = self._node.log.store, self._node.key
        for sequence in range(-(-self.size // ROUND)):
            count = min(ROUND, self.size - sequence * ROUND)
            batch, _ = promise(
                self._records[:count], shard="fill", sequence=sequence, at=NOON, key=key
            )
            store.append(batch, {})
            if (sequence + 1) % (PORTION // ROUND) == 0:
                self._node.log.sequencer.run()
        grown = self._node.log.sequencer.run()
        say(f"log-growth: a log of {grown:,} records")

    def round(self) -> None:
        """Commit 512 records, sequence them, sign the checkpoint."""
        self._node.log.append_blocking(self._records)
        self._node.log.sequencer.run()

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
    small.round()
    before = _resident()
    large = Log(folder / "log-large", LARGE)
    large.round()
    grown = _resident() - before
    say(f"log-growth: {grown:.1f} MiB more resident after the larger log")

    def turn(act: Callable[[], object]) -> Callable[[], float]:
        return lambda: rate(act)

    def extra() -> dict[str, Any]:
        return {"records": [SMALL, LARGE], "resident_growth_mib": round(grown, 1)}

    found = [
        compare(
            name, unit, ours=turn(ours), theirs=turn(theirs), aim=LEAST_RATIO, extra=extra,
            against=f"the same with {SMALL:,} records",
        )
        for name, unit, ours, theirs in (
            ("log-growth", "rounds of 512 records/s", large.round, small.round),
            ("log-proof", "pairs of proofs/s", large.prove, small.prove),
        )
    ]  # fmt: skip
    small.close()
    large.close()
    return [replace(entry, aim="within 1.3x") for entry in found]


def _resident() -> float:
    """MiB of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / _MIB
    return 0.0
