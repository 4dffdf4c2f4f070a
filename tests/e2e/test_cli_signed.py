"""Signed requests by commands: a system makes its key, and nobody can be spoken for unseen."""

from __future__ import annotations

import json
import time

import pytest

from exchange.v1 import audit_pb2
from tests.builders import commands, county
from tongban.demonstration import sharing
from tongban.people import people

PERSON = next(iter(people(1)))
ASK = ("--purpose", "就业登记", "--case", "2026-1")
BUREAU = "departments/human-resources/systems/bureau"


def run(*arguments, code=0):
    found = commands.run(*arguments, columns=300, env={"TONGBAN_KEY": PERSON.citizen_number})
    assert found.returncode == code, found.stdout + found.stderr
    return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("signed") / "data") as found:
        columns = ["citizen_number", "name", "sex", "birth_date", "residence_address", "phone"]
        found["police"].publish(sharing.POPULATION, columns, [PERSON.row()])
        yield found


@pytest.fixture(scope="module")
def key(scene, tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "log-key.txt"
    newest = scene["centre"].audit.GetCheckpoint(audit_pb2.GetCheckpointRequest())
    path.write_text(newest.verifier_key + "\n")
    return path


def enrolment(scene, certificate, to):
    """The proof of a certificate's record, which comes within seconds."""
    deadline = time.monotonic() + 30
    while True:
        command = ("audit", "prove", certificate, "--out", to, "--node", scene.address,
                   "--identity", scene.identity("employment"))  # fmt: skip
        found = commands.run(*command)
        if found.returncode == 0 or time.monotonic() > deadline:
            assert found.returncode == 0, found.stdout + found.stderr
            return to
        time.sleep(1)


def test_a_system_that_made_its_key_is_bound_by_what_it_signed(scene, key, tmp_path):
    grant = county.grant(scene)
    own, data = tmp_path / "bureau", scene.data
    made = json.loads(run("identity", "request", BUREAU, "--out", own, "--json").stdout)
    again = run("identity", "request", BUREAU, "--out", own, code=3)
    assert "KEY_EXISTS" in again.stderr
    run("identity", "enrol", "departments/human-resources/systems/other", "--request",
        made["request"], "--out", tmp_path / "other", "--data", data, code=4)  # fmt: skip
    given = tmp_path / "given"
    run("identity", "enrol", BUREAU, "--request", made["request"], "--out", given, "--data", data)
    assert sorted(path.name for path in given.iterdir()) == ["ca.pem", "cert.pem"]
    for name in ("ca.pem", "cert.pem"):
        (own / name).write_bytes((given / name).read_bytes())

    receipt = tmp_path / "receipt.json"
    at = ("--node", scene.address, "--identity", own)
    run("verify", grant, "--claim", f"name={PERSON.row()[1]}", *ASK, "--sign",
        "--receipt", receipt, *at)  # fmt: skip
    proof = enrolment(scene, own / "cert.pem", tmp_path / "enrolment.json")
    verify = ("audit", "verify", receipt, "--key", key, "--json")
    told = json.loads(run(*verify, "--certificate", own / "cert.pem", "--enrolment", proof).stdout)
    details = {check["name"]: check["detail"] for check in told["checks"]}
    assert "valid from 2" in details["request_signature"]
    assert "a key that the system made" in details["enrolment"]
    assert (told["record"]["actor"], told["record"]["grant"]) == (BUREAU, grant)
    run("audit", "verify", proof, "--key", key, "--document", own / "cert.pem")

    # The operator has another certificate issued in its name: the bureau's own denies it.
    forged, lie = tmp_path / "forged", tmp_path / "lie.json"
    said = run("identity", "enrol", BUREAU, "--data", data, "--out", forged)
    assert "for demonstrations" in said.stderr
    run("query", grant, *ASK, "--sign", "--receipt", lie, "--node", scene.address,
        "--identity", forged)  # fmt: skip
    verify = ("audit", "verify", lie, "--key", key, "--json")
    told = json.loads(run(*verify, "--certificate", own / "cert.pem", code=1).stdout)
    assert [c["name"] for c in told["checks"] if c["outcome"] == "FAILED"] == ["certificate"]
    run(*verify, "--enrolment", proof, code=1)
    # Nobody is bound by a certificate that a node may have issued to itself.
    told = json.loads(run(*verify, code=6).stdout)
    assert [c["name"] for c in told["checks"] if c["outcome"] != "PASSED"] == ["certificate"]
    seen = enrolment(scene, forged / "cert.pem", tmp_path / "forged.json")
    told = json.loads(run(*verify, "--enrolment", seen, code=6).stdout)
    details = {check["name"]: check["detail"] for check in told["checks"]}
    assert "the node made" in details["enrolment"]
    # What the earlier key signed stays attributable.
    run("audit", "verify", receipt, "--key", key, "--certificate", own / "cert.pem",
        "--enrolment", proof)  # fmt: skip


def test_a_receipt_without_its_answer_says_so(scene, key, tmp_path):
    receipt = tmp_path / "receipt.json"
    run("query", county.grant(scene), *ASK, "--receipt", receipt, "--node", scene.address,
        "--identity", scene.identity("employment"))  # fmt: skip
    body = json.loads(receipt.read_text())
    for name, code, change in (
        ("bare", 6, lambda one: one.pop("values")),
        ("answerless", 6, lambda one: one["values"].pop("answer")),
        ("beside", 4, lambda one: one.update(answer={"found": False})),
    ):
        changed = json.loads(json.dumps(body))
        change(changed)
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(changed))
        said = run("audit", "verify", path, "--key", key, code=code)
        assert "the answer is the one" not in said.stdout
    said = run("audit", "verify", receipt, "--key", key)
    assert "the answer is the one that the node promised" in said.stdout
    assert "actor departments/human-resources/systems/" in said.stdout
