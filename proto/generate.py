"""Generates the stubs of every `proto/<service>/v1/*.proto` into `<service>/v1/`.

`python proto/generate.py` writes them; `python proto/generate.py --check` fails where the
committed stubs are not what the protos generate.
"""

from __future__ import annotations

import filecmp
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"


def generate(out: Path) -> None:
    """Run protoc for all protos, with message, service and type stubs, into `out`."""
    protos = sorted(str(p.relative_to(PROTO)) for p in PROTO.glob("*/v1/*.proto"))
    wkt = str(files("grpc_tools") / "_proto")
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"-I{wkt}"),
            *(f"--python_out={out}", f"--grpc_python_out={out}"),
            *(f"--mypy_out=quiet:{out}", f"--mypy_grpc_out=quiet:{out}"),
            *protos,
        ],
        check=True,
    )
    for package in sorted({p.parent for p in out.glob("*/v1/*_pb2.py")}):
        (package / "__init__.py").write_text('"""Generated stubs: see proto/generate.py."""\n')


def main() -> int:
    """Write the stubs, or with `--check` compare them."""
    if "--check" not in sys.argv:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh = {p.relative_to(scratch) for p in Path(scratch).rglob("*.py*")}
        held = {
            p.relative_to(ROOT)
            for s in PROTO.glob("*/v1")
            for p in (ROOT / s.relative_to(PROTO)).glob("*.py*")
        }
        stale = sorted(
            str(p)
            for p in fresh | held
            if p not in fresh
            or p not in held
            or not filecmp.cmp(Path(scratch) / p, ROOT / p, shallow=False)
        )
    for path in stale:
        print(f"stale stub: {path}: run `python proto/generate.py`")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
