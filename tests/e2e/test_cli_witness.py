"""`tongban audit witness`, `promise`, `erase-salt` as people use them, on a running node."""

from __future__ import annotations

import json

import pytest

from exchange.audit.note import checkpoint_text, open_checkpoint, sign_note
from exchange.audit.promising import promise
from exchange.audit.saved import SavedReceipt, receipt_from_json, receipt_to_json
from runtime import config
from runtime.signing import LogKey
from tests.builders import commands, county
from tests.builders.audit import NOON, record
from tongban.demonstration import sharing
from tongban.people import PERSON_ITEMS, people
from tongban.witnessing import WitnessFolder

ASK = ("--purpose", "核实身份", "--case", "T-1")
WATCH = "witness.audit.example"


def run(*arguments, language="en"):
    return commands.run(*arguments, language=language, columns=300)


def told(*arguments, code=0):
    said = run(*arguments, "--json")
    assert said.returncode == code, said.stdout + said.stderr
    return json.loads(said.stdout)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("watched") / "data") as found:
        found["police"].publish(
            sharing.POPULATION, PERSON_ITEMS, (p.row() for p in people(20)), request_id="first"
        )
        yield found


def at(scene, key):
    return ("--node", scene.address, "--identity", scene.identity(key))


@pytest.fixture(scope="module")
def receipt(scene, tmp_path_factory):
    """A receipt of a query."""
    granted, person = county.grant(scene), next(people(1))
    path = tmp_path_factory.mktemp("receipts") / "receipt.json"
    said = run("query", granted, "--key", person.citizen_number, *ASK, "--receipt", path,
               *at(scene, "employment"))  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    return path


@pytest.fixture(scope="module")
def key(scene, tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "log-key.txt"
    assert run("audit", "key", "--out", path, *at(scene, "auditor")).returncode == 0
    return path


def test_a_witness_watches_and_its_word_is_asked_for(scene, receipt, key, tmp_path):
    watch = tmp_path / "watch"
    nameless = run("audit", "witness", watch, "--key", key, *at(scene, "auditor"))
    assert (nameless.returncode, "WITNESS_NAME" in nameless.stderr) == (4, True)
    other = tmp_path / "other"
    unpinned = run("audit", "witness", other, "--name", WATCH, *at(scene, "auditor"))
    assert (unpinned.returncode, "LOG_KEY_MISSING" in unpinned.stderr) == (4, True)
    first = told("audit", "witness", watch, "--name", WATCH, "--key", key, *at(scene, "auditor"))
    assert (first["before"], first["cosigned"], first["handed_in"]) == (None, True, False)
    named = tmp_path / "watch.txt"
    named.write_text(first["verifier_key"])
    department = ("--department", "departments/audit")
    said = run("audit", "register-witness", named, *department, *at(scene, "auditor"))
    assert said.returncode == 3  # an administrator's act
    told("audit", "register-witness", named, *department, *at(scene, "centre"))
    again = run("audit", "register-witness", named, *department, *at(scene, "centre"))
    assert (again.returncode, "WITNESS_EXISTS" in again.stderr) == (3, True)
    # The answer is in the log before the witness looks again: nothing has it look once more.
    assert run("audit", "complete", receipt, *at(scene, "employment")).returncode == 0
    second = told("audit", "witness", watch, *at(scene, "auditor"))
    assert (second["cosigned"], second["handed_in"]) == (True, True)
    assert second["before"] == first["size"]
    foreign = run("audit", "witness", watch, *at(scene, "employment"))
    assert (foreign.returncode, "NOT_YOUR_WITNESS" in foreign.stderr) == (3, True)
    (listed,) = told("audit", "witnesses", *at(scene, "auditor"))["witnesses"]
    assert (listed["name"], int(listed["size"])) == (WATCH, second["size"])
    assert run("audit", "complete", receipt, "--cosignatures", 1,
               *at(scene, "employment")).returncode == 0  # fmt: skip
    verify = ("audit", "verify", receipt, "--key", key)
    found = told(*verify, "--witness", named)
    assert any(c["name"] == "cosignatures" and WATCH in c["detail"] for c in found["checks"])
    assert run(*verify, "--witness", named, "--require", 2).returncode == 4
    renamed = run("audit", "witness", watch, "--name", "other.example", *at(scene, "auditor"))
    assert (renamed.returncode, "WITNESS_NAME" in renamed.stderr) == (4, True)
    busy = WitnessFolder(watch)
    with busy.locked():
        held = run("audit", "witness", watch, *at(scene, "auditor"), language="zh")
    assert (held.returncode, "WITNESS_BUSY" in held.stderr) == (3, True)
    gone = run("audit", "remove-witness", WATCH, "--reason", "换届", *at(scene, "centre"))
    assert gone.returncode == 0
    assert told("audit", "witnesses", *at(scene, "auditor"))["witnesses"] == []


def test_a_second_history_is_caught_and_proved(scene, key, tmp_path):
    """The log's own key signs for the witness what it never shows to anybody else."""
    watch = tmp_path / "watch"
    told("audit", "witness", watch, "--name", WATCH, "--key", key, *at(scene, "auditor"))
    settings = config.load(data=scene.data)
    secret = LogKey.open(scene.data / "keys" / "audit", settings.origin, settings.passphrase())
    folder = WitnessFolder(watch)
    seen = open_checkpoint(folder.last(), folder.verifier)
    text = checkpoint_text(seen).replace(f"\n{seen.size}\n", f"\n{seen.size - 2}\n")
    note = sign_note(text, secret.origin, secret.key_id, secret.sign)
    (watch / "last-checkpoint").write_text(note)
    caught = told("audit", "witness", watch, *at(scene, "auditor"), code=1)
    assert (caught["cosigned"], caught["kind"]) == (False, "REWRITTEN")
    said = run("audit", "verify", caught["evidence"], "--key", key)
    assert (said.returncode, said.stdout.startswith("PASSED this proves")) == (0, True)
    assert (watch / "last-checkpoint").read_text() == note


def test_a_promise_is_asked_for(scene, receipt, key, tmp_path):
    asked = ("audit", "promise", receipt, "--key", key)
    assert run("audit", "complete", receipt, *at(scene, "employment")).returncode == 0
    assert told(*asked, *at(scene, "employment"))["outcome"] == "HONOURED"
    copy = scene.data / "objects" / "audit"
    assert told(*asked, "--log", copy)["outcome"] == "HONOURED"
    # A promise that the log's key made, and that the node knows nothing of.
    saved = receipt_from_json(receipt.read_text())
    settings = config.load(data=scene.data)
    secret = LogKey.open(scene.data / "keys" / "audit", settings.origin, settings.passphrase())
    _, (lost,) = promise([record(1)], shard="lost", sequence=0, at=NOON, key=secret)
    path, evidence = tmp_path / "lost.json", tmp_path / "evidence.json"
    path.write_text(receipt_to_json(SavedReceipt(receipt=lost)))
    broken = told("audit", "promise", path, "--key", key, "--out", evidence,
                  *at(scene, "employment"), code=1)  # fmt: skip
    assert (broken["outcome"], broken["evidence"]) == ("BROKEN", str(evidence))
    assert run("audit", "verify", evidence, "--key", key, "--log", copy).returncode == 0
    assert saved.proof


def test_a_salt_is_erased_by_an_administrator_with_a_reason_and_in_its_time(scene, receipt):
    asked = ("audit", "erase-salt", "--receipt", receipt, "--reason", "按申请删除")
    assert run(*asked, *at(scene, "employment")).returncode == 3
    early = run(*asked, *at(scene, "centre"))
    assert (early.returncode, "TOO_RECENT" in early.stderr) == (4, True)
    assert run(*asked[:-2], "--reason", "", *at(scene, "centre")).returncode == 4
    assert run("audit", "erase-salt", "--reason", "x", *at(scene, "centre")).returncode == 2
    before = told("audit", "erase-salt", "--before", "2020-01-01", "--reason", "到期",
                  *at(scene, "centre"))  # fmt: skip
    assert before == {"erased": 0, "more": False}
    assert told("audit", "thin", *at(scene, "centre")) == {"removed": 0}
    assert run("audit", "fsck", "--data", scene.data).returncode == 0
