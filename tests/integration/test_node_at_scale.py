"""The same node on PostgreSQL and an S3 server: only the settings differ."""

from __future__ import annotations

import uuid

import pytest

from licenses.v1 import licenses_pb2
from tests.builders import county, programs
from tongban import receipts
from tongban.demonstration import auditing, licensing, sharing, stage
from tongban.people import PERSON_ITEMS, people


@pytest.fixture
def scene(tmp_path, postgres_url, s3_server, monkeypatch):
    monkeypatch.setenv("TONGBAN_DATABASE", postgres_url)
    monkeypatch.setenv(
        "TONGBAN_OBJECTS", f"s3+http://{s3_server.address}/tongban/{uuid.uuid4().hex}"
    )
    monkeypatch.setenv("TONGBAN_S3_ACCESS_KEY", s3_server.access_key)
    monkeypatch.setenv("TONGBAN_S3_SECRET_KEY", s3_server.secret_key)
    with county.county(tmp_path / "data") as found:
        yield found


def test_the_journey_is_the_same(scene):
    rows = [p.row() for p in people(3000)]
    done = scene["police"].publish(sharing.POPULATION, PERSON_ITEMS, rows, request_id="people")
    assert done.upserted == 3000
    earlier = auditing.checkpoint(scene)
    grant = sharing.grant_access(scene)["grant"]
    seen = sharing.query_and_verify(scene, grant)
    assert set(seen["items"]) == {"name", "residence_address"}
    assert seen["verify"] == {"true_pair": "MATCH", "false_pair": "NO_MATCH"}
    assert len(sharing.subscribe(scene, grant)["received"]) == 2
    assert sharing.refusals(scene, grant)["expired_grant"]["reason"] == "GRANT_EXPIRED"
    issued = licensing.issue(scene)
    assert issued["state"] == "ACTIVE"
    library = licensing.read_library(scene)
    looked_up = licensing.look_up(scene, library, issued["license_identifier"])
    assert looked_up["items"]["state"] == "ACTIVE"
    shown = licensing.present_and_verify(scene, issued["license"])
    assert (shown["before"]["indication"], shown["after"]["indication"]) == ("PASSED", "FAILED")
    found = auditing.audit(scene, earlier)
    assert {k: v["indication"] for k, v in found.items()} == {
        "seal": "PASSED", "forged": "FAILED", "receipt": "PASSED", "consistency": "PASSED",
    }  # fmt: skip
    assert not list(scene.data.glob("*.db"))
    assert not (scene.data / "objects").exists()


def test_a_restart_goes_on_where_it_was(scene):
    scene["police"].publish(
        sharing.POPULATION, PERSON_ITEMS, (p.row() for p in people(10)), request_id="few"
    )
    grant = county.grant(scene)
    county.seal(scene)
    person = next(people(1))
    answer = scene["employment"].query(
        grant, person.citizen_number, purpose="核实", case_number="T-1"
    )
    receipt = scene.files / "kept.json"
    receipts.save_receipt(receipt, answer.receipt, request={}, answer={})
    second = stage.Stage(data=scene.data, settings=scene.settings)
    for client in scene.clients.values():
        client.close()
    scene.process.terminate()
    scene.process.wait(20)
    with stage.running(second, programs.start):
        assert receipts.complete(second["employment"], receipt) >= 0
        listed = second["employment"].licenses.ListLicenses(
            licenses_pb2.ListLicensesRequest(parent="departments/human-resources"), timeout=30
        )
        assert list(listed.licenses) == []
        again = second["employment"].query(
            grant, person.citizen_number, purpose="核实", case_number="T-2"
        )
        assert dict(again.items) == dict(answer.items)
