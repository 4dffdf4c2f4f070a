"""Subscriptions with lanes, their dead letters, snapshots and Arrow, by commands."""

import json
import uuid
from functools import partial

import pyarrow as pa
from pyarrow import ipc

from exchange.v1 import delivery_pb2 as pb
from tests.builders import commands
from tests.builders.commands import run, told
from tongban.client import Client
from tongban.demonstration import sharing
from tongban.people import PERSON_ITEMS, people

scene = commands.scene
BUREAU = "departments/human-resources"
NAME = f"{BUREAU}/subscriptions/shared"


def test_a_subscription_from_its_snapshot_to_its_last_dead_letter(scene, tmp_path):
    at = partial(commands.at, scene)
    rows = [p.row() for p in people(20)]

    def file(rows, name="people.arrow"):
        path = tmp_path / name
        table = pa.table(dict(zip(PERSON_ITEMS, zip(*rows, strict=True), strict=True)))
        with pa.OSFile(str(path), "wb") as sink, ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return path

    done = told("publish", sharing.POPULATION, file(rows), *at("police"))
    assert done["upserted"] == "20"
    said = run("publish", sharing.POPULATION, file(rows), "--withdraw", *at("police"))
    assert "tongban.withdraw" in said.stderr
    fewer = tmp_path / "fewer.csv"
    fewer.write_text(f"{PERSON_ITEMS[0]},{PERSON_ITEMS[1]}\n{rows[0][0]},{rows[0][1]}\n")
    said = run("publish", sharing.POPULATION, fewer, *at("police"))
    assert "no column sex, birth_date, residence_address, phone: " in said.stderr + said.stdout
    left = told("publish", sharing.POPULATION, file(rows[:15]), "--snapshot", *at("police"))
    assert (left["withdrawn"], left["unchanged"]) == ("5", "15")

    asked = told(
        "grants", "request", BUREAU, sharing.POPULATION, "--item", "name",
        "--purpose", "核实身份", "--legal-basis", "依据", *at("employment"),
    )  # fmt: skip
    grant = told(
        "grants", "approve", asked["name"], "--item", "name", "--until", "30d", *at("police")
    )["name"]
    made = told(
        "subscriptions", "create", grant, "--id", "shared", "--from", "snapshot", "--lanes", 4,
        "--owner", "数据科", *at("employment"),
    )  # fmt: skip
    assert (made["lanes"], made["owner"]) == (4, "数据科")
    wrong = run("subscriptions", "create", grant, "--from", "then", *at("employment"))
    assert (wrong.returncode, "BAD_START" in wrong.stderr) == (4, True)
    for start in ("0", "2026-01-01", "2099-01-01T08:00"):
        told("subscriptions", "create", grant, "--from", start, *at("employment"))
    twice = run("subscriptions", "create", grant, "--id", "shared", *at("employment"))
    assert f"tongban subscribe {NAME}" in twice.stderr
    for late in (("--from", "now"), ("--id", "x"), ("--earliest",)):
        assert "BAD_START" in run("subscribe", NAME, *late, *at("employment")).stderr
    listed = run("subscriptions", "list", *at("employment"))
    assert "数据科" in listed.stdout

    # Somebody takes a part and cannot do it.
    with Client(scene.address, scene.identity("employment")) as client:
        request = pb.PullChangesRequest(subscription=NAME, consumer="w", max_lanes=1)
        part = client.delivery.PullChanges(request)
        client.delivery.RejectChange(
            pb.RejectChangeRequest(
                subscription=NAME,
                lane=part.leases[0].lane,
                token=part.leases[0].token,
                offset=part.changes[0].offset,
                reason="NAME_TOO_LONG",
                permanent=True,
                request_id=str(uuid.uuid4()),
            )
        )
    offset = part.changes[0].offset
    dead = run("subscriptions", "dead", NAME, *at("employment"), language="zh")
    assert "NAME_TOO_LONG" in dead.stdout
    assert "待处理" in dead.stdout
    one = told("subscriptions", "dead", NAME, "--offset", offset, *at("employment"))
    assert one["change"]["items"] == dict(part.changes[0].items)
    shown = run("subscriptions", "show", NAME, *at("employment"))
    assert "Lanes" in shown.stdout
    replayed = told("subscriptions", "replay", NAME, *at("employment"))
    assert [letter["state"] for letter in replayed] == ["DEAD_LETTER_STATE_REPLAYING"]

    received = run("subscribe", NAME, "--consumer", "cli", *at("employment"))
    lines = [json.loads(line) for line in received.stdout.splitlines()]
    assert sorted(line["offset"] for line in lines) == list(range(1, 16))
    every = told("subscriptions", "dead", NAME, "--all", *at("employment"))
    assert [letter["state"] for letter in every] == ["DEAD_LETTER_STATE_DELIVERED"]
    closed = run(
        "subscriptions", "close", NAME, "--offset", offset, "--reason", "重复", *at("employment")
    )
    assert (closed.returncode, "DEAD_LETTER_NOT_OPEN" in closed.stderr) == (3, True)
    assert told("subscriptions", "close", NAME, "--reason", "重复", *at("employment")) == []
