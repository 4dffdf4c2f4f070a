"""`tongban connectors` as people use it, against a running node and a real source."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exchange.catalog.model import SharingType
from runtime.clock import FixedClock
from runtime.database import Database
from tests.builders import commands, county
from tests.builders.catalog import put, resource
from tests.builders.endpoints import http_source, platform_simulator
from tests.builders.exchange import citizen_number

POLICE = "departments/public-security"
EMPLOYMENT = "departments/human-resources"
RESIDENTS = f"{POLICE}/resources/residents"
KEY = citizen_number(1)
WHY = ("--purpose", "接口联调", "--case", "2026-0001")


def run(*arguments, language="en"):
    return commands.run(*arguments, language=language, columns=300, env={"TONGBAN_KEY": KEY})


def told(*arguments):
    said = run(*arguments, "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    return json.loads(said.stdout)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("sources") / "data") as found:
        database = Database(f"sqlite:///{found.data / 'exchange.db'}", schema="exchange")
        made = resource(RESIDENTS, code="101001/000007")
        put(
            database,
            replace(made, sharing_type=SharingType.UNCONDITIONAL, sharing_condition=""),
            clock=FixedClock(datetime.now(UTC)),
        )
        database.close()
        yield found


@pytest.fixture(scope="module")
def at(scene):
    return lambda key: ("--node", scene.address, "--identity", scene.identity(key))


@pytest.fixture(scope="module")
def grant(at):
    asked = told("grants", "request", EMPLOYMENT, RESIDENTS, "--item", "name", "--purpose", "核验",
                 "--legal-basis", "示范县政务数据共享办法第一条", *at("employment"))  # fmt: skip
    return asked["grant"]


def test_an_endpoint_is_kept_tried_asked_and_removed(scene, at, grant, tmp_path):
    trusts = (scene.data / "identity" / "ca.pem").read_bytes()
    with http_source(tmp_path / "source", trusts=trusts) as source:
        source.records[KEY] = {"citizen_number": KEY, "name": "某甲"}
        authority = tmp_path / "authority.pem"
        authority.write_text(source.authority)
        where = ("connectors", "put", RESIDENTS, "--kind", "http", "--address", source.address,
                 "--authority", authority, *at("police"))  # fmt: skip
        refused = run(*where)
        assert (refused.returncode, "HOST_NOT_APPROVED" in refused.stderr) == (3, True)
        assert run("connectors", "approve", source.place, *at("police")).returncode == 3
        assert told("connectors", "approve", source.place, *at("centre"))["host"] == source.place
        made = told(*where)
        assert (made["approved"], made["breaker"]) == (True, "BREAKER_STATE_CLOSED")
        assert told("connectors", "test", RESIDENTS, *WHY, *at("police"))["found"]
        shown = run("connectors", "test", RESIDENTS, *WHY, *at("police"), language="zh")
        assert "应答正常" in shown.stdout
        assert KEY not in shown.stdout
        asked = run("query", grant, *WHY, *at("employment"))
        assert (asked.returncode, "某甲" in asked.stdout) == (0, True)
        # What is not said stays as it is.
        changed = told("connectors", "put", RESIDENTS, "--timeout-ms", 900, *at("police"))
        assert (changed["timeout_ms"], changed["address"]) == (900, source.address)
        source.behaviour = "refuse_500"
        failed = run("connectors", "test", RESIDENTS, *WHY, *at("police"))
        assert (failed.returncode, "status 500" in failed.stdout) == (1, True)
        assert run("query", grant, *WHY, *at("employment")).returncode == 5
        assert source.place in run("connectors", "hosts", *at("police")).stdout
        assert told("connectors", "list", *at("employment")) == []
        (listed,) = told("connectors", "list", *at("centre"))
        assert listed == changed
        told("connectors", "disapprove", source.place, *at("centre"))
        assert "not approved" in run("connectors", "show", RESIDENTS, *at("police")).stdout
        stale = run("connectors", "delete", RESIDENTS, "--etag", made["etag"], *at("police"))
        assert (stale.returncode, "ETAG_MISMATCH" in stale.stderr) == (3, True)
        told("connectors", "delete", RESIDENTS, *at("police"))
        assert run("connectors", "show", RESIDENTS, *at("police")).returncode == 3


def test_a_service_of_the_national_platform(at, grant, tmp_path):
    with platform_simulator(tmp_path / "platform") as platform:
        platform.records[KEY] = {"xm": "某乙"}
        authority, secret = tmp_path / "authority.pem", tmp_path / "secret"
        authority.write_text(platform.authority)
        secret.write_bytes(platform.secret + b"\n")
        told("connectors", "approve", platform.place, *at("centre"))
        made = run("connectors", "put", RESIDENTS, "--kind", "platform", "--address",
                   platform.address, "--authority", authority, "--prefix", "gjgxjhpt", "--rid",
                   platform.rid, "--sid", platform.sid, "--key-parameter", "sfzh", "--field",
                   "name=xm", "--secret-file", secret, *at("police"))  # fmt: skip
        assert made.returncode == 0, made.stderr
        assert platform.secret.decode() not in made.stdout
        assert "held" in made.stdout
        asked = run("query", grant, *WHY, *at("employment"))
        assert (asked.returncode, "某乙" in asked.stdout) == (0, True)
        tried = run("connectors", "test", RESIDENTS, *WHY, *at("police"))
        assert (tried.returncode, "without: birth_date" in tried.stdout) == (0, True), tried.stdout
        assert platform.refused == []


@pytest.mark.parametrize(
    "wrong",
    [
        ("--kind", "soap"),
        ("--prefix", "x"),
        ("--field", "name"),
        ("--kind", "http", "--address", "http://127.0.0.1/"),
    ],
)
def test_mistakes(at, wrong):
    refused = run("connectors", "put", f"{POLICE}/resources/population", *wrong, *at("police"))
    assert (refused.returncode, "ENDPOINT_INVALID" in refused.stderr) == (4, True)
