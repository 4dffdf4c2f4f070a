"""How large a sealed license is: every shipped type, with its sample and its pictures."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.license_sizes import Sealer, every_type

MOST_BYTES = 60_000


def test_every_sealed_form_of_every_shipped_type_stays_below_60_kb(tmp_path: Path) -> None:
    sealer = Sealer(tmp_path)
    sizes = {}
    for drafts in every_type():
        ofd, pdf, _ = sealer.seal(drafts)
        sizes[drafts.kind.id] = (len(ofd), len(pdf))
    assert len(sizes) == 10
    assert {name: found for name, found in sizes.items() if max(found) >= MOST_BYTES} == {}
