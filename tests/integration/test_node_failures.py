"""What goes wrong with a real node: each time a clear error, nothing acknowledged lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from exchange.v1 import catalog_pb2, delivery_pb2
from licenses.v1 import licenses_pb2
from runtime import status
from runtime.clock import SYSTEM
from runtime.identity import Credentials, Role
from tests.builders import commands, county, programs
from tongban.client import Client
from tongban.commands.identity import open_authority
from tongban.demonstration import sharing, stage
from tongban.people import PERSON_ITEMS, people

ASK = {"purpose": "核实身份", "case_number": "T-1"}


def serve(data: Path, listen: str) -> subprocess.CompletedProcess[str]:
    """Run `tongban serve` where it cannot; what it said."""
    return commands.run("serve", "--data", data, "--listen", listen)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("node") / "data") as found:
        found["police"].publish(
            sharing.POPULATION, PERSON_ITEMS, (p.row() for p in people(200)), request_id="first"
        )
        yield found


def reason_of(call) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return status.from_rpc_error(caught.value).reason


def test_a_second_node_on_a_folder_is_refused(scene):
    said = serve(scene.data, "127.0.0.1:0")
    assert said.returncode == 5
    assert "DATA_FOLDER_IN_USE" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_port_in_use_is_told(scene, tmp_path):
    said = serve(tmp_path / "other", scene.address)
    assert said.returncode == 5
    assert "PORT_IN_USE" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    for place, code, reason in (
        ("file/data", 4, "NO_FOLDER"),
        ("long" * 100, 5, "DATA_FOLDER_UNWRITABLE"),
    ):
        said = serve(tmp_path / place, "127.0.0.1:0")
        assert said.returncode == code
        assert reason in said.stderr
        assert "Traceback" not in said.stderr


def test_a_lost_passphrase_is_told(tmp_path):
    county.new_stage(tmp_path / "data")
    (tmp_path / "data" / "secrets" / "passphrase").write_text("another passphrase altogether")
    said = serve(tmp_path / "data", "127.0.0.1:0")
    assert said.returncode == 3
    assert "WRONG_PASSPHRASE" in said.stderr


def test_a_revoked_system_is_refused_without_a_restart(scene):
    authority = open_authority(scene.settings)
    folder = scene.data / "systems" / "revoked"
    authority.issue(
        system="departments/human-resources/systems/old", roles=[Role.DEPARTMENT], now=SYSTEM.now()
    ).write(folder)
    with Client(scene.address, folder) as client:
        list(
            client.every(
                client.catalog.ListDepartments, catalog_pb2.ListDepartmentsRequest(), "departments"
            )
        )
        authority.revoke(Credentials.read(folder).certificate, now=SYSTEM.now())
        deadline = time.monotonic() + 5
        while True:
            try:
                list(
                    client.every(
                        client.catalog.ListDepartments,
                        catalog_pb2.ListDepartmentsRequest(),
                        "departments",
                    )
                )
            except grpc.RpcError as error:
                assert status.from_rpc_error(error).reason == "CERTIFICATE_REVOKED"
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_an_oversize_message_is_told(scene):
    rows = [delivery_pb2.PublishRow(values=["x" * 1_000_000]) for _ in range(22)]
    messages = iter([delivery_pb2.PublishRequest(rows=rows)])
    assert (
        reason_of(lambda: scene["police"].delivery.Publish(messages, timeout=30))
        == "MESSAGE_TOO_LARGE"
    )


@pytest.mark.parametrize(
    ("change", "item"),
    [
        ({"citizen_number": "990101195001010018"}, "citizen_number"),
        ({"birth_date": "1950-02-30"}, "birth_date"),
        ({"name": ""}, "name"),
        ({"name": "长" * 51}, "name"),
    ],
)
def test_a_row_that_does_not_fit_is_named_and_its_value_is_not(scene, change, item):
    rows = [p.row() for p in people(3, seed=5)]
    bad = replace(next(people(1, seed=6)), **change)
    with pytest.raises(grpc.RpcError) as caught:
        scene["police"].publish(sharing.POPULATION, PERSON_ITEMS, [*rows, bad.row()])
    error = status.from_rpc_error(caught.value)
    assert error.reason == "ROWS_REJECTED"
    assert [v.field for v in error.violations] == [f"rows[3].{item}"]
    told = str(caught.value) + str(error.violations) + error.message_zh
    assert change[item] == "" or change[item] not in told


def test_a_quota_ends_for_the_day(scene):
    granted = county.grant(scene, quota=2)
    client, person = scene["employment"], next(people(1))
    for _ in range(2):
        client.query(granted, person.citizen_number, **ASK)
    assert (
        reason_of(lambda: client.query(granted, person.citizen_number, **ASK))
        == "DAILY_QUOTA_EXCEEDED"
    )


def test_an_asked_node_stops_cleanly(tmp_path):
    found = county.new_stage(tmp_path / "data")
    process = stage.start_node(found)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_a_node_killed_while_publishing_loses_no_acknowledged_row(tmp_path):
    found = county.new_stage(tmp_path / "data")
    rows = [p.row() for p in people(20_000)]
    parts = [rows[n : n + 2000] for n in range(0, len(rows), 2000)]
    acknowledged: list[int] = []
    with stage.running(found, programs.start) as process:
        county.fill_catalog(found)
        granted = county.grant(found)

        def publish_all() -> None:
            for number, part in enumerate(parts):
                try:
                    found["police"].publish(
                        sharing.POPULATION, PERSON_ITEMS, part, request_id=f"part-{number}"
                    )
                except grpc.RpcError:
                    return
                acknowledged.append(number)

        publisher = threading.Thread(target=publish_all)
        publisher.start()
        while len(acknowledged) < 3:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        publisher.join()
    assert len(acknowledged) < len(parts)
    with stage.running(found, programs.start):
        client = found["employment"]
        for number, part in enumerate(parts):
            there = {client.query(granted, row[0], **ASK).found for row in (part[0], part[-1])}
            assert len(there) == 1, "half of a batch is visible"
            if number in acknowledged:
                assert there == {True}
        for number, part in enumerate(parts):
            done = found["police"].publish(
                sharing.POPULATION, PERSON_ITEMS, part, request_id=f"part-{number}"
            )
            assert done.upserted == 2000
        assert client.query(granted, rows[-1][0], **ASK).found


def test_a_node_killed_while_issuing_leaves_nothing_half_issued(tmp_path):
    found = county.new_stage(tmp_path / "data")
    holders = list(people(40))
    issued: dict[int, str] = {}
    with stage.running(found, programs.start) as process:
        county.fill_catalog(found)
        county.seal(found)

        def issue_all() -> None:
            for number in range(len(holders)):
                try:
                    issued[number] = issue(found, holders[number], number).license_identifier
                except grpc.RpcError:
                    return

        issuer = threading.Thread(target=issue_all)
        issuer.start()
        while len(issued) < 3:
            time.sleep(0.002)
        time.sleep(0.03)
        process.send_signal(signal.SIGKILL)
        issuer.join()
    with stage.running(found, programs.start):
        again = {n: issue(found, holders[n], n).license_identifier for n in range(len(issued) + 2)}
        assert {n: again[n] for n in issued} == issued
        assert len(set(again.values())) == len(again)
        listed = list(
            found["employment"].every(
                found["employment"].licenses.ListLicenses,
                licenses_pb2.ListLicensesRequest(parent="departments/human-resources"),
                "licenses",
            )
        )
        assert sorted(x.license_identifier for x in listed) == sorted(again.values())
        assert {x.state for x in listed} == {licenses_pb2.LICENSE_STATE_ACTIVE}


def issue(found, person, number):
    return (
        found["employment"]
        .licenses.IssueLicense(
            licenses_pb2.IssueLicenseRequest(
                parent="departments/human-resources",
                license_type="licenseTypes/employment-registration",
                holder_name=person.name,
                holder_code=person.citizen_number,
                fields={"KZ_DJLX": "失业登记"},
                request_id=f"issue-{number}",
            ),
            timeout=60,
        )
        .license
    )


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path):
    """The data folder is a file system of 24 MiB, seen by the node's process only."""
    found = county.new_stage(tmp_path / "data")
    kept = tmp_path / "kept"
    shutil.copytree(found.data, kept)
    script = (
        f"mount -t tmpfs -o size=24m none {found.data} && cp -a {kept}/. {found.data} && "
        f"exec {sys.executable} -m tongban serve --data {found.data} --listen {found.address}"
    )
    apart = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"])]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*apart, "sh", "-c", script], stdout=log, stderr=log)
    try:
        stage.wait_until_healthy(found, process, tmp_path / "log")
        clients = {s.key: Client(found.address, kept / "systems" / s.key) for s in stage.SYSTEMS}
        found.clients.update(clients)
        county.fill_catalog(found)
        granted = county.grant(found)
        rows = [p.row() for p in people(200_000)]
        parts = [rows[start : start + 5000] for start in range(0, len(rows), 5000)]
        outcomes = [outcome(clients["police"], part) for part in parts[:20]]
        assert outcomes[0] == "done"
        assert "STORAGE_FULL" in outcomes
        assert set(outcomes) <= {"done", "STORAGE_FULL"}
        try:
            there = clients["employment"].query(granted, rows[0][0], **ASK).found
        except grpc.RpcError as error:
            # An answer that cannot be recorded is not given.
            assert status.from_rpc_error(error).reason == "STORAGE_FULL"
        else:
            assert there
    finally:
        for client in found.clients.values():
            client.close()
        process.kill()
        process.wait()


@pytest.mark.parametrize("size", ["60k", "100k", "200k", "300k", "500k"])
def test_a_disk_that_is_too_small_for_a_first_start_is_told(tmp_path, size):
    """Whichever step it is that finds no room: a key, a database, its log or its shared memory."""
    data = tmp_path / "data"
    data.mkdir()
    script = (
        f"mount -t tmpfs -o size={size} none {data} && "
        f"exec {sys.executable} -m tongban serve --data {data} --listen 127.0.0.1:0"
    )
    apart = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"])]
    said = subprocess.run(
        [*apart, "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert said.returncode == 5, said.stderr
    assert "STORAGE_FULL" in said.stderr or "No space left" in said.stderr
    assert "STORAGE_FAILED" not in said.stderr
    assert "Traceback" not in said.stderr


def outcome(client, rows) -> str:
    """What came of publishing a batch: done, or the reason of the refusal."""
    try:
        client.publish(sharing.POPULATION, PERSON_ITEMS, rows)
    except grpc.RpcError as error:
        return status.from_rpc_error(error).reason
    return "done"


def test_settings_that_are_wrong_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TONGBAN_LOG_JSON", "perhaps")
    said = serve(tmp_path / "data", "127.0.0.1:0")
    assert said.returncode == 4
    assert "BAD_SETTING" in said.stderr
    assert "log_json" in said.stderr
