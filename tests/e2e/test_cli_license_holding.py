"""Holding, presenting and verifying by commands: codes, looks, delegations, QR codes offline."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from exchange.v1 import audit_pb2
from runtime.clock import china_date
from tests.builders import commands, county
from tests.builders.commands import at
from tests.builders.licenses import citizen_number
from tongban.demonstration.stage import Stage
from tongban.main import application
from tongban.proofs import verify_file

scene = commands.scene
DEPARTMENT = "departments/human-resources"
TYPE = "licenseTypes/employment-registration"
HOLDER, AGENT = citizen_number(1), citizen_number(2)
UNTIL = (datetime.now(UTC) + timedelta(days=60)).date().isoformat()
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


def test_a_code_is_bound_ended_listed_and_looked_at(
    scene: Stage, license_name: str, tmp_path: Path
) -> None:
    here, other = counter(scene), at(scene, "police")
    shown = told("present", license_name, *WHAT, "--bound", "--uses", 1, *here)
    said = run("license", "verify", shown["code"], "--purpose", "办理贷款", *other)
    assert said.exit_code == 1
    assert "for one purpose alone" in said.output
    assert told("verify", shown["code"], "--purpose", "办理社会保险", *other)["fields"]
    # What is printed on a license is no code: nothing is said for or against it.
    printed = f"1.2.156.3005.2.{'1' * 21}.A1.B2.001.C"
    said = run("license", "verify", printed, "--purpose", "办理社会保险", *other)
    assert (said.exit_code, "FindLicenses" in said.output) == (6, True)
    again = told("present", license_name, *WHAT, *here)
    listed = told("presented", "--license", license_name, *here)
    assert [one["name"] for one in listed] == [again["presentation"]]
    assert told("end", again["presentation"], *here)["open"] is False
    assert told("presented", *here) == []
    looks = told("looks", "--license", license_name, *here)
    assert [one.get("result", "") for one in looks] == ["", "", "PASSED", "WRONG_PURPOSE", ""]
    assert all(one["receipt"]["leaf_hash"] for one in looks)
    # Their records are proved in a file that is verified without the node.
    proof = tmp_path / "looks.proof.json"
    key = scene["auditor"].audit.GetCheckpoint(audit_pb2.GetCheckpointRequest()).verifier_key
    for _ in range(50):
        told("looks", "--proof", proof, *here)
        if proof.exists() and len(json.loads(proof.read_text())["accesses"]) >= len(looks):
            break
        time.sleep(0.2)  # what is of the last second has no proof yet
    assert verify_file(proof, key)["indication"] == "PASSED"
    for table in (("presented", "--all"), ("looks",)):
        assert run("license", *table, *here).exit_code == 0


def test_an_agent_presents_until_the_delegation_ends(scene: Stage, license_name: str) -> None:
    here = counter(scene)
    given = told(
        "delegation", "create", "--license", license_name, "--agent-name", "钱代办",
        "--purpose", "办理社会保险", "--until", UNTIL, *here, agent=AGENT,
    )  # fmt: skip
    assert given["expire_time"] == f"{UNTIL}T16:00:00Z"  # the end of that day in China
    for wrong in (("--until", "31.12.2026"), ("--until", UNTIL, "--days", 3)):
        said = run(
            "license", "delegation", "create", "--license", license_name, "--agent-name", "钱代办",
            "--purpose", "办理社会保险", *wrong, *here, agent=AGENT,
        )  # fmt: skip
        assert "BAD_DELEGATION_END" in said.stderr
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
    assert said.exit_code == 0, said.output
    assert "赵示例" in said.output
    said = run(*verify, holder="")
    assert said.exit_code == 4
    assert "CARD_NOT_COMPARED" in said.stderr
    said = run(*verify, "--card-not-seen", holder="")
    assert said.exit_code == 0
    assert "not compared" in said.output
    # A code that names its verifier is for the department of the identity.
    named = told(
        "present-qr", license_name, *WHAT, "--audience", "departments/public-security",
        "--out", picture, *here,
    )["text"]  # fmt: skip
    mine = ("license", "verify-qr", named, *verify[3:], "--identity")
    told("trust", "--folder", folder, *at(scene, "police"))
    for identity, code in (("police", 0), ("hr", 1)):
        assert run(*mine, scene.identity(identity)).exit_code == code
    # Online, by the live state and the card.
    live = ("license", "verify", text, "--purpose", "办理社会保险", *at(scene, "police"))
    for card, code in ((HOLDER, 0), (AGENT, 1)):
        said = run(*live, "--json", holder=card)
        assert (said.exit_code, card in said.output) == (code, False), said.output
    assert json.loads(said.stdout)["verdict"]["sub_indication"] == "HOLDER_DIFFERS"
    # An older list takes no newer one's place.
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert kept
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
    sheet = list(csv.DictReader(io.StringIO(report.read_text("utf-8-sig"))))
    assert [one["indication"] for one in sheet] == ["PASSED"] * 3
    assert [one["receiver"] for one in sheet] == ["示范县公安局", "", ""]
    said = run("license", "check", folder / "copy.pdf", "--purpose", "办理贷款", *other)
    assert said.exit_code == 1
    assert "for another purpose" in said.output
    one = told("check", folder / "license.ofd", *want)
    good, bad = tmp_path / "fields.txt", tmp_path / "wrong.txt"
    good.write_text("CZZT=赵示例\n\n", encoding="utf-8")
    bad.write_text("CZZT=钱\n", encoding="utf-8")
    match = ("match", one["license_identifier"], *want)
    assert told(*match, "--fields", good)["state"] == "ACTIVE"
    said = run("license", *match, "--fields", bad)
    assert said.exit_code == 1
    assert "NO_MATCH" in run("license", *match, "--fields", bad, "--json").output
    assert "VALUE_AS_ARGUMENT" in run("license", *match, "--field", "CZZT=钱").stderr
    # A file that cannot be checked is a row, and not the end of the folder.
    (folder / "empty.ofd").write_bytes(b"")
    (folder / "no-license.pdf").write_bytes(b"%PDF-1.7")
    (folder / "note.txt").write_text("hello", encoding="utf-8")
    (folder / "license.pdf").rename(folder / "license.bak")
    said = run("license", "check", folder, *want, "--json")
    assert said.exit_code == 1
    rows = {Path(row["file"]).name: row for row in json.loads(said.stdout)}
    assert rows["empty.ofd"]["indication"] == "INDETERMINATE"
    assert rows["empty.ofd"]["reason"] == "FILE_EMPTY"
    assert rows["note.txt"]["reason"] == "NOT_LOOKED_AT"
    assert rows["license.bak"]["indication"] == "PASSED"
    assert {one["indication"] for one in rows["license.ofd"]["checks"]} == {"PASSED"}
    assert rows["no-license.pdf"]["reason"] == "DOCUMENT_NOT_VERIFIED"
    assert rows["license.ofd"]["indication"] == "PASSED"
    listed = told("copies", "--license", license_name, *here)
    assert [row["name"] for row in listed] == [made["name"]]
    assert not told("withdraw", made["name"], *here).get("open", False)
    assert told("copies", *here)[0].get("open", False) is False
    said = run("license", "check", folder / "copy.pdf", *want)
    assert "withdrawn" in said.output
    then = ("--as-of", "2020-01-01T00:00:00+08:00")
    said = run("license", "check", folder / "license.ofd", *want, *then)
    assert said.exit_code == 1
    for wrong in (("--as-of", "yesterday"),):
        assert run("license", "check", folder / "license.ofd", *want, *wrong).exit_code == 4
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "NO_FILES" in run("license", "check", empty, *want).stderr


def test_what_is_shared_is_found_and_fetched(
    scene: Stage, license_name: str, tmp_path: Path
) -> None:
    here, other = at(scene), at(scene, "police")
    fields = told("shared", "template", TYPE, *other)
    assert {"CZZT", "KZ_DJLX"} <= {one["code"] for one in fields["fields"]}
    assert "持证主体" in run("license", "shared", "template", TYPE, *other).output
    identifier = told("show", license_name, *here)["license_identifier"]
    ask = ("--identifier", identifier, "--reason", "审核失业保险待遇申请")
    said = run("license", "shared", "find", *ask, *other)
    assert said.exit_code == 3
    assert "SERVICE_ITEM_NOT_ACCEPTED" in said.stderr
    item = ("--item", f"{DEPARTMENT}/serviceItems/cg2017-22")
    (found,) = told("shared", "find", *ask, *item, *here)
    assert found["license_identifier"] == identifier
    assert identifier in run("license", "shared", "find", *ask, *item, *here).output
    said = run("license", "shared", "find", "--reason", "审核", *item, *here, holder="")
    assert said.exit_code == 4
    fetch = ("shared", "fetch", identifier, "--reason", "审核失业保险待遇申请", *item)
    copy = tmp_path / "copy.pdf"
    assert told(*fetch, "--out", copy, *here)["valid_to"]
    assert copy.read_bytes().startswith(b"%PDF-")
    assert "Wrote" in run("license", *fetch, "--out", tmp_path / "copy.ofd", *here).output
