"""An applicant's view and signed requests, by commands: the number is never on a command line."""

from __future__ import annotations

import json
import time

import pytest

from exchange.v1 import audit_pb2, query_pb2
from tests.builders import commands, county
from tongban.demonstration import sharing
from tongban.people import people

PERSON = next(iter(people(1)))
ASK = ("--purpose", "就业登记", "--case", "2026-1")


def run(*arguments, stdin="", env=None):
    return commands.run(*arguments, stdin=stdin, env=env)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("asked") / "data") as found:
        columns = ["citizen_number", "name", "sex", "birth_date", "residence_address", "phone"]
        found["police"].publish(sharing.POPULATION, columns, [PERSON.row()])
        yield found


def at(scene, key):
    return ("--node", scene.address, "--identity", scene.identity(key))


def test_an_applicant_learns_who_asked_and_the_receipt_holds_the_signature(scene, tmp_path):
    grant = county.grant(scene)
    env = {"TONGBAN_KEY": PERSON.citizen_number}
    receipt = tmp_path / "receipt.json"
    said = run("query", grant, *ASK, "--sign", "--receipt", receipt, *at(scene, "employment"),
               env=env)  # fmt: skip
    assert said.returncode == 0, said.stderr
    key = tmp_path / "log-key.txt"
    key.write_text(
        scene["centre"].audit.GetCheckpoint(audit_pb2.GetCheckpointRequest()).verifier_key + "\n"
    )
    asked = ("--certificate", scene.identity("employment") / "cert.pem")
    assert run("audit", "verify", receipt, "--key", key).returncode == 6  # whose key it was
    verified = run("audit", "verify", receipt, "--key", key, *asked, "--json")
    names = [check["name"] for check in json.loads(verified.stdout)["checks"]]
    assert "request_signature" in names, verified.stdout
    assert verified.returncode == 0, verified.stdout

    scene["employment"].queries.Query(query_pb2.QueryRequest(
        grant=grant, keys=[PERSON.citizen_number, list(people(3))[2].citizen_number],
        purpose="核对多人", case_number="SF-2",
    ))  # fmt: skip
    number = tmp_path / "number.txt"
    number.write_text(PERSON.citizen_number + "\n")
    ask = ("audit", "who-asked", "--case", "SF-1", *at(scene, "centre"))
    deadline = time.monotonic() + 20
    while True:  # the log takes about a second
        told = json.loads(run(*ask, "--key-file", number, "--json").stdout)
        if len(told["accesses"]) == 2 or time.monotonic() > deadline:
            break
    many, access = told["accesses"]
    assert int(told["complete_size"]) > int(many["index"])
    assert told["complete_time"] > many["time"]
    assert (many["kind"], "entry" in many, "entry" in access) == ("batch_query", True, False)
    assert (access["kind"], access["grant"], access["items"]) == ("query", grant, ["name"])
    assert access["purpose"] == sharing.PURPOSE
    proof = tmp_path / "accesses.json"
    table = run(*ask, "--proof", proof, stdin=PERSON.citizen_number + "\n")
    named = run(*ask, "--json", env={"TONGBAN_KEY": PERSON.citizen_number})
    assert json.loads(named.stdout)["accesses"], named.stderr
    meant = json.loads(run(*ask, "--json", "--proof", proof, stdin=PERSON.citizen_number + "\n",
                           env={"TONGBAN_KEY": "990101195001010010"}).stdout)  # fmt: skip
    assert meant["accesses"]
    opened = ("audit", "verify", proof, "--key", key, "--opening")
    assert run(*opened, f"purpose={ASK[1]}").returncode == 0
    assert run(*opened, f"purpose={sharing.PURPOSE}x").returncode == 1
    assert run(*opened, "purpose=核对多人").returncode == 0  # that of the record about many
    offline = run("audit", "verify", proof, "--key", key)
    assert offline.returncode == 0, offline.stdout
    assert "all 2 records are in the log and about this number" in offline.stdout
    other = tmp_path / "other.json"
    other.write_text(proof.read_text().replace(PERSON.citizen_number, "990101197109070014"))
    failed = run("audit", "verify", other, "--key", key).stdout.split("failed: ")[1]
    assert "opening:" in failed
    assert "entry:" in failed
    assert "departments/human-resources/systems/" in table.stdout
    assert PERSON.citizen_number not in table.stdout + table.stderr
    nobody = run(*ask, stdin=list(people(2))[1].citizen_number + "\n")
    assert nobody.stdout.startswith("Nobody asked, as far as the log goes.\nComplete up to 2")
    assert "KEY_MISSING" in run(*ask).stderr
    refused = run("audit", "who-asked", "--case", "1", "--key-file", number, *at(scene, "police"))
    assert (refused.returncode, "ROLE_NOT_ALLOWED" in refused.stderr) == (3, True)
