"""`tongban query` of many keys and of the past: a line for each key, gone on with after a break."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from exchange.v1 import audit_pb2
from tests.builders import commands, county
from tongban.demonstration import sharing
from tongban.people import people

MANY = 2500
PEOPLE = list(people(MANY + 1))
HELD, ABSENT = PEOPLE[:MANY], PEOPLE[MANY]
ASK = ("--purpose", "就业登记", "--case", "2026-1")
COLUMNS = ["citizen_number", "name", "sex", "birth_date", "residence_address", "phone"]


def run(*arguments, stdin="", env=None):
    return commands.run(*arguments, stdin=stdin, env=env)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("many") / "data") as found:
        found["police"].publish(sharing.POPULATION, COLUMNS, [one.row() for one in HELD])
        yield found


@pytest.fixture
def numbers(tmp_path):
    """Every key; after the first one that no record has, and the first again."""
    first, *rest = [one.citizen_number for one in HELD]
    file = tmp_path / "numbers.txt"
    file.write_text("\n".join([first, ABSENT.citizen_number, first, "", *rest]) + "\n")
    return file


def at(scene, key="employment"):
    return ("--node", scene.address, "--identity", scene.identity(key))


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_key_has_its_line_in_order(scene, numbers, tmp_path):
    grant = county.grant(scene)
    folder = tmp_path / "receipts"
    said = run("query", grant, "--keys-file", numbers, "--receipt", folder, "--sign", *ASK,
               *at(scene))  # fmt: skip
    assert said.returncode == 0, said.stderr
    told = lines(said.stdout)
    assert [one["line"] for one in told] == [1, 2, 3, *range(5, MANY + 4)]
    assert told[0]["items"] == told[2]["items"] == {"name": HELD[0].name}
    assert told[1] == {"line": 2, "found": False, "items": {}}
    assert said.stderr == f"{MANY + 1} of {MANY + 2} keys have a record\n"
    assert HELD[0].citizen_number not in said.stdout + said.stderr

    key = tmp_path / "log-key.txt"
    checkpoint = scene["centre"].audit.GetCheckpoint(audit_pb2.GetCheckpointRequest())
    key.write_text(checkpoint.verifier_key + "\n")
    receipts = sorted(folder.iterdir())
    assert [one.name for one in receipts] == [
        f"receipt-{first:09}.json" for first in (1, 3, 1004, 2004)
    ]
    asked = ("--certificate", scene.identity("employment") / "cert.pem")
    verified = run("audit", "verify", receipts[1], "--key", key, *asked, "--json")
    assert verified.returncode == 0, verified.stdout
    names = {check["name"] for check in json.loads(verified.stdout)["checks"]}
    assert {"opening:request", "opening:answer", "request_signature"} <= names


def test_a_run_that_stopped_is_gone_on_with(scene, numbers, tmp_path):
    grant = county.grant(scene, quota=MANY - 1)
    answers = tmp_path / "answers.jsonl"
    ask = ("query", grant, "--keys-file", numbers, "--out", answers, *ASK)
    said = run(*ask, "--json", *at(scene))
    assert said.returncode == 3, said.stderr
    error = json.loads(said.stdout)["error"]
    assert (error["reason"], error["metadata"]["answered"]) == ("DAILY_QUOTA_EXCEEDED", "2002")
    assert "go on with --resume" in error["message"]
    assert len(lines(answers.read_text())) == 2002
    assert run(*ask, *at(scene)).returncode == 4  # it is there already
    with answers.open("a") as file:
        file.write('{"line": 2004, "fou')  # a line that was cut by a break
    wider = county.grant(scene)
    said = run("query", wider, *ask[2:], "--resume", *at(scene))
    assert said.returncode == 0, said.stderr
    assert [one["line"] for one in lines(answers.read_text())] == [1, 2, 3, *range(5, MANY + 4)]
    again = run("query", wider, *ask[2:], "--resume", *at(scene))
    assert (again.returncode, again.stderr) == (0, "0 of 0 keys have a record\n")


def test_what_is_wrong_is_told_by_its_line(scene, tmp_path):
    grant = county.grant(scene)
    file = tmp_path / "numbers.txt"
    good = HELD[0].citizen_number
    file.write_text(f"{good}\n\n123\n")
    said = run("query", grant, "--keys-file", file, *ASK, *at(scene))
    assert said.returncode == 4
    assert "MALFORMED_KEY" in said.stderr
    assert "  line 3: " in said.stderr
    assert not said.stdout  # the message of both keys was refused whole
    assert "go on with --from-line 1" in said.stderr
    file.write_bytes(b"\xff\xfe\n")
    assert "KEYS_UNREADABLE" in run("query", grant, "--keys-file", file, *ASK, *at(scene)).stderr
    said = run("query", grant, "--keys-file", "-", *ASK, *at(scene), stdin=f"{good}\n")
    assert lines(said.stdout) == [{"line": 1, "found": True, "items": {"name": HELD[0].name}}]
    said = run("query", grant, "--keys-file", "-", *ASK, *at(scene), stdin=ABSENT.citizen_number)
    assert (said.returncode, lines(said.stdout)[0]["found"]) == (1, False)
    said = run("query", grant, "--out", tmp_path / "x", *ASK, *at(scene))
    assert said.returncode == 4


def test_one_and_many_are_read_as_of_a_time(scene, tmp_path):
    grant = county.grant(scene)
    file = tmp_path / "numbers.txt"
    file.write_text("".join(f"{one.citizen_number}\n" for one in HELD[:3]))
    before = datetime.now(UTC)
    moved = [HELD[0].citizen_number, "改名", *HELD[0].row()[2:]]
    scene["police"].publish(sharing.POPULATION, COLUMNS, [moved])

    def names_at(*then):
        said = run("query", grant, "--keys-file", file, *ASK, *then, *at(scene))
        assert said.returncode == 0, said.stderr
        return [one["items"]["name"] for one in lines(said.stdout)]

    others = [one.name for one in HELD[1:3]]
    assert names_at() == ["改名", *others]
    assert names_at("--at", before.isoformat()) == [HELD[0].name, *others]
    env = {"TONGBAN_KEY": HELD[0].citizen_number}
    receipt, key = tmp_path / "receipt.json", tmp_path / "log-key.txt"
    said = run("query", grant, "--at", before.isoformat(), "--receipt", receipt, *ASK, "--json",
               *at(scene), env=env)  # fmt: skip
    assert json.loads(said.stdout)["items"] == {"name": HELD[0].name}
    checkpoint = scene["centre"].audit.GetCheckpoint(audit_pb2.GetCheckpointRequest())
    key.write_text(checkpoint.verifier_key + "\n")
    assert run("audit", "verify", receipt, "--key", key).returncode == 0
    later = (before + timedelta(days=1)).isoformat()
    said = run("query", grant, "--at", later, *ASK, *at(scene), env=env)
    assert "BAD_READ_TIME" in said.stderr
