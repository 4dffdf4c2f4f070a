"""Holding, presenting and verifying by commands: codes, looks, delegations, QR codes offline."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from licenses.v1 import offline_pb2 as pb
from runtime.clock import china_date
from tests.builders import commands, county
from tests.builders.commands import at
from tests.builders.licenses import citizen_number
from tongban.client import Client
from tongban.demonstration.stage import Stage
from tongban.main import application

scene = commands.scene
DEPARTMENT = "departments/human-resources"
TYPE = "licenseTypes/employment-registration"
HOLDER, AGENT = citizen_number(1), citizen_number(2)
WHAT = ("--field", "CZZT", "--purpose", "办理社会保险")


def run(*arguments: object, holder: str = HOLDER, agent: str = "") -> Result:
    env = {
        "COLUMNS": "250",
        "TONGBAN_LANG": "en",
        "TONGBAN_HOLDER_CODE": holder or None,
        "TONGBAN_AGENT_CODE": agent or None,
    }
    return CliRunner().invoke(application("license"), [str(one) for one in arguments], env=env)


def told(*arguments: object, holder: str = HOLDER, agent: str = "") -> Any:
    said = run("license", *arguments, "--json", holder=holder, agent=agent)
    assert said.exit_code == 0, said.output
    return json.loads(said.stdout)


@pytest.fixture(scope="module")
def license_name(scene: Stage) -> str:
    county.seal(scene)
    issued = told(
        "issue", DEPARTMENT, TYPE, "--holder-name", "赵示例", "--field", "KZ_DJLX=就业登记",
        *at(scene),
    )  # fmt: skip
    return str(issued["name"])


def counter(scene: Stage) -> tuple[str, ...]:
    return at(scene, "terminal")


def test_a_code_is_bound_ended_listed_and_looked_at(scene: Stage, license_name: str) -> None:
    here, other = counter(scene), at(scene, "police")
    shown = told("present", license_name, *WHAT, "--bound", "--uses", 1, *here)
    said = run("license", "verify", shown["code"], "--purpose", "办理贷款", *other)
    assert said.exit_code == 1
    assert "for another purpose" in said.output
    assert told("verify", shown["code"], "--purpose", "办理社会保险", *other)["fields"]
    again = told("present", license_name, *WHAT, *here)
    listed = told("presented", "--license", license_name, *here)
    assert [one["name"] for one in listed] == [again["presentation"]]
    assert told("end", again["presentation"], *here)["open"] is False
    assert told("presented", *here) == []
    looks = told("looks", "--license", license_name, *here)
    assert [one.get("result", "") for one in looks] == ["", "", "PASSED", "WRONG_PURPOSE", ""]
    assert all(one["receipt"]["leaf_hash"] for one in looks)
    for table in (("presented", "--all"), ("looks",)):
        assert run("license", *table, *here).exit_code == 0


def test_an_agent_presents_until_the_delegation_ends(scene: Stage, license_name: str) -> None:
    here = counter(scene)
    given = told(
        "delegation", "create", "--license", license_name, "--agent-name", "钱代办",
        "--purpose", "办理社会保险", *here, agent=AGENT,
    )  # fmt: skip
    listed = told("delegation", "list", "--as-agent", *here, holder=AGENT)
    assert [one["name"] for one in listed] == [given["name"]]
    held = told("delegation", "licenses", given["name"], *here, holder=AGENT)
    assert [one["name"] for one in held] == [license_name]
    asked = ("present", license_name, *WHAT, "--delegation", given["name"], *here)
    assert told(*asked, holder=AGENT)["code"]
    assert not told("delegation", "end", given["name"], *here).get("open", False)
    said = run("license", *asked, holder=AGENT)
    assert said.exit_code == 3
    assert "DELEGATION_ENDED" in said.stderr


def test_a_qr_code_is_verified_without_a_network(
    scene: Stage, license_name: str, tmp_path: Path
) -> None:
    here, folder = counter(scene), tmp_path / "kept"
    picture, text = tmp_path / "code.png", tmp_path / "code.txt"
    shown = told("present-qr", license_name, *WHAT, "--out", picture, *here)
    told("present-qr", license_name, *WHAT, "--out", tmp_path / "code.svg", *here)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "code.svg").read_text("utf-8").startswith("<?xml")
    text.write_text(shown["text"] + "\n")
    verify = ("license", "verify-qr", text, "--purpose", "办理社会保险", "--folder", folder)
    said = run(*verify)
    assert said.exit_code == 4
    assert "NO_PRESENTING_TRUST" in said.stderr
    told("trust", "--folder", folder, *at(scene, "police"))
    said = run(*verify)
    assert said.exit_code == 6, said.output  # nothing was published yet
    assert "INDETERMINATE" in said.output
    with Client(scene.address, scene.identity("centre")) as client:
        client.statuses.PublishStatusLists(pb.PublishStatusListsRequest())
    told("trust", "--folder", folder, *at(scene, "police"))
    said = run(*verify)
    assert said.exit_code == 0, said.output
    assert "赵示例" in said.output
    said = run(*verify, "--json", holder=AGENT)
    assert said.exit_code == 1
    assert json.loads(said.stdout)["reason"] == "HOLDER_DIFFERS"
    (trust,) = folder.glob("trust-*.json")
    trust.write_text(trust.read_text().replace("made_at", "mad_at"))
    assert "PRESENTING_TRUST_MALFORMED" in run(*verify).stderr


def test_files_copies_and_fields_are_checked(
    scene: Stage, license_name: str, tmp_path: Path
) -> None:
    here, other = counter(scene), at(scene, "police")
    folder = tmp_path / "received"
    folder.mkdir()
    for form in ("ofd", "pdf"):
        told(
            "document", license_name, "--out", folder / f"license.{form}", "--reason", "交付",
            *(() if form == "ofd" else ("--format", "pdf")), *at(scene),
        )  # fmt: skip
    made = told(
        "copy", license_name, "--purpose", "办理社会保险", "--receiver", "示范县公安局",
        "--until", china_date(datetime.now(UTC) + timedelta(days=7)),
        "--out", folder / "copy.pdf", *here,
    )  # fmt: skip
    assert len(made["original_sha256"]) == 64
    report = tmp_path / "report.csv"
    want = ("--purpose", "办理社会保险", *other)
    found = told("check", folder, "--report", report, *want)
    assert [one["indication"] for one in found] == ["PASSED"] * 3
    assert report.read_text("utf-8-sig").count("PASSED") == 3
    said = run("license", "check", folder / "copy.pdf", "--purpose", "办理贷款", *other)
    assert said.exit_code == 1
    assert "for another purpose" in said.output
    one = told("check", folder / "license.ofd", *want)
    fields = ("--field", "CZZT=赵示例")
    assert told("match", one["license_identifier"], *fields, *want)["state"] == "ACTIVE"
    said = run("license", "match", one["license_identifier"], "--field", "CZZT=钱", *want)
    assert said.exit_code == 1
    assert (
        "NO_MATCH"
        in run(
            "license", "match", one["license_identifier"], "--field", "CZZT=钱", *want, "--json"
        ).output
    )
    then = ("--as-of", "2020-01-01T00:00:00+08:00")
    said = run("license", "check", folder / "license.ofd", *want, *then)
    assert said.exit_code == 1
    for wrong in (("--as-of", "yesterday"),):
        assert run("license", "check", folder / "license.ofd", *want, *wrong).exit_code == 4
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "NO_FILES" in run("license", "check", empty, *want).stderr
