"""What the check of a folder of licenses says of each file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from licenses.v1 import licenses_pb2
from licenses.v1 import verifying_pb2 as pb
from runtime.errors import InvalidArgument
from seal.v1 import seal_pb2
from tongban.commands.license_checked import (
    files_of,
    is_looked_at,
    not_looked_at,
    plainly,
    print_folder,
    print_one,
    sheet_of,
)

THEN = "2026-11-21T12:00:00+08:00"


def an_answer() -> pb.VerifyLicenseResponse:
    """Of a copy for somebody named in words, of a license that was revoked since."""
    left = "not compared: whether the copy is for you; its receiver is named in words"
    return pb.VerifyLicenseResponse(
        verdict=seal_pb2.Verdict(
            indication=seal_pb2.INDICATION_PASSED,
            summary="the license was in force at …",
            checks=[
                seal_pb2.Check(name="document_seal", indication=seal_pb2.INDICATION_PASSED),
                seal_pb2.Check(
                    name="receiver", indication=seal_pb2.INDICATION_INDETERMINATE, detail=left
                ),
            ],
        ),
        state=licenses_pb2.LICENSE_STATE_REVOKED,
        state_then=licenses_pb2.LICENSE_STATE_ACTIVE,
        license_type_display_name="就业创业登记证",
        endorsement=pb.CopyEndorsement(
            purpose="申请贷款", receiver="示范银行", maker="示范县", valid_to="2026-12-31"
        ),
    )


def test_a_row_says_for_whom_until_when_what_is_left_and_of_which_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = {"file": "copy.pdf", **plainly(an_answer(), as_of=THEN)}
    assert [one["indication"] for one in row["checks"]] == ["PASSED", "INDETERMINATE"]
    (said,) = csv.DictReader(io.StringIO(sheet_of([row]).decode("utf-8-sig")))
    assert (said["receiver"], said["purpose"]) == ("示范银行", "申请贷款")
    assert said["valid_to"] == "2026-12-31"
    assert said["not_compared"].startswith("not compared")
    assert (said["as_of"], said["state_then"], said["state"]) == (THEN, "ACTIVE", "REVOKED")
    print_folder([row])
    print_one(row)
    shown = capsys.readouterr().out
    assert "示范银行" in shown.replace("\n", "")
    assert THEN in shown


def test_no_file_of_a_folder_is_passed_over_in_silence(tmp_path: Path) -> None:
    for name, data in (
        ("a.PDF", b"x"), ("b.bak", b"%PDF-1.7"), ("note.txt", b"hello"), (".hidden", b"eyJ"),
        ("empty.ofd", b""),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
    found = {one.name: is_looked_at(one) for one in files_of(tmp_path)}
    assert found == {"a.PDF": True, "b.bak": True, "note.txt": False, "empty.ofd": True}
    row = not_looked_at(tmp_path / "note.txt")
    assert (row["indication"], row["reason"]) == ("INDETERMINATE", "NOT_LOOKED_AT")
    only = tmp_path / "only"
    only.mkdir()
    (only / "note.txt").write_bytes(b"hello")
    with pytest.raises(InvalidArgument) as told:
        list(files_of(only))
    assert told.value.reason == "NO_FILES"
