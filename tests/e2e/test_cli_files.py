"""Files of what a grant shows, by commands: asked for, fetched, opened; their receipt verifies."""

import csv
import subprocess
from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from exchange.v1 import files_pb2, files_pb2_grpc, grants_pb2
from tests.builders import commands, county, programs
from tests.builders.commands import at, run, told
from tongban.client import Client
from tongban.demonstration import sharing, stage
from tongban.people import PERSON_ITEMS, people

scene = commands.scene
ASKED = ("--purpose", "就业登记", "--case", "2026-0001")
DEPARTMENT = "departments/human-resources"


@pytest.fixture(scope="module")
def grant(scene):
    sharing.publish_libraries(scene, 50, lambda _: None)
    return granted(scene)


def granted(scene):
    employment, police = scene["employment"], scene["police"]
    items, export = ["citizen_number", "name"], [grants_pb2.OPERATION_EXPORT]
    asked = employment.grants.CreateAccessRequest(
        grants_pb2.CreateAccessRequestRequest(
            parent=DEPARTMENT,
            access_request=grants_pb2.AccessRequest(
                resource=sharing.POPULATION,
                items=items,
                operations=export,
                purpose="就业登记",
                legal_basis="《就业服务与就业管理规定》",
            ),
            request_id="files",
        )
    ).access_request
    given = [grants_pb2.GrantedItem(item=item) for item in items]
    return sharing.approve(police, asked.name, given, timedelta(days=1)).name


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_files_are_asked_for_fetched_and_opened(scene, grant, form, tmp_path):
    signed = ["--sign"] if form == "parquet" else []
    job = told(
        "files", "request", grant, *ASKED, "--format", form, "--id", f"all-{form}", *signed,
        *at(scene),
    )  # fmt: skip
    assert job["name"] == f"{DEPARTMENT}/exportJobs/all-{form}"
    path, receipt = tmp_path / f"people.{form}", tmp_path / "receipt.json"
    done = told(
        "files", "fetch", job["name"], "--out", path, "--receipt", receipt, *ASKED, *at(scene)
    )
    if form == "csv":
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        assert rows[0] == ["citizen_number", "name"]
        count = len(rows) - 1
    else:
        table = pq.read_table(path)
        assert table.column_names == ["citizen_number", "name"]
        count = table.num_rows
    assert count == done["records"] > 0
    run("audit", "key", "--out", tmp_path / "log-key.txt", *at(scene))
    own = ["--certificate", scene.identity("employment") / "cert.pem"] if signed else []
    verified = run("audit", "verify", receipt, "--key", tmp_path / "log-key.txt", *own)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert ("the request is signed" in verified.stdout) == bool(signed)
    again = run("files", "fetch", job["name"], "--out", path, *at(scene))
    assert "FILE_EXISTS" in again.stderr


def test_jobs_are_listed_shown_and_cancelled(scene, grant, tmp_path):
    name = told("files", "request", grant, *ASKED, "--id", "gone", *at(scene))["name"]
    assert name in {job["name"] for job in told("files", "list", DEPARTMENT, *at(scene))}
    assert name in run("files", "list", DEPARTMENT, *at(scene), language="zh").stdout
    assert "for the certificate" in run("files", "show", name, *at(scene)).stdout
    assert run("files", "link", name, *at(scene)).returncode != 0
    assert told("files", "cancel", name, *at(scene))["state"] == "EXPORT_JOB_STATE_CANCELLED"
    said = run("files", "fetch", name, "--out", tmp_path / "x.csv", *at(scene))
    assert said.returncode != 0
    assert "EXPORT_JOB_ENDED" in said.stderr
    assert not (tmp_path / "x.csv").exists()


def test_another_key_does_not_open_what_was_fetched(scene, grant, tmp_path):
    name = told("files", "request", grant, *ASKED, "--id", "other", *at(scene))["name"]
    key = tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)],
        check=True,
        capture_output=True,
    )
    said = run("files", "fetch", name, "--out", tmp_path / "x.csv", "--key", key, *at(scene))
    assert "NOT_FOR_THIS_KEY" in said.stderr
    assert list(tmp_path.iterdir()) == [key]


def test_a_job_outlives_a_node_that_is_killed(tmp_path):
    scene = county.new_stage(tmp_path / "data")
    process = stage.start_node(scene, programs.start)
    try:
        for system in stage.SYSTEMS:
            scene.clients[system.key] = Client(scene.address, scene.identity(system.key))
        county.fill_catalog(scene)
        # Two files: one is there when the node dies, the other is not.
        rows = (one.row() for one in people(45_000))
        scene["police"].publish(sharing.POPULATION, PERSON_ITEMS, rows)
        made = told("files", "request", granted(scene), *ASKED, *at(scene))["name"]
        asked = files_pb2.GetExportJobRequest(name=made)
        files = files_pb2_grpc.FileServiceStub(scene["employment"].channel)
        while not (found := files.GetExportJob(asked).export_job).parts:
            pass  # by a channel that is open: a command would come too late
        assert found.state == files_pb2.EXPORT_JOB_STATE_RUNNING
        process.kill()
        process.wait()
        process = stage.start_node(scene, programs.start)
        path = tmp_path / "people.csv"
        done = told("files", "fetch", made, "--out", path, *at(scene))
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        assert done["records"] == len(rows) - 1 == len({row[0] for row in rows[1:]}) == 45_000
    finally:
        for client in scene.clients.values():
            client.close()
        stage.stop_node(process)
