"""Finding data, and the catalog on its way out of a node and into an empty one, by commands."""

from __future__ import annotations

import json

import jsonschema
import pytest
from openpyxl import load_workbook

from tests.builders import commands, county, programs
from tests.builders.commands import at, run, told
from tongban.demonstration import sharing, stage
from tongban.people import people

scene = commands.scene


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    found = county.new_stage(tmp_path_factory.mktemp("empty") / "data")
    with stage.running(found, programs.start):
        yield found


def exported(scene, form, path):
    return told("catalog", "export", "--format", form, "--out", path, *at(scene, "employment"))


@pytest.mark.parametrize("form", ["xlsx", "dcat-ap", "json"])
def test_each_form_is_the_same_catalog(scene, form, tmp_path):
    path = tmp_path / form
    counts = exported(scene, form, path)
    assert counts["resources"] >= 2
    assert counts["service_items"] == 30
    nothing = told("catalog", "import", path, *at(scene, "centre"))
    assert (nothing["applied"], nothing["batches"]) == (False, 0)
    assert nothing["unchanged"] == counts["resources"] + counts["service_items"]
    said = run("catalog", "import", path, "--dry-run", *at(scene, "centre"))
    assert said.stdout == "Changes: none\nNothing differs.\n"


def test_an_empty_node_takes_the_catalog_and_tells_the_same(scene, empty, tmp_path):
    path = tmp_path / "catalog.xlsx"
    counts = exported(scene, "xlsx", path)
    shown = told("catalog", "import", path, "--dry-run", *at(empty, "centre"))
    assert len(shown["departments_added"]) == counts["departments"]
    assert len(shown["added"]) == counts["resources"] + counts["service_items"]
    assert not shown["applied"]
    said = run("catalog", "import", path, "--dry-run", *at(empty, "centre"), language="zh")
    assert "新增" in said.stdout
    assert "仅预览" in said.stdout
    assert told("catalog", "departments", *at(empty, "centre")) == []
    done = told("catalog", "import", path, *at(empty, "centre"))
    assert (done["applied"], done["batches"]) == (True, 1)
    for form in ("json", "dcat-ap"):
        exported(scene, form, tmp_path / f"full.{form}")
        exported(empty, form, tmp_path / f"empty.{form}")
    full, other = (tmp_path / f"{name}.json" for name in ("full", "empty"))
    assert full.read_bytes() == other.read_bytes()
    assert told("catalog", "import", tmp_path / "full.dcat-ap", *at(empty, "centre"))[
        "applied"
    ] is False  # fmt: skip


def test_a_change_is_shown_by_its_fields_and_what_is_gone_stays_unless_asked(scene, tmp_path):
    path, some = tmp_path / "c.xlsx", ("--department", "departments/public-security")
    told("catalog", "export", "--out", path, *some, *at(scene, "centre"))
    book = load_workbook(path)
    sheet = book["信息资源"]
    at_column = {cell.value: cell.column for cell in sheet[1]}
    for line in range(2, sheet.max_row + 1):
        if sheet.cell(line, at_column["资源标识"]).value == "population":
            sheet.cell(line, at_column["联系处室"]).value = "户政科"
    book.save(path)
    shown = told("catalog", "import", path, "--dry-run", *at(scene, "centre"))
    assert shown["changed"] == {sharing.POPULATION: ["联系处室"]}
    assert shown["withdrawn"] == []
    said = run("catalog", "import", path, "--dry-run", *at(scene, "centre"))
    assert "联系处室" in said.stdout


def test_a_file_with_faults_changes_nothing_and_tells_them_all(scene, tmp_path):
    path = tmp_path / "c.xlsx"
    exported(scene, "xlsx", path)
    book = load_workbook(path)
    book["信息资源"]["A2"].value = "不是标识"
    book["政务服务事项"]["C3"].value = None
    book.save(path)
    said = run("catalog", "import", path, "--json", *at(scene, "centre"))
    assert said.returncode == 4
    error = json.loads(said.stdout)["error"]
    assert error["reason"] == "CATALOG_FILE_INVALID"
    assert {"信息资源!A2 部门标识", "政务服务事项!C3 事项编码"} <= {
        violation["field"] for violation in error["violations"]
    }
    said = run("catalog", "import", tmp_path / "none.xlsx", *at(scene, "centre"))
    assert said.returncode == 4


def test_what_the_node_refuses_is_told_by_the_entrys_name(scene, tmp_path):
    path = tmp_path / "c.json"
    exported(scene, "json", path)
    document = json.loads(path.read_text())
    document["resources"][0]["update_cycle"] = "sometimes"
    path.write_text(json.dumps(document))
    for dry in ((), ("--dry-run",)):
        said = run("catalog", "import", path, "--json", *dry, *at(scene, "centre"))
        assert said.returncode == 4
        (violation,) = json.loads(said.stdout)["error"]["violations"]
        assert violation["field"] == f"{document['resources'][0]['name']} update_cycle"
    said = run("catalog", "import", path, *at(scene, "employment"))
    assert said.returncode == 3  # another department's directory


def test_from_finding_a_resource_to_reading_it(scene, tmp_path):
    listed = told("discover", *at(scene, "employment"))
    assert [one["resource"] for one in listed] == sorted(one["resource"] for one in listed)
    request = tmp_path / "request.json"
    said = run("discover", sharing.POPULATION, "--request-out", request, *at(scene, "employment"))
    assert said.returncode == 0, said.stderr
    assert "REQUESTABLE" in said.stdout
    assert "working days" in said.stdout
    assert json.loads(request.read_text())["accessRequest"]["resource"] == sharing.POPULATION
    granted = county.grant(scene, items=("name", "birth_date"))
    (one,) = told("discover", sharing.POPULATION, *at(scene, "employment"))
    assert one["access"] == "ACCESS_USABLE"
    assert [grant["grant"] for grant in one["grants"]] == [granted]
    assert one["usable_items"] == ["name", "birth_date"]
    (one,) = told("discover", sharing.POPULATION, *at(scene, "police"))
    assert one["access"] == "ACCESS_OWN"
    usable = told("discover", "--access", "usable", *at(scene, "employment"))
    assert sharing.POPULATION in [one["resource"] for one in usable]
    refused = run("discover", "departments/public-security/resources/none", *at(scene, "police"))
    assert refused.returncode == 3
    assert "RESOURCE_NOT_FOUND" in refused.stderr
    refused = run("discover", "--consumer", "departments/public-security", *at(scene, "employment"))
    assert refused.returncode == 3


def test_a_descriptor_takes_the_rows_that_are_published(scene):
    descriptor = told("describe", sharing.POPULATION, *at(scene, "employment"))
    schema = descriptor["record_schema"]
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    validator.check_schema(schema)
    rows = [person.row() for person in people(50)]
    from tongban.people import PERSON_ITEMS

    records = [
        {code: value for code, value in zip(PERSON_ITEMS, row, strict=True) if value}
        for row in rows
    ]
    for record in records:
        validator.validate(record)
    spoiled = {**records[0], "citizen_number": "12"}
    assert list(validator.iter_errors(spoiled))
    del spoiled["citizen_number"]
    assert list(validator.iter_errors(spoiled))
    assert list(validator.iter_errors({**records[0], "more": "x"}))
    assert descriptor["calls"]["query"]["method"] == "tongban.exchange.v1.QueryService/Query"
