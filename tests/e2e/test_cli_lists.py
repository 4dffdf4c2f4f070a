"""`tongban lists` as people use it, against a running node."""

from __future__ import annotations

from functools import partial

import pytest

from tests.builders import commands
from tongban.demonstration import sharing

scene = commands.scene
run, told = partial(commands.run, "lists", columns=300), partial(commands.told, "lists")
POLICE, EMPLOYMENT = "departments/public-security", "departments/human-resources"
ROW = f"{POLICE}/responsibilities/population"
LISTS = f"""
[[responsibility]]
name = "{ROW}"
resource = "{sharing.POPULATION}"
display_name = "常住人口信息"
items = ["name", "nonesuch"]
update_cycle = "daily"
receivers = ["{EMPLOYMENT}"]
legal_basis = "示范县政务数据共享办法第五条"
from_day = "2026-01-01"

[[negative]]
name = "{POLICE}/negatives/cases"
display_name = "案件信息"
legal_basis = "示范县保密规定第三条"
from_day = "2026-01-01"
"""


@pytest.fixture(scope="module")
def at(scene):
    return partial(commands.at, scene)


@pytest.fixture(scope="module")
def written(at, tmp_path_factory):
    file = tmp_path_factory.mktemp("rows") / "lists.toml"
    file.write_text(LISTS, encoding="utf-8")
    told("put", file, *at("centre"))
    return file


def test_rows_of_a_file_are_written_once_and_listed(at, written):
    assert [row["version"] for row in told("put", written, *at("centre"))] == [1, 1]
    assert run("put", written, *at("employment")).returncode == 0  # equal: nothing to write
    written.write_text(LISTS.replace("daily", "weekly"), encoding="utf-8")
    assert run("put", written, *at("employment")).returncode == 3
    assert [row["version"] for row in told("put", written, *at("centre"))] == [2, 1]
    (row,) = told("responsibilities", "--parent", POLICE, *at("employment"))
    assert (row["name"], row["update_cycle"]) == (ROW, "weekly")
    assert "常住人口信息" in run("responsibilities", *at("employment")).stdout
    assert "案件信息" in run("negatives", *at("employment")).stdout
    assert told("negatives", *at("employment"))[0]["negative"]["display_name"] == "案件信息"
    assert [v["responsibility"]["version"] for v in told("history", ROW, *at("police"))] == [1, 2]
    assert "常住人口信息" in run("history", ROW, *at("police")).stdout


def test_grants_that_collide_with_the_negative_list_are_named(at, scene, tmp_path):
    row = f"{POLICE}/negatives/population"
    file = tmp_path / "kept.toml"
    file.write_text(
        f'[[negative]]\nname = "{row}"\ndisplay_name = "电话"\nitems = ["phone"]\n'
        'legal_basis = "示范县保密规定第三条"\nfrom_day = "2999-01-01"\n',
        encoding="utf-8",
    )
    (made,) = told("put", file, *at("police"))
    assert made["collisions"] == told("collisions", row, *at("police")) == []
    assert "NOT_RESPONSIBLE" in run("collisions", row, *at("employment")).stderr
    told("remove", row, *at("police"))
    assert "ROW_NOT_FOUND" in run("collisions", row, *at("police")).stderr


def test_what_is_missing_is_told_in_words(at, written):
    (one,) = told("compare", "--shortfalls", *at("centre"))
    assert one["findings"][0]["shortfall"] == "SHORTFALL_ITEMS_MISSING"
    shown = run("compare", *at("police"), language="zh").stdout
    assert "缺少信息项 (nonesuch)" in shown
    assert "使用部门没有有效授权" in shown
    assert told("compare", *at("employment")) == []
    (received,) = told("compare", "--receiver", EMPLOYMENT, *at("employment"))
    assert received["responsibility"]["name"] == ROW


def test_a_demand_is_made_answered_and_withdrawn(at, written):
    ask = ("demand", EMPLOYMENT, "公积金缴存信息", "--item", "缴存状态", "--supplier", POLICE,
           "--purpose", "就业登记", "--legal-basis", "就业促进法第三十五条")  # fmt: skip
    made = told(*ask, *at("employment"))
    assert "公积金缴存信息" in run("demands", "--open", *at("police")).stdout
    done = told("answer", made["name"], "--answer", "列入", "--accept", ROW, *at("police"))
    assert (done["state"], done["responsibility"]) == ("DEMAND_STATE_ACCEPTED", ROW)
    assert "DEMAND_ANSWERED" in run("withdraw", made["name"], *at("employment")).stderr
    both = run(
        "answer", made["name"], "--answer", "不", "--accept", ROW, "--decline", "法", *at("police")
    )
    assert both.returncode == 4
    other = run(*ask, *at("employment"), language="zh").stdout
    assert "待答复" in other
    gone = told("withdraw", other.partition(":")[0], *at("employment"))
    assert gone["state"] == "DEMAND_STATE_WITHDRAWN"
    assert "DEMAND" not in run("history", gone["name"], *at("employment")).stderr


def test_rows_are_removed_and_bad_files_refused(at, written, tmp_path):
    bad = tmp_path / "bad.toml"
    for text in ("[[other]]\nname = 1", "[[responsibility]]\nname = 1", "[", "responsibility = 1"):
        bad.write_text(text)
        said = run("put", bad, *at("centre"))
        assert (said.returncode, "ROW_INVALID" in said.stderr) == (4, True), said.stderr
    assert run("remove", f"{POLICE}/demands/x", *at("centre")).returncode == 4
    assert run("remove", f"{POLICE}/responsibilities/none", *at("centre")).returncode == 3
    for name in (f"{POLICE}/negatives/cases", ROW):
        whose = "centre" if name == ROW else "police"
        assert told("remove", name, *at(whose))["state"] == "ROW_STATE_REMOVED"
    assert told("responsibilities", *at("police")) == []
    assert told("responsibilities", "--removed", *at("police"))[0]["name"] == ROW
