"""The start of `tongban-verify.pyz`: lay out the wheels inside it once, then run the command.

Compiled libraries cannot be loaded out of a zip. They are unpacked into a folder that is named by
their digests, so a changed file never runs what another one left there; it says where, and what
older versions left beside it goes. The folder is `TONGBAN_VERIFY_CACHE`, else `tongban-verify` in
`XDG_CACHE_HOME` or in `~/.cache`. Where it cannot run, it ends with exit code 5, of no verdict.
"""

import os
import re
import sys
import zipfile
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

DIGEST = "@DIGEST@"
PYTHON = "@PYTHON@"
UNAVAILABLE = 5


def stop(message: str, message_zh: str) -> None:
    """End with an exit code that is of no verdict."""
    sys.stderr.write(f"tongban-verify: {message}\n{message_zh}\n")
    sys.exit(UNAVAILABLE)


def cache() -> Path:
    """Where to lay out what is carried. Raises RuntimeError where the user has no home."""
    own = os.environ.get("TONGBAN_VERIFY_CACHE")
    if own:
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tongban-verify"


def laid_out(here: Path) -> Path:
    """The folder with the libraries; it is complete when it has its name. Raises OSError."""
    folder = here / DIGEST
    if folder.is_dir():
        if folder.stat().st_uid not in (os.getuid(), 0):
            raise PermissionError(f"{folder} belongs to another user")
        return folder
    here.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(prefix="unfinished-", dir=here))
    try:
        size = unpack(unfinished)
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another run was faster
            raise
        return folder
    finally:
        rmtree(unfinished, ignore_errors=True)
    older = [one for one in here.iterdir() if is_older(one)]
    for one in older:
        rmtree(one, ignore_errors=True)
    gone = f", and removed {len(older)} older" if older else ""
    sys.stderr.write(
        f"tongban-verify: unpacked once into {folder} ({size >> 20} MB){gone}; "
        "TONGBAN_VERIFY_CACHE names another place\n"
    )
    return folder


def unpack(folder: Path) -> int:
    """Lay out every wheel in a folder; the octets that it takes."""
    size = 0
    with zipfile.ZipFile(Path(__file__).parent) as carried:
        for name in carried.namelist():
            if name.endswith(".whl"):
                with carried.open(name) as wheel, zipfile.ZipFile(wheel) as archive:
                    archive.extractall(folder)
                    size += sum(one.file_size for one in archive.infolist())
    return size


def is_older(folder: Path) -> bool:
    """Whether another version of this file left it there."""
    named = re.fullmatch("[0-9a-f]{64}", folder.name) is not None and folder.name != DIGEST
    return named and not folder.is_symlink() and (folder / "tongban" / "verifier.py").is_file()


if f"{sys.version_info.major}.{sys.version_info.minor}" != PYTHON:
    stop(
        f"this file was made for Python {PYTHON}: run it by python{PYTHON}",
        f"本文件适用于 Python {PYTHON}：请用 python{PYTHON} 运行",
    )
try:
    place = str(laid_out(cache()))
except (OSError, RuntimeError) as error:
    stop(
        f"its libraries cannot be unpacked ({error}): "
        "name a folder that you may write to by TONGBAN_VERIFY_CACHE=/some/folder",
        "无法解压所带的程序库：请用 TONGBAN_VERIFY_CACHE=/某个/文件夹 指定可写入的文件夹",
    )
sys.path.insert(0, place)

from tongban.verifier import main  # noqa: E402

main()
