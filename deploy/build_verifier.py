"""Build the stand-alone verifier: a small wheel of the same sources, for whoever only verifies.

    python deploy/build_verifier.py --out dist [--carry]

1. What goes in is computed: every module that `tongban.verifier` imports, at whatever depth and
   wherever in the module, and nothing else. Imports for type checkers alone do not count.
2. A library comes in by the bounds of pyproject.toml, and only when one of those modules imports
   it. One that pyproject.toml does not name, or that a verifier must not need, stops the build.
3. The same sources give the same bytes.

`--carry` gathers the wheels of all libraries as well, at the pinned versions, into a folder for
machines without a network, and packs them into one file that runs by `python3 tongban-verify.pyz`.
Both are for the platform and the Python version that they are built with.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tomllib
import venv
import zipapp
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any, Final

import grimp

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("tongban", "flows", "licenses", "exchange", "seal", "runtime")
ENTRY: Final = "tongban.verifier"
FORBIDDEN: Final = frozenset(
    {"grpc", "google", "sqlalchemy", "sqlmodel", "alembic", "psycopg", "prefect", "minio",
     "fastapi", "uvloop", "pkcs11", "prometheus_client"}
)  # fmt: skip
"""What a verifier has no use for: the wire, databases, flows, stores, key devices."""
# What one library brings along as its own second package.
_BROUGHT_BY: Final = {"pyhanko_certvalidator": "pyhanko"}
_PACKAGE_DATA: Final = ("*.toml", "*.csv", "*.json", "py.typed")
_WHEEL_TAG: Final = "py3-none-any"
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


def reached() -> tuple[list[str], set[str]]:
    """Our modules that the verifier imports, packages above them included, and other libraries."""
    graph = grimp.build_graph(
        *PACKAGES,
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )
    waiting, found, libraries = [ENTRY], set[str](), set[str]()
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        if module.split(".")[0] not in PACKAGES:
            if module.split(".")[0] not in sys.stdlib_module_names:
                libraries.add(module.split(".")[0])
            continue
        found.add(module)
        waiting += graph.find_modules_directly_imported_by(module)
        if "." in module:  # importing a module runs the packages above it
            waiting.append(module.rpartition(".")[0])
    return sorted(found), libraries


def requirements(libraries: Iterable[str], project: Mapping[str, Any]) -> list[str]:
    """The lines of pyproject.toml for these libraries. Exits where one is not among them."""
    declared = {
        _normal(re.split(r"[\[<>=!~ ;]", line, maxsplit=1)[0]): line
        for line in project["dependencies"]
    }
    distributions = packages_distributions()
    lines = set()
    for library in libraries:
        if library in FORBIDDEN:
            sys.exit(f"the verifier would need {library}: see which import brings it in")
        names = [_BROUGHT_BY.get(library, ""), *distributions.get(library, ())]
        line = next((declared[_normal(n)] for n in names if _normal(n) in declared), None)
        if line is None:
            sys.exit(f"pyproject.toml does not name the library {library} among the dependencies")
        lines.add(line)
    return sorted(lines)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def sources(modules: Iterable[str]) -> dict[str, bytes]:
    """The files of these modules by their path in the wheel, with the data of their packages."""
    files: dict[str, bytes] = {}
    for module in modules:
        path = ROOT.joinpath(*module.split("."))
        if path.is_dir():
            for pattern in _PACKAGE_DATA:
                for data in path.glob(pattern):
                    files[data.relative_to(ROOT).as_posix()] = data.read_bytes()
            path = path / "__init__.py"
        else:
            path = path.with_suffix(".py")
        files[path.relative_to(ROOT).as_posix()] = path.read_bytes()
    return files


def build_wheel(out: Path) -> Path:
    """Write the wheel (PEP 427); its path."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    modules, libraries = reached()
    name, version = "tongban_verify", project["version"]
    info = f"{name}-{version}.dist-info"
    metadata = [
        "Metadata-Version: 2.4",
        "Name: tongban-verify",
        f"Version: {version}",
        "Summary: Verify electronic seals, sealed OFD and PDF, receipts and evidence, offline",
        f"License-Expression: {project['license']}",
        "License-File: LICENSE",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {line}" for line in requirements(libraries, project)),
        "Description-Content-Type: text/markdown",
        "",
        (ROOT / "deploy" / "verifier.md").read_text(encoding="utf-8"),
    ]
    files = sources(modules) | {
        f"{info}/METADATA": "\n".join(metadata).encode(),
        f"{info}/WHEEL": (
            f"Wheel-Version: 1.0\nGenerator: {Path(__file__).name}\n"
            f"Root-Is-Purelib: true\nTag: {_WHEEL_TAG}\n"
        ).encode(),
        f"{info}/entry_points.txt": f"[console_scripts]\ntongban-verify = {ENTRY}:main\n".encode(),
        f"{info}/licenses/LICENSE": (ROOT / "LICENSE").read_bytes(),
    }
    record = "".join(f"{path},{_hash(files[path])},{len(files[path])}\n" for path in sorted(files))
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    out.mkdir(parents=True, exist_ok=True)
    wheel = out / f"{name}-{version}-{_WHEEL_TAG}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, _LONG_AGO), data, zipfile.ZIP_DEFLATED)
    return wheel


def _hash(data: bytes) -> str:
    digest = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"


def _pip(folder: Path) -> Path:
    """A Python of this version that has pip: this one, or one made in `folder`."""
    if find_spec("pip"):
        return Path(sys.executable)
    try:
        venv.create(folder / "pip", with_pip=True, symlinks=True)
    except (subprocess.CalledProcessError, OSError):
        sys.exit(
            "fetching the libraries takes pip, which this Python neither has nor can make: install "
            "it (Debian and Ubuntu: apt install python3-pip python3-venv), or leave out --carry"
        )
    return folder / "pip" / "bin" / "python"


def gather(wheel: Path, folder: Path) -> None:
    """The wheel and those of all its libraries, at the versions of constraints.txt."""
    pins = re.findall(r"^[^ #\n]+==[^ \\\n]+", (ROOT / "constraints.txt").read_text(), re.M)
    rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with TemporaryDirectory() as temporary:
        pinned = Path(temporary) / "constraints.txt"
        pinned.write_text("\n".join(pins) + "\n", encoding="utf-8")
        done = subprocess.run(
            [_pip(Path(temporary)), "-m", "pip", "download", "--quiet", "--only-binary", ":all:",
             "--constraint", pinned, "--dest", folder, wheel],
            check=False,
        )  # fmt: skip
    if done.returncode:
        sys.exit(f"the libraries could not be fetched: see above. The wheel alone is {wheel}")


def pack(folder: Path, target: Path) -> None:
    """One file of all wheels: a zip application that lays them out at its first run."""
    with TemporaryDirectory() as temporary:
        stage = Path(temporary)
        wheels = stage / "wheels"
        wheels.mkdir()
        told = hashlib.sha256()
        for one in sorted(folder.glob("*.whl")):
            (wheels / one.name).write_bytes(one.read_bytes())
            told.update(one.name.encode() + hashlib.sha256(one.read_bytes()).digest())
        carrier = (ROOT / "deploy" / "carried_verifier.py").read_text(encoding="utf-8")
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        marks = (("@DIGEST@", told.hexdigest()), ("@PYTHON@", python))
        for mark, value in marks:
            carrier = carrier.replace(mark, value)
        (stage / "__main__.py").write_text(carrier, encoding="utf-8")
        zipapp.create_archive(stage, target, interpreter="/usr/bin/env python3")


def main() -> None:
    """Build what the command line asks for."""
    parser = argparse.ArgumentParser(description="Build the stand-alone verifier.")
    parser.add_argument("--out", type=Path, default=Path("dist"))
    parser.add_argument("--carry", action="store_true", help="also for machines without a network")
    asked = parser.parse_args()
    wheel = build_wheel(asked.out)
    sys.stdout.write(f"{wheel}\n")
    if asked.carry:
        folder = asked.out / "tongban-verify-wheels"
        gather(wheel, folder)
        pack(folder, asked.out / "tongban-verify.pyz")
        sys.stdout.write(f"{folder}\n{asked.out / 'tongban-verify.pyz'}\n")


if __name__ == "__main__":
    main()
