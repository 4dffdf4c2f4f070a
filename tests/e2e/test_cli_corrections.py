"""A wrong record from its publication to the last acknowledgement, and an inquiry, by commands."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest

from exchange.v1 import grants_pb2
from tests.builders import commands, county
from tongban.demonstration import sharing
from tongban.people import people

POLICE, EMPLOYMENT = "departments/public-security", "departments/human-resources"
MARKET = "departments/market-regulation"
PERSON = next(iter(people(1)))
COLUMNS = ["citizen_number", "name", "sex", "birth_date", "residence_address", "phone"]
ASK = ("--purpose", "就业登记", "--case", "2026-1")


def run(*arguments, key=PERSON.citizen_number, language="en"):
    return commands.run(*arguments, language=language, columns=300, env={"TONGBAN_KEY": key})


def told(*arguments):
    said = run(*arguments, "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    return json.loads(said.stdout)


def refused(reason, *arguments):
    said = run(*arguments)
    assert (said.returncode, reason in said.stderr) == (3, True), said.stdout + said.stderr


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("corrections") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def at(scene):
    return lambda key: ("--node", scene.address, "--identity", scene.identity(key))


def publish(scene, **changes):
    row = dict(zip(COLUMNS, PERSON.row(), strict=True)) | changes
    return scene["police"].publish(sharing.POPULATION, COLUMNS, [list(row.values())])


def until(read, wanted):
    """Ask again until it is so: what is logged takes about a second to be found."""
    end = time.monotonic() + 30
    while not wanted(found := read()):
        assert time.monotonic() < end, found
        time.sleep(0.5)
    return found


def test_everybody_who_got_a_wrong_record_is_told(scene, at):
    publish(scene, name="张错字")
    asks = county.grant(scene, ("name", "birth_date"))
    asked = sharing.ask(scene["market"], sharing.POPULATION, ["name"], "核对经营者身份", MARKET)
    given = [grants_pb2.GrantedItem(item="name")]
    follows = sharing.approve(scene["police"], asked.name, given, timedelta(days=1)).name
    answer = told("query", asks, *ASK, *at("employment"))
    assert answer["items"]["name"] == "张错字"
    first = run("subscribe", follows, "--id", "people", "--earliest", *at("market"))
    change = json.loads(first.stdout.splitlines()[0])
    assert change["items"]["name"] == "张错字"

    # The citizen objects at a counter.
    doubt = ("corrections", "submit", "--item", "name", "--statement", "与居民身份证不符")
    made = told(*doubt, "--resource", sharing.POPULATION, "--case", "SF-1", *at("terminal"))
    assert PERSON.citizen_number not in json.dumps(made)
    name = made["name"]
    refused("CORRECTION_NOT_FOUND", "corrections", "show", name, *at("employment"))
    refused("CORRECTION_NOT_FOUND", "corrections", "show", name + "x", *at("employment"))
    refused("CORRECTION_OPEN", *doubt, "--resource", sharing.POPULATION, "--case", "2",
            *at("terminal"))  # fmt: skip

    # The source looks into it, and corrects by publishing.
    (owed,) = told("corrections", "list", "--open", *at("police"))
    assert (owed["name"], owed["key"]) == (name, PERSON.citizen_number)
    clocks = told("deadlines", "list", "--parent", POLICE, *at("police"))
    assert [one["subject"] for one in clocks if one["kind"] == "correction"] == [name]
    assert told("corrections", "review", name, *at("police"))["state"].endswith("UNDER_REVIEW")
    refused("NOT_CORRECTED", "corrections", "accept", name, *at("police"))
    batch = publish(scene).batch
    done = told("corrections", "accept", name, "--batch", batch, *at("police"))
    assert done["state"] == "CORRECTION_STATE_ACCEPTED"

    # Both who got it are told, and acknowledge.
    lineage = ("corrections", "lineage", name)
    whole = until(lambda: told(*lineage, *at("police")), lambda one: one["traced"])
    assert whole["notice_count"] == 2
    for who, department in (("employment", EMPLOYMENT), ("market", MARKET)):
        (notice,) = told("corrections", "notices", "--open", *at(who))
        assert notice["items"] == ["name"]
        assert notice["name"].startswith(department)
        if who == "employment":
            assert (notice["grant"], notice["key"]) == (asks, PERSON.citizen_number)
        else:
            assert (notice["record_id"], notice["key"]) == (change["record_id"], "")
        refused("NOTICE_NOT_FOUND", "corrections", "acknowledge", notice["name"], *at("police"))
        assert told("corrections", "acknowledge", notice["name"], *at(who))["acknowledge_time"]
        assert told("corrections", "notices", "--open", *at(who)) == []
    whole = told(*lineage, *at("police"))
    assert (len(whole["wrong"]), whole["corrected"]["batch"]) == (1, batch)
    assert whole["wrong"][0]["offset"] == str(change["offset"])
    assert whole["acknowledged_count"] == 2
    assert {one["acknowledged_by"].rpartition("/systems/")[0] for one in whole["notices"]} == {
        EMPLOYMENT,
        MARKET,
    }
    citizens = told(*lineage, *at("terminal"))
    assert (citizens["acknowledged_count"], citizens["notices"]) == (2, [])
    (mine,) = told("corrections", "mine", "--case", "SF-2", *at("terminal"))
    assert mine["state"] == "CORRECTION_STATE_ACCEPTED"
    assert told("query", asks, *ASK, *at("employment"))["items"]["name"] == PERSON.name


def test_a_receiver_doubts_and_the_source_stands_by_its_record(scene, at):
    publish(scene, name="赵认真")
    grant = county.grant(scene, ("name",))
    doubt = ("corrections", "submit", "--grant", grant, "--item", "name", "--statement", "疑有误")
    refused("RECORD_NOT_RECEIVED", *doubt, *at("employment"))
    told("query", grant, *ASK, *at("employment"))
    made = until(lambda: run(*doubt, "--json", *at("employment")), lambda one: not one.returncode)
    name = json.loads(made.stdout)["name"]
    refused("CORRECTION_NOT_UNDER_REVIEW", "corrections", "accept", name, *at("police"))
    told("corrections", "review", name, *at("police"))
    reject = ("corrections", "reject", name, "--answer", "与户籍档案一致",
              "--legal-basis", "示范县政务数据共享办法第九条")  # fmt: skip
    assert "不予更正" in run(*reject, *at("police"), language="zh").stdout
    shown = run("corrections", "show", name, *at("employment")).stdout
    assert "与户籍档案一致" in shown
    assert PERSON.citizen_number not in shown
    closed = run("corrections", "withdraw", name, *at("employment"), language="zh")
    assert "该校核异议已办结或已撤回" in closed.stderr
    assert "Requests for correction" in run("corrections", "list", *at("employment")).stdout


def test_an_inquiry_with_files_is_answered_in_time(at, tmp_path):
    file = tmp_path / "清单.txt"
    file.write_text("办件清单", encoding="utf-8")
    ask = (
        "inquiries",
        "send",
        POLICE,
        "核实户籍",
        "--text",
        "请核实附件所列办件",
        "--attach",
        file,
    )
    made = told(*ask, *at("employment"))
    name, attachment = made["name"], made["attachments"][0]["name"]
    assert made["attachments"][0]["media_type"] == "text/plain"
    refused("INQUIRY_NOT_FOUND", "inquiries", "show", name, *at("market"))
    refused("ATTACHMENT_NOT_FOUND", "inquiries", "download", attachment, "-o", tmp_path / "x",
            *at("market"))  # fmt: skip
    assert "核实户籍" in run("inquiries", "list", "--open", *at("police")).stdout
    target = tmp_path / "got.txt"
    assert run("inquiries", "download", attachment, "-o", target, *at("police")).returncode == 0
    assert target.read_text(encoding="utf-8") == "办件清单"
    answered = run("inquiries", "answer", name, "--text", "情况属实", *at("police"), language="zh")
    assert "已答复" in answered.stdout, answered.stderr
    assert "情况属实" in run("inquiries", "show", name, *at("employment")).stdout
    assert told("inquiries", "close", name, *at("employment"))["state"].endswith("CLOSED")
    refused("INQUIRY_NOT_OPEN", "inquiries", "withdraw", name, *at("employment"))
    (clock,) = [
        one
        for one in told("deadlines", "list", "--parent", POLICE, *at("police"))
        if one["kind"] == "inquiry"
    ]
    assert clock["state"] == "DEADLINE_STATE_MET"
