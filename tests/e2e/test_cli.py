"""The `tongban` command as people and scripts use it: help, JSON, tables, exit codes."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator

import click
import pytest
import typer

from tests.builders import county
from tests.builders.commands import run
from tests.builders.large_ofd import large_ofd
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf
from tongban.demonstration import sharing
from tongban.main import app
from tongban.people import PERSON_ITEMS, people

PERSON = next(people(1))


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group) or hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


COMMAND = typer.main.get_command(app)
ALL = sorted(commands(COMMAND))


def test_the_command_has_what_was_promised():
    groups = {path[0] for path in ALL}
    assert groups >= {
        "serve", "demo", "identity", "catalog", "grants", "query", "verify", "publish",
        "subscribe", "seal", "license", "audit", "flow",
    }  # fmt: skip
    assert ("flow", "run", "directory-sync") in ALL


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_shows_an_example(path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        COMMAND([*path, "--help"], prog_name="tongban")
    assert ended.value.code == 0
    assert f"Example: tongban {' '.join(path)}" in capsys.readouterr().out


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("cli") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def at(scene):
    """Options that connect as one of the systems."""
    return lambda key: ("--node", scene.address, "--identity", scene.identity(key))


@pytest.fixture(scope="module")
def granted(scene, at, tmp_path_factory):
    """People published and a grant given, all by commands."""
    table = tmp_path_factory.mktemp("csv") / "people.csv"
    with table.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(PERSON_ITEMS)
        writer.writerows(p.row() for p in people(50))
    done = run("publish", sharing.POPULATION, table, "--json", *at("police"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["upserted"] == "50"
    asked = run(
        "grants", "request", "departments/human-resources", sharing.POPULATION, "--item", "name",
        "--item", "birth_date", "--purpose", "核实身份", "--legal-basis", "依据", "--json",
        *at("employment"),
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    approved = run(
        "grants", "approve", json.loads(asked.stdout)["name"], "--item", "name",
        "--item", "birth_date:year", "--until", "30d", "--json", *at("police"),
    )  # fmt: skip
    assert approved.returncode == 0, approved.stderr
    return json.loads(approved.stdout)["name"]


ASK = ("--purpose", "核实身份", "--case", "T-1")


def test_a_query_and_its_receipt(granted, at, scene, tmp_path):
    receipt, key = tmp_path / "receipt.json", tmp_path / "key.txt"
    said = run(
        "query", granted, *ASK, "--receipt", receipt, "--json", *at("employment"),
        env={"TONGBAN_KEY": PERSON.citizen_number},
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == {
        "found": True,
        "items": {"name": PERSON.name, "birth_date": "1950"},
    }
    assert run("audit", "key", "--out", key, *at("market")).returncode == 0
    told = json.loads(run("audit", "key", "--json", *at("market")).stdout)
    assert told == {"verifier_key": key.read_text().strip()}
    told = json.loads(run("audit", "checkpoint", "--json", *at("market")).stdout)
    assert told["checkpoint"].startswith("tongban.local/log\n")
    early = tmp_path / "early.txt"
    assert run("audit", "checkpoint", "--out", early, *at("market")).returncode == 0
    assert run("audit", "verify", receipt, "--key", key).returncode == 0
    assert run("audit", "complete", receipt, *at("employment")).returncode == 0
    said = run("audit", "verify", receipt, "--key", key, "--json")
    assert said.returncode == 0
    assert "inclusion" in {c["name"] for c in json.loads(said.stdout)["checks"]}
    assert run("audit", "consistency", early, "--key", key, *at("market")).returncode == 0
    copy = scene.data / "objects" / "audit"
    assert run("audit", "log", copy, "--key", key, "--earlier", early).returncode == 0
    assert run("audit", "fsck", "--data", scene.data).returncode == 0
    forged = json.loads(receipt.read_text())
    forged["values"]["answer"]["items"]["name"] = "别人"
    receipt.write_text(json.dumps(forged))
    said = run("audit", "verify", receipt, "--key", key)
    assert said.returncode == 1
    assert "opening:answer" in said.stdout


def test_a_query_asks_for_the_key_without_showing_it(granted, at):
    said = run("query", granted, *ASK, *at("employment"), stdin=f"{PERSON.citizen_number}\n")
    assert said.returncode == 0, said.stderr
    assert PERSON.name in said.stdout
    assert PERSON.citizen_number not in said.stdout + said.stderr


def test_answers_have_exit_codes(granted, at):
    absent = {"TONGBAN_KEY": people_after(50)}
    assert run("query", granted, *ASK, *at("employment"), env=absent).returncode == 1
    held = {"TONGBAN_KEY": PERSON.citizen_number}
    true = run(
        "verify", granted, "--claim", f"name={PERSON.name}", *ASK, *at("employment"), env=held
    )
    assert (true.returncode, "MATCH" in true.stdout) == (0, True)
    false = run("verify", granted, "--claim", "name=别人", *ASK, *at("employment"), env=held)
    assert (false.returncode, "NO MATCH" in false.stdout) == (1, True)
    assert re.search(r"name +│ NO MATCH", false.stdout), "which claim it was"


def people_after(count: int) -> str:
    return list(people(count + 1))[count].citizen_number


def test_refusals_have_exit_codes_and_reasons(granted, at, scene):
    held = {"TONGBAN_KEY": PERSON.citizen_number}
    cases = [
        (3, "GRANT_NOT_FOUND", run("query", granted, *ASK, *at("market"), env=held)),
        (3, "ITEM_NOT_GRANTED",
         run("query", granted, "--item", "phone", *ASK, *at("employment"), env=held)),
        (4, "MALFORMED_KEY", run("query", granted, *ASK, *at("employment"),
                                 env={"TONGBAN_KEY": "990101195001010018"})),
        (4, "MALFORMED_NAME", run("catalog", "show", "departments/Ä", *at("market"))),
        (3, "ROLE_NOT_ALLOWED",
         run("catalog", "add-department", "x", "--name", "某局", "--credit-code",
             "11990101000000035K", "--region", "990101", *at("market"))),
        (5, "NODE_UNREACHABLE", run("catalog", "departments", "--node", "127.0.0.1:1",
                                    "--identity", scene.identity("market"))),
        (3, "IDENTITY_MISSING", run("catalog", "departments", "--identity", "nowhere")),
    ]  # fmt: skip
    for code, reason, said in cases:
        assert said.returncode == code, (reason, said.stderr)
        assert reason in said.stderr
        assert "Traceback" not in said.stderr
        assert "990101195001010018" not in said.stderr


def test_errors_are_json_where_json_is_asked_for(at):
    said = run("catalog", "resources", "--parent", "nonsense", "--json", *at("market"))
    assert said.returncode == 4
    assert run("catalog", "show", "departments/Ä", "--json", *at("market")).stdout.startswith("{")
    error = json.loads(said.stdout)["error"]
    assert error["reason"] == "MALFORMED_NAME"
    assert error["message_zh"]


def test_a_chinese_reader_is_told_in_chinese(at):
    said = run(
        "catalog", "resources", "--parent", "nonsense", *at("market"), env={"TONGBAN_LANG": "zh"}
    )
    assert "应形如" in said.stderr


def test_lists_are_tables_and_json(at, granted):
    for command, word in (
        (("catalog", "departments"), "departments/public-security"),
        (("catalog", "resources"), sharing.POPULATION),
        (("catalog", "service-items"), "CG2017-30"),
        (("grants", "list", "--parent", "departments/human-resources"), granted),
        (("grants", "requests", "--parent", "departments/human-resources"), "APPROVED"),
    ):
        table = run(*command, *at("employment"))
        assert table.returncode == 0, table.stderr
        assert word in table.stdout
        listed = run(*command, "--json", *at("employment"))
        assert isinstance(json.loads(listed.stdout), list)
        assert word in listed.stdout


def test_changes_are_received_as_lines(granted, at):
    said = run("subscribe", granted, "--earliest", "--id", "cli", *at("employment"))
    assert said.returncode == 0, said.stderr
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(lines) == 50
    assert set(lines[0]["items"]) == {"name", "birth_date"}
    again = run("subscribe", "departments/human-resources/subscriptions/cli", *at("employment"))
    assert (again.returncode, again.stdout) == (0, "")


def test_seals_and_licenses(at, tmp_path):
    asked = run(
        "seal", "request", "departments/human-resources", "official", "--name",
        "示范县人力资源和社会保障局", "--credit-code", "11990101000000035K", *at("centre"),
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    seen = run("seal", "show", "departments/human-resources/seals/official", *at("seals")).stdout
    for what in ("11990101000000035K", "departments/service-centre/systems/counter"):
        assert what in seen
    own = run("seal", "approve", "departments/human-resources/seals/official", *at("centre"))
    assert (own.returncode, "SECOND_PERSON_NEEDED" in own.stderr) == (3, True), own.stderr
    made = run("seal", "approve", "departments/human-resources/seals/official", *at("seals"))
    assert made.returncode == 0, made.stderr
    for what in ("示范县人力资源和社会保障局", "11990101000000035K", "/systems/counter"):
        assert what in made.stdout
    assert "official" in run("seal", "list", *at("market")).stdout
    holder = {"TONGBAN_HOLDER_CODE": PERSON.citizen_number}
    issued = run(
        "license", "issue", "departments/human-resources", "licenseTypes/employment-registration",
        "--holder-name", PERSON.name, "--field", "KZ_DJLX=失业登记", "--json", *at("employment"),
        env=holder,
    )  # fmt: skip
    assert issued.returncode == 0, issued.stderr
    name = json.loads(issued.stdout)["name"]
    file, trust = tmp_path / "license.ofd", tmp_path / "trust"
    fetched = run("license", "document", name, "--out", file, "--reason", "核对", *at("employment"))
    assert fetched.returncode == 0, fetched.stderr
    assert run("seal", "trust", "--out", trust, *at("market")).returncode == 0
    assert run("seal", "verify", file, "--trust", trust).returncode == 0
    assert run("seal", "verify", file, *at("market")).returncode == 0
    sealed_again = tmp_path / "again.ofd"
    signed = run(
        "seal", "sign", "departments/human-resources/seals/official", file, "--out", sealed_again,
        "--reason", "加盖", "--x-mm", "20", "--y-mm", "60", *at("employment"),
    )  # fmt: skip
    assert signed.returncode == 0, signed.stderr
    assert run("seal", "verify", sealed_again, "--trust", trust).returncode == 0
    shown = run(
        "license", "present", name, "--field", "ZZMC", "--purpose", "贷款", "--uses", "2", "--json",
        *at("centre"), env=holder,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    code = json.loads(shown.stdout)["code"]
    said = run("license", "verify", code, "--purpose", "贷款", *at("market"))
    assert said.returncode == 0
    assert said.stdout.startswith("PASSED ")
    assert "ZZMC" in said.stdout
    for act in ("suspend", "resume", "revoke"):
        done = run("license", act, name, "--reason", "核实情况", *at("employment"))
        assert done.returncode == 0, done.stderr
    said = run("license", "verify", code, "--purpose", "贷款", *at("market"))
    assert said.returncode == 1
    assert said.stdout.startswith("FAILED the license is revoked since ")
    assert said.stdout.count("\n") == 1  # and no table of nothing
    said = run("license", "verify", "AAAA-AAAA-AAAA", "--purpose", "贷款", *at("market"))
    assert said.stdout.startswith(("FAILED ", "INDETERMINATE ")), said.stdout + said.stderr
    assert ": none" not in said.stdout
    assert run("license", "cancel", name, "--reason", "x", *at("employment")).returncode == 3


def test_the_last_day_of_a_seal_is_shown_as_it_was_said(at):
    name = "departments/human-resources/seals/dated"
    asked = run(
        "seal", "request", "departments/human-resources", "dated", "--name",
        "示范县人力资源和社会保障局", "--credit-code", "11990101000000035K", "--until",
        "2027-12-31", "--use-until", "2027-02-28", *at("centre"),
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    shown = run("seal", "show", name, *at("seals")).stdout
    assert "anything, until 2027-02-28 " in shown
    listed = run("seal", "list", *at("seals")).stdout
    for said in (shown, listed):
        assert "2027-12-31" in said
        assert "2028" not in said
        assert "2027-03-01" not in said
    told = json.loads(run("seal", "show", name, "--json", *at("seals")).stdout)
    assert told["end_time"] == "2027-12-31T16:00:00Z"  # midnight in China
    assert run("seal", "reject", name, "--reason", "样例", *at("seals")).returncode == 0


def test_documents_are_sealed_one_by_one_and_by_the_folder(at, tmp_path):
    """After `test_seals_and_licenses`, whose seal this uses."""
    seal = "departments/human-resources/seals/official"
    files = tmp_path / "letters"
    (files / "more").mkdir(parents=True)
    for number in range(5):
        (files / f"letter-{number}.ofd").write_bytes(plain_ofd(number + 1))
    (files / "more" / "letter.pdf").write_bytes(plain_pdf())
    (files / "large.ofd").write_bytes(large_ofd(3, 17 * 1024 * 1024))
    (files / "not-one.ofd").write_bytes(b"neither")
    (files / "notes.txt").write_bytes(b"not looked at")
    sealed = files / "sealed"  # below the folder: what is written is not read again
    command = ("seal", "batch", seal, files, "--out", sealed, "--reason", "批量", "--json")
    done = run(*command, *at("employment"))
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    assert {entry["error"]["reason"] for entry in told if "error" in entry} == {
        "DOCUMENT_FORMAT_UNKNOWN"
    }
    written = {path: path.read_bytes() for path in sealed.rglob("*") if path.is_file()}
    assert len(written) == 7
    again = run(*command, *at("employment"))
    assert (again.returncode, json.loads(again.stdout)) == (3, told)
    assert {path: path.read_bytes() for path in written} == written
    (files / "not-one.ofd").unlink()
    table = run(*command[:-1], *at("employment"))
    assert (table.returncode, "Sealed 7 of 7" in table.stdout) == (0, True), table.stderr
    trust = tmp_path / "trust"
    assert run("seal", "trust", "--out", trust, *at("market")).returncode == 0
    for path in written:
        here = run("seal", "verify", path, *at("market"))  # large ones too
        assert here.returncode == 0, here.stdout + here.stderr
        assert "Verified here, by the trust material of 127.0.0.1:" in here.stdout
        offline = run("seal", "verify", path, "--trust", trust)
        assert (offline.returncode, "Verified here" in offline.stdout) == (0, False)
    large = sealed / "large.ofd"
    assert large.stat().st_size > 16 * 1024 * 1024
    with large.open("r+b") as file:  # one byte of a picture
        file.seek(8 * 1024 * 1024)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    assert run("seal", "verify", large, "--trust", trust).returncode == 1

    one = tmp_path / "one.ofd"
    placed = run(
        "seal", "sign", seal, files / "letter-4.ofd", "--out", one, "--reason", "加盖",
        "--keyword", "SHIFAN", "--edges", "--y-mm", "100", "--entries", "--close", "--json",
        *at("employment"),
    )  # fmt: skip
    assert placed.returncode == 0, placed.stderr
    assert json.loads(placed.stdout)["stamp_count"] == 10
    large = tmp_path / "large.ofd"
    parts = run(
        "seal", "sign", seal, files / "large.ofd", "--out", large, "--reason", "加盖",
        "--every-page", *at("employment"),
    )  # fmt: skip
    assert parts.returncode == 0, parts.stderr
    assert large.stat().st_size > 17 * 1024 * 1024
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
    digest = tmp_path / "digest.der"
    alone = ("seal", "sign", seal, "--out", digest, "--reason", "外部系统", "--digest")
    assert run(*alone, "ab" * 32, "--about", "case 1", *at("employment")).returncode == 0
    assert digest.read_bytes()[:1] == b"\x30"
    assert run(*alone, "zz", *at("employment")).returncode == 4
    check = ("seal", "verify", digest, "--trust", trust, "--digest")
    for code, rest in (
        (0, ("ab" * 32, "--about", "case 1")),
        (0, ("ab" * 32,)),
        (1, ("ab" * 32, "--about", "case 2")),
        (1, ("cd" * 32, "--about", "case 1")),
        (4, ("ab",)),
    ):
        said = run(*check, *rest)
        assert said.returncode == code, (rest, said.stdout, said.stderr)
    by_node = run("seal", "verify", digest, "--digest", "ab" * 32, *at("market"))
    assert by_node.returncode == 0, by_node.stderr
    late = run(
        "seal", "sign", seal, files / "letter-0.ofd", "--out", one, "--reason", "加盖",
        "--level", "timestamped", *at("employment"),
    )  # fmt: skip
    assert (late.returncode, "TIMESTAMP_NOT_CONFIGURED" in late.stderr) == (3, True)


def test_identities_are_made_and_revoked(tmp_path):
    data, out = tmp_path / "data", tmp_path / "id"
    assert run("identity", "init", "--data", data).returncode == 0
    assert run("identity", "init", "--data", data).returncode == 3
    system = "departments/a/systems/b"
    assert run("identity", "enrol", system, "--out", out, "--data", data).returncode == 0
    assert run("identity", "enrol", "nobody", "--out", out, "--data", data).returncode == 4
    wrong = run("identity", "enrol", system, "--out", out, "--role", "king", "--data", data)
    assert (wrong.returncode, "UNKNOWN_ROLE" in wrong.stderr) == (4, True)
    assert run("identity", "revoke", out, "--data", data).returncode == 0


def test_a_flow_reports_and_rejects(scene, at, tmp_path):
    items = tmp_path / "items.csv"
    items.write_text(
        "部门标识,事项编码,部门名称,办件类型,项目名称,备注\nhousing,X-1,房管局,即办件,,\n", "utf-8"
    )
    said = run(
        "flow",
        "run",
        "directory-sync",
        items,
        "--data",
        tmp_path / "flows",
        "--json",
        *at("centre"),
    )
    assert said.returncode == 1, said.stderr
    report = json.loads(said.stdout)
    assert [r["reason"] for r in report["rejected"]] == ["MISSING_FIELD"]
    assert report["runs"]


def test_a_batch_that_no_document_can_pass_ends_once(at, tmp_path):
    """After `test_seals_and_licenses`, whose seal this uses and thaws again."""
    seal = "departments/human-resources/seals/official"
    files = tmp_path / "letters"
    files.mkdir()
    for number in range(30):
        (files / f"letter-{number}.ofd").write_bytes(plain_ofd(1))
    command = ("seal", "batch", seal, files, "--out", tmp_path / "sealed", "--reason", "冻结批量")
    assert run("seal", "freeze", seal, "--reason", "核查", *at("centre")).returncode == 0
    try:
        table = run(*command, *at("employment"))
        told = run(*command, "--json", *at("employment"))
    finally:
        assert run("seal", "unfreeze", seal, "--reason", "核查", *at("seals")).returncode == 0
    assert (table.returncode, told.returncode) == (3, 3)
    assert (table.stdout + table.stderr).count("SEAL_NOT_IN_FORCE") == 1
    assert "Sealed 0 of 30" in table.stdout
    assert [one["error"]["reason"] for one in json.loads(told.stdout)] == ["SEAL_NOT_IN_FORCE"] * 30

    _, _, *identity = at("employment")
    away = run(*command, "--node", "127.0.0.1:9", *identity)
    assert away.returncode == 5, away.stderr
    assert "sealed 0 of 30 documents; run the same command again: it goes on" in " ".join(
        away.stderr.split()
    )
    zh = run(*command, "--node", "127.0.0.1:9", *identity, env={"TONGBAN_LANG": "zh"})
    assert "再次运行同一命令即可继续" in "".join(zh.stderr.split())

    same = ("seal", "sign", seal, files / "letter-0.ofd", "--out", files / "letter-0.ofd")
    refused = run(*same, "--reason", "加盖", *at("employment"))
    assert (refused.returncode, "FILE_IS_THE_SOURCE" in refused.stderr) == (4, True)
