"""A document of 500 pages and 50 MB, sealed and verified within 200 MB of memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders.ofd import write_large_ofd

WORK = """
import mmap, sys
from pathlib import Path
from seal.ofd.signing import finish_ofd, finish_ofd_into, prepare_ofd
from seal.placement import AcrossEdges, Keyword
from seal.verify import assess
from tests.builders.ofd import NOW, SEALED_AT, SIZE, world

path, how = sys.argv[1:]
here = world()
with open(path, "rb") as file, open(path + ".sealed", "w+b") as out:
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    document = mapped if how == "mapped" else file.read()
    prepared = prepare_ofd(
        document,
        seal=here.seal(),
        placements=[AcrossEdges(y_mm=100), Keyword(text="SHIFAN", size_mm=20)],
        seal_size_mm=SIZE,
        signed_at=SEALED_AT,
    )
    value = {"signature": here.signer.sign(prepared.tbs), "certificate": here.certificate}
    if how == "mapped":
        finish_ofd_into(prepared, out, **value)
        out.flush()
        sealed = mmap.mmap(out.fileno(), 0, access=mmap.ACCESS_READ)
    else:
        sealed = finish_ofd(prepared, **value)
    verdict = assess(sealed, store=here.store(), now=NOW)
    # Of this program alone: getrusage counts what the process was before it became this program.
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    peak = int(status.split()[0]) // 1024
    print(prepared.stamp_count, verdict.indication, peak)
"""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "scanned.ofd"
    write_large_ofd(path)
    return path


@pytest.mark.parametrize("how", ["mapped", "in memory"])
def test_large_document_in_little_memory(document: Path, how: str) -> None:
    assert document.stat().st_size > 50_000_000
    said = subprocess.run(
        [sys.executable, "-c", WORK, document, how],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    ).stdout.split()
    stamps, indication, peak = said
    assert (stamps, indication) == ("1000", "PASSED")
    assert int(peak) < 200
