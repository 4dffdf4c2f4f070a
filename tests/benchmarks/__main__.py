"""`python -m tests.benchmarks`: measure, and print one JSON document.

The document is a list of `{name, unit, ours, against, theirs, ratio, aim, met}` with what else a
benchmark has to say. A missed aim is told and is no failure; a benchmark that cannot run is left
out, with the reason on standard error and exit code 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path

from tests.benchmarks import (
    audit_log,
    batch_query,
    collecting,
    fanning_out,
    granting,
    idle,
    licensing,
    log_growth,
    pades,
    pades_verifying,
    portal_pages,
    presenting,
    processes,
    profiling,
    publish,
    publishing_forms,
    query,
    receipts,
    record_growth,
    sealing,
    searching,
    snapshots,
    spatial,
    verifying,
)
from tests.benchmarks.county import County, county_on
from tests.benchmarks.measure import Entry, say
from tests.benchmarks.postgres import postgresql

NAMES = (
    "start", "memory", "verify-ofd", "verify-large", "verify-bulk", "verify-pdf", "seal-ofd",
    "seal-pdf", "seal-large", *query.names("query"), *query.names("verify"),
    *query.names("query", "PostgreSQL"), *query.names("verify", "PostgreSQL"), "batch-query",
    "receipts", "receipts-proved", "audit-append", "audit-append-alone", "search",
    "search-postgresql", "spatial", "authorize", "revocation", "publish", "publish-whole",
    *licensing.NAMES, "seal-rpc", "seal-batch", "log-growth", "log-proof", "record-growth",
    *publishing_forms.names(), *publishing_forms.names("-postgresql"), *fanning_out.names(),
    *snapshots.NAMES, *collecting.NAMES, *presenting.NAMES, *portal_pages.NAMES,
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; the exit code."""
    asked = _asked(arguments)
    began = time.monotonic()
    entries: list[Entry] = []
    failed = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tongban-bench-")))
        if asked.profile:
            print(profiling.run(asked.profile, folder))
            return 0
        for benchmark in _benchmarks(stack, folder, asked.only, asked.rows):
            try:
                entries += benchmark()
            except Exception:  # noqa: BLE001  # the others are still worth measuring
                failed += 1
                traceback.print_exc()
    entries = [entry for entry in entries if entry.name in (asked.only or NAMES)]
    document = json.dumps([entry.document() for entry in entries], indent=2, ensure_ascii=False)
    print(document)
    if asked.output:
        asked.output.write_text(document + "\n", encoding="utf-8")
    _summarise(entries, time.monotonic() - began)
    return 1 if failed else 0


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, help="run this one; repeatable")
    parser.add_argument("--output", type=Path, help="write the document there too")
    parser.add_argument(
        "--profile", choices=sorted(profiling.ACTS), help="say where the time goes instead"
    )
    parser.add_argument(
        "--rows",
        type=int,
        default=0,
        help="issue a batch of so many rows to its last (issue-batch)",
    )
    return parser.parse_args(arguments)


def _benchmarks(
    stack: ExitStack, folder: Path, only: Sequence[str] | None, rows: int
) -> list[Callable[[], list[Entry]]]:
    """What is to run, in order; those on a node share one, which the first of them starts."""

    @cache
    def county() -> County:
        return stack.enter_context(county_on(processes.node, folder))

    @cache
    def postgresql_url() -> str:
        return stack.enter_context(postgresql())

    @cache
    def county_on_postgresql() -> County:
        place = folder / "postgresql"
        place.mkdir()
        serve = partial(processes.node, database=postgresql_url())
        return stack.enter_context(county_on(serve, place))

    @cache
    def large_county() -> County:
        place = folder / "large"
        place.mkdir()
        return stack.enter_context(county_on(processes.node, place, published=1))

    every: dict[tuple[str, ...], Callable[[], list[Entry]]] = {
        ("start", "memory"): lambda: idle.run(folder),
        ("verify-ofd",): lambda: [verifying.ofd(folder)],
        ("verify-large",): lambda: [verifying.large(folder)],
        ("verify-bulk",): lambda: [verifying.bulk(folder)],
        ("verify-pdf",): lambda: [pades_verifying.run()],
        ("seal-ofd",): lambda: [sealing.by_library()],
        ("seal-pdf",): lambda: [pades.run()],
        ("seal-large",): lambda: [sealing.large(folder)],
        query.names("query"): lambda: query.run(county(), folder, "query"),
        query.names("verify"): lambda: query.run(county(), folder, "verify"),
        query.names("query", "PostgreSQL"): lambda: query.run(
            county_on_postgresql(), folder, "query", "PostgreSQL"
        ),
        query.names("verify", "PostgreSQL"): lambda: query.run(
            county_on_postgresql(), folder, "verify", "PostgreSQL"
        ),
        ("receipts", "receipts-proved"): receipts.run,
        ("audit-append", "audit-append-alone"): lambda: audit_log.run(folder),
        ("batch-query",): lambda: [batch_query.run(county())],
        ("search", "search-postgresql"): lambda: searching.run(folder),
        ("spatial",): lambda: [spatial.run(folder / "spatial")],
        ("authorize",): lambda: granting.authorize(folder),
        ("revocation",): lambda: granting.revocation(county(), folder),
        ("publish", "publish-whole"): lambda: publish.run(county(), folder),
        publishing_forms.names(): lambda: publishing_forms.run(county(), folder),
        publishing_forms.names("-postgresql"): lambda: publishing_forms.run(
            county_on_postgresql(), folder, postgresql_url()
        ),
        fanning_out.names(): lambda: fanning_out.run(county(), folder, only or ()),
        snapshots.NAMES: lambda: snapshots.run(large_county(), folder),
        licensing.NAMES: lambda: licensing.run(county(), folder, rows),
        collecting.NAMES: lambda: collecting.run(folder),
        presenting.NAMES: lambda: presenting.run(folder, only or ()),
        portal_pages.NAMES: lambda: portal_pages.run(folder),
        ("seal-rpc",): lambda: [sealing.by_rpc(county())],
        ("log-growth", "log-proof"): lambda: log_growth.run(folder),
        ("record-growth",): lambda: record_growth.run(folder),
        ("seal-batch",): lambda: [sealing.in_a_batch(county())],
    }
    return [run for names, run in every.items() if not only or set(names) & set(only)]


def _summarise(entries: Sequence[Entry], seconds: float) -> None:
    say("")
    for entry in entries:
        met = {True: "met", False: "NOT met", None: "no aim"}[entry.met]
        theirs = "" if entry.theirs is None else f" against {entry.theirs:,g}, {entry.ratio}x"
        say(f"{entry.name:24} {entry.ours:>10,g} {entry.unit}{theirs}; aim {entry.aim}: {met}")
    say(f"{seconds:.0f} s in all")


if __name__ == "__main__":
    sys.exit(main())
