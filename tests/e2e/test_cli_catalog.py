"""`tongban catalog` as an administrator and a department use it, against a real node."""

import json

import pytest

from tests.builders import commands, county
from tongban.demonstration import sharing

CENTRE = "departments/service-centre"
HEALTH = "departments/health"
PERSONS = f"{HEALTH}/resources/population-persons"


def run(*arguments, lang: str = "en"):
    return commands.run(*arguments, language=lang, columns=240)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("cli") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def at(scene):
    return lambda key: ("--node", scene.address, "--identity", scene.identity(key))


@pytest.fixture(scope="module")
def installed(at):
    said = run(
        "catalog", "libraries", "--install", "population", "--department", HEALTH, "--json",
        *at("centre"),
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def told(*arguments):
    said = run("catalog", *arguments)
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_libraries_are_listed_without_a_node():
    assert "人口基础库" in told("libraries")
    listed = json.loads(told("libraries", "--json"))
    assert [one["library"] for one in listed][:4] == [
        "population", "legal_entity", "spatial", "license",
    ]  # fmt: skip
    assert listed[0]["resources"][0]["key_item"] == "citizen_number"


def test_a_library_is_installed_once(at, installed):
    assert installed["added"] == 3
    again = told("libraries", "--install", "population", "--department", HEALTH, *at("centre"))
    assert "0 added, 0 changed, 3 the same" in again


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("libraries", "--install", "nothing"), "LIBRARY_UNKNOWN"),
        (("libraries", "--install", "population"), "DEPARTMENT_REQUIRED"),
        (("update-department", HEALTH), "NOTHING_TO_CHANGE"),
    ],
)
def test_mistakes_are_told_before_a_node_is_asked(arguments, reason):
    said = run("catalog", *arguments)
    assert (said.returncode, reason in said.stderr) == (4, True), said.stderr
    chinese = run("catalog", *arguments, lang="zh")
    assert any("一" <= letter <= "鿿" for letter in chinese.stderr)


def test_a_department_changes_and_its_versions_differ(at):
    changed = json.loads(
        told("update-department", HEALTH, "--level", "county", "--parent", CENTRE, "--json",
             *at("centre"))
    )  # fmt: skip
    assert (changed["version"], changed["parent"]) == (2, CENTRE)
    assert CENTRE in told("departments", *at("market"))
    versions = json.loads(told("versions", HEALTH, "--json", *at("market")))
    assert [one["version"] for one in versions] == [2, 1]
    assert "batch" in told("versions", HEALTH, *at("market"))
    differences = json.loads(told("compare", HEALTH, "--json", *at("market")))["differences"]
    assert [one["field"] for one in differences] == ["level", "parent"]
    assert "departments/service-centre" in told("compare", HEALTH, *at("market"))
    refused = run(
        "catalog", "update-department", CENTRE, "--parent", HEALTH, "--json", *at("centre")
    )
    assert json.loads(refused.stdout)["error"]["reason"] == "DEPARTMENT_INVALID"
    denied = run("catalog", "update-department", HEALTH, "--parent", "", *at("market"))
    assert (denied.returncode, "ROLE_NOT_ALLOWED" in denied.stderr) == (3, True)


def test_things_are_found(at, installed):
    found = json.loads(told("search", "户籍行政区划", "--json", *at("market")))
    assert (found[0]["name"], found[0]["item"]) == (PERSONS, "region")
    assert PERSONS in told(
        "search", "人口", "--kind", "resource", "--department", HEALTH, *at("market")
    )
    assert "There is more" in told("search", "信息", "--limit", "1", *at("market"))
    assert (
        json.loads(told("search", "婚姻", "--sharing", "not-shared", "--json", *at("market"))) == []
    )
    empty = run("catalog", "search", *at("market"))
    assert (empty.returncode, "QUERY_REQUIRED" in empty.stderr) == (4, True)


def test_what_is_stale_is_listed(at, installed):
    stale = json.loads(told("resources", "--parent", HEALTH, "--stale", "--json", *at("market")))
    assert len(stale) == 3
    assert "never published" in told("resources", "--parent", HEALTH, *at("market"))
    assert sharing.POPULATION in told("search", "--stale", *at("market"))


def test_the_past_is_shown(at, installed):
    then = json.loads(told("show", PERSONS, "--version", "1", *at("market")))
    assert (then["version"], then["state"]) == (1, "ENTRY_STATE_ACTIVE")
    before = run("catalog", "show", PERSONS, "--at", "2020-01-01", *at("market"))
    assert "VERSION_NOT_FOUND" in before.stdout + before.stderr
    item = json.loads(told("service-items", "--json", *at("market")))[0]
    compared = told("compare-service-items", item["code"], *at("market"))
    assert "missing" in compared
    plainly = json.loads(told("compare-service-items", item["code"], "--json", *at("market")))
    assert len(plainly["elements"]) == 10
