"""`tongban grants what-if` and `what-if-catalog` as people use them, against a running node."""

from __future__ import annotations

import json

import pytest

from tests.builders import commands, county
from tongban.demonstration import sharing


def run(*arguments, language="en"):
    return commands.run("grants", *arguments, language=language, columns=300)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("what-if") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def at(scene):
    return lambda key: ("--node", scene.address, "--identity", scene.identity(key))


@pytest.fixture(scope="module")
def grant(scene):
    return sharing.grant_access(scene)["grant"]


def test_a_row_filter_and_a_rate_are_tried(at, grant):
    tried = ("what-if", grant, "--row", "name^=某", "--rate", "5")
    said = run(*tried, "--json", *at("police"))
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["look"]["complete"] is True
    assert "共 0 次使用" in run(*tried, *at("police"), language="zh").stdout
    assert "NOT_THE_SOURCE" in run(*tried, *at("employment")).stderr  # it would tell what it hides
    refused = run("what-if", grant, "--row", "nonesuch=1", *at("police"))
    assert (refused.returncode, "CHANGE_INVALID" in refused.stderr) == (4, True)


def test_a_change_of_the_catalog_is_tried(at, grant):
    tried = ("what-if-catalog", sharing.POPULATION)
    said = run(*tried, "--without", "name", "--json", *at("police"))
    assert said.returncode == 0, said.stderr
    (one,) = json.loads(said.stdout)["grants"]
    assert (one["grant"], one["lost_items"]) == (grant, ["name"])
    for change in (("--withdrawn",), ("--sharing", "not-shared"), ("--negative", "all")):
        assert "all of it" in run(*tried, *change, *at("police")).stdout
    shown = run(*tried, "--sharing", "unconditional", *at("police")).stdout
    assert "decided by another rule" in shown
    assert run(*tried, "--sharing", "x", *at("police")).returncode == 4
    assert "NOT_THE_SOURCE" in run(*tried, "--withdrawn", *at("employment")).stderr


def test_terms_are_previewed_on_made_up_records(at):
    tried = ("preview", sharing.POPULATION, "--consumer", "departments/human-resources")
    given = ("--item", "name:first-character", "--item", "phone", "--row", "birth_date^=19")
    said = run(*tried, *given, *at("police"))
    assert said.returncode == 0, said.stderr
    shown = said.stdout
    assert "张**" in shown
    assert "(not seen)" in shown
    assert "0 of 0 records" in shown
    said = json.loads(run(*tried, *given, "--json", *at("police")).stdout)
    assert [one.get("shown", False) for one in said["samples"]] == [True, False, True, False, True]
    assert "NOT_THE_SOURCE" in run(*tried, *given, *at("employment")).stderr
