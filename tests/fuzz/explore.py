"""Look for bytes that a target answers wrongly, guided by what the code does (needs atheris).

    python -m tests.fuzz.explore --minutes 60            # every target its share
    python -m tests.fuzz.explore --target zip --minutes 5

Each target runs in a process of its own under bounds: 10 seconds a run, 1 GiB of memory. What broke
one is left in the work folder as `<target>/crash-…`; mend it, then put it into `corpus/<target>/`.
At the end a few small files that reached something new are kept in the corpus, where the suite
tries them.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CORPUS: Final = Path(__file__).parent / "corpus"
KEPT_FILES: Final = 6
KEPT_BYTES: Final = 2048
_BOUNDS: Final = ("-timeout=10", "-rss_limit_mb=1024", "-max_len=65536", "-print_final_stats=1")


def main() -> int:
    """Run the targets one after another; the exit code says whether something broke."""
    asked = _arguments()
    if asked.child:
        return _explore(asked.child, asked.rest)
    from tests.fuzz.targets import TARGETS

    names = asked.target or list(TARGETS)
    broken = []
    for name in names:
        seconds = round(asked.minutes * 60 / len(names))
        work = Path(asked.work) / name
        found = work / "found"
        found.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(TARGETS[name].seeds()):
            (work / "found" / f"seed-{number:02d}").write_bytes(data)
        flags = [f"-max_total_time={seconds}", f"-artifact_prefix={work}/", *_BOUNDS]
        done = _child(name, [str(found), str(CORPUS / name), *flags], log=work / "log.txt")
        crashes = sorted(path.name for path in work.glob("*-*") if path.is_file())
        if done or crashes:
            broken.append(name)
        else:
            _keep(name, found)
        print(f"{name}: {_runs(work / 'log.txt')} runs, {len(crashes)} broken", flush=True)
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--target", action="append", help="only this one; may be repeated")
    parser.add_argument("--minutes", type=float, default=60, help="for all together")
    parser.add_argument("--work", default=str(ROOT / "build" / "fuzz"), help="folder to work in")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def _child(name: str, rest: list[str], *, log: Path) -> int:
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    with log.open("wb") as told:
        return subprocess.call(
            [sys.executable, "-m", "tests.fuzz.explore", "--child", name, "--", *rest],
            cwd=ROOT,
            stdout=told,
            stderr=subprocess.STDOUT,
        )


def _explore(name: str, flags: list[str]) -> int:
    """The child: our code is instrumented as it is imported, other libraries are not."""
    import atheris

    with atheris.instrument_imports(include=["seal", "runtime"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    target.seeds()  # what is made once is not the doing of the first input
    atheris.Setup([sys.argv[0], *flags], target)
    atheris.Fuzz()
    return 0


def _keep(name: str, found: Path) -> None:
    """A few small files of those that reached something last: they were the hardest to find."""
    from tests.fuzz.targets import TARGETS

    seeds = set(TARGETS[name].seeds())
    newest = sorted(found.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    small = [path.read_bytes() for path in newest if path.stat().st_size <= KEPT_BYTES]
    for old in (CORPUS / name).glob("reached-*.bin"):
        old.unlink()
    for data in [one for one in small if one not in seeds][:KEPT_FILES]:
        digest = hashlib.sha256(data).hexdigest()[:12]
        (CORPUS / name / f"reached-{digest}.bin").write_bytes(data)


def _runs(log: Path) -> str:
    """How often it ran, as the log says."""
    for line in reversed(log.read_text(errors="replace").splitlines()):
        if "number_of_executed_units" in line:
            return f"{int(line.split()[-1]):,}"
    return "?"


if __name__ == "__main__":
    sys.exit(main())
