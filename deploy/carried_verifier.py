"""The start of `tongban-verify.pyz`: lay out the wheels inside it once, then run the command.

Compiled libraries cannot be loaded out of a zip. They are unpacked into a folder of the user's
cache that is named by their digests, so a changed file never runs what another one left there.
"""

import os
import sys
import zipfile
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

DIGEST = "@DIGEST@"
PYTHON = "@PYTHON@"


def laid_out() -> Path:
    """The folder with the libraries; it is complete when it has its name."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "tongban-verify" / DIGEST
    if folder.is_dir():
        return folder
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(dir=folder.parent))
    try:
        with zipfile.ZipFile(Path(__file__).parent) as carried:
            for name in carried.namelist():
                if name.endswith(".whl"):
                    with carried.open(name) as wheel, zipfile.ZipFile(wheel) as archive:
                        archive.extractall(unfinished)
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another run was faster
            raise
    finally:
        rmtree(unfinished, ignore_errors=True)
    return folder


if f"{sys.version_info.major}.{sys.version_info.minor}" != PYTHON:
    sys.exit(f"this file was made for Python {PYTHON}: run it by python{PYTHON}")
sys.path.insert(0, str(laid_out()))

from tongban.verifier import main  # noqa: E402

main()
