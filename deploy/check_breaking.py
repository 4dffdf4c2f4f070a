"""Compares the protos with those of the newest release, offline, by `buf breaking`.

Before the first release there is nothing to break; from then on every tag `v*` is held to.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Exit code of `buf breaking` against the newest tag, or against the last commit."""
    buf = shutil.which("buf", path=sysconfig.get_path("scripts")) or "buf"
    tag = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match", "v*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    against = f".git#{f'tag={tag}' if tag else 'ref=HEAD'}"
    return subprocess.run([buf, "breaking", "--against", against], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
