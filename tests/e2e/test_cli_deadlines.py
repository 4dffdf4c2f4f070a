"""`tongban deadlines` as people use it, against a running node."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from exchange.deadlines import service
from exchange.deadlines.jurisdictions import Kind
from runtime.database import Database
from tests.builders import commands, county
from tests.builders.flow_server import flow_server

SUBJECT = "departments/human-resources/accessRequests/r{}"


def run(*arguments, language="en"):
    return commands.run("deadlines", *arguments, language=language, columns=300)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("clock") / "data") as found:
        database = Database(f"sqlite:///{found.data / 'exchange.db'}", schema="exchange")
        now = datetime.now(UTC)
        for number, (kind, ago) in enumerate(
            ((Kind.REPLY_CONDITIONAL, 0), (Kind.REPLY_UNCONDITIONAL, 30))
        ):
            with database.unit_of_work() as work:
                service.start(
                    work,
                    subject=SUBJECT.format(number),
                    kind=kind,
                    region_code="990101",
                    department="departments/public-security",
                    at=now - timedelta(days=ago),
                    actor="rules/test",
                )
        database.close()
        yield found


@pytest.fixture(scope="module")
def at(scene):
    return lambda key: ("--node", scene.address, "--identity", scene.identity(key))


def told(*arguments):
    said = run(*arguments, "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    return json.loads(said.stdout)


def test_a_deadline_is_listed_paused_resumed_and_extended(at):
    mine = ("--subject", SUBJECT.format(0))
    (found,) = told("list", *mine, *at("police"))
    assert (found["kind"], found["days"]) == (Kind.REPLY_CONDITIONAL, 10)
    name = found["name"]
    assert (
        told("pause", name, "--reason", "待补充材料", *at("police"))["state"]
        == "DEADLINE_STATE_PAUSED"
    )
    assert "待补充材料" in run("show", name, *at("police")).stdout
    assert told("resume", name, *at("police"))["due"] >= found["due"]
    extended = told("extend", name, "--days", 2, "--reason", "数据量大", *at("police"))
    assert extended["due"] > found["due"]
    refused = run("extend", name, "--days", 9, "--reason", "数据量大", *at("police"))
    assert refused.returncode == 3
    assert "EXTENSION_TOO_LONG" in refused.stderr
    shown = run("show", name, *at("police"), language="zh").stdout
    assert "数据量大" in shown
    assert "到期日" in shown


def test_who_is_late_is_reported_and_told(at):
    (late,) = told("list", "--late", *at("centre"))
    assert late["days_over"] > 0
    assert "late by" in run("list", "--late", *at("centre")).stdout
    span = ("--from", (datetime.now(UTC) - timedelta(days=60)).date(), "--to", "2199-12-31")
    span = (*span[:3], (datetime.now(UTC) + timedelta(days=300)).date())
    (row, *_) = told("report", *span, *at("centre"))["rows"]
    assert (row["department"], row["overdue"]) == ("departments/public-security", "1")
    assert "departments/public-security" in run("report", *span, *at("centre")).stdout
    assert told("remind", *at("centre")) == {"reminders": 0, "overdue": 1, "escalations": 1}
    assert "0" in run("remind", *at("centre")).stdout
    (notice,) = told("notices", "--parent", "departments/public-security", *at("police"))
    assert notice["stage"] == "NOTICE_STAGE_OVERDUE"
    assert "administrators" in run("notices", "--parent", "departments/-", *at("centre")).stdout
    assert run("remind", *at("police")).returncode == 3
    read = told("acknowledge", notice["number"], *at("police"))
    assert read["acknowledged_by"].startswith("departments/public-security/")
    assert notice["number"] in run("acknowledge", notice["number"], *at("police")).stdout
    assert run("acknowledge", notice["number"], *at("employment")).returncode == 3
    mine = ("--parent", "departments/public-security", *at("police"))
    assert told("notices", "--open", *mine) == []


def test_tables_are_written_from_a_file(at, tmp_path):
    table = tmp_path / "shifan.toml"
    table.write_text(
        """
        [shifan]
        region_prefix = "9901"
        display_name = "示范市"

        [shifan.periods.reply_conditional]
        days = 7
        extension = 3
        source = "示范市政务数据共享办法第九条"
        sure = true
        """,
        encoding="utf-8",
    )
    (made,) = told("jurisdictions", "put", table, *at("centre"))
    assert made["name"] == "jurisdictions/shifan"
    assert made["inherit_review"]
    assert told("jurisdictions", "put", table, *at("centre"))[0]["etag"] == made["etag"]
    shown = run("jurisdictions", "list", *at("police")).stdout
    assert "示范市政务数据共享办法第九条" in shown
    assert "reply_unconditional" in shown
    assert run("jurisdictions", "put", table, *at("police")).returncode == 3
    assert told("jurisdictions", "delete", made["name"], *at("centre"))["deleted"]
    table.write_text("[shifan]\nnonsense = 1")
    refused = run("jurisdictions", "put", table, *at("centre"))
    assert (refused.returncode, "JURISDICTION_INVALID" in refused.stderr) == (4, True)
    table.write_bytes(b"\xff")
    assert run("jurisdictions", "put", table, *at("centre")).returncode == 4


def test_a_year_is_written_from_a_file_and_counts(at, tmp_path):
    year = tmp_path / "2031.toml"
    year.write_text('[2031]\noff = ["2031-10-01/2031-10-07"]\nworking = ["2031-10-11"]\n')
    before = run("calendar", "count", 3, "--after", "2031-09-30", *at("police")).stdout
    assert before.strip() == "2031-10-03 (provisional)"
    put = told("calendar", "put", year, *at("centre"))
    assert [y["year"] for y in put["years"]] == [2031]
    after = told("calendar", "count", 3, "--after", "2031-09-30", *at("police"))
    assert after == {"day": "2031-10-10", "provisional": False}
    assert "2031-10-01/2031-10-07" in run("calendar", "list", *at("police")).stdout
    year.write_text('[2031]\noff = ["2030-10-01"]\n')
    assert run("calendar", "put", year, *at("centre")).returncode == 4


def test_the_flow_writes_the_notices_too(scene, at, tmp_path):
    said = commands.run(
        "flow", "run", "deadline-notices", "--json", "--data", tmp_path, *at("centre"),
        env={"PREFECT_API_URL": flow_server()},
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert set(json.loads(said.stdout)) == {"reminders", "overdue", "escalations"}
