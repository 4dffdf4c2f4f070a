"""What the node is told of a run: by department, with what was rejected."""

from __future__ import annotations

from flows import directory, telling
from flows.directory import Changes, Directory, Reject
from flows.tables import Row

POLICE, CENTRE = "departments/police", "departments/centre"
ROW = Row(line=4, cells={"资源标识": "people", "信息资源名称": ""})


def reject(entry: str) -> Reject:
    return Reject(
        file="a.csv", line=4, entry=entry, reason="MISSING_FIELD", detail="is empty",
        detail_zh="为空", rows=(ROW,),
    )  # fmt: skip


def test_each_department_is_told_its_own_part():
    changes = Changes(
        added=[f"{POLICE}/resources/one", f"{POLICE}/resources/two"],
        unchanged=[f"{CENTRE}/serviceItems/a"],
    )
    wanted = Directory(
        entries={},
        rejects=(reject(f"{POLICE}/resources/people"), reject("departments/nobody/resources/x")),
    )
    told = telling.told(wanted, changes, ["a.csv"], registered={"police", "centre"}, own=CENTRE)
    runs = {run.name: run for run in told.runs}
    assert (runs[POLICE].added, runs[POLICE].unchanged) == (2, 0)
    assert [one.entry for one in runs[POLICE].rejects] == [f"{POLICE}/resources/people"]
    # Nobody is registered by that name: who ran it sees to it.
    assert [one.entry for one in runs[CENTRE].rejects] == ["departments/nobody/resources/x"]
    assert telling.rows_of(runs[POLICE].rejects[0].rows) == [ROW]


def test_a_reject_has_the_rows_of_its_entry():
    heading = dict.fromkeys(directory.RESOURCE_COLUMNS, "")
    cells = heading | {"部门标识": "police", "资源标识": "people"}
    rows = [Row(line=line, cells=cells) for line in (2, 3)]
    found = directory.read_resources(rows, file="a.csv", departments={})
    (one,) = found.rejects
    assert one.rows == tuple(rows)
