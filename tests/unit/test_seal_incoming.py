"""Files that what comes in lies in."""

from __future__ import annotations

import os
from pathlib import Path

from seal import incoming


def test_a_scratch_file_has_no_name_and_is_its_owners(tmp_path: Path) -> None:
    with incoming.scratch_file(tmp_path / "incoming") as file:
        file.write(b"x" * 100)
        assert bytes(incoming.mapped(file)) == b"x" * 100
        assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600
        assert list((tmp_path / "incoming").iterdir()) == []
    assert (tmp_path / "incoming").stat().st_mode & 0o777 == 0o700
