"""`tongban monitor` on a running node: what was called, and what a supervisor should look at."""

from __future__ import annotations

import json
import time

import grpc
import pytest

from tests.builders import commands, county
from tests.builders.exchange import citizen_number
from tongban.demonstration import sharing
from tongban.people import people

PERSON = next(iter(people(1)))
WHY = {"purpose": "就业登记", "case_number": "办件-7781"}
REFUSED, NEIGHBOURS = 10, 40


def run(*arguments):
    return commands.run(*arguments, columns=250)


def told(*arguments, least: int = 1):
    """What a list says once it has so many entries: records are written once a second."""
    deadline = time.monotonic() + 30
    while True:
        said = run(*arguments, "--json")
        assert said.returncode == 0, said.stdout + said.stderr
        found = json.loads(said.stdout)
        if len(found) >= least or time.monotonic() > deadline:
            return found
        time.sleep(0.3)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("monitor") / "data") as found:
        columns = ["citizen_number", "name", "sex", "birth_date", "residence_address", "phone"]
        found["police"].publish(sharing.POPULATION, columns, [PERSON.row()])
        yield found


@pytest.fixture(scope="module")
def grant(scene):
    """A grant under which one person was asked for, then their neighbours, then what is refused."""
    given = county.grant(scene)
    asking = scene["employment"]
    asking.query(given, PERSON.citizen_number, **WHY)
    for number in range(NEIGHBOURS):
        asking.query(given, citizen_number(number), **WHY)
    for _ in range(REFUSED):
        with pytest.raises(grpc.RpcError):
            asking.query(given, PERSON.citizen_number, items=["phone"], **WHY)
    return given


def at(scene, key):
    return ("--node", scene.address, "--identity", scene.identity(key))


def test_every_call_has_its_record(scene, grant):
    list_records = ("monitor", "records", "--grant", grant, *at(scene, "centre"))
    records = told(*list_records, least=1 + NEIGHBOURS + REFUSED)
    assert len(records) == 1 + NEIGHBOURS + REFUSED
    first = records[-1]
    assert (first["code"], first["rows"], first["items"]) == ("OK", "1", ["name"])
    assert first["method"].endswith("QueryService/Query")
    assert first["system"].startswith("departments/human-resources/systems/")
    times = [first[f"{name}_time"] for name in ("request", "handler_begin", "handler_end")]
    assert [*times, first["response_time"]] == sorted([*times, first["response_time"]])
    assert min(int(first["request_bytes"]), int(first["response_bytes"])) > 50
    assert len(told(*list_records, "--limit", 3)) == 3
    refused = told(*list_records, "--refused")
    assert {one["reason"] for one in refused} == {"ITEM_NOT_GRANTED"}
    assert len(refused) == REFUSED
    said = run(*list_records, "--refused")
    assert said.stdout.count("ITEM_NOT_GRANTED") == REFUSED
    assert grant in said.stdout
    everything = run("monitor", "records", *at(scene, "centre")).stdout
    for secret in (PERSON.citizen_number, citizen_number(0), PERSON.name, *WHY.values()):
        assert secret not in everything + json.dumps(records, ensure_ascii=False)
    assert told(
        "monitor", "records", "--system", first["system"], "--limit", 1, *at(scene, "centre")
    )


def test_alerts_tell_of_refusals_and_of_keys_in_sequence(scene, grant):
    found = told("monitor", "alerts", "--kind", "refused", *at(scene, "auditor"))
    assert [(one["kind"], one["count"]) for one in found] == [
        ("ALERT_KIND_REFUSED_ATTEMPTS", str(REFUSED))
    ]
    assert found[0]["subject"].startswith("departments/human-resources/systems/")
    found = told("monitor", "alerts", "--kind", "sequence", *at(scene, "auditor"))
    assert [(one["kind"], one["subject"]) for one in found] == [
        ("ALERT_KIND_SEQUENTIAL_KEYS", grant)
    ]
    said = run("monitor", "alerts", *at(scene, "auditor"))
    assert "refused attempts" in said.stdout
    assert "keys in sequence" in said.stdout
    assert run("monitor", "alerts", "--kind", "volume", *at(scene, "auditor")).stdout == (
        "Alerts: none\n"
    )


def test_departments_may_not_look_and_a_kind_is_one_of_those(scene, grant):
    for what in ("records", "alerts"):
        said = run("monitor", what, *at(scene, "employment"))
        assert (said.returncode, "ROLE_NOT_ALLOWED" in said.stderr) == (3, True)
    said = run("monitor", "alerts", "--kind", "odd", *at(scene, "centre"))
    assert (said.returncode, "--kind is one of" in said.stderr) == (4, True)


def test_traffic_is_told_over_time(scene, grant):
    steps = told("monitor", "traffic", "--step", "5", *at(scene, "centre"))
    assert sum(int(one["calls"]) for one in steps) > NEIGHBOURS
    assert sum(int(one["refused"]) for one in steps) >= REFUSED
    shown = run("monitor", "traffic", *at(scene, "auditor"))
    assert shown.returncode == 0, shown.stderr
    odd = run("monitor", "traffic", "--step", "7", *at(scene, "centre"))
    assert "BAD_SPAN" in odd.stdout + odd.stderr


def test_a_source_measures_the_quality_of_its_records(scene):
    police = at(scene, "police")
    fresh = run("sources", "quality", sharing.POPULATION, *police)
    assert fresh.returncode == 6, fresh.stderr
    said = run("sources", "quality", sharing.POPULATION, "--measure", "--json", *police)
    assert said.returncode == 0, said.stdout + said.stderr
    found = json.loads(said.stdout)
    assert (int(found["records"]), int(found["faultless"])) == (1, 1)
    shown = run("sources", "quality", sharing.POPULATION, *police)
    assert "citizen_number" in shown.stdout
    other = run("sources", "quality", sharing.POPULATION, *at(scene, "employment"))
    assert "NOT_THE_SOURCE" in other.stdout + other.stderr
