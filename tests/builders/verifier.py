"""The stand-alone verifier, installed by itself: its wheel, its libraries, nothing else.

The libraries are those of this environment, linked one by one: what its wheel does not ask for
cannot be imported there. No package index is needed. Sockets are refused.
"""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from packaging.requirements import Requirement

_NO_NETWORK = """
import socket

class _Refused(socket.socket):
    def connect(self, *_):
        raise AssertionError("the verifier went to the network")
    connect_ex = sendto = connect

def _refused(*_, **__):
    raise AssertionError("the verifier asked for a name")

socket.socket = _Refused
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = _refused
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """An environment with `tongban-verify` in it."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command, out of the sources' reach."""
        return subprocess.run(
            [self.python, "-I", "-c", "from tongban.verifier import main; main()",
             *map(str, arguments)],
            capture_output=True, text=True, check=False, cwd=cwd or self.folder,
            env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip


def build(out: Path) -> Path:
    """The wheel, by the script."""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, root / "deploy" / "build_verifier.py", "--out", out],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return Path(done.stdout.strip())


def pack(wheels: Path, target: Path) -> None:
    """One file of these wheels, by the script."""
    path = Path(__file__).resolve().parents[2] / "deploy" / "build_verifier.py"
    spec = spec_from_file_location("build_verifier", path)
    assert spec is not None
    assert spec.loader is not None
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    script.pack(wheels, target)


def install(wheel: Path, folder: Path) -> Verifier:
    """What `pip install` of the wheel gives, from this environment's libraries."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next((folder / "lib").glob("python3*")) / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "sitecustomize.py").write_text(_NO_NETWORK)
    for one in _needed(wheel):
        _link(one, site)
    return Verifier(folder=folder)


def as_wheels(wheel: Path, folder: Path) -> None:
    """The wheel and its libraries, packed from this environment as an index would have them."""
    (folder / wheel.name).write_bytes(wheel.read_bytes())
    for one in _needed(wheel):
        with zipfile.ZipFile(folder / f"{one.metadata['Name']}-{one.version}.whl", "w") as archive:
            for file in one.files or ():
                if file.parts[0] not in ("..", "bin") and "__pycache__" not in file.parts:
                    archive.write(str(one.locate_file(file)), str(file))


def requirements(wheel: Path) -> list[str]:
    """The libraries that a wheel asks for."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        lines = archive.read(name).decode().splitlines()
    return [one.partition(": ")[2] for one in lines if one.startswith("Requires-Dist: ")]


def _needed(wheel: Path) -> Iterator[Distribution]:
    waiting, seen = requirements(wheel), set[str]()
    while waiting:
        wanted = Requirement(waiting.pop())
        if wanted.name.lower() in seen or (wanted.marker and not wanted.marker.evaluate()):
            continue
        seen.add(wanted.name.lower())
        found = distribution(wanted.name)
        assert wanted.specifier.contains(found.version), wanted
        waiting += [
            one for one in found.requires or ()
            if (marker := Requirement(one).marker) is None or marker.evaluate({"extra": ""})
        ]  # fmt: skip
        yield found


def _link(one: Distribution, site: Path) -> None:
    tops = {file.parts[0] for file in one.files or () if file.parts[0] not in ("..", "bin")}
    for top in tops - {"__pycache__"}:
        target, source = site / top, Path(str(one.locate_file(top)))
        if source.exists() and not target.exists():
            target.symlink_to(source)
