"""Verifying sealed OFDs: on two cores, a large one, and a folder of ten thousand.

No document is judged twice in a row: there are many different ones, of several seals, so that what
is kept between documents (parsed certificates, keys, seals) is what an archive lets one keep.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import Entry, bounded, compare, rounded, say, with_least
from tests.benchmarks.processes import ROOT, environment
from tests.benchmarks.verifying_worker import CORES
from tests.builders.large_ofd import large_ofd
from tests.builders.ofd import BEGIN, SEALED_AT, ofd_of, seal_ofd, text_object, world

DOCUMENTS, SEALS = 200, 5
LEAST, LEAST_RATIO = 1000, 0.5
ROUNDS, SECONDS = 5, 1.5
PAGES, SIZE, GREATEST_MEMORY = 500, 50 * 1024 * 1024, 200.0
FOLDER_OF, DIFFERENT = 10_000, 1_000
_EVERY = 0.1  # seconds between two looks at the memory of a command


def ofd(folder: Path) -> Entry:
    """One-page OFDs with every check, by two processes; then the SM2 verifications of the same."""
    made = _made(folder / "verify", DOCUMENTS)
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(made)) for _ in range(CORES)]
        facts = workers[0].ask("facts")
        entry = compare(
            "verify-ofd",
            "documents/s",
            ours=lambda: _together(workers, "judge"),
            theirs=lambda: _together(workers, "sm2"),
            against=f"{facts['needed']} SM2 verifications a document alone (its seal's and its "
            "own), as often as the same two processes do them",
            aim=LEAST_RATIO,
            rounds=ROUNDS,
            extra=lambda: {
                "sm2_verifications": {"needed": facts["needed"], "done": facts["done"]},
                "ratio_to_those_done": rounded(
                    _together(workers, "judge") / _together(workers, "sm2 done")
                ),
                "one_process": rounded(workers[0].ask(f"judge {SECONDS}")["rate"]),
                "two_threads_of_one_process": rounded(workers[0].ask(f"threads {SECONDS}")["rate"]),
                "microseconds_of_cpu": rounded(workers[0].ask(f"judge {SECONDS}")["cpu"] * 1e6),
                "note": f"{DOCUMENTS} different sealed one-page OFDs of {SEALS} seals, about "
                f"{facts['bytes']:,} bytes each, all {facts['checks']} checks, {CORES} processes; "
                "that a seal's maker signed it is remembered between documents of one seal",
            },
        )
    return with_least(entry, LEAST)


def large(folder: Path) -> Entry:
    """A 500-page OFD of 50 MiB, as a command judges it, in a process of its own."""
    made = _made(folder / "verify-large", 1)
    (made / "large.ofd").write_bytes(seal_ofd(large_ofd(PAGES, SIZE)))
    with _worker(made) as worker:
        told = worker.ask("large")
    return bounded(
        "verify-large",
        "MiB",
        told["peak"],
        below=GREATEST_MEMORY,
        growth=rounded(told["growth"]),
        of_files=rounded(told["files"]),
        seconds=rounded(told["seconds"]),
        note=f"greatest resident memory of the whole process that verifies an OFD of {PAGES} pages "
        f"and {SIZE >> 20} MiB; growth is over what it has after a small one; of_files is mapped "
        "files' part at the end, which the system takes back as it likes",
    )


def bulk(folder: Path) -> Entry:
    """`tongban seal verify FOLDER`, from the command to its end."""
    made = _made(folder / "verify-bulk", DIFFERENT)
    documents = sorted((made / "documents").iterdir())
    for number in range(DIFFERENT, FOLDER_OF):
        same = documents[number % DIFFERENT]
        os.link(same, same.with_name(f"{number:05d}.ofd"))
    (made / "trust" / "anchors").mkdir(parents=True)
    (made / "trust" / "anchors" / "01.cer").write_bytes((made / "root.cer").read_bytes())
    command = [sys.executable, "-m", "tongban", "seal", "verify", str(made / "documents"),
               "--trust", str(made / "trust"), "--processes", str(CORES)]  # fmt: skip
    began, spent = time.perf_counter(), _of_children()
    with (made / "told").open("wb") as told:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=told)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _of_tree(process.pid))
            time.sleep(_EVERY)
    took = time.perf_counter() - began
    said = (made / "told").read_text(encoding="utf-8")
    if process.returncode or str(FOLDER_OF) not in said:
        raise RuntimeError(f"the folder is not good: {process.returncode}, {said[-500:]}")
    say(f"verify-bulk: {FOLDER_OF:,} in {took:.1f} s, {peak:.0f} MiB")
    return Entry(
        name="verify-bulk",
        unit="documents/s",
        ours=rounded(FOLDER_OF / took),
        aim="none",
        met=None,
        extra={
            "documents": FOLDER_OF,
            "seconds": rounded(took),
            "microseconds_of_cpu": rounded((_of_children() - spent) / FOLDER_OF * 1e6),
            "memory_mib": rounded(peak),
            "note": f"{DIFFERENT:,} different one-page OFDs of {SEALS} seals, each under "
            f"{FOLDER_OF // DIFFERENT} names, as nothing of a document is kept; from the command "
            f"to its end with {CORES} processes; memory is the greatest of all of them together, "
            "pages that they share counted once",
        },
    )


def _of_children() -> float:
    """Seconds of processor of the commands that have ended, and of those that they started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _of_tree(pid: int) -> float:
    """MiB of a process and those it started; shared pages are counted in parts (PSS)."""
    found, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            found += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
            children = Path(f"/proc/{one}/task/{one}/children").read_text().split()
        except OSError:  # it has ended meanwhile
            continue
        waiting += map(int, children)
    return found


# --- what is verified --------------------------------------------------------------------------


def _made(folder: Path, count: int) -> Path:
    """A folder with different sealed documents, their seals and the root they lead to."""
    here = world()
    (folder / "documents").mkdir(parents=True)
    seals = [here.seal(created=BEGIN + timedelta(minutes=each)) for each in range(SEALS)]
    for number in range(count):
        sealed = seal_ofd(
            ofd_of(text_object(f"SHIFAN LICENSE {number}")),
            seal=seals[number % SEALS],
            signed_at=SEALED_AT + timedelta(seconds=number),
        )
        (folder / "documents" / f"{number:05d}.ofd").write_bytes(sealed)
    for number, seal in enumerate(seals):
        (folder / f"{number}.esl").write_bytes(seal)
    (folder / "root.cer").write_bytes(here.root_certificate)
    return folder


# --- the processes that verify -----------------------------------------------------------------


class _Worker:
    """A process that is told what to do by a line, and answers by one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, what: str) -> None:
        assert self._process.stdin is not None
        print(what, file=self._process.stdin, flush=True)

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a process of the benchmark has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, what: str) -> dict[str, Any]:
        self.tell(what)
        return self.answer()


@contextmanager
def _worker(made: Path) -> Iterator[_Worker]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.verifying_worker", str(made)],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        worker = _Worker(process)
        worker.answer()  # it has warmed up
        yield worker
        worker.tell("end")


def _together(workers: Sequence[_Worker], what: str) -> float:
    """What all of them do a second at the same time."""
    for worker in workers:
        worker.tell(f"{what} {SECONDS}")
    return float(sum(worker.answer()["rate"] for worker in workers))
