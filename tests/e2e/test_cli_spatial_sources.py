"""`tongban spatial` and `tongban sources` as people use them, against a running node."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import sqlalchemy as sa

from exchange.catalog.model import SharingType
from exchange.delivery.store import BatchRow
from runtime.clock import FixedClock
from runtime.database import Database
from tests.builders import commands, county
from tests.builders.catalog import put, resource
from tests.builders.exchange import ITEMS, citizen_number, person
from tests.builders.flow_server import flow_server
from tests.builders.spatial import parcels, point, square

POLICE = "departments/public-security"
EMPLOYMENT = "departments/human-resources"
PARCELS = f"{POLICE}/resources/parcels"
NAMES = (f"{EMPLOYMENT}/resources/seekers", f"{POLICE}/resources/residents")


def run(*arguments, language="en", env=None):
    return commands.run(*arguments, language=language, columns=300, env=env)


def told(*arguments, env=None):
    said = run(*arguments, "--json", env=env)
    assert said.returncode == 0, said.stdout + said.stderr
    return json.loads(said.stdout)


def write(path, items, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([items, *rows])
    return path


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("places") / "data") as found:
        database = Database(f"sqlite:///{found.data / 'exchange.db'}", schema="exchange")
        clock = FixedClock(datetime.now(UTC))
        put(
            database,
            replace(parcels(), name=PARCELS, sharing_type=SharingType.UNCONDITIONAL,
                    sharing_condition=""),
            *(_with_element(name, f"101001/00000{n}") for n, name in enumerate(NAMES, 7)),
            clock=clock,
        )  # fmt: skip
        database.close()
        yield found


def _with_element(name, code):
    made = resource(name, code=code)
    items = (replace(i, element="population.name") if i.code == "name" else i for i in made.items)
    return replace(made, items=tuple(items))


@pytest.fixture(scope="module")
def at(scene):
    return lambda key: ("--node", scene.address, "--identity", scene.identity(key))


def test_places_are_asked_and_the_receipt_proves_it(at, tmp_path):
    rows = [["p1", "某甲", square(9.999, 39.999, 0.002)], ["p2", "某乙", point(10.01, 40)]]
    table = write(tmp_path / "parcels.csv", ("parcel_number", "owner", "shape"), rows)
    assert told("publish", PARCELS, table, *at("police"))["upserted"] == "2"
    items = ("--item", "parcel_number", "--item", "shape")
    asked = told("grants", "request", EMPLOYMENT, PARCELS, *items, "--purpose", "选址核验",
                 "--legal-basis", "示范县政务数据共享办法第一条", *at("employment"))  # fmt: skip
    grant = asked["grant"]
    why = ("--purpose", "选址核验", "--case", "2026-0001", *at("employment"))
    receipt = tmp_path / "receipt.json"
    near = ("--place", "10,40", "--radius", "2000", *why)
    found = told("spatial", "nearest", grant, *near, "--receipt", receipt)
    assert [one["items"]["parcel_number"] for one in found["records"]] == ["p1", "p2"]
    assert found["records"][1]["distance_mm"] == pytest.approx(854_000, abs=1000)
    shown = run("spatial", "within", grant, *near, "--item", "parcel_number", language="zh").stdout
    assert "p2" in shown
    assert "距离" in shown
    assert len(told("spatial", "at", grant, "--place", "10,40", *why)["records"]) == 1
    box = ("--box=-180,-90,180,90", *why)
    first = told("spatial", "box", grant, *box, "--limit", 1)
    rest = told("spatial", "box", grant, *box, "--page-token", first["next_page_token"])
    assert (len(first["records"]), len(rest["records"])) == (1, 1)
    assert run("spatial", "at", grant, "--place", "0,0", *why).returncode == 1
    for wrong, code in (("x", 4), ("10,40,5", 4), ("200,40", 4)):
        refused = run("spatial", "at", grant, "--place", wrong, *why)
        assert (refused.returncode, "BAD_AREA" in refused.stderr) == (code, True)
    told("audit", "complete", receipt, *at("employment"))
    saved = orjson.loads(receipt.read_bytes())
    assert "p1" in receipt.read_text(encoding="utf-8")
    key = tmp_path / "key.txt"
    key.write_text(run("audit", "key", *at("employment")).stdout)
    verdict = run("audit", "verify", receipt, "--key", key)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr + str(saved.keys())


def let_stand(scene) -> None:
    """Records count once they have stood for a month: let all have."""
    database = Database(f"sqlite:///{scene.data / 'exchange.db'}", schema="exchange")
    with database.unit_of_work() as work:
        work.session.execute(
            sa.update(BatchRow).values(published_at=datetime.now(UTC) - timedelta(days=31))
        )
    database.close()


def test_one_source_is_found_and_named(scene, at, tmp_path):
    mine = [person(n, "某乙" if n == 3 else "某甲") for n in range(26)]
    theirs = [person(n) for n in range(2, 29)]
    own = write(tmp_path / "seekers.csv", ITEMS, mine)
    told("publish", NAMES[0], own, *at("employment"))
    told("publish", NAMES[1], write(tmp_path / "residents.csv", ITEMS, theirs), *at("police"))
    let_stand(scene)
    (element,) = told("sources", "elements", *at("centre"))
    assert element["element"] == "population.name"
    assert NAMES[0] in run("sources", "elements", *at("centre")).stdout

    outcome = told(
        "flow", "run", "measure-sources", "--data", tmp_path / "flow", *at("centre"),
        env={"PREFECT_API_URL": flow_server()},
    )  # fmt: skip
    assert outcome["failed"] == {}
    (measured,) = outcome["measured"]
    assert (measured["both"], measured["different"]) == (24, 1)
    case = measured["source_case"]
    again = run("sources", "measure", "population.name", *at("centre"))
    assert "MEASURED_LATELY" in again.stderr

    output = tmp_path / "differing.csv"
    found = told("sources", "differing", case, own, "--pair", 1, "--key-item", "citizen_number",
                 "--output", output, *at("employment"))  # fmt: skip
    assert found == {"differing": 1, "lines": [5]}
    assert citizen_number(3) in output.read_text(encoding="utf-8")
    said = run("sources", "differing", case, own, "--pair", 1, "--key-item", "citizen_number",
               *at("employment")).stdout  # fmt: skip
    assert citizen_number(3) not in said
    assert "5" in said
    other = run("sources", "differing", case, own, "--pair", 1, "--key-item", "x", *at("police"))
    assert other.returncode == 4

    assert run("sources", "source", "population.name", *at("police")).returncode == 3
    assert run("sources", "measure", "population.name", *at("police")).returncode == 3
    assert "不予显示" in run("sources", "show", case, *at("police"), language="zh").stdout
    why = ("--source", NAMES[1], "--reason", "以公安机关登记为准")
    assert run("sources", "decide", case, *why, *at("police")).returncode == 3
    etag = told("sources", "show", case, *at("centre"))["etag"]
    decided = told("sources", "decide", case, *why, "--etag", etag, *at("centre"))
    assert decided["source"] == NAMES[1]
    told_source = told("sources", "source", "population.name", *at("employment"))
    assert told_source["resource"] == NAMES[1]
    assert NAMES[1] in run("sources", "source", "population.name", *at("employment")).stdout
    closed = run("sources", "dismiss", case, "--reason", "再议", *at("centre"))
    assert (closed.returncode, "SOURCE_CASE_CLOSED" in closed.stderr) == (3, True)
    (listed,) = told("sources", "cases", "--state", "decided", *at("police"))
    assert listed["name"] == case
    assert case in run("sources", "cases", *at("police")).stdout
    assert run("sources", "cases", "--state", "x", *at("police")).returncode == 4
