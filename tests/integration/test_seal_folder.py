"""`tongban seal batch`: which files it takes, and how it ends before the last of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import InvalidArgument
from tongban.files import check_apart
from tongban.sealing import documents_in


def test_a_missing_folder_is_said_as_such(tmp_path: Path):
    with pytest.raises(InvalidArgument) as caught:
        documents_in(tmp_path / "absent", tmp_path / "out")
    assert caught.value.reason == "NO_FOLDER"


def test_outputs_are_neither_inputs_nor_replace_them(tmp_path: Path):
    letters = tmp_path / "letters"
    (letters / "sealed").mkdir(parents=True)
    for name in ("a.ofd", "sealed/a.ofd"):
        (letters / name).write_bytes(b"x")
    (tmp_path / "link").symlink_to(letters)
    for target in (letters, letters / ".." / "letters", tmp_path / "link", tmp_path):
        with pytest.raises(InvalidArgument) as caught:
            documents_in(letters, target)
        assert caught.value.reason == "FOLDER_IS_THE_SOURCE"
    found = documents_in(letters, letters / "sealed")
    assert [item.source.name for item in found] == ["a.ofd"]
    assert len(documents_in(letters, tmp_path / "out")) == 2


def test_a_file_is_not_replaced_by_what_is_made_of_it(tmp_path: Path):
    source = tmp_path / "p.pdf"
    source.write_bytes(b"x")
    (tmp_path / "q.pdf").symlink_to(source)
    for target in (source, tmp_path / "q.pdf"):
        with pytest.raises(InvalidArgument) as caught:
            check_apart(source, target)
        assert caught.value.reason == "FILE_IS_THE_SOURCE"
    check_apart(source, tmp_path / "other.pdf")
    check_apart(tmp_path / "absent.pdf", tmp_path / "absent.pdf")  # told where it is read
