"""What the commands of materials print."""

from __future__ import annotations

import pytest

from licenses.v1 import materials_pb2 as pb
from tongban.commands.materials_shown import print_collection


def test_the_department_reads_what_the_applicant_entered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    begun = pb.Collection(
        name="collections/ab12", state=pb.COLLECTION_STATE_CONSENTED,
        entries=["name"], entered={"phone": "10012345678"},
    )  # fmt: skip
    print_collection(begun, as_json=False)
    told = capsys.readouterr().out
    assert all(one in told for one in ("name", "phone", "10012345678"))
